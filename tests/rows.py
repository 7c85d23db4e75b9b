"""Logs made from literal rows, without recording: for tests of what is worked out from a log.

    log = Rows()
    r, w = log.pipe()
    log.call("os.write", 10, 20, w, moved=6)
    log.call("os.read", 5, 30, r, moved=6, thread="B", sleeps=True)
    log = log.done()

Times are nanoseconds from 0; ``None`` for the end is a call that did not come back.
"""

from dataclasses import replace

from epollkit.log import Log, Stream, Thread
from epollkit.syscalls import CALLS, STILL_IN_CALL


class Rows:
    """The making of one log.  Streams are given to `call` as the `Stream` that was made."""

    def __init__(self):
        self.streams, self.rows, self.threads = [], [], []
        self.notes, self.evidence = [], []

    # streams

    def stream(self, kind, name, number=None, description=None, **fields):
        """Add a stream; by default with a number of its own and an open file description of its
        own.
        """
        index = len(self.streams)
        stream = Stream(
            index=index,
            kind=kind,
            role=fields.pop("role", ""),
            name=name,
            number=10 + index if number is None else number,
            description=index if description is None else description,
            **{"opened_ns": 0} | fields,
        )
        self.streams.append(stream)
        return stream

    def pipe(self, read="r", write="w", number=None, **fields):
        """Add both ends of a pipe; *number* is that of the read end."""
        index = len(self.streams)
        r = self.stream(
            "pipe", read, number, role="read end", other_end=index + 1, writable=False, **fields
        )
        w = self.stream("pipe", write, role="write end", other_end=index, readable=False, **fields)
        return r, w

    def pair(self, kind="socketpair", names=("a", "b")):
        """Add both ends of a connection."""
        index = len(self.streams)
        return (
            self.stream(kind, names[0], role="a", other_end=index + 1),
            self.stream(kind, names[1], role="b", other_end=index),
        )

    def epoll(self, name="ep", **fields):
        return self.stream("epoll", name, **fields)

    def dup(self, stream, name):
        """Add a second number of the open file description of *stream*."""
        return self.stream(
            stream.kind,
            name,
            description=stream.description,
            role=stream.role,
            other_end=stream.other_end,
            readable=stream.readable,
            writable=stream.writable,
        )

    # calls

    def call(self, name, start, end, on=None, *arguments, thread="A", **fields):
        """Add a call from *start* to *end* on a stream or an epoll.

        *fields*: ``result``, ``moved``, ``errno``, ``error`` (the exception's name), ``sleeps``
        (whether it may), ``stream`` (of an epoll's call), ``also``.
        """
        if thread not in self.threads:
            self.threads.append(thread)
        is_of_epoll = CALLS[name].is_of_epoll or (on is not None and on.kind == "epoll")
        stream = fields.get("stream") if is_of_epoll else on
        error = fields.get("error")
        moved = fields.get("moved", 0)
        row = {
            "name": name,
            "thread": self.threads.index(thread),
            "start_ns": start,
            "end_ns": STILL_IN_CALL if end is None else end,
            "stream": -1 if stream is None else stream.index,
            "epoll": on.index if is_of_epoll and on is not None else -1,
            "also": tuple((each.index, what) for each, what in fields.get("also", ())),
            "arguments": arguments or ((moved,) if CALLS[name].moves else ()),
            "result": fields.get("result"),
            "error": (error, "") if error else None,
            "errno": fields.get("errno", 0),
            "may_sleep": int(fields.get("sleeps", False)),
            "line": -1,
            "moved": moved,
        }
        self.rows.append(row)
        return row

    def write(self, start, end, stream, amount, **fields):
        return self.call("os.write", start, end, stream, amount, moved=amount, **fields)

    def read(self, start, end, stream, amount, **fields):
        data = bytes(amount)
        return self.call("os.read", start, end, stream, 64, moved=amount, result=data, **fields)

    def register(self, start, end, epoll, stream, mask, name="register", **fields):
        return self.call(
            f"epoll.{name}", start, end, epoll, stream.number, mask, stream=stream, **fields
        )

    def unregister(self, start, end, epoll, stream, **fields):
        return self.call(
            "epoll.unregister", start, end, epoll, stream.number, stream=stream, **fields
        )

    def poll(self, start, end, epoll, *events, **fields):
        """Add a poll that returned *events*: pairs of a stream, or a number, and an event mask."""
        numbers = tuple((getattr(each, "number", each), mask) for each, mask in events)
        return self.call("epoll.poll", start, end, epoll, -1, -1, result=numbers, **fields)

    def close(self, start, end, stream, **fields):
        """Add a close.  It is the one that closed."""
        name = "epoll.close" if stream.kind == "epoll" else "os.close"
        row = self.call(name, start, end, stream, **fields)
        row["closes"] = stream.index
        return row

    def done(self) -> Log:
        """Return the log, its calls in the order of their starts."""
        log = Log()
        self.rows.sort(key=lambda row: row["start_ns"])
        closed = {
            row["closes"]: (number, row["end_ns"])
            for number, row in enumerate(self.rows)
            if "closes" in row
        }
        for name, column in log.columns().items():
            column.extend([row[name] for row in self.rows])
        log.threads = tuple(
            Thread(number, 1000 + number, name) for number, name in enumerate(self.threads)
        )
        for index, (call, closed_ns) in closed.items():
            self.streams[index] = replace(self.streams[index], closed_by=call, closed_ns=closed_ns)
        log.objects = tuple(self.streams)
        log.notes, log.evidence, log.is_complete = self.notes, self.evidence, True
        return log
