"""Who was asleep, and who only took long."""

import pytest
from rows import Rows

from epollkit.masks import IN, OUT


@pytest.fixture
def rows():
    return Rows()


def sleepers(rows):
    log = rows.done()
    return [call.index for call in log if call.asleep]


def test_a_cause_that_came_later_proves_sleep(rows):
    r, w = rows.pipe()
    rows.read(10, 40, r, 6, sleeps=True)
    rows.write(20, 30, w, 6, thread="B")
    assert sleepers(rows) == [0]


def test_a_call_that_may_not_sleep_did_not(rows):
    r, w = rows.pipe()
    rows.read(10, 40, r, 6)
    rows.write(20, 30, w, 6, thread="B")
    assert sleepers(rows) == []


def test_a_close_under_way_proves_sleep(rows):
    a, b = rows.pair("tcp")
    ep = rows.epoll()
    rows.register(1, 2, ep, a, IN)
    rows.poll(10, 40, ep, (a, IN), sleeps=True)
    rows.call("socket.close", 30, 90, b, thread="B")["closes"] = b.index
    rows.call("socket.recv", 50, 60, a, 10, result=b"")
    assert sleepers(rows) == [1]


def test_what_was_there_already_proves_nothing(rows):
    r, w = rows.pipe()
    rows.write(1, 2, w, 6)
    rows.read(10, 40, r, 6, sleeps=True)
    rows.write(20, 30, w, 6, thread="B")
    assert sleepers(rows) == []


def test_still_in_the_call_is_asleep_unless_it_was_seen_awake(rows):
    r, w = rows.pipe()
    rows.read(10, None, r, 0, sleeps=True)
    log = rows.done()
    assert list(log.asleep) == [1]
    log = rows.done()
    log.awake_at_the_end = {0}
    assert list(log.asleep) == [0]


def test_a_timeout_is_slept_through(rows):
    r, w = rows.pipe()
    a, b = rows.pair()
    rows.call("epoll.poll", 10, 20, rows.epoll(), 0.01, -1, result=(), sleeps=True)
    rows.call("socket.recv", 30, 40, a, 10, error="TimeoutError", sleeps=True)
    rows.call("select.select", 50, 60, None, 0.01, result=(), sleeps=True, also=((r, IN),))
    assert sleepers(rows) == [0, 1, 2]


def test_no_room_while_the_kernel_was_asked(rows):
    r, w = rows.pipe()
    rows.write(1, 2, w, 65536)
    rows.write(10, 40, w, 4096, sleeps=True)
    rows.read(30, 35, r, 8192, thread="B")
    rows.notes = [(r.index, 20, 21, 65536, False)]
    assert sleepers(rows) == [1]


def test_a_write_to_a_closed_number_did_not_wait_for_room(rows):
    r, w = rows.pipe()
    rows.write(10, 40, w, 0, sleeps=True, error="OSError", errno=9)
    rows.close(20, 25, w, thread="B")
    rows.notes = [(r.index, 30, 31, 0, False)]
    assert sleepers(rows) == []


def test_ctrl_c_with_nothing_to_return(rows):
    r, w = rows.pipe()
    rows.call("os.read", 10, 20, r, 1, error="KeyboardInterrupt", sleeps=True)
    rows.call(
        "select.select", 30, 40, None, error="KeyboardInterrupt", sleeps=True, also=((r, IN),)
    )
    rows.call(
        "select.select", 50, 60, None, error="KeyboardInterrupt", sleeps=True, also=((w, OUT),)
    )
    assert sleepers(rows) == [0, 1]


def test_every_event_must_have_come_later(rows):
    r, w = rows.pipe()
    r2, w2 = rows.pipe("r2", "w2")
    ep = rows.epoll()
    rows.register(1, 2, ep, r, IN)
    rows.register(3, 4, ep, r2, IN)
    rows.poll(10, 40, ep, (r, IN), sleeps=True)
    rows.write(20, 21, w, 1, thread="B")
    rows.poll(50, 90, ep, (r, IN), (r2, IN), sleeps=True)
    rows.write(60, 61, w2, 1, thread="B")
    assert sleepers(rows) == [2]


def test_select_sleeps_like_a_poll(rows):
    r, w = rows.pipe()
    events = ((r.number, IN),)
    rows.call("select.select", 10, 40, None, result=events, sleeps=True, also=((r, IN),))
    rows.write(20, 21, w, 1, thread="B")
    assert sleepers(rows) == [0]
