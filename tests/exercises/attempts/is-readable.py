"""Attempts at is-readable:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import select

kept = []


def with_an_epoll(r):
    ep = select.epoll()
    ep.register(r, select.EPOLLIN)
    events = ep.poll(0)
    ep.close()
    return len(events) > 0


def with_select(r):
    return select.select([r], [], [], 0)[0] == [r]


def looks_at_the_mask(r):
    with select.epoll() as ep:
        ep.register(r)
        return any(mask & select.EPOLLIN for fd, mask in ep.poll(timeout=0))


def reads(r):
    os.set_blocking(r, False)
    try:
        return bool(os.read(r, 1))
    except BlockingIOError:
        return False
    finally:
        os.set_blocking(r, True)


def waits(r):
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        return bool(ep.poll())


def leaves_it_open(r):
    ep = select.epoll()
    kept.append(ep)
    ep.register(r, select.EPOLLIN)
    return bool(ep.poll(0))


def asks_for_nothing(r):
    with select.epoll() as ep:
        ep.register(r, 0)
        return bool(ep.poll(0))


def says_yes(r):
    return True


def returns_the_events(r):
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        return ep.poll(0)


def forgets_to_register(r):
    with select.epoll() as ep:
        ep.modify(r, select.EPOLLIN)
        return bool(ep.poll(0))


RIGHT = [with_an_epoll, with_select, looks_at_the_mask]
WRONG = {
    reads: ("wrong", "took 1 byte away"),
    waits: ("sleeps for ever", "asleep in ep.poll()"),
    leaves_it_open: ("wrong", "left ep open"),
    asks_for_nothing: ("wrong", "returned False, and"),
    says_yes: ("wrong", "returned True, and nothing waited in r"),
    returns_the_events: ("not an answer yet", "was wanted"),
    forgets_to_register: ("raised", "FileNotFoundError"),
}
