"""How streams end: what the explorable says is what the kernel does."""

import errno
import html
import itertools
import os
import re
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack

import pytest
from support import ROUNDS, busy_cores, leaves_nothing, nothing_overlaps, run_apart

from epollkit import masks
from epollkit.explore import endings, matrix
from epollkit.explore.endings import (
    BITS,
    CHOICES,
    FIRST,
    STREAMS,
    describe,
    draw,
    explain,
    headline,
    observe,
    program,
    tried,
)

PAIRS = [(stream, ending) for stream, one in STREAMS.items() for ending in one.endings]
MASKS = [
    sum(BITS[name] for name in some)
    for count in range(5)
    for some in itertools.combinations(CHOICES, count)
]
ALL = sum(BITS.values())
NO_VALUE = object()
FIRST_WORDS = (
    "pipe, its read end: the writer closes. Asked for: IN. Reported: 0x10 = EPOLLHUP. HUP: no writer is left. "
    "Then a read returned b'' (EOF)."
)


@pytest.fixture
def view():
    made = endings()
    yield made
    made.close()


# the same, once more, with nothing but the interface


def until(stream, *bits):
    """Wait until one epoll reports all of *bits*.  (30 s: nobody waits for so long.)"""
    wanted, end = sum(bits), time.monotonic() + 30
    with select.epoll() as ep:
        ep.register(stream, wanted)
        while sum(mask for _, mask in ep.poll(1)) & wanted != wanted:
            assert time.monotonic() < end


def full(stream):
    """Write until there has been no room for 100 ms."""
    number = stream if isinstance(stream, int) else stream.fileno()
    while select.select([], [number], [], 0.1)[1]:
        try:
            os.write(number, bytes(65536))
        except BlockingIOError:
            pass
    with pytest.raises(BlockingIOError):
        while os.write(number, b"z"):
            pass


def make(stack, stream, ending):
    """Make an ending with plain calls; return what is watched:

    a number of a pipe's end, a socket or a file.
    """
    keep = stack.enter_context
    if stream.startswith("pipe"):
        ends = dict(zip("rw", os.pipe2(os.O_NONBLOCK), strict=True))
        stack.callback(lambda: [os.close(end) for end in ends.values()])
        mine, other = "rw" if stream == "pipe-read" else "wr"
        if ending in ("data", "close-left"):
            os.write(ends["w"], b"parcel")
        if "full" in ending:
            full(ends["w"])
        if ending.startswith("close"):
            os.close(ends.pop(other))
        return ends[mine]
    if stream == "file":
        file = keep(tempfile.TemporaryFile(buffering=0))
        os.pwrite(file.fileno(), b"parcel" if ending == "data" else b"", 0)
        return file
    if stream in ("fifo", "pty", "eventfd"):
        return another_number(stack, stream, ending)
    if stream == "udp":
        server, mine = (keep(socket.socket(type=socket.SOCK_DGRAM)) for _ in range(2))
        server.bind(("127.0.0.1", 0))
        mine.setblocking(False)
        mine.connect(server.getsockname())
        if ending == "data":
            server.sendto(b"parcel", mine.getsockname())
            until(mine, select.EPOLLIN)
        elif ending == "refused":
            server.close()
            mine.send(b"late")
            until(mine, select.EPOLLERR)
        return mine
    if stream == "unix":
        mine, other = (keep(one) for one in socket.socketpair())
    else:
        server = keep(socket.socket())
        server.bind(("127.0.0.1", 0))
        mine = keep(socket.socket())
        if stream == "fresh":
            if ending == "listen":
                mine.listen()
            return mine
        if stream != "connecting" or ending != "refused":
            server.listen(0 if ending == "nothing" and stream == "connecting" else 9)
        if stream == "listening":
            if ending == "data":
                keep(socket.create_connection(server.getsockname()))
                until(server, select.EPOLLIN)
            return server
        if stream == "connecting":
            if ending == "nothing":
                keep(socket.create_connection(server.getsockname()))
                until(server, select.EPOLLIN)
            mine.setblocking(False)
            assert mine.connect_ex(server.getsockname()) == errno.EINPROGRESS
            if ending == "refused":
                until(mine, select.EPOLLERR, select.EPOLLHUP, select.EPOLLRDHUP)
            elif ending == "connected":
                until(mine, select.EPOLLOUT)
            return mine
        other = keep(socket.create_connection(server.getsockname()))
        mine.close()
        mine = keep(server.accept()[0])
    mine.setblocking(False)
    if ending == "reset" and stream == "unix":
        mine.sendall(b"unread")
    elif ending == "reset":
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if ending in ("data", "close-left"):
        other.sendall(b"parcel")
        until(mine, select.EPOLLIN)
    elif ending == "urgent":
        other.send(b"!", socket.MSG_OOB)
        until(mine, select.EPOLLPRI)
    elif ending in ("full", "full-half"):
        full(mine)
    elif ending == "unread":
        mine.sendall(b"unread")
        until(other, select.EPOLLIN)
    elif ending in ("half", "both"):
        other.shutdown(socket.SHUT_WR)
        until(mine, select.EPOLLRDHUP)
    own = {"own-write": 1, "full-half": 1, "own-read": 0, "own-both": 2}
    if ending in own:
        mine.shutdown(own[ending])
    if ending in ("close", "close-left", "reset", "late", "unread"):
        other.close()
        until(mine, select.EPOLLRDHUP)
    if ending == "both":
        mine.shutdown(socket.SHUT_WR)
    elif ending == "late":
        mine.send(b"late")
    if ending in ("reset", "late", "unread"):
        until(mine, select.EPOLLERR, select.EPOLLHUP, select.EPOLLRDHUP)
    return mine


def another_number(stack, stream, ending):
    """Make an ending of a FIFO, a terminal or an eventfd, and return the number that is watched."""
    if stream == "eventfd":
        watched = os.eventfd({"nothing": 0, "data": 1, "full": 0}[ending], os.EFD_NONBLOCK)
        stack.callback(os.close, watched)
        if ending == "full":
            os.eventfd_write(watched, 2**64 - 2)
        return watched
    if stream == "pty":
        watched, other = os.openpty()
        stack.callback(os.close, watched)
    else:
        path = os.path.join(stack.enter_context(tempfile.TemporaryDirectory()), "fifo")
        os.mkfifo(path)
        watched = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        stack.callback(os.close, watched)
        if ending == "nothing":
            return watched
        other = os.open(path, os.O_WRONLY)
    os.set_blocking(watched, False)
    if ending in ("data", "close-left"):
        os.write(other, b"parcel")
        until(watched, select.EPOLLIN)
    if ending in ("close", "close-left", "back"):
        os.close(other)
        until(watched, select.EPOLLHUP)
    else:
        stack.callback(os.close, other)
    if ending == "back":
        stack.callback(os.close, os.open(path, os.O_WRONLY))
    return watched


def plain(watched, asked):
    """Return what a new epoll says of *watched*; None if it cannot be registered."""
    with select.epoll() as ep:
        try:
            ep.register(watched, asked)
        except PermissionError:
            return None
        return sum(mask for _, mask in ep.poll(0))


def outcome_of(call, *args):
    """Return what a call gave: what it returned, or the number of its error."""
    try:
        return call(*args)
    except OSError as error:
        return error.errno


def same(value):
    return (
        value.errno
        if isinstance(value, OSError)
        else "connection"
        if isinstance(value, socket.socket)
        else value
    )


@pytest.mark.parametrize(("stream", "ending"), PAIRS)
def test_every_mask_is_what_a_plain_epoll_reports(stream, ending):
    """For each set of choices; then what a read and a write give, and what error is kept."""
    with ExitStack() as stack:
        watched = make(stack, stream, ending)
        expected = {asked: plain(watched, asked) for asked in MASKS}
        holds = plain(watched, ALL)
        found = {asked: observe(stream, ending, asked) for asked in MASKS}
        for asked, outcome in found.items():
            assert (outcome.reported, outcome.asked) == (expected[asked], asked), describe(outcome)
            assert outcome.holds == (holds or 0)
            if expected[asked] is not None:
                assert expected[asked] == holds & (asked | masks.ALWAYS)
        kept = 0
        if isinstance(watched, socket.socket) and (
            holds & select.EPOLLERR or stream == "connecting"
        ):
            with ExitStack() as again:
                one = make(again, stream, ending)
                kept = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                assert bool(kept) == bool(holds & select.EPOLLERR)
            if stream == "connecting":
                assert watched.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == kept
        urgent = outcome_of(watched.recv, 1, socket.MSG_OOB) if ending == "urgent" else NO_VALUE
        number, read, write = (
            watched if isinstance(watched, int) else watched.fileno(),
            NO_VALUE,
            NO_VALUE,
        )
        if stream == "listening":
            watched.setblocking(False)
            read = outcome_of(lambda: stack.enter_context(watched.accept()[0]) and "connection")
        elif stream != "pipe-write":
            read = outcome_of(os.read, number, 64)
        if stream not in ("pipe-read", "listening", "file", "fifo", "pty"):
            data = (1).to_bytes(8, "little") if stream == "eventfd" else b"x"
            write = outcome_of(os.write, number, data)
        for asked, outcome in found.items():
            one = outcome.stream
            assert same(outcome.values.get(one.read, NO_VALUE)) == read, asked
            assert same(outcome.values.get(one.write, NO_VALUE)) == write, asked
            assert same(outcome.values.get("conn.recv(1, socket.MSG_OOB)", NO_VALUE)) == urgent
            agrees(outcome, expected[asked], kept, read, write)


def test_each_row_of_the_matrix_is_what_a_plain_epoll_reports():
    rows = matrix().rows
    assert [(row.stream, row.ending) for row in rows] == [
        (STREAMS[stream].label, STREAMS[stream].endings[ending][0]) for stream, ending in PAIRS
    ]
    for row, (stream, ending) in zip(rows, PAIRS, strict=True):
        with ExitStack() as stack:
            assert row.mask == plain(make(stack, stream, ending), ALL), row


def agrees(outcome, reported, kept, read, write):
    """Assert that no sentence contradicts what was measured without epollkit."""
    said, then, missed = explain(outcome), tried(outcome), outcome.holds & ~(reported or 0)
    assert bool(missed) == (
        f"Holds, and was not asked for: {masks.short(missed)}. " in describe(outcome)
    )
    if reported:
        assert [one.partition(":")[0] for one in said] == [
            name for name, bit in BITS.items() if reported & bit
        ]
        number, names = headline(outcome).split(" = ")
        assert masks.value(names) == int(number, 16) == reported
    else:
        assert len(said) == 1 and not any(f"{name}: " in said[0] for name in BITS)
    words = dict(one.split(": ", 1) for one in said if ": " in one)
    if "IN" in words:
        assert read != errno.EAGAIN and "would not sleep" in words["IN"]
    if "OUT" in words:
        assert write != errno.EAGAIN and "would not sleep" in words["OUT"]
    if kept and "ERR" in words:
        assert words["ERR"] == f"the socket keeps an error, {errno.errorcode[kept]}."
    elif "ERR" in words:
        assert words["ERR"] == "no reader is left." and write == errno.EPIPE
    if "HUP" in words:
        assert read in (b"", b"parcel", errno.ECONNRESET, errno.ENOTCONN, errno.EIO) and write in (
            NO_VALUE,
            errno.EPIPE,
        )
    if "RDHUP" in words and "writes no more" in words["RDHUP"]:
        assert read in (b"", b"parcel", errno.ECONNRESET)
    for name, value in (("a read", read), ("an accept", read), ("a write", write)):
        told = re.search(rf"{name} (raised|returned|took) (.*?)[;.]", then)
        if told and value == "connection":
            assert told.group().startswith("an accept returned a connection")
        elif told and told[1] == "raised":
            assert errno.errorcode[value] == told[2]
        elif told:
            assert told[2].removesuffix(" (EOF)") == (
                f"{value} byte" + "s" * (value > 1) if isinstance(value, int) else repr(value)
            )
            assert told[2].endswith("(EOF)") == (value == b"")
    assert ("a write" in then) == (write is not NO_VALUE)


# the program that is shown

RUNNER = """
import socket, sys
for above, lines in eval(sys.stdin.read()):
    names = {}
    exec(above, names)
    for line in lines.splitlines():
        text, _, gave = line.partition("  # → ")
        value = None
        try:
            value = (exec if " = " in text else eval)(text, names)
        except OSError as error:
            value = error
        if isinstance(value, OSError):
            assert gave.split()[0] == type(value).__name__, (line, value)
        elif isinstance(value, list):
            print([mask for _, mask in value])
        elif isinstance(value, (bytes, int)):
            assert gave.split()[0] == repr(value), (line, value)
        elif isinstance(value, tuple):
            value[0].close()
    for name, value in names.items():
        if name in ("r", "w") and f"os.close({name})" not in lines:
            names["os"].close(value)
        elif hasattr(value, "fileno") and name not in names["__builtins__"]:
            value.close()
assert "epollkit" not in sys.modules
"""


def test_the_program_runs_without_epollkit_and_gives_the_same():
    texts = [
        program(observe(stream, ending, BITS["IN"] | BITS["RDHUP"])) for stream, ending in PAIRS
    ]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUNNER],
        input=repr(texts),
        check=True,
        text=True,
        stdout=subprocess.PIPE,
        timeout=120,
    )
    told = [
        line.partition("# → ")[2]
        for _, lines in texts
        for line in lines.splitlines()
        if "# → [" in line
    ]
    spelled = [
        [
            masks.value(word.replace("POLL", "EPOLL") if "EPOLL" not in word else word)
            for word in re.findall(r", ([A-Z|]+)\)", text)
        ]
        for text in told
    ]
    assert done.stdout.splitlines() == [str(one) for one in spelled] and len(spelled) > len(PAIRS)


# the view


def test_at_first_and_after_reset(view):
    assert (
        view.still[1] == FIRST_WORDS
        and view.still[0].startswith(b"\x89PNG")
        and view.message.value == ""
    )
    assert (view.stream.value, view.what.value) == FIRST[:2] and headline(
        view.outcome
    ) in view.words.value
    first = view.still
    view.stream.value = "unix"
    view.ask["IN"].value, view.ask["RDHUP"].value = False, True
    assert view.still != first
    view.reset.click()
    assert view.still == first and [name for name, one in view.ask.items() if one.value] == [
        "IN",
        "ERR",
        "HUP",
    ]


def test_every_ending_by_its_controls(view):
    for name in CHOICES:
        assert not view.ask[name].disabled
        view.ask[name].value = True
    assert view.ask["ERR"].disabled and view.ask["HUP"].disabled and view.ask["HUP"].value
    for stream, one in STREAMS.items():
        view.stream.value = stream
        assert [key for _, key in view.what.options] == list(one.endings)
        for ending, (label, *_) in one.endings.items():
            view.what.value = ending
            assert view.still[1].startswith(
                f"{one.label}: {label}. Asked for: IN | PRI | OUT | RDHUP. "
            ), view.message.value
            assert ("EPERM" in view.message.value) == (stream == "file")
            outcome, code = view.outcome, html.unescape(re.sub("<[^>]*>", "", view.code.value))
            assert f"Reported: {headline(outcome)}" in view.still[1] and program(outcome)[1] in code
            assert program(outcome)[0] in code
    view.stream.value, view.what.value = "tcp", "close"
    view.stream.value = "unix"
    assert view.what.value == "close"  # what both have stays


def test_no_stream_left_is_a_lesson():
    program = """
from epollkit.explore import endings, matrix
endings().close()
before, held = numbers(), hold_all(200)
for stream, needed in (("pipe-read", 3), ("tcp", 4)):  # at the end: one end closed, its epoll, one that asks for all
    for spare in range(6):
        for _ in range(spare):
            os.close(held.pop())
        now, view = numbers(), endings()
        view.stream.value = stream
        view.what.value = "close"
        assert ("EMFILE" in view.message.value) == (spare < needed), (stream, spare, view.message.value)
        assert ("could not be measured" in view.still[1]) == (spare < needed) == (not view.code.value)
        assert numbers() == now
        view.close()
        held += [os.dup(0) for _ in range(spare)]
for number in held:
    os.close(number)
assert numbers() == before
"""
    run_apart(program)


def test_what_does_not_come_is_a_lesson(view, monkeypatch):
    endless = STREAMS["tcp"].endings | {"half": ("the peer half-closes", "wait(conn, EPOLLRDHUP)")}
    monkeypatch.setitem(STREAMS, "tcp", STREAMS["tcp"]._replace(endings=endless))
    view.stream.value = "tcp"
    view.what.value = "half"
    assert "TimeoutError" in view.message.value and "It could not be measured." in view.still[1]
    view.reset.click()
    assert view.message.value == "" and view.still[1] == FIRST_WORDS


def test_made_and_closed_often():
    with leaves_nothing():
        for _ in range(ROUNDS):
            made = endings()
            made.stream.value = "tcp"
            made.close()
            made.close()
            made.reset.click()  # too late, and says nothing
        for _ in range(200):
            observe("tcp", "reset", 1)


def test_all_cores_busy():
    with busy_cores():
        for stream, ending in PAIRS:
            with ExitStack() as stack:
                expected = plain(make(stack, stream, ending), select.EPOLLIN)
            assert observe(stream, ending, BITS["IN"]).reported == expected, (stream, ending)


def test_nothing_overlaps_and_nothing_is_cut(figures):
    for (stream, ending), asked in itertools.product(PAIRS, (0, ALL - masks.ALWAYS)):
        if ending == "full" or not (asked or stream == "tcp"):
            continue
        outcome = observe(stream, ending, asked)
        draw(outcome, f"{outcome.stream.label}: {outcome.label}", asked)
        assert nothing_overlaps(figures[-1]) > 10
