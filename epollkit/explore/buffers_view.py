"""buffers():

a live stream as a picture of its slots and of the last clicks, and the controls to do more.
"""

import errno
import functools
import io

import ipywidgets
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from ..drawing.ink import (
    BAND,
    BUFFER,
    EDGE,
    EVENT,
    FAINT,
    FILL,
    INK,
    LEVEL,
    LEVEL_EDGE,
    LEVEL_TEXT,
    PAPER,
    RULE,
    WIDTH,
)
from ..masks import names
from ..widgets.page import BESIDE, Explorable, image, lesson, panel
from .buffers_experiment import MOST, ROWS, SHOWN, Buffers, NotNow
from .slots import PAGE

#: In inches, from the upper left corner: where the slots are, the labels of the clicks, the chart,
#: its foot, the first row.
LEFT, RIGHT, BOX, VERBS, TOP, FLOOR, ROW, HEIGHT = (
    1.20,
    0.20,
    (0.24, 0.56),
    0.98,
    1.20,
    1.86,
    0.175,
    3.26,
)
LANES = (*ROWS, "readable", "writable", "writer sleeps")
STEP = (WIDTH - LEFT - RIGHT) / SHOWN
EMPTY = "No clicks yet. No bytes wait: a read would have to sleep, a write would not."
NOTHING = "There is no stream: press Reset."
HINT = "Write some bytes; or Fill, then Read to one byte short, then Read 1."


def box(left, right, top, bottom):
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def slots_in_words(buffers) -> str:
    """Say which slots of a pipe are in use; nothing for a socket."""
    slots = buffers.slots
    if slots is None or buffers.reader is None:
        return ""
    if not slots.known:
        return "the account of the slots does not fit the kernel's count any more: Drain, then Fill"
    said = f"{len(slots.pages):,} of {slots.count:,} slots in use"
    if slots.pages and slots.pages[0][0]:
        gone, held = slots.pages[0]
        said += f"; of the oldest {gone:,} bytes are read and {held:,} left, and it stays in use until they are read"
    return said


def draw(buffers) -> bytes:
    """Draw the slots of a pipe, then the level, buffer events and readiness after each click;
    return a PNG.
    """
    figure = Figure(figsize=(WIDTH, HEIGHT), facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(HEIGHT, 0))
    axes.set_axis_off()
    text = functools.partial(
        axes.text, fontsize=8, color=FAINT, va="center", ha="center", family="DejaVu Sans", zorder=6
    )
    if buffers is None:
        text(WIDTH / 2, HEIGHT / 2, NOTHING, fontsize=10)
        return _png(figure)
    _draw_slots(buffers, axes, text)
    clicks, highest = buffers.clicks, max([1, *(click.level for click in buffers.clicks)])
    text(
        LEFT - 0.12,
        VERBS,
        f"the last {SHOWN} of {buffers.count:,}" if buffers.count > SHOWN else "clicks",
        ha="right",
    )
    text(LEFT - 0.12, TOP + 0.06, "refused or failed", ha="right")
    text(
        LEFT - 0.12,
        (TOP + FLOOR) / 2 + 0.12,
        "bytes that wait",
        ha="right",
        fontweight="bold",
        color=INK,
    )
    ys = [FLOOR + 0.15 + number * ROW for number in range(len(LANES))]
    for name, y in zip(LANES, ys, strict=True):
        text(LEFT - 0.12, y, name, ha="right", color=BUFFER if name in ROWS else INK)
    axes.hlines(
        [FLOOR, *ys], LEFT, WIDTH - RIGHT, color=RULE, linewidth=[0.9] + [0.4] * len(ys), zorder=0
    )
    if not clicks:
        text((LEFT + WIDTH) / 2, FLOOR - 0.3, HINT, fontsize=10)
    bars, holds, sleeps, marks, bad = [], [], [], [], []
    for number, click in enumerate(clicks):
        x, left, right = (LEFT + (number + part) * STEP for part in (0.5, 0.14, 0.86))
        verb, _, end = click.verb.partition(" ")
        text(x, VERBS - 0.07, verb, color=INK)
        text(x, VERBS + 0.07, f"{click.amount:,}" if click.amount else end)
        bad += [x] * (click.error is not None)
        top = FLOOR - 0.38 * click.level / highest
        bars.append(box(left, right, top, FLOOR))
        if click.level:
            shown = f"{click.level:,}" if click.level < 1_000_000 else f"{click.level / 1e6:.2f} M"
            text(x, top - 0.08, shown, color=LEVEL_TEXT)
        marks += [(x, ys[ROWS.index(what)]) for what in click.events]
        for y, holds_now, found in (
            (ys[4], click.readable, holds),
            (ys[5], click.writable, holds),
            (ys[6], click.asleep, sleeps),
        ):
            found += [box(left - 0.07, right + 0.07, y - 0.055, y + 0.055)] * holds_now
    axes.add_collection(PolyCollection(bars, fc=LEVEL, ec=LEVEL_EDGE, linewidth=0.8, zorder=1))
    axes.add_collection(PolyCollection(holds, fc=FILL["poll"], ec=EVENT, linewidth=0.6, zorder=2))
    axes.add_collection(
        PolyCollection(sleeps, fc=PAPER, ec=EDGE["write"], hatch="/////", linewidth=0.8, zorder=2)
    )
    axes.plot(
        bad,
        [TOP + 0.06] * len(bad),
        "X",
        markersize=7,
        color=INK,
        markeredgecolor=PAPER,
        markeredgewidth=0.6,
    )
    axes.plot(
        [x for x, _ in marks],
        [y for _, y in marks],
        "D",
        markersize=5.5,
        color=BUFFER,
        markeredgecolor=PAPER,
        markeredgewidth=0.6,
        zorder=5,
    )
    return _png(figure)


def _png(figure):
    figure.savefig(buffer := io.BytesIO(), format="png", dpi=120)
    return buffer.getvalue()


def _draw_slots(buffers, axes, text):
    """The slots of a pipe, the oldest first:

    what was read of each, what it holds, what is left of it.
    """
    top, bottom = BOX
    slots, words = buffers.slots, slots_in_words(buffers)
    if slots is None:
        text(
            LEFT,
            (top + bottom) / 2,
            "A socket has no slots. What fits depends on the size of each write.",
            ha="left",
        )
        return
    text(LEFT - 0.12, (top + bottom) / 2, "slots", ha="right", fontweight="bold", color=INK)
    text(LEFT - 0.12, (top + bottom) / 2 + 0.15, "oldest first", ha="right")
    if not words or not slots.known:
        text(
            LEFT,
            (top + bottom) / 2,
            words or "The reader's end is closed: nobody can read what was left.",
            ha="left",
        )
        return
    wide = (WIDTH - LEFT - RIGHT) / max(slots.count, 16)
    free, gone, held = [], [], []
    for number in range(slots.count):
        hole, bytes_held = slots.pages[number] if number < len(slots.pages) else (0, 0)
        left = LEFT + number * wide
        points = [left + wide * 0.94 * part / PAGE for part in (0, hole, hole + bytes_held)]
        free.append(box(left, left + wide * 0.94, top, bottom))
        gone += [box(points[0], points[1], top, bottom)] * (hole > 0)
        points[1] = min(points[1], left + wide * 0.94 - 0.03)  # one byte is to be seen, too
        held += [box(points[1], max(points[2], points[1] + 0.03), top, bottom)] * (bytes_held > 0)
        if bytes_held and slots.count <= 16:
            text(left + wide * 0.47, top - 0.09, f"{bytes_held:,}", color=LEVEL_TEXT)
    axes.add_collection(PolyCollection(free, fc=PAPER, ec=FAINT, linewidth=0.8, zorder=1))
    axes.add_collection(
        PolyCollection(gone, fc=BAND, ec=FAINT, hatch="xxxx", linewidth=0, zorder=2)
    )
    axes.add_collection(PolyCollection(held, fc=LEVEL_EDGE, ec=LEVEL_EDGE, linewidth=0.6, zorder=3))
    legend = f"{len(slots.pages):,} of {slots.count:,} in use, {PAGE:,} bytes each"
    legend += "; crossed out: read, and of use to nobody until the slot is empty" if gone else ""
    text(LEFT, bottom + 0.10, legend, ha="left")


def in_words(buffers) -> str:
    """Tell what the picture shows: its alternative text."""
    if buffers is None:
        return NOTHING
    steps = [
        f"{click.verb}{f' {click.amount:,}' if click.amount else ''}: {counted(click.level)}"
        + "".join(f", {what}" for what in click.events)
        + (
            f", {'readable' if click.readable else 'not readable'}, {'writable' if click.writable else 'not writable'}"
        )
        + ", a writer sleeps" * click.asleep
        + (f", {type(click.error).__name__}" if click.error else "")
        for click in buffers.clicks
    ]
    slots = slots_in_words(buffers) if steps else ""
    first = (
        f"What waits in a {buffers.kind if buffers.kind != 'TCP' else 'TCP connection'} after each click, the buffer "
        "events, and what poll says."
    )
    return f"{first} {'. '.join([*steps, slots] if slots else steps) + '.' if steps else EMPTY}"


def counted(amount):
    return f"{amount:,} byte{' waits' if amount == 1 else 's wait'}"


def cards(buffers) -> str:
    """Say in HTML what the last click did, what waits, and what `poll` says of both ends now."""
    if buffers is None:
        return ""
    now, did = buffers.now(), ["nothing has happened yet"]
    if buffers.clicks:
        did = [
            buffers.clicks[-1].result,
            f"buffer events: <b>{', '.join(buffers.clicks[-1].events) or 'none'}</b>",
        ]
    ends = []
    for end, mask, yes, no in (
        ("reader", now.reader, "a read would not sleep", "a read would sleep"),
        ("writer", now.writer, "writable", "not writable"),
    ):
        said = "closed" if mask is None else f"<code>{names(mask) if mask else '0'}</code>"
        holds = now.readable if end == "reader" else now.writable
        ends.append(
            f"{end}: {said}" + (f": <b>{yes if holds else no}</b>" if mask is not None else "")
        )
    ends.append("a writer sleeps in its call" if now.asleep else "")
    room = f"F_GETPIPE_SZ: {buffers.capacity:,} bytes" if buffers.kind == "pipe" else ""
    parts = (
        ("The last click", did),
        ("What waits", [f"<b>{counted(now.level)}</b>", slots_in_words(buffers), room]),
        ("What poll says", ends),
    )
    made = "".join(
        panel(title, "".join(f"<div>{line}</div>" for line in lines if line))
        for title, lines in parts
    )
    return (
        f'<div style="display: grid; grid-template-columns: repeat(3, 1fr); gap: 6px">{made}</div>'
    )


class BuffersView(Explorable):
    """The explorable of this module:

    the controls of a `Buffers`, its picture, and what the kernel says.
    """

    kind = "buffers"

    def __init__(self):
        super().__init__()
        self.buffers, wide = None, {"description_width": "initial"}
        self.stream = ipywidgets.ToggleButtons(
            options=[("pipe", "pipe"), ("socketpair", "socketpair"), ("TCP", "TCP")],
            description="Stream",
            style=wide | {"button_width": "auto"},
            layout=BESIDE,
        )
        self.amount = ipywidgets.BoundedIntText(
            value=min(PAGE, MOST),
            min=1,
            max=MOST,
            description="n, bytes a call",
            style=wide,
            layout={"width": "210px"},
        )
        self.picture, self.said, buttons = ipywidgets.HTML(), ipywidgets.HTML(), []
        for name, words, tip, act in (
            (
                "write",
                "Write n",
                "one write of n bytes; never sleeps",
                lambda: self.buffers.write(self.amount.value),
            ),
            (
                "read",
                "Read n",
                "one read of at most n bytes",
                lambda: self.buffers.read(self.amount.value),
            ),
            (
                "fill",
                "Fill",
                "write n bytes at a time until refused",
                lambda: self.buffers.fill(self.amount.value),
            ),
            ("drain", "Drain", "read until refused", lambda: self.buffers.drain()),
            (
                "short",
                "Read to one byte short of a slot",
                "leave one byte in the oldest slot of a pipe",
                lambda: self.buffers.one_byte_short(),
            ),
            (
                "sleep",
                "Write n, may sleep",
                "a thread makes a write that waits for room",
                lambda: self.buffers.sleep(self.amount.value),
            ),
            (
                "close_writer",
                "Close writer",
                "close the end that writes",
                lambda: self.buffers.close_writer(),
            ),
            (
                "close_reader",
                "Close reader",
                "close the end that reads",
                lambda: self.buffers.close_reader(),
            ),
            ("reset", "Reset", "a new stream", self._open),
        ):
            callback = self.on(functools.partial(self._do, act))
            buttons.append(
                ipywidgets.Button(
                    description=words,
                    tooltip=tip,
                    layout={"width": "auto"},
                    button_style="primary" if name in ("write", "read") else "",
                )
            )
            buttons[-1].on_click(callback)
            setattr(self, name, buttons[-1])
        self.stream.observe(callback, "value")  # a Reset, too
        rows = (self.stream, self.amount), buttons
        self.build(
            *(ipywidgets.HBox(row, layout={"flex_flow": "row wrap"}) for row in rows),
            self.picture,
            self.said,
        )
        self.still = b"", "There is no picture."  # until there is one: the first may fail
        callback()

    def _open(self):
        self.release()
        self.buffers = Buffers(self.stream.value)

    def _do(self, act, _=None):
        click = None
        try:
            if self.buffers is None and act != self._open:
                raise NotNow(NOTHING)
            click = act()
        except NotNow as reason:
            self.say(f'<div class="epollkit-lesson" role="status"><b>Not now</b>: {reason}</div>')
        finally:
            png, alt = draw(self.buffers), in_words(self.buffers)
            self.picture.value = image(png, alt)
            self.set_still(png, alt)
            self.said.value = cards(self.buffers)
        if (
            click is not None
            and click.error is not None
            and (click.verb != "fill" or click.error.errno != errno.EAGAIN)
        ):
            self.say(lesson(click.error))  # a fill ends with EAGAIN: that is no surprise

    def release(self):
        if self.buffers is not None:
            self.buffers.close()
            self.buffers = None


def buffers() -> BuffersView:
    """Open a stream with a buffer in the kernel, a pipe to begin with, and play with it.

    Returns the view: as the last value of a cell it shows itself.  Run the cell again, or call
    ``close()``, to end it.
    """
    return BuffersView()
