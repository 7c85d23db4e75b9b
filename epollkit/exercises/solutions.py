"""One solution of each exercise, as plain as can be.  There are others.

You have read this far before you tried?  Close this file, try first, then ask for ``solution(id)``.
"""

import os
import select


def read_everything(r):
    pieces = []
    while piece := os.read(r, 4096):
        pieces.append(piece)
    return b"".join(pieces)


def first_of_two(r1, r2):
    with select.epoll() as ep:
        ep.register(r1, select.EPOLLIN)
        ep.register(r2, select.EPOLLIN)
        fd, mask = ep.poll()[0]
        return os.read(fd, 4096)


def write_all(w, data):
    rest = memoryview(data)
    with select.epoll() as ep:
        ep.register(w, select.EPOLLOUT)
        while rest:
            try:
                rest = rest[os.write(w, rest):]
            except BlockingIOError:
                ep.poll()
