"""What notebook 02 asks: its questions, its exercises, and a solution of each exercise.

You have read this far before you tried?  Close this file, try first, then ask for ``solution(id)``.
"""

import os
import select

from ... import linux
from ..question import Question
from ..scene import Scene, is_full, wait_until_settled
from ..task import Task

QUESTIONS = (
    Question(
        id="one-byte-short",
        text="The pipe is full, and A sleeps in `write`. B reads all but one byte of the oldest page: 4,095 bytes. What "
        "does A do?",
        why=lambda is_asleep: (
            "A sleeps on, with room for 4,095 bytes: the oldest page still holds a byte, and a pipe has room again "
            "only when a whole page is free. One byte more, and A was awake."
            if is_asleep
            else "A whole page was free: there was room."
        ),
        choices={False: "wake up and write", True: "sleep on"},
    ),
    Question(
        id="which-is-full-first",
        text="You fill three streams with nobody reading: a pipe and a `socketpair` byte by byte, a TCP connection page "
        "by page. Which of them has taken the fewest bytes when it is full?",
        why=lambda name: {
            "socketpair": "A `socketpair` keeps each write as a piece of its own, and charges hundreds of bytes of "
            "bookkeeping for each: your byte is the smallest part of the bill.",
            "pipe": "This pipe is small: the kernel gives small ones to a user who has very many.",
            "same": "They took the same number of bytes.",
        }.get(name, "It took the fewest bytes."),
        choices={
            "pipe": "the pipe",
            "socketpair": "the `socketpair`",
            "TCP": "the TCP connection",
            "same": "all take the same",
        },
    ),
)


def a_slow_reader(rng, round):
    """The writer's end does not block; a reader takes some of it whenever the writer can do
    nothing more.
    """
    r, w = os.pipe()
    os.set_blocking(w, False)
    room = linux.capacity(w)
    data = rng.randbytes(room * 2 + rng.randint(1, room))

    def part(scene, attempt):
        while not attempt.is_over:
            wait_until_settled(scene, attempt, lambda: is_full(w))
            if not attempt.is_over:
                scene.received += os.read(r, rng.randint(room // 4, room))
        while linux.bytes_waiting(r):
            scene.received += os.read(r, room)

    return Scene({"w": w, "r": r}, (w, data), data, part, "reader", is_received=True)


def write_all(w, data):
    rest = memoryview(data)
    with select.epoll() as ep:
        ep.register(w, select.EPOLLOUT)
        while rest:
            try:
                rest = rest[os.write(w, rest) :]
            except BlockingIOError:
                ep.poll()


TASKS = (
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
        tried="a pipe, two to three times as many bytes as fit into it, and one slow reader",
        set_up=a_slow_reader,
        solution=write_all,
    ),
)
