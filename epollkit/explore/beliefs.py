"""beliefs(): tick what you believe about epoll, and see the shortest program on which this machine's
kernel says otherwise.

Facts about programs that are shown
-----------------------------------
* A recording takes the names of streams, and the lines, from the program's text.
* A file descriptor that was closed may be somebody else's a moment later.

What we do about them
---------------------
A refutation is found on the model (`epollkit.beliefs`), spelled as Python, and that very text is
run under `record()`.  Afterwards only what the program has left open is closed.  What its last call
gave is held against the belief and against the model.

*Source:* for each belief, its own; dup(2).
"""

import errno
import html
import itertools
import linecache
import os
import threading
from contextlib import suppress
from typing import NamedTuple

import ipywidgets

from ..analysis.story import count
from ..beliefs import BELIEFS, Refutation, refutation
from ..drawing.canvas import image
from ..drawing.timeline import timeline
from ..log import Log
from ..masks import names as spelled
from ..model import Epoll, EventFd, File, Model, UnixSocket
from ..recording.callsite import keep_source
from ..recording.recorder import record
from ..widgets.controls import FREE
from ..widgets.page import Explorable, panel, panels

_places = itertools.count(1)
EXCEPTIONS = {"EAGAIN": "BlockingIOError", "ECONNRESET": "ConnectionResetError"}
HOW = "SHUT_RD", "SHUT_WR", "SHUT_RDWR"


# a program as Python


def flags(mask):
    return " | ".join(f"select.{name}" for name in spelled(mask).split("|")) if mask else "0"


def line(call, file: File | None) -> str:
    """Spell one *call* of a program; *file* is what its first name stands for before it."""
    what, *rest = call
    name, more = rest[0], rest[1:]
    is_socket, is_counter = isinstance(file, UnixSocket), isinstance(file, EventFd)
    data = 'b"x"' if more == [1] else f"bytes({more[0] if more else 0})"
    return {
        "pipe": lambda: f"{name}, {more[0]} = os.pipe2(os.O_NONBLOCK)",
        "socketpair": lambda: (
            f"{name}, {more[0]} = socket.socketpair()\n"
            f"{name}.setblocking(False)\n{more[0]}.setblocking(False)"
        ),
        "eventfd": lambda: f"{name} = os.eventfd(0, os.EFD_NONBLOCK)",
        "epoll": lambda: f"{name} = select.epoll()",
        "dup": lambda: f"{more[0]} = os.dup({name})",
        "close": lambda: (
            f"{name}.close()" if is_socket or isinstance(file, Epoll) else f"os.close({name})"
        ),
        "read": lambda: (
            f"os.eventfd_read({name})"
            if is_counter
            else f"{name}.recv({more[0]})"
            if is_socket
            else f"os.read({name}, {more[0]})"
        ),
        "write": lambda: (
            f"os.eventfd_write({name}, {more[0]})"
            if is_counter
            else f"{name}.send({data})"
            if is_socket
            else f"os.write({name}, {data})"
        ),
        "shutdown": lambda: f"{name}.shutdown(socket.{HOW[more[0]]})",
        "register": lambda: f"{name}.register({more[0]}, {flags(more[1])})",
        "modify": lambda: f"{name}.modify({more[0]}, {flags(more[1])})",
        "unregister": lambda: f"{name}.unregister({more[0]})",
        "poll": lambda: f"{name}.poll({', '.join(map(str, (0, *more)))})",
    }[what]()


def text(program) -> str:
    """Spell *program* as Python that can be copied: it prints each report and what its last call
    gives.
    """
    world, lines = Model(), ["import os, select, socket\n"]
    for place, call in enumerate(program):
        spelling = line(call, world.files.get(call[1]))
        is_last, refusal = place == len(program) - 1, None
        try:
            getattr(world, call[0])(*call[1:])
        except OSError as error:
            refusal = EXCEPTIONS.get(errno.errorcode[error.errno])
        if is_last or call[0] == "poll":
            spelling = f"print({spelling})"
        elif refusal:
            spelling = f"try:\n    {spelling}\nexcept {refusal}:\n    pass"
        lines.append(spelling)
    return "\n".join(lines) + "\n"


# its run


class Run(NamedTuple):
    """What this machine's kernel said: what the last call gave, and the recording."""

    end: object
    log: Log


def run(found: Refutation) -> Run:
    """Run the program of *found* here and now under ``record()``; nothing stays open.

    Raises OSError where no stream can be opened, RuntimeError if somebody records.
    """
    code, printed = text(found.program), []
    place, variables = f"<belief {next(_places)}>", {"print": printed.append}
    keep_source(place, code)
    thread = threading.current_thread()
    name, thread.name = thread.name, "you"
    refusal = None
    try:
        with record() as log:
            try:
                exec(compile(code, place, "exec"), variables)
            except OSError as error:
                refusal = errno.errorcode[error.errno]
    finally:
        thread.name = name
        linecache.cache.pop(place, None)
        end = refusal or plain(printed[-1] if printed else None, variables)
        close_all(found.program, variables)
    return Run(end, log)


def plain(value, variables):
    """Turn what a call gave into what the model gives: bytes counted, descriptors by name."""
    if isinstance(value, bytes):
        return len(value)
    if not isinstance(value, list):
        return value
    numbers = {}
    for name, stream in variables.items():
        if isinstance(stream, int):
            numbers[stream] = name
        elif hasattr(stream, "fileno"):
            with suppress(ValueError):
                numbers[stream.fileno()] = name
    return [(numbers[number], mask) for number, mask in value]


def close_all(program, variables):
    """Close what *program* has left open, and nothing that it has closed."""
    world = Model()
    for call in program:
        with suppress(OSError):
            getattr(world, call[0])(*call[1:])
    for name in world.files.keys() & variables.keys():
        stream = variables[name]
        with suppress(OSError):
            os.close(stream) if isinstance(stream, int) else stream.close()


# on the page


def in_words(end) -> str:
    """Spell what a call gave: a report by the names of its masks."""
    if isinstance(end, list):
        return "[" + ", ".join(f"({name}, {spelled(mask)})" for name, mask in end) + "]"
    return "no error" if end is None else str(end)


def verdict(found: Refutation, end) -> str:
    """Say what the kernel's answer means for the belief and for the model."""
    if end == found.believed:
        return (
            "Here the kernel does what you believe. Then the model is wrong on this machine: "
            f"it says {in_words(found.modelled)}."
        )
    if end != found.modelled:
        return f"The kernel agrees with neither: the model says {in_words(found.modelled)}."
    return "The kernel disagrees with you, and the model foresaw it."


class Beliefs(Explorable):
    """The list of beliefs; `ran` is the last run, None before the first."""

    kind = "beliefs"

    def __init__(self):
        super().__init__()
        self.ran = None
        self.list = ipywidgets.Select(
            options=[("nothing yet", None)]
            + [(belief.words, key) for key, belief in BELIEFS.items()],
            description="What do you believe?",
            style=FREE,
            rows=10,
            layout={"width": "auto", "max_width": "960px"},
        )
        self.words, self.picture = ipywidgets.HTML(), ipywidgets.HTML()
        self.still = b"", "beliefs: nothing is ticked yet."
        self.build(self.list, self.line, self.words, self.picture)
        self.list.observe(self.on(self._show), "value")

    def _show(self, _):
        self.words.value = self.picture.value = ""
        if self.list.value is None:
            return
        belief = BELIEFS[self.list.value]
        found = refutation(belief)
        self.ran = run(found)
        calls = count(found.calls, "call")
        answers = panels(
            (
                "You believe",
                [html.escape(belief.words), f"<code>{in_words(found.believed)}</code>"],
            ),
            ("The kernel says", [f"<code>{html.escape(in_words(self.ran.end))}</code>"]),
            ("Where people have it from", [html.escape(belief.source)]),
        )
        program = panel(
            f"The shortest program that tells: {calls} after the opening, ready to copy",
            f"<pre>{html.escape(text(found.program))}</pre>",
        )
        self.words.value = answers + program
        self.say(f"<b>{html.escape(verdict(found, self.ran.end))}</b>")
        png, alt = timeline(self.ran.log).png(), self.ran.log.summary()
        self.picture.value = image(png, alt)
        self.set_still(png, f"{belief.words} {verdict(found, self.ran.end)} {alt}")


def beliefs() -> Beliefs:
    """List what people believe about epoll: tick one, and see the shortest program on which this
    machine's kernel says otherwise, with its timeline.

    Returns the view: as the last value of a cell it shows itself.
    """
    return Beliefs()
