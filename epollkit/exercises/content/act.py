"""What notebook 06 asks: its questions, its exercises, and a solution of each exercise.

You have read this far before you tried?  Close this file, try first, then ask for ``solution(id)``.
"""

import contextlib
import os
import select
import socket
import struct
import threading
import time

from ... import linux, masks
from ..question import Question
from ..scene import Scene, is_empty, nobody_acts, sleeps_for_ever, wait_until_settled
from ..task import Task

IN, HUP = masks.IN, masks.HUP


def why_goodbye(mask):
    if mask == IN:
        return (
            "Only one direction is shut down, the connection is half-closed: the end can be read, and the "
            "other direction is still open."
        )
    if mask == IN | HUP:
        return "Both directions are shut down, and the end can be read."
    if mask == HUP:
        return "The only direction there was is dead, and there is nothing to read."
    return "Nothing has ended here."


def why_last_words(mask):
    if mask == IN | HUP:
        return (
            "Both conditions hold: bytes are left, and nobody will ever add to them. One pair reports "
            "both, and no second one will come just for the close."
        )
    if mask == HUP:
        return "Nothing is left to read, and the writer has gone."
    return "The writer is still there."


def why_elif(outcome):
    if outcome == "b'' for ever":
        return (
            "On TCP a close is IN and no HUP. So the first branch runs each time, reads b'', and nobody "
            "looks at it: the end stays readable, and poll never sleeps again."
        )
    if outcome == "closed":
        return "HUP came without IN once everything was read, so the second branch ran."
    return "This stream has not ended."


QUESTIONS = (
    Question(
        id="goodbye-of-a-pair",
        text="The other end of a `socketpair` closes. You have asked for `EPOLLIN`. What does `poll` "
        "report?",
        why=why_goodbye,
        choices={
            HUP: "`EPOLLHUP`: it has hung up",
            IN | HUP: "`EPOLLIN` and `EPOLLHUP`",
            IN: "`EPOLLIN`: there is something to read",
            0: "nothing",
        },
    ),
    Question(
        id="last-words",
        text="The writer of a pipe writes a parcel and closes its end, both before you ask. What does one "
        "`poll` report?",
        why=why_last_words,
        choices={
            IN: "`EPOLLIN`; `EPOLLHUP` comes when you have read",
            HUP: "`EPOLLHUP`: the writer has gone",
            IN | HUP: "both in one pair",
        },
    ),
    Question(
        id="elif-on-tcp",
        text="A TCP client sends a parcel and closes. `in_then_hup` is called for each report. What does "
        "it return, call after call?",
        why=why_elif,
        choices={
            "closed": "the parcel, then `closed`: as on the pipe",
            "silence": "the parcel; then `poll` sleeps",
            "b'' for ever": "the parcel, then `b''` again and again",
        },
    ),
)


def last_words(rng, round):
    """A stream and its end: all of it there before anybody looks, then piece by piece, each when
    the last was taken.

    Whoever writes and closes does two things, and a reader may wake between them: only what
    happened before the attempt began is certain to come with the goodbye in one event.
    """
    if round == 0:
        r, w = os.pipe()
        data = rng.randbytes(
            rng.randint(4097, 8000)
        )  # more than one read of a page, and it fits in the smallest pipe
        os.write(w, data)
        os.close(w)
        os.set_blocking(r, False)
        return Scene({"fd": r}, (r,), data, nobody_acts, "nobody")
    if round == 1:
        own, other = socket.socketpair()
        r, w = own.detach(), other.detach()
    else:
        r, w = os.pipe()
    os.set_blocking(r, False)
    pieces = [
        rng.randbytes(size)
        for size in (rng.randint(1, 60), rng.randint(4097, 8000), rng.randint(1, 4000))
    ]

    def part(scene, attempt):
        for piece in pieces:
            wait_until_settled(scene, attempt, lambda: is_empty(r))
            if not attempt.is_over:
                os.write(w, piece)
                if piece is pieces[-1]:
                    scene.close(w)

    return Scene({"fd": r, "w": w}, (r,), b"".join(pieces), part, "writer")


def read_all(fd):
    pieces = []
    with select.epoll() as ep:
        ep.register(fd, select.EPOLLIN)
        while True:
            ep.poll()
            piece = os.read(fd, 4096)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)


def what_hup_said(round):
    """Advise who left at HUP, or waited for a mask that comes no more."""
    if (
        round.found.get("bytes") in (None, round.wanted.hex())
        and round.found["state"] == "returned"
    ):
        return ""
    polls = [call for call in round.own if call.events]
    if not polls or not polls[-1].events[0][1] & HUP:
        return ""
    return (
        "HUP says that nobody will write any more, not that nothing is left to read: "
        "read until b'', whatever the mask"
    )


@contextlib.contextmanager
def as_socket(number):
    """Give the file descriptor *number* as a socket object, which does not close it."""
    sock = socket.socket(fileno=number)
    try:
        yield sock
    finally:
        sock.detach()


def several_ends(rng, round):
    """A pipe whose last bytes and whose end are there from the beginning; from the second round on
    a connection that is shut down in one direction; in the third one that is reset.
    """
    r, w = os.pipe()
    os.set_blocking(r, False)
    last_words = rng.randbytes(rng.randint(1, 4000))
    os.write(w, last_words)
    os.close(w)
    streams, peers, sizes = {"r": r}, {}, {r: len(last_words)}
    for name in ("s", "t")[:round]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            peer = socket.create_connection(listener.getsockname())
            own = listener.accept()[0]
        own.setblocking(False)
        streams[name], peers[name] = own.detach(), peer.detach()
        streams[f"{name}'s peer"] = peers[name]
        sizes[streams[name]] = 0

    def settle(scene, attempt):
        wait_until_settled(
            scene,
            attempt,
            lambda: is_empty(*sizes) and not any(map(linux.bytes_unacknowledged, peers.values())),
        )

    def part(scene, attempt):
        for _ in range(2):
            for name, peer in peers.items():
                settle(scene, attempt)
                sizes[streams[name]] += os.write(peer, rng.randbytes(rng.randint(1, 9000)))
        settle(scene, attempt)
        if "t" in peers:
            with as_socket(peers["t"]) as peer:  # nothing to linger for: the connection is reset
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            scene.close(peers.pop("t"))
            settle(scene, attempt)
        if "s" in peers:
            with as_socket(peers["s"]) as peer:
                peer.shutdown(socket.SHUT_WR)
        while not attempt.is_over and not sleeps_for_ever(
            attempt.thread, threading.current_thread()
        ):
            time.sleep(0.001)
        scene.wanted = sizes
        scene.case = "what came was " + ", ".join(
            f"{size:,} bytes from {name}" for name, size in zip("rst", sizes.values(), strict=False)
        )

    return Scene(streams, (list(sizes),), sizes, part, "peers")


def count_each(fds):
    counts, here = dict.fromkeys(fds, 0), set(fds)
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while here:
            for fd, _ in ep.poll():
                try:
                    data = os.read(fd, 4096)
                except BlockingIOError:
                    continue
                except ConnectionError:
                    data = b""
                counts[fd] += len(data)
                if not data:
                    ep.unregister(fd)
                    here.remove(fd)
    return counts


TASKS = (
    Task(
        id="read-all",
        title="To the last word",
        text=(
            "Complete read_all(fd): a stream that does not block, a pipe or a socket. Return "
            "every byte that comes, until the end. Sleep while there is nothing."
        ),
        stub='def read_all(fd):\n    """Return all bytes that come from fd, until its end; fd does not block."""\n    ...\n',
        wanted="every byte of the stream, in order, and no call that asks in vain",
        hint=(
            "When the last bytes and the close come together, which mask do you get, on a "
            "pipe and on a socket? Which call tells you the same thing on both?"
        ),
        further_hint=(
            "Register fd for EPOLLIN, and sleep in poll. Whatever the mask is, read. b'' is "
            "the end; anything else is data, and you go on."
        ),
        tried=(
            "a pipe that had all its bytes and its end from the beginning; and a socketpair "
            "and a pipe whose bytes came piece by piece"
        ),
        returns=(bytes,),
        advice=what_hup_said,
        set_up=last_words,
        solution=read_all,
    ),
    Task(
        id="find-the-bug",
        title="Two bugs, one handler",
        text=(
            "count_each(fds) should return how many bytes came from each of fds, pipes and "
            "sockets that do not block, until its end; a reset (ECONNRESET) is an end, too. It works as long as a stream is empty when it closes. Otherwise it "
            "loses bytes, or spins: find out why, and mend it."
        ),
        stub="""def count_each(fds):
    \"\"\"Return a dictionary: fd → how many bytes came from it until its end.\"\"\"
    counts, here = dict.fromkeys(fds, 0), set(fds)
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while here:
            for fd, mask in ep.poll():
                if mask & select.EPOLLHUP:  # it has left
                    ep.unregister(fd)
                    here.remove(fd)
                    continue
                try:
                    while data := os.read(fd, 4096):
                        counts[fd] += len(data)
                except BlockingIOError:  # nothing more for now
                    pass
    return counts
""",
        wanted=(
            "the number of bytes of each stream, each read to its end however it ends, and no "
            "call that asks in vain"
        ),
        hint=(
            "What does poll report when the last bytes and the end come together? And which "
            "mask comes when only one direction of a connection is closed?"
        ),
        further_hint=(
            "Let the read decide, not the mask: bytes are counted, b'' is the end (unregister "
            "it), BlockingIOError means later, and ConnectionError is an end as well. Where "
            "does the function look at b'' today?"
        ),
        tried=(
            "a pipe that had ended before anybody looked, a TCP connection that was shut down "
            "in one direction, and one that was reset"
        ),
        set_up=several_ends,
        solution=count_each,
        returns=(dict,),
        needs_epoll=True,
        is_stretch=True,
    ),
)
