"""buffers(): a live stream. Write, read, fill, drain, put a writer to sleep, and see what Linux says
after each click.

Facts about buffers
-------------------
* *Not writable* and *refused* are two things.  A pipe is writable while a slot is free, a socket
  while a large part of its buffer is; small writes may get in beyond that.
* A pipe counts slots, a page each, not bytes.  A small write goes into the page that was begun
  last, if it fits in there whole.  What is read leaves a hole at the front of the oldest page, which
  nobody can use: the slot is free when it is empty.  So a pipe with one byte in its oldest slot may
  be full.
* Of a TCP connection bytes wait at both ends, and they need a moment to travel.
* A writer that sleeps in a write is not woken by closing its own end.  Reading, or closing the
  other end, wakes it.

What we do about them
---------------------
`Buffers` does one thing on a real stream per method, then asks Linux, and returns a `Click`.
`Slots` keeps an account of a pipe's slots, which nobody can be asked for, from the sizes of the
writes and reads; after each click it is held against the count of bytes and the readiness.  Buffer
events come from a recording of the click.  A recording knows nothing of earlier clicks; so whether
the stream was full is remembered here, and *non-full* is when the kernel says OUT.  A sleeper needs
a blocking descriptor: of a pipe it opens a second description, a socket is blocking all the time,
and the other calls on it say MSG_DONTWAIT.

*Source:* pipe(7), unix(7), tcp(7), send(2); ``fs/pipe.c``, pipe_write() and pipe_read().
"""

import errno
import functools
import os
import select
import socket
import threading
import time
from contextlib import suppress
from typing import NamedTuple

import ipywidgets

from .. import linux
from ..drawing.canvas import Canvas, image
from ..drawing.ink import (
    BAND,
    BUFFER,
    EDGE,
    EVENT,
    FAINT,
    FILL,
    INK,
    LEVEL,
    LEVEL_EDGE,
    LEVEL_TEXT,
    PAPER,
    RULE,
    WIDTH,
)
from ..masks import names
from ..recording import recorder
from ..widgets.controls import Number, button, row, toggles
from ..widgets.page import Explorable, Refused, lesson, panels

PAGE = os.sysconf("SC_PAGESIZE")
KINDS = ("pipe", "socketpair", "TCP")
MOST, SHOWN = 65_536, 14
#: Seconds: how long a click waits for bytes to arrive; processor time for many small writes.
PATIENCE_S, BULK_S = 0.15, 0.12
ROWS = ("non-empty", "empty", "full", "non-full")


class Slots:
    """The account of a pipe's slots: of each page how much was read from its front, and how much it
    holds.
    """

    def __init__(self, count):
        self.count, self.pages, self.pending, self.known = count, [], 0, True

    def write(self, size, times=1) -> int:
        """Enter *times* writes of *size* bytes, of which all but the first go into the page
        begun; return what fits.
        """
        rest, tail = size * times, size % PAGE
        if times > 1 or (self.pages and tail and sum(self.pages[-1]) + tail <= PAGE):
            part = rest if times > 1 else tail
            self.pages[-1][1] += part
            rest -= part
        return size * times - self._append(rest)

    def _append(self, rest):
        while rest and len(self.pages) < self.count:
            self.pages.append([0, min(PAGE, rest)])
            rest -= self.pages[-1][1]
        return rest

    def fitting(self, size) -> int:
        """Tell how many writes of *size* go into the page that was begun."""
        return (PAGE - sum(self.pages[-1])) // size if self.pages else 0

    def read(self, size):
        while size and self.pages:
            part = min(size, self.pages[0][1])
            self.pages[0][0] += part
            self.pages[0][1] -= part
            size -= part
            if not self.pages[0][1]:
                del self.pages[0]
        self.pending = self._append(self.pending)

    def check(self, level, writable):
        """Hold the account against the kernel: from then on it is known, or not known until the
        pipe is empty.

        *writable* is None if the writer's end is closed.
        """
        if level == 0:
            self.pages, self.known = [], True
        elif sum(held for _, held in self.pages) != level or writable not in (
            None,
            len(self.pages) < self.count,
        ):
            self.known = False


class Click(NamedTuple):
    """What one click did, and what Linux said after it: `reader` and `writer` are poll's masks, None
    if closed.
    """

    verb: str
    amount: int
    result: str
    level: int
    reader: int | None
    writer: int | None
    events: tuple = ()
    asleep: bool = False
    error: OSError | None = None

    @property
    def readable(self) -> bool:
        """Whether a read would not sleep: bytes, or the end of the file."""
        return bool(self.reader)

    @property
    def writable(self) -> bool:
        return bool((self.writer or 0) & select.POLLOUT)


class Buffers:
    """A stream with both its ends, and perhaps a writer asleep on it.

    Raises OSError if it cannot be opened.
    """

    def __init__(self, kind="pipe"):
        self.kind, self.full, self.empty, self.slots = kind, False, True, None
        self.thread = self.blocking = self.woke = self.news = self.reader = self.writer = None
        self.written = self.taken = 0
        self.clicks, self.count = [], 0  # those that are shown, how many there were
        if kind == "pipe":
            self.reader, self.writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            self.capacity = linux.capacity(self.writer)
            self.slots = Slots(self.capacity // PAGE)
        elif kind == "socketpair":
            self.writer, self.reader = socket.socketpair()
        else:  # the server's end reads
            with socket.create_server(("127.0.0.1", 0)) as listener:
                self.writer = socket.create_connection(listener.getsockname())
                try:
                    self.writer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.reader, _ = listener.accept()
                except BaseException:
                    self.writer.close()
                    raise

    # calls

    def _end(self, name):
        """Return the end called *name*; raise what the kernel would say if it is closed."""
        end = getattr(self, name)
        if end is None:
            raise OSError(errno.EBADF, f"the {name}'s end is closed")
        return end

    def _close(self, name):
        end = self._end(name)
        setattr(self, name, None)
        (os.close if isinstance(end, int) else socket.socket.close)(end)

    def _get(self, size):
        end = self._end("reader")
        data = os.read(end, size) if self.kind == "pipe" else end.recv(size, socket.MSG_DONTWAIT)
        self.taken += len(data)
        if self.slots:
            self.slots.read(len(data))
        return len(data)

    def _write(self, size, times=1):
        """Write; in the account too.

        What the kernel took decides: the account is given up where it says otherwise.
        """
        data, done, end = bytes(size), 0, self._end("writer")
        try:
            for _ in range(times):
                done += (
                    os.write(end, data)
                    if self.kind == "pipe"
                    else end.send(data, socket.MSG_DONTWAIT)
                )
        finally:
            self.written += done
            if (
                self.slots
                and (done or not self.slots.pages)
                and self.slots.write(size, times) != done
            ):
                self.slots.known = False
        return done

    @property
    def names(self):
        return ("os.write", "os.read") if self.kind == "pipe" else ("send", "recv")

    def write(self, size) -> Click:
        return self._click("write", size, lambda: self._write(size))

    def read(self, size) -> Click:
        return self._click("read", size, lambda: self._get(size))

    def fill(self, size) -> Click:
        """Write *size* bytes at a time, never sleeping, until a write is refused."""
        found, turned, calls, before, piece, batch = [], None, 0, self.written, size, 1
        error, rounds = None, 0
        try:
            self._recorded(found, lambda: self._write(size))
            calls, start = 1, time.thread_time()
            while (spent := time.thread_time() - start) < 2 * BULK_S and rounds < 8:
                if turned is None and not self.is_writable():
                    turned = self.level()
                try:
                    self._write(piece, batch)
                except BlockingIOError:
                    rounds += 1
                    # of TCP, what was on its way has arrived: there may be room again
                    self.settle()
                    if not self.is_writable():
                        self._recorded(found, functools.partial(self._write, piece))
                    batch = 1
                calls += batch
                piece = MOST if spent > BULK_S else size
                batch = (
                    max(1, self.slots.fitting(piece))
                    if self.slots and self.slots.known and batch == 1
                    else 1
                )
        except OSError as reason:
            error = reason
        said = (
            f"{calls:,} × {self.names[0]} of {size:,}: {self.written - before:,} bytes in"
            if calls
            else ""
        )
        said += " (it took long: the last in larger pieces)" if piece != size else ""
        if isinstance(error, BlockingIOError):
            said += (
                "; then refused: EAGAIN" if calls else f"{self.names[0]} refused at once: EAGAIN"
            )
        elif error:
            said += f"{'; then ' * bool(calls)}{self.names[0]} failed: {error.strerror}"
        return self._after(
            "fill",
            size,
            said + (f"; not writable from {turned:,} on" if turned else ""),
            found,
            error,
        )

    def drain(self) -> Click:
        """Read until a read is refused, and no writer sleeps any more."""
        found, before, error, start = [], self.taken, None, time.monotonic()
        try:
            while (
                self.thread is not None or self.level() > MOST
            ) and time.monotonic() - start < 2 * PATIENCE_S:
                with suppress(BlockingIOError):
                    self._get(MOST if self.kind == "pipe" else 8 * MOST)
                self.settle()
            self._recorded(found, self._rest)
        except OSError as reason:
            error = reason
        said = (
            f"{self.taken - before:,} bytes read"
            if error is None
            else f"{self.names[1]} failed: {error.strerror}"
        )
        return self._after("drain", 0, said, found, error)

    def _rest(self):
        with suppress(BlockingIOError):
            while self._get(MOST):
                self.settle()

    def one_byte_short(self) -> Click:
        """Read from a pipe all but one byte of its oldest slot.

        Raises Refused where that cannot be done.
        """
        if not self.slots:
            raise Refused(
                "a socket has no slots of a page each. Read bit by bit, and see when it is writable again."
            )
        if not self.slots.known:
            raise Refused(
                "the count of bytes no longer fits our account of the slots: Drain, then Fill."
            )
        if not self.slots.pages:
            raise Refused("the pipe is empty: there is no oldest slot. Fill it first.")
        held = self.slots.pages[0][1]
        if held == 1:
            raise Refused("the oldest slot holds one byte already: read one more.")
        return self._click("read", held - 1, lambda: self._get(held - 1))

    def sleep(self, size) -> Click:
        """Let a thread make a write of *size* bytes that may sleep.

        Raises Refused if one sleeps already.
        """
        if self.thread is not None:
            raise Refused("a writer sleeps already: Drain, or Read, wakes it.")
        found, end = [], self._end("writer")
        if self.kind == "pipe":
            if self.blocking is not None:
                self._close("blocking")
            self.blocking = end = os.open(f"/proc/self/fd/{end}", os.O_WRONLY | os.O_CLOEXEC)

        def run():
            try:
                self.woke = (
                    os.write(end, bytes(size)) if self.kind == "pipe" else end.send(bytes(size))
                )
            except OSError as error:
                self.woke = error

        def act():
            self.woke, self.thread = None, threading.Thread(target=run, name="sleeper", daemon=True)
            if self.slots and self.reader is not None:
                self.slots.pending = size - self.slots.write(size)
            self.thread.start()
            self.settle()

        self._recorded(found, act)
        error = self.woke if isinstance(self.woke, OSError) else None
        said = (
            f"of {size:,} sleeps"
            if self.thread is not None
            else f"failed: {error.strerror}"
            if error
            else f"of {size:,} did not have to sleep: there was room"
        )
        return self._after("sleep", size, f"{self.names[0]} {said}", found, error)

    def close_reader(self) -> Click:
        return self._click("close reader", 0, lambda: self._close("reader"))

    def close_writer(self) -> Click:
        """Close the writer's end.  Raises Refused if a writer sleeps in it."""
        if self.thread is not None:
            raise Refused(
                "a writer sleeps in a call on this end. Closing its own end would wake nobody, and it "
                "would sleep on. Drain, or close the reader."
            )
        if self.blocking is not None:
            self._close("blocking")
        return self._click("close writer", 0, lambda: self._close("writer"))

    def close(self):
        """Close what is open, the reader's end first:

        that wakes a sleeper.  May be called twice.
        """
        for name in ("reader", "blocking", "writer"):
            with suppress(OSError):
                self._close(name)
            if self.thread is not None:
                self.thread.join(5)
                self.thread = None

    # asking the kernel

    def level(self) -> int:
        """Count what was written and not read, at both ends; 0 if nobody can read it."""
        if self.reader is None:
            return 0
        os.fstat(linux.number_of(self.reader))  # EBADF if somebody closed it
        unsent = (
            linux.bytes_unsent(self.writer) if self.kind == "TCP" and self.writer is not None else 0
        )
        return linux.bytes_waiting(self.reader) + unsent

    def _mask(self, end, asked):
        return None if end is None else linux.readiness(end, asked)

    def is_writable(self) -> bool:
        return bool((self._mask(self.writer, select.POLLOUT) or 0) & select.POLLOUT)

    def settle(self):
        """Wait until a sleeper sleeps again or is back, and until bytes on their way have come
        as far as they can.
        """
        deadline, calm, before, enough = (
            time.monotonic() + PATIENCE_S,
            0,
            None,
            3 if self.kind == "TCP" else 1,
        )
        while calm < enough and time.monotonic() < deadline:
            if self.thread is not None and not self.thread.is_alive():
                self.thread.join()
                self.thread, self.news = None, self.woke
                self.written += self.woke if isinstance(self.woke, int) else 0
            on = self.blocking if self.kind == "pipe" else self.writer
            is_calm, now = self.thread is None or bool(linux.is_asleep(self.thread, on)), None
            if self.kind == "TCP" and self.reader and self.writer:
                waiting, unsent = linux.bytes_waiting(self.reader), linux.bytes_unsent(self.writer)
                out = self.is_writable()
                now = waiting, unsent, out
                is_calm &= now == before and (
                    self.thread is not None or waiting + unsent == self.written - self.taken
                )
                # an acknowledgment may take 40 ms, and make room when it comes
                is_calm &= out or linux.bytes_unacknowledged(self.writer) == unsent
            calm, before = calm + 1 if is_calm else 0, now
            if calm < enough:
                time.sleep(0.0004)

    # one click

    def _recorded(self, found, act):
        """Act, and add the buffer events of what was recorded to *found*."""
        with recorder.record() as log:
            try:
                result, error = act(), None
            except OSError as reason:
                result, error = None, reason
        found += [event.what for event in log.buffer_events()]
        if error:
            raise error
        return result

    def _click(self, verb, amount, act):
        found, error = [], None
        closing = verb.startswith("close")
        name = (
            f"close of the {verb[6:]}'s end"
            if closing
            else f"{self.names[verb == 'read']} of {amount:,}"
        )
        try:
            result = self._recorded(found, act)
            said = f"{name}: done" if result is None else f"{name} returned {result:,}"
            if verb == "read" and not result:
                said += ": end of file (EOF)"
        except BlockingIOError as reason:
            said, error = f"{name} was refused: EAGAIN", reason
        except OSError as reason:
            said, error = f"{name} failed: {reason.strerror}", reason
        return self._after(verb, amount, said, found, error)

    def _after(self, verb, amount, result, found, error=None):
        self.settle()
        level, writable, events = self.level(), self.is_writable(), []
        news, self.news = (
            self.news,
            None,
        )  # what a sleeper that woke during this click came back with
        both = self.reader is not None and self.writer is not None
        for what in (*found, "empty" if level == 0 else "non-empty"):
            if what == "full" and not self.full:
                self.full = True
                events.append(what)
            elif (
                self.reader is not None
                and what == ("empty" if level == 0 else "non-empty")
                and self.empty != (level == 0)
            ):
                self.empty = level == 0
                events.append(what)
        if self.full and both and (writable or isinstance(news, int)):
            self.full = False
            events.insert(0 if "full" not in events else len(events), "non-full")
        if news is not None and verb != "sleep":
            woke = f"{self.names[0]} returned {news:,}" if isinstance(news, int) else news.strerror
            result += f"; the sleeper woke: {woke}"
        if self.slots and self.reader is not None:
            self.slots.check(level, writable if self.writer is not None else None)
        click = Click(
            verb,
            amount,
            result,
            level,
            self._mask(self.reader, select.POLLIN),
            self._mask(self.writer, select.POLLOUT),
            tuple(events),
            self.thread is not None,
            error,
        )
        self.clicks, self.count = [*self.clicks, click][-SHOWN:], self.count + 1
        return click

    def now(self) -> Click:
        """What the kernel says now; nothing is done."""
        return Click(
            "",
            0,
            "",
            self.level(),
            self._mask(self.reader, select.POLLIN),
            self._mask(self.writer, select.POLLOUT),
            (),
            self.thread is not None,
        )


# in words

EMPTY = "No clicks yet. No bytes wait: a read would have to sleep, a write would not."
NOTHING = "There is no stream: press Reset."


def counted(amount):
    return f"{amount:,} byte{' waits' if amount == 1 else 's wait'}"


def slots_in_words(buffers) -> str:
    """Say which slots of a pipe are in use; nothing for a socket."""
    slots = buffers.slots
    if slots is None or buffers.reader is None:
        return ""
    if not slots.known:
        return "our account of the slots no longer fits the count of bytes: Drain, then Fill"
    words = f"{len(slots.pages):,} of {slots.count:,} slots in use"
    if slots.pages and slots.pages[0][0]:
        gone, held = slots.pages[0]
        words += (
            f"; of the oldest {gone:,} bytes are read and {held:,} left, and it stays in use until "
            "they are read"
        )
    return words


def in_words(buffers) -> str:
    """Tell what the picture shows: its alternative text."""
    if buffers is None:
        return NOTHING
    steps = [
        f"{click.verb}{f' {click.amount:,}' if click.amount else ''}: {counted(click.level)}"
        + "".join(f", {event}" for event in click.events)
        + f", {'' if click.readable else 'not '}readable, {'' if click.writable else 'not '}writable"
        + ", a writer sleeps" * click.asleep
        + (f", {type(click.error).__name__}" if click.error else "")
        for click in buffers.clicks
    ]
    if steps and (slots := slots_in_words(buffers)):
        steps.append(slots)
    kind = "TCP connection" if buffers.kind == "TCP" else buffers.kind
    first = f"What waits in a {kind} after each click, the buffer events, and what poll says."
    return f"{first} {'. '.join(steps) + '.' if steps else EMPTY}"


def cards(buffers) -> str:
    """Say in HTML what the last click did, what waits, and what `poll` says of both ends now."""
    if buffers is None:
        return ""
    now, did = buffers.now(), ["nothing has happened yet"]
    if buffers.clicks:
        last = buffers.clicks[-1]
        did = [last.result, f"buffer events: <b>{', '.join(last.events) or 'none'}</b>"]
    ends = []
    for end, mask, holds, yes, no in (
        ("reader", now.reader, now.readable, "a read would not sleep", "a read would sleep"),
        ("writer", now.writer, now.writable, "writable", "not writable"),
    ):
        if mask is None:
            ends.append(f"{end}: closed")
        else:
            spelled = names(mask) if mask else "0"
            ends.append(f"{end}: <code>{spelled}</code>: <b>{yes if holds else no}</b>")
    ends.append("a writer sleeps in its call" * now.asleep)
    room = f"F_GETPIPE_SZ: {buffers.capacity:,} bytes" if buffers.kind == "pipe" else ""
    return panels(
        ("The last click", did),
        ("What waits", [f"<b>{counted(now.level)}</b>", slots_in_words(buffers), room]),
        ("What poll says", ends),
    )


# the picture, in inches from the upper left corner

#: Where the slots are, the labels of the clicks, the chart, its foot, the first row of many.
LEFT, RIGHT, BOX_TOP, BOX_BOTTOM, VERBS, TOP, FLOOR = 1.20, 8.20, 0.24, 0.56, 0.98, 1.20, 1.86
ROW, HEIGHT = 0.175, 3.26
LANES = (*ROWS, "readable", "writable", "writer sleeps")
HINT = "Write some bytes; or Fill, then Read to one byte short, then Read 1."


def draw(buffers) -> bytes:
    """Draw the slots of a pipe, then the level, buffer events and readiness after each click;
    return a PNG.
    """
    canvas = Canvas(HEIGHT)
    if buffers is None:
        canvas.text(WIDTH / 2, HEIGHT / 2, NOTHING, 10)
    else:
        _draw_slots(canvas, buffers)
        _draw_clicks(canvas, buffers)
    return canvas.png()


def _draw_slots(canvas, buffers):
    """Draw the slots of a pipe, the oldest first: what was read of each, what it holds, what is
    free.
    """
    middle = (BOX_TOP + BOX_BOTTOM) / 2
    slots, words = buffers.slots, slots_in_words(buffers)
    if slots is None:
        words = "A socket has no slots. What fits depends on the size of each write."
    else:
        canvas.text(LEFT - 0.12, middle, "slots", color=INK, ha="right", fontweight="bold")
        canvas.text(LEFT - 0.12, middle + 0.15, "oldest first", ha="right")
        words = words or "The reader's end is closed: nobody can read what was left."
    if slots is None or buffers.reader is None or not slots.known:
        canvas.text(LEFT, middle, words, ha="left")
        return
    pitch = (RIGHT - LEFT) / max(slots.count, 16)
    width, free, gone, held = pitch * 0.94, [], [], []
    for number in range(slots.count):
        hole, bytes_held = slots.pages[number] if number < len(slots.pages) else (0, 0)
        left = LEFT + number * pitch
        hole_end, held_end = (left + width * part / PAGE for part in (hole, hole + bytes_held))
        free.append((left, left + width, BOX_TOP, BOX_BOTTOM))
        if hole:
            gone.append((left, hole_end, BOX_TOP, BOX_BOTTOM))
        if bytes_held:  # one byte is to be seen, too
            start = min(hole_end, left + width - 0.03)
            held.append((start, max(held_end, start + 0.03), BOX_TOP, BOX_BOTTOM))
            if slots.count <= 16:
                canvas.text(left + width / 2, BOX_TOP - 0.09, f"{bytes_held:,}", color=LEVEL_TEXT)
    canvas.boxes(free, PAPER, FAINT)
    canvas.boxes(gone, BAND, FAINT, 0, 2, hatch="xxxx")
    canvas.boxes(held, LEVEL_EDGE, LEVEL_EDGE, 0.6, 3)
    legend = f"{len(slots.pages):,} of {slots.count:,} in use, {PAGE:,} bytes each"
    legend += "; crossed out: read, and of use to nobody until the slot is empty" if gone else ""
    canvas.text(LEFT, BOX_BOTTOM + 0.10, legend, ha="left")


def _draw_clicks(canvas, buffers):
    """Draw a column for each click: what was done, the level, buffer events, readiness."""
    clicks, step = buffers.clicks, (RIGHT - LEFT) / SHOWN
    highest = max([1, *(click.level for click in clicks)])
    ys = {name: FLOOR + 0.15 + number * ROW for number, name in enumerate(LANES)}
    title = f"the last {SHOWN} of {buffers.count:,}" if buffers.count > SHOWN else "clicks"
    canvas.text(LEFT - 0.12, VERBS, title, ha="right")
    canvas.text(LEFT - 0.12, TOP + 0.06, "refused or failed", ha="right")
    look = {"color": INK, "ha": "right", "fontweight": "bold"}
    canvas.text(LEFT - 0.12, (TOP + FLOOR) / 2 + 0.12, "bytes that wait", **look)
    for name, y in ys.items():
        canvas.text(LEFT - 0.12, y, name, color=BUFFER if name in ROWS else INK, ha="right")
    canvas.lines([[(LEFT, FLOOR), (RIGHT, FLOOR)]], RULE, 0.9, 0)
    canvas.lines([[(LEFT, y), (RIGHT, y)] for y in ys.values()], RULE, 0.4, 0)
    if not clicks:
        canvas.text((LEFT + RIGHT) / 2, FLOOR - 0.3, HINT, 10)
    bars, ready, asleep, events, errors = [], [], [], [], []
    for number, click in enumerate(clicks):
        x, left, right = (LEFT + (number + part) * step for part in (0.5, 0.14, 0.86))
        verb, _, end = click.verb.partition(" ")
        canvas.text(x, VERBS - 0.07, verb, color=INK)
        canvas.text(x, VERBS + 0.07, f"{click.amount:,}" if click.amount else end)
        top = FLOOR - 0.38 * click.level / highest
        bars.append((left, right, top, FLOOR))
        if click.level:
            level = f"{click.level:,}" if click.level < 1_000_000 else f"{click.level / 1e6:.2f} M"
            canvas.text(x, top - 0.08, level, color=LEVEL_TEXT)
        if click.error:
            errors.append((x, TOP + 0.06))
        events += [(x, ys[event]) for event in click.events]
        for name, holds, boxes in (
            ("readable", click.readable, ready),
            ("writable", click.writable, ready),
            ("writer sleeps", click.asleep, asleep),
        ):
            if holds:
                boxes.append((left - 0.07, right + 0.07, ys[name] - 0.055, ys[name] + 0.055))
    canvas.boxes(bars, LEVEL, LEVEL_EDGE)
    canvas.boxes(ready, FILL["poll"], EVENT, 0.6, 2)
    canvas.boxes(asleep, PAPER, EDGE["write"], order=2, hatch="/////")
    canvas.dots(errors, "X", INK)
    canvas.dots(events, "D", BUFFER, size=5.5)


# on the page


class BuffersView(Explorable):
    """The controls of a `Buffers`, its picture, and what Linux says."""

    kind = "buffers"

    def __init__(self):
        super().__init__()
        self.buffers = None
        self.stream = toggles("Stream", [(kind, kind) for kind in KINDS])
        self.amount = Number("n, bytes a call", min(PAGE, MOST), 1, MOST)
        self.picture, self.cards, buttons = ipywidgets.HTML(), ipywidgets.HTML(), []
        for name, words, tip, act in (
            ("write", "Write n", "one write of n bytes; never sleeps", self._with_n("write")),
            ("read", "Read n", "one read of at most n bytes", self._with_n("read")),
            ("fill", "Fill", "write n bytes at a time until refused", self._with_n("fill")),
            ("drain", "Drain", "read until refused", lambda: self.buffers.drain()),
            (
                "short",
                "Read to one byte short of a slot",
                "leave one byte in the oldest slot of a pipe",
                lambda: self.buffers.one_byte_short(),
            ),
            (
                "sleep",
                "Write n, may sleep",
                "a thread makes a write that waits for room",
                self._with_n("sleep"),
            ),
            (
                "close_writer",
                "Close writer",
                "close the end that writes",
                lambda: self.buffers.close_writer(),
            ),
            (
                "close_reader",
                "Close reader",
                "close the end that reads",
                lambda: self.buffers.close_reader(),
            ),
            ("reset", "Reset", "a new stream", self._open),
        ):
            callback = self.on(functools.partial(self._do, act))
            buttons.append(button(words, tip, callback, name in ("write", "read")))
            setattr(self, name, buttons[-1])
        self.stream.observe(callback, "value")  # a Reset, too
        self.build(
            row(self.stream, self.amount.field), row(*buttons), self.line, self.cards, self.picture
        )
        self.still = b"", "There is no picture."  # until there is one: the first may fail
        callback()

    def _with_n(self, act):
        return lambda: getattr(self.buffers, act)(self.amount.value)

    def _open(self):
        self.release()
        self.buffers = Buffers(self.stream.value)

    def _do(self, act, _=None):
        click = None
        try:
            if self.buffers is None and act != self._open:
                raise Refused(NOTHING)
            click = act()
        finally:
            png, alt = draw(self.buffers), in_words(self.buffers)
            self.picture.value = image(png, alt)
            self.set_still(png, alt)
            self.cards.value = cards(self.buffers)
        if click is None or click.error is None:
            return
        if click.verb != "fill" or click.error.errno != errno.EAGAIN:
            self.say(lesson(click.error))  # a fill ends with EAGAIN: that is no surprise

    def release(self):
        if self.buffers is not None:
            self.buffers.close()
            self.buffers = None


def buffers() -> BuffersView:
    """Open a stream with a buffer in the kernel, a pipe to begin with, and play with it.

    Returns the view: as the last value of a cell it shows itself.  Run the cell again, or call
    ``close()``, to end it.
    """
    return BuffersView()
