"""From what the recorder noted in passing to a `Log`: what takes thought, done after the block.

Facts about threads
-------------------
* When the block ends, another thread may be back from its call and not have had its turn to say so; or it may sleep in
  the call, perhaps for ever.  ``/proc/self/task/TID/syscall`` tells the two apart.
* Two threads may start a call in one order and get to write it down in the other.

What we do about them
---------------------
Calls that are on their way back are waited for, within a bound; sleepers are left as still in the call.  Then starts and
ends are joined, sorted by start, and everything that a `Log` says about a call is worked out once.
"""

import os
import socket
import threading
import time
from bisect import bisect_left

from . import kernel
from .account import READS, REFUSED, STILL_IN_CALL, WRITES
from .log import Stream, Thread
from .source import Sources, names_given

HEAD = 32
PATIENCE_S = 2.0

_SLEEPERS = READS | WRITES | {"epoll.poll"}
_CLOSES = {"os.close", "socket.close", "epoll.close"}


def freeze(recorder):
    """Fill the log of *recorder*, whose block has ended."""
    begins, ends = _join(recorder)
    log, things = recorder.log, [recorder.things[i] for i in sorted(recorder.things)]
    order = sorted(range(len(begins)), key=lambda i: begins[i][1])
    place = {call: i for i, call in enumerate(order)}
    log.threads = tuple(Thread(i, native, name) for i, (native, name) in enumerate(recorder.threads))
    log.awake_at_the_end = {place[i] for i in recorder.awake if i in place}
    log.notes = sorted(recorder.notes, key=lambda note: note[1])
    sources = Sources()
    made, closed = _fill_columns(log, begins, ends, order, things, sources)
    log.lines, log.sources = tuple(sources.lines), sources.texts
    names = _names(things)
    for thing in things:
        if thing.kind == "epoll":
            thing.start_list = tuple((number, _held_by(things, number, thing), events)
                                     for number, events, _ in thing.start_list)
        log.objects += (Stream(
            thing.index, thing.kind, thing.role, names[thing.index], thing.number, thing.description, thing.other_end,
            thing.opened_ns, thing.closed_ns, made.get(thing.index), closed.get(thing.index), thing.internal,
            thing.readable, thing.writable, thing.address, thing.start_level, thing.start_list),)
    unseen = {index for what, index in recorder.remarks if what == "unseen close" and index not in closed}
    log.remarks = [f"{names[index]} was closed by a call that was not seen (by C code, or when its object was dropped)."
                   for index in sorted(unseen)]
    log.remarks += sorted({what for what, index in recorder.remarks if index is None})
    log._frozen = True


def _join(recorder):
    """Pair starts with ends; wait for threads that are on their way back.  Returns two lists of equal length."""
    entries, begins, ends, open_calls = recorder.entries, [], [], {}
    seen = 0
    deadline = time.monotonic() + PATIENCE_S
    while True:
        upto = len(entries)
        for entry in entries[seen:upto]:
            key = entry[:2]
            if len(entry) == 7:
                open_calls[key] = len(begins)
                begins.append(entry)
                ends.append(None)
            elif (at := open_calls.pop(key, None)) is not None:
                ends[at] = entry
        seen = upto
        alive = {thread.native_id for thread in threading.enumerate()}
        returning = {at for at in open_calls.values() if _is_returning(recorder, begins[at], alive)}
        if not returning or time.monotonic() > deadline:
            recorder.awake = returning
            return begins, ends
        time.sleep(0.001)


def _is_returning(recorder, begin, alive):
    """Tell whether a call that has not come back is on its way, rather than asleep."""
    native = recorder.threads[begin[0]][0]
    if native not in alive or begin[3] < 0 or native == threading.get_native_id():
        return False
    return kernel.is_asleep(native, recorder.things[begin[3]].number) is False


def _fill_columns(log, begins, ends, order, things, sources):
    """Write the columns.  Returns which call made, and which closed, each thing."""
    columns = log.columns()
    made, closed, lines, listed, polls = {}, {}, {}, {}, []
    add = {name: column.append for name, column in columns.items()}
    for call, at in enumerate(order):
        thread, start, name, index, code, lasti, kept = begins[at]
        end = ends[at]
        stop, result, error, errno = STILL_IN_CALL, None, None, 0
        if end is not None:
            stop, result = end[2], end[3]
            if len(end) == 6:
                error, errno = end[4], end[5]
        stream, epoll = index, -1
        if name.startswith("epoll."):
            epoll, stream = index, -1
            if len(kept) == 3:
                number, mask, stream = kept
                kept = (number, mask)
                if error is None and name != "epoll.unregister":
                    listed.setdefault((things[index].description if index >= 0 else -1, number), []).append(
                        (start, stream))
            elif name == "epoll.poll" and result:
                polls.append((call, index, stop))
        if error is None and result.__class__ is tuple and result[:1] == ("made",):
            for new in result[1:]:
                made[new] = call
            if index < 0:
                stream = result[1]
            if name == "select.epoll":
                stream, epoll = -1, stream
        if error is None and stop >= 0:
            if name in _CLOSES and index >= 0:
                closed[index] = call
            elif name == "os.dup2" and kept:
                for thing in things:
                    if thing.number == kept[0] and thing.closed_ns and start <= thing.closed_ns <= stop:
                        closed.setdefault(thing.index, call)
        line = -1
        if code is not None:
            line = lines.get((id(code), lasti))
            if line is None:
                line = lines[id(code), lasti] = sources.line(code, lasti)
        kind = things[stream].kind if stream >= 0 else ""
        add["name"](name)
        add["thread"](thread)
        add["start_ns"](start)
        add["end_ns"](stop)
        add["stream"](stream)
        add["epoll"](epoll)
        add["arguments"](kept)
        add["result"](result)
        add["error"](error)
        add["errno"](errno)
        add["may_sleep"](name in _SLEEPERS and errno != REFUSED and _may_sleep(name, things, index, start, kept, kind))
        add["line"](line)
        add["moved"](_moved(name, kept, result, error, kind) if stop >= 0 else 0)
    for call, index, stop in polls:
        description = things[index].description
        columns["result"][call] = tuple(
            (_registered(listed.get((description, number), ()), stop, things, things[index], number), mask)
            for number, mask in columns["result"][call])
    return made, closed


def _registered(registrations, until, things, epoll, number):
    """Find the stream that *number* meant in *epoll* when its poll came back."""
    if registrations:
        at = bisect_left(registrations, (until,)) or 1
        return registrations[at - 1][1]
    return -1 if (held := _held_by(things, number, epoll)) is None else held


def _held_by(things, number, epoll):
    """Find what had *number* when *epoll* came into the recording."""
    for thing in things:
        if thing.number == number and thing.opened_ns is None:
            return thing.index
    return None


def _may_sleep(name, things, index, start, kept, kind):
    if name == "epoll.poll":
        timeout = kept[0] if kept else -1
        return not isinstance(timeout, (int, float)) or timeout <= -0.001 or timeout > 0
    if index < 0 or kind in ("file", "other"):
        return False
    thing = things[index]
    timeout = thing.timeout
    if thing.timeouts:
        for since, changed in thing.timeouts:
            if since > start:
                break
            timeout = changed
    if name.startswith("os."):
        return timeout is None
    flags = kept[1] if len(kept) > 1 and name != "socket.sendto" and isinstance(kept[1], int) else 0
    return timeout != 0 and not flags & socket.MSG_DONTWAIT


def _moved(name, kept, result, error, kind):
    """How many bytes (or connections, or how much of a count) the call moved."""
    if error is not None:
        return 0
    if name in READS:
        if name == "socket.accept":
            return 1
        if result.__class__ is bytes:
            amount = int.from_bytes(result, "little") if kind == "eventfd" else len(result)
        else:
            amount = result[0] if result.__class__ is tuple else result or 0
        return 0 if len(kept) > 1 and isinstance(kept[1], int) and kept[1] & socket.MSG_PEEK else amount
    if name not in WRITES or name.startswith("socket.connect"):
        return 0
    if name == "os.eventfd_write":
        return kept[0]
    if kind == "eventfd":
        return int.from_bytes(kept[0], "little")
    if name == "socket.sendall":
        return len(kept[0]) if isinstance(kept[0], bytes) else kept[0][0]
    return result or 0


def final_samples(recorder):
    """Ask the kernel what waits where at the end of the block, if nobody else is moving."""
    before, notes = len(recorder.entries), len(recorder.notes)
    for index in list(recorder.by_number.values()):
        reader = recorder.things[index]
        if reader.kind in ("epoll", "file", "other", "udp", "socket") or reader.role == "listener" or not reader.readable:
            continue
        if os.path.lexists(f"/proc/self/fd/{reader.number}") and _text(reader.number) == reader.text:
            recorder.sample(reader, recorder.things.get(reader.other_end), patient=True)
        else:
            recorder.lost(reader.number)
    if len(recorder.entries) != before:
        del recorder.notes[notes:]
        recorder.remarks.append(("Other threads were still making calls when the block ended; what they did later is "
                                 "not in the log.", None))


def _text(number):
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return ""


def _names(things):
    """Name each thing: as the program does, else by kind and place; no two alike."""
    given, counts, channels, taken = {}, {}, {}, set()
    for thing in things:
        name = thing.given_name
        if name is None and thing.chain:
            name = names_given(thing.chain)
            if isinstance(name, list):
                name = name[thing.place] if thing.place is not None and thing.place < len(name) else None
            elif thing.place is not None and thing.role != "accepted":
                name = None
        if name is None:
            channel = channels.get(thing.other_end) if thing.other_end is not None else None
            if channel is None or channel[0] != thing.kind:
                counts[thing.kind] = counts.get(thing.kind, 0) + 1
                channel = (thing.kind, counts[thing.kind])
            channels[thing.description] = channel
            role = "server" if thing.role == "accepted" else thing.role
            name = f"{thing.kind} {channel[1]} {role}".strip()
        unique, again = name, 2
        while unique in taken:
            unique, again = f"{name} ({again})", again + 1
        taken.add(unique)
        given[thing.index] = unique
    return given


