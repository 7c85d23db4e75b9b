"""The calls that are recorded: one table, one row a call, and everything the call means.

Facts about Python
------------------
* Most of these are functions of C.  `os.read` is an attribute of a module; `recv` stands on
  ``socket.socket``, a class of Python over one of C; `poll` on ``select.epoll``, a type of C whose
  attributes can be replaced.  `socket.accept` and `socket.close` are Python and end in ``_accept``
  and ``_real_close``: ``close()`` with a ``makefile`` open closes nothing yet.
* Reading and writing differ from call to call in where the data is, what is returned, and which
  argument holds the flags.  A call may concern two streams: `splice` reads one and writes another.

What we do about them
---------------------
A row says where the call is found (by name, so that this module can be imported on systems that do
not have it), what to keep of its arguments and of its result, whether it reads, writes, waits,
makes, or closes, how many bytes that moved, and how it is shown.  Whoever needs to know something
about a call asks its row.  To record another call, add a row.

*keep* looks at the arguments before the call and *follow* at the result after it.  Both may fail
where arguments are wrong; then the original call is the one that complains.

*Source:* the documentation of `os`, `socket`, `select` and `ssl`; ``Lib/socket.py``,
``Lib/ssl.py``.
"""

import os
from collections.abc import Callable
from operator import itemgetter
from typing import NamedTuple

from . import linux
from .masks import FLAGS, names

#: How many bytes of data a log keeps.
HEAD = 32
#: Numbers of errors, as Linux has them.  *Source:* ``include/uapi/asm-generic/errno.h``.
EBADF, EAGAIN, ENOTSOCK, EINPROGRESS = 9, 11, 88, 115
#: With these errors no call has moved anything before it failed.
NOTHING_MOVED = {EBADF, ENOTSOCK}
#: The end of a call that had not come back when the recording ended.
STILL_IN_CALL = -1
#: Kinds of streams in which no level is kept: what lies in them is not bytes that a call put there,
#: or not the same number of bytes.
UNCOUNTED = {"epoll", "file", "other", "pty", "timerfd", "pidfd", "tls"}
UNCOUNTED |= {"udp", "socket", "unix-dgram", "unix-seqpacket"}
#: Flags of recv and send.  *Source:* ``include/linux/socket.h``.
MSG_OOB, MSG_PEEK, MSG_DONTWAIT, MSG_ERRQUEUE = 0x1, 0x2, 0x40, 0x2000
AF_UNIX, SOCK_STREAM, SOL_SOCKET, SCM_RIGHTS, SO_ERROR = 1, 1, 1, 1, 4
O_NONBLOCK, EFD_NONBLOCK = 0o4000, 0o4000
DEFAULT_MASK = FLAGS["EPOLLIN"] | FLAGS["EPOLLPRI"] | FLAGS["EPOLLOUT"]


class Failure(NamedTuple):
    """What a call that failed left behind, in the place of a result."""

    type: str
    message: str
    errno: int
    #: what follows, of a call that says more than that it failed
    known: object = None


class Several(tuple):
    """More than one argument, or none, where most calls keep one.

    A bare value is kept without a tuple around it: the garbage collector has nothing to follow.
    """

    __slots__ = ()


NONE = Several()


class Syscall:
    """A row: one call, where it is found, and what it means.

    Below is what a row may say, and what holds of a call of which its row says nothing.  (No
    dataclass: to make one takes longer than to make the whole table.)
    """

    #: how the log calls it, as in ``socket.recv``
    name: str
    #: ``module`` or ``module:class``, and the attribute there that is replaced
    owner: str
    attribute: str
    #: parameters that may be given by name, in their order, with their defaults
    parameters: dict = {}  # noqa: RUF012 (nobody changes it)
    #: *number*: the first argument is a file descriptor; *socket*, *epoll*: an object that has one;
    #: *new*: nothing is open yet; *many*: several streams, see `watched`
    subject: str = "number"
    #: (args, kwargs) → the same, so that they can be looked at and be passed on as well
    prepare: Callable | None = None
    #: arguments → what to keep of them: a bare value, or `Several`
    keep: Callable | None = None
    #: (descriptors, index, arguments, result, error, frame) → what to keep of the result
    follow: Callable | None = None
    #: does *follow* look only at the data that came, and not at what is open?
    follows_data: bool = False
    #: does *follow* look at a call that failed as well?
    follows_errors: bool = False

    # what it does
    reads: bool = False
    writes: bool = False
    #: the end of `subject` that is written is the listener's queue
    connects: bool = False
    #: what it returns is new; `pair` tells that it is a tuple of two
    makes: bool = False
    pair: bool = False
    registers: bool = False
    unregisters: bool = False
    #: waits for events, and returns them
    waits: bool = False
    #: closes, and what follows tells whether it was this call that closed
    closes: bool = False
    #: ends one direction or both, and leaves the descriptor open
    shuts_down: bool = False
    sets_blocking: bool = False
    #: fetches the error that waits at a socket
    fetches_error: bool = False
    #: ends in another call of this table, if the stream is not encrypted
    wraps: bool = False
    #: (descriptors, arguments, frame) → the other streams that the call concerns, as pairs of an
    #: index and what it does there: "reads", "writes", or the event mask that is waited for
    also: Callable | None = None
    #: arguments → the number that exists already, for which it makes an object; None for none
    number_given: Callable | None = None
    #: closes what had the number that it gives to something new
    replaces: bool = False
    #: makes no call to the kernel: what follows is remembered, and nothing is logged
    silent: bool = False
    #: (args, kwargs) → whether such a call is recorded at all; None for each
    only: Callable | None = None

    # how much it moved, and with which flags
    #: *result*: the length of the data returned, or the number; *argument*: the length of what was
    #: given, or the number; *once*: 1
    amount: str = "result"
    #: place of MSG_* flags among the kept arguments
    flags: int | None = None

    # how it is shown
    #: color and pattern: read, write, poll, close or other
    family: str = "other"
    #: a word for its bar, and a shorter one
    word: str = ""
    short: str = ""
    #: how many of its arguments the story tells; None for all.  Ports and file descriptors differ
    #: from run to run, so calls that are given those tell none.
    tells: int | None = None
    #: arguments → how the story spells them, a list
    spell: Callable | None = None
    #: a library's housekeeping, unless the learner's line says the word itself
    is_setting: bool = False

    def __init__(self, **meaning):
        if unknown := meaning.keys() - Syscall.__annotations__.keys():
            raise TypeError(f"a row says nothing of {', '.join(unknown)}; see Syscall")
        for name in Syscall.__annotations__:
            setattr(self, name, meaning[name] if name in meaning else getattr(Syscall, name))

    def __repr__(self):
        return f"<the call {self.name}>"

    @property
    def method(self) -> str:
        """Return the name without its module: ``recv``."""
        return self.name.partition(".")[2]

    @property
    def module(self) -> str:
        """Return what stands before the dot: ``socket``."""
        return self.name.partition(".")[0]

    @property
    def sends_all(self) -> bool:
        """Tell whether it goes on until all is written: how far it got before it failed, nobody
        knows.
        """
        return self.amount == "argument" and self.flags is not None

    @property
    def is_of_epoll(self) -> bool:
        """Tell whether the call is made on an epoll that exists."""
        return self.owner == "select:epoll" and self.subject != "new"

    @property
    def bar(self) -> str:
        """Return the word for its bar."""
        return self.word or self.method

    @property
    def narrow_bar(self) -> str:
        """Return the word for a bar that is too narrow for `bar`."""
        return self.short or self.bar

    @property
    def moves(self) -> bool:
        """Tell whether the call moves something into or out of a stream."""
        return self.reads or self.writes

    def arguments(self, args, kwargs) -> tuple:
        """Put the arguments of a call in the order of the parameters."""
        if not self.parameters:
            return args
        given = len(args) - (
            self.subject in ("socket", "epoll", "poll") or self.attribute == "__init__"
        )
        places = list(self.parameters.items())[given:]
        return args + tuple(kwargs.get(name, default) for name, default in places)


# Arguments that can be looked at only once.


class AskedOnce:
    """An object with a ``fileno()`` of the program's own, which is asked no more often than without
    a recording; `number` is what it said.
    """

    def __init__(self, stream):
        self.stream, self.number = stream, None

    def fileno(self):
        self.number = self.stream.fileno()
        return self.number


def ask_once(args, kwargs):
    """Wrap what is to be registered, unless it is a number or an object that Python itself asks."""
    stream = args[1] if len(args) > 1 else kwargs.get("fd")
    asks = getattr(type(stream), "fileno", None)
    if isinstance(stream, int) or asks is None or asks in linux.PLAIN_FILENO:
        return args, kwargs
    wrapped = AskedOnce(stream)
    return (
        ((args[0], wrapped, *args[2:]), kwargs)
        if len(args) > 1
        else (args, kwargs | {"fd": wrapped})
    )


def read_once(args, kwargs):
    """Make a tuple of an iterator, which gives what it has but once, and which asyncio sends."""
    if len(args) > 1 and hasattr(type(args[1]), "__next__"):
        args = (args[0], tuple(args[1]), *args[2:])
    return args, kwargs


# What to keep of arguments.

keep_second = itemgetter(1)


def head(data):
    """Keep what a log keeps of some bytes: all of up to 32, else the length and the first 32."""
    if data.__class__ is not bytes:
        with memoryview(data) as view:
            if not view.nbytes:
                return b""
            with view.cast("B") as flat:
                return bytes(flat) if len(flat) <= HEAD else (len(flat), bytes(flat[:HEAD]))
    return data if len(data) <= HEAD else (len(data), data[:HEAD])


def heads(parts, limit=None):
    """Do as `head` for several buffers that are filled or sent in a row, up to *limit* bytes."""
    length, start = 0, b""
    for part in parts:
        kept = head(part)
        size, first = kept if kept.__class__ is tuple else (len(kept), kept)
        length += size
        start += first[: HEAD - len(start)]
    length = length if limit is None else limit
    return start[:length] if length <= HEAD else (length, start)


def keep_first(args):
    return Several(args[:1])


def keep_rest(args):
    return args[1] if len(args) == 2 else Several(args[1:])


def keep_data(args):
    """Keep bytes that are sent, and flags if there are any."""
    data = args[1]
    if data.__class__ is not bytes or len(data) > HEAD:
        data = head(data)
    return data if len(args) == 2 else Several((data, *args[2:]))


def keep_data_to(args):
    """Keep what ``sendto`` is given: the address is last, flags may stand before it."""
    return Several((head(args[1]), args[2] if len(args) > 3 else 0))


def keep_parts(args):
    return heads(args[1])


def keep_message(args):
    return Several((heads(args[1]), *args[3:4]))


def keep_room(args):
    """Keep how much ``recv_into`` has room for."""
    with memoryview(args[1]) as view:
        return Several(((args[2] if len(args) > 2 else 0) or view.nbytes, *args[3:4]))


def keep_rooms(args):
    return sum(memoryview(part).nbytes for part in args[1])


def keep_message_rooms(args):
    return Several((keep_rooms(args), *args[3:4]))


def keep_message_size(args):
    return Several((args[1], *args[3:4]))


def keep_timeout(args):
    """Keep the timeout of a poll, and the most events that it may return, if that was said."""
    return args[1] if len(args) == 2 else None if len(args) == 1 else Several(args[1:])


def keep_tls_size(args):
    """Keep how much ``SSLSocket.read`` is asked for: a buffer may be given as well."""
    return args[1] if len(args) > 1 and args[1] is not None else 1024


def keep_path(args):
    return Several((os.fspath(args[0]) if not isinstance(args[0], int) else args[0], args[1]))


# How the story spells arguments.

#: What ``pipe2`` is given.  *Source:* ``include/uapi/asm-generic/fcntl.h``.
PIPE_FLAGS = {"O_NONBLOCK": 0o4000, "O_DIRECT": 0o40000, "O_CLOEXEC": 0o2000000}


def spell_pipe_flags(arguments):
    flags = arguments[0] if arguments else 0
    named = [name for name, bit in PIPE_FLAGS.items() if flags & bit]
    return ["|".join(named) or str(flags)]


def spell_mask(arguments):
    return [names(mask) for mask in arguments[1:2]]


def spell_timeout(arguments):
    timeout, most = (*arguments, -1, -1)[:2]
    return [f"{timeout:g}"] * (timeout != -1) + [f"maxevents={most}"] * (most != -1)


# Which other streams a call concerns.


def second_written(descriptors, args, frame):
    return ((descriptors.find(args[1], frame), "writes"),)


def second_read(descriptors, args, frame):
    return ((descriptors.find(args[1], frame), "reads"),)


def look_before_closing(descriptors, args, frame):
    descriptors.closing(args[0])
    return ()


def look_before_replacing(descriptors, args, frame):
    if args[0] != args[1]:
        descriptors.closing(args[1])
    return ()


def all_in_range(descriptors, args, frame):
    numbers = sorted(number for number in descriptors.by_number if number in range(*args))
    for number in numbers:
        descriptors.closing(number)
    return tuple((descriptors.by_number[number], "closes") for number in numbers)


#: What `select` waits for in each of its three lists.
SELECTED = (FLAGS["EPOLLIN"], FLAGS["EPOLLOUT"], FLAGS["EPOLLPRI"])


def all_selected(descriptors, args, frame):
    return tuple(
        (descriptors.find(number, frame), mask)
        for streams, mask in zip(args, SELECTED, strict=False)
        for number in map(descriptors.number_given, streams)
        if number is not None
    )


def all_polled(descriptors, args, frame):
    return tuple(
        (descriptors.find(number, frame), mask)
        for number, mask in descriptors.registered_at(args[0]).items()
    )


# What follows from a result.  *index* is the descriptor that the call was made on, −1 for none.


def follow_into(descriptors, index, args, result, error, frame):
    """Keep what was read into a buffer, or into several."""
    amount = result[0] if isinstance(result, tuple) else result
    return heads(args[1] if isinstance(args[1], (list, tuple)) else [args[1]], amount)


def follow_from(descriptors, index, args, result, error, frame):
    """Keep the data of a result that has more to say."""
    return head(result[0])


def follow_message(descriptors, index, args, result, error, frame):
    """Keep the data, and take in what file descriptors came with it."""
    descriptors.received(result[1], frame)
    return (
        head(result[0])
        if isinstance(result[0], bytes)
        else follow_into(descriptors, index, args, result, error, frame)
    )


def follow_sendall(descriptors, index, args, result, error, frame):
    if error and index >= 0:  # how much of it went in, only the kernel knows
        descriptors.ask_around(descriptors.all[index])


def follow_pipe(descriptors, index, args, result, error, frame):
    timeout = 0.0 if args and args[0] & O_NONBLOCK else None
    ends = [
        descriptors.open(
            "pipe",
            number,
            frame,
            place,
            role=f"{word} end",
            timeout=timeout,
            readable=word == "read",
            writable=word == "write",
        )
        for place, (number, word) in enumerate(zip(result, ("read", "write"), strict=True))
    ]
    descriptors.join(*ends)
    return tuple(end.index for end in ends)


def follow_pair(descriptors, index, args, result, error, frame):
    kind = linux.socket_kind(result[0])
    kind = "socketpair" if kind == "unix" else kind
    ends = [
        descriptors.open(
            kind, sock.fileno(), frame, place, role="ab"[place], timeout=sock.gettimeout()
        )
        for place, sock in enumerate(result)
    ]
    descriptors.join(*ends)
    return tuple(end.index for end in ends)


def follow_terminal(descriptors, index, args, result, error, frame):
    ends = [
        descriptors.open("pty", number, frame, place, role=role)
        for place, (number, role) in enumerate(zip(result, ("master", "slave"), strict=True))
    ]
    descriptors.join(*ends)
    return tuple(end.index for end in ends)


def follow_open(descriptors, index, args, result, error, frame):
    """Take in what was opened by its path, if it is a stream: a FIFO or a terminal."""
    return descriptors.opened(result, frame, args[1])


def follow_file(descriptors, index, args, result, error, frame):
    """Remember that a file object reads a number, in C, and more than it is asked for."""
    index = descriptors.by_number.get(args[0])
    if index is not None:
        descriptors.evidence.append(("file object", index, {}))


def follow_eventfd(descriptors, index, args, result, error, frame):
    timeout = 0.0 if len(args) > 1 and args[1] & EFD_NONBLOCK else None
    return (descriptors.open("eventfd", result, frame, start_level=args[0], timeout=timeout).index,)


def opens(kind):
    """Make the *follow* of a call that returns the number of something new."""

    def follow(descriptors, index, args, result, error, frame):
        return (descriptors.open(kind, result, frame).index,)

    return follow


def follow_dup(descriptors, index, args, result, error, frame):
    return None if index < 0 else (descriptors.again(index, result, frame).index,)


def follow_dup2(descriptors, index, args, result, error, frame):
    """Return the new descriptor, and what had its number before and was closed for it."""
    closed = () if args[0] == args[1] else descriptors.end_closing(args[1], args[1] + 1, error)
    if error or index < 0:
        return None
    if args[0] == result:
        return (index,)
    return (descriptors.again(index, result, frame).index, *closed)


def follow_socket(descriptors, index, args, result, error, frame):
    sock = args[0]
    return (
        descriptors.open(
            linux.socket_kind(sock),
            sock.fileno(),
            frame,
            role="client",
            timeout=sock.gettimeout(),
        ).index,
    )


def follow_accept(descriptors, index, args, result, error, frame):
    if index < 0:
        return None
    listener = descriptors.all[index]
    accepted = descriptors.open(
        listener.kind, result[0], frame, 0, role="accepted", timeout=linux.default_timeout()
    )
    descriptors.accepted(accepted, listener)
    if accepted.other_end is None:  # the caller is not in the recording: what it sent was there
        accepted.start_level = linux.level(result[0])
    return (accepted.index,)


def follow_connect(descriptors, index, args, result, error, frame):
    if (
        index >= 0
        and result in (None, 0, EINPROGRESS)
        and getattr(error, "errno", EINPROGRESS) == EINPROGRESS
    ):
        descriptors.connected(descriptors.all[index], args[1])
    return result


def follow_listen(descriptors, index, args, result, error, frame):
    if index >= 0:
        listener = descriptors.all[index]
        listener.role, listener.address = "listener", args[0].getsockname()


def follow_close(descriptors, index, args, result, error, frame):
    """Tell whether this close was the one that closed: sockets and epolls may be closed again, or
    have been detached.
    """
    by = None if isinstance(args[0], int) else id(args[0])
    descriptors.ending.discard(index)
    if error or index < 0 or descriptors.gone.get(by) == index:
        return None
    descriptors.close(index, by)
    return (index,)


def follow_closerange(descriptors, index, args, result, error, frame):
    """Tell which descriptors a range of closes has closed."""
    return descriptors.end_closing(*args, error)


def follow_select(descriptors, index, args, result, error, frame):
    """Give what is ready as events: pairs of a number and a mask."""
    return tuple(
        (number, mask)
        for streams, mask in zip(result, SELECTED, strict=True)
        for number in map(descriptors.number_given, streams)
        if number is not None
    )


def follow_poll(descriptors, index, args, result, error, frame):
    return tuple(result)


def follow_poll_registration(descriptors, index, args, result, error, frame):
    """Remember what a poll object was asked to watch: poll(2) has no list in the kernel."""
    number = descriptors.number_given(args[1])
    if number is not None:
        watched = descriptors.registered_at(args[0])
        mask = args[2] if len(args) > 2 else DEFAULT_MASK
        watched[number] = mask


def follow_poll_unregistration(descriptors, index, args, result, error, frame):
    descriptors.registered_at(args[0]).pop(descriptors.number_given(args[1]), None)


def follow_detach(descriptors, index, args, result, error, frame):
    if index >= 0:
        descriptors.gone[id(args[0])] = index
    return result


def follow_blocking(descriptors, index, args, result, error, frame):
    if index >= 0:
        timeout = args[0].gettimeout() if not isinstance(args[0], int) else None if args[1] else 0.0
        descriptors.all[index].timeouts.append((descriptors.clock(), timeout))


def follow_epoll(descriptors, index, args, result, error, frame):
    return (descriptors.open("epoll", args[0].fileno(), frame).index,)


def follow_fromfd(descriptors, index, args, result, error, frame):
    return None if index < 0 else (index,)


def follow_registration(descriptors, index, args, result, error, frame):
    """Tell which number the kernel was given, and which stream that is."""
    number = descriptors.number_given(args[1])
    return number, descriptors.find(number, frame) if number is not None else None


# The rows.

FD = {"fd": None}
MASK = {"eventmask": DEFAULT_MASK}


def of_os(name, attribute=None, **meaning):
    return Syscall(name=f"os.{name}", owner="os", attribute=attribute or name, **meaning)


def of_sockets(name, attribute=None, **meaning):
    return Syscall(
        name=f"socket.{name}",
        owner="socket:socket",
        attribute=attribute or name,
        **{"subject": "socket"} | meaning,
    )


def of_epolls(name, attribute=None, **meaning):
    return Syscall(
        name=f"epoll.{name}",
        owner="select:epoll",
        attribute=attribute or name,
        **{"subject": "epoll"} | meaning,
    )


def of_poll_objects(name, **meaning):
    return Syscall(
        name=f"poll.{name}", owner="select:poll()", attribute=name, subject="many", **meaning
    )


def of_tls(name, **meaning):
    return Syscall(
        name=f"ssl.{name}",
        owner="ssl:SSLSocket",
        attribute=name,
        subject="socket",
        wraps=True,
        **meaning,
    )


READING = {"reads": True, "family": "read"}
WRITING = {"writes": True, "family": "write"}
RECEIVING = READING | {"short": "recv", "tells": 1, "flags": 1}
SENDING = WRITING | {"short": "send", "tells": 1, "flags": 1}
MAKING = {"makes": True, "subject": "new"}
CLOSING = {
    "closes": True,
    "family": "close",
    "also": look_before_closing,
    "follow": follow_close,
    "follows_errors": True,
}
SETTING = {"sets_blocking": True, "is_setting": True, "follow": follow_blocking}
CONNECTING = WRITING | {
    "connects": True,
    "amount": "once",
    "word": "connect",
    "short": "conn.",
    "tells": 0,
    "keep": keep_rest,
    "follow": follow_connect,
    "follows_errors": True,
}

ROWS = [
    of_os("pipe", follow=follow_pipe, pair=True, **MAKING),
    of_os(
        "pipe2", keep=keep_first, follow=follow_pipe, pair=True, spell=spell_pipe_flags, **MAKING
    ),
    of_os("openpty", follow=follow_terminal, pair=True, **MAKING),
    of_os(
        "open",
        keep=keep_path,
        follow=follow_open,
        tells=0,
        parameters={"path": None, "flags": 0, "mode": 0o777},
        **MAKING,
    ),
    of_os("fdopen", follow=follow_file, silent=True),
    of_os(
        "eventfd",
        keep=lambda args: Several(args[1:]),
        follow=follow_eventfd,
        short="efd",
        parameters={"initval": None, "flags": 0o2000000},
        **MAKING,
    ),
    of_os("timerfd_create", follow=opens("timerfd"), word="timerfd", tells=0, **MAKING),
    of_os("pidfd_open", follow=opens("pidfd"), word="pidfd", tells=0, **MAKING),
    of_os("read", keep=keep_second, **READING),
    of_os("readv", keep=keep_rooms, follow=follow_into, follows_data=True, **READING),
    of_os("write", keep=keep_data, **WRITING),
    of_os("writev", keep=keep_parts, **WRITING),
    of_os(
        "splice",
        keep=lambda args: args[2],
        also=second_written,
        parameters={"src": None, "dst": None, "count": None},
        **READING,
    ),
    of_os(
        "sendfile",
        keep=lambda args: args[3],
        also=second_read,
        short="sendf.",
        parameters={"out_fd": None, "in_fd": None, "offset": None, "count": None},
        **WRITING,
    ),
    of_os("eventfd_read", word="read", parameters=FD, **READING),
    of_os(
        "eventfd_write",
        keep=keep_second,
        amount="argument",
        word="write",
        parameters=FD | {"value": None},
        **WRITING,
    ),
    of_os("timerfd_settime", word="settime", tells=0),
    of_os("timerfd_settime_ns", word="settime", tells=0),
    of_os("close", parameters=FD, **CLOSING),
    of_os(
        "closerange",
        subject="many",
        also=all_in_range,
        closes=True,
        family="close",
        follow=follow_closerange,
        follows_errors=True,
        tells=0,
    ),
    of_os("dup", follow=follow_dup, makes=True),
    of_os(
        "dup2",
        keep=keep_second,
        also=look_before_replacing,
        follow=follow_dup2,
        follows_errors=True,
        makes=True,
        replaces=True,
        tells=0,
        parameters=FD | {"fd2": None},
    ),
    of_os("set_blocking", keep=keep_second, word="blocking", short="block.", **SETTING),
    Syscall(
        name="socket.socket",
        owner="socket:socket",
        attribute="__init__",
        follow=follow_socket,
        number_given=lambda args: args[4] if len(args) > 4 else None,
        short="sock.",
        parameters={"family": -1, "type": -1, "proto": -1, "fileno": None},
        **MAKING,
    ),
    Syscall(
        name="socket.socketpair",
        owner="_socket",
        attribute="socketpair",
        follow=follow_pair,
        pair=True,
        short="pair",
        **MAKING,
    ),
    of_sockets(
        "accept",
        "_accept",
        follow=follow_accept,
        makes=True,
        amount="once",
        short="acc.",
        **READING,
    ),
    of_sockets("bind", keep=keep_rest, tells=0),
    of_sockets("listen", keep=keep_rest, follow=follow_listen, short="list."),
    of_sockets("connect", **CONNECTING),
    of_sockets("connect_ex", **CONNECTING),
    of_sockets("recv", keep=keep_rest, **RECEIVING),
    of_sockets(
        "recv_into",
        keep=keep_room,
        follow=follow_into,
        follows_data=True,
        parameters={"buffer": None, "nbytes": 0, "flags": 0},
        **RECEIVING,
    ),
    of_sockets("recvfrom", keep=keep_rest, follow=follow_from, follows_data=True, **RECEIVING),
    of_sockets(
        "recvfrom_into",
        keep=keep_room,
        follow=follow_into,
        follows_data=True,
        parameters={"buffer": None, "nbytes": 0, "flags": 0},
        **RECEIVING,
    ),
    of_sockets("recvmsg", keep=keep_message_size, follow=follow_message, **RECEIVING),
    of_sockets("recvmsg_into", keep=keep_message_rooms, follow=follow_message, **RECEIVING),
    of_sockets("send", keep=keep_data, **SENDING),
    of_sockets(
        "sendall",
        keep=keep_data,
        follow=follow_sendall,
        follows_errors=True,
        amount="argument",
        **SENDING,
    ),
    of_sockets("sendto", keep=keep_data_to, **SENDING),
    of_sockets("sendmsg", prepare=read_once, keep=keep_message, **SENDING),
    of_sockets("shutdown", keep=keep_rest, shuts_down=True, family="close", short="shut."),
    of_sockets("setblocking", keep=keep_rest, word="blocking", short="block.", **SETTING),
    of_sockets("settimeout", keep=keep_rest, word="timeout", short="time.", **SETTING),
    of_sockets(
        "getsockopt",
        keep=keep_rest,
        only=lambda args, kwargs: args[1:] == (SOL_SOCKET, SO_ERROR),
        fetches_error=True,
        is_setting=True,
        word="SO_ERROR",
        short="error",
    ),
    of_sockets("detach", follow=follow_detach, family="close"),
    of_sockets("close", "_real_close", **CLOSING),
    of_tls("do_handshake", family="other", word="handshake", short="hands."),
    of_tls("read", keep=keep_tls_size, tells=1, **READING),
    of_tls("write", keep=keep_data, tells=1, **WRITING),
    of_tls("send", keep=keep_data, tells=1, **WRITING),
    of_tls("unwrap", family="close"),
    Syscall(
        name="select.epoll",
        owner="select:epoll",
        attribute="__init__",
        keep=lambda args: Several(args[1:]),
        follow=follow_epoll,
        short="ep.",
        **MAKING,
    ),
    of_epolls("fromfd", subject="number", keep=keep_first, follow=follow_fromfd, makes=True),
    of_epolls(
        "register",
        prepare=ask_once,
        keep=lambda args: args[2] if len(args) > 2 else DEFAULT_MASK,
        follow=follow_registration,
        follows_errors=True,
        registers=True,
        spell=spell_mask,
        short="reg.",
        parameters=FD | MASK,
    ),
    of_epolls(
        "modify",
        prepare=ask_once,
        keep=lambda args: args[2],
        follow=follow_registration,
        follows_errors=True,
        registers=True,
        spell=spell_mask,
        short="mod.",
        parameters=FD | {"eventmask": None},
    ),
    of_epolls(
        "unregister",
        prepare=ask_once,
        follow=follow_registration,
        follows_errors=True,
        registers=True,
        unregisters=True,
        tells=0,
        family="close",
        short="unr.",
        parameters=FD,
    ),
    of_epolls(
        "poll",
        keep=keep_timeout,
        waits=True,
        spell=spell_timeout,
        family="poll",
        parameters={"timeout": None, "maxevents": -1},
    ),
    of_epolls("close", **CLOSING),
    Syscall(
        name="select.select",
        owner="select",
        attribute="select",
        subject="many",
        also=all_selected,
        keep=lambda args: Several(args[3:4]),
        follow=follow_select,
        waits=True,
        family="poll",
    ),
    of_poll_objects(
        "poll",
        also=all_polled,
        keep=lambda args: Several(args[1:]),
        follow=follow_poll,
        waits=True,
        family="poll",
    ),
    of_poll_objects("register", follow=follow_poll_registration, silent=True),
    of_poll_objects("modify", follow=follow_poll_registration, silent=True),
    of_poll_objects("unregister", follow=follow_poll_unregistration, silent=True),
]
#: Functions of the standard library that bound a call when they were defined, as the default of a
#: parameter: the module (which need not be imported), and the function.
BOUND_AS_DEFAULTS = (
    ("multiprocessing.connection", "Connection._send"),
    ("multiprocessing.connection", "Connection._recv"),
    ("multiprocessing.connection", "Connection._close"),
)

#: The rows by the names that a log uses.
CALLS = {}
#: The names of the calls that read, write, and so on: what `enter` finds in the rows.
READS, WRITES, CONNECTS, MAKES, CLOSES = set(), set(), set(), set(), set()
REGISTERING, WAITS, OF_EPOLLS, SETS_BLOCKING = set(), set(), set(), set()
_NAMES = {
    "reads": READS,
    "writes": WRITES,
    "connects": CONNECTS,
    "makes": MAKES,
    "closes": CLOSES,
    "registers": REGISTERING,
    "waits": WAITS,
    "is_of_epoll": OF_EPOLLS,
    "sets_blocking": SETS_BLOCKING,
}


def enter(row):
    """Enter a row: from then on the call is recorded, and known to whoever reads a log."""
    CALLS[row.name] = row
    for does, names_of_calls in _NAMES.items():
        if getattr(row, does):
            names_of_calls.add(row.name)


for _row in ROWS:
    enter(_row)
#: The row of ``select.epoll()`` itself.
MAKES_EPOLL = CALLS["select.epoll"]
REFUSED = EAGAIN
