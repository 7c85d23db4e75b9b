"""matrix(): every ending and the conditions that hold then, found out a moment ago and drawn.

Facts about endings
-------------------
* ERR and HUP are reported whatever was asked for; the other conditions only to those who ask.
* What is reported does not say what a read or a write does: that shows when it is tried.

What we do about them
---------------------
Each row is an experiment of `endings.observe`, with every condition asked for; what was asked makes
no difference to what holds.  A disk is a condition that comes unasked, a ring one that must be
asked for.  The rows are plain data, the picture is drawn from them, and so is the text.

*Source:* epoll_ctl(2), and what this machine's kernel did.
"""

from typing import NamedTuple

from .. import masks
from ..analysis.story import ERRORS
from ..drawing import ink
from ..drawing.canvas import Canvas, image
from .endings import BITS, CHOICES, STREAMS, observe, spelled

ASKED = sum(BITS[name] for name in CHOICES)
#: Bytes that are spelled out; of more, the number is given.
LONGEST = 6


class Row(NamedTuple):
    """One ending: the stream and what happened, in words; the `mask` that holds, None if it cannot
    be registered; what a first read and a first write did afterwards, "" if there is none to try.
    """

    stream: str
    ending: str
    mask: int | None
    read: str
    write: str


def rows(*streams) -> list[Row]:
    """Make the experiments of *streams*, keys of `endings.STREAMS`; of all if there are none."""
    made = []
    for stream in streams or STREAMS:
        for ending in STREAMS[stream].endings:
            outcome = observe(stream, ending, ASKED)
            read, write = (
                gave(outcome.values.get(line))
                for line in (outcome.stream.read, outcome.stream.write)
            )
            made.append(Row(outcome.stream.label, outcome.label, outcome.reported, read, write))
    return made


def gave(value) -> str:
    """Spell what a call gave, an error by its short name; nothing if it was not made."""
    if value is None:
        return ""
    if isinstance(value, OSError):
        return ERRORS.get(value.errno, type(value).__name__)
    if isinstance(value, bytes) and len(value) > LONGEST:
        return f"{len(value)} bytes"
    return spelled(value)


#: In inches: the height of a row, where the lamps begin and how far apart they are, where the words
#: about a read and a write begin.
HIGH, LAMPS, APART, READ, WRITE = 0.195, 4.35, 0.56, 7.75, 9.35


class Matrix:
    """The rows, as a picture with words for those who cannot see it."""

    def __init__(self, rows):
        self.rows = rows

    def __repr__(self):
        lines, before = [], None
        for row in self.rows:
            if row.stream != before:
                lines.append(f"{row.stream}:")
            before = row.stream
            lines.append(f"  {row.ending}: {in_words(row)}")
        return "\n".join(lines)

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": image(self.png(), repr(self)), "text/plain": repr(self)}

    def png(self) -> bytes:
        """Draw the matrix."""
        streams = len({row.stream for row in self.rows})
        width = ink.WIDTH
        scale = width / 10.7
        canvas = Canvas(0.62 + HIGH * (len(self.rows) + 1.25 * streams), width)

        def write(x, y, text, size=7.6, color=ink.INK, **style):
            look = {"ha": "left", "va": "center_baseline"} | style
            canvas.text(x * scale, y, text, size, color, **look)

        lamps = {name: (LAMPS + APART * place) * scale for place, name in enumerate(BITS)}
        for name, x in lamps.items():
            canvas.text(x, 0.2, name, 7.6, ink.INK, weight="bold", va="center_baseline")
        write(READ, 0.2, "a read", weight="bold")
        write(WRITE, 0.2, "a write", weight="bold")
        disks, rings, dots, bands, before, y = [], [], [], [], None, 0.3
        for number, row in enumerate(self.rows):
            if row.stream != before:
                y += HIGH * 1.15
                write(0.12, y, row.stream, 8.4, weight="bold")
                before = row.stream
            y += HIGH
            if number % 2:
                bands.append((0.2, width - 0.1, y - HIGH / 2, y + HIGH / 2))
            write(0.3, y, row.ending)
            if row.mask is None:
                write(LAMPS - 0.1, y, "cannot be registered: EPERM")
            for name, bit in BITS.items() if row.mask is not None else ():
                marks = dots
                if row.mask & bit:
                    marks = disks if bit & masks.ALWAYS else rings
                marks.append((lamps[name], y))
            write(READ, y, row.read)
            write(WRITE, y, row.write)
        canvas.boxes(bands, ink.BAND, ink.BAND, order=0)
        canvas.dots(dots, "o", ink.RULE, ink.RULE, 1.6)
        canvas.dots(rings, "o", ink.PAPER, ink.EVENT, 6.4, 1.5)
        canvas.dots(disks, "o", ink.EVENT, ink.EVENT, 7.4)
        y += HIGH * 1.5
        canvas.dots([(0.34 * scale, y)], "o", ink.EVENT, ink.EVENT, 7.4)
        write(0.5, y, "comes unasked", color=ink.FAINT)
        canvas.dots([(2.04 * scale, y)], "o", ink.PAPER, ink.EVENT, 6.4, 1.5)
        write(2.2, y, "holds, and is reported to those who ask", color=ink.FAINT)
        return canvas.png(120)


def in_words(row: Row) -> str:
    """Say what a row shows."""
    if row.mask is None:
        return "cannot be registered (EPERM)"
    clauses = [masks.short(row.mask) if row.mask else "nothing"]
    clauses += [f"a read: {row.read}"] * bool(row.read) + [f"a write: {row.write}"] * bool(
        row.write
    )
    return "; ".join(clauses)


def matrix(*streams) -> Matrix:
    """Make every ending happen, now, and draw which conditions hold after each.

    *streams* are keys of `epollkit.explore.endings.STREAMS`, such as "tcp"; without any: all of
    them.  Returns a `Matrix`: as the last value of a cell it shows itself; its `rows` are the data.
    Raises ValueError if there is no such stream, OSError or TimeoutError if one cannot be made.
    """
    if unknown := [stream for stream in streams if stream not in STREAMS]:
        raise ValueError(f"got {unknown[0]!r} as a stream; there are {', '.join(STREAMS)}")
    return Matrix(rows(*streams))
