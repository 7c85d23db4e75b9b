"""Attempts at stop-and-drain:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import select
import selectors

kept = []
IN, OUT = select.EPOLLIN, select.EPOLLOUT


def reads_the_bell(a, b, stop):
    """Take the byte out of stop instead of unregistering it, and switch entries by modify."""
    left, here, is_stopping = {a: b"", b: b""}, {a, b}, False
    with select.epoll() as ep:
        for fd in (a, b, stop):
            ep.register(fd, IN)
        while True:
            for fd, mask in ep.poll():
                if fd == stop:
                    os.read(stop, 1)
                    is_stopping = True
                elif mask & OUT and left[fd]:
                    left[fd] = left[fd][os.write(fd, left[fd]) :]
                elif fd in here and not is_stopping:
                    left[fd] = os.read(fd, 65_536)
                    if not left[fd]:
                        ep.unregister(fd)
                        here.remove(fd)
            for fd in here:
                ep.modify(fd, OUT if left[fd] else 0 if is_stopping else IN)
            if is_stopping and not any(left.values()):
                return


def in_two_loops(a, b, stop):
    """One loop that serves until stop is readable, and one that sends what is owed."""
    left = {a: b"", b: b""}
    with select.epoll() as ep:
        for fd in (a, b, stop):
            ep.register(fd, IN)
        while stop not in (ready := [fd for fd, _ in ep.poll()]):
            for fd in ready:
                data = left[fd] or os.read(fd, 4096)
                if not data:
                    ep.unregister(fd)
                    continue
                try:
                    left[fd] = data[os.write(fd, data) :]
                except BlockingIOError:
                    left[fd] = data
                ep.modify(fd, OUT if left[fd] else IN)
    with select.epoll() as ep:
        owed = {fd: rest for fd, rest in left.items() if rest}
        for fd in owed:
            ep.register(fd, OUT)
        while owed:
            for fd, _ in ep.poll():
                owed[fd] = owed[fd][os.write(fd, owed[fd]) :]
                if not owed[fd]:
                    ep.unregister(fd)
                    del owed[fd]


def with_selectors(a, b, stop):
    left, is_stopping = {a: b"", b: b""}, False
    with selectors.DefaultSelector() as selector:
        for fd in (a, b, stop):
            selector.register(fd, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                fd = key.fd
                if fd == stop:
                    is_stopping = True
                    selector.unregister(stop)
                    for caller in left:
                        if not left[caller] and caller in selector.get_map():
                            selector.unregister(caller)
                    continue
                if fd not in selector.get_map():
                    continue
                left[fd] = left[fd] or os.read(fd, 9999)
                if not left[fd]:
                    selector.unregister(fd)
                    continue
                try:
                    left[fd] = left[fd][os.write(fd, left[fd]) :]
                except BlockingIOError:
                    pass
                if is_stopping and not left[fd]:
                    selector.unregister(fd)
                else:
                    selector.modify(fd, selectors.EVENT_WRITE if left[fd] else selectors.EVENT_READ)


def _serve(a, b, stop, at_stop, most=1):
    """Serve; when stop is readable, call ``at_stop(ep, left)``, and return if it says so."""
    left, here = {a: b"", b: b""}, {a, b}
    with select.epoll() as ep:
        for fd in (a, b, stop):
            ep.register(fd, IN)
        while True:
            for fd, mask in ep.poll():
                if fd == stop:
                    if at_stop(ep, left):
                        return
                    continue
                if mask & IN and len(left[fd]) < most:
                    data = os.read(fd, 65_536)
                    if not data:
                        ep.unregister(fd)
                        here.remove(fd)
                        continue
                    left[fd] += data
                if fd in here and left[fd]:
                    try:
                        left[fd] = left[fd][os.write(fd, left[fd]) :]
                    except BlockingIOError:
                        pass
                if fd in here:
                    ep.modify(fd, OUT if left[fd] else IN)


def returns_at_once(a, b, stop):
    _serve(a, b, stop, lambda ep, left: True)


def pays_no_heed(a, b, stop):
    _serve(a, b, stop, lambda ep, left: ep.unregister(stop))


def stays_registered(a, b, stop):
    _serve(a, b, stop, lambda ep, left: not any(left.values()))


def blocks_for_the_rest(a, b, stop):
    def at_stop(ep, left):
        for fd, rest in left.items():
            os.set_blocking(fd, True)
            while rest:
                rest = rest[os.write(fd, rest) :]
        return True

    _serve(a, b, stop, at_stop)


def tries_until_it_is_gone(a, b, stop):
    def at_stop(ep, left):
        for fd, rest in left.items():
            while rest:
                try:
                    rest = rest[os.write(fd, rest) :]
                except BlockingIOError:
                    pass
        return True

    _serve(a, b, stop, at_stop)


def does_not_catch(a, b, stop):
    with select.epoll() as ep:
        for fd in (a, b, stop):
            ep.register(fd, IN)
        while stop not in (ready := [fd for fd, _ in ep.poll()]):
            for fd in ready:
                os.write(fd, os.read(fd, 65_536))


def hangs_up(a, b, stop):
    def at_stop(ep, left):
        for fd in left:
            os.close(fd)
        return True

    _serve(a, b, stop, at_stop)


def leaves_the_epoll(a, b, stop):
    in_two_loops(a, b, stop)
    kept.append(ep := select.epoll())
    ep.register(stop, IN)


RIGHT = [reads_the_bell, in_two_loops, with_selectors]
WRONG = {
    does_not_catch: ("raised", "BlockingIOError"),
    returns_at_once: ("wrong", "the rest is missing"),
    pays_no_heed: ("sleeps for ever", "bytes more from its callers"),
    stays_registered: ("wrong", "busy polling"),
    blocks_for_the_rest: ("wrong", "made "),
    tries_until_it_is_gone: ("wrong", "busy polling"),
    hangs_up: ("wrong", "closed "),
    leaves_the_epoll: ("wrong", "left ep"),
}
