"""Attempts at whole-lines:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import select
import selectors

LONGEST = 50_000


def with_splitlines(a, b):
    half, here = {a: bytearray(), b: bytearray()}, {a, b}
    with select.epoll() as ep:
        for fd in here:
            ep.register(fd, select.EPOLLIN)
        while here:
            for fd, _ in ep.poll():
                try:
                    data = os.read(fd, 4096)
                    half[fd] += data
                    while (end := half[fd].find(b"\n")) >= 0:
                        os.write(fd, half[fd][: end + 1])
                        del half[fd][: end + 1]
                except ConnectionError:
                    data = b""
                if not data or len(half[fd]) > LONGEST:
                    ep.unregister(fd)
                    here.remove(fd)


def with_selectors(a, b):
    half = {a: b"", b: b""}
    with selectors.DefaultSelector() as selector:
        for fd in half:
            selector.register(fd, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                fd = key.fd
                try:
                    data = os.read(fd, 9999)
                    whole, newline, half[fd] = (half[fd] + data).rpartition(b"\n")
                    os.write(fd, whole + newline)
                except OSError:
                    data = b""
                if not data or len(half[fd]) > LONGEST:
                    selector.unregister(fd)


def _serve(a, b, answer, ends=(OSError,)):
    """Keep what came in *half*; ``answer(fd, half)`` sends, and says what it does not keep."""
    half, here = {a: b"", b: b""}, {a, b}
    with select.epoll() as ep:
        for fd in here:
            ep.register(fd, select.EPOLLIN)
        while here:
            for fd, _ in ep.poll():
                try:
                    data = os.read(fd, 65_536)
                    half[fd] = answer(fd, half[fd] + data)
                except ends:
                    data = b""
                if not data or len(half[fd]) > LONGEST:
                    ep.unregister(fd)
                    here.remove(fd)


def whole(fd, data):
    lines, newline, rest = data.rpartition(b"\n")
    if newline:
        os.write(fd, lines + newline)
    return rest


def catches_nothing(a, b):
    _serve(a, b, whole, ends=())


def catches_the_wrong_thing(a, b):
    _serve(a, b, whole, ends=(BlockingIOError,))


def sends_halves(a, b):
    def answer(fd, data):
        os.write(fd, data)
        return b""

    _serve(a, b, answer)


def waits_for_the_last_newline(a, b):
    """Answer only what ends in a newline, and keep all of it otherwise."""

    def answer(fd, data):
        if not data.endswith(b"\n"):
            return data
        os.write(fd, data)
        return b""

    _serve(a, b, answer)


def forgets_the_half(a, b):
    def answer(fd, data):
        whole(fd, data)
        return b""

    _serve(a, b, answer)


def holds_all(a, b):
    half, here = {a: b"", b: b""}, {a, b}
    with select.epoll() as ep:
        for fd in here:
            ep.register(fd, select.EPOLLIN)
        while here:
            for fd, _ in ep.poll():
                try:
                    data = os.read(fd, 65_536)
                    half[fd] = whole(fd, half[fd] + data)
                except OSError:
                    data = b""
                if not data:
                    ep.unregister(fd)
                    here.remove(fd)


def mixes_them_up(a, b):
    half, here = b"", {a, b}
    with select.epoll() as ep:
        for fd in here:
            ep.register(fd, select.EPOLLIN)
        while here:
            for fd, _ in ep.poll():
                data = os.read(fd, 65_536)
                half = whole(fd, half + data)
                if not data or len(half) > LONGEST:
                    ep.unregister(fd)
                    here.remove(fd)


def one_after_the_other(a, b):
    for fd in (a, b):
        os.set_blocking(fd, True)
        half = b""
        while data := os.read(fd, 65_536):
            half = whole(fd, half + data)


def misses_the_end(a, b):
    half = {a: b"", b: b""}
    with select.epoll() as ep:
        for fd in half:
            ep.register(fd, select.EPOLLIN)
        while True:
            for fd, _ in ep.poll():
                try:
                    half[fd] = whole(fd, half[fd] + os.read(fd, 65_536))
                except OSError:
                    pass


def closes(a, b):
    _serve(a, b, whole)
    os.close(a)


RIGHT = [with_splitlines, with_selectors]
WRONG = {
    catches_nothing: ("raised", "ConnectionResetError"),
    catches_the_wrong_thing: ("raised", "ConnectionResetError"),
    sends_halves: ("wrong", "bytes came to the reader"),
    waits_for_the_last_newline: ("wrong", "bytes came to the reader"),
    forgets_the_half: ("wrong", "bytes came to the reader"),
    holds_all: ("wrong", "it may hold 150,000"),
    mixes_them_up: ("wrong", "bytes came to the reader"),
    one_after_the_other: ("sleeps for ever", "asleep in os.read("),
    misses_the_end: ("wrong", "after the end"),
    closes: ("wrong", "closed a"),
}
