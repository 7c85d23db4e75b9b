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
#: Keys that JupyterLab or the browser would do something with.
KEYS = "a b d d j k m x y z 0 0 Home End PageDown PageUp ArrowUp ArrowDown ArrowLeft ArrowRight"


def cell(page, number):
    return page.tab.locator(".jp-CodeCell").nth(number)


def status(page, number):
    """Return where the question in a cell says what was picked."""
    return cell(page, number).locator(".epollkit-question [role=status]")


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


@pytest.fixture(autouse=True)
def nobody_has_picked(lab):
    (lab.root.parent / "progress" / "epollkit" / "progress.json").unlink(missing_ok=True)


@pytest.fixture
def asked(page, lab):
    """A page with a question that was run, and its answer that was not."""
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
    expect(status(asked, 1)).to_have_text(
        f"You picked: {label}. Now run the next cell (Shift+Enter)."
    )
    assert active(asked) == 2
    asked.tab.keyboard.press("Shift+Enter")
    expect(cell(asked, 2).locator(".jp-OutputArea-output")).to_contain_text(words)
    assert counts(asked) == ["1", "2", "3", ""]
    expect(status(asked, 1)).to_contain_text(f"You picked: {label}.")
    assert asked.wrong() == []


@pytest.mark.parametrize("by", ["mouse", "Enter"])
def test_another_pick_does_not_make_it_right(asked, by):
    press_button(asked, "two", by)
    asked.tab.keyboard.press("Shift+Enter")
    expect(cell(asked, 2)).to_contain_text("✘ You picked: two. The kernel says: one.")
    press_button(asked, "one", by)
    expect(status(asked, 1)).to_contain_text("Your first pick counts, and it was: two.")
    asked.tab.keyboard.press("Shift+Enter")
    expect(cell(asked, 2).locator(".jp-InputPrompt")).to_have_text("[4]:")
    expect(cell(asked, 2)).to_contain_text("✘ You picked: two. The kernel says: one.")


def test_a_pick_is_there_when_the_question_is_run_again(asked):
    press_button(asked, "two", "mouse")
    cell(asked, 1).locator(".cm-content").click()
    asked.tab.keyboard.press("Shift+Enter")
    expect(cell(asked, 1).locator(".jp-InputPrompt")).to_have_text("[3]:")
    expect(status(asked, 1)).to_contain_text("You picked: two.")
    pressed = cell(asked, 1).locator('button[aria-pressed="true"]')
    expect(pressed).to_have_text("two")


def test_without_a_pick_the_answer_stays_closed(asked):
    asked.tab.keyboard.press("Shift+Enter")
    output = cell(asked, 2).locator(".jp-OutputArea-output")
    expect(output).to_contain_text("You have not picked an answer")
    kernel_says = output.get_by_text("The kernel says: one.")
    expect(kernel_says).to_be_hidden()
    output.locator("summary").click()
    expect(kernel_says).to_be_visible()


@pytest.mark.parametrize(
    "typed, words",
    [("4096", "✔ You picked: 4,096 bytes."), (" 65,536 ", "✘ You picked: 65,536 bytes.")],
)
@pytest.mark.parametrize("by", ["Enter", "OK"])
def test_a_number_is_typed(page, lab, typed, words, by):
    page.open(lab.add("number.ipynb", IMPORT, NUMBER, NUMBER_ANSWER)).run_all()
    field = cell(page, 1).get_by_role("textbox", name="a number, bytes")
    for wrong in ("many", "6.5", "<b>", "1e3", "--1", ""):
        field.fill(wrong)
        field.press("Enter")
        expect(status(page, 1)).to_have_text(
            f"“{wrong}” is not a whole number. Type digits, for example 4096."
        )
    field.fill(typed)
    if by == "OK":
        cell(page, 1).get_by_role("button", name="OK").click()
    else:
        field.press("Enter")
    expect(status(page, 1)).to_contain_text("You picked: ")
    assert active(page) == 2
    page.tab.keyboard.press("Shift+Enter")
    expect(cell(page, 2)).to_contain_text(words)


def everything(page):
    """Return what no key may change: the active cell, the cells' texts, and the scroll position."""
    return page.tab.evaluate(
        """() => [
            [...document.querySelectorAll('.jp-Cell')].map(cell =>
                [cell.matches('.jp-CodeCell'), cell.matches('.jp-mod-active'), cell.innerText]),
            document.querySelector('.jp-WindowedPanel-outer').scrollTop]"""
    )


def test_no_key_reaches_the_notebook(page, lab):
    page.open(lab.add("keys.ipynb", IMPORT, QUESTION, NUMBER, *["'a cell'"] * 30)).run_all()
    for part in ("button", "input"):
        page.tab.locator(f".epollkit-question {part}").first.focus()
        before = everything(page)
        for key in [*KEYS.split(), *["ArrowDown"] * 20]:
            page.tab.keyboard.press(key)
            assert everything(page) == before, key
            assert page.tab.locator(f".epollkit-question {part}:focus").count() == 1, key


def test_two_notebooks_in_one_window_each_show_their_own(page, lab):
    """One is run and shows its widget; the other is not, and shows what is stored."""
    lab.add("ran.ipynb", IMPORT, QUESTION)
    page.tab.goto(f"{lab.url}/lab/tree/ran.ipynb")
    page.run_all()
    page.menu("File", "Open from Path…")
    page.tab.locator(".jp-Dialog input").fill("notebooks/00-start-here.ipynb")
    page.tab.keyboard.press("Enter")
    shown = page.tab.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
    still = shown.locator(".epollkit-still", has_text="two").first
    expect(still).to_be_visible()
    expect(shown.locator(".epollkit-question")).to_have_count(0)
    page.tab.locator('.lm-TabBar-tabLabel:text-is("ran.ipynb")').click()
    expect(shown.locator(".epollkit-question")).to_be_visible()
    expect(shown.locator(".epollkit-still")).to_be_hidden()


def test_a_quick_hand_is_not_too_quick(asked):
    asked.tab.evaluate(
        "document.querySelectorAll('.jp-CodeCell')[1].querySelector('.choices button').click()"
    )
    asked.tab.keyboard.press("Shift+Enter")
    expect(cell(asked, 2).locator(".jp-OutputArea-output")).to_contain_text("You picked: none.")
