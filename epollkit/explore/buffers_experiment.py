"""A live stream: write, read, fill, drain, put a writer to sleep, and see what the kernel says
after each click.

Facts about buffers
-------------------
* *Not writable* and *refused* are two things.  A pipe is writable while a slot is free, a socket
  while a large part of its buffer is; small writes may get in beyond that.
* Of a TCP connection bytes wait at both ends, and they need a moment to travel.
* A writer that sleeps in a write is not woken by closing its own end.  Reading, or closing the
  other end, wakes it.

What we do about them
---------------------
`Buffers` does one thing on a real stream per method, then asks the kernel, and returns a `Click`.
The account of a pipe's slots is held against the kernel's count of bytes and its readiness after
each click.  Buffer events come from a recording of the click.  A recording knows nothing of earlier
clicks; so whether the stream was full is remembered here, and *non-full* is when the kernel says
OUT.  A sleeper needs a blocking descriptor: of a pipe it opens a second description, a socket is
blocking all the time, and the other calls on it say MSG_DONTWAIT.

*Source:* pipe(7), unix(7), tcp(7), send(2).
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

from .. import linux
from ..recording import recorder
from .slots import PAGE, Slots

KINDS = ("pipe", "socketpair", "TCP")
MOST, SHOWN = 65_536, 14
PATIENCE_S, BULK_S = (
    0.15,
    0.12,
)  # how long a click waits for bytes to arrive; processor time for small writes
ROWS = ("non-empty", "empty", "full", "non-full")


class NotNow(ValueError):
    """What was asked for cannot be done, or would do harm; the text says why."""


class Click(NamedTuple):
    """What one click did, and what the kernel said after it:

    `reader` and `writer` are poll's masks, None if closed.
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

        Raises NotNow where that cannot be done.
        """
        if not self.slots:
            raise NotNow(
                "a socket has no slots of a page each: read bit by bit, and see when it is writable again."
            )
        if not self.slots.known:
            raise NotNow(
                "the kernel's count does not fit the account of the slots any more: Drain, then Fill."
            )
        if not self.slots.pages:
            raise NotNow("the pipe is empty: there is no oldest slot. Fill it first.")
        held = self.slots.pages[0][1]
        if held == 1:
            raise NotNow("the oldest slot holds one byte already: read one more.")
        return self._click("read", held - 1, lambda: self._get(held - 1))

    def sleep(self, size) -> Click:
        """Let a thread make a write of *size* bytes that may sleep.

        Raises NotNow if one sleeps already.
        """
        if self.thread is not None:
            raise NotNow("a writer sleeps already: Drain, or Read, wakes it.")
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
        """Close the writer's end.  Raises NotNow if a writer sleeps in it."""
        if self.thread is not None:
            raise NotNow(
                "a writer sleeps in a call on this end. Closing its own end would wake nobody: it would sleep on. "
                "Drain, or close the reader."
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
                said += ": end of file"
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
