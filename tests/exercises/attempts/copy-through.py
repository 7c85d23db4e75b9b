"""Attempts at copy-through:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import select
import selectors
import threading
import time


def with_one_epoll(r, w):
    rest = b""
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        while True:
            ep.poll()
            if not rest:
                rest = os.read(r, 4096)
                if not rest:
                    return
                ep.unregister(r)
                ep.register(w, select.EPOLLOUT)
                continue
            rest = rest[os.write(w, rest) :]
            if not rest:
                ep.unregister(w)
                ep.register(r, select.EPOLLIN)


def tries_before_it_waits(r, w):
    with select.epoll() as reading, select.epoll() as writing:
        reading.register(r, select.EPOLLIN)
        writing.register(w, select.EPOLLOUT)
        while True:
            try:
                rest = os.read(r, 30_000)
            except BlockingIOError:
                reading.poll()
                continue
            if not rest:
                return
            while rest:
                try:
                    rest = rest[os.write(w, rest) :]
                except BlockingIOError:
                    writing.poll()


def with_selectors(r, w):
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(r, selectors.EVENT_READ)
        while selector.select():
            if rest:
                rest = rest[os.write(w, rest) :]
            else:
                rest = os.read(r, 65_536)
                if not rest:
                    return
            selector.unregister(next(iter(selector.get_map().values())).fileobj)
            selector.register(*((w, selectors.EVENT_WRITE) if rest else (r, selectors.EVENT_READ)))


def _copy(r, w, mask_while_full, most=65_536):
    """Watch both all the time; r with *mask_while_full* as long as bytes are in hand."""
    rest = b""
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        ep.register(w, 0)
        while True:
            for fd, mask in ep.poll():
                if fd == r and not rest and mask & (select.EPOLLIN | select.EPOLLHUP):
                    rest = os.read(r, most)
                    if not rest:
                        return
                elif fd == w and rest:
                    rest = rest[os.write(w, rest) :]
                ep.modify(r, mask_while_full if rest else select.EPOLLIN)
                ep.modify(w, select.EPOLLOUT if rest else 0)


def watches_both(r, w):
    _copy(r, w, select.EPOLLIN)


def asks_for_nothing(r, w):
    _copy(r, w, 0)


def reads_all_first(r, w):
    data = b""
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        while ep.poll():
            piece = os.read(r, 65_536)
            if not piece:
                break
            data += piece
    with select.epoll() as ep:
        ep.register(w, select.EPOLLOUT)
        while data:
            ep.poll()
            data = data[os.write(w, data) :]


def loses_what_does_not_fit(r, w):
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        while ep.poll():
            data = os.read(r, 65_536)
            if not data:
                return
            try:
                os.write(w, data)
            except BlockingIOError:
                pass


def does_not_catch(r, w):
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        while ep.poll():
            rest = os.read(r, 65_536)
            if not rest:
                return
            while rest:
                rest = rest[os.write(w, rest) :]


def waits_at_the_wrong_end(r, w):
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        ep.register(w, select.EPOLLIN)
        while ep.poll():
            rest = os.read(r, 4096)
            if not rest:
                return
            while rest:
                try:
                    rest = rest[os.write(w, rest) :]
                except BlockingIOError:
                    ep.unregister(r)
                    ep.poll()
                    ep.register(r, select.EPOLLIN)


def naps(r, w):
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        while ep.poll():
            rest = os.read(r, 65_536)
            if not rest:
                return
            while rest:
                try:
                    rest = rest[os.write(w, rest) :]
                except BlockingIOError:
                    time.sleep(0.005)


def in_a_blocking_thread(r, w):
    def copy():
        while data := os.read(r, 4096):
            os.write(w, data)

    for fd in (r, w):
        os.set_blocking(fd, True)
    thread = threading.Thread(target=copy)
    thread.start()
    thread.join()
    for fd in (r, w):
        os.set_blocking(fd, False)


def closes_the_far_end(r, w):
    with_one_epoll(r, w)
    os.close(w)


def forgets_the_end(r, w):
    with select.epoll() as reading, select.epoll() as writing:
        reading.register(r, select.EPOLLIN)
        writing.register(w, select.EPOLLOUT)
        while reading.poll():
            rest = os.read(r, 65_536)
            while rest:
                writing.poll()
                rest = rest[os.write(w, rest) :]


RIGHT = [with_one_epoll, tries_before_it_waits, with_selectors]
WRONG = {
    waits_at_the_wrong_end: ("sleeps for ever", "asleep in ep.poll()"),
    watches_both: ("wrong", "busy polling"),
    asks_for_nothing: ("wrong", "busy polling"),
    reads_all_first: ("wrong", "it may hold 65,536"),
    loses_what_does_not_fit: ("wrong", "came to the reader"),
    does_not_catch: ("raised", "BlockingIOError"),
    naps: ("wrong", "with naps between"),
    in_a_blocking_thread: ("wrong", "in another thread"),
    closes_the_far_end: ("wrong", "closed w"),
    forgets_the_end: ("wrong", "after the end"),
}
