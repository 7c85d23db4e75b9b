"""The experiments behind the questions of notebook 08, each in variants that the kernel answers
differently.
"""

import select
import socket
import struct

from epollkit import masks
from epollkit.explore import visit


def loop(answer, listener, stop, blocking=True):
    """Take calls, and let *answer* act on each event of a client."""
    clients, left = {}, {}
    with select.epoll() as ep:
        ep.register(listener, select.EPOLLIN)
        ep.register(stop, select.EPOLLIN)
        while True:
            for fd, _ in ep.poll():
                if fd == stop:
                    return
                if fd == listener.fileno():
                    client, _ = listener.accept()
                    client.setblocking(blocking)
                    ep.register(client, select.EPOLLIN)
                    clients[client.fileno()], left[client.fileno()] = client, b""
                elif not answer(ep, clients[fd], left):
                    ep.unregister(fd)
                    clients.pop(fd).close()


def send_all(ep, client, left):
    if data := client.recv(65536):
        client.sendall(data)
    return bool(data)


def send_what_fits(ep, client, left):
    fd = client.fileno()
    data = left[fd] or client.recv(65536)
    try:
        left[fd] = data[client.send(data) :]
    except BlockingIOError:
        left[fd] = data
    ep.modify(fd, select.EPOLLOUT if left[fd] else select.EPOLLIN)
    return bool(data)


def served(answer, *tempers, blocking=True):
    """Return how many bytes the client that is fast gets back."""
    seen = visit(lambda listener, stop: loop(answer, listener, stop, blocking), *tempers)
    return next(one["got"] for one in seen.found["clients"] if one["name"] == "fast")


def slow_one_first():
    return served(send_all, "slow reader", "fast")


def fast_one_first():
    return served(send_all, "fast", "slow reader")


def nobody_blocks():
    return served(send_what_fits, "slow reader", "fast", blocking=False)


def told(server, leave):
    """Return what poll says of *server* from the moment on when *leave* has been called, as the
    question puts it.
    """
    with server, select.epoll() as ep:
        ep.register(server, select.EPOLLIN)
        leave()
        seen = []
        for _ in range(3):
            for _, mask in ep.poll(0.2):
                seen.append(masks.names(mask))
                try:
                    server.recv(64)
                except ConnectionResetError:
                    pass
    assert seen
    if len(set(seen)) > 1:
        return f"{seen[0]}, then {seen[-1]}"
    return f"{seen[0]}, {'again and again' if len(seen) > 1 else 'once'}"


def tcp():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    client.send(b"half a li")
    assert server.recv(64) == b"half a li"
    return server, client


def tcp_is_closed():
    server, client = tcp()
    return told(server, client.close)


def tcp_is_half_closed():
    server, client = tcp()
    with client:
        return told(server, lambda: client.shutdown(socket.SHUT_WR))


def tcp_is_reset():
    server, client = tcp()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return told(server, client.close)


def socketpair_is_closed():
    server, client = socket.socketpair()
    return told(server, client.close)


RUNS = {
    "loop-slow-reader": [slow_one_first, fast_one_first, nobody_blocks],
    "loop-half-a-line": [tcp_is_closed, tcp_is_half_closed, tcp_is_reset, socketpair_is_closed],
}
