"""A function in a child process that can be stopped, judged and read back, whatever it does.

Facts about children
--------------------
* A process that sleeps, spins or holds the interpreter's lock can be ended from outside, by
  SIGKILL, and in no other way that is certain.
* Its number may be given away once somebody has waited for it, and not before.
* A forked child has copies of its parent's file descriptors, and they share the open file
  descriptions: to register with an epoll there, or to make a stream non-blocking, does so to the
  parent.  And it has one thread: what the parent's other threads held, nobody will let go of.

What we do about them
---------------------
The child is forked, so that it has the learner's function as it is.  It leads a session of its own:
no Ctrl-C comes to it, and what it starts is killed with it.  Until it is gone, nobody waits for its
number.  Each of the parent's streams is replaced by ``/dev/null`` there: the numbers stay taken,
the streams are out of reach.  What the child has to tell it writes to files in a folder, by path,
since the learner's function may close any number.  That function has a thread to itself, so that
the child can end a recording while it sleeps or spins; it is stopped, if it must be, before a call,
never in one.

*Source:* fork(2), dup2(2), waitid(2) (WNOWAIT), setsid(2), kill(2), getrlimit(2).
"""

import contextlib
import errno
import gc
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

from . import linux
from .recording.callsite import is_learners

LIMIT_S = 5.0
#: Bytes that a child may write to a file, and of memory that it may take beyond what it has.
MOST_OUTPUT, MORE_MEMORY = 1 << 24, 1 << 30
#: How much of what was printed is read back.
KEPT_OUTPUT = 100_000
#: How often to look whether the child is gone or Ctrl-C came, in seconds.
LOOK_S = 0.002


@dataclass(frozen=True)
class Outcome:
    """How a child ended, and the folder with what it left.

    `how` is ``"ended"``, ``"killed"`` if time was up, or ``"stopped"`` if Ctrl-C came meanwhile;
    `signal` is the number of the signal that ended it, or 0.
    """

    how: str
    signal: int
    folder: Path

    def read(self, name) -> str:
        """Return the beginning of the file *name* in the folder; nothing if there is none."""
        path = self.folder / name
        if not path.exists():
            return ""
        with open(path, "rb") as file:
            return file.read(KEPT_OUTPUT).decode(errors="replace")

    @property
    def output(self) -> str:
        """What the child printed."""
        return self.read("output")

    @property
    def failure(self) -> str:
        """What went wrong in our own code, in one line; empty if nothing did."""
        return "".join(self.read("failure").splitlines()[-1:])


@contextlib.contextmanager
def run_apart(target, *args, limit_s=LIMIT_S, is_enough=lambda folder: False):
    """Call ``target(folder, *args)`` in a forked child, cut off from this process, and wait until
    it is gone, at most *limit_s* seconds.

    ``is_enough(folder)`` is called all the while; as soon as it is true, the child is killed.
    Gives an `Outcome`; what the child left in its folder can be read until the block ends.
    """
    with tempfile.TemporaryDirectory(prefix="epollkit-", ignore_cleanup_errors=True) as name:
        child = multiprocessing.get_context("fork").Process(
            target=run_isolated, args=(Path(name), target, args)
        )
        with CtrlC() as ctrl_c:
            with warnings.catch_warnings():
                # fork where there are threads: the child needs none of them
                warnings.simplefilter("ignore", DeprecationWarning)
                child.start()
            try:
                is_over = is_gone(child.pid, lambda: ctrl_c.came or is_enough(Path(name)), limit_s)
            finally:
                exit_code = end(child)
        how = "stopped" if ctrl_c.came else "ended" if is_over else "killed"
        yield Outcome(how, max(0, -exit_code), Path(name))


class CtrlC:
    """Note Ctrl-C for the length of a block instead of raising KeyboardInterrupt, anywhere and
    half-way through.
    """

    def __init__(self):
        self.came, self.before = False, None

    def note(self, *_):
        self.came = True

    def __enter__(self):
        # no other thread gets a KeyboardInterrupt
        if threading.current_thread() is threading.main_thread():
            self.before = signal.getsignal(signal.SIGINT)
            if self.before is not None:
                signal.signal(signal.SIGINT, self.note)
        return self

    def __exit__(self, *_):
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)


def is_gone(pid, is_enough, limit_s) -> bool:
    """Wait until the process *pid* is gone; return False if it is not after *limit_s* seconds,
    or when ``is_enough()`` is true.

    Looks now and then: to sleep until then would take a stream, which a recording of the learner's
    would show.  Its number is left with it.
    """
    deadline = time.monotonic() + limit_s
    while not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if time.monotonic() > deadline or is_enough():
            return False
        time.sleep(LOOK_S)
    return True


def end(child) -> int:
    """Kill *child* and what it started, let go of it, and return its exit code: for a signal, its
    number times −1.
    """
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:  # it did not come so far as to lead a session
        os.kill(child.pid, signal.SIGKILL)
    child.join()
    exit_code = child.exitcode
    child.close()
    return exit_code


# in the child


def run_isolated(folder, target, args):
    """Call *target* in this process, cut off from its parent.  Never returns: the process ends."""
    try:
        isolate(folder / "output")
        target(folder, *args)
    except BaseException:
        (folder / "failure").write_text(traceback.format_exc())
    os._exit(0)


def isolate(output):
    """Cut this process off from the streams, the signals and the objects of its parent; what it
    prints goes to the file *output*.
    """
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
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(what, (most, hard))


class Enough(BaseException):
    """Ends a function that makes calls without an end.  No ``except Exception`` holds it up."""


class Watched:
    """The learner's function in a thread of its own, *name*; `gate` is for ``record(gate=…)``.

    `calls` is how many calls it has begun, `is_over` whether it has ended, `result` how: ``state``
    is ``"late"`` as long as it has not, then ``"returned"``, ``"spun"`` if it was stopped, or
    ``"raised"``, with what `complaint` tells.  `error` is what was raised: its frames hold streams
    open.
    """

    def __init__(self, name, function, arguments):
        self.function, self.arguments = function, arguments
        self.thread = threading.Thread(target=self.run, name=name, daemon=True)
        self.calls, self.is_over, self.error = 0, False, None
        self.result = {"state": "late"}

    def gate(self):
        """Count a call before it is made; calls of other threads are none of ours."""
        if threading.get_ident() == self.thread.ident:
            self.calls += 1
            self.before_call()

    def before_call(self):
        """Let the function make its next call; raise `Enough` to stop it."""

    def run(self):
        begin = time.perf_counter()
        try:
            value = self.function(*self.arguments)
            times = {"took_s": time.perf_counter() - begin, "ended_s": time.monotonic()}
            self.result = {"state": "returned", **times, **self.describe(value)}
        except Enough as error:
            self.result, self.error = {"state": "spun"}, error
        except BaseException as error:
            self.result, self.error = {"state": "raised", **complaint(error)}, error
        self.is_over = True

    def describe(self, value) -> dict:
        """Tell of what was returned what is to be kept."""
        return {}


def complaint(error) -> dict:
    """Tell what was raised, the learner's line that raised it, and which limit of ours was behind
    it: ``"output"``, ``"memory"``, or none, an empty one.
    """
    frames = [
        frame
        for frame in traceback.TracebackException.from_exception(error).stack
        if is_learners(frame.filename)
    ]
    if getattr(error, "errno", None) == errno.EFBIG:
        limit = "output"
    elif isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        limit = "memory"
    else:
        limit = ""
    return {
        "type": type(error).__name__,
        "said": "".join(traceback.format_exception_only(error)).strip()[:500],
        "line": frames[-1].line if frames else "",
        "number": frames[-1].lineno if frames else 0,
        "limit": limit,
    }
