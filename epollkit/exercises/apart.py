"""A function in a child process that can be killed, whatever it does.

Facts about children
--------------------
* A process that sleeps, spins or holds the interpreter's lock can be ended from outside, by SIGKILL, and in no other way
  that is certain.
* Its number may be given away once somebody has waited for it; a pidfd goes on meaning this one process.

What we do about them
---------------------
The child is forked, so that it has the learner's function as it is.  It leads a session of its own: no Ctrl-C comes to
it, and what it starts is killed with it.  Until it is gone, nobody waits for its number.

*Source:* pidfd_open(2), setsid(2), kill(2).
"""

import multiprocessing
import os
import select
import signal
import threading
import time
import warnings

LIMIT_S = 5.0
#: How often to look whether Ctrl-C came, in milliseconds.
LOOK_MS = 50


def run_apart(target, *args, limit_s=LIMIT_S) -> str:
    """Call *target* with *args* in a forked child, and wait until it is gone, at most *limit_s* seconds.

    Returns ``"ended"``, ``"killed"`` if time was up, or ``"stopped"`` if Ctrl-C came meanwhile.
    """
    child = multiprocessing.get_context("fork").Process(target=target, args=args)
    with CtrlC() as ctrl_c:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # fork where there are threads: the child has but one
            child.start()
        try:
            is_over = is_gone(child.pid, ctrl_c, limit_s)
        finally:
            end(child)
    return "stopped" if ctrl_c.came else "ended" if is_over else "killed"


class CtrlC:
    """Note Ctrl-C for the length of a block instead of raising KeyboardInterrupt, anywhere and half-way through."""

    def __init__(self):
        self.came, self.before = False, None

    def note(self, *_):
        self.came = True

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():  # no other thread gets a KeyboardInterrupt
            self.before = signal.getsignal(signal.SIGINT)
            if self.before is not None:
                signal.signal(signal.SIGINT, self.note)
        return self

    def __exit__(self, *_):
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)


def is_gone(pid, ctrl_c, limit_s) -> bool:
    """Wait until the process *pid* is gone; return False if it is not after *limit_s* seconds, or when Ctrl-C came."""
    deadline, handle = time.monotonic() + limit_s, os.pidfd_open(pid)
    try:
        asking = select.poll()
        asking.register(handle, select.POLLIN)
        while not (is_over := bool(asking.poll(LOOK_MS))) and time.monotonic() < deadline and not ctrl_c.came:
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
