"""The quiz on the page: a small program, what its last `poll` returns is picked, and the kernel
says who is right.

What is asked is made in `quiz_questions`.  Here it is shown, and the run that answers it can be
walked through.
"""

import functools
import html
import random

import ipywidgets

from ... import masks
from ...player.step_through import step_through
from ...widgets.page import Explorable, close_all, panel
from .questions import Questions, reason, run


def spelled(mask) -> str:
    """Spell what `poll` returns: the mask by its names, or that there is no event."""
    return masks.names(mask) if mask else "[ ]  no event"


class Quiz(Explorable):
    """One question after another; `question` is the one that is shown, `outcome` what the kernel
    said, or None.

    The buttons are `picks`, one for each choice, and `next`.
    """

    kind = "quiz"

    def __init__(self, questions):
        super().__init__()
        self.questions, self.question, self.outcome, self.walk, self.answered = (
            questions,
            None,
            None,
            None,
            0,
        )
        self.score, self.program, self.verdict = (
            ipywidgets.HTML(),
            ipywidgets.HTML(),
            ipywidgets.HTML(),
        )
        self.choices, self.explained, self.picks = (
            ipywidgets.HBox(layout={"flex_flow": "row wrap"}),
            ipywidgets.VBox(),
            [],
        )
        self.next = ipywidgets.Button(
            description="Next question",
            button_style="primary",
            layout={"width": "auto", "align_self": "flex-start"},
        )
        self.next.on_click(self.on(self._ask_next))
        self.build(self.score, self.program, self.choices, self.verdict, self.next, self.explained)
        self.on(self._ask)()

    def _ask(self):
        self._forget_the_run()
        self.question = self.questions.ask()
        for button in self.picks:
            close_all(button)
        self.picks = []
        for mask in self.question.choices:
            button = ipywidgets.Button(description=spelled(mask), layout={"width": "auto"})
            button.on_click(self.on(functools.partial(self._pick, mask)))
            self.picks.append(button)
        self.choices.children = self.picks
        text = html.escape(self.question.program.text())
        self.program.value = panel("What does the last poll return?", f"<pre>{text}</pre>")
        self.verdict.value, self.next.layout.display = "", "none"
        self._tell_the_score()

    def _ask_next(self, _):
        self._ask()
        self.picks[0].focus()

    def _pick(self, mask, _):
        if self.outcome is not None:
            return
        self.outcome = run(self.question.program, is_recorded=True)
        is_right = mask == self.outcome.answer
        self.answered += 1
        self.questions.right += is_right
        for button, choice in zip(self.picks, self.question.choices, strict=True):
            sign = "✔ " if choice == self.outcome.answer else "✘ " if choice == mask else ""
            button.description, button.disabled = sign + button.description, not sign
        said = (
            f"✔ You said {spelled(mask)}, and so does the kernel."
            if is_right
            else f"✘ You said {spelled(mask)}. The kernel says {spelled(self.outcome.answer)}."
        )
        why = reason(self.question.program, self.outcome)
        self.verdict.value = (
            f'<div role="status"><b>{html.escape(said)}</b> {html.escape(why)}</div>'
        )
        self.walk = step_through(self.outcome.log)
        self.explained.children = [self.walk.widget]
        self.next.layout.display = None
        self._tell_the_score()
        self.next.focus()  # a disabled button would let the keyboard's focus fall

    def _tell_the_score(self):
        asked = self.questions
        self.score.value = (
            f"<div>{asked.topic} · level {self.question.level} · {asked.right} of {self.answered} right · "
            f"seed {asked.seed}</div>"
        )

    def _forget_the_run(self):
        self.explained.children, self.outcome = [], None
        if self.walk is not None:
            self.walk.close()
            self.walk = None

    def _still_bundle(self):
        text = "What does the last poll return?\n" + (
            self.question.program.text() if self.question else ""
        )
        return {
            "text/html": f'<div class="epollkit-still"><pre>{html.escape(text)}</pre></div>',
            "text/plain": text,
        }

    def release(self):
        self._forget_the_run()


def quiz(topic="mixed", seed=None) -> Quiz:
    """Ask one small question after another: what does the last `poll` of a program return?

    *topic* is readable, writable, endings, edge, one-shot or mixed.  The same *seed* asks the same
    questions; None picks one, and it is shown.  The questions become harder with right answers.

    Raises ValueError if there is no such topic.
    """
    return Quiz(
        Questions(topic, random.SystemRandom().randrange(1_000_000) if seed is None else seed)
    )
