"""Each notebook as a learner meets it in JupyterLab: opened, read, run, saved, opened again."""

import re

import nbformat
import pytest
from playwright.sync_api import expect
from support import NOTEBOOKS, says

from epollkit.exercises.prediction import FIRST_LINE

NAMES = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
#: root of a kind of explorable → what is pressed, and what the page says then
PRESSED = {
    ".epollkit-player": ('button[aria-label="next step"]', "step 2 of "),
    ".epollkit-waiting": ('button:text-is("Try")', "Try 1: "),
    ".epollkit-buffers": ('button:text-is("Fill")', "full, readable, not writable"),
    ".epollkit-triggers": (
        'button:text-is("Bytes arrive")',
        "one-shot (IN | ONESHOT): 6 of 6 more",
    ),
    ".epollkit-endings": ('.widget-toggle-button:text-is("PRI")', "EPOLLPRI"),
    ".epollkit-beliefs": ("select option:nth-of-type(2)", "The kernel disagrees with you"),
    ".epollkit-scale": ('button:text-is("Saved run")', "not measured here"),
    ".epollkit-server": ('button:text-is("+ fast")', ", fast. "),
}
NO_SUCH_KERNEL = {"name": "none", "display_name": "none", "language": "none"}


def stills(page):
    """Return (alternative text, width in pixels of the picture, is it to be seen) of each
    picture in an output.
    """
    return page.tab.eval_on_selector_all(
        ".jp-OutputArea-output img",
        "all => all.map(one => [one.alt, one.naturalWidth, one.offsetParent !== null])",
    )


def explorables(notebook):
    """Return how many cells of a notebook show an explorable."""
    return sum("explorable" in cell.metadata.get("tags", []) for cell in notebook.cells)


def least_pictures(notebook):
    """Return how many pictures a notebook has at least: a lesson has one, the reference has tables."""
    is_lesson = any("predict" in cell.metadata.get("tags", []) for cell in notebook.cells)
    return max(explorables(notebook), is_lesson)


def pictures(page):
    """Return the alternative texts of the pictures that a learner can see."""
    return [alt for alt, width, is_seen in stills(page) if width > 300 and is_seen]


def stretches(cells):
    """Yield for each question of a notebook: its place among the cells, that of its answer, and
    the places from the one after it to the next heading.
    """
    for place, asking in enumerate(cells):
        if asking.cell_type != "code" or "exercises.predict(" not in asking.source:
            continue
        after = []
        for other in range(place + 1, len(cells)):
            if cells[other].cell_type == "markdown" and re.match("#+ ", cells[other].source):
                break
            after.append(other)
        code = [other for other in after if cells[other].cell_type == "code"]
        yield place, code[0], after


def outputs(page, places):
    """Return what the outputs of these cells show, where there is one, by the cell's place."""
    cells = [page.tab.locator(".jp-Notebook .jp-Cell").nth(place) for place in places]
    return {
        place: cell.locator(".jp-Cell-outputWrapper").inner_text().strip(" \n.…")
        for place, cell in zip(places, cells, strict=True)
        if cell.locator(".jp-OutputPlaceholder, .jp-OutputArea-child").count()
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_learner_goes_through_it_saves_it_and_opens_it_again(page, lab, name):
    """Opened, not run: the stored pictures are there, and no output from a question to the next
    heading says more than the neutral line.  Then Shift+Enter from cell to cell, with a pick at
    each question; each explorable is touched; what was saved is opened without a kernel.
    """
    read = nbformat.read(NOTEBOOKS / name, 4)
    page.open(f"notebooks/{name}")
    cells = page.tab.locator(".jp-Notebook .jp-Cell")
    expect(cells).to_have_count(len(read.cells))
    page.tab.wait_for_function("[...document.images].every(one => one.complete)")
    assert page.wrong() == []
    assert all(pictures(page)) and len(pictures(page)) >= least_pictures(read)
    for _, answers, after in stretches(read.cells):
        assert outputs(page, after) == {answers: FIRST_LINE}

    page.wait_until_idle()
    cells.nth(0).click()
    here = 0
    for asks, answers, _ in stretches(read.cells):
        for _ in range(here, asks + 1):
            page.tab.keyboard.press("Shift+Enter")
        cells.nth(asks).locator(".choices button").first.click()
        page.tab.keyboard.press("Shift+Enter")
        expect(cells.nth(answers).locator(".jp-OutputArea-output")).to_contain_text(
            re.compile("^" + FIRST_LINE + r"\s+[✔✘] You picked: "), timeout=60_000
        )
        here = answers + 1
    page.menu("Run", "Run Selected Cell and All Below")
    page.wait_until_run()
    assert page.wrong() == []
    assert page.tab.locator(".epollkit-question").count() == len(list(stretches(read.cells)))

    touched = 0
    for kind, (what, words) in PRESSED.items():
        for root in page.tab.locator(kind).all():
            root.locator(what).click()
            says(root, words)
            touched += 1
    assert touched == explorables(read)

    saved = page.save()
    page.shut_down()
    saved.metadata.kernelspec, saved.metadata.language_info = NO_SUCH_KERNEL, {"name": "none"}
    nbformat.write(saved, lab.root / "saved.ipynb")
    page.open_without_kernel("saved.ipynb")
    assert page.wrong() == []
    assert all(pictures(page)) and len(pictures(page)) >= least_pictures(read)
