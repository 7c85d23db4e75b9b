"""Predictions and exercises as a learner meets them:

pick, run, verdict, hints, solution, progress.
"""

import re

import nbformat
import pytest
from conftest import NOTEBOOKS
from playwright.sync_api import expect

from epollkit.exercises.content import find_question
from epollkit.exercises.question import plain
from epollkit.exercises.quiz.page import spelled
from epollkit.exercises.quiz.questions import Questions, run

QUESTION = 'from epollkit import exercises\nexercises.predict("two-writes")'
ANSWER = 'exercises.answer("two-writes", 1)'
WRONG = '''import os

def is_readable(r):
    """Return whether r has something to read now."""
    os.set_blocking(r, False)
    return len(os.read(r, 1)) > 0

exercises.check("is-readable", is_readable)'''
SOLUTION = 'exercises.solution("is-readable")'
PROGRESS = "exercises.progress()"


def cell(page, number):
    return page.tab.locator(".jp-CodeCell").nth(number)


def run_again(page, number):
    """Run one cell, by the keyboard."""
    cell(page, number).locator(".cm-content").click()
    page.tab.keyboard.press("Shift+Enter")


def radio(page, label):
    return cell(page, 0).get_by_role("radio", name=label, exact=True)


def pick_by_mouse(page, label):
    radio(page, label).click()


def pick_by_keyboard(page, label):
    """Tab goes from choice to choice, Space picks."""
    radio(page, "none").focus()
    while not radio(page, label).evaluate("one => one === document.activeElement"):
        page.tab.keyboard.press("Tab")
        assert cell(page, 0).locator(":focus").count() == 1, "Tab has left the question"
    page.tab.keyboard.press("Space")


@pytest.mark.parametrize("pick", [pick_by_mouse, pick_by_keyboard])
@pytest.mark.parametrize(
    "label, words",
    [
        ("none", "✘ You said: none. The kernel: one."),
        ("one", "✔ You said: one."),
        ("two", "✘ You said: two. The kernel: one."),
    ],
)
def test_a_pick_is_held_against_the_kernel(page, lab, pick, label, words):
    page.open(lab.add("predict.ipynb", QUESTION, ANSWER)).run_all()
    assert "You picked nothing" in cell(page, 1).inner_text()
    pick(page, label)
    cell(page, 0).locator(f'text="Your pick: {label}. Now run the next cell."').wait_for()
    run_again(page, 1)
    cell(page, 1).locator(f".jp-OutputArea-output:has-text('{words}')").wait_for()
    assert page.wrong() == []


def test_a_wrong_attempt_its_hints_a_solution_and_progress(page, lab):
    page.open(lab.add("exercise.ipynb", QUESTION, WRONG, SOLUTION, PROGRESS)).run_all()
    verdict = cell(page, 1).locator(".jp-OutputArea-output")
    assert (
        "is-readable: raised." in verdict.inner_text() and "BlockingIOError" in verdict.inner_text()
    )
    assert verdict.locator("img").evaluate("one => one.naturalWidth") > 300
    hint, further = (
        verdict.locator(f'summary:text-is("{words}")') for words in ("Hint", "Further hint")
    )
    assert not verdict.locator("text=Create an epoll in a with block").is_visible()
    hint.focus()
    page.tab.keyboard.press("Enter")
    verdict.locator("text=An epoll that you make for this one question will do.").wait_for()
    assert not verdict.locator("text=Create an epoll in a with block").is_visible()
    further.click()
    verdict.locator("text=Create an epoll in a with block").wait_for()
    solution = cell(page, 2).locator(".jp-OutputArea-output")
    assert (
        "with select.epoll() as ep:" in solution.inner_text()
        and solution.locator("img").count() == 1
    )
    table = cell(page, 3).locator("table")
    assert "◐ Ask, and take nothing: tried" in table.inner_text()
    assert table.locator('a:text-is("01-streams-and-waiting")').count() == 1
    assert page.wrong() == []


def test_a_stub_is_not_attempted_yet(page, lab):
    page.open("notebooks/00-start-here.ipynb").run_all()
    assert (
        page.tab.locator(
            '.jp-OutputArea-output:has-text("is-readable: not attempted yet.")'
        ).count()
        == 1
    )
    link = page.tab.locator('.jp-OutputArea-output a:text-is("01-streams-and-waiting")')
    link.click()
    page.tab.locator('h1:has-text("01 · Streams and waiting") >> visible=true').wait_for()
    # a kernel that is shut down while a page connects to it makes the server complain
    page.wait_until_idle()
    assert page.wrong() == []


# the questions of the course, where they stand


def questions(name):
    """Yield (id, number of the cell that asks, number of the cell that answers) of a notebook;
    code cells are counted.
    """
    sources = [
        cell.source for cell in nbformat.read(NOTEBOOKS / name, 4).cells if cell.cell_type == "code"
    ]
    for asks, source in enumerate(sources):
        if found := re.search(r'exercises\.predict\("(.+?)"\)$', source.rstrip()):
            id = found[1]
            yield (
                id,
                asks,
                next(
                    at
                    for at in range(asks, len(sources))
                    if f'exercises.answer("{id}"' in sources[at]
                ),
            )


@pytest.mark.parametrize("name", sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")))
def test_every_choice_of_every_prediction_of_the_course(page, lab, name):
    page.open(f"notebooks/{name}").run_all()
    for id, asks, answers in questions(name):
        question, right = find_question(id), 0
        for value, label in question.choices.items():
            cell(page, asks).get_by_role("radio", name=plain(label), exact=True).click()
            cell(page, asks).locator(".epollkit-explore :text('Now run the next cell')").wait_for()
            run_again(page, answers)
            verdict = (
                cell(page, answers)
                .locator(".jp-OutputArea-output")
                .filter(has_text=f"You said: {plain(label)}.")
            )
            verdict.wait_for()
            told = verdict.inner_text()
            assert "The kernel's answer" in told and ("✔" in told) != ("✘" in told), (
                id,
                value,
                told,
            )
            right += "✔" in told
        assert right == 1, id
    assert page.wrong() == []


# the quiz


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_the_quiz_asks_answers_and_asks_on(page, lab, by):
    page.open(
        lab.add("quiz.ipynb", 'from epollkit import exercises\nexercises.quiz("readable", seed=11)')
    ).run_all()
    asked = Questions("readable", 11)
    root = cell(page, 0).locator(".epollkit-quiz")

    def use(words):
        button = root.locator(f'button:text-is("{words}")')
        if by == "mouse":
            button.click()
        else:
            button.focus()
            page.tab.keyboard.press("Enter")

    for number in (1, 2, 3):
        question = asked.ask()
        answer = run(question.program).answer
        expect(root.locator("pre").first).to_have_text(question.program.text())
        pick = answer if number == 1 else next(mask for mask in question.choices if mask != answer)
        use(spelled(pick))
        said = root.locator("[role=status]", has_text="You said").inner_text()
        wrong = f"✘ You said {spelled(pick)}. The kernel says {spelled(answer)}."
        assert said.startswith("✔" if pick == answer else " ".join(wrong.split()))
        root.locator(".epollkit-step-through .epollkit-picture img").wait_for()
        root.locator(f'div:text-matches("1 of {number} right")').first.wait_for()
        asked.right += pick == answer
        use("Next question")
    assert page.wrong() == []
