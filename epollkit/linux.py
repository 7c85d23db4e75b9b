"""Asking the kernel, without changing a byte or a readiness.

Facts about the kernel
----------------------
* ``/proc/self/fdinfo/N`` of an epoll lists what is registered: number, mask, inode.  It is the
  interest list itself.
* The *ready* list has no such file.  ``poll(2)`` with timeout 0 tells whether a stream is ready
  now, without taking anything and without using up an edge; what epoll still has to report of an
  edge cannot be asked.
* FIONREAD counts the bytes that wait in a pipe or a unix socket.  Of a TCP connection on this
  machine the receiver's FIONREAD shows only what has arrived; the rest is at the sender, counted by
  SIOCOUTQNSD (not yet sent).  SIOCOUTQ would count bytes twice: it includes those that arrived and
  are not yet acknowledged.
* ``/proc/self/task/TID/syscall`` names the system call in which a thread sleeps, and its first
  argument.
* ``/proc/self/fd/N`` is a link whose text tells what N is: ``pipe:[4711]``.  Both ends of a pipe
  have the same text.

What we do about them
---------------------
Each probe is one function, says what it counts, and leaves the stream as it was.  All of them need
Linux; importing this module does not.

*Source:* proc_pid_fdinfo(5), pipe(7), tcp(7), unix(7), poll(2), proc_pid_syscall(5).
"""

import _socket  # not `socket`: the probes must work, unseen, while socket.socket is being recorded
import errno
import os
import platform
import select
import stat
import struct
import sys
import time
from contextlib import closing
from typing import NamedTuple

try:
    import fcntl
    import termios
except ImportError:  # not Linux: record() says so
    fcntl = termios = None

SIOCOUTQNSD = 0x894B
#: *Source:* ``include/uapi/linux/sock_diag.h``, ``unix_diag.h``, ``netlink.h``.
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, REQUEST_DUMP = 4, 20, 0x301
UDIAG_SHOW_PEER, UNIX_DIAG_PEER = 4, 2
#: The numbers of the calls poll and select.
WAITS_IN = {"x86_64": {7, 23, 270, 271}, "aarch64": {72, 73}}.get(platform.machine(), set())

#: What the kernel calls things without a place in a file system: ``anon_inode:[eventpoll]``.
KINDS = {"eventpoll": "epoll", "eventfd": "eventfd", "timerfd": "timerfd", "pidfd": "pidfd"}
TERMINALS = ("/dev/pts/", "/dev/ptmx")
UNIX_KINDS = {
    _socket.SOCK_STREAM: "unix",
    _socket.SOCK_DGRAM: "unix-dgram",
    _socket.SOCK_SEQPACKET: "unix-seqpacket",
}


class Entry(NamedTuple):
    """One line of an interest list:

    the number it was registered under, its event mask, the inode behind it.
    """

    number: int
    events: int
    inode: int


class Identity(NamedTuple):
    """What a number stands for:

    `kind`, the kernel's own `text` for it, whether it can be read and written.
    """

    kind: str
    text: str
    readable: bool
    writable: bool
    nonblocking: bool


#: Methods that tell the file descriptor of an object of Python's own: to ask one runs no code of
#: the program's.
PLAIN_FILENO = {_socket.socket.fileno, *([select.epoll.fileno] if hasattr(select, "epoll") else [])}
#: Bound here, so that probes go unseen while a program's own calls are recorded.
_Poll = type(select.poll()) if hasattr(select, "poll") else None
_register, _poll = (_Poll.register, _Poll.poll) if _Poll else (None, None)


def number_of(stream) -> int:
    """Return the file descriptor of *stream*, an int or an object with ``fileno()``; else
    AttributeError is raised.
    """
    return stream if isinstance(stream, int) else stream.fileno()


def interest_list(epoll) -> tuple[Entry, ...]:
    """Read the interest list of *epoll* (an ``select.epoll`` or its number) from the kernel.

    Returns its entries in the order of their numbers.  Raises ValueError if the number is no
    epoll's.

    *Source:* proc_pid_fdinfo(5); ``fs/eventpoll.c``, ep_show_fdinfo().
    """
    number = number_of(epoll)
    if os.readlink(f"/proc/self/fd/{number}") != "anon_inode:[eventpoll]":
        raise ValueError(
            f"file descriptor {number} is not an epoll; pass an open select.epoll object"
        )
    entries = []
    with open(f"/proc/self/fdinfo/{number}") as lines:
        for line in lines:
            if line.startswith("tfd:"):
                words = line.replace(":", ": ").split()
                fields = dict(zip(words[::2], words[1::2], strict=False))
                entries.append(
                    Entry(
                        int(fields["tfd:"]),
                        int(fields["events:"], 16),
                        int(fields.get("ino:", "0"), 16),
                    )
                )
    return tuple(sorted(entries))


def identity(number: int) -> Identity:
    """Tell what the file descriptor *number* stands for.

    `kind` is one of pipe (a FIFO as well), unix (a stream), unix-dgram, unix-seqpacket, tcp, udp,
    socket (any other), eventfd, timerfd, pidfd, epoll, pty, file, other.  Raises OSError (EBADF) if
    nothing is open under that number.
    """
    try:
        text = os.readlink(f"/proc/self/fd/{number}")
    except FileNotFoundError:
        os.fstat(number)  # raises EBADF
        raise
    flags = fcntl.fcntl(number, fcntl.F_GETFL)
    access = flags & os.O_ACCMODE
    mode = os.fstat(number).st_mode
    if kind := KINDS.get(text.partition("]")[0].rpartition("[")[2] if ":[" in text else ""):
        pass
    elif text.startswith("pidfd:"):
        kind = "pidfd"
    elif text.startswith(TERMINALS):
        kind = "pty"
    elif stat.S_ISFIFO(mode):
        kind = "pipe"
    elif stat.S_ISSOCK(mode):
        with _Borrowed(number) as sock:
            kind = socket_kind(sock)
    else:
        kind = "file" if stat.S_ISREG(mode) else "other"
    return Identity(
        kind, text, access != os.O_WRONLY, access != os.O_RDONLY, bool(flags & os.O_NONBLOCK)
    )


def text(number: int) -> str:
    """Return the kernel's text for *number*, as ``pipe:[4711]``; "" if nothing is open there.

    *Source:* proc_pid_fd(5).
    """
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return ""


def inode(number: int) -> int:
    """Return the inode behind *number*; 0 if nothing is open there.  *Source:* fstat(2)."""
    try:
        return os.fstat(number).st_ino
    except OSError:
        return 0


def is_nonblocking(number: int) -> bool:
    """Tell whether O_NONBLOCK is set for the open file description behind *number*.

    *Source:* F_GETFL, fcntl(2).
    """
    return bool(fcntl.fcntl(number, fcntl.F_GETFL) & os.O_NONBLOCK)


class _Borrowed:
    """A socket object on a number that somebody else owns, and goes on owning."""

    __slots__ = ("sock",)

    def __init__(self, number):
        self.sock = _socket.socket(fileno=number)

    def __enter__(self):
        return self.sock

    def __exit__(self, *_):
        self.sock.detach()


def socket_kind(sock) -> str:
    """Name the kind of a socket object:

    unix, tcp, udp, or socket for any other.  *Source:* socket(2).
    """
    if sock.family == _socket.AF_UNIX:
        return UNIX_KINDS.get(sock.type, "socket")
    if sock.family in (_socket.AF_INET, _socket.AF_INET6):
        return {_socket.SOCK_STREAM: "tcp", _socket.SOCK_DGRAM: "udp"}.get(sock.type, "socket")
    return "socket"


def addresses(number: int) -> tuple:
    """Return (own address, other end's address) of socket *number*, None where it has none.

    *Source:* getsockname(2).
    """
    both = []
    with _Borrowed(number) as sock:
        for ask in (sock.getsockname, sock.getpeername):
            try:
                both.append(ask() or None)
            except OSError:
                both.append(None)
    return tuple(both)


def is_listening(number: int) -> bool:
    """Tell whether the socket *number* is a listening one.  *Source:* SO_ACCEPTCONN, socket(7)."""
    with _Borrowed(number) as sock:
        return bool(sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ACCEPTCONN))


def is_called_from_here(number: int) -> bool:
    """Tell whether the other end of the unix socket *number* was connected by this process.

    *Source:* unix(7).
    """
    with _Borrowed(number) as sock:
        return (
            struct.unpack("3i", sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12))[0]
            == os.getpid()
        )


def unix_peers() -> dict[int, int]:
    """Return for each connected unix socket of this network namespace: its inode → the inode of the
    other end.

    Empty where the kernel does not tell.  *Source:* sock_diag(7), UDIAG_SHOW_PEER.
    """
    peers = {}
    header = struct.pack("=IHHII", 40, SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, 0, 0)
    all_states = 0xFFFFFFFF
    query = struct.pack("=BBHIIIII", _socket.AF_UNIX, 0, 0, all_states, 0, UDIAG_SHOW_PEER, 0, 0)
    try:
        with closing(
            _socket.socket(_socket.AF_NETLINK, _socket.SOCK_DGRAM, NETLINK_SOCK_DIAG)
        ) as sock:
            sock.send(header + query)
            while answer := sock.recv(1 << 16):
                # a header of 16 bytes, 16 about the socket, then the attributes: 4 each, and a
                # value
                while answer:
                    length, kind = struct.unpack_from("=IH", answer)
                    if kind != SOCK_DIAG_BY_FAMILY:
                        return peers
                    if length >= 40:
                        own, *_, attribute, peer = struct.unpack_from("=IIIHHI", answer, 20)
                        peers[own] = peer if attribute == UNIX_DIAG_PEER else 0
                    answer = answer[length:]
    except OSError:
        pass
    return peers


#: Where ``struct tcp_info`` has: the state, bytes received, bytes not sent yet, sent, sent again.
#: *Source:* ``include/uapi/linux/tcp.h``.
TCP_STATE, TCP_BYTES_RECEIVED, TCP_NOT_SENT = 0, 128, 144
TCP_BYTES_SENT, TCP_BYTES_RETRANS = 200, 208
#: States in which the other end's FIN has arrived: CLOSE_WAIT, LAST_ACK, CLOSING, TIME_WAIT; in
#: CLOSE it may have, and one byte more or less does not count.
TCP_FIN_CAME = {8, 9, 11, 6, 7}


def bytes_counted(number: int):
    """Return what the kernel has counted of the TCP socket *number*: (bytes written to it, bytes
    read from it).

    None if it is not connected, or the kernel is too old to tell.  Repeated segments and the FIN,
    which takes a place among the bytes, are not counted; nor is what waits unread.

    *Source:* tcp(7), TCP_INFO; ``net/ipv4/tcp.c``, tcp_get_info().
    """
    try:
        with _Borrowed(number) as sock:
            info = sock.getsockopt(_socket.IPPROTO_TCP, _socket.TCP_INFO, 232)
        waiting = bytes_waiting(number)
    except OSError:
        return None
    if len(info) < TCP_BYTES_RETRANS + 8:
        return None
    received, sent, again = (
        struct.unpack_from("Q", info, place)[0]
        for place in (TCP_BYTES_RECEIVED, TCP_BYTES_SENT, TCP_BYTES_RETRANS)
    )
    (not_sent,) = struct.unpack_from("I", info, TCP_NOT_SENT)
    fin = info[TCP_STATE] in TCP_FIN_CAME
    return sent - again + not_sent, max(received - fin - waiting, 0)


def default_timeout():
    """Return the timeout that new sockets have.  *Source:* `socket.getdefaulttimeout`."""
    return _socket.getdefaulttimeout()


def threads() -> set[int]:
    """Return the native ids of this process's threads, those that C code started as well.

    *Source:* proc_pid_task(5).
    """
    return set(map(int, os.listdir("/proc/self/task")))


def numbers() -> list[int]:
    """List the file descriptors of this process.  *Source:* proc_pid_fd(5)."""
    return sorted(map(int, os.listdir("/proc/self/fd")))


def other_ends(texts=None) -> dict[int, int]:
    """Find both ends of each channel that has both in this process, number → number.

    *texts*, a dict, is given the text of each number.  *Source:* unix(7), getpeername(2).
    """
    ends, others, peers = {}, {}, None
    for number in numbers():
        try:
            who = identity(number)
            if texts is not None:
                texts[number] = who.text
            if who.kind == "pipe" and who.readable != who.writable:
                own, other = (who.text, who.readable), (who.text, who.writable)
            elif who.kind == "tcp":
                own = addresses(number)  # both: what a listener has accepted shares its own
                other = own[::-1]
            elif who.kind == "unix":
                peers = unix_peers() if peers is None else peers
                own = inode(number)
                other = peers.get(own)
            else:
                continue
        except OSError:  # closed since the list was read
            continue
        if other and own:
            ends.setdefault(own, number)
            others[number] = other
    return {number: ends[other] for number, other in others.items() if other in ends}


def bytes_waiting(stream) -> int:
    """Count the bytes that a reader of *stream* could read now without sleeping; for an eventfd its
    count.

    Of a TCP connection that is what has arrived; `bytes_unsent` of the other end counts the rest.
    Raises OSError if the stream is of a kind that cannot be counted (a listening socket, a file).

    *Source:* pipe(7), unix(7), tcp(7), FIONREAD; proc_pid_fdinfo(5) for eventfd.
    """
    number = number_of(stream)
    try:
        return struct.unpack("i", fcntl.ioctl(number, termios.FIONREAD, b"\0\0\0\0"))[0]
    except OSError as error:
        if error.errno == errno.ENOTTY:  # it has no such question; an eventfd's count stands here
            with open(f"/proc/self/fdinfo/{number}") as lines:
                for line in lines:
                    if line.startswith("eventfd-count:"):
                        return int(line.split()[1], 16)
        raise


def level(number: int) -> int:
    """Count what waits in the stream *number* as `bytes_waiting` does, at a TCP listener the
    connections.

    0 for a stream of a kind that is not counted.  *Source:* tcp(7), TCP_INFO: ``tcpi_unacked`` of a
    listening socket.
    """
    try:
        return bytes_waiting(number)
    except OSError:
        try:
            with _Borrowed(number) as sock:
                return struct.unpack_from(
                    "I", sock.getsockopt(_socket.IPPROTO_TCP, _socket.TCP_INFO, 28), 24
                )[0]
        except OSError:
            return 0


def bytes_unsent(stream) -> int:
    """Count the bytes that were written to the TCP socket *stream* and have not been sent.

    *Source:* tcp(7).
    """
    return struct.unpack("i", fcntl.ioctl(number_of(stream), SIOCOUTQNSD, b"\0\0\0\0"))[0]


def bytes_unacknowledged(stream) -> int:
    """Count the bytes written to the TCP socket *stream* that the other end has not acknowledged.

    Of a unix socket, what its unread messages take of its send buffer.  *Source:* tcp(7), unix(7).
    """
    return struct.unpack("i", fcntl.ioctl(number_of(stream), termios.TIOCOUTQ, b"\0\0\0\0"))[0]


def capacity(pipe) -> int:
    """Return how many bytes fit into *pipe*, if its pages are well filled.

    A pipe counts pages, not bytes: it can be full with fewer.  Never assume 65,536: a user who has
    many pipes open gets smaller ones.  *Source:* pipe(7), F_GETPIPE_SZ.
    """
    return fcntl.fcntl(number_of(pipe), fcntl.F_GETPIPE_SZ)


def set_capacity(pipe, size) -> int:
    """Give *pipe* room for *size* bytes, rounded up to a power of two of pages; return how many.

    *Source:* pipe(7), F_SETPIPE_SZ.
    """
    return fcntl.fcntl(number_of(pipe), fcntl.F_SETPIPE_SZ, size)


def readiness(stream, mask: int = 0x5) -> int:
    """Ask ``poll(2)``, with timeout 0, which conditions of *mask*, by default IN and OUT, hold for
    *stream* now.

    Returns a mask (0 for none); ERR and HUP are reported without being asked for.  A stream that
    epoll refuses, a regular file, is always ready here.  *Source:* poll(2).
    """
    asking, number = select.poll(), number_of(stream)
    _register(asking, number, mask)
    return dict(_poll(asking, 0)).get(number, 0)


def is_asleep(thread, stream) -> bool | None:
    """Tell whether a thread of this process sleeps in a system call on *stream*.

    *thread* is a ``threading.Thread`` that was started, or its native id.  Compares the call's
    first argument with the number of *stream*; a thread that sleeps in poll(2) or select(2) counts
    too, since a socket with a timeout waits there. Returns None where the kernel does not let one
    ask.

    A thread that has been woken, and that no processor runs yet, still shows the call; its state
    tells that it is awake. It may have gone to sleep elsewhere by then: so the call is looked at
    before the state, and after it.

    *Source:* proc_pid_syscall(5), proc_pid_stat(5).
    """
    native = getattr(thread, "native_id", thread)
    try:
        return all([_call_is_on(native, stream), _sleeps(native), _call_is_on(native, stream)])
    except (FileNotFoundError, ProcessLookupError):
        return False if os.path.exists("/proc/self/syscall") else None
    except (OSError, ValueError, IndexError):  # or a thread has read a part of it, by mistake
        return None


def _call_is_on(native, stream):
    with open(f"/proc/self/task/{native}/syscall") as file:
        words = file.read().split()
    return (
        len(words) > 1
        and words[0] != "-1"
        and (int(words[0]) in WAITS_IN or int(words[1], 16) == number_of(stream))
    )


def _sleeps(native):
    with open(f"/proc/self/task/{native}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "S"


def wait_until_asleep(thread, stream, timeout_s=10.0):
    """Wait until *thread* sleeps in a call on *stream*, as `is_asleep` tells.

    Raises TimeoutError if it does not within *timeout_s* seconds, RuntimeError where the kernel
    does not let one ask.
    """
    deadline = time.monotonic() + timeout_s
    while not (asleep := is_asleep(thread, stream)):
        if asleep is None:
            raise RuntimeError(
                "this kernel does not show in which call a thread sleeps "
                "(/proc/self/task/TID/syscall); run the course on a Linux that does: README.md "
                "names some"
            )
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"{thread} did not fall asleep in a call on {stream} within {timeout_s:g} s"
            )
        time.sleep(0.001)


def is_linux() -> bool:
    """Tell whether this Python can use epoll: Linux, with the modules that the probes need."""
    return (
        sys.platform == "linux"
        and fcntl is not None
        and termios is not None
        and hasattr(select, "epoll")
    )
