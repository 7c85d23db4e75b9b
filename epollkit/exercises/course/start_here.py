"""What notebook 00 asks: its questions, its exercises, and a solution of each exercise.

You have read this far before you tried?  Close this file, try first, then ask for ``solution(id)``.
"""

import os

from ..scene import Scene, is_empty, wait_until_settled
from ..task import Task

QUESTIONS = ()


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


def read_everything(r):
    pieces = []
    while piece := os.read(r, 4096):
        pieces.append(piece)
    return b"".join(pieces)


TASKS = (
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
        solution=read_everything,
    ),
)
