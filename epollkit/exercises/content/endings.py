"""What notebook 11 asks: its questions, its exercises, and a solution of each exercise.

You have read this far before you tried?  Close this file, try first, then ask for ``solution(id)``.
"""

import contextlib
import select
import socket

from ... import linux, masks
from ...syscalls import READS
from ..question import Question
from ..scene import KEPT, Scene, is_empty, wait_until_settled
from ..task import Task

IN, ERR, HUP = masks.IN, masks.ERR, masks.HUP


def why_first_write(outcome):
    if outcome == "taken":
        return (
            "A FIN says that the peer will send no more. Whether it still reads, it does not say: that would "
            "be a half-close, and quite usual. So the kernel takes your bytes and sends them. Nobody "
            "is there, and the answer is an RST."
        )
    if outcome == "BrokenPipeError":
        return "Here the kernel knows already that nobody is there: an RST has come, or both are on one machine."
    return "The connection was reset, and this is the first call that is told."


def why_unread(mask):
    if mask == IN | ERR | HUP:
        return (
            "Your bytes were destroyed unread, and the kernel does not hide that: instead of a FIN it sends an "
            "RST. ERR and HUP come unasked; IN, because a read would not sleep: it raises the error."
        )
    if mask == IN:
        return "Everything had been read, so this is an orderly end: a FIN, and b'' to read."
    return "On a unix socket an orderly end shuts both directions."


def why_fifo(mask):
    if mask == HUP:
        return "No writer has the FIFO open, and there was one."
    if mask:
        return "Bytes are waiting."
    return (
        "HUP is a state, not an event: no writer is left. A FIFO has a name, so another writer can open it, "
        "and then the state is over."
    )


QUESTIONS = (
    Question(
        id="ending-first-write",
        text="A TCP peer has closed, everything was read, and its FIN has arrived. Now you `send` one byte. "
        "What does that call do?",
        why=why_first_write,
        choices={
            "BrokenPipeError": "it raises `BrokenPipeError` (EPIPE)",
            "ConnectionResetError": "it raises `ConnectionResetError`",
            "taken": "it returns 1",
        },
    ),
    Question(
        id="ending-unread",
        text="You have sent six bytes over TCP. The peer closes without having read them. You ask for "
        "`EPOLLIN`. What does `poll` report?",
        why=why_unread,
        choices={
            IN: "`EPOLLIN`: a FIN, as always when a TCP peer closes",
            IN | HUP: "`EPOLLIN` and `EPOLLHUP`",
            IN | ERR | HUP: "`EPOLLIN`, `EPOLLERR` and `EPOLLHUP`",
        },
    ),
    Question(
        id="ending-fifo",
        text="The only writer of a FIFO has closed it, and `poll` has reported `EPOLLHUP`. Another "
        "program opens the FIFO for writing, and writes nothing. What does `poll` report then?",
        why=why_fifo,
        choices={
            HUP: "`EPOLLHUP`: what has ended has ended",
            IN: "`EPOLLIN`",
            0: "nothing",
        },
    ),
)


def a_caller_who_goes_on(rng, round):
    """A client that has sent something nobody has read, reads late, and sends more meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        sock = listener.accept()[0]
    client.sendall(rng.randbytes(20_000))
    select.select([sock], [], [])
    client.setblocking(False)
    reply = rng.randbytes(1_000_000)
    KEPT.append(client)  # who sleeps for ever is not to be woken by its close
    number, end = sock.fileno(), client.fileno()

    def part(scene, attempt):
        with contextlib.suppress(ConnectionError):
            data = b"?"
            while data:
                wait_until_settled(scene, attempt, lambda: linux.readiness(end, select.POLLIN))
                if not select.select([client], [], [], 0.5)[0]:
                    break  # it is over, and it has neither sent all nor closed
                if round:  # the client was not done yet
                    with contextlib.suppress(OSError):
                        client.send(bytes(1000))
                data = client.recv(65_536)
                scene.received += data
        client.close()

    return Scene(
        {"sock": number, "client": end},
        (sock, reply),
        reply,
        part,
        "client",
        is_received=True,
        ours={number, end},
    )


def answer(sock, reply):
    sock.setblocking(True)
    try:
        sock.sendall(reply)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65_536):
            pass
    except ConnectionError:
        pass
    sock.close()


def what_was_destroyed(round):
    """Advise who closed with bytes unread, or waits for an end that waits for its own."""
    close = next((call for call in round.own if call.name == "socket.close"), None)
    missing = len(bytes.fromhex(round.found["wanted"])) > len(round.found["received"]) // 2
    if close is not None and missing:
        return (
            "At the close, bytes of the client were unread, or came afterwards: the kernel answered with an "
            "RST, and that destroyed the rest of the reply"
        )
    if round.found["state"] == "stuck" and round.last.name in READS:
        return "The client waits for the end of your reply, and you wait for the client's"
    return ""


def two_lines(rng, round):
    """Two connections to be joined: a request one way, its end, a reply the other way, its end."""

    def line():
        if round < 2:
            return socket.socketpair()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            other = socket.create_connection(listener.getsockname())
            return listener.accept()[0], other

    (a, a_peer), (b, b_peer) = line(), line()
    for sock in (a, a_peer, b, b_peer):
        sock.setblocking(False)
    first, second = (a_peer, b_peer) if round != 1 else (b_peer, a_peer)
    request, reply = (rng.randbytes(rng.randint(4_097, 9_000)) for _ in range(2))
    streams = {"a": a, "b": b, "a's peer": a_peer, "b's peer": b_peer}
    KEPT.extend(streams.values())

    def part(scene, attempt):
        def settle():
            wait_until_settled(scene, attempt, lambda: is_empty(a.fileno(), b.fileno()))

        def take(sock):
            """Read what has come; return whether the end has come, too."""
            with contextlib.suppress(BlockingIOError):
                while data := sock.recv(4096):
                    scene.received += data
                return True
            return False

        for sender, receiver, data in ((first, second, request), (second, first, reply)):
            settle()
            sender.send(data[:100])
            settle()
            sender.send(data[100:])
            sender.shutdown(socket.SHUT_WR)
            settle()
            if not take(receiver):
                raise OSError("the end was not passed on")

    return Scene(
        {name: sock.fileno() for name, sock in streams.items()},
        (a, b),
        request + reply,
        part,
        "peers",
        is_received=True,
    )


def relay(a, b):
    to = {a.fileno(): (a, b), b.fileno(): (b, a)}
    with select.epoll() as ep:
        for fd in to:
            ep.register(fd, select.EPOLLIN)
        while to:
            for fd, _ in ep.poll():
                source, sink = to[fd]
                data = source.recv(65_536)
                sink.send(data)
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    ep.unregister(fd)
                    del to[fd]


def what_was_not_passed_on(round):
    """Advise who ends both directions with the first, or keeps the end to itself."""
    names = [call.name for call in round.own]
    if "socket.shutdown" not in names and round.found["state"] != "raised":
        return "An end was read, and never passed on: b'' cannot be sent, but shutdown says it"
    return ""


TASKS = (
    Task(
        id="last-reply",
        title="The last reply",
        text=(
            "Complete answer(sock, reply): sock is a TCP socket. Its client has sent more than anybody "
            "wants to read, and may go on sending. Send all of reply, see to it that it arrives, "
            "and close sock. The client reads late; it leaves when it has read the end of your reply."
        ),
        stub='def answer(sock, reply):\n    """Send reply so that all of it arrives, then close sock."""\n    ...\n',
        wanted="every byte of the reply at the client, and its end",
        hint=(
            "What does the kernel send at a close if bytes were not read? How can you say that "
            "your reply is over without closing?"
        ),
        further_hint=(
            "sendall, then sock.shutdown(socket.SHUT_WR): the FIN goes out behind the reply. Then "
            "recv, and throw away what comes, until b''. Then close."
        ),
        tried=("a client that had sent 20,000 bytes, read 1,000,000 late, and sent more meanwhile"),
        set_up=a_caller_who_goes_on,
        solution=answer,
        advice=what_was_destroyed,
    ),
    Task(
        id="pass-it-on",
        title="Pass it on, the end as well",
        text=(
            "Complete relay(a, b): two sockets that do not block, each connected to somebody. What "
            "comes from a goes to b, and what comes from b goes to a; it always fits. The end of "
            "one direction is to be passed on, too, and the other direction goes on. "
            "Return when both have ended. Do not close a and b."
        ),
        stub='def relay(a, b):\n    """Pass on what comes, and each end, until both directions have ended."""\n    ...\n',
        wanted="every byte and both ends passed on, and no call that asks in vain",
        hint="How does one end of a connection say that it will send no more, and still read?",
        further_hint=(
            "At b'' from a: b.shutdown(socket.SHUT_WR), and unregister a. The same the other way. "
            "Loop until neither is registered."
        ),
        tried=(
            "two socketpairs, and two TCP connections: a request, its end, and only then a reply"
        ),
        set_up=two_lines,
        solution=relay,
        needs_epoll=True,
        advice=what_was_not_passed_on,
        is_stretch=True,
    ),
)
