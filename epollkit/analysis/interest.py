"""The interest list of an epoll at any moment, replayed from the calls.

Facts about the kernel
----------------------
* An entry is keyed by two things: the number it was registered under, and the open file description
  behind that.
* ``close`` removes an entry only with the last number of its description.  While a ``dup`` lives,
  the entry stays, as a ghost under a number that stands for nothing, or for something else.
* Each entry has ERR and HUP, asked for or not.  When a one-shot entry has fired, all its conditions
  are gone, those two as well; it stays in the list, disabled.

*Source:* epoll(7), "Will closing a file descriptor cause it to be removed"; ``fs/eventpoll.c``,
ep_send_events().
"""

from bisect import bisect_left
from math import inf
from operator import itemgetter

from .. import masks
from ..syscalls import REGISTERING, STILL_IN_CALL


def replay(log, epoll, at_ns=None, step=None) -> dict:
    """Return what *epoll* watched at *at_ns*, or after *step* (by default at the end):

    {(number, stream or None): mask}.
    """
    if epoll.kind != "epoll":
        raise ValueError(
            f"{epoll.name} is a {epoll.kind}: only an epoll has an interest list; this log knows "
            f"{', '.join(one.name for one in log.epolls) or 'none'}"
        )
    columns, until = log.columns(), (inf if at_ns is None else at_ns, inf if step is None else step)
    description = [one.description for one in log.objects]
    listed = {
        (number, description[stream] if stream is not None else None): mask
        for one in log.objects
        if one.description == epoll.description  # of its numbers, any
        for number, stream, mask in one.start_list
    }
    numbers = {}  # the keys of each open file description
    for key in listed:
        numbers.setdefault(key[1], set()).add(key)
    for time, at, call, closed in _happenings(log, epoll, description):
        if time > until[0] or at > until[1]:
            break
        name = columns["name"][call] if closed is None else ""
        if closed is not None:
            if closed == epoll.description:
                return {}
            for key in numbers.pop(closed, ()):
                listed.pop(key, None)
        elif name == "epoll.poll":
            for stream, _ in log.raw_events(call):
                key = (log.objects[stream].number, description[stream]) if stream >= 0 else None
                if listed.get(key, 0) & masks.ONESHOT:
                    listed[key] &= ~masks.CONDITIONS
        elif name in REGISTERING:
            stream = columns["stream"][call]
            key = (columns["arguments"][call][0], description[stream] if stream >= 0 else None)
            if name == "epoll.unregister":
                listed.pop(key, None)
            else:
                listed[key] = columns["arguments"][call][1] | masks.ALWAYS
                numbers.setdefault(key[1], set()).add(key)
    stream_of = {}
    for one in log.objects:  # of several streams that share number and description, the last
        stream_of[one.number, one.description] = one
    return {
        (number, stream_of.get((number, end), log.objects[end]) if end is not None else None): mask
        for (number, end), mask in listed.items()
    }


def _happenings(log, epoll, description):
    """List what may have changed the list, in the order of steps:

    (time, step, call or None, closed description).
    """
    columns, (_, last, count) = log.columns(), log.steps
    found = [
        (last[call], columns["end_ns"][call], call, None)
        for call, which in enumerate(columns["epoll"])
        if which >= 0
        and description[which] == epoll.description
        and not columns["error"][call]
        and columns["end_ns"][call] != STILL_IN_CALL
    ]
    for one in last_closed(log):
        at = bisect_left(columns["start_ns"], one.closed_ns)
        step = (
            last[one.closed_by]
            if one.closed_by is not None
            else last[at] - 0.5
            if at < len(log)
            else count
        )
        found.append((step, one.closed_ns, None, one.description))
    found.sort(key=itemgetter(0))
    times = [time for _, time, _, _ in found]
    for at in range(len(times) - 2, -1, -1):  # what came before cannot have come later
        times[at] = min(times[at], times[at + 1])
    return [
        (time, at, call, closed) for time, (at, _, call, closed) in zip(times, found, strict=True)
    ]


def last_closed(log):
    """Yield the stream whose close was the last of its open file description, seen or not."""
    same = {}
    for one in log.objects:
        same.setdefault(one.description, []).append(one)
    for streams in same.values():
        if all(one.closed_ns is not None and not one.held_elsewhere for one in streams):
            yield max(streams, key=lambda one: one.closed_ns)
