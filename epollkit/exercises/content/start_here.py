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
        text="You write to a pipe twice and ask the epoll once. How many events does `poll` return?",
        why=lambda count: {
            0: "There was nothing in the pipe when `poll` looked.",
            1: "An event is not a message that says 'somebody wrote'. It answers your question about `r`: is there "
            "something to read? There is. That is one yes, however many writes it took.",
        }.get(count, "More than one stream had something for you: one event for each of them."),
        choices={0: "none", 1: "one", 2: "two"},
    ),
    Question(
        id="half-read",
        text="There are six bytes in the pipe. You ask, read three of them, and ask again. What does the second "
        "`poll` return?",
        why=lambda is_same: (
            "Three bytes are left. You asked whether there is something to read, and there still is."
            if is_same
            else "Nothing was left to read, or the epoll was asked for changes only."
        ),
        choices={True: "the same event once more", False: "nothing: you have been told already"},
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
        text=(
            "Complete is_readable(r): r is the read end of a pipe. Return True if there is "
            "something to read now, else False. Do not wait, take nothing out, leave nothing "
            "open."
        ),
        stub='def is_readable(r):\n    """Return whether r has something to read now."""\n    ...\n',
        wanted="the right answer at once, with nothing taken out of the pipe and nothing left open",
        hint=(
            "An epoll that you make for this one question will do. How long does its poll "
            "wait, if you do not say?"
        ),
        further_hint=(
            "Create an epoll in a with block, register r for EPOLLIN, and call poll(0). An "
            "empty list means: no."
        ),
        tried="a pipe that was empty, one that held bytes, and one whose bytes had been read",
        returns=(bool,),
        set_up=a_pipe_with_or_without,
        solution=is_readable,
    ),
)
