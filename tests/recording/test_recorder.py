"""record(): complete, in scope, with the right names, and no harm done."""

import asyncio
import errno
import fcntl
import os
import select
import selectors
import socket
import subprocess
import sys
import threading

import pytest
from support import ROUNDS, busy_cores, thread, wait_until_asleep

import epollkit
from epollkit import linux


def names_of(log):
    return [one.name for one in log.objects]


def flow(log, name):
    return next(one for one in log.flows if log.channel_name(one) == name)


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
    for one in log.flows:
        assert one.written == one.read == 8 * rounds
        assert not one.elsewhere
        assert [event[1] for event in one.buffer_events] == ["non-empty", "empty"] * rounds
    in_order = [
        int.from_bytes(call.arguments[0].head, "big") for call in calls if call.name == "os.write"
    ]
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
        reader, writer = await asyncio.open_connection(
            *server.sockets[0].getsockname(), limit=1 << 12
        )

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
    for one in log.flows:
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
        call, on = {
            "os.read": (lambda: os.read(r, 1), r),
            "epoll.poll": (ep.poll, ep),
            "os.write": (lambda: os.write(w, bytes(4096)), w),
            "socket.accept": (lambda: listener.accept()[0].close(), listener),
        }[name]
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
    """Two threads write and poll as fast as they can; the poll of each is ready when it is
    called.
    """
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
        causes = [
            lambda: os.write(w, b"x"),
            lambda: ep.register(r2, select.EPOLLIN),
            lambda: a.close(),
            lambda: filled[1].recv(1 << 20),
            lambda: ep.modify(w2, select.EPOLLOUT),
        ]
        masks = [
            (r, select.EPOLLIN),
            (r2, select.EPOLLIN),
            (b, select.EPOLLIN | select.EPOLLHUP),
            (filled[0], select.EPOLLOUT),
            (w2, select.EPOLLOUT),
        ]
        for number, (cause, (stream, mask)) in enumerate(zip(causes, masks, strict=True)):
            if number == 2:
                ep.register(b, select.EPOLLIN)
            if number == 3:
                ep.register(filled[0], select.EPOLLOUT)
            if number == 4:
                ep.register(w2, 0)
            events = []
            with thread(lambda seen=events: seen.append(ep.poll())) as poller:
                wait_until_asleep(poller, ep)
                cause()
            assert events[0][0][0] == linux.number_of(stream)
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
    assert (
        log.interest_list(log.epolls[0], log.epolls[0].closed_ns - 1).popitem()[1]
        == select.EPOLLONESHOT
    )


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
        (True, 0, "TimeoutError"),
        (False, errno.EAGAIN, "BlockingIOError"),
    ]


def test_arguments_that_are_equal_stay_what_they_are():
    with epollkit.record() as log:
        a, b = socket.socketpair()
        a.settimeout(0)
        a.setblocking(False)
        b.settimeout(0.0)
        b.setblocking(0)
        a.close()
        b.close()
    assert [repr(call.arguments[0]) for call in log[1:5]] == ["0", "False", "0.0", "0"]


def test_a_blocking_flag_that_was_set_out_of_sight():
    with epollkit.record() as log:
        r, w = os.pipe()
        fcntl.fcntl(r, fcntl.F_SETFL, fcntl.fcntl(r, fcntl.F_GETFL) | os.O_NONBLOCK)
        os.write(w, b"x")
        os.read(r, 1)
        os.close(r)
        os.close(w)
    assert [call.may_sleep for call in log.calls("os.read")] == [False]


# Scope


def test_streams_made_before_are_recorded_when_touched_with_both_ends():
    r, w = os.pipe()
    a, b = socket.socketpair()
    server = socket.create_server(("127.0.0.1", 0))
    caller = socket.create_connection(server.getsockname())
    conn, _ = server.accept()
    ep = select.epoll()
    untouched, _untouched = os.pipe()
    ep.register(r, select.EPOLLIN | select.EPOLLET)
    os.write(w, b"before")
    a.send(b"early")
    caller.send(b"tcp")
    with epollkit.record() as log:
        os.write(w, b"after")
        os.read(r, 100)
        a.send(b"more")
        b.recv(3)
        conn.recv(1)
        b.send(b"back")
        ep.poll(0)
    assert sorted(names_of(log)) == ["a", "b", "caller", "conn", "ep", "r", "w"]
    assert log.limits() == []
    assert {
        log.channel_name(one): (one.start_level, one.written, one.read, one.level(float("inf")))
        for one in log.flows
    } == {
        "w → r": (6, 5, 11, 0),
        "a → b": (5, 4, 3, 6),
        "b → a": (0, 4, 0, 4),
        "caller → conn": (3, 0, 1, 2),
        "conn → caller": (0, 0, 0, 0),
    }
    assert [str(key[1]) for key in log.interest_list("ep")] == ["r"]
    for one in (a, b, server, caller, conn, ep):
        one.close()
    for number in (r, w, untouched, _untouched):
        os.close(number)


def test_what_is_named_to_record_is_in_scope_from_the_start():
    r, w = os.pipe()
    ep = select.epoll()
    ep.register(r)
    with epollkit.record(ep, reader=r) as log:
        pass
    assert len(log) == 0
    assert names_of(log) == ["ep", "reader", "w"]
    assert log.interest_list("ep") == {
        (r, log.find("reader")): select.EPOLLIN
        | select.EPOLLPRI
        | select.EPOLLOUT
        | select.EPOLLERR
        | select.EPOLLHUP
    }
    ep.close()
    os.close(r)
    os.close(w)


def test_a_librarys_own_streams_from_before_are_not_recorded(tmp_path):
    library = "import os\nr, w = os.pipe()\ndef use():\n os.write(w, b'x')\n return os.read(r, 1)\n"
    code = compile(
        library, os.__file__, "exec"
    )  # it says that it is a file of the standard library
    names = {}
    exec(code, names)
    with epollkit.record() as log:
        assert names["use"]() == b"x"
    assert len(log) == 0
    os.close(names["r"])
    os.close(names["w"])


def test_selectors_from_before():
    with selectors.DefaultSelector() as sel:
        a, b = socket.socketpair()
        server = socket.create_server(("127.0.0.1", 0))
        with epollkit.record() as log:
            sel.register(b, selectors.EVENT_READ)
            a.send(b"x")
            assert sel.select(0)
            caller = socket.socket()
            with thread(caller.connect, server.getsockname()):
                conn, _ = server.accept()
        assert [call.name for call in log][:3] == ["epoll.register", "socket.send", "epoll.poll"]
        assert {"a", "b", "server", "conn"} <= set(names_of(log))
        for one in (a, b, server, conn, caller):
            one.close()


def test_record_refuses_what_is_no_stream():
    for wrong in ("r", 9999, None, object()):
        with pytest.raises(TypeError, match="no open stream"):
            epollkit.record(wrong)


def test_record_in_record_says_who_records():
    with epollkit.record() as log:
        with pytest.raises(RuntimeError, match=r"line \d+ of test_recorder.py records already"):
            with epollkit.record():
                pass
        r, w = os.pipe()
        os.close(r)
        os.close(w)
    assert len(log) == 3
    recording = epollkit.record()
    with recording:
        pass
    with pytest.raises(RuntimeError, match="has been made"), recording:
        pass


# Names and lines


class Holder:
    def __init__(self):
        self.r, self.w = os.pipe()


def helper():
    return os.pipe()


def longer_helper():
    inner, _ = ends = os.pipe()
    return ends


def test_names():
    with epollkit.record() as log:
        r, w = os.pipe()
        one, two = os.pipe(), os.pipe()
        (r2, w2), (r3, w3) = os.pipe(), os.pipe()
        holder = Holder()
        hr, hw = helper()
        ends = helper()
        a, b = socket.socketpair()
        if walrus := select.epoll():
            pass
        with socket.create_server(("127.0.0.1", 0)) as server, select.epoll() as ep:
            caller = socket.create_connection(server.getsockname())
            conn, addr = server.accept()
        many = [os.pipe() for _ in range(2)]
        for _ in range(2):
            r, w = os.pipe()
            many.append((r, w))
        annotated: int = os.eventfd(0)
        listed = [os.eventfd(0)]
        chained = again = os.dup(annotated)
        made = longer_helper()
        numbers = [
            *one,
            *two,
            r2,
            w2,
            r3,
            w3,
            holder.r,
            holder.w,
            hr,
            hw,
            *ends,
            annotated,
            *listed,
            chained,
            *made,
            *(number for pair in many for number in pair),
        ]
        for each in (a, b, walrus, caller, conn):
            each.close()
        for number in {*numbers}:
            os.close(number)
    os.close(log.find("r").number)
    os.close(log.find("w").number)
    assert names_of(log) == [
        "r",
        "w",
        "one[0]",
        "one[1]",
        "two[0]",
        "two[1]",
        "r2",
        "w2",
        "r3",
        "w3",
        "self.r",
        "self.w",
        "hr",
        "hw",
        "ends[0]",
        "ends[1]",
        "a",
        "b",
        "walrus",
        "server",
        "ep",
        "caller",
        "conn",
        "pipe 1 read end",
        "pipe 1 write end",
        "pipe 2 read end",
        "pipe 2 write end",
        "r (2)",
        "w (2)",
        "r (3)",
        "w (3)",
        "annotated",
        "eventfd 1",
        "chained",
        "inner",
        "_",
    ]


def test_lines():
    with epollkit.record() as log:
        r, w = os.pipe()

        def in_a_function():
            os.write(
                w,
                b"x",
            )

        in_a_function()
        with os.fdopen(r, "rb", closefd=False) as file:
            file.read(1)
        a, b = socket.socketpair()
        a.makefile("wb").close()
        a.close()
        b.close()
        os.close(r)
        os.close(w)
    first = log[0].line
    assert first.source == "test_recorder.py"
    assert first.text == "r, w = os.pipe()"
    assert [call.line.text for call in log] == [
        "r, w = os.pipe()",
        "os.write(",
        "a, b = socket.socketpair()",
        "a.close()",
        "b.close()",
        "os.close(r)",
        "os.close(w)",
    ]
    assert log.sources["test_recorder.py"].splitlines()[first.number - 1].strip() == first.text


def test_threads():
    with epollkit.record() as log:
        r, w = os.pipe()
        for _ in range(3):
            with thread(os.write, w, b"x", name="writer"):
                pass
        os.close(r)
        os.close(w)
    assert [one.name for one in log.threads] == ["MainThread", "writer", "writer", "writer"]
    assert [call.thread.index for call in log.calls("os.write")] == [1, 2, 3]


# What only the kernel can tell


def test_what_a_library_closed_for_itself_is_no_limit_of_the_recording():
    with epollkit.record() as log:
        r, w = os.pipe()
        subprocess.run(["true"], check=True, stdout=w)
        os.close(w)
        os.close(r)
    assert [one.name for one in log.streams if not one.internal] == ["r", "w"]
    assert not [said for said in log.limits() if "not seen" in said]


def test_another_process_has_the_other_end():
    with epollkit.record() as log:
        r, w = os.pipe()
        back, forth = os.pipe()
        child = subprocess.Popen(
            [sys.executable, "-c", f"import os; os.write({forth}, os.read({r}, 100).upper())"],
            pass_fds=(r, forth),
        )
        os.close(r)
        os.close(forth)
        os.write(w, b"to a child")
        assert os.read(back, 100) == b"TO A CHILD"
        child.wait()
        os.close(w)
        os.close(back)
    w_to_r = flow(log, "w → r")
    assert [amount for _, amount, _ in w_to_r.elsewhere] == [-10]
    assert not w_to_r.discarded
    assert [amount for _, amount, _ in flow(log, "forth → back").elsewhere] == [10]
    assert (
        "r was closed here, but somebody else, as another process, still holds it open."
        in log.limits()
    )
    assert [what for _, what, *_ in w_to_r.endings] == ["closed"]


def test_what_is_unread_is_thrown_away_with_the_last_reader():
    with epollkit.record() as log:
        r, w = os.pipe()
        again = os.dup(r)
        os.write(w, b"unread")
        os.close(r)
        os.write(w, b"more")
        os.close(again)
        with pytest.raises(BrokenPipeError):
            os.write(w, b"nobody")
        os.close(w)
    one = flow(log, "w → r")
    assert [(amount, log[call].name) for _, amount, call in one.discarded] == [(10, "os.close")]
    assert log.calls("os.write")[-1].error[0] == "BrokenPipeError"
    assert [(log.objects[stream].name, what) for _, what, stream, _ in one.endings] == [
        ("again", "closed"),
        ("w", "closed"),
    ]


def test_peek_and_urgent_bytes_move_nothing():
    with epollkit.record() as log:
        server = socket.create_server(("127.0.0.1", 0))
        a = socket.create_connection(server.getsockname())
        b, _ = server.accept()
        a.send(b"abc")
        b.recv(2, socket.MSG_PEEK)
        b.recv(3)
        a.send(b"!", socket.MSG_OOB)
        assert select.select([], [], [b], 60)[2]
        b.recv(1, socket.MSG_OOB)
        for one in (a, b, server):
            one.close()
    one = flow(log, "a → b")
    assert (one.written, one.read, one.elsewhere) == (3, 3, [])
    assert log.limits() == []


def test_a_refused_and_a_short_write_make_full():
    with epollkit.record() as log:
        r, w = os.pipe()
        os.set_blocking(w, False)
        ep = select.epoll()
        ep.register(w, select.EPOLLOUT)
        capacity = linux.capacity(w)
        assert os.write(w, bytes(capacity + 1)) == capacity
        with pytest.raises(BlockingIOError):
            os.write(w, b"x")
        assert ep.poll(0) == []
        os.read(r, 4096)
        assert ep.poll(0) == [(w, select.EPOLLOUT)]
        os.write(w, bytes(4096))
        with pytest.raises(BlockingIOError):
            os.write(w, b"x")
        os.read(r, 4096)
        os.write(w, b"x")
        ep.close()
        os.close(r)
        os.close(w)
    assert [(event.what, log[event.call].name) for event in log.buffer_events()] == [
        ("non-empty", "os.write"),
        ("full", "os.write"),
        ("non-full", "epoll.poll"),
        ("full", "os.write"),
        ("non-full", "os.write"),
    ]


def test_a_big_write_that_sleeps_is_counted_as_it_goes():
    with epollkit.record() as log:
        r, w = os.pipe()
        capacity = linux.capacity(w)
        with thread(os.write, w, bytes(3 * capacity), name="A") as writer:
            for _ in range(3):
                kernel_says = 0
                while kernel_says < capacity:
                    kernel_says = linux.bytes_waiting(r)
                assert len(os.read(r, capacity)) == capacity
        os.close(r)
        os.close(w)
    one = flow(log, "w → r")
    assert (one.written, one.read, one.elsewhere) == (3 * capacity, 3 * capacity, [])
    assert max(level for _, level, _ in one.points) <= capacity
    assert log.calls("os.write")[0].asleep


def test_unix_sockets_are_paired_in_the_order_of_their_calls(tmp_path):
    path = str(tmp_path / "door")
    with epollkit.record() as log:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            callers = []
            for number in range(3):
                callers.append(socket.socket(socket.AF_UNIX))
                callers[-1].connect(path)
                callers[-1].send(bytes(number + 1))
            for number in range(3):
                conn, _ = listener.accept()
                assert len(conn.recv(10)) == number + 1
                conn.close()
                callers[number].close()
    assert log.limits() == []
    assert [one.written for one in log.flows if one.unit == "bytes" and one.written] == [1, 2, 3]
    assert [one.written - one.read for one in log.flows if one.unit == "connections"] == [0]


def test_a_gate_is_passed_before_each_call_and_may_refuse_it():
    class Enough(BaseException):
        pass

    passed = []

    def gate():
        passed.append(len(log))
        if len(passed) == 4:
            raise Enough

    with epollkit.record(gate=gate) as log:
        r, w = os.pipe()
        os.write(w, b"parcel")
        os.set_blocking(r, False)
        with pytest.raises(Enough):
            os.write(w, b"never sent")
        assert os.read(r, 64) == b"parcel"
        os.close(r)
        os.close(w)
    assert [call.name for call in log] == [
        "os.pipe",
        "os.write",
        "os.set_blocking",
        "os.read",
        "os.close",
        "os.close",
    ]
    assert len(passed) == len(log) + 1


def test_a_file_object_takes_more_than_it_is_asked_for():
    with epollkit.record() as log:
        r, w = os.pipe()
        with os.fdopen(r, "rb") as lines:
            os.write(w, b"one\ntwo\n")
            assert lines.readline() == b"one\n"
            os.close(w)
    assert log.limits()[-1] == (
        "w → r: 8 bytes went elsewhere (into the buffer of the file object that reads r)."
    )


def test_a_file_object_of_a_socket_reads_by_recorded_calls():
    with epollkit.record() as log:
        a, b = socket.socketpair()
        with a, b, b.makefile("rb") as lines:
            a.send(b"one\ntwo\n")
            assert lines.readline() == b"one\n"
    assert log.limits() == [] and log.calls(name="socket.recv_into")[0].bytes_moved == 8
