"""What notebook 01 asks: its questions, its exercises, and a solution of each exercise.

You have read this far before you tried?  Close this file, try first, then ask for ``solution(id)``.
"""

import os
import select

from ..question import Question
from ..scene import Scene, is_empty, wait_until_settled
from ..task import Task

QUESTIONS = (
    Question(
        id="nothing-to-read",
        text="B reads from a non-blocking pipe. There is nothing in it, and A may still write. What does `os.read` do?",
        why=lambda value: (
            "A non-blocking call must answer at once, and there is nothing to give. The error EAGAIN means 'not yet'; "
            "Python raises it as `BlockingIOError`."
            if value == "BlockingIOError"
            else "Something was there, or nothing will ever come again: that is the end of the stream, and no error."
        ),
        choices={
            "b''": "return `b''`",
            "None": "return `None`",
            "BlockingIOError": "raise `BlockingIOError`",
        },
    ),
    Question(
        id="second-door",
        text="B sleeps in `os.read(r1, 64)`. A puts a parcel at the second door, `r2`. What does B do?",
        why=lambda is_asleep: (
            "The courier rang at door two, and B's bed stands behind door one: a `read` sleeps at one stream, and "
            "only that one wakes it. Only the parcel at door one woke B."
            if is_asleep
            else "The bytes came to the stream at which B slept."
        ),
        choices={False: "wake up and find it", True: "sleep on"},
    ),
)


def a_writer_in_pieces(rng, round):
    """A writer sends some pieces, each when the one before has been taken, and closes its end."""
    r, w = os.pipe()
    pieces = [
        rng.randbytes(size)
        for size in (rng.randint(1, 40), 1024, rng.randint(200, 900), rng.randint(1, 99))
    ]

    def part(scene, attempt):
        for piece in pieces:
            wait_until_settled(scene, attempt, lambda: is_empty(r))
            if not attempt.is_over:
                os.write(w, piece)
        wait_until_settled(scene, attempt, lambda: is_empty(r))
        scene.close(w)

    return Scene({"r": r, "w": w}, (r,), b"".join(pieces), part, "writer")


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


def read_everything(r):
    pieces = []
    while piece := os.read(r, 4096):
        pieces.append(piece)
    return b"".join(pieces)


def first_of_two(r1, r2):
    with select.epoll() as ep:
        ep.register(r1, select.EPOLLIN)
        ep.register(r2, select.EPOLLIN)
        fd, mask = ep.poll()[0]
        return os.read(fd, 4096)


TASKS = (
    Task(
        id="read-everything",
        title="Read a stream until its end",
        text=(
            "Complete read_everything(r): r is the read end of a pipe. Return every byte that "
            "comes, in one bytes object, when the stream has ended."
        ),
        stub='def read_everything(r):\n    """Return all bytes that come from r, until its end."""\n    ...\n',
        wanted="every byte of the stream, in order, and one call that finds the end",
        hint=(
            "One read returns what is there, not what is still to come. What does a read "
            "return at the end?"
        ),
        further_hint=(
            "Read in a loop, and collect the pieces. A short piece is not the end. The end is a "
            "read that returns b'': then leave the loop."
        ),
        tried=(
            "a pipe whose writer sends four pieces, each when the last has been taken, and leaves"
        ),
        returns=(bytes,),
        set_up=a_writer_in_pieces,
        solution=read_everything,
    ),
    Task(
        id="first-of-two",
        title="Wait at two doors at once",
        text=(
            "Complete first_of_two(r1, r2): both are read ends of pipes, and a parcel comes to "
            "one of them. Sleep until then. Return the bytes of the parcel."
        ),
        stub='def first_of_two(r1, r2):\n    """Return the bytes of whichever stream gets some first."""\n    ...\n',
        wanted=(
            "the parcel, from whichever stream it came, and no call that asks in vain while "
            "there is none"
        ),
        hint="A read of r1 sleeps at r1, whatever lies in r2. Which call sleeps at both?",
        further_hint=(
            "Register r1 and r2 with a select.epoll() for EPOLLIN. Its poll() sleeps, and "
            "returns pairs (fd, mask): read from that fd only. Then close the epoll, or use it "
            "in a with block."
        ),
        tried="two pipes and one parcel, which came to the first or to the second",
        returns=(bytes,),
        set_up=two_writers,
        solution=first_of_two,
    ),
)
