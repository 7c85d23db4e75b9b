"""What notebook 08 asks: its questions, its exercises, and a solution of each exercise.

You have read this far before you tried?  Close this file, try first, then ask for ``solution(id)``.
"""

import os
import select
import socket

from ... import linux
from ...syscalls import READS
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


def told_to_stop(rng, round):
    """Two callers, and a pipe that says stop: while much is owed to a slow one; or when nothing is.

    The one that is quick leaves before that, or stays, and says something when it is too late.
    """
    (a, a_end), (b, b_end) = ([end.detach() for end in socket.socketpair()] for _ in range(2))
    stop, ring = os.pipe()
    for end in (a, a_end, b, b_end):
        os.set_blocking(end, False)
    pairs = ((a, a_end), (b, b_end))
    (slow, slow_end), (fast, fast_end) = pairs if round != 1 else pairs[::-1]
    much = rng.randbytes(0 if round == 2 else 700_000 + rng.randint(0, 99_999))
    lines = [b"line " + rng.randbytes(8).hex().encode() + b"\n" for _ in range(2)]
    wanted = bytearray().join(lines)

    def settle(scene, attempt):
        wait_until_settled(
            scene, attempt, lambda: is_empty(fast) and (is_empty(slow) or is_full(slow))
        )

    def push(scene, attempt, rest):
        while rest and not attempt.is_over and not is_full(slow_end):
            rest = rest[os.write(slow_end, rest[:65_536]) :]
            settle(scene, attempt)
        return rest

    def part(scene, attempt):
        rest, echo = push(scene, attempt, memoryview(much)), bytearray()
        for line in lines:
            settle(scene, attempt)
            os.write(fast_end, line)
            settle(scene, attempt)
            scene.received += os.read(fast_end, 4096) if linux.bytes_waiting(fast_end) else b""
        if round == 0:
            scene.close(fast_end)
            settle(scene, attempt)
        wanted.extend(much[: len(much) - len(rest) - linux.bytes_waiting(slow)])
        scene.wanted = bytes(wanted)
        os.write(ring, b"!")
        wait_until_settled(scene, attempt, lambda: is_full(slow) or not much)
        if round == 1 and not attempt.is_over:
            os.write(fast_end, b"too late\n")
        while not attempt.is_over and (linux.bytes_waiting(slow_end) or rest):
            if linux.bytes_waiting(slow_end):
                echo.extend(os.read(slow_end, rng.randint(20_000, 60_000)))
            wait_until_settled(scene, attempt, lambda: True)
            if rest and not is_full(slow_end):
                rest = rest[os.write(slow_end, rest[:65_536]) :]
        while linux.bytes_waiting(slow_end):
            echo.extend(os.read(slow_end, 65_536))
        scene.received += echo

    return Scene(
        {
            "a": a,
            "b": b,
            "stop": stop,
            "a's caller": a_end,
            "b's caller": b_end,
            "ring": ring,
        },
        (a, b, stop),
        bytes(wanted),
        part,
        "callers",
        is_received=True,
        most_in_hand=MOST_IN_HAND,
    )


def what_was_taken_late(round):
    """Advise who goes on reading when stop is readable, or leaves and owes something."""
    events = [(call, stream.name) for call in round.own for stream, _ in call.events]
    told = next((call.index for call, name in events if name == "stop"), None)
    if told is None:
        return ""
    late = sum(call.bytes_moved for call in round.own if call.name in READS and call.index > told)
    if late > 1:
        return (
            f"After stop was readable your function took {late:,} bytes more from its callers: "
            "one that stops takes nothing more, and owes less"
        )
    return ""


def echo_until(a, b, stop):
    rests, is_stopping = {a: b"", b: b""}, False
    with select.epoll() as ep:
        for fd in (a, b, stop):
            ep.register(fd, select.EPOLLIN)
        while not is_stopping or any(rests.values()):
            for fd, _ in ep.poll():
                if fd == stop:
                    is_stopping = True
                    ep.unregister(stop)
                    for caller in rests:
                        if not rests[caller]:
                            ep.unregister(caller)
                    continue
                if is_stopping and not rests[fd]:
                    continue
                rest = rests[fd] or os.read(fd, 65_536)
                if not rest:
                    ep.unregister(fd)
                    del rests[fd]
                    continue
                try:
                    rests[fd] = rest[os.write(fd, rest) :]
                except BlockingIOError:
                    rests[fd] = rest
                if is_stopping and not rests[fd]:
                    ep.unregister(fd)
                else:
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
    Task(
        id="stop-and-drain",
        title="Stop, but finish the sentence",
        text=(
            "Complete echo_until(a, b, stop): the server of echo-two, which can be told to "
            "stop. When there is something to read from stop, a pipe, take nothing more from a "
            "and b, send back what you have taken already, and return; at once if nothing is "
            "owed. One caller is slow, so that may take a while. Hold at most 262,144 bytes "
            "for each. Close none of the three."
        ),
        stub="def echo_until(a, b, stop):\n"
        '    """Echo to a and b; when stop is readable, send what is owed and return."""\n    ...\n',
        wanted=(
            "every byte back that was taken before the stop, none taken after it, nobody made "
            "to wait for the slow one, and no call that asks in vain"
        ),
        hint=(
            "stop stays readable, and so does a caller from whom you read no more: what does a "
            "level-triggered poll say about them, again and again? And what are you still "
            "waiting for?"
        ),
        further_hint=(
            "When stop is reported, unregister it, and unregister each caller to whom nothing "
            "is owed. The others are registered for EPOLLOUT only. Loop until nothing is owed "
            "to anybody."
        ),
        tried=(
            "two socketpairs, told to stop while up to 262,144 bytes were owed to a caller who "
            "read late, and while nothing was owed"
        ),
        set_up=told_to_stop,
        solution=echo_until,
        needs_epoll=True,
        advice=what_was_taken_late,
        is_stretch=True,
    ),
)
