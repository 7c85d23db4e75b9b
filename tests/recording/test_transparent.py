"""A recorded program behaves as an unrecorded one, and when the block is over everything is as it
was.

The judges are CPython's own tests of epoll, selectors and asyncio, run inside ``record()`` in a
process of their own.
"""

import asyncio
import gc
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support import ROUNDS, everything_replaced, thread, wait_until_asleep

import epollkit
from epollkit.recording import recorder

JUDGE = """
import resource, sys, unittest
import epollkit
from support import everything_replaced, keeps_the_rules

# one of test_selectors opens as many as it may
resource.setrlimit(resource.RLIMIT_NOFILE, (2000, 2000))
tests = unittest.defaultTestLoader.loadTestsFromName(sys.argv[1])
before = everything_replaced()
with epollkit.record() as log:
    verdict = unittest.TextTestRunner().run(tests)
after = everything_replaced()
assert [name for owner in before for name in before[owner] | after[owner]
        if before[owner].get(name) is not after[owner].get(name)] == []
assert verdict.wasSuccessful() and verdict.testsRun
assert not [said for said in log.limits() if "epollkit" in said], log.limits()
keeps_the_rules(log, __import__("pathlib").Path(sys.argv[2]))
print(verdict.testsRun, "tests,", len(log), "calls")
"""


@pytest.mark.parametrize(
    "name",
    [
        "test.test_epoll",
        "test.test_selectors",
        "test.test_asyncio.test_selector_events",
        "test.test_asyncio.test_streams",
    ],
)
def test_pythons_own_tests_pass_while_they_are_recorded(name, tmp_path):
    pytest.importorskip(name, reason="this Python ships without its own tests")
    if name == "test.test_selectors" and ROUNDS <= 20:
        name += ".EpollSelectorTestCase"  # the others wait for as long, and not for an epoll
    ran = subprocess.run(
        [sys.executable, "-c", JUDGE, name, str(tmp_path / "log.jsonl")],
        cwd=tmp_path,
        timeout=300,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def is_as_it_was(before):
    after = everything_replaced()
    return all(
        after[owner].keys() == before[owner].keys()
        and all(after[owner][name] is before[owner][name] for name in before[owner])
        for owner in before
    )


def test_the_originals_come_back():
    before = everything_replaced()
    with epollkit.record():
        assert not is_as_it_was(before)
    assert is_as_it_was(before)
    with pytest.raises(ZeroDivisionError), epollkit.record():
        raise ZeroDivisionError
    assert is_as_it_was(before)
    for _ in range(3):
        with epollkit.record():
            pass
    assert is_as_it_was(before)


@pytest.mark.parametrize("sleeps_in", ["epoll.poll", "os.read", "socket.recv"])
def test_ctrl_c_while_asleep_in_the_block(sleeps_in):
    before = everything_replaced()
    r, w = os.pipe()
    a, b = socket.socketpair()
    ep = select.epoll()
    ep.register(r, select.EPOLLIN)
    call, on = {
        "epoll.poll": (ep.poll, ep),
        "os.read": (lambda: os.read(r, 1), r),
        "socket.recv": (lambda: a.recv(1), a),
    }[sleeps_in]
    main = threading.get_native_id()

    def interrupt():
        wait_until_asleep(main, on)
        os.kill(os.getpid(), signal.SIGINT)

    with thread(interrupt), pytest.raises(KeyboardInterrupt), epollkit.record(ep, r=r, a=a) as log:
        call() if sleeps_in != "epoll.poll" else ep.poll()
    assert is_as_it_was(before)
    assert [(one.name, one.error[0], one.asleep) for one in log] == [
        (sleeps_in, "KeyboardInterrupt", True)
    ]
    for one in (a, b, ep):
        one.close()
    os.close(r)
    os.close(w)


def program():
    """A program that opens and closes in every way.

    Returns all that can be seen of it: numbers, results, errors.
    """
    seen = []

    def attempt(call, *args, **kwargs):
        try:
            result = call(*args, **kwargs)
            ends = result if isinstance(result, tuple) else (result,)
            seen.append([one.fileno() if hasattr(one, "fileno") else one for one in ends])
        except Exception as error:
            seen.append((type(error), error.args, getattr(error, "errno", None)))
            assert error.__context__ is None and error.__cause__ is None
        else:
            return result

    r, w = attempt(os.pipe)
    a, b = attempt(socket.socketpair)
    ep = attempt(select.epoll, 3)
    for one in (r, w, a, b, 9999, -1, "x", None, ep):
        attempt(ep.register, one, select.EPOLLIN)
    attempt(ep.register, fd=w, eventmask=select.EPOLLOUT)
    attempt(ep.modify, eventmask=0, fd=w)
    attempt(ep.register)
    attempt(ep.unregister, a, b)
    attempt(os.write, w, b"abc")
    attempt(os.write, w, "abc")
    attempt(os.write)
    attempt(os.read, r, 2.5)
    attempt(os.read, r, -1)
    attempt(os.read, "r", 1)
    attempt(os.read, n=3, fd=4)
    seen.append(sorted(ep.poll(maxevents=2, timeout=0)))
    attempt(ep.poll, 0, 0)
    attempt(ep.poll, "soon")
    attempt(os.read, r, 3)
    again = attempt(os.dup, r)
    attempt(os.close, fd=r)
    attempt(os.read, r, 1)
    attempt(os.close, again)
    attempt(os.dup2, w, 50, False)
    attempt(os.close, 50)
    attempt(os.write, w, b"nobody")
    attempt(a.send, b"x", 0)
    attempt(a.sendall, b"y")
    attempt(a.sendto, b"z", "nowhere")
    attempt(b.recv_into, bytearray(1))
    attempt(b.recv, 1, socket.MSG_PEEK)
    attempt(b.recv_into, bytearray(5), flags=0, nbytes=1)
    attempt(b.recv, 1.5)
    attempt(a.shutdown, 99)
    attempt(a.settimeout, -1)
    attempt(a.setblocking, False)
    attempt(a.recv, 1)
    attempt(a.connect, ("nowhere", 1))
    attempt(socket.socket, 99)
    attempt(a.detach)
    attempt(a.recv, 1)
    attempt(os.close, seen[-2][0])
    attempt(select.epoll.fromfd, "x")
    attempt(select.epoll, flags=12345)
    attempt(select.epoll.poll)
    attempt(os.eventfd_read, w)
    attempt(os.set_blocking, w, "no")
    attempt(b.makefile("rb").read)
    with attempt(socket.create_server, ("127.0.0.1", 0)) as server:
        other = attempt(socket.create_connection, server.getsockname())
        conn, _ = server.accept()
        seen.append(conn.fileno())
        conn.close()
        attempt(other.recv, 1)
        other.close()
    ep.close()
    attempt(ep.poll, 0)
    attempt(ep.register, w)
    attempt(ep.close)
    b.close()
    b.close()
    os.close(w)
    return seen


def test_a_program_sees_the_same_recorded_and_not():
    alone = program()
    with epollkit.record() as log:
        recorded = program()
    assert recorded == alone
    assert len(log) > 50
    assert log.limits() == []
    assert program() == alone


def test_a_function_taken_out_of_the_block_passes_through_afterwards():
    with epollkit.record() as log:
        from os import read, write

        poll, recv = select.epoll.poll, socket.socket.recv
        r, w = os.pipe()

        class Stores:  # as multiprocessing.connection does
            _read, _write = os.read, os.write

            def both(self):
                self._write(w, b"in a class")
                return self._read(r, 100)

        assert Stores().both() == b"in a class"
    assert [call.name for call in log] == ["os.pipe", "os.write", "os.read"]
    assert Stores().both() == b"in a class"
    assert write(w, b"after") == 5 and read(r, 10) == b"after"
    with select.epoll() as ep:
        ep.register(w)
        assert poll(ep) == [(w, select.EPOLLOUT)]
    a, b = socket.socketpair()
    a.send(b"x")
    assert recv(b, 1) == b"x"
    for one in (a, b):
        one.close()
    os.close(r)
    os.close(w)
    assert len(log) == 3


def test_multiprocessing_connections_work_in_the_block():
    program = (
        "import epollkit\nwith epollkit.record() as log:\n"
        " from multiprocessing import Pipe\n a, b = Pipe()\n"
        " a.send('x'); assert b.recv() == 'x'\n a.close(); b.close()\n"
        "a, b = Pipe(); a.send('x'); assert b.recv() == 'x'; a.close(); b.close()\n"
        "print(len(log) > 3)"
    )
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
        == "True\n"
    )


def test_a_forked_child_is_not_recorded_and_has_the_originals():
    before = everything_replaced()
    with epollkit.record() as log:
        r, w = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(
                w,
                b"as it was" if is_as_it_was(before) and recorder._session is None else b"replaced",
            )
            os._exit(0)
        os.waitpid(child, 0)
        assert os.read(r, 100) == b"as it was"
        os.close(r)
        os.close(w)
    assert [call.name for call in log] == ["os.pipe", "os.read", "os.close", "os.close"]
    assert "came from elsewhere" in log.limits()[0]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_c_code_closes_is_noticed_when_the_number_comes_again():
    with epollkit.record() as log:
        r, w = os.pipe()
        with os.fdopen(r, "rb") as file:
            os.write(w, b"to C code")
            os.close(w)
            assert file.read() == b"to C code"
        first = socket.socket()
        number = first.detach()
        again = socket.socket(fileno=number)
        other = socket.socket()
        kept = other.fileno()
        del other
        gc.collect()
        r2, w2 = os.pipe()
        assert kept in (r2, w2)
        again.close()
        os.close(r2)
        os.close(w2)
    assert [one.closed_ns is not None for one in log.streams] == [True] * 6
    assert [one.closed_by is not None for one in log.streams] == [
        False,
        True,
        True,
        False,
        True,
        True,
    ]
    assert sum("was not seen" in said for said in log.limits()) == 2


def test_a_failure_of_our_own_does_not_reach_the_program(monkeypatch):
    from epollkit.recording import descriptors

    def fail(*args, **kwargs):
        raise LookupError("ours")

    monkeypatch.setattr(descriptors.Descriptors, "open", fail)
    monkeypatch.setattr(descriptors.Descriptors, "closing", fail)
    monkeypatch.setattr(descriptors.Descriptors, "adopt", fail)
    with epollkit.record() as log:
        r, w = os.pipe()
        os.write(w, b"x")
        assert os.read(r, 1) == b"x"
        a, b = socket.socketpair()
        a.sendall(b"x")
        assert b.recv(10) == b"x"
        a.close()
        b.close()
        os.close(r)
        os.close(w)
    assert log.limits() == [
        "epollkit itself failed (LookupError: ours); the recording may lack something."
    ]


def test_asyncio_runs_unchanged():
    async def main():
        async def serve(reader, writer):
            writer.write(await reader.readline())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\n")
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
        return answer

    answers = []
    with epollkit.record() as log, thread(lambda: answers.append(asyncio.run(main()))):
        pass
    assert answers == [b"hello\n"]
    assert {"socket.accept", "socket.send", "socket.recv", "epoll.poll"} <= set(
        log.columns()["name"]
    )
    assert log.limits() == []
