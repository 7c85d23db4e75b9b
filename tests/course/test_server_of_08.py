"""The server of notebook 08b in a process of its own, against those who mean no good: resets by the
thousand, a flood, more callers than file descriptors, clients that never read or never speak.

What is certain is asserted: who gets which bytes, who is hung up on, that the server lives, that
it sleeps when nothing is to do.  How long an answer takes is printed (``pytest -s``).
"""

import os
import resource
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest
from support import server_cells

#: What a look at a process that sleeps must find unchanged, for this long.
SLEEPS_S = 0.3
PATIENCE_S = 60

MAIN = """
LISTENER, STOP, NUMBERS, OPTIONS = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
if NUMBERS:
    resource.setrlimit(resource.RLIMIT_NOFILE, (NUMBERS, NUMBERS))
serve(socket.socket(fileno=LISTENER), STOP, **eval(OPTIONS))
"""
PROGRAM = "\n\n".join(
    ["import contextlib, errno, os, resource, select, socket, sys, time", *server_cells(), MAIN]
)


def used(pid):
    """Return what a process cannot use while it sleeps: processor time, and turns."""
    with open(f"/proc/{pid}/stat") as file:
        words = file.read().rpartition(")")[2].split()
    with open(f"/proc/{pid}/status") as file:
        switches = [line.split()[1] for line in file if "ctxt_switches" in line]
    return words[11:13], switches


class Server:
    """The running server: where it listens, its process, and how to tell it to stop."""

    def __init__(self, numbers, options):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = self.listener.getsockname()
        stop, self.ring = os.pipe()
        arguments = [str(self.listener.fileno()), str(stop), str(numbers), repr(options)]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM, *arguments],
            pass_fds=[self.listener.fileno(), stop],
            stderr=subprocess.PIPE,
        )
        os.close(stop)

    def connect(self):
        return socket.create_connection(self.address, timeout=PATIENCE_S)

    def ping(self):
        """Send a line on a connection of its own and read it back; return the seconds it took."""
        started = time.perf_counter()
        with self.connect() as sock:
            sock.sendall(b"x" * 24)
            came = b""
            while len(came) < 24:
                data = sock.recv(64)
                assert data, "hung up on"
                came += data
        return time.perf_counter() - started

    def sleeps(self):
        """Wait until the server has nothing to do; assert that it does nothing from then on."""
        deadline = time.monotonic() + PATIENCE_S
        before = None
        while (now := used(self.process.pid)) != before:
            assert time.monotonic() < deadline, "it never came to rest"
            before = now
            time.sleep(SLEEPS_S)

    def stop(self):
        os.write(self.ring, b"!")
        assert self.process.wait(PATIENCE_S) == 0, self.process.stderr.read().decode()


@contextmanager
def running(numbers=0, **options):
    """Run the server for the block, with at most *numbers* file descriptors; it is stopped at the
    end, and must come back.
    """
    server = Server(numbers, options)
    try:
        server.ping()
        yield server
        if server.process.returncode is None:  # it was not stopped yet
            server.stop()
    finally:
        server.process.kill()
        server.process.wait()
        server.process.stderr.close()
        server.listener.close()
        os.close(server.ring)


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@contextmanager
def enough_numbers(wanted):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < wanted:
        pytest.skip(f"this user may have {before[1]} files open, the test needs {wanted}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], wanted), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_storm_of_resets():
    """Four threads connect, send and reset, for two seconds."""
    until, counts = time.monotonic() + 2, []

    def storm(server):
        count = 0
        while time.monotonic() < until:
            try:
                sock = server.connect()
                sock.send(bytes(1 + count % 70_000))
                reset(sock)
                count += 1
            except OSError:  # its own connection was reset: the backlog was full
                pass
        counts.append(count)

    with running() as server:
        threads = [threading.Thread(target=storm, args=(server,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        server.ping()
        server.sleeps()
    print(f"{sum(counts):,} resets")
    assert sum(counts) > 100


def test_a_flood_without_a_newline_beside_twenty_pings():
    going = threading.Event()

    def flood(sock):
        while not going.is_set():
            sock.send(b"A" * 1_000_000)

    def read(sock):
        while not going.is_set():
            sock.recv(1 << 20)

    with running() as server, server.connect() as sock:
        threads = [threading.Thread(target=each, args=(sock,)) for each in (flood, read)]
        for thread in threads:
            thread.start()
        try:
            took = [server.ping() for _ in range(20)]
        finally:
            going.set()
            for thread in threads:
                thread.join()
        print(f"worst of twenty: {1000 * max(took):.1f} ms")
        assert len(took) == 20


def test_more_callers_than_file_descriptors():
    """1,100 clients come and stay; the server may have 1,024 files open."""
    with enough_numbers(1_400), running(numbers=1_024) as server, ExitStack() as held:
        clients = [held.enter_context(server.connect()) for _ in range(1_100)]
        server.sleeps()
        served, hung_up_on = 0, 0
        for client in clients:
            try:
                client.sendall(b"hello")
                served += client.recv(64) == b"hello"
            except OSError:
                hung_up_on += 1
        refused_politely = len(clients) - served - hung_up_on
        print(f"{served:,} served, {hung_up_on + refused_politely:,} hung up on")
        assert 1_000 <= served < 1_024
        held.close()
        server.ping()  # there is room again
        server.sleeps()


def test_one_that_never_reads():
    """The others are served, the server sleeps, and a stop is not held up for ever."""
    with running(drain_s=0.5) as server, server.connect() as greedy:
        greedy.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                greedy.send(bytes(1_000_000))
        server.sleeps()
        for _ in range(20):
            server.ping()
        server.stop()


def test_told_to_stop_it_sends_all_that_it_has_taken():
    """One reads late: what comes back is what it sent, from the first byte on, then the end; and
    no reset destroys it, though bytes that it sent are never read.
    """
    data = os.urandom(40_000_000)
    with running(drain_s=PATIENCE_S) as server, server.connect() as late:
        late.setblocking(False)
        sent = 0
        with pytest.raises(BlockingIOError):
            while True:
                sent += late.send(data[sent:])
        server.sleeps()
        os.write(server.ring, b"!")
        late.setblocking(True)
        came = bytearray()
        while piece := late.recv(65536):
            came += piece
        late.close()
        assert server.process.wait(PATIENCE_S) == 0
        print(f"{sent:,} sent, {len(came):,} echoed")
        assert len(came) > 65536 and data.startswith(came)


def test_who_is_silent_is_hung_up_on():
    with running(idle_s=0.5) as server, server.connect() as silent, server.connect() as lively:
        until = time.monotonic() + 1
        while time.monotonic() < until:
            lively.sendall(b"!")
            assert lively.recv(1) == b"!"
            time.sleep(0.1)
        assert silent.recv(1) == b""
        lively.sendall(b"!")
        assert lively.recv(1) == b"!"


def test_the_check_for_sleeping_sees_one_that_spins():
    with running() as server:
        spinning = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            before = used(spinning.pid)
            time.sleep(SLEEPS_S)
            assert used(spinning.pid) != before
        finally:
            spinning.kill()
            spinning.wait()
        server.sleeps()
