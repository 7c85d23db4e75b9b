"""Each notebook in a kernel of its own: every code cell twice in a row, then all of it again, and
nothing is left behind; in each picture that it draws the labels are whole and apart.

What the cells show is compared by nbval, when `make test` runs the notebooks.
"""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))

LOOK = """
def _held():
    import gc, multiprocessing, os, threading
    gc.collect()
    held = {("thread", thread.name) for thread in threading.enumerate()}
    held |= {("process", process.pid) for process in multiprocessing.active_children()}
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/children") as children:
            held |= {("process", int(number)) for number in children.read().split()}
    for number in os.listdir("/proc/self/fd"):
        try:
            what = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:  # the number that the listing itself used
            continue
        if "eventfd" not in what:  # Jupyter's messages open these at any time
            held.add((number, what))
    return held

_held_before = _held()
"""
#: Each figure is looked at as it is drawn; what fails in a display is no error of its cell.
PICTURES = f"""
import sys
sys.path.append({str(Path(__file__).resolve().parents[1])!r})
from matplotlib.figure import Figure as _Figure
from support import nothing_overlaps as _look
_crowded, _savefig = [], _Figure.savefig

def _save_and_look(figure, *args, **options):
    try:
        _look(figure)
    except AssertionError as error:
        _crowded.append(str(error))
    return _savefig(figure, *args, **options)

_Figure.savefig = _save_and_look
"""
#: The explorables go on, with their streams, as long as they are on the page.
CLOSE = """
from epollkit.widgets import page as _page
for _explorable in list(_page.on_page):
    _explorable.close()
"""
COMPARE = """
_left = sorted(_held() - _held_before)
assert not _left, _left
assert not _crowded, _crowded
"""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_can_be_run_twice_and_nothing_is_left(path, tmp_path, monkeypatch):
    """What Jupyter and matplotlib open when they are first used is there when the second round
    begins.
    """
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    notebook = nbformat.read(path, 4)
    once = [cell for cell in notebook.cells if cell.cell_type == "code"]
    twice = [cell for cell in once for _ in range(2)]
    new = nbformat.v4.new_code_cell
    cells = [new(PICTURES), *twice, new(CLOSE + LOOK), *once, new(CLOSE + COMPARE)]
    notebook.cells = [
        nbformat.from_dict(cell | {"id": f"cell-{number}"}) for number, cell in enumerate(cells)
    ]
    NotebookClient(
        notebook,
        timeout=60,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    ).execute()
