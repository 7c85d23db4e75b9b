"""Who was asleep?

Facts about the kernel
----------------------
* A call that may wait does so only if it cannot be answered at once.  Then its thread sleeps until
  something causes it to go on: bytes, room, a caller, the other end closing, a registration, or the
  timeout.
* From Python one sees only that a call took its time.  That time includes getting the GIL back,
  which under load is five milliseconds of Python, and no sleep in the kernel at all.

What we do about them
---------------------
"Asleep" is said only of a call that may sleep, and for one of five reasons: it is still in the
call; it timed out; its cause started after it, when nothing that it waited for can have been there;
for a write, the kernel said meanwhile that there is no room; or Ctrl-C broke it off when there was
nothing to return.  Everything else is just "in the call".

*Source:* epoll(7), pipe(7), ``fs/eventpoll.c``, ep_poll().
"""

from bisect import bisect_left, bisect_right
from itertools import accumulate, chain
from math import inf
from operator import itemgetter

from .. import masks
from ..syscalls import READS, REGISTERING, STILL_IN_CALL

_start = itemgetter(0)


def find_sleepers(log) -> bytearray:
    """Return for each call of *log* 1 if it was asleep for certain, else 0."""
    columns = log.columns()
    starts, ends, names = columns["start_ns"], columns["end_ns"], columns["name"]
    asleep = bytearray(len(starts))
    for flow in log.traffic:
        _find_writers(log, flow, asleep)
    causes = _Causes(log, asleep)
    for call, (name, may_sleep, start, end, following) in enumerate(
        zip(
            names,
            columns["may_sleep"],
            starts,
            ends,
            chain(starts[1:], [inf] if len(starts) else []),
            strict=True,
        )
    ):
        if not may_sleep:
            pass
        elif end == STILL_IN_CALL:
            asleep[call] = call not in log.awake_at_the_end
        elif log.timed_out(call):
            asleep[call] = 1
        elif (error := columns["error"][call]) and error[0] == "KeyboardInterrupt":
            asleep[call] = causes.nothing_to_return(call)
        elif following < end and not asleep[call]:  # a cause that is a call began meanwhile
            if name in READS:
                asleep[call] = causes.readable_later(columns["stream"][call], start, end)
            elif name == "epoll.poll":
                asleep[call] = causes.poll_later(call)
        if name == "epoll.poll" and causes.has_memory:
            causes.remember(call)
    return asleep


def _find_writers(log, flow, asleep):
    """Mark the writes during which the kernel said: no room, and not all of their bytes are in."""
    ended = [inf if flow.ends[call] == STILL_IN_CALL else flow.ends[call] for call in flow.writes]
    began = [flow.starts[call] for call in flow.writes]
    open_until = list(accumulate(ended, max))
    for since, until, waiting, writable in flow.notes:
        at = bisect_right(began, since) - 1
        while not writable and at >= 0 and open_until[at] >= until:
            call = flow.writes[at]
            if (
                ended[at] >= until
                and log.may_sleep(call)
                and waiting - flow.least(since, until) < log.wanted(call)
            ):
                asleep[call] = 1
            at -= 1


class _Spans:
    """Calls with their times, in the order of their starts:

    did one of them start in time, and none too early?
    """

    def __init__(self, spans):
        spans = sorted((start, inf if end == STILL_IN_CALL else end) for start, end in spans)
        self.starts = [start for start, _ in spans]
        self.latest = list(accumulate((end for _, end in spans), max))

    def starts_between(self, began, ended) -> bool:
        at = bisect_right(self.starts, began)
        return at < len(self.starts) and self.starts[at] < ended

    def any_touching(self, since, until) -> bool:
        """Tell whether one that started by *until* was not over at *since*."""
        at = bisect_right(self.starts, until)
        return bool(at) and self.latest[at - 1] > since


class _Causes:
    """What can end the sleep of a reader or a poller, and when it was."""

    def __init__(self, log, asleep):
        self.log, self.asleep, self.columns = log, asleep, log.columns()
        self.starts, self.ends = self.columns["start_ns"], self.columns["end_ns"]
        self.into = {flow.source: flow for flow in log.traffic if flow.source is not None}
        self.out_of = {flow.sink: flow for flow in log.traffic if flow.sink is not None}
        self.description = [one.description for one in log.objects]
        moved = self.columns["moved"]
        self.spans = {}
        for flow in log.traffic:
            self.spans[flow, "writes"] = self._spans(
                call for call in flow.writes if moved[call] or not log.is_counted(call)
            )
            self.spans[flow, "reads"] = self._spans(call for call in flow.reads if moved[call])
            for end in (flow.source, flow.sink):
                self.spans[flow, end] = self._spans(
                    call for call, _, stream in flow.endings if self.description[stream] == end
                )
        #: (epoll, stream) → [(start, end, event mask from then on, or None)], and the polls that
        #: reported it
        self.registered, self.reports = {}, {}
        #: do later polls depend on what earlier ones returned?
        self.has_memory = any(
            mask & (masks.ET | masks.ONESHOT) for one in log.epolls for *_, mask in one.start_list
        )
        for epoll in log.epolls:
            for _, stream, mask in epoll.start_list:
                if stream is not None:
                    self.registered[epoll.description, self.description[stream]] = [
                        (-inf, -inf, mask)
                    ]
        for call, name in enumerate(self.columns["name"]):
            if name in REGISTERING and self.ends[call] >= 0 and not self.columns["error"][call]:
                stream, epoll = self.columns["stream"][call], self.columns["epoll"][call]
                mask = (
                    None
                    if name == "epoll.unregister"
                    else self.columns["arguments"][call][1] | masks.ALWAYS
                )
                self.has_memory = self.has_memory or bool((mask or 0) & (masks.ET | masks.ONESHOT))
                if stream >= 0 and epoll >= 0:
                    self.registered.setdefault(
                        (self.description[epoll], self.description[stream]), []
                    ).append((self.starts[call], self.ends[call], mask))

    def _spans(self, calls):
        return _Spans([(self.starts[call], self.ends[call]) for call in calls])

    def remember(self, call):
        """Take in what a poll returned: later polls may depend on it."""
        epoll, start, end = self.columns["epoll"][call], self.starts[call], self.ends[call]
        for index, _ in self.log.raw_events(call):
            if index >= 0 and epoll >= 0:
                key = (self.description[epoll], self.description[index])
                self.reports.setdefault(key, []).append((start, end, self.asleep[call]))
                history = self.registered.get(key, [])
                at = bisect_right(history, end, key=_start)
                if at and (history[at - 1][2] or 0) & masks.ONESHOT:
                    history.insert(at, (start, end, history[at - 1][2] & ~masks.CONDITIONS))

    def readable_later(self, stream, began, ended) -> bool:
        flow = self.out_of.get(self.description[stream]) if stream >= 0 else None
        if flow is None or flow.is_fed_elsewhere or flow.most(began, began) > 0:
            return False
        end = self.spans[flow, flow.source]
        return not end.any_touching(-inf, began) and (
            self.spans[flow, "writes"].starts_between(began, ended)
            or end.starts_between(began, ended)
        )

    def writable_later(self, stream, began, ended) -> bool:
        """A write was refused, nobody read since, and somebody does now.

        (TCP also makes room on its own.)
        """
        flow = self.into.get(self.description[stream])
        if flow is None or self.log.objects[stream].kind == "tcp":
            return False
        at = bisect_right(flow.writes, began, key=self.starts.__getitem__) - 1
        if at < 0 or not self.starts[flow.writes[at]] < self.ends[flow.writes[at]] <= began:
            return False
        call, reads = flow.writes[at], self.spans[flow, "reads"]
        return (
            call in flow.cut_short
            and not reads.any_touching(self.starts[call], began)
            and reads.starts_between(began, ended)
        )

    def ends_later(self, flow, end, began, ended) -> bool:
        return (
            flow is not None
            and self.spans[flow, end].starts_between(began, ended)
            and not self.spans[flow, end].any_touching(-inf, began)
        )

    def nothing_to_return(self, call) -> bool:
        """Tell whether a read or a poll can have had nothing to return, from its start until
        Ctrl-C broke it off.
        """
        span, epoll = (self.starts[call], self.ends[call]), self.columns["epoll"][call]
        if epoll < 0:
            stream = self.columns["stream"][call]
            return (
                self.columns["name"][call] in READS
                and stream >= 0
                and self.is_silent(self.description[stream], *span)
            )
        watched = [
            (stream, history)
            for (owner, stream), history in self.registered.items()
            if owner == self.description[epoll]
        ]
        return all(self.keeps_silent(stream, history, *span) for stream, history in watched)

    def keeps_silent(self, stream, history, began, ended) -> bool:
        at = bisect_right(history, ended, key=_start)
        mask = history[at - 1][2] if at else None
        return (not at or history[at - 1][1] <= began) and (
            mask is None or (not mask & masks.OUT and self.is_silent(stream, began, ended))
        )

    def is_silent(self, stream, began, ended) -> bool:
        """Tell whether nothing can be read from a stream, no end of it closed, as long as that."""
        source, sink = self.out_of.get(stream), self.into.get(stream)
        if source is not None and (
            source.is_fed_elsewhere
            or source.most(began, ended) > 0
            or self.spans[source, source.source].any_touching(-inf, ended)
        ):
            return False
        if sink is not None and self.spans[sink, sink.sink].any_touching(-inf, ended):
            return False
        return (source or sink) is not None

    def poll_later(self, call) -> bool:
        """Tell whether everything that a poll returned came after the poll had started."""
        events, epoll = self.log.raw_events(call), self.description[self.columns["epoll"][call]]
        span = (self.starts[call], self.ends[call])
        return bool(events) and all(
            index >= 0 and self.event_later(epoll, index, mask, *span) for index, mask in events
        )

    def event_later(self, epoll, stream, mask, began, ended) -> bool:
        key = (epoll, self.description[stream])
        history = self.registered.get(key, [])
        at = bisect_right(history, began, key=_start)
        if at and history[at - 1][1] > began:
            return False  # somebody was just changing it
        before = history[at - 1][2] if at else None
        if not (before or 0) & mask:  # not asked for, when the poll started
            return any(start < ended and (now or 0) & mask for start, _, now in history[at:])
        if before & masks.ET and self.reports.get(key):
            return self.edge_later(key, stream, began, ended)
        source = self.out_of.get(key[1])
        sink = self.into.get(key[1])
        rules = (
            (masks.IN, lambda: self.readable_later(stream, began, ended)),
            (masks.OUT, lambda: self.writable_later(stream, began, ended)),
            (
                masks.HUP | masks.RDHUP,
                lambda: self.ends_later(source, source and source.source, began, ended),
            ),
            (masks.ERR, lambda: self.ends_later(sink, sink and sink.sink, began, ended)),
        )
        known = sum(bits for bits, _ in rules)
        return not mask & ~known and all(rule() for bits, rule in rules if mask & bits)

    def edge_later(self, key, stream, began, ended) -> bool:
        """An edge-triggered entry reports what happens after its last report, whatever waits
        there.
        """
        reports = self.reports[key]
        start, end, slept = reports[-1]
        causes = []
        if (flow := self.out_of.get(key[1])) is not None:
            causes += [self.spans[flow, "writes"], self.spans[flow, flow.source]]
        if (flow := self.into.get(key[1])) is not None:
            causes += [self.spans[flow, "reads"], self.spans[flow, flow.sink]]
        if end > began or (flow := self.out_of.get(key[1])) is None or flow.is_fed_elsewhere:
            return False
        history = self.registered.get(key, ())
        changed = bisect_right(history, began, key=_start) - bisect_right(
            history, start, key=_start
        )
        # Between the last report and this poll nothing may have happened that is still to be
        # reported; the one thing that woke the last poll was.
        open_causes = sum(
            bisect_right(one.starts, began) - bisect_left(one.starts, start)
            if not one.any_touching(start, start)
            else 2
            for one in causes
        )
        return (
            not changed
            and open_causes <= bool(slept)
            and any(one.starts_between(began, ended) for one in causes)
        )
