"""The interest list of an epoll at any moment, and which of its entries an event speaks of.

Facts about the kernel
----------------------
* An entry is keyed by two things: the number it was registered under, and the open file description
  behind that.
* ``close`` removes an entry only with the last number of its description.  While a ``dup`` lives,
  the entry stays, as a *ghost* under a number that stands for nothing, or for something else.
* ``epoll_wait`` returns what the program gave when it registered: with `select.epoll` that is the
  number, and nothing that tells a ghost from what has its number now.
* Each entry has ERR and HUP, asked for or not.  When a one-shot entry has fired, all its conditions
  are gone, those two as well; it stays in the list, disabled.

What we do about them
---------------------
`resolve` finds the stream that each returned number meant.  Almost always only one was ever
registered under it.  Where there were several, those that cannot have reported this mask at that
time are left out: no longer registered, disabled, not asked for this, nothing there to report.  If
several remain, it is taken to be the one that the number stood for then, and that is kept as a
doubt.

`replay` turns the calls on an epoll into entries with their times, once; everybody else asks for
those: `at` a moment, or all of them.

*Source:* epoll(7), "Will closing a file descriptor cause it to be removed"; ``fs/eventpoll.c``,
ep_send_events().
"""

from bisect import bisect_left
from math import inf
from operator import itemgetter
from typing import NamedTuple

from .. import masks
from ..syscalls import REGISTERING, STILL_IN_CALL
from .calls import POLLS, UNREGISTERS
from .lifetimes import last_closes


class Registration(NamedTuple):
    """A change of an entry: a call that succeeded, or what was there before the recording.

    *stream* is an index, −1 for something unknown, *description* what it stands for (None if
    unknown).  *mask* is as given; None where the entry was taken out.
    """

    began_ns: float
    ended_ns: float
    number: int
    stream: int
    description: int | None
    mask: int | None


class Entry(NamedTuple):
    """What an epoll watched under one number, unchanged from one moment to another.

    *stream* is an index into ``log.objects``, −1 if it is not known.  *mask* is the event mask as
    it was given; *disabled* says that it is one-shot and has fired.  It held from *from_step* until
    before *to_step*, and from *from_ns* until before *to_ns*; both ends are infinite where it was
    there before the recording, or after it.  *from_call* and *to_call* made the change; they are
    None where no call did that was seen.
    """

    number: int
    stream: int
    mask: int
    disabled: bool
    from_step: float
    to_step: float
    from_ns: float
    to_ns: float
    from_call: int | None
    to_call: int | None

    @property
    def listed(self) -> int:
        """The mask as the kernel lists it: with ERR and HUP; without any condition if disabled."""
        return self.mask & ~masks.CONDITIONS if self.disabled else self.mask | masks.ALWAYS


class Doubt(NamedTuple):
    """An event of which nobody can tell whose it was: *stream* is what it is taken for."""

    call: int
    number: int
    stream: int
    others: tuple


def registrations(log) -> dict:
    """Return {(description of an epoll, number): [Registration, …]}, in the order of their
    starts.
    """
    columns, objects, changes = log.columns(), log.objects, {}

    def description(stream):
        return objects[stream].description if stream >= 0 else None

    for epoll in log.epolls:
        for number, stream, mask in epoll.start_list:
            stream = -1 if stream is None else stream
            change = Registration(-inf, -inf, number, stream, description(stream), mask)
            changes.setdefault((epoll.description, number), []).append(change)
    for call, name in enumerate(columns["name"]):
        if name in REGISTERING and columns["end_ns"][call] >= 0 and not columns["error"][call]:
            epoll, stream = columns["epoll"][call], columns["stream"][call]
            number, *mask = columns["arguments"][call]
            if epoll >= 0:
                change = Registration(
                    columns["start_ns"][call],
                    columns["end_ns"][call],
                    number,
                    stream,
                    description(stream),
                    None if name in UNREGISTERS else mask[0],
                )
                changes.setdefault((objects[epoll].description, number), []).append(change)
    return changes


# which stream an event speaks of


class Resolver:
    """Finds the streams that returned numbers meant; see the top of this module.

    `events` has {call: ((stream index or −1, event mask), …)} for the polls that returned
    something, `doubts` the events that may have been another stream's.
    """

    def __init__(self, log):
        self.log, self.events, self.doubts = log, {}, []
        self.changes = registrations(log)
        self.gone = {close.description: close.at_ns for close in last_closes(log)}
        self.before = {
            stream.number: stream.index
            for stream in reversed(log.objects)
            if stream.opened_ns is None
        }
        self.by_number = {}
        for stream in log.objects:
            self.by_number.setdefault(stream.number, []).append(stream)
        #: (description of an epoll, number) → the one stream that was ever registered so
        self.plain = {
            key: changes[0].stream
            for key, changes in self.changes.items()
            if len({change.stream for change in changes}) == 1
        }
        #: one-shot entries: (description of an epoll, number, description) → when it last fired
        self.fired = {}
        columns, known = log.columns(), {}
        for call, (name, epoll, numbers) in enumerate(
            zip(columns["name"], columns["epoll"], columns["result"], strict=True)
        ):
            if not numbers or name not in POLLS:
                continue
            if epoll < 0:  # `select` and its like: the call says what it waits for
                events = self._among(columns["also"][call], numbers)
            else:
                description = log.objects[epoll].description
                if (events := known.get((description, numbers))) is None:
                    keys = [(description, number) for number, _ in numbers]
                    if all(key in self.plain for key in keys):
                        events = tuple(
                            (self.plain[key], mask)
                            for key, (_, mask) in zip(keys, numbers, strict=True)
                        )
                        known[description, numbers] = events
                    else:
                        events = self._resolve(call, description, numbers)
            self.events[call] = events

    def _among(self, watched, numbers):
        """Find the numbers that a poll returned among the streams that it was given."""
        streams = {
            self.log.objects[stream].number: stream
            for stream, _ in watched
            if stream is not None and stream >= 0
        }
        return tuple((streams.get(number, -1), mask) for number, mask in numbers)

    def _resolve(self, call, epoll, numbers):
        """Find what one poll returned, where a number may mean several streams."""
        columns, events, spoken_of = self.log.columns(), [], set()
        began, ended = columns["start_ns"][call], columns["end_ns"][call]
        for number, mask in numbers:
            changes = self.changes.get((epoll, number), ())
            last = {
                change.description: change for change in changes if change.began_ns <= ended
            }  # of each description the last change
            listed = [
                change
                for change in last.values()
                if change.description not in spoken_of and self._is_listed(epoll, change, began)
            ]
            able = [
                change for change in listed if self._can_report(change, mask, began, ended)
            ] or listed
            chosen = max(able, default=None, key=lambda change: self._is_live(change, began, ended))
            if len(able) > 1:
                others = tuple(change.stream for change in able if change is not chosen)
                self.doubts.append(Doubt(call, number, chosen.stream, others))
            if chosen is None:
                events.append((self.before.get(number, -1), mask))
                continue
            events.append((chosen.stream, mask))
            spoken_of.add(chosen.description)
            if chosen.mask & masks.ONESHOT:
                self.fired[epoll, number, chosen.description] = began
        return tuple(events)

    def _is_listed(self, epoll, change, began):
        """Tell whether an entry can have been in the list, enabled, at some time from *began*."""
        if change.mask is None or self.gone.get(change.description, inf) < began:
            return False
        fired = self.fired.get((epoll, change.number, change.description))
        return fired is None or change.ended_ns >= fired

    def _can_report(self, change, mask, began, ended):
        """Tell whether an entry can have reported *mask* at some time from *began* to *ended*, as
        far as the calls tell.
        """
        if change.stream < 0:
            return True
        if mask & ~(change.mask | masks.ALWAYS):
            return False
        stream, traffic = self.log.objects[change.stream], self.log.traffic
        source, sink = traffic.out_of.get(change.description), traffic.into.get(change.description)
        if mask & masks.IN and source is not None and not _can_be_read(source, began, ended):
            return False
        if mask & (masks.HUP | masks.RDHUP) and source is not None:
            if source.source is not None and not source.spans_of_endings.any_touching(-inf, ended):
                return False
        if mask & masks.ERR and stream.kind == "pipe" and sink is not None:
            if sink.sink is not None and not sink.spans_of_sink_endings.any_touching(-inf, ended):
                return False
        return not (mask & masks.IN and not stream.readable) and not (
            mask & masks.OUT and not stream.writable
        )

    def _is_live(self, change, began, ended):
        """Rank entries: those whose number stands for them go before ghosts, later ones first."""
        open_then = [
            stream.opened_ns or 0
            for stream in self.by_number.get(change.number, ())
            if stream.description == change.description
            and (stream.opened_ns or 0) <= ended
            and (stream.closed_ns is None or stream.closed_ns >= began)
        ]
        return bool(open_then), max(open_then, default=0), change.began_ns


def _can_be_read(flow, began, ended):
    return (
        flow.is_fed_elsewhere
        or flow.most(began, ended) > 0
        or flow.source is None
        or flow.spans_of_endings.any_touching(-inf, ended)
    )


# the entries, with their times


def replay(log) -> dict:
    """Return {description of an epoll: its entries}, in the order in which they began."""
    started = {}
    for epoll in log.epolls:  # of the numbers of one epoll, any may know what it watched before
        listed = started.setdefault(epoll.description, {})
        for number, stream, mask in epoll.start_list:
            stream = -1 if stream is None else stream
            key = (number, log.objects[stream].description if stream >= 0 else None)
            listed[key] = Entry(number, stream, mask, False, -inf, inf, -inf, inf, None, None)
    happenings = _happenings(log, log.poll_events.changes)
    return {
        description: tuple(_Replay(log, description, listed).run(happenings.get(description, ())))
        for description, listed in started.items()
    }


class _Replay:
    """The replay of one list.  `listed` has {(number, description): entry} as it stands."""

    def __init__(self, log, epoll, listed):
        self.log, self.epoll, self.listed, self.over = log, epoll, listed, []
        self.keys_of = {}  # the keys of each open file description
        for key in listed:
            self.keys_of.setdefault(key[1], set()).add(key)

    def run(self, happenings):
        columns, objects, names = self.log.columns(), self.log.objects, self.log.columns()["name"]
        for at_ns, step, call, closed in happenings:
            now = step, at_ns, call
            if closed == self.epoll:
                for key in list(self.listed):
                    self.end(key, *now)
            elif closed is not None:
                for key in self.keys_of.get(closed, ()):
                    self.end(key, *now)
            elif names[call] in REGISTERING:
                number, *mask = columns["arguments"][call]
                stream = columns["stream"][call]
                key = (number, objects[stream].description if stream >= 0 else None)
                self.end(key, *now)
                if names[call] not in UNREGISTERS:
                    self.begin(key, stream, mask[0], False, *now)
            else:
                for (number, _), (stream, _) in zip(
                    columns["result"][call], self.log.raw_events(call), strict=True
                ):
                    key = (number, objects[stream].description if stream >= 0 else None)
                    entry = self.listed.get(key)
                    if entry is not None and entry.mask & masks.ONESHOT and not entry.disabled:
                        self.end(key, *now)
                        self.begin(key, entry.stream, entry.mask, True, *now)
        return sorted([*self.over, *self.listed.values()], key=lambda entry: entry.from_step)

    def begin(self, key, stream, mask, disabled, step, at_ns, call):
        self.listed[key] = Entry(key[0], stream, mask, disabled, step, inf, at_ns, inf, call, None)
        self.keys_of.setdefault(key[1], set()).add(key)

    def end(self, key, step, at_ns, call):
        entry = self.listed.pop(key, None)
        if entry is not None:
            self.over.append(entry._replace(to_step=step, to_ns=at_ns, to_call=call))


def _happenings(log, changes) -> dict:
    """Return {description of an epoll: what may have changed its list}, in the order of steps:

    (time, step, call or None, closed description or None).  *changes* are the `registrations`.
    """
    columns, (_, last, count) = log.columns(), log.steps
    ends, names, errors, results = (columns[name] for name in ("end_ns", "name", "error", "result"))
    happenings = {epoll.description: [] for epoll in log.epolls}
    concerned = {epoll: {epoll} for epoll in happenings}  # the descriptions whose end matters
    has_one_shots = set()
    for (epoll, _), entry in changes.items():
        if epoll in concerned:
            concerned[epoll].update(change.description for change in entry)
            if any((change.mask or 0) & masks.ONESHOT for change in entry):
                has_one_shots.add(epoll)
    for call, epoll in enumerate(columns["epoll"]):
        if epoll >= 0 and not errors[call] and ends[call] != STILL_IN_CALL:
            epoll = log.objects[epoll].description
            if names[call] in REGISTERING or (
                results[call] and names[call] in POLLS and epoll in has_one_shots
            ):
                if epoll in happenings:
                    happenings[epoll].append((ends[call], last[call], call, None))
    closes = []
    for close in last_closes(log):
        if close.call is not None:
            step = last[close.call]
        else:  # out of sight: between the steps
            at = bisect_left(columns["start_ns"], close.at_ns)
            step = last[at] - 0.5 if at < len(log) else count
        closes.append((close.at_ns, step, close.call, close.description))
    for epoll, listed in happenings.items():
        listed += [close for close in closes if close[3] in concerned[epoll]]
        listed.sort(key=itemgetter(1))
        latest = inf
        for at in range(len(listed) - 1, -1, -1):
            # make times non-decreasing: the order of steps wins
            latest = min(latest, listed[at][0])
            listed[at] = (latest, *listed[at][1:])
    return happenings


def at(log, epoll, at_ns=None, step=None) -> list[Entry]:
    """Return the entries of *epoll* at *at_ns*, or after *step* (by default at the end), in the
    order in which they began.

    Raises ValueError if *epoll* is none.
    """
    if epoll.kind != "epoll":
        raise ValueError(
            f"{epoll.name} is a {epoll.kind}: only an epoll has an interest list; this log knows "
            f"{', '.join(each.name for each in log.epolls) or 'none'}"
        )
    entries = log.entries(epoll)
    if step is not None:
        return [entry for entry in entries if entry.from_step <= step < entry.to_step]
    if at_ns is not None:
        return [entry for entry in entries if entry.from_ns <= at_ns < entry.to_ns]
    return [entry for entry in entries if entry.to_ns == inf]
