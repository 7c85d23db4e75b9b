"""record(): write down what a program asks of the kernel, and change nothing.

Facts about Python and the kernel
---------------------------------
* ``select.epoll`` cannot be subclassed, but its methods can be replaced on the type itself, and put
  back.  Its ``__new__`` cannot be put back.
* A thread that wrote can be overtaken by the one it woke, before its own call is back in Python.
* Everything that happens between a program's line and its call costs time in which other threads
  run; and what is kept of a call, if the garbage collector has to follow it, costs time later.

What we do about them
---------------------
For the length of the block the calls of one table (`syscalls.ROWS`) are replaced by *stand-ins*.
The real objects stay the real objects, so that ``isinstance`` holds, and what was made in an
earlier cell is seen as well.

A stand-in lives as long as the process.  It asks who records now, and passes straight through if
nobody does: so one that the program kept does no harm afterwards, and records in the next block.
Before its call it notes where the program is and what it asks for, after it what came back, in a
list of its thread's own: no lock is held, and no call moves to another thread.  What takes thought
(names, lines, levels) is left for after the block (`assemble.freeze`).

*Source:* ``Objects/typeobject.c``, update_slot(); threading.get_native_id().
"""

import _socket
import functools
import os
import platform
import select
import sys
import threading
import time
from operator import index as as_number
from types import MethodType

from .. import linux
from ..log import Log
from ..syscalls import HEAD, MAKES_EPOLL, NONE, Failure, Syscall
from .assemble import AT_BEGIN, freeze
from .descriptors import Descriptors
from .places import EpollType, Place, Places

#: Who records now.  Stand-ins ask.
_session = None
_getframe = sys._getframe
_beginning = threading.Lock()  # held while a block makes sure that it is the only one
_fork_is_watched = False
#: Libraries whose event loops make their calls in C.
EVENT_LOOPS_IN_C = ("uvloop", "gevent")
#: Stands where a call's start would, and says that what follows is the end of the last one begun.
END = None
#: Takes the place of the row of a call that is not to be told: it only wrapped another.
DROPPED = Syscall(name="", owner="", attribute="")


def record(*streams, clock=time.perf_counter_ns, gate=None, **named) -> "Recorder":
    """Record what touches a stream or an epoll, for the length of a ``with`` block.

    ``with epollkit.record() as log:`` gives a `Log`, which can be read when the block has ended.
    In scope: every stream and epoll that the program makes in the block, in any thread, by a call
    of the table in `syscalls`; others, as soon as code of yours touches them in the block; and
    those named here, as in ``record(ep, reader=r)``: epolls, sockets or file descriptors, keywords
    giving their names.  *clock* returns nanoseconds.  *gate* is called, without arguments, before
    each call that is recorded, in the thread that makes it: it may wait, and if it raises, the call
    is not made and not recorded.

    Raises RuntimeError off Linux, where ``select.epoll`` was taken away, and where somebody records
    already; TypeError for a stream that is none.
    """
    if not linux.is_linux():
        raise RuntimeError(why_not())
    named = [(None, stream) for stream in streams] + list(named.items())
    for _, stream in named:
        try:
            linux.identity(linux.number_of(stream))
        except (AttributeError, TypeError, ValueError, OSError) as error:
            raise TypeError(
                f"record() got {stream!r}, which is no open stream ({error}); "
                "pass an epoll, a socket or a file descriptor"
            ) from None
    return Recorder(named, clock, gate)


def why_not() -> str:
    """Say why nothing can be recorded here, and what to do."""
    if sys.platform == "linux" and "gevent.monkey" in sys.modules:
        return (
            "record() needs select.epoll, and gevent's monkey.patch_all() has taken it away: "
            "gevent waits in C, where no call can be seen. Record the program without gevent, or "
            "patch with patch_all(select=False)."
        )
    return (
        f"record() needs Linux: epoll is an interface of the Linux kernel, and this is "
        f"{platform.system() or 'unknown'}. Open the course on Binder, in the dev container, or "
        "under WSL 2; README.md says how."
    )


class Recorder:
    """The context manager behind `record`."""

    def __init__(self, named, clock, gate=None):
        self.log, self.clock, self.gate, self.named = Log(), clock, gate, named
        self.descriptors = Descriptors(clock)
        self.by_number, self.learners = self.descriptors.by_number, self.descriptors.learners
        #: of the calling thread: its number here, its notes, and how to add to them
        self.here = threading.local()
        #: for each thread: (native id, name, notes)
        self.threads = []
        #: more than one thread makes calls; then this tells which write each is in, by its index
        self.is_crowded, self.writing = False, {}
        #: is there something to do before a call: to pass the gate, to ask about others' writes?
        self.is_careful = gate is not None
        self.remarks, self.places = [], Places()

    def __enter__(self):
        global _session, _fork_is_watched
        caller = sys._getframe(1)
        filename = caller.f_code.co_filename
        is_cell = "ipykernel" in filename
        self.where = (
            f"line {caller.f_lineno} of {'a cell' if is_cell else os.path.basename(filename)}"
        )
        is_ours = False
        try:
            with _beginning:
                if _session is not None:
                    raise RuntimeError(
                        f"record() inside record(): {_session.where} records already, and two "
                        "would each see half. End that block first."
                    )
                if self.log.is_complete:
                    raise RuntimeError(
                        "this recording has been made: call record() again for another one"
                    )
                is_ours = True
                _session = self
            self.learners.add(filename)
            self.log.header |= {
                "wall_clock_s": time.time(),
                "start_ns": self.clock(),
                "kernel": platform.release(),
                "python": platform.python_version(),
                "page_size": os.sysconf("SC_PAGESIZE"),
            }
            for name, stream in self.named:
                index = self.descriptors.find(linux.number_of(stream), caller)
                descriptor = self.descriptors.all[index]
                descriptor.given_name = name or descriptor.given_name
            if not _fork_is_watched:
                os.register_at_fork(after_in_child=_stop_in_child, after_in_parent=_note_fork)
                _fork_is_watched = True
            self.namespace = caller.f_globals
            self.places.replace_all(
                stand_in_for, make_epoll, self.descriptors.is_learners, self.namespace
            )
        except BaseException:
            if is_ours:
                self.stop()
            raise
        return self.log

    def __exit__(self, *_):
        seen = {id(notes): len(notes) for *_, notes in self.threads}
        try:
            self.guarded(self.descriptors.ask_all)
            self.guarded(self.name_what_is_unseen)
        finally:
            self.stop()
        if any(
            note.__class__ is Syscall
            for *_, notes in self.threads
            for note in notes[seen.get(id(notes), 0) :]
        ):
            self.remarks.append(
                "Other threads were still making calls when the block ended; what they did later "
                "is not in the log."
            )
        freeze(self)

    def name_what_is_unseen(self):
        """Keep evidence of calls that no stand-in can have seen."""
        evidence = self.descriptors.evidence
        for module, attribute, call in self.places.held_elsewhere(
            self.descriptors.is_learners, self.namespace
        ):
            details = {"module": module, "attribute": attribute, "call": call}
            evidence.append(("bound before", None, details))
        for library in EVENT_LOOPS_IN_C:
            if library in sys.modules:
                evidence.append(("event loop in C", None, {"library": library}))

    def stop(self):
        """Put every original back, even if Ctrl-C comes meanwhile: then a second time finishes
        what the first began.
        """
        global _session
        try:
            self.places.put_back()
        finally:
            self.places.put_back()
            if _session is self:
                _session = None

    # What a stand-in needs now and then.

    def look_up(self, row, args, kwargs, frame):
        """Decide about a call on something not known: an index, −1 for none, None if the call is
        not the program's.
        """
        descriptors = self.descriptors
        if row.subject == "new":
            given = row.number_given and row.number_given(row.arguments(args, kwargs))
            if given is not None:
                self.places.replace_more(stand_in_for)  # it may be the first of a module's own kind
                return descriptors.wrapped(args[0], given, frame)
            return -1 if descriptors.is_programs(frame) else None
        if row.subject == "many":
            streams = self.others(row, args, frame)
            return -1 if any(index is not None for index, _ in streams) else None
        number_of = NUMBERS.get(row.subject)
        try:
            subject = args[0] if args else kwargs[next(iter(row.parameters))]
            number = as_number(subject) if number_of is None else number_of(subject)
        except (TypeError, StopIteration, KeyError):
            return None  # wrong arguments: the call itself says so
        except ValueError:
            number = -1  # a closed epoll
        if number < 0 and number_of is not None:
            return descriptors.gone.get(id(subject))
        return descriptors.find(number, frame)

    def others(self, row, args, frame) -> tuple:
        """Look at the other streams that a call concerns, before it is made."""
        try:
            return row.also(self.descriptors, args, frame)
        except (TypeError, ValueError, IndexError, AttributeError):
            return ()  # the arguments are wrong: the call itself says so

    def enter_thread(self):
        """Give the calling thread a number and a list for its notes, and return how to add to it.

        Ids and names of threads are used again, these numbers are not.
        """
        ident, native, notes = threading.get_ident(), threading.get_native_id(), []
        names = [thread.name for thread in threading.enumerate() if thread.ident == ident]
        self.threads.append((native, names[0] if names else str(native), notes))
        numbers = {id(notes): number for number, (*_, notes) in enumerate(self.threads)}
        self.here.number, self.here.notes = numbers[id(notes)], notes
        self.here.note = notes.extend
        if len(self.threads) > 1 and not self.is_crowded:
            for number, (*_, others) in enumerate(self.threads):
                begun = others[-AT_BEGIN:]  # if it is in a call, that began last
                if len(begun) == AT_BEGIN and begun[0].__class__ is Syscall and begun[0].writes:
                    self.writing[number] = begun[1]
            self.is_crowded = self.is_careful = True
        return self.here.note

    def before(self, row, index):
        """Pass the gate.  With several threads, note who is in a write, and ask how far others
        have got with theirs.
        """
        if self.gate is not None:
            self.gate()
        if self.is_crowded:
            if row.writes:
                self.writing[self.here.number] = index
            elif self.writing:
                self.guarded(self.descriptors.ask_writers, index, tuple(self.writing.values()))

    def guarded(self, what, *args):
        """Call a function of ours.  If it fails, that is for the log to say, and not for the
        program to suffer.
        """
        try:
            return what(*args)
        except Exception as error:
            self.remarks.append(
                f"epollkit itself failed ({type(error).__name__}: {error}); the recording may lack "
                "something."
            )
        return None

    def followed(self, row, index, args, kwargs, result, error, frame):
        """Return what is to be kept of a result, or of an error where a call says more than that
        it failed.  A call that outlasts the block is followed as long as `freeze` waits for it.
        """
        if row.follows_data or not self.log.is_complete:
            arguments = row.arguments(args, kwargs) if kwargs else args
            return self.guarded(
                row.follow, self.descriptors, index, arguments, result, error, frame
            )
        return None

    def failed(self, note, row, index, args, kwargs, error):
        """Note that a call failed, and how."""
        end, known = self.clock(), None
        if row.follows_errors and not isinstance(error, TypeError):
            known = self.followed(row, index, args, kwargs, None, error, calling_frame(3))
        message, errno = self.guarded(str, error) or "", getattr(error, "errno", None)
        note((END, end, Failure(type(error).__name__, message, errno or 0, known)))
        self.writing.pop(self.here.number, None)

    def drop_wrapper(self, number):
        """Forget a call that ended in another one of the table, on the same stream."""
        notes, index = getattr(self.here, "notes", []), self.by_number.get(number)
        ended_in_another = False
        for at in range(len(notes) - 1, -1, -1):  # from the end: there may be very many
            if notes[at].__class__ is Syscall:
                if notes[at].wraps:
                    if ended_in_another:
                        notes[at] = DROPPED
                    return
                ended_in_another |= notes[at].moves and notes[at + 1] == index

    def last_names(self, most) -> list:
        """List the names of the last calls that began, at most *most*."""
        begun = [n for *_, notes in self.threads for n in notes if n.__class__ is Syscall]
        return [row.name for row in begun][-most:]


NUMBERS = {"socket": _socket.socket.fileno}
if hasattr(select, "epoll"):
    NUMBERS["epoll"] = select.epoll.fileno


def stand_in_for(row, original, is_function):
    """Return what takes the place of *original*: it makes the same call, and notes it for whoever
    records.

    *is_function* tells that the call stands in a module.  A function of C is no method of a class
    that it is put into, so its stand-in is one already: of nothing that matters.
    """
    if row.silent:
        return silent_stand_in(row, original)
    is_known, number_of = row.subject not in ("new", "many"), NUMBERS.get(row.subject)
    prepare = row.prepare

    def function(_, *args, **kwargs):
        __tracebackhide__ = True
        session = _session
        if session is None:
            return original(*args, **kwargs)
        try:
            index = session.by_number[args[0]] if is_known else look_up(session, row, args, kwargs)
        except Exception:
            index = look_up(session, row, args, kwargs)
        if index is None:
            return original(*args, **kwargs)
        return record_call(session, row, original, index, args, kwargs)

    def method(*args, **kwargs):
        __tracebackhide__ = True
        session = _session
        if session is None:
            return original(*args, **kwargs)
        try:
            index = session.by_number[number_of(args[0])]
        except Exception:
            index = look_up(session, row, args, kwargs)
        if index is None:
            return original(*args, **kwargs)
        if prepare is not None:
            args, kwargs = prepare(args, kwargs)
        return record_call(session, row, original, index, args, kwargs)

    def wrapper(*args, **kwargs):
        __tracebackhide__ = True
        try:
            return method(*args, **kwargs)
        finally:
            if _session is not None:
                _session.guarded(_session.drop_wrapper, number_of(args[0]))

    def chosen(*args, **kwargs):
        __tracebackhide__ = True
        return (method if row.only(args, kwargs) else original)(*args, **kwargs)

    stand_in = function if is_function else wrapper if row.wraps else chosen if row.only else method
    stand_in.__name__ = stand_in.__qualname__ = row.attribute
    stand_in.__doc__ = getattr(original, "__doc__", None)
    return MethodType(stand_in, Place(row.owner)) if is_function else stand_in


def make_epoll(*args, **kwargs):
    """Make an epoll, as ``select.epoll`` does.  One that exists is noted by its ``__init__``; here
    is noted that none could be made.
    """
    session, row = _session, MAKES_EPOLL
    try:
        return EpollType.real(*args, **kwargs)
    except BaseException as error:
        if session is not None and session.guarded(
            session.look_up, row, args, kwargs, calling_frame(3)
        ):
            record_call(session, row, _raise(error), -1, (None, *args), kwargs)
        raise


def _raise(error):
    def fail(*args, **kwargs):
        raise error

    return fail


def silent_stand_in(row, original):
    """Return what makes the same call and remembers what it says, without a place in the log."""

    @functools.wraps(original)
    def stand_in(*args, **kwargs):
        result = original(*args, **kwargs)
        session = _session
        if session is not None:
            session.followed(row, -1, args, kwargs, result, None, None)
        return result

    return stand_in


def look_up(session, row, args, kwargs):
    return session.guarded(session.look_up, row, args, kwargs, calling_frame(3))


def calling_frame(depth):
    """Return the frame that many calls up; None where C code made the call."""
    try:
        return _getframe(depth)
    except ValueError:
        return None


def record_call(session, row, original, index, args, kwargs):
    """Make a call, and note it: where it was made and with what, and what came back."""
    __tracebackhide__ = True
    try:
        note = session.here.note
    except AttributeError:
        note = session.enter_thread()
    if session.is_careful:
        session.before(row, index)
    try:
        frame = _getframe(2)
        code = frame.f_code
        if code.co_filename in session.learners:
            lasti = frame.f_lasti
        else:
            code, lasti = session.descriptors.line(frame)
        del frame
    except ValueError:  # called by C code alone: no Python stands above it
        code = lasti = None
    kept, keep = NONE, row.keep
    if keep is not None:
        try:
            kept = keep(row.arguments(args, kwargs) if kwargs else args)
        except Exception:
            pass  # the arguments are wrong: the call itself says so
    if row.also is not None:
        kept = session.others(row, args, calling_frame(2)), kept
    note((row, index, code, lasti, kept, session.clock()))
    try:
        result = original(*args, **kwargs) if kwargs else original(*args)
        end = session.clock()
    except BaseException as error:
        session.failed(note, row, index, args, kwargs, error)
        raise
    if row.follow is not None:
        known = session.followed(row, index, args, kwargs, result, None, calling_frame(2))
    elif result.__class__ is bytes:
        known = result if len(result) <= HEAD else (len(result), result[:HEAD])
    elif result.__class__ is list:
        known = pack(result)
    else:
        known = result
    note((END, end, known))
    if session.is_crowded:
        session.writing.pop(session.here.number, None)
    return result


def pack(events):
    """Keep events, pairs of two numbers: one pair as one number, which the garbage collector does
    not follow.
    """
    if len(events) != 1:
        return tuple(events)
    number, mask = events[0]
    return number << 32 | mask


def _stop_in_child():
    """Put everything back in a forked child: it is not recorded."""
    if _session is not None:
        _session.stop()


def _note_fork():
    """A child has been forked that shares what is open."""
    if _session is not None:
        _session.descriptors.forked()
