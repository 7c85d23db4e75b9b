"""Attempts at wait-until:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import select
import selectors
import time


def computes_what_is_left(r, deadline):
    data = b""
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        while True:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not ep.poll(left_s):
                return data
            piece = os.read(r, 100)
            if not piece:
                return data
            data += piece


def in_small_bites(r, deadline):
    data = b""
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        while time.monotonic() < deadline:
            for _ in ep.poll(max(0, min(0.1, deadline - time.monotonic()))):
                piece = os.read(r, 4096)
                if not piece:
                    return data
                data += piece
    return data


def with_selectors(r, deadline):
    data = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(r, selectors.EVENT_READ)
        while (left_s := deadline - time.monotonic()) > 0:
            for _ in selector.select(left_s):
                if not (piece := os.read(r, 4096)):
                    return bytes(data)
                data += piece
    return bytes(data)


def _collect(r, timeout, more=lambda: True, stops_at_the_end=True):
    """Poll with what *timeout* tells each time, while ``more()``."""
    data = b""
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        while more() and ep.poll(timeout()):
            piece = os.read(r, 4096)
            if not piece and stops_at_the_end:
                break
            data += piece
    return data


def begins_anew_each_time(r, deadline):
    timeout = max(0, deadline - time.monotonic())
    return _collect(r, lambda: timeout)


def below_zero(r, deadline):
    return _collect(r, lambda: deadline - time.monotonic())


def one_poll(r, deadline):
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        if ep.poll(max(0, deadline - time.monotonic())):
            return os.read(r, 4096)
    return b""


def takes_the_deadline_for_a_timeout(r, deadline):
    return _collect(r, lambda: deadline)


def misses_the_end(r, deadline):
    return _collect(
        r,
        lambda: max(0, deadline - time.monotonic()),
        lambda: time.monotonic() < deadline,
        stops_at_the_end=False,
    )


def polls_busily(r, deadline):
    data = b""
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        while time.monotonic() < deadline:
            if ep.poll(0):
                piece = os.read(r, 4096)
                if not piece:
                    break
                data += piece
    return data


def sleeps_until_then(r, deadline):
    time.sleep(max(0, deadline - time.monotonic()))
    return os.read(r, 4096)


def returns_the_pieces(r, deadline):
    return [computes_what_is_left(r, deadline)]


RIGHT = [computes_what_is_left, in_small_bites, with_selectors]
WRONG = {
    begins_anew_each_time: ("took too long", "your function"),
    below_zero: ("sleeps for ever", "a timeout below 0 is no bound"),
    one_poll: ("wrong", "before the deadline"),
    takes_the_deadline_for_a_timeout: ("took too long", "asleep in ep.poll("),
    misses_the_end: ("wrong", "after the end"),
    polls_busily: ("wrong", "busy polling"),
    sleeps_until_then: ("sleeps for ever", "asleep in os.read("),
    returns_the_pieces: ("not an answer yet", "a bytes object was wanted"),
}
