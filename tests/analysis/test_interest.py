"""One replay of an interest list: entries with their times, and whose an event was."""

from math import inf

import pytest
from rows import Rows

from epollkit.masks import ALWAYS, HUP, IN, ONESHOT, OUT


def spans(log, epoll):
    return [
        (log.objects[entry.stream].name, entry.mask, entry.disabled, entry.from_ns, entry.to_ns)
        for entry in log.entries(epoll)
    ]


def test_entries_and_their_times():
    rows = Rows()
    r, w = rows.pipe()
    ep = rows.epoll()
    rows.register(10, 11, ep, r, IN)
    rows.register(20, 21, ep, w, OUT | ONESHOT)
    rows.poll(30, 31, ep, (w, OUT))
    rows.register(40, 41, ep, w, OUT | ONESHOT, name="modify")
    rows.unregister(50, 51, ep, r)
    log = rows.done()
    assert spans(log, "ep") == [
        ("r", IN, False, 11, 51),
        ("w", OUT | ONESHOT, False, 21, 31),
        ("w", OUT | ONESHOT, True, 31, 41),
        ("w", OUT | ONESHOT, False, 41, inf),
    ]
    assert [entry[4:6] for entry in log.entries("ep")] == [(0, 4), (1, 2), (2, 3), (3, inf)]
    listed = {time: log.interest_list("ep", time) for time in (10, 11, 31, 60)}
    assert listed == {
        10: {},
        11: {(r.number, r): IN | ALWAYS},
        31: {(r.number, r): IN | ALWAYS, (w.number, w): ONESHOT},
        60: {(w.number, w): OUT | ONESHOT | ALWAYS},
    }
    assert log.interest_list("ep", step=2) == listed[31] and log.interest_list("ep") == listed[60]


def test_a_close_takes_entries_out_with_the_last_number():
    rows = Rows()
    r, w = rows.pipe()
    ep = rows.epoll()
    keeper = rows.dup(r, "keeper")
    rows.register(10, 11, ep, r, IN)
    rows.close(20, 21, r)
    rows.close(30, 31, keeper)
    rows.close(40, 41, ep)
    assert spans(rows.done(), "ep") == [("r", IN, False, 11, 31)]


def test_closing_the_epoll_ends_its_entries():
    rows = Rows()
    r, w = rows.pipe()
    ep = rows.epoll()
    rows.register(10, 11, ep, r, IN)
    rows.close(40, 41, ep)
    assert spans(rows.done(), "ep") == [("r", IN, False, 11, 41)]


def test_what_was_there_before_the_recording():
    rows = Rows()
    r, w = rows.pipe(opened_ns=None)
    ep = rows.epoll(start_list=((r.number, r.index, IN), (77, None, OUT)), opened_ns=None)
    rows.poll(10, 11, ep, (r, IN), (77, OUT))
    log = rows.done()
    assert log[0].events == ((r, IN), (None, OUT))
    assert [(entry.number, entry.from_ns) for entry in log.entries(ep)] == [
        (r.number, -inf),
        (77, -inf),
    ]


def test_only_an_epoll_has_one():
    rows = Rows()
    rows.pipe()
    with pytest.raises(ValueError, match="r is a pipe: only an epoll has an interest list"):
        rows.done().interest_list("r")


# ghosts: an entry whose number stands for something else by now


def ghost(*poll_events, before=(), old_mask=IN, new_mask=IN):
    """Register `old` under number 5, close that number while a dup keeps it, register `new`."""
    rows = Rows()
    old, old_w = rows.pipe("old", "old_w", number=5)
    ep = rows.epoll()
    rows.dup(old, "keeper")
    new, new_w = rows.pipe("new", "new_w", number=5, opened_ns=25)
    rows.register(10, 11, ep, old, old_mask)
    rows.close(20, 21, old)
    rows.register(30, 31, ep, new, new_mask)
    ends = {"old": old_w, "new": new_w}
    for at, end in enumerate(before):
        rows.write(40 + 2 * at, 41 + 2 * at, ends[end], 6)
    rows.poll(60, 61, ep, *poll_events)
    return rows.done()


def names_of_events(log):
    return [(stream.name, mask) for stream, mask in log[-1].events]


def test_an_event_is_of_the_entry_that_can_have_reported_it():
    assert names_of_events(ghost((5, IN), before=["old"])) == [("old", IN)]
    assert names_of_events(ghost((5, IN), before=["new"])) == [("new", IN)]
    assert ghost((5, IN), before=["new"]).poll_events.doubts == []


def test_two_events_under_one_number_are_of_two_entries():
    assert sorted(names_of_events(ghost((5, IN), (5, IN), before=["old", "new"]))) == [
        ("new", IN),
        ("old", IN),
    ]


def test_a_mask_that_was_not_asked_for_is_not_reported():
    log = ghost((5, IN), before=["old", "new"], new_mask=0)
    assert names_of_events(log) == [("old", IN)] and not log.poll_events.doubts


def test_where_both_can_have_reported_it_the_living_one_is_told_and_the_doubt():
    log = ghost((5, IN), before=["old", "new"])
    assert names_of_events(log) == [("new", IN)]
    (doubt,) = log.poll_events.doubts
    assert (log.objects[doubt.stream].name, len(doubt.others)) == ("new", 1)
    assert "An event of new may have been of old" in log.limits()[-1]


def test_an_entry_that_has_fired_reports_nothing():
    rows = Rows()
    old, old_w = rows.pipe("old", "old_w", number=5)
    ep = rows.epoll()
    rows.dup(old, "keeper")
    new, new_w = rows.pipe("new", "new_w", number=5, opened_ns=25)
    rows.write(1, 2, old_w, 6)
    rows.register(10, 11, ep, old, IN | ONESHOT)
    rows.close(20, 21, old)
    rows.register(30, 31, ep, new, IN)
    rows.poll(40, 41, ep, (5, IN))  # old's
    rows.write(50, 51, new_w, 6)
    rows.poll(60, 61, ep, (5, IN))
    log = rows.done()
    assert [call.events[0][0].name for call in log.calls("epoll.poll")] == ["old", "new"]
    assert {stream.name: mask for (_, stream), mask in log.interest_list("ep").items()} == {
        "old": ONESHOT,
        "new": IN | ALWAYS,
    }


def test_the_end_of_a_stream_is_reported_once_it_has_ended():
    rows = Rows()
    old, old_w = rows.pipe("old", "old_w", number=5)
    ep = rows.epoll()
    rows.dup(old, "keeper")
    new, new_w = rows.pipe("new", "new_w", number=5, opened_ns=25)
    rows.register(10, 11, ep, old, IN)
    rows.close(20, 21, old)
    rows.register(30, 31, ep, new, IN)
    rows.close(40, 41, old_w)
    rows.poll(60, 61, ep, (5, HUP))
    assert names_of_events(rows.done()) == [("old", HUP)]


def test_a_poll_that_was_under_way_while_its_entry_was_taken_out():
    rows = Rows()
    r, w = rows.pipe()
    ep = rows.epoll()
    rows.register(10, 11, ep, r, IN)
    rows.write(12, 13, w, 1)
    rows.poll(20, 50, ep, (r, IN), thread="B")
    rows.unregister(30, 31, ep, r)
    log = rows.done()
    assert log[2].events == ((r, IN),)


def test_what_select_returns_is_among_what_it_was_given():
    rows = Rows()
    r, w = rows.pipe()
    rows.write(1, 2, w, 1)
    rows.call("select.select", 3, 4, None, result=((r.number, IN),), also=((r, IN), (w, OUT)))
    log = rows.done()
    assert log[1].events == ((r, IN),)
