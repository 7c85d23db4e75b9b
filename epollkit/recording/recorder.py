"""record(): write down what a program asks of the kernel, and change nothing.

Facts about Python and the kernel
---------------------------------
* ``select.epoll`` cannot be subclassed, but its methods can be replaced on the type itself, and put
  back.
* A thread that wrote can be overtaken by the one it woke, before its own call is back in Python.
* Everything that happens between a program's line and its call costs time in which other threads
  run.

What we do about them
---------------------
For the length of the block the functions of one table (`calls.table`) are replaced; the real
objects stay the real objects, so that ``isinstance`` holds, and what was made in an earlier cell is
seen as well.  The thread that makes a call says so before it, and writes the call down after it,
flat into one long list: no lock is held, no call moves to another thread, and what takes thought
(names, lines, levels) is left for after the block (`merge.freeze`).

*Source:* ``Objects/typeobject.c``, update_slot(); threading.get_native_id().
"""

import itertools
import os
import platform
import sys
import threading
import time
from operator import index as as_number

from .. import linux
from ..log import Log
from ..syscalls import HEAD, LOOKS_AT_DATA, STILL_IN_CALL, WRITES, Failure, shortened, table
from .assemble import FIELDS, freeze
from .descriptors import Streams

_active = None
_entering = threading.Lock()  # held while a block makes sure that it is the only one
_hooked = False
_MISSING = object()


def record(*streams, clock=time.perf_counter_ns, gate=None, **named) -> "Recorder":
    """Record what touches a stream or an epoll, for the length of a ``with`` block.

    ``with epollkit.record() as log:`` gives a `Log`, which can be read when the block has ended.
    In scope: every stream and epoll made in the block, in any thread; earlier ones, as soon as code
    of yours touches them in the block; and those named here, as in ``record(ep, reader=r)``:
    epolls, sockets or file descriptors, keywords giving their names. *clock* returns nanoseconds.
    *gate* is called, without arguments, before each call that is recorded, in the thread that
    makes it: it may wait, and if it raises, the call is not made and not recorded.

    Raises RuntimeError off Linux, and where somebody records already; TypeError for a stream that
    is none.
    """
    if not linux.is_linux():
        raise RuntimeError(
            f"record() needs Linux: epoll is an interface of the Linux kernel, and this is "
            f"{platform.system() or 'unknown'}. Open the course on Binder, in the dev container, or under WSL 2; "
            "README.md says how."
        )
    named = [(None, one) for one in streams] + list(named.items())
    for _, one in named:
        try:
            linux.identity(linux.number_of(one))
        except (AttributeError, TypeError, ValueError, OSError) as error:
            raise TypeError(
                f"record() got {one!r}, which is no open stream ({error}); "
                "pass an epoll, a socket or a file descriptor"
            ) from None
    return Recorder(named, clock, gate)


class Recorder:
    """The context manager behind `record`."""

    def __init__(self, named, clock, gate=None):
        self.log, self.clock, self.gate, self.named = Log(), clock, gate, named
        self.streams = Streams(clock)
        #: thread, start, end, name, index, code, lasti, arguments, result or `Failure`; and again
        #: for the next call
        self.entries = []
        #: thread → the call that it is in, or was in last, as far as that is known at its start
        self.inside = {}
        self.threads, self.local, self.counter = {}, threading.local(), itertools.count()
        self.remarks, self.originals = [], []

    def __enter__(self):
        global _active, _hooked
        caller = sys._getframe(1)
        filename = caller.f_code.co_filename
        self.where = f"line {caller.f_lineno} of {'a cell' if 'ipykernel' in filename else os.path.basename(filename)}"
        is_ours = False
        try:
            with _entering:
                if _active is not None:
                    raise RuntimeError(
                        f"record() inside record(): {_active.where} records already, and two would each "
                        "see half. End that block first."
                    )
                if self.log.is_complete:
                    raise RuntimeError(
                        "this recording has been made: call record() again for another one"
                    )
                is_ours = True
                _active = self
            self.streams.learners.add(filename)
            self.log.header |= {
                "wall_clock_s": time.time(),
                "start_ns": self.clock(),
                "kernel": platform.release(),
                "python": platform.python_version(),
                "page_size": os.sysconf("SC_PAGESIZE"),
            }
            for name, one in self.named:
                thing = self.streams.things[self.streams.find(linux.number_of(one), caller)]
                thing.given_name = name or thing.given_name
            if not _hooked:
                os.register_at_fork(after_in_child=_restore_in_child)
                _hooked = True
            for row in table(self.streams):
                self.replace(row)
        except BaseException:
            if is_ours:
                self.restore_all()
            raise
        return self.log

    def __exit__(self, *_):
        seen = len(self.entries)
        try:
            self.guarded(self.streams.ask_all)
        finally:
            self.restore_all()
        if len(self.entries) != seen:
            self.remarks.append(
                "Other threads were still making calls when the block ended; what they did later is not "
                "in the log."
            )
        freeze(self)

    def replace(self, row):
        """Put the watching function of *row* in the place of the original."""
        before = vars(row.owner).get(row.attribute, _MISSING)
        watched = self.watch(
            row, _created if row.name == "select.epoll" else getattr(row.owner, row.attribute)
        )
        if row.name == "socket.sendmsg":
            watched = _read_once(watched)
        elif not isinstance(row.owner, type) or row.attribute == "fromfd":
            watched = staticmethod(watched)
        self.originals.append((row.owner, row.attribute, before))
        try:
            setattr(row.owner, row.attribute, watched)
        except TypeError:
            self.originals.pop()
            raise RuntimeError(
                f"record() cannot watch {row.name}: Python {platform.python_version()} does not let it be "
                "replaced. Use the Python version that environment.yml names."
            ) from None

    def restore_all(self):
        """Put every original back, even if Ctrl-C comes meanwhile:

        then a second time finishes what the first began.
        """
        try:
            self.restore()
        finally:
            self.restore()

    def restore(self):
        """Put every original back.  May be called again at any time, a second Ctrl-C included."""
        global _active
        while self.originals:
            owner, attribute, before = self.originals[-1]
            if before is not _MISSING:
                setattr(owner, attribute, before)
            elif attribute in vars(owner):
                delattr(owner, attribute)
            self.originals.pop()
        # a replacement that somebody kept finds nothing, and passes through
        self.streams.by_number.clear()
        if _active is self:
            _active = None

    def watch(self, row, original):
        """Return a function that calls *original*, with the arguments as they came, and writes
        the call down.
        """
        name, keep, follow, number_of = row.name, row.keep, row.follow, row.number_of
        writes, sends = name in WRITES, row.sends
        by_number = (
            {} if row.makes else self.streams.by_number
        )  # what makes something new is on nothing: eventfd(3)
        learners, writing = self.streams.learners, self.streams.writing
        inside, local, write_down = self.inside, self.local, self.entries.extend
        clock, gate, getframe = self.clock, self.gate, sys._getframe

        def wrapper(*args, **kwargs):
            __tracebackhide__ = True
            try:
                index = by_number[args[0] if number_of is None else number_of(args[0])]
            except Exception:
                index = self.find(row, args, kwargs)
            if index is None:
                return original(*args, **kwargs)
            if gate is not None:
                gate()
            frame = getframe(1)
            code = frame.f_code
            if code.co_filename in learners:
                lasti = frame.f_lasti
            else:
                code, lasti = self.guarded(self.streams.line, frame) or (None, None)
            del frame
            try:
                thread = local.index
            except AttributeError:
                thread = self.thread()
            kept = ()
            if keep is not None:
                try:
                    kept = keep(args if not kwargs else row.arguments(args, kwargs))
                    if sends and kept and (kept[0].__class__ is not bytes or len(kept[0]) > HEAD):
                        kept = shortened(kept)
                except Exception:
                    kept = ()  # the arguments are wrong: the call itself says so
            if writes:
                writing[thread] = index
            elif writing:
                self.guarded(self.streams.note, index)
            start = clock()
            try:
                inside[thread] = (
                    thread,
                    start,
                    STILL_IN_CALL,
                    name,
                    index,
                    code,
                    lasti,
                    kept,
                    None,
                )
                result = original(*args, **kwargs)
                end = clock()
            except BaseException as error:
                failure = Failure(
                    type(error).__name__,
                    self.guarded(str, error),
                    getattr(error, "errno", None) or 0,
                )
                if follow is not None:
                    self.guarded(
                        follow,
                        self.streams,
                        index,
                        row.arguments(args, kwargs),
                        None,
                        error,
                        getframe(1),
                    )
                if isinstance(error, TypeError):
                    kept = ()  # whatever they were, they were no arguments for this call
                write_down((thread, start, clock(), name, index, code, lasti, kept, failure))
                if writes:
                    writing.pop(thread, None)
                raise
            if follow is not None:
                known = self.guarded(
                    follow,
                    self.streams,
                    index,
                    row.arguments(args, kwargs),
                    result,
                    None,
                    getframe(1),
                )
            elif result.__class__ is bytes:
                known = result if len(result) <= HEAD else (len(result), result[:HEAD])
            elif result.__class__ is list:
                known = tuple(result)
            else:
                known = result
            write_down((thread, start, end, name, index, code, lasti, kept, known))
            if writes:
                writing.pop(thread, None)
            return result

        wrapper.__name__ = wrapper.__qualname__ = row.attribute
        wrapper.__doc__ = getattr(original, "__doc__", None)
        return wrapper

    def last_names(self, most) -> list:
        """List the names of the last calls that are back, at most *most*."""
        return self.entries[3::FIELDS][-most:]

    # what a call needs now and then

    def find(self, row, args, kwargs):
        """Decide about a call on something not known:

        the index of a thing, −1 for none, None if it is not ours.
        """
        return self.guarded(self.find_in, sys._getframe(2), row, args, kwargs)

    def find_in(self, frame, row, args, kwargs):
        if row.makes:
            if (
                row.name == "socket.socket"
                and (args[4] if len(args) > 4 else kwargs.get("fileno")) is not None
            ):
                self.streams.gone.pop(id(args[0]), None)
                return None  # a new object for a number that exists
            return -1 if self.streams.is_programs(frame) else None
        try:
            subject = args[0] if args else kwargs[next(iter(row.parameters))]
            number = as_number(subject) if row.number_of is None else row.number_of(subject)
        except (TypeError, StopIteration, KeyError):
            return None  # wrong arguments: the call itself says so
        except ValueError:
            number = -1  # a closed epoll
        if number < 0 and row.number_of is not None:
            return self.streams.gone.get(id(subject))
        return self.streams.find(number, frame)

    def thread(self):
        """Give the calling thread an index: ids and names are used again, indices are not."""
        self.local.index = index = next(self.counter)
        here = threading.get_ident()
        native = threading.get_native_id()
        self.threads[index] = (
            native,
            next((one.name for one in threading.enumerate() if one.ident == here), str(native)),
        )
        return index

    def guarded(self, what, *args):
        """Call a function of ours.

        If it fails, that is for the log to say and not for the program to suffer.
        """
        if _active is self or what in LOOKS_AT_DATA:
            try:
                return what(*args)
            except Exception as error:
                self.remarks.append(
                    f"epollkit itself failed ({type(error).__name__}: {error}); the recording may lack "
                    "something."
                )
        return None


def _created(*args, **kwargs):
    """Stand in for the ``__init__`` that ``select.epoll`` does not have:

    when it would be called, the epoll exists.
    """


def _restore_in_child():
    """Put everything back in a forked child: it is not recorded."""
    if _active is not None:
        _active.restore()


def _read_once(sendmsg):
    """An iterator gives what it has but once, and asyncio sends one:

    make it a tuple, for the log and for the kernel.
    """

    def wrapper(*args, **kwargs):
        __tracebackhide__ = True
        if len(args) > 1 and hasattr(type(args[1]), "__next__"):
            args = (args[0], tuple(args[1]), *args[2:])
        return sendmsg(*args, **kwargs)

    return wrapper
