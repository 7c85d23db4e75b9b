"""Which calls are recorded: one table, a row for each.

Facts about Python
------------------
* A function of C takes no ``self`` when it stands in a class; a function of Python does.  A
  ``staticmethod`` object can be called and does not bind, so that is what stands in for ``os.read``
  and its like.
* ``socket.socket`` is a class of Python over one of C: ``recv`` and ``send`` are inherited,
  ``accept`` and ``close`` are Python and end in ``_accept`` and ``_real_close``.  ``close()`` with
  a ``makefile`` open closes nothing yet.

What we do about them
---------------------
A row names what is replaced, what to keep of the arguments (looked at before the call), and what
follows from the result. Keeping and following may fail, where arguments are wrong; then the
original call is the one that complains.

*Source:* the documentation of `os`, `socket` and `select`.
"""

import _socket
import os
import select
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

from . import linux

HEAD = 32

READS = {
    "os.read",
    "os.readv",
    "os.eventfd_read",
    "socket.recv",
    "socket.recv_into",
    "socket.recvfrom",
    "socket.recvmsg",
    "socket.accept",
}
CONNECTS = {"socket.connect", "socket.connect_ex"}
WRITES = {
    "os.write",
    "os.writev",
    "os.sendfile",
    "os.eventfd_write",
    "socket.send",
    "socket.sendall",
    "socket.sendto",
    "socket.sendmsg",
} | CONNECTS
#: Calls that return something new: a number, or two, or a socket.
MAKES = {
    "os.pipe",
    "os.pipe2",
    "os.eventfd",
    "os.dup",
    "os.dup2",
    "socket.socket",
    "socket.socketpair",
    "socket.accept",
    "select.epoll",
    "epoll.fromfd",
}
REGISTERING = {"epoll.register", "epoll.modify", "epoll.unregister"}
OF_EPOLLS = REGISTERING | {"epoll.poll", "epoll.close", "epoll.fromfd"}
SETS_BLOCKING = {"os.set_blocking", "socket.setblocking", "socket.settimeout"}
CLOSES = {"os.close", "socket.close", "epoll.close"}
REFUSED, EINPROGRESS = 11, 115  # the first is EAGAIN
SENT_NOTHING = {9, 88}  # EBADF and ENOTSOCK: these no call meets half-way
STILL_IN_CALL = -1
UNCOUNTED = {"epoll", "file", "other", "udp", "socket"}


@dataclass(slots=True)
class Row:
    """One call: `owner.attribute` is replaced, and stands in the log as `name`."""

    owner: object
    attribute: str
    name: str
    #: what to keep of the arguments, a tuple
    keep: Callable | None = None
    #: (streams, index, arguments, result, error, frame) → what to keep of the result
    follow: Callable | None = None
    #: finds the file descriptor behind the first argument; None if it is one
    number_of: Callable | None = None
    #: parameters that may be given by name, with their defaults
    parameters: dict = field(default_factory=dict)
    #: makes something new, so that there is nothing yet to look for
    makes: bool = False
    #: what is kept begins with bytes, of which a log keeps the head
    sends: bool = False

    def arguments(self, args, kwargs) -> tuple:
        """Put the arguments of a call in the order of the parameters."""
        if not self.parameters:
            return args
        places = list(self.parameters.items())[len(args) - (self.number_of is not None) :]
        return args + tuple(kwargs.get(name, default) for name, default in places)


class Failure(NamedTuple):
    """What a call that failed left behind, in the place of a result."""

    type: str
    message: str
    errno: int


# what to keep of arguments and results


def head(data):
    """Keep what a log keeps of some bytes: all of up to 32, else the length and the first 32."""
    if data.__class__ is not bytes:
        with memoryview(data) as view, view.cast("B") as flat:
            return bytes(flat) if len(flat) <= HEAD else (len(flat), bytes(flat[:HEAD]))
    return data if len(data) <= HEAD else (len(data), data[:HEAD])


def heads(parts, limit=None):
    """Do as `head` for several buffers that are filled or sent in a row, up to *limit* bytes."""
    length, first = 0, b""
    for part in parts:
        with memoryview(part) as view, view.cast("B") as flat:
            length += len(flat)
            first += bytes(flat[: HEAD - len(first)])
    length = length if limit is None else limit
    return first[:length] if length <= HEAD else (length, first)


first = itemgetter(slice(0, 1))
second = itemgetter(slice(1, 2))
rest = itemgetter(slice(1, None))


def shortened(kept):
    """Keep what a log keeps of the bytes that come first among what was kept."""
    return (head(kept[0]), *kept[1:])


def several(args):
    return (heads(args[1]), *args[3:4])


def room(args):
    """What ``recv_into`` has room for."""
    with memoryview(args[1]) as view:
        return ((args[2] if len(args) > 2 else 0) or view.nbytes, *args[3:4])


# what follows


def follow_into(streams, index, args, result, error, frame):
    return (
        None
        if error
        else heads(args[1] if isinstance(args[1], (list, tuple)) else [args[1]], result)
    )


def follow_from(streams, index, args, result, error, frame):
    return None if error else head(result[0])


#: These look only at what the call brought, not at the recording: they are asked even when the
#: block is just over.
LOOKS_AT_DATA = (follow_into, follow_from)


def follow_sendall(streams, index, args, result, error, frame):
    if error and index >= 0:  # how much of it went in, only the kernel knows
        streams.ask_around(streams.things[index])


def follow_pipe(streams, index, args, result, error, frame):
    if error:
        return None
    timeout = 0.0 if args and args[0] & os.O_NONBLOCK else None
    ends = [
        streams.open(
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
    streams.join(*ends)
    return tuple(end.index for end in ends)


def follow_pair(streams, index, args, result, error, frame):
    if error:
        return None
    kind = "socketpair" if result[0].type == _socket.SOCK_STREAM else "udp"
    ends = [
        streams.open(kind, sock.fileno(), frame, place, role="ab"[place], timeout=sock.gettimeout())
        for place, sock in enumerate(result)
    ]
    streams.join(*ends)
    return tuple(end.index for end in ends)


def follow_eventfd(streams, index, args, result, error, frame):
    if error:
        return None
    timeout = 0.0 if len(args) > 1 and args[1] & os.EFD_NONBLOCK else None
    return (streams.open("eventfd", result, frame, start_level=args[0], timeout=timeout).index,)


def follow_dup(streams, index, args, result, error, frame):
    return None if error or index < 0 else (streams.again(index, result, frame).index,)


def follow_dup2(streams, index, args, result, error, frame):
    if error or index < 0:
        return None
    if args[0] == result:
        return (index,)
    over = streams.by_number.get(result)
    if over is not None:
        streams.close(over)
    new = streams.again(index, result, frame).index
    return (new,) if over is None else (new, over)


def follow_socket(streams, index, args, result, error, frame):
    if error:
        return None
    sock = args[0]
    return (
        streams.open(
            linux.socket_kind(sock), sock.fileno(), frame, role="client", timeout=sock.gettimeout()
        ).index,
    )


def follow_accept(streams, index, args, result, error, frame):
    if error or index < 0:
        return None
    thing = streams.open(
        streams.things[index].kind,
        result[0],
        frame,
        0,
        role="accepted",
        timeout=_socket.getdefaulttimeout(),
    )
    streams.accepted(thing, streams.things[index])
    if (
        thing.other_end is None
    ):  # who called is not in the recording: what it has sent was there before
        thing.start_level = linux.level(result[0])
    return (thing.index,)


def follow_connect(streams, index, args, result, error, frame):
    if (
        index >= 0
        and result in (None, 0, EINPROGRESS)
        and getattr(error, "errno", EINPROGRESS) == EINPROGRESS
    ):
        streams.connected(streams.things[index], args[1])
    return result


def follow_listen(streams, index, args, result, error, frame):
    if not error and index >= 0:
        streams.things[index].role, streams.things[index].address = (
            "listener",
            args[0].getsockname(),
        )


def follow_close(streams, index, args, result, error, frame):
    """Tell whether this close was the one that closed:

    sockets and epolls may be closed again, or have been detached.
    """
    by = None if isinstance(args[0], int) else id(args[0])
    streams.ending.discard(index)
    if error or index < 0 or streams.gone.get(by) == index:
        return None
    streams.close(index, by)
    return True


def follow_detach(streams, index, args, result, error, frame):
    if not error and index >= 0:
        streams.gone[id(args[0])] = index
    return result


def follow_blocking(streams, index, args, result, error, frame):
    if not error and index >= 0:
        timeout = (
            args[0].gettimeout()
            if isinstance(args[0], _socket.socket)
            else None
            if args[1]
            else 0.0
        )
        streams.things[index].timeouts.append((streams.clock(), timeout))


def follow_epoll(streams, index, args, result, error, frame):
    return None if error else (streams.open("epoll", args[0].fileno(), frame).index,)


def follow_fromfd(streams, index, args, result, error, frame):
    return None if error or index < 0 else (index,)


def table(streams) -> list[Row]:
    """Return the rows.

    *streams* is the recording's `Streams`; the rows of ``epoll_ctl`` look numbers up in it.
    """
    sock, epoll = socket.socket, select.epoll

    def closing(args):
        streams.closing(args[0])
        return ()

    def registering(args):
        """The number, the event mask, and the stream that the number stands for."""
        number = args[1] if isinstance(args[1], int) else args[1].fileno()
        index = streams.find(number, sys._getframe(2))
        return (number, *args[2:3], -1 if index is None else index)

    fd, mask = {"fd": None}, {"eventmask": select.EPOLLIN | select.EPOLLPRI | select.EPOLLOUT}

    def of_os(name, keep=None, follow=None, **more):
        return Row(os, name, f"os.{name}", keep, follow, **more)

    def of_sockets(name, keep=None, follow=None, attribute=None, **more):
        return Row(
            sock, attribute or name, f"socket.{name}", keep, follow, _socket.socket.fileno, **more
        )

    def of_epolls(name, keep=None, follow=None, **more):
        return Row(epoll, name, f"epoll.{name}", keep, follow, epoll.fileno, **more)

    def with_mask(args):
        return registering(args if len(args) > 2 else (*args, mask["eventmask"]))

    return [
        of_os("pipe", follow=follow_pipe, makes=True),
        of_os("pipe2", first, follow_pipe, makes=True),
        of_os(
            "eventfd",
            rest,
            follow_eventfd,
            makes=True,
            parameters={"initval": None, "flags": os.EFD_CLOEXEC},
        ),
        of_os("read", second),
        of_os(
            "readv", lambda args: (sum(memoryview(part).nbytes for part in args[1]),), follow_into
        ),
        of_os("write", second, sends=True),
        of_os("writev", lambda args: (heads(args[1]),)),
        of_os(
            "sendfile",
            lambda args: args[3:4],
            parameters={"out_fd": None, "in_fd": None, "offset": None, "count": None},
        ),
        of_os("eventfd_read", parameters=fd),
        of_os("eventfd_write", second, parameters=fd | {"value": None}),
        of_os("close", closing, follow_close, parameters=fd),
        of_os("dup", follow=follow_dup),
        of_os("dup2", second, follow_dup2, parameters=fd | {"fd2": None}),
        of_os("set_blocking", second, follow_blocking),
        Row(sock, "__init__", "socket.socket", None, follow_socket, makes=True),
        Row(_socket, "socketpair", "socket.socketpair", None, follow_pair, makes=True),
        of_sockets("accept", None, follow_accept, "_accept"),
        of_sockets("bind", rest),
        of_sockets("listen", rest, follow_listen),
        of_sockets("connect", rest, follow_connect),
        of_sockets("connect_ex", rest, follow_connect),
        of_sockets("recv", rest),
        of_sockets(
            "recv_into", room, follow_into, parameters={"buffer": None, "nbytes": 0, "flags": 0}
        ),
        of_sockets("recvfrom", rest, follow_from),
        of_sockets("recvmsg", lambda args: (args[1], *args[3:4]), follow_from),
        of_sockets("send", rest, sends=True),
        of_sockets("sendall", rest, follow_sendall, sends=True),
        of_sockets("sendto", lambda args: (args[1], args[2] if len(args) > 3 else 0), sends=True),
        of_sockets("sendmsg", several),
        of_sockets("shutdown", rest),
        of_sockets("setblocking", rest, follow_blocking),
        of_sockets("settimeout", rest, follow_blocking),
        of_sockets("detach", None, follow_detach),
        of_sockets("close", closing, follow_close, "_real_close"),
        Row(epoll, "__init__", "select.epoll", rest, follow_epoll, makes=True),
        Row(epoll, "fromfd", "epoll.fromfd", first, follow_fromfd),
        of_epolls("register", with_mask, parameters=fd | mask),
        of_epolls("modify", registering, parameters=fd | {"eventmask": None}),
        of_epolls("unregister", registering, parameters=fd),
        of_epolls("poll", rest, parameters={"timeout": None, "maxevents": -1}),
        of_epolls("close", closing, follow_close),
    ]
