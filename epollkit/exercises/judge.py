"""check(): run an attempt apart, on real streams, and say what the kernel saw of it."""

import signal
from dataclasses import replace

from ..sandbox import run_apart
from . import rules
from .content import find_task
from .progress_file import note
from .runner import run_rounds
from .task import ROUNDS, NotAnAttempt
from .verdict import Said, Solution, Verdict

#: Seconds until an attempt that lets nothing else run, not even what looks after it, is ended.
LIMIT_S = 10.0

_attempted = set()


def check(id, attempt, seed=0) -> Verdict:
    """Run *attempt*, a function, as an attempt at the exercise *id*, and judge what it did.

    Where the exercise is to put steps in order, *attempt* is a list of their letters.  It runs in a
    child process, on streams made for it, for several rounds with data that *seed* makes, and is
    ended after a few seconds: whatever it does, it does no harm here.  An untouched stub is not
    run.  Returns a `Verdict`; ``.is_right`` tells whether it is right.  Ctrl-C, or ■ in a notebook,
    ends the check and nothing else.

    Raises ValueError if there is no such exercise.
    """
    task = find_task(id)
    if task.is_untouched(attempt):
        return Verdict(task, "not attempted yet", "")
    _attempted.add(id)
    try:
        function = task.function(attempt)
    except NotAnAttempt as reason:
        return Verdict(task, "not an answer yet", str(reason))
    verdict = examine(task, function, seed)
    if verdict.state not in ("stopped", "no verdict"):
        verdict = replace(verdict, remark=note(id, "right" if verdict.is_right else "tried"))
    return verdict


def examine(task, function, seed) -> Verdict:
    """Run *function* apart, and judge every round that it came to."""
    with run_apart(run_rounds, task.id, function, seed, limit_s=LIMIT_S) as child:
        if child.how == "stopped":
            return Verdict(task, "stopped", "you stopped the check")
        if child.failure:
            seen = f"the check could not go on: {child.failure}"
            return Verdict(task, "no verdict", seen, output=child.output)
        rounds = []
        for number in range(ROUNDS):
            round = rules.load(child.folder / f"round-{number}", task)
            if round is None:
                return Verdict(task, *unfinished(child), output=child.output)
            finding = rules.judge(round)
            if finding:
                break
            rounds.append(round)
        else:
            round = max(rounds, key=lambda round: len(round.log))  # there is most to see in it
            finding = rules.Finding("right", task.wanted + rules.closed_by_luck(round))
        return Verdict(
            task, finding.state, finding.seen, round.log, finding.call, round.found["output"]
        )


def unfinished(child) -> tuple:
    """Tell why *child* left less than it should, as a state and a sentence."""
    if child.how == "killed":
        return (
            "took too long",
            f"your function let nothing else run for {LIMIT_S:g} seconds, and was ended",
        )
    if child.signal:
        name = signal.Signals(child.signal).name
        return (
            "ended",
            f"{name} ended the process in which your function ran, before the function returned",
        )
    return "ended", "your function ended the whole process, as os._exit does; it should return"


def solution(id) -> Solution | Said:
    """Return a solution of the exercise *id*: its source, and a recording of it running.

    Only after an attempt in this session; before it, a sentence that says so.  Raises ValueError if
    there is no such exercise.
    """
    task = find_task(id)
    if id not in _attempted:
        return Said(
            f'Try it first: check("{id}", …) with an attempt of yours. Then this shows a solution.'
        )
    return Solution(task.source(), examine(task, task.solved(), seed=0))
