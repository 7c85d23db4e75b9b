"""What `check` says:

a verdict that shows itself, in words and with the timeline of the round that it speaks of.
"""

import html
from dataclasses import dataclass

from ..log import Log
from .task import Task

#: How much of what an attempt printed is shown: lines, and characters.
MOST_LINES, MOST_OUTPUT = 8, 400


class Said(str):
    """Text that a cell shows as it is."""

    def __repr__(self):
        return str(self)


@dataclass(frozen=True, repr=False)
class Verdict:
    """The verdict on one attempt.

    `state` is right, wrong, not attempted yet, not an answer yet, sleeps for ever, took too long,
    took too much, raised, ended, stopped, or no verdict where the machine does not let one judge.
    `seen` says what happened, `log` is the recording of the round that it speaks of, or None;
    `call` is the index of the call where it shows, or None.  `output` is what the attempt printed.
    `remark` says what could not be kept of it.
    """

    task: Task
    state: str
    seen: str
    log: Log | None = None
    call: int | None = None
    output: str = ""
    remark: str = ""

    @property
    def is_right(self) -> bool:
        """Whether the attempt kept every rule in every round."""
        return self.state == "right"

    @property
    def has_failed(self) -> bool:
        """Whether there was an attempt and it broke a rule."""
        return self.state not in ("right", "not attempted yet", "stopped", "no verdict")

    @property
    def title(self) -> str:
        return f"{self.task.id}: {self.state}."

    def lines(self) -> list[str]:
        """Say the verdict, a sentence a line."""
        if self.state == "not attempted yet":
            return [self.title, self.task.text]
        if self.is_right:
            return [
                self.title,
                f"Seen: {self.seen}.",
                f"Tried with {self.task.tried}.",
                f'exercises.solution("{self.task.id}") shows another solution.',
            ]
        lines = [self.title, f"Seen: {self.seen}."]
        if self.has_failed:
            lines.insert(1, f"Wanted: {self.task.wanted}.")
        if self.call is not None:
            lines.append(f"In the timeline{self.place()}.")
        return lines + self.warnings()

    def warnings(self) -> list[str]:
        """List the warnings that the recording has for the attempt, questions not."""
        return [
            str(finding)
            for finding in (self.log.warnings() if self.log else ())
            if finding.certain and self.log[finding.call].thread.name == "you"
        ]

    def more(self) -> list[str]:
        """Say what comes after the hints: what was printed, and what could not be kept."""
        beginning = "".join(self.output.splitlines(True)[:MOST_LINES])[:MOST_OUTPUT]
        rest = " …" if len(beginning) < len(self.output) else ""
        printed = [f"Printed: {beginning.rstrip()}{rest}"] if self.output else []
        return printed + ([self.remark] if self.remark else [])

    def place(self) -> str:
        """Say where in the timeline to look."""
        return "" if self.call is None else f": look at step {self.log.steps[0][self.call] + 1}"

    def timeline(self):
        """Draw the round that the verdict speaks of.

        Returns a `Timeline`; None if there is no recording.
        """
        if self.log is None or not len(self.log):
            return None
        from ..drawing.timeline import timeline

        return timeline(self.log, title=f"{self.task.id}{self.place()}", mark=self.call)

    def hint(self) -> Said:
        """Return a hint: what to think about."""
        return Said(self.task.hint)

    def further_hint(self) -> Said:
        """Return a further hint: what to do."""
        return Said(self.task.further_hint)

    def __repr__(self):
        hints = "For a hint, call .hint() on this; after that, .further_hint()."
        return "\n".join([*self.lines(), *[hints] * self.has_failed, *self.more()])

    def _repr_html_(self):
        first, *others = self.lines()
        mark = {"right": "✔", "not attempted yet": "○"}.get(self.state, "✘")
        drawn = self.timeline()
        return "".join(
            [
                f"<p><b>{mark} {html.escape(first)}</b></p>",
                *map(paragraph, others),
                self.hints() if self.has_failed else "",
                *map(paragraph, self.more()),
                drawn._repr_mimebundle_()["text/html"] if drawn else "",
            ]
        )

    def hints(self) -> str:
        """Return both hints as HTML, folded: the further one inside the first, and where to find a
        solution inside that.
        """
        solution = f'exercises.solution("{self.task.id}") shows a solution.'
        further = folded("Further hint", paragraph(self.task.further_hint) + paragraph(solution))
        return folded("Hint", paragraph(self.task.hint) + further)


def paragraph(text) -> str:
    return f'<p style="white-space: pre-wrap">{html.escape(text)}</p>'


def folded(title, inside) -> str:
    return f"<details><summary>{title}</summary>{inside}</details>"


@dataclass(frozen=True, repr=False)
class Solution:
    """A solution: its `source`, and the `verdict` on it, with a recording of it running."""

    source: str
    verdict: Verdict

    def __repr__(self):
        return self.source

    def _repr_html_(self):
        drawn = self.verdict.timeline()
        picture = drawn._repr_mimebundle_()["text/html"] if drawn else ""
        return f"<pre>{html.escape(self.source)}</pre>{picture}"
