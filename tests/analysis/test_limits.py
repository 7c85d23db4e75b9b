"""What a recording could not see: each kind of evidence, in words."""

import pytest
from rows import Rows


@pytest.fixture
def rows():
    return Rows()


def test_nothing_is_missing(rows):
    r, w = rows.pipe()
    rows.write(1, 2, w, 6)
    rows.read(3, 4, r, 6)
    assert rows.done().limits() == []


def test_bytes_moved_unseen(rows):
    r, w = rows.pipe()
    rows.write(10, 20, w, 6)
    rows.notes = [(r.index, 30, 31, 2, True), (r.index, 40, 41, 5, True)]
    assert rows.done().limits() == [
        f"w → r: {number} bytes {what} elsewhere (another process, or code that makes its calls "
        "in C)."
        for number, what in ((3, "came from"), (4, "went"))
    ]


def test_into_the_buffer_of_a_file_object(rows):
    r, w = rows.pipe()
    rows.write(10, 20, w, 6)
    rows.notes = [(r.index, 30, 31, 0, True)]
    rows.evidence = [("file object", r.index, {})]
    assert rows.done().limits() == [
        "w → r: 6 bytes went elsewhere (into the buffer of the file object that reads r)."
    ]


def test_destroyed_by_a_reset(rows):
    a, b = rows.pair("tcp")
    rows.call("socket.send", 10, 20, a, moved=6)
    rows.call("socket.recv", 30, 40, b, 10, error="ConnectionResetError", errno=104)
    rows.notes = [(b.index, 50, 51, 0, True)]
    assert rows.done().limits() == ["a → b: 6 bytes were destroyed by a reset of the connection."]


def test_closed_with_bytes_unread_is_a_reset(rows):
    a, b = rows.pair("tcp")
    rows.call("socket.send", 10, 20, a, moved=6)
    rows.call("socket.send", 30, 40, b, moved=9)
    rows.call("socket.close", 50, 60, a)["closes"] = a.index  # and never reads the nine
    rows.notes = [(b.index, 70, 71, 2, True)]
    assert rows.done().limits() == ["a → b: 4 bytes were destroyed by a reset of the connection."]


def test_bytes_that_meet_an_end_shut_down_both_ways_are_destroyed(rows):
    a, b = rows.pair("tcp")
    rows.call("socket.shutdown", 10, 20, b, 2)
    rows.call("socket.send", 30, 40, a, moved=6)
    rows.notes = [(b.index, 50, 51, 0, True)]
    assert rows.done().limits() == ["a → b: 6 bytes were destroyed by a reset of the connection."]


def test_a_broken_pipe_is_a_reset_but_not_after_ones_own_shutdown(rows):
    for closing in (False, True):
        a, b = rows.pair("tcp", ("a'", "b'") if closing else ("a", "b"))
        rows.call("socket.send", 10, 20, a, moved=6)
        if not closing:
            rows.call("socket.shutdown", 25, 28, a, 1)
        rows.call("socket.send", 30, 40, a, error="BrokenPipeError", errno=32)
        rows.notes += [(b.index, 50, 51, 0, True)]
    assert rows.done().limits() == [
        "a → b: 6 bytes went elsewhere (another process, or code that makes its calls in C).",
        "a' → b': 6 bytes were destroyed by a reset of the connection.",
    ]


def test_what_was_gone_before_the_reset_was_not_destroyed_by_it(rows):
    a, b = rows.pair("tcp")
    rows.call("socket.send", 10, 20, a, moved=6)
    rows.call("socket.send", 30, 40, b, moved=9)
    rows.call("socket.close", 70, 80, a)["closes"] = a.index
    rows.notes = [(b.index, 50, 51, 2, True)]
    assert rows.done().limits() == [
        "a → b: 4 bytes went elsewhere (another process, or code that makes its calls in C)."
    ]


def test_the_kernel_counted_more_than_the_calls(rows):
    a, b = rows.pair("tcp")
    rows.call("socket.send", 10, 20, a, moved=6)
    rows.call("socket.recv", 30, 40, b, 10, moved=6)
    rows.evidence = [
        ("tcp count", a.index, {"sent": 16, "received": 1}),
        ("tcp count", b.index, {"sent": 0, "received": 6}),
    ]
    assert [limit.partition(" that")[0] for limit in rows.done().limits()] == [
        "a: the kernel counted 10 bytes sent",
        "a: the kernel counted 1 byte received",
    ]


def test_urgent_bytes_are_counted_by_the_kernel_only(rows):
    a, b = rows.pair("tcp")
    rows.call("socket.send", 10, 20, a, 1, 1, moved=0)  # MSG_OOB
    rows.evidence = [
        ("tcp count", a.index, {"sent": 1, "received": 0}),
        ("tcp count", b.index, {"sent": 0, "received": 1}),
    ]
    assert rows.done().limits() == []


def test_streams_without_a_level(rows):
    for kind in ("udp", "unix-dgram", "unix-seqpacket", "pty", "tls"):
        rows.stream(kind, kind)
    rows.stream("udp", "a library's", internal=True)
    limits = rows.done().limits()
    assert [limit.partition(":")[0] for limit in limits] == [
        "udp",
        "unix-dgram",
        "unix-seqpacket",
        "pty",
        "tls",
    ]
    assert all("not counted as a level" in limit for limit in limits)
    assert "encrypted" in limits[-1]


def test_closed_unseen_and_held_elsewhere(rows):
    r = rows.stream("pipe", "r", closed_ns=5)
    rows.stream("pipe", "w", closed_ns=6, held_elsewhere=True)
    rows.evidence = [("closed unseen", r.index, {})]
    unseen, held = rows.done().limits()
    assert unseen.startswith("r was closed by a call that was not seen")
    assert held.startswith("w was closed here, but somebody else")


def test_a_fork_that_shares_an_epoll(rows):
    ep = rows.epoll()
    rows.evidence = [("forked", None, {"epolls": [ep.index]}), ("forked", None, {"epolls": []})]
    (limit,) = rows.done().limits()
    assert limit.startswith("A child was forked, which shares ep:")


def test_names_bound_before_the_block(rows):
    rows.evidence = [
        ("bound before", None, {"module": f"m{n}", "attribute": "read", "call": "os.read"})
        for n in range(5)
    ]
    assert rows.done().limits() == [
        "Calls of os.read through m0.read, m1.read, m2.read and 2 more, bound before the block, "
        "are not in the log."
    ]


def test_an_event_loop_in_c(rows):
    rows.evidence = [("event loop in C", None, {"library": "uvloop"})]
    (limit,) = rows.done().limits()
    assert "uvloop" in limit
