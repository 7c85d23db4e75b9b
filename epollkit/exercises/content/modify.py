"""What notebook 07 asks: its questions, its exercises, and a solution of each exercise.

You have read this far before you tried?  Close this file, try first, then ask for ``solution(id)``.
"""

import os
import select
import socket

from ... import linux
from ..question import Question
from ..scene import Scene, wait_until_settled
from ..task import Task


def why_armed(count):
    if count == "thousands":
        return (
            "There was room to write all the time, so OUT held all the time, and no poll slept. The other "
            "epoll in the picture asks for IN only: its one poll is asleep."
        )
    if count == "one":
        return "It held for one poll only."
    return "Nothing that was asked for held: poll slept."


def why_unregistered(outcome):
    if outcome == "the data":
        return "The entry is gone, the stream is not: unregister closes nothing."
    if outcome == "the end":
        return "Nothing was left in the stream, and nobody writes any more."
    return "The number is not open any more: somebody had closed it."


def why_sleepers(count):
    if count == 2:
        return (
            "The socket was still readable after the first thread had been told, because nobody had read. "
            "Level-triggered, that is reported to whoever asks: both threads are back, for one byte."
        )
    return "One was told, and then there was nothing left to report."


QUESTIONS = (
    Question(
        id="always-armed",
        text="An idle socket is registered for `EPOLLIN` and `EPOLLOUT`. Nobody sends anything. How many "
        "events does `poll` report within a fifth of a second?",
        why=why_armed,
        choices={
            "none": "none: nothing happens",
            "one": "one: there is room to write",
            "thousands": "thousands",
        },
    ),
    Question(
        id="after-unregister",
        text="A parcel waits in the socket `b`. You call `ep.unregister(b)`, then `b.recv(64)`. What "
        "does that give?",
        why=why_unregistered,
        choices={
            "EBADF": "an error: `b` is not open any more (EBADF)",
            "the data": "the parcel",
            "the end": "`b''`",
        },
    ),
    Question(
        id="two-sleepers",
        text="Two threads sleep in `poll` on one epoll. One byte comes, and nobody reads it. How many of "
        "the two return?",
        why=why_sleepers,
        choices={1: "one: it was one byte", 2: "both"},
    ),
)


def a_slow_peer(rng, round):
    """One end of a socketpair that does not block; the other reads when nothing else can happen,
    and replies at the end.
    """
    own, other = socket.socketpair()
    own.setblocking(False)
    s, peer = own.detach(), other.detach()
    data, reply = (
        rng.randbytes(300_000 + rng.randint(1, 300_000)),
        b"got it " + rng.randbytes(3).hex().encode(),
    )

    def part(scene, attempt):
        while len(scene.received) < len(data):
            wait_until_settled(scene, attempt, lambda: linux.bytes_waiting(peer) > 0)
            if attempt.is_over and not linux.bytes_waiting(peer):
                return
            while linux.bytes_waiting(peer):
                scene.received += os.read(peer, 65_536)
        wait_until_settled(scene, attempt, lambda: True)
        if not attempt.is_over:
            os.write(peer, reply)

    return Scene(
        {"s": s, "peer": peer}, (s, data), data, part, "peer", is_received=True, reply=reply
    )


def send_and_wait(s, data):
    rest = memoryview(data)
    with select.epoll() as ep:
        ep.register(s, select.EPOLLOUT)
        while rest:
            ep.poll()
            rest = rest[os.write(s, rest) :]
        ep.modify(s, select.EPOLLIN)
        ep.poll()
        return os.read(s, 4096)


def one_request(rng, round):
    """One end of a socketpair that does not block.

    The peer sends a request, reads the long answer late, and leaves.
    """
    own, other = socket.socketpair()
    own.setblocking(False)
    s, peer = own.detach(), other.detach()
    request = rng.randbytes(rng.randint(6, 9))
    wanted = request * 50_000
    if round == 2:
        os.write(peer, request)

    def part(scene, attempt):
        wait_until_settled(scene, attempt, lambda: True)
        if round < 2:
            os.write(peer, request)
        while len(scene.received) < len(wanted):
            wait_until_settled(scene, attempt, lambda: linux.bytes_waiting(peer) > 0)
            if attempt.is_over and not linux.bytes_waiting(peer):
                return
            while linux.bytes_waiting(peer):
                scene.received += os.read(peer, 65_536)
        wait_until_settled(scene, attempt, lambda: True)
        scene.close(peer)

    return Scene({"s": s, "peer": peer}, (s,), wanted, part, "peer", is_received=True)


STEPS = {
    "A": "ep.modify(s, select.EPOLLIN)",
    "B": "ep.close()",
    "C": "ep.poll(); request = os.read(s, 4096); answer = request * 50_000",
    "D": "ep.unregister(s)",
    "E": "ep.register(s, select.EPOLLIN)",
    "F": "while answer: ep.poll(); answer = answer[os.write(s, answer):]",
    "G": "ep.poll(); end = os.read(s, 4096)",
    "H": "ep.modify(s, select.EPOLLOUT)",
}

TASKS = (
    Task(
        id="send-and-wait",
        title="Send it all, then listen",
        text=(
            "Complete send_and_wait(s, data): s is the number of a socket that does not block. "
            "Send all of data; the other end is slow. When it has everything it replies: "
            "return the reply. Sleep whenever you can do nothing."
        ),
        stub='def send_and_wait(s, data):\n    """Send data, then wait for the reply, and return it."""\n    ...\n',
        wanted="every byte at the other end, its reply returned, and no call that asks in vain",
        hint=(
            "There are two things to wait for, one after the other: room to send, and the "
            "reply. What do you ask for, and when do you stop asking for it?"
        ),
        further_hint=(
            "Register s for EPOLLOUT, and poll before each os.write; keep what it did not "
            "take. When nothing is left, modify s to EPOLLIN, poll once more, and read."
        ),
        tried=(
            "a socketpair, up to 600,000 bytes, and a peer that reads when nothing else can happen"
        ),
        returns=(bytes,),
        set_up=a_slow_peer,
        solution=send_and_wait,
    ),
    Task(
        id="in-order",
        title="Put these steps in order",
        text="A small server takes one request from s, a socket that does not block, sends an answer that is longer than "
        "what fits, waits until the other end leaves, and tidies up. Here are its steps, in no useful order; it "
        "begins with ep = select.epoll(). Give check() the letters in the right order, as a list.\n"
        + "\n".join(f"    {letter}  {line}" for letter, line in STEPS.items()),
        stub='order = []  # for example ["A", "B", "C", "D", "E", "F", "G", "H"]\n',
        wanted=(
            "the request read, every byte of the answer sent, the end read, no poll that comes "
            "back for a reason that you did not mean, and nothing left open"
        ),
        hint=(
            "Go through it as the kernel does: before each poll, ask what s is registered for, "
            "and whether that holds already."
        ),
        further_hint=(
            "EPOLLIN before you wait for the request; EPOLLOUT only while there is an answer "
            "to send; EPOLLIN again before you wait for the end. An entry goes before the "
            "epoll does."
        ),
        tried="a socketpair, an answer of 300,000 bytes or more, and a peer that reads late",
        set_up=one_request,
        solution=["E", "C", "H", "F", "A", "G", "D", "B"],
        is_stretch=True,
        steps=STEPS,
    ),
)
