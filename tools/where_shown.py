"""Where the course shows what: every method, flag and error of epoll, and the notebooks whose cells
show it.

``python tools/where_shown.py`` writes the table into the last part of notebook 00.  A test compares
it.
"""

import importlib.util
import re
import select
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
HOME = NOTEBOOKS / "00-start-here.ipynb"
HEADING = "### Where each call, mask and error is shown"

#: what is shown → the pattern that finds it in the source of a code cell
METHODS = {
    "select.epoll()": r"select\.epoll\(",
    "sizehint": r"\bsizehint\b",
    "flags": r"\bepoll\([^)]*flags=",
    "with": r"\bwith\b.*\bselect\.epoll\(",
    "register()": r"\.register\(",
    "register() with the default mask": r"\bep\.register\(\w+\)",
    "modify()": r"\.modify\(",
    "unregister()": r"\.unregister\(",
    "poll()": r"\.poll\(",
    "poll() with maxevents": r"\bmaxevents\b",
    "fileno()": r"\bep\w*\.fileno\(\)",
    "fromfd()": r"\.fromfd\(",
    "closed": r"\.closed\b",
    "close()": r"\bep\w*\.close\(\)",
}
FLAGS = {name: rf"\b{name}\b" for name in sorted(dir(select)) if name.startswith("EPOLL")}
#: error → the pattern that finds it in a cell: its source, or what it printed
ERRORS = {
    name: rf"\b{name}\b"
    for name in (
        "EAGAIN",
        "EBADF",
        "ECONNREFUSED",
        "ECONNRESET",
        "EEXIST",
        "EINPROGRESS",
        "EINTR",
        "EINVAL",
        "ELOOP",
        "EMFILE",
        "ENOENT",
        "EPERM",
        "EPIPE",
    )
} | {"ValueError": r"I/O operation on closed epoll"}


def notebook_tool():
    """Return the module that reads and writes notebooks."""
    spec = importlib.util.spec_from_file_location(
        "epollkit_tools_notebooks", ROOT / "tools" / "notebooks.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cells(notebook) -> list[str]:
    """Return of each code cell its source, without comments, and what it printed."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            printed = "".join(output.get("text", "") for output in cell.outputs)
            found.append(re.sub(r"(?m)(^|\s)#.*$", "", cell.source) + "\n" + printed)
    return found


def shown() -> dict[str, dict[str, list[str]]]:
    """Return, for each group, what is shown → the numbers of the notebooks that show it."""
    tool = notebook_tool()
    texts = {
        path.name[:2]: cells(tool.read(path))
        for path in sorted(NOTEBOOKS.glob("[0-9][0-9]-*.ipynb"))
    }
    return {
        group: {
            name: [
                number
                for number, found in texts.items()
                if any(re.search(pattern, one) for one in found)
            ]
            for name, pattern in patterns.items()
        }
        for group, patterns in (("methods", METHODS), ("flags", FLAGS), ("errors", ERRORS))
    }


def table() -> str:
    """Return the table as markdown, with links."""
    links = {
        path.name[:2]: f"[{path.name[:2]}]({path.name})"
        for path in NOTEBOOKS.glob("[0-9][0-9]-*.ipynb")
    }
    lines = [HEADING, "", "| | shown in |", "|---|---|"]
    for found in shown().values():
        lines += [
            f"| `{name}` | {' '.join(links[number] for number in numbers)} |"
            for name, numbers in found.items()
        ]
    return "\n".join(lines)


def main() -> int:
    tool = notebook_tool()
    notebook = tool.read(HOME)
    places = [
        cell for cell in notebook.cells if cell.cell_type == "markdown" and HEADING in cell.source
    ]
    if not places:
        print(
            f"{HOME.name} has no markdown cell with the heading {HEADING!r}: "
            "write it where the table is to stand",
            file=sys.stderr,
        )
        return 1
    before, _, _ = places[0].source.partition(HEADING)
    places[0].source = before + table()
    HOME.write_text(tool.normalize(notebook), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
