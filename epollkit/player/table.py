"""The steps of a recording as one table: all that the player on the page will ever say.

Facts about players
-------------------
* A page that asks Python for each step waits when Python is busy, and is lost when Python stops.
* What stands beside a step mostly stood beside the one before: a thousand rounds of write, poll and
  read know three interest lists and two levels.
* A page shows a dozen rows at a time, a program may register ten thousand streams.

What we do about them
---------------------
The whole recording is walked once, from the first step to the last.  Each thing that can be said of
a step is a column: its distinct values, and for each step the index of one.  The parts of the panel
beside the code (interest lists, levels, the last poll, who sleeps) change by rows; a part that has
too many says how many it leaves out.

Everything is worked out from the log alone.  So it can be asked of a recording that came from
another machine, and of one made long ago.
"""

from bisect import bisect_left, bisect_right
from math import inf
from operator import itemgetter

import numpy as np

from .. import masks
from ..analysis import story
from ..drawing import ink
from ..drawing.axis import duration
from ..syscalls import CALLS, STILL_IN_CALL

#: How many rows a part of the panel has at most.
MOST_ROWS = 12


def build_table(log, timeline, always=False) -> dict:
    """Return what the player says of each step of *log*, as plain data that JSON can hold.

    The player has a *stop* for each slot of *timeline* (a `Timeline` in steps): one for each step,
    and in a run of calls that is folded, some.  *always* adds to each entry of an interest list
    that the kernel watches ERR and HUP unasked; otherwise these are named where a poll has reported
    them.

    `columns` has what is said of each stop, see `column`; ``us`` is microseconds since the first
    call.  `bars` are boxes on the picture, in percent of it: (left, top, width, height, stop,
    calls).  `cursor` has where the first stop begins and how wide one is, in percent of the
    picture's width, and how far down the lanes begin.
    """
    start, _, count = log.steps
    place = timeline.layout.place
    middles = np.interp(np.arange(place.slots) + 0.5, place.places, place.edges) - 0.5
    steps = np.clip(np.floor(middles + 0.01), 0, count - 1).astype(int).tolist()
    all_happenings = happenings_of(log)
    happenings = [all_happenings[step] for step in steps]
    calls = [call for call, _ in happenings]
    bars, bar_of = place_bars(timeline, lambda call: bisect_left(steps, start[call]))
    happened, told = words_of(log, happenings)
    columns = {
        "step": column(step + 1 for step in steps),
        "us": column(times_of(log, happenings)),
        "happened": column(happened),
        "call": column(told),
        "took": column(took(log, call) for call in calls),
        "line": column(lines_of(log, calls)),
        "bar": column(bar_of.get(call, -1) for call in calls),
        "interest": column(rows_at(steps, interest_changes(log, always))),
        "levels": column(rows_at(steps, level_changes(log))),
        "poll": column(rows_at(steps, poll_changes(log))),
        "threads": column(rows_at(steps, thread_changes(log))),
    }
    return {
        "count": count,
        "stops": len(steps),
        "sources": [text.splitlines() for text in log.sources.values()],
        "bars": bars,
        "cursor": cursor(timeline),
        "columns": columns,
    }


def happenings_of(log) -> list:
    """Return what happens at each step of *log*: (the call, whether it returns there)."""
    start, end, count = log.steps
    happenings = [None] * count
    for call, (began, ended) in enumerate(zip(start, end, strict=True)):
        happenings[began] = call, False
        if began < ended < count:
            happenings[ended] = call, True
    return happenings


# what is said of the call at a stop


def column(values) -> dict:
    """Return *values*, one for each stop, as a column.

    A column has `values`, and for each stop the index of one `at`.  Without `at` each stop has a
    value of its own, or all have the only one.
    """
    values = list(values)
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
    if len(numbers) in (1, len(values)):
        return {"values": list(numbers)}
    return {"values": list(numbers), "at": [numbers[value] for value in values]}


def times_of(log, happenings):
    """Yield when each of *happenings* was, in microseconds since the first call."""
    starts, ends = log.columns()["start_ns"], log.columns()["end_ns"]
    for call, returns in happenings:
        yield ((ends if returns else starts)[call] - starts[0]) // 1000


def took(log, call) -> str:
    """Spell how long *call* took."""
    start, end = (log.columns()[name][call] for name in ("start_ns", "end_ns"))
    return "not back at the end" if end == STILL_IN_CALL else duration(end - start)


def words_of(log, happenings) -> tuple:
    """Return for each of *happenings* what happened, and about its call: (thread, call, stream,
    bytes).
    """
    columns, (start, end, count) = log.columns(), log.steps
    names = ("name", "thread", "stream", "epoll", "arguments", "result", "error", "errno", "moved")
    kept = [columns[name] for name in names]
    words, happened, told = {}, [], []
    for call, returns in happenings:
        state = returns, start[call] == end[call], end[call] == count, log.asleep[call]
        alike = repr([state, *(each[call] for each in kept)])  # lists cannot be keys
        if alike not in words:
            words[alike] = story.happening(log, call, returns), _about(log, log[call])
        happened.append(words[alike][0])
        told.append(words[alike][1])
    return happened, told


def _about(log, call) -> tuple:
    thread = f"thread {call.thread.name}" if len(log.threads) > 1 else ""
    stream, moved = "", ""
    if call.stream is not None:
        role = f", {call.stream.role}" if call.stream.role else ""
        stream = f"{call.stream.name} ({call.stream.kind}{role})"
        if call.bytes_moved and call.stream.kind != "eventfd":
            moved = story.count(call.bytes_moved, "byte")
    return thread, story.spell(call) + story.outcome(call), stream, moved


def lines_of(log, calls):
    """Yield for each of *calls* its line: (source, number, whether it is the call's own).

    A call that a library made has no line of the learner's: then the one where the program was
    last, or will be first.
    """
    columns, numbers = log.columns(), {name: number for number, name in enumerate(log.sources)}
    own = [
        (numbers.get(log.lines[at].source, -1), log.lines[at].number) if at >= 0 else None
        for at in columns["line"]
    ]
    last = next(filter(None, own), (-1, 0))
    for call in calls:
        last = own[call] or last
        yield *last, own[call] is not None


def rows_at(steps, changes):
    """Yield the rows that stand after each of *steps*.

    *changes* is (step, key, row): from that step on *row* stands at *key*, or nothing if it is
    None.  Rows stand in the order of their keys; the first cell of a row is its heading.
    """
    changes = sorted(changes, key=itemgetter(0))
    rows, shown, done = {}, (), 0
    for step in steps:
        begun = done
        while done < len(changes) and changes[done][0] <= step:
            _, key, row = changes[done]
            rows.pop(key, None)
            if row is not None:
                rows[key] = row
            done += 1
        if done > begun:
            shown = _last_of([rows[key] for key in sorted(rows)])
        yield shown


def _last_of(rows) -> tuple:
    """Return *rows*, or of too many the last ones, and how many stand before these."""
    left_out = len(rows) - MOST_ROWS + 1
    if left_out <= 1:
        return tuple(rows)
    return (rows[0][0], f"{left_out} more, and"), *rows[left_out:]


# what changes beside the code: (step, key, row)


def opened_and_closed(log) -> tuple:
    """Return for each object of *log* after which step it is open, and after which it is closed."""
    start, end, _ = log.steps
    starts = log.columns()["start_ns"]
    opened = [-1 if one.opened_by is None else end[one.opened_by] for one in log.objects]
    closed = [
        inf
        if one.closed_ns is None
        else end[one.closed_by]
        if one.closed_by is not None
        else start[min(bisect_right(starts, one.closed_ns), len(starts) - 1)]
        for one in log.objects
    ]
    return opened, closed


def interest_changes(log, always):
    """Yield the changes of the interest lists of all epolls: a row for each entry."""
    opened, closed = opened_and_closed(log)
    reported = reported_unasked(log)
    seen = set()
    for epoll in log.epolls:
        if epoll.description in seen or epoll.internal:
            continue
        seen.add(epoll.description)
        heading, places = f"{epoll.name} watches", {}
        watched = [(opened[epoll.index], 0), (closed[epoll.index], 0)]  # how many entries there are
        for entry in log.entries(epoll):
            watched += [(entry.from_step, 1), (entry.to_step, -1)]
            # an entry that is modified keeps its place
            key = epoll.index, 1 + places.setdefault((entry.number, entry.stream), len(places))
            name = log.objects[entry.stream].name if entry.stream >= 0 else f"({entry.number})"
            unasked = masks.ALWAYS if always else 0
            yield entry.from_step, key, (heading, name, *_asked_for(entry, unasked))
            for step, bits in reported.get((epoll.description, entry.number), ()):
                if entry.from_step <= step < entry.to_step:
                    unasked |= bits
                    yield step, key, (heading, name, *_asked_for(entry, unasked))
            yield entry.to_step, key, None
        yield from _whether_empty(epoll, heading, sorted(watched), closed[epoll.index])


def _whether_empty(epoll, heading, watched, closed):
    """Yield the row that stands for an empty list."""
    count = 0
    for step, more in watched:
        count += more
        is_empty = count == 0 and step < closed
        yield step, (epoll.index, 0), (heading, "nothing") if is_empty else None


def reported_unasked(log) -> dict:
    """Return where polls reported ERR or HUP: {(epoll, number): [(step, mask)]}."""
    _, end, _ = log.steps
    columns, reported = log.columns(), {}
    for call, epoll in enumerate(columns["epoll"]):
        for stream, mask in log.raw_events(call) if epoll >= 0 else ():
            if mask & masks.ALWAYS and stream >= 0:
                key = log.objects[epoll].description, log.objects[stream].number
                reported.setdefault(key, []).append((end[call], mask & masks.ALWAYS))
    return reported


def _asked_for(entry, unasked) -> tuple:
    """Spell the mask of an entry as it was asked for, and what the kernel adds to it."""
    asked = masks.short(entry.mask) if entry.mask & masks.CONDITIONS else "no condition"
    unasked &= ~entry.mask
    if entry.disabled:
        return asked, "disabled: it has fired"
    return (asked, f"and {masks.short(unasked)}, unasked") if unasked else (asked,)


def level_changes(log):
    """Yield the changes of what waits: a row for each channel that is open."""
    opened, closed = opened_and_closed(log)
    for number, flow in enumerate(log.flows_by_step):
        ends = {flow.source, flow.sink} - {None}
        held = [one for one in log.objects if one.description in ends and not one.internal]
        if not held or not (flow.unit == "bytes" or len(ends) == 1):
            continue
        changes = [(step, "level", level) for step, level, _ in flow.points]
        changes += [
            (step, "full", "full" if what == "full" else "")
            for step, what, _ in flow.buffer_events
            if what in ("full", "non-full")
        ]
        changes += [
            (step, ("ending", place), f"{log.objects[stream].name} {how}")
            for place, (step, how, stream, _) in enumerate(flow.endings)
        ]
        for one in held:
            changes += [(opened[one.index], "open", 1), (closed[one.index], "open", -1)]
        yield from _level_rows(number, log.channel_name(flow), flow.unit, changes)


def _level_rows(number, name, unit, changes):
    level, is_open, words = 0, 0, {}
    for step, what, value in sorted(changes, key=itemgetter(0)):
        if what == "open":
            is_open += value
        elif what == "level":
            level = value
        else:
            words[what] = value
        waiting = {
            "bytes": f"{story.count(level, 'byte')} waiting",
            "connections": f"{story.count(level, 'connection')} waiting",
            "count": f"count {level:,}",
        }[unit]
        notes = [word for word in words.values() if word]
        row = name, waiting, *([", ".join(notes)] if notes else [])
        yield step, number, row if is_open > 0 else None


def poll_changes(log):
    """Yield what the last poll returned."""
    _, end, count = log.steps
    told = {}
    for call, name in enumerate(log.columns()["name"]):
        if CALLS[name].waits and end[call] < count:
            columns = log.columns()
            alike = repr([columns[c][call] for c in ("epoll", "arguments", "result", "error")])
            if alike not in told:
                told[alike] = story.spell(log[call]) + story.outcome(log[call])
            yield end[call], 0, ("last poll", told[alike])


def thread_changes(log):
    """Yield which threads are asleep, or in a call and not known to sleep."""
    start, end, _ = log.steps
    for call, (began, ended) in enumerate(zip(start, end, strict=True)):
        if began < ended:
            is_in = "asleep" if log.asleep[call] else "in a call"
            row = is_in, log[call].thread.name, f"in {story.spell(log[call])}"
            yield began, (is_in, call), row
            yield ended, (is_in, call), None


# where things are on the picture


def place_bars(timeline, stop_of) -> tuple:
    """Return the boxes of the calls on the picture, and which box each call has.

    None where there are so many calls that the picture shows how dense they are.
    """
    plan, boxes, box_of = timeline.layout, [], {}
    width, height = timeline.figure.get_size_inches()
    head = height - plan.height - ink.FOOT
    for bar in plan.bars if not plan.is_dense else ():
        left, right = timeline.across(bar.left), timeline.across(bar.right)
        top, bottom = (head + bar.lane.top) / height, (head + bar.lane.bottom) / height
        for call in range(bar.call, bar.call + bar.count):
            box_of[call] = len(boxes)
        box = (left, top, max(right - left, 0.004), bottom - top)
        boxes.append((*(round(100 * part, 3) for part in box), stop_of(bar.call), bar.count))
    return boxes, box_of


def cursor(timeline) -> tuple:
    """Return where the first stop begins, how wide a stop is, and where the lanes begin, in
    percent.
    """
    first, second = timeline.across(0), timeline.across(1)
    height = timeline.figure.get_size_inches()[1]
    head = height - timeline.layout.height - ink.FOOT
    return (
        round(100 * first, 4),
        round(100 * (second - first), 6),
        round(100 * head / height, 3),
    )
