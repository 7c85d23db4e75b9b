"""What notebook 00 asks: its questions, its exercises, and a solution of each exercise.

You have read this far before you tried?  Close this file, try first, then ask for ``solution(id)``.
"""

import os
import select

from ..question import Question
from ..scene import Scene, nobody_acts
from ..task import Task

QUESTIONS = (
    Question(
        id="two-writes",
        text="You write into a pipe twice, and ask once. How many events does `poll` return?",
        why=lambda count: {
            0: "Nothing lay in the pipe when `poll` looked.",
            1: "An event answers your question about `r`: there is something to read. It does not count the writes.",
        }.get(count, "More than one registration had something to say: one event for each."),
        choices={0: "none", 1: "one", 2: "two"},
    ),
    Question(
        id="half-read",
        text="Six bytes lie in the pipe. You ask, read three of them, and ask again. What does the second `poll` return?",
        why=lambda is_same: (
            "Three bytes are left. You asked whether there is something to read: there is."
            if is_same
            else "Nothing was left to read, or you had asked to be told of news only."
        ),
        choices={True: "the same event once more", False: "nothing, because you were told already"},
    ),
)


def a_pipe_with_or_without(rng, round):
    """A pipe that is empty, or holds some bytes, or held some that were read again."""
    r, w = os.pipe()
    size = rng.randint(1, 4000)
    if round:
        os.write(w, rng.randbytes(size))
    if round == 2:
        os.read(r, size)
    waiting = f"{size:,} bytes waited in r" if round == 1 else "nothing waited in r"
    return Scene(
        {"r": r, "w": w}, (r,), round == 1, nobody_acts, "nobody", case=waiting, is_untouched=True
    )


def is_readable(r):
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        return bool(ep.poll(0))


TASKS = (
    Task(
        id="is-readable",
        title="Ask, and take nothing",
        text="Complete is_readable(r): r is the read end of a pipe. Return True if there is something to read now, else "
        "False. Do not wait, take nothing out, leave nothing open.",
        stub='def is_readable(r):\n    """Return whether r has something to read now."""\n    ...\n',
        wanted="the right answer at once, with nothing taken out of the pipe and nothing left open",
        hint="An epoll that you make for this one question will do. How long does its poll wait, if you do not say?",
        further_hint="Create an epoll in a with block, register r for EPOLLIN, and call poll(0). An empty list means: no.",
        tried="a pipe that was empty, one that held bytes, and one whose bytes had been read",
        returns=(bool,),
        set_up=a_pipe_with_or_without,
        solution=is_readable,
    ),
)
