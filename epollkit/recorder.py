"""record(): write down what a program asks of the kernel, and change nothing.

Facts about Python and the kernel
---------------------------------
* ``select.epoll`` cannot be subclassed, but its methods can be replaced on the type itself, and put back.
* A function of C takes no ``self`` when it stands in a class; a function of Python does.  ``staticmethod`` objects can be
  called and do not bind, so that is what stands in for ``os.read``.
* The kernel gives a closed number away at once, and C code closes numbers without a call that we see.
* A thread that wrote can be overtaken by the one it woke before its own call is back in Python.

What we do about them
---------------------
For the length of the block, one table of functions is replaced; the real objects stay the real objects.  A call enters
the list when it starts and again when it returns, as flat tuples: nothing is looked up twice, no lock is held, no file is
opened.  Everything that takes thought (names, lines, levels) happens after the block.

*Source:* the tables in `_socket_rows`, `_os_rows`, `_epoll_rows` name every call that is recorded.
"""

import _socket
import itertools
import os
import platform
import select
import socket
import sys
import threading
import time

from . import kernel
from .log import Log
from .merge import HEAD, final_samples, freeze
from .source import is_learners

_active = None
_NOT_OURS = object()
_MISSING = object()
_clock = time.perf_counter_ns
_hooked = False

#: Frames of these modules stand between a learner's line and the call that it means.
_DIRECT = (__file__, socket.__file__, os.path.join(os.path.dirname(socket.__file__), "selectors.py"))


def record(*streams, clock=None, **named) -> "Recorder":
    """Record what touches a stream or an epoll, for the length of a ``with`` block.

    ``with epollkit.record() as log:`` gives a `Log`, which can be read when the block has ended.  In scope: every stream
    and epoll made in the block, in any thread; earlier ones, as soon as code of yours touches them in the block; and
    those named here, as in ``record(ep, reader=r)``: epolls, sockets or file descriptors, keywords giving their names.
    *clock* returns nanoseconds; by default ``time.perf_counter_ns``.

    Raises RuntimeError off Linux, and where somebody records already; TypeError for a stream that is none.
    """
    if not kernel.is_linux():
        raise RuntimeError(
            f"record() needs Linux: epoll is an interface of the Linux kernel, and this is {platform.system() or 'unknown'}. "
            "Open the course on Binder, in the dev container, or under WSL 2; README.md says how.")
    return Recorder(streams, named, clock or _clock)


class Thing:
    """A stream or an epoll while it is being recorded; `merge.freeze` turns it into a `Stream`."""

    def __init__(self, index, kind, number, chain=(), place=None):
        self.index, self.kind, self.number, self.chain, self.place = index, kind, number, chain, place
        self.description, self.other_end = index, None
        self.role, self.given_name, self.text, self.address = "", None, "", None
        self.opened_ns = self.closed_ns = None
        self.internal, self.readable, self.writable = False, True, True
        self.start_level, self.start_list, self.timeout, self.timeouts = 0, (), None, []


class Recorder:
    """The context manager behind `record`."""

    def __init__(self, streams, named, clock):
        self.log, self.clock = Log(), clock
        self.named = [(None, one) for one in streams] + list(named.items())
        self.things, self.entries, self.notes, self.threads, self.remarks = {}, [], [], [], []
        self.counter, self.awake = itertools.count(), set()
        self.by_number, self.former, self.gone = {}, {}, {}
        self.writing, self.files, self.doors = {}, {}, {}
        self.local = threading.local()
        self.originals = []
        for name, one in self.named:
            try:
                number = kernel.number_of(one)
                kernel.identity(number)
            except (AttributeError, TypeError, ValueError, OSError) as error:
                raise TypeError(f"record() got {one!r}, which is no open stream ({error}); "
                                "pass an epoll, a socket or a file descriptor") from None

    # the block

    def __enter__(self):
        global _active, _hooked
        if _active is not None:
            raise RuntimeError(f"record() inside record(): {_active.where} records already, and two would each see half. "
                               "End that with block first.")
        caller = sys._getframe(1)
        file = os.path.basename(caller.f_code.co_filename)
        self.where = f"line {caller.f_lineno} of {'a cell' if 'ipykernel' in caller.f_code.co_filename else file}"
        self.old_threads = {thread.native_id for thread in threading.enumerate()}
        self.home = threading.get_native_id()
        for name, one in self.named:
            self.adopt(kernel.number_of(one), None).given_name = name
        if not _hooked:
            os.register_at_fork(after_in_child=_forget)
            _hooked = True
        self.log.header |= {"wall_clock_s": time.time(), "start_ns": self.clock(), "kernel": platform.release(),
                            "python": platform.python_version(), "page_size": os.sysconf("SC_PAGESIZE")}
        _active = self
        try:
            for owner, attribute, replacement in _rows(self):
                before = vars(owner).get(attribute, _MISSING)
                try:
                    setattr(owner, attribute, replacement)
                except TypeError:
                    raise RuntimeError(f"record() cannot watch {owner.__name__}.{attribute}: Python "
                                       f"{platform.python_version()} does not let it be replaced. "
                                       "Use the Python version that environment.yml names.") from None
                self.originals.append((owner, attribute, before))
        except BaseException:
            self.restore()
            raise
        return self.log

    def __exit__(self, *_):
        try:
            final_samples(self)
            self.restore()
        finally:
            self.restore()  # a second Ctrl-C may have come in the middle of the first
        freeze(self)

    def restore(self):
        """Put every original back.  May be called again at any time."""
        global _active
        while self.originals:
            owner, attribute, before = self.originals[-1]
            if before is _MISSING:
                if attribute in vars(owner):
                    delattr(owner, attribute)
            else:
                setattr(owner, attribute, before)
            self.originals.pop()
        if _active is self:
            _active = None

    # who and what

    def thread(self):
        """Return the index of the calling thread."""
        try:
            return self.local.index
        except AttributeError:
            native = threading.get_native_id()
            self.threads.append((native, threading.current_thread().name))
            self.local.index = self.threads.index((native, threading.current_thread().name))
            return self.local.index

    def is_learners(self, filename):
        found = self.files.get(filename)
        if found is None:
            found = self.files[filename] = is_learners(filename)
        return found

    def chain(self, frame):
        """Collect the learner's frames above *frame*, if only modules that pass a call through stand between."""
        found = []
        while frame is not None and len(found) < 4:
            code = frame.f_code
            if self.is_learners(code.co_filename):
                found.append((code, frame.f_lasti))
            elif found or code.co_filename not in _DIRECT:
                break
            frame = frame.f_back
        return tuple(found)

    def is_in_scope(self, frame):
        """Decide whether something made by *frame* is the program's, not the Jupyter kernel's."""
        native = threading.get_native_id()
        if native not in self.old_threads:
            return True
        while frame is not None:
            name = frame.f_code.co_filename
            if self.is_learners(name):
                return True
            if name.endswith(os.path.join("asyncio", "events.py")) and frame.f_code.co_name == "_run":
                return native == self.home
            if "site-packages" in name:
                return False
            frame = frame.f_back
        return native == self.home

    def open(self, kind, number, frame, place=None, role="", like=None, **known):
        """Take something new into the recording.  *place* is its position in the pair that a call returned."""
        self.lost(number)
        chain = self.chain(frame) if frame is not None else ()
        thing = Thing(next(self.counter), kind, number, chain, place)
        self.things[thing.index] = thing
        thing.role, thing.opened_ns = role, self.clock()
        thing.internal = frame is not None and kind in ("pipe", "socketpair", "eventfd") and not chain
        for key, value in known.items():
            setattr(thing, key, value)
        if like is not None:
            thing.description, thing.other_end = like.description, like.other_end
            thing.readable, thing.writable, thing.address = like.readable, like.writable, like.address
            thing.timeout, thing.timeouts = like.timeout, like.timeouts
        try:
            thing.text = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            pass
        self.by_number[number] = thing.index
        return thing

    def lost(self, number):
        """A number is given out again: whatever had it is closed, even if nobody told us."""
        if (index := self.by_number.pop(number, None)) is not None:
            old = self.things[index]
            old.closed_ns = self.clock()
            self.remarks.append(("unseen close", index))

    def close(self, index):
        """Note that the number of a thing is closed, unless it already belongs to another."""
        thing = self.things[index]
        thing.closed_ns = self.clock()
        self.former[thing.number] = index
        if self.by_number.get(thing.number) == index:
            del self.by_number[thing.number]

    def adopt(self, number, frame):
        """Take something that was there before into the recording, as it is now."""
        who = kernel.identity(number)
        for index in list(self.by_number.values()):
            other = self.things[index]
            if other.text == who.text and (who.kind != "pipe" or other.readable == who.readable):
                if who.kind in ("eventfd", "epoll"):  # the kernel has one text for all of these
                    continue
                return self.open(other.kind, number, frame, role=other.role, like=other, opened_ns=None)
        known = {"readable": who.readable, "writable": who.writable, "opened_ns": None, "internal": False}
        if who.nonblocking:
            known["timeout"] = 0.0
        if who.kind == "pipe":
            known["role"] = "read end" if who.readable else "write end"
        elif who.kind in ("tcp", "unix"):
            own, other = kernel.addresses(number)
            listening = kernel.is_listening(number)
            known["role"] = "listener" if listening else "client"
            known["address"] = own
        if who.kind == "epoll":
            known["start_list"] = kernel.interest_list(number)
        else:
            try:
                known["start_level"] = kernel.bytes_waiting(number) if who.readable else 0
            except OSError:
                pass
        thing = self.open(who.kind, number, None, **known)
        if who.kind == "pipe":
            for index in self.by_number.values():
                other = self.things[index]
                if other.text == who.text and other.readable != who.readable:
                    self.join(thing, other)
        elif who.kind in ("tcp", "unix") and not listening:
            self.meet(thing, own, other)
        if frame is not None and self.is_learners(frame.f_code.co_filename):
            thing.given_name = _variable(frame, number)
        for entry in known.get("start_list", ()):
            if entry.number not in self.by_number:
                try:
                    self.adopt(entry.number, frame)
                except OSError:
                    pass  # a ghost: its number is closed
        return thing

    def join(self, one, other):
        """Note that two things are the two ends of one channel."""
        one.other_end, other.other_end = other.description, one.description

    def meet(self, thing, own, other):
        """Pair the two ends of a connection by their addresses, whichever of them comes second."""
        thing.address = own
        if other and own:
            partner = self.doors.pop((other, own), None)
            if partner is None:
                self.doors[own, other] = thing.index
            else:
                self.join(thing, self.things[partner])

    def note(self, stream):
        """Ask the kernel for a level, because a write is under way whose bytes may be in already."""
        reader = self.things[stream]
        for writer in list(self.writing.values()):
            one = self.things[writer]
            if reader.other_end == one.description or (reader.kind == "eventfd" and reader is one):
                self.sample(reader, one)

    def sample(self, reader, writer, patient=False):
        """Write down how many bytes wait at *reader* and whether *writer* (None: unknown) could write.

        Of a TCP connection nothing is written down while bytes are on their way, *patient* or not.
        """
        try:
            writable = writer is None or writer.closed_ns is not None or \
                bool(kernel.readiness(writer.number, select.POLLOUT) & select.POLLOUT)
            waiting = kernel.bytes_waiting(reader.number)
            if reader.kind == "tcp" and writer is not None and writer.closed_ns is None:
                for _ in range(20 if patient else 1):
                    unsent = kernel.bytes_unsent(writer.number)
                    waiting = kernel.bytes_waiting(reader.number) + unsent
                    if unsent == kernel.bytes_unacknowledged(writer.number):
                        break
                    if patient:
                        time.sleep(0.003)
                else:
                    return
        except OSError:
            return
        self.notes.append((reader.index, self.clock(), waiting, writable))

    def wrapped(self, number, frame):
        """A new socket object stands on a number that was made out of sight: by ``socket.dup()``, or by C code."""
        if self.is_in_scope(frame):
            try:
                self.adopt(number, frame)
            except OSError:
                pass

    # the wrapper

    def watch(self, name, original, subject, argument=None, settle=None, writes=False, makes=False):
        """Return a function that calls *original* and writes the call down.

        *subject* finds the thing that the arguments speak of, *argument* what to keep of the arguments, *settle* what to
        keep of the result, and what follows from it.  A call that *makes* something has no subject.
        """
        entries, clock, local, files, writing = self.entries, self.clock, self.local, self.files, self.writing
        append, getframe = entries.append, sys._getframe

        def wrapper(*args, **kwargs):
            __tracebackhide__ = True
            if makes:
                index = -1
                if _active is not self or not self.is_in_scope(getframe(1)):
                    return original(*args, **kwargs)
            else:
                index = subject(args, kwargs)
                if index.__class__ is not int:
                    index = self.unknown(index, getframe(1))
                    if index is _NOT_OURS:
                        return original(*args, **kwargs)
            frame = caller = getframe(1)
            while frame is not None:
                code = frame.f_code
                learners = files.get(code.co_filename)
                if learners is None:
                    learners = self.is_learners(code.co_filename)
                if learners:
                    lasti = frame.f_lasti
                    break
                frame = frame.f_back
            else:
                code = lasti = None
            frame = None
            try:
                thread = local.index
            except AttributeError:
                thread = self.thread()
            kept = argument(self, args, kwargs) if argument is not None else ()
            if writes:
                writing[thread] = index
            elif writing:
                self.note(index)
            start = clock()
            append((thread, start, name, index, code, lasti, kept))
            try:
                result = original(*args, **kwargs)
            except BaseException as error:
                append((thread, start, clock(), None, (type(error).__name__, str(error)),
                        getattr(error, "errno", None) or 0))
                if writes:
                    writing.pop(thread, None)
                if settle is not None:
                    settle(self, index, args, kwargs, None, caller, error)
                raise
            end = clock()
            if settle is None:
                append((thread, start, end, result))
            else:
                append((thread, start, end, settle(self, index, args, kwargs, result, caller, None)))
            if writes:
                writing.pop(thread, None)
            return result

        wrapper.__name__, wrapper.__doc__ = getattr(original, "__name__", name), getattr(original, "__doc__", None)
        return wrapper

    def unknown(self, number, frame):
        """Decide about a call on a number that is not in the recording: the index of a thing, −1, or not ours."""
        if _active is not self or number is None or not self.is_learners(frame.f_code.co_filename):
            return _NOT_OURS
        try:
            return self.adopt(number, frame).index
        except OSError:
            return self.former.get(number, -1)
        except TypeError:
            return -1


def _forget():
    """In a forked child: put everything back; the child is not recorded."""
    if _active is not None:
        _active.restore()


def _variable(frame, number):
    """Find the one variable of *frame* that holds *number*, or an object with that number."""
    for variables in (frame.f_locals, frame.f_globals):
        found = [name for name, held in list(variables.items()) if not name.startswith("_") and (
            (type(held) is int and held == number)
            or (isinstance(held, (_socket.socket, select.epoll)) and _number(held) == number))]
        if len(found) == 1:
            return found[0]
    return None


def _number(held):
    try:
        return held.fileno()
    except ValueError:
        return -1


def _head(data):
    """Keep what a log keeps of some bytes: all of up to 32, else the length and the first 32."""
    if data.__class__ is bytes:
        return data if len(data) <= HEAD else (len(data), data[:HEAD])
    view = memoryview(data).cast("B") if not isinstance(data, bytes) else data
    return bytes(view) if len(view) <= HEAD else (len(view), bytes(view[:HEAD]))


def _heads(parts):
    length, head = 0, b""
    for part in parts:
        with memoryview(part) as view:
            length += view.nbytes
        if len(head) < HEAD:
            head += bytes(memoryview(part).cast("B")[:HEAD - len(head)])
    return head if length <= HEAD else (length, head)


def _quietly(what, otherwise=None):
    """Wrap a function that looks at arguments: if they are wrong, the original call is the one to complain."""
    def look(*args):
        try:
            return what(*args)
        except (TypeError, ValueError, IndexError, KeyError, AttributeError, BufferError, OSError):
            return otherwise
    return look


# settle functions: (recorder, index, args, kwargs, result, frame, error) → what to keep of the result

def _settle_bytes(_, index, args, kwargs, result, frame, error):
    return _head(result) if error is None else None


def _settle_first(_, index, args, kwargs, result, frame, error):
    return _head(result[0]) if error is None else None


def _settle_into(_, index, args, kwargs, result, frame, error):
    if error is not None:
        return None
    buffers = args[1] if isinstance(args[1], (list, tuple)) else [args[1]]
    length, head = _heads(buffers) if sum(memoryview(b).nbytes for b in buffers) > HEAD else (0, _heads(buffers))
    return (result, head[:result]) if result > HEAD else head[:result]


def _settle_sendall(self, index, args, kwargs, result, frame, error):
    if error is not None and index >= 0:  # how much of it went in, only the kernel knows
        writer = self.things[index]
        if writer.other_end in self.things:
            self.sample(self.things[writer.other_end], writer)


def _settle_close(self, index, args, kwargs, result, frame, error):
    if error is None and index >= 0:
        self.close(index)


def _settle_pipe(self, index, args, kwargs, result, frame, error):
    if error is not None:
        return None
    flags = args[0] if args else kwargs.get("flags", 0)
    timeout = 0.0 if flags & os.O_NONBLOCK else None
    r = self.open("pipe", result[0], frame, 0, "read end", writable=False, timeout=timeout)
    w = self.open("pipe", result[1], frame, 1, "write end", readable=False, timeout=timeout)
    self.join(r, w)
    return ("made", r.index, w.index)


def _settle_pair(self, index, args, kwargs, result, frame, error):
    if error is not None:
        return None
    kind = "socketpair" if result[0].type == _socket.SOCK_STREAM else "udp"
    one, other = (self.open(kind, end.fileno(), frame, place, role, timeout=end.gettimeout())
                  for place, (end, role) in enumerate(zip(result, ("a", "b"), strict=True)))
    self.join(one, other)
    return ("made", one.index, other.index)


def _settle_eventfd(self, index, args, kwargs, result, frame, error):
    if error is not None:
        return None
    flags = args[1] if len(args) > 1 else kwargs.get("flags", os.EFD_CLOEXEC)
    level = args[0] if args else kwargs["initval"]
    return ("made", self.open("eventfd", result, frame, start_level=level,
                              timeout=0.0 if flags & os.EFD_NONBLOCK else None).index)


def _settle_dup(self, index, args, kwargs, result, frame, error):
    if error is not None or index < 0:
        return None
    like = self.things[index]
    return ("made", self.open(like.kind, result, frame, role=like.role, like=like).index)


def _settle_dup2(self, index, args, kwargs, result, frame, error):
    if error is None and index >= 0:
        if (over := self.by_number.get(result)) is not None and over != index:
            self.close(over)
        if over != index:
            return _settle_dup(self, index, args, kwargs, result, frame, error)
    return result if error is None else None


def _settle_socket(self, index, args, kwargs, result, frame, error):
    if error is not None:
        return None
    sock = args[0]
    self.gone.pop(id(sock), None)
    if sock.family == _socket.AF_UNIX:
        kind = "unix"
    elif sock.family in (_socket.AF_INET, _socket.AF_INET6):
        kind = {_socket.SOCK_STREAM: "tcp", _socket.SOCK_DGRAM: "udp"}.get(sock.type, "socket")
    else:
        kind = "socket"
    return ("made", self.open(kind, sock.fileno(), frame, role="client", timeout=sock.gettimeout()).index)


def _settle_accept(self, index, args, kwargs, result, frame, error):
    if error is not None or index < 0:
        return None
    number, address = result
    listener = self.things[index]
    thing = self.open(listener.kind, number, frame, 0, "accepted")
    if thing.kind == "tcp":
        self.meet(thing, *kernel.addresses(number))
    return ("made", thing.index)


def _settle_connect(self, index, args, kwargs, result, frame, error):
    if index >= 0 and (error is None or getattr(error, "errno", 0) == 115):
        thing = self.things[index]
        if thing.kind == "tcp" and thing.other_end is None:
            try:
                own, _ = kernel.addresses(thing.number)
            except OSError:
                return result
            self.meet(thing, own, args[1])
    return result if error is None else None


def _settle_listen(self, index, args, kwargs, result, frame, error):
    if error is None and index >= 0:
        self.things[index].role = "listener"


def _settle_bind(self, index, args, kwargs, result, frame, error):
    if error is None and index >= 0:
        self.things[index].address = args[0].getsockname()


def _settle_gone(self, index, args, kwargs, result, frame, error):
    if error is None and index >= 0:
        self.gone[id(args[0])] = index
        self.close(index)


def _settle_detach(self, index, args, kwargs, result, frame, error):
    if error is None and index >= 0:
        self.gone[id(args[0])] = index


def _settle_timeout(self, index, args, kwargs, result, frame, error):
    if error is None and index >= 0:
        thing = self.things[index]
        thing.timeouts.append((self.clock(), args[0].gettimeout()))


def _settle_blocking(self, index, args, kwargs, result, frame, error):
    if error is None and index >= 0:
        self.things[index].timeouts.append((self.clock(), None if args[1] else 0.0))


def _settle_epoll(self, index, args, kwargs, result, frame, error):
    if error is None:
        epoll = args[0]
        self.gone.pop(id(epoll), None)
        return ("made", self.open("epoll", epoll.fileno(), frame).index)
    return None


def _settle_fromfd(self, index, args, kwargs, result, frame, error):
    if error is None:
        self.gone.pop(id(result), None)
    return None


def _settle_poll(_, index, args, kwargs, result, frame, error):
    return tuple(result) if error is None else None


def _rows(self):
    yield from _os_rows(self)
    yield from _socket_rows(self)
    yield from _epoll_rows(self)


def _os_rows(self):
    """Yield (owner, attribute, replacement) for the functions of `os`."""
    by_number = self.by_number

    def subject(args, kwargs):
        number = args[0] if args else next(iter(kwargs.values()), None)
        try:
            return by_number[number]
        except KeyError:
            return _Unknown(number)
        except TypeError:
            return None

    def row(name, argument=None, settle=None, **more):
        original = getattr(os, name)
        return os, name, staticmethod(self.watch(f"os.{name}", original, subject,
                                                 argument and _quietly(argument, ()),
                                                 settle, **more))

    yield row("pipe", settle=_settle_pipe, makes=True)
    yield row("pipe2", lambda _, a, k: (a[0],), _settle_pipe, makes=True)
    yield row("eventfd", lambda _, a, k: (*a, *k.values()), _settle_eventfd, makes=True)
    yield row("read", lambda _, a, k: (a[1],), _settle_bytes)
    yield row("readv", lambda _, a, k: (sum(memoryview(b).nbytes for b in a[1]),), _settle_into)
    yield row("write", lambda _, a, k: (_head(a[1]),), writes=True)
    yield row("writev", lambda _, a, k: (_heads(a[1]),), writes=True)
    yield row("sendfile", lambda _, a, k: (a[3] if len(a) > 3 else k["count"],), writes=True)
    yield row("eventfd_read")
    yield row("eventfd_write", lambda _, a, k: (a[1] if len(a) > 1 else k["value"],), writes=True)
    yield row("close", settle=_settle_close)
    yield row("dup", settle=_settle_dup)
    yield row("dup2", lambda _, a, k: (a[1],), _settle_dup2)
    yield row("set_blocking", lambda _, a, k: (bool(a[1]),), _settle_blocking)


class _Unknown(int):
    """A number that is not in the recording (an int, but not of class int)."""

    def __new__(cls, number):
        try:
            return super().__new__(cls, number.__index__())
        except AttributeError:
            return None


def _socket_rows(self):
    """Yield (owner, attribute, replacement) for the methods of `socket.socket`."""
    by_number, gone, fileno = self.by_number, self.gone, _socket.socket.fileno
    the_class = socket.socket

    def subject(args, kwargs):
        number = fileno(args[0])
        if number in by_number:
            return by_number[number]
        if number < 0:
            return gone.get(id(args[0]))
        return _Unknown(number)

    def row(name, argument=None, settle=None, attribute=None, **more):
        attribute = attribute or name
        return the_class, attribute, self.watch(f"socket.{name}", getattr(the_class, attribute), subject,
                                                argument and _quietly(argument, ()), settle, **more)

    def nothing(_, a, k):
        return ()

    def rest(_, a, k):
        return (*a[1:], *k.values())

    def size(_, a, k):
        return (*a[1:], *k.values())

    def size_into(_, a, k):
        size = a[2] if len(a) > 2 else k.get("nbytes", 0)
        return (size or memoryview(a[1]).nbytes, *(a[3:] or (k.get("flags", 0),)))

    made = self.watch("socket.socket", the_class.__init__, None, nothing, _settle_socket, makes=True)
    plain_init, recorder = the_class.__init__, self

    def __init__(sock, *args, **kwargs):
        given = args[3] if len(args) > 3 else kwargs.get("fileno")
        if given is None:
            return made(sock, *args, **kwargs)
        plain_init(sock, *args, **kwargs)  # a new object on a number that exists: accept, socketpair, dup, fromfd
        gone.pop(id(sock), None)
        if given in by_number:
            thing = recorder.things[by_number[given]]
            thing.timeouts.append((recorder.clock(), sock.gettimeout()))
        elif _active is recorder:
            recorder.wrapped(given, sys._getframe(1))

    yield the_class, "__init__", __init__
    yield _socket, "socketpair", staticmethod(self.watch("socket.socketpair", _socket.socketpair, None, nothing,
                                                         _settle_pair, makes=True))
    yield row("accept", nothing, _settle_accept, "_accept")
    yield row("bind", rest, _settle_bind)
    yield row("listen", rest, _settle_listen)
    yield row("connect", rest, _settle_connect, writes=True)
    yield row("connect_ex", rest, _settle_connect, writes=True)
    yield row("recv", size, _settle_bytes)
    yield row("recv_into", size_into, _settle_into)
    yield row("recvfrom", size, _settle_first)
    yield row("recvmsg", size, _settle_first)
    yield row("send", lambda _, a, k: (_head(a[1]), *a[2:]), writes=True)
    yield row("sendall", lambda _, a, k: (_head(a[1]), *a[2:]), _settle_sendall, writes=True)
    yield row("sendto", lambda _, a, k: (_head(a[1]), *a[2:]), writes=True)
    yield row("sendmsg", lambda _, a, k: (_heads(a[1]),), writes=True)
    yield row("shutdown", lambda _, a, k: (int(a[1]),))
    yield row("setblocking", lambda _, a, k: (bool(a[1]),), _settle_timeout)
    yield row("settimeout", rest, _settle_timeout)
    yield row("detach", nothing, _settle_detach)
    yield row("close", nothing, _settle_gone, "_real_close")


def _epoll_rows(self):
    """Yield (owner, attribute, replacement) for the methods of `select.epoll`."""
    by_number, gone, the_type = self.by_number, self.gone, select.epoll
    fileno = the_type.fileno

    def subject(args, kwargs):
        try:
            number = fileno(args[0])
        except ValueError:  # closed: it has no number any more
            return gone.get(id(args[0]))
        if number in by_number:
            return by_number[number]
        return _Unknown(number)

    def registered(_, a, k):
        what = a[1] if len(a) > 1 else k["fd"]
        number = what if isinstance(what, int) else what.fileno()
        mask = a[2] if len(a) > 2 else k.get("eventmask", 7)
        index = by_number.get(number)
        if index is None:
            index = self.unknown(number, sys._getframe(3))
            if index is _NOT_OURS:
                index = -1
        return (number, mask, index)

    def asked(_, a, k):
        timeout = a[1] if len(a) > 1 else k.get("timeout")
        return (-1 if timeout is None else timeout, a[2] if len(a) > 2 else k.get("maxevents", -1))

    def row(name, argument, settle=None, **more):
        return the_type, name, self.watch(f"epoll.{name}", getattr(the_type, name), subject, _quietly(argument, ()),
                                          settle, **more)

    made = self.watch("select.epoll", lambda *a, **k: None, None, lambda _, a, k: (*a[1:], *k.values()), _settle_epoll,
                      makes=True)
    yield the_type, "__init__", made
    fromfd = self.watch("epoll.fromfd", the_type.fromfd, lambda a, k: by_number.get(a[0] if a else None),
                        lambda _, a, k: tuple(a), _settle_fromfd)
    yield the_type, "fromfd", staticmethod(fromfd)
    yield row("register", registered)
    yield row("modify", registered)
    yield row("unregister", registered)
    yield row("poll", asked, _settle_poll)
    yield row("close", lambda _, a, k: (), _settle_gone)
