"""What a prediction is: the question, what may be picked, and why the kernel answers as it does.

No right choice is written down: the cell that runs the experiment hands over what the kernel did.
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Question:
    """One question, asked before the cell that answers it.

    `text` asks it; in it, and in all other texts here, what stands between backticks is code.
    `choices` maps each value that the experiment may hand over to the words that the learner
    reads.  Without choices a whole number is typed, and `unit` says of what: ``"bytes"``.
    `why(value)` explains in a few sentences what makes the kernel give the answer *value*.  It is
    shown with the answer, so the notebook need not explain it in the next cell.
    """

    id: str
    text: str
    why: Callable
    choices: dict = field(default_factory=dict)
    unit: str = ""

    def label(self, value) -> str:
        """Spell *value*, an answer of the kernel or a pick, in the learner's words."""
        for choice, label in self.choices.items():
            if choice == value:
                return label
        if self.choices:
            return f"none of these: {value}"
        return f"{value:,} {self.unit}".strip()


def marked_up(text) -> str:
    """Return *text* as HTML, with what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def plain(text) -> str:
    """Return *text* without its backticks."""
    return text.replace("`", "")
