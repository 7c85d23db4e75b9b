"""What each thread did with its time: asleep in poll, asleep elsewhere, in calls, in its own code.

Facts
-----
* A thread of a loop that is right sleeps in one place only, in poll.  Asleep in another call, it
  leaves all other streams alone; in calls or in code of its own, it uses the processor.
* From Python one sees that a call took its time.  That it slept meanwhile is known of some calls
  only (see `blocking`); what the others took is time in the call, whatever the kernel did in it.

What we do about them
---------------------
The time of a thread, from its first call to its last, is split in four: nothing is left over.
What it did before and after, no call tells.

*Source:* time(7), clock_gettime(2).
"""

from dataclasses import dataclass

from ..syscalls import STILL_IN_CALL
from .calls import POLLS

#: The four parts, in the order in which they are told and drawn.
PARTS = ("asleep in poll", "asleep elsewhere", "in calls", "in its own code")


@dataclass(frozen=True)
class ThreadUsage:
    """The time of one thread: its name, nanoseconds in all, and the share of each part, in the
    order of `PARTS`; the shares sum up to 1.
    """

    thread: str
    total_ns: int
    shares: tuple

    def __str__(self):
        parts = [
            f"{share:.0%} {part}" for share, part in zip(self.shares, PARTS, strict=True) if share
        ]
        return f"{self.thread}: {self.total_ns / 1e6:,.1f} ms, {', '.join(parts)}."


@dataclass(frozen=True)
class Usage:
    """What the threads of a recording did with their time: `threads`, in the order in which they
    made their first calls.  Printed, a sentence for each; in a notebook, a picture.
    """

    threads: tuple

    def __str__(self):
        return "\n".join(map(str, self.threads)) or "No calls."

    def __repr__(self):
        return str(self)

    def _repr_mimebundle_(self, include=None, exclude=None):
        from ..drawing.usage import draw  # a picture is drawn when somebody looks at it

        return {"text/html": draw(self), "text/plain": str(self)}


def find_usage(log) -> Usage:
    """Return what each thread of *log* did with its time.

    A call that had not come back lasts until the last moment that the log knows of.
    """
    columns, asleep = log.columns(), log.asleep
    starts, ends = columns["start_ns"], columns["end_ns"]
    last_ns = max((*starts, *ends), default=0)
    spans, spent = {}, {}
    for call, (name, thread, start, end) in enumerate(
        zip(columns["name"], columns["thread"], starts, ends, strict=True)
    ):
        end = last_ns if end == STILL_IN_CALL else end
        first, upto = spans.get(thread, (start, start))
        parts = spent.setdefault(thread, [0, 0, 0])
        # a signal handler's calls lie inside another call: count no moment twice
        parts[(name not in POLLS) if asleep[call] else 2] += max(end - max(start, upto), 0)
        spans[thread] = first, max(upto, end)
    threads = []
    for thread, (first, upto) in spans.items():
        total = upto - first
        parts = [*spent[thread], total - sum(spent[thread])]
        shares = tuple(part / total if total else 0.0 for part in parts)
        threads.append(ThreadUsage(log.threads[thread].name, total, shares))
    return Usage(tuple(threads))
