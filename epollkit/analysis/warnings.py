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

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from math import inf

from .. import masks
from ..log import Line, Stream
from ..syscalls import (
    CALLS,
    CLOSES,
    CONNECTS,
    EAGAIN,
    MSG_ERRQUEUE,
    READS,
    REGISTERING,
    STILL_IN_CALL,
    WRITES,
)
from .calls import ACCEPTS, POLLS, UNREGISTERS
from .steps import ECONNRESET, EPIPE
from .story import count

#: How many reports in a row, with nothing done about them, are a circle.
CIRCLE = 100
#: How often an end is read before that is a mistake.
ENDS_READ = 3
#: ENFILE and EMFILE.  *Source:* ``include/uapi/asm-generic/errno-base.h``.
NO_DESCRIPTOR = {23, 24}
#: Kinds of streams that end: a read returns b"", and of others that may be an empty message.
HAVE_ENDS = {"pipe", "socketpair", "tcp", "unix", "tls"}
#: Kinds whose readiness is all that they have to say.
NO_READS = {"pidfd", "timerfd", "other", "file", "epoll"}
#: What calls do to a stream, as `Histories` has it.
WHAT = (
    dict.fromkeys(REGISTERING, "listed")
    | dict.fromkeys(CLOSES, "closed")
    | dict.fromkeys(WRITES | CONNECTS, "written")
    | dict.fromkeys(READS, "read")
    | dict.fromkeys(POLLS, "poll")
)
MOVES = {"read", "written"}
ALSO = {"reads": "read", "writes": "written", "closes": "closed"}
#: kind → the heading in the notebooks that explains it (most of them in 12a and 12b)
SECTIONS = {
    "never-read": "A level that nobody lowers",
    "end-read-again": "A level that nobody lowers",
    "out-left-armed": "OUT left armed",
    "emfile": "No descriptor left",
    "slept-while-ready": "Asleep while others wait",
    "ghost": "Ghosts of dup and fork",
    "reset-destroyed": "Closed with bytes unread",
    "write-after-end": "Writing to somebody who has left",
    "reused-number": "A stale event",
    "unused-half": "OUT left armed",
    "edge-left-over": "Read until you are refused",
    "zero-timeout-loop": "Timeouts",
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
    is the stream or epoll that it is about, None where no stream is known.  `line` is the learner's
    line that it comes from, None if no line was seen.  `count` says how often it happened, `text`
    what happened and what to do, in one sentence; `steps` are the steps to look at, counted from 0.
    `section` is the heading in the notebooks that explains it.
    """

    kind: str
    certain: bool
    stream: Stream | None
    line: Line | None
    count: int
    text: str
    steps: tuple
    section: str
    #: the index of the first call that shows it
    call: int

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
    findings = [finding for find in KINDS for finding in find(histories)]
    return sorted(findings, key=lambda finding: (not finding.certain, finding.steps))


class Histories:
    """What concerned each stream, in the order of the calls: `of` has {description: [(call, what,
    detail), …]}.

    *what* is "reported" (*detail* is the event mask) or "ghost" (the same, under a number that was
    closed), "read" or "written" (how much was moved), "listed" (the mask of the entry from then on,
    None where it was taken out; the call is −1 if it was there before), "closed", or "other" (the
    name of the call).  What libraries make for themselves is left out.
    """

    def __init__(self, log):
        self.log, self.columns = log, log.columns()
        self.starts, self.ends = self.columns["start_ns"], self.columns["end_ns"]
        self.errnos, self.threads = self.columns["errno"], self.columns["thread"]
        self.of, self.polls_of = {}, {}
        self.flow_into = {flow.source: flow for flow in log.flows}
        self.flow_out_of = {flow.sink: flow for flow in log.flows}
        self.file_objects = {
            self.log.objects[index].description
            for kind, index, _ in log.evidence
            if kind == "file object"
        }
        #: (description of an epoll, number) of the events that may have been another stream's
        self.doubtful = {(doubt.call, doubt.number) for doubt in log.poll_events.doubts}
        self._is_open = {}  # (description, number) → the times in which it was
        for stream in log.objects:
            self._is_open.setdefault((stream.description, stream.number), []).append(
                (stream.opened_ns or 0, inf if stream.closed_ns is None else stream.closed_ns)
            )
        for epoll in log.epolls:
            for _, stream, mask in epoll.start_list:
                if stream is not None:
                    self._add(log.objects[stream].description, -1, "listed", mask)
        self._sort()

    def _add(self, description, call, what, detail):
        self.of.setdefault(description, []).append((call, what, detail))

    def _sort(self):
        objects, events, add = self.log.objects, self.log.poll_events.events, self._add
        names, streams, moved, arguments, also = (
            self.columns[name] for name in ("name", "stream", "moved", "arguments", "also")
        )
        own = [None if each.internal else each.description for each in objects]
        for call, (name, stream) in enumerate(zip(names, streams, strict=True)):
            what = WHAT.get(name, "other")
            if what == "poll":
                self.polls_of.setdefault(self.threads[call], []).append(call)
                for reported, mask in events.get(call, ()):
                    is_ghost = reported >= 0 and self._is_closed(objects[reported], call)
                    add(
                        own[reported] if reported >= 0 else -1,
                        call,
                        "ghost" if is_ghost else "reported",
                        mask,
                    )
                continue
            for other, does in also[call]:
                if other is not None and does in ALSO:
                    add(own[other], call, ALSO[does], moved[call])
            if stream < 0:
                continue
            if what == "listed":
                if not self.columns["error"][call]:
                    mask = None if name in UNREGISTERS else arguments[call][1]
                    add(own[stream], call, what, mask)
            else:
                add(own[stream], call, what, moved[call] if what in MOVES else name)
        self.of.pop(None, None)
        #: events of numbers that nobody registered here
        self.unknown = self.of.pop(-1, [])

    def _is_closed(self, stream, call):
        """Tell whether a stream's number no longer stood for it when a poll began."""
        if stream.closed_ns is None or stream.closed_ns > self.starts[call]:
            return False
        if (call, stream.number) in self.doubtful:
            return False
        return not any(
            since <= self.ends[call] and until > self.starts[call]
            for since, until in self._is_open[stream.description, stream.number]
        )

    # what is asked of a stream, by its open file description

    def stream(self, description) -> Stream:
        return self.log.objects[description]

    def name(self, description) -> str:
        return self.log.objects[description].name

    def waiting(self, description, call) -> str:
        """Spell how much waited in a stream when a call was back."""
        flow = self.flow_out_of[description]
        return count(flow.level(self.ends[call]), flow.unit.removesuffix("s"))

    def armed_by(self, description, call) -> int:
        """Return the last call that changed the entry of a stream before *call*, else *call*."""
        listed = [at for at, what, _ in self.of[description] if what == "listed" and at < call]
        return listed[-1] if listed and listed[-1] >= 0 else call

    def is_seen_whole(self, description) -> bool:
        """Tell whether all that was moved through a stream was moved by calls in the log."""
        stream = self.stream(description)
        flows = self.flow_into.get(description), self.flow_out_of.get(description)
        return (
            stream.kind != "tls"
            and description not in self.file_objects
            and not stream.held_elsewhere
            and not any(flow.elsewhere for flow in flows if flow is not None)
        )

    def runs(self, description, belongs, ends):
        """Yield the calls of each run: of those that *belong*, until one *ends* it.

        Both are functions of (call, what, detail).
        """
        run = []
        for happening in self.of[description]:
            if belongs(*happening):
                run.append(happening[0])
            elif ends(*happening):
                yield run
                run = []
        yield run

    # findings

    def finding(self, kind, stream, calls, text, *, line_of=None, certain=True, of=None):
        """Make a `Finding` of *calls*: its line is that of *line_of*, by default the first.

        *of* counts, if that is not the number of calls.
        """
        first, _, _ = self.log.steps
        steps = sorted({first[call] for call in (calls[0], calls[-1])})
        line = self.line(calls[0] if line_of is None else line_of, stream)
        number = len(calls) if of is None else of
        section = SECTIONS[kind]
        return Finding(kind, certain, stream, line, number, text, tuple(steps), section, calls[0])

    def question(self, *args, **options):
        return self.finding(*args, **options, certain=False)

    def line(self, call, stream):
        """Return the learner's line of a call.

        Where a framework made the call, its line is the one that runs the framework, which says
        nothing; then it is the nearest line of the learner's own that used the same stream.
        """
        index = self.columns["line"][call] if call >= 0 else -1
        if index < 0 or stream is None or stream.kind == "epoll":
            return self.log.lines[index] if index >= 0 else None
        line, method = self.log.lines[index], CALLS[self.columns["name"][call]].method
        if method in line.text or index not in self.lines_of_loops:
            return line
        others = [
            (abs(other - call), self.columns["line"][other])
            for other, what, _ in self.of.get(stream.description, ())
            if other >= 0 and what not in ("reported", "ghost")
        ]
        others = [pair for pair in others if pair[1] >= 0 and pair[1] not in self.lines_of_loops]
        return self.log.lines[min(others)[1]] if others else line

    @cached_property
    def lines_of_loops(self) -> set:
        """Return the lines from which polls were made: of a framework, the one that runs it."""
        return {self.columns["line"][poll] for polls in self.polls_of.values() for poll in polls}


# warnings


def never_read(histories):
    """The same event a hundred times in a row, and nobody does anything about it."""
    for description, history in histories.of.items():
        listed, mask, calls = 0, 0, []
        for call, what, detail in [*history, (inf, "listed", 0)]:
            if what == "reported" and detail == mask and not listed & masks.ET:
                calls.append(call)
                continue
            if what in ("other", "written") and not detail:
                continue
            if mask & ~masks.OUT and len(calls) >= CIRCLE:
                yield from _never_read(histories, description, mask, calls)
            calls, mask = ([call], detail) if what == "reported" else ([], 0)
            if what == "listed":
                listed = detail or 0


def _never_read(histories, description, mask, calls):
    stream, flow = histories.stream(description), histories.flow_out_of.get(description)
    times = f"was reported {masks.names(mask)} {len(calls):,} times in a row"
    began, armed = histories.starts[calls[0]], histories.armed_by(description, calls[0])
    ended = mask & (masks.HUP | masks.ERR | masks.RDHUP)
    if ended:
        text = f"{stream.name} {times}, and nothing was done: read it to its end and close it."
    elif flow is not None and flow.level(histories.ends[calls[-1]]):
        waits = histories.waiting(description, calls[-1])
        text = f"{stream.name} {times} while {waits} waited in it: read them, or disarm IN."
    else:
        text = f"{stream.name} {times}, and no call on it was seen: disarm it if it can wait."
        return [histories.question("never-read", stream, calls, text, line_of=armed)]
    taken = flow is not None and any(
        amount < 0 and at_ns >= began for at_ns, amount, _ in flow.elsewhere
    )
    certain = not taken and description not in histories.file_objects and stream.kind != "tls"
    return [histories.finding("never-read", stream, calls, text, line_of=armed, certain=certain)]


def end_read_again(histories):
    """The end of a level-triggered stream was reported and read, and again, by the same thread."""
    columns = histories.columns
    for description, history in histories.of.items():
        stream, listed, told, calls = histories.stream(description), 0, {}, {}
        if stream.kind not in HAVE_ENDS:
            continue
        for call, what, detail in history:
            thread = histories.threads[call] if call >= 0 else -1
            if what == "listed":
                listed, told = detail or 0, {}
                calls = {thread: run for thread, run in calls.items() if len(run) >= ENDS_READ}
            elif what == "reported":
                told[thread] = not listed & masks.ET
            elif what == "read" and told.pop(thread, False) and is_end(columns, call):
                calls.setdefault(thread, []).append(call)
            elif what == "read" and detail:
                calls = {}
        for run in calls.values():
            if len(run) >= ENDS_READ:
                text = (
                    f"{stream.name} has ended, and its end was read {len(run):,} times: after the "
                    "first b'' unregister it and close it."
                )
                yield histories.finding("end-read-again", stream, run, text)


def is_end(columns, call) -> bool:
    """Tell whether a read returned the end of its stream."""
    return columns["result"][call] == b"" and columns["arguments"][call][:1] != (0,)


def out_left_armed(histories):
    """OUT was reported a hundred times in a row, nothing was written, the entry did not change."""
    for description, history in histories.of.items():
        stream, listed, calls = histories.stream(description), 0, []
        for call, what, detail in [*history, (inf, "listed", 0)]:
            if what == "reported":
                if detail & masks.OUT and not (detail & masks.ALWAYS or listed & masks.ET):
                    calls.append(call)
            elif what in ("written", "listed"):
                if len(calls) >= CIRCLE:
                    text = (
                        f"{stream.name} was reported writable {len(calls):,} times in a row, and "
                        "nothing was written to it: arm OUT only while something is left to send."
                    )
                    yield histories.finding(
                        "out-left-armed",
                        stream,
                        calls,
                        text,
                        line_of=histories.armed_by(description, calls[0]),
                        certain=histories.is_seen_whole(description),
                    )
                calls = []
                listed = detail or 0 if what == "listed" else listed


def emfile(histories):
    """A caller waits at a listener, and there is no file descriptor left for it."""
    errnos, names = histories.errnos, histories.columns["name"]
    for description in histories.of:
        stream = histories.stream(description)
        failures = histories.runs(
            description,
            lambda call, what, _: what == "read" and errnos[call] in NO_DESCRIPTOR,
            lambda call, what, _: what == "listed" or (what == "read" and names[call] in ACCEPTS),
        )
        for calls in failures if stream.role == "listener" else ():
            if len(calls) >= 2:
                text = (
                    f"accept of {stream.name} failed with EMFILE {len(calls):,} times, and the "
                    "caller stays in the queue: disarm the listener until a descriptor is free."
                )
                yield histories.finding("emfile", stream, calls, text)


def slept_while_ready(histories):
    """A thread that polls slept in a call on one stream, while bytes waited in another."""
    log, names = histories.log, histories.columns["name"]
    epolls = histories.columns["epoll"]
    asleep = {}  # thread → its sleeping calls that are no polls
    for call, slept in enumerate(log.asleep):
        if slept and names[call] not in POLLS and histories.columns["stream"][call] >= 0:
            asleep.setdefault(histories.threads[call], []).append(call)
    victims = {}  # (stream that was slept on) → [(call, stream that waited)]
    for thread, calls in asleep.items():
        polls = {}  # description of an epoll → the first and the last poll of this thread
        for poll in histories.polls_of.get(thread, ()):
            if epolls[poll] >= 0:
                key = log.objects[epolls[poll]].description
                polls[key] = polls.get(key, (poll,))[0], poll
        for epoll, (first, last) in polls.items():
            for call, entry in _kept_waiting(histories, calls, epoll, first, last):
                stream = histories.columns["stream"][call]
                victims.setdefault(log.objects[stream].description, []).append((call, entry.stream))
    for description, pairs in victims.items():
        calls = sorted({call for call, _ in pairs})
        stream, waited = histories.stream(description), log.objects[min(pairs)[1]]
        amount = histories.waiting(waited.description, calls[0])
        call = CALLS[names[calls[0]]].method
        text = (
            f"{call} of {stream.name} slept while {amount} waited in {waited.name}: make "
            f"{stream.name} non-blocking, and go back to poll instead."
        )
        yield histories.finding("slept-while-ready", stream, calls, text)


def _kept_waiting(histories, calls, epoll, first, last):
    """Yield (call, entry): a call that slept, and an armed entry in whose stream something waited
    when the call began, or still did when the call was given up.
    """
    log, starts, ends = histories.log, histories.starts, histories.ends
    begins = [starts[call] for call in calls]
    for entry in log.entries_of.get(epoll, ()):
        if entry.stream < 0 or entry.disabled or not entry.mask & masks.IN:
            continue
        stream = log.objects[entry.stream]
        flow = histories.flow_out_of.get(stream.description)
        if flow is None or stream.internal:
            continue
        for since, until in _spans_of_waiting(flow):
            since, until = max(since, entry.from_ns), min(until, entry.to_ns)
            # calls that began before the span cannot matter, unless they never ended
            at = max(bisect_left(begins, since) - 1, 0)
            while at < len(calls) and begins[at] < until:
                call, at = calls[at], at + 1
                never_ended = ends[call] == STILL_IN_CALL
                slept_on = log.objects[histories.columns["stream"][call]]
                if slept_on.description == stream.description or call < first:
                    continue
                if until == inf if never_ended else since <= starts[call] and until >= ends[call]:
                    if never_ended or call < last:
                        yield call, entry


def _spans_of_waiting(flow):
    """Yield (from, until) for each time in which something waited in a flow."""
    since = 0 if flow.start_level else None
    for at, level, _ in flow.points:
        if level and since is None:
            since = at
        elif not level and since is not None:
            yield since, at
            since = None
    if since is not None:
        yield since, inf


def ghost(histories):
    """An event of an entry whose number was closed; a dup of it keeps the entry alive."""
    for description, history in histories.of.items():
        calls = [call for call, what, _ in history if what == "ghost"]
        if calls:
            stream = histories.stream(description)
            text = (
                f"{stream.name} was closed, and is still reported, because another descriptor of "
                "the same open file description is open: unregister before you close."
            )
            yield histories.finding("ghost", stream, calls, text, line_of=stream.closed_by)


def reset_destroyed(histories):
    """A TCP stream was closed with bytes unread: what it had written last never arrived."""
    for description, history in histories.of.items():
        stream = histories.stream(description)
        into, out_of = (
            histories.flow_into.get(description),
            histories.flow_out_of.get(description),
        )
        if stream.kind != "tcp" or None in (into, out_of) or not out_of.discarded:
            continue
        closed = [call for call, what, _ in history if what == "closed"]
        at_ns, unread, _ = out_of.discarded[0]
        resets = [
            call
            for call, what, _ in histories.of.get(into.sink, ())
            if what == "read" and histories.errnos[call] == ECONNRESET
        ]
        lost = -sum(amount for at, amount, _ in into.elsewhere if amount < 0 and at >= at_ns)
        if resets and closed:
            lost = lost or into.level(histories.ends[resets[0]])
        if resets and closed and lost:
            text = (
                f"{stream.name} was closed with {count(unread, 'byte')} unread, which resets the "
                f"connection: {count(lost, 'byte')} that it had written were destroyed; shut it "
                "down for writing, and read to the end before you close."
            )
            yield histories.finding("reset-destroyed", stream, closed[-1:], text)


def write_after_end(histories):
    """A write failed because nobody reads any more, and the stream was written to again."""
    for description, history in histories.of.items():
        failed, has_ended = [], None
        for call, what, _ in history:
            if what == "read" and is_end(histories.columns, call):
                has_ended = call
            elif what == "written" and histories.errnos[call] in (EPIPE, ECONNRESET):
                failed.append(call)
        stream = histories.stream(description)
        if len(failed) > 1:
            text = (
                f"{stream.name} was written to again after EPIPE: nobody reads it any more, so "
                "close it at the first such error."
            )
            yield histories.finding("write-after-end", stream, failed, text, line_of=failed[1])
        elif failed and has_ended is not None and has_ended < failed[0]:
            text = f"{stream.name} was written to after its end had been read, which failed."
            yield histories.question("write-after-end", stream, failed, text)


# questions


def reused_number(histories):
    """A number was closed and given to another stream before the next poll, while an event under
    it was in the batch.
    """
    log, by_number = histories.log, {}
    for stream in sorted(log.streams, key=lambda stream: stream.opened_ns or 0):
        old, by_number[stream.number] = by_number.get(stream.number), stream
        opened, closed = stream.opened_by, old and old.closed_by
        if opened is None or closed is None or stream.internal:
            continue
        polls = histories.polls_of.get(histories.threads[closed], ())
        at = bisect_left(polls, closed) - 1
        if at < 0 or bisect_left(polls, opened) - 1 != at:
            continue
        events = log.poll_events.events.get(polls[at], ())
        was_read = any(
            polls[at] < call < closed and what in MOVES
            for call, what, _ in histories.of.get(old.description, ())
        )
        if len(events) > 1 and old.index in dict(events) and not was_read:
            text = (
                f"{old.name} was closed while its event was still in the list that poll had "
                f"returned, and {stream.name} has its number now: an event that is handled late "
                "would go to the wrong stream."
            )
            yield histories.question(
                "reused-number", stream, [polls[at], closed, opened], text, line_of=closed, of=1
            )


def unused_half(histories):
    """A condition was asked for and reported, and no call was made that it is good for."""
    for description, history in histories.of.items():
        stream = histories.stream(description)
        done = {what for _, what, _ in history}
        halves = ((masks.IN, "read", "readable"), (masks.OUT, "written", "writable"))
        for bit, what, able in halves:
            if what in done or (stream.kind in NO_READS and bit == masks.IN):
                continue
            armed = [call for call, did, mask in history if did == "listed" and (mask or 0) & bit]
            calls = [call for call, did, mask in history if did == "reported" and mask & bit]
            if armed and calls and histories.is_seen_whole(description):
                text = (
                    f"{stream.name} was reported {able}, as its entry asks, and was never {what}."
                )
                yield histories.question("unused-half", stream, calls, text, line_of=armed[0])


def edge_left_over(histories):
    """An edge-triggered stream was left with something in it, and the program went on to wait."""
    log = histories.log
    for epoll, entries in log.entries_of.items():
        polls = [
            poll
            for thread in histories.polls_of.values()
            for poll in thread
            if (index := histories.columns["epoll"][poll]) >= 0
            and log.objects[index].description == epoll
        ]
        last = max(polls, default=-1)
        for entry in entries:
            stream = log.objects[entry.stream] if entry.stream >= 0 else None
            if stream is None or stream.internal or not entry.mask & masks.ET:
                continue
            flow = histories.flow_out_of.get(stream.description)
            left = flow.level(entry.to_ns - 1) if flow and entry.mask & masks.IN else 0
            history = histories.of.get(stream.description, ())
            reports = [call for call, what, _ in history if what == "reported"]
            if left and reports and reports[-1] < last:
                reads = [call for call, what, _ in history if what == "read"]
                text = (
                    f"{count(left, flow.unit.removesuffix('s'))} stayed in {stream.name}: an "
                    "edge-triggered entry is not reported again for what was there already."
                )
                yield histories.question(
                    "edge-left-over", stream, (reads or reports)[-1:], text, of=1
                )


def zero_timeout_loop(histories):
    """A thread asked with a timeout of 0, a hundred times in a row, and there was nothing."""
    log, columns = histories.log, histories.columns
    names, results, arguments = columns["name"], columns["result"], columns["arguments"]
    runs, ended = {}, []
    for call, (name, thread) in enumerate(zip(names, histories.threads, strict=True)):
        if name in POLLS and not results[call] and arguments[call][:1] == (0,):
            runs.setdefault(thread, []).append(call)
        elif thread in runs and (name in POLLS or WHAT.get(name) in MOVES):
            ended.append(runs.pop(thread))
    for calls in [*ended, *runs.values()]:
        if len(calls) >= CIRCLE:
            index = columns["epoll"][calls[0]]
            text = (
                f"poll with a timeout of 0 returned nothing {len(calls):,} times in a row: the "
                "loop never sleeps."
            )
            epoll = log.objects[index] if index >= 0 else None
            yield histories.question("zero-timeout-loop", epoll, calls, text)


def second_holder(histories):
    """The end of a stream is waited for, and somebody else still holds its other end."""
    log, holders = histories.log, {}
    for stream in log.streams:
        holders.setdefault(stream.description, []).append(stream)
    for description in histories.of:
        stream = histories.stream(description)
        others = holders.get(stream.other_end, ())
        closed = [other for other in others if other.closed_by is not None]
        held = [other for other in others if other.closed_ns is None or other.held_elsewhere]
        is_waiting = stream.readable and stream.closed_ns is None
        if not (closed and held and is_waiting):
            continue
        history = histories.of[description]
        if not any(what == "read" and is_end(histories.columns, at) for at, what, _ in history):
            who = held[0].name if held[0].closed_ns is None else "another process"
            call = closed[-1].closed_by
            text = (
                f"{closed[-1].name} was closed, and {stream.name} does not end: {who} holds the "
                "same open file description."
            )
            yield histories.question("second-holder", stream, [call], text)


def unknown_number(histories):
    """A poll returned a number that nobody registered here; a child that shares the epoll may."""
    if calls := [call for call, *_ in histories.unknown]:
        index = histories.columns["epoll"][calls[0]]
        epoll = histories.log.objects[index] if index >= 0 else None
        text = (
            f"poll of {epoll.name if epoll else 'several'} returned a number that no call in the "
            "recording has registered: another process may share the epoll."
        )
        yield histories.question("unknown-number", epoll, calls, text)


def hidden_buffer(histories):
    """Something between the program and epoll reads more than it is asked for, and keeps it."""
    for description, history in histories.of.items():
        stream = histories.stream(description)
        armed = [call for call, what, _ in history if what == "listed"]
        is_hidden = description in histories.file_objects or stream.kind == "tls"
        if armed and is_hidden:
            what = "TLS" if stream.kind == "tls" else "a file object"
            cure = "ask pending()" if stream.kind == "tls" else "use os.read"
            text = (
                f"{stream.name} is registered, and {what} reads it into a buffer that poll does "
                f"not know: {cure} before you wait."
            )
            calls = [call for call in armed if call >= 0] or [0]
            yield histories.question("hidden-buffer", stream, calls[:1], text)


def blocking_in_loop(histories):
    """A stream is registered, and the thread that polls may fall asleep in a call on it."""
    may_sleep = histories.columns["may_sleep"]
    for description, history in histories.of.items():
        is_listed, calls = False, []
        for call, what, detail in history:
            if what == "listed":
                is_listed = detail is not None
            elif what in MOVES and is_listed and may_sleep[call]:
                if histories.threads[call] in histories.polls_of:
                    calls.append(call)
        if calls:
            stream = histories.stream(description)
            text = (
                f"{stream.name} is registered and blocking: a call on it that is made too early, "
                "or once too often, puts the whole loop to sleep."
            )
            yield histories.question("blocking-in-loop", stream, calls, text)


def error_unread(histories):
    """ERR was reported, and nobody fetched the error, or closed the stream."""
    for description, history in histories.of.items():
        calls = []
        for call, what, detail in history:
            if what == "reported" and detail & masks.ERR:
                calls.append(call)
            elif calls and (what == "closed" or fetches_error(histories.columns, call)):
                calls = []
        if calls:
            stream = histories.stream(description)
            text = (
                f"{stream.name} was reported EPOLLERR, and nobody asked why: read SO_ERROR, or "
                "the error queue, or close it."
            )
            armed = histories.armed_by(description, calls[0])
            yield histories.question("error-unread", stream, calls, text, line_of=armed)


def fetches_error(columns, call) -> bool:
    """Tell whether a call fetched the error that waited at its stream, by failing with it, too."""
    row, arguments = CALLS[columns["name"][call]], columns["arguments"][call]
    has_flags = row.moves and row.flags is not None
    return (
        row.fetches_error
        or (row.moves and columns["errno"][call] not in (0, EAGAIN))
        or (has_flags and bool(sum(arguments[row.flags : row.flags + 1]) & MSG_ERRQUEUE))
    )


KINDS = (
    never_read,
    end_read_again,
    out_left_armed,
    emfile,
    slept_while_ready,
    ghost,
    reset_destroyed,
    write_after_end,
    reused_number,
    unused_half,
    edge_left_over,
    zero_timeout_loop,
    second_holder,
    unknown_number,
    hidden_buffer,
    blocking_in_loop,
    error_unread,
)
