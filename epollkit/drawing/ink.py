"""Ink for the numbers of a `Layout`: one drawing, one figure.

Facts about matplotlib
----------------------
* One artist for each call is slow; one collection for all calls of a kind is not.  A hundred calls
  are narrower than their names: then a thread's lane shows, in a row for each kind of call, how
  much of each column of pixels it takes.
* Text knows nothing of other text.  Who wants none of it to overlap must keep a list of what is
  taken.
* A ``$`` in a text starts a formula; a character that no font has is drawn as a box, with a
  warning.

What we do about them
---------------------
Everything is measured in inches, from the upper left corner of the lanes.  A label has a few places
where it may stand and takes the first that is free.  Colors are Okabe and Ito's, made lighter,
under dark text, and never the only cue.
"""

from functools import lru_cache

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.patheffects import withStroke

from ..analysis.story import brief
from .axis import COLUMNS, Grid, envelope, named, share

WIDTH, LABELS, RIGHT, FOOT = 8.4, 1.20, 0.36, 0.40  # inches
ROOM = WIDTH - LABELS - RIGHT
INK, FAINT, PAPER = "#1d1f24", "#5d636e", "#ffffff"
BAND, RULE, FOLD, FOLD_EDGE = "#eceef1", "#c4c9d1", "#f4f4f2", "#dcdee2"
FILL = {
    "read": "#64c6a6",
    "write": "#f5c352",
    "poll": "#a3d7f6",
    "close": "#dd9ec5",
    "other": "#d8dbe1",
}
EDGE = {
    "read": "#3d7b67",
    "write": "#977526",
    "poll": "#587f96",
    "close": "#8c627c",
    "other": "#7c8087",
}
EVENT, BUFFER, CLOSE, ENTRY = "#005a94", "#b34700", "#8f3a6f", "#7fb6dc"
LEVEL, LEVEL_EDGE, LEVEL_TEXT, LEVEL_RANGE = "#cfe6f7", "#3f87b8", "#28597c", "#a3cdea"
UNITS = {"bytes": " B", "entries": " more registered"}
#: Where a label may stand beside its mark: (how far right, how far down, alignment).
UP = [(0.05, -0.12, "left"), (-0.05, -0.12, "right"), (0, -0.13, "center")]
DOWN = [(0.05, 0.12, "left"), (-0.05, 0.12, "right")]
PLACES = {
    "non-empty": [(-0.09, -0.02, "right"), *UP, *DOWN],
    "non-full": [*DOWN, *UP],
    "event": [
        (dx, dy, side)
        for dy in (0.11, -0.11, 0.24)
        for dx, side in ((0.08, "left"), (-0.08, "right"))
    ],
    "level": [
        (dx, dy, "center")
        for dx, dy in ((0, 0.09), (0, 0.14), (0.12, 0.09), (-0.12, 0.09), (0, -0.09))
    ],
    "entry": [(-0.07, 0, "right"), (0.04, -0.105, "left"), (0.04, 0.105, "left")],
}
DASHES, DOTS, TIE = (0, (2, 1.4)), (0, (1, 2)), (0, (1, 1.6))
#: How far under the top of a lane the name of a closing may stand.
DOWNS = (0.12, 0.23, 0.34, 0.45)
MANY = 120  # more corners, ties, marks are drawn, but not measured
HALO = [withStroke(linewidth=2.2, foreground="#ffffffdd")]


class Ink:
    """One drawing of one layout, with *head* inches left free above the lanes."""

    def __init__(self, plan, head):
        self.plan, self.scale = plan, ROOM / plan.place.width
        self.taken, self.crossed = (
            Grid(),
            Grid(),
        )  # where nothing may be written, and where nothing should
        self.figure = Figure(figsize=(WIDTH, head + plan.height + FOOT), facecolor=PAPER)
        self.axes = self.figure.add_axes(
            (0, 0, 1, 1), xlim=(-LABELS, WIDTH - LABELS), ylim=(plan.height + FOOT, -head)
        )
        self.axes.set_axis_off()
        for lane in plan.lanes:
            self._label(lane)
        self._across()
        #: how far beside its step a mark stands, in inches, where several events came at once
        self.beside = apart(plan.events)
        for area in plan.areas:
            self._area(area)
        self._strokes()
        for marks, shape, color in (
            (plan.events, "v", EVENT),
            (plan.buffer_events, "D", BUFFER),
            (plan.not_writable, "d", PAPER),
            (plan.elsewhere, "X", INK),
        ):
            self._marks(marks, shape, color)
        (self._rows if plan.is_dense else self._bars)()
        self._words()

    # text that does not run into other text

    def text(self, x, y, text, size, color, **style):
        """Write *text*, come what may."""
        self.axes.text(
            x,
            y,
            printable(text),
            fontsize=size,
            color=color,
            parse_math=False,
            fontfamily=_fonts(),
            **({"va": "center", "zorder": 6} | style),
        )

    def _write(self, x, y, texts, size, color, places, weight="normal"):
        """Put one of *texts* at one of *places* where it meets nothing, or at least no text;
        return whether it did.
        """
        for avoided, behind in ((self.crossed, None), (self.taken, HALO)):
            for text in texts:
                width, height = measure(text, size, weight)
                for dx, dy, side in places:
                    left = x + dx - {"left": 0, "center": width / 2, "right": width}[side]
                    box = (
                        left - 0.035,
                        left + width + 0.035,
                        y + dy - height / 2,
                        y + dy + height / 2,
                    )
                    if (
                        left > 0
                        and box[1] < ROOM + RIGHT
                        and self.taken.is_free(*box)
                        and avoided.is_free(*box)
                    ):
                        self.taken.add(*box)
                        self.text(
                            left + width / 2,
                            y + dy,
                            text,
                            size,
                            color,
                            ha="center",
                            fontweight=weight,
                            linespacing=1.0,
                            path_effects=behind,
                        )
                        return True
        return False

    def _label(self, lane):
        """Write a lane's name and note into the column at the left."""
        name, room = " ".join(lane.name.split()), LABELS - 0.16
        lines = (
            [name]
            if measure(name, 9, "bold")[0] < room
            else name.replace(" → ", "\n→ ").split("\n")
        )
        size = next(
            (
                size
                for size in (9, 8, 7)
                if all(measure(line, size, "bold")[0] < room for line in lines)
            ),
            7,
        )
        step, has_note = (
            size * 0.0165,
            lane.note and lane.bottom - lane.top > 0.17 + size * 0.0165 * len(lines),
        )
        y = {
            "thread": lane.top + (0.12 if self.plan.is_dense else 0.32),
            "epoll": lane.top + 0.20,
        }.get(lane.kind, lane.middle - (step * (len(lines) - 1) + 0.13 * bool(has_note)) / 2)
        if lane.kind == "thread" and not self.plan.is_dense:
            self.lines([[(0, y), (ROOM, y)]], BAND, 7, 0)
        for line in lines:
            self.text(
                -0.12, y, _cut(line, size, "bold", room), size, INK, ha="right", fontweight="bold"
            )
            y += step
        if has_note:
            self.text(-0.12, y + 0.01, _cut(lane.note, 7, "normal", room), 7, FAINT, ha="right")

    def _across(self):
        """The axis at the bottom, and what is folded in it."""
        plan, down = self.plan, self.plan.height
        ticks = [(x * self.scale, text) for x, text in plan.place.ticks]
        self.lines(
            [[(0, down), (ROOM, down)], *([(x, down), (x, down + 0.04)] for x, _ in ticks)],
            RULE,
            0.8,
        )
        for x, text in ticks:
            self._write(
                x,
                down + 0.12,
                [text],
                8,
                FAINT,
                [(0, 0, "center"), (0.01, 0, "left")],
            )
        label = plan.place.label
        if plan.is_dense:
            label += f"   ·   {len(plan.bars):,} calls: each column of pixels shows how much of it "
            label += "they take"
        self.text(ROOM / 2, down + 0.28, label, 8, FAINT, ha="center")
        for left, right, text in plan.place.folds:
            self.boxes(
                [(left * self.scale, right * self.scale, 0, down)], FOLD, FOLD_EDGE, 0, 0.5, "////"
            )
            self._write(
                (left + right) / 2 * self.scale, down - 0.07, [text], 7, FAINT, [(0, 0, "center")]
            )

    def lines(self, segments, color, width, zorder=1.0, style="-"):
        self.axes.add_collection(
            LineCollection(
                segments, colors=color, linewidths=width, linestyles=style, zorder=zorder
            ),
            autolim=False,
        )

    def boxes(self, boxes, face, edge, width, zorder, hatch=None, styles="-"):
        corners = [
            [(left, top), (right, top), (right, bottom), (left, bottom)]
            for left, right, top, bottom in boxes
        ]
        made = PolyCollection(
            corners,
            facecolors=face,
            edgecolors=edge,
            linewidths=width,
            zorder=zorder,
            hatch=hatch,
            linestyles=styles,
        )
        made.set_hatch_linewidth(0.9)
        self.axes.add_collection(made, autolim=False)

    def dots(self, xs, ys, shape, size, color, edge=PAPER, width=0.6):
        self.axes.plot(
            xs,
            ys,
            linestyle="none",
            marker=shape,
            markersize=size,
            color=color,
            markeredgecolor=edge,
            markeredgewidth=width,
            zorder=5,
        )

    # threads

    def _bars(self):
        lanes, groups, stops = {}, {}, []
        for bar in self.plan.bars:
            left, y, half = bar.left * self.scale, bar.lane.top + 0.32, 0.13
            right = max(bar.right * self.scale, left + 0.02)
            if bar.aside:  # a narrow tick in the middle of its place
                left, right, half = (left + right) / 2 - 0.02, (left + right) / 2 + 0.02, 0.07
            boxes, styles = groups.setdefault(
                ("other" if bar.aside else bar.family, bar.asleep), ([], [])
            )
            boxes.append((left, right, y - half, y + half))
            styles.append(DASHES if bar.ends in ("refused", "failed") else "-")
            self.taken.add(*boxes[-1])
            lanes.setdefault(id(bar.lane), []).append(
                (bar, left, right, bar.aside or self._name(bar, left, right, y))
            )
            if bar.ends == "timed out":
                stops.append([(right, y - half), (right, y + half + 0.09)])
            if bar.ends == "open":
                self.dots([right], [y], ">", 7, EDGE[bar.family])
        for (family, asleep), (boxes, styles) in groups.items():
            hatch, face = ("/////", PAPER) if asleep else (None, FILL[family])
            self.boxes(boxes, face, EDGE[family], 0.9, 3, hatch, styles)
        self.lines(stops, INK, 2.2, 4)
        for bars in lanes.values():
            self._details(bars)

    def _name(self, bar, left, right, y):
        """Write a bar's name into it:

        in full, smaller, shorter, or upright.  Returns whether there was room.
        """
        word, narrow = bar.syscall.bar, bar.syscall.narrow_bar
        words = [f"{bar.count:,} × {word}"] if bar.count > 1 else [word, narrow]
        behind = {"facecolor": "#ffffffe6", "edgecolor": "none", "pad": 0.8} if bar.asleep else None
        for text in [f"{word}, asleep"] * bar.asleep + words:
            for size in (8, 7, 6.5):
                if measure(text, size)[0] < (right - left) * 0.93:
                    self.text((left + right) / 2, y, text, size, INK, ha="center", bbox=behind)
                    return True
        upright = right - left > 0.10 and measure(words[-1], 6)[0] < 0.25
        if upright:
            self.text((left + right) / 2, y, words[-1], 6, INK, ha="center", rotation=90)
        return upright

    def _details(self, bars):
        """Say above the bars of a lane what they did; once for a run of calls that did the same."""
        runs = []
        for bar, left, right, has_name in bars:
            key = (bar.syscall, bar.details if has_name else None, bar.ends, bar.asleep)
            if runs and runs[-1][0] == key and left - runs[-1][2] < 0.12:
                runs[-1][2:] = right, runs[-1][3] + bar.count, {*runs[-1][4], bar.details}
            else:
                runs.append([key, left, right, bar.count, {bar.details}])
        y = bars[0][0].lane.top + 0.115
        for (syscall, texts, ends, _), left, right, number, details in runs:
            if texts is None:  # the bars are too narrow for their name
                word = syscall.bar
                texts = [
                    *(f"{word} {text}" for text in (details.pop() if len(details) == 1 else ())),
                    word,
                ]
            if number > 1:
                texts = [f"{number:,} × {text}" for text in texts]
            bad, half = ends in ("refused", "failed"), (right - left) / 2
            weight = "bold" if bad or ends == "timed out" else "normal"
            places = [(0, 0, "center"), (half, 0, "right"), (-half, 0, "left")]
            any(
                self._write(
                    (left + right) / 2, y, texts, size, BUFFER if bad else FAINT, places, weight
                )
                for size in (7, 6)
            )

    def _rows(self):
        """Give each kind of call a row, and show how much of each column of pixels it takes."""
        lanes, spans, edges = {}, {}, np.linspace(0, ROOM, COLUMNS + 1)
        for bar in self.plan.bars:
            lanes.setdefault(id(bar.lane), (bar.lane, {}))[1].setdefault(bar.family, []).append(bar)
            spans.setdefault((id(bar.lane), bar.family, bar.asleep), []).append(
                (bar.left, bar.right)
            )
        for lane, families in lanes.values():
            for row, family in enumerate(family for family in FILL if family in families):
                bars, base = families[family], lane.top + 0.36 + 0.14 * row
                self.text(
                    -0.12,
                    base - 0.06,
                    f"{family} {sum(bar.count for bar in bars):,}",
                    6.5,
                    FAINT,
                    ha="right",
                )
                for asleep in (False, True):
                    left, right = (
                        np.array(spans.get((id(lane), family, asleep), [(0, 0)])).T * self.scale
                    )
                    heights = (
                        np.append(0.115 * share(left, right, edges), 0) if right[-1] else edges * 0
                    )
                    self.axes.fill_between(
                        edges,
                        base - heights,
                        base,
                        where=heights > 0,
                        step="post",
                        linewidth=0.4,
                        facecolor=PAPER if asleep else FILL[family],
                        edgecolor=EDGE[family],
                        hatch="//////" if asleep else None,
                        zorder=3,
                    )
                bad = {
                    round(bar.left * self.scale, 2)
                    for bar in bars
                    if bar.ends in ("refused", "failed")
                }
                self.dots(list(bad), [base - 0.06] * len(bad), "x", 3.5, BUFFER, BUFFER, 0.9)
                if any(bar.ends == "open" for bar in bars):
                    self.dots([ROOM], [base - 0.06], ">", 5, EDGE[family])

    # epolls and channels

    def _strokes(self):
        """Draw what consists of straight lines:

        registrations, closes, ties, calls on channels without a lane.
        """
        plan, lines, dotted, closes = self.plan, [], [], []
        for entry in plan.entries:
            left, right, y = entry.left * self.scale, entry.right * self.scale, entry.y
            (dotted if entry.disabled else lines).append([(left, y), (right, y)])
            lines += [[(x, y - 0.05), (x, y + 0.05)] for x in (left, right) if x < ROOM]
            self.taken.add(left, right, y - 0.02, y + 0.02)
        for mark in plan.closes:
            x, top, bottom = mark.x * self.scale, mark.lane.top + 0.06, mark.lane.bottom - 0.06
            closes.append([(x, top), (x, bottom)])
            self.taken.add(x - 0.02, x + 0.02, top, bottom)
        ties = []
        for mark in plan.events:
            if mark.target is not None:
                x = mark.x * self.scale + self.beside.get(id(mark), 0)
                ties.append([(x, end) for end in mark.tie])
        ties *= len({mark.x for mark in plan.events}) <= MANY
        for (x, begin), (_, end) in ties:
            self.crossed.add(x - 0.01, x + 0.01, min(begin, end), max(begin, end))
        ends = {end for _, end in ties}
        self.dots([x for x, _ in ends], [y for _, y in ends], "o", 2.6, EVENT, EVENT)
        rest = [
            [(x, plan.lanes[-1].bottom - 0.12), (x, plan.lanes[-1].bottom - 0.03)]
            for x in {round(x * self.scale, 2) for x in plan.rest}
        ]
        for segments, color, width, style in (
            (lines, ENTRY, 1.6, "-"),
            (dotted, ENTRY, 1.6, DOTS),
            (ties, EVENT, 1, TIE),
            (closes, CLOSE, 1.6, "-"),
            (rest, FAINT, 0.5, "-"),
        ):
            self.lines(segments, color, width, 2.5, style)

    def _area(self, area):
        xs, levels, counts = (
            area.xs * self.scale,
            np.array(area.levels, float),
            area.unit == "entries",
        )
        self.lines([[(xs[0], area.base), (xs[-1], area.base)]], ENTRY if counts else "#9aa3ad", 0.8)
        self.crossed.add(xs[0], xs[-1], area.base - 0.01, area.base + 0.01)
        least = levels
        if len(xs) > 3 * MANY:
            xs, levels, least = envelope(xs, levels)
        elif len(xs) <= MANY:
            tops = area.height(levels)
            for left, right, y, then in zip(xs, xs[1:], tops, tops[1:], strict=False):
                self.crossed.add(left, right, y - 0.01, y + 0.01)
                self.crossed.add(right - 0.01, right + 0.01, min(y, then), max(y, then))
        if area.peak:
            for ys, color in ((area.height(levels), LEVEL_RANGE), (area.height(least), LEVEL)):
                self.axes.fill_between(
                    xs, ys, area.base, step="post", color=color, linewidth=0, zorder=1
                )
            self.axes.plot(
                xs,
                area.height(levels),
                drawstyle="steps-post",
                linewidth=1.1,
                zorder=2,
                color=ENTRY if counts else LEVEL_EDGE,
            )

    def _marks(self, marks, shape, color):
        """Draw the *marks* of a kind; of those that share a hundredth of an inch, one."""
        places = {
            (round(mark.x * self.scale + self.beside.get(id(mark), 0), 2), mark.y) for mark in marks
        }
        many = len(places) > 2 * MANY
        for x, y in () if many else places:
            self.taken.add(x - 0.05, x + 0.05, y - 0.05, y + 0.05)
        self.dots(
            [x for x, _ in places],
            [y - 0.02 * (shape == "v") for _, y in places],
            shape,
            3 if many else 7 if shape in "vX" else 5.5,
            color,
            BUFFER if shape == "d" else PAPER,
            0 if many else 1 if shape == "d" else 0.6,
        )

    # words

    def _words(self):
        """Name the marks, then the entries, then the levels: what stands first finds room first."""
        plan, named_already = self.plan, set()
        for x, y, what in named(plan.events):
            self._write(x * self.scale, y, [what], 7.5, EVENT, PLACES["event"], "bold")
        for mark in plan.closes:
            # At the right of its line; at the left, it points to it.
            downs = [dy for dy in DOWNS if dy < mark.lane.bottom - mark.lane.top - 0.15]
            right = [(0.07, dy, "left") for dy in downs]
            left = [(-0.07, dy, "right") for dy in downs]
            short = mark.what.split(", ")[0]
            texts = [mark.what, short, "\n".join(short.rsplit(" ", 1))]
            # Where there is no room: the legend says what the line means.
            name = [short.removesuffix(" closed")]
            x, what = mark.x * self.scale, (mark.call, mark.what)
            if what not in named_already and any(
                self._write(x, mark.lane.top, shown, 7.5, CLOSE, places, "bold")
                for shown, places in (
                    (texts[:2], right),
                    ([f"{text} ▸" for text in texts[:2]], left),
                    (texts[2:], right),
                    (name, right),
                    ([f"{name[0]} ▸"], left),
                )
            ):
                named_already.add(what)
        for mark in plan.elsewhere:
            self._write(mark.x * self.scale, mark.y, [mark.what], 7.5, INK, UP + DOWN)
        for x, y, what in named([*plan.buffer_events, *plan.not_writable]):
            self._write(
                x * self.scale,
                y,
                [what],
                7.5,
                BUFFER,
                PLACES.get(what.split(",")[0], UP + DOWN),
                "bold",
            )
        for x, y, what in named(plan.entries):
            self._write(x * self.scale, y, [what], 7, FAINT, PLACES["entry"])
        for area in plan.areas:
            self._levels(area)

    def _levels(self, area):
        """Say how much waits, on each plateau that has room for it; if none has, the highest."""
        unit, xs, is_written = UNITS.get(area.unit, ""), area.xs * self.scale, False
        for at in np.flatnonzero(np.diff(xs) > 0.12)[:MANY] * (area.unit != "entries"):
            text, wide = f"{area.levels[at]:,}{unit}", xs[at + 1] - xs[at]
            if area.levels[at] and wide > measure(text, 7)[0]:
                y = float(area.height(area.levels[at]))
                places = PLACES["level"] if area.base - y > 0.17 else PLACES["level"][-1:]
                is_written |= self._write(xs[at] + wide / 2, y, [text], 7, LEVEL_TEXT, places)
        if area.peak and not is_written:
            text = f"{area.peak:,}{unit}" + " at most" * (area.unit != "entries")
            self._write(
                xs[1],
                area.top,
                [text],
                7,
                LEVEL_TEXT,
                [(-0.06, 0.05, "right"), (0.05, -0.08, "left")],
            )


def apart(events) -> dict:
    """Return for each of several events at one step how far beside it to stand, in inches, by its
    id(): each has a dotted line of its own.
    """
    at_once = {}
    for mark in events:
        if mark.target is not None:
            at_once.setdefault(mark.x, []).append(mark)
    return {
        id(mark): (number - (len(marks) - 1) / 2) * min(0.07, 0.28 / len(marks))
        for marks in at_once.values()
        if len(marks) > 1
        for number, mark in enumerate(marks)
    }


@lru_cache(1)
def _fonts():
    """Return the fonts to write with:

    matplotlib's own, and one with Chinese, Japanese and Korean, if there is one.
    """
    known = (
        "CJK",
        "Han Sans",
        "WenQuanYi",
        "Droid Sans Fallback",
        "YaHei",
        "SimHei",
        "PingFang",
        "Hiragino",
    )
    return [
        "DejaVu Sans",
        *[font.name for font in fontManager.ttflist if any(word in font.name for word in known)][
            :1
        ],
    ]


@lru_cache(4096)
def _advance(char, weight="normal"):
    """Return how wide a character is, in units of the font size; 0 if no font here has it."""
    for family in _fonts():
        font = get_font(findfont(FontProperties(family=family, weight=weight)))
        if font.get_char_index(ord(char)):
            font.set_size(100, 72)
            return font.load_char(ord(char)).linearHoriAdvance / 65536 / 100
    return 0


def printable(text):
    """Put a box in the place of each character that no font here has."""
    return "".join(char if char == "\n" or _advance(char) else "□" for char in text)


def measure(text, size, weight="normal"):
    """Return how wide and how high *text* is, in inches."""
    lines = printable(text).split("\n")
    return max(
        sum(_advance(char, weight) for char in line) for line in lines
    ) * size / 72, size * 0.0150 * len(lines)


def _cut(text, size, weight, room):
    """Shorten *text* in the middle, if it must be, until it fits."""
    cuts = (brief(text, most) for most in range(len(text), 1, -1))
    return next((cut for cut in cuts if measure(cut, size, weight)[0] < room), text[:1])
