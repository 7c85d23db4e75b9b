"""Each notebook as a learner meets it in JupyterLab: run, saved, opened again."""

import nbformat
import pytest
from support import NOTEBOOKS, says

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


def questions(notebook):
    """Return how many cells of a notebook put a question."""
    return sum(
        cell.source.rstrip().splitlines()[-1].startswith("exercises.predict(")
        for cell in notebook.cells
        if cell.cell_type == "code"
    )


@pytest.mark.parametrize("name", NAMES)
def test_run_all_and_reopen_what_was_saved(page, lab, name):
    page.open(f"notebooks/{name}").run_all()
    read = nbformat.read(NOTEBOOKS / name, 4)
    count = explorables(read)
    assert page.wrong() == []
    assert page.tab.locator(".epollkit-question").count() == questions(read)
    pressed = 0
    for kind, (what, words) in PRESSED.items():
        for root in page.tab.locator(kind).all():
            root.locator(what).click()
            says(root, words)
            pressed += 1
    assert pressed == count
    saved = page.save()
    page.shut_down()
    saved.metadata.kernelspec, saved.metadata.language_info = NO_SUCH_KERNEL, {"name": "none"}
    nbformat.write(saved, lab.root / "saved.ipynb")
    page.open_without_kernel("saved.ipynb")
    assert page.wrong() == []
    seen = [alt for alt, width, is_seen in stills(page) if width > 300 and is_seen]
    assert all(seen) and len(seen) >= least_pictures(read)


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_notebook_without_a_kernel(page, lab, name):
    committed = nbformat.read(NOTEBOOKS / name, 4)
    committed.metadata.kernelspec, committed.metadata.language_info = (
        NO_SUCH_KERNEL,
        {"name": "none"},
    )
    nbformat.write(committed, lab.root / "committed.ipynb")
    page.open_without_kernel("committed.ipynb")
    assert page.wrong() == []
    seen = [alt for alt, width, is_seen in stills(page) if width > 300 and is_seen]
    assert all(seen) and len(seen) >= least_pictures(committed)
