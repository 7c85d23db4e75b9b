"""How streams end: pick a stream, what happens to it, and the mask to ask for; see the mask that
the kernel reports.

Facts about showing an ending
-----------------------------
* A mask is a number; what it says are its bits.  Each bit has three states: reported; not the case;
  the case, and not reported, as nobody asked for it.
* What a bit means is one thing, what a call gives then is another.  Readable may mean bytes, the
  end or an error.

What we do about them
---------------------
Each change makes the experiment anew, on new streams (`endings_experiment`).  A switch for each
bit, a lamp under it; the mask in hexadecimal; a sentence for each bit that was reported; what a
read and a write gave; the program that ran.

*Source:* epoll_ctl(2), poll(2).
"""

import html
import io

import ipywidgets
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch

from .. import masks
from ..analysis import story
from ..drawing import ink
from ..widgets.page import Explorable, image, lesson, panel
from .endings_experiment import BITS, CHOICES, KEPT, STREAMS, Outcome, observe, program, spelled

FIRST = "pipe-read", "close", ("IN",)  # what is shown at first, and after Reset
HEIGHT = 2.50  # inches


def effect(value) -> str:
    """Say in a clause what a call did that gave *value*."""
    if isinstance(value, OSError):
        return "raised " + story.ERRORS.get(value.errno, type(value).__name__)
    if isinstance(value, bytes):
        return f"returned {value!r}" + ("" if value else " (the end)")
    return f"took {value} byte" if isinstance(value, int) else "returned a connection"


def explain(outcome: Outcome) -> list[str]:
    """Say in a sentence for each bit what it means here, or why there is none."""
    stream, reported = outcome.stream, outcome.reported
    if reported is None:
        return ["A regular file makes nobody wait, so epoll has nothing to report."]
    if not reported:
        return [
            "Nothing of what was asked for holds, nor ERR, nor HUP."
            if outcome.asked
            else "Nothing was asked for, and neither ERR nor HUP holds."
        ]
    gave = [outcome.values.get(line) for line in (outcome.first, stream.read, stream.write)]
    kept = (
        next((value.errno for value in gave if isinstance(value, OSError)), 0)
        if outcome.first != KEPT
        else gave[0]
    )
    said = {
        "IN": "an accept would not sleep."
        if "accept" in stream.read
        else "a read would not sleep.",
        "PRI": "an urgent byte is here.",
        "OUT": "a write would not sleep.",
        "ERR": f"the socket keeps an error, {story.ERRORS.get(kept, '?')}."
        if stream.read
        else "no reader is left.",
        "HUP": f"{stream.hup}.",
        "RDHUP": "there is nobody to write."
        if outcome.first == KEPT
        else "the other end writes no more.",
    }
    return [f"{name}: {said[name]}" for name, bit in BITS.items() if reported & bit]


def tried(outcome: Outcome) -> str:
    """Say what the calls gave that were tried after `poll` had returned, each for the first
    time.
    """
    stream = outcome.stream
    calls = (
        ("SO_ERROR" if outcome.first == KEPT else "recv with MSG_OOB", outcome.first),
        ("an accept" if "accept" in stream.read else "a read", stream.read),
        ("a write", stream.write),
    )
    found = []
    for name, line in calls:
        if line:
            value = outcome.values[line]
            found.append(
                f"{name} was {spelled(value, line)}" if line == KEPT else f"{name} {effect(value)}"
            )
    return f"Then {'; '.join(found)}."


def headline(outcome: Outcome) -> str:
    """Spell what was reported, in hexadecimal and by name."""
    if outcome.refusal is not None:
        return f"register raised {spelled(outcome.refusal)}"
    return (
        f"{outcome.reported:#x} = {masks.names(outcome.reported)}"
        if outcome.reported
        else "[ ]  no event"
    )


def describe(outcome: Outcome) -> str:
    """Say in words all that the picture shows."""
    missed = outcome.holds & ~(outcome.reported or 0)
    return (
        f"{outcome.stream.label}: {outcome.label}. "
        f"Asked for: {masks.short(outcome.asked) if outcome.asked else 'nothing'}. Reported: {headline(outcome)}. "
        + f"Holds, and was not asked for: {masks.short(missed)}. " * bool(missed)
        + f"{' '.join(explain(outcome))} {tried(outcome)}"
    )


def draw(outcome: Outcome | None, title: str, asked: int) -> bytes:
    """Draw the switches, as PNG; *outcome* is None if the experiment could not be made."""
    figure = Figure(figsize=(ink.WIDTH, HEIGHT), facecolor=ink.PAPER)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, ink.WIDTH), ylim=(HEIGHT, 0))
    axes.set_axis_off()

    def write(x, y, text, size=9.0, color=ink.INK, **style):
        axes.text(
            x, y, text, fontsize=size, color=color, parse_math=False, va="center_baseline", **style
        )

    write(0.12, 0.16, title, 10, weight="bold")
    for y, text in ((0.48, "condition"), (0.80, "asked for"), (1.18, "reported")):
        write(0.12, y, text, 9, ink.FAINT)
    reported, holds = (outcome.reported or 0, outcome.holds) if outcome else (0, 0)
    for place, (name, bit) in enumerate(BITS.items()):
        x, is_on, is_lit = 1.50 + 1.24 * place, (asked | masks.ALWAYS) & bit, reported & bit
        is_missed = holds & bit & ~reported
        edge = {"edgecolor": ink.LEVEL_TEXT if is_on else ink.FAINT, "linewidth": 0.9}
        write(x, 0.48, name, 10.5, weight="bold", ha="right")
        write(x + 0.06, 0.48, f"{bit:#x}", 8.5, ink.FAINT)
        axes.add_patch(
            FancyBboxPatch(
                (x - 0.34, 0.73),
                0.26,
                0.14,
                boxstyle="round,pad=0,rounding_size=0.07",
                facecolor=ink.LEVEL_EDGE if is_on else ink.PAPER,
                **edge,
            )
        )
        axes.add_patch(
            Circle((x - (0.15 if is_on else 0.27), 0.80), 0.05, facecolor=ink.PAPER, **edge)
        )
        write(
            x,
            0.80,
            "always" if bit & masks.ALWAYS else "on" if is_on else "off",
            8.5,
            ink.INK if is_on else ink.FAINT,
        )
        axes.add_patch(
            Circle(
                (x, 1.18),
                0.15,
                facecolor=ink.FILL["write"] if is_lit else ink.BAND,
                linewidth=2,
                edgecolor=ink.EDGE["write"] if is_lit else ink.BUFFER if is_missed else ink.RULE,
                linestyle=(0, (2, 1.2)) if is_missed else "-",
            )
        )
        lamp = "–" if outcome is None or outcome.reported is None else "1" if is_lit else "0"
        write(x, 1.18, lamp, 11, ha="center", weight="bold" if is_lit else "normal")
        if is_missed:
            write(x, 1.45, "holds, not asked", 8, ink.BUFFER, ha="center")
    write(
        0.12, 1.74, headline(outcome) if outcome else "not measured", 14, ink.EVENT, weight="bold"
    )
    said = explain(outcome) if outcome else []
    write(0.12, 2.00, "   ".join(said[:3]))
    write(0.12, 2.18, "   ".join(said[3:]))
    write(0.12, 2.18 + 0.18 * (len(said) > 3), tried(outcome) if outcome else "", weight="bold")
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=130)
    return png.getvalue()


def code(outcome: Outcome) -> str:
    """Show the program that ran, as HTML:

    the lines with what each gave, and, folded, what stands above them.
    """
    above, lines = (html.escape(text, quote=False) for text in program(outcome))
    lines = "\n".join(
        f"{line} <b># →{gave}</b>" if found else line
        for line, found, gave in (one.partition(" # →") for one in lines.split("\n"))
    )
    folded = f"<details><summary>above these lines: imports, helpers</summary><pre>{above}\n\n</pre></details>"
    wraps = "white-space: pre-wrap; overflow-wrap: anywhere"
    return panel(
        "What was run, just now",
        f'{folded}<pre class="epollkit-lines" style="{wraps}">{lines}</pre>',
    )


class EndingsView(Explorable):
    """The controls, the picture, and the lines that ran.  *Source:* `observe`."""

    kind = "endings"

    def __init__(self):
        super().__init__()
        self.outcome, self._quiet = None, False
        self.still = b"", "endings: nothing was measured."
        wide = {"style": {"description_width": "96px"}, "layout": {"width": "410px"}}
        streams = [(one.label, key) for key, one in STREAMS.items()]
        self.stream = ipywidgets.Dropdown(description="stream", options=streams, **wide)
        self.what = ipywidgets.Dropdown(description="what happens", **wide)
        self.ask = {
            name: ipywidgets.Checkbox(
                description=name,
                value=name not in CHOICES,
                disabled=name not in CHOICES,
                indent=False,
                layout={"width": "auto"},
            )
            for name in BITS
        }
        self.reset = ipywidgets.Button(description="Reset", layout={"width": "auto"})
        self.picture, self.code = ipywidgets.HTML(), ipywidgets.HTML()
        row = {
            "flex_flow": "row wrap",
            "align_items": "center",
            "overflow": "visible",
            "grid_gap": "0 16px",
        }
        self.build(
            ipywidgets.HBox([self.stream, self.what], layout=row),
            ipywidgets.HBox(
                [ipywidgets.Label("ask for"), *self.ask.values(), self.reset], layout=row
            ),
            self.picture,
            self.code,
        )
        self._choose(*FIRST)
        for control in (self.stream, self.what, *self.ask.values()):
            control.observe(self.on(self._changed), "value")
        self.reset.on_click(self.on(self._reset))
        self.on(self._show)()

    def _choose(self, stream, ending, asked):
        """Set all controls; an ending that this stream does not have becomes its first."""
        self._quiet = True
        try:
            endings = STREAMS[stream].endings
            self.stream.value, self.what.options = (
                stream,
                [(label, key) for key, (label, *_) in endings.items()],
            )
            self.what.value = ending if ending in endings else next(iter(endings))
            for name in CHOICES:
                self.ask[name].value = name in asked
        finally:
            self._quiet = False

    def _changed(self, change):
        if not self._quiet:
            if change["owner"] is self.stream:
                self._choose(
                    self.stream.value,
                    self.what.value,
                    [name for name in CHOICES if self.ask[name].value],
                )
            self._show()

    def _reset(self, _):
        self._choose(*FIRST)
        self._show()

    def _show(self):
        """Make the experiment that the controls say, and show it."""
        stream, asked = (
            STREAMS[self.stream.value],
            sum(BITS[name] for name in CHOICES if self.ask[name].value),
        )
        title, self.outcome = f"{stream.label}: {stream.endings[self.what.value][0]}", None
        try:
            self.outcome = observe(self.stream.value, self.what.value, asked)
        finally:
            png = draw(self.outcome, title, asked)
            alt = describe(self.outcome) if self.outcome else f"{title}. It could not be measured."
            self.picture.value = image(png, alt)
            self.code.value = code(self.outcome) if self.outcome else ""
            self.set_still(png, alt)
        if self.outcome.refusal is not None:
            self.say(lesson(self.outcome.refusal))


def endings() -> EndingsView:
    """Show what the kernel reports of a stream that ends, or does not: pick the stream, what
    happens, and the mask.

    Returns a view: as the last value of a cell it shows itself.  Each change makes the experiment
    anew.
    """
    return EndingsView()
