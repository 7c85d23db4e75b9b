"""The questions of notebook 06, put to the kernel in other ways, where it answers otherwise."""

import os
import select
import socket
from contextlib import closing


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


def elif_on(kind="tcp", is_closed=True):
    """Let the handler act on a stream whose other end sends a parcel and closes."""
    if kind == "pipe":
        r, w = os.pipe()
        own, other = open(r, "rb", 0), open(w, "wb", 0)
        other.write(b"parcel")
    else:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            other = socket.create_connection(listener.getsockname())
            own, _ = listener.accept()
        other.send(b"parcel")
    if is_closed:
        other.close()
    results = []
    with closing(own), closing(other), select.epoll() as ep:
        ep.register(own, select.EPOLLIN)
        while len(results) < 5:
            events = ep.poll(60 if is_closed else 0.05)
            if not events:
                return "silence"
            if events[0][1] & select.EPOLLIN:
                results.append(os.read(own.fileno(), 64))
            elif events[0][1] & select.EPOLLHUP:
                return "closed"
    assert results == [b"parcel", b"", b"", b"", b""]
    return "b'' for ever"


RUNS = {
    "goodbye-of-a-pair": [goodbye, lambda: goodbye("tcp"), lambda: goodbye("pipe")],
    "last-words": [last_words, lambda: last_words(b""), lambda: last_words(is_closed=False)],
    "elif-on-tcp": [elif_on, lambda: elif_on("pipe"), lambda: elif_on(is_closed=False)],
}
