"""The experiments of notebook 04, in other ways than there: what each returns goes to answer()."""

import os
import select
import socket


def closed_under(mask, watched="r", is_closed=True):
    r, w = os.pipe()
    ends = {"r": r, "w": w}
    own, other = ends.pop(watched), *ends.values()
    with select.epoll() as ep:
        ep.register(own, mask)
        if is_closed:
            os.close(other)
        found = sum(mask for _, mask in ep.poll(0))
    if not is_closed:
        os.close(other)
    os.close(own)
    return found


def by_default(is_written=False, is_filled=False):
    a, b = socket.socketpair()
    with a, b, select.epoll() as ep:
        ep.register(a)
        if is_written:
            b.send(b"parcel")
        if is_filled:
            a.setblocking(False)
            try:
                while True:
                    a.send(bytes(4096))
            except BlockingIOError:
                pass
        return sum(mask for _, mask in ep.poll(0))


RUNS = {
    "asked-for-nothing": [
        lambda: closed_under(0),
        lambda: closed_under(0, is_closed=False),
        lambda: closed_under(0, "w"),
        lambda: closed_under(select.EPOLLIN),
        lambda: closed_under(select.EPOLLOUT, "w", is_closed=False),
    ],
    "no-mask": [
        by_default,
        lambda: by_default(is_written=True),
        lambda: by_default(is_filled=True),
        lambda: by_default(is_written=True, is_filled=True),
    ],
}
