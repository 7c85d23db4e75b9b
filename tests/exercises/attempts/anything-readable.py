"""Attempts at anything-readable:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import select

kept = []


def with_an_epoll(streams):
    ep = select.epoll(len(streams))
    try:
        for stream in streams:
            ep.register(stream, select.EPOLLIN)
        return len(ep.poll(0, 1)) > 0
    finally:
        ep.close()


def with_select(streams):
    return bool(select.select(streams, [], [], 0)[0])


def with_an_epoll_inside(streams):
    with select.epoll() as inner, select.epoll() as outer:
        for stream in streams:
            inner.register(stream, select.EPOLLIN)
        outer.register(inner, select.EPOLLIN)
        return outer.poll(0) != []


def one_by_one(streams):
    for stream in streams:
        with select.epoll() as ep:
            ep.register(stream, select.EPOLLIN)
            if ep.poll(0):
                return True
    return False


def sleeps(streams):
    with select.epoll() as ep:
        for stream in streams:
            ep.register(stream, select.EPOLLIN)
        return bool(ep.poll())


def reads(streams):
    return any(os.read(stream, 1) for stream in streams)


def takes_a_byte(streams):
    found = False
    for stream in streams:
        os.set_blocking(stream, False)
        try:
            found = bool(os.read(stream, 1)) or found
        except BlockingIOError:
            pass
        os.set_blocking(stream, True)
    return found


def looks_at_the_first(streams):
    with select.epoll() as ep:
        ep.register(streams[0], select.EPOLLIN)
        return bool(ep.poll(0))


def returns_the_events(streams):
    with select.epoll() as ep:
        for stream in streams:
            ep.register(stream, select.EPOLLIN)
        return ep.poll(0)


def leaves_the_epoll(streams):
    ep = select.epoll()
    kept.append(ep)
    for stream in streams:
        ep.register(stream, select.EPOLLIN)
    return bool(ep.poll(0))


def closes_the_streams(streams):
    with select.epoll() as ep:
        for stream in streams:
            ep.register(stream, select.EPOLLIN)
        answer = bool(ep.poll(0))
    for stream in streams:
        os.close(stream)
    return answer


def always(streams):
    return True


def registers_twice(streams):
    with select.epoll() as ep:
        for _ in streams:
            ep.register(streams[0], select.EPOLLIN)
        return bool(ep.poll(0))


RIGHT = [with_an_epoll, with_select, with_an_epoll_inside, one_by_one]
WRONG = {
    sleeps: ("sleeps for ever", "asleep in ep.poll()"),
    reads: ("sleeps for ever", "asleep in os.read(r1"),
    takes_a_byte: ("wrong", "took 1 byte away"),
    looks_at_the_first: ("wrong", "returned False, and something lay"),
    always: ("wrong", "returned True, and nothing lay"),
    returns_the_events: ("not an answer yet", "was wanted"),
    leaves_the_epoll: ("wrong", "ep open"),
    closes_the_streams: ("wrong", "closed r1"),
    registers_twice: ("raised", "FileExistsError"),
}
