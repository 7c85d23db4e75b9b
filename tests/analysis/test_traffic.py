"""Which calls concern which flow; bounds of what waits; where a connection waits."""

import pytest
from rows import Rows

from epollkit.analysis.traffic import nearness


def test_calls_are_sorted_by_direction():
    rows = Rows()
    a, b = rows.pair()
    r, w = rows.pipe()
    rows.call("socket.send", 1, 2, a, moved=5)
    rows.call("socket.recv", 3, 4, b, moved=5)
    rows.call("socket.sendall", 5, 6, b, moved=7)
    rows.write(7, 8, w, 9)
    traffic = rows.done().traffic
    assert [(flow.source, flow.sink) for flow in traffic.flows] == [
        (a.index, b.index),
        (b.index, a.index),
        (w.index, r.index),
    ]
    assert [(flow.writes, flow.reads) for flow in traffic.flows] == [
        ([0], [1]),
        ([2], []),
        ([3], []),
    ]
    assert traffic.into[w.index] is traffic.out_of[r.index]


def test_the_other_end_of_a_splice_is_written():
    rows = Rows()
    r, w = rows.pipe()
    r2, w2 = rows.pipe("r2", "w2")
    rows.write(1, 2, w, 100)
    rows.call("os.splice", 3, 4, r, 100, moved=100, result=100, also=((w2, "writes"),))
    log = rows.done()
    assert log.level("r") == 0 and log.level("r2") == 100


def test_bounds_of_what_waits():
    rows = Rows()
    r, w = rows.pipe()
    rows.write(10, 20, w, 6)
    rows.read(15, 30, r, 4)
    flow = rows.done().traffic.flows[0]
    assert [flow.most(at, at) for at in (5, 10, 20, 30)] == [0, 6, 6, 2]
    assert [flow.least(at, at) for at in (5, 10, 20, 30)] == [0, 0, 2, 2]
    assert not flow.is_fed_elsewhere


def test_what_no_call_wrote_came_from_elsewhere():
    rows = Rows()
    r, w = rows.pipe()
    rows.write(10, 20, w, 6)
    rows.read(15, 30, r, 7)
    assert rows.done().traffic.flows[0].is_fed_elsewhere


@pytest.mark.parametrize(
    "listening, called, near",
    [
        (("127.0.0.1", 80), ("127.0.0.1", 80), 2),
        (("127.0.0.2", 80), ("127.0.0.1", 80), 0),
        (("127.0.0.1", 81), ("127.0.0.1", 80), 0),
        (("0.0.0.0", 80), ("127.0.0.1", 80), 1),
        (("::", 80, 0, 0), ("::1", 80), 1),
        (("127.0.0.1", 80), ("localhost", 80), 1),
        (("127.0.0.1", 80), ("", 80), 1),
        ("/tmp/s", b"/tmp/s", 2),
        ("/tmp/s", "/tmp/t", 0),
        (("127.0.0.1", 80), "/tmp/s", 0),
    ],
)
def test_which_listener_an_address_calls(listening, called, near):
    assert nearness(listening, called) == near


def listeners(*addresses):
    rows = Rows()
    for number, address in enumerate(addresses):
        rows.stream("tcp", f"listener {number}", role="listener", address=address)
    return rows


def test_a_connection_waits_at_the_address_that_was_called():
    rows = listeners(("127.0.0.1", 80), ("127.0.0.2", 80), ("0.0.0.0", 80))
    callers = [rows.stream("tcp", f"c{n}", role="client") for n in range(3)]
    for number, caller in enumerate(callers):
        address = (f"127.0.0.{number + 1}", 80)
        rows.call("socket.connect", 10 * number, 10 * number + 1, caller, address, moved=1)
    log = rows.done()
    assert [log.level(f"listener {number}") for number in range(3)] == [1, 1, 1]


def test_who_accepted_it_had_it():
    rows = listeners(("127.0.0.1", 80), ("0.0.0.0", 80))
    caller = rows.stream("tcp", "caller", role="client")
    accepted = rows.stream("tcp", "accepted", role="accepted", other_end=caller.index)
    rows.call("socket.connect", 1, 2, caller, ("localhost", 80), moved=1)
    rows.call("socket.accept", 3, 4, rows.streams[0], moved=1, result=(accepted.index,))
    log = rows.done()
    assert (log.level("listener 0"), log.level("listener 1")) == (0, 0)
    assert log.limits() == []


def test_a_datagram_socket_calls_nobody():
    rows = listeners(("127.0.0.1", 80))
    rows.call("socket.connect", 1, 2, rows.stream("udp", "u"), ("127.0.0.1", 80), moved=1)
    assert rows.done().level("listener 0") == 0
