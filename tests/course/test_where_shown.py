"""Everything that select.epoll offers is shown by a cell somewhere, and the table in the reference
says where.
"""

import re
import select

import nbformat
import pytest
from support import load_tool

tool = load_tool("where_shown")

#: What the first ten notebooks have to answer: statements of widely copied texts, questions of
#: epoll(7), learners' questions.
CLAIMS = {1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}
MANUAL = {1, 2, 3, 4, 5, 7, 8, 9}
LEARNERS = {8, 9, 10, 11, 12, 13, 15, 16, 19, 20, 21, 22, 23, 24}


def test_the_table_of_the_reference_is_true():
    cells = [
        cell.source for cell in nbformat.read(tool.HOME, 4).cells if tool.HEADING in cell.source
    ]
    assert len(cells) == 1 and cells[0].endswith(tool.table()), "type: python tools/where_shown.py"


@pytest.mark.parametrize("group", ["methods", "flags", "errors"])
def test_everything_is_shown_somewhere(group):
    assert [name for name, numbers in tool.shown()[group].items() if not numbers] == []


def test_the_tool_knows_every_method_and_flag():
    methods = {name for name in dir(select.epoll) if not name.startswith("_")}
    assert methods <= {name.removesuffix("()") for name in tool.METHODS}
    flags = {name for name in dir(select) if name.startswith("EPOLL")}
    assert flags <= tool.FLAGS.keys()  # a Python may have fewer names than the latest
    for name in flags:
        assert getattr(select, name) == tool.FLAGS[name][0], name


@pytest.mark.parametrize(
    "kind, wanted", [("claim", CLAIMS), ("epoll7", MANUAL), ("question", LEARNERS)]
)
def test_every_claim_and_question_has_a_cell(kind, wanted):
    tags = {
        tag
        for path in tool.NOTEBOOKS.glob("*.ipynb")
        for cell in nbformat.read(path, 4).cells
        if cell.cell_type == "code"
        for tag in cell.metadata.get("tags", [])
    }
    assert wanted <= {
        int(found[1]) for tag in tags if (found := re.fullmatch(rf"{kind}-(\d\d)", tag))
    }
