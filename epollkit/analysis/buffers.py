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
in the order of their *steps* (see `steps`).  Bytes enter at the return of the write, or when a
later step needs them, if that is earlier.  What the kernel said when it was asked corrects the
account only where no order of the calls can explain it; that is written down as moved elsewhere.

All functions take a log and compute; nothing here asks the operating system.  A *position* is a
time in nanoseconds or a step, so that a picture of steps is the same on every run whose order the
program fixes.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field, replace
from math import inf
from operator import itemgetter

from .. import masks
from ..syscalls import STILL_IN_CALL

#: Within a step, what the kernel said comes first, then calls, OUT that a poll reported, endings.
RANKS = 4


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

    def placed(self, positions) -> "Flow":
        """Return the same account, its entries at *positions* instead of their places in it."""
        triples = {
            name: [(positions[at], what, call) for at, what, call in getattr(self, name)]
            for name in ("points", "buffer_events", "elsewhere", "discarded")
        }
        endings = [(positions[at], *ending) for at, *ending in self.endings]
        return replace(self, endings=endings, **triples)

    def level(self, position) -> int:
        """Return the level just after *position*."""
        at = bisect_right(self.points, position, key=lambda point: point[0])
        return self.points[at - 1][1] if at else self.start_level


def keep_accounts(log) -> tuple[list[Flow], list[Flow]]:
    """Keep the account of each flow of a log, twice: with times, and with steps, for positions.

    It is the same account: what happened, in the order of the steps.
    """
    accounts = [_Account(log, calls) for calls in log.traffic.flows]
    said_writable = _polls_for_output(log)
    for account in accounts:
        account.keep(*log.steps, said_writable.get(account.flow.source, ()))
    return [account.flow for account in accounts], [account.flow_in_steps for account in accounts]


def _polls_for_output(log) -> dict:
    """Return {description: the polls that reported OUT of it}."""
    polls = {}
    for call, events in log.poll_events.events.items():
        for stream, mask in events:
            if mask & masks.OUT and stream >= 0:
                polls.setdefault(log.objects[stream].description, []).append(call)
    return polls


class _Account:
    """The account of one flow, kept step by step.

    Each entry of it first holds the place of its cause in the order of things; at the end that is
    turned into times and into steps.
    """

    def __init__(self, log, calls):
        self.log, self.calls, self.moved = log, calls, calls.moved
        self.flow = Flow(calls.source, calls.sink, calls.unit, calls.start_level)
        self.level, self.full, self.closed = calls.start_level, False, False
        #: what came from elsewhere in all
        self.bias = 0
        #: when the last of the reads so far was back
        self.horizon = -inf
        #: writes whose time has not come, or never comes → bytes of them that were needed already
        self.early = {}
        self.sleeping, self.done, self.first_open = [], set(), 0

    def keep(self, first, last, count, said_writable):
        effects = self.effects(first, last, count, said_writable)
        effects.sort(key=itemgetter(0))
        for self.at, (_, happen, self.call, _, detail) in enumerate(effects):
            happen(self.call, detail)
        if self.flow.sink is None and self.level and self.kind_of_source != "pipe":
            # to whoever has the other end: how much of it waits there, nobody here knows
            self.move_elsewhere(-self.level)
        steps = [effect[0] // RANKS for effect in effects]
        steps = [inf if step == count else step for step in steps]
        times = [effect[3] for effect in effects]
        for at in range(len(times) - 2, -1, -1):
            # make times non-decreasing: the order of steps wins
            if times[at] > times[at + 1]:
                times[at] = times[at + 1]
        self.flow_in_steps = self.flow.placed(steps)
        self.flow = self.flow.placed(times)

    @property
    def kind_of_source(self):
        return self.log.objects[self.flow.source].kind

    def effects(self, first, last, count, said_writable):
        """List what changes the account: (step and rank within it as one number, method, call,
        time, detail).
        """
        calls, starts, ends = self.calls, self.calls.starts, self.calls.ends
        asleep, is_counted = self.log.asleep, self.log.is_counted
        read, write = self.read, self.write
        effects = [(last[call] * RANKS + 1, read, call, ends[call], None) for call in calls.reads]
        for call in calls.writes:
            counted = is_counted(call)
            if asleep[call] or not counted:
                begun = first[call] * RANKS + 1
                effects.append((begun, self.fall_asleep, call, starts[call], None))
            if counted:
                effects.append((last[call] * RANKS + 1, write, call, ends[call], None))
        effects += [
            (last[call] * RANKS + 2, self.says_writable, call, ends[call], None)
            for call in said_writable
        ]
        for call, how, stream in calls.endings:
            effects.append((last[call] * RANKS + 3, self.ending, call, ends[call], (how, stream)))
            if how == "closed" and self.log.objects[stream].description == self.flow.sink:
                # a read that is asleep in the stream keeps it, until it is back
                users = [each for each in calls.reads if starts[each] < ends[call]]
                gone = max([call, *users], key=last.__getitem__)
                effects.append((last[gone] * RANKS + 3, self.abandon, call, ends[gone], None))
        for note in calls.notes:
            at = bisect_left(starts, note[1])
            step = first[at] if at < len(first) else count
            effects.append((step * RANKS, self.note, at, note[1], note))
        return [
            (*effect[:3], inf, effect[4]) if effect[3] == STILL_IN_CALL else effect
            for effect in effects
        ]

    def change(self, amount):
        if not amount:
            return
        before, self.level = self.level, self.level + amount
        self.flow.points.append((self.at, self.level, self.call))
        if before == 0:
            self.happened("non-empty")
        elif self.level == 0:
            self.happened("empty")

    def happened(self, what):
        self.flow.buffer_events.append((self.at, what, self.call))

    def becomes_full(self, full):
        if full != self.full:
            self.full = full
            self.happened("full" if full else "non-full")

    def move_elsewhere(self, amount):
        self.flow.elsewhere.append((self.at, amount, self.call))
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
            self.flow.discarded.append((self.at, moved - early, call))
        elif not self.closed:
            self.change(moved - early)
        if call in self.calls.cut_short:
            self.becomes_full(True)

    def fall_asleep(self, call, _):
        """A write that cannot go on, or of which nobody told us how much went in."""
        if self.closed:
            return
        self.sleeping.append(call)
        ended = self.calls.ends[call]
        notes = self.calls.notes  # in the order of their ends
        for at in range(
            bisect_right(notes, self.calls.starts[call], key=itemgetter(1)), len(notes)
        ):
            since, until, waiting, _ = notes[at]
            if since > self.calls.starts[call]:
                if ended == STILL_IN_CALL or until < ended:
                    self.pull(waiting - self.level, [call])
                break
        if self.log.asleep[call] or call in self.calls.cut_short:
            self.becomes_full(True)

    def pull(self, wanted, calls) -> int:
        """Count bytes of *calls* before their time.

        Returns how many of *wanted* they cannot explain.
        """
        taken = 0
        for call in calls:
            part = min(wanted - taken, self.calls.bound(call) - self.early.get(call, 0))
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
        writes, starts = self.calls.writes, self.calls.starts
        while self.first_open < len(writes) and writes[self.first_open] in self.done:
            self.first_open += 1
        for at in range(self.first_open, len(writes)):
            if starts[writes[at]] >= self.horizon:
                return
            if writes[at] not in self.done:
                yield writes[at]

    def read(self, call, _):
        amount, ended = self.moved[call], self.calls.ends[call]
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
        least = self.calls.least(since, until) + self.bias
        most = self.calls.most(since, until) + self.bias
        if self.closed:
            return
        if waiting > most:
            self.move_elsewhere(waiting - most)
        elif waiting < least:
            self.move_elsewhere(waiting - least)
        if waiting > self.level:
            self.pull(waiting - self.level, self.sleeping)

    def says_writable(self, call, _):
        self.becomes_full(False)

    def ending(self, call, how):
        self.flow.endings.append((self.at, *how, call))

    def abandon(self, call, _):
        """Nobody can read any more: what waits is thrown away."""
        self.closed = True
        if self.level:
            self.flow.discarded.append((self.at, self.level, call))
            self.flow.points.append((self.at, 0, call))
            self.level = 0
