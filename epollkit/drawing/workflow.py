"""The seven steps of a program that uses epoll, in one picture, with the step lit that a notebook
is about.

The steps are those of the well-known how-to for Python's ``select.epoll``: create, register, poll,
act, modify, loop, destroy.  *Source:* epoll(7), epoll_create(2), epoll_ctl(2), epoll_wait(2).
"""

from typing import NamedTuple

from . import ink
from .canvas import Canvas, image


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
        canvas = Canvas(HEIGHT)
        pitch = (canvas.width - 2 * MARGIN + GAP) / len(STEPS)
        width = pitch - GAP
        lefts = [MARGIN + place * pitch for place in range(len(STEPS))]
        for number, (left, step) in enumerate(zip(lefts, STEPS, strict=True), 1):
            is_here, middle = number == self.step, left + width / 2
            fill, edge = (ink.FILL["write"], ink.INK) if is_here else (ink.BAND, ink.RULE)
            canvas.rounded(left, left + width, TOP, BOTTOM, 0.06, fill, edge, 2 if is_here else 0.9)
            for y, text, size, look in (
                (0.30, f"{number} {step.name}", 10.5, {"weight": "bold"}),
                (0.57, step.does, 6.9, {}),
                (0.80, step.code, 6.0, {"family": "monospace"}),
            ):
                canvas.text(middle, y, text, size, ink.INK, va="center_baseline", **look)
            if number < len(STEPS):
                canvas.arrow((left + width, 0.55), (left + pitch, 0.55))
        loop, poll = lefts[5] + width / 2, lefts[2] + width / 2
        canvas.lines([[(loop, BOTTOM), (loop, 1.25), (poll, 1.25)]], ink.FAINT, 1.2)
        canvas.arrow((poll, 1.25), (poll, BOTTOM))
        canvas.text((loop + poll) / 2, 1.15, "and again", va="center_baseline")
        return canvas.png(150)

    def __repr__(self):
        return self.describe()

    def _repr_mimebundle_(self, include=None, exclude=None):
        alt = self.describe()
        return {"text/html": image(self.png(), alt), "text/plain": alt}


def workflow(step=None) -> Workflow:
    """Draw the seven steps, and light *step*, 1 to 7; None lights none of them.

    Raises ValueError for any other value.
    """
    if step is not None and step not in range(1, len(STEPS) + 1):
        raise ValueError(
            f"workflow() got {step!r}; there are the steps 1 to {len(STEPS)}, and None for all"
        )
    return Workflow(step)
