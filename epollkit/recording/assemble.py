"""From what was noted in passing to a `Log`: what takes thought, done after the block.

Facts about threads
-------------------
* When the block ends, another thread may be back from its call and not have had its turn to say so;
  or it may sleep in the call, perhaps for ever.  ``/proc/self/task/TID/syscall`` tells the two
  apart.
* Two threads may start a call in one order and get to note it in the other.
* A signal handler makes its calls in the middle of another call of its thread.

What we do about them
---------------------
Calls that are on their way back are waited for, within a bound; sleepers are left as still in the
call.  Then the calls of all threads are sorted by start, and everything that a `Log` says about a
call is worked out once.  If that fails for a call, its row says so, and the others stand.
"""

import gc
import sys
import threading
import time
from operator import index as as_number
from operator import itemgetter

from .. import linux
from ..log import Stream, Thread
from ..syscalls import (
    EAGAIN,
    EINPROGRESS,
    MSG_DONTWAIT,
    MSG_ERRQUEUE,
    MSG_OOB,
    MSG_PEEK,
    NONE,
    STILL_IN_CALL,
    Failure,
    Several,
)
from .callsite import Sources, names_given

PATIENCE_S = 2.0
#: How many values begin a call (its row, index, code, lasti, arguments, start), and end it (None,
#: its end, its result).
AT_BEGIN, AT_END = 6, 3
_start = itemgetter(4)


def freeze(recorder):
    """Fill the log of *recorder*, whose block has ended.

    The garbage collector would go through all that is made here, again and again, and find nothing.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        fill(recorder)
    finally:
        if was_enabled:
            gc.enable()


def fill(recorder):
    """Fill the log of *recorder*."""
    log, descriptors = recorder.log, recorder.descriptors
    calls, awake = collect(recorder)
    everything = [descriptors.all[index] for index in sorted(descriptors.all)]
    names, sources = name_all(everything), Sources()
    before = {each.number: each.index for each in reversed(everything) if each.opened_ns is None}
    columns = Columns(calls, everything, sources)
    columns.fill(recorder.remarks)
    for name, values in columns.lists.items():
        log.columns()[name].extend(values)
    log.awake_at_the_end = {number for number, call in enumerate(calls) if call in awake}
    log.threads = tuple(
        Thread(number, native, name) for number, (native, name, _) in enumerate(recorder.threads)
    )
    log.notes = sorted(descriptors.notes, key=itemgetter(2))
    log.lines, log.sources = tuple(sources.lines), sources.texts
    log.evidence = sorted_evidence(descriptors)
    log.objects = tuple(
        Stream(
            index=each.index,
            kind=each.kind,
            role=each.role,
            name=names[each.index],
            number=each.number,
            description=each.description,
            other_end=each.other_end,
            opened_ns=each.opened_ns,
            closed_ns=each.closed_ns,
            opened_by=columns.opened_by.get(each.index),
            closed_by=columns.closed_by.get(each.index),
            internal=each.internal,
            readable=each.readable,
            writable=each.writable,
            held_elsewhere=each.held_elsewhere and not columns.is_in_use(each),
            address=each.address,
            start_level=each.start_level,
            start_list=tuple((n, before.get(n), mask) for n, mask, _ in each.start_list),
        )
        for each in everything
    )
    log.remarks = list(dict.fromkeys(recorder.remarks))
    log.forget()  # somebody may have asked too early
    log.is_complete = True


def sorted_evidence(descriptors):
    """Return the evidence, without what is about a library's own streams."""
    return [
        (kind, index, details)
        for kind, index, details in descriptors.evidence
        if index is None or not descriptors.all[index].internal
    ]


# From notes to calls: (thread, row, index, code, start, lasti, kept, end, result)


def collect(recorder):
    """Return the calls in the order of their starts, and those of them that were in the call but
    not asleep.
    """
    deadline = time.monotonic() + PATIENCE_S
    here = threading.get_native_id()
    while True:
        try:
            alive = linux.threads()  # who has ended by now has noted all it had to note
        except OSError:  # no file descriptor is left to list them: nobody is waited for
            alive = set()
        calls, open_calls = [], []
        for number, (native, _, notes) in enumerate(recorder.threads):
            done, still_in = read_notes(number, notes)
            calls += done
            open_calls += [(native, call) for call in still_in]
        awake = [
            call
            for native, call in open_calls
            if native != here and native in alive and is_awake(recorder, native, call)
        ]
        if not awake or time.monotonic() > deadline:
            break
        time.sleep(0.001)
    calls += [call for _, call in open_calls]
    calls.sort(key=_start)
    # Of this very thread, too, a call may have begun only: Ctrl-C came before its end was noted.
    return calls, awake + [call for native, call in open_calls if native == here]


def read_notes(thread, notes):
    """Return the calls that a thread's notes tell of, and those of them that did not come back."""
    upto = len(notes)
    if upto % (AT_BEGIN + AT_END) == 0 and not any(notes[AT_BEGIN : upto : AT_BEGIN + AT_END]):
        step = AT_BEGIN + AT_END
        row, index, code, lasti, kept, start, end, result = (
            notes[at:upto:step] for at in (0, 1, 2, 3, 4, 5, 7, 8)
        )
        if all(row):  # each call was back before the next one began
            threads = [thread] * len(row)
            return list(
                zip(threads, row, index, code, start, lasti, kept, end, result, strict=True)
            ), []
    done, begun, at = [], [], 0
    while at < upto:
        if notes[at] is None:
            if begun:
                done.append((*begun.pop(), *notes[at + 1 : at + AT_END]))
            at += AT_END
        else:
            row, index, code, lasti, kept, start = notes[at : at + AT_BEGIN]
            begun.append((thread, row, index, code, start, lasti, kept))
            at += AT_BEGIN
    return [call for call in done if call[1].name], [
        (*call, STILL_IN_CALL, None) for call in begun if call[1].name
    ]


def is_awake(recorder, native, call):
    """Tell whether a call that has not come back is on its way, rather than asleep."""
    index = call[2]
    number = recorder.descriptors.all[index].number if index >= 0 else -1
    return linux.is_asleep(native, number) is False


# From calls to columns


class Columns:
    """The columns of a log: what is known of a call at once, and then what it means."""

    def __init__(self, calls, descriptors, sources):
        count = len(calls)
        threads, rows, indices, codes, starts, lastis, kept, ends, results = (
            map(list, zip(*calls, strict=True)) if calls else ([] for _ in range(9))
        )
        self.descriptors, self.rows, self.kept, self.results = descriptors, rows, kept, results
        places = list(zip(map(id, codes), lastis, strict=True))
        lines = {
            place: -1 if code is None else sources.line(code, place[1])
            for place, code in dict(zip(places, codes, strict=True)).items()
        }
        self.lists = {
            "name": [row.name for row in rows],
            "thread": threads,
            "start_ns": starts,
            "end_ns": ends,
            "stream": indices,
            "epoll": [-1] * count,
            "also": [()] * count,
            "arguments": [()] * count,
            "result": [None] * count,
            "error": [None] * count,
            "errno": [0] * count,
            "may_sleep": [0] * count,
            "line": list(map(lines.__getitem__, places)),
            "moved": [0] * count,
        }
        #: index → the call that made it, and the call that closed it
        self.opened_by, self.closed_by = {}, {}
        #: the sockets that have connected: asked again, they tell of the same connection
        self.connected = set()
        #: for each row: what was kept → plain arguments
        self.plain = {row: {} for row in set(rows)}
        #: (row, index) → may such a call sleep?  Only where that never changes, and the amount that
        #: a call moved is what it returned.
        self.steady = {}

    def fill(self, remarks):
        """Work out what each call means.  What makes no sense is named in *remarks*."""
        for call, row in enumerate(self.rows):
            try:
                self.understand_plain(call, row) or self.understand(call, row)
            except Exception as error:  # this call's meaning is lost, not the recording
                remarks.append(
                    f"epollkit could not make sense of call {call + 1}, {row.name} "
                    f"({type(error).__name__}: {error})."
                )

    def understand_plain(self, call, row) -> bool:
        """Work out a call of the most frequent sort: one that moved some bytes, on a stream about
        which nothing changes.  Returns whether it was one.
        """
        lists, result = self.lists, self.results[call]
        index, kind = lists["stream"][call], result.__class__
        if (kind is not bytes and kind is not int) or lists["end_ns"][call] < 0:
            return False
        try:
            may = self.steady[row, index]
        except KeyError:
            may = self.steady[row, index] = self.is_steady(row, index)
        kept = self.kept[call]
        if may is None or kept.__class__ is Several:
            return False
        try:
            arguments = self.plain[row][kept.__class__, kept]
        except KeyError:
            arguments = self.arguments(row, kept)
        lists["may_sleep"][call], lists["arguments"][call] = may, arguments
        lists["result"][call] = result
        lists["moved"][call] = len(result) if kind is bytes else result
        return True

    def is_steady(self, row, index):
        """Return whether a call of *row* on *index* may sleep, if that is the same all the time and
        what it returns is all there is to know; else None.
        """
        plain = (
            row.moves and row.amount == "result" and not (row.also or row.makes or row.registers)
        )
        if not plain or index < 0:
            return None
        descriptor = self.descriptors[index]
        if descriptor.timeouts or descriptor.kind == "eventfd" or row.connects:
            return None
        return may_sleep(row, descriptor, 0, ())

    def understand(self, call, row):
        """Work out what a call means."""
        lists, kept, result = self.lists, self.kept[call], self.results[call]
        index, start, end = (lists[name][call] for name in ("stream", "start_ns", "end_ns"))
        also, errno, error = (), 0, None
        if row.also is not None:
            also, kept = kept
        if result.__class__ is Failure:
            error, errno, known = (result.type, result.message), result.errno, result.known
            if result.type == "TypeError":
                kept = NONE  # whatever they were, they were no arguments for this call
            result = known if row.registers else None
        lists["also"][call], lists["error"][call], lists["errno"][call] = also, error, errno
        arguments = self.arguments(row, kept)
        stream, epoll, sleeps, moved = index, -1, False, 0
        if row.is_of_epoll:
            stream, epoll = -1, index
            lists["stream"][call], lists["epoll"][call] = stream, epoll
        if row.registers:
            stream, arguments, result = self.registration(arguments, result)
        elif row.waits:
            sleeps, arguments, result = self.waiting(row, arguments, result)
        elif row.moves:
            descriptor = self.descriptors[index] if index >= 0 else None
            if descriptor is not None and errno != EAGAIN:
                sleeps = may_sleep(row, descriptor, start, arguments)
            if end != STILL_IN_CALL and (error is None or row.connects):
                moved = amount_moved(row, arguments, result, errno, descriptor)
            if row.connects and moved:
                is_known = index in self.connected or (error is not None and not errno)
                moved = 0 if is_known else moved  # asked again; or it timed out
                self.connected.add(index)
        if row.makes and result is not None:
            stream, epoll, result = self.made(call, row, index, stream, epoll, result)
        elif row.closes and result:
            self.closed_by.update(dict.fromkeys(result, call))
            result = None
        lists["stream"][call], lists["epoll"][call] = stream, epoll
        lists["arguments"][call], lists["result"][call] = arguments, result
        lists["may_sleep"][call], lists["moved"][call] = sleeps, moved

    def arguments(self, row, kept):
        """Make plain data of what was kept of the arguments; equal ones are kept once."""
        known = self.plain[row]
        key = kept.__class__, kept
        try:
            return known[key]
        except (KeyError, TypeError, ValueError):  # a new one, or one without a hash
            values = kept if kept.__class__ is Several else (kept,)
            plain = tuple(map(plain_value, values))
            try:
                known[key] = plain
            except (TypeError, ValueError):
                pass
            return plain

    def registration(self, arguments, known):
        """Return the stream, the arguments with the number, and no result."""
        number, index = known if known is not None else (None, None)
        masks = tuple(mask & 0xFFFFFFFF for mask in arguments if isinstance(mask, int))
        stream = -1 if index is None else index
        return stream, () if number is None else (number, *masks), None

    def waiting(self, row, arguments, result):
        """Return whether a wait may sleep, its arguments in full, and its events."""
        if result.__class__ is int:  # one event, as a number
            result = ((result >> 32, result & 0xFFFFFFFF),)
        if row.subject != "epoll":
            timeout = arguments[0] if arguments else None
            return timeout is None or timeout != 0, arguments, result
        timeout, most = (*arguments, -1)[:2] if arguments else (None, -1)
        timeout = -1 if timeout is None else timeout
        sleeps = timeout <= -0.001 or timeout > 0  # what is above −1 ms is rounded up to 0
        return bool(sleeps), (timeout, most), result

    def is_in_use(self, descriptor) -> bool:
        """Tell whether a call of the program's own was on a stream when it was closed: that keeps
        it open, too.
        """
        lists = self.lists
        same = {
            each.index for each in self.descriptors if each.description == descriptor.description
        }
        return any(
            start < descriptor.closed_ns
            and not 0 <= end < descriptor.closed_ns
            and (stream in same or any(other in same for other, _ in also))
            for start, end, stream, also in zip(
                lists["start_ns"], lists["end_ns"], lists["stream"], lists["also"], strict=True
            )
        )

    def made(self, call, row, index, stream, epoll, result):
        """Note which call made what; return the streams of the call, and what it made."""
        new = result
        if row.replaces and len(result) == 2:  # what was made, and what was closed for it
            self.closed_by[result[1]] = call
            new = result[:1]
        if new != (index,):
            self.opened_by.update(dict.fromkeys(new, call))
        if index < 0 and self.descriptors[new[0]].kind == "epoll":
            epoll = new[0]
        elif index < 0:
            stream = new[0]
        return stream, epoll, new


def plain_value(value):
    if isinstance(value, (int, float, bytes, str, tuple, type(None))):
        return value
    return as_number(value) if hasattr(type(value), "__index__") else repr(value)


def may_sleep(row, descriptor, start, arguments):
    """Tell whether the kernel may put a call to sleep: on a blocking stream; a socket's own timeout
    counts, too.
    """
    if descriptor.kind in ("file", "other"):
        return False
    timeout = descriptor.timeout
    for since, changed in descriptor.timeouts:
        if since > start:
            break
        timeout = changed
    if row.module == "os":
        return timeout is None
    return timeout != 0 and not flags_of(row, arguments) & MSG_DONTWAIT


def flags_of(row, arguments):
    return arguments[row.flags] if row.flags is not None and len(arguments) > row.flags else 0


def amount_moved(row, arguments, result, errno, descriptor):
    """Return how many bytes, or connections, or how much of a count a call moved that came back."""
    kind = descriptor.kind if descriptor is not None else ""
    if row.connects:
        return int((errno or result or 0) in (0, EINPROGRESS))
    if row.amount == "once":
        return 1
    if row.amount == "argument":
        return arguments[0] if isinstance(arguments[0], int) else length(arguments[0])
    data = result if row.reads else arguments[0]
    if kind == "eventfd" and data.__class__ is bytes:  # eight bytes that stand for a number
        return int.from_bytes(data[:8], sys.byteorder)
    amount = result if isinstance(result, int) else length(result)
    if flags := flags_of(row, arguments):
        if flags & MSG_OOB:  # the urgent byte travels beside the stream
            return max(amount - 1, 0) if row.writes else 0
        if flags & (MSG_PEEK | MSG_ERRQUEUE):  # what waits in the stream stays there
            return 0
    return amount


def length(data):
    if data is None:  # what came could not be looked at; a remark says so
        return 0
    return len(data) if isinstance(data, bytes) else data[0]


def name_all(descriptors) -> dict:
    """Name each stream and epoll: as the program does, else by kind and place; no two alike."""
    names, counts, channels, uses, by_line = {}, {}, {}, {}, {}
    for each in descriptors:
        name = each.given_name
        if name is None and each.chain:
            place = tuple((id(code), lasti) for code, lasti in each.chain)
            if place not in by_line:
                by_line[place] = names_given(each.chain)
            name = by_line[place]
            if isinstance(name, list):
                is_there = each.place is not None and each.place < len(name)
                name = name[each.place] if is_there else None
            elif name is not None and each.place is not None:
                name = f"{name}[{each.place}]"
        if name is None:
            channel = channels.get(each.other_end) if each.other_end is not None else None
            if channel is None or channel[0] != each.kind:
                counts[each.kind] = counts.get(each.kind, 0) + 1
                channel = (each.kind, counts[each.kind])
            channels[each.description] = channel
            role = "server" if each.role == "accepted" else each.role
            name = f"{each.kind} {channel[1]} {role}".strip()
        unique = name
        while unique in uses:
            uses[name] += 1
            unique = f"{name} ({uses[name]})"
        uses[unique] = 1
        names[each.index] = unique
    return names
