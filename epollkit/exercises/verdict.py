"""What `check` says:

a verdict that shows itself, in words and with the timeline of the round that it speaks of.
"""

import html
from dataclasses import dataclass

from ..log import Log
from .task import Task

MOST_OUTPUT = 2_000


class Said(str):
    """Text that a cell shows as it is."""

    def __repr__(self):
        return str(self)


@dataclass(frozen=True, repr=False)
class Verdict:
    """The verdict on one attempt.

    `state` is right, wrong, not attempted yet, took too long, raised, nonsense, ended, stopped, or
    no verdict where the machine does not let one judge.  `seen` says what happened, `log` is the
    recording of the round that `round`, counted from 1, names, or None; `call` is the index of the
    call where it shows, or None.  `output` is what the attempt printed.  `seed` made the data.
    `remark` says what could not be kept of it.
    """

    task: Task
    state: str
    seen: str
    seed: int = 0
    round: int = 0
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
        return f"{self.task.id}: {self.state}"

    def lines(self) -> list[str]:
        """Say the verdict, a sentence a line."""
        if self.state == "not attempted yet":
            return [f"{self.title}.", self.task.text]
        said = [f"{self.title}.", f"Seen: {self.seen}."]
        if self.has_failed:
            said.insert(1, f"Wanted: {self.task.wanted}.")
        if self.round:
            said.append(f"Round {self.round}, seed {self.seed}{self.place()}.")
        if self.output:
            more = " …" if len(self.output) > MOST_OUTPUT else ""
            said.append(f"Printed: {self.output[:MOST_OUTPUT].rstrip()}{more}")
        if self.is_right:
            said.append(f'exercises.solution("{self.task.id}") shows another one.')
        elif self.has_failed:
            said.append(
                f'exercises.check("{self.task.id}", …, seed={self.seed + 1}) makes other data; '
                f'exercises.solution("{self.task.id}") shows a solution.'
            )
        return said + [self.remark] * bool(self.remark)

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

        return timeline(
            self.log, title=f"{self.task.id}, round {self.round}{self.place()}", mark=self.call
        )

    def hint(self) -> Said:
        """Return a hint: what to think about."""
        return Said(self.task.hint)

    def further_hint(self) -> Said:
        """Return a further hint: what to do."""
        return Said(self.task.further_hint)

    def __repr__(self):
        return "\n".join(
            self.lines()
            + ["For a hint, call .hint() on this; after that, .further_hint()."] * self.has_failed
        )

    def _repr_html_(self):
        first, *others = map(html.escape, self.lines())
        mark = {"right": "✔", "not attempted yet": "○"}.get(self.state, "✘")
        text = f"<p><b>{mark} {first}</b></p>" + "".join(
            f'<p style="white-space: pre-wrap">{line}</p>' for line in others
        )
        drawn = self.timeline() if self.state != "right" else None
        return (
            text
            + (drawn._repr_mimebundle_()["text/html"] if drawn else "")
            + (self.hints() if self.has_failed else "")
        )

    def hints(self) -> str:
        """Return both hints as HTML, folded: the further one inside the first."""
        further = f"<details><summary>Further hint</summary><p>{html.escape(self.task.further_hint)}</p></details>"
        return f"<details><summary>Hint</summary><p>{html.escape(self.task.hint)}</p>{further}</details>"


@dataclass(frozen=True, repr=False)
class Solution:
    """A solution: its `source`, and the `verdict` on it, with a recording of it running."""

    source: str
    verdict: Verdict

    def __repr__(self):
        return self.source

    def _repr_html_(self):
        drawn = self.verdict.timeline()
        return f"<pre>{html.escape(self.source)}</pre>" + (
            drawn._repr_mimebundle_()["text/html"] if drawn else ""
        )
