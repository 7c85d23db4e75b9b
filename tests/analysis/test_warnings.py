"""Each kind of mistake is found in its grade, with its line; what is right is not found."""

import asyncio
import os
import select
import socket
import subprocess
from dataclasses import replace

import pytest
from matplotlib.text import Text
from rows import Rows
from support import leaves_nothing, run_apart, server_cells, thread, wait_until_asleep

import epollkit
from epollkit import masks
from epollkit.analysis.warnings import CIRCLE, SECTIONS
from epollkit.exercises import judge, rules
from epollkit.exercises.content import TASKS
from epollkit.exercises.verdict import Verdict
from epollkit.explore import step_through
from epollkit.explore.server.clients import TEMPERS
from epollkit.explore.server.visit import visit
from epollkit.log import Line
from epollkit.recording.callsite import keep_source


def kinds(log, certain=True):
    return [each.kind for each in log.warnings() if each.certain is certain]


def find(log, kind, certain=True):
    """Return the one finding of a kind."""
    (finding,) = (each for each in log.warnings() if each.kind == kind)
    assert finding.certain is certain, finding
    assert finding.section == SECTIONS[kind]
    assert all(0 <= step < log.steps[2] for step in finding.steps)
    return finding


def tcp():
    """Return a listener and both ends of a connection, none of them blocking."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    client.setblocking(False)
    server.setblocking(False)
    return client, server


# warnings, on this kernel


def test_never_read():
    with epollkit.record() as log, select.epoll() as ep:
        r, w = os.pipe()
        ep.register(r, select.EPOLLIN)
        os.write(w, b"parcel")
        for _ in range(CIRCLE):
            ep.poll(0)
        os.close(r), os.close(w)
    finding = find(log, "never-read")
    assert (finding.stream.name, finding.count) == ("r", CIRCLE)
    assert finding.line.text == "ep.register(r, select.EPOLLIN)"
    assert "6 bytes waited" in finding.text
    assert str(finding).startswith("warning: r was reported EPOLLIN 100 times in a row")


def test_an_end_that_nobody_handles_is_a_circle():
    with epollkit.record() as log, select.epoll() as ep:
        r, w = os.pipe()
        ep.register(r, 0)
        os.close(w)
        for _ in range(CIRCLE):
            ep.poll(0)
        os.close(r)
    assert "EPOLLHUP" in find(log, "never-read").text


@pytest.mark.parametrize("cure", ["read a byte", "modify", "fewer", "edge"])
def test_read_or_armed_anew_is_no_circle(cure):
    with epollkit.record() as log, select.epoll() as ep:
        r, w = os.pipe()
        ep.register(r, select.EPOLLIN | (select.EPOLLET if cure == "edge" else 0))
        os.write(w, b"parcel" * 10)
        for number in range(CIRCLE - (cure == "fewer")):
            ep.poll(0)
            if cure == "edge":
                os.write(w, b"x")
            if number == 50 and cure == "read a byte":
                os.read(r, 1)
            if number == 50 and cure == "modify":
                ep.modify(r, select.EPOLLIN)
        os.close(r), os.close(w)
    assert kinds(log) == []


def test_what_somebody_else_reads_is_not_certain():
    rows = Rows()
    (r, w), ep = rows.pipe(), rows.epoll()
    rows.register(1, 2, ep, r, masks.IN)
    rows.write(3, 4, w, 6)
    for number in range(CIRCLE):
        rows.poll(10 + 2 * number, 11 + 2 * number, ep, (r, masks.IN))
    rows.notes = [(r.index, 300, 301, 4, True)]
    assert find(rows.done(), "never-read", certain=False)


def test_where_the_kernel_was_not_asked_it_is_not_certain():
    rows = Rows()
    (r, w), ep = rows.pipe(), rows.epoll()
    rows.register(1, 2, ep, r, masks.IN)
    rows.write(3, 4, w, 6)
    for number in range(CIRCLE):
        rows.poll(10 + 2 * number, 11 + 2 * number, ep, (r, masks.IN))
    assert find(rows.done(), "never-read", certain=False)
    rows.notes = [(r.index, 300, 301, 6, True)]
    assert find(rows.done(), "never-read")


def test_out_left_armed():
    with epollkit.record() as log, select.epoll() as ep:
        a, b = socket.socketpair()
        ep.register(a, select.EPOLLIN | select.EPOLLOUT)
        for _ in range(CIRCLE):
            ep.poll()
        a.close(), b.close()
    finding = find(log, "out-left-armed")
    assert (finding.stream.name, finding.count) == ("a", CIRCLE)
    assert "ep.register(a" in finding.line.text


@pytest.mark.parametrize("armed", ["edge", "written", "modified"])
def test_out_that_is_used_is_no_mistake(armed):
    edge = select.EPOLLET if armed == "edge" else 0
    with epollkit.record() as log, select.epoll() as ep:
        a, b = socket.socketpair()
        b.setblocking(False)
        ep.register(a, select.EPOLLIN | select.EPOLLOUT | edge)
        for number in range(CIRCLE + 20):
            b.send(b"x") if armed == "edge" else None
            ep.poll(0)
            a.recv(1) if armed == "edge" else None
            if number == 60 and armed == "written":
                a.send(b"x")
            if number == 60 and armed == "modified":
                ep.modify(a, select.EPOLLOUT)
        a.close(), b.close()
    assert kinds(log) == []


def test_the_end_read_again():
    with epollkit.record() as log, select.epoll() as ep:
        r, w = os.pipe()
        ep.register(r, select.EPOLLIN)
        os.close(w)
        for _ in range(3):
            ep.poll()
            os.read(r, 10)
        os.close(r)
    assert kinds(log) == ["end-read-again"]
    assert find(log, "end-read-again").line.text == "os.read(r, 10)"


def test_the_end_read_once_by_each_thread_is_no_mistake():
    r, w = os.pipe()

    def look():
        with select.epoll() as ep:
            ep.register(r, select.EPOLLIN)
            ep.poll()
            os.read(r, 10)

    with epollkit.record(r, w) as log:
        os.close(w)
        for number in range(4):
            with thread(look, name=f"T{number}"):
                pass
    os.close(r)
    assert "end-read-again" not in kinds(log)


EMFILE = """
import os, select, socket, epollkit
listener = socket.create_server(("127.0.0.1", 0))
listener.setblocking(False)
callers = [socket.create_connection(listener.getsockname()) for _ in range(3)]
ep = select.epoll()
with epollkit.record(ep, listener=listener) as log:
    ep.register(listener, select.EPOLLIN)
    held = hold_all(len(numbers()) + 2)
    for number in range(3):
        ep.poll()
        try:
            listener.accept()
        except OSError:
            CURE
for each in held:  # the block has ended without a descriptor to spare
    os.close(each)
for each in [listener, ep, *callers]:
    each.close()
found = [each for each in log.warnings() if each.certain]
"""


@pytest.mark.parametrize("cure", ["pass", "ep.modify(listener, select.EPOLLIN)"])
def test_no_descriptor_left(cure):
    program = EMFILE.replace("CURE", cure) + (
        """
(finding,) = found
assert finding.kind == "emfile" and finding.stream.name == "listener" and finding.count == 3
"""
        if cure == "pass"
        else "\nassert found == []\n"
    )
    run_apart(program)


@pytest.mark.parametrize("is_kept_waiting", [True, False])
def test_slept_while_ready(is_kept_waiting):
    a, b = socket.socketpair()
    c, d = socket.socketpair()
    ep = select.epoll()

    def serve():
        ep.poll()
        a.recv(1)
        a.recv(1)
        ep.poll(0)

    with epollkit.record() as log:
        ep.register(a, select.EPOLLIN)
        ep.register(c, select.EPOLLIN)
        b.send(b"x")
        if is_kept_waiting:
            d.send(b"waits")
        with thread(serve) as serving:
            wait_until_asleep(serving, a)
            b.send(b"y")
    for each in (a, b, c, d, ep):
        each.close()
    if not is_kept_waiting:
        assert kinds(log) == []
        return
    finding = find(log, "slept-while-ready")
    assert finding.stream.name == "a" and finding.line.text == "a.recv(1)"
    assert "5 bytes waited in c" in finding.text


def test_a_ghost():
    with epollkit.record() as log, select.epoll() as ep:
        r, w = os.pipe()
        ep.register(r, select.EPOLLIN)
        copy = os.dup(r)
        os.close(r)
        os.write(w, b"parcel")
        ep.poll(0)
        ep.poll(0)
        os.close(copy), os.close(w)
    finding = find(log, "ghost")
    assert finding.count == 2 and finding.stream.name == "r" and finding.line.text == "os.close(r)"


def test_put_back_it_is_no_ghost():
    with epollkit.record() as log, select.epoll() as ep:
        r, w = os.pipe()
        ep.register(r, select.EPOLLIN)
        copy = os.dup(r)
        os.close(r)
        os.dup2(copy, r)
        os.write(w, b"parcel")
        ep.poll(0)
        os.close(copy), os.close(w), os.close(r)
    assert kinds(log) == []


def send_all_that_goes(sock):
    sent = 0
    try:
        while True:
            sent += sock.send(bytes(65536))
    except BlockingIOError:
        return sent


@pytest.mark.parametrize("is_read_first", [True, False])
def test_closed_with_bytes_unread(is_read_first):
    with epollkit.record() as log:
        client, server = tcp()
        client.send(b"Q" * 100)
        with select.epoll() as ep:
            ep.register(server, select.EPOLLIN)
            ep.poll()
        sent = send_all_that_goes(server)
        if is_read_first:
            server.recv(200)
        server.close()
        client.setblocking(True)
        came = 0
        try:
            while data := client.recv(1 << 20):
                came += len(data)
        except ConnectionResetError:
            pass
        client.close()
    assert (came == sent) == is_read_first
    if is_read_first:
        assert kinds(log) == []
        return
    finding = find(log, "reset-destroyed")
    assert finding.line.text == "server.close()" and finding.stream.name == "server"
    assert f"{sent - came:,} bytes" in finding.text and "100 bytes unread" in finding.text


@pytest.mark.parametrize(
    "times, is_watched, grade", [(2, True, True), (2, False, False), (1, True, False)]
)
def test_written_after_the_end(times, is_watched, grade):
    with epollkit.record() as log, select.epoll() as ep:
        a, b = socket.socketpair()
        if is_watched:
            ep.register(a, select.EPOLLIN)
        b.close()
        a.recv(1)
        for _ in range(times):
            try:
                a.send(b"x")
            except BrokenPipeError:
                pass
        a.close()
    assert find(log, "write-after-end", grade).line.text == 'a.send(b"x")'


# questions, on this kernel


@pytest.mark.parametrize("how", ["closed at once", "read first", "one event", "polled between"])
def test_a_number_used_again(how):
    with epollkit.record() as log, select.epoll() as ep:
        a, b = socket.socketpair()
        c, d = socket.socketpair()
        ep.register(a, select.EPOLLIN)
        ep.register(c, select.EPOLLIN)
        d.send(b"x")
        if how != "one event":
            b.send(b"x")
        ep.poll(0)
        c.recv(1) if how == "read first" else None
        c.close()
        ep.poll(0) if how == "polled between" else None
        e, f = socket.socketpair()
        for each in (a, b, d, e, f):
            each.close()
    if how != "closed at once":
        assert "reused-number" not in kinds(log, False)
        return
    finding = find(log, "reused-number", False)
    assert finding.line.text == "c.close()" and finding.stream.name == "e"


@pytest.mark.parametrize("half, name", [(select.EPOLLIN, "readable"), (select.EPOLLOUT, "written")])
def test_half_of_a_mask(half, name):
    with epollkit.record() as log, select.epoll() as ep:
        a, b = socket.socketpair()
        ep.register(a)
        b.send(b"x")
        ep.poll()
        a.recv(1) if half == select.EPOLLOUT else a.send(b"x")
        a.close(), b.close()
    finding = find(log, "unused-half", False)
    assert name in finding.text and finding.line.text == "ep.register(a)"


@pytest.mark.parametrize("is_drained", [True, False])
def test_an_edge_left_over(is_drained):
    with epollkit.record() as log, select.epoll() as ep:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        ep.register(listener, select.EPOLLIN | select.EPOLLET)
        callers = [socket.create_connection(listener.getsockname()) for _ in range(3)]
        ep.poll()
        taken = [listener.accept()[0] for _ in range(3 if is_drained else 1)]
        ep.poll(0)
    for each in (listener, *callers, *taken):
        each.close()
    if is_drained:
        assert "edge-left-over" not in kinds(log, False)
        return
    finding = find(log, "edge-left-over", False)
    assert finding.text.startswith("2 connections stayed in listener")
    assert "listener.accept()" in finding.line.text


@pytest.mark.parametrize("times", [CIRCLE, CIRCLE - 1])
def test_a_timeout_of_zero(times):
    with epollkit.record() as log, select.epoll() as ep:
        for _ in range(times):
            ep.poll(0)
    assert kinds(log, False) == ["zero-timeout-loop"] * (times == CIRCLE)


def test_a_second_holder():
    with epollkit.record() as log, select.epoll() as ep:
        r, w = os.pipe()
        copy = os.dup(w)
        ep.register(r, select.EPOLLIN)
        os.close(w)
        ep.poll(0)
    os.close(copy), os.close(r)
    finding = find(log, "second-holder", False)
    assert finding.text.startswith("w was closed, and r does not end: copy holds")
    assert finding.line.text == "os.close(w)"


def test_another_process_holds_the_other_end():
    with epollkit.record() as log, select.epoll() as ep:
        r, w = os.pipe()
        ep.register(r, select.EPOLLIN)
        child = subprocess.Popen(["sleep", "60"], pass_fds=[w])
        os.close(w)
        ep.poll(0)
    child.kill(), child.wait()
    os.close(r)
    assert "another process holds" in find(log, "second-holder", False).text


def test_a_number_that_nobody_registered():
    with epollkit.record() as log, select.epoll() as ep:
        r, w = os.pipe()
        child = os.fork()
        if not child:
            inner, outer = os.pipe()
            for number in (inner, outer):  # a number that the parent does not have
                os.dup2(number, number + 50)
            ep.register(inner + 50, select.EPOLLIN)
            os.write(outer, b"x")
            os.read(r, 1)
            os._exit(0)
        ep.poll()
        os.write(w, b"x")
        os.waitpid(child, 0)
    os.close(r), os.close(w)
    assert find(log, "unknown-number", False).line.text == "ep.poll()"


def test_a_file_object_hides_bytes():
    with epollkit.record() as log, select.epoll() as ep:
        r, w = os.pipe()
        ep.register(r, select.EPOLLIN)
        file = os.fdopen(r, "rb")
        os.write(w, b"one\ntwo\n")
        ep.poll()
        file.readline()
        ep.poll(0)
        file.close(), os.close(w)
    assert find(log, "hidden-buffer", False).line.text == "ep.register(r, select.EPOLLIN)"
    assert kinds(log) == []


@pytest.mark.parametrize("is_blocking", [True, False])
def test_a_blocking_stream_in_a_loop(is_blocking):
    with epollkit.record() as log, select.epoll() as ep:
        a, b = socket.socketpair()
        a.setblocking(is_blocking)
        ep.register(a, select.EPOLLIN)
        b.send(b"x")
        ep.poll()
        a.recv(1)
        a.close(), b.close()
    assert kinds(log, False) == ["blocking-in-loop"] * is_blocking


#: *Source:* ``include/uapi/linux/in.h``.
IP_RECVERR, MSG_ERRQUEUE = 11, 0x2000


@pytest.mark.parametrize("how", ["left", "SO_ERROR", "error queue", "recv", "closed"])
def test_an_error_that_nobody_reads(how):
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        address = other.getsockname()
    with epollkit.record() as log, select.epoll() as ep:
        sock = socket.socket(type=socket.SOCK_DGRAM)
        sock.setblocking(False)
        if how == "error queue":
            sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        sock.connect(address)
        sock.send(b"x")
        ep.register(sock, 0)
        assert ep.poll()
        if how == "SO_ERROR":
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if how == "error queue":
            assert sock.recvmsg(100, 100, MSG_ERRQUEUE)
        if how == "recv":
            with pytest.raises(ConnectionRefusedError):
                sock.recv(1)
        if how == "closed":
            sock.close()
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) if how == "left" else None
    sock.close()
    assert len(log.calls("socket.getsockopt")) == (how == "SO_ERROR")
    assert [call.bytes_moved for call in log.calls("socket.recvmsg")] == [0] * (
        how == "error queue"
    )
    if how == "left":
        assert find(log, "error-unread", False).line.text == "ep.register(sock, 0)"
    else:
        assert "error-unread" not in kinds(log, False)


# where they are shown


@pytest.fixture
def left_armed():
    """Return a log with one warning and one question."""
    with epollkit.record() as log, select.epoll() as ep:
        a, b = socket.socketpair()
        ep.register(a, select.EPOLLIN | select.EPOLLOUT)
        b.send(b"x")
        a.recv(1)
        for _ in range(CIRCLE):
            ep.poll()
        a.close(), b.close()
    return log


def test_shown_on_demand_only(left_armed):
    log = left_armed
    sentences = list(map(str, log.warnings()))
    assert [each.partition(":")[0] for each in sentences] == ["warning", "question"]
    assert log.summary(warnings=True).splitlines()[-2:] == sentences
    assert not set(sentences) & set(log.summary().splitlines())
    silent, shown = epollkit.timeline(log), epollkit.timeline(log, warnings=True)
    assert repr(shown) == log.summary(warnings=True) and repr(silent) == log.summary()
    page = shown._repr_mimebundle_()["text/html"]
    assert page.count("<p>warning: a was reported writable") == 1
    assert "warning" not in silent._repr_mimebundle_()["text/html"]
    signs = [text.get_text() for text in shown.figure.findobj(Text)]
    assert signs.count("!") == 1 and signs.count("?") == 1
    assert "!" not in [text.get_text() for text in silent.figure.findobj(Text)]


def test_listed_in_step_through(left_armed):
    with leaves_nothing():
        silent = step_through(left_armed)
        shown = step_through(left_armed, warnings=True)
        assert silent.table["findings"] == []
        assert shown.table["findings"] == [
            [str(each), each.steps[0]] for each in left_armed.warnings()
        ]
        silent.close(), shown.close()


def test_a_finding_shows_where_it_begins(left_armed):
    finding = find(left_armed, "out-left-armed")
    assert left_armed[finding.call].name == "epoll.poll"
    assert left_armed.steps[0][finding.call] == finding.steps[0]


# what is right


@pytest.mark.parametrize("id", TASKS)
def test_no_warning_of_a_right_solution(id, monkeypatch):
    rounds, load = [], rules.load

    def keep(path, task):
        rounds.append(load(path, task))
        return rounds[-1]

    monkeypatch.setattr(rules, "load", keep)
    assert judge.examine(TASKS[id], TASKS[id].solved(), 0).is_right
    assert sum(len(round.log) for round in rounds)
    for round in rounds:
        assert kinds(round.log) == []


def test_no_warning_of_the_server_of_the_course():
    names = {}
    modules = "import contextlib, errno, os, resource, select, socket, sys, time"
    for number, source in enumerate([modules, *server_cells()]):
        keep_source(f"cell {number}", source)
        exec(compile(source, f"cell {number}", "exec"), names)
    seen = visit(names["serve"], *TEMPERS)
    assert seen.is_right and seen.warnings() == []
    assert len(seen.log) > 30 and kinds(seen.log) == []


def test_what_server_and_check_say_of_a_mistake():
    def serve(listener, stop):
        clients = {}
        with select.epoll() as ep:
            ep.register(listener, select.EPOLLIN)
            ep.register(stop, select.EPOLLIN)
            while True:
                for number, _ in ep.poll():
                    if number == stop:
                        return
                    if number == listener.fileno():
                        client, _ = listener.accept()
                        ep.register(client, select.EPOLLIN)
                        clients[client.fileno()] = client
                    else:
                        clients[number].sendall(clients[number].recv(4096))  # b'' as well

    seen = visit(serve, "leaves")
    (sentence,) = seen.warnings()
    assert sentence.startswith("warning: leaves has ended, and its end was read")
    assert f"\n✘ {sentence}" in repr(seen)
    verdict = Verdict(TASKS["first-ready"], "wrong", "something", log=seen.log)
    assert verdict.warnings() == []  # that was the server, not you
    renamed = [replace(each, name="you") for each in seen.log.threads if each.name == "server"]
    seen.log.threads = tuple(
        renamed[0] if each.name == "server" else each for each in seen.log.threads
    )
    assert verdict.warnings() == [sentence] and sentence in repr(verdict)


def test_no_warning_of_edges_armed_for_life_and_one_event_a_poll():
    with epollkit.record() as log, select.epoll() as ep:
        pairs = [socket.socketpair() for _ in range(4)]
        number_of = {a.fileno(): a for a, _ in pairs}
        for a, _ in pairs:
            a.setblocking(False)
            ep.register(a, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
        for _ in range(CIRCLE + 20):
            for _, b in pairs:
                b.send(b"x")
            while events := ep.poll(0, 1):
                [(number, mask)] = events
                while mask & select.EPOLLIN:
                    try:
                        number_of[number].recv(100)
                    except BlockingIOError:
                        break
        for a, b in pairs:
            a.close(), b.close()
    assert kinds(log) == []


def test_no_warning_of_a_level_with_one_event_a_poll():
    with epollkit.record() as log, select.epoll() as ep:
        pairs = [socket.socketpair() for _ in range(4)]
        number_of = {a.fileno(): a for a, _ in pairs}
        for a, b in pairs:
            ep.register(a, select.EPOLLIN)
            b.send(bytes(CIRCLE))
        while events := ep.poll(0, 1):
            number_of[events[0][0]].recv(1)
        for a, b in pairs:
            a.close(), b.close()
    assert kinds(log) == []


def test_no_warning_of_a_process_that_is_over():
    child = subprocess.Popen(["true"])
    with epollkit.record() as log, select.epoll() as ep:
        process = os.pidfd_open(child.pid)
        ep.register(process, select.EPOLLIN)
        ep.poll()
        for _ in range(CIRCLE):  # it stays ready, and there is nothing to read
            ep.poll(0)
        os.close(process)
    child.wait()
    assert kinds(log) == [] and find(log, "never-read", False)


def test_the_line_of_a_callback():
    ends = []

    async def main():
        loop = asyncio.get_running_loop()
        a, b = socket.socketpair()
        c, d = socket.socketpair()
        for each in (a, c):
            each.setblocking(False)

        def look():
            ends.append(a.recv(1))
            if len(ends) == 3:
                loop.remove_reader(a)

        loop.add_reader(a, look)
        left, is_done = CIRCLE, loop.create_future()

        def ready():
            nonlocal left
            left -= 1
            if not left:
                loop.remove_writer(c)
                is_done.set_result(None)

        loop.add_writer(c, ready)
        b.close()
        await is_done
        for each in (a, c, d):
            each.close()

    with epollkit.record() as log:
        asyncio.run(main())
    assert find(log, "end-read-again").line.text == "ends.append(a.recv(1))"
    assert find(log, "out-left-armed").line.text == "loop.add_writer(c, ready)"


# what only literal rows can fix: who overlaps whom


@pytest.fixture
def rows():
    return Rows()


def ends_read(rows, r, ep, *, mask=masks.IN, between=None, threads="AAA"):
    """Have the end of *r* reported and read, by each of *threads*; *between* is called after."""
    rows.register(1, 2, ep, r, mask)
    for number, name in enumerate(threads):
        at = 100 * (number + 1)
        rows.poll(at, at + 1, ep, (r, masks.IN), thread=name)
        rows.read(at + 2, at + 3, r, 0, thread=name)
        if between is not None:
            between(at + 10)
    return rows.done()


def test_three_ends_in_a_row(rows):
    (r, _), ep = rows.pipe(), rows.epoll()
    assert kinds(ends_read(rows, r, ep)) == ["end-read-again"]


@pytest.mark.parametrize("how", ["edge", "threads", "armed anew", "data between", "twice"])
def test_ends_that_are_no_mistake(rows, how):
    (r, _), ep = rows.pipe(), rows.epoll()
    options = {
        "edge": {"mask": masks.IN | masks.ET},
        "threads": {"threads": "ABC"},
        "armed anew": {"between": lambda at: rows.register(at, at + 1, ep, r, 1, "modify")},
        "data between": {"between": lambda at: rows.read(at, at + 1, r, 1)},
        "twice": {"threads": "AA"},
    }[how]
    assert kinds(ends_read(rows, r, ep, **options)) == []


def test_read_by_a_file_object_it_is_not_certain(rows):
    (r, w), ep = rows.pipe(), rows.epoll()
    rows.register(1, 2, ep, r, masks.IN)
    rows.write(3, 4, w, 6)
    for number in range(CIRCLE):
        rows.poll(10 + 2 * number, 11 + 2 * number, ep, (r, masks.IN))
    rows.notes, rows.evidence = [(r.index, 300, 301, 6, True)], [("file object", r.index, {})]
    assert find(rows.done(), "never-read", certain=False)


def test_a_caller_was_taken_between(rows):
    listener = rows.stream("tcp", "listener", role="listener")
    for at in (10, 30):
        rows.call("socket.accept", at, at + 1, listener, error="OSError", errno=24)
    assert kinds(rows.done()) == ["emfile"]
    taken = rows.stream("tcp", "taken", role="accepted")
    rows.call("socket.accept", 20, 21, listener, moved=1, result=(taken.index,))
    assert kinds(rows.done()) == []


@pytest.mark.parametrize("arrives, comes_back", [(5, True), (30, True), (30, False), (5, False)])
def test_who_waited_while_it_slept(rows, arrives, comes_back):
    (a, b), (c, d), ep = rows.pair(), rows.pair(names=("c", "d")), rows.epoll()
    rows.register(1, 2, ep, c, masks.IN)
    rows.poll(3, 4, ep)
    rows.call("socket.send", arrives, arrives + 1, d, moved=5, thread="B")
    if comes_back:
        rows.call("socket.send", 40, 41, b, moved=1, thread="B")
    data = {"moved": 1, "result": b"x"} if comes_back else {}
    rows.call("socket.recv", 20, 50 if comes_back else None, a, 1, sleeps=True, **data)
    if comes_back:
        rows.poll(60, 61, ep, (c, masks.IN))
    is_proven = arrives == 5 or not comes_back
    assert kinds(rows.done()) == ["slept-while-ready"] * is_proven


def test_closed_with_bytes_unread_and_nobody_met_a_reset(rows):
    a, b = rows.pair("tcp")
    rows.call("socket.send", 10, 20, a, moved=6)
    rows.call("socket.send", 30, 40, b, moved=9)
    rows.call("socket.close", 50, 60, a)["closes"] = a.index
    assert kinds(rows.done()) == []
    rows.call("socket.recv", 70, 80, b, 10, error="ConnectionResetError", errno=104)
    assert kinds(rows.done()) == ["reset-destroyed"]


@pytest.mark.parametrize("poller", "AB")
def test_who_sleeps_is_not_who_polls(rows, poller):
    (r, w), ep = rows.pipe(), rows.epoll()
    rows.register(1, 2, ep, r, masks.IN)
    rows.write(3, 4, w, 6)
    rows.poll(5, 6, ep, (r, masks.IN), thread=poller)
    rows.read(7, 8, r, 6, sleeps=True, thread="A")
    assert ("blocking-in-loop" in kinds(rows.done(), False)) == (poller == "A")


@pytest.mark.parametrize("is_internal", [True, False])
def test_what_a_library_made_for_itself_is_its_own_affair(rows, is_internal):
    r, _ = rows.pipe(internal=is_internal)
    assert len(kinds(ends_read(rows, r, rows.epoll()))) == (not is_internal)


def test_the_line_is_not_the_one_that_runs_the_framework(rows):
    (a, _), ep = rows.pair(), rows.epoll()
    runs, answers = (Line("cell 1", 9, "asyncio.run(main())"), Line("cell 1", 3, "out.write(x)"))
    rows.call("socket.send", 80, 81, a, moved=1)
    log = ends_read(rows, a, ep)
    log.lines = (runs, answers)
    for call, name in enumerate(log.columns()["name"]):
        log.columns()["line"][call] = name == "socket.send"
    assert find(log, "end-read-again").line == answers
    log.lines = (runs._replace(text="for _ in range(3): ep.poll(), os.read(a, 1)"), answers)
    assert find(log, "end-read-again").line == log.lines[0]
