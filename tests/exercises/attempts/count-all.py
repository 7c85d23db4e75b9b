"""Attempts at count-all:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import select
import selectors
import threading
from concurrent.futures import ThreadPoolExecutor

kept = []


def with_edges(fds):
    count, ended = 0, set()
    for fd in fds:
        os.set_blocking(fd, False)
    ep = select.epoll()
    try:
        for fd in fds:
            ep.register(fd, select.EPOLLIN | select.EPOLLET)
        while len(ended) < len(fds):
            for fd, _ in ep.poll():
                try:
                    while data := os.read(fd, 512):
                        count += len(data)
                    ended.add(
                        fd
                    )  # a set: the end may come as an edge of its own, after it was read
                except BlockingIOError:
                    pass
    finally:
        ep.close()
        for fd in fds:
            os.set_blocking(fd, True)
    return count


def with_selectors(fds):
    count = 0
    with selectors.DefaultSelector() as selector:
        for fd in fds:
            selector.register(fd, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                data = os.read(key.fd, 100_000)
                count += len(data)
                if not data:
                    selector.unregister(key.fd)
    return count


def with_one_shots(fds):
    count, here = 0, set(fds)
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN | select.EPOLLONESHOT)
        while here:
            for fd, _ in ep.poll():
                if data := os.read(fd, 4096):
                    count += len(data)
                    ep.modify(fd, select.EPOLLIN | select.EPOLLONESHOT)
                else:
                    here.remove(fd)  # it stays in the list, switched off
    return count


def with_a_pool(fds):
    def read_all(fd):
        count = 0
        while data := os.read(fd, 4096):
            count += len(data)
        return count

    with ThreadPoolExecutor(len(fds)) as pool:
        return sum(pool.map(read_all, fds))


def with_threads(fds):
    counts = []

    def read_all(fd):
        count = 0
        while data := os.read(fd, 4096):
            count += len(data)
        counts.append(count)

    threads = [threading.Thread(target=read_all, args=(fd,)) for fd in fds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def in_order(fds):
    count = 0
    for fd in fds:
        while data := os.read(fd, 4096):
            count += len(data)
    return count


def stops_at_the_first_end(fds):
    count = 0
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while True:
            for fd, _ in ep.poll():
                data = os.read(fd, 4096)
                if not data:
                    return count
                count += len(data)


def never_unregisters(fds):
    count, ended = 0, set()
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while len(ended) < len(fds):
            for fd, _ in ep.poll():
                data = os.read(fd, 4096)
                count += len(data)
                if not data:
                    ended.add(fd)
    return count


def closes_what_was_lent(fds):
    count, rest = 0, set(fds)
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while rest:
            for fd, _ in ep.poll():
                data = os.read(fd, 4096)
                count += len(data)
                if not data:
                    rest.remove(fd)
                    os.close(fd)
    return count


def leaves_it_open(fds):
    count, rest = 0, set(fds)
    kept.append(ep := select.epoll())
    for fd in fds:
        ep.register(fd, select.EPOLLIN)
    while rest:
        for fd, _ in ep.poll():
            data = os.read(fd, 4096)
            count += len(data)
            if not data:
                ep.unregister(fd)
                rest.remove(fd)
    return count


def returns_a_text(fds):
    return str(with_selectors(fds))


RIGHT = [with_edges, with_selectors, with_one_shots]
WRONG = {
    with_threads: ("wrong", "in another thread"),
    with_a_pool: ("wrong", "in another thread"),
    in_order: ("sleeps for ever", "asleep in os.read(r1"),
    stops_at_the_first_end: ("wrong", "bytes came"),
    never_unregisters: ("wrong", "went on with os.read("),
    closes_what_was_lent: ("wrong", "your function closed r"),
    leaves_it_open: ("wrong", "left ep open"),
    returns_a_text: ("not an answer yet", "was wanted"),
}
