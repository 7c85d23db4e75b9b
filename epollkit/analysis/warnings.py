"""What in a recording looks like a mistake, and from which line it comes.

Facts about the kernel
----------------------
* A level-triggered entry is reported by every poll as long as its condition holds.  A program that
  leaves the condition as it is turns in a circle: one core is busy, and nothing is done.
* An end of a stream stands for good: ``read`` returns ``b''`` again and again.
* ``accept`` that fails for want of a file descriptor leaves the caller in the queue.
* An entry lives as long as its open file description, under a number that may be closed by then.
* TCP answers the close of an end that has bytes unread with a reset, which destroys what that end
  had written and nobody had read yet.

What we do about them
---------------------
There is a function for each kind of mistake, which looks for it in the history of a stream, or in
all of them.  What it finds is one of two things.  A *warning* is certain: the recording proves it,
in whatever order the handlers of the program did their work.  A *question* is what one would ask a
colleague: it may be meant.

*Source:* epoll(7), accept(2), tcp(7); ``fs/eventpoll.c``, ep_send_events().
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from math import inf
from operator import itemgetter

from .. import masks
from ..log import Line, Stream
from ..syscalls import CALLS, EAGAIN, MSG_ERRQUEUE, STILL_IN_CALL
from .calls import ACCEPTS, POLLS
from .histories import MOVES, WHAT, Histories
from .steps import ECONNRESET, EPIPE
from .story import count

#: How many reports in a row, with nothing done about them, are a circle.
CIRCLE = 100
#: How often an end is read before that is a mistake.
ENDS_READ = 3
#: ENFILE and EMFILE.  *Source:* ``include/uapi/asm-generic/errno-base.h``.
NO_DESCRIPTOR = {23, 24}
#: Kinds of streams of which b"" is the end; of others it may be an empty message.
HAVE_ENDS = {"pipe", "socketpair", "tcp", "unix", "tls"}
#: Kinds that are ready, and may have nothing to read.
NO_READS = {"pidfd", "timerfd", "other", "file", "epoll"}
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
    "reused-number": "One list of events",
    "unused-half": "OUT left armed",
    "edge-left-over": "Read until you are refused",
    "zero-timeout-loop": "Timeouts",
    "second-holder": "Ghosts of dup and fork",
    "unknown-number": "Ghosts of dup and fork",
    "hidden-buffer": "File objects and TLS",
    "blocking-in-loop": "Asleep while others wait",
    "error-unread": "When a datagram is refused",
}


@dataclass(frozen=True)
class Finding:
    """A mistake that a recording shows (a warning), or what may be one (a question).

    `kind` is a key of `SECTIONS`.  `certain` is True for a warning, False for a question.  `stream`
    is the stream or epoll that it is about, None where no stream is known.  `line` is the learner's
    line that it comes from, None if no line was seen.  `count` says how often it happened, `text`
    what happened and what to do, in one sentence; `steps` are the steps to look at, counted from 0.
    `section` is the heading in the notebooks that explains it, `call` the index of the first call
    that shows it.
    """

    kind: str
    certain: bool
    stream: Stream | None
    line: Line | None
    count: int
    text: str
    steps: tuple
    section: str
    call: int

    def __str__(self):
        where = []
        if self.line is not None:
            where.append(f"{self.line.source} line {self.line.number}: `{self.line.text}`")
        if self.count > 1:
            where.append(f"{self.count:,} times")
        place = f" ({', '.join(where)})" if where else ""
        grade, asks = ("warning", "") if self.certain else ("question", " Is this meant?")
        return f"{grade}: {self.text}{asks}{place}"


def find_warnings(log) -> list[Finding]:
    """List what in *log* looks like a mistake: the warnings first, then the questions, each in the
    order of steps.
    """
    histories, findings = Histories(log), []
    for find in OF_STREAMS:
        for history in histories.of.values():
            for clue in find(history):
                findings.append(_finding(histories, history.stream, *clue))
    for find in OF_ALL:
        findings += [_finding(histories, *clue) for clue in find(histories)]
    circles = {each.stream for each in findings if each.kind in ("never-read", "out-left-armed")}
    return sorted(
        (each for each in findings if each.kind != "unused-half" or each.stream not in circles),
        key=lambda finding: (not finding.certain, finding.steps),
    )


def _finding(histories, stream, kind, certain, calls, text, line_of=None) -> Finding:
    """Make a `Finding` of *calls*; its line is that of the call *line_of*, by default the first."""
    first, _, _ = histories.log.steps
    steps = tuple(sorted({first[calls[0]], first[calls[-1]]}))
    line = histories.line(calls[0] if line_of is None else line_of, stream)
    return Finding(kind, certain, stream, line, len(calls), text, steps, SECTIONS[kind], calls[0])


# Of one stream: each yields (kind, whether it is certain, calls, text, the call whose line it is).


def never_read(history):
    """The same event a hundred times in a row, and nobody does anything about it."""
    listed, mask, calls = 0, 0, []
    for call, what, detail in [*history, (inf, "listed", 0)]:
        if what == "reported" and detail == mask and not listed & masks.ET:
            calls.append(call)
        elif detail or what in ("read", "reported", "listed", "closed"):
            if mask & ~masks.OUT and len(calls) >= CIRCLE:
                yield _never_read(history, mask, calls)
            calls, mask = ([call], detail) if what == "reported" else ([], 0)
            listed = detail if what == "listed" else listed


def _never_read(history, mask, calls):
    times = f"{history} was reported {masks.names(mask)} {len(calls):,} times in a row"
    began_ns, ended_ns = history.histories.starts[calls[0]], history.histories.ends[calls[-1]]
    flow, certain = history.out_of, False
    if mask & (masks.HUP | masks.ERR | masks.RDHUP):
        text, certain = f"{times}, and nothing was done: read it to its end and close it.", True
    elif flow is not None and flow.level(ended_ns):
        waits = history.waiting(ended_ns)
        text = f"{times} while {waits} waited in it: read them, or disarm IN."
        was_taken = any(amount < 0 and at >= began_ns for at, amount, _ in flow.elsewhere)
        certain = history.was_asked_after(ended_ns) and not was_taken and not history.is_hidden
    else:
        text = f"{times}, and no call on it was seen: disarm it if it can wait."
    return "never-read", certain, calls, text, history.armed_by(calls[0])


def end_read_again(history):
    """The end of a level-triggered stream was reported and read, and again, by the same thread."""
    listed, reported, runs, over = 0, set(), {}, []
    threads = history.histories.threads
    for call, what, detail in history if history.stream.kind in HAVE_ENDS else ():
        thread = threads[call]
        if what == "listed" or (what == "read" and detail):
            over += runs.values()
            listed, runs = detail if what == "listed" else listed, {}
        elif what == "reported" and not listed & masks.ET:
            reported.add(thread)
        elif what == "read" and thread in reported and history.histories.is_end(call):
            reported.discard(thread)
            runs.setdefault(thread, []).append(call)
    for calls in [*over, *runs.values()]:
        if len(calls) >= ENDS_READ:
            text = (
                f"{history} has ended, and its end was read {len(calls):,} times: after the first "
                "b'' unregister it and close it."
            )
            yield "end-read-again", True, calls, text


def out_left_armed(history):
    """OUT was reported a hundred times in a row, nothing was written, the entry did not change."""
    listed, calls = 0, []
    for call, what, detail in [*history, (inf, "listed", 0)]:
        if what == "reported" and detail & masks.OUT and not detail & masks.ALWAYS:
            calls += [call] * (not listed & masks.ET)
        elif what in ("written", "listed"):
            if len(calls) >= CIRCLE:
                text = (
                    f"{history} was reported writable {len(calls):,} times in a row, and nothing "
                    "was written to it: arm OUT only while something is left to send."
                )
                armed, certain = history.armed_by(calls[0]), history.is_seen_whole
                yield "out-left-armed", certain, calls, text, armed
            calls, listed = [], detail if what == "listed" else listed


def emfile(history):
    """A caller waits at a listener, and there is no file descriptor left for it."""
    histories, calls = history.histories, []
    for call, what, _ in [*history, (inf, "listed", 0)]:
        is_accept = what == "read" and histories.names[call] in ACCEPTS
        if is_accept and histories.errnos[call] in NO_DESCRIPTOR:
            calls.append(call)
        elif is_accept or what == "listed":
            if len(calls) > 1:
                text = (
                    f"accept of {history} failed with EMFILE {len(calls):,} times, and the caller "
                    "stays in the queue: disarm the listener until a descriptor is free."
                )
                yield "emfile", True, calls, text
            calls = []


def ghost(history):
    """An event of an entry whose number was closed; a dup of it keeps the entry alive."""
    if calls := history.calls("ghost"):
        text = (
            f"{history} was closed, and is still reported, because another descriptor of the same "
            "open file description is open: unregister before you close."
        )
        yield "ghost", True, calls, text, history.stream.closed_by


def reset_destroyed(history):
    """A TCP stream was closed with bytes unread: what it had written last never arrived."""
    histories, into, out_of = history.histories, history.into, history.out_of
    closed = history.calls("closed")
    if history.stream.kind != "tcp" or not into or not out_of or not out_of.discarded:
        return
    at_ns, unread, _ = out_of.discarded[0]
    peer = histories.of.get(into.sink)
    resets = [
        call
        for call in (peer.calls("read") if peer else ())
        if histories.errnos[call] == ECONNRESET
    ]
    lost = -sum(amount for at, amount, _ in into.elsewhere if amount < 0 and at >= at_ns)
    if resets and closed and (lost := lost or into.level(histories.ends[resets[0]])):
        text = (
            f"{history} was closed with {count(unread, 'byte')} unread, which resets the "
            f"connection: {count(lost, 'byte')} that it had written were destroyed; shut it down "
            "for writing, and read to the end before you close."
        )
        yield "reset-destroyed", True, closed[-1:], text


def write_after_end(history):
    """A write failed because nobody reads any more, and the stream was written to again."""
    errnos, ends = history.histories.errnos, history.ends()
    failed = [call for call in history.calls("written") if errnos[call] in (EPIPE, ECONNRESET)]
    if len(failed) > 1:
        text = (
            f"{history} was written to again after EPIPE: nobody reads it any more, so close it at "
            "the first such error."
        )
        # a byte that is to wake a loop may come too late, and do no harm: nobody watches that end
        yield "write-after-end", bool(history.listed), failed, text, failed[1]
    elif failed and ends and ends[0] < failed[0]:
        text = f"{history} was written to after its end had been read, which failed."
        yield "write-after-end", False, failed, text


def unused_half(history):
    """A condition was asked for and reported, and no call was made that it is good for."""
    for bit, what, able in ((masks.IN, "read", "readable"), (masks.OUT, "written", "writable")):
        armed, calls = history.calls("listed", bit), history.calls("reported", bit)
        is_used = history.calls(what) or (bit == masks.IN and history.stream.kind in NO_READS)
        if armed and calls and not is_used and history.is_seen_whole:
            text = f"{history} was reported {able}, as its entry asks, and was never {what}."
            yield "unused-half", False, calls, text, armed[0] if armed[0] >= 0 else calls[0]


def second_holder(history):
    """The end of a stream is waited for, and somebody else still holds its other end."""
    stream = history.stream
    others = history.histories.sharing.get(stream.other_end, ())
    closed = [other for other in others if other.closed_by is not None]
    held = [other for other in others if other.closed_ns is None or other.held_elsewhere]
    is_waiting = stream.readable and stream.closed_ns is None and not history.ends()
    if closed and held and is_waiting:
        who = held[0].name if held[0].closed_ns is None else "another process"
        text = (
            f"{closed[-1].name} was closed, and {history} does not end: {who} holds the same open "
            "file description."
        )
        yield "second-holder", False, [closed[-1].closed_by], text


def hidden_buffer(history):
    """Something between the program and epoll reads more than it is asked for, and keeps it."""
    armed = [call for call in history.calls("listed") if call >= 0]
    if armed and history.is_hidden:
        is_tls = history.stream.kind == "tls"
        what, cure = ("TLS", "ask pending()") if is_tls else ("a file object", "use os.read")
        text = (
            f"{history} is registered, and {what} reads it into a buffer that poll does not know: "
            f"{cure} before you wait."
        )
        yield "hidden-buffer", False, armed[:1], text


def blocking_in_loop(history):
    """A stream is registered, and the thread that polls may fall asleep in a call on it."""
    histories, listed, calls = history.histories, 0, []
    may_sleep = histories.columns["may_sleep"]
    for call, what, detail in history:
        if what == "listed":
            listed = detail
        elif what in MOVES and listed and may_sleep[call]:
            calls += [call] * (histories.threads[call] in histories.polls_of)
    if calls:
        text = (
            f"{history} is registered and blocking: a call on it that is made too early, or once "
            "too often, puts the whole loop to sleep."
        )
        yield "blocking-in-loop", False, calls, text


def error_unread(history):
    """ERR was reported, and nobody fetched the error, or closed the stream."""
    calls = []
    for call, what, detail in history:
        if what == "reported" and detail & masks.ERR:
            calls.append(call)
        elif calls and (what == "closed" or fetches_error(history.histories.columns, call)):
            calls = []
    if calls:
        text = (
            f"{history} was reported EPOLLERR, and nobody asked why: read SO_ERROR, or the error "
            "queue, or close it."
        )
        yield "error-unread", False, calls, text, history.armed_by(calls[0])


def fetches_error(columns, call) -> bool:
    """Tell whether a call fetched the error that waited at its stream; by failing with it, too."""
    row, arguments = CALLS[columns["name"][call]], columns["arguments"][call]
    if not row.moves:
        return row.fetches_error
    flags = arguments[row.flags : row.flags + 1] if row.flags is not None else ()
    return columns["errno"][call] not in (0, EAGAIN) or bool(sum(flags) & MSG_ERRQUEUE)


# Of all streams: each yields the stream or epoll, and then the same.


def slept_while_ready(histories):
    """A thread that polls slept in a call on one stream, while bytes waited in another."""
    log, streams, asleep, waited = histories.log, histories.columns["stream"], {}, {}
    for call, slept in enumerate(log.asleep):
        if slept and streams[call] >= 0 and histories.names[call] not in POLLS:
            asleep.setdefault(histories.threads[call], []).append(call)
    for thread, calls in asleep.items():
        for epoll, first, last in _epolls_of(histories, thread):
            for call, entry in _kept_waiting(histories, calls, epoll, first, last):
                history = histories.of.get(log.objects[streams[call]].description)
                if history is not None:
                    waited.setdefault(history, {}).setdefault(call, entry.stream)
    for history, pairs in waited.items():
        call, other = min(pairs.items())
        victim = histories.of[log.objects[other].description]
        text = (
            f"{CALLS[histories.names[call]].method} of {history} slept while "
            f"{victim.waiting(histories.starts[call])} waited in {victim}: make {history} "
            "non-blocking, and go back to poll instead."
        )
        yield history.stream, "slept-while-ready", True, sorted(pairs), text


def _epolls_of(histories, thread):
    """List (description of an epoll, its first and its last poll by a thread)."""
    spans, epolls = {}, histories.columns["epoll"]
    for poll in histories.polls_of.get(thread, ()):
        if epolls[poll] >= 0:
            epoll = histories.log.objects[epolls[poll]].description
            spans[epoll] = spans.get(epoll, (poll,))[0], poll
    return [(epoll, *span) for epoll, span in spans.items()]


def _kept_waiting(histories, calls, epoll, first, last):
    """Yield (call, entry) for each call between two polls that slept while something waited in the
    stream of an armed entry: all the time, or for ever.
    """
    log, starts, ends = histories.log, histories.starts, histories.ends
    begins = [starts[call] for call in calls]
    for entry in log.entries_of.get(epoll, ()):
        history = histories.of.get(log.objects[entry.stream].description)
        is_armed = entry.stream >= 0 and entry.mask & masks.IN and not entry.disabled
        if history is None or history.out_of is None or not is_armed:
            continue
        times = history.times_of_waiting
        for since, until in times[bisect_right(times, entry.from_ns, key=itemgetter(1)) :]:
            if since >= entry.to_ns:
                break
            since, until = max(since, entry.from_ns), min(until, entry.to_ns)
            # before the span only one call can have begun that still slept in it
            for call in calls[max(bisect_left(begins, since) - 1, 0) : bisect_left(begins, until)]:
                slept_on = log.objects[histories.columns["stream"][call]].description
                if call < first or slept_on == history.description:
                    continue
                if ends[call] == STILL_IN_CALL:
                    if until == inf:
                        yield call, entry
                elif call < last and since <= starts[call] and until >= ends[call]:
                    yield call, entry


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
        events = log.poll_events.events.get(polls[at], ()) if at >= 0 else ()
        if len(events) < 2 or old.index not in dict(events) or old.internal:
            continue
        was_read = any(
            polls[at] < call < closed and what in MOVES
            for call, what, _ in histories.of[old.description]
        )
        if bisect_left(polls, opened) - 1 == at and not was_read:
            text = (
                f"{old.name} was closed while its event was still in the list that poll had "
                f"returned, and {stream.name} has its number now: an event that is handled late "
                "would go to the wrong stream."
            )
            yield stream, "reused-number", False, [closed], text


def edge_left_over(histories):
    """An edge-triggered stream was left with something in it, and the program went on to wait."""
    log, epolls = histories.log, histories.columns["epoll"]
    last = {}  # description of an epoll → the last poll of it
    for polls in histories.polls_of.values():
        for poll in polls:
            if epolls[poll] >= 0:
                epoll = log.objects[epolls[poll]].description
                last[epoll] = max(poll, last.get(epoll, -1))
    for epoll, entries in log.entries_of.items():
        for entry in {entry.stream: entry for entry in entries}.values():  # the last of each stream
            history = histories.of.get(log.objects[entry.stream].description)
            if history is None or entry.stream < 0 or not entry.mask & masks.ET:
                continue
            flow, reports = history.out_of, history.calls("reported")
            left = flow.level(entry.to_ns - 1) if flow and entry.mask & masks.IN else 0
            if left and reports and reports[-1] < last.get(epoll, -1):
                text = (
                    f"{history.waiting(entry.to_ns - 1)} stayed in {history}: an edge-triggered "
                    "entry is not reported again for what was there already."
                )
                calls = (history.calls("read") or reports)[-1:]
                yield history.stream, "edge-left-over", False, calls, text


def zero_timeout_loop(histories):
    """A thread asked with a timeout of 0, a hundred times in a row, and there was nothing."""
    columns, runs, over = histories.columns, {}, []
    for call, (name, thread) in enumerate(zip(histories.names, histories.threads, strict=True)):
        is_poll = name in POLLS
        if is_poll and not columns["result"][call] and columns["arguments"][call][:1] == (0,):
            runs.setdefault(thread, []).append(call)
        elif thread in runs and (is_poll or WHAT.get(name) in MOVES):
            over.append(runs.pop(thread))
    for calls in [*over, *runs.values()]:
        if len(calls) >= CIRCLE:
            text = (
                f"poll with a timeout of 0 returned nothing {len(calls):,} times in a row: the "
                "loop never sleeps."
            )
            yield _epoll_of(histories, calls[0]), "zero-timeout-loop", False, calls, text


def unknown_number(histories):
    """A poll returned a number that nobody registered here; a child that shares the epoll may."""
    if calls := histories.unknown:
        epoll = _epoll_of(histories, calls[0])
        text = (
            f"poll of {epoll.name if epoll else 'several'} returned a number that no call in the "
            "recording has registered: another process may share the epoll."
        )
        yield epoll, "unknown-number", False, calls, text


def _epoll_of(histories, poll):
    index = histories.columns["epoll"][poll]
    return histories.log.objects[index] if index >= 0 else None


OF_STREAMS = (
    never_read,
    end_read_again,
    out_left_armed,
    emfile,
    ghost,
    reset_destroyed,
    write_after_end,
    unused_half,
    second_holder,
    hidden_buffer,
    blocking_in_loop,
    error_unread,
)
OF_ALL = (slept_while_ready, reused_number, edge_left_over, zero_timeout_loop, unknown_number)
