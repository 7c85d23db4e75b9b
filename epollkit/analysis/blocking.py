"""Who was asleep?

Facts about the kernel
----------------------
* A call that may wait does so only if it cannot be answered at once.  Then its thread sleeps until
  something causes it to go on: bytes, room, a caller, the other end closing, a registration, or the
  timeout.
* From Python one sees only that a call took its time.  That time includes getting the GIL back,
  which under load is five milliseconds of Python, and no sleep in the kernel at all.

What we do about them
---------------------
"Asleep" is said only of a call that may sleep, and for one of five reasons: it is still in the
call; it timed out; its cause started after it, when nothing that it waited for can have been there;
for a write, the kernel said meanwhile that there is no room; or Ctrl-C broke it off when there was
nothing to return.  Everything else is just "in the call".

*Source:* epoll(7), pipe(7), ``fs/eventpoll.c``, ep_poll().
"""

from bisect import bisect_right
from itertools import accumulate
from math import inf

from ..syscalls import NOTHING_MOVED, READS, STILL_IN_CALL
from .calls import POLLS
from .causes import Causes


def find_sleepers(log) -> bytearray:
    """Return for each call of *log* 1 if it was asleep for certain, else 0."""
    columns = log.columns()
    starts, ends, names = columns["start_ns"], columns["end_ns"], columns["name"]
    asleep = bytearray(len(starts))
    for flow in log.traffic.flows:
        _find_writers(log, flow, asleep)
    causes = Causes(log, asleep)
    following = [*starts[1:], inf]
    for call, (name, may_sleep, end, then) in enumerate(
        zip(names, columns["may_sleep"], ends, following[: len(starts)], strict=True)
    ):
        if not may_sleep:
            pass
        elif end == STILL_IN_CALL:
            asleep[call] = call not in log.awake_at_the_end
        elif log.timed_out(call):
            asleep[call] = 1
        elif (error := columns["error"][call]) and error[0] == "KeyboardInterrupt":
            asleep[call] = causes.nothing_to_return(call)
        elif then < end and not asleep[call]:  # a cause that is a call began meanwhile
            if name in READS:
                asleep[call] = causes.readable_later(columns["stream"][call], starts[call], end)
            elif name in POLLS:
                asleep[call] = causes.poll_later(call)
        if causes.has_memory and name in POLLS:
            causes.remember(call)
    return asleep


def _find_writers(log, flow, asleep):
    """Mark the writes during which the kernel said: no room, and not all of their bytes are in."""
    if not any(not writable for *_, writable in flow.notes):
        return
    errnos = log.columns()["errno"]
    ended = [inf if flow.ends[call] == STILL_IN_CALL else flow.ends[call] for call in flow.writes]
    began = [flow.starts[call] for call in flow.writes]
    open_until = list(accumulate(ended, max))
    for since, until, waiting, writable in flow.notes:
        at = bisect_right(began, since) - 1
        while not writable and at >= 0 and open_until[at] >= until:
            call = flow.writes[at]
            if (
                ended[at] >= until
                and log.may_sleep(call)
                and errnos[call] not in NOTHING_MOVED
                and waiting - flow.least(since, until) < log.wanted(call)
            ):
                asleep[call] = 1
            at -= 1
