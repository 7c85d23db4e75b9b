"""The steps of a log: one for each call, and for some a second one, where they came back.

Facts about threads
-------------------
* Calls of several threads overlap.  What one returns may have been caused by another that began
  after it.
* When a call began and when it came back is known; when the kernel served it, only that it was in
  between.

What we do about them
---------------------
A story must tell no effect before its cause.  Every call has a step where it began.  What it
brought is told there, too, unless that may be too early; then it has a second step, where it came
back:

1. if it was asleep;
2. if what it returned cannot have been there when it began: bytes of a later write, the end of a
   stream that somebody closed later, an event of a later registration, an error after a later
   close;
3. if its cause is unknown, fed from outside the recording, and another call that may have fed it
   began inside it; or it may sleep, and any other call began and came back inside it;
4. if it took an entry out of an interest list, or changed it, and a poll that began inside it still
   reported the entry as it was before; or it closed a stream that others still used inside it;
5. if what reads have taken up to some step is more than what writes begun by then can have put in.
   Then of the reads told so far, the one that came back last is told later, and so on until it
   fits.

So a call that others overlapped is not always cut in two: only where the story needs it.  Where
causes are recorded, and the program fixes their order, the steps are the same on every run.
"""

from bisect import bisect_left
from heapq import heapify, heappop, heappush
from math import inf

from .. import masks
from ..syscalls import CLOSES, CONNECTS, EBADF, READS, REGISTERING, STILL_IN_CALL, WRITES
from .calls import FEEDS, POLLS, UNREGISTERS
from .causes import Causes

EPIPE, ECONNRESET = 32, 104


def find_steps(log):
    """Give each call a step, and to some a second one.

    Returns (start, end, count): two lists of steps, and how many steps there are.  A call that
    needs no step of its own to return ends in the step in which it began; one that is still in the
    call ends at *count*.
    """
    columns = log.columns()
    starts, ends = columns["start_ns"], columns["end_ns"]
    overlapped = [
        call
        for call, (end, following) in enumerate(zip(ends, starts[1:], strict=False))
        if end > following
    ]
    told_later = {call for call in overlapped if log.asleep[call]}
    if len(told_later) < len(overlapped):
        told_later |= _Order(log, overlapped, told_later).told_later
    returns = sorted(((ends[call], call) for call in told_later), reverse=True)
    start, end, step = [], [], 0
    for time in starts:
        while returns and returns[-1][0] <= time:
            end[returns.pop()[1]] = step
            step += 1
        start.append(step)
        end.append(step)
        step += 1
    for _, call in reversed(returns):
        end[call] = step
        step += 1
    for call, time in enumerate(ends):
        if time == STILL_IN_CALL:
            end[call] = step
    return start, end, step


class _Order:
    """Finds which calls are told where they came back: `told_later`.

    *overlapped* are the calls that came back after another had begun, *asleep* those of them that
    slept.
    """

    def __init__(self, log, overlapped, asleep):
        self.log, self.columns, self.traffic = log, log.columns(), log.traffic
        self.starts, self.ends = self.columns["start_ns"], self.columns["end_ns"]
        self.description = [stream.description for stream in log.objects]
        self.told_later = set(asleep)
        self.find_later_causes(set(overlapped))
        self.told_later.update(call for call in overlapped if self.is_undone_inside(call))
        self.movable = set(overlapped) - self.told_later
        short = {
            self.traffic.out_of[self.description[stream]]: None
            for call in sorted(self.movable)
            if self.columns["name"][call] in READS
            and (stream := self.columns["stream"][call]) >= 0
            and self.description[stream] in self.traffic.out_of
        }
        if short:
            polls = self.polls_for_input()
            for flow in short:
                self.defer_until_it_fits(flow, polls.get(flow.sink, ()))

    # rules 2 and 3: what one call returned

    def find_later_causes(self, overlapped):
        causes = Causes(self.log, self.log.asleep)
        polls = POLLS if causes.has_memory else ()
        for call in range(len(self.starts)) if polls else sorted(overlapped - self.told_later):
            if call in overlapped and call not in self.told_later:
                if self.began_too_early(call, causes) or (
                    self.cause_is_unknown(call) and self.is_worth_a_step(call)
                ):
                    self.told_later.add(call)
            if self.columns["name"][call] in polls:
                causes.remember(call)

    def began_too_early(self, call, causes) -> bool:
        """Tell whether what *call* returned cannot have been there when it began."""
        name, stream = self.columns["name"][call], self.columns["stream"][call]
        span, moved = (self.starts[call], self.ends[call]), self.columns["moved"][call]
        errno = self.columns["errno"][call]
        if name in POLLS and not errno:
            return causes.poll_later(call, any)
        if errno == EBADF:
            subjects = [stream, self.columns["epoll"][call]]
            subjects += [other for other, _ in self.columns["also"][call] if other is not None]
            return any(each >= 0 and causes.closed_later(each, *span) for each in subjects)
        if errno in (EPIPE, ECONNRESET):
            return causes.connection_ends_later(stream, *span)
        if self.columns["error"][call] or stream < 0:
            return False
        if name in READS:
            at_the_end = not moved and self.columns["result"][call] == b""
            return causes.readable_later(stream, *span) or (
                at_the_end and causes.input_ends_later(stream, *span)
            )
        return name in WRITES and moved > 0 and causes.writable_later(stream, *span)

    def cause_is_unknown(self, call) -> bool:
        """Tell whether what *call* returned came from outside the recording, or may have."""
        name, stream = self.columns["name"][call], self.columns["stream"][call]
        error, moved = self.columns["error"][call], self.columns["moved"][call]
        span = self.starts[call], self.ends[call]
        if name in POLLS:
            events = self.log.raw_events(call)
            return bool(error) or any(self.is_unknown(*event, *span) for event in events)
        if error and not self.columns["errno"][call]:
            return True  # broken off by a signal
        if name in READS:
            return not error and bool(moved) and self.is_unknown(stream, masks.IN, *span)
        if name in WRITES - CONNECTS and stream >= 0:
            flow = self.traffic.into.get(self.description[stream])
            return flow is not None and flow.sink is None
        return False

    def is_unknown(self, stream, mask, began, ended) -> bool:
        """Tell whether no call in the log explains that *mask* was true of *stream*."""
        if stream < 0:
            return True
        source = self.traffic.out_of.get(self.description[stream])
        sink = self.traffic.into.get(self.description[stream])
        if mask & masks.OUT and sink is not None and sink.sink is None:
            return True
        has_ended = any(
            flow.spans_of_all_endings.any_touching(-inf, ended)
            for flow in (source, sink)
            if flow is not None
        )
        if mask & masks.IN and (source is None or source.is_fed_elsewhere):
            return True
        if mask & masks.IN and source.most(began, ended) <= 0 and not has_ended:
            return True
        return bool(mask & (masks.HUP | masks.RDHUP | masks.ERR)) and not has_ended

    def is_worth_a_step(self, call) -> bool:
        """Tell whether another call came back inside *call*, or began there and may have fed it."""
        names, began, ended = self.columns["name"], self.starts[call], self.ends[call]
        may_sleep, waits_for_epoll = self.log.may_sleep(call), self.waits_for_epoll(call)
        for other in range(call + 1, len(self.starts)):
            if self.starts[other] >= ended:
                return False
            if may_sleep and began < self.ends[other] < ended:
                return True
            if names[other] in FEEDS and self.feeds_the_unknown(other):
                return True
            if waits_for_epoll and (names[other] in FEEDS or names[other] in REGISTERING):
                return True
        return False

    def waits_for_epoll(self, call) -> bool:
        """Tell whether *call* reported an epoll: then what that one watches may have caused it."""
        return any(
            stream >= 0 and self.log.objects[stream].kind == "epoll"
            for stream, _ in self.log.raw_events(call)
        )

    def feeds_the_unknown(self, call) -> bool:
        """Tell whether nobody knows where what *call* wrote comes out."""
        stream = self.columns["stream"][call]
        flow = self.traffic.into.get(self.description[stream]) if stream >= 0 else None
        return flow is None or flow.sink is None

    # rule 4: calls that take something away

    def is_undone_inside(self, call) -> bool:
        """Tell whether what *call* took away was still there in a call that began inside it."""
        names, streams = self.columns["name"], self.columns["stream"]
        name, stream = names[call], streams[call]
        if self.columns["error"][call] or stream < 0:
            return False
        if name not in CLOSES and name not in REGISTERING:
            return False
        for other in range(call + 1, len(self.starts)):
            if self.starts[other] >= self.ends[call]:
                return False
            if other in self.told_later and self.ends[other] > self.ends[call]:
                continue
            if name in CLOSES:
                if streams[other] == stream and not self.columns["error"][other]:
                    return True
            elif self.is_reported_as_before(call, other):
                return True
        return False

    def is_reported_as_before(self, call, poll) -> bool:
        """Tell whether *poll* reported of a stream what its entry, once *call* has changed it, does
        not ask for.
        """
        if self.columns["epoll"][poll] != self.columns["epoll"][call]:
            return False
        _, *mask = self.columns["arguments"][call]
        is_out = self.columns["name"][call] in UNREGISTERS
        asked = 0 if is_out else mask[0] | masks.ALWAYS
        return any(
            stream == self.columns["stream"][call] and reported & ~asked
            for stream, reported in self.log.raw_events(poll)
        )

    # rule 5: what reads have taken, against what writes have put in

    def polls_for_input(self) -> dict:
        """Return {description: the polls told at their start that reported IN of it}."""
        polls = {}
        for call in self.log.poll_events.events:
            if call not in self.told_later:
                for stream, mask in self.log.raw_events(call):
                    if stream >= 0 and mask & masks.IN:
                        polls.setdefault(self.description[stream], []).append(call)
        return polls

    def defer_until_it_fits(self, flow, polls):
        """Tell reads of *flow* later until none has what no write has begun to put in, and no poll
        reports what all is taken of.
        """
        ends, moved = self.ends, self.columns["moved"]
        waiting = [
            (ends[call], 0, call) if call in self.told_later else (self.starts[call], 1, call)
            for call in flow.reads
            if moved[call] and ends[call] >= 0
        ]
        waiting += [(self.starts[call], 1, call) for call in polls]
        heapify(waiting)
        reads, told_early = set(flow.reads), []  # a heap: the one that came back last is on top
        taken = elsewhere = 0
        while waiting:
            time, at_its_start, call = heappop(waiting)
            begun = (
                bisect_left(flow.writes, call)
                if at_its_start
                else bisect_left(flow.written.times, time)
            )
            there = flow.start_level + (flow.written.totals[begun - 1] if begun else 0) + elsewhere
            if call in reads:
                taken += moved[call]
                if at_its_start and call in self.movable:
                    heappush(told_early, (-ends[call], call))
                least = 0
            else:  # a poll: something must be left, if it did not report the end
                least = not flow.spans_of_endings.any_touching(-inf, time)
            while there - taken < least and told_early and -told_early[0][0] > time:
                _, late = heappop(told_early)
                taken -= moved[late]
                self.told_later.add(late)
                self.movable.discard(late)
                heappush(waiting, (ends[late], 0, late))
            if there < taken:  # from outside, by now
                elsewhere += taken - there
