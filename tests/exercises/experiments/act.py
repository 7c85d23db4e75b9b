"""The questions of notebook 06, put to the kernel in other ways, where it answers otherwise."""

import os
import select
import socket


def goodbye(kind="unix"):
    if kind == "pipe":
        r, w = os.pipe()
        os.close(w)
        with select.epoll() as ep:
            ep.register(r, select.EPOLLIN)
            [(_, mask)] = ep.poll()
        os.close(r)
        return mask
    if kind == "tcp":
        with socket.create_server(("127.0.0.1", 0)) as listener:
            other = socket.create_connection(listener.getsockname())
            own, _ = listener.accept()
    else:
        own, other = socket.socketpair()
    with own, select.epoll() as ep:
        ep.register(own, select.EPOLLIN)
        other.close()
        [(_, mask)] = ep.poll()
    return mask


def last_words(data=b"parcel", is_closed=True):
    r, w = os.pipe()
    if data:
        os.write(w, data)
    if is_closed:
        os.close(w)
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        [(_, mask)] = ep.poll()
    os.close(r)
    if not is_closed:
        os.close(w)
    return mask


RUNS = {
    "goodbye-of-a-pair": [goodbye, lambda: goodbye("tcp"), lambda: goodbye("pipe")],
    "last-words": [last_words, lambda: last_words(b""), lambda: last_words(is_closed=False)],
}
