"""Where calls are told: a step where they began, and one where they came back if that is needed.

Each test is a rule of `epollkit/analysis/steps.py`; what none of them cuts in two stays whole.
"""

from dataclasses import replace

import pytest
from rows import Rows

from epollkit.masks import ET, HUP, IN, NVAL, ONESHOT, OUT
from epollkit.syscalls import EBADF


def told(rows):
    """Return what is told, step by step: the name of a call, or "back" and its name."""
    log = rows.done()
    start, end, count = log.steps
    steps = [None] * count
    for call, (began, ended) in enumerate(zip(start, end, strict=True)):
        name = log.columns()["name"][call].partition(".")[2]
        steps[began] = name
        if began < ended < count:
            steps[ended] = f"back {name}"
    return steps


@pytest.fixture
def rows():
    return Rows()


def test_calls_one_after_the_other_have_a_step_each(rows):
    r, w = rows.pipe()
    rows.write(10, 20, w, 6)
    rows.read(30, 40, r, 6, sleeps=True)
    assert told(rows) == ["write", "read"]


def test_overlapped_calls_stay_whole_if_their_order_may_be_that_of_their_starts(rows):
    r, w = rows.pipe()
    rows.write(10, 60, w, 6)
    rows.read(20, 30, r, 4, thread="B")
    rows.write(40, 50, w, 2, thread="B")
    assert told(rows) == ["write", "read", "write"]


def test_a_sleeper_is_told_again_where_it_came_back(rows):
    r, w = rows.pipe()
    rows.read(10, 40, r, 6, sleeps=True)
    rows.write(20, 30, w, 6, thread="B")
    assert told(rows) == ["read", "write", "back read"]


def test_a_wait_that_timed_out_is_told_again_where_it_came_back(rows):
    r, w = rows.pipe()
    rows.call("epoll.poll", 10, 90, rows.epoll(), 0.001, -1, result=(), sleeps=True)
    rows.write(20, 30, w, 6, thread="B")
    assert told(rows) == ["poll", "write", "back poll"]


def test_a_sleeper_that_nobody_overlapped_stays_whole(rows):
    ep = rows.epoll()
    rows.call("epoll.poll", 10, 90, ep, 0.001, -1, result=(), sleeps=True)
    assert told(rows) == ["poll"]


def test_still_in_the_call_at_the_end(rows):
    r, w = rows.pipe()
    rows.read(10, None, r, 0, sleeps=True)
    rows.write(20, 30, w, 6, thread="B")
    log = rows.done()
    assert log.steps == ([0, 1], [2, 1], 2)


def test_a_read_that_may_not_sleep_has_no_bytes_before_their_write(rows):
    """The thread lost the processor between its look at the clock and the call."""
    r, w = rows.pipe()
    rows.read(10, 40, r, 6)
    rows.write(20, 30, w, 6, thread="B")
    assert told(rows) == ["read", "write", "back read"]


def test_of_reads_that_took_too_much_the_one_that_came_back_last_is_told_later(rows):
    r, w = rows.pipe()
    rows.write(10, 11, w, 6)
    rows.read(20, 90, r, 6, sleeps=True)  # may have had the first six, or the second
    rows.read(30, 40, r, 6, thread="B")
    rows.write(50, 51, w, 6, thread="B")
    assert told(rows) == ["write", "read", "read", "write", "back read"]


def test_reads_are_deferred_until_all_fits(rows):
    r, w = rows.pipe()
    for number in range(3):
        rows.read(10 + number, 90 + number, r, 2, thread=f"R{number}")
    rows.write(20, 21, w, 2)
    rows.write(30, 31, w, 4)
    assert told(rows) == ["read"] * 3 + ["write"] * 2 + ["back read"] * 3


def test_a_read_ahead_of_a_poll_is_told_after_it_if_the_poll_saw_what_it_took(rows):
    r, w = rows.pipe()
    ep = rows.epoll()
    rows.register(1, 2, ep, r, IN)
    rows.write(10, 11, w, 6)
    rows.read(20, 90, r, 6)
    rows.poll(30, 40, ep, (r, IN), thread="B")
    assert told(rows) == ["register", "write", "read", "poll", "back read"]


def test_an_event_of_bytes_that_came_later(rows):
    r, w = rows.pipe()
    r2, w2 = rows.pipe("r2", "w2")
    ep = rows.epoll()
    rows.register(1, 2, ep, r, IN)
    rows.register(3, 4, ep, r2, IN)
    rows.write(5, 6, w, 1)
    # one event was there when it began, so it did not sleep; the other came just then
    rows.poll(10, 40, ep, (r, IN), (r2, IN), sleeps=True)
    rows.write(20, 30, w2, 1, thread="B")
    assert told(rows)[3:] == ["poll", "write", "back poll"]


def test_an_event_of_a_registration_that_came_later(rows):
    r, w = rows.pipe()
    r2, w2 = rows.pipe("r2", "w2")
    ep = rows.epoll()
    rows.register(1, 2, ep, r, IN)
    rows.write(5, 6, w, 1)
    rows.write(7, 8, w2, 1)
    rows.poll(10, 40, ep, (r, IN), (r2, IN))
    rows.register(20, 30, ep, r2, IN, thread="B")
    assert told(rows)[3:] == ["poll", "register", "back poll"]


def test_an_event_of_bytes_that_came_later_while_somebody_registers(rows):
    r, w = rows.pipe()
    ep = rows.epoll()
    rows.register(5, 15, ep, r, IN, thread="B")
    rows.poll(10, 40, ep, (r, IN))
    rows.write(20, 30, w, 1, thread="B")
    assert told(rows) == ["register", "poll", "write", "back poll"]


def test_an_event_of_an_end_that_came_later(rows):
    r, w = rows.pipe()
    ep = rows.epoll()
    rows.register(1, 2, ep, r, IN)
    rows.write(5, 6, w, 1)
    rows.poll(10, 40, ep, (r, IN | HUP))
    rows.close(20, 30, w, thread="B")
    assert told(rows)[2:] == ["poll", "close", "back poll"]


def test_an_edge_that_came_later(rows):
    r, w = rows.pipe()
    ep = rows.epoll()
    rows.register(1, 2, ep, r, IN | ET)
    rows.write(5, 6, w, 1)
    rows.poll(7, 8, ep, (r, IN))
    rows.poll(10, 40, ep, (r, IN))
    rows.write(20, 30, w, 1, thread="B")
    assert told(rows)[3:] == ["poll", "write", "back poll"]


def test_a_one_shot_entry_armed_later(rows):
    r, w = rows.pipe()
    ep = rows.epoll()
    rows.register(1, 2, ep, r, IN | ONESHOT)
    rows.write(5, 6, w, 1)
    rows.poll(7, 8, ep, (r, IN))
    rows.poll(10, 40, ep, (r, IN))
    rows.register(20, 30, ep, r, IN | ONESHOT, name="modify", thread="B")
    assert told(rows)[3:] == ["poll", "modify", "back poll"]


def test_a_one_shot_entry_armed_while_a_poll_still_reports_it(rows):
    """Whether the report or the change came first nobody knows; what a later poll says, tells."""
    r, w = rows.pipe()
    ep = rows.epoll()
    rows.register(1, 2, ep, r, IN | ONESHOT)
    rows.write(3, 4, w, 1)
    rows.poll(5, 30, ep, (r, IN))
    rows.register(20, 21, ep, r, IN | ONESHOT, name="modify", thread="B")
    rows.read(22, 23, r, 1, thread="B")
    rows.poll(40, 70, ep, (r, IN))
    rows.write(50, 60, w, 1, thread="B")
    assert told(rows)[-3:] == ["poll", "write", "back poll"]


def test_the_end_that_a_read_met_came_later(rows):
    r, w = rows.pipe()
    rows.read(10, 40, r, 0)
    rows.close(20, 30, w, thread="B")
    assert told(rows) == ["read", "close", "back read"]


def test_a_close_that_outlasts_the_poll_it_woke(rows):
    """It had told the other end before it was back in Python."""
    a, b = rows.pair("tcp")
    ep = rows.epoll()
    rows.register(1, 2, ep, a, IN)
    rows.poll(10, 40, ep, (a, IN), sleeps=True)
    rows.call("socket.close", 30, 90, b, thread="B")["closes"] = b.index
    rows.call("socket.recv", 50, 60, a, 10, result=b"")
    assert told(rows)[1:] == ["poll", "close", "back poll", "recv"]


@pytest.mark.parametrize("how, is_own", [(0, True), (1, False), (2, False), (2, True)])
def test_a_shutdown_of_either_end_that_came_later(rows, how, is_own):
    a, b = rows.pair()
    ep = rows.epoll()
    rows.register(1, 2, ep, a, IN)
    rows.poll(10, 40, ep, (a, IN))
    rows.call("socket.shutdown", 20, 50, a if is_own else b, how, thread="B")
    rows.call("socket.recv", 60, 90, a, 10, result=b"")
    assert told(rows)[1:] == ["poll", "shutdown", "back poll", "recv"]


def test_a_hang_up_needs_both_directions(rows):
    a, b = rows.pair()
    ep = rows.epoll()
    rows.register(1, 2, ep, a, IN)
    rows.call("socket.shutdown", 5, 6, b, 1)
    rows.poll(10, 40, ep, (a, IN | HUP))
    rows.call("socket.shutdown", 20, 30, a, 1, thread="B")
    assert told(rows)[2:] == ["poll", "shutdown", "back poll"]


@pytest.mark.parametrize("name", ["select.select", "poll.poll"])
def test_the_number_that_a_select_waits_for_is_closed(rows, name):
    r, w = rows.pipe()
    mask = IN if name == "select.select" else NVAL
    rows.call(name, 10, 40, None, result=((r.number, mask),), also=((r, IN),))
    rows.close(20, 30, r, thread="B")
    assert told(rows) == [name.partition(".")[2], "close", "back " + name.partition(".")[2]]


def test_a_close_of_the_reader_itself_causes_no_event(rows):
    """Somebody else sleeps on its number: that keeps the entry, which then reports later bytes."""
    r, w = rows.pipe()
    ep = rows.epoll()
    rows.register(1, 2, ep, r, IN)
    rows.call("poll.poll", 5, 90, None, result=((r.number, NVAL),), also=((r, IN),), thread="B")
    rows.close(10, 20, r)
    rows.poll(30, 60, ep, (r, IN), thread="C")
    rows.write(40, 50, w, 1)
    assert told(rows)[3:6] == ["poll", "write", "back poll"]


def test_of_two_closes_that_overlap_the_one_that_began_last_is_the_end(rows):
    r, w = rows.pipe()
    w2 = rows.dup(w, "w2")
    rows.read(15, 60, r, 0)
    rows.close(10, 90, w, thread="B")
    rows.close(20, 30, w2, thread="C")
    assert told(rows) == ["close", "read", "close", "back read"]


def test_room_that_a_close_of_the_reader_made(rows):
    a, b = rows.pair()
    rows.call("socket.send", 3, 4, a, 10, error="BlockingIOError", errno=11)
    rows.call("select.select", 10, 40, None, result=((a.number, OUT),), also=((a, OUT),))
    rows.close(20, 90, b, thread="B")
    assert told(rows)[1:] == ["select", "close", "back select"]


def test_a_child_that_ends_is_an_unknown_cause(rows):
    """It held the write end, too."""
    r, w = rows.pipe()
    r2, w2 = rows.pipe()
    rows.streams[w.index] = replace(w, held_elsewhere=True, closed_ns=2)
    ep = rows.epoll()
    rows.register(1, 2, ep, r, IN)
    rows.poll(10, 90, ep, (r, HUP), sleeps=True)
    rows.write(20, 30, w2, 3, thread="B")
    assert told(rows)[1:] == ["poll", "write", "back poll"]


@pytest.mark.parametrize("error, errno", [("BrokenPipeError", 32), ("OSError", EBADF)])
def test_an_error_after_a_close_that_came_later(rows, error, errno):
    r, w = rows.pipe()
    rows.write(10, 40, w, 0, error=error, errno=errno)
    rows.close(20, 30, r if errno == 32 else w, thread="B")
    assert told(rows) == ["write", "close", "back write"]


def test_an_error_that_was_due_anyway_stays_whole(rows):
    r, w = rows.pipe()
    rows.close(1, 2, r)
    rows.write(10, 40, w, 0, error="BrokenPipeError", errno=32)
    rows.close(20, 30, w, thread="B")
    assert told(rows)[:3] == ["close", "write", "close"]


def test_room_that_a_read_made_later(rows):
    r, w = rows.pipe()
    rows.write(1, 2, w, 4096)
    rows.call("os.write", 3, 4, w, 10, error="BlockingIOError", errno=11)
    rows.write(10, 40, w, 10)
    rows.read(20, 30, r, 4096, thread="B")
    assert told(rows)[2:] == ["write", "read", "back write"]


# causes that are not in the log


def test_what_came_back_last_is_told_last(rows):
    """A child process feeds `out`; meanwhile a thread makes two calls."""
    out = rows.stream("pipe", "out", role="read end", writable=False)
    r, w = rows.pipe()
    rows.read(10, 90, out, 2, sleeps=True)
    rows.write(20, 30, w, 3, thread="B")
    rows.read(40, 50, r, 3, thread="B")
    assert told(rows) == ["read", "write", "read", "back read"]


@pytest.mark.parametrize("kind", ["udp", "pty", "timerfd", "other"])
def test_what_has_no_account_may_come_from_anywhere(rows, kind):
    outside = rows.stream(kind, "outside")
    r, w = rows.pipe()
    rows.read(10, 90, outside, 2, sleeps=True)
    rows.write(20, 30, w, 3, thread="B")
    assert told(rows) == ["read", "write", "back read"]


def test_a_poll_of_what_has_no_account(rows):
    outside = rows.stream("timerfd", "outside")
    r, w = rows.pipe()
    ep = rows.epoll()
    rows.register(1, 2, ep, outside, IN)
    rows.poll(10, 90, ep, (outside, IN), sleeps=True)
    rows.write(20, 30, w, 3, thread="B")
    assert told(rows)[1:] == ["poll", "write", "back poll"]


def test_a_call_that_may_not_sleep_stays_whole_unless_something_fed_it(rows):
    socks = [rows.stream("udp", name) for name in "ab"]
    r, w = rows.pipe()
    rows.call("socket.recvfrom", 10, 90, socks[0], 100, moved=2, result=b"xy")
    rows.write(20, 30, w, 3, thread="B")
    assert told(rows) == ["recvfrom", "write"]
    rows.call("socket.sendto", 40, 95, socks[1], 2, moved=2, thread="B")
    assert told(rows) == ["recvfrom", "write", "sendto", "back recvfrom"]


def test_what_ctrl_c_broke_off(rows):
    r, w = rows.pipe()
    rows.write(1, 2, w, 1)
    rows.call("os.read", 10, 90, r, 1, error="KeyboardInterrupt", sleeps=True)
    rows.write(20, 30, w, 3, thread="B")
    assert told(rows)[1:] == ["read", "write", "back read"]


def test_a_write_to_a_reader_outside(rows):
    w = rows.stream("pipe", "to_child", role="write end", readable=False)
    r2, w2 = rows.pipe()
    rows.write(10, 90, w, 70_000, sleeps=True)
    rows.write(20, 30, w2, 3, thread="B")
    assert told(rows) == ["write", "write", "back write"]


# what takes something away


def test_an_entry_is_taken_out_after_the_poll_that_still_had_it(rows):
    r, w = rows.pipe()
    ep = rows.epoll()
    rows.register(1, 2, ep, r, IN)
    rows.write(3, 4, w, 1)
    rows.unregister(10, 90, ep, r)
    rows.poll(20, 30, ep, (r, IN), thread="B")
    assert told(rows)[2:] == ["unregister", "poll", "back unregister"]


def test_a_change_after_the_poll_that_did_not_know_it(rows):
    r, w = rows.pipe()
    ep = rows.epoll()
    rows.register(1, 2, ep, r, IN)
    rows.write(3, 4, w, 1)
    rows.register(10, 90, ep, r, OUT, name="modify")
    rows.poll(20, 30, ep, (r, IN), thread="B")
    assert told(rows)[2:] == ["modify", "poll", "back modify"]


def test_a_close_after_the_call_that_still_used_the_stream(rows):
    r, w = rows.pipe()
    rows.close(10, 90, w)
    rows.write(20, 30, w, 1, thread="B")
    assert told(rows) == ["close", "write", "back close"]
