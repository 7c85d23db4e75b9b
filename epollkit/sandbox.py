"""A function in a child process that can be killed, whatever it does.

Facts about children
--------------------
* A process that sleeps, spins or holds the interpreter's lock can be ended from outside, by
  SIGKILL, and in no other way that is certain.
* Its number may be given away once somebody has waited for it; a pidfd goes on meaning this one
  process.

What we do about them
---------------------
The child is forked, so that it has the learner's function as it is.  It leads a session of its own:
no Ctrl-C comes to it, and what it starts is killed with it.  Until it is gone, nobody waits for its
number.

*Source:* pidfd_open(2), setsid(2), kill(2).
"""

import gc
import multiprocessing
import os
import resource
import select
import signal
import sys
import threading
import time
import traceback
import warnings

from . import linux
from .recording.callsite import is_learners

LIMIT_S = 5.0
#: Bytes that a child may write to a file, and of memory that it may take beyond what it has.
MOST_OUTPUT, MORE_MEMORY = 1 << 24, 1 << 30
#: How often to look whether Ctrl-C came, in milliseconds.
LOOK_MS = 50


def run_apart(target, *args, limit_s=LIMIT_S) -> str:
    """Call *target* with *args* in a forked child, and wait until it is gone, at most *limit_s*
    seconds.

    Returns ``"ended"``, ``"killed"`` if time was up, or ``"stopped"`` if Ctrl-C came meanwhile.
    """
    child = multiprocessing.get_context("fork").Process(target=target, args=args)
    with CtrlC() as ctrl_c:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # fork where there are threads: the child has but one
            child.start()
        try:
            is_over = is_gone(child.pid, ctrl_c, limit_s)
        finally:
            end(child)
    return "stopped" if ctrl_c.came else "ended" if is_over else "killed"


class CtrlC:
    """Note Ctrl-C for the length of a block instead of raising KeyboardInterrupt, anywhere and
    half-way through.
    """

    def __init__(self):
        self.came, self.before = False, None

    def note(self, *_):
        self.came = True

    def __enter__(self):
        if (
            threading.current_thread() is threading.main_thread()
        ):  # no other thread gets a KeyboardInterrupt
            self.before = signal.getsignal(signal.SIGINT)
            if self.before is not None:
                signal.signal(signal.SIGINT, self.note)
        return self

    def __exit__(self, *_):
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)


def is_gone(pid, ctrl_c, limit_s) -> bool:
    """Wait until the process *pid* is gone; return False if it is not after *limit_s* seconds,
    or when Ctrl-C came.
    """
    deadline, handle = time.monotonic() + limit_s, os.pidfd_open(pid)
    try:
        asking = select.poll()
        asking.register(handle, select.POLLIN)
        while (
            not (is_over := bool(asking.poll(LOOK_MS)))
            and time.monotonic() < deadline
            and not ctrl_c.came
        ):
            pass
        return is_over
    finally:
        os.close(handle)


def end(child):
    """Kill *child* and what it started, and let go of it."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:  # it did not come so far as to lead a session
        os.kill(child.pid, signal.SIGKILL)
    child.join()
    child.close()


def isolate(output):
    """Cut this process off from the streams, the signals and the objects of its parent."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.freeze()  # what the parent made is not cleaned up here
    nothing = os.open(os.devnull, os.O_RDWR)
    kept = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in sorted(map(int, os.listdir("/proc/self/fd"))):
        if number not in (nothing, kept) and linux.text(number):
            os.dup2(kept if number in (1, 2) else nothing, number, inheritable=False)
    os.close(nothing)
    os.close(kept)
    sys.stdout = sys.stderr = open(1, "w", buffering=1, errors="replace", closefd=False)
    with open("/proc/self/statm") as sizes:
        memory = int(sizes.read().split()[0]) * os.sysconf("SC_PAGESIZE")
    for what, most in (
        (resource.RLIMIT_FSIZE, MOST_OUTPUT),
        (resource.RLIMIT_AS, memory + MORE_MEMORY),
    ):
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(
            what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard)
        )


def complaint(error) -> dict:
    """Tell what was raised, and the learner's line that raised it."""
    frames = [
        frame
        for frame in traceback.TracebackException.from_exception(error).stack
        if is_learners(frame.filename)
    ]
    said = "".join(traceback.format_exception_only(error)).strip()[:500]
    return {
        "type": type(error).__name__,
        "said": said,
        "line": frames[-1].line if frames else "",
        "number": frames[-1].lineno if frames else 0,
    }
