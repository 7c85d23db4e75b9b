"""waiting(): three ways to wait for a parcel, what each costs the reader, and how long the parcel
waits.

Facts about waiting
-------------------
* A blocking ``read`` sleeps at one stream: it wakes at once when bytes come there, and not at all
  when they come elsewhere.
* Busy polling never sleeps in ``read``.  Between two looks it may pause: then a parcel waits for up
  to the pause.  Without a pause it uses a processor up.  ``epoll`` sleeps at all streams at once.
* Threads of one Python take turns (the GIL).  One that makes call after call lets go of it so
  shortly that another, which wants to write, may wait for its turn: some 5 ms, unless
  ``sys.setswitchinterval`` was told otherwise.
* A thread has a clock of its own, which runs only while a processor runs the thread:
  CLOCK_THREAD_CPUTIME_ID.

What we do about them
---------------------
A *try* is one wait, on pipes opened for it.  The reader is a thread; who calls is the courier, and
comes after a time that the reader cannot know.  With two streams the first parcel comes to the
*second* stream.  What is counted is the waiting: opening and registering, done once for any number
of parcels, came before.  A reader that still waits when the courier is done, or fails, finds the
end of the stream (EOF): no try can hang.

*Source:* read(2), epoll(7), pipe(7), clock_gettime(2).
"""

import math
import os
import random
import select
import threading
import time
from collections import deque
from contextlib import ExitStack
from typing import NamedTuple

import ipywidgets

from .. import linux
from ..analysis.story import count
from ..drawing.canvas import Canvas, image
from ..drawing.ink import BUFFER, EDGE, EVENT, FAINT, FILL, INK, RULE, measure
from ..widgets.controls import button, choice, row, toggles
from ..widgets.page import Explorable, panel

WAYS = ("blocking", "busy polling", "epoll")
INTERVALS_MS = (0, 0.1, 1, 5, 10, 20, 50)
KEPT, PARCEL = 12, b"parcel"
#: Milliseconds until the courier comes (again), between these two: as far apart as the longest pause.
COMES_MS = 5, 55


class Try(NamedTuple):
    """One wait, as it was measured.

    Of each stream: `waits_ns`, after how long its parcel came, and `delays_ns`, how long the parcel
    waited then.  `calls`: of read and poll.  `cpu_ns`: processor time of the reader's thread.
    `late_ns`: how long after it meant to the courier wrote, at worst.  `evidence`, of a blocking
    reader of two streams: what the kernel said before the last parcel came: (does the reader sleep
    in a read of the first stream, bytes that wait in the second).
    """

    number: int
    way: str
    interval_ms: float | None
    streams: int
    waits_ns: tuple
    delays_ns: tuple
    calls: int
    cpu_ns: int
    late_ns: int
    evidence: tuple | None

    @property
    def delay_ns(self):
        return max(self.delays_ns)


class Reader:
    """Who waits: reads one parcel from each of *streams*, in one *way*; counts and times what that
    takes.
    """

    def __init__(self, way, pause_s, streams, epoll):
        self.way, self.pause_s, self.streams, self.epoll = way, pause_s, streams, epoll
        self.calls, self.came_ns, self.cpu_ns, self.error = 0, {}, 0, None

    def run(self):
        """Wait; to be called in the reader's own thread."""
        try:
            cpu_ns = time.thread_time_ns()
            {"blocking": self.block, "busy polling": self.busy_poll, "epoll": self.poll}[self.way]()
            self.cpu_ns = time.thread_time_ns() - cpu_ns
        except Exception as error:
            self.error = error

    def read(self, stream):
        self.calls += 1
        os.read(stream, 64)
        self.came_ns.setdefault(stream, time.perf_counter_ns())

    def block(self):
        for stream in self.streams:
            self.read(stream)

    def busy_poll(self):
        while True:
            for stream in [stream for stream in self.streams if stream not in self.came_ns]:
                try:
                    self.read(stream)
                except BlockingIOError:
                    pass
            if len(self.came_ns) == len(self.streams):
                return
            if self.pause_s:
                time.sleep(self.pause_s)

    def poll(self):
        while len(self.came_ns) < len(self.streams):
            self.calls += 1
            for stream, _ in self.epoll.poll():
                self.read(stream)


class Experiment:
    """The tries made so far: `tries` has the last dozen of them, `made` says how many there were."""

    def __init__(self):
        self.tries, self.made = deque(maxlen=KEPT), 0

    def attempt(self, way, interval_ms=0, streams=1) -> Try:
        """Wait once, in one of `WAYS`, for a parcel in each of *streams* pipes (1 or 2); takes less
        than 0.1 s a stream.

        *interval_ms*: the pause between two looks of busy polling, 0 for none.  Raises ValueError
        if there is no such way, OSError if the pipes cannot be opened.  Nothing stays open.
        """
        if way not in WAYS or streams not in (1, 2) or not 0 <= interval_ms <= max(INTERVALS_MS):
            raise ValueError(
                f"got {way!r}, {interval_ms!r} ms, {streams!r} streams; pass one of {WAYS}, "
                f"0 to {max(INTERVALS_MS)} ms, 1 or 2 streams"
            )
        with ExitStack() as read_ends, ExitStack() as write_ends:
            pipes = []
            for _ in range(streams):
                r, w = os.pipe()
                read_ends.callback(os.close, r)
                write_ends.callback(os.close, w)
                os.set_blocking(r, way == "blocking")
                pipes.append((r, w))
            epoll = read_ends.enter_context(select.epoll()) if way == "epoll" else None
            for r, _ in pipes if epoll else ():
                epoll.register(r, select.EPOLLIN)
            reader = Reader(way, interval_ms / 1000, [r for r, _ in pipes], epoll)
            thread = threading.Thread(target=reader.run, name="reader", daemon=True)
            begin_ns = time.perf_counter_ns()
            thread.start()
            try:
                sent_ns, late_ns, evidence = self._deliver(pipes, thread, way)
                thread.join(0.15)
            finally:
                write_ends.close()  # a reader that still waits finds the end of the stream
                thread.join(10)
        if reader.error:
            raise reader.error
        self.made += 1
        result = Try(
            self.made,
            way,
            interval_ms if way == "busy polling" else None,
            streams,
            tuple(sent_ns[w] - begin_ns for _, w in pipes),
            tuple(reader.came_ns[r] - sent_ns[w] for r, w in pipes),
            reader.calls,
            reader.cpu_ns,
            late_ns,
            evidence,
        )
        self.tries.append(result)
        return result

    @staticmethod
    def _deliver(pipes, thread, way):
        """Be the courier: the last stream's parcel first, each after a time that the reader cannot
        know.
        """
        sent_ns, late_ns, evidence, plan_ns = {}, 0, None, time.perf_counter_ns()
        for r, w in reversed(pipes):
            begin_ns = plan_ns
            plan_ns += int(1e6 * random.uniform(*COMES_MS))
            if sent_ns and way == "blocking":
                _sleep_until((begin_ns + plan_ns) // 2)
                evidence = linux.is_asleep(thread, r), linux.bytes_waiting(pipes[1][0])
            _sleep_until(plan_ns)
            sent_ns[w] = time.perf_counter_ns()
            late_ns = max(late_ns, sent_ns[w] - plan_ns)
            os.write(w, PARCEL)
        return sent_ns, late_ns, evidence


def _sleep_until(moment_ns):
    time.sleep(max(0, moment_ns - time.perf_counter_ns()) / 1e9)


# in words

PRESS = "No try yet. Choose how the reader waits, then press Try."
EMPTY = (
    "An empty chart. Across, how long a parcel waits before the reader has it; upward, the processor "
    f"time that the reader uses; both from 10 µs to 1 s. {PRESS}"
)
HEADS = (
    "try",
    "way",
    "parcel came after",
    "parcel waited",
    "calls",
    "processor time",
    "courier late",
)


def in_words(ns) -> str:
    """Spell a duration: `95 µs`, `3.9 ms`, `119 ms`."""
    if ns < 999_500:
        return f"{ns / 1e3:.0f} µs"
    return f"{ns / 1e6:.1f} ms" if ns < 9_950_000 else f"{ns / 1e6:.0f} ms"


def short(way, interval_ms, streams) -> str:
    """Name a way of waiting in few letters: `busy 5 ms ×2`."""
    pause = "" if interval_ms is None else f" {interval_ms} ms"
    return way.split()[0] + pause + " ×2" * (streams == 2)


def way_in_words(result) -> str:
    """Say how a try waited: `busy polling, 5 ms between looks, two streams`."""
    pause = {None: "", 0: ", no pause between looks"}.get(
        result.interval_ms, f", {result.interval_ms} ms between looks"
    )
    return f"{result.way}{pause}, {'two streams' if result.streams == 2 else 'one stream'}"


def tell(tries) -> str:
    """Tell the chart of *tries* in words: its alternative text."""
    lines = [
        f"Try {result.number}: {way_in_words(result)}: the parcel waited {in_words(result.delay_ns)}; "
        f"{count(result.calls, 'call')}, {in_words(result.cpu_ns)} of processor time."
        for result in tries
    ]
    return "\n".join(lines) or EMPTY


def verdict(result) -> str:
    """Say in HTML what was seen in one try."""
    came = " and ".join(map(in_words, sorted(result.waits_ns)))
    words = [
        f"<b>Try {result.number}</b>: {way_in_words(result)}. "
        f"{'The parcels' if result.streams == 2 else 'The parcel'} came after {came}"
        f"{', first to stream 2' if result.streams == 2 else ''}. "
        f"{'The one that waited longest' if result.streams == 2 else 'It'} waited "
        f"<b>{in_words(result.delay_ns)}</b>, and the reader used <b>{in_words(result.cpu_ns)}</b> "
        "of processor time."
    ]
    if result.way == "busy polling":
        words.append(f"{result.calls - result.streams:,} of {result.calls:,} looks found nothing.")
    if result.evidence:
        is_asleep, waiting = result.evidence
        where = {True: "sleeps in a read of stream 1", False: "is awake", None: ""}[is_asleep]
        words.append(
            f"Meanwhile Linux said: {waiting} bytes wait in stream 2"
            + f", and the reader {where}" * bool(where)
            + "."
        )
    if result.late_ns > 1_000_000:
        why = ": threads of one Python take turns, and this reader calls all the time"
        words.append(
            f"The courier wrote {in_words(result.late_ns)} later than it meant to"
            f"{why if result.interval_ms == 0 else ''}."
        )
    return " ".join(words)


def table(tries) -> str:
    """List *tries* as HTML, the newest first."""
    if not tries:
        return f"<div>{PRESS}</div>"
    look = 'style="padding: 1px 7px 1px 0; text-align: right; vertical-align: bottom"'
    rows = [
        (
            result.number,
            short(result.way, result.interval_ms, result.streams),
            " · ".join(map(in_words, result.waits_ns)),
            " · ".join(map(in_words, result.delays_ns)),
            f"{result.calls:,}",
            in_words(result.cpu_ns),
            in_words(result.late_ns),
        )
        for result in reversed(tries)
    ]
    head = "".join(f'<th scope="col" {look}>{name}</th>' for name in HEADS)
    body = "".join(
        f"<tr>{''.join(f'<td {look}>{cell}</td>' for cell in cells)}</tr>" for cells in rows
    )
    return (
        '<div style="overflow-x: auto"><table style="border-collapse: collapse; white-space: nowrap">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        "<div>×2: two streams, stream 1 · stream 2. <i>calls</i>: of read and poll. "
        "<i>courier late</i>: how long after it meant to it wrote.</div>"
    )


# the chart, in inches from the upper left corner

HEIGHT, LEFT, RIGHT, TOP, FLOOR = 3.2, 0.78, 8.26, 0.40, 2.70
#: What both axes show at least: powers of ten, in µs.
DECADES = 1, 6
LOOKS = {"blocking": ("s", EDGE["read"]), "busy polling": ("^", BUFFER), "epoll": ("o", EVENT)}
POWERS = ("1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s")
SIZE = 8.5


class Chart:
    """The chart of *tries*: how long the parcel waited across, processor time upward, both in
    powers of ten.
    """

    def __init__(self, tries):
        self.canvas, self.taken = Canvas(HEIGHT), []
        points = [
            [max(0, math.log10(max(ns, 1) / 1e3)) for ns in (result.delay_ns, result.cpu_ns)]
            for result in tries
        ]
        found = list(zip(*points, strict=True)) or [DECADES, DECADES]
        self.across, self.upward = (
            (min(DECADES[0], *map(math.floor, some)), max(DECADES[1], *map(math.ceil, some)))
            for some in found
        )
        self._draw_board()
        if not tries:
            self.canvas.text((LEFT + RIGHT) / 2, (TOP + FLOOR) / 2, PRESS, 11, INK)
        places = [(self._x(x), self._y(y)) for x, y in points]
        self.taken += [(x - 0.09, x + 0.09, y - 0.09, y + 0.09) for x, y in places]
        groups = []  # a name for tries of the same kind that lie together
        for result, place in zip(tries, places, strict=True):
            self._mark(result.way, result.streams, *place)
            kind = result.way, result.interval_ms, result.streams
            near = (
                numbers
                for other, at, numbers in groups
                if other == kind and math.dist(at, place) < 0.4
            )
            numbers = next(near, None)
            if numbers is None:
                groups.append((kind, place, numbers := []))
            numbers.append(result.number)
        self.names = [(kind, numbers) for kind, _, numbers in groups]
        for group in groups:
            self._name(*group)

    def _x(self, power):
        low, high = self.across
        return LEFT + (RIGHT - LEFT) * (power - low) / (high - low)

    def _y(self, power):
        low, high = self.upward
        return FLOOR - (FLOOR - TOP) * (power - low) / (high - low)

    def _draw_board(self):
        """Draw what does not depend on the tries: the powers of ten, the corners, the legend."""
        canvas, top, bottom = self.canvas, TOP + 0.10, FLOOR - 0.10
        canvas.boxes([(LEFT, self._x(3), self._y(3), FLOOR)], FILL["poll"], alpha=0.25, order=0)
        xs = [(self._x(power), POWERS[power]) for power in range(*_with_end(self.across))]
        ys = [(self._y(power), POWERS[power]) for power in range(*_with_end(self.upward))]
        canvas.lines([[(x, TOP), (x, FLOOR)] for x, _ in xs], RULE, 0.5, 0)
        canvas.lines([[(LEFT, y), (RIGHT, y)] for y, _ in ys], RULE, 0.5, 0)
        for x, words in xs:
            side = "right" if x > RIGHT - 0.1 else "center"
            canvas.text(min(x, RIGHT + 0.1), FLOOR + 0.13, words, SIZE, INK, ha=side)
        for y, words in ys:
            canvas.text(LEFT - 0.07, y, words, SIZE, INK, ha="right")
        middle = (LEFT + RIGHT) / 2, (TOP + FLOOR) / 2
        canvas.text(middle[0], FLOOR + 0.35, "how long the parcel waited  (later →)", 9.5, INK)
        canvas.text(0.12, middle[1], "processor time  (costlier →)", 9.5, INK, rotation=90)
        for x, y, side, words in (
            (LEFT + 0.06, bottom, "left", "prompt and cheap"),
            (RIGHT - 0.06, bottom, "right", "late"),
            (LEFT + 0.06, top, "left", "costly"),
            (RIGHT - 0.06, top, "right", "late and costly"),
        ):
            canvas.text(x, y, words, SIZE, FAINT, ha=side, style="italic")
            self._take(x, y, side, words)
        x = LEFT + 0.1
        for way, streams, words in (
            *((way, 1, way) for way in WAYS),
            ("epoll", 2, "with a ring, ×2: two streams"),
        ):
            self._mark(way, streams, x, TOP - 0.2)
            canvas.text(x + 0.14, TOP - 0.2, words, SIZE, INK, ha="left")
            x += measure(words, SIZE)[0] + 0.5

    def _mark(self, way, streams, x, y):
        shape, color = LOOKS[way]
        self.canvas.dots([(x, y)], shape, color, size=6.5, order=4)
        if streams == 2:
            self.canvas.dots([(x, y)], shape, "none", color, 11, 1, 4)

    def _take(self, x, y, side, words):
        """Take the room of *words* if it is free; tell whether it was."""
        length = measure(words, SIZE)[0] + 0.06
        left = x - 0.03 if side == "left" else x - length + 0.03
        box = left, left + length, y - 0.075, y + 0.075
        is_free = not any(
            box[0] < right and at < box[1] and box[2] < low and high < box[3]
            for at, right, high, low in self.taken
        )
        if is_free:
            self.taken.append(box)
        return is_free

    def _name(self, kind, place, numbers):
        """Name marks that lie together: in the nearest free place beside, above or below the first
        of them.
        """
        words, (x, y) = f"{', '.join(map(str, numbers))} {short(*kind)}", place
        length, color = measure(words, SIZE)[0], LOOKS[kind[0]][1]
        for far, direction, side in (
            (far, direction, side)
            for far in range(40)
            for direction in (1, -1)
            for side in ("left", "right")
        ):
            up = y + direction * far * 0.07
            at = x + (0.14 + 0.02 * far) * (1 if side == "left" else -1)
            end = at + length if side == "left" else at - length
            is_inside = LEFT < end < RIGHT and TOP + 0.08 < up < FLOOR - 0.08
            if is_inside and self._take(at, up, side, words):
                if far > 1:
                    self.canvas.lines([[(x, y), (at, up)]], color, 0.5, 3)
                self.canvas.text(at, up, words, SIZE, color, ha=side)
                return


def _with_end(limits):
    return limits[0], limits[1] + 1


# on the page


class Waiting(Explorable):
    """The tries on the page."""

    kind = "waiting"

    def __init__(self):
        super().__init__()
        self.experiment = Experiment()
        self.picture, self.list = ipywidgets.HTML(), ipywidgets.HTML()
        self.way = toggles("wait by", WAYS)
        options = [(f"{ms} ms" if ms else "none", ms) for ms in INTERVALS_MS]
        self.interval = choice("pause between looks", options, value=5, disabled=True)
        self.why = ipywidgets.HTML()
        self.streams = toggles("streams", [("one", 1), ("two", 2)])
        self.attempt = button("Try", "wait once", self.on(self._attempt), is_primary=True)
        self.reset = button("Reset", "forget the tries", self.on(self._reset))
        self.way.observe(lambda _: self._choose(), "value")
        low, high = COMES_MS
        about = ipywidgets.HTML(
            f"Each parcel comes {low} to {high} ms after the reader begins to wait (with two "
            "streams, the second parcel as long after the first). The reader cannot know when."
        )
        self.build(
            row(self.way, self.interval, self.why),
            row(self.streams, self.attempt, self.reset),
            about,
            self.line,
            self.picture,
            self.list,
        )
        self._choose()
        self._show()

    def _choose(self):
        self.interval.disabled = self.way.value != "busy polling"
        self.why.value = "(only busy polling pauses)" if self.interval.disabled else ""

    def _attempt(self, _):
        result = self.experiment.attempt(self.way.value, self.interval.value, self.streams.value)
        self.say(verdict(result))
        self._show()

    def _reset(self, _):
        self.experiment = Experiment()
        self._show()

    def _show(self):
        tries = list(self.experiment.tries)
        png, alt = Chart(tries).canvas.png(), tell(tries)
        self.picture.value = image(png, alt)
        made = self.experiment.made
        title = "Tries, the newest first" + f": the last {KEPT} of {made}" * (made > KEPT)
        self.list.value = panel(title, table(tries))
        self.set_still(png, alt)


def waiting() -> Waiting:
    """Return the explorable: wait by a blocking read, by busy polling, by epoll; see the delay and
    the cost of each try.
    """
    return Waiting()
