"""Attempts at mend-the-reader:

right ones of different kinds, and wrong ones with what the verdict is to say.
"""

import select


def exactly(ep, sock, size):
    data = b""
    while len(data) < size:
        ep.poll()
        data += sock.recv(size - len(data))
    return data


def asks_for_what_is_missing(sock):
    with select.epoll() as ep:
        ep.register(sock, select.EPOLLIN)
        return exactly(ep, sock, int.from_bytes(exactly(ep, sock, 4), "big"))


def drains_after_each_report(sock):
    data = b""
    with select.epoll() as ep:
        ep.register(sock, select.EPOLLIN)
        while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big"):
            ep.poll()
            try:
                while piece := sock.recv(100):
                    data += piece
            except BlockingIOError:
                pass
    return data[4:]


def as_it_was(sock):
    data = b""
    with select.epoll() as ep:
        ep.register(sock, select.EPOLLIN)
        ep.poll()
        try:
            while piece := sock.recv(4096):
                data = data + piece
        except BlockingIOError:
            pass
    size = int.from_bytes(data[:4], "big")
    return data[4 : 4 + size]


def tries_again_at_once(sock):
    data = b""
    with select.epoll() as ep:
        ep.register(sock, select.EPOLLIN)
        ep.poll()
        while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big"):
            try:
                data += sock.recv(4096)
            except BlockingIOError:
                pass
    return data[4:]


def reads_to_the_end(sock):
    data = b""
    with select.epoll() as ep:
        ep.register(sock, select.EPOLLIN)
        while ep.poll():
            piece = sock.recv(4096)
            if not piece:
                return data[4:]
            data += piece


def keeps_the_length(sock):
    with select.epoll() as ep:
        ep.register(sock, select.EPOLLIN)
        size = exactly(ep, sock, 4)
        return size + exactly(ep, sock, int.from_bytes(size, "big"))


def lets_it_block(sock):
    sock.setblocking(True)
    with select.epoll() as ep:
        ep.register(sock, select.EPOLLIN)
        return exactly(ep, sock, int.from_bytes(exactly(ep, sock, 4), "big"))


def returns_text(sock):
    return str(asks_for_what_is_missing(sock))


RIGHT = [asks_for_what_is_missing, drains_after_each_report]
WRONG = {
    as_it_was: ("wrong", "missing"),
    tries_again_at_once: ("wrong", "busy polling"),
    reads_to_the_end: ("sleeps for ever", "asleep in"),
    keeps_the_length: ("wrong", ""),
    lets_it_block: ("wrong", "blocking"),
    returns_text: ("not an answer yet", "a bytes object was wanted"),
}
