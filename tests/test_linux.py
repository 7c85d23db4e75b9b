"""The probes: each says what the kernel says, and leaves the stream as it was."""

import os
import select
import socket
import threading

import pytest
from support import ROUNDS, thread, wait_until_asleep

from epollkit import linux, masks


@pytest.fixture
def pipe():
    r, w = os.pipe()
    yield r, w
    for number in (r, w):
        try:
            os.close(number)
        except OSError:
            pass


@pytest.fixture
def tcp():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as caller,
    ):
        conn, _ = server.accept()
        with conn:
            yield server, caller, conn


def test_interest_list(pipe):
    r, w = pipe
    with select.epoll() as ep:
        assert linux.interest_list(ep) == ()
        ep.register(w, select.EPOLLOUT | select.EPOLLET)
        ep.register(r, select.EPOLLIN)
        first, second = linux.interest_list(ep.fileno())
        assert (first.number, first.events, first.inode) == (r, 0x19, os.fstat(r).st_ino)
        assert second.events == select.EPOLLOUT | select.EPOLLET | masks.ALWAYS
    with pytest.raises(ValueError, match="not an epoll"):
        linux.interest_list(r)


def test_identity(pipe, tcp):
    r, w = pipe
    server, caller, conn = tcp
    a, b = socket.socketpair()
    counter = os.eventfd(3)
    with (
        select.epoll() as ep,
        open(__file__) as file,
        socket.socket(type=socket.SOCK_DGRAM) as udp,
        a,
        b,
    ):
        kinds = {
            r: "pipe",
            w: "pipe",
            a.fileno(): "unix",
            caller.fileno(): "tcp",
            udp.fileno(): "udp",
            ep.fileno(): "epoll",
            file.fileno(): "file",
            counter: "eventfd",
        }
        assert {number: linux.identity(number).kind for number in kinds} == kinds
        assert [
            (linux.identity(one).readable, linux.identity(one).writable)
            for one in (r, w, a.fileno())
        ] == [(True, False), (False, True), (True, True)]
        assert linux.identity(r).text == linux.identity(w).text == linux.text(r)
        assert not linux.is_nonblocking(r)
        os.set_blocking(r, False)
        assert linux.is_nonblocking(r) and linux.identity(r).nonblocking
        assert linux.is_listening(server.fileno()) and not linux.is_listening(conn.fileno())
        assert linux.addresses(caller.fileno()) == (caller.getsockname(), server.getsockname())
        assert linux.addresses(a.fileno()) == (None, None)
        assert a.fileno() >= 0  # still its own
        ends = linux.other_ends()
        for one, other in ((r, w), (a.fileno(), b.fileno()), (caller.fileno(), conn.fileno())):
            assert (ends[one], ends[other]) == (other, one)
        assert counter not in ends and server.fileno() not in ends
        with socket.create_connection(
            server.getsockname()
        ) as second:  # in the queue, and then accepted
            assert second.fileno() not in linux.other_ends()
            accepted, _ = server.accept()
            with accepted:
                ends = linux.other_ends()
                assert (ends[second.fileno()], ends[accepted.fileno()]) == (
                    accepted.fileno(),
                    second.fileno(),
                )
                assert (ends[caller.fileno()], ends[conn.fileno()]) == (
                    conn.fileno(),
                    caller.fileno(),
                )
    os.close(counter)
    with pytest.raises(OSError):
        linux.identity(counter)
    assert (linux.text(counter), linux.inode(counter)) == ("", 0)


def test_bytes_waiting(pipe, tcp):
    r, w = pipe
    os.write(w, b"parcel")
    assert linux.bytes_waiting(r) == linux.bytes_waiting(w) == linux.level(r) == 6
    assert os.read(r, 100) == b"parcel"
    assert linux.bytes_waiting(r) == 0
    counter = os.eventfd(7)
    assert linux.bytes_waiting(counter) == 7 == os.eventfd_read(counter)
    os.close(counter)
    server, caller, conn = tcp
    caller.setblocking(False)
    sent = 0
    while True:
        try:
            sent += caller.send(bytes(100_000))
        except BlockingIOError:
            break
    assert linux.bytes_unacknowledged(caller) >= linux.bytes_unsent(caller) > 0
    while linux.bytes_unacknowledged(caller) != linux.bytes_unsent(caller):
        pass
    assert linux.bytes_waiting(conn) + linux.bytes_unsent(caller) == sent
    with pytest.raises(OSError):
        linux.bytes_waiting(server)
    assert linux.level(server.fileno()) == 0


def test_capacity_and_readiness(pipe):
    r, w = pipe
    assert linux.capacity(r) == linux.capacity(w) >= os.sysconf("SC_PAGESIZE")
    assert (linux.readiness(r), linux.readiness(w)) == (0, select.POLLOUT)
    os.write(w, bytes(linux.capacity(w)))
    assert (linux.readiness(r), linux.readiness(w)) == (select.POLLIN, 0)
    os.close(r)
    assert linux.readiness(w, 0) == select.POLLERR
    with open(__file__) as file:
        assert linux.readiness(file) & select.POLLIN


def test_asking_uses_up_no_edge(pipe):
    r, w = pipe
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN | select.EPOLLET)
        os.write(w, b"x")
        for _ in range(3):
            assert linux.readiness(r) and linux.readiness(ep) and linux.bytes_waiting(r) == 1
            assert linux.interest_list(ep)
        assert ep.poll(0) == [(r, select.EPOLLIN)]
        assert ep.poll(0) == []


def test_is_asleep(pipe, tcp):
    r, w = pipe
    server, caller, conn = tcp
    with select.epoll() as ep:
        ep.register(r)
        for sleep, on, end in (
            (lambda: os.read(r, 1), r, lambda: os.write(w, b"x")),
            (ep.poll, ep, lambda: os.write(w, b"x")),
            (lambda: caller.recv(1), caller, lambda: conn.send(b"x")),
        ):
            with thread(sleep) as sleeper:
                wait_until_asleep(sleeper, on)
                assert linux.is_asleep(sleeper.native_id, on)
                assert not linux.is_asleep(sleeper, w)
                end()
            assert not linux.is_asleep(sleeper, on)
    assert linux.is_asleep(threading.get_native_id(), r) is False
    with pytest.raises(TimeoutError, match="did not fall asleep"):
        linux.wait_until_asleep(threading.current_thread(), r, 0.01)


def test_a_thread_that_was_woken_is_not_asleep_though_nobody_runs_it_yet():
    """Else the second byte would be written before the first was asked about, now and then."""
    for _ in range(50 * ROUNDS):
        (r1, w1), (r2, w2) = os.pipe(), os.pipe()
        batches = []
        with select.epoll() as ep:
            ep.register(r1, select.EPOLLIN)
            ep.register(r2, select.EPOLLIN)

            def take_two(ep=ep, batches=batches):
                while sum(map(len, batches)) < 2:
                    batches.append(ep.poll())
                    for number, _ in batches[-1]:
                        os.read(number, 1)

            with thread(take_two) as sleeper:
                for w in (w1, w2):
                    linux.wait_until_asleep(sleeper, ep)
                    os.write(w, b"x")
        for number in (r1, w1, r2, w2):
            os.close(number)
        assert [len(batch) for batch in batches] == [1, 1]


def test_the_end_of_a_connection_is_not_counted_as_a_byte():
    """The FIN takes a place among the bytes; and when both have been exchanged, the state says
    no more whether it came.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        caller = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    with caller, server:
        assert linux.bytes_counted(server.fileno()) == (0, 0)
        caller.send(b"parcel")
        caller.shutdown(socket.SHUT_WR)
        assert server.recv(64) == b"parcel" and server.recv(64) == b""
        assert linux.bytes_counted(server.fileno()) == (0, 6)
        server.shutdown(socket.SHUT_WR)
        assert caller.recv(64) == b""
        assert linux.bytes_counted(caller.fileno()) == (6, 0)
    with socket.socket() as unconnected:
        assert linux.bytes_counted(unconnected.fileno()) in (None, (0, 0))
