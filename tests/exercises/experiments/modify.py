"""The questions of notebook 07, put to the kernel in other ways, where it answers otherwise."""

import errno
import os
import select
import socket
import threading
import time

from epollkit import linux


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


def two_sleepers(mask=select.EPOLLIN):
    """Let two threads sleep in poll on one epoll; count those that one byte brings back."""
    a, b = socket.socketpair()
    returned = []
    with a, b, select.epoll() as ep:
        ep.register(b, mask)
        threads = [threading.Thread(target=lambda: returned.append(ep.poll())) for _ in range(2)]
        for thread in threads:
            thread.start()
            linux.wait_until_asleep(thread, ep)
        a.send(b"!")
        while mask == select.EPOLLIN and len(returned) < 2:
            pass
        while not returned:
            pass
        count = sum(not linux.is_asleep(thread, ep) for thread in threads)
        ep.modify(b, select.EPOLLIN)  # wakes whoever sleeps on
        for thread in threads:
            thread.join()
    return count


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
    "two-sleepers": [two_sleepers, lambda: two_sleepers(select.EPOLLIN | select.EPOLLONESHOT)],
}
