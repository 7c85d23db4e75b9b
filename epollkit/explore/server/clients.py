"""The clients that come to a server: what each of them does, step by step.

Facts about clients
-------------------
* They do as they like.  One sends and does not read, one says nothing, one leaves in the middle of
  a line.
* Closing a socket sends a FIN: the server reads what was sent, then the end (EOF, ``b''``).  Closing
  it with SO_LINGER and no time to linger, or with bytes that were not read, resets the connection
  (RST): the server's next call fails with ECONNRESET.

What we do about them
---------------------
A temper is a generator: it makes one move, then yields MOVED, so that the server can go on; or
WAITS, if it can do nothing until the server does something.  Nobody sleeps in a call here, and
nobody sends before the server has accepted.  What comes back is kept, to be compared byte for byte.

*Source:* tcp(7), socket(7) (SO_LINGER).
"""

import contextlib
import errno
import select
import socket
import struct

from ... import linux

MOVED, WAITS = "moved", "waits"
LINES, LENGTH = 2, 24
#: More than all buffers on the way back hold: those of the listener and the slow reader are SMALL
#: bytes each.
MUCH, SMALL = 98_304, 16_384


class Gone(Exception):
    """The server has closed the connection, though something is still to come."""


class Client:
    """One client: its name, its temper, its socket; what it sent, what it got, and its `end`: left or
    reset (by itself), closed or was reset (by the server), refused, lost (its number was closed),
    waits, was there.
    """

    def __init__(self, name, temper, rng, address):
        self.name, self.temper, self.rng, self.address = name, temper, rng, address
        self.sent, self.got, self.end = bytearray(), bytearray(), ""
        #: sits there until nobody else has anything to do; then it may go on
        self.is_patient, self.may_go_on = temper in ("slow reader", "silent"), False
        self.sock = socket.socket()
        if temper == "slow reader":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        self.moves = TEMPERS[temper](self)

    def move(self) -> str:
        """Make one move.  Returns MOVED, WAITS, or an empty text: there will be no more."""
        try:
            return next(self.moves, "")
        except Gone:
            self.end = "closed"
        except ConnectionRefusedError:
            self.end = "refused"
        except OSError as error:
            self.end = "lost" if error.errno == errno.EBADF else "was reset"
        with contextlib.suppress(OSError):  # somebody else has closed its number
            self.sock.close()
        return ""

    def come(self):
        """Connect to the server."""
        self.sock.connect(self.address)
        self.sock.setblocking(False)
        yield MOVED

    def line(self, length=LENGTH) -> bytes:
        """Make up a line of *length* bytes that nobody else sends."""
        return self.rng.randbytes(length // 2).hex().encode()[: length - 1] + b"\n"

    def send(self, data):
        """Send all of *data*, as the kernel takes it."""
        rest = memoryview(data)
        while self.sock.fileno() not in linux.other_ends():  # still in the listener's queue
            yield WAITS
        while rest:
            if not linux.readiness(self.sock, select.POLLOUT):
                yield WAITS
                continue
            taken = self.sock.send(rest)
            self.sent += rest[:taken]
            rest = rest[taken:]
            yield MOVED

    def receive(self, least):
        """Read until *least* bytes have come in all."""
        while len(self.got) < least:
            if not linux.readiness(self.sock, select.POLLIN):
                yield WAITS
                continue
            data = self.sock.recv(65536)
            if not data:
                raise Gone
            self.got += data
            yield MOVED

    def leave(self, end):
        self.end = end
        self.sock.close()


def fast(me):
    """Send a line, read it back; twice; leave."""
    yield from me.come()
    for number in range(1, LINES + 1):
        yield from me.send(me.line())
        yield from me.receive(number * LENGTH)
    me.leave("left")


def slow_reader(me):
    """Send one very long line, and read nothing until nobody else has anything to do."""
    yield from me.come()
    for state in me.send(me.line(MUCH)):
        while state == WAITS and me.may_go_on and linux.readiness(me.sock, select.POLLIN):
            yield from me.receive(len(me.got) + 1)
            state = MOVED if linux.readiness(me.sock, select.POLLOUT) else WAITS
        yield state
    while not me.may_go_on:
        yield WAITS
    yield from me.receive(MUCH)
    me.leave("left")


def silent(me):
    """Connect, and send nothing; leave when all is over."""
    yield from me.come()
    while not me.may_go_on:
        yield WAITS
    me.leave("left")


def leaves(me):
    """Send half a line, read what has come, and leave."""
    yield from me.come()
    yield from me.send(me.line()[: LENGTH // 2])
    _read_what_is_there(me)
    me.leave("left")


def resets(me):
    """Send half a line, read what has come, and reset the connection."""
    yield from me.come()
    yield from me.send(me.line()[: LENGTH // 2])
    _read_what_is_there(me)
    me.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    me.leave("reset")


def _read_what_is_there(me):
    if linux.bytes_waiting(me.sock):
        me.got += me.sock.recv(65536)


#: What a client can be like.
TEMPERS = {
    "fast": fast,
    "slow reader": slow_reader,
    "silent": silent,
    "leaves": leaves,
    "resets": resets,
}
