"""Endings of streams, made with a few lines of Python that are run one by one.

Facts about endings
-------------------
* IN says that a read would not sleep.  What the read gives may be bytes, the end (``b''``) or an
  error.
* ERR and HUP are reported without being asked for.  Other conditions that nobody asked for hold,
  and are not reported.
* When the other end closes, the read end of a pipe reports HUP without IN, TCP IN without HUP, a
  unix socket both.
* On TCP an ending has a way to go, on loopback too.  On a pipe and on a unix socket it is there at
  once.
* A regular file cannot be registered (EPERM).  poll(2) calls it ready, always.

What we do about them
---------------------
An experiment is text: lines of Python, which are run one by one and kept, each with what it gave.
`program` spells them as a program of its own.  What has a way to go is waited for, by asking
another epoll; two functions, `wait` and `fill`, are part of the program.  An experiment opens its
own streams and closes them.

*Source:* epoll_ctl(2), poll(2), pipe(7), tcp(7), unix(7).
"""

import inspect
import os
import re
import select
import socket
import struct
import tempfile
import time
from contextlib import ExitStack
from typing import NamedTuple

from .. import masks
from ..analysis import story

#: The conditions, from the lowest bit up, and those of them that one can ask for.
BITS = {name: masks.FLAGS["EPOLL" + name] for name in ("IN", "PRI", "OUT", "ERR", "HUP", "RDHUP")}
CHOICES = ("IN", "PRI", "OUT", "RDHUP")


class Stream(NamedTuple):
    """One stream to pick; `opened`, `read`, `write` and what happens are lines of Python."""

    label: str
    watched: str  # the variable that is registered
    opened: str
    read: str
    write: str
    hup: str  # what HUP means here
    # key → (label, lines that make it happen, what to try before a read if there is something)
    endings: dict


KEPT = "conn.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)"
TCP = {
    "nothing": ("nothing: the peer is there", ""),
    "data": ("data comes", 'peer.send(b"parcel")\nwait(conn, EPOLLIN)'),
    "close": ("the peer closes", "peer.close()\nwait(conn, EPOLLRDHUP)"),
    "close-left": (
        "data comes, then the peer closes",
        'peer.send(b"parcel")\npeer.close()\nwait(conn, EPOLLRDHUP)',
    ),
    "half": ("the peer half-closes", "peer.shutdown(socket.SHUT_WR)\nwait(conn, EPOLLRDHUP)"),
    "both": (
        "both directions are shut",
        "peer.shutdown(socket.SHUT_WR)\nconn.shutdown(socket.SHUT_WR)\nwait(conn, EPOLLHUP|EPOLLRDHUP)",
    ),
    "reset": (
        "the peer resets",
        'peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))\n'
        "peer.close()\nwait(conn, EPOLLERR|EPOLLHUP|EPOLLRDHUP)",
    ),
    "late": (
        "the peer closes, then this end writes",
        'peer.close()\nwait(conn, EPOLLRDHUP)\nconn.send(b"late")\nwait(conn, EPOLLERR|EPOLLHUP|EPOLLRDHUP)',
    ),
    "urgent": (
        "an urgent byte comes",
        'peer.send(b"!", socket.MSG_OOB)\nwait(conn, EPOLLPRI)',
        "conn.recv(1, socket.MSG_OOB)",
    ),
    "full": ("this end is filled", "fill(conn)"),
}
UNIX = {key: TCP[key] for key in ("nothing", "data", "close", "close-left", "half", "both")} | {
    "reset": ("the peer closes, and has not read all", 'conn.send(b"unread")\npeer.close()'),
    "full": TCP["full"],
}
SERVER = 'server = socket.create_server(("127.0.0.1", 0))\n'
BOUND = 'server = socket.socket()\nserver.bind(("127.0.0.1", 0))\n'
CALL = "peer = socket.create_connection(server.getsockname())\n"
CONNECT = "conn.connect_ex(server.getsockname())\n"
FRESH = "conn = socket.socket()\nconn.setblocking(False)"
RECV, SEND, SHUT = "conn.recv(64)", 'conn.send(b"x")', "both directions are shut"
PIPE, READ, WRITE = (
    "r, w = os.pipe()\nos.set_blocking({}, False)",
    "os.read(r, 64)",
    'os.write(w, b"x")',
)
STREAMS = {
    "pipe-read": Stream(
        "pipe, its read end",
        "r",
        PIPE.format("r"),
        READ,
        "",
        "no writer is left",
        {
            "nothing": ("nothing: the writer is there", ""),
            "data": ("data comes", 'os.write(w, b"parcel")'),
            "close": ("the writer closes", "os.close(w)"),
            "close-left": (
                "data comes, then the writer closes",
                'os.write(w, b"parcel")\nos.close(w)',
            ),
        },
    ),
    "pipe-write": Stream(
        "pipe, its write end",
        "w",
        PIPE.format("w"),
        "",
        WRITE,
        "",
        {
            "nothing": ("nothing: there is room", ""),
            "full": ("it is filled", "fill(w)"),
            "close": ("the reader closes, there is room", "os.close(r)"),
            "close-full": ("it is filled, then the reader closes", "fill(w)\nos.close(r)"),
        },
    ),
    "tcp": Stream(
        "TCP connection",
        "conn",
        f"{SERVER}{CALL}conn, _ = server.accept()\nconn.setblocking(False)",
        RECV,
        SEND,
        SHUT,
        TCP,
    ),
    "unix": Stream(
        "socketpair (unix stream)",
        "conn",
        "conn, peer = socket.socketpair()\nconn.setblocking(False)",
        RECV,
        SEND,
        SHUT,
        UNIX,
    ),
    "fresh": Stream(
        "TCP socket, never connected",
        "conn",
        FRESH,
        RECV,
        SEND,
        "it has no connection",
        {"nothing": ("nothing: it is new", ""), "listen": ("it begins to listen", "conn.listen()")},
    ),
    "listening": Stream(
        "TCP socket, listening",
        "server",
        SERVER + "server.setblocking(False)",
        "server.accept()",
        "",
        "",
        {
            "nothing": ("nothing: nobody calls", ""),
            "data": ("a caller connects", CALL + "wait(server, EPOLLIN)"),
        },
    ),
    "connecting": Stream(
        "TCP socket, connecting",
        "conn",
        BOUND + FRESH,
        RECV,
        SEND,
        "it has no connection",
        {
            "refused": (
                "refused: nobody listens",
                f"{CONNECT}wait(conn, EPOLLERR|EPOLLHUP|EPOLLRDHUP)",
                KEPT,
            ),
            "nothing": (
                "no answer yet: the server's queue is full",
                f"server.listen(0)\n{CALL}wait(server, EPOLLIN)\n{CONNECT}",
                KEPT,
            ),
            "connected": (
                "it is connected",
                f"server.listen()\n{CONNECT}wait(conn, EPOLLOUT)",
                KEPT,
            ),
        },
    ),
    "file": Stream(
        "regular file",
        "file",
        "file = tempfile.TemporaryFile()",
        "os.read(file.fileno(), 64)",
        "",
        "",
        {
            "nothing": ("nothing: it is empty", ""),
            "data": ("it holds data", 'file.write(b"parcel")\nfile.seek(0)'),
        },
    ),
}


class Outcome(NamedTuple):
    """What one experiment gave."""

    stream: Stream
    label: str
    first: str
    asked: int
    reported: int | None  # None: the kernel refused to register
    holds: int  # what an epoll that asks for everything was told, right after
    values: dict  # line → what it returned or raised, the first time
    lines: tuple  # (line of Python, what it gave, in words)
    refusal: OSError | None


def wait(stream, conditions):
    """Wait until all of these conditions hold, 0.3 s at most: what TCP sends has a way to go."""
    end = time.monotonic() + 0.3
    with select.epoll() as another:
        another.register(stream, conditions)
        while sum(mask for _, mask in another.poll(0)) & conditions != conditions:
            if time.monotonic() > end:
                raise TimeoutError("what was waited for did not come within 0.3 s; try again")
            time.sleep(0.0005)


def fill(stream):
    """Write until there is no room, 0.3 s at most.

    On TCP, what is on its way may make room: wait until nothing is.
    """
    import fcntl
    import termios

    number, is_settled = stream if isinstance(stream, int) else stream.fileno(), False
    is_tcp, end = (
        not isinstance(stream, int) and stream.family == socket.AF_INET,
        time.monotonic() + 0.3,
    )
    while time.monotonic() < end:
        try:
            os.write(number, bytes(65536))
            is_settled = False
        except BlockingIOError:
            if is_settled or not is_tcp:
                return
            unacknowledged, unsent = (
                struct.unpack("i", fcntl.ioctl(number, request, bytes(4)))[0]
                for request in (termios.TIOCOUTQ, 0x894B)
            )  # SIOCOUTQNSD
            is_settled = unacknowledged == unsent  # then once more, as there may be room now
            time.sleep(0.0005)
    raise TimeoutError("the stream was not full within 0.3 s; try again")


def held(stream) -> int:
    """Return the conditions that hold for *stream* now:

    what an epoll reports that asks for all of them.
    """
    with select.epoll() as witness:
        witness.register(stream, sum(BITS.values()))
        return sum(mask for _, mask in witness.poll(0))


def observe(stream: str, ending: str, asked: int) -> Outcome:
    """Make *ending* happen to *stream* (a key of `STREAMS`, and one of its endings), ask for the
    mask *asked*, read, write.

    Raises OSError if a stream cannot be opened, TimeoutError if an ending does not arrive.  Leaves
    nothing open.
    """
    chosen, holds, reported, refusal = STREAMS[stream], 0, None, None
    label, made, *first = chosen.endings[ending]
    with ExitStack() as stack:
        run = _Run(stack, chosen.watched)
        for line in [*chosen.opened.splitlines(), *made.splitlines(), "ep = select.epoll()"]:
            run.line(line)
        try:
            run.line(f"ep.register({chosen.watched}, {masks.names(asked)})")
        except PermissionError as error:
            refusal = error
            for line in (
                "asking = select.poll()",
                f"asking.register({chosen.watched})",
                "asking.poll(0)",
            ):
                run.line(line)
        else:
            reported = sum(mask for _, mask in run.line("ep.poll(0)"))
            holds = held(run.names[chosen.watched])
        for line in first:
            run.attempt(line)
        while chosen.read and run.attempt(chosen.read):
            pass
        if refusal is None:
            run.line("ep.poll(0)")
        if chosen.write:
            run.attempt(chosen.write)
    return Outcome(
        chosen, label, "".join(first), asked, reported, holds, run.values, tuple(run.lines), refusal
    )


class _Run:
    """Runs lines of Python, keeps what each gave, and has all that they open closed in the end."""

    def __init__(self, stack, watched):
        self.stack, self.watched, self.lines, self.values = stack, watched, [], {}
        self.names = {
            "os": os,
            "select": select,
            "socket": socket,
            "struct": struct,
            "tempfile": tempfile,
            "fill": fill,
            "wait": wait,
            **masks.FLAGS,
        }
        stack.callback(self._close)

    def attempt(self, text):
        """Run *text*, an assignment or an expression, and return its value, or None if it raised
        an OSError.
        """
        try:
            value = (exec if " = " in text else eval)(text, self.names)
        except OSError as error:
            value = error
        if text.startswith("os.close("):
            del self.names[text[9:-1]]  # the number is free now, and may soon be somebody else's
        elif isinstance(value, tuple):  # what accept() returned: a connection and an address
            value = self.stack.enter_context(value[0])
        self.values.setdefault(text, value)
        self.lines.append((text, spelled(value, text, self.watched)))
        return None if isinstance(value, OSError) else value

    def line(self, text):
        """Do as `attempt` does, and raise what *text* raised."""
        value = self.attempt(text)
        if isinstance(self.values[text], OSError):
            raise self.values[text]
        return value

    def _close(self):
        for name, value in self.names.items():
            if name in ("r", "w"):
                os.close(value)
            elif hasattr(value, "close") and not inspect.ismodule(value):
                value.close()


def spelled(value, text="", watched="") -> str:
    """Spell what the line *text* gave; an empty text if there is nothing to show."""
    if isinstance(value, OSError):
        name = story.ERRORS.get(value.errno)
        return type(value).__name__ + (f" ({name})" if name else "")
    if isinstance(value, list):  # events
        spell = ", ".join(f"({watched}, {masks.names(mask)})" for _, mask in value)
        return f"[{spell if text.startswith('ep.') else spell.replace('EPOLL', 'POLL')}]"
    if isinstance(value, socket.socket):
        return "a connection"
    if isinstance(value, int) and ("SO_ERROR" in text or "connect_ex" in text):
        return f"{value} ({story.ERRORS.get(value, 'no error')})"
    return repr(value) if isinstance(value, (bytes, int)) else ""


def program(outcome: Outcome) -> tuple[str, str]:
    """Spell what was run as a program that needs nothing but the standard library: what stands
    above it, and the lines.

    A line that raised an error raises it again: the lines after it are run by who catches it.
    """
    lines = "\n".join(text + (f"  # → {gave}" if gave else "") for text, gave in outcome.lines)
    helpers = [
        inspect.getsource(helper) for helper in (wait, fill) if f"{helper.__name__}(" in lines
    ]
    used = "\n".join([*helpers, *(text for text, _ in outcome.lines)])
    modules = sorted(set(re.findall(r"\b(os|select|socket|struct|tempfile|time)\.", used)))
    names = [name for name in masks.FLAGS if re.search(rf"\b{name}\b", used)]
    above = f"import {', '.join(modules)}\n" + (
        f"from select import {', '.join(names)}\n" if names else ""
    )
    return "\n\n".join([above, *helpers]).rstrip("\n"), lines
