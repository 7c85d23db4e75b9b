"""Across a picture: steps, or real time with its long gaps folded.

Facts about time
----------------
A program that waits a tenth of a second and then makes ten calls would be one line and one blot if time were drawn to
scale.  In steps every call has a place of its own, and the picture is the same on every run whose order the program fixes.

Each of the two classes tells where a call's bar begins and ends, where a position of the account lies, how wide the whole
is, and where the axis has its ticks.
"""

from bisect import bisect_right
from math import inf

from . import account


class Steps:
    """Across: one unit for each step."""

    def __init__(self, log):
        self.start, self.end, self.count = account.slots(log)
        self.width, self.folds = float(self.count), []
        every = max(1, -(-self.count // 16))
        self.ticks = [(step + 0.5, str(step + 1)) for step in range(0, self.count, every)]
        self.flows, _ = account.balance(log, self.start, [inf if e == self.count else e for e in self.end])

    def span(self, call):
        """Return where a call's bar begins and ends, and whether it is still open."""
        is_open = self.end[call] == self.count
        return self.start[call] + 0.05, self.count if is_open else self.end[call] + 0.95, is_open

    def returned(self, call):
        return min(self.end[call] + 0.5, self.width)

    def started(self, call):
        return self.start[call] + 0.5

    def x(self, position):
        return self.width if position == inf else position + 0.5


class Time:
    """Across: nanoseconds since the first call, with long gaps folded."""

    def __init__(self, log):
        columns = log.columns()
        self.log, self.starts, self.ends = log, columns["start_ns"], columns["end_ns"]
        moments = sorted({*self.starts, *(end for end in self.ends if end >= 0)})
        gaps = sorted((b - a for a, b in zip(moments, moments[1:], strict=False)), reverse=True)
        rest, limit = sum(gaps), inf
        for gap in gaps:  # a gap is folded if it is long beside all the shorter ones together
            rest -= gap
            if gap <= 0.5 * rest or rest == 0:
                break
            limit = gap
        folded = max(1, sum(gap for gap in gaps if gap < limit)) * 0.10
        self.moments, self.places, self.folds, at = moments, [0.0], [], 0.0
        for before, after in zip(moments, moments[1:], strict=False):
            gap = after - before
            if gap >= limit:
                self.folds.append((at, at + folded, gap))
                gap = folded
            at += gap
            self.places.append(at)
        self.width = max(at, 1.0) * 1.01
        self.flows = log.books[0]
        self.ticks = self._ticks()

    def _ticks(self):
        """Mark round times in the stretches between folds, each counted from the start of the recording."""
        if not self.places[-1]:
            return [(0.0, "0")]
        step = 10 ** (len(str(int(self.places[-1] / 4))) - 1)
        step = next(step * m for m in (1, 2, 5, 10) if self.places[-1] / (step * m) <= 9)
        ticks, last, first = [], -inf, self.moments[0]
        at = first
        while at <= self.moments[-1]:
            if (x := self.x(at)) - last > self.places[-1] / 14:
                ticks.append((x, duration(at - first)))
                last = x
            at += step
            i = bisect_right(self.moments, at) - 1
            if i + 1 < len(self.moments) and at - self.moments[i] > 4 * step:  # inside a fold: go on behind it
                at = first + -(-(self.moments[i + 1] - first) // step) * step
        return ticks

    def span(self, call):
        is_open = self.ends[call] < 0
        return self.x(self.starts[call]), self.width if is_open else self.x(self.ends[call]), is_open

    def returned(self, call):
        return self.width if self.ends[call] < 0 else self.x(self.ends[call])

    def started(self, call):
        return self.x(self.starts[call])

    def x(self, position):
        if position >= self.moments[-1]:
            return self.places[-1] if position != inf else self.width
        i = max(0, bisect_right(self.moments, position) - 1)
        span = self.moments[i + 1] - self.moments[i]
        share = (position - self.moments[i]) / span if span else 0
        return self.places[i] + share * (self.places[i + 1] - self.places[i])


def duration(ns) -> str:
    """Spell a time in the unit that suits it."""
    for size, unit in ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs")):
        if ns >= size:
            return f"{ns / size:.4g} {unit}"
    return f"{ns:g} ns"
