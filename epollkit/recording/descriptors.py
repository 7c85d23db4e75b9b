"""Streams are not numbers: what a file descriptor stands for, from moment to moment.

Facts about the kernel
----------------------
* A closed number is given away at once, to whoever asks next.
* C code closes numbers without a call that we see: an object that is dropped, a file made by
  ``os.fdopen``.
* ``dup`` gives a second number to the same open file description.  What was set non-blocking
  through one is so through the other, and the other end sees a close only when the last number is
  gone, in this process or in another.

What we do about them
---------------------
Each number that comes into the recording becomes a `Thing`: one end of a stream, or an epoll, for
as long as its number is open.  Things with one open file description share a `description`; the
description at the other end is their `other_end`.  When a number comes up again, whatever had it is
closed, even if nobody told us.

Whose is it?  In scope is what the program makes in the block, and what the learner's own code
touches there; the Jupyter kernel's streams live in the same process and must stay out.

*Source:* open(2), dup(2), close(2), unix(7), SO_PEERCRED.
"""

import itertools
import os
import select
import socket
import threading
import time

from .. import linux
from .callsite import is_learners, variable

#: Frames of these modules stand between a learner's line and the call that it means.
_DIRECT = {
    socket.__file__,
    os.path.join(os.path.dirname(socket.__file__), "selectors.py"),
    os.path.join(os.path.dirname(__file__), "recorder.py"),
    os.path.join(os.path.dirname(os.path.dirname(__file__)), "syscalls.py"),
}
_EVENT_LOOP = os.path.join("asyncio", "events.py")


class Thing:
    """A stream or an epoll while it is being recorded; `merge.freeze` turns it into a `Stream`."""

    def __init__(self, index, kind, number, chain, place):
        self.index, self.kind, self.number, self.chain, self.place = (
            index,
            kind,
            number,
            chain,
            place,
        )
        self.description, self.other_end = index, None
        self.role, self.given_name, self.text, self.address = "", None, "", None
        self.opened_ns = self.closed_ns = None
        self.internal, self.readable, self.writable, self.held_elsewhere = False, True, True, False
        self.start_level, self.start_list, self.timeout, self.timeouts = 0, (), None, []


class Streams:
    """Everything that has come into a recording:

    things by index, and by the number that they have now.
    """

    def __init__(self, clock):
        self.clock = clock
        self.things, self.by_number = {}, {}
        #: indices of things, by their open file description, and by what the kernel calls them
        self.same, self.by_text = {}, {}
        #: closed things: by their number, and by the id() of their object, which no longer tells
        #: its number
        self.former, self.gone = {}, {}
        #: what the kernel said of a stream: (a thing, asked from, asked until, bytes waiting, could
        #: be written to)
        self.notes = []
        #: closed out of sight: indices of things
        self.unseen = set()
        #: things whose close is under way: their numbers may be given out again before it is back
        self.ending = set()
        #: thread → the thing that it is writing to
        self.writing = {}
        #: names of files and cells that hold code of the learner's
        self.learners, self._strangers = set(), set()
        self._counter, self._doors = itertools.count(), {}
        self._home = threading.get_native_id()
        self._old_threads = {thread.native_id for thread in threading.enumerate()}

    # whose is it?

    def is_learners(self, filename):
        """Tell whether code compiled under *filename* is the learner's, or that of who records."""
        if filename not in self.learners and filename not in self._strangers:
            (self.learners if is_learners(filename) else self._strangers).add(filename)
        return filename in self.learners

    def line(self, frame):
        """Find the learner's line above *frame*, as (code, how far it has got in it); two Nones
        if there is none.
        """
        while frame is not None and not self.is_learners(frame.f_code.co_filename):
            frame = frame.f_back
        return (None, None) if frame is None else (frame.f_code, frame.f_lasti)

    def chain(self, frame):
        """Collect the learner's frames from *frame* up, if only modules that pass a call through
        stand before them.
        """
        found = []
        while frame is not None and len(found) < 4:
            code = frame.f_code
            if self.is_learners(code.co_filename):
                found.append((code, frame.f_lasti))
            elif found or code.co_filename not in _DIRECT:
                break
            frame = frame.f_back
        return tuple(found)

    def is_programs(self, frame):
        """Decide whether something made by *frame* is the program's, not the Jupyter kernel's.

        The kernel's own threads are older than the block.  On the thread of the block, which runs
        the kernel's event loop while a cell awaits, the kernel's code is an installed package that
        no line of the learner's has called.
        """
        native = threading.get_native_id()
        if native not in self._old_threads:
            return True
        installed = event_loop = False
        while frame is not None:
            name = frame.f_code.co_filename
            if self.is_learners(name):
                return True
            event_loop = event_loop or name.endswith(_EVENT_LOOP)
            installed = installed or (not event_loop and "site-packages" in name)
            frame = frame.f_back
        return native == self._home and not installed

    # coming and going

    def find(self, number, frame):
        """Return the index of what *number* stands for; None if it is none of the program's.

        Something from before the block comes into the recording when the learner's own code touches
        it; a number that is not open stands for whatever had it last, or for −1.
        """
        index = self.by_number.get(number)
        if index is None and self.chain(frame):
            try:
                index = self.adopt(number, frame).index
            except OSError:
                index = self.former.get(number, -1)
        return index

    def open(self, kind, number, frame=None, place=None, **known):
        """Take something new into the recording.

        *place* is its position in the pair that a call returned.
        """
        self.lost(number)
        chain = self.chain(frame) if frame is not None else ()
        thing = Thing(next(self._counter), kind, number, chain, place)
        thing.opened_ns = self.clock()
        thing.internal = (
            frame is not None and kind in ("pipe", "socketpair", "eventfd") and not chain
        )
        for key, value in known.items():
            setattr(thing, key, value)
        thing.text = linux.text(number)
        self.things[thing.index] = thing
        self.by_number[number] = thing.index
        self.same.setdefault(thing.description, []).append(thing.index)
        if thing.kind not in ("epoll", "eventfd"):  # the kernel has one text for all of these
            self.by_text.setdefault((thing.text, thing.readable), []).append(thing.index)
        return thing

    def again(self, index, number, frame, **known):
        """Take in a second number for the open file description of a thing."""
        like = self.things[index]
        same = (
            "description",
            "other_end",
            "role",
            "readable",
            "writable",
            "address",
            "timeout",
            "timeouts",
        )
        return self.open(
            like.kind, number, frame, **{name: getattr(like, name) for name in same} | known
        )

    def lost(self, number):
        """A number is given out again: whatever had it is closed, even if nobody told us."""
        index = self.by_number.get(number)
        if index in self.ending:
            del self.by_number[number]  # the close that is under way says the rest when it is back
        elif index is not None:
            self.unseen.add(index)
            self.close(index)

    def closing(self, stream):
        """Look at a stream a last time, before a number of it is closed."""
        index = self.by_number.get(linux.number_of(stream))
        if index is None:
            return
        self.ending.add(index)
        if self.things[index].kind not in ("epoll", "file", "other"):
            self.check(self.things[index])
            self.ask_around(self.things[index])

    def close(self, index, by=None):
        """Note that the number of a thing is closed, *by* an object with this id(), which no
        longer tells its number.
        """
        thing = self.things[index]
        thing.closed_ns = self.clock()
        self.former[thing.number] = index
        if by is not None:
            self.gone[by] = index
        if self.by_number.get(thing.number) == index:
            del self.by_number[thing.number]
        # The last number here, and yet the other end has not been told: somebody else holds the
        # stream open.
        other = self.alive(thing.other_end)
        if (
            thing.kind in ("pipe", "socketpair")
            and other is not None
            and self.alive(thing.description) is None
        ):
            thing.held_elsewhere = not linux.readiness(other.number, 0) & (
                select.POLLHUP | select.POLLERR
            )

    def alive(self, description):
        """Find a thing of this open file description whose number is open, and still its own."""
        things = [self.things[index] for index in self.same.get(description, ())]
        return next(
            (one for one in things if one.closed_ns is None and linux.text(one.number) == one.text),
            None,
        )

    def adopt(self, number, frame):
        """Take something that was there before into the recording, as it is now, with its other
        end.

        With an epoll comes what it watches.  Returns the thing; raises OSError if nothing is open
        under *number*.
        """
        while frame is not None and not self.is_learners(frame.f_code.co_filename):
            frame = frame.f_back
        thing = self._adopt(number, frame)
        try:
            ends = linux.other_ends()
        except OSError:  # no number is free to ask with
            ends = {}
        watched = [
            entry.number for entry in thing.start_list if linux.inode(entry.number) == entry.inode
        ]
        for here in (number, *watched):
            for each in (here, ends.get(here)):
                if each is not None and each not in self.by_number:
                    self._adopt(each, frame)
            one, other = self.things[self.by_number[here]], self.by_number.get(ends.get(here))
            if other is not None:
                self.join(one, self.things[other])
                for reader, writer in ((one, self.things[other]), (self.things[other], one)):
                    if one.kind == "tcp" and reader.opened_ns is writer.opened_ns is None:
                        reader.start_level += linux.bytes_unsent(writer.number)
            elif one.kind == "tcp" and one.role != "listener":
                self.connected(one)
        return thing

    def _adopt(self, number, frame):
        who = linux.identity(number)
        if frame is not None:
            frame = variable(frame, number)
        for index in self.by_text.get((who.text, who.readable), ()):
            if self.things[index].closed_ns is None:
                return self.again(index, number, None, opened_ns=None, given_name=frame)
        role, address, watched = "", None, ()
        if who.kind == "pipe":
            role = "read end" if who.readable else "write end"
        elif who.kind in ("tcp", "unix"):
            role, address = (
                "listener" if linux.is_listening(number) else "client",
                linux.addresses(number)[0],
            )
        elif who.kind == "epoll":
            try:
                watched = linux.interest_list(number)
            except OSError:  # no number is free to ask with
                pass
        return self.open(
            who.kind,
            number,
            role=role,
            address=address,
            given_name=frame,
            opened_ns=None,
            readable=who.readable,
            writable=who.writable,
            timeout=0.0 if who.nonblocking else None,
            start_list=watched,
            start_level=linux.level(number),
        )

    # the two ends of a channel

    def join(self, one, other):
        """Note that two things are the two ends of one channel."""
        one.other_end, other.other_end = other.description, one.description

    def connected(self, thing, to=None):
        """Pair a socket with its other end by their addresses, whichever of the two comes
        second.
        """
        if thing.other_end is not None:
            return
        own, other = linux.addresses(thing.number)
        other = other or to
        if thing.kind == "tcp" and own and other:
            self._meet((own[1], other[1]), (other[1], own[1]), thing)
        elif (
            thing.kind == "unix" and other
        ):  # a caller has no address; callers are accepted in the order they came in
            self._meet((other, "accepted"), (other, "called"), thing)

    def accepted(self, thing, listener):
        """Pair a socket that *listener* accepted with the one that called."""
        thing.address = listener.address
        if thing.kind == "tcp":
            self.connected(thing)
        elif linux.is_called_from_here(thing.number):
            self._meet((listener.address, "called"), (listener.address, "accepted"), thing)

    def _meet(self, mine, theirs, thing):
        if waiting := self._doors.get(mine):
            self.join(thing, self.things[waiting.pop(0)])
        elif thing.kind == "tcp":  # ports are used again: who waited there before, waits in vain
            self._doors[theirs] = [thing.index]
        else:
            self._doors.setdefault(theirs, []).append(thing.index)

    # asking the kernel

    def check(self, thing):
        """Compare what we believe of O_NONBLOCK with the kernel:

        code that we do not see may have set it.
        """
        believed = thing.timeouts[-1][1] if thing.timeouts else thing.timeout
        if believed is None and linux.is_nonblocking(thing.number):
            thing.timeouts[:] = [(0, 0.0)]

    def note(self, index):
        """Somebody is in a write.

        If the call to come is at its other end, ask the kernel how much is in already.
        """
        here = self.things[index] if index >= 0 else None
        for writer in [self.things[one] for one in list(self.writing.values()) if one >= 0]:
            if here is not None and (writer.other_end == here.description or writer is here):
                self.ask(here, writer)

    def ask(self, reader, writer, patient=False):
        """Write down how many bytes wait for *reader*, and if *writer* could write.  One of the two
        may be None.

        Of a TCP connection nothing is written down while bytes are on their way; if *patient*, they
        are waited for.
        """
        one = reader or writer
        if (
            one is None
            or one.kind not in ("pipe", "socketpair", "unix", "tcp", "eventfd")
            or one.role == "listener"
        ):
            return
        if (
            reader is None and one.kind != "pipe"
        ):  # only a pipe can be asked from where it is written
            return
        since = self.clock()
        for _ in range(20 if patient else 1):
            try:
                writable = (
                    writer is None
                    or not self.writing
                    or bool(linux.readiness(writer.number, select.POLLOUT) & select.POLLOUT)
                )
                waiting, on_the_way = linux.bytes_waiting(one.number), 0
                if one.kind == "tcp" and writer is not None:
                    unsent = linux.bytes_unsent(writer.number)
                    on_the_way = linux.bytes_unacknowledged(writer.number) - unsent
                    waiting = linux.bytes_waiting(one.number) + unsent
            except OSError:
                return
            if not on_the_way:
                self.notes.append((one.index, since, self.clock(), waiting, writable))
                return
            if patient:
                time.sleep(0.003)

    def ask_around(self, thing, patient=False):
        """Ask about both directions of a stream:

        what waits for it, and what it wrote and nobody has read.
        """
        other = self.alive(thing.other_end)
        if thing.readable:
            self.ask(thing, thing if thing.kind == "eventfd" else other, patient)
        if thing.writable and thing.kind != "eventfd":
            self.ask(other, thing, patient)

    def ask_all(self):
        """Take the last look, at the end of the block, at every stream that is open."""
        for thing in [self.things[index] for index in list(self.by_number.values())]:
            if linux.text(thing.number) != thing.text:
                self.lost(thing.number)
            elif thing.kind not in ("epoll", "file", "other"):
                self.check(thing)
                self.ask_around(thing, patient=True)
