"""Attempts at pass-it-on:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import select
import selectors
import socket


def with_selectors(a, b):
    with selectors.DefaultSelector() as selector:
        selector.register(a, selectors.EVENT_READ, b)
        selector.register(b, selectors.EVENT_READ, a)
        while selector.get_map():
            for key, _ in selector.select():
                data = key.fileobj.recv(1000)
                if data:
                    key.data.sendall(data)
                else:
                    key.data.shutdown(socket.SHUT_WR)
                    selector.unregister(key.fileobj)


def with_mask_0(a, b):
    other, ended = {a.fileno(): b, b.fileno(): a}, 0
    own = {a.fileno(): a, b.fileno(): b}
    with select.epoll() as ep:
        for fd in own:
            ep.register(fd, select.EPOLLIN | select.EPOLLONESHOT)
        while ended < 2:
            [(fd, _)] = ep.poll(maxevents=1)
            if data := own[fd].recv(4096):
                other[fd].send(data)
                ep.modify(fd, select.EPOLLIN | select.EPOLLONESHOT)
            else:
                other[fd].shutdown(socket.SHUT_WR)
                ended += 1


def _relay(a, b, at_the_end):
    """Pass on; *at_the_end(ep, source, sink)* returns whether it is over."""
    to = {a.fileno(): (a, b), b.fileno(): (b, a)}
    with select.epoll() as ep:
        for fd in to:
            ep.register(fd, select.EPOLLIN)
        while True:
            for fd, _ in ep.poll():
                source, sink = to[fd]
                if data := source.recv(65_536):
                    sink.send(data)
                elif at_the_end(ep, source, sink):
                    return


def stops_at_the_first_end(a, b):
    _relay(a, b, lambda ep, source, sink: True)


def keeps_the_end_to_itself(a, b):
    ended = []

    def at_the_end(ep, source, sink):
        ep.unregister(source)
        ended.append(source)
        return len(ended) == 2

    _relay(a, b, at_the_end)


def stays_registered(a, b):
    def at_the_end(ep, source, sink):
        sink.shutdown(socket.SHUT_WR)

    _relay(a, b, at_the_end)


def closes_both(a, b):
    def at_the_end(ep, source, sink):
        source.close()
        sink.close()
        return True

    _relay(a, b, at_the_end)


def shuts_both_directions(a, b):
    def at_the_end(ep, source, sink):
        sink.shutdown(socket.SHUT_RDWR)
        return True

    _relay(a, b, at_the_end)


def waits_for_hup(a, b):
    to = {a.fileno(): (a, b), b.fileno(): (b, a)}
    with select.epoll() as ep:
        for fd in to:
            ep.register(fd, select.EPOLLIN)
        while to:
            for fd, mask in ep.poll():
                source, sink = to[fd]
                if mask & select.EPOLLHUP:
                    sink.shutdown(socket.SHUT_WR)
                    ep.unregister(fd)
                    del to[fd]
                    continue
                sink.send(source.recv(65_536))


def one_after_the_other(a, b):
    for source, sink in ((a, b), (b, a)):
        with select.epoll() as ep:
            ep.register(source, select.EPOLLIN)
            while ep.poll():
                if not (data := source.recv(65_536)):
                    sink.shutdown(socket.SHUT_WR)
                    break
                sink.send(data)


def raises_at_the_end(a, b):
    def at_the_end(ep, source, sink):
        raise EOFError("it is over")

    _relay(a, b, at_the_end)


RIGHT = [with_selectors, with_mask_0]
WRONG = {
    stops_at_the_first_end: ("wrong", "never passed on"),
    keeps_the_end_to_itself: ("sleeps for ever", "never passed on"),
    stays_registered: ("wrong", "after the end"),
    closes_both: ("wrong", "closed a"),
    shuts_both_directions: ("wrong", "the rest is missing"),
    waits_for_hup: ("wrong", "never passed on"),
    one_after_the_other: ("sleeps for ever", "waited in b"),
    raises_at_the_end: ("raised", "it is over"),
}
