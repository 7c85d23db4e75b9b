"""What notebook 12a asks: its questions, its exercises, and a solution of each exercise.

You have read this far before you tried?  Close this file, try first, then ask for ``solution(id)``.
"""

import contextlib
import os
import select
import socket
from dataclasses import replace

from ... import masks
from ..question import Question
from ..scene import KEPT, Scene, is_empty, wait_until_settled
from ..task import Task
from .destroy import some_writers
from .kernel_buffers import a_slow_far_end

IN, ERR = masks.IN, masks.ERR


def why_error_queue(mask):
    if not mask:
        return "recv has taken the error away: it was the only place where one was kept."
    if mask == ERR:
        return (
            "With IP_RECVERR an error is kept twice: as the error of the socket, which recv takes, and in the "
            "socket's error queue, which recv does not touch. As long as something is in that queue, "
            "poll reports ERR."
        )
    return "Bytes have come, too."


def why_below_a_millisecond(outcome):
    if outcome == "not at all":
        return "A timeout of 0 only asks."
    if outcome == "about 0.4 ms":
        return "This Python hands the timeout over in nanoseconds."
    return (
        "epoll_wait counts in whole milliseconds. Python rounds up, so that a loop which waits for a deadline "
        "never wakes too early. Whoever rounds down gets 0, and asks a thousand times in the last "
        "millisecond."
    )


def why_half_a_message(message):
    if message.endswith("\n"):
        return "The second packet had come before the read, so that one drain found both."
    if message:
        return (
            "EAGAIN means: nothing more is here now. It does not mean that nothing more will come. The network "
            "cuts a stream where it likes, and a reader sees the cuts."
        )
    return "Nothing had come yet."


QUESTIONS = (
    Question(
        id="error-queue",
        text="`poll` has reported `EPOLLERR`, and `recv` has raised `ConnectionRefusedError`. What does "
        "`poll` report now?",
        why=why_error_queue,
        choices={
            0: "nothing: recv has taken the error",
            ERR: "`EPOLLERR`, as before",
            IN | ERR: "`EPOLLIN` and `EPOLLERR`",
        },
    ),
    Question(
        id="below-a-millisecond",
        text="Nothing is ready. How long does `ep.poll(0.0004)` sleep, at least?",
        why=why_below_a_millisecond,
        choices={
            "not at all": "not at all",
            "about 0.4 ms": "0.4 milliseconds",
            "a millisecond or more": "a whole millisecond",
        },
    ),
    Question(
        id="half-a-message",
        text='The peer sends a message in two packets, `{"song": "Wate` and `rloo"}`; the second is sent '
        "after `poll` has reported the first. What does the reader return?",
        why=why_half_a_message,
        choices={
            '{"song": "Waterloo"}\n': "the whole message",
            '{"song": "Wate': "the first half",
            "": "nothing",
        },
    ),
)


def a_slow_reader_at_the_end(rng, round):
    """Two pipes, as of `a_slow_far_end`; how much is held in between does not matter."""
    return replace(a_slow_far_end(rng, round), most_in_hand=None)


def pass_on(r, w):
    owed, is_over = b"", False
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        ep.register(w, 0)
        while owed or not is_over:
            for fd, _ in ep.poll():
                if fd == w and owed:
                    owed = owed[os.write(w, owed) :]
                elif fd == r:
                    data = os.read(r, 4096)
                    owed += data
                    if not data:
                        is_over = True
                        ep.unregister(r)
                ep.modify(w, select.EPOLLOUT if owed else 0)


def total(fds):
    count, left = 0, len(fds)
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while left:
            for fd, _ in ep.poll():
                data = os.read(fd, 4096)
                count += len(data)
                if not data:
                    ep.unregister(fd)
                    left -= 1
    return count


def a_message_in_pieces(rng, round):
    """A socketpair, and a message that comes at once, then cut in its length, then in its text."""
    sock, peer = socket.socketpair()
    sock.setblocking(False)
    KEPT.extend((sock, peer))
    message = rng.randbytes(rng.randint(300, 3000))
    data = len(message).to_bytes(4, "big") + message
    places = ((), (2, 4), (4, 100, 200))[round]
    pieces = [data[a:b] for a, b in zip((0, *places), (*places, None), strict=True)]

    def part(scene, attempt):
        for piece in pieces:
            wait_until_settled(scene, attempt, lambda: is_empty(sock.fileno()))
            with contextlib.suppress(OSError):
                peer.send(piece)

    return Scene(
        {"sock": sock.fileno(), "peer": peer.fileno()},
        (sock,),
        message,
        part,
        "peer",
    )


def read_message(sock):
    data, size = b"", 4
    with select.epoll() as ep:
        ep.register(sock, select.EPOLLIN)
        while len(data) < size:
            ep.poll()
            piece = sock.recv(4096)
            if not piece:
                break
            data += piece
            if len(data) >= 4:
                size = 4 + int.from_bytes(data[:4], "big")
    return data[4:size]


TASKS = (
    Task(
        id="mend-the-pump",
        title="Find the bug: the pump",
        text=(
            "Mend pass_on(r, w): the read end of one pipe and the write end of another; neither blocks. "
            "It writes to w all that comes from r, and returns when r has ended and all is written. "
            "But while r is silent, it uses a whole core. Close neither r nor w."
        ),
        stub='''\
def pass_on(r, w):
    """Write to w all that comes from r, until r has ended and all is written."""
    owed, is_over = b"", False
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        ep.register(w, select.EPOLLOUT)
        while owed or not is_over:
            for fd, mask in ep.poll():
                if fd == w and owed:
                    owed = owed[os.write(w, owed):]
                elif fd == r:
                    data = os.read(r, 4096)
                    owed += data
                    if not data:
                        is_over = True
                        ep.unregister(r)
''',
        wanted="every byte at the far end, in order, no call that asks in vain, and no warning",
        hint="What is true of w all the time, and of interest only sometimes?",
        further_hint=(
            "Register w with a mask of 0. After each turn: "
            "ep.modify(w, select.EPOLLOUT if owed else 0)."
        ),
        tried=(
            "two pipes, four to five times as many bytes as fit into one, a slow reader, a slow writer, "
            "and both in turn"
        ),
        set_up=a_slow_reader_at_the_end,
        solution=pass_on,
        needs_epoll=True,
    ),
    Task(
        id="mend-the-counter",
        title="Find the bug: the counter",
        text=(
            "Mend total(fds): a list of read ends of pipes. It returns how many bytes come from all of them, "
            "until each writer has gone. But when a writer leaves, it never comes back. Close none of "
            "them."
        ),
        stub='''\
def total(fds):
    """Return how many bytes come from all of fds, until each has ended."""
    count, left = 0, len(fds)
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while left:
            for fd, mask in ep.poll():
                if mask & select.EPOLLIN:
                    data = os.read(fd, 4096)
                    count += len(data)
                    if not data:
                        ep.unregister(fd)
                        left -= 1
    return count
''',
        wanted="the number of bytes, each stream read to its end, no call in vain, and no warning",
        hint="What does poll report of a pipe that is empty, and whose writer has gone?",
        further_hint="HUP without IN. Read whatever is reported: leave out the `if mask & …`.",
        tried="three or four pipes, two parcels each, whose writers leave one after the other",
        returns=(int,),
        set_up=some_writers,
        solution=total,
        needs_epoll=True,
        is_stretch=True,
    ),
    Task(
        id="mend-the-reader",
        title="Find the bug: the reader",
        text=(
            "Mend read_message(sock): a socket that does not block. Four bytes come first, the length of a "
            "message, most significant byte first; then the message. It returns the message, as bytes. But from "
            "far away come halves. Do not close sock."
        ),
        stub='''\
def read_message(sock):
    """Return one message: four bytes say how long it is, and then it comes."""
    data = b""
    with select.epoll() as ep:
        ep.register(sock, select.EPOLLIN)
        ep.poll()
        try:
            while piece := sock.recv(4096):
                data += piece
        except BlockingIOError:                    # that was all
            pass
    size = int.from_bytes(data[:4], "big")
    return data[4:4 + size]
''',
        wanted="the whole message, however it was cut, no call that asks in vain, and no warning",
        hint="What does BlockingIOError say, and what does it not say? Who knows when the message is complete?",
        further_hint=(
            "Loop: poll, recv once, append; when there are four bytes, compute the size; stop when there are "
            "4 + size of them."
        ),
        tried="a message that came at once, one cut in its length, and one cut in its text",
        returns=(bytes,),
        set_up=a_message_in_pieces,
        solution=read_message,
        needs_epoll=True,
        is_stretch=True,
    ),
)
