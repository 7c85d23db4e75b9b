"""Attempts at read-everything:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import select
from array import array
from concurrent.futures import ThreadPoolExecutor
from fcntl import ioctl
from termios import FIONREAD

kept = []


def in_a_loop(r):
    data = b""
    while True:
        piece = os.read(r, 65536)
        if not piece:
            return data
        data += piece


def byte_by_byte(r):
    data = bytearray()
    while piece := os.read(r, 1):
        data += piece
    return data


def as_a_file(r):
    with open(r, "rb", closefd=False) as file:
        return file.read()


def asleep_in_an_epoll(r):
    os.set_blocking(r, False)
    try:
        data = b""
        with select.epoll() as ep:
            ep.register(r, select.EPOLLIN)
            while True:
                ep.poll()
                try:
                    while piece := os.read(r, 100):
                        data += piece
                    return data
                except BlockingIOError:
                    pass
    finally:
        os.set_blocking(r, True)


def in_another_thread(r):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(in_a_loop, r).result()


def reads_once(r):
    return os.read(r, 65536)


def stops_at_a_short_read(r):
    data = b""
    while True:
        piece = os.read(r, 512)
        data += piece
        if len(piece) < 512:
            return data


def stops_when_nothing_waits(r):
    data = os.read(r, 4096)
    waiting = array("i", [0])
    while ioctl(r, FIONREAD, waiting) == 0 and waiting[0]:
        data += os.read(r, 4096)
    return data


def keeps_the_last_piece(r):
    while piece := os.read(r, 4096):
        data = piece
    return data


def misses_the_end(r):
    data = b""
    while True:
        data += os.read(r, 4096)


def polls_busily(r):
    os.set_blocking(r, False)
    data = b""
    while True:
        try:
            piece = os.read(r, 4096)
        except BlockingIOError:
            continue
        if not piece:
            os.set_blocking(r, True)
            return data
        data += piece


def waits_for_the_hang_up(r):
    with select.epoll() as ep:
        ep.register(r, 0)
        ep.poll()
    return os.read(r, 65536)


def closes_the_stream(r):
    data = in_a_loop(r)
    os.close(r)
    return data


def leaves_it_non_blocking(r):
    data = asleep_in_an_epoll(r)
    os.set_blocking(r, False)
    return data


def leaves_an_epoll(r):
    kept.append(select.epoll())
    return in_a_loop(r)


def decodes(r):
    return in_a_loop(r).decode("latin-1")


def returns_nothing(r):
    in_a_loop(r)


RIGHT = [in_a_loop, byte_by_byte, as_a_file, in_another_thread, asleep_in_an_epoll]
WRONG = {
    reads_once: ("wrong", "the rest is missing"),
    stops_at_a_short_read: ("wrong", "the rest is missing"),
    stops_when_nothing_waits: ("wrong", "the rest is missing"),
    keeps_the_last_piece: ("wrong", "is not the one that belongs there"),
    misses_the_end: ("wrong", "after the end"),
    polls_busily: ("wrong", "busy polling"),
    waits_for_the_hang_up: ("sleeps for ever", "waited in r"),
    closes_the_stream: ("wrong", "closed r"),
    leaves_it_non_blocking: ("wrong", "made r blocking, or non-blocking"),
    leaves_an_epoll: ("wrong", "open"),
    decodes: ("not an answer yet", "was wanted"),
    returns_nothing: ("not an answer yet", "was wanted"),
}
