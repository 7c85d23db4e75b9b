"""The questions of notebook 11, put to the kernel in other ways, where it answers otherwise."""

import os
import select
import socket
import tempfile


def line(kind="tcp"):
    if kind == "unix":
        return socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        return listener.accept()[0], peer


def first_write(kind="tcp"):
    conn, peer = line(kind)
    with conn:
        peer.close()
        select.select([conn], [], [])
        try:
            conn.send(b"!")
        except OSError as error:
            return type(error).__name__
    return "taken"


def unread(kind="tcp", is_read=False):
    conn, peer = line(kind)
    with conn, select.epoll() as ep:
        conn.send(b"parcel")
        select.select([peer], [], [])
        if is_read:
            peer.recv(64)
        peer.close()
        ep.register(conn, select.EPOLLIN)
        [(_, mask)] = ep.poll()
    return mask


def fifo(comes_back=True, data=b""):
    with tempfile.TemporaryDirectory() as folder, select.epoll() as ep:
        path = os.path.join(folder, "fifo")
        os.mkfifo(path)
        r = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        ep.register(r, select.EPOLLIN)
        os.close(os.open(path, os.O_WRONLY))
        assert ep.poll(0)
        w = os.open(path, os.O_WRONLY) if comes_back else os.dup(r)
        if data:
            os.write(w, data)
        mask = sum(mask for _, mask in ep.poll(0))
        os.close(w)
        os.close(r)
    return mask


RUNS = {
    "ending-first-write": [first_write, lambda: first_write("unix")],
    "ending-unread": [unread, lambda: unread(is_read=True), lambda: unread("unix", is_read=True)],
    "ending-fifo": [fifo, lambda: fifo(comes_back=False), lambda: fifo(data=b"parcel")],
}
