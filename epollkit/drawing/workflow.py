"""The seven steps of a program that uses epoll, in one picture, with the step lit that a notebook
is about.

The steps are those of the well-known how-to for Python's ``select.epoll``: create, register, poll,
act, modify, loop, destroy.  *Source:* epoll(7), epoll_create(2), epoll_ctl(2), epoll_wait(2).
"""

import base64
import html
import io
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from . import ink


class Step(NamedTuple):
    """One step:

    its name, what it does, the code that does it, and the notebook that takes its time for it.
    """

    name: str
    does: str
    code: str
    notebook: str


STEPS = (
    Step("create", "make an epoll", "select.epoll()", "03-step-1-create"),
    Step("register", "say what to watch", ".register(fd, mask)", "04-step-2-register"),
    Step("poll", "ask what is ready", ".poll(timeout)", "05-step-3-poll"),
    Step("act", "read, write, accept", "os.read(fd, n)", "06-step-4-act"),
    Step("modify", "change your mind", ".modify(fd, mask)", "07-step-5-modify"),
    Step("loop", "until all is done", "while …:", "08-step-6-loop"),
    Step("destroy", "give it all back", ".close()", "09-step-7-destroy"),
)
HEIGHT, MARGIN, GAP, TOP, BOTTOM = 1.42, 0.10, 0.15, 0.12, 0.98  # inches


class Workflow:
    """The picture of the seven steps; `step`, counted from 1, is the one that is lit, or None.

    Shows itself in a cell.
    """

    def __init__(self, step=None):
        self.step = step

    def describe(self) -> str:
        """Say in words what the picture shows."""
        steps = "; ".join(
            f"{number} {step.name}: {step.does}" for number, step in enumerate(STEPS, 1)
        )
        here = f" You are at step {self.step}, {STEPS[self.step - 1].name}." if self.step else ""
        return f"The seven steps: {steps}. From 6 it goes back to 3.{here}"

    def png(self) -> bytes:
        """Return the picture as PNG."""
        figure = Figure(figsize=(ink.WIDTH, HEIGHT), facecolor=ink.PAPER)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, ink.WIDTH), ylim=(HEIGHT, 0))
        axes.set_axis_off()
        pitch = (ink.WIDTH - 2 * MARGIN + GAP) / len(STEPS)
        lefts = [MARGIN + place * pitch for place in range(len(STEPS))]
        width = pitch - GAP
        for number, (left, step) in enumerate(zip(lefts, STEPS, strict=True), 1):
            is_here, middle = number == self.step, left + width / 2
            axes.add_patch(
                FancyBboxPatch(
                    (left, TOP),
                    width,
                    BOTTOM - TOP,
                    boxstyle="round,pad=0,rounding_size=0.06",
                    facecolor=ink.FILL["write"] if is_here else ink.BAND,
                    linewidth=2 if is_here else 0.9,
                    edgecolor=ink.INK if is_here else ink.RULE,
                )
            )
            for y, text, size, how in (
                (0.30, f"{number} {step.name}", 10.5, {"weight": "bold"}),
                (0.57, step.does, 7.2, {}),
                (0.80, step.code, 6.4, {"family": "monospace"}),
            ):
                axes.text(
                    middle,
                    y,
                    text,
                    fontsize=size,
                    color=ink.INK,
                    ha="center",
                    va="center_baseline",
                    parse_math=False,
                    **how,
                )
            if number < len(STEPS):
                self._arrow(axes, (left + width, 0.55), (left + pitch, 0.55))
        loop, poll = lefts[5] + width / 2, lefts[2] + width / 2
        axes.plot(
            [loop, loop, poll],
            [BOTTOM, 1.25, 1.25],
            color=ink.FAINT,
            linewidth=1.2,
            solid_joinstyle="round",
        )
        self._arrow(axes, (poll, 1.25), (poll, BOTTOM))
        axes.text(
            (loop + poll) / 2,
            1.15,
            "and again",
            fontsize=8,
            color=ink.FAINT,
            ha="center",
            va="center_baseline",
        )
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=150)
        return buffer.getvalue()

    @staticmethod
    def _arrow(axes, begin, end):
        axes.add_patch(
            FancyArrowPatch(
                begin,
                end,
                arrowstyle="-|>",
                mutation_scale=8,
                color=ink.FAINT,
                linewidth=1.2,
                shrinkA=0,
                shrinkB=0,
            )
        )

    def __repr__(self):
        return self.describe()

    def _repr_mimebundle_(self, include=None, exclude=None):
        alt, data = self.describe(), base64.b64encode(self.png()).decode("ascii")
        return {
            "text/html": f'<img alt="{html.escape(alt, quote=True)}" style="max-width: 100%" width="960" '
            f'src="data:image/png;base64,{data}">',
            "text/plain": alt,
        }


def workflow(step=None) -> Workflow:
    """Draw the seven steps, and light *step*, 1 to 7; None lights none of them.

    Raises ValueError for any other value.
    """
    if step is not None and step not in range(1, len(STEPS) + 1):
        raise ValueError(
            f"workflow() got {step!r}; there are the steps 1 to {len(STEPS)}, and None for the whole"
        )
    return Workflow(step)
