"""A recording, step by step: what happened, and how the kernel's side stood after it.  Pure data,
no page.

Every moment is worked out from the log alone.  So it can be asked of a recording that came from
another machine, and of one made long ago.
"""

from bisect import bisect_right
from dataclasses import dataclass
from math import inf

from .. import masks
from ..analysis import story
from ..drawing.axis import duration


@dataclass(frozen=True)
class Moment:
    """How things stood after *step* (counted from 1).

    `lists` has an entry for each epoll that is open, (name, ((stream, mask), …)): of the stream the
    name, or a number in parentheses where nothing known is meant; of the mask what the kernel would
    list.  `levels` has (channel, what waits there, a word) for each open channel; `returned` is the
    last poll that came back, spelled, or "".  `asleep` has (thread, call) for each thread that
    sleeps, `inside` for each that is in a call and not known to sleep.
    """

    step: int
    time_ns: int
    happened: str
    thread: str
    source: str
    line: int
    call: int
    lists: tuple
    levels: tuple
    returned: str
    asleep: tuple
    inside: tuple


class Moments:
    """The steps of a log, counted from 1; `count` tells how many there are.

    Raises ValueError if the log is empty.
    """

    def __init__(self, log):
        if not len(log):
            raise ValueError(
                "this log holds no calls, so there is nothing to step through: "
                "make the calls inside the with epollkit.record() block"
            )
        self.log = log
        self.start, self.end, self.count = log.steps
        self.flows = log.flows_by_step
        self.happenings = [None] * self.count
        self.long_calls = []
        for call, (began, ended) in enumerate(zip(self.start, self.end, strict=True)):
            self.happenings[began] = call, False
            if began < ended:
                self.long_calls.append(call)
                if ended < self.count:
                    self.happenings[ended] = call, True
        self.polls = sorted(
            (self.end[call], call)
            for call, name in enumerate(log.columns()["name"])
            if name == "epoll.poll" and self.end[call] < self.count
        )
        self.opened = {
            one.index: -1 if one.opened_by is None else self.end[one.opened_by]
            for one in log.objects
        }
        starts = log.columns()["start_ns"]
        self.closed = {
            one.index: inf
            if one.closed_ns is None
            else self.end[one.closed_by]
            if one.closed_by is not None
            else self.start[min(bisect_right(starts, one.closed_ns), len(starts) - 1)]
            for one in log.objects
        }

    def at(self, step) -> Moment:
        """Return how things stood after *step*, from 1 to `count`.

        Raises IndexError for another number.
        """
        if not 1 <= step <= self.count:
            raise IndexError(f"this recording has steps 1 to {self.count}, there is no step {step}")
        now = step - 1
        index, returns = self.happenings[now]
        call, columns = self.log[index], self.log.columns()
        line = columns["line"][index]
        source, number = self.log.lines[line][:2] if line >= 0 else ("", 0)
        last = bisect_right(self.polls, (now, inf)) - 1
        inside = [each for each in self.long_calls if self.start[each] <= now < self.end[each]]
        told = [
            (
                self.log.threads[columns["thread"][each]].name,
                story.spell(self.log[each]),
                self.log.asleep[each],
            )
            for each in inside
        ]
        return Moment(
            step,
            (columns["end_ns"] if returns else columns["start_ns"])[index] - columns["start_ns"][0],
            story.happening(self.log, index, returns),
            call.thread.name,
            source,
            number,
            index,
            tuple(self._lists(now)),
            tuple(self._levels(now)),
            story.spell(self.log[self.polls[last][1]])
            + story.outcome(self.log[self.polls[last][1]])
            if last >= 0
            else "",
            tuple((thread, said) for thread, said, asleep in told if asleep),
            tuple((thread, said) for thread, said, asleep in told if not asleep),
        )

    def _is_open(self, stream, now):
        return self.opened[stream.index] <= now < self.closed[stream.index]

    def _lists(self, now):
        seen = set()
        for epoll in self.log.epolls:
            if self._is_open(epoll, now) and epoll.description not in seen and not epoll.internal:
                seen.add(epoll.description)
                entries = self.log.interest_list(epoll, step=now)
                yield (
                    epoll.name,
                    tuple(
                        (stream.name if stream is not None else f"({number})", mask)
                        for (number, stream), mask in entries.items()
                    ),
                )

    def _levels(self, now):
        for flow in self.flows:
            ends = [self.log.objects[end] for end in {flow.source, flow.sink} - {None}]
            held = [
                one
                for one in self.log.objects
                if one.description in {flow.source, flow.sink} and not one.internal
            ]
            if any(self._is_open(one, now) for one in held) and (
                flow.unit == "bytes" or len(ends) == 1
            ):
                level = flow.level(now)
                words = [
                    what
                    for at, what, _ in flow.buffer_events
                    if at <= now and what in ("full", "non-full")
                ][-1:]
                words = ["full"] if words == ["full"] else []
                words += [
                    f"{self.log.objects[stream].name} {how}"
                    for at, how, stream, _ in flow.endings
                    if at <= now
                ]
                waiting = {
                    "bytes": story.count(level, "byte"),
                    "connections": story.count(level, "connection"),
                    "count": f"count {level:,}",
                }[flow.unit]
                yield self.log.channel_name(flow), waiting, ", ".join(words)


def spelled(mask) -> str:
    """Spell the mask of an entry: what was asked for, then what the kernel added."""
    asked = mask & ~masks.ALWAYS
    if not mask & masks.CONDITIONS:
        return (
            f"{masks.short(asked)} (fired: disabled)" if mask & masks.ONESHOT else masks.short(mask)
        )
    return f"{masks.short(asked) if asked else 'nothing'} (+ERR +HUP, always)"


def moment_of_time(ns) -> str:
    """Spell the time since the first call."""
    return duration(ns, 1000) if ns else "0 s"
