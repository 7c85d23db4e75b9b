"""Attempts at read-all:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import select
import selectors

kept = []


def drains(fd):
    pieces = []
    with select.epoll() as ep:
        ep.register(fd, select.EPOLLIN)
        while True:
            ep.poll()
            try:
                while piece := os.read(fd, 1000):
                    pieces.append(piece)
                return b"".join(pieces)
            except BlockingIOError:
                pass


def reads_first_asks_later(fd):
    data = b""
    with select.epoll() as ep:
        ep.register(fd, select.EPOLLIN | select.EPOLLRDHUP)
        while True:
            try:
                piece = os.read(fd, 65536)
            except BlockingIOError:
                ep.poll()
                continue
            if not piece:
                return data
            data += piece


def with_selectors(fd):
    data = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        while selector.select():
            piece = os.read(fd, 4096)
            if not piece:
                return bytes(data)
            data += piece


def only_if_in(fd):
    data = b""
    with select.epoll() as ep:
        ep.register(fd, select.EPOLLIN)
        while True:
            for _, mask in ep.poll():
                if mask & select.EPOLLIN:
                    piece = os.read(fd, 4096)
                    data += piece
                    if not piece:
                        return data


def hup_first(fd):
    data = b""
    with select.epoll() as ep:
        ep.register(fd, select.EPOLLIN)
        while True:
            for _, mask in ep.poll():
                if mask & select.EPOLLHUP:
                    return data
                data += os.read(fd, 4096)


def in_exactly(fd):
    data = b""
    with select.epoll() as ep:
        ep.register(fd, select.EPOLLIN)
        while True:
            for _, mask in ep.poll():
                if mask == select.EPOLLIN:
                    data += os.read(fd, 4096)
                elif mask == select.EPOLLHUP:
                    return data


def reads_once(fd):
    with select.epoll() as ep:
        ep.register(fd, select.EPOLLIN)
        ep.poll()
        return os.read(fd, 100_000)


def does_not_ask(fd):
    data = b""
    while piece := os.read(fd, 4096):
        data += piece
    return data


def returns_the_pieces(fd):
    return [drains(fd)]


def never_sleeps(fd):
    data = b""
    while True:
        try:
            piece = os.read(fd, 4096)
        except BlockingIOError:
            continue
        if not piece:
            return data
        data += piece


def makes_it_blocking(fd):
    os.set_blocking(fd, True)
    data = b""
    while piece := os.read(fd, 4096):
        data += piece
    return data


def leaves_it_open(fd):
    kept.append(ep := select.epoll())
    ep.register(fd, select.EPOLLIN)
    data = b""
    while True:
        ep.poll()
        piece = os.read(fd, 4096)
        if not piece:
            return data
        data += piece


RIGHT = [drains, reads_first_asks_later, with_selectors]
WRONG = {
    only_if_in: ("wrong", "asked again and again"),
    hup_first: ("wrong", "HUP says that nobody will write any more"),
    in_exactly: ("wrong", "asked again and again"),
    does_not_ask: ("raised", "BlockingIOError"),
    returns_the_pieces: ("not an answer yet", "was wanted"),
    reads_once: ("wrong", "the rest is missing"),
    never_sleeps: ("wrong", "that is busy polling"),
    makes_it_blocking: ("wrong", "blocking, or non-blocking"),
    leaves_it_open: ("wrong", "left ep open"),
}
