"""Attempts at mend-the-lines:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import select


def keeps_a_rest(sock):
    rest = bytearray()
    with select.epoll() as ep:
        ep.register(sock, select.EPOLLIN)
        while ep.poll():
            data = sock.recv(65_536)
            if not data:
                return
            rest += data
            while b"\n" in rest:
                line, _, rest = rest.partition(b"\n")
                sock.sendall(line.upper() + b"\n")


def all_lines_in_one_call(sock):
    rest = b""
    with select.epoll() as ep:
        ep.register(sock, select.EPOLLIN)
        while ep.poll() and (data := os.read(sock.fileno(), 4096)):
            whole, newline, rest = (rest + data).rpartition(b"\n")
            sock.sendall((whole + newline).upper())


def as_it_was(sock):
    with select.epoll() as ep, sock.makefile("rb") as file:
        ep.register(sock, select.EPOLLIN)
        while True:
            ep.poll()
            line = file.readline()
            if line == b"":
                return
            sock.sendall(line.upper())


def takes_each_read_for_a_line(sock):
    with select.epoll() as ep:
        ep.register(sock, select.EPOLLIN)
        while ep.poll():
            data = sock.recv(4096)
            if not data:
                return
            sock.sendall(data.strip().upper() + b"\n")


def forgets_the_half(sock):
    with select.epoll() as ep:
        ep.register(sock, select.EPOLLIN)
        while ep.poll():
            data = sock.recv(4096)
            if not data:
                return
            for line in data.split(b"\n")[:-1]:
                sock.sendall(line.upper() + b"\n")


def never_waits_at_an_epoll(sock):
    with sock.makefile("rb") as file:
        for line in file:
            sock.sendall(line.upper())


def asks_the_file_again_and_again(sock):
    sock.setblocking(False)
    with select.epoll() as ep, sock.makefile("rb") as file:
        ep.register(sock, select.EPOLLIN)
        while True:
            ep.poll(0)
            line = file.readline()
            if line:
                sock.sendall(line.upper())


RIGHT = [keeps_a_rest, all_lines_in_one_call]
WRONG = {
    as_it_was: ("sleeps for ever", "asleep in"),
    takes_each_read_for_a_line: ("sleeps for ever", "never sent"),
    forgets_the_half: ("sleeps for ever", "never sent"),
    never_waits_at_an_epoll: ("wrong", "never called poll"),
    asks_the_file_again_and_again: ("wrong", "busy polling"),
    lambda sock: sock.no_such_thing: ("raised", "AttributeError"),
}
