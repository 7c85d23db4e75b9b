"""Traffic: which calls concern which direction of which channel.

Facts about the kernel
----------------------
* A channel has directions, and each keeps its own account: a pipe has one, a connection two.  A
  listening socket holds connections that nobody has accepted, an eventfd a count.
* Several sockets may listen at one port, each at an address of its own; one that listens at the
  wildcard address gets what none of the others does.  ``connect`` of a datagram socket calls
  nobody: it only notes where to send.
* Calls of several threads overlap, and no clock tells which of two overlapping calls the kernel
  served first.

What we do about them
---------------------
The calls of a log are sorted by the direction that they concern: its *flow*.  A connection waits at
the listener that accepted it later; if none did, at the one whose address was called.  For each
flow two bounds can be asked: how much can have waited at most, and must have waited at least, at a
moment, in whatever order the kernel served the calls.

*Source:* listen(2), connect(2), ip(7).
"""

import os
from bisect import bisect_left, bisect_right
from functools import cached_property
from itertools import accumulate
from math import inf

from ..syscalls import CONNECTS, READS, REFUSED, STILL_IN_CALL, UNCOUNTED, WRITES
from .calls import ACCEPTS, SHUTDOWNS
from .lifetimes import last_closes

WILDCARDS = ("", "0.0.0.0", "::")
SHUT_READ, SHUT_WRITE, SHUT_BOTH = 0, 1, 2


class RunningTotal:
    """Amounts, each counted from a moment on."""

    def __init__(self, times, amounts):
        if any(map(int.__gt__, times, times[1:])):
            order = sorted(range(len(times)), key=times.__getitem__)
            times, amounts = [times[at] for at in order], [amounts[at] for at in order]
        self.times, self.totals = times, list(accumulate(amounts))

    def until(self, at_ns) -> int:
        at = bisect_right(self.times, at_ns)
        return self.totals[at - 1] if at else 0


class Spans:
    """Calls with their times, in the order of their starts:

    did one of them start in time, and none too early?
    """

    def __init__(self, log, calls):
        columns = log.columns()
        starts, ends = columns["start_ns"], columns["end_ns"]
        calls = sorted(calls)
        self.starts = [starts[call] for call in calls]
        self.latest_ends = list(
            accumulate((inf if ends[call] == STILL_IN_CALL else ends[call] for call in calls), max)
        )

    def starts_between(self, began, ended) -> bool:
        at = bisect_right(self.starts, began)
        return at < len(self.starts) and self.starts[at] < ended

    def count_between(self, since, until) -> int:
        """Count those that started from *since* to *until*."""
        return bisect_right(self.starts, until) - bisect_left(self.starts, since)

    def any_touching(self, since, until) -> bool:
        """Tell whether one that started by *until* was not over at *since*."""
        at = bisect_right(self.starts, until)
        return bool(at) and self.latest_ends[at - 1] > since


class FlowCalls:
    """What concerned one flow: the calls that wrote and read, what the kernel said, when its ends
    closed.

    *source* and *sink* are open file descriptions, None where that end is not in the log.  *writes*
    and *reads* hold calls in the order of their starts, *notes* what the kernel said when it was
    asked: (from, until, bytes waiting, writable).  *endings* has (call, "closed" or "shut down",
    stream); *reading_ended* the calls by which the sink was shut down for reading.
    """

    def __init__(self, log, source, sink, unit, start_level):
        self.log, self.source, self.sink, self.unit = log, source, sink, unit
        self.start_level = start_level
        self.writes, self.reads, self.notes = [], [], []
        self.endings, self.reading_ended = [], []
        columns = log.columns()
        self.starts, self.ends = columns["start_ns"], columns["end_ns"]
        self.moved = columns["moved"]

    def bound(self, call) -> int:
        """Return how much a write put in; at most, if that is not known."""
        return self.moved[call] if self.log.is_counted(call) else self.log.wanted(call)

    @cached_property
    def written(self) -> RunningTotal:
        """What writes can have put in, from their starts on: those not counted, all they had."""
        return RunningTotal(
            [self.starts[call] for call in self.writes], list(map(self.bound, self.writes))
        )

    @cached_property
    def certain(self) -> RunningTotal:
        """What writes have put in, from their returns on."""
        counted = [call for call in self.writes if self.log.is_counted(call)]
        return RunningTotal(
            [self.ends[call] for call in counted], [self.moved[call] for call in counted]
        )

    @cached_property
    def begun(self) -> RunningTotal:
        """What reads have taken out, from their starts on."""
        return RunningTotal(
            [self.starts[call] for call in self.reads], [self.moved[call] for call in self.reads]
        )

    @cached_property
    def taken(self) -> RunningTotal:
        """What reads have taken out, from their returns on."""
        back = [call for call in self.reads if self.ends[call] >= 0]
        return RunningTotal([self.ends[call] for call in back], [self.moved[call] for call in back])

    @cached_property
    def cut_short(self) -> set:
        """The writes of bytes that were refused, or got in only in part."""
        if self.unit != "bytes":
            return set()
        errnos, was_cut_short = self.log.columns()["errno"], self.log.was_cut_short
        return {call for call in self.writes if errnos[call] == REFUSED or was_cut_short(call)}

    @cached_property
    def is_fed_elsewhere(self) -> bool:
        """Did something come in that no call wrote?  Then nobody knows when it came."""
        return any(
            waiting > self.most(since, until) for since, until, waiting, _ in self.notes
        ) or any(
            total > self.start_level + self.written.until(time)
            for time, total in zip(self.taken.times, self.taken.totals, strict=True)
        )

    @cached_property
    def spans_of_writes(self) -> Spans:
        """The calls that brought something in, as far as is known."""
        return Spans(
            self.log,
            [call for call in self.writes if self.moved[call] or not self.log.is_counted(call)],
        )

    @cached_property
    def spans_of_reads(self) -> Spans:
        """The calls that took something out."""
        return Spans(self.log, [call for call in self.reads if self.moved[call]])

    def _endings_at(self, *ends):
        objects = self.log.objects
        return [call for call, _, end in self.endings if objects[end].description in ends]

    @cached_property
    def spans_of_endings(self) -> Spans:
        """The calls that ended the flow for who reads it: there is nothing more to come."""
        return Spans(self.log, self._endings_at(self.source) + self.reading_ended)

    @cached_property
    def spans_of_sink_endings(self) -> Spans:
        """The calls that ended it at the sink: nobody will read what is written."""
        return Spans(self.log, self._endings_at(self.sink) + self.reading_ended)

    @cached_property
    def spans_of_all_endings(self) -> Spans:
        """The calls that ended it for who writes to it: at either end."""
        return Spans(self.log, self._endings_at(self.source, self.sink) + self.reading_ended)

    def most(self, since, until) -> int:
        """Return how much can have waited, at most, at some moment from *since* to *until*,
        whatever the order of the calls.
        """
        return self.start_level + self.written.until(until) - self.taken.until(since)

    def least(self, since, until) -> int:
        """Return how much must have waited, at least."""
        return self.start_level + self.certain.until(since) - self.begun.until(until)


class Traffic:
    """The calls of a log, sorted: `flows`, and which flow is fed by a description (`into`) or read
    at one (`out_of`).
    """

    def __init__(self, log):
        self.log, self.flows, self.into, self.out_of = log, [], {}, {}
        self._known, self._listeners = {}, []
        for stream in log.objects:
            self._add_flows(stream)
        self._accepted_at = self._find_accepted()
        self._add_calls()
        for about, since, until, waiting, writable in log.notes:
            stream = log.objects[about]
            flow = (self.out_of if stream.readable else self.into).get(stream.description)
            if flow is not None:
                flow.notes.append((since, until, waiting, writable))
        for close in last_closes(log):
            if close.call is not None:
                ended = (self.into.get(close.description), self.out_of.get(close.description))
                for flow in dict.fromkeys(flow for flow in ended if flow is not None):
                    flow.endings.append((close.call, "closed", close.stream))

    def _flow(self, source, sink, unit, start_level):
        key = source, sink
        if key not in self._known:
            self._known[key] = FlowCalls(self.log, source, sink, unit, start_level)
            self.flows.append(self._known[key])
        flow = self._known[key]
        flow.start_level = max(flow.start_level, start_level)
        if source is not None:
            self.into[source] = flow
        if sink is not None:
            self.out_of[sink] = flow
        return flow

    def _add_flows(self, stream):
        own, other = stream.description, stream.other_end
        if stream.kind == "eventfd":
            self._flow(own, own, "count", stream.start_level)
        elif stream.role == "listener":
            self._flow(None, own, "connections", stream.start_level)
            self._listeners.append(stream)
        elif stream.kind not in UNCOUNTED:
            if stream.writable:
                self._flow(own, other, "bytes", stream.start_level if stream.kind == "pipe" else 0)
            if stream.readable:
                self._flow(other, own, "bytes", stream.start_level)

    def _find_accepted(self):
        """Return {description of a caller: description of the listener that accepted it}."""
        columns, accepted_at = self.log.columns(), {}
        if self._listeners:
            for name, stream, made in zip(
                columns["name"], columns["stream"], columns["result"], strict=True
            ):
                if name in ACCEPTS and made and stream >= 0:
                    caller = self.log.objects[made[0]].other_end
                    accepted_at[caller] = self.log.objects[stream].description
        return accepted_at

    def _called(self, call, stream):
        """Return the flow of the listener that a ``connect`` calls, None if it is not known."""
        columns, objects = self.log.columns(), self.log.objects
        caller = objects[stream] if stream >= 0 else None
        if caller is None or not self._listeners:
            return None
        if caller.description in self._accepted_at:
            return self.out_of.get(self._accepted_at[caller.description])
        address, at_ns = columns["arguments"][call][:1], columns["start_ns"][call]
        ranked = [
            (how_near, listener.opened_ns or 0, listener.index)
            for listener in self._listeners
            if listener.kind == caller.kind
            and (listener.opened_ns or 0) <= at_ns
            and (listener.closed_ns is None or at_ns <= listener.closed_ns)
            and (how_near := nearness(listener.address, *address))
        ]
        return self.out_of[objects[max(ranked)[2]].description] if ranked else None

    def _add_calls(self):
        columns = self.log.columns()
        descriptions = [stream.description for stream in self.log.objects]
        for call, (name, stream, also) in enumerate(
            zip(columns["name"], columns["stream"], columns["also"], strict=True)
        ):
            for other, what in also:  # as the other end of a `splice`
                if what in ("reads", "writes") and other is not None and other >= 0:
                    flow = (self.out_of if what == "reads" else self.into).get(descriptions[other])
                    if flow is not None:
                        getattr(flow, what).append(call)
            if name in CONNECTS:
                if (flow := self._called(call, stream)) is not None:
                    flow.writes.append(call)
            elif stream < 0:
                continue
            elif name in WRITES:
                if (flow := self.into.get(descriptions[stream])) is not None:
                    flow.writes.append(call)
            elif name in READS:
                if (flow := self.out_of.get(descriptions[stream])) is not None:
                    flow.reads.append(call)
            elif name in SHUTDOWNS and not columns["error"][call]:
                how, into = columns["arguments"][call][0], self.into.get(descriptions[stream])
                if how != SHUT_READ and into is not None:
                    into.endings.append((call, "shut down", stream))
                if how != SHUT_WRITE and descriptions[stream] in self.out_of:
                    self.out_of[descriptions[stream]].reading_ended.append(call)


def nearness(listening, called=None) -> int:
    """Tell whether a listener at the address *listening* gets what calls *called*:

    2 if that is its very address, 1 if it may (it listens at the wildcard address, or a name was
    called), 0 if not.
    """
    if not isinstance(listening, tuple) or not isinstance(called, tuple):
        spelled = [
            os.fsencode(each) if isinstance(each, str) else each for each in (listening, called)
        ]
        return 2 * (called is not None and spelled[0] == spelled[1])
    if listening[1:2] != called[1:2]:
        return 0
    if listening[0] == called[0]:
        return 2
    is_a_name = not set(str(called[0])) <= set("0123456789.") and ":" not in str(called[0])
    return int(listening[0] in WILDCARDS or called[0] in WILDCARDS or is_a_name)
