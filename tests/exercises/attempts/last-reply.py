"""Attempts at last-reply:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import select
import socket
import struct


def as_in_09(sock, reply):
    sock.sendall(reply)
    sock.shutdown(socket.SHUT_WR)
    sock.settimeout(5)
    with sock:
        while sock.recv(4096):
            pass


def with_epoll(sock, reply):
    sock.setblocking(False)
    rest = memoryview(reply)
    with select.epoll() as ep, sock:
        ep.register(sock, select.EPOLLOUT | select.EPOLLIN)
        while True:
            [(_, mask)] = ep.poll()
            if mask & select.EPOLLIN and not sock.recv(65_536):
                return
            if mask & select.EPOLLOUT and rest:
                rest = rest[sock.send(rest) :]
                if not rest:
                    sock.shutdown(socket.SHUT_WR)
                    ep.modify(sock, select.EPOLLIN)


def closes_at_once(sock, reply):
    sock.sendall(reply)
    sock.close()


def half_closes_and_closes(sock, reply):
    sock.sendall(reply)
    sock.shutdown(socket.SHUT_WR)
    sock.close()


def lingers(sock, reply):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 5))
    sock.sendall(reply)
    sock.close()


def reads_what_is_there(sock, reply):
    sock.sendall(reply)
    sock.shutdown(socket.SHUT_WR)
    sock.setblocking(False)
    try:
        while sock.recv(65_536):
            pass
    except BlockingIOError:
        pass
    sock.close()


def reads_to_the_end_first(sock, reply):
    while sock.recv(65_536):
        pass
    sock.sendall(reply)
    sock.close()


def never_says_that_it_is_over(sock, reply):
    sock.sendall(reply)
    while sock.recv(65_536):
        pass
    sock.close()


def ignores_what_send_returns(sock, reply):
    sock.setblocking(False)
    sock.send(reply[:1000])
    sock.shutdown(socket.SHUT_WR)
    sock.setblocking(True)
    while sock.recv(65_536):
        pass
    sock.close()


def sends_text(sock, reply):
    sock.sendall(reply.decode("latin-1"))
    sock.close()


RIGHT = [as_in_09, with_epoll]
WRONG = {
    closes_at_once: ("wrong", "destroyed the rest"),
    half_closes_and_closes: ("wrong", "destroyed the rest"),
    lingers: ("wrong", "destroyed the rest"),
    reads_what_is_there: ("wrong", "destroyed the rest"),
    reads_to_the_end_first: ("sleeps for ever", "waits for the end"),
    never_says_that_it_is_over: ("sleeps for ever", "waits for the end"),
    ignores_what_send_returns: ("wrong", "the rest is missing"),
    sends_text: ("raised", "TypeError"),
}
