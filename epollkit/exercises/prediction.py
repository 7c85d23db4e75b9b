"""Predict, then ask the kernel: `predict` asks a question, `answer` sets the kernel's answer beside
the pick.

Facts about pages
-----------------
* JupyterLab shows the first line of a folded output's HTML as it is, tags and all.
* A click in a widget makes the widget's own cell the active one, so Shift+Enter would run the
  question again.
* Notebooks are run as a whole, too, by somebody who has not picked anything yet.
* Pages without a kernel unfold every output: GitHub, nbconvert.

What we do about them
---------------------
The first line of an answer is the same for every question.  A pick makes the next code cell the
active one; the page does that by itself (prediction.js), and where it does not know the page it
does nothing.  The first pick counts, and it is kept with the progress.  Without a pick the answer
is there, but closed: one more click opens it.
"""

import html
from dataclasses import dataclass
from pathlib import Path

import anywidget
import traitlets

from ..widgets.page import Explorable
from . import progress_file
from .content import find_question
from .question import Question, marked_up, plain

FOLDER = Path(__file__).parent
#: The first line of every answer, alone: bare words, since a folded output shows them.
FIRST_LINE = "The kernel's answer"
NO_PICK = "You have not picked an answer."


class QuestionView(anywidget.AnyWidget):
    """What prediction.js shows: the texts as HTML, and the first pick.

    `first` is the place of the choice that was picked first, counted from 0, or the number that
    was typed first; None if there was none.
    """

    _esm = FOLDER / "prediction.js"
    _css = FOLDER / "prediction.css"
    question = traitlets.Unicode().tag(sync=True)
    choices = traitlets.List(traitlets.Unicode()).tag(sync=True)
    unit = traitlets.Unicode().tag(sync=True)
    first = traitlets.Int(None, allow_none=True).tag(sync=True)


class Prediction(Explorable):
    """A question on the page; `pick` picks an answer, as a click does."""

    kind = "prediction"

    def __init__(self, question):
        super().__init__()
        self.question = question
        self.view = QuestionView(
            question=marked_up(question.text),
            choices=[marked_up(label) for label in question.choices.values()],
            unit=question.unit,
            first=self._place(first_pick(question)),
        )
        self.view.observe(self.on(self._keep), "first")
        self.build(self.view)

    def pick(self, value):
        """Pick *value*: one of the question's choices, or a number."""
        self.view.first = self._place(value)

    def _place(self, value):
        """Return what the page knows *value* by."""
        if value is None or not self.question.choices:
            return value
        return list(self.question.choices).index(value)

    def _keep(self, change):
        first = first_pick(self.question)
        if first is not None:  # another copy of this question was answered before this one
            self.view.first = self._place(first)
            return
        value = change["new"]
        if self.question.choices:
            value = list(self.question.choices)[value]
        self.say(html.escape(progress_file.keep_pick(self.question.id, value)))

    def _still_bundle(self):
        choices = [*self.question.choices.values()] or [f"a number: {self.question.unit}"]
        items = "".join(f"<li>{marked_up(choice)}</li>" for choice in choices)
        text = [plain(self.question.text), *(f"  ○ {plain(choice)}" for choice in choices)]
        return {
            "text/html": f'<div class="epollkit-still"><p><b>{marked_up(self.question.text)}</b></p>'
            f"<ul>{items}</ul></div>",
            "text/plain": "\n".join(text),
        }


def first_pick(question):
    """Return what was picked first for *question*, now or on an earlier day; None if nothing
    was.
    """
    value = progress_file.picks().get(question.id)
    is_choice = value in question.choices if question.choices else type(value) is int
    return value if is_choice else None


def predict(id) -> Prediction:
    """Ask the question *id*: as the last value of a cell it shows itself.

    The first pick is kept for `answer`, and with the progress on this machine.  Raises ValueError
    if there is no such question, and lists those there are.
    """
    return Prediction(find_question(id))


@dataclass(frozen=True, repr=False)
class Answer:
    """The kernel's answer beside the first pick; as the last value of a cell it shows itself.

    `is_right` tells whether they are the same; None if nothing was picked.  `picture` is the
    `Timeline` of the experiment, or None.  `remark` says what could not be kept.
    """

    question: Question
    value: object
    pick: object = None
    picture: object = None
    remark: str = ""

    @property
    def is_right(self) -> bool | None:
        return None if self.pick is None else self.pick == self.value

    def lines(self) -> list[str]:
        """Say the verdict, the reason, and what could not be kept; with backticks around code."""
        label = self.question.label
        verdict = {
            None: f"The kernel says: {label(self.value)}.",
            True: f"✔ You picked: {label(self.pick)}. The kernel says the same.",
            False: f"✘ You picked: {label(self.pick)}. The kernel says: {label(self.value)}.",
        }[self.is_right]
        return [verdict, self.question.why(self.value), *filter(None, [self.remark])]

    def __str__(self):
        opening = [FIRST_LINE] if self.is_right is not None else [FIRST_LINE, NO_PICK]
        story = [repr(self.picture)] if self.picture else []
        return "\n".join([*opening, *map(plain, self.lines()), *story])

    __repr__ = __str__

    def _repr_mimebundle_(self, include=None, exclude=None):
        verdict, *rest = map(marked_up, self.lines())
        body = f"<p><b>{verdict}</b></p>" + "".join(f"<p>{line}</p>" for line in rest)
        if self.picture:
            body += self.picture._repr_mimebundle_()["text/html"]
        if self.is_right is None:
            invitation = f"{NO_PICK} Open this to see what the kernel said."
            body = f"<details><summary>{invitation}</summary>{body}</details>"
        return {"text/html": f"{FIRST_LINE}\n<div>{body}</div>", "text/plain": str(self)}


def answer(id, value, log=None, **timeline_options) -> Answer:
    """Set *value*, what the kernel did in this cell's experiment, beside the pick for the question
    *id*.

    *log*, a recording of the experiment, adds its timeline; *timeline_options* go to `timeline`, as
    in ``axis="time"``.  Whether the first pick was right is noted, once.

    Raises ValueError if there is no such question, and lists those there are; TypeError if there
    are options but no log; and what `timeline` raises.
    """
    question = find_question(id)
    picture = None
    if log is not None:
        from ..drawing.timeline import timeline  # loads matplotlib

        picture = timeline(log, **timeline_options)
    elif timeline_options:
        names = ", ".join(timeline_options)
        raise TypeError(f"got {names} but no log to draw: write answer({id!r}, value, log, …)")
    pick, remark = first_pick(question), ""
    if pick is not None:
        remark = progress_file.note(id, "right" if pick == value else "wrong")
    return Answer(question, value, pick, picture, remark)
