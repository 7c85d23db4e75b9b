"""The quiz on the page: a small program is shown, what its last `poll` returns is picked, and the
kernel says who is right.

What is asked is made in `questions`.  Here it is shown, and the run that answers it can be stepped
through.
"""

import functools
import html
import random

import ipywidgets

from ... import masks
from ...player.step_through import step_through
from ...widgets.page import Explorable, close_all, panel
from ..question import marked_up
from .programs import KINDS, TOPICS
from .questions import Questions, reason, run

QUESTION = "What does the last poll return?"


def spelled(kind, answer) -> str:
    """Spell what `poll` returns for a stream of this *kind*: the list of its events, with the
    masks of *answer* by their names.
    """
    watched = KINDS[kind].watched
    return "[" + ", ".join(f"({watched}, {masks.names(mask)})" for mask in answer) + "]"


class Quiz(Explorable):
    """One question after another; `question` is the one that is shown, `outcome` what the kernel
    said, or None.

    The buttons are `picks`, one for each choice, and `next`.
    """

    kind = "quiz"

    def __init__(self, questions):
        super().__init__()
        self.questions, self.answered = questions, 0
        self.question = self.outcome = self.walk = None
        self.score, self.program = ipywidgets.HTML(), ipywidgets.HTML()
        self.verdict, self.explained = ipywidgets.HTML(), ipywidgets.VBox()
        self.choices = ipywidgets.HBox(layout={"flex_flow": "row wrap"})
        self.picks = []
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
        for answer in self.question.choices:
            button = ipywidgets.Button(description=self._spelled(answer), layout={"width": "auto"})
            button.on_click(self.on(functools.partial(self._pick, answer)))
            self.picks.append(button)
        self.choices.children = self.picks
        text = html.escape(self.question.program.text())
        self.program.value = panel(QUESTION, f"<pre>{text}</pre>")
        self.verdict.value, self.next.layout.display = "", "none"
        self._show_the_score()

    def _ask_next(self, _):
        self._ask()
        self.picks[0].focus()

    def _spelled(self, answer):
        return spelled(self.question.program.kind, answer)

    def _pick(self, picked, _):
        if self.outcome is not None:
            return
        self.outcome = run(self.question.program, is_recorded=True)
        answer, choices = self.outcome.answer, self.question.choices
        self.answered += 1
        self.questions.right += picked == answer
        for button, choice in zip(self.picks, choices, strict=True):
            sign = "✔ " if choice == answer else "✘ " if choice == picked else ""
            button.description, button.disabled = sign + button.description, not sign
        verdict = f"✔ You picked {self._spelled(picked)}. The kernel says the same."
        misread = ""
        if picked != answer:
            verdict = (
                f"✘ You picked {self._spelled(picked)}. The kernel says: {self._spelled(answer)}."
            )
            misread = f" You would be right if {choices[picked]}."
        why = marked_up(reason(self.question.program, self.outcome) + misread)
        self.verdict.value = f'<div role="status"><b>{html.escape(verdict)}</b> {why}</div>'
        self.walk = step_through(self.outcome.log)
        self.explained.children = [self.walk.widget]
        self.next.layout.display = None
        self._show_the_score()
        self.next.focus()  # a disabled button would let the keyboard's focus fall

    def _show_the_score(self):
        topic = self.questions.topic
        self.score.value = (
            f"<div>{topic}: {TOPICS[topic].text} · level {self.question.level} · "
            f"{self.questions.right} of {self.answered} right</div>"
        )

    def _forget_the_run(self):
        self.explained.children, self.outcome = [], None
        if self.walk is not None:
            self.walk.close()
            self.walk = None

    def _still_bundle(self):
        text = QUESTION + "\n" + (self.question.program.text() if self.question else "")
        return {
            "text/html": f'<div class="epollkit-still"><pre>{html.escape(text)}</pre></div>',
            "text/plain": text,
        }

    def release(self):
        self._forget_the_run()


def quiz(topic="mixed", seed=None) -> Quiz:
    """Ask one small question after another: what does the last `poll` of a program return?

    *topic* is named for the notebook after which it can be answered: ``"poll"`` (05), ``"act"``
    (06), ``"modify"`` (07), ``"destroy"`` (09), ``"edge"`` (10); ``"mixed"`` asks of all that is
    taught up to 09.  The questions become harder with right answers.  The same *seed*, a whole
    number, asks the same questions; None, the default, asks others each time.

    Raises ValueError if there is no such topic, and names those there are.
    """
    return Quiz(
        Questions(topic, random.SystemRandom().randrange(1_000_000) if seed is None else seed)
    )
