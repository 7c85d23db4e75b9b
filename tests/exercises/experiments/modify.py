"""The questions of notebook 07, put to the kernel in other ways, where it answers otherwise."""

import errno
import os
import select
import socket
import time


def always_armed(mask=select.EPOLLIN | select.EPOLLOUT):
    a, b = socket.socketpair()
    count, until = 0, time.perf_counter() + 0.2
    with a, b, select.epoll() as ep:
        ep.register(a, mask)
        while (left := until - time.perf_counter()) > 0:
            count += len(ep.poll(left))
    return "thousands" if count > 1_000 else "one" if count else "none"


def after_unregister(is_closed=False, data=b"parcel"):
    r, w = os.pipe()
    os.write(w, data)
    os.close(w)
    try:
        with select.epoll() as ep:
            ep.register(r, select.EPOLLIN)
            ep.unregister(r)
            if is_closed:
                os.close(r)
            return "the data" if os.read(r, 64) else "the end"
    except OSError as error:
        return errno.errorcode[error.errno]
    finally:
        if not is_closed:
            os.close(r)


RUNS = {
    "always-armed": [
        always_armed,
        lambda: always_armed(select.EPOLLIN),
        lambda: always_armed(select.EPOLLOUT | select.EPOLLONESHOT),
    ],
    "after-unregister": [
        after_unregister,
        lambda: after_unregister(is_closed=True),
        lambda: after_unregister(data=b""),
    ],
}
