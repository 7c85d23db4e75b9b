"""A model of epoll, short enough to read: the ten rules that decide what `poll` returns.

Facts about epoll
-----------------
Nothing watches a stream.  A stream keeps a *wait queue*; each entry of an interest list stands in
the queue of its stream, and whoever moves bytes or closes an end walks along the queue.  The ten
rules, each of them a piece of code below:

1.  A stream wakes with a *key*, the conditions that may have come true.  An entry listens only if
    its mask has one of them; a key of 0 (something ended) is heard by all.  (`Entry.listens`)
2.  Who hears is put at the end of the ready list, if it is not there, and its epoll wakes in turn.
    (`Entry.queue_up`)
3.  `register` and `modify` ask the stream now.  (`Epoll.look_now`)
4.  `poll` takes entries from the head of the ready list and *asks again*: what it reports is the
    case now.  Whatever is not ready any more is dropped.  (`Epoll.wait`, `Epoll.ask_again`)
5.  After a report, a level-triggered entry goes back to the tail, an edge-triggered one does not,
    and a one-shot entry keeps nothing of its mask but the flags.  (`Epoll.after_report`)
6.  ERR and HUP are added to every mask.  (`Epoll.completed`)
7.  A pipe wakes its readers at every write, also at one that is refused.  It wakes its writers when
    it was full and a whole slot has become free.  (`Pipe.after_write`, `Pipe.after_read`)
8.  A unix stream socket wakes its writer each time that the reader finishes a whole message, while
    at most a quarter of the send buffer is taken.  (`UnixSocket.after_message`)
9.  An epoll is readable if an entry of its ready list is; to find out, it drops those that are not.
    (`Epoll.readiness`)
10. Who came last is woken first, except for EPOLLEXCLUSIVE, which queues at the end.  (`stand_in`)

An edge, then, is a wake-up and not a change of value.

What we do about them
---------------------
A `Model` has the calls of the system under names instead of file descriptors, non-blocking and in
one thread.  It knows pipes, FIFOs, unix stream sockets, eventfds, connected UDP sockets on
loopback, epolls, duplicates.  Errors are the `OSError` that the system raises.  Anything else it
refuses in words (`NotModelled`).  `epollkit.programs` holds it against this machine's kernel.

>>> model = Model()
>>> model.pipe("r", "w")
>>> model.epoll("ep")
>>> model.register("ep", "r", IN | ET)
>>> model.write("w", 5), model.poll("ep"), model.poll("ep")
(5, [('r', 1)], [])

*Source:* ``fs/eventpoll.c``, ``fs/pipe.c``, ``fs/eventfd.c``, ``net/unix/af_unix.c``,
``net/core/sock.c`` of Linux 6.18; epoll(7), pipe(7).
"""

import errno
import os
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from .masks import ALWAYS, CONDITIONS, ERR, ET, FLAGS, HUP, IN, ONESHOT, OUT, RDHUP

PRI, EXCLUSIVE = FLAGS["EPOLLPRI"], FLAGS["EPOLLEXCLUSIVE"]
#: The flags that the model knows, and those that may stand beside EPOLLEXCLUSIVE.
KNOWN = IN | PRI | OUT | RDHUP | ALWAYS | ET | ONESHOT | EXCLUSIVE
BESIDE_EXCLUSIVE = IN | OUT | ALWAYS | ET | EXCLUSIVE
#: `select.epoll.poll` returns no more events than this unless it is told to.
MOST_EVENTS = 1023
#: From the topmost epoll to the lowest there are at most so many links.
MOST_LINKS = 4
#: The two halves of a connection, as `shutdown` numbers them, plus 1.
READING, WRITING, BOTH = 1, 2, 3


class NotModelled(NotImplementedError):
    """The kernel would answer, the model does not: the text says what it leaves out."""


def error(name) -> OSError:
    """Return the OSError (or its subclass) called *name*, such as ``EAGAIN``."""
    number = getattr(errno, name)
    return OSError(number, os.strerror(number))


def truesize(size: int) -> int:
    """Return how many bytes of a send buffer a unix message of *size* bytes takes, as Linux 6.18
    does on x86-64: the smallest is 768.
    """

    def block(needed):
        return max(512, 1 << (needed - 1).bit_length())

    head = min(size, 3776)
    pages, rest = divmod(size - head, 4096)
    return 256 + block(-(-head // 64) * 64 + 320) + 4096 * pages + (block(rest) if rest else 0)


class Machine(NamedTuple):
    """What differs from machine to machine, in bytes unless it says otherwise.

    `programs.this_machine()` measures it.
    """

    page: int = 4096
    slots: int = 16  # pages of a new pipe
    send_buffer: int = 212992  # of a unix socket
    largest: int = 36544  # a unix write is cut into messages of at most this
    truesize: Callable[[int], int] = truesize


# Wait queues, entries, the interest list and the ready list.


def stand_in(queue, entry):
    """Rule 10: take a place in a wait queue, at its head, or at its end if exclusive."""
    if entry.mask & EXCLUSIVE:
        queue.append(entry)
    else:
        queue.insert(0, entry)


def wake(queue, key):
    """Walk along a wait queue: *key* is the conditions that may have come true, 0 for an end."""
    for entry in tuple(queue):
        if entry.listens(key):
            entry.queue_up()


class File:
    """An open file description: what one file descriptor, or several, stand for.

    `queue` is the wait queue that its entries stand in.
    """

    def __init__(self, queue=None):
        self.descriptors, self.queue = 0, [] if queue is None else queue

    def readiness(self) -> int:
        """Return the conditions that hold now."""
        raise NotImplementedError

    def read(self, size):
        raise error("EINVAL")

    def write(self, size):
        raise error("EINVAL")

    def shutdown(self, halves):
        raise error("ENOTSOCK")

    def release(self):
        """Its last descriptor was closed."""


class Entry:
    """A row of an interest list: this file, under this name, in this epoll, with this mask."""

    __slots__ = "epoll", "file", "mask", "name"

    def __init__(self, epoll, file, name, mask):
        self.epoll, self.file, self.name, self.mask = epoll, file, name, mask

    def listens(self, key) -> bool:
        """Rule 1: whether a wake-up with *key* concerns this entry."""
        if not self.mask & CONDITIONS:
            return False  # a one-shot entry that has been reported
        return not key or bool(key & self.mask)

    def queue_up(self):
        """Rule 2: stand in the ready list, and wake the epolls that watch this one."""
        self.epoll.ready.setdefault(self)
        wake(self.epoll.queue, IN)

    def ask(self) -> int:
        """Return what would be reported now."""
        return self.file.readiness() & self.mask


class Epoll(File):
    """An epoll: `interest` maps (file, name) to entries, `ready` holds entries in their order."""

    Entry = Entry

    def __init__(self):
        super().__init__()
        self.interest, self.ready = {}, {}

    def completed(self, mask):
        """Rule 6: nobody can ask not to be told of errors and hang-ups."""
        return mask | ALWAYS

    def add(self, file, name, mask):
        if mask & EXCLUSIVE and (isinstance(file, Epoll) or mask & ~BESIDE_EXCLUSIVE):
            raise error("EINVAL")
        if isinstance(file, Epoll):
            links = file.links_down(self) + 1 + self.links_up()
            if links > MOST_LINKS:
                raise error("ELOOP")
        if (file, name) in self.interest:
            raise error("EEXIST")
        entry = self.interest[file, name] = self.Entry(self, file, name, self.completed(mask))
        stand_in(file.queue, entry)
        self.look_now(entry)

    def modify(self, file, name, mask):
        if mask & EXCLUSIVE:
            raise error("EINVAL")
        entry = self.entry(file, name)
        if entry.mask & EXCLUSIVE:
            raise error("EINVAL")
        entry.mask = self.completed(mask)
        self.look_now(entry)

    def look_now(self, entry):
        """Rule 3: what is ready when it is registered or modified counts as news."""
        if entry.ask() and entry not in self.ready:
            entry.queue_up()

    def entry(self, file, name):
        try:
            return self.interest[file, name]
        except KeyError:
            raise error("ENOENT") from None

    def remove(self, file, name):
        entry = self.entry(file, name)
        del self.interest[file, name]
        self.ready.pop(entry, None)
        file.queue.remove(entry)

    def wait(self, most):
        """Rule 4: take entries from the head of the ready list, and report up to *most* of them."""
        events, again = [], []
        for entry in tuple(self.ready):
            if len(events) == most:
                break
            del self.ready[entry]
            if mask := self.ask_again(entry):
                events.append((entry.name, mask))
                if self.after_report(entry):
                    again.append(entry)
        self.ready.update(dict.fromkeys(again))
        return events

    def ask_again(self, entry) -> int:
        """Rule 4: what is reported is the case now, not what was when the entry was queued."""
        return entry.ask()

    def after_report(self, entry) -> bool:
        """Rule 5: whether a reported entry goes back to the tail of the ready list."""
        if entry.mask & ONESHOT:
            entry.mask &= ~CONDITIONS
            return False
        return not entry.mask & ET

    def readiness(self):
        """Rule 9: to be asked tidies the ready list, up to the first entry that is ready."""
        for entry in tuple(self.ready):
            if entry.ask():
                return IN
            del self.ready[entry]
        return 0

    def links_down(self, above) -> int:
        """Count the links to the lowest epoll below; too many if *above* is among them."""
        below = [file for file, _ in self.interest if isinstance(file, Epoll)]
        if above in below:
            return MOST_LINKS + 1
        return max((1 + file.links_down(above) for file in below), default=0)

    def links_up(self) -> int:
        return max((1 + entry.epoll.links_up() for entry in self.queue), default=0)

    def release(self):
        for file, name in list(self.interest):
            self.remove(file, name)


# Streams: what each is ready for, and whom it wakes.


class Pipe:
    """What lies between the ends of a pipe or a FIFO: slots of a page each, the oldest first.

    A slot is [bytes not yet read, where it ends in its page].  A write adds to the last slot the
    part of it that is less than a page, if that fits; all else takes new slots.
    """

    def __init__(self, page, most):
        self.page, self.most, self.slots = page, most, deque()
        self.reading, self.writing = [], []  # the wait queues
        self.readers = self.writers = self.writers_ever = 0

    @property
    def is_full(self):
        return len(self.slots) >= self.most

    def put(self, size):
        left, odd = size, size % self.page
        if odd and self.slots and self.slots[-1][1] + odd <= self.page:
            self.slots[-1][0] += odd
            self.slots[-1][1] += odd
            left -= odd
        while left and len(self.slots) < self.most:
            part = min(left, self.page)
            self.slots.append([part, part])
            left -= part
        return size - left

    def take(self, size):
        """Return how many bytes were taken, and whether a slot of a full pipe became free."""
        left, has_freed = size, False
        while left and self.slots:
            slot = self.slots[0]
            part = min(left, slot[0])
            slot[0] -= part
            left -= part
            if not slot[0]:
                has_freed = has_freed or self.is_full
                self.slots.popleft()
        return size - left, has_freed

    def after_write(self, was_empty, count):
        """Rule 7: every write wakes the readers, even if nothing of it went in."""
        wake(self.reading, IN)

    def after_read(self, count, has_freed):
        """Rule 7: a read wakes the writers if it made room where there was none."""
        if has_freed:
            wake(self.writing, OUT)

    def after_close(self):
        if bool(self.readers) != bool(self.writers):
            wake(self.reading, 0)
            wake(self.writing, 0)


class ReadEnd(File):
    def __init__(self, pipe, is_fifo=False):
        super().__init__(pipe.reading)
        self.pipe = pipe
        pipe.readers += 1
        #: A reader of a FIFO that came before any writer sees no hang-up until one has been there.
        self.waits_for = pipe.writers_ever if is_fifo and not pipe.writers else None

    def readiness(self):
        pipe = self.pipe
        has_hung_up = not pipe.writers and self.waits_for != pipe.writers_ever
        return (IN if pipe.slots else 0) | (HUP if has_hung_up else 0)

    def read(self, size):
        count, has_freed = self.pipe.take(size)
        self.pipe.after_read(count, has_freed)
        if size and not count and self.pipe.writers:
            raise error("EAGAIN")
        return count

    def write(self, size):
        raise error("EBADF")

    def release(self):
        self.pipe.readers -= 1
        self.pipe.after_close()


class WriteEnd(File):
    def __init__(self, pipe):
        super().__init__(pipe.writing)
        self.pipe = pipe
        pipe.writers_ever += 1
        pipe.writers += 1
        if pipe.writers == 1:
            wake(pipe.reading, 0)  # the first writer of a FIFO wakes who has it open for reading

    def readiness(self):
        return (0 if self.pipe.is_full else OUT) | (0 if self.pipe.readers else ERR)

    def read(self, size):
        raise error("EBADF")

    def write(self, size):
        if not size:
            return 0
        if not self.pipe.readers:
            raise error("EPIPE")
        was_empty, count = not self.pipe.slots, self.pipe.put(size)
        self.pipe.after_write(was_empty, count)
        if not count:
            raise error("EAGAIN")
        return count

    def release(self):
        self.pipe.writers -= 1
        self.pipe.after_close()


class UnixSocket(File):
    """One end of a unix stream socket.

    `messages` wait for it, each [bytes not yet read, what it takes of the peer's send buffer];
    `taken` is what its own messages take of its own.  `shut` has the halves that are closed.
    """

    def __init__(self, machine):
        super().__init__()
        self.machine, self.messages, self.peer = machine, deque(), None
        self.taken, self.shut, self.is_reset = 0, 0, False

    @property
    def is_writable(self):
        return self.taken * 4 < self.machine.send_buffer

    def readiness(self):
        mask = (OUT if self.is_writable else 0) | (ERR if self.is_reset else 0)
        if self.messages:
            mask |= IN
        if self.shut & READING:
            mask |= IN | RDHUP
        return mask | (HUP if self.shut == BOTH else 0)

    def write(self, size):
        if self.shut & WRITING:
            raise error("EPIPE")
        sent = 0
        while sent < size and self.taken < self.machine.send_buffer:
            part = min(size - sent, self.machine.largest)
            cost = self.machine.truesize(part)
            self.taken += cost
            self.peer.messages.append([part, cost])
            self.peer.after_arrival()
            sent += part
        if size and not sent:
            raise error("EAGAIN")
        return sent

    def read(self, size):
        if not size:
            raise NotModelled("a read of 0 bytes from a socket; read at least 1")
        left = size
        while left and self.messages:
            message = self.messages[0]
            part = min(left, message[0])
            message[0] -= part
            left -= part
            if not message[0]:
                self.messages.popleft()
                self.peer.taken -= message[1]
            self.peer.after_message(is_finished=not message[0])
        if left < size:
            return size - left
        if self.is_reset:
            self.is_reset = False  # an error is a message: it is delivered once
            raise error("ECONNRESET")
        if self.shut & READING:
            return 0
        raise error("EAGAIN")

    def after_arrival(self):
        wake(self.queue, IN | PRI)

    def after_message(self, is_finished):
        """Rule 8: room is news for the writer whenever a message of its own is finished."""
        if is_finished and self.is_writable:
            wake(self.queue, OUT)

    def shutdown(self, halves):
        self.shut |= halves
        self.peer.shut |= (halves & READING and WRITING) | (halves & WRITING and READING)
        wake(self.queue, 0)
        wake(self.peer.queue, 0)

    def release(self):
        self.peer.shut = BOTH
        self.peer.is_reset = self.peer.is_reset or bool(self.messages)
        wake(self.peer.queue, 0)
        self.peer.taken -= sum(cost for _, cost in self.messages)
        self.messages.clear()


class EventFd(File):
    """A counter: a write adds to it, a read takes all of it."""

    MOST = 2**64 - 2

    def __init__(self, start):
        super().__init__()
        self.count = start

    def readiness(self):
        return (IN if self.count else 0) | (OUT if self.count < self.MOST else 0)

    def write(self, value):
        if value > self.MOST:
            raise error("EINVAL")
        if self.count + value > self.MOST:
            raise error("EAGAIN")
        was_zero = not self.count
        self.count += value
        self.after_write(was_zero, value)

    def after_write(self, was_zero, value):
        wake(self.queue, IN)  # also if the value is 0

    def read(self, size):
        if not self.count:
            raise error("EAGAIN")
        value, self.count = self.count, 0
        wake(self.queue, OUT)
        return value


class Udp(File):
    """One of two UDP sockets on loopback, connected to each other; `datagrams` wait for it."""

    #: With more waiting, what the kernel drops depends on accounts that nobody can see.
    MOST, LARGEST = 64, 1000

    def __init__(self):
        super().__init__()
        self.datagrams, self.peer = deque(), None

    def readiness(self):
        return OUT | (IN if self.datagrams else 0)

    def write(self, size):
        if not self.peer.descriptors:
            raise NotModelled("UDP to a socket that is closed: an ICMP message comes, or does not")
        if len(self.peer.datagrams) == self.MOST or not 0 < size <= self.LARGEST:
            raise NotModelled(
                f"UDP with more than {self.MOST} datagrams waiting, or other than 1 to "
                f"{self.LARGEST} bytes: whether it is dropped cannot be told from outside"
            )
        self.peer.datagrams.append(size)
        self.after_send()
        wake(self.peer.queue, IN | PRI)
        return size

    def after_send(self):
        """Loopback has taken the datagram at once: there is room again, and that is news."""
        wake(self.queue, OUT)

    def read(self, size):
        if not self.datagrams:
            raise error("EAGAIN")
        return min(size, self.datagrams.popleft())

    def shutdown(self, halves):
        raise NotModelled("shutdown of a UDP socket")


# The calls.


class Model:
    """A process, seen from its calls.

    A name stands for a file descriptor: it is open or closed, and may be opened again.  A call
    returns what the system's call returns, with bytes counted instead of copied.  It raises OSError
    as the system does, `NotModelled` where only the kernel knows.
    """

    #: What is opened, by kind: a model with a mistake puts its own in place of one.
    Epoll, Pipe, UnixSocket, EventFd, Udp = Epoll, Pipe, UnixSocket, EventFd, Udp

    def __init__(self, machine: Machine | None = None):
        self.machine, self.files, self.fifos = machine or Machine(), {}, {}

    def __getattr__(self, name):
        raise NotModelled(f"the model has no {name!r}; it has {', '.join(CALLS)}")

    def file(self, name):
        try:
            return self.files[name]
        except KeyError:
            raise error("EBADF") from None

    def open(self, **files):
        for name in files.keys() & self.files.keys():
            raise ValueError(f"{name} is open; close it first, or take another name")
        for name, file in files.items():
            self.files[name] = file
            file.descriptors += 1

    def pipe(self, r, w, slots=None):
        """Open a pipe, of *slots* pages (None: as many as this machine gives)."""
        pipe = self.Pipe(self.machine.page, slots or self.machine.slots)
        self.open(**{r: ReadEnd(pipe), w: WriteEnd(pipe)})

    def fifo(self, name, path, mode):
        """Open the FIFO *path* for *mode*, ``"r"`` or ``"w"``: ENXIO for a writer without a
        reader.
        """
        pipe = self.fifos.get(path)
        if pipe is None or not (pipe.readers or pipe.writers):
            pipe = self.fifos[path] = self.Pipe(self.machine.page, self.machine.slots)
        if mode == "w" and not pipe.readers:
            raise error("ENXIO")
        self.open(**{name: ReadEnd(pipe, is_fifo=True) if mode == "r" else WriteEnd(pipe)})

    def socketpair(self, a, b):
        self.pair(a, b, self.UnixSocket(self.machine), self.UnixSocket(self.machine))

    def udp(self, a, b):
        """Open two UDP sockets on loopback, connected to each other."""
        self.pair(a, b, self.Udp(), self.Udp())

    def pair(self, a, b, first, second):
        first.peer, second.peer = second, first
        self.open(**{a: first, b: second})

    def eventfd(self, name, start=0):
        self.open(**{name: self.EventFd(start)})

    def epoll(self, name):
        self.open(**{name: self.Epoll()})

    def dup(self, name, copy):
        """Make *copy* stand for what *name* stands for, as dup2 does: if it is open, it is closed
        first.
        """
        file = self.file(name)
        if copy == name:
            return
        file.descriptors += 1
        if copy in self.files:
            self.close(copy)
        self.files[copy] = file

    def close(self, name):
        file = self.file(name)
        del self.files[name]
        file.descriptors -= 1
        if not file.descriptors:
            self.forget(file)
            file.release()

    def forget(self, file):
        """Take *file* off all interest lists: its last descriptor is closed, whichever it was
        registered under.
        """
        for entry in tuple(file.queue):
            if entry.file is file:
                entry.epoll.remove(file, entry.name)

    def read(self, name, size):
        """Return how many bytes were read, 0 at the end; of an eventfd, its count."""
        return self.file(name).read(size)

    def write(self, name, size):
        """Return how many bytes were written; to an eventfd, *size* is the value to add."""
        return self.file(name).write(size)

    def shutdown(self, name, how):
        """*how* is SHUT_RD (0), SHUT_WR (1) or SHUT_RDWR (2)."""
        self.file(name).shutdown(how + 1)

    def watched(self, epoll, name, mask=0):
        """Return the epoll and the file; EBADF, or EINVAL for what is no epoll or is itself."""
        ep, file = self.file(epoll), self.file(name)
        if mask & ~KNOWN:
            raise NotModelled(f"flags {mask & ~KNOWN:#x} of an event mask")
        if not isinstance(ep, Epoll) or ep is file:
            raise error("EINVAL")
        return ep, file

    def register(self, epoll, name, mask=IN | PRI | OUT):
        ep, file = self.watched(epoll, name, mask)
        ep.add(file, name, mask)

    def modify(self, epoll, name, mask):
        ep, file = self.watched(epoll, name, mask)
        ep.modify(file, name, mask)

    def unregister(self, epoll, name):
        ep, file = self.watched(epoll, name)
        ep.remove(file, name)

    def poll(self, epoll, most=MOST_EVENTS):
        """Return what ``poll(0, most)`` returns: a list of (name, mask)."""
        ep = self.file(epoll)
        if not isinstance(ep, Epoll):
            raise error("EINVAL")
        return ep.wait(most)


#: The calls: the public methods of a model that act on names.
CALLS = (
    *("pipe", "fifo", "socketpair", "udp", "eventfd", "epoll", "dup", "close"),
    *("read", "write", "shutdown", "register", "modify", "unregister", "poll"),
)
