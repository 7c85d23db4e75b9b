"""Attempts at collect-edges:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import select

EDGE = select.EPOLLIN | select.EPOLLET
kept = []


def asks_again_by_modify(a, b):
    """Read once an event, and have modify look whether there is more."""
    counts, here = {a: 0, b: 0}, 2
    with select.epoll() as ep:
        ep.register(a, EDGE)
        ep.register(b, EDGE)
        while here:
            for fd, _ in ep.poll():
                try:
                    data = os.read(fd, 1000)
                except BlockingIOError:
                    continue
                counts[fd] += len(data)
                if data:
                    ep.modify(fd, EDGE)
                else:
                    ep.unregister(fd)
                    here -= 1
    return counts


def with_one_large_read_and_one_more(a, b):
    counts, over = {a: 0, b: 0}, set()
    ep = select.epoll()
    for fd in (a, b):
        ep.register(fd, EDGE | select.EPOLLRDHUP)
    while len(over) < 2:
        [(fd, _)] = ep.poll(maxevents=1)
        while fd not in over:
            try:
                data = os.read(fd, 1 << 20)
            except BlockingIOError:
                break
            counts[fd] += len(data)
            if not data:
                over.add(fd)
    ep.close()
    return counts


def reads_once(a, b):
    counts, here = {a: 0, b: 0}, {a, b}
    with select.epoll() as ep:
        for fd in here:
            ep.register(fd, EDGE)
        while here:
            for fd, _ in ep.poll():
                data = os.read(fd, 4096)
                counts[fd] += len(data)
                if not data:
                    here.remove(fd)
    return counts


def stops_at_a_short_read(a, b):
    counts, here = {a: 0, b: 0}, {a, b}
    with select.epoll() as ep:
        for fd in here:
            ep.register(fd, EDGE)
        while here:
            for fd, _ in ep.poll():
                size = 4096
                while size == 4096:
                    try:
                        size = len(os.read(fd, 4096))
                    except BlockingIOError:
                        break
                    counts[fd] += size
                    if not size:
                        here.remove(fd)
    return counts


def level_triggered(a, b):
    counts, here = {a: 0, b: 0}, {a, b}
    with select.epoll() as ep:
        for fd in here:
            ep.register(fd, select.EPOLLIN)
        while here:
            for fd, _ in ep.poll():
                data = os.read(fd, 4096)
                counts[fd] += len(data)
                if not data:
                    ep.unregister(fd)
                    here.remove(fd)
    return counts


def does_not_catch(a, b):
    counts, here = {a: 0, b: 0}, {a, b}
    with select.epoll() as ep:
        for fd in here:
            ep.register(fd, EDGE)
        while here:
            for fd, _ in ep.poll():
                while data := os.read(fd, 4096):
                    counts[fd] += len(data)
                here.remove(fd)
    return counts


def looks_every_moment(a, b):
    counts, here = {a: 0, b: 0}, {a, b}
    with select.epoll() as ep:
        for fd in here:
            ep.register(fd, EDGE)
        while here:
            ep.poll(0)
            for fd in list(here):
                try:
                    data = os.read(fd, 4096)
                except BlockingIOError:
                    continue
                counts[fd] += len(data)
                if not data:
                    here.remove(fd)
    return counts


def makes_them_block(a, b):
    for fd in (a, b):
        os.set_blocking(fd, True)
    return asks_again_by_modify(a, b)


def leaves_the_epoll(a, b):
    kept.append(ep := select.epoll())
    ep.register(a, EDGE)
    return asks_again_by_modify(a, b)


RIGHT = [asks_again_by_modify, with_one_large_read_and_one_more]
WRONG = {
    reads_once: ("sleeps for ever", "neither refused nor b''"),
    stops_at_a_short_read: ("sleeps for ever", "neither refused nor b''"),
    level_triggered: ("wrong", "without EPOLLET"),
    does_not_catch: ("raised", "BlockingIOError"),
    looks_every_moment: ("wrong", "busy polling"),
    makes_them_block: ("wrong", "made "),
    leaves_the_epoll: ("wrong", "left ep"),
}
