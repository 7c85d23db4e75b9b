"""Attempts at mend-the-pump:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import os
import select


def registers_w_only_while_it_owes(r, w):
    owed, is_over, is_armed = b"", False, False
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        while owed or not is_over:
            for fd, _ in ep.poll():
                if fd == w:
                    owed = owed[os.write(w, owed) :]
                else:
                    data = os.read(r, 4096)
                    owed += data
                    if not data:
                        is_over = True
                        ep.unregister(r)
                if bool(owed) != is_armed:
                    is_armed = not is_armed
                    (ep.register if is_armed else ep.unregister)(w)


def writes_first(r, w):
    owed, is_over = b"", False
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        ep.register(w, 0)
        while owed or not is_over:
            for fd, _ in ep.poll():
                if fd == r:
                    data = os.read(r, 65_536)
                    owed += data
                    if not data:
                        is_over = True
                        ep.unregister(r)
            try:
                owed = owed[os.write(w, owed) :] if owed else owed
            except BlockingIOError:
                pass
            ep.modify(w, select.EPOLLOUT if owed else 0)


def as_it_was(r, w):
    _ = "looked at, and left as it was"
    owed, is_over = b"", False
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        ep.register(w, select.EPOLLOUT)
        while owed or not is_over:
            for fd, _ in ep.poll():
                if fd == w and owed:
                    owed = owed[os.write(w, owed) :]
                elif fd == r:
                    data = os.read(r, 4096)
                    owed += data
                    if not data:
                        is_over = True
                        ep.unregister(r)


def never_arms(r, w):
    owed = b""
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        while True:
            ep.poll()
            data = os.read(r, 4096)
            if not data:
                return
            owed = (owed + data)[os.write(w, owed + data) :]


def never_arms_w(r, w):
    owed, is_over = b"", False
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        while owed or not is_over:
            for fd, _ in ep.poll():
                data = os.read(fd, 65_536)
                owed += data
                if not data:
                    is_over = True
                    ep.unregister(r)
            try:
                owed = owed[os.write(w, owed) :]
            except BlockingIOError:
                pass


def forgets_the_rest(r, w):
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


def leaves_r_registered(r, w):
    owed, is_over = b"", False
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        ep.register(w, 0)
        while owed or not is_over:
            for fd, _ in ep.poll():
                if fd == w and owed:
                    owed = owed[os.write(w, owed) :]
                elif fd == r:
                    data = os.read(r, 4096)
                    owed += data
                    is_over = not data
                ep.modify(w, select.EPOLLOUT if owed else 0)


RIGHT = [registers_w_only_while_it_owes, writes_first]
WRONG = {
    as_it_was: ("wrong", "again and again"),
    never_arms_w: ("sleeps for ever", "asleep in ep.poll()"),
    never_arms: ("raised", "BlockingIOError"),
    forgets_the_rest: ("wrong", "missing"),
    leaves_r_registered: ("wrong", "after the end"),
}
