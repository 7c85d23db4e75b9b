"""What people ask about epoll, what has gone wrong in real programs, what epoll(7) asks itself, and
what a recording warns of: all of it has a home in the notebooks.

A cell that answers one of them has a tag, as ``question-09``.
"""

import re
from pathlib import Path

import nbformat
import pytest

from epollkit.analysis.warnings import SECTIONS

NOTEBOOKS = sorted(Path(__file__).parents[2].joinpath("notebooks").glob("*.ipynb"))
CELLS = [cell for path in NOTEBOOKS for cell in nbformat.read(path, 4).cells]
HEADINGS = {
    heading
    for cell in CELLS
    if cell.cell_type == "markdown"
    for heading in re.findall(r"^#+ (.*)$", cell.source, re.MULTILINE)
}
HOW_MANY = {"question": 25, "incident": 12, "epoll7": 10}


@pytest.mark.parametrize("what", HOW_MANY)
def test_each_has_a_cell(what):
    tags = {tag for cell in CELLS for tag in cell.metadata.get("tags", [])}
    here = {tag for tag in tags if tag.startswith(f"{what}-")}
    assert here == {f"{what}-{number:02}" for number in range(1, HOW_MANY[what] + 1)}


def test_those_cells_are_run():
    tagged = [
        cell
        for cell in CELLS
        for tag in cell.metadata.get("tags", [])
        if tag.partition("-")[0] in HOW_MANY
    ]
    assert {cell.cell_type for cell in tagged} == {"code"}


@pytest.mark.parametrize("kind", SECTIONS)
def test_what_a_recording_warns_of_is_explained_under_that_heading(kind):
    assert SECTIONS[kind] in HEADINGS


def test_incidents_are_linked():
    """Each pitfall of 12a and 12b names a real program, by a link."""
    for name in ("12a-pitfalls-in-the-loop", "12b-pitfalls-of-numbers-and-buffers"):
        [path] = [path for path in NOTEBOOKS if path.stem == name]
        text = "\n".join(cell.source for cell in nbformat.read(path, 4).cells)
        symptoms = re.split(r"\*\*Symptom\.\*\*", text)[1:]
        assert len(symptoms) == 6
        for symptom in symptoms:
            said = symptom.partition("**Guess")[0]
            assert re.search(r"\[[\w.-]+#\d+\]\(https://github\.com/[\w./-]+/\d+\)", said), said
