"""scale(): what one wait costs with select, poll and epoll, from ten streams to thousands.

Facts about waiting for many
----------------------------
* ``select`` and ``poll`` are handed the whole list at each call, and the kernel asks every stream
  on it.  ``epoll`` keeps the list; a stream that becomes ready puts its entry on the ready list.
* ``select`` takes file descriptors below FD_SETSIZE, 1024, and no others.
* A process has as many file descriptors as its soft RLIMIT_NOFILE allows.  It may raise that to the
  hard limit by itself.
* Other work on the machine makes a call slower, and never faster.
* matplotlib keeps the fonts open, once for each thread that draws.

What we do about them
---------------------
*pipetest*, the program of 2002, again: pipes, one token, and in each pass the token goes into one
of them, is waited for, and is read.  It goes round ten pipes, spread evenly over the list; so only
the number of those that are idle differs from point to point.  A child of its own raises its limit and runs it;
a thread waits for the child, and draws nothing.  Each point is
measured in twenty short rounds, and the shortest counts.  What was published then is drawn beside it, for its shape:
another machine, and C.

*Source:* select(2), poll(2), epoll(7), getrlimit(2); Janet Morgan, "[PATCH] sys_epoll 0.14", linux-kernel,
30 October 2002 (pipetest on Linux 2.5.44).
"""

import asyncio
import json
import math
import os
import platform
import resource
import select
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import ipywidgets

from ..analysis.story import count
from ..drawing.canvas import Canvas, image
from ..drawing.ink import BUFFER, EDGE, EVENT, FAINT, INK, RULE, measure
from ..sandbox import run_apart
from ..widgets.controls import Number, button, row
from ..widgets.page import Explorable, Refused

WAYS = ("select", "poll", "epoll")
#: Streams at which is measured; the last point is the most that is asked for.
STEPS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
#: As many as in 2002; and descriptors that a process needs for other things.
LEAST, MOST, OTHERS = 10, 16_000, 40
#: Seconds that a run may take; how often each point is measured, and how many seconds at a time:
#: short, since other programs interrupt, and in rounds, since they do so for a while.
LIMIT_S, ROUNDS, BURST_S = 20.0, 20, 0.003
FEWEST = 10  # passes
#: The token goes round so many pipes, spread evenly over all of them: the rest is idle.
ACTIVE = 10
FORMAT = "epollkit scale 1"
SAVED = Path(__file__).with_name("scale.json")
SHOW_S = 0.5  # from one picture of a run that is going on to the next
#: Passes a second: streams → what was published in 2002, of each way.
PUBLISHED = {
    "poll": {
        10: 98_469,
        100: 16_514,
        500: 3_346,
        1000: 1_667,
        2000: 841,
        4000: 397,
        8000: 132,
        16_000: 38,
    },
    "epoll": {
        10: 285_510,
        100: 283_948,
        500: 281_745,
        1000: 279_754,
        2000: 278_708,
        4000: 273_873,
        8000: 270_178,
        16_000: 272_928,
    },
}


# a run


@dataclass(frozen=True)
class Run:
    """One run of pipetest.

    `us`: way → {streams: microseconds a pass, the shortest of twenty}.  `remarks`: why a way stops before
    the others.  `machine`: kernel, Python, processors; `date`: of the run, as 2026-11-25 18:00.
    `is_saved`: whether it was read from a file, and not measured just now.
    """

    us: dict
    remarks: tuple
    machine: str
    date: str
    is_saved: bool = False

    def factor(self, way) -> float:
        """Tell how many times as much the dearest pass of *way* cost as the cheapest."""
        return max(self.us[way].values()) / min(self.us[way].values())

    def save(self, path) -> Path:
        """Write the run to *path*, as JSON; returns the path."""
        data = {"format": FORMAT, "date": self.date, "machine": self.machine}
        data |= {"remarks": self.remarks, "us": self.us}
        path = Path(path)
        path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(cls, path) -> "Run":
        """Read a run from *path*.  Raises ValueError if there is none in it, OSError if it cannot
        be read.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
            if data["format"] != FORMAT:
                raise ValueError(data["format"])
            us = {
                way: {int(streams): float(cost) for streams, cost in data["us"][way].items()}
                for way in WAYS
            }
            return cls(us, tuple(data["remarks"]), data["machine"], data["date"], is_saved=True)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{path} holds no run: {FORMAT!r} was wanted ({type(error).__name__}: {error}); "
                "pass a file that Run.save() wrote"
            ) from error

    @property
    def origin(self) -> str:
        """Where the figures come from, in a line."""
        where = "A saved run, not measured here" if self.is_saved else "Measured here"
        return f"{where}: {self.date}, {self.machine}."

    def __repr__(self):
        lines = [self.origin, f"Microseconds a pass, the shortest of {ROUNDS}:"]
        for way in WAYS:
            costs = self.us[way]
            lines.append(
                f"  {way}: "
                + ", ".join(f"{short(cost)} with {streams:,}" for streams, cost in costs.items())
            )
        return "\n".join([*lines, *self.remarks])

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": image(Chart(self).canvas.png(), repr(self)), "text/plain": repr(self)}


def short(number) -> str:
    """Spell *number* with two digits that count: 2.1, 38, 1,500."""
    digits = 1 - math.floor(math.log10(number))
    return f"{round(number, digits):,.{max(digits, 0)}f}"


def machine() -> str:
    """Describe this machine as far as it matters."""
    return (
        f"Linux {platform.release().partition('-')[0]}, {platform.python_implementation()} "
        f"{platform.python_version()}, {count(os.cpu_count(), 'processor')}"
    )


def most_streams() -> int:
    """Tell how many pipes a child of this process can have, `MOST` at most."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return MOST if hard == resource.RLIM_INFINITY else min(MOST, (hard - OTHERS) // 2)


# pipetest, in a child


def waits(pipes) -> dict:
    """Register the read ends of *pipes* once with each way; return way → a function that waits, and
    returns the file descriptor that is ready.
    """
    readers = [r for r, _ in pipes]
    poll, epoll = select.poll(), select.epoll()
    for r in readers:
        poll.register(r, select.POLLIN)
        epoll.register(r, select.EPOLLIN)
    return {
        "select": lambda: select.select(readers, [], [])[0][0],
        "poll": lambda: poll.poll()[0][0],
        "epoll": lambda: epoll.poll()[0][0],
    }


def time_passes(wait, pipes, passes) -> float:
    """Let the token go *passes* times into one of `ACTIVE` pipes; returns microseconds a pass."""
    active = [pipes[place * len(pipes) // ACTIVE][1] for place in range(ACTIVE)]
    begin = time.perf_counter()
    for number in range(passes):
        os.write(active[number % ACTIVE], b"!")
        os.read(wait(), 1)
    return (time.perf_counter() - begin) / passes * 1e6


def measure_points(folder, points):
    """Measure each way with each number of streams of *points*, `ROUNDS` times; a line of JSON for
    each goes to the file ``points`` in *folder*.  To be called in a process of its own: closes
    nothing.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with open(folder / "points", "w", buffering=1) as lines:
        pipes = []
        try:
            while len(pipes) < points[-1]:
                pipes.append(os.pipe())
        except OSError as error:
            remark = f"With {count(len(pipes), 'pipe')} open, no more: {error.strerror}."
            print(json.dumps([0, 0, "", remark]), file=lines)
        points = [streams for streams in points if streams <= len(pipes)]
        waiters = {streams: waits(pipes[:streams]) for streams in points}
        for number in range(ROUNDS):
            for streams, ways in waiters.items():
                for way, wait in ways.items():
                    try:
                        cost = time_once(wait, pipes[:streams])
                    except ValueError as error:  # select, of a descriptor that is too large
                        cost = str(error)
                    print(json.dumps([number, streams, way, cost]), file=lines)


def time_once(wait, pipes) -> float:
    """Measure once; returns microseconds a pass."""
    passes = int(BURST_S * 1e6 / time_passes(wait, pipes, FEWEST))
    return time_passes(wait, pipes, max(passes, FEWEST))


class Points:
    """What a child has measured so far: `us` as in a `Run`; `done`, how many lines it has written."""

    def __init__(self):
        self.us, self.remarks, self.done = {way: {} for way in WAYS}, [], 0

    def read(self, folder):
        """Read what is there."""
        path = folder / "points"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        for line in lines[self.done :]:
            if line.endswith("\n"):
                self.note(*json.loads(line))
                self.done += 1

    def note(self, round, streams, way, cost):
        if isinstance(cost, float):
            self.us[way][streams] = min(cost, self.us[way].get(streams, cost))
        elif not way:
            self.remarks.append(cost)
        elif not any(remark.startswith(f"{way} ") for remark in self.remarks):
            last = count(max(self.us[way], default=0), "stream")
            self.remarks.append(f"{way} stops after {last}: {cost}; FD_SETSIZE is 1024.")

    def run(self) -> Run:
        return Run(
            {way: dict(costs) for way, costs in self.us.items()},
            tuple(self.remarks),
            machine(),
            time.strftime("%Y-%m-%d %H:%M"),
        )


def points_up_to(most) -> list[int]:
    """List the numbers of streams at which is measured, the last of them *most*."""
    return [*(step for step in STEPS if step < most), most]


def pipetest(*streams, is_enough=lambda points: False) -> Run:
    """Run pipetest with each of so many *streams*, in a child process, for at most 20 s.

    ``is_enough(points)`` is called all the while with the `Points`; when it is true, the run ends
    with those that are there.  So does Ctrl-C.  Returns the `Run`.  Raises ValueError if a
    number is out of range, RuntimeError if not one point was measured.
    """
    most = most_streams()
    for number in streams or (0,):
        if not (isinstance(number, int) and 2 <= number <= most):
            raise ValueError(
                f"got {number!r} as a number of streams; pass whole numbers from 2 to {most:,}"
            )
    points = Points()

    def look(folder):
        points.read(folder)
        return is_enough(points)

    with run_apart(measure_points, sorted(streams), limit_s=LIMIT_S, is_enough=look) as child:
        points.read(child.folder)
        if not all(points.us.values()):
            why = child.failure or {"killed": f"{LIMIT_S:g} s were over"}.get(child.how, child.how)
            raise RuntimeError(f"not one point was measured: {why}. Try again, with fewer streams")
        if child.how != "ended":
            points.remarks.append("The run was ended before its last point.")
    return points.run()


# the chart, in inches from the upper left corner

HEIGHT, LEFT, RIGHT, TOP, FLOOR = 3.5, 0.78, 8.2, 0.62, 2.98
#: What the axes show: powers of ten, of streams and of microseconds.
ACROSS, UPWARD = (1, 4.3), (0, 5)
LOOKS = {"select": ("s", EDGE["read"]), "poll": ("^", BUFFER), "epoll": ("o", EVENT)}
SIZE = 8.5
COSTS = ("1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms")
NOTHING = "Nothing was measured here yet."


class Chart:
    """Microseconds a pass against streams, both in powers of ten: a run, or none, and 2002."""

    def __init__(self, run=None):
        self.canvas = Canvas(HEIGHT)
        self._draw_board(run.origin if run else f"{NOTHING} Dashed: 2002.")
        for way, passes in PUBLISHED.items():
            costs = {streams: 1e6 / number for streams, number in passes.items()}
            self._curve(costs, LOOKS[way][1], 1.2, linestyles=(0, (4, 2)))
        for way, costs in run.us.items() if run else ():
            shape, color = LOOKS[way]
            self._curve(costs, color, 1.8)
            self.canvas.dots([self._place(*point) for point in costs.items()], shape, color, size=6)
        self._draw_end(run)

    def _place(self, streams, us):
        across, upward = math.log10(streams), max(UPWARD[0] - 0.1, math.log10(us))
        return (
            LEFT + (RIGHT - LEFT) * (across - ACROSS[0]) / (ACROSS[1] - ACROSS[0]),
            FLOOR - (FLOOR - TOP) * (upward - UPWARD[0]) / (UPWARD[1] - UPWARD[0]),
        )

    def _curve(self, costs, color, width, **style):
        self.canvas.lines([[self._place(*point) for point in costs.items()]], color, width, **style)

    def _draw_board(self, title):
        canvas, corner = self.canvas, self._place(10, 1)
        canvas.text(LEFT, 0.14, title, SIZE, INK, ha="left")
        for power in range(1, 5):
            x = self._place(10**power, 1)[0]
            canvas.lines([[(x, TOP), (x, FLOOR)]], RULE, 0.5, 0)
            canvas.text(x, FLOOR + 0.13, f"{10**power:,}", SIZE, INK)
        for power, words in enumerate(COSTS):
            y = self._place(10, 10**power)[1]
            canvas.lines([[(LEFT, y), (RIGHT, y)]], RULE, 0.5, 0)
            canvas.text(LEFT - 0.07, y, words, SIZE, INK, ha="right")
        canvas.text((LEFT + RIGHT) / 2, FLOOR + 0.36, "streams", 9.5, INK)
        canvas.text(0.12, (TOP + FLOOR) / 2, "one pass costs", 9.5, INK, rotation=90)
        x, y = corner[0] + 0.05, 0.42
        for way, (shape, color) in LOOKS.items():
            canvas.lines([[(x, y), (x + 0.3, y)]], color, 1.8)
            canvas.dots([(x + 0.15, y)], shape, color, size=6)
            x = self._legend(x, y, way)
        for way in PUBLISHED:
            canvas.lines([[(x, y), (x + 0.3, y)]], LOOKS[way][1], 1.2, linestyles=(0, (4, 2)))
            x = self._legend(x, y, f"{way}, 2002, in C")

    def _legend(self, x, y, words):
        self.canvas.text(x + 0.38, y, words, SIZE, INK, ha="left")
        return x + 0.38 + measure(words, SIZE)[0] + 0.3

    def _draw_end(self, run):
        """Say where select ends, if it does before the others."""
        ends = {way: max(costs) for way, costs in run.us.items() if costs} if run else {}
        if ends and ends.get("select", 0) < ends["epoll"]:
            x, y = self._place(ends["select"], run.us["select"][ends["select"]])
            self.canvas.lines([[(x, y), (x + 0.1, y + 0.2)]], LOOKS["select"][1], 0.6)
            self.canvas.text(x + 0.12, y + 0.22, "select ends: FD_SETSIZE", SIZE, FAINT, ha="left")


# on the page

PROMPT = (
    f"{NOTHING} Press Measure: it takes some seconds, {LIMIT_S:g} at most. "
    "Or look at the saved run."
)


class Scale(Explorable):
    """The chart on the page; `run` is the run that it shows, None before the first."""

    kind = "scale"

    def __init__(self, run=None):
        super().__init__()
        self.run_shown, self.thread, self.is_to_stop = run, None, False
        self.picture = ipywidgets.HTML()
        most = most_streams()
        self.most = Number("up to so many streams", min(10_000, most), LEAST, most, "270px")
        self.measure = button("Measure", "run pipetest here, now", self.on(self._begin), True)
        self.stop = button("Stop", "end the run; what was measured stays", self.on(self._stop))
        self.look = button(
            "Saved run", "show the run that comes with the course", self.on(self._look)
        )
        self.build(
            row(self.most.field, self.measure, self.stop, self.look), self.line, self.picture
        )
        self._show(run)
        if run is None:
            self.say(PROMPT)

    def _show(self, run):
        self.run_shown = run
        png = Chart(run).canvas.png()
        alt = repr(run) if run else f"An empty chart: streams across, cost upward. {PROMPT}"
        self.picture.value = image(png, alt)
        self.set_still(png, alt)

    def _look(self, _):
        if self.thread is not None:
            raise Refused("A run is going on. Wait for it, or press Stop.")
        self._show(Run.load(SAVED))
        self.say(f"{self.run_shown.origin} {in_words(self.run_shown)}")

    def _begin(self, _):
        if self.thread is not None:
            raise Refused("A run is going on. Wait for it, or press Stop.")
        steps, loop = points_up_to(self.most.value), asyncio.get_running_loop()
        self.is_to_stop = False
        self._progress(0, steps)
        measure = Measurement(steps, loop, self)
        self.thread = threading.Thread(target=measure.run, name="scale", daemon=True)
        self.thread.start()

    def _stop(self, _):
        if self.thread is None:
            raise Refused("No run is going on.")
        self.is_to_stop = True
        self.say("Stopping…")

    def _progress(self, share, steps):
        self.say(f"Measuring, up to {steps[-1]:,} streams: {share:.0%} done.")

    def go_on(self, share, steps, run):
        """Show what was measured so far."""
        if not self.is_to_stop:
            self._progress(share, steps)
            self._show(run)

    def end(self, run, words):
        """Show the *run*, if there is one, and say *words*."""
        if self.is_closed:
            return
        self.thread = None
        if run is not None:
            self._show(run)
        self.say(words)

    def close(self):
        """End a run that is going on, and take the widget off the page."""
        self.is_to_stop = True
        if self.thread is not None:
            self.thread.join()
        super().close()


class Measurement:
    """A run in a thread of its own; what it has to show it hands to the event loop *loop*."""

    def __init__(self, steps, loop, view):
        self.steps, self.loop, self.view = steps, loop, view
        self.shown_s, self.lines = time.monotonic(), ROUNDS * len(steps) * len(WAYS)

    def run(self):
        """Measure until all is done, or the view is to stop."""
        try:
            run = pipetest(*self.steps, is_enough=self.is_enough)
            self.loop.call_soon_threadsafe(self.view.end, run, in_words(run))
        except (RuntimeError, OSError) as error:
            self.loop.call_soon_threadsafe(self.view.end, None, f"{error}.")

    def is_enough(self, points) -> bool:
        if time.monotonic() - self.shown_s > SHOW_S and all(points.us.values()):
            self.shown_s, share = time.monotonic(), points.done / self.lines
            self.loop.call_soon_threadsafe(self.view.go_on, share, self.steps, points.run())
        return self.view.is_to_stop


def in_words(run) -> str:
    """Say what a run shows, in a sentence or two."""
    last = max(run.us["epoll"])
    first = min(run.us["epoll"])
    cheapest = min(WAYS, key=lambda way: run.us[way][first])
    times = {way: run.us[way][max(run.us[way])] / run.us[way][first] for way in WAYS}
    return " ".join(
        [
            f"With {first:,} streams {cheapest} is cheapest. From {first:,} to {last:,} a pass with",
            f"epoll costs {times['epoll']:.1f} times as much, with poll {short(times['poll'])} times.",
            *run.remarks,
        ]
    )


def scale(saved=None) -> Scale:
    """Measure what one wait costs with select, poll and epoll, from ten streams to thousands, and
    draw it beside what was published in 2002.

    *saved*: True shows the run that comes with the course at first, a path one that `Run.save`
    wrote; the page says whose it is.  Returns the view: as the last value of a cell it shows
    itself; its ``run_shown`` is the run.  Raises ValueError or OSError if there is no run in *saved*.
    """
    if saved is None or saved is False:
        return Scale()
    return Scale(Run.load(SAVED if saved is True else saved))
