"""check(): run an attempt apart, on real streams, and say what the kernel saw of it."""

import ast
import inspect
import linecache
import tempfile
import textwrap
from dataclasses import replace
from pathlib import Path

from ..sandbox import run_apart
from . import rules
from .content import find_task
from .progress_file import note
from .runner import run_rounds
from .task import ROUNDS
from .verdict import Said, Solution, Verdict

_attempted = set()


def check(id, attempt, seed=0) -> Verdict:
    """Run *attempt*, a function, as an attempt at the exercise *id*, and judge what it did.

    It runs in a child process, on streams made for it, for several rounds with data that *seed*
    makes, and is killed after five seconds: whatever it does, it does no harm here.  An untouched
    stub is not run.  Returns a `Verdict`; ``.is_right`` tells whether it is right.  Ctrl-C, or ■ in
    a notebook, ends the check and nothing else.

    Raises ValueError if there is no such exercise.
    """
    task = find_task(id)
    if is_stub(attempt):
        return Verdict(task, "not attempted yet", "", seed)
    _attempted.add(id)
    if not callable(attempt):
        return Verdict(
            task,
            "nonsense",
            f"check() got {type(attempt).__name__} where it wants your function: "
            "give it the name of the function, with no parentheses after it",
            seed,
        )
    verdict = examine(task, attempt, seed)
    if verdict.state not in ("stopped", "no verdict"):
        verdict = replace(verdict, remark=note(id, "right" if verdict.is_right else "tried"))
    return verdict


def examine(task, function, seed) -> Verdict:
    """Run *function* apart, and judge every round that it came to."""
    with tempfile.TemporaryDirectory(prefix="epollkit-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        how = run_apart(run_rounds, task.id, function, seed, name)
        if how == "stopped":
            return Verdict(task, "stopped", "you stopped the check", seed)
        output = read(folder / "output")
        if failure := read(folder / "failure"):
            return Verdict(
                task,
                "no verdict",
                f"the check could not go on: {failure.splitlines()[-1]}",
                seed,
                output=output,
            )
        round = None
        for number in range(ROUNDS):
            path = folder / f"round-{number}"
            if not path.with_suffix(".json").exists():
                return Verdict(task, *UNFINISHED[how], seed, number + 1, output=output)
            round = rules.load(path, number + 1)
            output = round.found["output"]
            if finding := rules.judge(round):
                return Verdict(
                    task,
                    finding.state,
                    finding.seen,
                    seed,
                    round.number,
                    round.log,
                    finding.call,
                    output,
                )
    return Verdict(
        task,
        "right",
        f"{task.wanted}, in each of {ROUNDS} rounds",
        seed,
        round.number,
        round.log,
        output=output,
    )


UNFINISHED = {
    "ended": ("ended", "your function ended the whole process, as os._exit does; it is to return"),
    "killed": (
        "took too long",
        "your function let nothing else run for five seconds, and was killed",
    ),
}


def read(path) -> str:
    """Return the text of the file at *path*; an empty one if there is none."""
    return path.read_bytes()[:100_000].decode(errors="replace") if path.exists() else ""


def is_stub(function) -> bool:
    """Tell whether the body of *function* is empty still:

    a docstring, ``...``, ``pass``, NotImplementedError.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # not a function that was written down as text
        return False
    if not tree.body or not isinstance(tree.body[0], ast.FunctionDef):
        return False
    return all(
        isinstance(one, ast.Pass)
        or (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
        or (
            isinstance(one, ast.Raise)
            and one.exc is not None
            and "NotImplementedError" in ast.unparse(one.exc)
        )
        for one in tree.body[0].body
    )


def solution(id) -> Solution | Said:
    """Return a solution of the exercise *id*: its source, and a recording of it running.

    Only after an attempt in this session; before it, a sentence that says so.  Raises ValueError if
    there is no such exercise.
    """
    task = find_task(id)
    if id not in _attempted:
        return Said(
            f'Try it first: check("{id}", …) with a function of yours. Then this shows a solution.'
        )
    source = inspect.getsource(task.solution)
    place, names = f"solution of {id}", dict(task.solution.__globals__)
    linecache.cache[place] = len(source), None, source.splitlines(True), place
    exec(compile(source, place, "exec"), names)
    return Solution(source, examine(task, names[task.solution.__name__], seed=0))
