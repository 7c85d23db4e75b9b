"""Attempts at is-peer-gone:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import select
import socket

kept = []


def report(fd, mask):
    with select.epoll() as ep:
        ep.register(fd, mask)
        return sum(found for _, found in ep.poll(0))


def asks_for_rdhup(fd):
    return report(fd, select.EPOLLRDHUP) & select.EPOLLRDHUP != 0


def asks_for_more(fd):
    return bool(report(fd, select.EPOLLIN | select.EPOLLRDHUP) & select.EPOLLRDHUP)


def with_poll(fd):
    asking = select.poll()
    asking.register(fd, select.POLLRDHUP)
    return asking.poll(0) != []


def with_an_object(fd):
    ep = select.epoll()
    sock = socket.socket(fileno=fd)
    ep.register(sock, select.EPOLLRDHUP)
    events = ep.poll(0)
    ep.unregister(sock)
    sock.detach()
    ep.close()
    return bool(events)


def compares_the_whole_mask(fd):
    return report(fd, select.EPOLLIN | select.EPOLLRDHUP) == select.EPOLLRDHUP


def waits_for_hup(fd):
    return bool(report(fd, 0) & select.EPOLLHUP)


def asks_for_in(fd):
    return bool(report(fd, select.EPOLLIN))


def reads(fd):
    sock = socket.socket(fileno=fd)
    sock.setblocking(False)
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False
    finally:
        sock.setblocking(True)
        sock.detach()


def reads_to_the_end(fd):
    sock = socket.socket(fileno=fd)
    sock.setblocking(False)
    try:
        while sock.recv(64):
            pass
        return True
    except BlockingIOError:
        return False
    finally:
        sock.setblocking(True)
        sock.detach()


def peeks(fd):
    sock = socket.socket(fileno=fd)
    try:
        return sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    finally:
        sock.detach()


def sleeps(fd):
    with select.epoll() as ep:
        ep.register(fd, select.EPOLLRDHUP)
        return bool(ep.poll())


def returns_the_mask(fd):
    return report(fd, select.EPOLLRDHUP)


def closes_it(fd):
    with socket.socket(fileno=fd) as sock:
        return bool(report(sock, select.EPOLLRDHUP))


def leaves_the_epoll(fd):
    ep = select.epoll()
    kept.append(ep)
    ep.register(fd, select.EPOLLRDHUP)
    return bool(ep.poll(0))


RIGHT = [asks_for_rdhup, asks_for_more, with_poll, with_an_object]
WRONG = {
    compares_the_whole_mask: ("wrong", "test it with &"),
    waits_for_hup: ("wrong", "returned False, and the peer had closed"),
    asks_for_in: ("wrong", "EPOLLIN says that there is something to read"),
    reads: ("wrong", " away, with s.recv("),
    reads_to_the_end: ("wrong", " away, with s.recv("),
    peeks: ("wrong", "returned False, and the peer had closed"),
    sleeps: ("sleeps for ever", "asleep in ep.poll()"),
    returns_the_mask: ("not an answer yet", "was wanted"),
    closes_it: ("wrong", "closed s"),
    leaves_the_epoll: ("wrong", "ep open"),
}
