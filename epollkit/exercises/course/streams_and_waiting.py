"""What notebook 01 asks: its questions, its exercises, and a solution of each exercise.

You have read this far before you tried?  Close this file, try first, then ask for ``solution(id)``.
"""

import os
import select

from ..scene import Scene, is_empty, wait_until_settled
from ..task import Task

QUESTIONS = ()


def two_writers(rng, round):
    """A parcel comes to one of two pipes, when whoever waits for it has had time to fall asleep."""
    (r1, w1), (r2, w2) = os.pipe(), os.pipe()
    parcel = b"parcel " + rng.randbytes(4).hex().encode()
    where = (w2, w1, rng.choice((w1, w2)))[round % 3]

    def part(scene, attempt):
        wait_until_settled(scene, attempt, lambda: is_empty(r1, r2))
        if not attempt.is_over:
            os.write(where, parcel)

    return Scene({"r1": r1, "w1": w1, "r2": r2, "w2": w2}, (r1, r2), parcel, part, "courier")


def first_of_two(r1, r2):
    with select.epoll() as ep:
        ep.register(r1, select.EPOLLIN)
        ep.register(r2, select.EPOLLIN)
        fd, mask = ep.poll()[0]
        return os.read(fd, 4096)


TASKS = (
    Task(
        id="first-of-two",
        title="Wait at two doors at once",
        text="Complete first_of_two(r1, r2): both are read ends of pipes, and a parcel comes to one of them. Sleep until "
             "then. Return the bytes of the parcel.",
        stub='def first_of_two(r1, r2):\n    """Return the bytes of whichever stream gets some first."""\n    ...\n',
        wanted="the parcel, from whichever stream it came, and no call that asks in vain while there is none",
        hint="A read of r1 sleeps at r1, whatever lies in r2. Which call sleeps at both?",
        further_hint="Register r1 and r2 with a select.epoll() for EPOLLIN. Its poll() sleeps, and returns pairs "
                     "(fd, mask): read from that fd only. Then close the epoll, or use it in a with block.",
        set_up=two_writers,
        solution=first_of_two,
    ),
)
