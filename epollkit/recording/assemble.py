"""From what the recorder noted in passing to a `Log`: what takes thought, done after the block.

Facts about threads
-------------------
* When the block ends, another thread may be back from its call and not have had its turn to say so;
  or it may sleep in the call, perhaps for ever.  ``/proc/self/task/TID/syscall`` tells the two
  apart.
* Two threads may start a call in one order and get to write it down in the other.

What we do about them
---------------------
Calls that are on their way back are waited for, within a bound; sleepers are left as still in the
call.  Then the calls are sorted by start, and everything that a `Log` says about a call is worked
out once.
"""

import socket
import sys
import threading
import time
from bisect import bisect_right
from itertools import repeat
from operator import index as as_number
from operator import itemgetter

from .. import linux
from ..log import COLUMNS, Stream, Thread
from ..syscalls import (
    CLOSES,
    CONNECTS,
    EINPROGRESS,
    MAKES,
    OF_EPOLLS,
    READS,
    REFUSED,
    REGISTERING,
    SETS_BLOCKING,
    STILL_IN_CALL,
    WRITES,
    Failure,
)
from .callsite import Sources, names_given

PATIENCE_S = 2.0
FIELDS = 9  # of an entry, see Recorder.entries


def freeze(recorder):
    """Fill the log of *recorder*, whose block has ended."""
    log, streams = recorder.log, recorder.streams
    rows, awake = collect(recorder)
    things = [streams.things[index] for index in sorted(streams.things)]
    names, sources = _names(things), Sources()
    before = {one.number: one.index for one in reversed(things) if one.opened_ns is None}
    made, closed = fill(log.columns(), rows, things, sources, before)
    log.awake_at_the_end = {rows.index(row) for row in awake}
    log.threads = tuple(
        Thread(index, *recorder.threads[index]) for index in sorted(recorder.threads)
    )
    log.notes = sorted(streams.notes, key=lambda note: note[2])
    log.lines, log.sources = tuple(sources.lines), sources.texts
    log.objects = tuple(
        Stream(
            one.index,
            one.kind,
            one.role,
            names[one.index],
            one.number,
            one.description,
            one.other_end,
            one.opened_ns,
            one.closed_ns,
            made.get(one.index),
            closed.get(one.index),
            one.internal,
            one.readable,
            one.writable,
            one.held_elsewhere,
            one.address,
            one.start_level,
            tuple((number, before.get(number), mask) for number, mask, _ in one.start_list),
        )
        for one in things
    )
    log.remarks = [
        f"{names[index]} was closed by a call that was not seen (by C code, or when its object was dropped)."
        for index in sorted(streams.unseen)
        if not streams.things[index].internal
    ]
    log.remarks += dict.fromkeys(recorder.remarks)
    for worked_out in (
        "traffic",
        "asleep",
        "steps",
        "flows",
        "flows_by_step",
    ):  # somebody asked too early
        vars(log).pop(worked_out, None)
    log.is_complete = True


def collect(recorder):
    """Return the calls in the order of their starts, and those of them that were in the call but
    not asleep.
    """
    entries = recorder.entries
    deadline = time.monotonic() + PATIENCE_S
    while True:
        upto = len(entries)
        last = dict(zip(entries[0:upto:FIELDS], entries[1:upto:FIELDS], strict=True))
        still_in = [
            entry
            for entry in list(recorder.inside.values())
            if last.get(entry[0]) != entry[1] and not _is_written(entries, upto, entry)
        ]
        alive = {thread.native_id for thread in threading.enumerate()} - {threading.get_native_id()}
        awake = [entry for entry in still_in if _is_awake(recorder, entry, alive)]
        if not awake or time.monotonic() > deadline:
            break
        time.sleep(0.001)
    rows = list(zip(*[iter(entries[:upto])] * FIELDS, strict=True)) + still_in
    rows.sort(key=itemgetter(1))
    # Of this very thread, too, a call may be on record as begun only: Ctrl-C came before it was
    # written down.
    here = threading.get_native_id()
    return rows, awake + [entry for entry in still_in if recorder.threads[entry[0]][0] == here]


def _is_written(entries, upto, entry):
    """Tell whether a call is on record already:

    a signal handler's, made in the middle of another call of its thread.
    """
    starts, at = entries[1:upto:FIELDS], -1
    try:
        while True:
            at = starts.index(entry[1], at + 1)
            if entries[at * FIELDS] == entry[0] and entries[at * FIELDS + 3] == entry[3]:
                return True
    except ValueError:
        return False


def _is_awake(recorder, entry, alive):
    """Tell whether a call that has not come back is on its way, rather than asleep."""
    thread, index = entry[0], entry[4]
    native = recorder.threads[thread][0]
    return (
        native in alive
        and index >= 0
        and linux.is_asleep(native, recorder.streams.things[index].number) is False
    )


def fill(columns, rows, things, sources, before):
    """Write the columns.  Returns which call made, and which closed, each thing.

    *before* tells what had a number before the block.
    """
    if not rows:
        return {}, {}
    threads, starts, ends, names, streams, codes, lastis, arguments, results = map(
        list, zip(*rows, strict=True)
    )
    nothing = [0] * len(rows)
    epolls, errors, errnos, sleeps, moved = (
        [-1] * len(rows),
        [None] * len(rows),
        nothing[:],
        nothing[:],
        nothing[:],
    )
    made, closed, registered, polls, shared, connected = {}, {}, {}, [], {}, set()
    for call, (name, index, kept, result) in enumerate(
        zip(names, streams, arguments, results, strict=True)
    ):
        if failed := result.__class__ is Failure:
            errors[call], errnos[call], result = result[:2], result[2], None
        if name in READS or name in WRITES:
            thing = things[index] if index >= 0 else None
            if thing is not None and errnos[call] != REFUSED:
                sleeps[call] = _may_sleep(thing, name, starts[call], kept)
            if ends[call] != STILL_IN_CALL and (not failed or name in CONNECTS):
                moved[call] = _moved(name, kept, result, errnos[call], thing)
            if name in CONNECTS and moved[call]:
                if index in connected or (
                    failed and not errnos[call]
                ):  # asked again; or it timed out
                    moved[call] = 0
                else:
                    connected.add(index)
        elif name in OF_EPOLLS:
            epolls[call], streams[call] = index, -1
            if name == "epoll.poll":
                timeout, *most = kept or (None,)
                kept = (-1 if timeout is None else timeout, *(most or (-1,)))
                sleeps[call] = bool(
                    kept[0] <= -0.001 or kept[0] > 0
                )  # what is above −1 ms is rounded up to 0
                if result:
                    polls.append(call)
            elif name in REGISTERING and kept:
                *kept, streams[call] = kept
                if not failed:
                    key = (things[index].description if index >= 0 else -1, kept[0])
                    registered.setdefault(key, []).append(
                        (starts[call], streams[call], name != "epoll.unregister")
                    )
        if name in MAKES and result is not None:
            if name == "os.dup2" and len(result) == 2:  # what was made, and what was closed for it
                closed[result[1]] = call
                result = result[:1]
            if result != (index,):
                made.update(zip(result, repeat(call)))
            if name == "select.epoll":
                epolls[call] = result[0]
            elif index < 0:
                streams[call] = result[0]
        elif name in CLOSES and result:
            closed[index], result = call, None
        try:
            arguments[call] = (
                shared[kept] if name not in SETS_BLOCKING else _plain(kept, {})
            )  # where 0 is not False
        except (KeyError, TypeError):  # a new one, or one without a hash
            arguments[call] = _plain(kept, shared)
        results[call] = shared.setdefault(result, result)
    places = list(zip(map(id, codes), lastis, strict=True))
    lines = {
        place: -1 if code is None else sources.line(code, lasti)
        for place, (code, lasti) in dict(
            zip(places, zip(codes, lastis, strict=True), strict=True)
        ).items()
    }
    gone = _gone(things)
    for call in polls:
        epoll = things[epolls[call]].description
        events = tuple(
            (_meant(number, registered.get((epoll, number), ()), ends[call], before, gone), mask)
            for number, mask in results[call]
        )
        results[call] = shared.setdefault(events, events)
    for name, values in zip(
        COLUMNS,
        (
            names,
            threads,
            starts,
            ends,
            streams,
            epolls,
            arguments,
            results,
            errors,
            errnos,
            sleeps,
            map(lines.get, places),
            moved,
        ),
        strict=True,
    ):
        columns[name].extend(values)
    return made, closed


def _plain(arguments, shared):
    """Make plain data of the arguments of a call; equal ones are kept once."""
    plain = tuple(map(_plain_one, arguments))
    return shared.setdefault(plain, plain)


def _plain_one(one):
    if isinstance(one, (int, float, bytes, str, tuple, type(None))):
        return one
    return as_number(one) if hasattr(type(one), "__index__") else repr(one)


def _gone(things):
    """Tell when each stream was gone, with the last number of its open file description."""
    same = {}
    for thing in things:
        same.setdefault(thing.description, []).append(thing)
    return {
        one.index: max(each.closed_ns for each in group)
        for group in same.values()
        if all(each.closed_ns is not None and not each.held_elsewhere for each in group)
        for one in group
    }


def _meant(number, registrations, until, before, gone):
    """Find the stream that *number* meant to an epoll when its poll came back, −1 for unknown.

    That is the one registered last, unless it was unregistered or is gone: then it is a ghost from
    before.
    """
    over = set()
    for at in range(bisect_right(registrations, until, key=itemgetter(0)) - 1, -1, -1):
        _, stream, registers = registrations[at]
        if not registers:
            over.add(stream)
        elif stream not in over and not gone.get(stream, until) < until:
            return stream
    return before.get(number, -1)


def _may_sleep(thing, name, start, kept):
    """Tell whether the kernel may put a call to sleep:

    on a blocking stream; a socket's own timeout counts, too.
    """
    if thing.kind in ("file", "other"):
        return False
    timeout = thing.timeout
    for since, changed in thing.timeouts:
        if since > start:
            break
        timeout = changed
    if name.startswith("os."):
        return timeout is None
    return timeout != 0 and not _flags(name, kept) & socket.MSG_DONTWAIT


def _flags(name, kept):
    return kept[1] if name.startswith(("socket.recv", "socket.send")) and len(kept) > 1 else 0


def _moved(name, kept, result, errno, thing):
    """How many bytes (or connections, or how much of a count) a call moved that came back."""
    if (
        result.__class__ is bytes
        and len(kept) == 1
        and thing is not None
        and thing.kind != "eventfd"
    ):
        return len(result)
    if name in CONNECTS:
        return int((errno or result or 0) in (0, EINPROGRESS))
    if name == "socket.accept":
        return 1
    if name in ("os.eventfd_write", "socket.sendall"):
        return kept[0] if isinstance(kept[0], int) else _length(kept[0])
    if (
        thing is not None and thing.kind == "eventfd" and name != "os.eventfd_read"
    ):  # eight bytes that stand for a number
        return int.from_bytes((result if name in READS else kept[0])[:8], sys.byteorder)
    amount = result if isinstance(result, int) else _length(result)
    if flags := _flags(name, kept):
        if flags & socket.MSG_OOB:  # the urgent byte travels beside the stream
            return max(amount - 1, 0) if name in WRITES else 0
        if flags & socket.MSG_PEEK:
            return 0
    return amount


def _length(data):
    if data is None:  # what came could not be looked at; a remark says so
        return 0
    return len(data) if isinstance(data, bytes) else data[0]


def _names(things):
    """Name each thing: as the program does, else by kind and place; no two alike."""
    given, counts, channels, taken, found = {}, {}, {}, {}, {}
    for thing in things:
        name = thing.given_name
        if name is None and thing.chain:
            place = tuple((id(code), lasti) for code, lasti in thing.chain)
            name = (
                found[place]
                if place in found
                else found.setdefault(place, names_given(thing.chain))
            )
            if isinstance(name, list):
                name = (
                    name[thing.place]
                    if thing.place is not None and thing.place < len(name)
                    else None
                )
            elif name is not None and thing.place is not None:
                name = f"{name}[{thing.place}]"
        if name is None:
            channel = channels.get(thing.other_end) if thing.other_end is not None else None
            if channel is None or channel[0] != thing.kind:
                counts[thing.kind] = counts.get(thing.kind, 0) + 1
                channel = (thing.kind, counts[thing.kind])
            channels[thing.description] = channel
            role = "server" if thing.role == "accepted" else thing.role
            name = f"{thing.kind} {channel[1]} {role}".strip()
        unique = name
        while unique in taken:
            taken[name] += 1
            unique = f"{name} ({taken[name]})"
        taken[unique] = 1
        given[thing.index] = unique
    return given
