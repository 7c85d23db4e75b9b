"""Keeping account: how many bytes waited where, who slept, what an epoll watched.

Facts about the kernel
----------------------
* Asking the kernel for a level after a call is too late.  A sleeping reader has the bytes before the writer's call is
  back: with both cores busy, FIONREAD right after a write is already 0 almost every time.
* A call's return value is exact, whoever runs next.
* That a buffer became full or empty is never sent to anybody: a call sleeps, or it is refused.
* An interest list is keyed by two things: the number, and the open file description behind it.  ``close`` removes an
  entry only with the last number of that description; a ``dup`` keeps it there as a ghost.

What we do about them
---------------------
The level is kept by account: plus what a write returned, minus what a read returned.  Bytes enter at the return of the
write, or at the return of the first read that needed them, whichever came first.  Where the kernel was asked, its
number corrects the account; what cannot be explained is written down as moved elsewhere.  "Asleep" is said only when
the cause that ended a call came after the call had started.

All functions take a log and compute; nothing here asks the operating system.  A *position* is either a time in
nanoseconds or a step: `slots` gives each call a step, so that a picture of steps is the same on every run.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from math import inf

from . import masks

WRITES = {"os.write", "os.writev", "os.sendfile", "os.eventfd_write", "socket.send", "socket.sendall", "socket.sendto",
          "socket.sendmsg", "socket.connect", "socket.connect_ex"}
READS = {"os.read", "os.readv", "os.eventfd_read", "socket.recv", "socket.recv_into", "socket.recvfrom",
         "socket.recvmsg", "socket.accept"}
REFUSED = 11  # EAGAIN
CONNECTS = (0, 115)  # no error, or EINPROGRESS: the kernel goes on with it
STILL_IN_CALL = -1


@dataclass
class Flow:
    """One direction of a channel: bytes (or connections, or a count) that are written here and read there."""

    source: int | None
    sink: int | None
    unit: str = "bytes"
    start_level: int = 0
    #: (position, level from there on, call)
    points: list = field(default_factory=list)
    #: (position, "non-empty" | "empty" | "full" | "non-full", call)
    buffer_events: list = field(default_factory=list)
    #: (position, bytes that came (+) or went (−) without a call that was seen, call)
    elsewhere: list = field(default_factory=list)
    #: (position, "closed" | "shut down", stream, call)
    endings: list = field(default_factory=list)
    #: (position, bytes, call): what was still unread when the last reader closed
    discarded: list = field(default_factory=list)
    written: int = 0
    read: int = 0

    def level(self, position) -> int:
        """Return the level just after *position*."""
        at = bisect_right(self.points, position, key=lambda point: point[0])
        return self.points[at - 1][1] if at else self.start_level


def flows(streams) -> list[Flow]:
    """List the directions in which *streams* carry something, without anything in them yet."""
    found, seen = [], set()
    for stream in streams:
        own, other = stream.description, stream.other_end
        if stream.kind in ("epoll", "file", "other", "udp", "socket") or own in seen:
            continue
        seen.add(own)
        if stream.kind == "eventfd":
            found.append(Flow(own, own, "count", stream.start_level))
        elif stream.role == "listener":
            found.append(Flow(None, own, "connections"))
        else:
            if stream.writable and (stream.kind != "pipe" or other is None or other not in seen):
                found.append(Flow(own, other))
            if stream.readable and (other is None or other not in seen or stream.kind != "pipe"):
                found.append(Flow(other, own, "bytes", stream.start_level))
    unique = {}
    for flow in found:
        known = unique.setdefault((flow.source, flow.sink), flow)
        known.start_level = max(known.start_level, flow.start_level)
    return list(unique.values())


def slots(log):
    """Give each call a step: one for its start, one more for the return of a sleeper that others overlapped.

    Returns (start, end, count): two lists of steps, and how many steps there are.  A call that needs no step of its own
    to return ends in the step in which it began; one that is still in the call ends at *count*.
    """
    columns = log.columns()
    starts, ends = columns["start_ns"], columns["end_ns"]
    may_sleep = columns["may_sleep"]
    last = len(starts) - 1
    moments = [(time, 1, call) for call, time in enumerate(starts)]
    moments += [(end, 0, call) for call, end in enumerate(ends)
                if call < last and may_sleep[call] and end > starts[call + 1]]
    if len(moments) > len(starts):
        moments.sort()
    start, end = [0] * len(starts), [None] * len(starts)
    for step, (_, begins, call) in enumerate(moments):
        if begins:
            start[call] = step
        else:
            end[call] = step
    for call, time in enumerate(ends):
        if time == STILL_IN_CALL:
            end[call] = len(moments)
        elif end[call] is None:
            end[call] = start[call]
    return start, end, len(moments)


def balance(log, start=None, end=None) -> tuple[list[Flow], bytearray]:
    """Keep the account of a whole log.

    *start* and *end* are the positions at which calls began and returned; by default their times.  Returns the flows,
    filled in, and for each call 1 if it was asleep for certain.
    """
    columns = log.columns()
    times = columns["start_ns"]
    in_steps = start is not None
    if not in_steps:
        start = times
        end = [inf if time == STILL_IN_CALL else time for time in columns["end_ns"]]
    result = flows(log.objects)
    into = {flow.source: flow for flow in result if flow.source is not None}
    out_of = {flow.sink: flow for flow in result if flow.sink is not None}
    listening = {_door(stream.address): out_of.get(stream.description) for stream in log.objects
                 if stream.role == "listener"}
    description = [stream.description for stream in log.objects]
    effects = {id(flow): [] for flow in result}
    asleep = bytearray(len(times))

    for call, (name, stream, moved, error) in enumerate(zip(columns["name"], columns["stream"], columns["moved"],
                                                            columns["errno"], strict=True)):
        if name in WRITES:
            if name.startswith("socket.connect"):
                flow, amount = listening.get(_door(log.raw_arguments(call)[0])), int(error in CONNECTS)
            else:
                flow, amount = into.get(description[stream]) if stream >= 0 else None, moved
            kind = "write"
        elif name in READS:
            flow, amount = out_of.get(description[stream]) if stream >= 0 else None, moved
            kind = "read"
        elif name in ("epoll.poll",):
            for index, mask in log.raw_events(call):
                if mask & masks.OUT and (flow := into.get(description[index])):
                    effects[id(flow)].append((end[call], 2, "writable", call, 0))
            continue
        elif name == "socket.shutdown" and not error and stream >= 0:
            how = log.raw_arguments(call)[0]
            if how in (1, 2) and (flow := into.get(description[stream])):
                effects[id(flow)].append((end[call], 1, "shut down", call, stream))
            continue
        else:
            continue
        if flow is not None:
            effects[id(flow)].append((end[call], 2 if kind == "read" else 1, kind, call, amount))
    for about, time, waiting, writable in log.notes:
        if flow := out_of.get(description[about]):
            at = bisect_left(times, time)
            where = inf if at == len(times) else start[at] if in_steps else time
            effects[id(flow)].append((where, 0, "note", at, (waiting, writable)))
    _add_closes(log, effects, into, out_of, end)
    for flow in result:
        _fill(flow, sorted(effects[id(flow)], key=lambda effect: effect[:2]), start, log, asleep)
    if not in_steps:
        _find_sleepers(log, asleep, into, out_of)
    return result, asleep


def _door(address):
    """What a listener's address and a caller's have in common: the port, or the path of a unix socket."""
    return address[1] if isinstance(address, tuple) else address


def _add_closes(log, effects, into, out_of, end):
    """Note where the last number of an open file description was closed."""
    still_open, last = {}, {}
    for stream in log.objects:
        if stream.closed_by is None:
            still_open[stream.description] = True
        elif last.get(stream.description, (-inf,))[0] <= (position := end[stream.closed_by]):
            last[stream.description] = (position, stream)
    for number, (position, stream) in last.items():
        if number in still_open:
            continue
        for flow in {id(f): f for f in (into.get(number), out_of.get(number)) if f}.values():
            effects[id(flow)].append((position, 3, "closed", stream.closed_by, stream.index))


def _fill(flow, effects, start, log, asleep):
    """Run through one flow's effects in order of position."""
    level, full = flow.start_level, False
    writing = {}  # writes that have not returned yet at the position we are at: call → bytes of it already counted
    waiting_writes = sorted((start[call], call) for _, _, kind, call, _ in effects if kind == "write")
    begun = 0

    def change(position, amount, call):
        nonlocal level
        before, level = level, level + amount
        flow.points.append((position, level, call))
        if before == 0 < level:
            flow.buffer_events.append((position, "non-empty", call))
        elif level == 0 < before:
            flow.buffer_events.append((position, "empty", call))

    def take_from_writers(wanted, position):
        """Count bytes of writes that are still in their call; returns how many of *wanted* they explain."""
        taken = 0
        for call in writing:
            part = min(wanted - taken, log.wanted(call) - writing[call])
            if part > 0:
                writing[call] += part
                taken += part
                change(position, part, call)
        return taken

    def becomes_full(position, call):
        nonlocal full
        if not full:
            full = True
            flow.buffer_events.append((position, "full", call))

    for position, _, kind, call, amount in effects:
        while begun < len(waiting_writes) and waiting_writes[begun][0] <= position:
            writing.setdefault(waiting_writes[begun][1], 0)
            begun += 1
        if kind == "write":
            early = writing.pop(call, 0)
            if position == inf:  # still in the call: what it has put in, the notes and the readers told us
                flow.written += early
                writing[call] = early
                if log.may_sleep(call):
                    becomes_full(start[call], call)
                continue
            flow.written += amount
            if asleep[call]:
                full = False
                if amount:
                    flow.buffer_events.append((position, "non-full", call))
            elif full and amount:
                full = False
                flow.buffer_events.append((position, "non-full", call))
            if amount - early:
                change(position, amount - early, call)
            if flow.unit == "bytes" and (log.errno(call) == REFUSED or log.was_cut_short(call)):
                becomes_full(position, call)
        elif kind == "read":
            flow.read += amount
            if (missing := amount - level) > 0:
                missing -= take_from_writers(missing, position)
                if missing:
                    flow.elsewhere.append((position, missing, call))
                    change(position, missing, call)
            if amount:
                change(position, -amount, call)
        elif kind == "note":
            found, writable = amount
            if found > level:
                take_from_writers(found - level, position)
            if found != level:
                if not _in_progress(log, flow, call, position):
                    flow.elsewhere.append((position, found - level, call))
                    change(position, found - level, call)
            for writer, counted in writing.items():
                if not writable and counted < log.wanted(writer) and log.may_sleep(writer) and not asleep[writer]:
                    asleep[writer] = 1
                    becomes_full(start[writer], writer)
        elif kind == "writable":
            if full:
                full = False
                flow.buffer_events.append((position, "non-full", call))
        else:
            flow.endings.append((position, kind, amount, call))
            if kind == "closed" and level and log.objects[amount].description == flow.sink:
                flow.discarded.append((position, level, call))
                flow.points.append((position, 0, call))
                level = 0
    # A sleeper's "full" is known only when a later note speaks of it, but it belongs to the sleeper's start.
    flow.buffer_events.sort(key=lambda event: event[0])


def _in_progress(log, flow, call, position):
    """Tell whether a read of *flow* was under way when the kernel was asked: then its number proves nothing."""
    columns = log.columns()
    time = columns["start_ns"][call] if call < len(columns["start_ns"]) else inf
    for other in range(min(call, len(columns["start_ns"])) - 1, max(-1, call - 64), -1):
        if columns["name"][other] in READS and columns["stream"][other] >= 0 and \
                log.objects[columns["stream"][other]].description == flow.sink:
            end = columns["end_ns"][other]
            if end == STILL_IN_CALL or end > time:
                return True
    return False


def _find_sleepers(log, asleep, into, out_of):
    """Mark readers and pollers whose cause came after their start, timed-out calls, and those still in the call."""
    columns = log.columns()
    starts, ends, names = columns["start_ns"], columns["end_ns"], columns["name"]
    causes = _Causes(log, into, out_of)
    for call, may_sleep in enumerate(columns["may_sleep"]):
        if not may_sleep or asleep[call]:
            continue
        began, ended, name = starts[call], ends[call], names[call]
        if ended == STILL_IN_CALL:
            asleep[call] = call not in log.awake_at_the_end
        elif log.timed_out(call):
            asleep[call] = 1
        elif name in READS:
            asleep[call] = causes.readable_later(columns["stream"][call], began, ended)
        elif name == "epoll.poll":
            events = log.raw_events(call)
            asleep[call] = bool(events) and all(
                causes.event_later(columns["epoll"][call], index, mask, began, ended) for index, mask in events)


class _Causes:
    """When did each flow get something, lose something, or end?  Built once, asked for every call that may sleep."""

    def __init__(self, log, into, out_of):
        self.log, self.into, self.out_of = log, into, out_of
        self.writes, self.reads, self.registrations = {}, {}, {}
        columns = log.columns()
        for call, (name, stream, epoll) in enumerate(zip(columns["name"], columns["stream"], columns["epoll"],
                                                         strict=True)):
            span = (columns["start_ns"][call], columns["end_ns"][call])
            if name in ("epoll.register", "epoll.modify"):
                self.registrations.setdefault((epoll, stream), []).append(span)
        for flow in {id(f): f for f in (*into.values(), *out_of.values())}.values():
            spans = {position[2] for position in flow.points}
            writes, reads = [], []
            for call in spans:
                if call < len(columns["name"]):
                    span = (columns["start_ns"][call], columns["end_ns"][call])
                    (writes if columns["name"][call] in WRITES else reads).append(span)
            self.writes[id(flow)], self.reads[id(flow)] = self._sorted(writes), self._sorted(reads)

    @staticmethod
    def _sorted(spans):
        spans.sort()
        latest, reach = -inf, []
        for _, end in spans:
            latest = inf if end == STILL_IN_CALL else max(latest, end)
            reach.append(latest)
        return [start for start, _ in spans], reach

    @staticmethod
    def _only_after(spans, began, ended):
        """Was there one that started between *began* and *ended*, and none under way at *began*?"""
        starts, reach = spans
        at = bisect_right(starts, began)
        return at < len(starts) and starts[at] < ended and not (at and reach[at - 1] > began)

    def _ended_later(self, flow, began, ended):
        columns = self.log.columns()
        return any(call is not None and began < columns["start_ns"][call] < ended for _, _, stream, call in flow.endings
                   if self.log.objects[stream].description == flow.source)

    def readable_later(self, stream, began, ended):
        flow = self.out_of.get(self.log.objects[stream].description) if stream >= 0 else None
        if flow is None or flow.elsewhere or flow.level(began) > 0:
            return False
        return self._only_after(self.writes[id(flow)], began, ended) or self._ended_later(flow, began, ended)

    def writable_later(self, stream, began, ended):
        flow = self.into.get(self.log.objects[stream].description)
        if flow is None or flow.elsewhere:
            return False
        was_full = False
        for position, what, _ in flow.buffer_events:
            if position >= began:
                break
            was_full = what == "full" or (was_full and what != "non-full")
        return was_full and self._only_after(self.reads[id(flow)], began, ended)

    def event_later(self, epoll, stream, mask, began, ended):
        if any(began < start < ended for start, _ in self.registrations.get((epoll, stream), ())):
            return True
        if mask & masks.OUT and not self.writable_later(stream, began, ended):
            return False
        if mask & masks.IN and not self.readable_later(stream, began, ended):
            return False
        description = self.log.objects[stream].description
        if mask & (masks.HUP | masks.RDHUP) and not ((flow := self.out_of.get(description))
                                                     and self._ended_later(flow, began, ended)):
            return False
        if mask & masks.ERR:
            flow = self.into.get(description)
            columns = self.log.columns()
            return bool(flow) and any(call is not None and began < columns["start_ns"][call] < ended
                                      for _, _, _, call in flow.endings)
        return True
