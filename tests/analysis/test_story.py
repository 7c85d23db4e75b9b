"""The story in words: what it tells, in which order, and that it is the same on every run."""

import os
import re
import select
import socket
from contextlib import suppress

import pytest
from timeline_programs import (
    PROGRAMS,
    busy_polling,
    discarded,
    dup_ghost,
    full_pipe,
    hand_over,
    many_calls,
    one_shot,
    refusals,
    socketpair_filled,
    still_asleep,
    tcp_conversation,
    ten_lines,
    three_pipes,
)

import epollkit
from epollkit import Log
from epollkit.analysis import story


def test_ten_lines():
    assert (
        ten_lines().summary()
        == """\
8 calls: 1 thread, 1 pipe, 1 epoll.
  1. os.pipe() → r, w
  2. select.epoll() → ep
  3. ep.register(r, EPOLLIN)
  4. os.write(w, 6 bytes) → 6   [w → r: 6 bytes, non-empty]
  5. os.write(w, 6 bytes) → 6   [w → r: 12 bytes]
  6. ep.poll() → [(r, EPOLLIN)]
  7. os.read(r, 64) → 12 bytes   [w → r: 0 bytes, empty]
  8. ep.poll(0) → []"""
    )


def test_two_threads_that_hand_over():
    assert (
        hand_over().summary()
        == """\
9 calls: 2 threads, 1 pipe, 1 epoll.
  1. MainThread: os.pipe() → r, w
  2. MainThread: select.epoll() → ep
  3. MainThread: ep.register(r, EPOLLIN)
  4. B: ep.poll() … asleep
  5. MainThread: os.write(w, 6 bytes) → 6   [w → r: 6 bytes, non-empty]
  6. B: ep.poll() is back → [(r, EPOLLIN)]
  7. B: os.read(r, 64) → 6 bytes   [w → r: 0 bytes, empty]
  8. B: ep.poll() … asleep
  9. MainThread: os.close(w)   [w → r: w closed]
 10. B: ep.poll() is back → [(r, EPOLLHUP)]
 11. B: os.read(r, 64) → b'' (the end)"""
    )


@pytest.mark.parametrize(
    "program", [hand_over, socketpair_filled, refusals, dup_ghost, three_pipes, still_asleep]
)
def test_the_same_program_has_the_same_story_whatever_its_numbers_are(program):
    first = program().summary()
    others = [os.open(os.devnull, os.O_RDONLY) for _ in range(40)]
    again = program().summary()
    for number in others:
        os.close(number)
    assert first == again


@pytest.mark.parametrize("program", PROGRAMS[::3])
def test_no_times_and_no_file_descriptors(program):
    others = [os.open(os.devnull, os.O_RDONLY) for _ in range(700)]
    log = program()
    for number in others:
        os.close(number)
    numbers = {str(one.number) for one in log.objects}
    lines = log.summary(most=300).splitlines()
    assert min(map(int, numbers)) > 600
    said = {
        word
        for line in lines
        for word in re.findall(r"\w+", line.partition(". ")[2].replace(",", ""))
    }
    levels = {word for line in lines for word in re.findall(r"(\d+) bytes?", line)}
    assert not numbers & (said - levels)
    assert not [line for line in lines if re.search(r"\d (ns|µs|ms|s)\b", line)]
    assert "0x" not in log.summary()


def test_sleepers_those_that_were_not_and_those_that_never_came_back():
    lines = full_pipe().summary().splitlines()
    assert sum(line.endswith("ep.poll() … asleep") for line in lines) == 1
    (asleep,) = [line for line in lines if "os.write(w, 4,096 bytes) … asleep" in line]
    assert asleep.endswith("[w → r: full]")
    (back,) = [line for line in lines if "is back → 4096" in line]
    assert back.endswith("[w → r: 65,537 bytes, non-full]") or back.endswith(
        "[w → r: 65,536 bytes, non-full]"
    )
    lines = still_asleep().summary().splitlines()
    assert lines[-2:] == [
        "  5. reader: os.read(r, 1) … still asleep at the end",
        "  6. poller: ep.poll() … still asleep at the end",
    ]


def test_errors_have_the_name_that_the_kernel_gives_them(monkeypatch):
    import errno

    log = refusals()
    monkeypatch.setattr(errno, "errorcode", {})  # as on a system that numbers them differently
    said = log.summary()
    for outcome in (
        "os.read(r, 1) → BlockingIOError (EAGAIN)",
        "os.write(w2, 6 bytes) → BrokenPipeError (EPIPE)",
        "os.read(r2, 1) → OSError (EBADF)",
        "ep.register(w2, EPOLLIN) → FileExistsError (EEXIST)",
        "ep.unregister(r) → FileNotFoundError (ENOENT)",
    ):
        assert outcome in said


def test_each_close_is_told_once():
    said = tcp_conversation().summary()
    assert (
        said.count("accepted closed")
        == said.count("client closed")
        == said.count("client shut down")
        == 1
    )
    assert "[w → r: 0 bytes, r closed, 10 unread bytes discarded]" in discarded().summary()


def test_a_count_has_no_unit_and_no_buffer_events():
    with epollkit.record() as log:
        bell = os.eventfd(0)
        os.eventfd_write(bell, 3)
        os.eventfd_read(bell)
    os.close(bell)
    lines = log.summary().splitlines()
    assert lines[2:] == [
        "  2. os.eventfd_write(bell, 3)   [bell: 3]",
        "  3. os.eventfd_read(bell) → 3   [bell: 0]",
    ]


def test_a_long_run_of_the_same_call_is_one_line():
    lines = busy_polling().summary().splitlines()
    assert lines == [
        "2,003 calls: 1 thread, 1 pipe.",
        "  1. os.pipe2(O_NONBLOCK) → r, w",
        "2–2,001. os.read(r, 10) → BlockingIOError (EAGAIN), 2,000 times",
        "2,002. os.write(w, 7 bytes) → 7   [w → r: 7 bytes, non-empty]",
        "2,003. os.read(r, 10) → 7 bytes   [w → r: 0 bytes, empty]",
    ]


def test_a_run_tells_how_far_it_came():
    with epollkit.record() as log:
        r, w = os.pipe()
        for _ in range(100):
            os.write(w, b"ab")
    os.close(r)
    os.close(w)
    assert (
        log.summary().splitlines()[2]
        == "2–101. os.write(w, 2 bytes) → 2, 100 times   [w → r: 200 bytes, non-empty]"
    )


@pytest.mark.parametrize("most", [1, 10, 60, 99])
def test_after_so_many_lines_it_only_counts(most):
    log = many_calls(100)
    lines = log.summary(most).splitlines()
    assert len(lines) == most + 2
    assert lines[-1] == f"… and {100 - most} more step{'s' * (most != 99)}."
    assert lines[:-1] == log.summary(100).splitlines()[: most + 1]
    assert len(log.summary(100).splitlines()) == 101


def test_steps_and_lines_agree_with_the_picture():
    log = full_pipe()
    from epollkit.drawing.layout import layout

    assert len(log.summary().splitlines()) - 1 == layout(log).place.width


def test_limits_stand_at_the_end():
    with epollkit.record() as log:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.close()
    assert log.summary().splitlines()[-1] == f"Not seen: {log.limits()[-1]}"
    assert "datagrams" in log.limits()[-1]


def test_a_log_without_calls():
    with epollkit.record() as log:
        pass
    assert log.summary() == "No calls."


def test_a_log_from_a_file_tells_the_same(tmp_path):
    for program in (full_pipe, refusals, busy_polling):
        log = program()
        assert Log.load(log.save(tmp_path / "log")).summary() == log.summary()


def test_numbers_that_name_nothing_are_not_told():
    with epollkit.record() as log:
        ep = select.epoll()
        for wrong in (
            lambda: ep.register(9999, select.EPOLLIN),
            lambda: ep.unregister(9999),
            lambda: os.read(9999, 1),
        ):
            with pytest.raises(OSError):
                wrong()
    ep.close()
    assert (
        "9999" not in log.summary() and "ep.register(?, EPOLLIN) → OSError (EBADF)" in log.summary()
    )


def test_ports_are_not_told():
    with epollkit.record() as log:
        listener = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(listener.getsockname())
    port = listener.getsockname()[1]
    listener.close()
    client.close()
    assert (
        str(port) not in log.summary()
        and "listener.bind()" in log.summary()
        and "client.connect()" in log.summary()
    )


def test_what_a_poll_was_asked_for():
    with epollkit.record() as log:
        ep = select.epoll()
        ep.poll(0)
        ep.poll(0.001, 5)
        ep.close()
    said = log.summary()
    assert (
        "ep.poll(0) → []" in said
        and "ep.poll(0.001, maxevents=5) → []" in said
        and "ep.close()" in said
    )


@pytest.mark.parametrize(
    "name, short",
    [
        ("r", "r"),
        ("x" * 18, "x" * 18),
        ("beginning_and_the_end", "beginning…_the_end"),
        ("0123456789abcdefghi", "012345678…bcdefghi"),
    ],
)
def test_long_names_are_shortened_in_the_middle(name, short):
    assert story.brief(name) == short and len(short) <= 18
    assert all(len(story.brief(name, most)) <= max(most, 2) for most in range(2, 30))


def test_the_few_words_above_a_bar():
    def details(program):
        return {
            call.name: story.details(call, "returned") for call in program() if call.error is None
        }

    ten = details(ten_lines)
    assert (ten["os.pipe"], ten["select.epoll"], ten["os.write"], ten["os.read"]) == (
        ("r, w",),
        ("ep",),
        ("6 B",),
        ("12 B",),
    )
    assert ten["epoll.register"] == ("r: IN", "r") and ten["epoll.poll"] == ("no event", "[ ]")
    pair = {
        (call.name, call.result): story.details(call, "returned")
        for call in socketpair_filled()
        if call.name == "socket.send" and call.error is None
    }
    assert sorted(pair.values(), key=len)[-1] == tuple(
        f"{result:,} of 65,536 B" if full else f"{result:,} B"
        for _, result in pair
        if 5 < result < 65536
        for full in (True, False)
    )
    ends = [call for call in one_shot() if call.name == "os.read"]
    assert [story.details(call, "returned")[0] for call in ends] == ["6 B", "b'' = end"]


def test_peeking_takes_nothing_and_is_not_the_end():
    with epollkit.record() as log:
        a, b = socket.socketpair()
        a.send(b"hello")
        b.recv(3, socket.MSG_PEEK)
    a.close()
    b.close()
    assert story.details(log[-1], "returned") == ("3 B peeked",)
    assert log.summary().splitlines()[-1] == "  3. b.recv(3) → 3 bytes"


def test_an_epoll_that_holds_a_number_of_somebody_else():
    with epollkit.record() as log:
        one = select.epoll()
        two = select.epoll.fromfd(one.fileno())
        one.close()
        stranger, w = os.pipe()
        two.close()
        os.close(w)
    lines = log.summary().splitlines()
    assert lines[2] == "  2. select.epoll.fromfd(one) → one"
    assert (
        "(an epoll that holds the number of stranger).close()   [w → stranger: stranger closed]"
        in lines[5]
    )


@pytest.mark.parametrize(
    "mask, spelled",
    [
        (-(1 << 31) | 1, "EPOLLIN|EPOLLET"),
        (-1, "EPOLLIN|EPOLLPRI"),
        (~select.EPOLLEXCLUSIVE, "EPOLLIN|EPOLLPRI"),
    ],
)
def test_a_signed_mask_is_told_as_the_kernel_reads_it(mask, spelled):
    with epollkit.record() as log:
        r, w = os.pipe()
        ep = select.epoll()
        with suppress(OSError):
            ep.register(r, mask)
    for end in (ep.fileno(), r, w):
        os.close(end)
    assert f"ep.register(r, {spelled}" in log.summary() and epollkit.timeline(log).png()


def test_kinds_of_sockets_have_their_names():
    with epollkit.record() as log:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            a, b = socket.socketpair(socket.AF_UNIX, kind)
            a.close()
            b.close()
    first = log.summary().splitlines()[0]
    assert first.endswith("1 unix datagram socket, 1 unix seqpacket socket.")


def test_calls_that_concern_several_streams():
    with epollkit.record() as log:
        r, w = os.pipe()
        r2, w2 = os.pipe()
        os.write(w, b"x" * 100)
        os.splice(r, w2, 100)
        select.select([r, r2], [w], [], 0)
        os.closerange(w2, w2 + 1)
    for end in (r, w, r2):
        os.close(end)
    lines = log.summary().splitlines()
    assert "os.splice(r, w2, 100) → 100   [w → r: 0 bytes, empty; w2 → r2: 100 bytes" in lines[4]
    assert lines[5].endswith("select.select(r, r2, w, 0) → [(r2, EPOLLIN), (w, EPOLLOUT)]")
    assert lines[6].endswith("os.closerange(w2)   [w2 → r2: w2 closed]")
