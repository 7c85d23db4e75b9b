"""What a learner has done so far, in one small file.

Facts about files
-----------------
* Two notebooks are two processes.  If both read a file, change it and write it back, one change may
  be lost.
* A program that is stopped while it writes leaves half a file.  A rename replaces a file whole, or
  not at all.
* A home may be read-only, or full; Binder's is gone in an hour.

What we do about them
---------------------
Each change is made under a lock on a file of its own, and renamed into place; if that fails, the
new file is removed again.  What cannot be kept in the file is kept in memory, and the learner is
told.  A file that cannot be understood is put aside, and the learner is told.  The whole can be
written out and read in again as one line of text.

*Source:* flock(2), rename(2).
"""

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

try:
    import fcntl
except ImportError:  # not on Windows: two notebooks at once may lose a change there
    fcntl = None

STATES = ("right", "wrong", "tried")


@dataclass
class Done:
    """What has been done: `states`, id → right, wrong or tried; `picks`, id → the first pick."""

    states: dict = field(default_factory=dict)
    picks: dict = field(default_factory=dict)

    def add(self, news):
        """Add *news*.  What was once right or wrong stays so, and the first pick stays."""
        for id, state in news.states.items():
            if self.states.get(id, "tried") == "tried":
                self.states[id] = state
        self.picks = {**news.picks, **self.picks}


#: What was done in this process: it lasts where the file cannot be written.
session = Done()


def path() -> Path:
    """Return where progress is kept: a file in the user's data directory."""
    return platformdirs.user_data_path("epollkit") / "progress.json"


def note(id, state) -> str:
    """Note that the question or exercise *id* is now right, wrong, or tried: *state*.

    Returns a sentence if it could not be kept in the file, else "".
    """
    return keep(Done(states={id: state}))


def keep_pick(id, value) -> str:
    """Keep *value*, a text or a number, as the first pick for the question *id*, if it is the
    first.

    Returns as `note` does.
    """
    return keep(Done(picks={id: value}))


def picks() -> dict:
    """Return the first pick of each question that was picked for: id → value."""
    return read()[0].picks


def read() -> tuple[Done, str]:
    """Return what has been done, and a sentence if something was wrong with the file, else ""."""
    done, trouble = _load()
    done.add(session)
    return done, trouble


def keep(news: Done) -> str:
    """Add *news* to what is known, here and in the file.  Returns as `note` does."""
    session.add(news)
    where = path()
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        with open(where.with_suffix(".lock"), "a") as lock:
            if fcntl:
                fcntl.flock(lock, fcntl.LOCK_EX)  # closing it lets go
            done, trouble = _load()
            if where.exists() and trouble:
                return f"Not kept: {trouble}"
            done.add(news)
            _replace(where, json.dumps(vars(done), indent=0))
        return trouble
    except OSError as error:
        return (
            f"Not kept in {where} ({error.strerror or error}): it lasts as long as this notebook's "
            "Python runs. Copy the line that exercises.progress().line gives, and keep it."
        )


def _load() -> tuple[Done, str]:
    where = path()
    try:
        done = Done(**json.loads(where.read_text(encoding="utf-8")))
        values_are_plain = all(isinstance(value, str | int) for value in done.picks.values())
        if not values_are_plain or not all(state in STATES for state in done.states.values()):
            raise ValueError("not written by `keep`")
        return done, ""
    except FileNotFoundError:
        return Done(), ""
    except OSError as error:
        trouble = f"{where} cannot be read ({error.strerror}): only this session is shown here."
        return Done(), trouble
    except (ValueError, TypeError, AttributeError):
        aside = where.with_suffix(".broken")
        with contextlib.suppress(OSError):
            where.replace(aside)
            return Done(), f"{where} could not be understood. It is kept as {aside.name}."
        return Done(), f"{where} could not be understood."


def _replace(where, text):
    """Replace the file *where* by one that holds *text*; nothing else is left, whatever fails."""
    number, made = tempfile.mkstemp(dir=where.parent)
    try:
        with open(number, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(made, where)
    except BaseException:
        os.unlink(made)
        raise
