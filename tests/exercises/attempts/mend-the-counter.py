"""Attempts at mend-the-counter:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import select


def reads_whatever_is_reported(fds):
    count, left = 0, set(fds)
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while left:
            for fd, _ in ep.poll():
                data = os.read(fd, 65_536)
                count += len(data)
                if not data:
                    ep.unregister(fd)
                    left.remove(fd)
    return count


def handles_hup_on_its_own(fds):
    count, left = 0, len(fds)
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while left:
            for fd, mask in ep.poll():
                if mask & select.EPOLLIN:
                    count += len(os.read(fd, 65_536))
                elif mask & select.EPOLLHUP:
                    ep.unregister(fd)
                    left -= 1
    return count


def as_it_was(fds):
    count, left = 0, len(fds)
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while left:
            for fd, mask in ep.poll():
                if mask & select.EPOLLIN:
                    data = os.read(fd, 4096)
                    count += len(data)
                    if not data:
                        ep.unregister(fd)
                        left = left - 1
    return count


def stops_at_the_first_end(fds):
    count = 0
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while True:
            for fd, _ in ep.poll():
                data = os.read(fd, 65_536)
                if not data:
                    return count
                count += len(data)


def asks_in_turn(fds):
    return sum(len(os.read(fd, 65_536)) for fd in fds)


def closes_them(fds):
    count, left = 0, len(fds)
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while left:
            for fd, _ in ep.poll():
                data = os.read(fd, 65_536)
                count += len(data)
                if not data:
                    os.close(fd)
                    left -= 1
    return count


def counts_without_returning(fds):
    reads_whatever_is_reported(fds)


RIGHT = [reads_whatever_is_reported, handles_hup_on_its_own]
WRONG = {
    as_it_was: ("wrong", "again and again"),
    stops_at_the_first_end: ("wrong", "bytes came"),
    asks_in_turn: ("sleeps for ever", "asleep in os.read("),
    closes_them: ("wrong", "still needs"),
    counts_without_returning: ("not an answer yet", "is a return missing?"),
}
