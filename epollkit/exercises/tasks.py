"""The exercises: what is asked, on which streams, and what helps.  Whoever judges them needs to know no more.

A task makes, for each round, a `Scene` from a random number generator: same seed, same scene.
"""

import os
import random
from collections.abc import Callable
from dataclasses import dataclass

from .. import kernel
from . import solutions
from .scene import Scene, is_empty, is_full, wait_until_settled

ROUNDS = 3


@dataclass(frozen=True)
class Task:
    """One exercise.

    `text` says what is asked, `wanted` in one sentence what is judged; `stub` is what the learner begins with.
    `set_up(rng, round)` opens the streams of a round, counted from 0, and returns its `Scene`.
    """

    id: str
    title: str
    text: str
    stub: str
    wanted: str
    hint: str
    further_hint: str
    set_up: Callable
    solution: Callable


# read-everything

def a_writer_in_pieces(rng, round):
    """A writer sends some pieces, each when the one before has been taken, and closes its end."""
    r, w = os.pipe()
    pieces = [rng.randbytes(size) for size in (rng.randint(1, 40), 1024, rng.randint(200, 900), rng.randint(1, 99))]

    def part(scene, attempt):
        for piece in pieces:
            wait_until_settled(scene, attempt, lambda: is_empty(r))
            if not attempt.is_over:
                os.write(w, piece)
        wait_until_settled(scene, attempt, lambda: is_empty(r))
        scene.close(w)

    return Scene({"r": r, "w": w}, (r,), b"".join(pieces), part, "writer")


# first-of-two

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


# write-all

def a_slow_reader(rng, round):
    """The writer's end does not block; a reader takes some of it whenever the writer can do nothing more."""
    r, w = os.pipe()
    os.set_blocking(w, False)
    room = kernel.capacity(w)
    data = rng.randbytes(room * 2 + rng.randint(1, room))

    def part(scene, attempt):
        while not attempt.is_over:
            wait_until_settled(scene, attempt, lambda: is_full(w))
            if not attempt.is_over:
                scene.received += os.read(r, rng.randint(room // 4, room))
        while kernel.bytes_waiting(r):
            scene.received += os.read(r, room)

    return Scene({"w": w, "r": r}, (w, data), data, part, "reader", is_received=True)


TASKS = {task.id: task for task in (
    Task(
        id="read-everything",
        title="Read a stream until its end",
        text="Complete read_everything(r): r is the read end of a pipe. Return every byte that comes, in one bytes "
             "object, when the stream has ended.",
        stub='def read_everything(r):\n    """Return all bytes that come from r, until its end."""\n    ...\n',
        wanted="every byte of the stream, in order, and one call that finds the end",
        hint="One read returns what is there, not what is still to come. What does a read return at the end?",
        further_hint="Read in a loop, and collect the pieces. A short piece is no end. The end is a read that returns b'': "
                     "then leave the loop.",
        set_up=a_writer_in_pieces,
        solution=solutions.read_everything,
    ),
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
        solution=solutions.first_of_two,
    ),
    Task(
        id="write-all",
        title="Write more than fits",
        text="Complete write_all(w, data): w is the write end of a pipe and does not block. data is more than fits, and "
             "the reader is slow. Come back when the kernel has taken all of it.",
        stub='def write_all(w, data):\n    """Write all of data to w, which does not block."""\n    ...\n',
        wanted="every byte at the reader, in order, and no call that asks in vain while the pipe is full",
        hint="os.write returns how many bytes the kernel has taken. Where are the others? And what can you wait for when "
             "it takes none?",
        further_hint="Keep what has not been taken: data = data[os.write(w, data):]. When the write is refused "
                     "(BlockingIOError), sleep in the poll() of an epoll that has w registered for EPOLLOUT, then go on.",
        set_up=a_slow_reader,
        solution=solutions.write_all,
    ),
)}


def find(id) -> Task:
    """Return the task called *id*.  Raises ValueError, and names those that there are."""
    if id not in TASKS:
        raise ValueError(f"there is no exercise {id!r}; there are {', '.join(TASKS)}")
    return TASKS[id]


def scene(id, seed, round) -> Scene:
    """Open the streams of one round of the exercise *id*: same *seed*, same bytes."""
    return find(id).set_up(random.Random(f"{id} {seed} {round}"), round)
