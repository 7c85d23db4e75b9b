"""Where the time of each thread went: from literal rows, every nanosecond counted once."""

import os
import select
from fractions import Fraction

from rows import Rows
from support import thread, wait_until_asleep

import epollkit
from epollkit import masks
from epollkit.analysis.usage import PARTS


def shares(log, name):
    """Return the shares of a thread as fractions of its time."""
    (usage,) = (each for each in log.usage().threads if each.thread == name)
    assert sum(usage.shares) == 1
    return usage.total_ns, [
        Fraction(round(share * usage.total_ns), usage.total_ns) for share in usage.shares
    ]


def test_four_parts_and_nothing_left_over():
    rows = Rows()
    (r, w), ep = rows.pipe(), rows.epoll()
    rows.register(0, 10, ep, r, masks.IN)
    rows.poll(10, 50, ep, (r, masks.IN), sleeps=True)
    rows.read(70, 80, r, 6)
    rows.read(80, 100, r, 0, sleeps=True, error="TimeoutError")
    rows.write(30, 31, w, 6, thread="B")
    assert shares(rows.done(), "A") == (
        100,
        [Fraction(40, 100), Fraction(20, 100), Fraction(20, 100), Fraction(20, 100)],
    )
    assert shares(rows.done(), "B") == (1, [0, 0, 1, 0])


def test_a_call_inside_another_is_not_counted_twice():
    rows = Rows()
    r, w = rows.pipe()
    rows.read(0, 100, r, 6)
    rows.write(20, 40, w, 6)  # of a signal handler
    rows.write(150, 200, w, 6)
    assert shares(rows.done(), "A") == (200, [0, 0, Fraction(3, 4), Fraction(1, 4)])


def test_still_asleep_counts_until_the_end():
    rows = Rows()
    (r, w), ep = rows.pipe(), rows.epoll()
    rows.register(0, 10, ep, r, masks.IN)
    rows.poll(10, None, ep, sleeps=True)
    rows.write(90, 110, w, 0, thread="B")
    assert shares(rows.done(), "A") == (110, [Fraction(100, 110), 0, Fraction(10, 110), 0])


def test_in_words_and_as_a_picture():
    with epollkit.record() as log, select.epoll() as ep:
        r, w = os.pipe()
        ep.register(r, select.EPOLLIN)
        with thread(ep.poll, name="waiter") as waiter:
            wait_until_asleep(waiter, ep)
            os.write(w, b"x")
        os.close(r), os.close(w)
    usage = log.usage()
    assert str(usage).splitlines()[1].startswith("waiter: ") and PARTS[0] in str(usage)
    shown = usage._repr_mimebundle_()
    assert shown["text/plain"] == repr(usage) == str(usage)
    assert "<img alt=" in shown["text/html"]
    assert str(Rows().done().usage()) == "No calls."
