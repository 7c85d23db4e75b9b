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
Each number that comes into the recording becomes a `Descriptor`: one end of a stream, or an epoll,
for as long as its number is open.  Those with one open file description share a `description`; the
description at the other end is their `other_end`.  When a number comes up again, whatever had it is
closed, even if nobody told us.

Whose is it?  In scope is what the program makes in the block, and what the learner's own code
touches there; Jupyter's streams live in the same process and must stay out.

*Source:* open(2), dup(2), close(2), fifo(7), unix(7), SO_PEERCRED.
"""

import itertools
import os
import select
import struct
import sys
import threading
import time

from .. import linux
from ..syscalls import O_NONBLOCK, SCM_RIGHTS, SOL_SOCKET, AskedOnce
from .callsite import is_learners, variable

_PACKAGE = os.path.dirname(os.path.dirname(__file__))
_STDLIB = os.path.dirname(os.__file__)
#: Frames of these modules stand between a learner's line and the call that it means.
_DIRECT = {
    *(os.path.join(_STDLIB, name) for name in ("socket.py", "selectors.py", "ssl.py")),
    *(os.path.join(_PACKAGE, "recording", name) for name in ("recorder.py", "places.py")),
    os.path.join(_PACKAGE, "syscalls.py"),
}
_EVENT_LOOP = os.path.join("asyncio", "events.py")
#: Kinds of streams that the kernel can be asked about: how much waits, and for whom.
_CAN_BE_ASKED = ("pipe", "socketpair", "unix", "tcp", "eventfd")
#: What numbers of one open file description have in common.
_OF_A_DESCRIPTION = ("description", "other_end", "role", "address", "timeout", "timeouts")
_OF_A_DESCRIPTION += ("readable", "writable")
#: Kinds that are not looked at before they are closed.
_NOT_LOOKED_AT = ("epoll", "file", "other", "pty", "timerfd", "pidfd")


class Descriptor:
    """A stream or an epoll while it is recorded; `assemble.freeze` turns it into a `Stream`."""

    def __init__(self, index, kind, number, chain, place):
        self.index, self.kind, self.number = index, kind, number
        self.chain, self.place = chain, place
        self.description, self.other_end = index, None
        self.role, self.given_name, self.text, self.address = "", None, "", None
        self.opened_ns = self.closed_ns = None
        self.internal, self.readable, self.writable, self.held_elsewhere = False, True, True, False
        self.start_level, self.start_list, self.timeout, self.timeouts = 0, (), None, []
        #: what the kernel had counted of a connection when it came into the recording
        self.counted_before = None


class Descriptors:
    """Everything that has come into a recording: by index, and by the number that it has now."""

    def __init__(self, clock):
        self.clock = clock
        self.all, self.by_number = {}, {}
        #: indices by open file description, and by what the kernel calls them
        self.same, self.by_text = {}, {}
        #: closed ones: by their number, and by the id() of their object, which no longer tells it
        self.former, self.gone = {}, {}
        #: what the kernel said of a stream: (index, asked from, asked until, bytes waiting, could
        #: be written to)
        self.notes = []
        #: what else tells of something that no call shows: (kind, index or None, details)
        self.evidence = []
        #: those whose close is under way: their numbers may be given out again before it is back
        self.ending = set()
        #: names of files and cells that hold code of the learner's
        self.learners, self._strangers = set(), set()
        #: what poll objects were asked to watch, by id(): (the object, {number: event mask})
        self._polls = {}
        self._counter, self._doors = itertools.count(), {}
        #: the other ends of what was open when that was last looked up: number → (its text, number)
        self._ends = {}
        self._home = threading.get_native_id()
        self._old_threads = {thread.native_id for thread in threading.enumerate()}

    # Whose is it?

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
        learners = []
        while frame is not None and len(learners) < 4:
            code = frame.f_code
            if self.is_learners(code.co_filename):
                learners.append((code, frame.f_lasti))
            elif learners or code.co_filename not in _DIRECT:
                break
            frame = frame.f_back
        return tuple(learners)

    def is_programs(self, frame):
        """Decide whether something made by *frame* is the program's, not Jupyter's.

        Jupyter's own threads are older than the block.  On the thread of the block, which runs
        Jupyter's event loop while a cell awaits, Jupyter's code is an installed package that no
        line of the learner's has called.
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

    def number_given(self, stream):
        """Return the number of what a call was given; None if only code of the program's knows."""
        if isinstance(stream, int):
            return stream
        if isinstance(stream, AskedOnce):
            return stream.number
        asks = getattr(type(stream), "fileno", None)
        return asks(stream) if asks in linux.PLAIN_FILENO else None

    # Coming and going

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
        new = Descriptor(next(self._counter), kind, number, chain, place)
        new.opened_ns = self.clock()
        new.internal = frame is not None and kind in ("pipe", "socketpair", "eventfd") and not chain
        for key, value in known.items():
            setattr(new, key, value)
        new.text = new.text or linux.text(number)
        self.all[new.index] = new
        self.by_number[number] = new.index
        self.same.setdefault(new.description, []).append(new.index)
        if not new.text.startswith("anon_inode:"):  # the kernel has one text for all of a kind
            self.by_text.setdefault((new.text, new.readable), []).append(new.index)
        return new

    def again(self, index, number, frame, **known):
        """Take in a second number for the open file description of *index*."""
        like = self.all[index]
        same = {name: getattr(like, name) for name in _OF_A_DESCRIPTION}
        return self.open(like.kind, number, frame, **same | known)

    def opened(self, number, frame, flags):
        """Take in what a path has opened, if it is a FIFO or a terminal.  Returns its index, or
        None.

        All that write to a FIFO are one end of it: it ends with the last of them.
        """
        identity = linux.identity(number)
        if identity.kind not in ("pipe", "pty"):
            return None
        for index in self.by_text.get((identity.text, identity.readable), ()):
            if self.all[index].closed_ns is None and identity.kind == "pipe":
                return (self.again(index, number, frame).index,)
        new = self.open(
            identity.kind,
            number,
            frame,
            role=f"{'read' if identity.readable else 'write'} end" * (identity.kind == "pipe"),
            readable=identity.readable,
            writable=identity.writable,
            timeout=0.0 if flags & O_NONBLOCK else None,
        )
        for index in self.by_text.get((identity.text, not identity.readable), ()):
            if self.all[index].closed_ns is None and identity.kind == "pipe":
                self.join(new, self.all[index])
        return (new.index,)

    def wrapped(self, sock, number, frame):
        """A socket object is being made for a number that exists: a detached socket's, or one that
        C code made.  Returns None: no call to the kernel, and nothing new.
        """
        self.gone.pop(id(sock), None)
        index = self.by_number.get(number)
        if index is None and self.is_programs(frame):
            index = self.adopt(number, frame).index
        if index is not None and _is_tls(sock):
            for descriptor in (self.all[index], self.alive(self.all[index].other_end)):
                if descriptor is not None:
                    descriptor.kind = "tls"

    def received(self, messages, frame):
        """Take in the numbers that came with a message.  *Source:* SCM_RIGHTS, unix(7)."""
        for level, kind, data in messages:
            if level == SOL_SOCKET and kind == SCM_RIGHTS and self.is_programs(frame):
                for (number,) in struct.iter_unpack("i", data[: len(data) // 4 * 4]):
                    self.lost(number)
                    self.adopt(number, frame)

    def lost(self, number):
        """A number is given out again: whatever had it is closed, even if nobody told us."""
        index = self.by_number.get(number)
        if index in self.ending:
            del self.by_number[number]  # the close that is under way says the rest when it is back
        elif index is not None:
            self.evidence.append(("closed unseen", index, {}))
            self.close(index)

    def closing(self, stream):
        """Look at a stream a last time, before a number of it is closed."""
        index = self.by_number.get(linux.number_of(stream))
        if index is None:
            return
        self.ending.add(index)
        if self.all[index].kind not in _NOT_LOOKED_AT:
            self.check(self.all[index])
            self.ask_around(self.all[index])
            self.count(self.all[index])

    def end_closing(self, low, high, error) -> tuple:
        """The closes of the numbers from *low* to below *high* are over.  Returns the indices of
        what was closed, in the order of their numbers.

        The numbers themselves may be something else's by now.
        """
        ending = [index for index in self.ending if low <= self.all[index].number < high]
        self.ending.difference_update(ending)
        closed = () if error else tuple(sorted(ending, key=lambda each: self.all[each].number))
        for index in closed:
            self.close(index)
        return closed

    def close(self, index, by=None):
        """Note that the number of *index* is closed, *by* an object with this id(), which no longer
        tells its number.
        """
        closed = self.all[index]
        closed.closed_ns = self.clock()
        self.former[closed.number] = index
        if by is not None:
            self.gone[by] = index
        if self.by_number.get(closed.number) == index:
            del self.by_number[closed.number]
        # The last number here, and yet the other end has not been told: somebody else holds the
        # stream open.
        other = self.alive(closed.other_end)
        if (
            closed.kind in ("pipe", "socketpair")
            and other is not None
            and self.alive(closed.description) is None
        ):
            closed.held_elsewhere = not linux.readiness(other.number, 0) & (
                select.POLLHUP | select.POLLERR
            )

    def alive(self, description):
        """Find one of this open file description whose number is open, and still its own."""
        for index in self.same.get(description, ()):
            descriptor = self.all[index]
            if descriptor.closed_ns is None and linux.text(descriptor.number) == descriptor.text:
                return descriptor
        return None

    def adopt(self, number, frame):
        """Take something that was there before into the recording, as it is now, with its other
        end.

        With an epoll comes what it watches.  Returns the new `Descriptor`; raises OSError if
        nothing is open under *number*.
        """
        while frame is not None and not self.is_learners(frame.f_code.co_filename):
            frame = frame.f_back
        adopted = self._adopt(number, frame)
        watched = [
            entry.number for entry in adopted.start_list if linux.inode(entry.number) == entry.inode
        ]
        for here in (number, *watched):
            if here not in self.by_number:
                self._adopt(here, frame)
            end = self.all[self.by_number[here]]
            there = self.other_end(here, end.text)
            if there is not None and there not in self.by_number:
                self._adopt(there, frame)
            other = self.by_number.get(there)
            if other is not None:
                self.join(end, self.all[other])
                for reader, writer in ((end, self.all[other]), (self.all[other], end)):
                    if end.kind == "tcp" and reader.opened_ns is writer.opened_ns is None:
                        reader.start_level += linux.bytes_unsent(writer.number)
            elif end.kind == "tcp" and end.role != "listener":
                self.connected(end)
        return adopted

    def other_end(self, number, text):
        """Find the number in this process that is the other end of *number*, which stands for
        *text*; None if there is none.

        All are looked up together, and again when a number has come to stand for something else.
        """
        known, there = self._ends.get(number, ("", None))
        if known != text or (there is not None and self._ends[there][0] != linux.text(there)):
            texts = {}
            try:
                ends = linux.other_ends(texts)
            except OSError:  # no number is free to ask with
                ends = {}
            self._ends = {each: (texts[each], ends.get(each)) for each in texts}
            there = self._ends.get(number, ("", None))[1]
        return there

    def _adopt(self, number, frame):
        identity = linux.identity(number)
        name = variable(frame, number) if frame is not None else None
        for index in self.by_text.get((identity.text, identity.readable), ()):
            if self.all[index].closed_ns is None:
                return self.again(index, number, None, opened_ns=None, given_name=name)
        role, address, watched = "", None, ()
        if identity.kind == "pipe":
            role = "read end" if identity.readable else "write end"
        elif identity.kind in ("tcp", "unix"):
            role = "listener" if linux.is_listening(number) else "client"
            address = linux.addresses(number)[0]
        elif identity.kind == "epoll":
            try:
                watched = linux.interest_list(number)
            except OSError:  # no number is free to ask with
                pass
        adopted = self.open(
            identity.kind,
            number,
            role=role,
            address=address,
            given_name=name,
            opened_ns=None,
            text=identity.text,
            readable=identity.readable,
            writable=identity.writable,
            timeout=0.0 if identity.nonblocking else None,
            start_list=watched,
            start_level=linux.level(number) if identity.kind in _CAN_BE_ASKED else 0,
        )
        if identity.kind == "tcp" and role == "client":
            adopted.counted_before = linux.bytes_counted(number)
        return adopted

    def registered_at(self, poll_object):
        """Return what a poll object was asked to watch in this block, {number: event mask}."""
        return self._polls.setdefault(id(poll_object), (poll_object, {}))[1]

    # The two ends of a channel

    def join(self, end, other):
        """Note that these two are the two ends of one channel."""
        end.other_end, other.other_end = other.description, end.description

    def connected(self, end, to=None):
        """Pair a socket with its other end by their addresses, whichever of the two comes
        second.
        """
        if end.other_end is not None:
            return
        own, other = linux.addresses(end.number)
        other = other or to
        if end.kind == "tcp" and own and other:
            own, other = _address(own), _address(other)
            self._meet((own, other), (other, own), end)
        elif end.kind == "unix" and other:
            # A caller has no address; callers are accepted in the order they came in.
            self._meet((other, "accepted"), (other, "called"), end)

    def accepted(self, end, listener):
        """Pair a socket that *listener* accepted with the one that called."""
        end.address = listener.address
        if end.kind == "tcp":
            self.connected(end)
        elif linux.is_called_from_here(end.number):
            self._meet((listener.address, "called"), (listener.address, "accepted"), end)

    def _meet(self, mine, theirs, end):
        if waiting := self._doors.get(mine):
            self.join(end, self.all[waiting.pop(0)])
        elif end.kind == "tcp":  # ports are used again: who waited there before, waits in vain
            self._doors[theirs] = [end.index]
        else:
            self._doors.setdefault(theirs, []).append(end.index)

    # Asking the kernel

    def check(self, descriptor):
        """Compare what is believed of O_NONBLOCK with the kernel: code that is not seen may have
        set it.
        """
        timeouts = descriptor.timeouts
        believed = timeouts[-1][1] if timeouts else descriptor.timeout
        try:
            if believed is None and linux.is_nonblocking(descriptor.number):
                descriptor.timeouts[:] = [(0, 0.0)]
        except OSError:
            pass  # another thread has just closed it

    def ask_writers(self, index, writing):
        """Some threads are in a write, each to one of the indices *writing*.  If the call to come
        is at the other end of one, ask the kernel how much is in already.
        """
        here = self.all[index] if index >= 0 else None
        for writer in [self.all[each] for each in writing if each >= 0]:
            if here is not None and (writer.other_end == here.description or writer is here):
                self.ask(here, writer, is_writing=True)

    def ask(self, reader, writer, patient=False, is_writing=False):
        """Write down how many bytes wait for *reader*, and if *writer* could write.  One of the two
        may be None.  Whether it could matters only while somebody is in a write to it.

        Of a TCP connection nothing is written down while bytes are on their way; if *patient*, they
        are waited for.
        """
        asked = reader or writer
        if asked is None or asked.kind not in _CAN_BE_ASKED or asked.role == "listener":
            return
        if reader is None and asked.kind != "pipe":
            return  # only a pipe can be asked from where it is written
        since = self.clock()
        for _ in range(20 if patient else 1):
            try:
                writable = not is_writing or bool(
                    linux.readiness(writer.number, select.POLLOUT) & select.POLLOUT
                )
                if asked.kind == "tcp" and writer is not None:
                    waiting = _waiting_at_rest(asked.number, writer.number)
                else:
                    waiting = linux.bytes_waiting(asked.number)
            except OSError:
                return
            if waiting is not None:
                self.notes.append((asked.index, since, self.clock(), waiting, writable))
                return
            if patient:
                time.sleep(0.003)

    def ask_around(self, descriptor):
        """Ask about both directions of a stream: what waits for it, and what it wrote and nobody
        has read.
        """
        other = self.alive(descriptor.other_end)
        is_eventfd = descriptor.kind == "eventfd"
        if descriptor.readable:
            self.ask(descriptor, descriptor if is_eventfd else other)
        if descriptor.writable and not is_eventfd:
            self.ask(other, descriptor)

    def count(self, descriptor):
        """Keep the kernel's own count of a TCP connection: it includes what no call here moved."""
        if descriptor.kind != "tcp" or descriptor.role == "listener":
            return
        counted = linux.bytes_counted(descriptor.number)
        if counted is not None:
            before = descriptor.counted_before or (0, 0)
            details = {"sent": counted[0] - before[0], "received": counted[1] - before[1]}
            self.evidence.append(("tcp count", descriptor.index, details))

    def ask_all(self):
        """Take the last look, at the end of the block, at every stream that is open."""
        still_open = {}
        for descriptor in [self.all[index] for index in list(self.by_number.values())]:
            if linux.text(descriptor.number) != descriptor.text:
                self.lost(descriptor.number)
            elif descriptor.kind not in _NOT_LOOKED_AT:
                still_open[descriptor.description] = descriptor
        for descriptor in still_open.values():
            other = still_open.get(descriptor.other_end)
            if descriptor.kind == "eventfd":
                other = descriptor
            self.check(descriptor)
            if descriptor.readable:
                self.ask(descriptor, other, patient=True)
            elif other is None:
                self.ask(None, descriptor, patient=True)
            self.count(descriptor)

    def forked(self):
        """Note that a child has been forked, which shares what is open."""
        epolls = [index for index in self.by_number.values() if self.all[index].kind == "epoll"]
        self.evidence.append(("forked", None, {"epolls": sorted(epolls)}))


def _waiting_at_rest(reader, writer):
    """Count what waits in a TCP connection, at either end; None while bytes are on their way."""

    def look():
        counts = linux.bytes_unsent(writer), linux.bytes_unacknowledged(writer)
        return linux.bytes_waiting(reader), *counts

    waiting, unsent, unacknowledged = seen = look()
    return waiting + unsent if unsent == unacknowledged and seen == look() else None


def _address(address):
    """Return an address as both ends call it: the same without IPv6's prefix for IPv4."""
    return (address[0].removeprefix("::ffff:"), address[1])


def _is_tls(sock):
    ssl = sys.modules.get("ssl")
    return ssl is not None and isinstance(sock, ssl.SSLSocket)
