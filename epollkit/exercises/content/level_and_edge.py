"""What notebook 10 asks: its questions, its exercises, and a solution of each exercise.

You have read this far before you tried?  Close this file, try first, then ask for ``solution(id)``.
"""

import contextlib
import os
import select
import socket
import threading

from ... import linux, masks
from ...syscalls import READS
from ..question import Question
from ..scene import KEPT, Scene, is_empty, is_full, wait_until_settled
from ..task import Task

IN = masks.IN


def why_once_more(mask):
    if mask:
        return (
            "Each write wakes whoever waits for the pipe, also if bytes are there already; and a wake-up "
            "is what an edge is. The pipe did not have to become non-empty."
        )
    return "Nobody has written since poll was told, so nobody was woken."


def why_refused(mask):
    if mask:
        return (
            "Each write wakes whoever waits for the pipe, the one that is refused as well. Not a byte is "
            "new, and the edge-triggered entry is reported all the same."
        )
    return "Nobody has called write, so nobody was woken, and a full pipe alone is no news."


def why_three_callers(mask):
    if mask:
        return "This entry is level-triggered: as long as a caller waits, poll says so."
    return (
        "The three came before poll was called, and one report stands for all of them. accept takes a "
        "caller away and wakes nobody, so there is no edge: poll sleeps, and two callers wait."
    )


QUESTIONS = (
    Question(
        id="edge-once-more",
        text="Six bytes lie unread in the pipe, and `poll` has reported them. Nobody reads. One more byte "
        "is written. What does the edge-triggered `poll` report then?",
        why=why_once_more,
        choices={
            0: "nothing: the pipe was not empty, so it has not become readable",
            IN: "`EPOLLIN`, once more",
        },
    ),
    Question(
        id="edge-refused",
        text="The pipe is full, and `poll` has reported it. A writer tries to write one more byte, and is "
        "refused with EAGAIN. What does the edge-triggered `poll` report then?",
        why=why_refused,
        choices={
            0: "nothing: not a byte was added",
            IN: "`EPOLLIN`, although nothing has changed",
        },
    ),
    Question(
        id="edge-three-callers",
        text="Three callers have come to an edge-triggered listener, and `poll` has reported it. The "
        "server accepts one of them and goes back to `poll`. What does `poll` do?",
        why=why_three_callers,
        choices={
            IN: "it reports `EPOLLIN`: two callers are still in the queue",
            0: "it sleeps, until a further caller comes",
        },
    ),
)


def bursts(rng, round):
    """Two streams.  All of one, and its end, is there before anybody looks; the other brings its
    bytes in bursts that are longer than a page.
    """
    pairs = []
    for _ in range(2):
        own, other = (end.detach() for end in socket.socketpair()) if round == 1 else os.pipe()
        os.set_blocking(own, False)
        pairs.append((own, other))
    (a, a_end), (b, b_end) = pairs
    early, late, late_end = (a, b, b_end) if round < 2 else (b, a, a_end)
    pieces = [rng.randbytes(rng.randint(4_097, 8_000)) for _ in range(4)]
    early_end = a_end if early == a else b_end
    os.write(early_end, pieces[0])
    os.close(early_end)
    sizes = {early: len(pieces[0]), late: sum(map(len, pieces[1:]))}

    def part(scene, attempt):
        for piece in pieces[1:]:
            wait_until_settled(scene, attempt, lambda: is_empty(a, b))
            if not attempt.is_over:
                os.write(late_end, piece)
        wait_until_settled(scene, attempt, lambda: is_empty(a, b))
        scene.close(late_end)

    return Scene(
        {"a": a, "b": b, "writer": late_end},
        (a, b),
        sizes,
        part,
        "writer",
        case=f"{sizes[a]:,} bytes came from a, and {sizes[b]:,} from b",
    )


def collect(a, b):
    counts, here = {a: 0, b: 0}, {a, b}
    with select.epoll() as ep:
        for fd in here:
            ep.register(fd, select.EPOLLIN | select.EPOLLET)
        while here:
            for fd, _ in ep.poll():
                try:
                    while data := os.read(fd, 4096):
                        counts[fd] += len(data)
                except BlockingIOError:
                    continue
                ep.unregister(fd)
                here.remove(fd)
    return counts


def what_was_left(round):
    """Advise who stopped reading before it was refused, or had read the end."""
    if round.found["state"] != "stuck" or not (round.last and round.last.name == "epoll.poll"):
        return ""
    for fd in round.found["wanted"]:
        reads = [
            call
            for call in round.own
            if call.name in READS and call.stream and str(call.stream.number) == fd
        ]
        if reads and reads[-1].bytes_moved:
            return (
                f"The last read of {reads[-1].stream.name} was neither refused nor b'': so something "
                "may be left there, bytes or the end, and no edge will tell you of it"
            )
    return ""


#: So many calls a server may make while one caller floods it, and another waits for its answer.
FLOODED_CALLS = 300
#: Bytes that a server may have read from one caller and not yet sent back.
MOST_IN_HAND = 262_144


def nothing():
    """Do nothing between two calls of an attempt."""


def crowd(rng, round):
    """Callers who are in the queue before the server begins.

    They come in a burst; or one of them floods the server; or one leaves with replies on their way,
    and another reads late.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    KEPT.append(listener)
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):  # of its connections: so they fill soon
        listener.setsockopt(socket.SOL_SOCKET, option, 16_384)
    stop, ring = os.pipe()
    ends = [call(listener) for _ in range(3)]
    lines = [b"line " + rng.randbytes(8).hex().encode() + b"\n" for _ in ends]
    much = rng.randbytes(700_000)
    parts = (every_caller, one_floods, one_leaves)
    wanted = (b"".join(lines), lines[1], lines[1] + much)[round]

    def part(scene, attempt):
        parts[round](scene, attempt, ends, lines, much)
        os.write(ring, b"!")

    names = [f"caller {number}" for number in (1, 2, 3)]
    return Scene(
        {"listener": listener.fileno(), "stop": stop, "ring": ring}
        | dict(zip(names, ends, strict=True)),
        (listener, stop),
        wanted,
        part,
        "callers",
        is_received=True,
        most_in_hand=MOST_IN_HAND,
    )


def call(listener) -> int:
    """Connect to *listener*, and return the caller's end, which does not block."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        sock.connect(listener.getsockname())
        sock.setblocking(False)
        return sock.detach()


def settle(scene, attempt, ends):
    """Wait until the server has done what it can for the callers at *ends*."""

    def stands_still():
        others = linux.other_ends()
        return all(
            end in others
            and (is_full(others[end]) or (is_empty(others[end]) and not linux.bytes_unsent(end)))
            for end in ends
        )

    wait_until_settled(scene, attempt, stands_still)


def take(end) -> bytes:
    """Read what is there."""
    with contextlib.suppress(BlockingIOError):
        return os.read(end, 65_536)
    return b""


def every_caller(scene, attempt, ends, lines, _):
    for end, line in zip(ends, lines, strict=True):
        os.write(end, line)
        settle(scene, attempt, ends)
        scene.received += take(end)
    scene.close(ends[0])
    settle(scene, attempt, ends[1:])


def one_floods(scene, attempt, ends, lines, _):
    """The flood goes on as fast as the server reads, until the other caller has its answer."""
    flood, other, _ = ends
    settle(scene, attempt, ends)
    asks, goes_on = threading.Semaphore(0), threading.Semaphore(0)

    def wait_for_the_flood():
        asks.release()
        goes_on.acquire(timeout=1)

    attempt.meanwhile = wait_for_the_flood
    os.write(flood, bytes(4096))
    os.write(other, lines[1])
    is_late = False
    for number in range(FLOODED_CALLS):
        if not asks.acquire(timeout=0.2) or linux.bytes_waiting(other):
            break
        is_late = number == FLOODED_CALLS - 1
        take(flood)
        with contextlib.suppress(BlockingIOError):
            os.write(flood, bytes(4096))
        goes_on.release()
    attempt.meanwhile = nothing
    goes_on.release()
    while take(flood) or not (linux.bytes_waiting(other) or is_late):
        settle(scene, attempt, ends)
    if not is_late:
        scene.received += take(other)
    scene.close(flood)
    settle(scene, attempt, ends[1:])


def one_leaves(scene, attempt, ends, lines, much):
    """One fills the line and leaves; another gets its answer; the third reads late, and all."""
    leaver, other, slow = ends

    def push(end, rest):
        while rest and not attempt.is_over and not is_full(end):
            rest = rest[os.write(end, rest[:65_536]) :]
            settle(scene, attempt, [end])
        return rest

    push(leaver, memoryview(much))
    scene.close(leaver)  # with replies unread: its connection is reset
    settle(scene, attempt, ends[1:])
    rest = push(slow, memoryview(much))
    os.write(other, lines[1])
    settle(scene, attempt, ends[1:])
    scene.received += take(other)
    echoed = bytearray()
    while not attempt.is_over and len(echoed) < len(much):
        while piece := take(slow):
            echoed += piece
        settle(scene, attempt, [slow])
        rest = push(slow, rest)
    scene.received += echoed


def serve(listener, stop):
    everything = select.EPOLLIN | select.EPOLLOUT | select.EPOLLET
    socks, owed = {}, {}

    def turn(fd):
        """Move at most four pieces; ask for a further turn if none of them was refused."""
        try:
            for _ in range(4):
                owed[fd] = owed[fd] or socks[fd].recv(16_384)
                if not owed[fd]:
                    raise ConnectionError
                owed[fd] = owed[fd][socks[fd].send(owed[fd]) :]
            ep.modify(fd, everything)
        except BlockingIOError:
            pass
        except OSError:
            socks.pop(fd).close()

    with select.epoll() as ep:
        ep.register(listener, select.EPOLLIN | select.EPOLLET)
        ep.register(stop, select.EPOLLIN)
        while stop not in (ready := [fd for fd, _ in ep.poll()]):
            for fd in ready:
                if fd in socks:
                    turn(fd)
                while fd == listener.fileno():
                    try:
                        sock, _ = listener.accept()
                    except BlockingIOError:
                        break
                    sock.setblocking(False)
                    socks[sock.fileno()], owed[sock.fileno()] = sock, b""
                    ep.register(sock, everything)
    for sock in socks.values():
        sock.close()


def who_was_forgotten(round):
    """Advise who left callers in the queue, or was never away from one of them."""
    accepted = sum(call.name == "socket.accept" and not call.error for call in round.own)
    if round.found["state"] in ("stuck", "late") and accepted < 3:
        return (
            f"{accepted} of the 3 callers in the queue were accepted: an edge says that callers "
            "came, not how many"
        )
    longest, run = 0, 0
    for call in round.own:
        run = 0 if call.name == "epoll.poll" else run + (call.name in READS)
        longest = max(longest, run)
    if longest > FLOODED_CALLS // 4 and round.found["received"] == "":
        return (
            f"It read {longest} times without a poll between, from a caller who sends as fast as "
            "that, while another waited for one line"
        )
    return ""


TASKS = (
    Task(
        id="collect-edges",
        title="Told once",
        text=(
            "Complete collect(a, b): two streams that do not block. Register both with EPOLLIN | "
            "EPOLLET, read both to their ends, and return a dictionary: file descriptor → how "
            "many bytes came from it. Sleep while there is nothing. Close neither."
        ),
        stub="def collect(a, b):\n"
        '    """Return a dictionary: file descriptor → how many bytes came, until its end."""\n    ...\n',
        wanted=(
            "the number of bytes of each stream, both registered edge-triggered, and no call that "
            "asks in vain"
        ),
        hint=(
            "After which result of os.read may you go back to poll, and be sure that you will be "
            "told of everything that comes? There are two such results."
        ),
        further_hint=(
            "For each event read in a loop: bytes are counted, b'' is the end (unregister it), and "
            "BlockingIOError means back to poll. A read that gave less than you asked for is "
            "neither: the end may be there already."
        ),
        tried=(
            "two pipes and two socketpairs: one that had ended before anybody looked, and one "
            "whose bytes came in bursts of more than a page"
        ),
        set_up=bursts,
        solution=collect,
        returns=(dict,),
        needs_epoll=True,
        needs_edges=True,
        advice=what_was_left,
    ),
    Task(
        id="serve-edges",
        title="A server on edges",
        text=(
            "Complete serve(listener, stop): an echo server, all of whose connections, and the "
            "listener, are registered with EPOLLET. listener is a TCP socket that does not block. "
            "Send back to each caller what comes from it, and return when there is something to "
            "read from stop, a pipe. Callers come in bursts; one sends as fast as you read; one "
            "leaves while you owe it something; one reads late. Hold at most 262,144 bytes for "
            "each. Close the connections that you accept, but neither listener nor stop."
        ),
        stub="def serve(listener, stop):\n"
        '    """Echo to every caller, edge-triggered, until stop is readable."""\n    ...\n',
        wanted=(
            "every line back at its caller, soon, whatever the others do; everything registered "
            "edge-triggered, except perhaps stop; and no call that asks in vain"
        ),
        hint=(
            "For each of the three kinds of call, accept, recv and send: when may you stop calling "
            "it? And how does a caller get a further turn whom you left before it was refused?"
        ),
        further_hint=(
            "Accept until BlockingIOError. For a caller: send what you owe, or else read, a few "
            "times at most; if nothing was refused meanwhile, call ep.modify with the same mask, "
            "which asks again. Any other OSError ends that connection only."
        ),
        tried=(
            "three callers in one burst; one that sent without end while another waited for its "
            "line; one that left with replies on their way, and one that read 700,000 bytes late"
        ),
        set_up=crowd,
        solution=serve,
        needs_epoll=True,
        needs_edges=True,
        advice=who_was_forgotten,
        is_stretch=True,
    ),
)
