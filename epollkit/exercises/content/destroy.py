"""What notebook 09 asks: its questions, its exercises, and a solution of each exercise.

You have read this far before you tried?  Close this file, try first, then ask for ``solution(id)``.
"""

import os
import select

from ..question import Question
from ..scene import Scene, is_empty, wait_until_settled
from ..task import Task


def why_slept(state):
    if state == "asleep":
        return (
            "The kernel keeps the epoll until B's call is over, and nothing that B waits for has happened. "
            "Only its stream can still wake it."
        )
    return "A condition that it waited for held."


def why_owners(outcome):
    if outcome == "EBADF":
        return (
            "alias still held the number, and closed what the number referred to by then: the pipe. In "
            "the picture, the row of the pipe ends there."
        )
    return "The number that was closed was another one."


def why_early(outcome):
    if outcome == "a part, then a reset":
        return (
            "Bytes that the server had not read were thrown away by its close; TCP tells the other side of "
            "that by an RST, and an RST throws away whatever was still on its way, the reply included."
        )
    return "Nothing was unread, so close sent a FIN, after all of the reply."


QUESTIONS = (
    Question(
        id="closed-under-a-sleeper",
        text="B sleeps in `ep.poll()`, and the main thread calls `ep.close()`. What does B do?",
        why=why_slept,
        choices={
            "error": "come back with an error",
            "back": "come back with a list",
            "asleep": "sleep on",
        },
    ),
    Question(
        id="two-owners",
        text="`alias.poll` failed with EBADF. Then a pipe was made, and `alias.close()` called. What does "
        "`os.read(pipe, 64)` give?",
        why=why_owners,
        choices={
            "the data": "`precious`: alias knows that it is closed",
            "the end": "`b''`",
            "EBADF": "an error: the pipe is not open (EBADF)",
        },
    ),
    Question(
        id="early-close",
        text="The kernel has accepted the whole answer, the server closes, and 100 bytes are unread. The "
        "client then reads to the end. How much of the answer does it get?",
        why=why_early,
        choices={
            "all of it": "all of it: the kernel has accepted it",
            "a part, then the end": "a part, then `b''`",
            "a part, then a reset": "a part, then `ConnectionResetError`",
        },
    ),
)


def some_writers(rng, round):
    """Several pipes; parcels come to one after the other, the first of them last of all, and
    each writer leaves.
    """
    pipes = [os.pipe() for _ in range(rng.randint(3, 4))]
    fds = [r for r, _ in pipes]
    streams = {
        f"{name}{place}": fd
        for place, ends in enumerate(pipes, 1)
        for name, fd in zip("rw", ends, strict=True)
    }
    sizes = [rng.randint(1, 3000) for _ in range(2 * len(pipes))]

    def part(scene, attempt):
        for number, size in enumerate(sizes):
            wait_until_settled(scene, attempt, lambda: is_empty(*fds))
            w = pipes[-1 - number % len(pipes)][1]
            if not attempt.is_over:
                os.write(w, bytes(size))
            if number >= len(pipes):
                scene.close(w)

    return Scene(streams, (fds,), sum(sizes), part, "writers", case=f"{sum(sizes):,} bytes came")


def count_all(fds):
    count, rest = 0, set(fds)
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while rest:
            for fd, _ in ep.poll():
                data = os.read(fd, 4096)
                count += len(data)
                if not data:
                    ep.unregister(fd)
                    rest.remove(fd)
    return count


TASKS = (
    Task(
        id="count-all",
        title="Until everybody has left",
        text=(
            "Complete count_all(fds): a list of read ends of pipes. Return how many bytes come "
            "from all of them, until each writer has gone. Sleep while nothing is there. Leave "
            "nothing of yours open, and close nothing that is not yours."
        ),
        stub='def count_all(fds):\n    """Return how many bytes come from all of fds, until each has ended."""\n    ...\n',
        wanted=(
            "the number of bytes of all streams, each read to its end, nothing left open, "
            "nothing closed that was lent"
        ),
        hint=(
            "What does poll say about a pipe whose writer has gone, again and again? And who "
            "may take it out of the list?"
        ),
        further_hint=(
            "Read whatever poll reports. When a read gives b'', unregister that stream, and "
            "count down how many are left. When none is left, leave the loop, and let a with "
            "block close the epoll."
        ),
        tried="three or four pipes, two parcels each, whose writers leave one after the other",
        returns=(int,),
        needs_epoll=True,
        set_up=some_writers,
        solution=count_all,
    ),
)
