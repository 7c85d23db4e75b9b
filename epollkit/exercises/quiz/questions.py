"""Questions of the quiz: programs are run, the kernel answers, and what it says of similar programs
are the choices.

Facts about delivery
--------------------
* What is sent over TCP, on loopback too, has a way to go: when `send`, `shutdown` or `close`
  returns, it need not be there.
* FIONREAD of a TCP socket takes the socket's lock.  Whoever delivers holds it until all who wait
  have been woken.

What we do about them
---------------------
A program is run step by step.  After each step on a TCP connection its account says what must have
arrived, and that is waited for with the kernel's own numbers, which the recorder does not see;
FIONREAD is asked last.  A question is a program, and as choices what the kernel returned for it and
for its *variants*: without one of its operations, with another trigger, with another mask.  The
answer is what the kernel returns, there and then; it stands nowhere.

*Source:* tcp(7), FIONREAD; ``net/ipv4/tcp.c``, tcp_ioctl().
"""

import ast
import itertools
import linecache
import os
import random
import socket
import struct
import threading
import time
from collections import deque
from contextlib import ExitStack
from typing import NamedTuple

from ... import linux, masks
from ...log import Log
from ...masks import ET, IN, ONESHOT, OUT, RDHUP
from ...recording.recorder import record
from .programs import KINDS, LEVELS, TOPICS, Program, make

CHOICES = 4  # at most; at least two
PATIENCE_S = 5  # for what TCP delivers: it takes microseconds, or the machine is in trouble
REMEMBERED = 100  # questions; none of them is asked again
RUNS = 24  # of similar programs, for one question
RIGHT_FOR_A_LEVEL = 2
ASKED_FOR = IN | OUT | RDHUP
_places = itertools.count(1)


class Outcome(NamedTuple):
    """What the kernel said of one run:

    `answer` is the mask that the last poll returned, 0 if there was no event.
    """

    answer: int
    holds: int  # the conditions that held after it; 0 if the end is closed
    entry: int | None  # the mask in the interest list after it; None: the stream is not in it
    waiting: int  # bytes that a read of the watched end would find
    log: Log | None  # the recording, if one was made


def run(program: Program, is_recorded=False) -> Outcome:
    """Run *program* here and now; if *is_recorded*, under ``record()``.  Nothing stays open.

    Raises OSError where no stream can be opened, TimeoutError if TCP does not deliver, RuntimeError
    if somebody records.
    """
    with ExitStack() as stack:
        place, names = f"<quiz {next(_places)}>", {}
        text = program.text()
        linecache.cache[place] = (
            len(text),
            None,
            text.splitlines(True),
            place,
        )  # for the recorder, which reads it
        stack.callback(linecache.cache.pop, place, None)
        stack.callback(_close, names)
        log = None
        if is_recorded:
            thread = threading.current_thread()
            stack.callback(setattr, thread, "name", thread.name)
            thread.name = (
                "you"  # a page's callbacks run on threads with names as subshell-0901407e-28a8
            )
            with record() as log:
                events = _run(program, place, names)
        else:
            events = _run(program, place, names)
        watched = names.get(KINDS[program.kind].watched)
        entries = linux.interest_list(names["ep"])
        holds = waiting = 0
        if watched is not None:
            holds = linux.readiness(watched, ASKED_FOR)
            waiting = linux.level(linux.number_of(watched)) if program.kind != "pipe-write" else 0
        return Outcome(
            sum(mask for _, mask in events),
            holds,
            entries[0].events if entries else None,
            waiting,
            log,
        )


def _run(program, place, names):
    """Run the steps one after the other, and return what the last one did."""
    line, value, one = 0, None, KINDS[program.kind]
    for text, account in program.steps():
        tree = ast.increment_lineno(ast.parse(text), line)
        line += text.count("\n") + 1
        for node in tree.body:
            if isinstance(node, ast.Expr):
                value = eval(compile(ast.Expression(node.value), place, "eval"), names)
            else:
                exec(compile(ast.Module([node], []), place, "exec"), names)
        for name, is_open in ((one.watched, account.is_open), (one.other, account.other_is_open)):
            if not is_open:
                names.pop(name, None)  # a number that is free now may soon be somebody else's
        if program.kind == "tcp":
            _wait(names, account)
    return value


def _wait(names, account):
    """Wait until TCP has delivered what *account* says was sent."""
    conn, peer, deadline = names.get("conn"), names.get("peer"), time.monotonic() + PATIENCE_S
    while not (
        (conn is None or not account.has_ended or linux.readiness(conn, RDHUP) & RDHUP)
        and (peer is None or account.may_write or linux.readiness(peer, RDHUP) & RDHUP)
        and (conn is None or linux.bytes_waiting(conn) == account.incoming)
        and (peer is None or conn is None or linux.bytes_waiting(peer) == account.outgoing)
    ):
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"TCP has not delivered within {PATIENCE_S} s what was sent; try again"
            )
        time.sleep(0.0002)


def _close(names):
    """Close what a program has left open.

    A connection is reset, so that its ports are free at once.
    """
    for name in ("r", "w"):
        if name in names:
            os.close(names[name])
    for name in ("conn", "peer", "ep"):
        if name in names:
            if name != "ep" and names[name].family == socket.AF_INET:
                names[name].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            names[name].close()


class Question(NamedTuple):
    """What does the last `poll` of `program` return?

    `choices` are masks, in order; 0 stands for no event.
    """

    topic: str
    level: int
    program: Program
    choices: tuple


class Questions:
    """The questions that one quiz asks one after another: for the same topic, seed and answers
    always the same.

    Raises ValueError if there is no such *topic*, and names those there are.
    """

    def __init__(self, topic: str, seed: int):
        if topic not in TOPICS:
            raise ValueError(f"there is no topic {topic!r}; the topics are {', '.join(TOPICS)}")
        self.topic, self.seed, self.asked, self.right = topic, seed, 0, 0
        self._recent = deque(maxlen=REMEMBERED)

    @property
    def level(self) -> int:
        """How difficult the next question is, from 1 up: it grows with right answers."""
        return min(LEVELS, 1 + self.right // RIGHT_FOR_A_LEVEL)

    def program(self) -> tuple[Program, random.Random]:
        """Make the next program, and what decides about the rest of its question."""
        self.asked += 1
        rng = random.Random(f"{self.topic} {self.seed} {self.asked} {self.level}")
        for tries in itertools.count():
            program = make(self.topic, min(LEVELS, self.level + tries // 200), rng)
            if program.text() not in self._recent:
                self._recent.append(program.text())
                return program, rng

    def ask(self) -> Question:
        """Make the next question.  Raises as `run` does."""
        program, rng = self.program()
        found = {run(program).answer}
        for other in itertools.islice(similar(program, self.level, rng), RUNS):
            found.add(run(other).answer)
            if len(found) == CHOICES:
                break
        return Question(self.topic, self.level, program, tuple(sorted(found)))


def similar(program, level, rng):
    """Make programs that are similar to *program*:

    first those that differ in one thing, then others on such a stream.
    """
    found, operations = [], program.operations
    for at, (name, value) in enumerate(operations):
        if name == "register":
            others = (value ^ ET, value ^ ONESHOT, value | IN, value | OUT, value ^ RDHUP)
            found += [
                (*operations[:at], (name, mask), *operations[at + 1 :])
                for mask in others
                if mask & ASKED_FOR
                and (mask & ASKED_FOR != RDHUP or program.kind in ("unix", "tcp"))
            ]
        else:
            found.append((*operations[:at], *operations[at + 1 :]))
    rng.shuffle(found)
    for operations in found:
        if operations and (other := Program(program.kind, operations)).is_possible():
            yield other
    while True:
        other = make("mixed", max(2, level), rng)
        if other.kind == program.kind:
            yield other


def reason(program: Program, outcome: Outcome) -> str:
    """Say in one line why the kernel said so, from what it said besides."""
    own, answer = KINDS[program.kind].watched, outcome.answer
    if outcome.entry is None:
        return f"{own} is closed, and so it is in no interest list any more."
    if not answer and not outcome.entry & masks.CONDITIONS:
        return (
            "The one-shot entry has reported its event and is disabled since, until modify arms it."
        )
    if not answer and outcome.holds & outcome.entry:
        return (
            f"{masks.short(outcome.holds & outcome.entry)} holds, but that is no news: edge-triggered, the entry waits "
            "for something to happen."
        )
    if not answer:
        missing = {
            IN: f"nothing waits in {own}",
            OUT: f"{own} has no room",
            RDHUP: "the other end may still write",
        }
        told = [text for bit, text in missing.items() if outcome.entry & bit]
        return f"What was asked for does not hold: {', and '.join(told)}."
    said = {
        IN: f"IN: {outcome.waiting} byte{'s' * (outcome.waiting != 1)} wait{'s' * (outcome.waiting == 1)} in {own}"
        if outcome.waiting
        else "IN: a read would not sleep, it would find the end",
        OUT: "OUT: a write would not sleep, there is room",
        masks.ERR: "ERR, unasked: no reader is left",
        masks.HUP: f"HUP, unasked: {'no writer is left' if program.kind == 'pipe-read' else 'both directions are shut'}",
        RDHUP: "RDHUP: the other end writes no more",
    }
    how = " Edge-triggered, and this is news." if outcome.entry & ET else ""
    return f"{'; '.join(text for bit, text in said.items() if answer & bit)}.{how}"
