"""What notebook 08 asks: its questions, its exercises, and a solution of each exercise.

You have read this far before you tried?  Close this file, try first, then ask for ``solution(id)``.
"""

import os
import select
import socket

from ... import linux
from ..question import Question
from ..scene import Scene, is_empty, is_full, wait_until_settled
from ..task import Task


def why_slow(count):
    if count == 48:
        return "The server never slept in a call on one client, so it had time for the other."
    if count == 24:
        return (
            "The first line came in time. Then the server fell asleep in a call on the slow reader, and "
            "reads nobody else's bytes until that call returns."
        )
    if count == 0:
        return (
            "The server sleeps in a call on the slow reader. poll would report fast, but the server never "
            "gets back to poll."
        )
    return "Some bytes were lost, or came twice."


WHY_HALF = {
    "EPOLLIN, again and again": "On TCP a close sends a FIN, and that is something to read: b''. It stays "
    "readable, so a level-triggered poll reports it each time. HUP would need both directions shut down.",
    "EPOLLIN|EPOLLHUP, again and again": "Both directions of this socket are shut down: HUP, and b'' to "
    "read. Both stay.",
    "EPOLLHUP, again and again": "Nobody is left to write: HUP is a state, and it stays.",
    "EPOLLIN|EPOLLERR|EPOLLHUP, then EPOLLIN|EPOLLHUP": "The connection was reset: the first read fails, "
    "and takes ERR away. Both directions are shut down: HUP, and b'' to read, stay.",
}

QUESTIONS = (
    Question(
        id="loop-slow-reader",
        text="The slow reader sends a lot and reads nothing. Then fast sends two lines of 24 bytes. How "
        "much of them does fast get back?",
        why=why_slow,
        choices={
            48: "all 48 bytes: `poll` reports fast to the server",
            24: "the first line only",
            0: "nothing",
        },
    ),
    Question(
        id="loop-half-a-line",
        text="The server waits for a whole line and asks for `EPOLLIN`. A client sends half a line and "
        "leaves. What does `poll` report about this client from then on?",
        why=lambda reported: WHY_HALF.get(
            reported, "The mask tells the state of this socket when poll was called; see the log."
        ),
        choices={
            "EPOLLHUP, once": "`EPOLLHUP`, once",
            "EPOLLIN, once": "`EPOLLIN`, once",
            "EPOLLIN, again and again": "`EPOLLIN`, again and again",
            "EPOLLIN|EPOLLHUP, again and again": "`EPOLLIN|EPOLLHUP`, again and again",
            "nothing": "nothing: it has left",
        },
    ),
)

#: Bytes that a server may have read from one caller and not yet sent back.
MOST_IN_HAND = 262_144


def one_slow_one_fast(rng, round):
    """Two callers.

    One sends more than fits, and reads only when the other, who is quick, has left.
    """
    (a, a_end), (b, b_end) = ([end.detach() for end in socket.socketpair()] for _ in range(2))
    for end in (a, a_end, b, b_end):
        os.set_blocking(end, False)
    (slow, slow_end), (fast, fast_end) = ((a, a_end), (b, b_end))[
        :: rng.choice((1, -1)) if round > 1 else 1 - 2 * round
    ]
    much = rng.randbytes(700_000 + rng.randint(0, 99_999))
    lines = [b"line " + rng.randbytes(8).hex().encode() + b"\n" for _ in range(3)]
    echo = bytearray()  # of the slow one

    def part(scene, attempt):
        rest = memoryview(much)

        def settle():
            wait_until_settled(
                scene, attempt, lambda: is_empty(fast) and (is_empty(slow) or is_full(slow))
            )

        def push(rest):
            while rest and not attempt.is_over and not is_full(slow_end):
                rest = rest[os.write(slow_end, rest[:65536]) :]
                settle()
            return rest

        rest = push(rest)
        for line in lines:
            os.write(fast_end, line)
            settle()
            scene.received += os.read(fast_end, 4096) if linux.bytes_waiting(fast_end) else b""
        scene.close(fast_end)
        settle()
        while not attempt.is_over and (rest or linux.bytes_waiting(slow_end)):
            if linux.bytes_waiting(slow_end):
                echo.extend(os.read(slow_end, rng.randint(20_000, 60_000)))
            settle()
            rest = push(rest)
        while linux.bytes_waiting(slow_end):
            echo.extend(os.read(slow_end, 65536))
        scene.received += echo
        scene.close(slow_end)

    return Scene(
        {"a": a, "b": b, "a's caller": a_end, "b's caller": b_end},
        (a, b),
        b"".join(lines) + much,
        part,
        "callers",
        is_received=True,
        most_in_hand=MOST_IN_HAND,
    )


def echo(a, b):
    rests = {a: b"", b: b""}
    with select.epoll() as ep:
        for fd in rests:
            ep.register(fd, select.EPOLLIN)
        while rests:
            for fd, _ in ep.poll():
                left = rests[fd]
                rest = left or os.read(fd, 65536)
                if not rest:
                    ep.unregister(fd)
                    del rests[fd]
                    continue
                try:
                    rests[fd] = rest[os.write(fd, rest) :]
                except BlockingIOError:
                    rests[fd] = rest
                if bool(rests[fd]) != bool(left):
                    ep.modify(fd, select.EPOLLOUT if rests[fd] else select.EPOLLIN)


TASKS = (
    Task(
        id="echo-two",
        title="Two callers, one of them slow",
        text=(
            "Complete echo(a, b): a and b are your ends of two connections, as file "
            "descriptors; they do not block, and os.read and os.write work with them. Send "
            "back to each what comes from it, until both have left. One of them sends more "
            "than fits, and reads nothing until the other has got its answers: hold at most "
            "262,144 bytes for each. Do not close a and b."
        ),
        stub='def echo(a, b):\n    """Send back to each what comes from it, until both have left."""\n    ...\n',
        wanted=(
            "every byte back at the caller that sent it, in order, nobody made to wait for the "
            "slow one, at most 262,144 bytes held for a caller, one thread, and no call that "
            "asks in vain"
        ),
        hint=(
            "os.write may take a part, or nothing. What you still have to send is different "
            "for each caller. And what do you ask epoll about a caller who does not read?"
        ),
        further_hint=(
            "Keep a dictionary: file descriptor → what is left. While something is left, ask "
            "for EPOLLOUT only, and do not read more from that caller; when nothing is left, "
            "ask for EPOLLIN again. b'' means: unregister it."
        ),
        tried=(
            "two socketpairs: one caller with three short lines, and one that sends up to "
            "800,000 bytes and reads late"
        ),
        needs_epoll=True,
        set_up=one_slow_one_fast,
        solution=echo,
    ),
)
