"""What a recording holds: inert data, read like a sequence of calls.

A `Log` is a list of *calls* in the order in which they started.  A call is what your program asked
of the kernel: its name, on which stream, from which line, when it started, when it came back, with
what.  A log holds nothing that lives: no file descriptor, no frame, no object of yours.  So it can
be saved, sent to somebody, and read where there is no epoll.

The calls lie in columns, one list for each field: a hundred thousand of them take some twenty
megabytes.  A `Call` is made when you look at one.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from .syscalls import CALLS, NOTHING_MOVED, STILL_IN_CALL

#: The columns of a log and how each is stored: an array's type code, or "" for a list of objects.
COLUMNS = {
    "name": "",
    "thread": "i",
    "start_ns": "q",
    "end_ns": "q",
    "stream": "i",
    "epoll": "i",
    "also": "",
    "arguments": "",
    "result": "",
    "error": "",
    "errno": "i",
    "may_sleep": "b",
    "line": "i",
    "moved": "Q",
}


class Data(NamedTuple):
    """Bytes that went through a call: how many, and the first 32 of them."""

    length: int
    head: bytes

    def __str__(self):
        return f"{self.length:,} byte" + "s" * (self.length != 1)


@dataclass(frozen=True, slots=True)
class Stream:
    """One end of a stream, or an epoll, for as long as its number was open.

    `kind` is pipe, socketpair, tcp, unix, udp, eventfd, epoll, file or other; `role` tells the ends
    apart.  `number` is the file descriptor, which the kernel gives to something else after
    `closed_ns`.  Streams with equal `description` share one open file description, as after
    ``dup``.  `other_end` is the description that the other side has.
    """

    index: int
    kind: str
    role: str
    name: str
    number: int
    description: int
    other_end: int | None = None
    opened_ns: int | None = None
    closed_ns: int | None = None
    opened_by: int | None = None
    closed_by: int | None = None
    internal: bool = False
    readable: bool = True
    writable: bool = True
    #: somebody else, as another process, held it open when its last number here was closed
    held_elsewhere: bool = False
    #: a socket's own address; for a unix socket its path
    address: object = None
    #: what waited in it when it came into the recording
    start_level: int = 0
    #: what an epoll watched when it came into the recording: ((number, stream or None, mask), …)
    start_list: tuple = ()

    def __str__(self):
        return self.name

    def __repr__(self):
        return f"<{self.kind} {self.role + ' ' if self.role else ''}{self.name!r}>"


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread that made calls: its native id (the kernel's) and its name."""

    index: int
    native_id: int
    name: str

    def __str__(self):
        return self.name


class Line(NamedTuple):
    """The learner's line of a call:

    `source` is a cell or a file by name, `number` counts from 1.
    """

    source: str
    number: int
    text: str


class BufferEvent(NamedTuple):
    """One of the four, `what`, in `channel`; `call` shows it:

    full a write that found no room, non-full one that gets in.
    """

    at_ns: int
    what: str
    channel: str
    call: int


@dataclass(frozen=True, slots=True)
class Call:
    """One call to the kernel.  Times are in nanoseconds; `end_ns` is None while it was still in the
    call.

    `arguments` and `result` are plain data: bytes appear as `Data`, streams as `Stream`.  `error`
    is the pair (type, message) of the exception, `errno` its number or 0.  `may_sleep` says that
    the kernel was allowed to put the thread to sleep, `asleep` that it did.  `events` is what a
    poll returned, as pairs (stream, event mask).  `also` has the other streams that the call
    concerns, as pairs (stream, what it does there): ``"reads"``, ``"writes"``, ``"closes"``, or the
    event mask that `select` or a poll object waits for.
    """

    index: int
    name: str
    thread: Thread
    start_ns: int
    end_ns: int | None
    stream: Stream | None
    epoll: Stream | None
    arguments: tuple
    result: object
    error: tuple | None
    errno: int
    may_sleep: bool
    asleep: bool
    line: Line | None
    events: tuple
    bytes_moved: int
    also: tuple = ()


class Log(Sequence):
    """The recording: a sequence of `Call`, with `streams`, `epolls`, `threads`, `sources` and
    `header`.

    It is empty until the ``with epollkit.record()`` block has ended."""

    def __init__(self):
        self.header = {}
        self.objects, self.threads, self.lines, self.sources = (), (), (), {}
        #: what the kernel said when it was asked: (stream, asked from, asked until, bytes waiting,
        #: could be written to)
        self.notes = []
        #: what tells of something that no call shows, as (kind, index of the stream or None,
        #: details).  *closed unseen*: by C code, or when its object was dropped.  *tcp count*: what
        #: the kernel counted, ``sent`` and ``received``, since the connection was there.  *forked*:
        #: a child shares ``epolls``.  *file object*: one was made of its number.  *bound before*:
        #: ``module`` holds ``call`` as ``attribute``.  *event loop in C*: of ``library``.
        self.evidence = []
        self.remarks, self.awake_at_the_end = [], set()
        self.is_complete = False
        self._columns = {name: array(code) if code else [] for name, code in COLUMNS.items()}

    # reading

    def __len__(self):
        return len(self._columns["name"])

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self._call(i) for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"this log has {len(self)} calls, there is no number {index}")
        return self._call(index % len(self))

    def __eq__(self, other):
        from .saved import lines

        return isinstance(other, Log) and list(lines(self)) == list(lines(other))

    __hash__ = None

    def __repr__(self):
        if not self.is_complete:
            return "<Log: still recording; read it after the with block>"
        return f"<Log: {len(self)} calls, {len(self.streams)} streams, {len(self.threads)} threads>"

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Every stream of the recording, in the order in which they came into it; epolls are in
        `epolls`.
        """
        return tuple(each for each in self.objects if each.kind != "epoll")

    @property
    def epolls(self) -> tuple[Stream, ...]:
        """Every epoll of the recording."""
        return tuple(each for each in self.objects if each.kind == "epoll")

    def columns(self) -> dict:
        """Return the calls as columns:

        an array for each number, a list for the rest.  −1 stands for none.
        """
        return self._columns

    def calls(self, name=None, stream=None, thread=None) -> list[Call]:
        """Return the calls that fit:

        *name* as in ``"os.read"``, *stream* and *thread* as objects or by name.
        """

        def fits(wanted, actual):
            return wanted is None or wanted == actual or wanted == getattr(actual, "name", None)

        return [
            call
            for call in self
            if (name is None or call.name == name)
            and fits(thread, call.thread)
            and (
                fits(stream, call.stream)
                or (stream is not None and fits(stream, call.epoll))
                or any(fits(stream, other) for other, _ in call.also if stream is not None)
            )
        ]

    def _call(self, i):
        row = {name: column[i] for name, column in self._columns.items()}
        name, result = row["name"], row["result"]
        syscall = CALLS[name]
        if syscall.waits or result is None:
            result = None
        elif syscall.makes:
            made = tuple(self.objects[n] for n in result)
            result = made if syscall.pair else made[0]
        else:
            result = _data(result)
        return Call(
            i,
            name,
            self.threads[row["thread"]],
            row["start_ns"],
            None if row["end_ns"] == STILL_IN_CALL else row["end_ns"],
            self._object(row["stream"]),
            self._object(row["epoll"]),
            tuple(map(_data, row["arguments"])),
            result,
            row["error"],
            row["errno"],
            bool(row["may_sleep"]),
            bool(self.asleep[i]),
            self.lines[row["line"]] if row["line"] >= 0 else None,
            tuple((self._object(n), mask) for n, mask in self.raw_events(i)),
            row["moved"],
            tuple((self._object(n), what) for n, what in row["also"] if n is not None),
        )

    def _object(self, index):
        return self.objects[index] if index >= 0 else None

    # what the account asks of a call, by its index

    def raw_events(self, i):
        """What a poll returned, as pairs (stream index or −1, event mask)."""
        return self.poll_events.events.get(i, ())

    def may_sleep(self, i):
        return self._columns["may_sleep"][i]

    def timed_out(self, i):
        error = self._columns["error"][i]
        if CALLS[self._columns["name"][i]].waits:
            return (
                error is None and not self._columns["result"][i] and self._columns["end_ns"][i] >= 0
            )
        return error is not None and error[0] == "TimeoutError" and not self._columns["errno"][i]

    def is_counted(self, i):
        """Tell whether it is known how much the call moved:

        it came back, and no ``sendall`` failed on the way.
        """
        failed = self._columns["error"][i] and self._columns["errno"][i] not in NOTHING_MOVED
        return self._columns["end_ns"][i] >= 0 and not (
            failed and CALLS[self._columns["name"][i]].sends_all
        )

    def wanted(self, i):
        """How much a write was given, in what its stream counts."""
        arguments = self._columns["arguments"][i]
        if CALLS[self._columns["name"][i]].connects or not arguments:
            return 1
        first, moved = arguments[0], self._columns["moved"][i]
        if (
            moved and self._object(self._columns["stream"][i]).kind == "eventfd"
        ):  # eight bytes that stand for a number
            return moved
        return (
            len(first)
            if first.__class__ is bytes
            else first[0]
            if first.__class__ is tuple
            else first
        )

    def was_cut_short(self, i):
        return (
            self._columns["moved"][i] < self.wanted(i)
            and not self._columns["error"][i]
            and not CALLS[self._columns["name"][i]].also
        )

    # what follows from the calls, worked out once

    def forget(self):
        """Forget what was worked out, because the calls have changed."""
        for name, value in vars(Log).items():
            if isinstance(value, cached_property):
                vars(self).pop(name, None)

    @cached_property
    def traffic(self):
        """The calls by the direction of the channel that they concern."""
        from .analysis.traffic import Traffic

        return Traffic(self)

    @cached_property
    def poll_events(self):
        """What each poll returned, as streams, and what of that is in doubt:

        see `analysis.interest.Resolver`.
        """
        from .analysis.interest import Resolver

        return Resolver(self)

    @cached_property
    def asleep(self) -> bytearray:
        """For each call 1 if it was asleep for certain, else 0."""
        from .analysis.blocking import find_sleepers

        return find_sleepers(self)

    @cached_property
    def steps(self):
        """Where each call began and ended, in steps, and how many there are:

        see `analysis.steps.find_steps`.
        """
        from .analysis.steps import find_steps

        return find_steps(self)

    @cached_property
    def entries_of(self):
        """The entries of each interest list, by the description of its epoll."""
        from .analysis.interest import replay

        return replay(self)

    @cached_property
    def _accounts(self):
        from .analysis.buffers import keep_accounts

        return keep_accounts(self)

    @property
    def flows(self):
        """The account of each direction of each channel; positions are times."""
        return self._accounts[0]

    @property
    def flows_by_step(self):
        """The account of each direction of each channel; positions are steps."""
        return self._accounts[1]

    def channel_name(self, flow) -> str:
        """Name a flow by its ends, as in ``w → r``."""
        if flow.source == flow.sink or flow.unit == "connections":
            return self.objects[flow.sink].name
        ends = [
            self.objects[end].name if end is not None else "elsewhere"
            for end in (flow.source, flow.sink)
        ]
        return " → ".join(ends)

    def buffer_events(self) -> list[BufferEvent]:
        """List the buffer events in the order of time.

        *non-empty* and *empty* follow from the account.  *full* is a write refused, cut short or
        put to sleep; *non-full* the next write that gets in, or the kernel saying OUT again.
        """
        events = [
            BufferEvent(at, what, self.channel_name(flow), call)
            for flow in self.flows
            if flow.unit == "bytes"
            for at, what, call in flow.buffer_events
        ]
        return sorted(events, key=lambda event: event.at_ns)

    def level(self, stream, at_ns=None) -> int:
        """Return what waited for the reader of *stream* (an object or a name) at *at_ns*, or at the
        end.

        Bytes; for an eventfd its count, for a listening socket the connections not accepted yet.
        Asked about the write end of a pipe, it speaks of that pipe.  Raises ValueError if nothing
        can be read there.
        """
        stream = self.find(stream)
        flows = {flow.source: flow for flow in self.flows}
        flows |= {flow.sink: flow for flow in self.flows}
        flow = flows.get(stream.description)
        if flow is None:
            raise ValueError(
                f"{stream.name} is {stream.kind}: no level was kept for it; ask for a pipe, a "
                "connection, an eventfd or a listening socket"
            )
        return flow.level(float("inf") if at_ns is None else at_ns)

    def find(self, name) -> Stream:
        """Return the stream or epoll called *name*, or itself if it is a `Stream`.

        Raises ValueError if there is none.
        """
        if isinstance(name, Stream):
            return name
        for each in self.objects:
            if each.name == name:
                return each
        raise ValueError(
            f"no stream is called {name!r}; this log knows "
            f"{', '.join(each.name for each in self.objects)}"
        )

    def entries(self, epoll) -> tuple:
        """Return all that *epoll* (an object or a name) ever watched: `analysis.interest.Entry`,
        in the order in which it began.
        """
        return self.entries_of.get(self.find(epoll).description, ())

    def interest_list(self, epoll, at_ns=None, step=None) -> dict:
        """Replay what *epoll* watched at *at_ns*, or after *step*, counted from 0 (by default at
        the end).

        Returns {(number, stream or None): mask} as the kernel would list it: with ERR and HUP
        added, without them and without any condition where a one-shot entry has fired, with the
        ghosts that a dup keeps alive.

        Raises ValueError if *epoll* is none.  *Source:* epoll(7), "Will closing a file descriptor
        cause it to be removed".
        """
        from .analysis.interest import at

        return {
            (entry.number, self._object(entry.stream)): entry.listed
            for entry in at(self, self.find(epoll), at_ns, step)
        }

    def limits(self) -> list[str]:
        """Say in words what this recording could not see.

        An empty list: nothing that can be decided is missing.  `analysis.limits` lists what can be
        decided, and what cannot: traffic from outside that balances on a pipe, a unix connection or
        a terminal, for instance.
        """
        from .analysis.limits import find_limits

        return find_limits(self)

    def warnings(self) -> list:
        """List what in this recording looks like a mistake, with the line that it comes from.

        Returns `analysis.warnings.Finding` objects: first the *warnings*, which the recording
        proves, then the *questions*, which may be meant; ``certain`` tells them apart.  Print one
        to read it.
        """
        from .analysis.warnings import find_warnings

        return find_warnings(self)

    def usage(self):
        """Tell what each thread did with its time: asleep in poll, asleep elsewhere, in calls, in
        its own code.

        Returns an `analysis.usage.Usage`: printed, it is a sentence for each thread; as the last
        value of a cell it shows a picture.  What is not known to have slept counts as in a call.
        """
        from .analysis.usage import find_usage

        return find_usage(self)

    def summary(self, most=60, warnings=False) -> str:
        """Tell the story in words, step by step, without times.

        After *most* lines it only counts.  With *warnings*, what `warnings` lists comes after it.
        """
        from .analysis.story import tell

        return "\n".join([tell(self, most), *map(str, self.warnings() if warnings else ())])

    # on disk

    def save(self, path) -> Path:
        """Write the log to *path* as JSON Lines, for `load`.

        Returns the path.  Raises ValueError inside the block.
        """
        from .saved import write

        return write(self, Path(path))

    @classmethod
    def load(cls, path) -> "Log":
        """Read a log that `save` wrote.

        Raises ValueError, and says what was found instead, if the file is no log, is of another
        version, or was cut off.
        """
        from .saved import read

        log = cls()
        columns = read(log, Path(path), {"thread": Thread, "line": Line, "object": Stream})
        for name, code in COLUMNS.items():
            log._columns[name] = array(code, columns[name]) if code else columns[name]
        log.is_complete = True
        return log


def _data(value):
    """Turn what the recorder kept of some bytes into `Data`."""
    if isinstance(value, (bytes, bytearray)):
        return Data(len(value), bytes(value))
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], bytes):
        return Data(*value)
    return value
