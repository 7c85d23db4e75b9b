"""Questions of the quiz: a program is run, the kernel answers, and misreadings of the program give
the wrong choices.

Facts about delivery
--------------------
* What is sent over TCP, on loopback too, takes time to arrive: when `send` or `close` returns, it
  need not be there.
* FIONREAD of a TCP socket takes the socket's lock.  Whoever delivers holds it until all who wait
  have been woken.

What we do about them
---------------------
A program is run step by step.  After each step on a TCP connection its account says what must have
arrived, and that is waited for with the kernel's own numbers, which the recorder does not see;
FIONREAD is asked last.

A question is a program and its choices.  The right answer is what the kernel returns, there and
then; it stands nowhere.  A wrong choice is what a misreading would give, and it comes with the
words for it: most misreadings are programs, too, and the kernel is asked what it would return for
them.  So nothing is offered that nobody could think of, as a hang-up where nothing was closed.

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
from ...masks import ERR, ET, HUP, IN, ONESHOT, OUT, RDHUP
from ...recording.callsite import keep_source
from ...recording.recorder import record
from .programs import BOTH, KINDS, LEVELS, TOPICS, Program, make

MOST_CHOICES = 4
LEAST_CHOICES = (2, 3, 3)  # one of these: where nothing is reported, few misreadings differ
PATIENCE_S = 5  # for what TCP delivers: it takes microseconds, or the machine is in trouble
REMEMBERED = 100  # questions; none of them is asked again
RIGHT_FOR_A_LEVEL = 2
_places = itertools.count(1)


class Outcome(NamedTuple):
    """What the kernel said of one run.

    `answer` holds the masks that the last poll returned, one for each event: one event or none,
    since one stream is registered.  `entry` is the mask in the interest list after it, None if the
    stream is not in it; `holds` the conditions that held then, and `waiting` the bytes that a read
    of the watched end would find.  `log` is the recording, if one was made.
    """

    answer: tuple
    entry: int | None
    holds: int
    waiting: int
    log: Log | None


def run(program: Program, is_recorded=False) -> Outcome:
    """Run *program* here and now; if *is_recorded*, under ``record()``.  Nothing stays open.

    Raises OSError where no stream can be opened, TimeoutError if TCP does not deliver, RuntimeError
    if somebody records.
    """
    with ExitStack() as stack:
        place, names = f"<quiz {next(_places)}>", {}
        text = program.text()
        keep_source(place, text)
        stack.callback(linecache.cache.pop, place, None)
        stack.callback(_close, names)
        log = None
        if is_recorded:
            # a page's callbacks run on threads with names such as subshell-0901407e-28a8
            thread = threading.current_thread()
            stack.callback(setattr, thread, "name", thread.name)
            thread.name = "you"
            with record() as log:
                events = _run(program, place, names)
        else:
            events = _run(program, place, names)
        entries = linux.interest_list(names["ep"])
        watched = names.get(KINDS[program.kind].watched, names.get("copy"))
        holds = waiting = 0
        if watched is not None:
            holds = linux.readiness(watched, BOTH | RDHUP)
            waiting = linux.level(linux.number_of(watched)) if program.kind != "pipe-write" else 0
        entry = entries[0].events if entries else None
        return Outcome(tuple(mask for _, mask in events), entry, holds, waiting, log)


def _run(program, place, names):
    """Run the steps one after the other, and return what the last one did."""
    kind, line, value = KINDS[program.kind], 0, None
    for text, account in program.steps():
        tree = ast.increment_lineno(ast.parse(text), line)
        line += text.count("\n") + 1
        for node in tree.body:
            if isinstance(node, ast.Expr):
                value = eval(compile(ast.Expression(node.value), place, "eval"), names)
            else:
                exec(compile(ast.Module([node], []), place, "exec"), names)
        # a number that is free now may soon be somebody else's
        if not account.is_open:
            names.pop(kind.watched, None)
        if not account.other_is_open:
            names.pop(kind.other, None)
        if not account.has_copy:
            names.pop("copy", None)
        if program.kind == "tcp":
            _wait(names, account)
    return value


def _wait(names, account):
    """Wait until TCP has delivered what *account* says was sent."""
    conn, peer = names.get("conn", names.get("copy")), names.get("peer")
    deadline = time.monotonic() + PATIENCE_S
    while not (
        (conn is None or account.other_is_open or linux.readiness(conn, RDHUP) & RDHUP)
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
    for name in ("r", "w", "conn", "peer", "copy", "ep"):
        stream = names.get(name)
        if isinstance(stream, int):
            os.close(stream)
        elif stream is not None:
            if isinstance(stream, socket.socket) and stream.family == socket.AF_INET:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            stream.close()


class Question(NamedTuple):
    """What does the last `poll` of `program` return?

    `choices` maps each answer that may be picked to the misreading that gives it, in words that
    complete "You would be right if"; for the kernel's own answer these are "".
    """

    topic: str
    level: int
    program: Program
    choices: dict


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

    def ask(self) -> Question:
        """Make the next question.  Raises as `run` does."""
        self.asked += 1
        rng = random.Random(f"{self.topic} {self.seed} {self.asked} {self.level}")
        least = rng.choice(LEAST_CHOICES)
        for tries in itertools.count():
            level = min(LEVELS, self.level + tries // 100)  # where a level has no more to ask
            program = make(self.topic, level, rng)
            if program.text() in self._recent:
                continue
            choices = choose(program)
            if len(choices) >= least:
                self._recent.append(program.text())
                return Question(self.topic, level, program, choices)


def choose(program) -> dict:
    """Return the kernel's answer for *program* and up to three that misreadings of it give, in
    an order that tells nothing: answer → the misreading, "" for the kernel's own.
    """
    answer = run(program).answer
    choices = {answer: ""}
    for words, wrong in itertools.chain(
        misread_answers(program, answer),
        ((words, run(variant).answer) for words, variant in misread_programs(program)),
    ):
        choices.setdefault(wrong, words)
        if len(choices) == MOST_CHOICES:
            break
    return dict(sorted(choices.items()))


def misread_answers(program, answer):
    """Yield (words, wrong answer) for the misreadings of what an answer is."""
    names = [name for name, _ in program.operations]
    last_read = max((at for at, name in enumerate(names) if name.startswith("take")), default=-1)
    writes = names[last_read + 1 :].count("arrive")
    is_closed = "other closes" in names
    asked = next(value for name, value in reversed(program.operations) if name in MASKED)
    if not answer and "close" in names:
        yield "a close of your own end were reported to you as a hang-up", (HUP,)
    for mask in answer:
        if mask & IN and writes > 1:
            yield "each write were an event of its own", (mask,) * writes
        if mask & (HUP | ERR):
            kept = mask & asked
            yield "HUP and ERR were told only to those who ask", (kept,) if kept else ()
        if is_closed and mask != HUP:
            yield "HUP alone reported every end", (HUP,)
        if is_closed and program.kind in ("unix", "tcp") and not mask & RDHUP:
            yield "RDHUP were told to those who do not ask for it, too", (mask | RDHUP,)


MASKED = ("register", "modify")


def misread_programs(program):
    """Yield (words, program that would be right) for the misreadings of a program: first those
    about what epoll does, then those that overlook a line.
    """
    yield from _possible(_misunderstood(program), program)
    yield from _possible(_overlooked(program), program)


def _possible(variants, program):
    for words, operations in variants:
        variant = Program(program.kind, tuple(operations))
        if variant.operations != program.operations and variant.is_possible():
            yield words, variant


def _with_masks(program, change):
    """Return the operations of *program* with each mask m that is asked for as change(m)."""
    return [
        (name, change(value) if name in MASKED else value) for name, value in program.operations
    ]


def _misunderstood(program):
    """Yield (words, operations) for what may be thought of epoll."""
    masks_asked = [value for name, value in program.operations if name in MASKED]
    if masks_asked[0] & ET:
        yield (
            "the entry were level-triggered: it is edge-triggered, and waits for news",
            _with_masks(program, lambda mask: mask & ~ET),
        )
    elif masks_asked[0] & ONESHOT:
        yield (
            "the entry were not one-shot",
            _with_masks(program, lambda mask: mask & ~ONESHOT),
        )
    else:
        yield (
            "`poll` told of each thing once; level-triggered, it tells as long as it holds",
            _with_masks(program, lambda mask: mask | ONESHOT),
        )
    yield (
        "a read took all that waits, however many bytes it asks for",
        [
            ("take all", None) if name == "take" else (name, value)
            for name, value in program.operations
        ],
    )
    yield (
        "IN and OUT changed places: IN is about reading, OUT about writing",
        _with_masks(program, swapped),
    )


def swapped(mask) -> int:
    """Return *mask* with IN for OUT and OUT for IN."""
    return mask & ~BOTH | (OUT if mask & IN else 0) | (IN if mask & OUT else 0)


def _overlooked(program):
    """Yield (words, operations) for each line that may be overlooked, those of epoll first."""
    lines = [text for text, _ in program.steps()[1:]]
    places = sorted(
        (at for at, (name, _) in enumerate(program.operations) if name not in ("register", "poll")),
        key=lambda at: program.operations[at][0] not in ("modify", "unregister", "dup", "close"),
    )
    for at in places:
        line = lines[at].partition("  #")[0]
        yield (
            f"`{line}` changed nothing",
            program.operations[:at] + program.operations[at + 1 :],
        )


def reason(program: Program, outcome: Outcome) -> str:
    """Say in a line or two why the kernel said so, from what it said besides."""
    own, names = KINDS[program.kind].watched, [name for name, _ in program.operations]
    if outcome.entry is None and "unregister" in names:
        return f"`unregister` took {own} out of the interest list; whatever waits in it, nobody is told."
    if outcome.entry is None:
        return f"{own} is closed, and no duplicate of it is left: its entry is gone with it."
    ghost = ""
    if "close" in names:
        ghost = (
            f" Closing {own} did not remove the entry, because `copy` is another descriptor of the "
            "same open file description."
        )
    return _reason(program, outcome, own) + ghost


def _reason(program, outcome, own):
    if not outcome.answer and not outcome.entry & masks.CONDITIONS:
        return "The one-shot entry has reported its event and is disabled since, until `modify` arms it."
    if not outcome.answer and outcome.holds & outcome.entry:
        return (
            f"{masks.short(outcome.holds & outcome.entry)} holds, but that is no news: edge-triggered, the entry waits "
            "for something to happen."
        )
    if not outcome.answer:
        missing = {
            IN: f"nothing waits in {own}",
            OUT: f"{own} has no room",
            RDHUP: "the other end may still write",
        }
        causes = [text for bit, text in missing.items() if outcome.entry & bit]
        return f"What was asked for does not hold: {', and '.join(causes)}."
    [answer] = outcome.answer
    verb = "waits" if outcome.waiting == 1 else "wait"
    meaning = {
        IN: f"IN: {outcome.waiting} byte{'s' * (outcome.waiting != 1)} {verb} in {own}"
        if outcome.waiting
        else "IN: a read would not sleep, it would find the end",
        OUT: "OUT: a write would not sleep, there is room",
        ERR: "ERR, unasked: no reader is left",
        HUP: "HUP, unasked: "
        + ("no writer is left" if program.kind == "pipe-read" else "both directions are shut"),
        RDHUP: "RDHUP: the other end writes no more",
    }
    how = " Edge-triggered, and this is news." if outcome.entry & ET else ""
    return "; ".join(text for bit, text in meaning.items() if answer & bit) + "." + how
