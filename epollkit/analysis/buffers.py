"""Keeping account: how many bytes waited where, and which of the four buffer events that made.

Facts about the kernel
----------------------
* Asking the kernel for a level after a call is too late.  A sleeping reader has the bytes before
  the writer's call is back: with both cores busy, FIONREAD right after a write is already 0 almost
  every time.
* A call's return value is exact, whoever runs next.
* That a buffer became full or empty is never sent to anybody: a call sleeps, or it is refused.

What we do about them
---------------------
The level is kept by account: plus what a write returned, minus what a read returned.  Calls count
in the order of their *steps*: a call that did not sleep has one step, where it started; a sleeper
has a second one, where it came back.  Bytes enter at the return of the write, or when a later step
needs them, if that is earlier.  What the kernel said when it was asked corrects the account only
where no order of the calls can explain it; that is written down as moved elsewhere.

All functions take a log and compute; nothing here asks the operating system.  A *position* is a
time in nanoseconds or a step, so that a picture of steps is the same on every run whose order the
program fixes.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from math import inf
from operator import itemgetter

from ..syscalls import STILL_IN_CALL


@dataclass
class Flow:
    """One direction of a channel:

    bytes (or connections, or a count) that are written here and read there.
    """

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


def slots(log):
    """Give each call a step: one for its start, and one for the return of a sleeper if others
    started meanwhile.

    Returns (start, end, count): two lists of steps, and how many steps there are.  A call that
    needs no step of its own to return ends in the step in which it began; one that is still in the
    call ends at *count*.
    """
    columns = log.columns()
    starts, ends = columns["start_ns"], columns["end_ns"]
    returns = sorted(
        (
            (ends[call], call)
            for call, asleep in enumerate(log.asleep)
            if asleep and call + 1 < len(starts) and ends[call] > starts[call + 1]
        ),
        reverse=True,
    )
    start, end, step = [], [], 0
    for time in starts:
        while returns and returns[-1][0] <= time:
            end[returns.pop()[1]] = step
            step += 1
        start.append(step)
        end.append(step)
        step += 1
    for _, call in reversed(returns):
        end[call] = step
        step += 1
    for call, time in enumerate(ends):
        if time == STILL_IN_CALL:
            end[call] = step
    return start, end, step


def flows_by_time(log) -> list[Flow]:
    """Keep the account of a whole log; positions are times."""
    end = [inf if time == STILL_IN_CALL else time for time in log.columns()["end_ns"]]
    return _keep(log, log.columns()["start_ns"], end, False)


def flows_by_step(log) -> list[Flow]:
    """Keep the account of a whole log; positions are steps, as `slots` counts them."""
    start, end, count = log.steps
    return _keep(log, start, [inf if step == count else step for step in end], True)


def _keep(log, start, end, in_steps) -> list[Flow]:
    first, last, count = log.steps
    return [
        _Account(log, one).keep(first, last, count, start, end, in_steps) for one in log.traffic
    ]


class _Account:
    """The account of one flow, kept step by step."""

    def __init__(self, log, one):
        self.log, self.traffic, self.moved = log, one, log.columns()["moved"]
        self.flow = Flow(one.source, one.sink, one.unit, one.start_level)
        self.level, self.full, self.closed = one.start_level, False, False
        self.bias, self.horizon = (
            0,
            -inf,
        )  # what came from elsewhere in all; when the last of the reads so far was back
        # writes whose time has not come, or never comes → bytes of them that were needed already
        self.early = {}
        self.sleeping, self.done, self.first_open = [], set(), 0

    def keep(self, first, last, count, start, end, in_steps):
        one, asleep, is_counted = self.traffic, self.log.asleep, self.log.is_counted
        effects = [(last[call], 1, self.read, call, end[call], None) for call in one.reads]
        for call in one.writes:
            counted = is_counted(call)
            if asleep[call] or not counted:
                effects.append((first[call], 1, self.fall_asleep, call, start[call], None))
            if counted:
                effects.append((last[call], 1, self.write, call, end[call], None))
        effects += [
            (last[call], 2, self.said_writable, call, end[call], None) for call in one.said_writable
        ]
        effects += [
            (last[call], 3, self.ending, call, end[call], (how, stream))
            for call, how, stream in one.endings
        ]
        for note in one.notes:
            at = bisect_left(one.starts, note[1])
            step = first[at] if at < len(first) else count
            effects.append(
                (
                    step,
                    0,
                    self.note,
                    at,
                    (step if at < len(first) else inf) if in_steps else note[1],
                    note,
                )
            )
        effects.sort(key=itemgetter(0, 1))
        positions = [effect[4] for effect in effects]
        for at in range(len(positions) - 2, -1, -1):  # what came before cannot have come later
            if positions[at] > positions[at + 1]:
                positions[at] = positions[at + 1]
        for self.position, (_, _, happen, self.call, _, detail) in zip(
            positions, effects, strict=True
        ):
            happen(self.call, detail)
        if one.sink is None and self.level and self.log.objects[one.source].kind != "pipe":
            self.move_elsewhere(
                -self.level
            )  # to whoever has the other end: how much of it waits there, nobody here knows
        return self.flow

    def change(self, amount):
        if not amount:
            return
        before, self.level = self.level, self.level + amount
        self.flow.points.append((self.position, self.level, self.call))
        if before == 0:
            self.happened("non-empty")
        elif self.level == 0:
            self.happened("empty")

    def happened(self, what):
        self.flow.buffer_events.append((self.position, what, self.call))

    def becomes_full(self, full):
        if full != self.full:
            self.full = full
            self.happened("full" if full else "non-full")

    def move_elsewhere(self, amount):
        self.flow.elsewhere.append((self.position, amount, self.call))
        self.bias += amount
        self.change(amount)

    def write(self, call, _):
        moved, early = self.moved[call], self.early.pop(call, 0) if self.early else 0
        self.flow.written += moved
        self.done.add(call)
        if call in self.sleeping:
            self.sleeping.remove(call)
        if moved and self.full:
            self.becomes_full(False)
        if self.closed and moved > early:
            self.flow.discarded.append((self.position, moved - early, call))
        elif not self.closed:
            self.change(moved - early)
        if call in self.traffic.cut_short:
            self.becomes_full(True)

    def fall_asleep(self, call, _):
        """A write that cannot go on, or of which nobody told us how much went in."""
        if self.closed:
            return
        self.sleeping.append(call)
        ended = self.traffic.ends[call]
        notes = self.traffic.notes  # in the order of their ends
        for at in range(
            bisect_right(notes, self.traffic.starts[call], key=itemgetter(1)), len(notes)
        ):
            since, until, waiting, _ = notes[at]
            if since > self.traffic.starts[call]:
                if ended == STILL_IN_CALL or until < ended:
                    self.pull(waiting - self.level, [call])
                break
        if self.log.asleep[call] or call in self.traffic.cut_short:
            self.becomes_full(True)

    def pull(self, wanted, calls) -> int:
        """Count bytes of *calls* before their time.

        Returns how many of *wanted* they cannot explain.
        """
        taken = 0
        for call in calls:
            part = min(wanted - taken, self.traffic.log.wanted(call) - self.early.get(call, 0))
            if part > 0:
                taken += part
                self.early[call] = self.early.get(call, 0) + part
                if not self.log.is_counted(call):
                    self.flow.written += part
        self.change(taken)
        return wanted - taken

    def not_yet_written(self):
        """Yield the writes that count later, and yet can have been before the end of the reads
        so far.
        """
        writes, starts = self.traffic.writes, self.traffic.starts
        while self.first_open < len(writes) and writes[self.first_open] in self.done:
            self.first_open += 1
        for at in range(self.first_open, len(writes)):
            if starts[writes[at]] >= self.horizon:
                return
            if writes[at] not in self.done:
                yield writes[at]

    def read(self, call, _):
        amount, ended = self.moved[call], self.traffic.ends[call]
        self.flow.read += amount
        if ended > self.horizon:
            self.horizon = ended
        if amount > self.level:
            missing = self.pull(amount - self.level, self.not_yet_written())
            if missing:
                self.move_elsewhere(missing)
        self.change(-amount)

    def note(self, _, note):
        since, until, waiting, _ = note
        least = self.traffic.least(since, until) + self.bias
        most = self.traffic.most(since, until) + self.bias
        if self.closed:
            return
        if waiting > most:
            self.move_elsewhere(waiting - most)
        elif waiting < least:
            self.move_elsewhere(waiting - least)
        if waiting > self.level:
            self.pull(waiting - self.level, self.sleeping)

    def said_writable(self, call, _):
        self.becomes_full(False)

    def ending(self, call, how):
        what, stream = how
        self.flow.endings.append((self.position, what, stream, call))
        if what == "closed" and self.log.objects[stream].description == self.flow.sink:
            self.closed = True
            if self.level:
                self.flow.discarded.append((self.position, self.level, call))
                self.flow.points.append((self.position, 0, call))
                self.level = 0
