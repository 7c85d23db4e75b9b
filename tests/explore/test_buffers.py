"""A live buffer: what the explorable says is what the kernel does."""

import fcntl
import os
import random
import re
import select
import threading

import pytest
from support import ROUNDS, busy_cores, leaves_nothing, nothing_overlaps, run_apart

from epollkit import linux
from epollkit.explore import buffers
from epollkit.explore.buffers import EMPTY, KINDS, MOST, PAGE, SHOWN, Buffers, draw, in_words
from epollkit.widgets.page import Refused


@pytest.fixture(params=KINDS)
def stream(request):
    made = Buffers(request.param)
    yield made
    made.close()
    assert threading.active_count() == 1


@pytest.fixture
def pipe():
    made = Buffers()
    yield made
    made.close()


@pytest.fixture
def view():
    made = buffers()
    yield made
    made.close()


def says_out(made):
    return bool(linux.readiness(made.writer) & select.POLLOUT)


def said(view):
    """Return the text of the three panels."""
    return [
        re.sub(r"<[^>]*>", " ", part)
        for part in view.cards.value.split('<div class="epollkit-panel">')[1:]
    ]


def test_write_and_read(stream):
    now = stream.now()
    assert (now.level, now.readable, now.writable, now.asleep, now.events) == (
        0,
        False,
        True,
        False,
        (),
    )
    first, second = stream.write(5), stream.write(1)
    assert (first.level, first.events, first.readable, first.writable) == (
        5,
        ("non-empty",),
        True,
        True,
    )
    assert (second.level, second.events) == (6, ()) and linux.bytes_waiting(stream.reader) == 6
    assert (stream.read(4).events, stream.read(4).events, stream.now().level) == ((), ("empty",), 0)
    refused = stream.read(1)
    assert (
        isinstance(refused.error, BlockingIOError)
        and "refused: EAGAIN" in refused.result
        and refused.events == ()
    )


@pytest.mark.parametrize("size", [1, 2049, PAGE, MOST])
def test_fill_and_drain(stream, size):
    filled = stream.fill(size)
    assert isinstance(filled.error, BlockingIOError) and filled.events == ("non-empty", "full")
    assert not filled.writable and not says_out(stream) and filled.readable
    # A full TCP connection takes more when a timer has asked for room again: then it is filled anew.
    while (again := stream.write(size)).error is None and stream.kind == "TCP":
        filled = stream.fill(size)
    assert (
        isinstance(again.error, BlockingIOError)
        and again.level == filled.level
        and again.events == ()
    )
    drained = stream.drain()
    assert drained.events == ("non-full", "empty") and drained.writable and not drained.readable
    assert (
        drained.result == f"{filled.level:,} bytes read" and linux.bytes_waiting(stream.reader) == 0
    )
    assert stream.drain().events == ()


@pytest.mark.parametrize("size", [1, 1000, 2049, PAGE])
def test_a_pipe_is_full_until_its_oldest_slot_is_empty(pipe, size):
    pipe.fill(size)
    held = pipe.slots.pages[0][1]
    assert held == (PAGE // size) * size and len(pipe.slots.pages) == pipe.capacity // PAGE
    short = pipe.one_byte_short()
    assert (short.amount, short.events, short.writable, says_out(pipe)) == (
        held - 1,
        (),
        False,
        False,
    )
    assert pipe.slots.pages[0] == [held - 1, 1]
    with pytest.raises(Refused, match="one byte already"):
        pipe.one_byte_short()
    assert "of the oldest" in in_words(pipe)
    last = pipe.read(1)
    assert (last.events, last.writable, says_out(pipe)) == (("non-full",), True, True)
    assert pipe.write(MOST).result.endswith(f"returned {PAGE:,}")


def test_one_byte_short_where_it_cannot_be(pipe):
    with pytest.raises(Refused, match="pipe is empty"):
        pipe.one_byte_short()
    made = Buffers("socketpair")
    with pytest.raises(Refused, match="no slots"):
        made.one_byte_short()
    made.close()


@pytest.mark.parametrize("seed", range(4))
def test_the_account_of_the_slots_is_the_kernels(pipe, seed):
    """Whatever is done:

    as many bytes, and writable exactly when a slot is free.  Else `known` would be False.
    """
    chance = random.Random(seed)
    for _ in range(150):
        act = chance.choice(["write", "write", "read", "fill", "sleep", "one_byte_short", "drain"])
        size = chance.choice(
            [1, 7, 100, 2048, 2049, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 5000, 20_000, MOST]
        )
        try:
            getattr(pipe, act)(*() if act in ("one_byte_short", "drain") else (size,))
        except Refused:
            continue
        assert pipe.slots.known, (seed, act, size)
        assert sum(held for _, held in pipe.slots.pages) == linux.bytes_waiting(pipe.reader)
        assert (len(pipe.slots.pages) < pipe.slots.count) == says_out(pipe)


def test_an_account_that_does_not_fit_says_so(pipe):
    pipe.write(5)
    os.write(pipe.writer, b"behind its back")
    pipe.write(1)
    assert not pipe.slots.known and "no longer fits" in in_words(pipe) and draw(pipe)
    with pytest.raises(Refused, match="no longer fits"):
        pipe.one_byte_short()
    pipe.drain()
    assert pipe.slots.known


def test_another_capacity():
    for pages in (1, 2, 64):
        made = Buffers()
        try:
            fcntl.fcntl(made.writer, fcntl.F_SETPIPE_SZ, pages * PAGE)
            made.slots.count = pages
            assert (
                made.fill(PAGE).level == pages * PAGE
                and made.slots.known
                and len(made.slots.pages) == pages
            )
            assert draw(made).startswith(b"\x89PNG")
        finally:
            made.close()


def test_a_writer_sleeps_and_a_drain_wakes_it(stream):
    filled = stream.fill(MOST)
    slept = stream.sleep(MOST)
    assert slept.asleep and slept.error is None
    linux.wait_until_asleep(stream.thread, stream.blocking or stream.writer)
    with pytest.raises(Refused, match="sleeps already"):
        stream.sleep(1)
    with pytest.raises(Refused, match="wake nobody"):
        stream.close_writer()
    drained = stream.drain()
    assert (
        not drained.asleep
        and drained.events == ("non-full", "empty")
        and linux.bytes_waiting(stream.reader) == 0
    )
    assert (
        drained.result
        == f"{filled.level + MOST:,} bytes read; the sleeper woke: {stream.names[0]} returned {MOST:,}"
    )


def test_a_sleeper_on_a_pipe_needs_a_whole_slot(pipe):
    pipe.fill(PAGE)
    pipe.sleep(PAGE)
    assert pipe.one_byte_short().asleep
    woken = pipe.read(1)
    assert not woken.asleep and woken.events == ("non-full",) and "woke" in woken.result
    assert not woken.writable and not says_out(pipe) and woken.level == pipe.capacity


def test_a_write_with_room_does_not_sleep(stream):
    click = stream.sleep(10)
    assert not click.asleep and "did not have to sleep" in click.result and click.level == 10
    assert click.events == ("non-empty",) and stream.drain().result == "10 bytes read"


def test_a_closed_reader_wakes_the_sleeper(stream):
    stream.fill(MOST)
    stream.sleep(MOST)
    closed = stream.close_reader()
    assert (
        not closed.asleep
        and "the sleeper woke" in closed.result
        and closed.reader is None
        and closed.level == 0
    )
    assert isinstance(stream.woke, OSError)
    failed = [stream.write(1).error, stream.write(1).error]
    assert isinstance(failed[1], BrokenPipeError) and isinstance(failed[0], ConnectionError)
    assert stream.read(1).error.errno == stream.close_reader().error.errno == 9
    assert draw(stream) and in_words(stream)


def test_a_closed_writer_leaves_what_it_wrote(stream):
    stream.write(7)
    closed = stream.close_writer()
    assert (closed.writer, closed.level, closed.readable) == (None, 7, True)
    assert (stream.read(7).events, stream.read(7).error) == (("empty",), None)
    end = stream.read(7)
    assert (
        end.result.endswith("returned 0: end of file (EOF)") and end.readable
    )  # it would not sleep
    assert linux.readiness(stream.reader, select.POLLIN) == end.reader
    for click in (stream.write(1), stream.fill(1), stream.close_writer()):
        assert click.error.errno == 9
    with pytest.raises(OSError, match="closed"):
        stream.sleep(1)


def test_close_with_a_sleeper(stream):
    stream.fill(PAGE)
    stream.sleep(MOST)
    stream.close()
    stream.close()
    assert stream.thread is None and threading.active_count() == 1


# the view


def test_the_view_says_what_the_kernel_says(view):
    start = view.still
    assert start[1] == (
        "What waits in a pipe after each click, the buffer events, and what poll says. " + EMPTY
    )
    assert "nothing has happened yet" in said(view)[0] and start[0].startswith(b"\x89PNG")
    made = view.buffers
    view.fill.click()
    level = linux.bytes_waiting(made.reader)
    assert (
        view.message.value == ""
        and f"{level:,} bytes wait" in said(view)[1]
        and "not writable" in said(view)[2]
    )
    assert "non-empty, full" in said(view)[0] and f"{made.capacity:,} bytes" in said(view)[1]
    view.short.click()
    assert linux.bytes_waiting(made.reader) == level - PAGE + 1 and not says_out(made)
    assert "1 left" in said(view)[1] and "not writable" in said(view)[2]
    view.short.click()
    assert "Not done" in view.message.value
    view.amount.field.value = str(1)
    view.write.click()
    assert "EAGAIN" in view.message.value and "refused: EAGAIN" in said(view)[0]
    view.read.click()
    assert (
        says_out(made)
        and "non-full" in said(view)[0]
        and "EPOLLOUT" in said(view)[2]
        and view.message.value == ""
    )
    assert view.still[1] in view.picture.value and "non-full, readable, writable" in view.still[1]
    view.drain.click()
    assert "0 bytes wait" in said(view)[1] and "a read would sleep" in said(view)[2]
    view.reset.click()
    assert view.still == start


def test_the_view_puts_a_writer_to_sleep(view):
    for kind in KINDS:
        view.stream.value = kind
        view.amount.field.value = str(MOST)
        view.fill.click()
        view.sleep.click()
        assert "a writer sleeps" in said(view)[2] and view.still[1].endswith(
            ("a writer sleeps.", "in use.")
        )
        linux.wait_until_asleep(view.buffers.thread, view.buffers.blocking or view.buffers.writer)
        view.close_writer.click()
        assert "wake nobody" in view.message.value
        if kind == "TCP":
            view.drain.click()
            assert "the sleeper woke" in said(view)[0] and "a writer sleeps" not in said(view)[2]
        else:
            view.close_reader.click()
            assert "the sleeper woke" in said(view)[0] and "reader: closed" in said(view)[2]
            view.write.click()
            assert "EPIPE" in view.message.value


def test_the_view_changes_the_kind_and_refuses_what_is_out_of_range(view):
    for kind, found in zip(KINDS[1:] + KINDS[:1], ("unix", "tcp", "pipe"), strict=True):
        view.stream.value = kind
        number = view.buffers.reader
        assert linux.identity(linux.number_of(number)).kind == found and view.buffers.count == 0
        for typed in ("0", "-5", "1e9", str(MOST + 1), "", "a lot"):
            view.amount.field.value = typed
            view.write.click()
            assert "n is " in view.message.value and "from 1 to 65,536" in view.message.value
            assert view.buffers.level() == view.buffers.count == 0
        for typed in ("1", "65,536", f" {MOST} "):
            view.amount.field.value = typed
            view.write.click()
            assert view.message.value == "" and view.buffers.level() > 0
            view.drain.click()
            view.reset.click()


def test_a_stream_closed_under_it_is_a_lesson(view):
    os.close(view.buffers.reader)
    view.write.click()
    assert "EBADF" in view.message.value
    view.reset.click()
    assert view.message.value == "" and linux.bytes_waiting(view.buffers.reader) == 0


def test_no_stream_left_is_a_lesson():
    program = """
from epollkit.explore import buffers
from epollkit.explore.buffers import KINDS, NOTHING
view = buffers()
view.write.click()
view.close()
before = numbers()
for kind in KINDS:
    held = hold_all(100)
    for spare in range(8):
        view = buffers()
        view.stream.value = kind
        assert ("EMFILE" in view.message.value) == (view.buffers is None), (kind, spare, view.message.value)
        if view.buffers is None:
            assert spare < 4 and view.still[1] == NOTHING
            view.write.click()
            assert NOTHING in view.message.value
        else:
            view.fill.click()
            view.sleep.click()
            assert view.buffers.thread or "EMFILE" in view.message.value
        view.close()
        os.close(held.pop())
    assert spare == 7
    for number in held:
        os.close(number)
    assert numbers() == before
"""
    run_apart(program)


def test_made_and_closed_often():
    with leaves_nothing():
        for count in range(ROUNDS):
            view = buffers()
            if count % 5 == 0:
                view.stream.value = KINDS[count // 5 % 3]
                view.fill.click()
                view.sleep.click()
            view.close()
            view.close()
            view.write.click()  # too late, and says nothing


def test_all_cores_busy():
    with busy_cores():
        for _ in range(max(1, ROUNDS // 10)):
            for kind in KINDS:
                made = Buffers(kind)
                try:
                    assert made.fill(MOST).events == ("non-empty", "full")
                    assert made.sleep(MOST).asleep
                    assert not made.drain().asleep
                finally:
                    made.close()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_overlaps_and_nothing_is_cut(kind, figures):
    """Hold the boxes of all texts of the densest pictures against each other, and against the
    edge.
    """
    made = Buffers(kind)
    for acts in (
        [],
        [("fill", PAGE)],
        [("fill", MOST), ("sleep", MOST)],
        [("read", 2049)] * SHOWN,
        [("drain",)],
        [("fill", 1), ("sleep", MOST), ("write", MOST)],
        [("one_byte_short",)],
        [("drain",)] * SHOWN,
        [("fill", 1)] * SHOWN,
        [("close_reader",)],
        [("close_writer",)],
    ):
        for act, *amount in acts:
            try:
                getattr(made, act)(*amount)
            except Refused:
                pass
        draw(made)
        assert nothing_overlaps(figures[-1]) > 8
    made.close()
