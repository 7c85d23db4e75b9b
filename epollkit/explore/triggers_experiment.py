"""Who is told again: the same bytes for a level-triggered, an edge-triggered and a one-shot
registration.

Facts about registrations
-------------------------
* Level-triggered, as a registration is unless it says otherwise: `poll` reports it as long as bytes
  are waiting.
* Edge-triggered (EPOLLET): `poll` reports it when something new has come.  Bytes that a handler
  left are no news. More bytes are, and so is a `modify`, even with the same mask.
* One-shot (EPOLLONESHOT): `poll` reports it once.  The entry stays, without its conditions;
  `modify` puts them back.

What we do about them
---------------------
A `Trial` has three streams, each registered in an epoll of its own.  What one click did is a
`Moment` for each of them: bytes before and after, what `poll` returned, the mask in the interest
list.  Picture, words, verdicts are made of moments.

*Source:* epoll(7), epoll_ctl(2), proc_pid_fdinfo(5).
"""

import functools
import os
import select
import socket
import time
from collections import deque
from contextlib import ExitStack, suppress
from typing import NamedTuple

from .. import linux
from ..masks import CONDITIONS, ET, IN, ONESHOT

#: The three registrations: what each is called, the mask that is asked for.
REGISTRATIONS = (("level-triggered", IN), ("edge-triggered", IN | ET), ("one-shot", IN | ONESHOT))
#: How many moments a trial keeps and the picture shows; how often, and for how long, `Trial.ask_on`
#: asks.
SHOWN, ASKS, ASKING_S = 16, 14, 0.25
#: How much a handler reads when it is told, by what the control says, of *n* (0: nothing, None:
#: until EAGAIN).
READS = {
    "nothing": lambda n: 0,
    "1 byte": lambda n: 1,
    "half of n": lambda n: (n + 1) // 2,
    "n bytes": lambda n: n,
    "everything, until EAGAIN": lambda n: None,
}


class Moment(NamedTuple):
    """What one click did to one registration."""

    did: str  # arrive, ask, re-arm; empty if it was another registration's turn
    before: int  # bytes waiting
    after: int
    moved: int = 0  # bytes written, or read by the handler
    wanted: int | None = 0  # bytes to be written; what the handler may read, None for everything
    events: tuple | None = None  # what poll returned; None if it was not asked
    is_again: bool = False  # it had been told since the last bytes came or it was re-armed
    has_met_eagain: bool = False  # the handler read until it would have had to sleep
    masks: tuple = (0, 0)  # in the interest list, before and after; 0 if there is no entry

    @property
    def is_armed(self):
        return bool(self.masks[1] & CONDITIONS)

    @property
    def mark(self):
        """One word:

        told, silent (nothing waits), deaf, disabled (bytes wait), refused (no room), re-armed; or
        none.
        """
        if self.events is None:
            return (
                "refused"
                if self.did == "arrive" and self.moved < self.wanted
                else "re-armed" * (self.did == "re-arm")
            )
        return (
            "told"
            if self.events
            else "silent"
            if not self.before
            else "deaf"
            if self.is_armed
            else "disabled"
        )


class Registration:
    """One stream, non-blocking, registered for reading in an epoll of its own."""

    def __init__(self, name, asked, kind):
        self.name, self.asked, self.was_told = name, asked, False
        with ExitStack() as opened:
            if kind == "pipe":
                self.reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
                opened.callback(os.close, self.reader)
                opened.callback(os.close, writer)
                self.read, self.write = (
                    functools.partial(os.read, self.reader),
                    functools.partial(os.write, writer),
                )
            else:
                reader, writer = (opened.enter_context(sock) for sock in socket.socketpair())
                reader.setblocking(False)
                writer.setblocking(False)
                self.reader, self.read, self.write = reader.fileno(), reader.recv, writer.send
            self.epoll = opened.enter_context(select.epoll())
            self.epoll.register(self.reader, asked)
            self.close = opened.pop_all().close

    def look(self):
        """Return how many bytes wait, and the mask in the interest list."""
        os.fstat(self.reader)  # raises EBADF if somebody closed it
        return linux.bytes_waiting(self.reader), next(
            (entry.events for entry in linux.interest_list(self.epoll)), 0
        )

    def nothing(self):
        """Return what is the case now, as a moment in which nothing was done."""
        waiting, mask = self.look()
        return Moment("", waiting, waiting, masks=(mask, mask))

    def arrive(self, amount):
        (before, mask), moved = self.look(), 0
        with suppress(BlockingIOError):
            moved = self.write(b"." * amount)
        self.was_told = self.was_told and not moved
        return Moment("arrive", before, self.look()[0], moved, amount, masks=(mask, mask))

    def ask(self, amount):
        before, former = self.look()
        events, moved, has_met_eagain = tuple(self.epoll.poll(0)), 0, False
        while events and amount != 0:
            try:
                moved += (got := len(self.read(amount or 4096)))
            except BlockingIOError:
                has_met_eagain = True
                break
            if amount or not got:
                break
        is_again, self.was_told = self.was_told, self.was_told or bool(events)
        after, mask = self.look()
        return Moment(
            "ask", before, after, moved, amount, events, is_again, has_met_eagain, (former, mask)
        )

    def arm(self):
        (waiting, former), self.was_told = self.look(), False
        self.epoll.modify(self.reader, self.asked)
        return Moment("re-arm", waiting, waiting, masks=(former, self.look()[1]))


class Trial:
    """Three streams, and what has been done to them.

    `moments` has a tuple of three for each click, the last `SHOWN` of them; `count` says how many
    there were.
    """

    def __init__(self):
        self.registrations, self.count, self.moments = [], 0, deque(maxlen=SHOWN)

    def open(self, kind):
        """Begin with three streams of a *kind*, pipe or unix (a socketpair).

        Raises OSError; then none is left open.
        """
        self.close()
        try:
            for name, asked in REGISTRATIONS:
                self.registrations.append(Registration(name, asked, kind))
        except OSError:
            self.close()
            raise

    def close(self):
        while self.registrations:
            with suppress(OSError):  # EBADF: somebody else closed one of its streams
                self.registrations.pop().close()
        self.__init__()

    def arrive(self, amount):
        """Write *amount* bytes to each stream."""
        return self._keep(one.arrive(amount) for one in self.registrations)

    def ask(self, amount):
        """Ask each epoll with timeout 0; who is told reads once up to *amount* bytes, or until
        EAGAIN if it is None.
        """
        return self._keep(one.ask(amount) for one in self.registrations)

    def ask_on(self, amount):
        """Ask until nobody is told, at most `ASKS` times and for `ASKING_S` seconds.

        Returns how often it asked.
        """
        end, asks = time.monotonic() + ASKING_S, 1
        while (
            any(moment.events for moment in self.ask(amount))
            and asks < ASKS
            and time.monotonic() < end
        ):
            asks += 1
        return asks

    def arm(self, which):
        """Call `modify` for the one called *which*, with the mask that it was registered with."""
        return self._keep(
            one.arm() if one.name == which else one.nothing() for one in self.registrations
        )

    def _keep(self, moments):
        if not self.registrations:
            raise OSError("no stream is open; press Reset")
        self.moments.append(moments := tuple(moments))
        self.count += 1
        return moments
