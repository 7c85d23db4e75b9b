"""Small programs of calls: drawn at random, and run on the model and on this machine's kernel.

Facts about running a program twice
-----------------------------------
* A system gives out the lowest free file descriptor: what was closed comes back with another
  meaning.
* Which bytes fill a stream depends on the machine: its pages, its send buffers, and how many pipes
  this user has open.

What we do about them
---------------------
A program is a tuple of calls, each a tuple: the name of a method of `model.Model`, then its
arguments.  A `Kernel` has the same methods, and makes the system's calls.  It gives each name a
descriptor of its own, high up and the same each time that the name is opened.  `this_machine`
measures what differs.

>>> from epollkit.masks import ET, IN
>>> program = (("pipe", "r", "w"), ("epoll", "ep"), ("register", "ep", "r", IN | ET),
...            ("write", "w", 1), ("poll", "ep"))
>>> run(program, Model())
[None, None, None, 1, [('r', 1)]]
>>> difference(program, run(program, Model()))

*Source:* dup(2), fcntl(2), unix(7).
"""

import errno
import functools
import os
import random
import select
import socket
import tempfile

from . import linux
from .masks import ET, IN, ONESHOT, OUT, RDHUP
from .model import (
    EXCLUSIVE,
    MOST_EVENTS,
    PRI,
    Epoll,
    EventFd,
    File,
    Machine,
    Model,
    NotModelled,
    ReadEnd,
    Udp,
    UnixSocket,
    WriteEnd,
)


@functools.cache
def this_machine() -> Machine:
    """Measure what the model must know of this machine; raises OSError if no stream can be
    opened.
    """
    r, w = os.pipe()
    slots = linux.capacity(r) // os.sysconf("SC_PAGESIZE")
    os.close(r)
    os.close(w)
    a, b = socket.socketpair()
    with a, b:
        send_buffer = a.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    return Machine(os.sysconf("SC_PAGESIZE"), slots, send_buffer, truesize=truesize)


@functools.cache
def truesize(size) -> int:
    """Measure what a unix message of *size* bytes takes of the send buffer."""
    a, b = socket.socketpair()
    with a, b:
        a.send(bytes(size))
        return linux.bytes_unacknowledged(a)


def is_open(descriptor) -> bool:
    try:
        return bool(os.fstat(descriptor))
    except OSError:
        return False


@functools.cache
def fifo_folder():
    return tempfile.TemporaryDirectory()  # it goes when Python ends


class Kernel:
    """The calls of `model.Model`, made to this machine's kernel.  Close it when you are through."""

    FIRST = 300  # the lowest descriptor that a name gets

    def __init__(self):
        self.free = self.FIRST
        self.numbers, self.names, self.kinds = {}, {}, {}
        self.epolls, self.fifos = {}, set()

    def number(self, name):
        """Return the descriptor that *name* has whenever it is open."""
        if name not in self.numbers:
            while is_open(self.free):
                self.free += 1
            self.numbers[name], self.names[self.free] = self.free, name
            self.free += 1
        return self.numbers[name]

    def keep(self, kind, **descriptors):
        """Move what was opened to the descriptors of its names."""
        for name, descriptor in descriptors.items():
            os.set_blocking(descriptor, False)
            os.dup2(descriptor, self.number(name), inheritable=False)
            os.close(descriptor)
            self.kinds[name] = kind

    def pipe(self, r, w, slots=None):
        reading, writing = os.pipe()
        if slots:
            linux.set_capacity(writing, slots * os.sysconf("SC_PAGESIZE"))
        self.keep("pipe", **{r: reading, w: writing})

    def fifo(self, name, path, mode):
        path = os.path.join(fifo_folder().name, path)
        if path not in self.fifos:
            os.mkfifo(path)
            self.fifos.add(path)
        flags = (os.O_RDONLY if mode == "r" else os.O_WRONLY) | os.O_NONBLOCK
        self.keep("pipe", **{name: os.open(path, flags)})

    def socketpair(self, a, b):
        first, second = socket.socketpair()
        self.keep("unix", **{a: first.detach(), b: second.detach()})

    def udp(self, a, b):
        ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "ab"]
        for end in ends:
            end.bind(("127.0.0.1", 0))
        for end, other in (ends, reversed(ends)):
            end.connect(other.getsockname())
        self.keep("udp", **{a: ends[0].detach(), b: ends[1].detach()})

    def eventfd(self, name, start=0):
        descriptor = os.eventfd(start % 2**32)
        if start >> 32:
            os.eventfd_write(descriptor, start - start % 2**32)
        self.keep("eventfd", **{name: descriptor})

    def epoll(self, name):
        with select.epoll() as ep:
            self.keep("epoll", **{name: os.dup(ep.fileno())})

    def dup(self, name, copy):
        os.dup2(self.number(name), self.number(copy))
        self.kinds[copy] = self.kinds[name]

    def close(self, name):
        os.close(self.number(name))

    def read(self, name, size):
        number = self.number(name)
        if self.kinds.get(name) == "eventfd":
            return os.eventfd_read(number)
        return len(os.read(number, size))

    def write(self, name, size):
        number = self.number(name)
        if self.kinds.get(name) == "eventfd":
            return os.eventfd_write(number, size)
        return os.write(number, bytes(size))

    def shutdown(self, name, how):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, self.number(name))
        try:
            sock.shutdown(how)
        finally:
            sock.detach()

    def of(self, name):
        """Return an epoll object for the descriptor of *name*: one for good, since it closes the
        descriptor when it goes.
        """
        if name not in self.epolls:
            self.epolls[name] = select.epoll.fromfd(self.number(name))
        return self.epolls[name]

    def register(self, epoll, name, mask=IN | PRI | OUT):
        self.of(epoll).register(self.number(name), mask)

    def modify(self, epoll, name, mask):
        self.of(epoll).modify(self.number(name), mask)

    def unregister(self, epoll, name):
        self.of(epoll).unregister(self.number(name))

    def poll(self, epoll, most=MOST_EVENTS):
        return [(self.names[number], mask) for number, mask in self.of(epoll).poll(0, most)]

    def close_all(self):
        """Close what the program has left open."""
        for number in self.numbers.values():
            try:
                os.close(number)
            except OSError:
                pass
        for epoll in self.epolls.values():
            try:
                epoll.close()
            except OSError:
                pass
        for path in self.fifos:
            os.unlink(path)


# Running and comparing.


def outcome(world, call):
    """Make one *call* in a `Model` or a `Kernel`: return its result, or the name of its error."""
    name, *arguments = call
    try:
        return getattr(world, name)(*arguments)
    except OSError as refusal:
        return errno.errorcode[refusal.errno]


def run(program, world) -> list:
    """Return the outcome of each call of *program*.  Raises NotModelled as the model does."""
    return [outcome(world, call) for call in program]


def difference(program, outcomes):
    """Run *program* on the kernel, call by call, until a call does not end as *outcomes* says.

    Returns None if all do; else (the call's place in the program, what was said, what the kernel
    says).
    """
    kernel = Kernel()
    try:
        for place, (call, said) in enumerate(zip(program, outcomes, strict=True)):
            by_kernel = outcome(kernel, call)
            if by_kernel != said:
                return place, said, by_kernel
        return None
    finally:
        kernel.close_all()


# Drawing programs at random.

#: The call that opens streams → its possible arguments.
OPENINGS = {
    "pipe": (("r0", "w0"), ("r1", "w1"), ("r2", "w2")),
    "socketpair": (("a0", "b0"), ("a1", "b1")),
    "udp": (("u0", "v0"),),
    "eventfd": (("e0",), ("e1",)),
    "fifo": (("fr0", "f", "r"), ("fr1", "f", "r"), ("fw0", "f", "w"), ("fw1", "f", "w")),
    "epoll": (("p0",), ("p1",), ("p2",), ("p3",), ("p4",), ("p5",)),
}
STREAMS = list(OPENINGS)[:-1]
COPIES = "d0", "d1"
SLOTS = 1, 2, 4, None  # of a pipe: a power of two; small ones fill up
SIZES = {
    ReadEnd: (1, 1, 2, 100, 700, 2049, 4095, 4096, 4097, 8192, 65536),
    UnixSocket: (1, 1, 100, 500, 700, 3776, 4096, 30000, 36544, 300000),
    Udp: (1, 10, 700),
    EventFd: (0, 1, 1, 5, 2**64 - 2, 2**64 - 1),
    Epoll: (1,),
}
SIZES[WriteEnd] = SIZES[ReadEnd]
CONDITIONS = (IN, IN, OUT, OUT, IN | OUT, IN | OUT | RDHUP, IN | PRI | OUT, RDHUP, 0)
FLAGS = (0, 0, 0, 0, *[ET] * 5, ONESHOT, ET | ONESHOT, EXCLUSIVE, EXCLUSIVE | ET)
#: How often a call is drawn, in comparison with others; each program changes that for itself.
OFTEN = {
    "poll": 16,
    "write": 12,
    "read": 10,
    "register": 5,
    "modify": 2,
    "opening": 1,
    "unregister": 1,
    "dup": 1,
    "close": 0.5,
    "shutdown": 0.2,
}


ALWAYS = "poll", "write", "read", "register"  # in each program


class Draw:
    """A program that is drawn while a model runs it: `calls`, and the `outcomes` of each."""

    def __init__(self, rng, length, model):
        self.rng, self.model, self.calls, self.outcomes = rng, model, [], []
        kinds = rng.sample(STREAMS, rng.choice((1, 1, 1, 2)))
        streams = [(kind, names) for kind in kinds for names in OPENINGS[kind]]
        epolls = [("epoll", names) for names in OPENINGS["epoll"][: rng.choice((1, 1, 2, 3, 3, 6))]]
        self.openings = rng.sample(streams, min(len(streams), rng.randint(1, 3))) + epolls
        self.sizes = {kind: rng.choices(sizes, k=3) for kind, sizes in SIZES.items()}
        flag = rng.choice(FLAGS)
        flags = (flag, flag, rng.choice(FLAGS))
        self.masks = [rng.choice(CONDITIONS) | flag for flag in flags]
        often = [
            often * (1 if name in ALWAYS else rng.choice((0, 0.3, 1, 3)))
            for name, often in OFTEN.items()
        ]
        for kind, arguments in self.openings:
            self.open(kind, arguments)
        for _ in self.openings:
            self.register()
        for name in rng.choices(list(OFTEN), often, k=length - len(self.calls)):
            getattr(self, name)()

    def call(self, *call):
        """Add a call, unless the model does not know what comes of it."""
        try:
            self.outcomes.append(outcome(self.model, call))
        except NotModelled:
            return
        self.calls.append(call)

    def opening(self):
        self.open(*self.rng.choice(self.openings))

    def open(self, kind, arguments):
        opened = arguments[:1] if kind == "fifo" else arguments
        if not self.model.files.keys() & set(opened):
            slots = self.rng.choice(SLOTS)
            if slots and slots > self.model.machine.slots:
                slots = None  # beyond the soft limit no pipe may grow
            self.call(kind, *arguments, *((slots,) if kind == "pipe" else ()))

    def names(self, *kinds):
        """List the open names of *kinds*, all that are known to the program now and then."""
        files = self.model.files
        return [name for name, file in files.items() if isinstance(file, kinds)]

    def name(self, *kinds):
        """Choose an open name of *kinds*; once in a while another, which may be closed."""
        likely = self.names(*kinds) if self.rng.random() < 0.97 else ()
        return self.rng.choice(likely or ("p0", "r0", "a0", "e0", "d0"))

    def size(self, name):
        sizes = self.sizes.get(type(self.model.files.get(name)), (1,))
        return self.rng.choice(sizes)

    def read(self):
        name = self.name(ReadEnd, UnixSocket, EventFd, Udp)
        self.call("read", name, self.size(name) or 1)

    def write(self):
        name = self.name(WriteEnd, UnixSocket, EventFd, Udp)
        self.call("write", name, self.size(name))

    def shutdown(self):
        self.call("shutdown", self.name(UnixSocket), self.rng.randrange(3))

    def close(self):
        self.call("close", self.name(object))

    def dup(self):
        """Duplicate onto a name for copies, or back onto one that was closed."""
        name = self.name(object)
        self.call("dup", name, self.rng.choice((*COPIES, "r0", "a0", "e0")))

    def mask(self):
        if self.rng.random() < 0.8:
            return self.rng.choice(self.masks)
        return self.rng.choice(CONDITIONS) | self.rng.choice(FLAGS)

    def poll(self):
        self.call("poll", self.name(Epoll), self.rng.choice((1, 2, 10, 10)))

    def register(self):
        kind = Epoll if self.rng.random() < 0.2 else File
        self.call("register", self.name(Epoll), self.name(kind), self.mask())

    def entry(self):
        """Choose an epoll and a name, mostly one that is on its interest list."""
        epoll = self.name(Epoll)
        interest = getattr(self.model.files.get(epoll), "interest", ())
        names = [name for _, name in interest]
        return epoll, self.rng.choice(names) if names else self.name(File)

    def modify(self):
        self.call("modify", *self.entry(), self.mask())

    def unregister(self):
        self.call("unregister", *self.entry())


def draw(seed, length=80, model=None):
    """Draw a program of up to *length* calls; the same *seed* draws the same for the same machine.

    *model* runs it meanwhile (None: a new one of this machine).  Returns the program and the
    outcomes of its calls on the model.
    """
    drawn = Draw(random.Random(seed), length, model or Model(this_machine()))
    return tuple(drawn.calls), drawn.outcomes
