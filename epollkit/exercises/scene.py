"""What an attempt is put into: its streams, and somebody at the other end.

Facts about threads
-------------------
* Who waits for a moment by the clock meets another moment on a busy machine.  The kernel tells in
  which call a thread sleeps, and how much waits in a stream: these are moments that can be waited
  for.
* A thread that polls busily never sleeps.

What we do about them
---------------------
The *counterpart* is a thread.  It acts when the attempt has *settled*: the attempt sleeps in a call
on one of its streams or epolls, or it has made so many calls for nothing that it plainly does not
mean to sleep, or it is over.  So each step falls into the same moment every time, and who polls
busily is caught every time.

*Source:* proc_pid_syscall(5), FIONREAD in pipe(7).
"""

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .. import linux

#: Who makes so many calls on streams that stand still does not mean to sleep.
ASKED_IN_VAIN = 25


@dataclass
class Scene:
    """The streams of one round, and what is to happen.

    `streams`: name → file descriptor.  `arguments` are handed to the attempt.  `wanted` is what is
    to arrive: bytes in what the attempt returns, or, if `is_received`, in `received`; of any other
    type it is the value to return, and `case` says why.  `part`, a function of the scene and the
    attempt, is what the counterpart does.  `is_untouched`: the attempt is to read nothing.
    `least_s`: how long it is to wait, at least.  `reply`: what the counterpart answers in the end,
    and the attempt is to return.  `ours`: numbers that the counterpart has closed.
    """

    streams: dict
    arguments: tuple
    wanted: object
    part: Callable
    name: str
    is_received: bool = False
    case: str = ""
    is_untouched: bool = False
    least_s: float = 0
    reply: bytes | None = None
    received: bytearray = field(default_factory=bytearray)
    ours: set = field(default_factory=set)

    def close(self, number):
        """Close *number* on the counterpart's side."""
        self.ours.add(number)
        os.close(number)


def nobody_acts(scene, attempt):
    """The part of a counterpart who does nothing."""


def play(scene, attempt):
    """Play the counterpart's part in *scene*; to be called in its own thread."""
    try:
        scene.part(scene, attempt)
    except OSError:  # the attempt closed what was not its own: that shows
        pass


def wait_until_settled(scene, attempt, stands_still):
    """Wait until *attempt* sleeps, calls in vain, or is over, while ``stands_still()`` tells
    that nothing moves.
    """
    calls = attempt.calls
    while not attempt.is_over:
        if not stands_still():
            calls = attempt.calls
        elif attempt.calls - calls >= ASKED_IN_VAIN or is_asleep(scene):
            if stands_still():
                return
        time.sleep(0.001)


def is_asleep(scene) -> bool:
    """Tell whether the attempt, or a thread that it started, sleeps in a call on a stream of
    *scene*, or in any epoll.
    """
    epolls = [number for number in numbers() if linux.text(number) == "anon_inode:[eventpoll]"]
    threads = set(threading.enumerate()) - {threading.main_thread(), threading.current_thread()}
    return any(
        linux.is_asleep(thread, number)
        for thread in threads
        for number in {*scene.streams.values(), *epolls}
    )


def numbers() -> list[int]:
    """List the file descriptors of this process; one of them, used for the listing, is closed by
    now.
    """
    return sorted(map(int, os.listdir("/proc/self/fd")))


def is_empty(*streams) -> bool:
    """Tell whether nothing waits in any of *streams*; in one that the attempt has closed nothing
    does.
    """
    for stream in streams:
        with contextlib.suppress(OSError):
            if linux.bytes_waiting(stream):
                return False
    return True


def is_full(stream) -> bool:
    """Tell whether *stream* is not writable now."""
    return not linux.readiness(stream, select.POLLOUT) & select.POLLOUT
