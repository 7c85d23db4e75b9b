"""timeline(): a recording as a picture, and the same story in words.

Facts about pages
-----------------
JupyterLab drops the alternative text of a plain figure, and hides SVG in a notebook that is not
trusted yet, as every fresh clone is.  An ``<img alt=…>`` with a PNG in it shows everywhere, also
without a kernel.

What we do about them
---------------------
`timeline` returns an object that displays as such an image.  `lanes.layout` works out where
everything goes, and `ink.Ink` draws it; this module puts the legend above it, shows it, and answers
questions about it.
"""

import html
import io

from ..analysis.story import count
from . import ink
from .canvas import image
from .layout import layout

#: Where the rows of the legend begin under the upper edge, how far apart they are, and what a title
#: takes: inches.
MARGIN, ROW, TITLE = 0.14, 0.22, 0.30


def timeline(
    log, *, axis="steps", streams=None, threads=None, title=None, mark=None, warnings=False
) -> "Timeline":
    """Draw what a recording holds.

    *axis* is ``"steps"``, a slot for each step, the same picture on every run where the program
    fixes the order; or ``"time"``, real time with long gaps folded.  *streams* and *threads* pick
    what to show, by name or as objects; by default everything but the streams that libraries make
    for themselves.  *title* stands above. *mark*, the index of a call, puts a frame around it.
    With *warnings*, what ``log.warnings()`` lists is marked on the bars, ``!`` for a warning and
    ``?`` for a question, and told below.

    Returns a `Timeline`; as the last value of a cell it shows itself.  Raises ValueError for an
    empty log, another axis, or a name or call that the log does not know.
    """
    if mark is not None and not 0 <= mark < len(log):
        raise ValueError(f"this log has the calls 0 to {len(log) - 1}, there is no call {mark}")
    return Timeline(log, layout(log, axis, streams, threads), title, mark, warnings)


class Timeline:
    """A drawn recording: shows itself in a notebook; its parts can be asked for by name."""

    def __init__(self, log, layout, title, mark=None, warnings=False):
        self.log, self.layout, self.title, self.mark = log, layout, title, mark
        #: what is marked: `analysis.warnings.Finding`
        self.findings = log.warnings() if warnings else []
        self.story = log.summary(warnings=warnings)
        self._figure = self._png = None

    @property
    def figure(self):
        """The matplotlib figure, drawn when it is first asked for."""
        if self._figure is None:
            rows = legend(self.layout)
            head = MARGIN + ROW * len(rows) + (TITLE if self.title else 0)
            drawing = ink.Ink(self.layout, head)
            if self.title:
                drawing.text(0, 0.20 - head, self.title, 12.5, ink.INK, fontweight="bold")
            for number, row in enumerate(rows):
                for x, mark, text in row:
                    y = 0.04 - ROW * (len(rows) - number)
                    _draw_key(drawing, x, y, mark)
                    drawing.text(x + 0.25, y, text, 7.5, ink.FAINT)
            if self.mark is not None:
                _frame(drawing, self.mark)
            # of one call the first: warnings stand before questions
            for call, finding in {each.call: each for each in reversed(self.findings)}.items():
                _sign(drawing, call, finding.certain)
            self._figure = drawing.figure
        return self._figure

    def find(self, what, number=1):
        """Return the *number*-th part called *what*, counted from 1, from left to right.

        *what* is ``"event"``, ``"bar"``, ``"entry"``, ``"close"``, a buffer event as in ``"full"``,
        or the name of a lane.  Returns the `Bar`, `Mark`, `Entry` or `Lane`.  Raises ValueError if
        there are not that many.
        """
        plan = self.layout
        parts = (
            {
                "event": plan.events,
                "bar": plan.bars,
                "entry": plan.entries,
                "close": plan.closes,
            }.get(what)
            or [mark for mark in plan.buffer_events + plan.not_writable if mark.what == what]
            or [lane for lane in plan.lanes if lane.name == what]
        )
        parts = sorted(parts, key=lambda part: getattr(part, "x", getattr(part, "left", 0)))
        if not 1 <= number <= len(parts):
            raise ValueError(
                f"this timeline has {count(len(parts), 'part')} called {what!r}, "
                f"there is no number {number}"
            )
        return parts[number - 1]

    def across(self, x) -> float:
        """Return where *x* of the layout lies in the image:

        0 is its left edge, 1 its right.  For a cursor over it.
        """
        return (ink.LABELS + x / self.layout.place.width * ink.ROOM) / ink.WIDTH

    def save(self, path):
        """Write the picture to *path*; the ending (png, svg, pdf) chooses the format."""
        self.figure.savefig(path, dpi=200)

    def png(self) -> bytes:
        """Return the picture as PNG."""
        if self._png is None:
            buffer = io.BytesIO()
            self.figure.savefig(buffer, format="png", dpi=150)
            self._png = buffer.getvalue()
        return self._png

    def __repr__(self):
        return self.story

    def _repr_mimebundle_(self, include=None, exclude=None):
        story = self.story
        remarks = list(map(str, self.findings))
        remarks += [f"Not seen: {limit}" for limit in self.log.limits()]
        if boxed := [
            each.name
            for each in (*self.log.threads, *self.log.objects)
            if ink.printable(each.name) != each.name
        ]:
            remarks.append(
                f"Boxes stand for characters that no font here has, in {', '.join(boxed)}; "
                "a font such as Noto Sans CJK has them."
            )
        return {
            "text/html": image(self.png(), story)
            + "".join(f"<p>{html.escape(remark)}</p>" for remark in remarks),
            "text/plain": story,
        }


def _frame(drawing, call):
    """Put a frame around the bar of *call*, or the bar that it is folded into, and around what
    stands above it.
    """
    for bar in drawing.plan.bars:
        if bar.call <= call < bar.call + bar.count:
            left, right, y = (
                bar.left * drawing.scale,
                bar.right * drawing.scale,
                bar.lane.top + 0.32,
            )
            drawing.boxes(
                [(left - 0.05, max(right, left + 0.02) + 0.05, y - 0.34, y + 0.19)],
                "none",
                ink.BUFFER,
                2,
                5,
            )


def _sign(drawing, call, is_certain):
    """Put the sign of a warning, or of a question, at a corner of the bar of *call*."""
    for bar in drawing.plan.bars:
        if bar.call <= call < bar.call + bar.count:
            x, y = bar.left * drawing.scale + 0.02, bar.lane.top + 0.46
            drawing.dots([x], [y], "o", 10, ink.BUFFER if is_certain else ink.EVENT)
            sign = "!" if is_certain else "?"
            drawing.text(x, y, sign, 7.5, ink.PAPER, ha="center", fontweight="bold", zorder=7)


def legend(plan) -> list:
    """Explain the marks that a picture shows, and no others: rows of (x, mark, text)."""
    bars = {(bar.asleep, bar.ends, bar.aside and not plan.is_dense) for bar in plan.bars}
    ends = {end for _, end, _ in bars}
    units = {area.unit for area in plan.areas if area.peak} - {"entries"}
    level = (
        {"bytes": "bytes waiting", "count": "count", "connections": "connections waiting"}[
            units.pop()
        ]
        if len(units) == 1
        else "waiting"
        if units
        else ""
    )
    tied = len({mark.x for mark in plan.events if mark.target is not None})
    shut = any("shut down" in mark.what for mark in plan.closes)
    keys = [
        ("box", "in the call", any(not asleep for asleep, _, _ in bars)),
        ("hatch", "asleep in it", any(asleep for asleep, _, _ in bars)),
        ("x" if plan.is_dense else "dash", "refused or failed", ends & {"refused", "failed"}),
        ("stop", "timed out", "timed out" in ends and not plan.is_dense),
        (">", "still in the call", "open" in ends),
        ("tick", "other call", any(aside for *_, aside in bars)),
        ("line", "registered", plan.entries),
        ("dots", "disabled", any(entry.disabled for entry in plan.entries)),
        ("v–" if 0 < tied <= ink.MANY else "v", "event from poll", plan.events),
        ("area", level, level),
        ("D", "buffer event", plan.buffer_events),
        ("d", "not writable", plan.not_writable),
        ("X", "moved elsewhere", plan.elsewhere),
        ("bar", "closed or shut down" if shut else "closed", plan.closes),
        ("rug", "call on one of them", plan.rest),
        ("fold", "folded", plan.place.folds),
    ]
    rows, x = [[]], 0.0
    for mark, text, is_there in keys:
        width = 0.25 + ink.measure(text, 7.5)[0]
        if is_there and x + width > ink.ROOM + ink.RIGHT - 0.05:
            rows.append([])
            x = 0.0
        if is_there:
            rows[-1].append((x, mark, text))
            x += width + 0.17
    return rows


def _draw_key(drawing, x, y, mark):
    """Draw one mark of the legend, at *x*, *y* inches."""
    gray, edge, paper = ink.FILL["other"], ink.EDGE["other"], ink.PAPER

    def box(left, right, face, hatch=None, style="-", edge=edge, width=0.9):
        drawing.boxes(
            [(x + left, x + right, y - 0.06, y + 0.06)], face, edge, width, 3, hatch, style
        )

    def line(left, right, up, down, color, width, style="-"):
        drawing.lines([[(x + left, y - up), (x + right, y + down)]], color, width, 3, style)

    def dot(at, shape, size, color, edge=paper, width=0.6):
        drawing.dots([x + at], [y], shape, size, color, edge, width)

    for draw, *how in {
        "box": [(box, 0, 0.2, gray)],
        "hatch": [(box, 0, 0.2, paper, "/////")],
        "x": [(dot, 0.12, "x", 5, ink.BUFFER, ink.BUFFER, 0.9)],
        "dash": [(box, 0, 0.2, gray, None, ink.DASHES)],
        "stop": [(line, 0.12, 0.12, 0.09, 0.09, ink.INK, 2.2)],
        ">": [(dot, 0.12, ">", 6, edge)],
        "tick": [(box, 0.1, 0.14, gray)],
        "line": [(line, 0, 0.2, 0, 0, ink.ENTRY, 1.6)],
        "dots": [(line, 0, 0.2, 0, 0, ink.ENTRY, 1.6, ink.DOTS)],
        "v": [(dot, 0.12, "v", 6.5, ink.EVENT)],
        "v–": [
            (line, 0.05, 0.18, 0, 0, ink.EVENT, 1, ink.TIE),
            (dot, 0.05, "v", 6.5, ink.EVENT),
            (dot, 0.19, "o", 2.6, ink.EVENT, ink.EVENT),
        ],
        "area": [
            (box, 0, 0.2, ink.LEVEL, None, "-", ink.LEVEL, 0),
            (line, 0, 0.2, 0.06, -0.06, ink.LEVEL_EDGE, 1.1),
        ],
        "D": [(dot, 0.12, "D", 5.5, ink.BUFFER)],
        "d": [(dot, 0.12, "d", 5.5, paper, ink.BUFFER, 1)],
        "X": [(dot, 0.12, "X", 6.5, ink.INK)],
        "bar": [(line, 0.12, 0.12, 0.09, 0.09, ink.CLOSE, 1.6)],
        "rug": [(line, at, at, 0.05, 0.05, ink.FAINT, 0.5) for at in (0.10, 0.12, 0.15)],
        "fold": [(box, 0, 0.2, ink.FOLD, "////", "-", ink.FOLD_EDGE, 0)],
    }[mark]:
        draw(*how)
