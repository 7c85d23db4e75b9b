"""Attempts at first-ready:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import queue
import select
import selectors
import threading
import time

kept = []


def with_an_epoll(fds, timeout):
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        events = ep.poll(timeout, 1)
        return events[0][0] if events else None


def with_poll_in_milliseconds(fds, timeout):
    asking = select.poll()
    for fd in fds:
        asking.register(fd, select.POLLIN)
    events = asking.poll(timeout * 1000)
    return events[0][0] if events else None


def with_selectors(fds, timeout):
    with selectors.DefaultSelector() as selector:
        for fd in fds:
            selector.register(fd, selectors.EVENT_READ)
        return next((key.fd for key, _ in selector.select(timeout)), None)


def in_small_bites(fds, timeout):
    """Poll for a part of the time, again and again, until the deadline."""
    deadline = time.monotonic() + timeout
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while (rest := deadline - time.monotonic()) > 0:
            if events := ep.poll(min(rest, 0.08)):
                return events[0][0]


def with_select(fds, timeout):
    ready, _, _ = select.select(fds, [], [], timeout)
    return ready[0] if ready else None


def with_a_thread_for_each(fds, timeout):
    ready = queue.Queue()

    def watch(fd):
        with select.epoll() as ep:
            ep.register(fd, select.EPOLLIN)
            if ep.poll(min(timeout, 0.5)):
                ready.put(fd)

    threads = [threading.Thread(target=watch, args=(fd,)) for fd in fds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return None if ready.empty() else ready.get()


def returns_the_event(fds, timeout):
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        for event in ep.poll(timeout):
            return event


def reads_in_order(fds, timeout):
    for fd in fds:
        if os.read(fd, 1):
            return fd


def in_milliseconds(fds, timeout):
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        return next((fd for fd, _ in ep.poll(timeout * 1000)), None)


def in_thousandths(fds, timeout):
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        return next((fd for fd, _ in ep.poll(timeout / 1000 if timeout < 1 else timeout)), None)


def polls_busily(fds, timeout):
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while not (events := ep.poll(0)):
            pass
        return events[0][0]


def takes_the_first_event(fds, timeout):
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        return ep.poll(timeout)[0][0]


def takes_the_byte(fds, timeout):
    fd = with_an_epoll(fds, timeout)
    if fd is not None:
        os.read(fd, 1)
    return fd


def leaves_it_open(fds, timeout):
    kept.append(ep := select.epoll())
    for fd in fds:
        ep.register(fd, select.EPOLLIN)
    return next((fd for fd, _ in ep.poll(timeout)), None)


def returns_its_place(fds, timeout):
    fd = with_an_epoll(fds, timeout)
    return None if fd is None else fds.index(fd)


RIGHT = [with_an_epoll, with_selectors, in_small_bites]
WRONG = {
    with_poll_in_milliseconds: ("wrong", "never called poll of an epoll"),
    with_select: ("wrong", "never called poll of an epoll"),
    with_a_thread_for_each: ("wrong", "in another thread"),
    returns_the_event: ("not an answer yet", "an int or None was wanted"),
    reads_in_order: ("sleeps for ever", "asleep in os.read(r1"),
    in_milliseconds: ("took too long", "which waits for 200 seconds; it should wait for 0.2"),
    in_thousandths: ("wrong", "came back after 0.0"),
    polls_busily: ("wrong", "that is busy polling"),
    takes_the_first_event: ("raised", "IndexError"),
    takes_the_byte: ("wrong", "took 1 byte away"),
    leaves_it_open: ("wrong", "left ep open"),
    returns_its_place: ("wrong", "and something came to r"),
}
