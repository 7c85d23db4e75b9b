"""The questions of notebook 08b, put to the kernel in other ways, where it answers otherwise."""

import os
import resource
import select
import socket
import threading
import time

from epollkit import linux, sandbox


def crowd(folder, callers):
    """Have one number left, and let *callers* come; print how often accept failed."""
    with socket.create_server(("127.0.0.1", 0)) as listener, select.epoll() as ep:
        held = [socket.create_connection(listener.getsockname()) for _ in range(callers)]
        ep.register(listener, select.EPOLLIN)
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, free + 1))
        refused, until = 0, time.monotonic() + 0.2
        while time.monotonic() < until:
            for _ in ep.poll(0.01):
                try:
                    held.append(listener.accept())
                except OSError:
                    refused += 1
        print(refused)


def too_many(callers=3):
    with sandbox.run_apart(crowd, callers) as outcome:
        refused = int(outcome.output)
    return "thousands" if refused > 1_000 else {0: "never", 1: "once", 2: "twice"}[refused]


def second_worker(blocking=True, callers=1):
    """Let one of *callers* be accepted; return what the accept of a second worker does."""
    outcomes = []

    def accept():
        try:
            listener.accept()[0].close()
            outcomes.append("accepted")
        except BlockingIOError:
            outcomes.append("BlockingIOError")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(blocking)
        held = [socket.create_connection(listener.getsockname()) for _ in range(callers)]
        held.append(listener.accept()[0])
        worker = threading.Thread(target=accept)
        worker.start()
        while not outcomes and not linux.is_asleep(worker, listener):
            pass
        state = outcomes[0] if outcomes else "asleep"
        if not outcomes:
            held.append(socket.create_connection(listener.getsockname()))
        worker.join()
        for stream in held:
            stream.close()
    return state


RUNS = {
    "one-caller-too-many": [too_many, lambda: too_many(1)],
    "second-worker": [
        second_worker,
        lambda: second_worker(blocking=False),
        lambda: second_worker(callers=2),
    ],
}
