"""endings(): pick a stream, what happens to it, and the mask to ask for; see the mask that Linux
reports.

Facts about endings
-------------------
* A mask is a number; what it says are its bits.  Each bit has three states: reported; does not hold;
  holds, and is not reported, as nobody asked for it.
* IN says that a read would not sleep.  What the read gives may be bytes, the end of the file (EOF,
  ``b''``) or an error.
* ERR and HUP are reported without being asked for.  Other conditions that nobody asked for hold,
  and are not reported.
* When the other end closes, the read end of a pipe reports HUP without IN, TCP IN without HUP, a
  unix socket both.
* On TCP an ending is a packet (FIN or RST) that has a way to go, on loopback too.  On a pipe and on a
  unix socket it is there at once.
* A regular file cannot be registered (EPERM).  poll(2) calls it ready, always.

What we do about them
---------------------
An experiment is text: lines of Python, which are run one by one and kept, each with what it gave.
`program` spells them as a program of its own.  What has a way to go is waited for, by asking
another epoll; two functions, `wait` and `fill`, are part of the program.  An experiment opens its
own streams and closes them.  Each change of a control makes the experiment anew.  The page has a
switch for each bit and a lamp under it; the mask in hexadecimal; a sentence for each bit that was
reported; what a read and a write gave; the program that ran.

*Source:* epoll_ctl(2), poll(2), pipe(7), tcp(7), unix(7).
"""

import html
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

import ipywidgets

from .. import masks
from ..analysis import story
from ..drawing import ink
from ..drawing.canvas import Canvas
from ..widgets.controls import button, choice, row
from ..widgets.page import Explorable, lesson, panel

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
    "close": ("the peer closes (FIN)", "peer.close()\nwait(conn, EPOLLRDHUP)"),
    "close-left": (
        "data comes, then the peer closes (FIN)",
        'peer.send(b"parcel")\npeer.close()\nwait(conn, EPOLLRDHUP)',
    ),
    "half": (
        "the peer half-closes: shutdown (FIN)",
        "peer.shutdown(socket.SHUT_WR)\nwait(conn, EPOLLRDHUP)",
    ),
    "both": (
        "both directions are shut",
        "peer.shutdown(socket.SHUT_WR)\nconn.shutdown(socket.SHUT_WR)\n"
        "wait(conn, EPOLLHUP|EPOLLRDHUP)",
    ),
    "reset": (
        "the peer resets (RST)",
        'peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))\n'
        "peer.close()\nwait(conn, EPOLLERR|EPOLLHUP|EPOLLRDHUP)",
    ),
    "unread": (
        "the peer closes, and has not read all",
        'conn.send(b"unread")\nwait(peer, EPOLLIN)\npeer.close()\n'
        "wait(conn, EPOLLERR|EPOLLHUP|EPOLLRDHUP)",
    ),
    "late": (
        "the peer closes, then this end writes",
        'peer.close()\nwait(conn, EPOLLRDHUP)\nconn.send(b"late")\n'
        "wait(conn, EPOLLERR|EPOLLHUP|EPOLLRDHUP)",
    ),
    "urgent": (
        "an urgent byte comes",
        'peer.send(b"!", socket.MSG_OOB)\nwait(conn, EPOLLPRI)',
        "conn.recv(1, socket.MSG_OOB)",
    ),
    "full": ("this end is filled", "fill(conn)"),
    "own-write": ("this end half-closes: SHUT_WR", "conn.shutdown(socket.SHUT_WR)"),
    "own-read": ("this end stops reading: SHUT_RD", "conn.shutdown(socket.SHUT_RD)"),
    "own-both": ("this end does both: SHUT_RDWR", "conn.shutdown(socket.SHUT_RDWR)"),
    "full-half": (
        "this end is filled, and half-closes",
        "fill(conn)\nconn.shutdown(socket.SHUT_WR)",
    ),
}
UNIX = {key: TCP[key] for key in ("nothing", "data", "both")} | {
    "close": ("the peer closes", TCP["close"][1]),
    "close-left": ("data comes, then the peer closes", TCP["close-left"][1]),
    "half": ("the peer half-closes: shutdown", TCP["half"][1]),
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
FIFO = """\
path = tempfile.mkdtemp() + "/fifo"
os.mkfifo(path)
r = os.open(path, os.O_RDONLY|os.O_NONBLOCK)
os.remove(path)
os.rmdir(os.path.dirname(path))"""
COMES = 'w = os.open(f"/proc/self/fd/{r}", os.O_WRONLY)'
UDP = """\
server = socket.socket(type=socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
conn = socket.socket(type=socket.SOCK_DGRAM)
conn.setblocking(False)
conn.connect(server.getsockname())"""
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
                "refused: nobody listens (RST)",
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
    "udp": Stream(
        "UDP socket, connected",
        "conn",
        UDP,
        RECV,
        SEND,
        "",
        {
            "nothing": ("nothing: nobody sends", ""),
            "data": (
                "a datagram comes",
                'server.sendto(b"parcel", conn.getsockname())\nwait(conn, EPOLLIN)',
            ),
            "refused": (
                "nobody is there any more, and this end sends",
                'server.close()\nconn.send(b"late")\nwait(conn, EPOLLERR)',
            ),
        },
    ),
    "fifo": Stream(
        "FIFO, its read end",
        "r",
        FIFO,
        READ,
        "",
        "no writer is left",
        {
            "nothing": ("nothing: no writer has come yet", ""),
            "data": ("a writer comes, and data", f'{COMES}\nos.write(w, b"parcel")'),
            "close": ("the writer closes", f"{COMES}\nos.close(w)"),
            "back": ("the writer closes, another one comes", f"{COMES}\nos.close(w)\n{COMES}"),
        },
    ),
    "pty": Stream(
        "terminal (pty), its master",
        "r",
        "r, w = os.openpty()\nos.set_blocking(r, False)",
        READ,
        "",
        "nobody has the terminal open",
        {
            "nothing": ("nothing: the program is there", ""),
            "data": ("the program prints", 'os.write(w, b"parcel")\nwait(r, EPOLLIN)'),
            "close": ("the program closes it", "os.close(w)\nwait(r, EPOLLHUP)"),
            "close-left": (
                "the program prints, then closes it",
                'os.write(w, b"parcel")\nwait(r, EPOLLIN)\nos.close(w)\nwait(r, EPOLLHUP)',
            ),
        },
    ),
    "eventfd": Stream(
        "eventfd",
        "r",
        "r = os.eventfd(0, os.EFD_NONBLOCK)",
        "os.read(r, 8)",
        'os.write(r, b"\\1" + bytes(7))',
        "",
        {
            "nothing": ("nothing: its count is 0", ""),
            "data": ("somebody adds 1", "os.eventfd_write(r, 1)"),
            "full": ("its count is as high as it goes", "os.eventfd_write(r, 2**64 - 2)"),
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
    """Wait until all of these conditions hold, 5 s at most: what TCP sends has a way to go."""
    end = time.monotonic() + 5
    with select.epoll() as another:
        another.register(stream, conditions)
        while sum(mask for _, mask in another.poll(0)) & conditions != conditions:
            if time.monotonic() > end:
                raise TimeoutError("what was waited for did not come within 5 s; try again")
            time.sleep(0.0005)


def fill(stream):
    """Write until there is no room, 5 s at most.

    On TCP, what is on its way may make room: wait until nothing is.
    """
    import fcntl
    import termios

    number, is_settled = stream if isinstance(stream, int) else stream.fileno(), False
    is_tcp, end = (
        not isinstance(stream, int) and stream.family == socket.AF_INET,
        time.monotonic() + 5,
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
    raise TimeoutError("the stream was not full within 5 s; try again")


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


# in words


def effect(value) -> str:
    """Say in a clause what a call did that gave *value*."""
    if isinstance(value, OSError):
        return "raised " + story.ERRORS.get(value.errno, type(value).__name__)
    if isinstance(value, bytes):
        return f"returned {value!r}" + ("" if value else " (EOF)")
    return (
        f"took {story.count(value, 'byte')}" if isinstance(value, int) else "returned a connection"
    )


def explain(outcome: Outcome) -> list[str]:
    """Say in a sentence for each bit what it means here, or why there is none."""
    stream, reported = outcome.stream, outcome.reported
    if reported is None:
        return ["A regular file makes nobody wait, so epoll has nothing to report."]
    if not reported and outcome.asked:
        return ["Nothing that was asked for holds, and neither does ERR or HUP."]
    if not reported:
        return ["Nothing was asked for, and neither ERR nor HUP holds."]
    gave = [outcome.values.get(line) for line in (outcome.first, stream.read, stream.write)]
    kept = next((value.errno for value in gave if isinstance(value, OSError)), 0)
    if outcome.first == KEPT:
        kept = gave[0]
    is_accept, is_connecting = "accept" in stream.read, outcome.first == KEPT
    error = f"the socket keeps an error, {story.ERRORS.get(kept, '?')}."
    words = {
        "IN": f"{'an accept' if is_accept else 'a read'} would not sleep.",
        "PRI": "an urgent byte is here.",
        "OUT": "a write would not sleep.",
        "ERR": error if stream.read else "no reader is left.",
        "HUP": f"{stream.hup}.",
        "RDHUP": "there is nobody to write."
        if is_connecting
        else "this end reads no more."
        if "SHUT_RD" in outcome.label
        else "the other end writes no more.",
    }
    return [f"{name}: {words[name]}" for name, bit in BITS.items() if reported & bit]


def tried(outcome: Outcome) -> str:
    """Say what the calls gave that were tried after `poll` had returned, each for the first
    time.
    """
    stream, first = outcome.stream, outcome.first
    clauses = []
    if first == KEPT:
        clauses.append(f"SO_ERROR was {spelled(outcome.values[first], first)}")
    for name, line in (
        ("recv with MSG_OOB", first if first != KEPT else ""),
        ("an accept" if "accept" in stream.read else "a read", stream.read),
        ("a write", stream.write),
    ):
        if line:
            clauses.append(f"{name} {effect(outcome.values[line])}")
    return f"Then {'; '.join(clauses)}."


def headline(outcome: Outcome) -> str:
    """Spell what was reported, in hexadecimal and by name."""
    if outcome.refusal is not None:
        return f"register raised {spelled(outcome.refusal)}"
    if not outcome.reported:
        return "[ ]  no event"
    return f"{outcome.reported:#x} = {masks.names(outcome.reported)}"


def describe(outcome: Outcome) -> str:
    """Say in words all that the picture shows."""
    missed = outcome.holds & ~(outcome.reported or 0)
    asked = masks.short(outcome.asked) if outcome.asked else "nothing"
    return (
        f"{outcome.stream.label}: {outcome.label}. Asked for: {asked}. "
        f"Reported: {headline(outcome)}. "
        + f"Holds, and was not asked for: {masks.short(missed)}. " * bool(missed)
        + f"{' '.join(explain(outcome))} {tried(outcome)}"
    )


# the still, in inches from the upper left corner

HEIGHT, COLUMN, ACROSS = 2.50, 1.50, 1.24


def draw(outcome: Outcome | None, title: str, asked: int) -> bytes:
    """Draw the switches and the lamps, as PNG; *outcome* is None if there was no experiment."""
    canvas = Canvas(HEIGHT)

    def write(x, y, text, size=9.0, color=ink.INK, **style):
        canvas.text(x, y, text, size, color, **({"ha": "left", "va": "center_baseline"} | style))

    write(0.12, 0.16, title, 10, weight="bold")
    for y, text in ((0.48, "condition"), (0.80, "asked for"), (1.18, "reported")):
        write(0.12, y, text, 9, ink.FAINT)
    for place, (name, bit) in enumerate(BITS.items()):
        x, state = COLUMN + ACROSS * place, state_of(bit, outcome)
        is_on = (asked | masks.ALWAYS) & bit
        write(x, 0.48, name, 10.5, weight="bold", ha="right")
        write(x + 0.06, 0.48, f"{bit:#x}", 8.5, ink.FAINT)
        edge, fill = (ink.LEVEL_TEXT, ink.LEVEL_EDGE) if is_on else (ink.FAINT, ink.PAPER)
        canvas.rounded(x - 0.34, x - 0.08, 0.73, 0.87, 0.07, fill, edge)
        canvas.dots([(x - (0.15 if is_on else 0.27), 0.80)], "o", ink.PAPER, edge, 7.2, 0.9)
        words = "always" if bit & masks.ALWAYS else "on" if is_on else "off"
        write(x, 0.80, words, 8.5, ink.INK if is_on else ink.FAINT)
        fill, edge = LAMPS[state]
        canvas.dots([(x, 1.18)], "o", fill, edge, 21.6, 2)
        if state == "missed":
            write(x, 1.45, MISSED, 8, ink.BUFFER, ha="center")
        write(x, 1.18, SIGNS[state], 11, ha="center", weight="bold")
    sentences = explain(outcome) if outcome else []
    write(
        0.12, 1.74, headline(outcome) if outcome else "not measured", 14, ink.EVENT, weight="bold"
    )
    write(0.12, 2.00, "   ".join(sentences[:3]))
    write(0.12, 2.18, "   ".join(sentences[3:]))
    last = 2.36 if len(sentences) > 3 else 2.18
    write(0.12, last, tried(outcome) if outcome else "", weight="bold")
    return canvas.png(130)


#: What a lamp says, by its state; its color and its edge.
MISSED = "holds, not asked for"
SIGNS = {"reported": "1", "missed": "0", "no": "0", "unknown": "–"}
LAMPS = {
    "reported": (ink.FILL["write"], ink.EDGE["write"]),
    "missed": (ink.BAND, ink.BUFFER),
    "no": (ink.BAND, ink.RULE),
    "unknown": (ink.BAND, ink.RULE),
}


def state_of(bit, outcome: Outcome | None) -> str:
    """Tell how the lamp of *bit* is: reported, missed (it holds, nobody asked), no, or unknown."""
    if outcome is None or outcome.reported is None:
        return "unknown"
    if outcome.reported & bit:
        return "reported"
    return "missed" if outcome.holds & bit else "no"


# on the page

FIRST = "pipe-read", "close", ("IN",)  # what is shown at first, and after Reset
GRID = {
    "grid_template_columns": "70px repeat(6, minmax(84px, 1fr))",
    "overflow": "auto",
    "width": "100%",
}


def lamp(bit, outcome: Outcome | None) -> str:
    """Show the lamp of *bit* as HTML."""
    state = state_of(bit, outcome)
    fill, edge = LAMPS[state]
    style = "dashed" if state == "missed" else "solid"
    return (
        '<div style="text-align: center; line-height: 1.2">'
        f'<span style="display: inline-block; width: 28px; line-height: 28px; border-radius: 50%; '
        f'border: 2px {style} {edge}; background: {fill}; color: {ink.INK}"><b>{SIGNS[state]}</b>'
        f"</span><br><small>{bit:#x}</small>"
        + f"<br><small>{MISSED}</small>" * (state == "missed")
        + "</div>"
    )


def code(outcome: Outcome) -> str:
    """Show the program that ran, as HTML: the lines with what each gave, and, folded, what stands
    above them.
    """
    above, lines = (html.escape(text, quote=False) for text in program(outcome))
    lines = "\n".join(
        f"{line} <b># →{gave}</b>" if arrow else line
        for line, arrow, gave in (text.partition(" # →") for text in lines.split("\n"))
    )
    folded = (
        "<details><summary>above these lines: imports, helpers</summary>"
        f"<pre>{above}\n\n</pre></details>"
    )
    wraps = "white-space: pre-wrap; overflow-wrap: anywhere"
    return panel(
        "What was run, just now",
        f'{folded}<pre class="epollkit-lines" style="{wraps}">{lines}</pre>',
    )


class EndingsView(Explorable):
    """The controls, the lamps, and the lines that ran.  *Source:* `observe`."""

    kind = "endings"

    def __init__(self):
        super().__init__()
        self.outcome, self._quiet = None, False
        self.still = b"", "endings: nothing was measured."
        streams = [(stream.label, key) for key, stream in STREAMS.items()]
        self.stream = choice("stream", streams, "300px")
        self.what = choice("what happens", [], "400px")
        self.ask, self.lamps = {}, {}
        for name in BITS:
            is_free = name in CHOICES
            self.ask[name] = ipywidgets.ToggleButton(
                description=name,
                value=not is_free,
                disabled=not is_free,
                tooltip=f"ask for {name}" if is_free else f"{name} is reported unasked, always",
                layout={"width": "auto"},
            )
            self.lamps[name] = ipywidgets.HTML()
        self.reset = button("Reset", "as at the beginning", self.on(self._reset))
        self.words, self.code = ipywidgets.HTML(), ipywidgets.HTML()
        titles = [ipywidgets.HTML(text) for text in ("ask for", "reported")]
        switches = [titles[0], *self.ask.values(), titles[1], *self.lamps.values()]
        self.build(
            row(self.stream, self.what, self.reset),
            ipywidgets.GridBox(switches, layout=GRID),
            self.words,
            self.line,
            self.code,
        )
        self._choose(*FIRST)
        for control in (self.stream, self.what, *self.ask.values()):
            control.observe(self.on(self._changed), "value")
        self.on(self._show)()

    def _choose(self, stream, ending, asked):
        """Set all controls; an ending that this stream does not have becomes its first."""
        self._quiet = True
        try:
            endings = STREAMS[stream].endings
            self.stream.value = stream
            self.what.options = [(label, key) for key, (label, *_) in endings.items()]
            self.what.value = ending if ending in endings else next(iter(endings))
            for name in CHOICES:
                self.ask[name].value = name in asked
        finally:
            self._quiet = False

    def _asked(self):
        return [name for name in CHOICES if self.ask[name].value]

    def _changed(self, change):
        if not self._quiet:
            if change["owner"] is self.stream:
                self._choose(self.stream.value, self.what.value, self._asked())
            self._show()

    def _reset(self, _):
        self._choose(*FIRST)
        self._show()

    def _show(self):
        """Make the experiment that the controls say, and show it."""
        stream, asked = STREAMS[self.stream.value], sum(BITS[name] for name in self._asked())
        title, self.outcome = f"{stream.label}: {stream.endings[self.what.value][0]}", None
        try:
            self.outcome = observe(self.stream.value, self.what.value, asked)
        finally:
            outcome = self.outcome
            for name, switch in self.ask.items():
                switch.icon = "toggle-on" if switch.value else "toggle-off"
                self.lamps[name].value = lamp(BITS[name], outcome)
            self.words.value = self._words(title)
            self.code.value = code(outcome) if outcome else ""
            alt = describe(outcome) if outcome else f"{title}. It could not be measured."
            self.set_still(draw(outcome, title, asked), alt)
        if self.outcome.refusal is not None:
            self.say(lesson(self.outcome.refusal))

    def _words(self, title):
        """Say as HTML what was reported, what that means, and what the calls gave then."""
        if self.outcome is None:
            return f"<div>{title}. <b>not measured</b></div>"
        headed, sentences = headline(self.outcome), "&emsp;".join(explain(self.outcome))
        return (
            f'<div role="status"><b style="font-size: 130%">{headed}</b>'
            f"<br>{sentences}<br><b>{html.escape(tried(self.outcome), quote=False)}</b></div>"
        )


def endings() -> EndingsView:
    """Show what Linux reports of a stream that ends, or does not: pick the stream, what happens, and
    the mask.

    Returns a view: as the last value of a cell it shows itself.  Each change makes the experiment
    anew.
    """
    return EndingsView()
