"""The questions of notebook 00, put to the kernel in other ways, where it answers otherwise."""

import os
import select


def two_writes(writes=2, pipes=1):
    ends = [os.pipe() for _ in range(pipes)]
    with select.epoll() as ep:
        for r, w in ends:
            ep.register(r, select.EPOLLIN)
            for _ in range(writes):
                os.write(w, b"par")
        count = len(ep.poll(0))
    for end in ends:
        for fd in end:
            os.close(fd)
    return count


def half_read(mask=select.EPOLLIN):
    r, w = os.pipe()
    with select.epoll() as ep:
        ep.register(r, mask)
        os.write(w, b"parcel")
        first = ep.poll(0)
        os.read(r, 3)
        second = ep.poll(0)
    os.close(w)
    os.close(r)
    return second == first


RUNS = {
    "two-writes": [two_writes, lambda: two_writes(writes=0), lambda: two_writes(pipes=2)],
    "half-read": [half_read, lambda: half_read(select.EPOLLIN | select.EPOLLET)],
}
