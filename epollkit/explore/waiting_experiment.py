"""Three ways to wait for a parcel: what each costs the reader, and how long the parcel lies there.

Facts about waiting
-------------------
* A blocking ``read`` sleeps at one stream: it wakes at once when bytes come there, and not at all
  when they come elsewhere.
* Busy polling never sleeps in ``read``.  Between two looks it may pause: then a parcel lies there
  for up to the pause. Without a pause it uses a processor up.  ``epoll`` sleeps at all streams at
  once.
* Threads of one Python take turns (the GIL).  One that makes call after call lets go of it so
  shortly that another, which wants to write, may wait for its turn: some 5 ms, unless
  ``sys.setswitchinterval`` was told otherwise.
* A thread has a clock of its own, which runs only while a processor runs the thread:
  CLOCK_THREAD_CPUTIME_ID.

What we do about them
---------------------
A *try* is one wait, on pipes opened for it.  The reader is a thread; who calls is the courier, and
comes after a time that the reader cannot know.  With two streams the first parcel comes to the
*second* stream.  What is counted is the waiting: opening and registering, done once for any number
of parcels, came before.  A reader that still waits when the courier is done, or fails, finds the
end of the stream: no try can hang.

*Source:* read(2), epoll(7), pipe(7), clock_gettime(2).
"""

import os
import random
import select
import threading
import time
from collections import deque
from contextlib import ExitStack
from typing import NamedTuple

from .. import linux

WAYS = ("blocking", "busy polling", "epoll")
INTERVALS_MS = (0, 0.1, 1, 5, 10, 20, 50)
KEPT, PARCEL = 12, b"parcel"
#: Seconds until the courier comes (again), between these two: as far apart as the longest pause.
MEANS_TO = 0.01, 0.06


class Try(NamedTuple):
    """One wait, as it was measured.

    `delays_ns`: for each stream, how long its parcel lay there.  `calls`: of read and poll.
    `cpu_ns`: processor time of the reader's thread.  `late_ns`: how long after it meant to the
    courier wrote, at worst.  `evidence`, of a blocking reader of two streams: what the kernel said
    before the last parcel came: (does the reader sleep in a read of the first stream, bytes that
    wait in the second).
    """

    number: int
    way: str
    interval_ms: float | None
    streams: int
    delays_ns: tuple
    calls: int
    cpu_ns: int
    late_ns: int
    evidence: tuple | None

    @property
    def delay_ns(self):
        return max(self.delays_ns)


class Reader:
    """Who waits:

    reads one parcel from each of *streams*, in one *way*; counts and times what that takes.
    """

    def __init__(self, way, pause_s, streams, epoll):
        self.way, self.pause_s, self.streams, self.epoll = way, pause_s, streams, epoll
        self.calls, self.came_ns, self.cpu_ns, self.error = 0, {}, 0, None

    def run(self):
        """Wait; to be called in the reader's own thread."""
        try:
            cpu_ns = time.thread_time_ns()
            {"blocking": self.block, "busy polling": self.busy_poll, "epoll": self.poll}[self.way]()
            self.cpu_ns = time.thread_time_ns() - cpu_ns
        except Exception as error:
            self.error = error

    def read(self, stream):
        self.calls += 1
        os.read(stream, 64)
        self.came_ns.setdefault(stream, time.perf_counter_ns())

    def block(self):
        for stream in self.streams:
            self.read(stream)

    def busy_poll(self):
        while True:
            for stream in [one for one in self.streams if one not in self.came_ns]:
                try:
                    self.read(stream)
                except BlockingIOError:
                    pass
            if len(self.came_ns) == len(self.streams):
                return
            if self.pause_s:
                time.sleep(self.pause_s)

    def poll(self):
        while len(self.came_ns) < len(self.streams):
            self.calls += 1
            for stream, _ in self.epoll.poll():
                self.read(stream)


class Experiment:
    """The tries made so far, the last dozen of them."""

    def __init__(self):
        self.tries, self.made = deque(maxlen=KEPT), 0

    def attempt(self, way, interval_ms=0, streams=1) -> Try:
        """Wait once, in one of `WAYS`, for a parcel in each of *streams* pipes (1 or 2); takes some
        0.1 s a stream.

        *interval_ms*: the pause between two looks of busy polling, 0 for none.  Raises ValueError
        if there is no such way, OSError if the pipes cannot be opened.  Nothing stays open.
        """
        if way not in WAYS or streams not in (1, 2) or not 0 <= interval_ms <= max(INTERVALS_MS):
            raise ValueError(
                f"got {way!r}, {interval_ms!r} ms, {streams!r} streams; pass one of {WAYS}, "
                f"0 to {max(INTERVALS_MS)} ms, 1 or 2 streams"
            )
        with ExitStack() as read_ends, ExitStack() as write_ends:
            pipes = []
            for _ in range(streams):
                r, w = os.pipe()
                read_ends.callback(os.close, r)
                write_ends.callback(os.close, w)
                os.set_blocking(r, way == "blocking")
                pipes.append((r, w))
            epoll = read_ends.enter_context(select.epoll()) if way == "epoll" else None
            for r, _ in pipes if epoll else ():
                epoll.register(r, select.EPOLLIN)
            reader = Reader(way, interval_ms / 1000, [r for r, _ in pipes], epoll)
            thread = threading.Thread(target=reader.run, name="reader", daemon=True)
            thread.start()
            try:
                sent_ns, late_ns, evidence = self._deliver(pipes, thread, way)
                thread.join(0.15)
            finally:
                write_ends.close()  # a reader that still waits finds the end of the stream
                thread.join(10)
        if reader.error:
            raise reader.error
        delays_ns = tuple(reader.came_ns[r] - sent_ns[w] for r, w in pipes)
        self.made += 1
        self.tries.append(
            Try(
                self.made,
                way,
                interval_ms if way == "busy polling" else None,
                streams,
                delays_ns,
                reader.calls,
                reader.cpu_ns,
                late_ns,
                evidence,
            )
        )
        return self.tries[-1]

    @staticmethod
    def _deliver(pipes, thread, way):
        """Be the courier:

        the last stream's parcel first, each after a time that the reader cannot know.
        """
        sent_ns, late_ns, evidence, plan_ns = {}, 0, None, time.perf_counter_ns()
        for r, w in reversed(pipes):
            begin_ns = plan_ns
            plan_ns += int(1e9 * random.uniform(*MEANS_TO))
            if sent_ns and way == "blocking":
                _sleep_until((begin_ns + plan_ns) // 2)
                evidence = linux.is_asleep(thread, r), linux.bytes_waiting(pipes[1][0])
            _sleep_until(plan_ns)
            sent_ns[w] = time.perf_counter_ns()
            late_ns = max(late_ns, sent_ns[w] - plan_ns)
            os.write(w, PARCEL)
        return sent_ns, late_ns, evidence


def _sleep_until(moment_ns):
    time.sleep(max(0, moment_ns - time.perf_counter_ns()) / 1e9)
