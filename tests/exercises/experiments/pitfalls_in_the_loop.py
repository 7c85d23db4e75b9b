"""The questions of notebook 12a, put to the kernel in other ways, where it answers otherwise."""

import select
import socket
import time

IP_RECVERR = 11


def error_queue(is_kept=1):
    elsewhere = socket.socket(type=socket.SOCK_DGRAM)
    sender = socket.socket(type=socket.SOCK_DGRAM)
    with elsewhere, sender, select.epoll() as ep:
        elsewhere.bind(("127.0.0.1", 0))
        elsewhere.connect(("127.0.0.1", 9))
        sender.setblocking(False)
        sender.setsockopt(socket.SOL_IP, IP_RECVERR, is_kept)
        sender.connect(elsewhere.getsockname())
        ep.register(sender, select.EPOLLIN)
        sender.send(b"anybody?")
        assert ep.poll(5)
        try:
            sender.recv(64)
        except ConnectionRefusedError:
            return sum(mask for _, mask in ep.poll(0))
    return "no error"


def below_a_millisecond(timeout_s=0.0004):
    took = []
    with select.epoll() as ep:
        for _ in range(20):
            start = time.perf_counter()
            ep.poll(timeout_s)
            took.append(time.perf_counter() - start)
    if min(took) >= 0.001:
        return "a millisecond or more"
    return "about 0.4 ms" if min(took) >= 0.0004 else "not at all"


def half_a_message(*, comes_first=False):
    sock, peer = socket.socketpair()
    message = b""
    with sock, peer:
        sock.setblocking(False)
        peer.send(b'{"song": "Wate')
        if comes_first:
            peer.send(b'rloo"}\n')
        try:
            while data := sock.recv(4096):
                message += data
        except BlockingIOError:
            pass
    return message.decode()


RUNS = {
    "error-queue": [error_queue, lambda: error_queue(0)],
    "below-a-millisecond": [below_a_millisecond, lambda: below_a_millisecond(0)],
    "half-a-message": [half_a_message, lambda: half_a_message(comes_first=True)],
}
