"""What notebook 08b asks: its questions, its exercises, and a solution of each exercise.

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

#: Bytes that a server may have read from one caller and not yet sent back.
MOST_IN_HAND = 262_144


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
    ),
)
