"""What concerned each stream, in the order of the calls: what `warnings` looks for mistakes in.

Facts
-----
* A mistake shows in what follows what on one stream: an event and no read, an end and one more
  read.  The log has the calls of all streams mixed, and of a stream that was duplicated under
  several numbers.
* Where a framework makes a call, the nearest line of the learner's is the one that runs the
  framework.  It is the same for all calls, and says nothing.

What we do about them
---------------------
One pass over the columns of the log sorts the calls by the open file description that they concern.
The line of a call that a framework made is then the nearest line of the learner's own that used the
same stream: a callback's, or the one that registered it.
"""

from bisect import bisect_left
from functools import cached_property
from math import inf

from ..log import Line, Stream
from ..syscalls import CALLS, CLOSES, CONNECTS, READS, REGISTERING, WRITES
from .calls import POLLS, UNREGISTERS
from .story import count

#: What a call does to its stream.
WHAT = (
    dict.fromkeys(REGISTERING, "listed")
    | dict.fromkeys(CLOSES, "closed")
    | dict.fromkeys(WRITES | CONNECTS, "written")
    | dict.fromkeys(READS, "read")
    | dict.fromkeys(POLLS, "poll")
)
#: The same, of the other streams that a call concerns.
ALSO = {"reads": "read", "writes": "written", "closes": "closed"}
MOVES = {"read", "written"}


class History:
    """What concerned one open file description: `happenings` has (call, what, detail).

    *what* is "reported" (*detail* is the event mask) or "ghost" (the same, under a number that was
    closed before), "read" or "written" (how much was moved), "listed" (the mask of the entry from
    then on, 0 where it was taken out; the call is −1 if it was there before the recording),
    "closed", or "other" (the name of the call).  `into` and `out_of` are the flows that are written
    and read there, or None.
    """

    def __init__(self, histories, description):
        self.histories, self.log = histories, histories.log
        self.description, self.happenings = description, []
        self.stream: Stream = self.log.objects[description]
        self.into = histories.flow_into.get(description)
        self.out_of = histories.flow_out_of.get(description)

    def __str__(self):
        return self.stream.name

    def __iter__(self):
        return iter(self.happenings)

    def calls(self, wanted, has=-1) -> list:
        """List the calls that did what is *wanted*; of masks, those that have a bit of *has*."""
        return [call for call, what, mask in self if what == wanted and (has < 0 or mask & has)]

    def ends(self) -> list:
        """List the reads that returned the end."""
        return [call for call in self.calls("read") if self.histories.is_end(call)]

    def armed_by(self, call) -> int:
        """Return the last call that changed the entry before *call*; *call* if none was seen."""
        at = bisect_left(self.listed, call)
        return self.listed[at - 1] if at and self.listed[at - 1] >= 0 else call

    @cached_property
    def listed(self) -> list:
        """The calls that changed the entry."""
        return self.calls("listed")

    @cached_property
    def times_of_waiting(self) -> list:
        """The times in which something waited there to be read: (from, until)."""
        times, since = [], 0 if self.out_of.start_level else None
        for at, level, _ in self.out_of.points:
            if level and since is None:
                since = at
            elif not level and since is not None:
                times.append((since, at))
                since = None
        return times + [(since, inf)] * (since is not None)

    def waiting(self, at_ns) -> str:
        """Spell how much waited there at a moment."""
        return count(self.out_of.level(at_ns), self.out_of.unit.removesuffix("s"))

    def was_asked_after(self, at_ns) -> bool:
        """Tell whether the kernel was asked after a moment how much waits there: if the calls do
        not explain its answer, the account has it.  A listener is not asked.
        """
        notes = self.log.traffic.out_of[self.description].notes
        return self.stream.role == "listener" or any(note[0] >= at_ns for note in notes)

    @property
    def is_hidden(self) -> bool:
        """Whether something between the program and the stream makes calls of its own, in C."""
        return self.stream.kind == "tls" or self.description in self.histories.file_objects

    @property
    def is_seen_whole(self) -> bool:
        """Whether all that moved through the stream was moved by calls in the log."""
        flows = [flow for flow in (self.into, self.out_of) if flow is not None]
        return not (
            self.is_hidden or self.stream.held_elsewhere or any(flow.elsewhere for flow in flows)
        )


class Histories:
    """The histories of a log: `of` has them by description.  What libraries make for themselves is
    left out.
    """

    def __init__(self, log):
        self.log, self.columns = log, log.columns()
        self.names, self.starts, self.ends = (
            self.columns[name] for name in ("name", "start_ns", "end_ns")
        )
        self.errnos, self.threads = self.columns["errno"], self.columns["thread"]
        self.flow_into = {flow.source: flow for flow in log.flows}
        self.flow_out_of = {flow.sink: flow for flow in log.flows}
        self.file_objects = {
            log.objects[index].description
            for kind, index, _ in log.evidence
            if kind == "file object"
        }
        self.doubtful = {(doubt.call, doubt.number) for doubt in log.poll_events.doubts}
        self.sharing = {}  # description → its streams
        self.open_times = {}  # (description, number) → [(from, until)]
        for stream in log.objects:
            self.sharing.setdefault(stream.description, []).append(stream)
            since, until = stream.opened_ns or 0, stream.closed_ns
            times = self.open_times.setdefault((stream.description, stream.number), [])
            times.append((since, inf if until is None else until))
        self.of, self.polls_of, self.unknown = {}, {}, []
        for epoll in log.epolls:
            for _, index, mask in epoll.start_list:
                if index is not None:
                    self.add(index, -1, "listed", mask)
        self.sort()

    def add(self, index, call, what, detail):
        """Add a happening to the history of the stream *index*."""
        stream = self.log.objects[index]
        if not stream.internal:
            if stream.description not in self.of:
                self.of[stream.description] = History(self, stream.description)
            self.of[stream.description].happenings.append((call, what, detail))

    def sort(self):
        """Go over all calls once."""
        events, add = self.log.poll_events.events, self.add
        errors, streams, moved, arguments, also = (
            self.columns[name] for name in ("error", "stream", "moved", "arguments", "also")
        )
        for call, (name, stream) in enumerate(zip(self.names, streams, strict=True)):
            what = WHAT.get(name, "other")
            if what == "poll":
                self.polls_of.setdefault(self.threads[call], []).append(call)
                for index, mask in events.get(call, ()):
                    if index < 0:
                        self.unknown.append(call)
                    else:
                        add(
                            index, call, "ghost" if self.is_ghost(index, call) else "reported", mask
                        )
                continue
            for index, does in also[call]:
                if index is not None and does in ALSO:
                    add(index, call, ALSO[does], moved[call])
            if stream < 0:
                continue
            if what != "listed":
                add(stream, call, what, moved[call] if what in MOVES else name)
            elif not errors[call]:
                add(stream, call, what, 0 if name in UNREGISTERS else arguments[call][1])

    def is_ghost(self, index, call) -> bool:
        """Tell whether a stream that a poll reported had lost its number before the poll began."""
        stream, began = self.log.objects[index], self.starts[call]
        if stream.closed_ns is None or stream.closed_ns > began:
            return False
        times = self.open_times[stream.description, stream.number]
        return (call, stream.number) not in self.doubtful and not any(
            since <= self.ends[call] and until > began for since, until in times
        )

    def is_end(self, call) -> bool:
        """Tell whether a read returned the end of its stream."""
        return self.columns["result"][call] == b"" and self.columns["arguments"][call][:1] != (0,)

    @cached_property
    def lines_of_loops(self) -> set:
        """Return the lines from which polls were made: of a framework, the one that runs it."""
        return {self.columns["line"][poll] for polls in self.polls_of.values() for poll in polls}

    def line(self, call, stream) -> Line | None:
        """Return the learner's line of a call on *stream*; see the top of this module."""
        lines, index = self.columns["line"], self.columns["line"][call]
        history = self.of.get(stream.description) if stream is not None else None
        if index < 0 or history is None or index not in self.lines_of_loops:
            return self.log.lines[index] if index >= 0 else None
        line = self.log.lines[index]
        if CALLS[self.names[call]].method in line.text:
            return line
        others = [
            (abs(other - call), lines[other])
            for other, what, _ in history
            if other >= 0 and what not in ("reported", "ghost") and lines[other] >= 0
        ]
        others = [(far, other) for far, other in others if other not in self.lines_of_loops]
        return self.log.lines[min(others)[1]] if others else line
