"""What people believe about epoll: each belief is the model with one rule changed.

Facts about beliefs
-------------------
* Most of what is wrong about epoll is right nearly always: "an edge is a change from empty to not
  empty" holds for all who read until EAGAIN.
* A belief that is wrong ends differently for some program, and the shortest such program is short:
  two to six calls.

What we do about them
---------------------
A `Belief` is words, where people have them from, and a `Model` with the mistake built in.
`refutation` tries programs, shorter ones first, on that model and on the right one, until a call
ends differently.  Neither asks the kernel: whoever shows the program runs it there.

*Source:* `model`; for each belief, its own.
"""

import functools
import itertools
from typing import NamedTuple

from . import model
from .masks import ALWAYS, CONDITIONS, ET, HUP, IN, ONESHOT, OUT
from .model import Model, error, wake
from .programs import outcome

MOST_CALLS = 6


# Models with a mistake: each of these classes changes one piece of the model.


class NoNewsAtFirst(model.Epoll):
    def look_now(self, entry):
        if not entry.mask & ET:
            super().look_now(entry)


class NeverLooks(model.Epoll):
    def modify(self, file, name, mask):
        entry = self.entry(file, name)
        entry.mask = self.completed(mask)


class OnlyWhatIsAskedFor(model.Epoll):
    def completed(self, mask):
        return mask


class WhatHappened(model.Epoll):
    """Reports what was the case when the entry was queued."""

    class Entry(model.Entry):
        __slots__ = ("seen",)

        def queue_up(self):
            self.seen = self.ask()
            super().queue_up()

    def ask_again(self, entry):
        return entry.seen


class OnlyWhatChanged(model.Epoll):
    """Reports of an edge-triggered entry the conditions that it was woken for."""

    class Entry(model.Entry):
        __slots__ = ("news",)

        def __init__(self, *row):
            super().__init__(*row)
            self.news = CONDITIONS

        def listens(self, key):
            self.news |= key or CONDITIONS
            return super().listens(key)

    def ask_again(self, entry):
        news, entry.news = (entry.news, 0) if entry.mask & ET else (CONDITIONS, 0)
        return entry.ask() & news


class OneShotIsRemoved(model.Epoll):
    def after_report(self, entry):
        if entry.mask & ONESHOT:
            self.ready[entry] = None
            self.remove(entry.file, entry.name)
        return super().after_report(entry)


class OneShotHearsTheEnd(model.Epoll):
    def after_report(self, entry):
        goes_back = super().after_report(entry)
        if entry.mask & ONESHOT:
            entry.mask |= ALWAYS
        return goes_back


class InOrderOfRegistration(model.Epoll):
    def wait(self, most):
        self.ready = {entry: None for entry in self.interest.values() if entry in self.ready}
        return super().wait(most)


class ReportedOnce(model.Epoll):
    def after_report(self, entry):
        super().after_report(entry)
        return False


class EndIsToldOnce(model.Epoll):
    def after_report(self, entry):
        return super().after_report(entry) and not entry.ask() & HUP


class ForgetsTheRest(model.Epoll):
    """Edge-triggered entries that did not fit into a report are lost."""

    def wait(self, most):
        events = super().wait(most)
        self.ready = {entry: None for entry in self.ready if not entry.mask & ET}
        return events


class NoNesting(model.Epoll):
    def add(self, file, name, mask):
        if isinstance(file, model.Epoll):
            raise error("EINVAL")
        super().add(file, name, mask)


class OncePerStream(model.Epoll):
    def add(self, file, name, mask):
        if any(file is other for other, _ in self.interest):
            raise error("EEXIST")
        super().add(file, name, mask)


class EveryByteIsRoom(model.Pipe):
    @property
    def is_full(self):
        return sum(slot[0] for slot in self.slots) >= self.most * self.page


class OnlyFromEmpty(model.Pipe):
    def after_write(self, was_empty, count):
        if was_empty:
            wake(self.reading, IN)


class RefusedIsNothing(model.Pipe):
    def after_write(self, was_empty, count):
        if count:
            wake(self.reading, IN)


class WhatIsLeftIsNews(model.Pipe):
    def after_read(self, count, has_freed):
        super().after_read(count, has_freed)
        if self.slots:
            wake(self.reading, IN)


class EveryReadIsRoom(model.Pipe):
    def after_read(self, count, has_freed):
        if count:
            wake(self.writing, OUT)


class LostWithTheWriter(model.Pipe):
    def after_close(self):
        if not self.writers:
            self.slots.clear()
        super().after_close()


class PlainHangUp(model.UnixSocket):
    def release(self):
        super().release()
        self.peer.is_reset = False


class StaysInError(model.UnixSocket):
    def read(self, size):
        was_reset = self.is_reset
        try:
            return super().read(size)
        finally:
            self.is_reset = was_reset


class OnlyWhenAllIsRead(model.UnixSocket):
    def after_arrival(self):
        if len(self.messages) == 1:
            super().after_arrival()


class EveryReadOfASocketIsRoom(model.UnixSocket):
    def after_message(self, is_finished):
        super().after_message(is_finished=True)


class HalfIsHangUp(model.UnixSocket):
    def readiness(self):
        return super().readiness() | (HUP if self.shut & model.READING else 0)


class OnlyFromZero(model.EventFd):
    def after_write(self, was_zero, value):
        if was_zero:
            wake(self.queue, IN)


class ZeroIsNothing(model.EventFd):
    def after_write(self, was_zero, value):
        if value:
            wake(self.queue, IN)


class ClosingUnregisters(Model):
    def close(self, name):
        file = self.file(name)
        for entry in tuple(file.queue):
            if entry.name == name:
                entry.epoll.remove(file, name)
        super().close(name)


class UnregisteringCloses(Model):
    def unregister(self, epoll, name):
        super().unregister(epoll, name)
        self.close(name)


# The beliefs.


class Belief(NamedTuple):
    """What somebody believes, and how to find the program that refutes it.

    `mistake` is a part of the model with the mistake, or a whole `Model`.  A refutation begins with
    the calls `opened`, and is made of `calls`.
    """

    words: str
    source: str  # where people have it from, and its address if there is one
    mistake: type
    opened: tuple
    calls: tuple

    def model(self) -> Model:
        """Return a new model of this belief."""
        return with_mistake(self.mistake)()


def with_mistake(mistake) -> type[Model]:
    """Return the model with *mistake*, a subclass of one of its parts, in that part's place."""
    if issubclass(mistake, Model):
        return mistake
    part = next(kind for kind in mistake.__mro__ if kind.__module__ == model.__name__)
    return type(mistake.__name__, (Model,), {part.__name__: mistake})


EPOLL = ("epoll", "ep")
PIPE = (("pipe", "r", "w"), EPOLL)
TWO_PIPES = (("pipe", "r", "w"), ("pipe", "r2", "w2"), EPOLL)
SOCKETS = (("socketpair", "a", "b"), EPOLL)
EVENTFD = (("eventfd", "e"), EPOLL)
POLL, POLL_ONE = ("poll", "ep"), ("poll", "ep", 1)
FULL = 65536


def register(name, mask):
    return ("register", "ep", name, mask)


BELIEFS = {
    "nothing-new": Belief(
        "Edge-triggered, poll reports nothing until something changes after register.",
        "epoll(7): the mode “delivers events only when changes occur on the monitored file "
        "descriptor”",
        NoNewsAtFirst,
        PIPE,
        (register("w", OUT | ET), POLL),
    ),
    "same-mask": Belief(
        "modify with the mask that is registered already changes nothing.",
        "how an assignment of the same value behaves; Shadow's simulator had it so: "
        "https://github.com/shadow/shadow/issues/343",
        NeverLooks,
        PIPE,
        (register("w", OUT | ET), POLL, ("modify", "ep", "w", OUT | ET)),
    ),
    "ask-for-hup": Belief(
        "A hang-up is reported only to those who ask for EPOLLHUP.",
        "tutorials that register EPOLLIN | EPOLLHUP | EPOLLERR",
        OnlyWhatIsAskedFor,
        PIPE,
        (register("r", 0), ("close", "w"), POLL),
    ),
    "what-happened": Belief(
        "A report says what has happened since the last poll.",
        "step 3 of How To Use Linux epoll with Python: "
        "http://scotdoyle.com/python-epoll-howto.html",
        WhatHappened,
        PIPE,
        (register("r", IN), ("write", "w", 1), ("read", "r", 1), POLL),
    ),
    "what-changed": Belief(
        "Edge-triggered, the mask tells which condition has changed.",
        "the word edge: in electronics it is the change itself",
        OnlyWhatChanged,
        SOCKETS,
        (register("a", IN | OUT | ET), ("write", "b", 1), POLL),
    ),
    "told-once": Belief(
        "What poll has reported once is not reported again.",
        "other queues of events: a mouse click comes once",
        ReportedOnce,
        PIPE,
        (register("w", OUT), POLL),
    ),
    "end-told-once": Belief(
        "The end of a stream is reported once.",
        "“hang up”, which sounds like something that happens, and not like a state",
        EndIsToldOnce,
        PIPE,
        (register("r", IN), ("close", "w"), POLL),
    ),
    "a-byte-is-room": Belief(
        "A pipe is writable while one byte of it is free.",
        "pipe(7), which gives the capacity in bytes",
        EveryByteIsRoom,
        PIPE,
        (register("w", OUT), ("write", "w", 1), ("write", "w", FULL), POLL),
    ),
    "oneshot-removes": Belief(
        "EPOLLONESHOT takes the entry off the interest list.",
        "How To Use Linux epoll with Python, on event masks: "
        "http://scotdoyle.com/python-epoll-howto.html",
        OneShotIsRemoved,
        PIPE,
        (register("w", OUT | ONESHOT), POLL, ("modify", "ep", "w", OUT)),
    ),
    "oneshot-hears-hup": Belief(
        "A one-shot entry that has been reported still reports a hang-up.",
        "epoll_ctl(2): EPOLLHUP is always reported",
        OneShotHearsTheEnd,
        PIPE,
        (register("r", IN | ONESHOT), ("write", "w", 1), ("close", "w"), POLL),
    ),
    "plain-hup": Belief(
        "The peer of a unix socket that closes is a plain hang-up, read or unread.",
        "TCP's goodbye, which is no error if everything has been read",
        PlainHangUp,
        SOCKETS,
        (register("a", IN), ("write", "a", 700), ("close", "b"), POLL),
    ),
    "error-stays": Belief(
        "A socket that is in error stays in error.",
        "ERR beside HUP, in the same mask, which does stay",
        StaysInError,
        SOCKETS,
        (register("a", IN), ("write", "a", 700), ("close", "b"), ("read", "a", 1), POLL),
    ),
    "half-is-hup": Belief(
        "A peer that will send no more is a hang-up.",
        "posts that say of EPOLLHUP that “the remote end has hung up”, as "
        "https://devgem.io/posts/understanding-epollin-and-epollhup-events-in-python-epoll",
        HalfIsHangUp,
        SOCKETS,
        (register("a", IN), ("shutdown", "b", 1), POLL),
    ),
    "only-from-empty": Belief(
        "An edge is the change from empty to not empty.",
        "many lessons: “only the transition from not ready to ready”, as "
        "https://www.cruxible.dev/learn/conc22-edge-vs-level-triggered",
        OnlyFromEmpty,
        PIPE,
        (register("r", IN | ET), ("write", "w", 1), POLL),
    ),
    "until-all-is-read": Belief(
        "A socket that was reported edge-triggered is silent until all pending data is read.",
        "Stack Overflow, about the tag epollet: https://stackoverflow.com/tags/epollet/info",
        OnlyWhenAllIsRead,
        SOCKETS,
        (register("a", IN | ET), ("write", "b", 1), POLL),
    ),
    "left-is-news": Belief(
        "Edge-triggered, what a read has left is reported again.",
        "level-triggered code, which works so",
        WhatIsLeftIsNews,
        PIPE,
        (register("r", IN | ET), ("write", "w", 2), ("read", "r", 1), POLL),
    ),
    "refused-is-nothing": Belief(
        "A write that is refused tells nobody anything.",
        "EAGAIN: no byte was moved",
        RefusedIsNothing,
        PIPE,
        (register("r", IN | ET), ("write", "w", FULL), ("write", "w", 1), POLL),
    ),
    "every-read-of-a-pipe": Belief(
        "Edge-triggered, each read from a pipe tells its writer that there is room.",
        "“EPOLLOUT fires whenever there is room”",
        EveryReadIsRoom,
        PIPE,
        (register("w", OUT | ET), ("write", "w", 1), ("read", "r", 1), POLL),
    ),
    "every-read-of-a-socket": Belief(
        "Edge-triggered, each read from a unix socket tells its writer that there is room.",
        "the same on a stream socket, whose messages have no boundaries",
        EveryReadOfASocketIsRoom,
        SOCKETS,
        (register("a", OUT | ET), ("write", "a", 700), ("read", "b", 500), POLL),
    ),
    "only-from-zero": Belief(
        "Edge-triggered, an eventfd must be read before it is reported again.",
        "the doubts about libuv's wake-ups: https://github.com/libuv/libuv/pull/4400",
        OnlyFromZero,
        EVENTFD,
        (register("e", IN | ET), ("write", "e", 1), POLL),
    ),
    "zero-is-nothing": Belief(
        "Adding 0 to an eventfd is no event.",
        "arithmetic",
        ZeroIsNothing,
        EVENTFD,
        (register("e", IN | ET), ("write", "e", 1), ("write", "e", 0), POLL),
    ),
    "in-order": Belief(
        "poll reports streams in the order in which they were registered.",
        "select, which goes through the numbers in their order",
        InOrderOfRegistration,
        TWO_PIPES,
        (register("w", OUT), register("w2", OUT), POLL_ONE),
    ),
    "the-rest-is-lost": Belief(
        "Edge-triggered, what does not fit into maxevents is lost.",
        "“once” in “is told once”",
        ForgetsTheRest,
        TWO_PIPES,
        (register("w", OUT | ET), register("w2", OUT | ET), POLL_ONE),
    ),
    "closing-unregisters": Belief(
        "To close a file descriptor takes it off the interest list.",
        "the short answer, without the “but” that epoll(7) adds, as "
        "https://blog.youkuaiyun.com/weixin_45075170/article/details/145425240",
        ClosingUnregisters,
        PIPE,
        (register("w", OUT), ("dup", "w", "copy"), ("close", "w"), POLL),
    ),
    "unregistering-closes": Belief(
        "unregister closes the stream.",
        "Chinese notes on the How-To: “销毁文件句柄”, destroy the handle",
        UnregisteringCloses,
        PIPE,
        (register("r", IN), ("unregister", "ep", "r"), ("write", "w", 1), ("read", "r", 1)),
    ),
    "once-per-stream": Belief(
        "A stream can be registered only once.",
        "EEXIST, which says so of one file descriptor",
        OncePerStream,
        PIPE,
        (register("r", IN), ("dup", "r", "copy"), register("copy", IN)),
    ),
    "no-nesting": Belief(
        "An epoll cannot be watched by another epoll.",
        "that it cannot watch itself",
        NoNesting,
        (EPOLL, ("epoll", "outer")),
        (("register", "outer", "ep", IN),),
    ),
    "lost-with-the-writer": Belief(
        "What is in a pipe is lost when the writer closes.",
        "a phone call: who hangs up takes the words along",
        LostWithTheWriter,
        PIPE,
        (("write", "w", 1), ("close", "w"), ("read", "r", 1)),
    ),
}


class Refutation(NamedTuple):
    """A program whose last call ends as *believed* with the mistake, and as *modelled* without.

    `opened` says how many of its calls only open what it is about.
    """

    program: tuple
    opened: int
    believed: object
    modelled: object

    @property
    def calls(self):
        return len(self.program) - self.opened


@functools.cache
def refutation(belief: Belief) -> Refutation:
    """Search the shortest program that ends differently for *belief* and for the right model.

    Raises LookupError if there is none of at most `MOST_CALLS` calls.
    """
    prefixes = [()]
    for _ in range(MOST_CALLS):
        longer = []
        for prefix, call in itertools.product(prefixes, belief.calls):
            program = (*belief.opened, *prefix, call)
            *_, believed = (
                outcome(mistaken, made) for mistaken in [belief.model()] for made in program
            )
            *_, modelled = (outcome(right, made) for right in [Model()] for made in program)
            if believed != modelled:
                return Refutation(program, len(belief.opened), believed, modelled)
            if not is_in_vain(modelled):
                longer.append((*prefix, call))
        prefixes = longer
    raise LookupError(f"no program of {MOST_CALLS} calls refutes: {belief.words}")


def is_in_vain(end) -> bool:
    """Tell whether a call that ended so need not be followed: an empty report, or an error other
    than a refusal.
    """
    return end == [] or (isinstance(end, str) and end not in ("EAGAIN", "ECONNRESET"))
