"""What notebook 03 asks: its questions, its exercises, and a solution of each exercise.

You have read this far before you tried?  Close this file, try first, then ask for ``solution(id)``.
"""

import os
import select

from ..question import Question
from ..scene import Scene, nobody_acts
from ..task import Task


def why_so_many(count):
    if count == 3:
        return (
            "The number limits nothing: Linux ignores it, and Python only checks that it is positive. Three streams "
            "are ready, so `poll` returns three events."
        )
    return "`poll` returns what is ready of all that is registered; the number in `epoll(1)` limits nothing."


def why_that_one(name):
    return {
        "inner": "`outer` was told about one thing only, `inner`, and it says one thing about it: readable, ask it. Where "
        "the parcel lies, only `inner` can tell. An epoll is readable while its own `poll` would find something.",
        "nothing": "None of the streams of `inner` is ready, so `inner` is not readable, and `outer` has nothing to report.",
        "r": "`r` itself is in this epoll's list.",
        "error": "EINVAL or ELOOP: an epoll in its own list would have to ask itself, without an end.",
    }.get(name, "More than one entry of this epoll's list is ready.")


QUESTIONS = (
    Question(
        "epoll-of-one",
        "`select.epoll(1)`, then three pipes are registered, and there is a byte in each of them. How many events does "
        "`poll` return?",
        why_so_many,
        {
            1: "1: that is what `epoll(1)` is for",
            3: "3",
            "error": "none: the second `register` raises an error",
        },
    ),
    Question(
        "epoll-inside",
        "`inner` watches `r`, `outer` watches `inner`, and a parcel comes to `r`. What does `outer.poll(0)` report?",
        why_that_one,
        {
            "nothing": "nothing: `outer` knows of no stream",
            "r": "`r`: that is where the parcel lies",
            "inner": "`inner`",
            "error": "none of these: `outer.register(inner)` raises an error",
        },
    ),
)


def some_pipes(rng, round):
    """Pipes with nothing in them, but in two of the three rounds:

    in one of them something, and never in the first.
    """
    pipes = [os.pipe() for _ in range(rng.randint(3, 9))]
    is_there = (True, False, rng.random() < 0.5)[round]
    if is_there:
        os.write(rng.choice(pipes[1:])[1], rng.randbytes(rng.randint(1, 99)))
    streams = {
        f"{name}{place}": end
        for place, ends in enumerate(pipes, 1)
        for name, end in zip("rw", ends, strict=True)
    }
    case = "something lay in one of them" if is_there else "nothing lay in any of them"
    return Scene(
        streams,
        ([r for r, _ in pipes],),
        is_there,
        nobody_acts,
        "nobody",
        case=case,
        is_untouched=True,
    )


def anything_readable(streams):
    with select.epoll() as ep:
        for stream in streams:
            ep.register(stream, select.EPOLLIN)
        return bool(ep.poll(0))


TASKS = (
    Task(
        id="anything-readable",
        title="Ask many at once, and leave nothing behind",
        text=(
            "Complete anything_readable(streams): a list of read ends of pipes. Return True if "
            "there is something to read in any of them, else False. Do not sleep, take no "
            "byte, and leave nothing open."
        ),
        stub="def anything_readable(streams):\n"
        '    """Return whether there is something to read in any of streams."""\n    ...\n',
        wanted="the right answer at once, every byte where it was, and no epoll left open",
        hint=(
            "One epoll can watch them all. And poll(0) looks without sleeping. Who closes the "
            "epoll?"
        ),
        further_hint=(
            "with select.epoll() as ep: register each stream for EPOLLIN, then ep.poll(0) "
            "returns a list, which is empty if nothing is there. bool(...) makes True or False "
            "of it."
        ),
        tried="three to nine pipes, with bytes in one of them or in none",
        returns=(bool,),
        set_up=some_pipes,
        solution=anything_readable,
    ),
)
