"""The questions of notebook 10, put to the kernel in other ways, where it answers otherwise."""

import contextlib
import os
import select
import socket


def told(ep):
    return sum(mask for _, mask in ep.poll(0))


def once_more(written=1, mask=select.EPOLLIN | select.EPOLLET):
    r, w = os.pipe()
    with select.epoll() as ep:
        ep.register(r, mask)
        os.write(w, b"parcel")
        assert told(ep)
        if written:
            os.write(w, bytes(written))
        mask = told(ep)
    os.close(r)
    os.close(w)
    return mask


def refused(is_tried=True):
    r, w = os.pipe2(os.O_NONBLOCK)
    with select.epoll() as ep, contextlib.ExitStack() as stack:
        stack.callback(os.close, r)
        stack.callback(os.close, w)
        ep.register(r, select.EPOLLIN | select.EPOLLET)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(w, bytes(4096))
        assert told(ep) and not told(ep)
        if is_tried:
            with contextlib.suppress(BlockingIOError):
                os.write(w, b"!")
        return told(ep)


def three_callers(mask=select.EPOLLIN | select.EPOLLET):
    with socket.create_server(("127.0.0.1", 0)) as listener, select.epoll() as ep:
        ep.register(listener, mask)
        callers = [socket.create_connection(listener.getsockname()) for _ in range(3)]
        assert told(ep)
        accepted, _ = listener.accept()
        mask = told(ep)
        for sock in (accepted, *callers):
            sock.close()
    return mask


RUNS = {
    "edge-once-more": [
        once_more,
        lambda: once_more(0),
        lambda: once_more(0, select.EPOLLIN),
    ],
    "edge-refused": [refused, lambda: refused(is_tried=False)],
    "edge-three-callers": [three_callers, lambda: three_callers(select.EPOLLIN)],
}
