"""What notebook 12b asks: its questions, its exercises, and a solution of each exercise.

You have read this far before you tried?  Close this file, try first, then ask for ``solution(id)``.
"""

import contextlib
import os
import select
import socket

from ... import masks
from ..question import Question
from ..scene import KEPT, Scene, is_empty, wait_until_settled
from ..task import Task

IN, HUP = masks.IN, masks.HUP


def why_stale(outcome):
    if outcome == "carol":
        return (
            "poll had put Bob's event into the list before Ann's was acted on, and nothing takes it out. When he "
            "was closed, his number was free; accept takes the lowest free number, and gave it to Carol. So "
            "the event for that number, HUP, was taken for hers."
        )
    return "Bob's number was not given to anybody while the list was being worked on."


def why_hidden(mask):
    if mask:
        return "This reader takes no more from the kernel than it returns, so the second line is still there."
    return (
        "The file object has read all eight bytes, and keeps four of them in a buffer of its own. The kernel's "
        "buffer is empty, and that is the only one that poll knows."
    )


def why_whose_flag(outcome):
    if outcome == "BlockingIOError":
        return (
            "O_NONBLOCK is a flag of the open file description. dup makes a second number for the same "
            "description, and so does fork: whoever changes the flag changes it for all of them."
        )
    return "These two have descriptions of their own, and a flag each."


QUESTIONS = (
    Question(
        id="stale-event",
        text="Ann's event has Bob closed, the listener's has Carol accepted. The third event was Bob's: "
        "`HUP`. What does the loop do with it?",
        why=why_stale,
        choices={
            "nothing": "nothing: Bob is no longer among the clients",
            "EBADF": "it raises an error: Bob's number is closed (EBADF)",
            "carol": "it hangs up on Carol",
        },
    ),
    Question(
        id="hidden-line",
        text="Two lines have come, eight bytes, and `readline` has returned the first. What does `poll` "
        "report now?",
        why=why_hidden,
        choices={
            IN: "`EPOLLIN`: the second line waits",
            0: "nothing",
        },
    ),
    Question(
        id="whose-flag",
        text="The copy was made non-blocking. What does `os.read(r, 64)` do now, on the empty pipe?",
        why=why_whose_flag,
        choices={
            "sleeps": "it sleeps: `r` itself still blocks",
            "BlockingIOError": "it raises `BlockingIOError`",
            "b''": "it returns `b''`",
        },
    ),
)


def a_client_who_waits_for_each_answer(rng, round):
    """A socketpair: a client sends lines, now one, now several at once, now half of one, and goes on
    when all that were complete have been answered.
    """
    sock, client = socket.socketpair()
    client.setblocking(False)
    KEPT.extend((sock, client))
    words = [rng.randbytes(rng.randint(2, 9)).hex().encode() + b"\n" for _ in range(6)]
    text = b"".join(words)
    half = len(words[0] + words[1]) + 3
    parts = [text[:half], text[half:]] if round else [words[0], *([text[len(words[0]) :]])]

    def part(scene, attempt):
        def receive():
            with contextlib.suppress(BlockingIOError, ConnectionError):
                while data := client.recv(4096):
                    scene.received += data

        sent = b""
        for piece in parts:
            wait_until_settled(scene, attempt, lambda: is_empty(sock.fileno()))
            with contextlib.suppress(OSError):
                client.send(piece)
            sent += piece
            wait_until_settled(scene, attempt, lambda: is_empty(sock.fileno()))
            receive()
            if len(scene.received) != sent.rindex(b"\n") + 1:
                return  # it waits for the rest
        client.shutdown(socket.SHUT_WR)
        wait_until_settled(scene, attempt, lambda: False)
        receive()

    return Scene(
        {"sock": sock.fileno(), "client": client.fileno()},
        (sock,),
        text.upper(),
        part,
        "client",
        is_received=True,
    )


def answer_lines(sock):
    rest = b""
    with select.epoll() as ep:
        ep.register(sock, select.EPOLLIN)
        while True:
            ep.poll()
            data = sock.recv(4096)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                sock.sendall(line.upper() + b"\n")


def some_lenders(rng, round):
    """Pipes whose first lines come one after the other, each with more behind it."""
    pipes = [os.pipe() for _ in range(rng.randint(2, 3))]
    fds = [r for r, _ in pipes]
    streams = {
        f"{name}{place}": fd
        for place, ends in enumerate(pipes, 1)
        for name, fd in zip("rw", ends, strict=True)
    }
    lines = [rng.randbytes(rng.randint(4, 12)).hex() for _ in pipes]

    def part(scene, attempt):
        for (_, w), line in zip(pipes, lines, strict=True):
            wait_until_settled(scene, attempt, lambda: True)
            os.write(w, line.encode() + b"\n" + bytes(100))

    return Scene(
        streams,
        (fds,),
        {str(fd): line for fd, line in zip(fds, lines, strict=True)},
        part,
        "writers",
        case=f"the lines were {lines}",
    )


def first_lines(fds):
    lines = {}
    with select.epoll() as ep:
        copies = {os.dup(fd): fd for fd in fds}
        for copy in copies:
            ep.register(copy, select.EPOLLIN)
        while copies:
            for copy, _ in ep.poll():
                line = os.read(copy, 64).partition(b"\n")[0]
                lines[copies.pop(copy)] = line.decode()
                ep.unregister(copy)
                os.close(copy)
    return lines


TASKS = (
    Task(
        id="mend-the-lines",
        title="Find the bug: the lines",
        text=(
            "Mend answer_lines(sock): a socket that blocks. It sends back each line that comes, in capitals, "
            "and returns at the end. The client waits for its answers before it sends more. But one that "
            "sends two lines at once waits for ever. Do not close sock."
        ),
        stub='''\
def answer_lines(sock):
    """Send back each line that comes from sock, in capitals, until its end."""
    with select.epoll() as ep, sock.makefile("rb") as file:
        ep.register(sock, select.EPOLLIN)
        while True:
            ep.poll()
            line = file.readline()
            if not line:
                return
            sock.sendall(line.upper())
''',
        wanted="every line answered before the next one is sent, no call in vain, and no warning",
        hint="How many lines does the file object take from the kernel, and how many does it return?",
        further_hint=(
            "Leave out the file object. recv once, add it to a rest of your own, split that at the newlines, "
            "answer all but the last piece, and keep this one."
        ),
        tried="a client with one line, with several at once, and with a line that comes in halves",
        set_up=a_client_who_waits_for_each_answer,
        solution=answer_lines,
        needs_epoll=True,
    ),
    Task(
        id="mend-the-loan",
        title="Find the bug: the loan",
        text=(
            "Mend first_lines(fds): a list of read ends of pipes. It returns a dictionary: file descriptor → "
            "the first line that comes from it, as text; a line comes whole, and is at most 60 bytes long. The "
            "descriptors are lent, so it works on copies of its own. But when the first line has come, it "
            "uses a whole core."
        ),
        stub='''\
def first_lines(fds):
    """Return a dictionary: file descriptor → the first line that comes from it."""
    lines = {}
    with select.epoll() as ep:
        copies = {os.dup(fd): fd for fd in fds}    # they are lent
        for copy in copies:
            ep.register(copy, select.EPOLLIN)
        while copies:
            for copy, mask in ep.poll():
                if copy in copies:
                    line = os.read(copy, 64).partition(b"\\n")[0]
                    lines[copies.pop(copy)] = line.decode()
                    os.close(copy)
    return lines
''',
        wanted="the first line of each, no call that asks in vain, nothing left open, and no warning",
        hint="The copy is closed. Is the open file description?",
        further_hint="No: the number that was lent keeps it open. ep.unregister(copy), then close.",
        tried="two or three pipes, a line each, and more behind it",
        returns=(dict,),
        set_up=some_lenders,
        solution=first_lines,
        needs_epoll=True,
        is_stretch=True,
    ),
)
