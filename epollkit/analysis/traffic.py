"""Traffic: which calls concern which direction of which channel.

Facts about the kernel
----------------------
* A channel has directions, and each keeps its own account: a pipe has one, a connection two.  A
  listening socket holds connections that nobody has accepted, an eventfd a count.
* Calls of several threads overlap, and no clock tells which of two overlapping calls the kernel
  served first.

What we do about them
---------------------
The calls of a log are sorted by the direction that they concern.  For each direction two bounds can
be asked: how much can have waited at most, and must have waited at least, at a moment, in whatever
order the kernel served the calls.
"""

import os
from bisect import bisect_right
from itertools import accumulate

from .. import masks
from ..syscalls import (
    CONNECTS,
    READS,
    REFUSED,
    UNCOUNTED,
    WRITES,
)


class Traffic:
    """What concerned one flow:

    the calls that wrote and read, what the kernel said, when its ends closed.
    """

    def __init__(self, log, source, sink, unit, start_level):
        self.log, self.source, self.sink, self.unit, self.start_level = (
            log,
            source,
            sink,
            unit,
            start_level,
        )
        self.writes, self.reads, self.notes, self.endings, self.said_writable = [], [], [], [], []

    def count(self):
        """Sum up; then `most` and `least` can be asked."""
        columns = self.log.columns()
        self.starts, self.ends, moved = columns["start_ns"], columns["end_ns"], columns["moved"]
        self.written = _Sum(
            (self.starts[call], moved[call] if self.log.is_counted(call) else self.log.wanted(call))
            for call in self.writes
        )
        self.certain = _Sum(
            (self.ends[call], moved[call]) for call in self.writes if self.log.is_counted(call)
        )
        self.begun = _Sum((self.starts[call], moved[call]) for call in self.reads)
        self.taken = _Sum(
            (self.ends[call], moved[call]) for call in self.reads if self.ends[call] >= 0
        )
        self.cut_short = {
            call
            for call in self.writes
            if self.unit == "bytes"
            and (columns["errno"][call] == REFUSED or self.log.was_cut_short(call))
        }
        # Does something come from elsewhere?  Then nobody knows when it came.
        self.is_fed_elsewhere = any(
            note[2] > self.most(note[0], note[1]) for note in self.notes
        ) or any(total > self.start_level + self.written.until(time) for time, total in self.taken)
        return self

    def most(self, since, until) -> int:
        """How much can have waited, at most, at some moment from *since* to *until*, whatever
        the order of the calls.
        """
        return self.start_level + self.written.until(until) - self.taken.until(since)

    def least(self, since, until) -> int:
        """How much must have waited, at least."""
        return self.start_level + self.certain.until(since) - self.begun.until(until)


class _Sum(list):
    """A running total: pairs (time, total from then on)."""

    def __init__(self, amounts):
        amounts = sorted(amounts)
        self.times = [time for time, _ in amounts]
        super().__init__(zip(self.times, accumulate(amount for _, amount in amounts), strict=True))

    def until(self, time) -> int:
        at = bisect_right(self.times, time)
        return self[at - 1][1] if at else 0


def sort_calls(log) -> list[Traffic]:
    """Sort the calls of *log* by the flow that they concern."""
    flows, into, out_of, doors = {}, {}, {}, {}

    def flow(source, sink, unit, start_level):
        known = flows.setdefault((source, sink), Traffic(log, source, sink, unit, start_level))
        known.start_level = max(known.start_level, start_level)
        if source is not None:
            into[source] = known
        if sink is not None:
            out_of[sink] = known
        return known

    for one in log.objects:
        own, other = one.description, one.other_end
        if one.kind == "eventfd":
            flow(own, own, "count", one.start_level)
        elif one.role == "listener":
            doors.setdefault(door(one.address), []).append(
                (one, flow(None, own, "connections", one.start_level))
            )
        elif one.kind not in UNCOUNTED:
            if one.writable:
                flow(own, other, "bytes", one.start_level if one.kind == "pipe" else 0)
            if one.readable:
                flow(other, own, "bytes", one.start_level)
    _add_calls(log, into, out_of, doors)
    for about, since, until, waiting, writable in log.notes:
        one = log.objects[about]
        known = out_of.get(one.description) if one.readable else into.get(one.description)
        if known is not None:
            known.notes.append((since, until, waiting, writable))
    for stream, call in last_closes(log):
        for known in {
            id(f): f for f in (into.get(stream.description), out_of.get(stream.description)) if f
        }.values():
            known.endings.append((call, "closed", stream.index))
    return [known.count() for known in flows.values()]


def door(address):
    """What a listener's address and a caller's have in common:

    the port, or the path of a unix socket.
    """
    return (
        address[1]
        if isinstance(address, tuple)
        else os.fsencode(address)
        if isinstance(address, str)
        else address
    )


def _listener(doors, at_ns):
    """Find the flow of the socket that listened at *at_ns*:

    an address may have several, one after the other.
    """
    for one, known in reversed(doors):
        if (one.opened_ns or 0) <= at_ns and (one.closed_ns is None or at_ns <= one.closed_ns):
            return known
    return None


def _add_calls(log, into, out_of, doors):
    columns = log.columns()
    description = [one.description for one in log.objects]
    for call, (name, stream) in enumerate(zip(columns["name"], columns["stream"], strict=True)):
        if name in CONNECTS:
            address = columns["arguments"][call][:1]
            known = (
                _listener(doors.get(door(address[0]), ()), columns["start_ns"][call])
                if address
                else None
            )
            kind = "writes"
        elif name in WRITES or name in READS:
            kind = "writes" if name in WRITES else "reads"
            known = (
                (into if name in WRITES else out_of).get(description[stream])
                if stream >= 0
                else None
            )
        elif name == "epoll.poll":
            for index, mask in log.raw_events(call):
                if index >= 0 and mask & masks.OUT and (known := into.get(description[index])):
                    known.said_writable.append(call)
            continue
        elif name == "socket.shutdown" and stream >= 0 and not columns["error"][call]:
            how = columns["arguments"][call][0]
            if how in (1, 2) and (known := into.get(description[stream])):
                known.endings.append((call, "shut down", stream))
            continue
        else:
            continue
        if known is not None:
            getattr(known, kind).append(call)


def last_closes(log):
    """Yield (stream, call) where the last number of an open file description was closed, and
    nobody else holds it.
    """
    same = {}
    for stream in log.objects:
        same.setdefault(stream.description, []).append(stream)
    ends = log.columns()["end_ns"]
    for streams in same.values():
        if all(one.closed_by is not None and not one.held_elsewhere for one in streams):
            last = max(streams, key=lambda one: ends[one.closed_by])
            yield last, last.closed_by
