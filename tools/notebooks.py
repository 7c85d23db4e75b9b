"""Run the notebooks, and store what they showed: `make notebooks`.

    python tools/notebooks.py                 all of notebooks/
    python tools/notebooks.py 03 07-edges     those whose name begins so (a path will do, too)
    python tools/notebooks.py --fresh 03      replace every stored output, pictures included

What is stored is what readers on the web see, and what nbval compares. Two runs of the same cell
are never the same to the last byte: times, addresses and pixels differ. So an output that nbval
would let pass stays as it is stored, to the byte, and a notebook changes only where it shows
something else. For the same reason a cell tagged nbval-ignore-output keeps its stored outputs, as
long as the new ones are of the same kinds.

What nbval does not compare it does not see change: after a change to how a picture is drawn, use
--fresh.
"""

import argparse
import copy
import hashlib
import os
import re
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbval.plugin import coalesce_streams, get_sanitize_patterns

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
SANITIZE = ROOT / "tests" / "nbval_sanitize.cfg"
CELL_TIMEOUT_S = 60

KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
# As ipykernel gives it, less the version of Python: it would change with each Python that runs the
# notebooks.
LANGUAGE_INFO = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
CELL_METADATA = {"tags", "jupyter", "deletable", "editable"}
ANSWER = "exercises.answer("  # in a cell whose output is folded: running it unfolds it
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
NOT_COMPARED = {"image/png", "image/jpeg", WIDGET_VIEW}  # as nbval has it


# ---- the form in which a notebook is stored


def normalize(notebook):
    """Return the text of the file that stores this notebook.

    Cells, their ids, tags and outputs stay; metadata that a run or an editor left, and widgets, go.
    The output of a cell that answers a prediction is folded.
    The result depends on nothing but the notebook: the normalized text of a normalized notebook is
    the same text.
    """
    notebook = copy.deepcopy(notebook)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = {"kernelspec": KERNELSPEC, "language_info": LANGUAGE_INFO}
    for position, cell in enumerate(notebook.cells):
        if not cell.get("id"):
            cell["id"] = hashlib.sha256(f"{position} {cell.source}".encode()).hexdigest()[:8]
        cell.metadata = {
            key: value for key, value in cell.metadata.items() if key in CELL_METADATA and value
        }
        if cell.cell_type == "code":
            cell.outputs = tidy(cell.outputs, cell.execution_count)
            if ANSWER in cell.source:
                cell.metadata["jupyter"] = {
                    **cell.metadata.get("jupyter", {}),
                    "outputs_hidden": True,
                }
    with warnings.catch_warnings():
        warnings.simplefilter(
            "error"
        )  # what nbformat would mend with a warning is to be mended in the notebook
        return nbformat.writes(nbformat.from_dict(notebook)).rstrip("\n") + "\n"


def tidy(outputs, execution_count):
    """Return *outputs* as they are stored:

    no widget views, neighbors on one stream merged, counts as the cell's.
    """
    kept = []
    for output in copy.deepcopy(outputs):
        if "data" in output:
            output.data.pop(WIDGET_VIEW, None)
            if not output.data:
                continue
        if output.output_type == "execute_result":
            output.execution_count = execution_count
        if output.output_type == "error":
            output.traceback = [line.replace(f"{ROOT}/", "") for line in output.traceback]
        before = kept[-1] if kept else None
        if output.output_type == "stream" and before and before.get("name") == output.name:
            before.text += output.text
        else:
            kept.append(output)
    return kept


# ---- when two runs showed the same


def sanitizer(path=SANITIZE):
    """Return the function that nbval applies to a text before it compares it, from the file of
    regexes at *path*.
    """
    patterns = get_sanitize_patterns(path.read_text(encoding="utf-8"))

    def sanitize(value):
        if isinstance(value, str):
            for pattern, replacement in patterns:
                value = re.sub(pattern, replacement, value)
        return value

    return sanitize


def compared(outputs, sanitize):
    """Return what nbval compares of *outputs*:

    the values, in order, of each stream, mime type and error field.
    """
    values = defaultdict(list)
    for output in coalesce_streams(copy.deepcopy(outputs)):
        if output.output_type == "stream":
            values[output.name].append(sanitize(output.text))
        elif output.output_type == "error":
            values["ename"].append(sanitize(output.ename))
            values["evalue"].append(sanitize(output.evalue))
        else:
            for mime, value in output.data.items():
                if mime not in NOT_COMPARED:
                    values[mime].append(sanitize(value))
    return dict(values)


def kinds(outputs):
    """Return the kinds of *outputs* in order.

    Where stderr falls between them is chance, so it is named at the end.
    """
    rest = [
        (o.output_type, o.get("name"), sorted(o.get("data", ())))
        for o in outputs
        if o.get("name") != "stderr"
    ]
    return rest, any(o.get("name") == "stderr" for o in outputs)


def keep_stored(cell, stored, new, sanitize):
    """Say whether the *stored* outputs of this cell may stay, now that running it gave *new*
    ones.
    """
    if kinds(stored) != kinds(new):
        return False
    if "nbval-ignore-output" in cell.metadata.get("tags", []):
        return bool(stored)
    return compared(stored, sanitize) == compared(new, sanitize)


# ---- running


def read(path):
    """Return the notebook at *path* as it is: nothing is checked, and no missing cell id is made
    up.

    Raises RuntimeError if the file is not JSON.
    """
    try:
        return nbformat.v4.reads_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RuntimeError(
            f"the file is not JSON, so not a notebook: {error}. Take it from git again."
        ) from error


def run(path, fresh=False):
    """Run the notebook at *path*, and store it if what is stored changes.

    Returns the execution counts of the cells that have new outputs, and whether the file was
    written. Raises RuntimeError, which names the cell, if one raised, took longer than
    CELL_TIMEOUT_S or ended the kernel; nothing is stored then.
    """
    stored = read(path)
    new = copy.deepcopy(stored)
    for cell in new.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    running = []
    nobody = tempfile.TemporaryDirectory(
        prefix="epollkit-"
    )  # what whoever runs this has done is not stored
    client = NotebookClient(
        new,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        store_widget_state=False,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        on_cell_start=lambda cell, cell_index: running.append(cell_index),
    )
    try:
        with nobody:
            client.execute(env=os.environ | {"XDG_DATA_HOME": nobody.name})
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        number = (
            sum(cell.cell_type == "code" for cell in new.cells[: running[-1] + 1]) if running else 0
        )
        what = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
        raise RuntimeError(
            f"code cell {number} (id {new.cells[running[-1]].get('id')}) failed:\n{what}"
            if running
            else f"the kernel did not start: {what}"
        ) from error

    sanitize = sanitizer()
    changed = []
    for before, after in zip(stored.cells, new.cells, strict=True):
        if after.cell_type != "code":
            continue
        old = tidy(before.outputs, after.execution_count)
        outputs = tidy(after.outputs, after.execution_count)
        if not fresh and keep_stored(after, old, outputs, sanitize):
            after.outputs = old
        else:
            after.outputs = outputs
            if old != outputs:
                changed.append(after.execution_count)
    text = normalize(new)
    written = text != path.read_text(encoding="utf-8")
    if written:
        path.write_text(text, encoding="utf-8")
    return changed, written


def find(names):
    """Return the notebooks that *names* name (all, if there are none).

    Exits where a name names nothing.
    """
    everything = sorted(NOTEBOOKS.glob("*.ipynb"))
    if not names:
        return everything
    chosen = []
    for name in names:
        fitting = [path for path in everything if path.name.startswith(name)]
        if not fitting and Path(name).suffix == ".ipynb" and Path(name).is_file():
            fitting = [Path(name).resolve()]
        if not fitting:
            there = ", ".join(path.stem for path in everything) or "none"
            sys.exit(f"No notebook's name begins with {name!r}. There are: {there}.")
        chosen += fitting
    return chosen


def main(arguments=None):
    """Run the notebooks that the command line names.

    Returns the exit status: 1 if a cell raised in any of them.
    """
    parser = argparse.ArgumentParser(description="Run the notebooks and store what changed.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="how a file name begins, or a path; none: all"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="replace every stored output, pictures included"
    )
    options = parser.parse_args(arguments)
    status = 0
    for path in find(options.names):
        start = time.monotonic()
        try:
            changed, written = run(path, options.fresh)
        except RuntimeError as error:
            print(f"{path.name}: nothing is stored, {error}\n", flush=True)
            status = 1
            continue
        what = "unchanged"
        if changed:
            what = f"stored, new outputs in code cell {', '.join(map(str, changed))}"
        elif written:
            what = "stored, the same outputs"
        print(f"{path.name}: {what} ({time.monotonic() - start:.0f} s)", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
