"""Attempts at first-ready:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import select
import selectors

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


RIGHT = [with_an_epoll, with_poll_in_milliseconds, with_selectors]
WRONG = {
    reads_in_order: ("took too long", "asleep in os.read(r1"),
    in_milliseconds: ("took too long", "asleep in ep.poll(200"),
    in_thousandths: ("wrong", "came back after 0.0"),
    polls_busily: ("wrong", "that is busy polling"),
    takes_the_first_event: ("raised", "IndexError"),
    takes_the_byte: ("wrong", "took 1 byte away"),
    leaves_it_open: ("wrong", "left ep open"),
    returns_its_place: ("wrong", "and something came to r"),
}
