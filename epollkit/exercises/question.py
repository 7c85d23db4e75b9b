"""What a prediction is: what is asked, what may be picked, and what each answer of the kernel
means.

No right choice is written down: the cell that runs the experiment hands the answer over.
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Question:
    """One question, put before the cell that answers it.

    `text` asks it; what stands between backticks is code.  `choices`: the value that a cell may
    hand over → what the learner reads; with none, a number is typed, and `unit` says of what.
    `why(value)` returns one line: what makes the kernel give this answer.
    """

    id: str
    text: str
    why: Callable
    choices: dict = field(default_factory=dict)
    unit: str = ""

    def label(self, value) -> str:
        """Spell *value*, an answer of the kernel or a pick, as the learner reads it."""
        if self.choices:
            return self.choices.get(value, f"none of these: {value}")
        return f"{value:,} {self.unit}".strip()


def marked_up(text) -> str:
    """Return *text* as HTML, what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def plain(text) -> str:
    """Return *text* without its backticks."""
    return text.replace("`", "")
