"""What notebook 08b asks: its questions, its exercises, and a solution of each exercise.

You have read this far before you tried?  Close this file, try first, then ask for ``solution(id)``.
"""

import os
import select
import socket

from ... import linux
from ..question import Question
from ..scene import Scene, is_empty, wait_until_settled
from ..task import Task


def why_too_many(often):
    if often == "thousands":
        return (
            "The first caller got the last number. The others stay in the backlog, so the listener stays "
            "readable, and a level-triggered poll says so at once, every time: the server spins."
        )
    if often == "twice":
        return "Each caller that could not be accepted was refused once."
    return "A number became free, so the next accept succeeded."


def why_second(state):
    if state == "asleep":
        return (
            "The report was true when it was made, and out of date when worker 2 acted. A blocking accept "
            "then sleeps until the next caller comes, and all of worker 2's own clients wait with it."
        )
    if state == "BlockingIOError":
        return (
            "The listener does not block: accept says that nobody is there, and the worker goes on."
        )
    return "A second caller was waiting."


QUESTIONS = (
    Question(
        id="one-caller-too-many",
        text="Three callers wait, and one file descriptor is left. For a fifth of a second the server "
        "goes on as described. How often does `accept` fail?",
        why=why_too_many,
        choices={
            "once": "once; then `poll` sleeps until a number is free",
            "twice": "twice: once for each caller that cannot be let in",
            "thousands": "thousands of times",
        },
    ),
    Question(
        id="second-worker",
        text="Both workers were told of the one caller, and worker 1 has accepted it. What does the "
        "`accept` of worker 2 do?",
        why=why_second,
        choices={
            "BlockingIOError": "it raises `BlockingIOError`: nobody is there",
            "accepted": "it returns the same connection once more",
            "asleep": "it sleeps until another caller comes",
        },
    ),
)

#: Bytes that a line may have, and that the server may hold of a caller.
LONGEST, MOST_IN_HAND = 50_000, 150_000


def lines_without_an_end(rng, round):
    """Two callers: one talks in lines that arrive in pieces, one sends a line that never ends.

    First the one that talks leaves in the middle of a line; then with an answer unread, which
    resets the connection; then the other one's long line does end, and one without an end follows.
    """
    (a, a_end), (b, b_end) = ([end.detach() for end in socket.socketpair()] for _ in range(2))
    for end in (a, a_end, b, b_end):
        os.set_blocking(end, False)
    (talk, talk_end), (flood, flood_end) = ((a, a_end), (b, b_end))[:: -1 if round == 1 else 1]
    word = rng.randbytes(6).hex().encode()
    pieces = [b"one " + word + b"\ntw", b"o\nthree\nhalf a li"]
    endless = b"A" * (40_000 + rng.randint(0, 999))
    wanted = b"one " + word + b"\ntwo\nthree\n"
    if round == 2:
        wanted += endless + b"\n"

    def part(scene, attempt):
        def settle():
            wait_until_settled(scene, attempt, lambda: is_empty(talk, flood))

        def send(end, data):
            settle()
            if not attempt.is_over:
                os.write(end, data)
            settle()

        def receive(end):
            while linux.bytes_waiting(end):
                scene.received += os.read(end, 65_536)

        send(flood_end, endless)
        for piece in pieces:
            send(talk_end, piece)
            receive(talk_end)
        if round == 1:
            send(talk_end, b"ne\n")  # nobody reads the answer
        scene.close(talk_end)
        if round == 2:
            send(flood_end, b"\n")
            receive(flood_end)
        for _ in range(8):
            send(flood_end, endless)
        settle()
        scene.close(flood_end)

    return Scene(
        {"a": a, "b": b, "a's caller": a_end, "b's caller": b_end},
        (a, b),
        wanted,
        part,
        "callers",
        is_received=True,
        most_in_hand=MOST_IN_HAND,
    )


def whole_lines(a, b):
    half = {a: b"", b: b""}
    with select.epoll() as ep:
        for fd in half:
            ep.register(fd, select.EPOLLIN)
        while half:
            for fd, _ in ep.poll():
                try:
                    data = os.read(fd, 65_536)
                    whole, newline, half[fd] = (half[fd] + data).rpartition(b"\n")
                    if newline:
                        os.write(fd, whole + newline)
                except OSError:
                    data = b""
                if not data or len(half[fd]) > 50_000:
                    ep.unregister(fd)
                    del half[fd]


TASKS = (
    Task(
        id="whole-lines",
        title="Whole lines, and no line without an end",
        text=(
            "Complete whole_lines(a, b): a and b are your ends of two connections, as file "
            "descriptors; they do not block, and os.read and os.write work with them. Send back each line "
            "as soon as it is complete; half a line waits for its other half. Let go of a caller "
            "who has left, whose connection was reset, or whose line is longer than 50,000 bytes: "
            "unregister it, and do not close it. Return when both are gone. The callers read what you send, "
            "so one write is enough."
        ),
        stub="def whole_lines(a, b):\n"
        '    """Send back whole lines to a and b, until both are gone."""\n    ...\n',
        wanted=(
            "every complete line back at its caller at once, at most 150,000 bytes held of a "
            "caller, and neither an error nor an endless line of one caller that harms the other"
        ),
        hint=(
            "What you read may hold several lines, or end in the middle of one. What do you keep of it, "
            "and for whom? And which of your calls can raise an error?"
        ),
        further_hint=(
            "Keep what is not complete in a dictionary, one for each caller. rpartition(b'\\n') splits what "
            "you have into whole lines, the newline, and the rest. Put try around the read and the "
            "write of one caller; an OSError is the end of this caller only."
        ),
        tried=(
            "two socketpairs: one caller whose lines came in pieces, and who left in the middle of "
            "one, or by a reset; and one who sent 400,000 bytes without a newline"
        ),
        needs_epoll=True,
        set_up=lines_without_an_end,
        solution=whole_lines,
    ),
)
