"""The questions of notebook 13, put to the kernel in other ways, where it answers otherwise."""

import json
import os
import select
import socket
import subprocess
import sys
import time

import epollkit


def slowest(ready, size=200):
    """Wait with each of the three for *size* pipes, *ready* of which are ready."""
    pipes = [os.pipe() for _ in range(size)]
    fds = [r for r, _ in pipes]
    poll = select.poll()
    with select.epoll() as epoll:
        for fd in fds:
            poll.register(fd, select.POLLIN)
            epoll.register(fd, select.EPOLLIN)
        for _, w in pipes[:ready]:
            os.write(w, b"!")
        costs = {"select": [], "poll": [], "epoll": []}
        for _ in range(50):
            for way, wait in (
                ("select", lambda: select.select(fds, [], [])),
                ("poll", poll.poll),
                ("epoll", epoll.poll),
            ):
                begin = time.perf_counter()
                wait()
                costs[way].append(time.perf_counter() - begin)
    for ends in pipes:
        for end in ends:
            os.close(end)
    return max(costs, key=lambda way: min(costs[way]))


def toggle(asks=True, requests=10):
    """Count the server's calls for each request."""
    client, server = socket.socketpair()
    with epollkit.record() as log, client, server, select.epoll() as ep:
        ep.register(server, select.EPOLLIN)
        for _ in range(requests):
            client.send(b"?")
            ep.poll()
            server.recv(64)
            if asks:
                ep.modify(server, select.EPOLLOUT)
                ep.poll()
            server.send(b"!")
            if asks:
                ep.modify(server, select.EPOLLIN)
            client.recv(64)
    names = "epoll.poll", "epoll.modify"
    calls = sum(len(log.calls(name=name)) for name in names)
    calls += sum(len(log.calls(name=f"socket.{what}")) // 2 for what in ("send", "recv"))
    return calls // requests


PROGRAM = """
import fcntl, json, os, resource, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
if os.geteuid() == 0:
    os.setuid(65534)
sizes = []
try:
    for _ in range(int(sys.argv[1])):
        r, w = os.pipe()
        sizes.append(fcntl.fcntl(r, fcntl.F_GETPIPE_SZ))
except OSError:
    sizes.append(0)
print(json.dumps(sizes[-1]))
"""


def last_pipe(pipes):
    command = [sys.executable, "-c", PROGRAM, str(pipes)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


RUNS = {
    "scale-all-busy": [lambda: slowest(200), lambda: slowest(1)],
    "scale-toggle": [toggle, lambda: toggle(asks=False)],
    "scale-small-pipe": [lambda: last_pipe(1100), lambda: last_pipe(3)],
}
