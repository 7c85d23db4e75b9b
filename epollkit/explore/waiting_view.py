"""waiting():

the tries as a chart of delay against cost, as a list, as words, and the controls to make more.
"""

import math
from functools import lru_cache
from io import BytesIO

import ipywidgets
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave

from ..analysis.story import count
from ..drawing.ink import BUFFER, EDGE, EVENT, FAINT, INK, PAPER, RULE, WIDTH, measure
from ..widgets.page import BESIDE, Explorable, image, panel
from .waiting_experiment import INTERVALS_MS, WAYS, Experiment

#: The chart, in inches: its height, what is free around the axes; and what an axis shows at least:
#: powers of ten, in µs.
HEIGHT, LEFT, RIGHT, TOP, FOOT, DECADES = 3.2, 0.78, 0.14, 0.40, 0.50, (1, 6)
LOOKS = {"blocking": ("s", EDGE["read"]), "busy polling": ("^", BUFFER), "epoll": ("o", EVENT)}
POWERS = {
    -1: "0.1 µs",
    0: "1 µs",
    1: "10 µs",
    2: "100 µs",
    3: "1 ms",
    4: "10 ms",
    5: "100 ms",
    6: "1 s",
    7: "10 s",
}
HEADS = ("try", "way", "parcel lay there", "calls", "processor time", "courier late")
PRESS = "No try yet. Choose how the reader waits, then press Try."
EMPTY = (
    "An empty chart. Across, how long a parcel lies there before the reader has it; upward, the processor time that "
    f"the reader uses; both from 10 µs to 1 s. {PRESS}"
)


def in_words(ns) -> str:
    """Spell a duration: `95 µs`, `3.9 ms`, `119 ms`."""
    return (
        f"{ns / 1e3:.0f} µs"
        if ns < 999_500
        else f"{ns / 1e6:.1f} ms"
        if ns < 9_950_000
        else f"{ns / 1e6:.0f} ms"
    )


def short(way, interval_ms, streams) -> str:
    """Name a way of waiting in few letters: `busy 5 ms ×2`."""
    return (
        way.split()[0]
        + ("" if interval_ms is None else f" {interval_ms} ms")
        + " ×2" * (streams == 2)
    )


def way_in_words(one) -> str:
    """Say how a try waited: `busy polling, 5 ms between looks, two streams`."""
    pause = {None: "", 0: ", no pause between looks"}.get(
        one.interval_ms, f", {one.interval_ms} ms between looks"
    )
    return f"{one.way}{pause}, {'two streams' if one.streams == 2 else 'one stream'}"


def tell(tries) -> str:
    """Tell the chart of *tries* in words: its alternative text."""
    return (
        "\n".join(
            f"Try {one.number}: {way_in_words(one)}: the parcel lay there for {in_words(one.delay_ns)}; "
            f"{count(one.calls, 'call')}, {in_words(one.cpu_ns)} of processor time."
            for one in tries
        )
        or EMPTY
    )


def verdict(one) -> str:
    """Say in HTML what was seen in one try."""
    said = [
        f"<b>Try {one.number}</b>: {way_in_words(one)}. The parcel lay there for {in_words(one.delay_ns)}."
    ]
    if one.way == "busy polling":
        said.append(f"{one.calls - one.streams:,} of {one.calls:,} looks found nothing.")
    if one.evidence:
        where = {
            True: ", and the reader sleeps in a read of stream 1",
            False: ", and the reader is awake",
            None: "",
        }
        said.append(
            f"Meanwhile the kernel said: {one.evidence[1]} bytes wait in stream 2{where[one.evidence[0]]}."
        )
    if one.late_ns > 1_000_000:
        why = (
            ": threads of one Python take turns, and this reader calls all the time"
            if one.interval_ms == 0
            else ""
        )
        said.append(f"The courier wrote {in_words(one.late_ns)} later than it meant to{why}.")
    return " ".join(said)


@lru_cache(maxsize=8)
def _board(x0, x1, y0, y1):
    """Draw what all charts over these powers of ten share; return the axes, the pixels, and the
    room that words take.
    """
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - FOOT
    canvas = FigureCanvasAgg(figure := Figure(figsize=(WIDTH, HEIGHT), facecolor=PAPER, dpi=120))
    axes = figure.add_axes((LEFT / WIDTH, FOOT / HEIGHT, wide / WIDTH, high / HEIGHT))
    corner = [
        [(0.34, 0.65, 0.86, 0.6 * max(0, 1 - math.hypot(x, y) / 15) ** 2) for x in range(16)]
        for y in range(16)
    ]
    axes.imshow(
        corner,
        extent=(0, 0.6 * wide, 0, 0.8 * high),
        origin="lower",
        aspect="auto",
        interpolation="bilinear",
    )
    axes.set(xlim=(0, wide), ylim=(0, high))
    for set_ticks, low, top, length in (
        (axes.set_xticks, x0, x1, wide),
        (axes.set_yticks, y0, y1, high),
    ):
        steps = range(low, top + 1)
        set_ticks(
            [(step - low) / (top - low) * length for step in steps],
            [POWERS.get(step, "") for step in steps],
        )
    axes.grid(color=RULE, linewidth=0.5)
    axes.tick_params(length=0, colors=INK, labelsize=8.5, pad=5)
    axes.spines[:].set_color(RULE)
    axes.set(xlabel="how long the parcel lay there  (later →)", ylabel="processor time  (dearer →)")
    taken = []
    for x, y, side, text in (
        (0.06, 0.10, "left", "soon and cheap"),
        (wide - 0.06, 0.10, "right", "late"),
        (0.06, high - 0.10, "left", "dear"),
        (wide - 0.06, high - 0.10, "right", "late and dear"),
    ):
        axes.text(x, y, text, ha=side, va="center", fontsize=8.5, color=FAINT, style="italic")
        _take(taken, x, y, side, text)
    x = 0.1
    for way, streams, text in (
        *((way, 1, way) for way in WAYS),
        ("epoll", 2, "with a ring, ×2: two streams"),
    ):
        _mark(axes, way, streams, x, high + 0.2)
        axes.text(x + 0.14, high + 0.2, text, va="center", fontsize=8.5, color=INK)
        x += measure(text, 8.5)[0] + 0.5
    canvas.draw()
    return axes, canvas.copy_from_bbox(figure.bbox), taken


def draw(tries) -> bytes:
    """Draw the chart of *tries*, as PNG:

    delay across, processor time upward, both in powers of ten.
    """
    points = [
        (math.log10(max(one.delay_ns, 1) / 1e3), math.log10(max(one.cpu_ns, 1) / 1e3))
        for one in tries
    ]
    (x0, x1), (y0, y1) = (
        (min(DECADES[0], *map(math.floor, found)), max(DECADES[1], *map(math.ceil, found)))
        for found in (zip(*points, strict=True) if points else (DECADES, DECADES))
    )
    axes, board, words = _board(x0, x1, y0, y1)
    (wide, high), canvas = (axes.get_xlim()[1], axes.get_ylim()[1]), axes.figure.canvas
    places = [((x - x0) / (x1 - x0) * wide, (y - y0) / (y1 - y0) * high) for x, y in points]
    taken = [(x - 0.09, x + 0.09, y - 0.09, y + 0.09) for x, y in places] + words
    artists = (
        []
        if tries
        else [
            axes.text(wide / 2, high / 2, PRESS, ha="center", va="center", fontsize=11, color=INK)
        ]
    )
    groups = []  # a name for tries of the same kind that lie together
    for one, (x, y) in zip(tries, places, strict=True):
        artists += _mark(axes, one.way, one.streams, x, y)
        kind = one.way, one.interval_ms, one.streams
        near = [
            numbers for what, at, numbers in groups if what == kind and math.dist(at, (x, y)) < 0.4
        ]
        if not near:
            groups.append((kind, (x, y), numbers := []))
        (near[0] if near else numbers).append(one.number)
    for group in groups:
        artists += _name(axes, taken, wide, high, *group)
    canvas.restore_region(board)
    for artist in sorted(artists, key=Artist.get_zorder):
        axes.draw_artist(artist)
        artist.remove()
    imsave(
        png := BytesIO(),
        canvas.buffer_rgba(),
        format="png",
        dpi=120,
        pil_kwargs={"compress_level": 2},
    )
    return png.getvalue()


def _mark(axes, way, streams, x, y):
    """Mark a try, or name its mark in the legend."""
    shape, color = LOOKS[way]
    looks = [
        {
            "markersize": 6.5,
            "markerfacecolor": color,
            "markeredgecolor": PAPER,
            "markeredgewidth": 0.6,
        }
    ]
    if streams == 2:
        looks.append(
            {
                "markersize": 11,
                "markerfacecolor": "none",
                "markeredgecolor": color,
                "markeredgewidth": 1,
            }
        )
    return [axes.plot(x, y, shape, clip_on=False, zorder=4, **look)[0] for look in looks]


def _take(taken, x, y, side, text):
    """Take the room of *text* if it is free; tell whether it was."""
    length = measure(text, 8.5)[0] + 0.06
    left = x - 0.03 if side == "left" else x - length + 0.03
    if any(
        left < right and at < left + length and y - 0.075 < top and low < y + 0.075
        for at, right, low, top in taken
    ):
        return False
    taken.append((left, left + length, y - 0.075, y + 0.075))
    return True


def _name(axes, taken, wide, high, kind, place, numbers):
    """Name marks that lie together:

    in the nearest free place beside, above or below the first of them.
    """
    text, (x, y) = ", ".join(map(str, numbers)) + f" {short(*kind)}", place
    length, color = measure(text, 8.5)[0], LOOKS[kind[0]][1]
    for far in range(40):
        for up in (far * 0.07, -far * 0.07):
            for side, at in (("left", x + 0.14 + 0.02 * far), ("right", x - 0.14 - 0.02 * far)):
                fits = 0.08 < y + up < high - 0.08 and (
                    at + length < wide if side == "left" else at - length > 0
                )
                if fits and _take(taken, at, y + up, side, text):
                    line = (
                        axes.plot([x, at], [y, y + up], color=color, linewidth=0.5, zorder=3)
                        if far > 1
                        else []
                    )
                    return [
                        *line,
                        axes.text(
                            at,
                            y + up,
                            text,
                            ha=side,
                            va="center",
                            fontsize=8.5,
                            color=color,
                            zorder=5,
                        ),
                    ]
    return []


def table(tries) -> str:
    """List *tries* as HTML, the newest first."""
    if not tries:
        return f"<div>{PRESS}</div>"
    cell = 'style="padding: 1px 7px 1px 0; text-align: right; vertical-align: bottom; '
    rows = [
        (
            one.number,
            short(one.way, one.interval_ms, one.streams),
            " · ".join(map(in_words, one.delays_ns)),
            f"{one.calls:,}",
            in_words(one.cpu_ns),
            in_words(one.late_ns),
        )
        for one in reversed(tries)
    ]
    head = "".join(f'<th scope="col" {cell}">{name}</th>' for name in HEADS)
    body = "".join(
        "<tr>" + "".join(f'<td {cell}white-space: nowrap">{what}</td>' for what in row) + "</tr>"
        for row in rows
    )
    return (
        f'<div style="overflow-x: auto; width: 0; min-width: 100%"><table style="border-collapse: collapse"><thead><tr>'
        f"{head}</tr></thead><tbody>{body}</tbody></table></div><div>×2: two streams, stream 1 · stream 2. "
        "<i>calls</i>: of read and poll. <i>courier late</i>: how long after it meant to it wrote.</div>"
    )


class Waiting(Explorable):
    """The tries on the page."""

    kind = "waiting"

    def __init__(self):
        super().__init__()
        self.experiment, self.picture, self.list = (
            Experiment(),
            ipywidgets.HTML(),
            ipywidgets.HTML(),
        )
        row, fit = {"flex_flow": "row wrap"}, {"style": {"button_width": "auto"}, "layout": BESIDE}
        self.way = ipywidgets.ToggleButtons(options=WAYS, description="wait by", **fit)
        self.interval = ipywidgets.SelectionSlider(
            options=[(f"{ms} ms", ms) for ms in INTERVALS_MS],
            value=5,
            description="pause",
            disabled=True,
            continuous_update=False,
        )
        self.streams = ipywidgets.ToggleButtons(
            options=[("one", 1), ("two", 2)], description="streams", **fit
        )
        self.attempt = ipywidgets.Button(
            description="Try", button_style="primary", layout={"width": "auto"}
        )
        self.reset = ipywidgets.Button(description="Reset", layout={"width": "auto"})
        self.way.observe(
            self.on(lambda _: setattr(self.interval, "disabled", self.way.value != WAYS[1])),
            "value",
        )
        self.attempt.on_click(self.on(self._attempt))
        self.reset.on_click(self.on(self._reset))
        self.build(
            ipywidgets.HBox([self.way, self.interval], layout=row),
            ipywidgets.HBox([self.streams, self.attempt, self.reset], layout=row),
            self.picture,
            self.list,
        )
        self._show()

    def _attempt(self, _):
        one = self.experiment.attempt(self.way.value, self.interval.value, self.streams.value)
        self._show()
        self.say(f'<div role="status">{verdict(one)}</div>')

    def _reset(self, _):
        self.experiment = Experiment()
        self._show()

    def _show(self):
        tries = list(self.experiment.tries)
        png, alt = draw(tries), tell(tries)
        self.picture.value, self.list.value = (
            image(png, alt),
            panel("Tries, the newest first", table(tries)),
        )
        self.set_still(png, alt)


def waiting() -> Waiting:
    """Return the explorable:

    wait by a blocking read, by busy polling, by epoll; see delay and cost of each try.
    """
    return Waiting()
