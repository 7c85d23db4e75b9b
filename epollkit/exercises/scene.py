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

*Source:* proc_pid_syscall(5), proc_pid_task(5), FIONREAD in pipe(7).
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
#: So many looks in a row must agree that nobody can wake the attempt.
LOOKS = 8
#: Socket objects that scenes have opened, whose numbers others close: one that is dropped would
#: close a number that is somebody else's by then.
KEPT = []


@dataclass
class Scene:
    """The streams of one round, and what is to happen.

    `streams`: name → file descriptor.  `arguments` are handed to the attempt.  `wanted` is what is
    to arrive: bytes in what the attempt returns, or, if `is_received`, in `received`; of any other
    type it is the value to return, and `case` says why.  `part`, a function of the scene and the
    attempt, is what the counterpart does.  `is_untouched`: the attempt is to read nothing.
    `least_s`: how long it is to wait, at least; `until_s`: until which moment of
    ``time.monotonic()``.  `most_in_hand`: how many bytes it may have read of one stream and not yet
    written.  `most_changes`: how often it may register, modify and unregister.  `reply`: what the counterpart answers in the end, and the attempt is to return.
    `ours`: numbers that the counterpart has closed.
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
    until_s: float = 0
    most_in_hand: int | None = None
    most_changes: int | None = None
    reply: bytes | None = None
    received: bytearray = field(default_factory=bytearray)
    ours: set = field(default_factory=set)

    def close(self, number):
        """Close *number* on the counterpart's side."""
        self.ours.add(number)
        os.close(number)


def nobody_acts(scene, attempt):
    """The part of a counterpart who does nothing."""


class GivesUp(Exception):
    """The attempt sleeps, and the counterpart can do nothing until the attempt does something."""


def play(scene, attempt):
    """Play the counterpart's part in *scene*; to be called in its own thread."""
    # OSError: the attempt closed what was not its own, which shows
    with contextlib.suppress(OSError, GivesUp):
        scene.part(scene, attempt)


def wait_until_settled(scene, attempt, stands_still):
    """Wait until *attempt* sleeps, calls in vain, or is over, while ``stands_still()`` tells
    that nothing moves.

    Raises GivesUp if it sleeps for ever instead.
    """
    begin = last = attempt.calls
    looks = 0
    while not attempt.is_over:
        if not stands_still():
            begin = attempt.calls
        elif attempt.calls - begin >= ASKED_IN_VAIN or is_asleep(scene):
            if stands_still():
                return
        if last == attempt.calls and sleeps_for_ever(attempt.thread, threading.current_thread()):
            looks += 1
        else:
            last, looks = attempt.calls, 0
        if looks == LOOKS:
            raise GivesUp
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


def sleeps_for_ever(thread, *others) -> bool:
    """Tell whether *thread* sleeps in a call on a stream, with no bound, and there is nobody who
    could wake it: no thread but the main one and *others*, no process, no timer.

    False where the kernel does not tell.
    """
    try:
        words = open_text(f"/proc/self/task/{thread.native_id}/syscall").split()
        if len(words) < 5 or not linux.is_asleep(thread, int(words[1], 16)):
            return False
        threads = os.listdir("/proc/self/task")
        children = [open_text(f"/proc/self/task/{number}/children") for number in threads]
    except OSError:
        return False
    texts = {number: linux.text(number) for number in numbers()}
    kind = texts.get(int(words[1], 16), "")
    if kind == "anon_inode:[eventpoll]":
        # epoll_wait(epfd, events, maxevents, timeout): a timeout below 0 is no bound
        is_bounded = int(words[4], 16) & 0x8000_0000 == 0
    else:
        is_bounded = not kind.startswith(("pipe:", "socket:"))
    has_timer = any(
        text.startswith("anon_inode:") and text not in UNTIMED for text in texts.values()
    )
    is_alone = len(threads) == 2 + len(others) and not any(children)
    return is_alone and not is_bounded and not has_timer


#: What nobody but this process can make ready.
UNTIMED = ("anon_inode:[eventpoll]", "anon_inode:[eventfd]")


def open_text(path) -> str:
    with open(path) as file:
        return file.read().strip()


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
