"""The questions of notebook 12b, put to the kernel in other ways, where it answers otherwise."""

import os
import select
import socket

from epollkit import sandbox


def one_list(folder, *, is_closed_at_once):
    listener = socket.create_server(("127.0.0.1", 0))
    (ann, ann_end), (bob, bob_end) = socket.socketpair(), socket.socketpair()
    clients, kicked, ep = {ann.fileno(): ann, bob.fileno(): bob}, [], select.epoll()
    for sock in (ann, listener, bob):
        ep.register(sock, select.EPOLLIN)
    ann_end.send(b"kick bob")
    caller = socket.create_connection(listener.getsockname())
    select.select([listener], [], [])
    bob_end.close()
    for fd, mask in ep.poll():
        if fd == listener.fileno():
            carol = listener.accept()[0]
            clients[carol.fileno()] = carol
        elif fd in clients:
            gone = fd if mask & select.EPOLLHUP else max(clients)
            kicked.append(clients.pop(gone))
            if is_closed_at_once:
                kicked.pop().close()
    print("nothing" if carol in clients.values() else "carol")
    caller.close()


def stale_event(is_closed_at_once):
    def run(folder):
        one_list(folder, is_closed_at_once=is_closed_at_once)

    with sandbox.run_apart(run) as outcome:
        return outcome.output.strip()


def hidden_line(buffering=-1):
    r, w = os.pipe()
    with open(r, "rb", buffering=buffering) as file, select.epoll() as ep:
        ep.register(file, select.EPOLLIN)
        os.write(w, b"one\ntwo\n")
        file.readline()
        mask = sum(mask for _, mask in ep.poll(0))
    os.close(w)
    return mask


def whose_flag(make_another=os.dup):
    r, w = os.pipe()
    other = make_another(r)
    os.set_blocking(other, False)
    outcome = "sleeps" if os.get_blocking(r) else "BlockingIOError"
    for fd in (other, r, w):
        os.close(fd)
    return outcome


def opened_anew(fd):
    return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)


RUNS = {
    "stale-event": [lambda: stale_event(True), lambda: stale_event(False)],
    "hidden-line": [hidden_line, lambda: hidden_line(0)],
    "whose-flag": [whose_flag, lambda: whose_flag(opened_anew)],
}
