"""The account: levels, buffer events, what came from elsewhere, what was lost."""

import pytest
from rows import Rows


@pytest.fixture
def rows():
    return Rows()


def account(rows):
    flow = rows.done().flows[0]
    return flow, [(what, call) for _, what, call in flow.buffer_events]


def test_level_and_buffer_events(rows):
    r, w = rows.pipe()
    rows.write(10, 20, w, 6)
    rows.read(30, 40, r, 4)
    rows.read(50, 60, r, 2)
    flow, events = account(rows)
    assert flow.points == [(20, 6, 0), (40, 2, 1), (60, 0, 2)]
    assert events == [("non-empty", 0), ("empty", 2)]
    assert [flow.level(at) for at in (19, 20, 45, 60)] == [0, 6, 2, 0]


def test_bytes_enter_at_the_return_of_the_read_that_needed_them(rows):
    r, w = rows.pipe()
    rows.read(10, 30, r, 4, sleeps=True)
    rows.write(20, 50, w, 6, thread="B")
    log = rows.done()
    assert [(level, call) for _, level, call in log.flows[0].points] == [(6, 1), (2, 0)]
    assert [step for step, *_ in log.flows_by_step[0].points] == [1, 2]


def test_times_follow_the_order_of_the_steps(rows):
    r, w = rows.pipe()
    rows.write(10, 90, w, 6)
    rows.read(20, 30, r, 6, thread="B")
    flow, _ = account(rows)
    assert flow.points == [(30, 6, 0), (30, 0, 1)]


def test_full_and_non_full(rows):
    r, w = rows.pipe()
    rows.write(1, 2, w, 65536)
    rows.call("os.write", 3, 4, w, 10, error="BlockingIOError", errno=11)
    rows.read(5, 6, r, 4096)
    rows.write(7, 8, w, 10)
    assert account(rows)[1] == [("non-empty", 0), ("full", 1), ("non-full", 3)]


def test_what_came_and_went_unseen(rows):
    r, w = rows.pipe()
    rows.write(10, 20, w, 6)
    rows.notes = [(r.index, 30, 31, 10, True), (r.index, 40, 41, 3, True)]
    rows.write(50, 60, w, 1)
    flow, _ = account(rows)
    assert [
        (amount, level)
        for (_, amount, _), (_, level, _) in zip(flow.elsewhere, flow.points[1:], strict=False)
    ] == [(4, 10), (-7, 3)]


def test_what_overlapping_calls_explain_is_no_difference(rows):
    r, w = rows.pipe()
    rows.write(10, 90, w, 6)
    rows.notes = [(r.index, 30, 31, 6, True)]
    rows.read(40, 50, r, 6, thread="B")
    assert account(rows)[0].elsewhere == []


def test_what_nobody_read(rows):
    r, w = rows.pipe()
    rows.write(10, 20, w, 6)
    rows.close(30, 40, r)
    rows.close(50, 60, w)
    flow, _ = account(rows)
    assert flow.discarded == [(40, 6, 1)] and flow.level(50) == 0
    assert flow.endings == [(40, "closed", r.index, 1), (60, "closed", w.index, 2)]
    assert [entry[0] for entry in rows.done().flows_by_step[0].endings] == [1, 2]


def test_a_read_that_is_asleep_keeps_the_stream_until_it_is_back(rows):
    r, w = rows.pipe()
    rows.read(10, 60, r, 4, thread="B", sleeps=True)
    rows.write(20, 30, w, 6)
    rows.close(40, 50, r)
    flow, _ = account(rows)
    assert [entry[0] for entry in flow.endings] == [50]
    assert flow.elsewhere == [] and flow.discarded == [(60, 2, 2)]


def test_a_failed_write_puts_nothing_in(rows):
    r, w = rows.pipe()
    rows.call("os.write", 10, 40, w, 3, error="OSError", errno=9, sleeps=True)
    rows.notes = [(r.index, 20, 21, 3, False)]  # of somebody else
    flow, _ = account(rows)
    assert flow.written == 0 and [amount for _, amount, _ in flow.elsewhere] == [3]


def test_a_listener_holds_connections_and_an_eventfd_a_count(rows):
    bell = rows.stream("eventfd", "bell", start_level=2)
    rows.call("os.eventfd_write", 1, 2, bell, 3, moved=3)
    rows.call("os.eventfd_read", 3, 4, bell, moved=5, result=5)
    flow, _ = account(rows)
    assert (flow.unit, flow.start_level, flow.points) == ("count", 2, [(2, 5, 0), (4, 0, 1)])
