"""Attempts at find-the-bug:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import select
import selectors


def drains_each(fds):
    counts, here = dict.fromkeys(fds, 0), set(fds)
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while here:
            for fd, _ in ep.poll():
                try:
                    while data := os.read(fd, 4096):
                        counts[fd] += len(data)
                except BlockingIOError:
                    continue
                except ConnectionResetError:
                    pass
                ep.unregister(fd)
                here.remove(fd)
    return counts


def forgives_every_error(fds):
    """A stream that was reset is found at its end by the next read."""
    counts, here = dict.fromkeys(fds, 0), set(fds)
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while here:
            for fd, _ in ep.poll():
                try:
                    data = os.read(fd, 100_000)
                except OSError:
                    continue
                counts[fd] += len(data)
                if not data:
                    ep.unregister(fd)
                    here.remove(fd)
    return counts


def with_selectors(fds):
    counts = {}
    with selectors.DefaultSelector() as selector:
        for fd in fds:
            counts[fd] = 0
            selector.register(fd, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                try:
                    got = len(os.read(key.fd, 4096))
                except ConnectionResetError:
                    got = 0
                counts[key.fd] += got
                if not got:
                    selector.unregister(key.fd)
    return counts


def only_the_first(fds):
    """Reads before it looks at HUP, and never sees an end that brings no HUP."""
    counts, here = dict.fromkeys(fds, 0), set(fds)
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while here:
            for fd, mask in ep.poll():
                try:
                    while data := os.read(fd, 4096):
                        counts[fd] += len(data)
                except BlockingIOError:
                    pass
                if mask & select.EPOLLHUP:
                    ep.unregister(fd)
                    here.remove(fd)
    return counts


def only_the_second(fds):
    """Sees every end, and still loses what comes together with HUP."""
    counts, here = dict.fromkeys(fds, 0), set(fds)
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while here:
            for fd, mask in ep.poll():
                if not mask & select.EPOLLHUP:
                    try:
                        while data := os.read(fd, 4096):
                            counts[fd] += len(data)
                    except BlockingIOError:
                        continue
                ep.unregister(fd)
                here.remove(fd)
    return counts


def every_error_is_an_end(fds):
    counts, here = dict.fromkeys(fds, 0), set(fds)
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while here:
            for fd, _ in ep.poll():
                try:
                    while data := os.read(fd, 4096):
                        counts[fd] += len(data)
                except OSError:
                    pass
                ep.unregister(fd)
                here.remove(fd)
    return counts


def does_not_expect_a_reset(fds):
    counts, here = dict.fromkeys(fds, 0), set(fds)
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while here:
            for fd, _ in ep.poll():
                data = os.read(fd, 4096)
                counts[fd] += len(data)
                if not data:
                    ep.unregister(fd)
                    here.remove(fd)
    return counts


def closes_what_has_ended(fds):
    counts = drains_each(fds)
    for fd in fds:
        os.close(fd)
    return counts


def returns_the_sum(fds):
    return sum(drains_each(fds).values())


def one_after_the_other(fds):
    counts = {}
    for fd in fds:
        os.set_blocking(fd, True)
        counts[fd] = 0
        while data := os.read(fd, 4096):
            counts[fd] += len(data)
        os.set_blocking(fd, False)
    return counts


RIGHT = [drains_each, forgives_every_error, with_selectors]
WRONG = {
    only_the_first: ("wrong", "after the end"),
    only_the_second: ("wrong", "what came was"),
    every_error_is_an_end: ("wrong", "what came was"),
    does_not_expect_a_reset: ("raised", "ConnectionResetError"),
    closes_what_has_ended: ("wrong", "closed r"),
    returns_the_sum: ("not an answer yet", "a dictionary was wanted"),
    one_after_the_other: ("wrong", "never called poll of an epoll"),
}
