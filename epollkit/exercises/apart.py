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
import warnings

LIMIT_S = 5.0


def run_apart(target, *args) -> str:
    """Call *target* with *args* in a forked child, and wait until it is gone, at most LIMIT_S seconds.

    Returns ``"ended"``, ``"killed"`` if time was up, or ``"stopped"`` if a KeyboardInterrupt came meanwhile.
    """
    child = multiprocessing.get_context("fork").Process(target=target, args=args)
    how, mask = "stopped", signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # fork where there are threads: the child has but one
            child.start()
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            how = "ended" if is_gone(child.pid) else "killed"
        except KeyboardInterrupt:
            pass
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        if child.pid is not None:
            end(child)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return how


def is_gone(pid) -> bool:
    """Wait until the process *pid* is gone; return False if it is not after LIMIT_S seconds."""
    handle = os.pidfd_open(pid)
    try:
        asking = select.poll()
        asking.register(handle, select.POLLIN)
        return bool(asking.poll(LIMIT_S * 1000))
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
