"""Where everything goes in a timeline: numbers only, no ink.

A picture has lanes, from top to bottom: one for each thread, one for each epoll, one for each
direction of a channel. Down the page a unit is an inch; across it, a step or a nanosecond.
Everything that is drawn stands in a `Layout` first, under the name of what it means, so that a test
(or a cursor) can ask "where is the third event?" without looking at a pixel.

There can be more streams than a page has room for.  Those in which something happened come first;
the rest share one lane, which shows how much happened there.  With many calls, a thread's lane has
a row for each family of calls.
"""

from bisect import bisect_right
from functools import cache
from math import inf
from operator import itemgetter

import numpy as np

from .. import masks
from ..analysis import story
from ..syscalls import CALLS, EAGAIN
from .axis import MOST_SLOTS, Area, Bar, Entry, Layout, Mark, Steps, Time

MOST = {"thread": 12, "epoll": 6, "channel": 12, "entry": 6}
NOTES = {"connections": "connections waiting", "count": "eventfd"}
EDGE = masks.FLAGS["EPOLLET"]
MOST_EVENTS = 1023  # what a poll returns at most if it is not told otherwise


def layout(log, axis="steps", streams=None, threads=None) -> Layout:
    """Place everything that a picture of *log* shows.

    *axis* is ``"steps"`` (a slot for each step) or ``"time"`` (nanoseconds, long gaps folded).
    *streams* and *threads* pick what to show, by name or as objects; by default every thread, and
    every stream that the program made itself. Returns a `Layout`.  Raises ValueError for another
    axis, an empty log, or a name that the log does not know.
    """
    if axis not in ("steps", "time"):
        raise ValueError(f"axis is 'steps' or 'time', got {axis!r}")
    if not len(log):
        raise ValueError(
            "this log holds no calls, so there is nothing to draw: "
            "make the calls inside the with epollkit.record() block"
        )
    return _Plan(log, Steps(log) if axis == "steps" else Time(log), streams, threads).picture


class _Plan:
    """The making of one layout."""

    def __init__(self, log, place, streams, threads):
        self.log, self.place, self.picture = log, place, Layout(place)
        self.description = [stream.description for stream in log.objects]
        self.picked = streams is not None
        picked = [log.find(stream) for stream in _as_list(streams)] if self.picked else ()
        self.shown = (
            {end for stream in picked for end in (stream.description, stream.other_end)}
            if self.picked
            else {stream.description for stream in log.objects if not stream.internal}
        )
        columns = log.columns()
        self.calls = list(zip(columns["name"], columns["stream"], columns["epoll"], strict=True))
        self.asked, self.eventful = (
            {},
            set(),
        )  # the calls on each epoll; the streams that polls spoke of
        for call, (name, _, epoll) in enumerate(self.calls):
            if epoll >= 0:
                self.asked.setdefault(self.description[epoll], []).append(call)
                if CALLS[name].waits:
                    self.eventful.update(index for index, _ in log.raw_events(call))
        self.gone = {}  # description → where the last of its numbers was closed
        for stream in log.objects:
            call, description = stream.closed_by, stream.description
            closed = place.width if call is None else float(place.returned[call])
            self.gone[description] = max(closed, self.gone.get(description, 0.0))
        self.lane_of, self.rows, self.without_out = {}, {}, {}
        lanes = self._add_threads(_chosen(threads, log.threads))
        self._add_epolls()
        self._add_channels()
        self._add_bars(lanes)
        self._add_events()
        self.picture.height += 0.08

    # threads

    def _add_threads(self, chosen):
        folded = sum(last - first for first, last in self.place.folded.items())
        self.picture.is_dense = len(self.log) - folded > MOST_SLOTS
        columns, lanes, families = self.log.columns(), {}, {}
        for thread, name in set(zip(columns["thread"], columns["name"], strict=True)):
            families.setdefault(thread, set()).add(CALLS[name].family)
        alone, others = _split(chosen, "thread")
        for together in [[thread] for thread in alone] + [others] * bool(others):
            rows = len(set().union(*(families.get(thread.index, ()) for thread in together)))
            name = together[0].name if together is not others else f"+{len(others):,} threads"
            lane = self.picture.add(
                "thread", name, "", 0.30 + 0.14 * rows if self.picture.is_dense else 0.50
            )
            lanes |= {thread.index: lane for thread in together}
        return lanes

    def _add_bars(self, lanes):
        log, place, asleep = self.log, self.place, self.log.asleep
        columns = log.columns()
        kept = zip(
            columns["thread"],
            columns["errno"],
            columns["error"],
            columns["line"],
            self.calls,
            place.left.tolist(),
            place.right.tolist(),
            place.is_open.tolist(),
            strict=True,
        )
        rows = {name: (CALLS[name], CALLS[name].method) for name in set(columns["name"])}
        is_dense, add, folded_until = self.picture.is_dense, self.picture.bars.append, -1
        for call, (
            thread,
            errno,
            error,
            line,
            (name, stream, epoll),
            left,
            right,
            is_open,
        ) in enumerate(kept):
            lane = lanes.get(thread)
            if lane is None or call <= folded_until:
                continue
            folded_until = place.folded.get(call, call)
            if folded_until > call:
                right = float(place.right[folded_until])
            (syscall, method), subject = rows[name], stream if stream >= 0 else epoll
            aside = (subject >= 0 and self.description[subject] not in self.shown) or (
                syscall.is_setting and not (line >= 0 and method in log.lines[line].text)
            )
            ends = (
                "open"
                if is_open
                else "timed out"
                if asleep[call] and log.timed_out(call)
                else "returned"
                if not error
                else "refused"
                if errno == EAGAIN
                else "failed"
            )
            details = () if is_dense or aside else story.details(log[call], ends)
            add(
                Bar(
                    lane,
                    left,
                    right,
                    call,
                    folded_until - call + 1,
                    method,
                    details,
                    syscall,
                    bool(asleep[call]),
                    ends,
                    aside,
                )
            )

    # epolls

    def _add_epolls(self):
        epolls = {}
        for epoll in self.log.epolls:
            if epoll.description not in epolls:
                lines = self._lines(epoll)
                if not self.picked or lines or epoll.description in self.shown:
                    epolls[epoll.description] = epoll, lines
        self.shown |= epolls.keys()
        alone, others = _split(
            list(epolls.values()), "epoll", lambda epoll_and_lines: epoll_and_lines[1]
        )
        for epoll, lines in alone:
            self._add_epoll(epoll, lines)
        if others:
            lane = self.picture.add("epoll", f"+{len(others):,} epolls", "", 0.40, 0.10)
            self.lane_of |= {epoll.description: lane for epoll, _ in others}

    def _lines(self, epoll):
        """List what *epoll* watched, what ended first at the top: (stream or −1, from, to, event
        mask, disabled).
        """
        self._note_polls_without_out(epoll)
        wanted = (
            self.shown
            if epoll.description not in self.shown or not self.picked
            else set(self.description)
        )
        lines = [
            (
                entry.stream,
                self._edge(entry.from_call, entry.from_step, entry.from_ns),
                self._edge(entry.to_call, entry.to_step, entry.to_ns),
                entry.mask & ~masks.ALWAYS if entry.from_call is None else entry.mask,
                entry.disabled,
            )
            for entry in self.log.entries(epoll)
            if entry.stream < 0 or self.description[entry.stream] in wanted
        ]
        return sorted(lines, key=itemgetter(2))

    def _edge(self, call, step, at_ns):
        """Return where an entry began or ended: where the call that did it came back."""
        if call is not None:
            return float(self.place.returned[call])
        if step == -inf:  # it was there before
            return 0.0
        return float(self.place.x([step if isinstance(self.place, Steps) else at_ns])[0])

    def _note_polls_without_out(self, epoll):
        """Note which polls were asked for OUT of a stream and came back without it, each time that
        they begin to.
        """
        columns, (_, last, _) = self.log.columns(), self.log.steps
        asking = [
            entry
            for entry in self.log.entries(epoll)
            if entry.mask & masks.OUT and not entry.mask & (EDGE | masks.ONESHOT)
        ]
        silent = set()
        for call in self.asked.get(epoll.description, ()) if asking else ():
            if columns["error"][call] or self.place.is_open[call]:
                continue
            if not CALLS[self.calls[call][0]].waits:
                continue
            events, most = dict(self.log.raw_events(call)), columns["arguments"][call][1:]
            is_cut = len(events) >= (most[0] if most and most[0] > 0 else MOST_EVENTS)
            for entry in asking:
                if entry.from_step < last[call] <= entry.to_step and entry.stream >= 0:
                    if events.get(entry.stream, 0) & masks.OUT:
                        silent.discard(entry.stream)
                    elif entry.stream not in silent and not is_cut:
                        silent.add(entry.stream)
                        self.without_out.setdefault(self.description[entry.stream], []).append(call)

    def _add_epoll(self, epoll, lines):
        alone, others = _split(
            list(dict.fromkeys(line[0] for line in lines)), "entry", self.eventful.__contains__
        )
        rows = len(alone) + bool(others)
        lane = self.picture.add(
            "epoll",
            epoll.name,
            "epoll" if rows else "nothing registered",
            0.20 + 0.26 * rows + 0.12 * (not rows),
            0.10,
        )
        key = epoll.description
        self.lane_of[key] = lane
        self.rows |= {
            (key, stream): lane.top + 0.20 + 0.26 * row for row, stream in enumerate(alone)
        }
        for stream, left, right, mask, disabled in lines:
            if (key, stream) in self.rows:
                name = story.brief(self.log.objects[stream].name) if stream >= 0 else "?"
                label = "disabled" if disabled else f"{name}: {masks.short(mask)}"
                self.picture.entries.append(
                    Entry(lane, left, right, self.rows[key, stream], label, disabled)
                )
        if others:  # what has no row shares one, which counts
            base, together = lane.bottom - 0.02, set(others)
            self.rows |= {(key, stream): base - 0.16 for stream in others}
            changes = sorted(
                (x, sign)
                for stream, left, right, *_ in lines
                if stream in together
                for x, sign in ((left, 1), (right, -1))
            )
            self._add_area(
                lane,
                [x for x, _ in changes],
                np.cumsum([sign for _, sign in changes]).tolist(),
                0,
                base - 0.16,
                base,
                "entries",
            )
        if epoll.closed_by is not None:
            self.picture.closes.append(
                Mark(
                    lane,
                    self.gone[key],
                    lane.top,
                    f"{story.brief(epoll.name)} closed",
                    epoll.closed_by,
                )
            )

    def _add_events(self):
        """The events that poll returned, on the epoll's lane, each tied to the channel that it
        speaks of.
        """
        short = cache(masks.short)
        for epoll, calls in self.asked.items():
            lane = self.lane_of.get(epoll)
            for call in calls if lane is not None else ():
                for stream, mask in self.log.raw_events(call):
                    target, y = None, self.rows.get((epoll, stream), lane.top + 0.20)
                    if stream >= 0:
                        description = self.description[stream]
                        if description not in self.shown and (epoll, stream) not in self.rows:
                            continue
                        side = "source" if mask & masks.OUT and not mask & masks.IN else "sink"
                        target = self.lane_of.get((side, description)) or self.lane_of.get(
                            description
                        )
                    self.picture.events.append(
                        Mark(
                            lane,
                            float(self.place.returned[call]),
                            y,
                            short(mask),
                            call,
                            target,
                        )
                    )

    # channels

    def _add_channels(self):
        """A lane for each direction of a channel, as far as something happened in it."""
        channels = {}
        for flow in self.place.flows:
            ends = {end for end in (flow.source, flow.sink) if end is not None}
            if ends & self.shown:
                channels.setdefault(min(ends), []).append(flow)
        alone, others = _split(
            list(channels.values()),
            "channel",
            lambda flows: any(map(_is_used, flows)),
            lambda flows: any(
                not stream.name.startswith(f"{stream.kind} ")
                for flow in flows
                for stream in self.log.objects
                if stream.description in (flow.source, flow.sink)
            ),
        )
        alone = [[flow for flow in flows if _is_used(flow)] or flows[:1] for flows in alone]
        number = sum(_is_used(flow) for flows in alone for flow in flows)
        height = 0.95 if number < 4 else 0.66 if number < 8 else 0.50 if number < 13 else 0.40
        for flows in alone:
            for flow in flows:
                self._add_flow(flow, height, 0.02 if flow is not flows[0] else 0.10)
        if others:
            self._add_rest([flow for flows in others for flow in flows], len(others))

    def _add_flow(self, flow, height, gap):
        log, place, picture = self.log, self.place, self.picture
        ends = [end for end in log.objects if end.description in (flow.source, flow.sink)]
        kind, used = NOTES.get(flow.unit, ends[0].kind), _is_used(flow)
        note = kind if used or flow.endings else f"{kind}, empty"
        lane = picture.add(
            "channel",
            log.channel_name(flow),
            note,
            (height if flow.unit == "bytes" else min(height, 0.50)) if used else 0.34,
            gap,
        )
        for side, end in (("source", flow.source), ("sink", flow.sink)):
            self.lane_of[side, end] = lane
            self.lane_of.setdefault(end, lane)
        opened = min(
            0.0 if end.opened_by is None else float(place.returned[end.opened_by]) for end in ends
        )
        closed = max(self.gone[end.description] for end in ends)
        area = self._add_area(
            lane,
            place.x([position for position, _, _ in flow.points]),
            [level for _, level, _ in flow.points],
            flow.start_level,
            lane.top + min(0.22, 0.25 * height),
            lane.bottom - 0.10,
            flow.unit,
            opened,
            closed,
        )

        def mark(marks, happenings, xs, levels=None):
            ys = area.height(area.level(xs) if levels is None else levels)
            marks += [
                Mark(lane, x, y, what, call)
                for x, y, (_, what, call) in zip(xs.tolist(), ys.tolist(), happenings, strict=True)
            ]

        filled = {position: level for position, level, _ in flow.points if level}
        if flow.buffer_events and flow.unit == "bytes":
            xs = place.x([position for position, _, _ in flow.buffer_events])
            mark(
                picture.buffer_events,
                flow.buffer_events,
                xs,
                [
                    filled.get(position, there)
                    if what == "non-empty"
                    else 0
                    if what == "empty"
                    else there
                    for (position, what, _), there in zip(
                        flow.buffer_events, area.level(xs), strict=True
                    )
                ],
            )
        refused = [
            (mark.x, mark.what == "full")
            for mark in picture.buffer_events
            if mark.lane is lane and mark.what in ("full", "non-full")
        ]
        for call in self.without_out.get(
            flow.source, ()
        ):  # the kernel would not accept a write, nobody tried one
            x = place.returned[call]
            if not any(is_full for at, is_full in refused[: bisect_right(refused, (x, True))][-1:]):
                mark(picture.not_writable, [(None, "not writable", call)], np.array([x]))
        for position, amount, call in flow.elsewhere:
            unit, way = " B" * (flow.unit == "bytes"), "came from" if amount > 0 else "went"
            words = f"{abs(amount):,}{unit} {way} elsewhere"
            mark(
                picture.elsewhere,
                [(position, words, call)],
                place.x([position]),
                [max(0, amount, filled.get(position, 0))],
            )
        unit = "B" if flow.unit == "bytes" else "waiting"
        lost = {call: f", {amount:,} {unit} discarded" for _, amount, call in flow.discarded}
        for position, how, stream, call in flow.endings:
            words = f"{story.brief(log.objects[stream].name)} {how}{lost.get(call, '')}"
            mark(picture.closes, [(position, words, call)], place.x([position]))

    def _add_area(self, lane, xs, levels, start, top, base, unit, left=0.0, right=None):
        last, end = levels[-1] if levels else start, self.place.width if right is None else right
        xs = np.maximum(np.concatenate([[left], xs, [max([end, *xs[-1:]])]]), left)
        self.picture.areas.append(
            Area(lane, xs, [start, *levels, last], top, base, unit, max([start, *levels]))
        )
        return self.picture.areas[-1]

    def _add_rest(self, flows, number):
        """One lane for all the channels that have none:

        what waits in them together, and each call on one of them.
        """
        lane = self.picture.add("channel", f"+{number:,} channels", "all together", 0.62, 0.14)
        ends = {end for flow in flows for end in (flow.source, flow.sink)}
        self.lane_of |= dict.fromkeys(ends, lane)
        counted = [flow for flow in flows if flow.unit == "bytes"]
        waiting = {number: flow.start_level for number, flow in enumerate(counted)}
        points = sorted(
            (position, at, number, level)
            for number, flow in enumerate(counted)
            for at, (position, level, _) in enumerate(flow.points)
        )
        levels, start = [], sum(waiting.values())
        for _, _, number, level in points:
            levels.append((levels[-1] if levels else start) + level - waiting[number])
            waiting[number] = level
        self._add_area(
            lane,
            self.place.x([position for position, *_ in points]),
            levels,
            start,
            lane.top + 0.16,
            lane.bottom - 0.18,
            "bytes",
        )
        here = [stream >= 0 and self.description[stream] in ends for _, stream, _ in self.calls]
        self.picture.rest = self.place.began[np.array(here)].tolist()


def _as_list(given):
    return list(given) if isinstance(given, (list, tuple, set)) else [given]


def _chosen(wanted, there):
    if wanted is None:
        return there
    names = {str(thread) for thread in _as_list(wanted)}
    if unknown := names - {thread.name for thread in there}:
        raise ValueError(
            f"no thread is called {', '.join(sorted(unknown))}; "
            f"this log knows {', '.join(thread.name for thread in there)}"
        )
    return [thread for thread in there if thread.name in names]


def _split(there, kind, matters=lambda each: True, is_named=lambda each: True):
    """Part what gets a lane (or a row) of its own from what shares one.

    If they are too many, only what *matters* has one, and of that, what the program has named
    comes first.
    """
    if len(there) <= MOST[kind]:
        return there, []
    mattering = [i for i, each in enumerate(there) if matters(each)] or range(len(there))
    first = sorted(sorted(mattering, key=lambda i: not is_named(there[i]))[: MOST[kind]])
    return [there[i] for i in first], [each for i, each in enumerate(there) if i not in first]


def _is_used(flow):
    """Tell whether anything happened in *flow* but the closing of its ends."""
    return bool(
        flow.points
        or flow.buffer_events
        or flow.start_level
        or any(how != "closed" for _, how, *_ in flow.endings)
    )
