"""One attempt, run on real streams under ``record()``: what happens in the child process, and
nothing else.

Facts about forked children
---------------------------
* A child has copies of its parent's file descriptors, and they share the open file descriptions:
  who shuts a socket down there, registers with an epoll there, or makes a stream non-blocking
  there, does so to the parent.
* It has one thread.  What the other threads of the parent held, nobody will ever let go of.

What we do about them
---------------------
Every file descriptor of the parent is replaced by ``/dev/null`` before the attempt begins: the
numbers stay taken, the streams are out of reach.  What is found out goes to files in a folder, by
path, since an attempt may close any number. The attempt has a thread to itself, so that this one
can end the recording while the attempt sleeps or spins.

*Source:* fork(2), dup2(2), setsid(2), getrlimit(2).
"""

import json
import os
import reprlib
import sys
import threading
import time
import traceback
from pathlib import Path

from .. import linux
from ..recording.recorder import record
from ..sandbox import complaint, isolate
from . import scene as scenes
from .content import set_up
from .task import ROUNDS

#: The child tells what it saw after so many seconds, also of an attempt that has not come back.
LIMIT_S = 3.0
#: An attempt that makes more calls in one round is stopped.  It needs some twenty.
MOST_CALLS = 8_000
KEPT_OUTPUT = 100_000


class Enough(BaseException):
    """Ends an attempt that makes calls without an end.  No ``except Exception`` holds it up."""


class Attempt:
    """The learner's function in a thread of its own."""

    def __init__(self, function, arguments):
        self.function, self.arguments = function, arguments
        self.thread = threading.Thread(target=self.run, name="you", daemon=True)
        self.ticks, self.ident, self.is_over = 0, None, False
        self.found = {"state": "late"}

    @property
    def calls(self):
        """How many calls it has made so far, about:

        the recorder looks at the clock twice for each.
        """
        return self.ticks // 2

    def clock(self):
        """Tell the time to the recorder, which asks at each call; that is where a spinner is
        stopped.
        """
        if threading.get_ident() == self.ident:
            self.ticks += 1
            if self.ticks > 2 * MOST_CALLS:
                raise Enough
        return time.perf_counter_ns()

    def run(self):
        self.ident, begin = threading.get_ident(), time.perf_counter()
        try:
            value = self.function(*self.arguments)
            self.found = {
                "state": "returned",
                "took_s": time.perf_counter() - begin,
                **describe(value),
            }
        except Enough:
            self.found = {"state": "spun"}
        except BaseException as error:
            self.found = {"state": "raised", **complaint(error)}
        self.is_over = True


def describe(value) -> dict:
    """Tell what came back in a way that can be written to a file."""
    try:
        shown = reprlib.repr(value)
    except Exception:
        shown = "something that cannot be shown"
    is_data = isinstance(value, (bytes, bytearray))
    try:
        plain = json.loads(json.dumps(value))
    except Exception:
        plain = None
    return {
        "type": type(value).__name__,
        "shown": shown,
        "bytes": bytes(value).hex() if is_data else None,
        "value": plain,
    }


def run_rounds(id, function, seed, folder):
    """Run *function* as an attempt at the exercise *id*, round by round, and leave in *folder* what
    was seen.

    Never returns: the process ends here.
    """
    folder, deadline = Path(folder), time.monotonic() + LIMIT_S
    try:
        isolate(folder / "output")
        if linux.is_asleep(threading.main_thread(), 0) is None:
            raise RuntimeError(
                "this kernel does not show in which call a thread sleeps (/proc/self/task/TID/syscall); run "
                "the course on a Linux that does: README.md names some"
            )
        for number in range(ROUNDS):
            os.truncate(folder / "output", 0)  # so that what is there is this round's
            if not run_round(
                set_up(id, seed, number), function, deadline, folder / f"round-{number}"
            ):
                break
    except BaseException:
        (folder / "failure").write_text(traceback.format_exc())
    os._exit(0)


def run_round(scene, function, deadline, path) -> bool:
    """Run one round and write the log and the findings beside *path*.

    Returns whether another one makes sense.
    """
    before, flags, threads = open_numbers(), blocking(scene), set(threading.enumerate())
    attempt = Attempt(function, scene.arguments)
    counterpart = threading.Thread(
        target=scenes.play, args=(scene, attempt), name=scene.name, daemon=True
    )
    with record(clock=attempt.clock, **scene.streams) as log:
        attempt.thread.start()
        counterpart.start()
        attempt.thread.join(max(0, deadline - time.monotonic()))
        found = attempt.found
        if attempt.is_over:
            counterpart.join(max(0, deadline - time.monotonic()))
    after = open_numbers()
    found |= {
        "wanted": scene.wanted.hex() if isinstance(scene.wanted, bytes) else None,
        "answer": None
        if isinstance(scene.wanted, bytes)
        else {
            "value": scene.wanted,
            "type": type(scene.wanted).__name__,
            "shown": repr(scene.wanted),
            "case": scene.case,
        },
        "is_untouched": scene.is_untouched,
        "least_s": scene.least_s,
        "reply": None if scene.reply is None else scene.reply.hex(),
        "received": bytes(scene.received).hex() if scene.is_received else None,
        "gone": [
            name_of(scene, number)
            for number in before
            if after.get(number) != before[number] and number not in scene.ours
        ],
        "left": [number for number in after if after[number] != before.get(number)],
        "switched": [name for name, was in blocking(scene).items() if flags[name] != was],
        "threads": len(set(threading.enumerate()) - threads - {counterpart, attempt.thread}),
    }
    try:
        sys.stdout.flush()
    except Exception:  # the attempt closed it, or printed more than it may
        pass
    with open(path.with_name("output"), "rb") as printed:
        found["output"] = printed.read(KEPT_OUTPUT).decode(errors="replace")
    log.save(path.with_suffix(".log"))
    path.with_suffix(".json").write_text(json.dumps(found))
    for number in set(scene.streams.values()) - scene.ours:
        if after.get(number) == before[number]:
            os.close(number)
    return found["state"] == "returned" and not found["gone"]


def open_numbers() -> dict:
    """Tell what is open now: number → what the kernel calls it."""
    return {number: text for number in scenes.numbers() if (text := linux.text(number))}


def blocking(scene) -> dict:
    """Tell which streams of *scene* do not block, by name; those that are closed are left out."""
    return {
        name: linux.is_nonblocking(number)
        for name, number in scene.streams.items()
        if linux.inode(number)
    }


def name_of(scene, number) -> str:
    """Name *number* as the scene does."""
    return next(
        (name for name, one in scene.streams.items() if one == number), f"file descriptor {number}"
    )
