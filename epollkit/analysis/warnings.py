"""What in a recording looks like a mistake, and from which line it comes.

Facts about the kernel
----------------------
* A level-triggered entry is reported by every poll as long as its condition holds.  A program that
  leaves the condition as it is turns in a circle: one core is busy, and nothing is done.
* An end of a stream stands for good: ``read`` returns ``b''`` again and again.
* ``accept`` that fails for want of a file descriptor leaves the caller in the queue.

What we do about them
---------------------
The calls are sorted once by the open file description that they concern (`Histories`); then there
is a function for each kind of mistake.  What it finds is one of two things.  A *warning* is
certain: the recording proves it, in whatever order the handlers of the program did their work.  A
*question* is what one would ask a colleague: it may be meant.

*Source:* epoll(7), accept(2), ``fs/eventpoll.c``, ep_send_events().
"""

from dataclasses import dataclass

from .. import masks
from ..log import Line, Stream
from ..syscalls import READS, REGISTERING, WRITES
from .calls import ACCEPTS, POLLS, UNREGISTERS

#: How many reports in a row, with nothing done about them, are a circle.
CIRCLE = 100
#: How often an end is read before that is a mistake.
ENDS_READ = 3
EMFILE = 24
#: kind → the heading of notebook 12 that explains it
SECTIONS = {
    "never-read": "A level that nobody lowers",
    "end-read-again": "The end, read again",
    "out-left-armed": "OUT left armed",
    "emfile": "No descriptor left",
    "slept-while-ready": "Asleep while others wait",
    "ghost": "Ghosts of dup and fork",
    "reset-destroyed": "Closed with bytes unread",
    "write-after-end": "Written after the end",
    "reused-number": "A stale event",
    "unused-half": "OUT left armed",
    "edge-left-over": "An edge is said once",
    "zero-timeout-loop": "A timeout of zero",
    "second-holder": "Ghosts of dup and fork",
    "unknown-number": "Ghosts of dup and fork",
    "hidden-buffer": "Hidden in a buffer",
    "blocking-in-loop": "Asleep while others wait",
    "error-unread": "An error that nobody reads",
}


@dataclass(frozen=True)
class Finding:
    """A mistake that a recording shows (a warning), or what may be one (a question).

    `kind` is a key of `SECTIONS`.  `certain` is True for a warning, False for a question.  `stream`
    is the stream that it is about, None where it is about none.  `line` is the learner's line that
    it comes from, None if no line was seen.  `count` says how often it happened, `text` what
    happened and what to do, in one sentence; `steps` are the steps to look at, as
    `step_through` counts them, from 0.  `section` is the heading of notebook 12 that explains it.
    """

    kind: str
    certain: bool
    stream: Stream | None
    line: Line | None
    count: int
    text: str
    steps: tuple
    section: str

    def __str__(self):
        where = []
        if self.line is not None:
            where.append(f"{self.line.source} line {self.line.number}: `{self.line.text}`")
        if self.count > 1:
            where.append(f"{self.count:,} times")
        place = f" ({', '.join(where)})" if where else ""
        if self.certain:
            return f"warning: {self.text}{place}"
        return f"question: {self.text} Is this meant?{place}"


def find_warnings(log) -> list[Finding]:
    """List what in *log* looks like a mistake: the warnings first, then the questions, each in the
    order of steps.
    """
    histories = Histories(log)
    findings = [finding for find in KINDS for finding in find(log, histories)]
    return sorted(findings, key=lambda finding: (not finding.certain, finding.steps))


class Histories:
    """What concerned each stream, as (call, what it did, detail), in the order of the calls.

    *reported* has the event mask, *read* and *written* how much was moved, *listed* the mask of the
    entry from then on, None where it was taken out.  Streams of libraries' own are left out.
    """

    def __init__(self, log):
        self.log, self.columns = log, log.columns()
        self.of = {}
        names, streams, moved = (self.columns[name] for name in ("name", "stream", "moved"))
        arguments, events = self.columns["arguments"], log.poll_events.events
        description = [-1 if each.internal else each.description for each in log.objects]
        for call, (name, stream) in enumerate(zip(names, streams, strict=True)):
            if name in POLLS:
                for reported, mask in events.get(call, ()):
                    if reported >= 0:
                        self.add(description[reported], call, "reported", mask)
                continue
            if stream < 0:
                continue
            if name in READS:
                self.add(description[stream], call, "read", moved[call])
            elif name in WRITES:
                self.add(description[stream], call, "written", moved[call])
            elif name in REGISTERING:
                mask = None if name in UNREGISTERS else arguments[call][1]
                self.add(description[stream], call, "listed", mask)
            else:
                self.add(description[stream], call, "other", name)
        self.of.pop(-1, None)

    def add(self, description, call, what, detail):
        self.of.setdefault(description, []).append((call, what, detail))

    def stream(self, description) -> Stream:
        """Return the stream that the log has for a description, the first of its numbers."""
        return self.log.objects[description]

    def finding(self, kind, description, calls, text, certain=True, line_of=None) -> Finding:
        """Make a `Finding` of *calls*: its line is that of *line_of*, by default the first."""
        first, _, _ = self.log.steps
        return Finding(
            kind,
            certain,
            self.stream(description),
            self.line(calls[0] if line_of is None else line_of),
            len(calls),
            text,
            (first[calls[0]],) if len(calls) == 1 else (first[calls[0]], first[calls[-1]]),
            SECTIONS[kind],
        )

    def line(self, call):
        index = self.columns["line"][call]
        return self.log.lines[index] if index >= 0 else None


# warnings


def out_left_armed(log, histories):
    """OUT was reported a hundred times in a row, nothing was written, the entry stayed as it is."""
    for description, history in histories.of.items():
        armed, calls = None, []
        for call, what, detail in [*history, (None, "listed", None)]:
            if what == "reported" and detail & masks.OUT and not detail & masks.ALWAYS:
                calls.append(call)
            elif what in ("written", "listed"):
                if len(calls) >= CIRCLE:
                    name = histories.stream(description).name
                    text = (
                        f"{name} was reported writable {len(calls):,} times in a row, and nothing "
                        "was written to it: arm OUT only while you have something left to send."
                    )
                    yield histories.finding(
                        "out-left-armed", description, calls, text, line_of=armed
                    )
                calls = []
                armed = call if what == "listed" else armed


def end_read_again(log, histories):
    """The end of a level-triggered stream was read, and read again."""
    columns = log.columns()
    for description, history in histories.of.items():
        calls, listed = [], 0
        for call, what, detail in history:
            if what == "listed":
                listed = detail or 0
            is_end = (
                what == "read"
                and not detail
                and not columns["error"][call]
                and columns["end_ns"][call] >= 0
                and columns["result"][call] == b""
                and columns["arguments"][call][:1] != (0,)
                and not listed & masks.ET
            )
            if is_end:
                calls.append(call)
            elif what == "read" and detail:
                calls = []
        if len(calls) >= ENDS_READ:
            name = histories.stream(description).name
            text = (
                f"{name} has ended, and its end was read {len(calls):,} times: after b'' "
                "unregister it and close it."
            )
            yield histories.finding("end-read-again", description, calls, text)


def emfile(log, histories):
    """A listener is ready, and there is no file descriptor left for the caller."""
    columns = log.columns()
    for description, history in histories.of.items():
        calls = [
            call
            for call, what, _ in history
            if what == "read"
            and columns["errno"][call] == EMFILE
            and columns["name"][call] in ACCEPTS
        ]
        if len(calls) >= 2:
            name = histories.stream(description).name
            text = (
                f"{name} has a caller, and accept failed with EMFILE {len(calls):,} times: the "
                "caller stays in the queue, so disarm the listener until a descriptor is free."
            )
            yield histories.finding("emfile", description, calls, text)


KINDS = (out_left_armed, end_read_again, emfile)
