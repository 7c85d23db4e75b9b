"""What notebook 02 asks: its questions, its exercises, and a solution of each exercise.

You have read this far before you tried?  Close this file, try first, then ask for ``solution(id)``.
"""

import os
import select

from ... import linux
from ..question import Question
from ..scene import Scene, is_empty, is_full, wait_until_settled
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


def a_slow_far_end(rng, round):
    """Two pipes: somebody writes into the first, somebody reads from the second.

    First the reader is slow, then the writer is, then now one and now the other.
    """
    (r, source), (sink, w) = os.pipe(), os.pipe()
    for end in (r, w, source):
        os.set_blocking(end, False)
    room = linux.capacity(w)
    data = rng.randbytes(room * 4 + rng.randint(1, room))

    def part(scene, attempt):
        rest = memoryview(data)
        while not attempt.is_over:
            wait_until_settled(scene, attempt, lambda: is_empty(r) or is_full(w))
            may_write = bool(rest) and not is_full(source)
            may_read = linux.bytes_waiting(sink) > 0
            if may_write and (not may_read or (True, False, rng.random() < 0.5)[round]):
                rest = rest[os.write(source, rest[: rng.randint(1, room)]) :]
                if not rest:
                    scene.close(source)
            elif may_read:
                scene.received += os.read(sink, rng.randint(room // 4, room))
            elif not attempt.is_over:
                return
        while linux.bytes_waiting(sink):
            scene.received += os.read(sink, room)

    return Scene(
        {"r": r, "source": source, "sink": sink, "w": w},
        (r, w),
        data,
        part,
        "writer and reader",
        is_received=True,
        most_in_hand=65_536,
    )


def copy_through(r, w):
    with select.epoll() as reading, select.epoll() as writing:
        reading.register(r, select.EPOLLIN)
        writing.register(w, select.EPOLLOUT)
        while reading.poll():
            rest = os.read(r, 65_536)
            if not rest:
                return
            while rest:
                writing.poll()
                rest = rest[os.write(w, rest) :]


TASKS = (
    Task(
        id="write-all",
        title="Write more than fits",
        text=(
            "Complete write_all(w, data): w is the write end of a pipe and does not block. "
            "data is more than fits, and the reader is slow. Return once the kernel has "
            "taken all of it."
        ),
        stub='def write_all(w, data):\n    """Write all of data to w, which does not block."""\n    ...\n',
        wanted=(
            "every byte at the reader, in order, and no call that asks in vain while the pipe "
            "is full"
        ),
        hint=(
            "os.write returns how many bytes the kernel has taken. Where are the others? And "
            "what can you wait for when it takes none?"
        ),
        further_hint=(
            "Keep what has not been taken: data = data[os.write(w, data):]. When the write is "
            "refused (BlockingIOError), sleep in the poll() of an epoll that has w registered "
            "for EPOLLOUT, then go on."
        ),
        tried="a pipe, two to three times as many bytes as fit into it, and one slow reader",
        set_up=a_slow_reader,
        solution=write_all,
    ),
    Task(
        id="copy-through",
        title="Pass it on, and hold little",
        text=(
            "Complete copy_through(r, w): the read end of one pipe and the write end of "
            "another; neither blocks. Write to w all that comes from r, until its end. Whoever "
            "reads at the far end is slow: then you stop reading, so that the pipe fills up "
            "and the writer has to wait, too. Hold at most 65,536 bytes. Close neither r nor w."
        ),
        stub="def copy_through(r, w):\n"
        '    """Write to w all that comes from r, until its end; hold at most 65,536 bytes."""\n    ...\n',
        wanted=(
            "every byte at the far end, in order, at most 65,536 bytes held at any time, and "
            "no call that asks in vain"
        ),
        hint=(
            "There are two things to wait for, and never both at once. Which one is it while "
            "you hold bytes? And does a mask of 0 keep poll from telling you about a writer "
            "who has left?"
        ),
        further_hint=(
            "While you hold nothing, wait for r (EPOLLIN) only; while you hold something, for "
            "w (EPOLLOUT) only. Two epolls are one way; to unregister the other one each time "
            "is another. modify(r, 0) is not enough: EPOLLHUP is reported all the same."
        ),
        tried=(
            "two pipes, four to five times as many bytes as fit into one, a slow reader, a "
            "slow writer, and both in turn"
        ),
        set_up=a_slow_far_end,
        solution=copy_through,
        needs_epoll=True,
        is_stretch=True,
    ),
)
