"""Predictions: the verdict follows the kernel, whatever was picked; each question stands before its
answer.

tests/predictions/ has a file for each notebook that asks: the experiments of its questions, in
variants.
"""

import importlib.util
import json
import re
from pathlib import Path

import nbformat
import pytest
from support import leaves_nothing

from epollkit import exercises
from epollkit.exercises import content, kept, prediction
from epollkit.exercises.content import NOTEBOOKS, QUESTIONS, TASKS
from epollkit.exercises.question import Question

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
def nobody_has_picked(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(kept, "_session", {})
    monkeypatch.setattr(prediction, "_picks", {})


def test_each_question_has_its_experiment():
    assert RUNS.keys() == QUESTIONS.keys()


@pytest.mark.parametrize("id", QUESTIONS)
def test_the_verdict_follows_the_kernel(id):
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
            view = exercises.predict(id)
            view.pick.value = pick if question.choices else f"{pick:,}"
            assert "Your pick" in view.message.value
            said = exercises.answer(id, value)
            assert said.is_right is (pick == value)
            assert said.startswith("The kernel's answer\n") and ("✔" in said) is said.is_right
            assert prediction.plain(question.why(value)) in said
            assert f"You said: {prediction.plain(question.label(pick))}." in said
            view.close()


@pytest.mark.parametrize("id", QUESTIONS)
def test_without_a_pick_the_cell_says_what_would_have_been_asked(id):
    question = QUESTIONS[id]
    value = next(iter(question.choices), 1)
    said = exercises.answer(id, value)
    assert said.is_right is None and prediction.plain(question.text) in said
    assert not kept.path().exists()


def test_a_pick_is_kept_when_the_cell_is_run_again():
    first = exercises.predict("two-writes")
    assert first.pick.value is None
    first.pick.value = 2
    first.close()
    assert exercises.predict("two-writes").pick.value == 2


def test_an_answer_that_is_none_of_the_choices_is_said_as_it_is():
    exercises.predict("two-writes").pick.value = 1
    said = exercises.answer("two-writes", 7)
    assert said.is_right is False and "The kernel: none of these: 7" in said


@pytest.fixture
def a_number(monkeypatch):
    question = Question(
        "how-many", "How many bytes fit?", lambda value: f"{value:,} fitted.", unit="bytes"
    )
    monkeypatch.setitem(content.QUESTIONS, "how-many", question)
    return exercises.predict("how-many")


@pytest.mark.parametrize("typed", ["65536", " 65,536 ", "65_536"])
def test_a_number_is_typed(a_number, typed):
    a_number.pick.value = typed
    assert "65,536 bytes" in a_number.message.value
    assert exercises.answer("how-many", 65_536).is_right is True
    assert exercises.answer("how-many", 65_535).is_right is False


@pytest.mark.parametrize("typed", ["many", "6.5", "<b>", "1e3", "--1"])
def test_what_is_no_number_is_said_and_is_no_pick(a_number, typed):
    a_number.pick.value = "7"
    a_number.pick.value = typed
    assert "is no whole number" in a_number.message.value and "<b>'" not in a_number.message.value
    assert exercises.answer("how-many", 7).is_right is None


def test_without_a_kernel_the_question_still_stands():
    view = exercises.predict("half-read")
    bundle = view._still_bundle()
    for text in bundle.values():
        assert "What does the second" in text and "the same event once more" in text
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
    return [cell.source for cell in cells if cell.cell_type == "code"], cells


@pytest.mark.parametrize("notebook", WRITTEN)
def test_a_notebook_asks_its_questions_each_before_its_answer(notebook):
    code, cells = sources(notebook)
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
    for cell in cells:
        if "exercises.answer(" in cell.source:
            assert cell.metadata.get("jupyter", {}).get("outputs_hidden"), (
                "its output is folded until it is run"
            )
            first = json.dumps(cell.outputs[0].get("text") or cell.outputs[0].data["text/plain"])
            assert "kernel's answer" in first.partition("\\n")[0]


@pytest.mark.parametrize("notebook", WRITTEN)
def test_a_notebook_has_its_exercises_with_their_stubs(notebook):
    code, _ = sources(notebook)
    checked = [id for source in code for id in re.findall(r'exercises\.check\("([^"]+)"', source)]
    assert checked == [task.id for task in NOTEBOOKS[notebook].TASKS] and checked
    for id in checked:
        assert any(TASKS[id].stub.strip() in source for source in code), (
            f"the cell of {id} begins with its stub"
        )
