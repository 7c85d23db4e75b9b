"""The stored notebooks are whole, in the one stored form, and nearly all of what they show is
compared.

What the cells print is compared by nbval, when `make test` runs the notebooks. Here they are read,
not run.
"""

import ast
import json
import re

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from support import ROOT, load_tool

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


tool, minutes = load_tool("notebooks"), load_tool("minutes")

COMMENT_MARKER = re.compile(r"^\s*#\s*(NBVAL_|PYTEST_VALIDATE)", re.MULTILINE)
TAGS_OF_EVERY_NOTEBOOK = {"pipe", "socket", "predict", "exercise", "explorable"}
LEAST_PREDICTIONS = 2
LONGEST_CELL = 20  # lines
WIDEST_CELL = 92  # characters: a longer line is cut at the right edge of a notebook's page
MOST_WORDS = 1500  # of markdown, before what is for looking up
MOST_CELLS = 38  # likewise, without questions, exercises, explorables and what is a stretch
#: A timeline, drawn, played or with the kernel's answer to a prediction.
PICTURE = re.compile(r"timeline\(|step_through\(|exercises\.answer\([^,]*,[^\n]*,")
LEAST_COMPARED = 2 / 3  # of the code cells that have output

#: The reference is for looking up: it teaches nothing, and asks nothing.
LESSONS = [path for path in NOTEBOOKS if path.stem != "reference"]

# The tests that read a notebook are made once for each; without notebooks there are none of them,
# and the tests of the tool below still run.
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def cells(path, kind=None):
    """Return the cells of the notebook at *path*, or those of one *kind*, "code" or "markdown"."""
    return [cell for cell in tool.read(path).cells if kind in (None, cell.cell_type)]


def tags(cell):
    return cell.metadata.get("tags", [])


def has_assertion(source):
    """Say whether this code asserts: the statement, or a call of something named assert...."""
    for node in ast.walk(ast.parse(TransformerManager().transform_cell(source))):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name.startswith("assert"):
                return True
    return False


def is_compared(cell):
    """Say whether nbval has something to compare in this cell:

    not only pixels, and no tag against it.
    """
    if {"nbval-ignore-output", "nbval-skip"} & set(tags(cell)):
        return False
    values = tool.compared(cell.outputs, tool.sanitizer())
    return any(str(value).strip() for mime in values.values() for value in mime)


def is_for_the_learner_to_do(cell):
    """Say whether this cell puts a question, is an exercise or an explorable, or part of a
    stretch.
    """
    return bool({"exercise", "explorable", "stretch"} & set(tags(cell))) or cell.source.startswith(
        "exercises.predict("
    )


# ---- the stored notebooks


@each
def test_is_a_valid_notebook(path):
    nbformat.validate(json.loads(path.read_text(encoding="utf-8")))


@each
def test_is_stored_in_the_normal_form(path):
    stored = path.read_text(encoding="utf-8")
    assert tool.normalize(tool.read(path)) == stored, f"type: make notebooks ARGS={path.stem}"


@each
def test_kernel_is_python3(path):
    notebook = tool.read(path)
    assert notebook.metadata.kernelspec == tool.KERNELSPEC
    assert "version" not in notebook.metadata.language_info, (
        "it would change with each Python that runs the notebook"
    )


@each
def test_cell_ids_are_present_and_unique(path):
    ids = [cell.get("id") for cell in cells(path)]
    assert all(ids) and len(set(ids)) == len(ids)


@each
def test_no_widget_is_stored(path):
    assert "widgets" not in tool.read(path).metadata
    assert tool.WIDGET_VIEW not in path.read_text(encoding="utf-8")


@each
def test_every_code_cell_was_run_in_order(path):
    counts = [cell.execution_count for cell in cells(path, "code")]
    assert counts == list(range(1, len(counts) + 1)), f"type: make notebooks ARGS={path.stem}"


@each
def test_no_cell_is_empty(path):
    assert [number for number, cell in enumerate(cells(path), 1) if not cell.source.strip()] == []


@each
def test_only_cells_tagged_so_end_in_an_error(path):
    for cell in cells(path, "code"):
        failed = any(output.output_type == "error" for output in cell.outputs)
        assert failed == ("raises-exception" in tags(cell)), cell.source


@each
def test_no_output_names_a_place_on_one_machine(path):
    for cell in cells(path, "code"):
        text = re.sub(r"[A-Za-z0-9+/=]{200,}", "", json.dumps(cell.outputs))
        found = re.findall(
            r"/(?:tmp/ipykernel_\d+|home/\w+|root/)|site-packages|" + re.escape(str(ROOT)), text
        )
        assert not found, cell.source


@each
def test_most_outputs_are_compared(path):
    shown = [cell for cell in cells(path, "code") if cell.outputs]
    not_compared = [cell.execution_count for cell in shown if not is_compared(cell)]
    assert len(shown) - len(not_compared) >= LEAST_COMPARED * len(shown), (
        f"not compared: code cells {not_compared}"
    )


@each
def test_what_is_not_compared_is_asserted(path):
    for cell in cells(path, "code"):
        assert "nbval-skip" not in tags(cell), "every cell is run"
        assert not COMMENT_MARKER.search(cell.source), (
            "use tags: `make notebooks` does not see such comments"
        )
        if "nbval-ignore-output" in tags(cell):
            assert has_assertion(cell.source), (
                f"its outputs are not compared, so it has to assert:\n{cell.source}"
            )


@each_lesson
def test_has_what_every_notebook_has(path):
    present = {tag for cell in cells(path) for tag in tags(cell)}
    assert present >= TAGS_OF_EVERY_NOTEBOOK
    asked = [cell.source for cell in cells(path, "code")]
    for what in ("exercises.predict(", "exercises.answer("):
        assert sum(what in source for source in asked) >= LEAST_PREDICTIONS, what


@each_lesson
def test_has_a_picture_to_play_with_and_one_of_sockets(path):
    code = cells(path, "code")
    assert [cell for cell in code if "explore.step_through(" in cell.source]
    of_sockets = [cell.source for cell in code if "socket" in tags(cell)]
    assert [source for source in of_sockets if PICTURE.search(source)]


@each
def test_code_cells_are_short_and_narrow(path):
    lines = {cell.execution_count: cell.source.splitlines() for cell in cells(path, "code")}
    assert [number for number in lines if len(lines[number]) > LONGEST_CELL] == []
    assert [line for number in lines for line in lines[number] if len(line) > WIDEST_CELL] == []


@each_lesson
def test_states_the_minutes_that_it_takes(path):
    counted = minutes.count(tool.read(path))
    assert counted.to_state <= minutes.LONGEST
    assert counted.stated == counted.to_state, "type: python tools/minutes.py"


@each_lesson
def test_can_be_read_in_one_sitting(path):
    chosen = minutes.before_looking_up(cells(path))
    prose = " ".join(cell.source for cell in chosen if cell.cell_type == "markdown")
    assert minutes.words(prose) <= MOST_WORDS
    assert len([cell for cell in chosen if not is_for_the_learner_to_do(cell)]) <= MOST_CELLS


# ---- the tool that runs and stores them, on notebooks made here


@pytest.fixture
def sanitize():
    return tool.sanitizer()


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def picture(pixels, alt="a parcel"):
    html = f'<img alt="{alt}" src="data:image/png;base64,{pixels}">'
    return new_output("display_data", {"text/html": html, "text/plain": alt, "image/png": pixels})


def test_the_normal_form_is_the_normal_form_of_itself(tmp_path):
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# One"),
            new_code_cell(
                "1 + 1",
                metadata={
                    "execution": {"iopub.status.busy": "2026-01-01"},
                    "collapsed": True,
                    "tags": ["pipe"],
                    "scrolled": False,
                    "jupyter": {"outputs_hidden": True},
                },
            ),
        ]
    )
    notebook.cells[1].execution_count = 7
    notebook.cells[1].outputs = [
        stream("a\n"),
        stream("b\n"),
        stream("c\n", "stderr"),
        new_output("display_data", {tool.WIDGET_VIEW: {"model_id": "1"}}),
        new_output(
            "execute_result",
            {"text/plain": "a slider", tool.WIDGET_VIEW: {"model_id": "2"}},
            execution_count=3,
        ),
    ]
    notebook.metadata = {"widgets": {}, "language_info": {"name": "python", "version": "3.11.7"}}
    text = tool.normalize(notebook)
    path = tmp_path / "one.ipynb"
    path.write_text(text, encoding="utf-8")
    assert tool.normalize(tool.read(path)) == text
    assert text.endswith("}\n") and not text.endswith("\n\n")
    stored = tool.read(path)
    assert stored.metadata == {"kernelspec": tool.KERNELSPEC, "language_info": tool.LANGUAGE_INFO}
    assert [cell.id for cell in stored.cells] == [cell.id for cell in notebook.cells]
    cell = stored.cells[1]
    assert cell.metadata == {"tags": ["pipe"], "jupyter": {"outputs_hidden": True}}
    assert cell.outputs == [
        stream("a\nb\n"),
        stream("c\n", "stderr"),
        new_output("execute_result", {"text/plain": "a slider"}, execution_count=7),
    ]


def test_a_cell_without_an_id_gets_one_that_is_the_same_each_time():
    notebook = new_notebook(cells=[new_code_cell("1"), new_code_cell("1")])
    for cell in notebook.cells:
        del cell["id"]
    text = tool.normalize(notebook)
    assert text == tool.normalize(notebook)
    assert len({cell["id"] for cell in json.loads(text)["cells"]}) == 2


def test_the_output_of_an_answer_is_folded_whoever_unfolded_it():
    answer = new_code_cell('exercises.answer("two-writes", 1)', metadata={"collapsed": False})
    cells = json.loads(tool.normalize(new_notebook(cells=[answer, new_code_cell("1")])))["cells"]
    assert [cell["metadata"] for cell in cells] == [{"jupyter": {"outputs_hidden": True}}, {}]


@pytest.mark.parametrize(
    "stored, new, stays",
    [
        ([stream("a\n")], [stream("a\n")], True),
        ([stream("a\n")], [stream("b\n")], False),
        ([stream("a\n")], [], False),
        ([], [stream("a\n")], False),
        ([], [], True),
        ([picture("AAAA")], [picture("BBBB")], True),
        ([picture("AAAA")], [picture("AAAA", "two parcels")], False),
        ([stream("x"), picture("AAAA")], [picture("AAAA"), stream("x")], False),
        (
            [stream("<P object at 0x7f3c2a1b5d90>\n")],
            [stream("<P object at 0x7f3c2a1b5fff>\n")],
            True,
        ),
        ([stream("mask 0x80000001\n")], [stream("mask 0x80000011\n")], False),
        ([stream("at 0x80000001\n")], [stream("at 0x80000011\n")], False),
        ([stream("x"), stream("w", "stderr")], [stream("w", "stderr"), stream("x")], True),
    ],
)
def test_a_stored_output_stays_exactly_if_nbval_would_let_the_new_one_pass(
    stored, new, stays, sanitize
):
    assert tool.keep_stored(new_code_cell(), stored, new, sanitize) is stays


def test_a_cell_that_is_not_compared_keeps_its_outputs_while_they_are_of_the_same_kinds(sanitize):
    cell = new_code_cell(metadata={"tags": ["nbval-ignore-output"]})
    assert tool.keep_stored(cell, [stream("0.1 s\n")], [stream("0.2 s\n")], sanitize)
    assert not tool.keep_stored(cell, [stream("0.1 s\n")], [picture("AAAA")], sanitize)
    assert not tool.keep_stored(cell, [], [stream("0.2 s\n")], sanitize)


PICTURE_CELL = """\
import base64, os
from IPython.display import HTML, display
pixels = base64.b64encode(os.urandom(99)).decode()
display(HTML(f'<img alt="a parcel" src="data:image/png;base64,{pixels}">'))"""


def test_running_a_notebook_twice_changes_nothing_and_fresh_replaces_everything(tmp_path):
    path = tmp_path / "demo.ipynb"
    path.write_text(
        nbformat.writes(
            new_notebook(
                cells=[
                    new_code_cell("print('hello')"),
                    new_code_cell(PICTURE_CELL),
                    new_code_cell("object()"),
                    new_code_cell(
                        "import time\nassert time\nprint(time.time_ns())",
                        metadata={"tags": ["nbval-ignore-output"]},
                    ),
                    new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]}),
                ]
            )
        ),
        encoding="utf-8",
    )
    changed, written = tool.run(path)
    assert changed == [1, 2, 3, 4, 5] and written
    first = path.read_text(encoding="utf-8")
    assert tool.run(path) == ([], False)
    assert path.read_text(encoding="utf-8") == first
    changed, written = tool.run(path, fresh=True)
    assert {2, 4} <= set(changed) and 1 not in changed and written


def test_a_cell_that_raises_is_named_and_nothing_is_stored(tmp_path):
    path = tmp_path / "demo.ipynb"
    path.write_text(
        nbformat.writes(
            new_notebook(
                cells=[
                    new_markdown_cell("# One"),
                    new_code_cell("a = 1"),
                    new_code_cell("a / 0", id="the-one"),
                ]
            )
        ),
        encoding="utf-8",
    )
    before = path.read_bytes()
    with pytest.raises(
        RuntimeError, match=r"code cell 2 \(id the-one\) failed:[\s\S]*ZeroDivisionError"
    ):
        tool.run(path)
    assert path.read_bytes() == before
    assert tool.main([str(path)]) == 1


# ---- the tool that counts minutes


def test_minutes_are_counted_by_the_rule():
    def code(source, *tags):
        return new_code_cell(source, metadata={"tags": list(tags)})

    def text(source, *tags):
        return new_markdown_cell(source, metadata={"tags": list(tags)})

    notebook = new_notebook(
        cells=[
            text("# A title of six words here\n\n**15 minutes.** Nothing else."),
            text("word " * 390 + "· –"),
            code("1 + 1"),
            code('exercises.predict("a")', "predict"),
            code('exercises.answer("a", 1)', "predict"),
            code("explore.waiting()", "explorable"),
            code("def f(): ...", "exercise", "pipe"),
            code("def g(): ...", "exercise"),
            text("word " * 400, "stretch"),
            code("def h(): ...", "exercise", "stretch"),
            text("## Look-up, not for the first reading\n" + "word " * 400),
            code("2 + 2"),
        ]
    )
    counted = minutes.count(notebook)
    assert (counted.words, counted.code, counted.exercises) == (400, 2, 2)
    assert counted.minutes == 400 / 200 + 2 * 0.5 + 2 + 2 + 8 == 15
    assert (counted.to_state, counted.stated) == (15, 15)
    notebook.cells.insert(2, code("3"))
    assert minutes.count(notebook).to_state == 20
    assert minutes.table({"a": minutes.count(notebook)}).endswith("write: **20 minutes.**")
