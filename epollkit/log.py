"""What a recording holds: inert data, read like a sequence of calls.

A `Log` is a list of *calls* in the order in which they started.  A call is what your program asked of the kernel: its
name, on which stream, from which line, when it started, when it came back, with what.  A log holds nothing that lives:
no file descriptor, no frame, no object of yours.  So it can be saved, sent to somebody, and read where there is no epoll.

The calls lie in columns, one list for each field: a hundred thousand of them take some twenty megabytes.  A `Call` is
made when you look at one.
"""

import json
from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from . import account, masks

FORMAT = "epollkit log"
VERSION = 1

#: The columns of a log and how each is stored: an array's type code, or "" for a list of objects.
COLUMNS = {"name": "", "thread": "i", "start_ns": "q", "end_ns": "q", "stream": "i", "epoll": "i", "arguments": "",
           "result": "", "error": "", "errno": "i", "may_sleep": "b", "line": "i", "moved": "q"}


class Data(NamedTuple):
    """Bytes that went through a call: how many, and the first 32 of them."""

    length: int
    head: bytes

    def __str__(self):
        return f"{self.length:,} byte" + "s" * (self.length != 1)


@dataclass(frozen=True, slots=True)
class Stream:
    """One end of a stream, or an epoll, for as long as its number was open.

    `kind` is pipe, socketpair, tcp, unix, udp, eventfd, epoll, file or other; `role` tells the ends apart.  `number` is
    the file descriptor, which the kernel gives to something else after `closed_ns`.  Streams with equal `description`
    share one open file description, as after ``dup``.  `other_end` is the description that the other side has.
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
    """The learner's line of a call: `source` is a cell or a file by name, `number` counts from 1."""

    source: str
    number: int
    text: str


class BufferEvent(NamedTuple):
    """One of the four: `what` is non-empty, empty, full or non-full; `channel` says between whom; `call` caused it."""

    at_ns: int
    what: str
    channel: str
    call: int


@dataclass(frozen=True, slots=True)
class Call:
    """One call to the kernel.  Times are in nanoseconds; `end_ns` is None while it was still in the call.

    `arguments` and `result` are plain data: bytes appear as `Data`, streams as `Stream`.  `error` is the pair (type,
    message) of the exception, `errno` its number or 0.  `may_sleep` says that the kernel was allowed to put the thread
    to sleep, `asleep` that it did.  `events` is what a poll returned, as pairs (stream, event mask).
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


class Log(Sequence):
    """The recording: a sequence of `Call`, with `streams`, `epolls`, `threads`, `sources` and `header`.

    It is empty until the ``with epollkit.record()`` block has ended.
    """

    def __init__(self):
        self.header = {"format": FORMAT, "version": VERSION}
        self.objects, self.threads, self.lines, self.sources = (), (), (), {}
        self.notes, self.remarks, self.awake_at_the_end = [], [], set()
        self._columns = {name: array(code) if code else [] for name, code in COLUMNS.items()}
        self._frozen = False
        self._books = None

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
        return isinstance(other, Log) and self._as_lines() == other._as_lines()

    __hash__ = None

    def __repr__(self):
        if not self._frozen:
            return "<Log: still recording; read it after the with block>"
        return f"<Log: {len(self)} calls, {len(self.streams)} streams, {len(self.threads)} threads>"

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Every stream of the recording, in the order in which they came into it; epolls are in `epolls`."""
        return tuple(one for one in self.objects if one.kind != "epoll")

    @property
    def epolls(self) -> tuple[Stream, ...]:
        """Every epoll of the recording."""
        return tuple(one for one in self.objects if one.kind == "epoll")

    def columns(self) -> dict:
        """Return the calls as columns: an array for each number, a list for the rest.  −1 stands for none."""
        return self._columns

    def calls(self, name=None, stream=None, thread=None) -> list[Call]:
        """Return the calls that fit: *name* as in ``"os.read"``, *stream* and *thread* as objects or by name."""
        def fits(wanted, found):
            return wanted is None or wanted == found or (found is not None and wanted == found.name)
        return [call for call in self
                if (name is None or call.name == name) and fits(thread, call.thread)
                and (fits(stream, call.stream) or (stream is not None and fits(stream, call.epoll)))]

    def _call(self, i):
        row = {name: column[i] for name, column in self._columns.items()}
        result = row["result"]
        if isinstance(result, tuple) and not isinstance(result, Data) and result[:1] == ("made",):
            result = tuple(self.objects[n] for n in result[1:])
            result = result[0] if len(result) == 1 else result
        events = tuple((self.objects[n] if n >= 0 else None, mask) for n, mask in self.raw_events(i))
        return Call(i, row["name"], self.threads[row["thread"]], row["start_ns"],
                    None if row["end_ns"] < 0 else row["end_ns"], self._object(row["stream"]),
                    self._object(row["epoll"]), tuple(_data(x) for x in row["arguments"]),
                    None if events or row["name"] == "epoll.poll" else _data(result), row["error"], row["errno"],
                    bool(row["may_sleep"]), bool(self.books[1][i]),
                    self.lines[row["line"]] if row["line"] >= 0 else None, events, row["moved"])

    def _object(self, index):
        return self.objects[index] if index >= 0 else None

    # what the account asks of a call

    def raw_events(self, i):
        result = self._columns["result"][i]
        return result if self._columns["name"][i] == "epoll.poll" and result else ()

    def raw_arguments(self, i):
        return self._columns["arguments"][i]

    def errno(self, i):
        return self._columns["errno"][i]

    def may_sleep(self, i):
        return self._columns["may_sleep"][i]

    def timed_out(self, i):
        error = self._columns["error"][i]
        if self._columns["name"][i] == "epoll.poll":
            return error is None and not self._columns["result"][i]
        return error is not None and error[0] == "TimeoutError" and not self._columns["errno"][i]

    def wanted(self, i):
        """How many bytes a write was given."""
        arguments = self._columns["arguments"][i]
        if self._columns["name"][i].startswith("socket.connect"):
            return 1
        return _data(arguments[0]).length if arguments and isinstance(arguments[0], (bytes, tuple)) else 0

    def was_cut_short(self, i):
        return not self._columns["errno"][i] and self._columns["moved"][i] < self.wanted(i) \
            and not self._columns["error"][i] and self._columns["name"][i] != "os.sendfile"

    # what follows from the calls

    @property
    def books(self):
        """The account by time, kept once: the flows, and which calls were asleep."""
        if self._books is None:
            self._books = account.balance(self)
        return self._books

    def channel_name(self, flow) -> str:
        """Name a flow by its ends, as in ``w → r``."""
        if flow.source == flow.sink or flow.unit == "connections":
            return self.objects[flow.sink].name
        ends = [self.objects[end].name if end is not None else "elsewhere" for end in (flow.source, flow.sink)]
        return " → ".join(ends)

    def buffer_events(self) -> list[BufferEvent]:
        """List the buffer events in the order of time.

        *non-empty* and *empty* follow from the account.  *full* is a write refused, cut short or put to sleep; *non-full*
        the next write that gets in, or the kernel saying OUT again.
        """
        found = [BufferEvent(at, what, self.channel_name(flow), call)
                 for flow in self.books[0] if flow.unit == "bytes" for at, what, call in flow.buffer_events]
        return sorted(found, key=lambda event: event.at_ns)

    def level(self, stream, at_ns=None) -> int:
        """Return what waited for the reader of *stream* (an object or a name) at *at_ns*, or at the end.

        Bytes; for an eventfd its count, for a listening socket the connections not accepted yet.  Asked about the write
        end of a pipe, it speaks of that pipe.  Raises ValueError if nothing can be read there.
        """
        stream = self.find(stream)
        flow = next((f for f in self.books[0] if f.sink == stream.description), None) \
            or next((f for f in self.books[0] if f.source == stream.description), None)
        if flow is None:
            raise ValueError(f"{stream.name} is {stream.kind}: no level was kept for it; ask for a pipe, a connection, "
                             "an eventfd or a listening socket")
        return flow.level(float("inf") if at_ns is None else at_ns)

    def find(self, name) -> Stream:
        """Return the stream or epoll called *name*; one that is already a `Stream` comes back as it is."""
        if isinstance(name, Stream):
            return name
        for one in self.objects:
            if one.name == name:
                return one
        raise ValueError(f"no stream is called {name!r}; this log knows {', '.join(o.name for o in self.objects)}")

    def interest_list(self, epoll, at_ns=None) -> dict:
        """Replay what *epoll* watched at *at_ns* (by default at the end).

        Returns {(number, stream or None): mask} as the kernel would list it: with ERR and HUP added, without them and
        without any condition where a one-shot entry has fired, with the ghosts that a dup keeps alive.

        *Source:* epoll(7), "Will closing a file descriptor cause it to be removed"; ep_show_fdinfo().
        """
        epoll = self.find(epoll)
        columns = self._columns
        listed = {(number, index): mask for number, index, mask in epoll.start_list}
        until = float("inf") if at_ns is None else at_ns
        if epoll.closed_ns is not None and epoll.closed_ns <= until:
            return {}
        happened = []
        for i, (name, which) in enumerate(zip(columns["name"], columns["epoll"], strict=True)):
            if which >= 0 and self.objects[which].description == epoll.description and not columns["error"][i]:
                time = columns["end_ns"][i]
                if 0 <= time <= until:
                    happened.append((time, 0, name, i))
        happened += [(one.closed_ns, 1, "closed", one.index) for one in self.objects
                     if one.closed_ns is not None and one.closed_ns <= until]
        closed = set()
        for _, _, name, i in sorted(happened):
            if name == "closed":
                closed.add(i)
                gone = self.objects[i].description
                if all(one.index in closed for one in self.objects if one.description == gone):
                    for key in [k for k in listed if k[1] is not None and self.objects[k[1]].description == gone]:
                        del listed[key]
                continue
            if name == "epoll.poll":
                for index, _mask in columns["result"][i] or ():
                    for key in listed:
                        if key[1] == index and listed[key] & masks.ONESHOT:
                            listed[key] &= ~0x0FFFFFFF & 0xFFFFFFFF
                continue
            if name not in ("epoll.register", "epoll.modify", "epoll.unregister"):
                continue
            arguments, index = columns["arguments"][i], columns["stream"][i]
            key = (arguments[0], index if index >= 0 else None)
            if name == "epoll.unregister":
                listed.pop(key, None)
            else:
                listed[key] = arguments[1] | masks.ALWAYS
        return {(number, self.objects[index] if index is not None else None): mask
                for (number, index), mask in listed.items()}

    def limits(self) -> list[str]:
        """Say in words what this recording could not see.  An empty list: nothing that matters is missing."""
        said = list(self.remarks)
        for flow in self.books[0]:
            came = sum(n for _, n, _ in flow.elsewhere if n > 0)
            went = -sum(n for _, n, _ in flow.elsewhere if n < 0)
            for amount, what in ((came, "came from elsewhere"), (went, "went elsewhere")):
                if amount:
                    said.append(f"{self.channel_name(flow)}: {amount:,} {flow.unit} {what} "
                                "(another process, or code that makes its calls in C).")
        for one in self.streams:
            if one.kind == "udp":
                said.append(f"{one.name}: datagrams are not counted as a level.")
        return said

    def summary(self, most=60) -> str:
        """Tell the story in words, step by step, without times.  After *most* lines it only counts."""
        from .story import tell
        return tell(self, most)

    # on disk

    def _as_lines(self):
        yield_ = [self.header | {"objects": len(self.objects), "calls": len(self)}]
        yield_.append({"threads": [asdict(t) for t in self.threads], "lines": self.lines, "sources": self.sources,
                       "notes": self.notes, "remarks": self.remarks, "awake_at_the_end": sorted(self.awake_at_the_end)})
        yield_ += [asdict(one) for one in self.objects]
        yield_ += [[column[i] for column in self._columns.values()] for i in range(len(self))]
        return [json.dumps(line, default=_to_json, separators=(",", ":")) for line in yield_]

    def save(self, path) -> Path:
        """Write the log to *path* as JSON Lines: a header, one line about the whole, one for each stream and call.

        Returns the path.  `Log.load` reads it back equal.
        """
        path = Path(path)
        path.write_text("".join(line + "\n" for line in self._as_lines()), encoding="utf-8")
        return path

    @classmethod
    def load(cls, path) -> "Log":
        """Read a log that `save` wrote.

        Raises ValueError, and says what was found instead, if the file is no log, is of another version, or was cut off.
        """
        path = Path(path)
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            header = json.loads(lines[0], object_hook=_from_json)
            known = isinstance(header, dict) and header.get("format") == FORMAT
        except (ValueError, IndexError):
            known = False
        if not known:
            raise ValueError(f"{path} is not an epollkit log: its first line is not the header of one. "
                             "Pass a file that log.save(path) wrote.")
        if header.get("version") != VERSION:
            raise ValueError(f"{path} is an epollkit log of version {header.get('version')}, this epollkit reads version "
                             f"{VERSION}. Record it again, or read it with the epollkit that wrote it.")
        missing = 2 + header["objects"] + header["calls"] - len(lines)
        try:
            body = [json.loads(line, object_hook=_from_json) for line in lines[1:]]
        except ValueError:
            missing = max(missing, 1)
        if missing:
            raise ValueError(f"{path} was cut off: the header promises {header['calls']} calls, at least {missing} "
                             "lines are missing or broken. Save the log again.")
        log = cls()
        log.header = {key: value for key, value in header.items() if key not in ("objects", "calls")}
        whole = body[0]
        log.threads = tuple(Thread(**one) for one in whole["threads"])
        log.lines = tuple(Line(*one) for one in whole["lines"])
        log.sources, log.remarks = whole["sources"], whole["remarks"]
        log.notes = [tuple(note) for note in whole["notes"]]
        log.awake_at_the_end = set(whole["awake_at_the_end"])
        log.objects = tuple(Stream(**{key: _frozen(value) for key, value in one.items()})
                            for one in body[1:1 + header["objects"]])
        for row in body[1 + header["objects"]:]:
            for (name, code), value in zip(COLUMNS.items(), row, strict=True):
                log._columns[name].append(value if code else _frozen(value))
        log._frozen = True
        return log


def _data(value):
    """Turn what the recorder kept of some bytes into `Data`."""
    if isinstance(value, (bytes, bytearray)):
        return Data(len(value), bytes(value))
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], bytes):
        return Data(*value)
    return value


def _frozen(value):
    return tuple(_frozen(one) for one in value) if isinstance(value, list) else value


def _to_json(value):
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    return {"text": repr(value)}


def _from_json(found):
    if found.keys() == {"bytes"}:
        return bytes.fromhex(found["bytes"])
    return found["text"] if found.keys() == {"text"} else found
