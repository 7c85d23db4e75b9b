"""The loop to copy, taken from the cells of the reference, serves real clients, and bad
ones.

It runs in a process of its own: at the limit of file descriptors it is to be alone.
"""

import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "reference.ipynb"
#: Serves until its input ends; what it holds open at the end is printed, and is to be what it held
#: at the start.
PROGRAM = """
import errno, os, resource, select, socket, sys, threading
{cells}
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[1])))
with socket.create_server(("127.0.0.1", 0), backlog=500) as listener:
    before = os.listdir("/proc/self/fd")
    print(listener.getsockname()[1], flush=True)
    serve(listener, 0)
    print(os.listdir("/proc/self/fd") == before)
"""


@contextmanager
def running(descriptors=256):
    """Run the server with so many file descriptors.

    Gives a function that connects to it, and one that counts what it holds open.
    """
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    program = PROGRAM.format(
        cells="\n".join(
            cell.source for cell in cells if "reference-loop" in cell.metadata.get("tags", [])
        )
    )
    server = subprocess.Popen(
        [sys.executable, "-c", program, str(descriptors)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        port = int(server.stdout.readline())
        yield (
            lambda: socket.create_connection(("127.0.0.1", port), timeout=60),
            lambda: len(os.listdir(f"/proc/{server.pid}/fd")),
        )
        assert server.poll() is None, "it has ended by itself"
        ended, _ = server.communicate("stop", timeout=60)
        assert server.returncode == 0 and ended == "True\n"
    finally:
        server.kill()
        server.communicate()


def echo(connect, data):
    """Send *data* and say that this was all, reading meanwhile; return what came back."""
    with connect() as line:

        def send():
            line.sendall(data)
            line.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        pieces = []
        while piece := line.recv(65_536):
            pieces.append(piece)
        sender.join()
    return b"".join(pieces)


def test_a_client_that_half_closes_gets_every_byte():
    data = random.Random(1).randbytes(3_000_000)
    with running() as (connect, _):
        assert echo(connect, data) == data


def test_a_client_that_never_reads_and_resets_harm_nobody_else():
    with running() as (connect, _), connect() as silent:
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                silent.send(bytes(65_536))
        for size in (1, 1_000, 100_000) * 20:
            broken = connect()
            broken.sendall(os.urandom(size))
            broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            broken.close()
        assert echo(connect, b"still there?") == b"still there?"


def test_callers_for_whom_no_descriptor_is_left_are_hung_up_on_and_the_others_are_served():
    with running(descriptors=32) as (connect, count_held):
        lines = [connect() for _ in range(60)]
        served = 0
        for line in lines:
            try:
                line.sendall(b"hi")
                served += line.recv(2) == b"hi"
            except ConnectionError:
                pass
        for line in lines:
            line.close()
        assert 20 < served < 32
        deadline = time.monotonic() + 60
        while count_held() > 20:  # until then it hangs up on callers, as it should
            assert time.monotonic() < deadline, "it keeps connections that have ended"
            time.sleep(0.01)
        assert echo(connect, b"and now?") == b"and now?"
