"""Small programs for the quiz: what may be done to a stream, when, and how it is spelled in Python.

Facts about what the kernel promises
------------------------------------
* Level-triggered, `poll` reports what holds and was asked for, whatever happened before.
* Edge-triggered, it is promised that news is reported: a registration, bytes that come, room after
  there was none, an end.  It is not promised that without news nothing is: a socketpair wakes a
  writer whenever the other end reads.
* Where both IN and OUT are asked for, edge-triggered, news that is undone before the next `poll`
  may still bring a report of the other condition.
* How many bytes fill a stream, and how many of them must be read until there is room, depends on
  pages and settings.  One big non-blocking write takes what fits, one big read takes all.
* A close of a socket with unread bytes resets the connection, and an error comes before the end or
  instead of it.
* An entry of an interest list lives as long as the open file description: a close removes it only
  if no duplicate is left.

What we do about them
---------------------
A `Program` is a row of operations.  An `Account` follows what they do to the stream: what waits,
what is closed, what is news.  It tells whether an operation is possible and what comes after it is
promised; it never tells what `poll` returns: for that the kernel is asked.  `make` walks at random
among what is possible, and so never asks what nobody promises.  A stream is filled and emptied
wholly, never by a number of bytes that matters.

*Source:* epoll(7), epoll_ctl(2), pipe(7), unix(7), tcp(7); ``net/unix/af_unix.c``,
unix_write_space().
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from ... import masks
from ...masks import ET, IN, ONESHOT, OUT, RDHUP

LEVELS = 5
MOST = 7  # operations, the opening and the last poll apart
MOST_POLLS = 2  # in between
#: level → the fewest and the most operations on the stream itself
LENGTHS = {1: (2, 2), 2: (2, 3), 3: (3, 4), 4: (3, 5), 5: (4, 5)}
WORDS = ("hi", "ant", "note", "train", "parcel", "package", "envelope")
ON_EPOLL = ("register", "poll", "modify", "unregister")  # all others act on the stream
BOTH = IN | OUT
MUCH = "1_000_000"  # bytes: more than fit into any stream here


class Kind(NamedTuple):
    """A kind of stream, seen from its end `watched`, which is registered; `other` is the other end.

    The rest are templates: how it is opened, written, read, duplicated and closed.  `unblocked` is
    how it is opened if a write must not sleep.
    """

    watched: str
    other: str
    opened: str
    unblocked: str
    write: str
    read: str
    dup: str
    close: str


PIPE = (
    "r, w = os.pipe()",
    "r, w = os.pipe2(os.O_NONBLOCK)",
    "os.write({}, {})",
    "os.read({}, {})",
    "copy = os.dup({})",
    "os.close({})",
)
SOCKET = "{}.send({})", "{}.recv({})", "copy = {}.dup()", "{}.close()"
PAIR = "conn, peer = socket.socketpair()"
CONNECTION = (
    'with socket.create_server(("127.0.0.1", 0)) as listener:\n'
    "    peer = socket.create_connection(listener.getsockname())\n"
    "    conn, _ = listener.accept()"
)
QUIET = "\nconn.setblocking(False)"
KINDS = {
    "pipe-read": Kind("r", "w", *PIPE),
    "pipe-write": Kind("w", "r", *PIPE),
    "unix": Kind("conn", "peer", PAIR, PAIR + QUIET, *SOCKET),
    "tcp": Kind("conn", "peer", CONNECTION, CONNECTION + QUIET, *SOCKET),
}


@dataclass(frozen=True)
class Account:
    """What is known of a stream while operations follow one another."""

    kind: str
    asked: int = 0  # the mask that is registered, 0 if none is
    was_registered: bool = False
    incoming: int = 0  # bytes that wait for the watched end
    outgoing: int = 0  # bytes that wait for the other end
    is_full: bool = False
    is_open: bool = True  # the watched end
    has_copy: bool = False  # another descriptor of the watched end is open
    other_is_open: bool = True
    news: frozenset = frozenset()  # since the last poll, or since the registration

    @property
    def is_edge(self):
        return bool(self.asked & ET)

    @property
    def is_socket(self):
        return self.kind in ("unix", "tcp")

    @property
    def has_ended(self):
        """Whether the watched end has nothing more to come but what waits."""
        return self.kind != "pipe-write" and not self.other_is_open

    @property
    def keeps_news(self):
        """Whether news may be undone now, and what is reported next is promised all the same."""
        return not (self.is_edge and self.asked & BOTH == BOTH and self.news)

    @property
    def may_be_read_from(self):
        """Whether the other end may read, and what is reported next is promised all the same."""
        wakes_without_news = self.kind == "unix" and self.is_edge and self.asked & OUT
        return self.outgoing > 0 and self.other_is_open and (self.is_full or not wakes_without_news)

    @property
    def may_end(self):
        """Whether an end may come: edge-triggered, it must be news that somebody asked for."""
        return not (self.is_edge and self.is_socket) or bool(self.asked & (IN | RDHUP))

    @property
    def may_write(self):
        return self.is_open and self.other_is_open and not self.is_full


class Operation(NamedTuple):
    """What may be done: when it is possible, what it changes in the account, how it is spelled.

    All three are functions of the account before it and of the operation's value: a word, a number
    of bytes, a mask or None.
    """

    is_possible: Callable
    changes: Callable
    text: Callable


def kind_of(account):
    return KINDS[account.kind]


OPERATIONS = {
    "register": Operation(
        lambda a, mask: a.is_open and not a.asked,
        lambda a, mask: {
            "asked": mask,
            "was_registered": True,
            "news": a.news | {"registered"},
        },
        lambda a, mask: f"ep.register({kind_of(a).watched}, {spelled(mask)})",
    ),
    "modify": Operation(
        lambda a, mask: a.is_open and a.asked,
        lambda a, mask: {"asked": mask, "news": a.news | {"registered"}},
        lambda a, mask: f"ep.modify({kind_of(a).watched}, {spelled(mask)})",
    ),
    "unregister": Operation(
        lambda a, _: a.is_open and a.asked,
        lambda a, _: {"asked": 0},
        lambda a, _: f"ep.unregister({kind_of(a).watched})",
    ),
    "poll": Operation(
        lambda a, _: a.was_registered,
        lambda a, _: {"news": frozenset()},
        lambda a, _: "ep.poll(0)",
    ),
    "arrive": Operation(
        lambda a, word: a.kind != "pipe-write" and (a.is_open or a.has_copy) and a.other_is_open,
        lambda a, word: {"incoming": a.incoming + len(word), "news": a.news | {"bytes"}},
        lambda a, word: kind_of(a).write.format(kind_of(a).other, f'b"{word}"'),
    ),
    "take": Operation(
        lambda a, size: a.is_open and 0 < size < a.incoming and a.keeps_news,
        lambda a, size: {"incoming": a.incoming - size},
        lambda a, size: kind_of(a).read.format(kind_of(a).watched, size),
    ),
    "take all": Operation(
        lambda a, _: a.is_open and 0 < a.incoming < 64 and a.keeps_news,
        lambda a, _: {"incoming": 0},
        lambda a, _: kind_of(a).read.format(kind_of(a).watched, 64),
    ),
    "take the end": Operation(
        lambda a, _: a.is_open and not a.incoming and a.has_ended,
        lambda a, _: {},
        lambda a, _: kind_of(a).read.format(kind_of(a).watched, 64),
    ),
    "put": Operation(
        lambda a, word: a.kind != "pipe-read" and a.may_write,
        lambda a, word: {"outgoing": a.outgoing + len(word)},
        lambda a, word: kind_of(a).write.format(kind_of(a).watched, f'b"{word}"'),
    ),
    "fill": Operation(
        lambda a, _: a.kind in ("pipe-write", "unix") and a.may_write and a.keeps_news,
        lambda a, _: {"outgoing": a.outgoing + 1, "is_full": True},
        lambda a, _: (
            kind_of(a).write.format(kind_of(a).watched, f"bytes({MUCH})") + "  # until it is full"
        ),
    ),
    "fetch all": Operation(
        lambda a, _: a.may_be_read_from,
        lambda a, _: {
            "outgoing": 0,
            "is_full": False,
            "news": a.news | ({"room"} if a.is_full else set()),
        },
        lambda a, _: kind_of(a).read.format(kind_of(a).other, MUCH if a.is_full else 64),
    ),
    "other closes": Operation(
        lambda a, _: (
            a.is_open and a.other_is_open and a.may_end and not (a.is_socket and a.outgoing)
        ),
        lambda a, _: {"other_is_open": False, "news": a.news | {"end"}},
        lambda a, _: kind_of(a).close.format(kind_of(a).other),
    ),
    "dup": Operation(
        lambda a, _: a.is_open and not a.has_copy,
        lambda a, _: {"has_copy": True},
        lambda a, _: kind_of(a).dup.format(kind_of(a).watched),
    ),
    "close": Operation(
        lambda a, _: a.is_open and a.was_registered,
        lambda a, _: {"is_open": False},
        lambda a, _: kind_of(a).close.format(kind_of(a).watched),
    ),
    "close the copy": Operation(
        lambda a, _: a.has_copy and not a.is_open,
        lambda a, _: {"has_copy": False},
        lambda a, _: kind_of(a).close.format("copy"),
    ),
}


def spelled(mask) -> str:
    """Spell *mask* as Python: ``select.EPOLLIN | select.EPOLLET``."""
    return " | ".join(f"select.{name}" for name in masks.names(mask).split("|"))


class Program(NamedTuple):
    """One program: the kind of its stream, and its operations, each a name with its value."""

    kind: str
    operations: tuple

    def steps(self):
        """Return (text, account after it) of each step: the opening, the operations, the last poll.

        Raises ValueError if an operation is not possible where it stands, or what follows it is
        not promised.
        """
        kind, account = KINDS[self.kind], Account(self.kind)
        must_not_sleep = "fill" in (name for name, _ in self.operations)
        imports = "os, select" if self.kind.startswith("pipe") else "select, socket"
        opened = kind.unblocked if must_not_sleep else kind.opened
        steps = [(f"import {imports}\n\n{opened}\nep = select.epoll()", account)]
        for name, value in (*self.operations, ("poll", None)):
            operation = OPERATIONS[name]
            if not operation.is_possible(account, value):
                raise ValueError(f"{name} is not possible, or nothing is promised, with {account}")
            text = operation.text(account, value)
            account = replace(account, **operation.changes(account, value))
            steps.append((text, account))
        return steps

    def text(self) -> str:
        """Spell the program: plain Python, with the last `poll` as its last line."""
        return "\n".join(lines for lines, _ in self.steps()) + "\n"

    def is_possible(self) -> bool:
        """Tell whether each operation is possible where it stands, and what the last poll
        returns is promised.
        """
        try:
            self.steps()
        except ValueError:
            return False
        return True


# Making programs at random.


class Topic(NamedTuple):
    """What a topic asks about: `kinds` of streams, `asked` masks, and `flags` one of which comes
    with each mask; `operations`, of which one of `about` occurs in each program.
    """

    text: str
    kinds: tuple
    asked: tuple
    flags: tuple
    operations: tuple
    about: tuple


READING = "poll", "arrive", "take", "take all"
WRITING = "put", "fill", "fetch all"
ENDING = "other closes", "take the end"
CHANGING = "modify", "unregister"
CLOSING = "dup", "close", "close the copy"
ALL_KINDS = "pipe-read", "pipe-write", "unix", "tcp"
NO_TCP = "pipe-read", "pipe-write", "unix"
#: Each but the last two asks what has been taught by the end of the notebook of that name.
TOPICS = {
    "poll": Topic(
        "when does poll report something to read?",
        ("pipe-read", "unix"),
        (IN,),
        (0,),
        READING,
        ("arrive",),
    ),
    "act": Topic(
        "reading, writing, and the other end's close",
        ALL_KINDS,
        (IN, OUT, BOTH, IN | RDHUP),
        (0,),
        (*READING, *WRITING, *ENDING),
        ("take", "take all", "fill", "other closes"),
    ),
    "modify": Topic(
        "changing your mind: modify, unregister, one-shot",
        NO_TCP,
        (IN, OUT, BOTH),
        (0, ONESHOT),
        (*READING, *WRITING, "other closes", *CHANGING),
        CHANGING,
    ),
    "destroy": Topic(
        "who owns the entry: close, dup, unregister",
        ("pipe-read", "unix"),
        (IN,),
        (0,),
        (*READING, "other closes", "unregister", *CLOSING),
        ("close", "unregister"),
    ),
    "edge": Topic(
        "what is news to an edge-triggered entry?",
        ALL_KINDS,
        (IN, OUT, BOTH, IN | RDHUP),
        (ET,),
        (*READING, *WRITING, "modify", "other closes"),
        ("arrive", "fill", "other closes"),
    ),
    "mixed": Topic(
        "all of these but the edge-triggered",
        ALL_KINDS,
        (IN, OUT, BOTH, IN | RDHUP),
        (0, 0, ONESHOT),
        (*READING, *WRITING, *ENDING, *CHANGING, *CLOSING),
        ("arrive", "fill", "other closes"),
    ),
}
#: How often an operation occurs, in comparison with others; once where it is not named.
OFTEN = {
    "arrive": 4,
    "poll": 3,
    "take": 3,
    "take all": 3,
    "fill": 3,
    "fetch all": 3,
    "other closes": 2,
    "modify": 2,
    "unregister": 2,
    "dup": 2,
    "close": 2,
}


def make(topic: str, level: int, rng: random.Random) -> Program:
    """Make a program at random.

    *topic* is one of `TOPICS`, *level* 1 (two operations on a pipe) to `LEVELS`; *rng* decides: in
    the same state, it makes the same program.  Raises KeyError for another topic or level.
    """
    while True:
        program = walk(TOPICS[topic], level, rng)
        if program is not None and program.is_possible():
            return program


def walk(topic, level, rng) -> Program | None:
    """Walk from operation to operation; None if that led nowhere."""
    kinds = [kind for kind in topic.kinds if level > 1 or kind.startswith("pipe")]
    kind = rng.choice([kind for kind in kinds if level > 2 or kind != "tcp"])
    asked = rng.choice(topic.asked) | rng.choice(topic.flags)
    if not fits(kind, asked):
        return None
    account, operations, left = Account(kind), [], rng.randint(*LENGTHS[level])
    before_register = rng.choice((0, 0, 1))
    while left or not account.was_registered:
        if not account.was_registered and (len(operations) >= before_register or not left):
            name, value = "register", asked
        else:
            choices = possible(account, topic, operations, rng)
            if not choices or len(operations) == MOST:
                return None
            often = [OFTEN.get(name, 1) for name, _ in choices]
            name, value = rng.choices(choices, often)[0]
        account = replace(account, **OPERATIONS[name].changes(account, value))
        operations.append((name, value))
        left -= name not in ON_EPOLL
    names = {name for name, _ in operations}
    return Program(kind, tuple(operations)) if names & set(topic.about) else None


def fits(kind, mask) -> bool:
    """Tell whether it makes sense to ask for *mask* at this kind of end."""
    if kind == "pipe-read":
        return mask & (IN | OUT | RDHUP) == IN
    if kind == "pipe-write":
        return mask & (IN | OUT | RDHUP) == OUT
    return True


def possible(account, topic, operations, rng) -> list:
    """List what may follow, (name, value), with values picked at random."""
    values = {
        "arrive": rng.choice(WORDS),
        "put": rng.choice(WORDS),
        "take": rng.randint(1, max(1, account.incoming - 1)),
        "modify": rng.choice(topic.asked) | account.asked & (ET | ONESHOT),
        "register": account.asked,
    }
    names = [name for name, _ in operations]
    choices = []
    for name in topic.operations:
        value = values.get(name)
        if name == "poll" and names.count("poll") == MOST_POLLS:
            continue
        if name == "modify" and not (
            fits(account.kind, value) and (value != account.asked or account.asked & (ET | ONESHOT))
        ):
            continue
        if OPERATIONS[name].is_possible(account, value):
            choices.append((name, value))
    return choices
