"""The page: what can stand on a picture, and where across it; in steps, or in real time.

Facts about time
----------------
A program that waits a tenth of a second and then makes ten calls would be one line and one blot if
time were drawn to scale.  A program that writes one byte at a time until the pipe is full makes
65,536 steps that tell one thing.

What we do about them
---------------------
In steps every call has a place of its own, and the picture is the same on every run whose order the
program fixes; if there are many steps, a long run of the same call is folded.  In time, long gaps
are folded.

`Steps` and `Time` each tell how wide the whole is (`width`), where a call's bar lies (`left`,
`right`), which calls did not come back (`is_open`), where to mark what follows from a call's start
and its return (`began`, `returned`), where other positions of the account lie (`x`), what is folded
(`folded`, `folds`), and where the axis has its `ticks`.
"""

from dataclasses import dataclass, field
from math import ceil, inf, log10
from typing import NamedTuple

import numpy as np

from ..analysis.story import runs
from ..syscalls import STILL_IN_CALL, Syscall

#: With more steps than this, long runs of the same call are folded; with more calls, lanes show
#: density.
MOST_SLOTS = 96
FOLDED_SLOTS = 4
OPEN_SLOTS = 2  # of room after the last step, for calls that are still under way: so they are seen
MOST_ALIKE = 6  # of more marks of a kind on a lane, only the first is named
COLUMNS = 1200  # of pixels, where there is more than each could show


@dataclass(slots=True)
class Lane:
    """A horizontal strip: from *top* down to *bottom*, in inches from the top of the picture."""

    kind: str
    name: str
    note: str
    top: float
    bottom: float

    @property
    def middle(self):
        return (self.top + self.bottom) / 2


class Bar(NamedTuple):
    """A call on a thread's lane, or *count* of them that are all alike and folded into one.

    `details` is what to say above it: in full, and shorter.  `ends` is returned, timed out,
    refused, failed, or open (still in the call).  `aside` tells that it is a library's
    housekeeping, or about a stream that is not shown.
    """

    lane: Lane
    left: float
    right: float
    call: int
    count: int
    word: str
    details: tuple
    syscall: Syscall
    asleep: bool
    ends: str
    aside: bool

    @property
    def family(self) -> str:
        """Return which color and row it has: read, write, poll, close or other."""
        return self.syscall.family


class Mark(NamedTuple):
    """A point with a meaning:

    *what* happened at *x*, on *lane*; *y* in inches; *target* is the lane it speaks of.
    """

    lane: Lane
    x: float
    y: float
    what: str
    call: int
    target: Lane | None = None

    @property
    def tie(self):
        """Return where the line to the target begins and ends."""
        below = self.target.top > self.y
        return (
            (self.y + 0.05, self.target.top + 0.05)
            if below
            else (self.y - 0.05, self.target.bottom)
        )


@dataclass(slots=True)
class Entry:
    """A line on an epoll's lane:

    what is registered, from when to when; a one-shot entry that fired is *disabled*.
    """

    lane: Lane
    left: float
    right: float
    y: float
    what: str
    disabled: bool

    @property
    def x(self):
        return self.left


@dataclass(slots=True)
class Area:
    """A level in steps, between *top* and *base*:

    *xs* and *levels* are its corners, *unit* says what is counted.
    """

    lane: Lane
    xs: np.ndarray
    levels: list
    top: float
    base: float
    unit: str
    peak: int

    def level(self, xs):
        """Return the levels from *xs* on."""
        return [self.levels[at] for at in np.maximum(np.searchsorted(self.xs, xs, "right") - 1, 0)]

    def height(self, level):
        """Return where *level* (one or many) is drawn:

        to scale, but never so low that something looks like nothing.
        """
        scaled = (self.base - self.top) * np.asarray(level, float) / max(self.peak, 1)
        return self.base - np.where(scaled > 0, np.maximum(scaled, 0.03), 0)


@dataclass
class Layout:
    """All the numbers of a picture.  `place` maps calls and positions to x."""

    place: object
    height: float = 0.08
    is_dense: bool = False
    lanes: list = field(default_factory=list)
    bars: list = field(default_factory=list)
    entries: list = field(default_factory=list)
    events: list = field(default_factory=list)
    areas: list = field(default_factory=list)
    buffer_events: list = field(default_factory=list)
    #: polls that were asked for OUT and did not report it, though no write was refused yet
    not_writable: list = field(default_factory=list)
    closes: list = field(default_factory=list)
    elsewhere: list = field(default_factory=list)
    #: where calls on the streams lie that share a lane
    rest: list = field(default_factory=list)

    def add(self, kind, name, note, height, gap=0.0):
        """Put a lane under those that there are."""
        self.lanes.append(Lane(kind, name, note, self.height + gap, self.height + gap + height))
        self.height += gap + height
        return self.lanes[-1]


class Steps:
    """Across: one unit for each step."""

    label = "step"

    def __init__(self, log):
        start, end, count = log.steps
        self.flows = log.flows_by_step
        #: {first folded call: last folded call}; the ends of a run stay in sight
        self.folded = {a + 1: b - 1 for a, b in runs(log, start, end)} if count > MOST_SLOTS else {}
        edges, places, self.folds = [0], [0.0], []
        for a, b in self.folded.items():
            left = places[-1] + start[a] - edges[-1]
            edges += [start[a], start[b] + 1]
            places += [left, left + FOLDED_SLOTS]
            self.folds.append((left, left + FOLDED_SLOTS, f"{b - a + 1:,} steps"))
        self.edges, self.places = [*edges, count], [*places, places[-1] + count - edges[-1]]
        start, end = np.array(start), np.array(end)
        self.is_open = end == count
        self.slots = round(self.places[-1])
        self.width = self.places[-1] + OPEN_SLOTS * bool(self.is_open.any())
        gap = 0.05 if self.width <= MOST_SLOTS else 0.0
        self.left = np.interp(start + gap, self.edges, self.places)
        self.right = np.where(
            self.is_open, self.width, np.interp(end + 1 - gap, self.edges, self.places)
        )
        self.began, self.returned = self.x(start), np.where(self.is_open, self.width, self.x(end))

    def x(self, positions):
        """Return where *positions* of the account lie:

        in the middle of their slots; infinity is the right edge.
        """
        positions = np.array(positions, float)
        return np.where(
            positions == inf, self.width, np.interp(positions + 0.5, self.edges, self.places)
        )

    @property
    def ticks(self):
        """Number the steps, all of them or round numbers, where they are not folded."""
        every = _round_number(self.width / (22 if self.edges[-1] < 1000 else 14))
        numbers = list(range(every, self.edges[-1] + 1, every))
        # between folds the numbers are far from round: the steps beside them, and every so many
        # after
        if self.folds:
            numbers = sorted(
                {
                    1,
                    *(
                        n
                        for a, b in zip(self.edges[::2], self.edges[1::2], strict=True)
                        for n in range(a + 1, b + 1, every)
                    ),
                }
            )
        elif every > 1:
            numbers = [1, *numbers] if every > 2 else list(range(1, self.edges[-1] + 1, 2))
        return [
            (x, f"{n:,}")
            for x, n in zip(self.x([n - 1 for n in numbers]).tolist(), numbers, strict=True)
        ]


class Time:
    """Across: nanoseconds since the first call, with long gaps folded."""

    def __init__(self, log):
        columns, self.folded = log.columns(), {}
        self.first = columns["start_ns"][0]
        starts, ends = (np.array(columns[name]) - self.first for name in ("start_ns", "end_ns"))
        self.is_open = np.array(columns["end_ns"]) == STILL_IN_CALL
        moments = np.sort(np.concatenate([starts, ends[~self.is_open]]))
        self.moments = moments[np.append(True, np.diff(moments) > 0)]
        gaps = np.diff(self.moments)
        is_long = _long_ones(gaps)
        shown = np.where(is_long, max(1.0, gaps[~is_long].sum() * 0.10), gaps)
        self.places = np.concatenate([[0.0], np.cumsum(shown)])
        self.width = max(float(self.places[-1]), 1.0) * 1.01
        self.folds = [
            (float(self.places[i]), float(self.places[i + 1]), duration(int(gaps[i])))
            for i in np.flatnonzero(is_long)
        ]
        self.label = "time since the first call" + (", long gaps folded" if self.folds else "")
        self.flows = log.flows
        self.left = self.began = np.interp(starts, self.moments, self.places)
        self.right = self.returned = np.where(
            self.is_open, self.width, np.interp(ends, self.moments, self.places)
        )

    def x(self, positions):
        """Return where *positions* of the account, times in nanoseconds, lie; infinity is the
        right edge.
        """
        since = np.array([position - self.first for position in positions], float)
        return np.where(since == inf, self.width, np.interp(since, self.moments, self.places))

    @property
    def ticks(self):
        """Mark round times in the stretches between folds, each counted from the first call."""
        step, ticks, last = _round_number(self.places[-1] / 9), [], -inf
        cuts = [
            -1.0,
            *(edge for left, right, _ in self.folds for edge in (left, right)),
            self.width,
        ]
        for left, right in zip(cuts[::2], cuts[1::2], strict=True):
            since, until = np.interp([left, right], self.places, self.moments)
            for at in range(-(-int(since) // step) * step, int(until) + 1, step):
                if (x := float(np.interp(at, self.moments, self.places))) - last > self.width / 14:
                    ticks.append((x, duration(at, step)))
                    last = x
        return ticks


def _long_ones(gaps):
    """Tell which gaps to fold:

    a quarter of them at most, each longer than all that are not folded together.
    """
    longest = np.sort(gaps)[::-1]
    shorter = longest.sum() - np.cumsum(longest)
    long_ones = longest[: len(gaps) // 4][(longest > shorter)[: len(gaps) // 4]]
    return gaps >= long_ones[-1] if len(long_ones) else np.zeros(len(gaps), bool)


def _round_number(least):
    """Return the smallest of 1, 2, 5, 10, 20, 50 … that is at least *least*."""
    power = 1
    while True:
        for digit in (1, 2, 5):
            if digit * power >= least:
                return digit * power
        power *= 10


def duration(ns, step=None) -> str:
    """Spell a time in the unit that suits it, so exactly that a *step* more would read
    differently.
    """
    for size, unit in ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs")):
        if ns >= size:
            return (
                f"{ns / size:.{ceil(log10(max(1, size / step)))}f} {unit}"
                if step
                else f"{float(f'{ns / size:.3g}'):,g} {unit}"
            )
    return f"{ns:g} ns"


# what is too much for a page


class Grid:
    """Boxes on a page, kept by cells of half an inch by a quarter:

    only what is in the same cell can meet.
    """

    def __init__(self):
        self.cells = {}

    def _touched(self, left, right, top, bottom):
        return [
            (column, row)
            for column in range(int(left * 2), int(right * 2) + 1)
            for row in range(int(top * 4), int(bottom * 4) + 1)
        ]

    def add(self, *box):
        """Take the box from *left* to *right*, from *top* to *bottom*."""
        for cell in self._touched(*box):
            self.cells.setdefault(cell, []).append(box)

    def is_free(self, left, right, top, bottom):
        return not any(
            left < other[1] and other[0] < right and top < other[3] and other[2] < bottom
            for cell in self._touched(left, right, top, bottom)
            for other in self.cells.get(cell, ())
        )


def named(marks):
    """Yield (x, y, what) for the marks to name: all of a kind in a row if they are few, else the
    first.

    Those that stand in one place have one name together.
    """
    places, together = {}, {}
    rows = [
        (id(mark.lane), mark.y if mark.lane.kind == "epoll" else 0, mark.what) for mark in marks
    ]
    for mark, row in zip(marks, rows, strict=True):
        if len(alike := places.setdefault(row, {})) <= MOST_ALIKE:
            alike[mark.x] = True
    for mark, row in zip(marks, rows, strict=True):
        if len(places[row]) <= MOST_ALIKE or mark.x == next(iter(places[row])):
            together.setdefault((row[0], mark.x, round(8 * mark.y)), []).append(mark)
    for (_, x, _), marks_here in together.items():
        whats = list(dict.fromkeys(mark.what for mark in marks_here))
        many = (
            f"{len(marks_here):,} × {whats[0]}"
            if len(whats) == 1
            else f"{len(marks_here):,} events"
        )
        yield x, marks_here[0].y, ", ".join(whats) if len(whats) == len(marks_here) < 3 else many


def share(lefts, rights, edges):
    """Return how much of each column between *edges* the bars cover, from 0 to 1; at least 0.3
    where there is one.
    """

    def passed(points):  # the sum of how far each edge is past each point
        points = np.sort(points)
        number = np.searchsorted(points, edges)
        return number * edges - np.append(0.0, np.cumsum(points))[number]

    share = np.diff(passed(lefts) - passed(rights)) / (edges[1] - edges[0])
    change = np.zeros(len(edges) + 1)
    first = np.clip(np.searchsorted(edges, lefts, "right") - 1, 0, len(edges) - 2)
    np.add.at(change, first, 1)
    np.add.at(change, np.maximum(np.searchsorted(edges, rights, "left"), first + 1), -1)
    return np.where(
        np.cumsum(change)[: len(share)] > 0,
        0.3 + 0.7 * np.clip(share / max(share.max(), 1), 0, 1),
        0,
    )


def envelope(xs, levels):
    """Return columns that share out the corners at *xs*, the highest of *levels* in each, and
    the lowest.
    """
    edges = np.linspace(
        xs[0], xs[-1], min(COLUMNS, len(xs) // 4)
    )  # so many that some corners lie in each
    here = np.searchsorted(edges, xs, "right") - 1
    highest = levels[np.maximum(np.searchsorted(xs, edges, "right") - 1, 0)]
    lowest = highest.copy()
    np.maximum.at(highest, here, levels)
    np.minimum.at(lowest, here, levels)
    return edges, highest, lowest
