"""Attempts at mend-the-loan:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import select


def unregisters_then_closes(fds):
    lines, copies = {}, {os.dup(fd): fd for fd in fds}
    with select.epoll() as ep:
        for copy in copies:
            ep.register(copy, select.EPOLLIN)
        while copies:
            [(copy, _)] = ep.poll(maxevents=1)
            ep.unregister(copy)
            lines[copies.pop(copy)] = os.read(copy, 64).split(b"\n")[0].decode()
            os.close(copy)
    return lines


def needs_no_copies(fds):
    lines = {}
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while len(lines) < len(fds):
            for fd, _ in ep.poll():
                lines[fd] = os.read(fd, 64).split(b"\n")[0].decode()
                ep.unregister(fd)
    return lines


def as_it_was(fds):
    lines = {}
    _ = lines
    with select.epoll() as ep:
        copies = {os.dup(fd): fd for fd in fds}
        for copy in copies:
            ep.register(copy, select.EPOLLIN)
        while copies:
            for copy, _ in ep.poll():
                if copy in copies:
                    line = os.read(copy, 64).partition(b"\n")[0]
                    lines[copies.pop(copy)] = line.decode()
                    os.close(copy)
    return lines


def unregisters_after_closing(fds):
    lines = {}
    with select.epoll() as ep:
        copies = {os.dup(fd): fd for fd in fds}
        for copy in copies:
            ep.register(copy, select.EPOLLIN)
        while copies:
            for copy, _ in ep.poll():
                lines[copies.pop(copy)] = os.read(copy, 64).partition(b"\n")[0].decode()
                os.close(copy)
                ep.unregister(copy)
    return lines


def leaves_the_copies_open(fds):
    lines = {}
    with select.epoll() as ep:
        copies = {os.dup(fd): fd for fd in fds}
        for copy in copies:
            ep.register(copy, select.EPOLLIN)
        while copies:
            for copy, _ in ep.poll():
                lines[copies.pop(copy)] = os.read(copy, 64).partition(b"\n")[0].decode()
                ep.unregister(copy)
    return lines


def closes_what_was_lent(fds):
    lines = needs_no_copies(fds)
    for fd in fds:
        os.close(fd)
    return lines


def reads_in_order(fds):
    os.read(fds[-1], 64)
    return {}


def returns_a_list(fds):
    return list(needs_no_copies(fds).values())


RIGHT = [unregisters_then_closes, needs_no_copies]
WRONG = {
    as_it_was: ("wrong", "again and again"),
    unregisters_after_closing: ("raised", "OSError"),
    leaves_the_copies_open: ("wrong", "open"),
    closes_what_was_lent: ("wrong", "still needs"),
    reads_in_order: ("wrong", "never called poll"),
    returns_a_list: ("not an answer yet", "a dictionary was wanted"),
}
