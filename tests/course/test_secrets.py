"""No stored notebook gives an answer away: what stands between a question and the next heading.

Facts about pages
-----------------
* JupyterLab shows of a folded output its first line, as it is stored: of text/html, if there is
  one, otherwise of text/plain, of a printed text, of a traceback.
* A page without a kernel has no folds at all.

What we do about them
---------------------
The part from a question to the next heading is computed from the notebook, and
what is stored in it must be answers alone, folded, each with a first line that is the same for all.
"""

import re
from pathlib import Path

import nbformat
import pytest

from epollkit.exercises.content import QUESTIONS
from epollkit.exercises.prediction import FIRST_LINE, NO_PICK

NOTEBOOKS = sorted(Path(__file__).parents[2].joinpath("notebooks").glob("*.ipynb"))
PREDICT = re.compile(r'^exercises\.predict\("([^"]+)"\)$', re.MULTILINE)
HEADING = re.compile(r"^#+ ", re.MULTILINE)


def stretches(path):
    """Yield (id, cells) for each question: the cells after it, up to the next heading or question.

    A Markdown cell that has a heading in the middle is the last one.
    """
    cells = nbformat.read(path, 4).cells
    for place, cell in enumerate(cells):
        if cell.cell_type != "code" or not (asked := PREDICT.search(cell.source)):
            continue
        after = []
        for other in cells[place + 1 :]:
            if other.cell_type == "markdown" and HEADING.search(other.source):
                if not HEADING.match(other.source):
                    after.append(other)
                break
            if other.cell_type == "code" and PREDICT.search(other.source):
                break
            after.append(other)
        yield asked[1], after


ASKED = {id: cells for path in NOTEBOOKS for id, cells in stretches(path)}
each = pytest.mark.parametrize("id, cells", ASKED.items(), ids=ASKED)


def test_every_question_is_looked_at():
    assert ASKED.keys() == QUESTIONS.keys()


@each
def test_the_next_code_cell_is_the_answer_and_nothing_else_has_an_output(id, cells):
    code = [cell for cell in cells if cell.cell_type == "code"]
    last_line = code[0].source.rstrip()[code[0].source.rindex("exercises.answer(") :]
    assert last_line.startswith(f'exercises.answer("{id}",')
    assert "predict" in code[0].metadata.get("tags", [])
    assert [cell.source for cell in code[1:] if cell.outputs] == []
    [output] = code[0].outputs
    assert code[0].metadata["jupyter"]["outputs_hidden"] is True
    assert sorted(output.data) == ["text/html", "text/plain"]
    for text in output.data.values():
        first, _, rest = text.partition("\n")
        assert first == FIRST_LINE and NO_PICK in rest


def spoken(text):
    """Return *text* as it is read: without marks, in small letters."""
    return re.sub(r"[`*_]", "", text).lower()


@each
def test_the_prose_does_not_give_the_answer_away(id, cells):
    """Up to the next heading it has neither the kernel's answer nor a sentence of the reason.

    An answer that is a single everyday word is not looked for.
    """
    prose = spoken("\n".join(cell.source for cell in cells if cell.cell_type == "markdown"))
    [output] = next(cell for cell in cells if "exercises.answer(" in cell.source).outputs
    _, _, verdict, reason, *_ = output.data["text/plain"].splitlines()
    label = verdict.removeprefix("The kernel says: ").rstrip(".")
    sentences = re.split(r"(?<=[.:;])\s+", reason)
    for words in [*sentences, *([label] if " " in label or label.isupper() else [])]:
        assert spoken(words) not in prose
