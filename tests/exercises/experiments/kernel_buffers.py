"""The questions of notebook 02, put to the kernel in other ways, where it answers otherwise."""

import fcntl
import os
import socket
import threading

from epollkit import linux

PAGE = os.sysconf("SC_PAGESIZE")


def one_byte_short(read=PAGE - 1):
    """Say whether a writer at a full pipe sleeps on after *read* bytes were taken out."""
    r, w = os.pipe()
    fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 2 * PAGE)
    os.write(w, bytes(2 * PAGE))
    A = threading.Thread(target=os.write, args=(w, bytes(PAGE)))
    A.start()
    try:
        linux.wait_until_asleep(A, w)
        os.read(r, read)
        if read >= PAGE:
            A.join()
        return bool(linux.is_asleep(A, w))
    finally:
        while A.is_alive():
            os.read(r, PAGE)
            A.join(0.01)
        os.close(w)
        os.close(r)


def fill(write, piece):
    total = 0
    try:
        while True:
            total += write(piece)
    except BlockingIOError:
        return total


def which_is_full_first(flags=0):
    r, w = os.pipe2(os.O_NONBLOCK | flags)
    a, b = socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    with a, b, client, server:
        a.setblocking(False)
        client.setblocking(False)
        sizes = {
            "pipe": fill(lambda piece: os.write(w, piece), b"x"),
            "socketpair": fill(a.send, b"x"),
            "TCP": fill(client.send, bytes(PAGE)),
        }
    os.close(w)
    os.close(r)
    return min(sizes, key=sizes.get) if len(set(sizes.values())) == 3 else "same"


RUNS = {
    "one-byte-short": [one_byte_short, lambda: one_byte_short(PAGE)],
    "which-is-full-first": [
        which_is_full_first,
        lambda: which_is_full_first(os.O_DIRECT),
    ],  # a packet for each byte
}
