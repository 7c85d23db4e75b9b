"""Predict, then ask the kernel:

`predict` puts a question and keeps the pick, `answer` holds it against what happened.
"""

import html

import ipywidgets

from ..widgets.page import Explorable
from .content import find_question
from .kept import note
from .question import marked_up, plain
from .verdict import Said

_picks = {}


class Prediction(Explorable):
    """A question, and what is picked of its choices, or the number that is typed."""

    kind = "prediction"

    def __init__(self, question):
        super().__init__()
        self.question = question
        if question.choices:
            options = [(plain(label), value) for value, label in question.choices.items()]
            self.pick = ipywidgets.RadioButtons(
                options=options, value=_picks.get(question.id), layout={"width": "auto"}
            )
        else:
            self.pick = ipywidgets.Text(
                value=str(_picks.get(question.id, "")),
                placeholder="a number",
                description=question.unit,
                continuous_update=True,
            )
        self.pick.observe(self.on(self._picked), "value")
        self.build(ipywidgets.HTML(f"<p><b>{marked_up(question.text)}</b></p>"), self.pick)

    def _picked(self, change):
        value = change["new"]
        if not self.question.choices:
            try:
                value = int(value.replace(",", "").replace("_", ""))
            except ValueError:
                _picks.pop(self.question.id, None)
                self.say(
                    f"{html.escape(repr(value))} is no whole number: type one, as 3."
                    if value
                    else ""
                )
                return
        _picks[self.question.id] = value
        self.say(f"Your pick: {marked_up(self.question.label(value))}. Now run the next cell.")

    def _still_bundle(self):
        choices = [*self.question.choices.values()] or [f"a number: {self.question.unit}"]
        shown = "".join(f"<li>{marked_up(choice)}</li>" for choice in choices)
        return {
            "text/html": f'<div class="epollkit-still"><p><b>{marked_up(self.question.text)}</b></p>'
            f"<ul>{shown}</ul></div>",
            "text/plain": "\n".join(
                [plain(self.question.text), *(f"  ○ {plain(choice)}" for choice in choices)]
            ),
        }


def predict(id) -> Prediction:
    """Put the question *id*: as the last value of a cell it shows itself.  What is picked is kept
    for `answer`.

    Raises ValueError if there is no such question.
    """
    return Prediction(find_question(id))


class Answer(Said):
    """The kernel's answer beside the pick; `is_right` tells whether they are the same, None if
    nothing was picked.
    """

    is_right: bool | None
    lines: list

    def _repr_html_(self):
        title, *said = map(marked_up, self.lines)
        return f"<p><b>{title}</b><br>{'<br>'.join(said)}</p>"


def answer(id, value) -> Answer:
    """Set *value*, what the cell before saw the kernel do, beside what was picked for the question
    *id*.

    Raises ValueError if there is no such question.
    """
    question = find_question(id)
    pick, label = _picks.get(id), question.label(value)
    if id not in _picks:
        said = f"The kernel: {label}. You picked nothing; the question was: {question.text}"
    elif pick == value:
        said = f"✔ You said: {question.label(pick)}. So does the kernel."
    else:
        said = f"✘ You said: {question.label(pick)}. The kernel: {label}."
    lines = ["The kernel's answer", said, question.why(value)]
    if id in _picks:
        lines += filter(None, [note(id, "right" if pick == value else "wrong")])
    made = Answer("\n".join(map(plain, lines)))
    made.is_right, made.lines = (pick == value if id in _picks else None), lines
    return made
