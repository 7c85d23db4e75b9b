"""Where the course shows what: every method, flag and error of epoll, what it means, and the
notebooks whose cells show it.

``python tools/where_shown.py`` writes the table into notebooks/reference.ipynb. A test compares it.
"""

import importlib.util
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
HOME = NOTEBOOKS / "reference.ipynb"
HEADING = "## Where each call, mask and error is shown"

#: what is shown → the pattern that finds it in the source of a code cell, what it means
METHODS = {
    "select.epoll()": (r"select\.epoll\(", "make an epoll"),
    "sizehint": (r"\bsizehint\b", "an argument that limits nothing"),
    "flags": (r"\bflags=", "an argument that asks for what you get anyway"),
    "with": (r"\bwith\b.*\bselect\.epoll\(", "close it at the end of the block"),
    "register()": (r"\.register\(", "put a stream on the interest list"),
    "register() without a mask": (r"\bep\.register\(\w+\)", "asks for IN, PRI and OUT"),
    "modify()": (r"\.modify\(", "change the mask of an entry; re-arm a one-shot one"),
    "unregister()": (r"\.unregister\(", "take it off the list; the stream stays open"),
    "poll()": (r"\.poll\(", "wait for events; the timeout is in seconds"),
    "poll() with maxevents": (r"\bmaxevents\b", "at most so many in one answer"),
    "fileno()": (r"\bep\w*\.fileno\(\)", "the epoll's own file descriptor"),
    "fromfd()": (r"\.fromfd\(", "one more handle on an epoll that exists"),
    "closed": (r"\.closed\b", "whether it was closed"),
    "close()": (r"\bep\w*\.close\(\)", "give the file descriptor back"),
}
#: flag → its value, what it means.  The names are those of Python 3.14.
FLAGS = {
    "EPOLLIN": (0x1, "a read would not sleep"),
    "EPOLLPRI": (0x2, "something urgent"),
    "EPOLLOUT": (0x4, "a write of something would not sleep"),
    "EPOLLERR": (0x8, "an error; always on"),
    "EPOLLHUP": (0x10, "hung up; always on"),
    "EPOLLRDNORM": (0x40, "ordinary data, as IN"),
    "EPOLLRDBAND": (0x80, "a kind of IN that hardly anything reports"),
    "EPOLLWRNORM": (0x100, "ordinary room, as OUT"),
    "EPOLLWRBAND": (0x200, "a kind of OUT"),
    "EPOLLMSG": (0x400, "never reported"),
    "EPOLLRDHUP": (0x2000, "the other end will write no more; must be asked for"),
    "EPOLLEXCLUSIVE": (1 << 28, "of several epolls, wake one or more, not all"),
    "EPOLLWAKEUP": (1 << 29, "keep the machine awake; a name since Python 3.14"),
    "EPOLLONESHOT": (1 << 30, "report once, then stay silent until modify"),
    "EPOLLET": (1 << 31, "edge-triggered"),
    "EPOLL_CLOEXEC": (0x80000, "of an epoll: programs that you start do not get it"),
}
#: error → what it means.  A cell shows it in its source, or in what it printed.
ERRORS = {
    "EAGAIN": "not yet (BlockingIOError)",
    "EBADF": "no such file descriptor",
    "ECONNREFUSED": "nobody listens there",
    "ECONNRESET": "the other end has reset the connection",
    "EEXIST": "registered already",
    "EINPROGRESS": "a connect that does not block has begun",
    "EINTR": "a signal came; Python tries again by itself",
    "EINVAL": "not an epoll, or a mask or an argument that is not allowed",
    "ELOOP": "epolls in a circle, or nested too deep",
    "EMFILE": "this program has no file descriptor left",
    "ENOENT": "not registered",
    "EPERM": "this kind of stream cannot be watched: a file, a folder",
    "EPIPE": "nobody is left to read it",
    "ValueError": "the epoll is closed",
}
CLOSED = r"I/O operation on closed epoll"  # how a closed epoll is refused

#: group → what is shown → (pattern, meaning)
GROUPS = {
    "methods": METHODS,
    "flags": {
        name: (rf"\b{name}\b", f"`{bit:#x}`: {meaning}") for name, (bit, meaning) in FLAGS.items()
    },
    "errors": {
        name: (CLOSED if name == "ValueError" else rf"\b{name}\b", meaning)
        for name, meaning in ERRORS.items()
    },
}


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


def lessons() -> dict[str, Path]:
    """Return the notebooks that teach, by the number in their names, as in 08b."""
    paths = sorted(NOTEBOOKS.glob("[0-9][0-9]*-*.ipynb"))
    return {path.name.partition("-")[0]: path for path in paths}


def shown() -> dict[str, dict[str, list[str]]]:
    """Return, for each group, what is shown → the numbers of the notebooks that show it."""
    tool = notebook_tool()
    texts = {number: cells(tool.read(path)) for number, path in lessons().items()}
    return {
        group: {
            name: [
                number
                for number, sources in texts.items()
                if any(re.search(pattern, source) for source in sources)
            ]
            for name, (pattern, meaning) in rows.items()
        }
        for group, rows in GROUPS.items()
    }


def table() -> str:
    """Return the table as markdown, with links."""
    links = {number: f"[{number}]({path.name})" for number, path in lessons().items()}
    lines = [HEADING, "", "| | | shown in |", "|---|---|---|"]
    for group, rows in shown().items():
        for name, numbers in rows.items():
            meaning = GROUPS[group][name][1]
            where = " ".join(links[number] for number in numbers)
            if len(numbers) == len(links):
                where = "every notebook"
            lines.append(f"| `{name}` | {meaning} | {where} |")
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
