"""triggers(): the same bytes for a level-triggered, an edge-triggered and a one-shot registration.
Who is told again?

Facts about registrations
-------------------------
* Level-triggered, as a registration is unless it says otherwise: `poll` reports it as long as bytes
  are waiting.
* Edge-triggered (EPOLLET): `poll` reports it when something new has come.  Bytes that a handler
  left are no news. More bytes are, and so is a `modify`, even with the same mask.
* One-shot (EPOLLONESHOT): `poll` reports it once.  The entry stays, without its conditions;
  `modify` puts them back.

What we do about them
---------------------
A `Trial` has three streams, each registered in an epoll of its own.  What one click did is a
`Moment` for each of them: bytes before and after, what `poll` returned, the mask in the interest
list.  Picture, words, verdicts are made of moments.

*Source:* epoll(7), epoll_ctl(2), proc_pid_fdinfo(5).
"""

import errno
import functools
import os
import select
import socket
import time
from collections import deque
from contextlib import ExitStack, suppress
from typing import NamedTuple

import ipywidgets

from .. import linux
from ..drawing.canvas import Canvas, image
from ..drawing.ink import (
    BAND,
    BUFFER,
    DOTS,
    EDGE,
    ENTRY,
    EVENT,
    FAINT,
    INK,
    LEVEL,
    LEVEL_EDGE,
    LEVEL_TEXT,
    PAPER,
    RULE,
    WIDTH,
)
from ..masks import CONDITIONS, ET, IN, ONESHOT, names, short
from ..widgets.controls import Number, button, choice, row, toggles
from ..widgets.page import Explorable, lesson, panels

#: The three registrations: what each is called, the mask that is asked for.
REGISTRATIONS = (("level-triggered", IN), ("edge-triggered", IN | ET), ("one-shot", IN | ONESHOT))
#: How many moments a trial keeps and the picture shows; how often, and for how long, `Trial.ask_on`
#: asks.
SHOWN, ASKS, ASKING_S = 16, 14, 0.25
#: How much a handler reads when it is told, by what the control says, of *n* (0: nothing, None:
#: until EAGAIN).
READS = {
    "nothing": lambda n: 0,
    "1 byte": lambda n: 1,
    "half of n": lambda n: (n + 1) // 2,
    "n bytes": lambda n: n,
    "everything, until EAGAIN": lambda n: None,
}


class Moment(NamedTuple):
    """What one click did to one registration."""

    did: str  # arrive, ask, re-arm; empty if it was another registration's turn
    before: int  # bytes waiting
    after: int
    moved: int = 0  # bytes written, or read by the handler
    wanted: int | None = 0  # bytes to be written; what the handler may read, None for everything
    events: tuple | None = None  # what poll returned; None if it was not asked
    is_again: bool = False  # it had been told since the last bytes came or it was re-armed
    has_met_eagain: bool = False  # the handler read until it would have had to sleep
    masks: tuple = (0, 0)  # in the interest list, before and after; 0 if there is no entry

    @property
    def is_armed(self):
        return bool(self.masks[1] & CONDITIONS)

    @property
    def mark(self):
        """One word: told, silent (nothing waits), deaf, disabled (bytes wait), refused (no room),
        re-armed; or none.
        """
        if self.events is None:
            if self.did == "arrive" and self.moved < self.wanted:
                return "refused"
            return "re-armed" if self.did == "re-arm" else ""
        if self.events:
            return "told"
        if not self.before:
            return "silent"
        return "deaf" if self.is_armed else "disabled"


class Registration:
    """One stream, non-blocking, registered for reading in an epoll of its own."""

    def __init__(self, name, asked, kind):
        self.name, self.asked, self.was_told = name, asked, False
        with ExitStack() as opened:
            if kind == "pipe":
                self.reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
                opened.callback(os.close, self.reader)
                opened.callback(os.close, writer)
                self.read, self.write = (
                    functools.partial(os.read, self.reader),
                    functools.partial(os.write, writer),
                )
            else:
                reader, writer = (opened.enter_context(sock) for sock in socket.socketpair())
                reader.setblocking(False)
                writer.setblocking(False)
                self.reader, self.read, self.write = reader.fileno(), reader.recv, writer.send
            self.epoll = opened.enter_context(select.epoll())
            self.epoll.register(self.reader, asked)
            self.close = opened.pop_all().close

    def look(self):
        """Return how many bytes wait, and the mask in the interest list."""
        os.fstat(self.reader)  # raises EBADF if somebody closed it
        return linux.bytes_waiting(self.reader), next(
            (entry.events for entry in linux.interest_list(self.epoll)), 0
        )

    def nothing(self):
        """Return what is the case now, as a moment in which nothing was done."""
        waiting, mask = self.look()
        return Moment("", waiting, waiting, masks=(mask, mask))

    def arrive(self, amount):
        (before, mask), moved = self.look(), 0
        with suppress(BlockingIOError):
            moved = self.write(b"." * amount)
        self.was_told = self.was_told and not moved
        return Moment("arrive", before, self.look()[0], moved, amount, masks=(mask, mask))

    def ask(self, amount):
        before, former = self.look()
        events, moved, has_met_eagain = tuple(self.epoll.poll(0)), 0, False
        while events and amount != 0:
            try:
                moved += (got := len(self.read(amount or 4096)))
            except BlockingIOError:
                has_met_eagain = True
                break
            if amount or not got:
                break
        is_again, self.was_told = self.was_told, self.was_told or bool(events)
        after, mask = self.look()
        return Moment(
            "ask", before, after, moved, amount, events, is_again, has_met_eagain, (former, mask)
        )

    def arm(self):
        (waiting, former), self.was_told = self.look(), False
        self.epoll.modify(self.reader, self.asked)
        return Moment("re-arm", waiting, waiting, masks=(former, self.look()[1]))


class Trial:
    """Three streams, and what has been done to them.

    `moments` has a tuple of three for each click, the last `SHOWN` of them; `count` says how many
    there were.
    """

    def __init__(self):
        self.registrations, self.count, self.moments = [], 0, deque(maxlen=SHOWN)

    def open(self, kind):
        """Begin with three streams of a *kind*, pipe or unix (a socketpair).

        Raises OSError; then none is left open.
        """
        self.close()
        try:
            for name, asked in REGISTRATIONS:
                self.registrations.append(Registration(name, asked, kind))
        except OSError:
            self.close()
            raise

    def close(self):
        while self.registrations:
            with suppress(OSError):  # EBADF: somebody else closed one of its streams
                self.registrations.pop().close()
        self.__init__()

    def arrive(self, amount):
        """Write *amount* bytes to each stream."""
        return self._keep(one.arrive(amount) for one in self.registrations)

    def ask(self, amount):
        """Ask each epoll with timeout 0; who is told reads once up to *amount* bytes, or until
        EAGAIN if it is None.
        """
        return self._keep(one.ask(amount) for one in self.registrations)

    def ask_on(self, amount):
        """Ask until nobody is told, at most `ASKS` times and for `ASKING_S` seconds.

        Returns how often it asked.
        """
        end, asks = time.monotonic() + ASKING_S, 1
        while (
            any(moment.events for moment in self.ask(amount))
            and asks < ASKS
            and time.monotonic() < end
        ):
            asks += 1
        return asks

    def arm(self, which):
        """Call `modify` for the one called *which*, with the mask that it was registered with."""
        return self._keep(
            one.arm() if one.name == which else one.nothing() for one in self.registrations
        )

    def _keep(self, moments):
        if not self.registrations:
            raise OSError("no stream is open; press Reset")
        self.moments.append(moments := tuple(moments))
        self.count += 1
        return moments


# in words


def counted(amount, singular="", plural=""):
    return f"{amount:,} byte{singular}" if amount == 1 else f"{amount:,} bytes{plural}"


wait = functools.partial(counted, singular=" waits", plural=" wait")


def verdict(moment) -> str:
    """Say in one line what *moment* shows."""
    disabled = "" if moment.is_armed else "; disabled: re-arm it with modify"
    since = f"{wait(moment.after)}, and it has not been asked since{disabled}"
    left = counted(moment.after, " is left", " are left") if moment.after else "nothing is left"
    told = "told again, for bytes that were left" if moment.is_again else "told"
    return {
        "told": f"{told}: {left}{disabled}",
        "deaf": f"deaf: {wait(moment.after)}, and nothing new has come",
        "silent": f"not told: nothing waits{disabled}",
        "disabled": f"disabled: {wait(moment.after)}; re-arm it with modify",
        "refused": f"no room for all, {moment.moved:,} of {moment.wanted or 0:,} went in: {since}",
        "re-armed": f"re-armed by modify: {since}",
        "": since if moment.did else "nothing has happened yet",
    }[moment.mark]


def in_words(trial) -> str:
    """Tell what the picture of *trial* shows, one registration after the other."""
    lanes = []
    for number, (name, asked) in enumerate(REGISTRATIONS):
        steps = []
        for moment in (three[number] for three in trial.moments):
            arrived = f"{moment.moved:,} of {moment.wanted or 0:,} more"
            what = arrived if moment.did == "arrive" else moment.mark
            steps += [f"{what} ({wait(moment.after)})"] * bool(moment.did)
        lanes.append(f"{name} ({short(asked)}): {', '.join(steps) or 'nothing has happened yet'}")
    first = "Bytes that wait for three registrations, click by click, and who is told. "
    return f"{first}{'. '.join(lanes)}."


def cards(trial) -> str:
    """Say in HTML, for each registration, what is the case now, what `poll` returned last, and
    the verdict.
    """
    found = []
    for number, registration in enumerate(trial.registrations):
        now = registration.nothing()
        own = [three[number] for three in reversed(trial.moments)]
        asked = next((moment for moment in own if moment.events is not None), now)
        last = next((moment for moment in own if moment.did), now)
        events = ", ".join(f"(r, {names(mask)})" for _, mask in asked.events or ())
        read = f"handler read {counted(asked.moved)}{', then EAGAIN' * asked.has_met_eagain}"
        is_armed = "armed" if now.is_armed else "disabled"
        lines = (
            f"<b>{verdict(last)}</b>",
            wait(now.after),
            "not asked yet" if asked is now else f"poll(0) → <code>[{events}]</code>",
            read if asked.events else "",
            f"entry <code>{short(now.masks[1])}</code>: {is_armed}",
        )
        found.append((registration.name, lines))
    return panels(*found)


# the picture, in inches from the upper left corner

LEFT, RIGHT, HEAD, LANE, FOOT = 1.22, 8.14, 0.28, 0.76, 0.30
SLOT, HEIGHT = (RIGHT - LEFT) / SHOWN, HEAD + 3 * LANE + FOOT
#: In a lane: the registration, words, where the level is 0, how high it gets.
LINE, WORD, FLOOR, HIGH = 0.13, 0.29, 0.68, 0.29
SHADE = {"deaf": "#fbe0cf", "disabled": BAND}
#: A mark's shape, its color, its edge, how wide that is.
MARKS = {
    "told": ("v", EVENT, PAPER, 0.6),
    "silent": ("o", PAPER, FAINT, 1.6),
    "deaf": ("o", PAPER, BUFFER, 1.6),
    "disabled": ("o", PAPER, INK, 1.6),
    "re-armed": ("s", EDGE["write"], PAPER, 0.6),
    "refused": ("X", INK, PAPER, 0.6),
    "": ("", INK, PAPER, 0),
}
LEGEND = (
    (0.32, "told", "poll reported an event"),
    (2.05, "silent", "asked, and no event: bytes wait if shaded"),
    (4.95, "re-armed", "modify"),
    (5.72, "refused", "no room for all"),
    (7.20, "", "disabled"),
)
#: What stands over a slot.
DID = {"arrive": "+{wanted}", "re-arm": "arm", "ask": "ask"}


class Drawing:
    """A `Trial` as three lanes, with a slot for each of its moments."""

    def __init__(self, trial):
        self.canvas, self.trial = Canvas(HEIGHT), trial
        self.marks, self.shades = {mark: [] for mark in MARKS}, {mark: [] for mark in SHADE}
        self.armed, self.disabled = [], []
        levels = [level for three in trial.moments for m in three for level in (m.before, m.after)]
        self.highest = max([1, *levels])
        for slot, three in enumerate(trial.moments):
            moment = next(moment for moment in three if moment.did)
            words = DID[moment.did].format(wanted=moment.wanted)
            self.canvas.text(LEFT + (slot + 0.5) * SLOT, HEAD / 2 + 0.03, words)
        if trial.count > SHOWN:
            words = f"the last {SHOWN} of {trial.count:,}"
            self.canvas.text(LEFT - 0.12, HEAD / 2 + 0.03, words, ha="right")
        for number in range(len(REGISTRATIONS)):
            self._lane(number)
        if not trial.moments:
            words = "Let bytes arrive, then ask, and ask again."
            self.canvas.text((LEFT + WIDTH) / 2, HEAD + LANE + 0.33, words, 10)
        self._legend()
        self.canvas.lines(self.armed, ENTRY, 3)
        self.canvas.lines(self.disabled, INK, 1.2, linestyle=DOTS)
        for mark, boxes in self.shades.items():
            self.canvas.boxes(boxes, SHADE[mark], order=0)
        for mark, points in self.marks.items():
            shape, color, edge, width = MARKS[mark]
            self.canvas.dots(points, shape, color, edge, 7, width)

    def _lane(self, number):
        top, (name, asked) = HEAD + number * LANE, REGISTRATIONS[number]
        floor, path, canvas, before = top + FLOOR, [], self.canvas, None
        style = {"color": INK, "ha": "right", "fontweight": "bold"}
        canvas.text(LEFT - 0.12, top + 0.27, name, 9, **style)
        canvas.text(LEFT - 0.12, top + 0.46, short(asked), ha="right")
        for slot, moment in enumerate(three[number] for three in self.trial.moments):
            left, x, right = (LEFT + (slot + part) * SLOT for part in (0, 0.5, 1))
            for start, end, mask in ((left, x, moment.masks[0]), (x, right, moment.masks[1])):
                lines = self.armed if mask & CONDITIONS else self.disabled
                lines.append([(start, top + LINE), (end, top + LINE)])
            was, level = (
                floor - HIGH * amount / self.highest for amount in (moment.before, moment.after)
            )
            path += [(left, was), (x, was), (x, level), (right, level)]
            mark = moment.mark
            self.marks[mark].append((x, top + LINE))
            if mark in SHADE:
                self.shades[mark].append((left, right, top, floor))
                if mark != before:  # a run of the same gets one word
                    words = "off" if mark == "disabled" else mark
                    canvas.text(x, top + WORD, words, color=MARKS[mark][2], fontweight="bold")
            before = mark
            if moment.after != moment.before:  # under the line, if there is room for a number
                y = level + 0.09 if floor - level > 0.16 else level - 0.08
                canvas.text(right, y, moment.after, color=LEVEL_TEXT)
        if path:
            (left, _), (right, level) = path[0], path[-1]
            area = [*path, (right + SLOT / 2, level), (right + SLOT / 2, floor), (left, floor)]
            canvas.polygons([area], LEVEL, LEVEL_EDGE)
        canvas.lines([[(LEFT, floor), (RIGHT + SLOT / 2, floor)]], RULE)

    def _legend(self):
        y, last = HEIGHT - FOOT / 2, LEGEND[-1][0]
        self.disabled.append([(last - 0.3, y), (last - 0.02, y)])
        for x, mark, words in LEGEND:
            self.marks[mark].append((x - 0.12, y))
            self.canvas.text(x, y, words, ha="left")


# on the page


class Triggers(Explorable):
    """The controls of a `Trial`, its picture, and what Linux says."""

    kind = "triggers"

    def __init__(self):
        super().__init__()
        self.trial = trial = Trial()
        self.stream = toggles("Streams", [("pipes", "pipe"), ("socketpairs", "unix")])
        self.amount = Number("n, how many bytes arrive", 6, 1, 5000, "260px")
        self.reads = choice("A handler that is told reads", list(READS), value="half of n")
        self.picture, self.cards, buttons = ipywidgets.HTML(), ipywidgets.HTML(), []
        for name, words, tip, act in (
            (
                "arrive",
                "Bytes arrive",
                "write n bytes to each stream",
                lambda: trial.arrive(self.amount.value),
            ),
            (
                "ask",
                "Ask",
                "poll(0) on each epoll; who is told reads",
                lambda: trial.ask(self._wanted()),
            ),
            (
                "ask_on",
                "Ask until nobody is told",
                f"at most {ASKS} times",
                lambda: trial.ask_on(self._wanted()),
            ),
            (
                "arm_one_shot",
                "Re-arm one-shot",
                "modify(r, EPOLLIN | EPOLLONESHOT)",
                lambda: trial.arm("one-shot"),
            ),
            (
                "arm_edge",
                "Re-arm edge",
                "modify(r, EPOLLIN | EPOLLET)",
                lambda: trial.arm("edge-triggered"),
            ),
            ("reset", "Reset", "three new streams", lambda: trial.open(self.stream.value)),
        ):
            callback = self.on(functools.partial(self._do, act))
            buttons.append(button(words, tip, callback, name in ("arrive", "ask")))
            setattr(self, name, buttons[-1])
        self.stream.observe(callback, "value")  # a Reset, too
        self.build(
            row(self.stream, self.amount.field, self.reads),
            row(*buttons),
            self.line,
            self.picture,
            self.cards,
        )
        self.still = b"", "There is no picture."  # until there is one: the first may fail
        callback()

    def _wanted(self):
        """Return how much a handler that is told reads; only some choices need a valid n."""
        choose = READS[self.reads.value]
        return choose(self.amount.value if "n" in self.reads.value.split() else 0)

    def _do(self, act, _=None):
        try:
            result = act()
        finally:
            png, alt = Drawing(self.trial).canvas.png(), in_words(self.trial)
            self.picture.value = image(png, alt)
            self.set_still(png, alt)
            self.cards.value = cards(self.trial)
        if isinstance(result, int):
            self._say_who_is_told(result)
            return
        refused = [
            name
            for (name, _), moment in zip(REGISTRATIONS, result or (), strict=False)
            if moment.mark == "refused" and not moment.moved
        ]
        if refused:
            self.say(f"Write to {', '.join(refused)}: {lesson(BlockingIOError(errno.EAGAIN, ''))}")

    def _say_who_is_told(self, asks):
        told = [
            name
            for (name, _), moment in zip(REGISTRATIONS, self.trial.moments[-1], strict=True)
            if moment.events
        ]
        end = f"then stopped: {' and '.join(told)} was still told." if told else ""
        self.say(f"Asked {asks} time{'s' * (asks > 1)}, {end or 'until nobody was told.'}")

    def release(self):
        self.trial.close()


def triggers() -> Triggers:
    """Open three streams with a registration each: level-triggered, edge-triggered, one-shot; and
    play with them.

    Returns the view: as the last value of a cell it shows itself.  Run the cell again, or call
    ``close()``, to end it.
    """
    return Triggers()
