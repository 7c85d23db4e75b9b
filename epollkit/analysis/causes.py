"""What can have caused a call to go on, and when that began.

Facts about the kernel
----------------------
* A read goes on with bytes, or with the end of its source; a write with room, or with the end of
  its sink; a poll with any of these on an entry that asks for it, or with a registration.
* A level-triggered entry reports what is there.  An edge-triggered one reports what happened since
  its last report, whatever waits there.
* ``select`` and ``poll`` look numbers up again when they wake.  One that was closed meanwhile is
  reported: NVAL by ``poll``, as readable and writable by ``select``.

What we do about them
---------------------
`Causes` answers for one call at a time, from the first one on: can what it returned have been there
when it began?  "Later" is said only if it cannot: then the cause is a call that began meanwhile.

*Source:* epoll(7), pipe(7), poll(2); ``fs/select.c``, do_select().
"""

from bisect import bisect_right
from math import inf
from operator import itemgetter

from .. import masks
from ..syscalls import READS
from .calls import POLLS

_began = itemgetter(0)


class Causes:
    """What can end the sleep of a reader or a poller, and when it did.

    *asleep* has 1 for each call that slept.  Ask in the order of the calls, and `remember` each
    poll.
    """

    def __init__(self, log, asleep):
        self.log, self.asleep, self.columns = log, asleep, log.columns()
        self.starts, self.ends = self.columns["start_ns"], self.columns["end_ns"]
        self.into, self.out_of = log.traffic.into, log.traffic.out_of
        self.description = [stream.description for stream in log.objects]
        #: (epoll, stream), as descriptions → [(start, end, event mask from then on, or None)]
        self.registered = {}
        #: … → the polls that reported it: [(start, end, whether it slept)]
        self.reports = {}
        for (epoll, _), changes in log.poll_events.changes.items():
            for change in changes:
                if change.description is not None:
                    mask = None if change.mask is None else change.mask | masks.ALWAYS
                    self.registered.setdefault((epoll, change.description), []).append(
                        (change.began_ns, change.ended_ns, mask)
                    )
        for history in self.registered.values():  # one stream may be there under several numbers
            history.sort(key=_began)
        #: do later polls depend on what earlier ones returned?
        self.has_memory = any(
            mask & (masks.ET | masks.ONESHOT)
            for history in self.registered.values()
            for *_, mask in history
            if mask is not None
        )

    def remember(self, call):
        """Take in what a poll returned: later polls may depend on it."""
        epoll, start, end = self.columns["epoll"][call], self.starts[call], self.ends[call]
        for stream, _ in self.log.raw_events(call):
            if stream >= 0 and epoll >= 0:
                key = (self.description[epoll], self.description[stream])
                self.reports.setdefault(key, []).append((start, end, self.asleep[call]))
                history = self.registered.get(key, [])
                at = bisect_right(history, end, key=_began)
                if at and (history[at - 1][2] or 0) & masks.ONESHOT:
                    history.insert(at, (start, end, history[at - 1][2] & ~masks.CONDITIONS))

    # reads and writes

    def readable_later(self, stream, began, ended) -> bool:
        """Nothing can have waited at *began*; a write, or the end of the flow, began by *ended*."""
        flow = self.out_of.get(self.description[stream]) if stream >= 0 else None
        if flow is None or flow.is_fed_elsewhere or flow.most(began, began) > 0:
            return False
        endings = flow.spans_of_endings
        return not endings.any_touching(-inf, began) and (
            flow.spans_of_writes.starts_between(began, ended)
            or endings.starts_between(began, ended)
        )

    def writable_later(self, stream, began, ended) -> bool:
        """A write was refused, nobody read since, and somebody does now, or closes the sink.

        (TCP also makes room on its own.)
        """
        flow = self.into.get(self.description[stream]) if stream >= 0 else None
        if flow is None or self.log.objects[stream].kind == "tcp":
            return False
        # of the writes that began before, the last
        at = bisect_right(flow.writes, began, key=self.starts.__getitem__) - 1
        while at >= 0 and self.starts[flow.writes[at]] == began:
            at -= 1
        if at < 0 or not self.starts[flow.writes[at]] < self.ends[flow.writes[at]] <= began:
            return False
        call = flow.writes[at]
        makes_room = flow.spans_of_reads, flow.spans_of_sink_endings
        return (
            call in flow.cut_short
            and not any(spans.any_touching(self.starts[call], began) for spans in makes_room)
            and any(spans.starts_between(began, ended) for spans in makes_room)
        )

    # endings

    def closed_later(self, stream, began, ended) -> bool:
        """The number itself was closed: `select` then says that it can be read and written."""
        closed_by = self.log.objects[stream].closed_by
        return closed_by is not None and began < self.starts[closed_by] < ended

    def input_ends_later(self, stream, began, ended) -> bool:
        """There was more to come at *began*; by *ended* somebody began to close the source, or to
        shut the flow down at either end.
        """
        flow = self.out_of.get(self.description[stream]) if stream >= 0 else None
        return flow is not None and _begin_later([flow.spans_of_endings], began, ended)

    def reader_ends_later(self, stream, began, ended) -> bool:
        """Somebody was there to read what is written to *stream*, and begins to close."""
        flow = self.into.get(self.description[stream]) if stream >= 0 else None
        return flow is not None and _begin_later([flow.spans_of_sink_endings], began, ended)

    def connection_ends_later(self, stream, began, ended) -> bool:
        """At *began* not both directions had ended, and one of them begins to by *ended*."""
        description = self.description[stream] if stream >= 0 else None
        source, sink = self.out_of.get(description), self.into.get(description)
        endings = [source.spans_of_endings] if source is not None else []
        endings += [sink.spans_of_all_endings] if sink is not None else []
        return _begin_later(endings, began, ended)

    # polls

    def event_later(self, epoll, stream, mask, began, ended, every=all) -> bool:
        """Tell whether an event cannot have been there at *began*, and its cause began by *ended*.

        *epoll* is a description; None for `select` and its like.

        *every* says whether that must hold of all the conditions in *mask*, or of any of them.
        """
        key = (epoll, self.description[stream])
        before = mask  # what `select` and its like ask for, they are given
        if epoll is not None:
            history = self.registered.get(key, [])
            at = bisect_right(history, began, key=_began)
            before = (history[at - 1][2] or 0) if at else 0
            if at and history[at - 1][1] > began:  # somebody was just changing it
                if every is all:
                    return False
                before |= mask
            if not before & mask:  # not asked for, when the poll started
                if any(start < ended and (now or 0) & mask for start, _, now in history[at:]):
                    return True
                if every is all:
                    return False
                # else it was armed before: by a change that overlapped the report that disarms it
        rules = {
            masks.IN: lambda: (
                self.readable_later(stream, began, ended)
                or (epoll is None and self.closed_later(stream, began, ended))
            ),
            masks.OUT: lambda: (
                self.writable_later(stream, began, ended)
                or (epoll is None and self.closed_later(stream, began, ended))
            ),
            masks.NVAL: lambda: self.closed_later(stream, began, ended),
            masks.HUP: lambda: self.connection_ends_later(stream, began, ended),
            masks.RDHUP: lambda: self.input_ends_later(stream, began, ended),
            masks.ERR: lambda: self.reader_ends_later(stream, began, ended),
        }
        if before & masks.ET and self.reports.get(key):
            if self.edge_later(key, began, ended):
                return True
            if every is all:  # what is there may have been there for long
                return False
        return (every is any or not mask & ~sum(rules)) and every(
            rule() for bits, rule in rules.items() if mask & bits
        )

    def edge_later(self, key, began, ended) -> bool:
        """The same, of an edge-triggered entry that has reported before."""
        reports = self.reports[key]
        start, end, slept = reports[-1]
        source, sink = self.out_of.get(key[1]), self.into.get(key[1])
        if end > began or source is None or source.is_fed_elsewhere:
            return False
        causes = [source.spans_of_writes, source.spans_of_endings]
        if sink is not None:
            causes += [sink.spans_of_reads, sink.spans_of_sink_endings]
        history = self.registered.get(key, ())
        changed = bisect_right(history, began, key=_began) - bisect_right(
            history, start, key=_began
        )
        # Between the last report and this poll nothing may have happened that is still to be
        # reported; the one thing that woke the last poll was.
        still_open = sum(
            2 if spans.any_touching(start, start) else spans.count_between(start, began)
            for spans in causes
        )
        return (
            not changed
            and still_open <= bool(slept)
            and any(spans.starts_between(began, ended) for spans in causes)
        )

    def poll_later(self, call, every=all) -> bool:
        """Tell whether everything that a poll returned (with ``every=any``: anything) came after
        it had begun.
        """
        events, epoll = self.log.raw_events(call), self.columns["epoll"][call]
        if not events:
            return False
        epoll = self.description[epoll] if epoll >= 0 else None
        span = self.starts[call], self.ends[call]
        return every(
            stream >= 0 and self.event_later(epoll, stream, mask, *span, every)
            for stream, mask in events
        )

    # nothing at all

    def nothing_to_return(self, call) -> bool:
        """Tell whether a read or a poll can have had nothing to return, from its start until
        Ctrl-C broke it off.
        """
        span, epoll = (self.starts[call], self.ends[call]), self.columns["epoll"][call]
        if self.columns["name"][call] in POLLS and epoll < 0:
            return all(
                stream is not None
                and not mask & masks.OUT
                and self.is_silent(self.description[stream], *span)
                for stream, mask in self.columns["also"][call]
            )
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
        """Tell whether an entry can have had nothing to report, as long as that."""
        at = bisect_right(history, ended, key=_began)
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
            or source.spans_of_endings.any_touching(-inf, ended)
        ):
            return False
        if sink is not None and sink.spans_of_sink_endings.any_touching(-inf, ended):
            return False
        return (source or sink) is not None


def _begin_later(endings, began, ended) -> bool:
    """Tell whether one of these `Spans` of endings begins between the two moments, while some had
    none before.
    """
    return any(spans.starts_between(began, ended) for spans in endings) and not all(
        spans.any_touching(-inf, began) for spans in endings
    )
