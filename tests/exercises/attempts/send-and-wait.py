"""Attempts at send-and-wait:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import select
import selectors

kept = []


def armed_when_refused(s, data):
    with select.epoll() as ep:
        ep.register(s, select.EPOLLIN)
        while data:
            try:
                data = data[os.write(s, data) :]
            except BlockingIOError:
                ep.modify(s, select.EPOLLOUT)
                ep.poll()
                ep.modify(s, select.EPOLLIN)
        ep.poll()
        return os.read(s, 100)


def with_selectors(s, data):
    with selectors.DefaultSelector() as selector:
        selector.register(s, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while True:
            for _, mask in selector.select():
                if mask & selectors.EVENT_WRITE and data:
                    data = data[os.write(s, data[:100_000]) :]
                    if not data:
                        selector.modify(s, selectors.EVENT_READ)
                if mask & selectors.EVENT_READ:
                    return os.read(s, 100)


def two_epolls(s, data):
    with select.epoll() as writing:
        writing.register(s, select.EPOLLOUT | select.EPOLLONESHOT)
        while data:
            writing.poll()
            data = data[os.write(s, data) :]
            writing.modify(s, select.EPOLLOUT | select.EPOLLONESHOT)
    with select.epoll() as reading:
        reading.register(s, select.EPOLLIN)
        reading.poll()
        return os.read(s, 100)


def always_armed(s, data):
    with select.epoll() as ep:
        ep.register(s, select.EPOLLIN | select.EPOLLOUT)
        while True:
            for _, mask in ep.poll():
                if mask & select.EPOLLOUT and data:
                    data = data[os.write(s, data) :]
                if mask & select.EPOLLIN:
                    return os.read(s, 100)


def loses_the_tail(s, data):
    with select.epoll() as ep:
        ep.register(s, select.EPOLLOUT)
        ep.poll()
        os.write(s, data)
        ep.modify(s, select.EPOLLIN)
        ep.poll()
        return os.read(s, 100)


def never_arms(s, data):
    with select.epoll() as ep:
        ep.register(s, select.EPOLLIN)
        while data:
            data = data[os.write(s, data) :]
        ep.poll()
        return os.read(s, 100)


def tries_again_and_again(s, data):
    while data:
        try:
            data = data[os.write(s, data) :]
        except BlockingIOError:
            pass
    with select.epoll() as ep:
        ep.register(s, select.EPOLLIN)
        ep.poll()
        return os.read(s, 100)


def does_not_wait(s, data):
    with select.epoll() as ep:
        ep.register(s, select.EPOLLOUT)
        while data:
            ep.poll()
            data = data[os.write(s, data) :]
    return b""


def leaves_it_open(s, data):
    kept.append(ep := select.epoll())
    ep.register(s, select.EPOLLOUT)
    while data:
        ep.poll()
        data = data[os.write(s, data) :]
    ep.modify(s, select.EPOLLIN)
    ep.poll()
    return os.read(s, 100)


RIGHT = [armed_when_refused, with_selectors, two_epolls]
WRONG = {
    always_armed: ("wrong", "that is busy polling"),
    loses_the_tail: ("sleeps for ever", "bytes were never sent"),
    never_arms: ("raised", "BlockingIOError"),
    tries_again_and_again: ("wrong", "that is busy polling"),
    does_not_wait: ("wrong", "the other end replied"),
    leaves_it_open: ("wrong", "left ep open"),
}
