"""What notebook 05 asks: its questions, its exercises, and a solution of each exercise.

You have read this far before you tried?  Close this file, try first, then ask for ``solution(id)``.
"""

import os
import select
import time

from ... import linux
from ..question import Question
from ..scene import Scene, is_empty, wait_until_settled
from ..task import Task


def why_tapped(outcome):
    if outcome == "slept on":
        return (
            "The handler ran, and returned. Python then called epoll_wait again with the time that was "
            "left: PEP 475. The bar is hatched to its end, and ends with time being up."
        )
    if outcome == "raised":
        return "The handler raised, and what it raised came out of poll: so does KeyboardInterrupt."
    return "Something that was asked for held: poll returned because of that, not because of the signal."


QUESTIONS = (
    Question(
        id="three-times-one",
        text="There is a byte in the pipe, and nobody reads it. You call `poll(1)` three times. How long "
        "does that take?",
        why=lambda seconds: (
            "The byte was there each time, so there was nothing to wait for: the timeout is only an upper "
            "limit."
            if not seconds
            else "Nothing was ready, so each call waited until its time was up."
        ),
        choices={0: "no time at all", 1: "about one second", 3: "about three seconds"},
    ),
    Question(
        id="tapped",
        text="Your program sleeps in `poll(0.3)`. At once a signal comes; its handler notes that and "
        "returns. Nothing that you asked for happens. What does `poll` do?",
        why=why_tapped,
        choices={
            "came back": "it returns an empty list at once",
            "raised": "it raises `InterruptedError` at once",
            "slept on": "it sleeps on until its 0.3 seconds are up",
        },
    ),
    Question(
        id="two-at-a-time",
        text="Five sockets are readable. You call `poll(0, maxevents=2)` three times, and read nothing. "
        "How many different sockets are reported, all in all?",
        why=lambda count: (
            "What was reported goes to the end of the ready list, so the next call reports others."
            if count > 2
            else "No more than that were ready."
        ),
        choices={
            2: "two, the same ones each time",
            5: "all five: different ones each time",
            4: "four: the third call begins again with the first two",
        },
    ),
)


def some_pipes(rng, round):
    """Several pipes:

    something comes to one of them when the attempt sleeps; or nothing does; or it is there already.
    """
    pipes = [os.pipe() for _ in range(rng.randint(3, 5))]
    fds = [r for r, _ in pipes]
    streams = {
        f"{name}{place}": fd
        for place, ends in enumerate(pipes, 1)
        for name, fd in zip("rw", ends, strict=True)
    }
    place = rng.randrange(1, len(pipes))
    if round == 2:
        os.write(pipes[place][1], b"!")

    def part(scene, attempt):
        if round == 0:
            wait_until_settled(scene, attempt, lambda: is_empty(*fds))
            if not attempt.is_over:
                os.write(pipes[place][1], b"!")

    wanted, timeout, case = (
        (fds[place], 30, f"something came to r{place + 1}, its number is {fds[place]}"),
        (None, 0.2, "nothing came within the 0.2 seconds"),
        (fds[place], 30, f"something lay in r{place + 1}, its number is {fds[place]}"),
    )[round]
    return Scene(
        streams,
        (fds, timeout),
        wanted,
        part,
        "courier",
        case=case,
        is_untouched=True,
        least_s=0.2 if wanted is None else 0,
    )


def first_ready(fds, timeout):
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        for fd, _ in ep.poll(timeout):
            return fd


def a_deadline(rng, round):
    """A pipe and a deadline: it has passed already, and nothing comes; parcels come until it is
    over, and after it; the writer leaves long before it.
    """
    r, w = os.pipe()
    sent = bytearray()

    def send(scene, attempt):
        wait_until_settled(scene, attempt, lambda: is_empty(r))
        if not attempt.is_over:
            sent.extend(parcel := rng.randbytes(rng.randint(1, 9)))
            os.write(w, parcel)

    def part(scene, attempt):
        while round == 1 and not attempt.is_over:
            send(scene, attempt)
            time.sleep(0.03)
        for _ in range(3 if round == 2 else 0):
            send(scene, attempt)
        if round == 2:
            wait_until_settled(scene, attempt, lambda: is_empty(r))
            scene.close(w)
        while not attempt.is_over and round == 2:
            time.sleep(0.001)
        scene.wanted = bytes(sent[: len(sent) - linux.bytes_waiting(r)])

    deadline = time.monotonic() + (-0.2, 0.3, 30)[round]
    return Scene(
        {"r": r, "w": w},
        (r, deadline),
        b"",
        part,
        "courier",
        until_s=deadline if round == 1 else 0,
    )


def wait_until(r, deadline):
    pieces = []
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        while (left_s := deadline - time.monotonic()) > 0:
            if ep.poll(left_s):
                piece = os.read(r, 4096)
                if not piece:
                    break
                pieces.append(piece)
    return b"".join(pieces)


TASKS = (
    Task(
        id="first-ready",
        title="The first that is ready",
        text=(
            "Complete first_ready(fds, timeout): a list of read ends of pipes, and seconds. "
            "Return the one that has something to read; sleep until one has. Return None if "
            "none has within timeout. Take nothing out, leave nothing open."
        ),
        stub="def first_ready(fds, timeout):\n"
        '    """Return the one of fds that has something to read, or None after timeout seconds."""\n    ...\n',
        wanted=(
            "the number of the pipe that is ready, or None when time is up, and no call that "
            "asks in vain"
        ),
        hint=(
            "One call sleeps at all of them, and takes an upper limit. In which unit? And what does "
            "it return when time is up?"
        ),
        further_hint=(
            "Register all of them with one epoll. poll(timeout) takes seconds, and returns a "
            "list of (fd, mask): an empty one when time is up, so look before you take its first item."
        ),
        tried="three to five pipes: one to which a byte came late, none that got one, and one that "
        "held a byte from the beginning",
        returns=(int, type(None)),
        needs_epoll=True,
        set_up=some_pipes,
        solution=first_ready,
    ),
    Task(
        id="wait-until",
        title="A deadline is not a timeout",
        text=(
            "Complete wait_until(r, deadline): the read end of a pipe, and a moment of "
            "time.monotonic(). Return all bytes that come from r until that moment, not sooner "
            "and not later; but if the stream ends before it, then at once. The moment may "
            "have passed already. Sleep while nothing is there."
        ),
        stub="def wait_until(r, deadline):\n"
        '    """Return all bytes that come from r until its end, or until the deadline."""\n    ...\n',
        wanted=(
            "every byte that came before the deadline or the end, no coming back early, and no "
            "sleeping past it"
        ),
        hint=(
            "Each parcel ends a poll, and the next poll begins anew. How long may that one "
            "take? And what does a timeout below 0 mean?"
        ),
        further_hint=(
            "In the loop, before each poll, compute how much time is left: deadline - "
            "time.monotonic(). If nothing is left, return: poll would take a timeout below 0 "
            "for 'wait for ever'. A read that gives b'' ends it, too."
        ),
        tried=(
            "a pipe: parcels that go on past the deadline, a writer that leaves long before "
            "it, and a deadline that has passed"
        ),
        set_up=a_deadline,
        solution=wait_until,
        returns=(bytes,),
        is_stretch=True,
    ),
)
