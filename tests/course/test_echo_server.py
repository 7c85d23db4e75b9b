"""The server of notebook 08b, taken from its cells, serves real clients: no byte is lost, and
it never spins.

The clients live in processes of their own: what they hold open does not count here.
"""

import os
import random
import resource
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
from support import busy_cores, server_cells

import epollkit
from epollkit.explore.server.verdict import unhandled

MANY = 200


def echo_server():
    """Return `serve` as those cells define it."""
    names = {}
    exec("import contextlib, errno, os, select, socket, time", names)
    for number, source in enumerate(server_cells(), 1):
        exec(compile(source, f"notebook 08b, cell {number} of the server", "exec"), names)
    return names["serve"]


@contextmanager
def running():
    """Run the server in a thread, under ``record()``, for the block; gives the port, and a list for
    the log.

    At the end the server is told to stop, comes back, has left nothing open, and was never asked in
    vain.
    """
    before, failed, logs = set(os.listdir("/proc/self/fd")), [], []
    listener = socket.create_server(("127.0.0.1", 0), backlog=2 * MANY)
    stop, ring = os.pipe()

    def run():
        try:
            echo_server()(listener, stop)
        except BaseException as error:
            failed.append(error)

    server = threading.Thread(target=run, name="server")
    with epollkit.record(listener=listener, stop=stop) as log:
        server.start()
        try:
            yield listener.getsockname()[1], logs
        finally:
            os.write(ring, b"!")
            server.join(60)
    logs.append(log)
    listener.close()
    os.close(stop)
    os.close(ring)
    assert not server.is_alive() and not failed, failed
    assert set(os.listdir("/proc/self/fd")) == before
    assert unhandled(log) == []


def clients(program, port, timeout_s=120):
    """Run *program*, clients of the server at *port*, in a Python of its own; assert that it
    succeeds.
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", COMMON + program, str(port)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


COMMON = """
import asyncio, random, socket, struct, sys, threading
PORT = int(sys.argv[1])
ADDRESS = "127.0.0.1", PORT

def data_of(seed, size):
    return random.Random(seed).randbytes(size)
"""

WITH_ASYNCIO = f"""
async def talk(seed, everybody_is_here):
    reader, writer = await asyncio.open_connection(*ADDRESS)
    await everybody_is_here.wait()
    for number in range(3):
        data = data_of(f"{{seed}} {{number}}", random.Random(seed).randint(1, 20_000))
        writer.write(data)
        await writer.drain()
        assert await reader.readexactly(len(data)) == data
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()

async def slow(everybody_is_here):
    reader, writer = await asyncio.open_connection(*ADDRESS, limit=2 ** 16)
    data = data_of("slow", 16_000_000)
    writer.write(data)                       # more than fits: the server has to wait, and must not
    await everybody_is_here.wait()
    await others_are_done.wait()
    assert await reader.readexactly(len(data)) == data
    writer.close()
    await writer.wait_closed()

async def resetting(everybody_is_here, size):
    sock = socket.create_connection(ADDRESS)
    sock.setblocking(False)
    try:
        sock.send(data_of("resetting", size))
    except BlockingIOError:
        pass
    await everybody_is_here.wait()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()

async def silent(everybody_is_here):
    with socket.create_connection(ADDRESS):
        await everybody_is_here.wait()
        await others_are_done.wait()

async def main():
    global others_are_done
    others_are_done = asyncio.Event()
    here = asyncio.Barrier({MANY} + 4)
    odd = [slow(here), resetting(here, 10), resetting(here, 9_000_000), silent(here)]
    odd = [asyncio.create_task(client) for client in odd]
    await asyncio.gather(*(talk(seed, here) for seed in range({MANY})))
    others_are_done.set()
    await asyncio.gather(*odd)

asyncio.run(main())
"""

WITH_SOCKETS = """
def talk(seed):
    with socket.create_connection(ADDRESS) as sock:
        data = data_of(seed, 300_000)
        def send():
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        sending = threading.Thread(target=send)
        sending.start()
        came = bytearray()
        while piece := sock.recv(random.Random(len(came)).randint(1, 40_000)):
            came += piece
        sending.join()
        results.append(bytes(came) == data)

results, threads = [], [threading.Thread(target=talk, args=(seed,)) for seed in range(20)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert results == [True] * 20, results
"""


@pytest.fixture
def enough_numbers():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit < MANY + 50:
        pytest.skip(
            f"this process may have {limit} files open, the test needs {MANY + 50} here, and as "
            "many in its child"
        )


def test_many_clients_at_once_one_slow_one_silent_two_that_break_off(enough_numbers):
    with running() as (port, logs):
        clients(WITH_ASYNCIO, port)
    [log] = logs
    accepted = [call for call in log.calls("socket.accept") if not call.error]
    assert len(accepted) == MANY + 4
    assert any(mask & 4 for call in log.calls("epoll.poll") for _, mask in call.events), (
        "nobody was slow"
    )
    assert not log.calls("socket.sendall")


def test_clients_with_plain_sockets():
    with running() as (port, _):
        clients(WITH_SOCKETS, port)


def test_on_busy_cores():
    with busy_cores(), running() as (port, _):
        clients(WITH_SOCKETS, port)


TOOLS = {
    "bash": ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/{port}; cat <&0 >&3 & head -c 2000000 <&3"],
    "nc": ["nc", "-N", "127.0.0.1", "{port}"],
    "socat": ["socat", "-t", "30", "-", "TCP:127.0.0.1:{port}"],
}


@pytest.mark.parametrize("tool", TOOLS)
def test_tools(tool):
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed here")
    data = random.Random(tool).randbytes(20_000_000 if tool == "nc" else 2_000_000)
    with running() as (port, _):
        command = [word.format(port=port) for word in TOOLS[tool]]
        done = subprocess.run(command, input=data, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == data


def test_the_check_for_spinning_sees_one():
    """Left without its answer to an end, the same server is found out."""
    serve = echo_server()
    let_go, ends, enough = serve.__globals__["let_go"], [], threading.Event()

    def deaf(ep, clients, fd, mask):
        if not clients[fd].sock.recv(100):
            ends.append(fd)
            if len(ends) == 3:
                let_go(ep, clients, fd)
                enough.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop, ring = os.pipe()
        server = threading.Thread(target=serve, args=(listener, stop, deaf), name="server")
        with epollkit.record(listener=listener, stop=stop) as log:
            with socket.create_connection(listener.getsockname()) as client:
                client.send(b"half a li")
                server.start()
            came = enough.wait(60)
            os.write(ring, b"!")
            server.join(60)
        os.close(stop)
        os.close(ring)
    [(calls, (stream, _)), *_] = unhandled(log)
    assert came and len(calls) == 3 and stream.kind == "tcp" and stream.role != "listener"
