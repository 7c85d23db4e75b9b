"""record() at an unlucky moment:

other threads at the end of the block, signals, numbers that are given out again.
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy
import pytest
from support import ROUNDS, everything_replaced, run_apart, thread

import epollkit
from epollkit import linux


def flow(log, name):
    return next(one for one in log.flows if log.channel_name(one) == name)


# The end of the block


@pytest.mark.parametrize(
    "receive",
    [
        lambda sock: sock.recv_into(bytearray(8)),
        lambda sock: sock.recvfrom(8),
        lambda sock: sock.recvmsg(8),
        lambda sock: os.readv(sock.fileno(), [bytearray(8)]),
    ],
    ids=["recv_into", "recvfrom", "recvmsg", "readv"],
)
def test_the_block_may_end_while_a_thread_receives(receive):
    (a, b), is_over = socket.socketpair(), threading.Event()

    def work():
        while not is_over.is_set():
            a.send(b"x")
            receive(b)

    for _ in range(2 * ROUNDS):
        is_over.clear()
        with thread(work):
            with epollkit.record(a=a, b=b) as log:
                a.getsockname()
            is_over.set()
        assert not log.remarks or log.remarks == [
            "Other threads were still making calls when the block ended; what they did later is "
            "not in the log."
        ]
    a.close()
    b.close()


WAYS_TO_CLOSE = {
    "close": lambda sock, spare: sock.close(),
    "os.close": lambda sock, spare: os.close(sock.detach()),
    "closerange": lambda sock, spare: os.closerange(sock.fileno(), sock.fileno() + 1),
    "dup2": lambda sock, spare: os.dup2(spare, sock.fileno()),
    "shutdown": lambda sock, spare: sock.shutdown(socket.SHUT_WR),
}
WAYS_TO_WAIT = {
    "epoll": lambda sock, ep: ep.poll(),
    "select": lambda sock, ep: select.select([sock], [], []),
    "poll": lambda sock, ep: poll_object(sock).poll(),
    "recv": lambda sock, ep: sock.recv(8),
}


def poll_object(sock):
    polling = select.poll()
    polling.register(sock, select.POLLIN)
    return polling


@pytest.mark.parametrize("close", WAYS_TO_CLOSE)
@pytest.mark.parametrize("wait", WAYS_TO_WAIT)
@pytest.mark.parametrize("outlasts_the_block", [False, True], ids=["", "outlasts the block"])
def test_a_close_has_begun_before_the_call_that_it_wakes_is_back(close, wait, outlasts_the_block):
    me, original, is_over = threading.main_thread(), vars(os)["close"], threading.Event()

    def clock():
        """The clock of who closes stands still, once it has closed, until nobody records."""
        if threading.current_thread() is not me and began.is_set():
            while outlasts_the_block and os.close is not original:
                is_over.wait(0.001)
        return time.perf_counter_ns()

    def leave():
        linux.wait_until_asleep(me, asked)
        with contextlib.suppress(OSError):
            WAYS_TO_CLOSE[close](other, spare.fileno())

    began = threading.Event()
    with open(os.devnull) as spare, epollkit.record(clock=clock) as log:
        sock, other = socket.socketpair()
        ep = select.epoll()
        ep.register(sock, select.EPOLLIN)
        asked = ep if wait == "epoll" else sock
        closer = threading.Thread(target=leave, name="closer")
        closer.start()
        WAYS_TO_WAIT[wait](sock, ep)
        began.set()
    closer.join(60)
    (waiting,) = [
        call
        for call in log
        if call.name in ("epoll.poll", "select.select", "poll.poll") or call.name == "socket.recv"
    ]
    closing = [call for call in log if call.thread.name == "closer"][-1]
    start, end, _ = log.steps
    assert waiting.asleep and start[closing.index] < end[waiting.index], log.summary()
    if close != "shutdown":
        assert log.find("other").closed_by == closing.index
    assert [limit for limit in log.limits() if not limit.startswith("Other threads")] == []
    for each in (ep, sock, other):
        with contextlib.suppress(OSError):
            each.close()


def test_what_is_asked_too_early_spoils_nothing():
    with epollkit.record() as log:
        r, w = os.pipe()
        os.write(w, b"x")
        log.summary(), log.buffer_events(), log.limits()
        os.close(w)
        os.close(r)
    assert log.level("r") == 0 and len(log) == 4
    assert [event.what for event in log.buffer_events()] == ["non-empty"]


# Who records


def test_of_two_threads_that_begin_at_once_one_is_refused_or_waits_its_turn():
    r, w = os.pipe()
    before, inside, most, done = everything_replaced(), [], [], []
    both = threading.Barrier(2)

    def begin():
        for _ in range(10 * ROUNDS):
            both.wait()
            try:
                with epollkit.record(r=r, w=w):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
                done.append("recorded")
            except RuntimeError as error:
                assert "record() inside record()" in str(error)
                done.append("refused")

    with thread(begin), thread(begin):
        pass
    assert max(most) == 1 and len(done) == 20 * ROUNDS and done.count("recorded") >= 10 * ROUNDS
    assert everything_replaced() == before
    os.close(r)
    os.close(w)


def test_ctrl_c_while_it_begins_leaves_nothing_replaced():
    def interrupted():
        raise KeyboardInterrupt

    before = everything_replaced()
    with pytest.raises(KeyboardInterrupt), epollkit.record(clock=interrupted):
        pass
    assert everything_replaced() == before
    with epollkit.record() as log:
        pass
    assert not len(log)


ELSEWHERE = """
import platform, select, sys
sys.modules["fcntl"] = sys.modules["termios"] = None
platform.system = lambda: "Darwin"
del select.epoll
import epollkit
try:
    with epollkit.record():
        pass
except RuntimeError as error:
    print(error)
"""


def test_off_linux_it_says_where_the_course_runs():
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], capture_output=True, text=True)
    assert done.stderr == ""
    assert all(word in done.stdout for word in ("needs Linux", "Binder", "dev container", "WSL 2"))


# Numbers


def test_what_a_function_drops_is_closed_as_without_a_recording():
    r, w = os.pipe()

    def program():
        ep = select.epoll()
        number = ep.fileno()
        os.write(w, b"x")
        del ep
        free = os.dup(w)
        os.close(free)
        return number, free

    unrecorded = program()
    with epollkit.record():
        recorded = program()
    assert recorded == unrecorded
    os.close(r)
    os.close(w)


def test_no_code_of_the_programs_is_asked_for_the_name_of_a_stream():
    class Proxy:
        @property
        def __class__(self):
            raise AssertionError("asked")

    r, w = os.pipe()
    proxy = Proxy()
    with epollkit.record() as log:
        os.write(w, b"x")
    assert log.calls(name="os.write")[0].stream.name == "w" and type(proxy) is Proxy
    os.close(r)
    os.close(w)


def test_what_makes_something_is_not_on_the_stream_with_the_number_it_is_given():
    r, w = os.pipe()
    with epollkit.record(r=r, w=w) as log:
        bell = os.eventfd(w)
        os.eventfd_write(value=5, fd=bell)
        os.eventfd_read(bell)
        os.close(bell)
    assert [call.stream.name for call in log] == ["bell"] * 4 and log.limits() == []
    os.close(r)
    os.close(w)


def test_threads_that_open_and_close_are_not_said_to_be_closed_out_of_sight():
    def work():
        for _ in range(100):
            r, w = os.pipe()
            os.close(w)
            os.close(r)

    for _ in range(max(2, ROUNDS // 5)):
        with epollkit.record() as log, thread(work), thread(work), thread(work):
            pass
        assert log.limits() == []


# Calls in calls, and odd values


def test_a_call_of_a_signal_handler_is_in_the_log_once():
    r, w = os.pipe()
    before = signal.signal(signal.SIGALRM, lambda *_: os.write(w, b"x"))
    try:
        with epollkit.record() as log:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            os.read(r, 1)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert [(call.name, call.end_ns is None) for call in log] == [
        ("os.read", False),
        ("os.write", False),
    ]
    os.close(r)
    os.close(w)


def test_numbers_of_other_libraries_and_no_bytes_at_all():
    with epollkit.record() as log, socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        client.send(b"", socket.MSG_OOB)
        with select.epoll() as ep:
            ep.register(client, numpy.uint32(select.EPOLLOUT))
            assert ep.poll(numpy.float64(0.001))
            kept = log
        client.close()
    assert kept.calls(name="epoll.register")[0].arguments[1] == select.EPOLLOUT
    assert kept.calls(name="epoll.poll")[0].may_sleep is True


# What was there before, and what comes twice


def test_what_waited_before_the_block_did_not_come_from_elsewhere():
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    client.send(b"early")
    with epollkit.record() as log:
        accepted, _ = server.accept()
        assert accepted.recv(10) == b"early"
        client.send(b"x")
        accepted.recv(1)
    assert log.limits() == []
    for one in (accepted, client, server):
        one.close()


def test_a_full_tcp_connection_that_was_there_before():
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    accepted, _ = server.accept()
    client.setblocking(False)
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            sent += client.send(bytes(65536))
    with epollkit.record(client=client, accepted=accepted) as log:
        got = 0
        while got < sent:
            got += len(accepted.recv(1 << 20))
    assert log.limits() == [] and log.level("accepted") == 0
    for one in (accepted, client, server):
        one.close()


def test_a_connect_that_is_asked_about_again_is_one_connection():
    with epollkit.record() as log:
        server = socket.create_server(("127.0.0.1", 0))
        with server, socket.socket() as client, select.epoll() as ep:
            client.setblocking(False)
            client.connect_ex(server.getsockname())
            ep.register(client, select.EPOLLOUT)
            ep.poll()
            assert client.connect_ex(server.getsockname()) == 0
            server.accept()[0].close()
    listener = next(one for one in log.flows if one.unit == "connections")
    assert (listener.written, listener.read) == (1, 1)


def test_two_servers_on_one_port_one_after_the_other():
    port = 0
    with epollkit.record() as log:
        for _ in range(2):
            with socket.create_server(
                ("127.0.0.1", port)
            ) as server:  # it may have a port that was in use a moment ago
                port = server.getsockname()[1]
                client = socket.create_connection(server.getsockname())
                server.accept()[0].close()
                client.close()
    assert [(one.written, one.read) for one in log.flows if one.unit == "connections"] == [
        (1, 1)
    ] * 2
    assert log.limits() == []


def test_a_program_whose_file_is_called_like_a_word_of_the_format(tmp_path):
    program = tmp_path / "text"
    program.write_text(
        "import os, sys, epollkit\nwith epollkit.record() as log:\n    r, w = os.pipe()\n"
        "assert epollkit.Log.load(log.save(sys.argv[1])) == log\nprint(list(log.sources))\n"
    )
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path / "log")],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert (done.stdout, done.stderr) == ("['text']\n", "")


def test_no_number_is_taken_to_look_at_what_is_no_stream():
    """Another thread may use any number that is free, if by mistake."""
    run_apart(
        """
import sys
import epollkit
opened = []
with open(os.devnull) as nothing:
    r, w = os.pipe()
    sys.addaudithook(lambda event, args: event == "open" and opened.append(args[0]))
    with epollkit.record() as log:
        os.dup2(nothing.fileno(), w)
        os.read(r, 1)
        assert opened == [], opened
    assert [call.error for call in log] == [None, None]
os.close(r)
os.close(w)
"""
    )
