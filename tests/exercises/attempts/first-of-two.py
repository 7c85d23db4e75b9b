"""Attempts at first-of-two:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import select
import selectors
import threading
import time

kept = []


def with_an_epoll(r1, r2):
    ep = select.epoll()
    try:
        for r in (r1, r2):
            ep.register(r, select.EPOLLIN)
        [(fd, mask)] = ep.poll(-1, 1)
        return os.read(fd, 100)
    finally:
        ep.close()


def with_selectors(r1, r2):
    with selectors.DefaultSelector() as selector:
        selector.register(r1, selectors.EVENT_READ)
        selector.register(r2, selectors.EVENT_READ)
        return os.read(selector.select()[0][0].fd, 4096)


def in_short_naps(r1, r2):
    with select.epoll() as ep:
        ep.register(r1, select.EPOLLIN | select.EPOLLET)
        ep.register(r2, select.EPOLLIN | select.EPOLLET)
        while not (events := ep.poll(0.05)):
            pass
        return os.read(events[0][0], 4096)


def reads_the_first(r1, r2):
    return os.read(r1, 4096) or os.read(r2, 4096)


def registers_one(r1, r2):
    with select.epoll() as ep:
        ep.register(r1, select.EPOLLIN)
        return os.read(ep.poll()[0][0], 4096)


def polls_busily(r1, r2):
    os.set_blocking(r1, False)
    os.set_blocking(r2, False)
    try:
        while True:
            for r in (r1, r2):
                try:
                    return os.read(r, 4096)
                except BlockingIOError:
                    pass
    finally:
        os.set_blocking(r1, True)
        os.set_blocking(r2, True)


def polls_with_pauses(r1, r2):
    with select.epoll() as ep:
        ep.register(r1, select.EPOLLIN)
        ep.register(r2, select.EPOLLIN)
        while not (events := ep.poll(0)):
            time.sleep(0.02)
        return os.read(events[0][0], 4096)


def polls_with_no_time(r1, r2):
    with select.epoll() as ep:
        ep.register(r1, select.EPOLLIN)
        ep.register(r2, select.EPOLLIN)
        while not (events := ep.poll(0)):
            pass
        return os.read(events[0][0], 4096)


def reads_both(r1, r2):
    with select.epoll() as ep:
        ep.register(r1, select.EPOLLIN)
        ep.register(r2, select.EPOLLIN)
        ep.poll()
    return os.read(r1, 4096) + os.read(r2, 4096)


def asks_for_out(r1, r2):
    with select.epoll() as ep:
        ep.register(r1, select.EPOLLOUT)
        ep.register(r2, select.EPOLLOUT)
        return os.read(ep.poll()[0][0], 4096)


def waits_a_moment_only(r1, r2):
    with select.epoll() as ep:
        ep.register(r1, select.EPOLLIN)
        ep.register(r2, select.EPOLLIN)
        return os.read(ep.poll(0)[0][0], 4096)


def takes_a_part(r1, r2):
    with select.epoll() as ep:
        ep.register(r1, select.EPOLLIN)
        ep.register(r2, select.EPOLLIN)
        return os.read(ep.poll()[0][0], 4)


def returns_the_events(r1, r2):
    with select.epoll() as ep:
        ep.register(r1, select.EPOLLIN)
        ep.register(r2, select.EPOLLIN)
        return ep.poll()


def leaves_the_epoll(r1, r2):
    ep = select.epoll()
    kept.append(ep)
    ep.register(r1, select.EPOLLIN)
    ep.register(r2, select.EPOLLIN)
    return os.read(ep.poll()[0][0], 4096)


def leaves_a_thread(r1, r2):
    came, news = [], threading.Event()

    def wait(r):
        came.append(os.read(r, 4096))
        news.set()

    for r in (r1, r2):
        threading.Thread(target=wait, args=(r,), daemon=True).start()
    news.wait()
    return came[0]


RIGHT = [with_an_epoll, with_selectors, in_short_naps]
WRONG = {
    reads_the_first: ("sleeps for ever", "waited in r2"),
    registers_one: ("sleeps for ever", "waited in r2"),
    reads_both: ("sleeps for ever", "asleep in os.read(r1"),
    asks_for_out: ("sleeps for ever", "asleep in"),
    polls_busily: ("wrong", "busy polling"),
    polls_with_pauses: ("wrong", "with naps between"),
    polls_with_no_time: ("wrong", "busy polling"),
    waits_a_moment_only: ("raised", "IndexError"),
    takes_a_part: ("wrong", "the rest is missing"),
    returns_the_events: ("not an answer yet", "was wanted"),
    leaves_the_epoll: ("wrong", "ep open"),
    leaves_a_thread: ("wrong", "running"),
}
