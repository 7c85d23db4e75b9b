"""What a learner has done so far, in one small file.

Facts about files
-----------------
* Two notebooks are two processes.  Who reads a file, changes it and writes it back may lose what
  another wrote meanwhile.
* Who is stopped while writing leaves half a file.  A rename replaces a file whole, or not at all.
* A home may be read-only, or full; Binder's is gone in an hour.

What we do about them
---------------------
Each change is made under a lock on a file of its own, and renamed into place.  What cannot be kept
in the file is kept in memory, and said.  A file that cannot be understood is put aside, and said.
The whole can be written out and read in again as one line of text.

*Source:* flock(2), rename(2).
"""

import contextlib
import fcntl
import json
import os
import tempfile
from pathlib import Path

import platformdirs

from .content import NOTEBOOKS

#: What the line of text begins with.
FIRST_WORD = "epollkit:"
STATES = ("right", "wrong", "tried")
_session = {}


def path() -> Path:
    """Return where progress is kept: a file in the user's data directory."""
    return platformdirs.user_data_path("epollkit") / "progress.json"


def note(id, state) -> str:
    """Note that the question or exercise *id* is now in *state*: right, wrong, or tried.

    An exercise that was right once stays right.  Returns a sentence if it could not be kept in the
    file, else "".
    """
    _session.update(_better(_session, {id: state}))
    return _keep({id: state})


def read() -> tuple[dict, str]:
    """Return what has been done, id → state, and a sentence if something was wrong with the
    file, else "".
    """
    found, trouble = _load()
    return {**found, **_better(found, _session)}, trouble


def restore(line) -> "Progress":
    """Take *line*, which `Progress.line` once gave, and add it to what is known.  Returns the
    whole.

    Raises ValueError if it is no such line.
    """
    first, *words = str(line).split() or [""]
    pairs = [word.rpartition("=")[::2] for word in words]
    if first != FIRST_WORD or not all(id and state in STATES for id, state in pairs):
        raise ValueError(
            f"got {str(line)[:60]!r}, and want a line that begins with {FIRST_WORD!r} and goes on with words "
            "as two-writes=right: copy the whole line that progress().line gave"
        )
    _session.update(_better(_session, dict(pairs)))
    return Progress(_keep(dict(pairs)))


def _better(known, news) -> dict:
    return {
        id: "right" if state == "tried" and known.get(id) == "right" else state
        for id, state in news.items()
    }


def _load() -> tuple[dict, str]:
    where = path()
    try:
        found = json.loads(where.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or not all(state in STATES for state in found.values()):
            raise ValueError("it holds something else than progress")
        return found, ""
    except FileNotFoundError:
        return {}, ""
    except OSError as error:
        return (
            {},
            f"{where} cannot be read ({error.strerror}): what is shown here is only of this session.",
        )
    except ValueError:
        with contextlib.suppress(OSError):
            where.replace(where.with_suffix(".broken"))
            return (
                {},
                f"{where} could not be understood; it is kept as {where.with_suffix('.broken').name}.",
            )
        return {}, f"{where} could not be understood."


def _keep(news) -> str:
    where = path()
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        with open(where.with_suffix(".lock"), "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # closing it lets go
            found, trouble = _load()
            if where.exists() and trouble:
                return f"Not kept: {trouble}"
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", dir=where.parent, delete=False
            ) as file:
                json.dump({**found, **_better(found, news)}, file, indent=0)
            os.replace(file.name, where)
        return trouble
    except OSError as error:
        return (
            f"Not kept in {where} ({error.strerror or error}): it lasts as long as this kernel does. "
            "progress().line is a line to take along."
        )


class Progress:
    """What is done and what is open: shows itself in a cell as a table, a row for each notebook."""

    def __init__(self, trouble=""):
        self.states, said = read()
        self.trouble = trouble or said

    @property
    def line(self) -> str:
        """All of it as one line of text, for `restore`."""
        return " ".join(
            [FIRST_WORD, *(f"{id}={state}" for id, state in sorted(self.states.items()))]
        )

    def rows(self) -> list[tuple]:
        """Return for each notebook that asks something:

        its name, predictions made, right ones, all; and the exercises.
        """
        found = []
        for notebook, asked in NOTEBOOKS.items():
            made = [self.states[one.id] for one in asked.QUESTIONS if one.id in self.states]
            tasks = [(one.title, self.states.get(one.id, "open")) for one in asked.TASKS]
            if asked.QUESTIONS or asked.TASKS:
                found.append(
                    (notebook, len(made), made.count("right"), len(asked.QUESTIONS), tasks)
                )
        return found

    def __repr__(self):
        lines = [
            f"{notebook}: {made} of {count} predictions made, {right} right; "
            + "; ".join(f"{title}: {state}" for title, state in tasks)
            for notebook, made, right, count, tasks in self.rows()
        ]
        return "\n".join([*lines, *([self.trouble] if self.trouble else [])])

    def _repr_markdown_(self):
        marks = {"right": "✔", "tried": "◐", "open": "○"}
        lines = ["| notebook | predictions | exercises |", "|---|---|---|"]
        for notebook, made, right, count, tasks in self.rows():
            told = "<br>".join(
                f"{marks[state]} {title}: {'done' if state == 'right' else state}"
                for title, state in tasks
            )
            lines.append(
                f"| [{notebook}]({notebook}.ipynb) | {made} of {count} made, {right} right | {told} |"
            )
        return "\n".join([*lines, "", self.trouble])


def progress() -> Progress:
    """Return what is done and what is open, on this machine and in this kernel."""
    return Progress()
