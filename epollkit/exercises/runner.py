"""One attempt, run on real streams under ``record()``: what happens in the child process, and
nothing else.

Facts about attempts
--------------------
* An attempt that sleeps on a stream goes on when somebody writes, reads or closes.  When the
  counterpart has played its part, or has given up, and there is no other thread or process, nobody
  will.
* On a machine with too much to do everything takes longer, also what is right.

What we do about them
---------------------
Where nobody can wake the attempt any more, the round is over at once.  Everything else that does
not come back (a nap, a lock, a loop that makes no calls) is given up after a number of short
looks: a few seconds, and more on a busy machine, which looks less often.
"""

import json
import os
import reprlib
import sys
import threading

from .. import linux
from ..recording.recorder import record
from ..sandbox import KEPT_OUTPUT, Enough, Watched
from . import scene as scenes
from .content import set_up
from .task import ROUNDS

#: The child tells what it saw after looks that take so many seconds on a machine with nothing else
#: to do, also of an attempt that has not come back.
LIMIT_S = 3.0
#: An attempt that makes more calls in one round is stopped.  It needs some twenty.
MOST_CALLS = 8_000
#: Seconds from one look to the next: is it over, and can anybody still wake an attempt that sleeps?
LOOK_S = 0.01


class Patience:
    """Looks that are left, for all rounds together."""

    def __init__(self):
        self.looks = round(LIMIT_S / LOOK_S)

    def wait(self, thread):
        """Wait for the time of one look, or until *thread* has ended."""
        thread.join(LOOK_S)
        self.looks -= 1


class Attempt(Watched):
    """The learner's function, in a thread called ``you``.

    `meanwhile` is called before each of its calls: a counterpart that is to act just as fast sets
    it.
    """

    def __init__(self, function, arguments):
        super().__init__("you", function, arguments)
        self.meanwhile = lambda: None

    def before_call(self):
        if self.calls > MOST_CALLS:
            raise Enough
        self.meanwhile()

    def describe(self, value) -> dict:
        """Tell what was returned in a way that can be written to a file."""
        try:
            shown = reprlib.repr(value)
        except Exception:
            shown = "something that cannot be shown"
        try:
            plain = json.loads(json.dumps(value))
        except Exception:
            plain = None
        is_data = isinstance(value, (bytes, bytearray))
        return {
            "type": "bytes" if is_data else type(value).__name__,
            "shown": shown,
            "bytes": bytes(value).hex() if is_data else None,
            "value": plain,
        }


def run_rounds(folder, id, function, seed):
    """Run *function* as an attempt at the exercise *id*, round by round, and leave in *folder* what
    was seen.
    """
    patience = Patience()
    if linux.is_asleep(threading.main_thread(), 0) is None:
        raise RuntimeError(
            "this kernel does not show in which call a thread sleeps (/proc/self/task/TID/syscall); "
            "run the course on a Linux that does: README.md names some"
        )
    for number in range(ROUNDS):
        os.truncate(folder / "output", 0)  # so that what is there is this round's
        scene = set_up(id, seed, number)
        if not run_round(scene, function, patience, folder / f"round-{number}"):
            break


def run_round(scene, function, patience, path) -> bool:
    """Run one round and write the log and the findings beside *path*.

    Returns whether another one makes sense.
    """
    before, flags, threads = open_numbers(), blocking(scene), set(threading.enumerate())
    attempt = Attempt(function, scene.arguments)
    counterpart = threading.Thread(
        target=scenes.play, args=(scene, attempt), name=scene.name, daemon=True
    )
    with record(gate=attempt.gate, **scene.streams) as log:
        attempt.thread.start()
        counterpart.start()
        found = wait_for(attempt, counterpart, patience)
    after = open_numbers()
    found |= {
        "wanted": scene.wanted.hex() if isinstance(scene.wanted, bytes) else scene.wanted,
        "case": scene.case,
        "is_received": scene.is_received,
        "is_untouched": scene.is_untouched,
        "least_s": scene.least_s,
        "until_s": scene.until_s,
        "most_in_hand": scene.most_in_hand,
        "most_changes": scene.most_changes,
        "reply": None if scene.reply is None else scene.reply.hex(),
        "received": bytes(scene.received).hex(),
        "gone": [
            name_of(scene, number)
            for number in before
            if after.get(number) != before[number] and number not in scene.ours
        ],
        "left": [number for number in after if after[number] != before.get(number)],
        "switched": [name for name, was in blocking(scene).items() if flags[name] != was],
        "known_threads": [
            thread.native_id for thread in (threading.current_thread(), attempt.thread, counterpart)
        ],
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


def wait_for(attempt, counterpart, patience) -> dict:
    """Wait until *attempt* is over, or nobody can wake it, or *patience* is at its end.  Returns
    how it ended; ``stuck`` if nobody can wake it.
    """
    looks = calls = 0
    while not attempt.is_over and patience.looks > 0:
        patience.wait(attempt.thread)
        if calls == attempt.calls and scenes.sleeps_for_ever(attempt.thread):
            looks += 1
        else:
            calls, looks = attempt.calls, 0
        if looks == scenes.LOOKS:
            return {"state": "stuck"}
    found = dict(attempt.result)
    while attempt.is_over and counterpart.is_alive() and patience.looks > 0:
        patience.wait(counterpart)
    return found


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
    names = {fd: name for name, fd in scene.streams.items()}
    return names.get(number, f"file descriptor {number}")
