"""Exercises and the quiz as a learner meets them: verdict, hints, solution, progress."""

import pytest
from playwright.sync_api import expect

from epollkit.exercises.quiz.page import spelled
from epollkit.exercises.quiz.questions import Questions, run

QUESTION = 'from epollkit import exercises\nexercises.predict("two-writes")'
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


# the quiz


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_the_quiz_asks_answers_and_asks_on(page, lab, by):
    page.open(
        lab.add("quiz.ipynb", 'from epollkit import exercises\nexercises.quiz("poll", seed=11)')
    ).run_all()
    asked = Questions("poll", 11)
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
        wrong = next(choice for choice in question.choices if choice != answer)
        pick, kind = answer if number == 1 else wrong, question.program.kind
        use(spelled(kind, pick))
        said = root.locator("[role=status]", has_text="You picked").inner_text()
        if pick == answer:
            assert said.startswith("✔")
        else:
            kernel_says = f"The kernel says: {spelled(kind, answer)}."
            assert said.startswith(f"✘ You picked {spelled(kind, pick)}. {kernel_says}")
            assert "You would be right if" in said
        root.locator(".epollkit-player img").wait_for()
        root.locator(f'div:text-matches("1 of {number} right")').first.wait_for()
        asked.right += pick == answer
        use("Next question")
    assert page.wrong() == []
