"""record(): complete, in scope, with the right names, and no harm done."""

import asyncio
import errno
import gc
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading

import pytest
from conftest import ROUNDS, busy_cores, everything_replaced, thread, wait_until_asleep

import epollkit
from epollkit import kernel


def names_of(log):
    return [one.name for one in log.objects]


def flow(log, name):
    return next(one for one in log.books[0] if log.channel_name(one) == name)


# Complete

@pytest.mark.parametrize("busy", [False, True], ids=["", "both cores busy"])
def test_a_write_that_wakes_a_reader_is_never_missing(busy):
    rounds = max(500, 50 * ROUNDS)
    with busy_cores() if busy else thread(lambda: None), epollkit.record() as log:
        there, and_back = os.pipe(), os.pipe()

        def answer():
            for _ in range(rounds):
                os.write(and_back[1], os.read(there[0], 8))

        with thread(answer):
            for number in range(rounds):
                os.write(there[1], number.to_bytes(8, "big"))
                assert os.read(and_back[0], 8) == number.to_bytes(8, "big")
        for number in (*there, *and_back):
            os.close(number)
    calls = [call for call in log if call.name in ("os.read", "os.write")]
    assert len(calls) == 4 * rounds
    assert log.limits() == []
    for one in log.books[0]:
        assert one.written == one.read == 8 * rounds
        assert not one.elsewhere
        assert [event[1] for event in one.buffer_events] == ["non-empty", "empty"] * rounds
    in_order = [int.from_bytes(call.arguments[0].head, "big") for call in calls if call.name == "os.write"]
    assert in_order == [number for number in range(rounds) for _ in range(2)]


def test_asyncio_under_back_pressure_counts_every_byte():
    size, counted = 20_000_000, {"to the server": 0, "to the client": 0}

    async def serve(reader, writer):
        while data := await reader.read(1 << 16):
            counted["to the server"] += len(data)
            writer.write(data)
            await writer.drain()
        writer.close()

    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=1 << 12)

        async def send():
            for _ in range(size // 100_000):
                writer.write(bytes(100_000))
                await writer.drain()
            writer.write_eof()

        sending = asyncio.create_task(send())
        while data := await reader.read(1 << 12):
            counted["to the client"] += len(data)
            if counted["to the client"] % 100 == 0:
                await asyncio.sleep(0)
        await sending
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    with epollkit.record() as log:
        asyncio.run(main())
    assert counted == {"to the server": size, "to the client": size}
    client = next(one for one in log.streams if one.kind == "tcp" and one.role == "client")
    server = next(one for one in log.streams if one.kind == "tcp" and one.role == "accepted")
    assert client.other_end == server.description
    for one in log.books[0]:
        if {one.source, one.sink} == {client.description, server.description}:
            assert (one.written, one.read) == (size, size)
            assert not one.elsewhere and not one.discarded
            assert one.level(float("inf")) == 0
    assert {"full", "non-full"} <= {event.what for event in log.buffer_events()}


# Still in the call

@pytest.mark.parametrize("name", ["os.read", "epoll.poll", "socket.accept", "os.write"])
def test_a_call_that_sleeps_when_the_block_ends_is_still_in_the_call(name):
    with epollkit.record() as log:
        r, w = os.pipe()
        ep = select.epoll()
        ep.register(r, select.EPOLLIN)
        listener = socket.create_server(("127.0.0.1", 0))
        if name == "os.write":
            os.set_blocking(w, False)
            while True:
                try:
                    os.write(w, bytes(1 << 16))
                except BlockingIOError:
                    break
            os.set_blocking(w, True)
        call, on = {"os.read": (lambda: os.read(r, 1), r), "epoll.poll": (ep.poll, ep),
                    "os.write": (lambda: os.write(w, bytes(4096)), w),
                    "socket.accept": (lambda: listener.accept()[0].close(), listener)}[name]
        sleeper = threading.Thread(target=call)
        sleeper.start()
        wait_until_asleep(sleeper, on)
    last = log[-1]
    assert (last.name, last.end_ns, last.asleep, last.result) == (name, None, True, None)
    assert last.thread.name == sleeper.name
    assert sleeper.is_alive()
    if name == "socket.accept":
        socket.create_connection(listener.getsockname()).close()
    elif name == "os.write":
        os.read(r, 1 << 16)
    else:
        os.write(w, b"!")
    sleeper.join(60)
    listener.close()
    ep.close()
    os.close(r)
    os.close(w)
    assert len(log) == last.index + 1


# Asleep, or only in the call

def test_a_poll_that_was_ready_is_never_asleep():
    """Two threads write and poll as fast as they can; the poll of each is ready when it is called."""
    rounds = 50 * ROUNDS

    def work():
        ep = select.epoll()
        a, b = socket.socketpair()
        r, w = os.pipe()
        ep.register(b, select.EPOLLIN)
        ep.register(r, select.EPOLLIN)
        for _ in range(rounds):
            a.send(b"x")
            os.write(w, b"y")
            assert len(ep.poll()) == 2
            b.recv(1)
            ep.poll()
            os.read(r, 1)
        for one in (ep, a, b):
            one.close()
        os.close(r)
        os.close(w)

    with busy_cores(), epollkit.record() as log, thread(work):
        work()
    assert [call for call in log.calls("epoll.poll") if call.asleep] == []
    assert not any(log.asleep)


def test_what_wakes_a_poll():
    with epollkit.record() as log:
        r, w = os.pipe()
        r2, w2 = os.pipe()
        a, b = socket.socketpair()
        ep = select.epoll()
        ep.register(r, select.EPOLLIN)
        os.write(w2, b"before")
        filled = socket.socketpair()
        filled[0].setblocking(False)
        while True:
            try:
                filled[0].send(bytes(10_000))
            except BlockingIOError:
                break
        causes = [lambda: os.write(w, b"x"), lambda: ep.register(r2, select.EPOLLIN), lambda: a.close(),
                  lambda: filled[1].recv(1 << 20), lambda: ep.modify(w2, select.EPOLLOUT)]
        masks = [(r, select.EPOLLIN), (r2, select.EPOLLIN), (b, select.EPOLLIN | select.EPOLLHUP),
                 (filled[0], select.EPOLLOUT), (w2, select.EPOLLOUT)]
        for number, (cause, (stream, mask)) in enumerate(zip(causes, masks, strict=True)):
            if number == 2:
                ep.register(b, select.EPOLLIN)
            if number == 3:
                ep.register(filled[0], select.EPOLLOUT)
            if number == 4:
                ep.register(w2, 0)
            events = []
            with thread(lambda: events.append(ep.poll())) as poller:  # noqa: B023 (it ends in this round)
                wait_until_asleep(poller, ep)
                cause()
            assert events[0][0][0] == kernel.number_of(stream)
            assert events[0][0][1] & mask
            ep.unregister(stream)
        assert ep.poll(0.001) == []
        assert ep.poll(0) == []
        assert ep.poll(-0.0001) == []
        for one in (ep, b, *filled):
            one.close()
        for number in (r, w, r2, w2):
            os.close(number)
    polls = log.calls("epoll.poll")
    assert [call.asleep for call in polls] == [True] * 6 + [False] * 2
    assert [call.may_sleep for call in polls] == [True] * 6 + [False] * 2


def test_what_wakes_an_edge_triggered_poll():
    """There is unread data all the time; only what comes after the poll can end it."""
    with epollkit.record() as log:
        a, b = socket.socketpair()
        ep = select.epoll()
        ep.register(b, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
        a.send(b"unread")
        assert len(ep.poll()) == 1
        for _ in range(3):
            with thread(ep.poll) as poller:
                wait_until_asleep(poller, ep)
                a.send(b"more")
        a.send(b"and more")
        assert len(ep.poll()) == 1
        for one in (ep, a, b):
            one.close()
    assert [call.asleep for call in log.calls("epoll.poll")] == [False, True, True, True, False]


def test_a_one_shot_entry_that_is_armed_again_wakes_a_poll():
    with epollkit.record() as log:
        r, w = os.pipe()
        ep = select.epoll()
        ep.register(r, select.EPOLLIN | select.EPOLLONESHOT)
        os.write(w, b"unread")
        assert len(ep.poll()) == 1
        with thread(ep.poll) as poller:
            wait_until_asleep(poller, ep)
            ep.modify(r, select.EPOLLIN | select.EPOLLONESHOT)
        ep.close()
        os.close(r)
        os.close(w)
    assert [call.asleep for call in log.calls("epoll.poll")] == [False, True]
    assert log.interest_list(log.epolls[0], log.epolls[0].closed_ns - 1).popitem()[1] == select.EPOLLONESHOT


def test_timeouts_of_sockets():
    with epollkit.record() as log:
        a, b = socket.socketpair()
        a.settimeout(0.001)
        with pytest.raises(TimeoutError):
            a.recv(1)
        a.setblocking(False)
        with pytest.raises(BlockingIOError):
            a.recv(1)
        a.close()
        b.close()
    assert [(call.asleep, call.errno, call.error[0]) for call in log.calls("socket.recv")] == [
        (True, 0, "TimeoutError"), (False, errno.EAGAIN, "BlockingIOError")]


def test_a_blocking_flag_that_was_set_out_of_sight():
    import fcntl
    with epollkit.record() as log:
        r, w = os.pipe()
        fcntl.fcntl(r, fcntl.F_SETFL, fcntl.fcntl(r, fcntl.F_GETFL) | os.O_NONBLOCK)
        os.write(w, b"x")
        os.read(r, 1)
        os.close(r)
        os.close(w)
    assert [call.may_sleep for call in log.calls("os.read")] == [False]
