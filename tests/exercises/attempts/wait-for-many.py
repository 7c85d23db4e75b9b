"""Attempts at wait-for-many:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import select

IN, ET = select.EPOLLIN, select.EPOLLET


def byte_by_byte(fds, size):
    data = bytearray()
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, IN)
        while len(data) < size:
            for fd, _ in ep.poll(maxevents=1):
                data += os.read(fd, 1)
    return bytes(data)


def on_edges(fds, size):
    ep, data = select.epoll(), b""
    for fd in fds:
        ep.register(fd, IN | ET)
    while len(data) < size:
        [(fd, _)] = ep.poll()
        data += os.read(fd, 4096)
    for fd in fds:
        ep.unregister(fd)
    ep.close()
    return data


def an_epoll_for_each_wait(fds, size):
    data = b""
    while len(data) < size:
        with select.epoll() as ep:
            for fd in fds:
                ep.register(fd, IN)
            [(fd, _)] = ep.poll()
            data += os.read(fd, 4096)
    return data


def registers_all_again(fds, size):
    data = b""
    with select.epoll() as ep:
        while len(data) < size:
            for fd in fds:
                try:
                    ep.register(fd, IN)
                except FileExistsError:
                    pass
            [(fd, _)] = ep.poll()
            data += os.read(fd, 4096)
    return data


def with_select(fds, size):
    data = b""
    while len(data) < size:
        for fd in select.select(fds, [], [])[0]:
            data += os.read(fd, 4096)
    return data


def in_the_order_of_the_list(fds, size):
    return b"".join(os.read(fd, 4096) for fd in fds)[:size]


def keeps_asking(fds, size):
    data = b""
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, IN)
        while len(data) < size:
            for fd, _ in ep.poll(0):
                data += os.read(fd, 4096)
    return data


def the_first_message_only(fds, size):
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, IN)
        [(fd, _)] = ep.poll()
        return os.read(fd, size)


def one_byte_an_edge(fds, size):
    data = b""
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, IN | ET)
        while len(data) < size:
            for fd, _ in ep.poll():
                data += os.read(fd, 1)
    return data


def closes_them(fds, size):
    data = b""
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, IN)
        while len(data) < size:
            for fd, _ in ep.poll():
                data += os.read(fd, 4096)
    for fd in fds:
        os.close(fd)
    return data


def returns_a_list(fds, size):
    data = []
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, IN)
        while sum(map(len, data)) < size:
            for fd, _ in ep.poll():
                data.append(os.read(fd, 4096))
    return data


RIGHT = [byte_by_byte, on_edges]
WRONG = {
    an_epoll_for_each_wait: ("wrong", "It made 6 epolls"),
    registers_all_again: ("wrong", "360 times"),
    with_select: ("wrong", "never called poll of an epoll"),
    in_the_order_of_the_list: ("sleeps for ever", "nobody was left"),
    keeps_asking: ("wrong", "busy polling"),
    the_first_message_only: ("wrong", "the rest is missing"),
    one_byte_an_edge: ("sleeps for ever", "waited in"),
    closes_them: ("wrong", "closed"),
    returns_a_list: ("not an answer yet", "a bytes object was wanted"),
}
