"""Small programs that use streams and epolls in every way that does not sleep, right ones and wrong
ones.

A *program* is a list of steps; a step is the name of an operation and some small numbers, as in
``("write", 1, 2)``. The numbers choose: which of the things that the program holds by then, how
much, which mask.  So any list of steps is a program, one that hypothesis made up and can shrink as
well as one that `draw` makes from a seed.

`Run` runs a program and keeps its own account of it: what each call gave back, and what each number
stood for.  It looks at nothing but the results of its calls, so that this account can be held
against a recording.

As a script it runs programs under a recording, for another judge to watch from outside::

    python tests/programs.py DIRECTORY SEED...

Each program runs between two calls of ``lseek(-1, SEED)``, which fail and change nothing.  Its log
is saved in DIRECTORY.
"""

import itertools
import os
import random
import select
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import epollkit

SIZES = (6, 1, 8, 4096, 5000, 70_000, 300_000, 0)
ROOMS = (64, 1, 3, 8, 4096, 400_000, 0)
COUNTS = (1, 5, 0, 2**64 - 2, 2**64 - 1)
MASKS = (
    select.EPOLLIN,
    select.EPOLLOUT,
    select.EPOLLIN | select.EPOLLOUT,
    select.EPOLLIN | select.EPOLLET,
    select.EPOLLOUT | select.EPOLLET,
    select.EPOLLIN | select.EPOLLONESHOT,
    select.EPOLLIN | select.EPOLLOUT | select.EPOLLET | select.EPOLLONESHOT,
    select.EPOLLIN | select.EPOLLRDHUP,
    select.EPOLLIN | select.EPOLLEXCLUSIVE,
    select.EPOLLPRI,
    0,
)
NEVER_OPEN = 9999
READABLE, WRITABLE = ("read end", "socket", "eventfd"), ("write end", "socket", "eventfd")
PATTERN = bytes(number * 31 % 251 for number in range(1000)) * 302

#: Every operation: its name, and how many values each of its numbers has.  What stands here twice
#: is drawn more often.
OPERATIONS = []


def operation(*choices, often=1):
    """Enter a method of `Run` into OPERATIONS."""

    def enter(method):
        OPERATIONS.extend([(method.__name__, choices)] * often)
        return method

    return enter


def draw(seed, steps=40) -> list[tuple]:
    """Make a program from a seed: the same one for the same seed."""
    chance = random.Random(seed)
    chosen = [chance.choice(OPERATIONS) for _ in range(steps)]
    return [
        ("pipe", 0),
        ("epoll",),
        *((name, *map(chance.randrange, choices)) for name, choices in chosen),
    ]


class Held(NamedTuple):
    """What a number stands for while it is open:

    a serial number of its own, one that all its dups share, its kind.
    """

    serial: int
    description: int
    kind: str


@dataclass
class Done:
    """A call that the program made:

    its name as in a log, on which number, what that stood for, and what came of it.
    """

    name: str
    number: int | None
    on: Held | None
    result: object = None
    #: of the exception: type, message, errno, arguments
    error: tuple | None = None
    #: for an epoll's call about a stream, what the stream's number stood for
    about: Held | None = None
    made: list = field(default_factory=list)
    #: what a call put into buffers of the program's
    data: bytes | None = None

    def outcome(self):
        """What the program itself can tell of the call."""
        return self.name, self.number, self.result, self.error, self.data


class Run:
    """One run of a program.  *after_each* is called with the run after every call."""

    def __init__(self, after_each=None):
        self.after_each = after_each
        self.calls: list[Done] = []
        #: number → Held, for what is open now; every number that ever was; objects, closed ones
        #: included
        self.open, self.ever, self.sockets, self.epolls = {}, [], [], []
        #: serial number → Held, for everything that ever was
        self.held = {}
        #: (epoll, number) of every registration that succeeded, also of those that are gone
        self.registered = []
        #: while this is set, the program does nothing that nobody can find out about later
        self.is_plain = False
        self.spare = 50 + max(int(name) for name in os.listdir("/proc/self/fd"))
        self.serials = itertools.count()

    def steps(self, program):
        """Run the steps of *program*."""
        for name, *choices in program:
            getattr(self, name)(*choices)
        return self

    def plain_steps(self, program):
        """Run steps that leave nothing behind of which nobody can tell afterwards what it belongs
        to.

        Who comes later cannot tell which numbers are dups of one another, nor which number a closed
        object had.
        """
        self.is_plain = True
        self.steps(program)
        self.is_plain = False

    def close_everything(self):
        """Close what the program has left open, whoever holds it."""
        for one in (*self.sockets, *self.epolls):
            try:
                one.close()
            except OSError:
                pass  # its number is closed already
        for number in set(self.ever):
            try:
                os.close(number)
            except OSError:
                pass

    # how a call is made and what follows from it

    def call(self, name, number, function, *args, about=None, **named):
        """Make one call and write down what came of it.  Returns its result, None if it failed."""
        done = Done(name, number, self.open.get(number), about=self.open.get(about))
        result = None
        try:
            result = function(*args, **named)
            done.result = plain(result)
        except Exception as error:
            done.error = type(error).__name__, str(error), getattr(error, "errno", None), error.args
        self.calls.append(done)
        return result

    def made(self, number, kind, like=None):
        """Note that the last call opened *number*."""
        serial = next(self.serials)
        held = Held(serial, serial if like is None else like.description, kind)
        self.open[number] = self.held[serial] = held
        self.ever.append(number)
        self.calls[-1].made.append(held)

    def closed(self, number):
        if self.calls[-1].error is None:  # an object may be closed twice
            self.open.pop(number, None)

    def filled(self, buffers, count):
        """Note what the last call put into *buffers*, *count* bytes of it."""
        if count is not None:
            self.calls[-1].data = b"".join(buffers)[:count]

    def looked(self):
        if self.after_each is not None:
            self.after_each(self)

    # what a number of a step chooses

    def number(self, choice, likely=None):
        """Choose a number:

        mostly one of *likely* or an open one, now and then a closed one or one never opened.
        """
        if choice < 30 and likely:
            return likely[choice % len(likely)]
        if choice < 40 and self.open:
            return list(self.open)[choice % len(self.open)]
        if choice < 44 and self.ever:
            return self.ever[choice % len(self.ever)]
        return (-1, NEVER_OPEN)[choice % 2]

    def of_kind(self, *kinds):
        """List the open numbers that are of one of *kinds*."""
        return [number for number, held in self.open.items() if held.kind in kinds]

    def an_object(self, choice, among):
        """Choose a socket or an epoll, mostly one that is open; None if there is none at all."""
        likely = [one for one in among if number_of(one) in self.open] if choice < 10 else among
        return (likely or among)[choice % len(likely or among)] if among else None

    def payload(self, choice):
        """Make up bytes to write, others each time."""
        begin = len(self.calls) % 1000
        return PATTERN[begin : begin + SIZES[choice]]

    def object_of(self, number):
        """Find an object that stands for *number*, or take the number itself."""
        for one in (*self.sockets, *self.epolls):
            if number_of(one) == number:
                return one
        return number

    # making

    @operation(2, often=3)
    def pipe(self, how):
        if how:
            ends = self.call("os.pipe2", None, os.pipe2, os.O_NONBLOCK | os.O_CLOEXEC)
        else:
            ends = self.call("os.pipe", None, os.pipe)
        self.made(ends[0], "read end")
        self.made(ends[1], "write end")
        self.looked()
        if not how:
            for end in ends:
                self.call("os.set_blocking", end, os.set_blocking, end, False)
                self.looked()

    @operation(2, often=3)
    def pair(self, how):
        ends = self.call("socket.socketpair", None, socket.socketpair)
        self.sockets += ends
        for end in ends:
            self.made(end.fileno(), "socket")
        self.looked()
        for end in ends:
            if how:
                self.call("socket.settimeout", end.fileno(), end.settimeout, 0)
            else:
                self.call("socket.setblocking", end.fileno(), end.setblocking, False)
            self.looked()

    @operation(3, 2, often=2)
    def eventfd(self, start, semaphore):
        flags = os.EFD_NONBLOCK | os.EFD_CLOEXEC | os.EFD_SEMAPHORE * semaphore
        self.made(self.call("os.eventfd", None, os.eventfd, COUNTS[start], flags), "eventfd")
        self.looked()

    @operation(often=3)
    def epoll(self):
        self.epolls.append(self.call("select.epoll", None, select.epoll))
        self.made(self.epolls[-1].fileno(), "epoll")
        self.looked()

    @operation(48)
    def fromfd(self, which):
        number = self.number(which)
        if number < 0 or self.is_plain:  # fromfd(-1) would make a new epoll
            return
        alias = self.call("epoll.fromfd", number, select.epoll.fromfd, number)
        if alias is not None:
            self.epolls.append(alias)
        self.looked()

    @operation(48, often=3)
    def dup(self, which):
        number = self.number(which)
        if self.is_plain:
            return
        like = self.open.get(number)
        new = self.call("os.dup", number, os.dup, number)
        if new is not None:
            self.made(new, like.kind, like)
        self.looked()

    @operation(48, 46, 2, often=3)
    def dup2(self, which, onto, inheritable):
        number, target = (
            self.number(which),
            self.spare + onto % 4 if onto >= 44 else self.number(min(onto, 43)),
        )
        if (
            number < 0 or target < 0 or self.is_plain
        ):  # below 0, os.dup2 reports whatever error there was last
            return
        like = self.open.get(number)
        new = self.call("os.dup2", number, os.dup2, number, target, bool(inheritable))
        if new is not None and target != number:
            self.open.pop(target, None)
            self.made(new, like.kind, like)
        self.looked()

    # an epoll and its list

    def control(self, name, which, target, by_object, *masks):
        epoll = self.an_object(which, self.epolls)
        if epoll is not None:
            likely = [number for one, number in self.registered if one is epoll]
            number = self.number(
                target, self.of_kind(*READABLE, *WRITABLE) if name == "register" else likely
            )
            subject = self.object_of(number) if by_object else number
            self.call(
                f"epoll.{name}",
                number_of(epoll),
                getattr(epoll, name),
                subject,
                *masks,
                about=number,
            )
            if name == "register" and self.calls[-1].error is None:
                self.registered.append((epoll, number))
            self.looked()

    @operation(12, 48, 2, len(MASKS), often=10)
    def register(self, which, target, by_object, mask):
        self.control("register", which, target, by_object, MASKS[mask])

    @operation(12, 48, 2)
    def register_for_everything(self, which, target, by_object):
        self.control("register", which, target, by_object)

    @operation(12, 48, 2, len(MASKS), often=5)
    def modify(self, which, target, by_object, mask):
        self.control("modify", which, target, by_object, MASKS[mask])

    @operation(12, 48, 2, often=4)
    def unregister(self, which, target, by_object):
        self.control("unregister", which, target, by_object)

    @operation(12, 10, often=10)
    def poll(self, which, how):
        epoll = self.an_object(which, self.epolls)
        if epoll is not None:
            args = ((0,), (0, 1), (0.0, 2), (0, -1), (0,), (0,), (0,), (0,), (0, 0), (0, -2))[how]
            self.call("epoll.poll", number_of(epoll), epoll.poll, *args)
            self.looked()

    # reading and writing

    @operation(48, len(ROOMS), often=8)
    def read(self, which, room):
        number = self.number(which, self.of_kind(*READABLE))
        self.call("os.read", number, os.read, number, ROOMS[room])
        self.looked()

    @operation(48, len(SIZES), often=10)
    def write(self, which, size):
        number = self.number(which, self.of_kind(*WRITABLE))
        self.call("os.write", number, os.write, number, self.payload(size))
        self.looked()

    @operation(48, len(ROOMS))
    def readv(self, which, room):
        number, buffers = (
            self.number(which, self.of_kind(*READABLE)),
            [bytearray(2), bytearray(ROOMS[room])],
        )
        count = self.call("os.readv", number, os.readv, number, buffers)
        self.filled(buffers, count)
        self.looked()

    @operation(48, len(SIZES))
    def writev(self, which, size):
        number = self.number(which, self.of_kind(*WRITABLE))
        self.call("os.writev", number, os.writev, number, [self.payload(0), self.payload(size)])
        self.looked()

    @operation(12, often=2)
    def eventfd_read(self, which):
        if numbers := self.of_kind("eventfd"):
            number = numbers[which % len(numbers)]
            self.call("os.eventfd_read", number, os.eventfd_read, number)
            self.looked()

    @operation(12, len(COUNTS), often=3)
    def eventfd_write(self, which, count):
        if numbers := self.of_kind("eventfd"):
            number = numbers[which % len(numbers)]
            self.call("os.eventfd_write", number, os.eventfd_write, number, COUNTS[count])
            self.looked()

    def on_socket(self, which, name, *args):
        one = self.an_object(which, self.sockets)
        if one is not None:
            result = self.call(f"socket.{name}", one.fileno(), getattr(one, name), *args)
            self.looked()
            return result

    @operation(12, len(SIZES), often=4)
    def send(self, which, size):
        self.on_socket(which, "send", self.payload(size))

    @operation(12, len(SIZES), often=2)
    def sendall(self, which, size):
        self.on_socket(which, "sendall", self.payload(size))

    @operation(12, len(SIZES))
    def sendmsg(self, which, size):
        self.on_socket(which, "sendmsg", [self.payload(0), self.payload(size)])

    @operation(12, len(ROOMS), 2, often=4)
    def recv(self, which, room, peek):
        self.on_socket(which, "recv", ROOMS[room], socket.MSG_PEEK * peek)

    @operation(12, len(ROOMS))
    def recv_into(self, which, room):
        buffer = bytearray(ROOMS[room])
        self.filled([buffer], self.on_socket(which, "recv_into", buffer))

    @operation(12, len(ROOMS))
    def recvfrom(self, which, room):
        self.on_socket(which, "recvfrom", ROOMS[room])

    @operation(12, len(ROOMS))
    def recvmsg(self, which, room):
        self.on_socket(which, "recvmsg", ROOMS[room])

    # ending

    @operation(12, 3)
    def shutdown(self, which, how):
        self.on_socket(which, "shutdown", how)

    @operation(48, often=6)
    def close(self, which):
        number = self.number(which)
        self.call("os.close", number, os.close, number)
        self.closed(number)
        self.looked()

    def close_object(self, kind, one):
        if one is not None and not self.is_plain:
            number = number_of(one)
            self.call(f"{kind}.close", number, one.close)
            self.closed(number)
            self.looked()

    @operation(12)
    def close_socket(self, which):
        self.close_object("socket", self.an_object(which, self.sockets))

    @operation(12)
    def close_epoll(self, which):
        one = self.an_object(which, self.epolls)
        if number_of(one) < 0 or number_of(one) in self.open:  # else it would fail, and not say so
            self.close_object("epoll", one)

    @operation(12)
    def detach(self, which):
        if not self.is_plain:
            self.on_socket(which, "detach")


def number_of(one) -> int:
    """Return the number of a socket or an epoll, −1 if it is closed, or if there is none."""
    try:
        return -1 if one is None else one.fileno()
    except ValueError:
        return -1


def plain(result):
    """Turn the result of a call into what can be compared: objects into their numbers."""
    if isinstance(result, (tuple, list)):
        return [plain(one) for one in result]
    return ("object", result.fileno()) if hasattr(result, "fileno") else result


def mark(seed):
    """Make a call that no recording knows and that strace shows: it fails and changes nothing."""
    try:
        os.lseek(-1, seed, os.SEEK_SET)
    except OSError:
        pass


def main(directory, *seeds):
    for seed in map(int, seeds):
        program, run = draw(seed), Run()
        with epollkit.record() as log:
            mark(seed)
            run.steps(program)
            mark(seed)
        run.close_everything()
        log.save(Path(directory, f"{seed}.jsonl"))


if __name__ == "__main__":
    main(*sys.argv[1:])
