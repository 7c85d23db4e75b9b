"""Predictions as a learner meets them: pick, Shift+Enter, the kernel's answer; and no key goes
astray.
"""

import pytest
from playwright.sync_api import expect

IMPORT = "from epollkit import exercises"
QUESTION = 'exercises.predict("two-writes")'
ANSWER = 'exercises.answer("two-writes", 1)'
NUMBER = """from epollkit.exercises import content
from epollkit.exercises.question import Question
content.QUESTIONS["how-many"] = Question("how-many", "How many?", "{:,} fit.".format, unit="bytes")
exercises.predict("how-many")"""
NUMBER_ANSWER = 'exercises.answer("how-many", 4096)'
#: What JupyterLab or the browser would do something with.
KEYS = (
    "a b d d j k m x y z 0 0 Space Home End PageDown PageUp ArrowUp ArrowDown ArrowLeft ArrowRight"
)


def cell(page, number):
    return page.tab.locator(".jp-CodeCell").nth(number)


def active(page):
    """Return which code cell is the active one, counted from 0."""
    return page.tab.evaluate(
        "[...document.querySelectorAll('.jp-CodeCell')].findIndex("
        "cell => cell.classList.contains('jp-mod-active'))"
    )


def counts(page):
    """Return the execution count of each code cell, as the page shows it."""
    prompts = page.tab.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
    return [prompt.strip("[]: ") for prompt in prompts]


@pytest.fixture
def asked(page, lab):
    """A page with a question that was run, and its answer that was not; nobody has picked."""
    (lab.root.parent / "progress" / "epollkit" / "progress.json").unlink(missing_ok=True)
    page.open(lab.add("asked.ipynb", IMPORT, QUESTION, ANSWER, "'after'"))
    page.wait_until_idle()
    cell(page, 0).locator(".cm-content").click()
    page.tab.keyboard.press("Shift+Enter")
    page.tab.keyboard.press("Shift+Enter")
    cell(page, 1).get_by_role("button", name="one", exact=True).wait_for()
    return page


def press_button(page, label, by, number=1):
    button = cell(page, number).get_by_role("button", name=label, exact=True)
    if by == "mouse":
        button.click()
        return
    cell(page, number).get_by_role("button").first.focus()
    while not button.evaluate("button => button === document.activeElement"):
        page.tab.keyboard.press("Tab")
    page.tab.keyboard.press(by)


@pytest.mark.parametrize("by", ["mouse", "Enter", "Space"])
@pytest.mark.parametrize(
    "label, words",
    [
        ("none", "✘ You picked: none. The kernel says: one."),
        ("one", "✔ You picked: one. The kernel says the same."),
    ],
)
def test_pick_then_one_shift_enter_asks_the_kernel(asked, by, label, words):
    press_button(asked, label, by)
    status = cell(asked, 1).get_by_role("status")
    expect(status).to_have_text(f"You picked: {label}. Now run the next cell (Shift+Enter).")
    assert active(asked) == 2
    asked.tab.keyboard.press("Shift+Enter")
    expect(cell(asked, 2).locator(".jp-OutputArea-output")).to_contain_text(words)
    assert counts(asked) == ["1", "2", "3", ""]
    expect(status).to_contain_text(f"You picked: {label}.")
    assert asked.wrong() == []


def test_a_quick_hand_is_not_too_quick(asked):
    asked.tab.evaluate(
        "document.querySelectorAll('.jp-CodeCell')[1].querySelector('.choices button').click()"
    )
    asked.tab.keyboard.press("Shift+Enter")
    expect(cell(asked, 2).locator(".jp-OutputArea-output")).to_contain_text("You picked: none.")
