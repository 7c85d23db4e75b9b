"""When an open file description ends."""

from rows import Rows

from epollkit.analysis.lifetimes import LastClose, last_closes


def test_the_last_number_ends_it():
    rows = Rows()
    r, w = rows.pipe()
    again = rows.dup(r, "again")
    rows.close(10, 11, r)
    rows.close(20, 21, w)
    assert last_closes(rows.done()) == [LastClose(w.index, w.index, 21, 1)]
    rows = Rows()
    r, w = rows.pipe()
    again = rows.dup(r, "again")
    rows.close(30, 31, again)
    rows.close(10, 11, r)
    assert last_closes(rows.done()) == [LastClose(r.index, again.index, 31, 1)]


def test_a_close_that_was_not_seen_has_no_call():
    rows = Rows()
    rows.stream("pipe", "r", closed_ns=5)
    assert last_closes(rows.done()) == [LastClose(0, 0, 5, None)]


def test_what_somebody_else_holds_has_not_ended():
    rows = Rows()
    rows.stream("pipe", "r", closed_ns=5, held_elsewhere=True)
    assert last_closes(rows.done()) == []
