"""Predictions: the verdict follows the kernel, whatever was picked; each question stands before its
answer.

experiments/ has a file for each notebook that asks: the experiments of its questions, in variants.
"""

import importlib.util
import os
import re
from pathlib import Path

import nbformat
import pytest
from support import leaves_nothing

import epollkit
from epollkit import exercises
from epollkit.exercises import content, progress_file
from epollkit.exercises.content import NOTEBOOKS, QUESTIONS, TASKS
from epollkit.exercises.question import Question, marked_up, plain

HERE = Path(__file__).parent
STORED = HERE.parents[1] / "notebooks"


def load(name):
    spec = importlib.util.spec_from_file_location(
        f"runs of {name}", HERE / "experiments" / f"{name}.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.RUNS


WRITTEN = {notebook: asked for notebook, asked in NOTEBOOKS.items() if asked.QUESTIONS}
RUNS = {
    id: runs
    for asked in WRITTEN.values()
    for id, runs in load(asked.__name__.rpartition(".")[2]).items()
}


@pytest.fixture(autouse=True)
def forget(tmp_path, monkeypatch):
    """Nobody has picked anything, and `forget()` makes it so again."""

    def empty():
        monkeypatch.setattr(progress_file, "session", progress_file.Done())
        progress_file.path().unlink(missing_ok=True)

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    empty()
    return empty


def test_each_question_has_its_experiment():
    assert RUNS.keys() == QUESTIONS.keys()


@pytest.mark.parametrize("id", QUESTIONS)
def test_the_verdict_follows_the_kernel(id, forget):
    """Run the experiment in every variant; for each, pick everything that can be picked."""
    question, values = QUESTIONS[id], [run() for run in RUNS[id]]
    assert len(RUNS[id]) >= 2 and len(set(values)) >= 2, (
        "a question that has one answer only is no question"
    )
    assert values[0] in question.choices or not question.choices, (
        "the notebook's own answer is one of the choices"
    )
    for value in values:
        assert question.why(value), value
        for pick in question.choices or {*values, 10**6}:
            forget()
            with_pick(id, pick)
            answer = exercises.answer(id, value)
            assert answer.is_right is (pick == value)
            text = str(answer)
            assert text.startswith("The kernel's answer\n") and ("✔" in text) is answer.is_right
            assert f"You picked: {plain(question.label(pick))}." in text
            assert plain(question.why(value)) in text
            assert marked_up(question.why(value)) in answer._repr_mimebundle_()["text/html"]


def with_pick(id, pick):
    view = exercises.predict(id)
    view.pick(pick)
    view.close()


def test_the_first_line_is_neutral_and_alone():
    texts = set()
    for pick in (None, 1, 2):
        if pick:
            with_pick("two-writes", pick)
        for text in exercises.answer("two-writes", 1)._repr_mimebundle_().values():
            texts.add(text.partition("\n")[0])
    assert texts == {"The kernel's answer"}


def test_without_a_pick_the_answer_is_closed_and_the_question_is_not_repeated():
    answer = exercises.answer("two-writes", 1)
    html = answer._repr_mimebundle_()["text/html"]
    assert answer.is_right is None
    assert "You have not picked an answer" in str(answer)
    assert plain(QUESTIONS["two-writes"].text) not in str(answer)
    assert html.index("<details>") < html.index("The kernel says: one.") < html.index("</details>")
    assert not progress_file.path().exists()


def test_the_first_pick_counts_and_stays(forget):
    with_pick("two-writes", 2)
    again = exercises.predict("two-writes")
    again.pick(1)
    assert again.view.first == list(QUESTIONS["two-writes"].choices).index(2)
    again.close()
    assert exercises.answer("two-writes", 1).pick == 2
    assert exercises.progress().states == {"two-writes": "wrong"}
    assert exercises.answer("two-writes", 2).is_right is True
    assert exercises.progress().states == {"two-writes": "wrong"}, "another experiment, later on"


def test_the_first_pick_is_there_on_another_day(monkeypatch):
    with_pick("two-writes", 2)
    monkeypatch.setattr(progress_file, "session", progress_file.Done())
    shown = exercises.predict("two-writes")
    assert shown.view.first == list(QUESTIONS["two-writes"].choices).index(2)
    shown.close()


def test_of_two_copies_of_a_question_the_first_pick_counts():
    left, right = exercises.predict("two-writes"), exercises.predict("two-writes")
    left.pick(0)
    right.pick(1)
    assert left.view.first == right.view.first == 0
    left.close()
    right.close()


def test_a_pick_that_is_no_choice_any_more_is_no_pick():
    progress_file.keep_pick("two-writes", "three")
    shown = exercises.predict("two-writes")
    assert shown.view.first is None
    shown.close()
    assert exercises.answer("two-writes", 1).is_right is None


def test_an_answer_that_is_none_of_the_choices_is_said_as_it_is():
    with_pick("two-writes", 1)
    answer = exercises.answer("two-writes", 7)
    assert answer.is_right is False
    assert "The kernel says: none of these: 7." in str(answer)


def test_a_recording_adds_its_picture():
    with epollkit.record() as log:
        os.close(os.eventfd(0))
    bundle = exercises.answer("two-writes", 1, log, title="Two writes")._repr_mimebundle_()
    assert '<img alt="' in bundle["text/html"] and log.summary() in bundle["text/plain"]
    assert exercises.answer("two-writes", 1, log, title="Two writes").picture.title == "Two writes"
    with pytest.raises(TypeError, match="got title but no log to draw"):
        exercises.answer("two-writes", 1, title="Two writes")


@pytest.fixture
def a_number(monkeypatch):
    question = Question(
        "how-many", "How many bytes fit?", lambda value: f"{value:,} fitted.", unit="bytes"
    )
    monkeypatch.setitem(content.QUESTIONS, "how-many", question)
    view = exercises.predict("how-many")
    yield view
    view.close()


def test_a_number_is_picked(a_number):
    a_number.pick(65_536)
    assert exercises.answer("how-many", 65_536).is_right is True
    assert "65,536 bytes" in str(exercises.answer("how-many", 65_535))
    a_number.pick(65_535)
    assert exercises.answer("how-many", 65_535).is_right is False


def test_without_a_kernel_the_question_still_stands():
    view = exercises.predict("half-read")
    for text in view._still_bundle().values():
        assert plain(QUESTIONS["half-read"].text) in text.replace("<code>", "").replace(
            "</code>", ""
        )
        for label in QUESTIONS["half-read"].choices.values():
            assert plain(label) in text
    view.close()


def test_predictions_leave_nothing():
    with leaves_nothing():
        for _ in range(20):
            exercises.predict("two-writes").close()


@pytest.mark.parametrize("ask", [exercises.predict, lambda id: exercises.answer(id, 1)])
def test_an_unknown_question_is_refused_by_name(ask):
    with pytest.raises(ValueError, match=r"no question 'three-writes'; there are two-writes"):
        ask("three-writes")


def sources(notebook):
    cells = nbformat.read(STORED / f"{notebook}.ipynb", 4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


@pytest.mark.parametrize("notebook", WRITTEN)
def test_a_notebook_asks_its_questions_each_before_its_answer(notebook):
    code = sources(notebook)
    asked = [
        id
        for source in code
        for id in re.findall(r'^exercises\.predict\("([^"]+)"\)$', source, re.MULTILINE)
    ]
    answered = [id for source in code for id in re.findall(r'exercises\.answer\("([^"]+)"', source)]
    assert (
        sorted(asked) == sorted(answered) == sorted(one.id for one in NOTEBOOKS[notebook].QUESTIONS)
    )
    for id in asked:
        put, told = (
            next(place for place, source in enumerate(code) if f'{call}("{id}"' in source)
            for call in ("exercises.predict", "exercises.answer")
        )
        assert put < told


@pytest.mark.parametrize("notebook", WRITTEN)
def test_a_notebook_has_its_exercises_with_their_stubs(notebook):
    code = sources(notebook)
    checked = [id for source in code for id in re.findall(r'exercises\.check\("([^"]+)"', source)]
    tasks = NOTEBOOKS[notebook].TASKS
    assert checked == [task.id for task in tasks if not task.is_stretch or task.id in checked]
    assert not all(task.is_stretch for task in tasks)
    for id in checked:
        assert any(TASKS[id].stub.strip() in source for source in code), (
            f"the cell of {id} begins with its stub"
        )
