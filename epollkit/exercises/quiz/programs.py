"""Small programs for the quiz: what may be done to a stream, when, and how it is spelled in Python.

Facts about what the kernel promises
------------------------------------
* Level-triggered, `poll` reports what holds and was asked for.  That is promised whatever happened
  before.
* Edge-triggered, it is promised that news is reported: a registration, bytes that come, room after
  there was none, an end.  It is not promised that without news nothing is: a socketpair wakes a
  writer whenever the other end reads.
* Where both IN and OUT are asked for, edge-triggered, news that is undone before the next `poll`
  may still bring a report of the other condition.
* How many bytes fill a stream, and how many of them must be read until there is room, depends on
  pages and settings.
* Whoever closes a socket with bytes unread in it resets the connection, and an error comes before
  the end or instead.

What we do about them
---------------------
A `Program` is a row of operations.  An `Account` follows what they do to the stream: what waits,
who has closed, what is news.  It tells whether an operation is possible and what comes after it is
promised; it never tells what `poll` returns: for that the kernel is asked.  `make` walks at random
among what is possible, and so does not ask what nobody promises. A stream is filled and emptied
wholly, never by a number of bytes that matters.

*Source:* epoll(7), epoll_ctl(2), pipe(7), unix(7), tcp(7); ``net/unix/af_unix.c``,
unix_write_space().
"""

import random
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ... import masks
from ...masks import ET, IN, ONESHOT, OUT, RDHUP

LEVELS = 5
MOST = 8  # operations, the opening, the registration and the last poll apart
#: level → the fewest and the most operations on the stream itself
LENGTHS = {1: (3, 3), 2: (3, 4), 3: (4, 5), 4: (5, 6), 5: (6, 7)}
WORDS = ("hi", "ant", "note", "train", "parcel", "package", "envelope")
SIZES = (8192, 16384, 32768, 65536)  # of the writes that fill a stream: none of them matters
ON_EPOLL = ("register", "poll", "modify")  # all others are operations on the stream
BOTH = IN | OUT


class Kind(NamedTuple):
    """A kind of stream, seen from the end that is registered:

    `watched`, with `other` at the other end.
    """

    label: str
    watched: str
    other: str
    opened: str
    write: str  # by these templates both ends write and read
    read: str
    close: str


SOCKET = "{}.send({})", "{}.recv({})", "{}.close()"
PIPE = "r, w = os.pipe2(os.O_NONBLOCK)", "os.write({}, {})", "os.read({}, {})", "os.close({})"
QUIET = "\nfor end in (conn, peer):\n    end.setblocking(False)"
KINDS = {
    "pipe-read": Kind("a pipe, its read end", "r", "w", *PIPE),
    "pipe-write": Kind("a pipe, its write end", "w", "r", *PIPE),
    "unix": Kind(
        "a socketpair", "conn", "peer", "conn, peer = socket.socketpair()" + QUIET, *SOCKET
    ),
    "tcp": Kind(
        "a TCP connection",
        "conn",
        "peer",
        'with socket.create_server(("127.0.0.1", 0)) as server:\n'
        "    peer = socket.create_connection(server.getsockname())\n    conn, _ = server.accept()"
        + QUIET,
        *SOCKET,
    ),
}


@dataclass
class Account:
    """What is known of a stream while operations follow one another."""

    kind: str
    asked: int = 0  # the mask that is registered, 0 if none is
    incoming: int = 0  # bytes that wait for the watched end
    outgoing: int = 0  # bytes that wait for the other end
    is_full: bool = False
    is_open: bool = True  # the watched end
    may_write: bool = True  # the watched end
    other_is_open: bool = True
    other_may_write: bool = True
    news: set = field(
        default_factory=set
    )  # what has happened since the last poll, or since the registration

    @property
    def is_edge(self):
        return bool(self.asked & ET)

    @property
    def is_socket(self):
        return self.kind in ("unix", "tcp")

    @property
    def has_ended(self):
        """Whether the watched end has nothing more to come but what waits."""
        return self.kind != "pipe-write" and not (self.other_is_open and self.other_may_write)

    @property
    def keeps_news(self):
        """Whether news may be undone now, and what is reported next is promised all the same."""
        return not (self.is_edge and self.asked & BOTH == BOTH and self.news)

    @property
    def may_be_read_from(self):
        """Whether the other end may read, and what is reported next is promised all the same."""
        return (
            self.outgoing > 0
            and self.other_is_open
            and (self.is_full or not (self.kind == "unix" and self.is_edge and self.asked & OUT))
        )

    @property
    def may_end(self):
        """Whether an end may come: edge-triggered, it must be news that somebody asked for."""
        return not (self.is_edge and self.is_socket) or bool(self.asked & (IN | RDHUP))


# Operations: each has a rule that says whether it is possible, and what it does to the account.

RULES = {
    "register": lambda a, mask: a.is_open and not a.asked,
    "poll": lambda a, _: bool(a.asked),
    "modify": lambda a, mask: a.asked and a.is_open,
    "arrive": lambda a, word: (
        a.kind != "pipe-write" and a.is_open and a.other_is_open and a.other_may_write
    ),
    "take": lambda a, size: a.is_open and 0 < size < a.incoming and a.keeps_news,
    "take all": lambda a, _: a.is_open and 0 < a.incoming < 64 and a.keeps_news,
    "take in vain": lambda a, _: (
        a.is_open and a.kind != "pipe-write" and not a.incoming and not a.has_ended
    ),
    "take the end": lambda a, _: a.is_open and not a.incoming and a.has_ended,
    "put": lambda a, word: (
        a.kind != "pipe-read" and a.is_open and a.may_write and a.other_is_open and not a.is_full
    ),
    "fill": lambda a, _: (
        a.kind in ("pipe-write", "unix")
        and a.is_open
        and a.may_write
        and a.other_is_open
        and not a.is_full
        and a.keeps_news
    ),
    "fetch": lambda a, size: a.may_be_read_from and not a.is_full and size < a.outgoing,
    "fetch all": lambda a, _: a.may_be_read_from,
    "other half-closes": lambda a, _: (
        a.is_socket and a.is_open and a.other_is_open and a.other_may_write and a.may_end
    ),
    "other closes": lambda a, _: (
        a.other_is_open and a.is_open and a.may_end and not (a.is_socket and a.outgoing)
    ),
    "half-close": lambda a, _: a.is_socket and a.is_open and a.may_write and not a.is_edge,
    "close": lambda a, _: a.is_open and bool(a.asked),
}
NEWS = {
    "register": "registered",
    "modify": "registered",
    "arrive": "bytes",
    "other half-closes": "end",
    "other closes": "end",
}


def apply(account, name, value):
    """Follow the operation *name* in *account*.  Raises ValueError if it is not possible there."""
    if not RULES[name](account, value):
        raise ValueError(f"{name} is not possible, or what follows is not promised, with {account}")
    if name == "poll":
        account.news.clear()
    elif name in NEWS:
        account.news.add(NEWS[name])
    if name in ("register", "modify"):
        account.asked = value
    elif name == "arrive":
        account.incoming += len(value)
    elif name == "take":
        account.incoming -= value
    elif name == "take all":
        account.incoming = 0
    elif name == "put":
        account.outgoing += len(value)
    elif name == "fill":
        account.outgoing, account.is_full = account.outgoing + 1, True
    elif name == "fetch":
        account.outgoing -= value
    elif name == "fetch all":
        account.news |= {"room"} if account.is_full else set()
        account.outgoing, account.is_full = 0, False
    elif name == "other half-closes":
        account.other_may_write = False
    elif name == "other closes":
        account.other_is_open = False
    elif name == "half-close":
        account.may_write = False
    elif name == "close":
        account.is_open = False


class Program(NamedTuple):
    """One program:

    the kind of its stream, and its operations, each a name with a word, a number of bytes or a
    mask.
    """

    kind: str
    operations: tuple

    def steps(self):
        """Return the lines of each step, with the account after it: the opening, the operations,
        the last poll.

        Raises ValueError if an operation is not possible where it stands.
        """
        account = Account(self.kind)
        modules = "os, select" if KINDS[self.kind].close.startswith("os") else "select, socket"
        steps = [
            (
                f"import {modules}\n\n{KINDS[self.kind].opened}\nep = select.epoll()",
                replace(account),
            )
        ]
        for name, value in (*self.operations, ("poll", None)):
            apply(account, name, value)
            was_full = steps[-1][1].is_full
            steps.append(
                (
                    spell(
                        self.kind,
                        name + " of a full stream" * (name == "fetch all" and was_full),
                        value,
                    ),
                    replace(account, news=set(account.news)),
                )
            )
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


def spelled(mask) -> str:
    """Spell *mask* as Python: ``select.EPOLLIN | select.EPOLLET``."""
    return " | ".join(f"select.{name}" for name in masks.names(mask).split("|"))


def until_refused(line, why) -> str:
    """Spell a loop that calls *line* until it is refused, or, a read, finds the end."""
    return f"try:\n    while {line}:\n        pass\nexcept BlockingIOError:\n    pass  # {why}"


def spell(kind, name, value) -> str:
    """Spell one operation as lines of Python."""
    one = KINDS[kind]
    own, other = one.watched, one.other
    return {
        "register": lambda: f"ep.register({own}, {spelled(value)})",
        "modify": lambda: f"ep.modify({own}, {spelled(value)})",
        "poll": lambda: "ep.poll(0)",
        "arrive": lambda: one.write.format(other, f'b"{value}"'),
        "take": lambda: one.read.format(own, value),
        "take all": lambda: one.read.format(own, 64),
        "take in vain": lambda: (
            f"try:\n    {one.read.format(own, 64)}\nexcept BlockingIOError:\n    pass  # EAGAIN"
        ),
        "take the end": lambda: one.read.format(own, 64),
        "put": lambda: one.write.format(own, f'b"{value}"'),
        "fill": lambda: until_refused(one.write.format(own, f"bytes({value})"), "EAGAIN: full"),
        "fetch": lambda: one.read.format(other, value),
        "fetch all": lambda: one.read.format(other, 64),
        "fetch all of a full stream": lambda: until_refused(
            one.read.format(other, 65536), "EAGAIN: empty"
        ),
        "other half-closes": lambda: f"{other}.shutdown(socket.SHUT_WR)",
        "other closes": lambda: one.close.format(other),
        "half-close": lambda: f"{own}.shutdown(socket.SHUT_WR)",
        "close": lambda: one.close.format(own),
    }[name]()


# Making programs at random.


class Topic(NamedTuple):
    """What a topic asks about:

    `masks` asked for of a pipe's end and of a socket; one of `about` occurs in each program.
    """

    text: str
    kinds: tuple
    asked: tuple
    about: tuple
    extra: int = 0  # a flag that every mask has


SOCKETS = "unix", "tcp"
ENDS = "other closes", "other half-closes", "half-close"
TOPICS = {
    "readable": Topic("is there something to read?", ("pipe-read", *SOCKETS), (IN,), ("arrive",)),
    "writable": Topic("is there room to write?", ("pipe-write", "unix"), (OUT, BOTH), ("fill",)),
    "endings": Topic(
        "what do closed ends look like?",
        ("pipe-read", "pipe-write", *SOCKETS),
        (IN, IN | RDHUP, RDHUP, OUT, BOTH, BOTH | RDHUP),
        ENDS,
    ),
    "edge": Topic(
        "what is news to an edge-triggered entry?",
        ("pipe-read", "pipe-write", *SOCKETS),
        (IN, OUT, BOTH, IN | RDHUP),
        ("arrive", "fill", *ENDS),
        ET,
    ),
    "one-shot": Topic(
        "who is told once, and when again?",
        ("pipe-read", "pipe-write", *SOCKETS),
        (IN, OUT, BOTH, IN | RDHUP),
        ("arrive", "fill", *ENDS),
        ONESHOT,
    ),
    "mixed": Topic(
        "all of these",
        ("pipe-read", "pipe-write", *SOCKETS),
        (IN, OUT, BOTH, IN | RDHUP, RDHUP, BOTH | RDHUP),
        ("arrive", "fill", *ENDS),
    ),
}
#: operation → the level from which on it occurs, and how often in comparison with others; the
#: topic's own come at once.
OFTEN = {
    "arrive": (1, 5),
    "take": (1, 4),
    "take all": (1, 4),
    "put": (1, 3),
    "fill": (1, 5),
    "fetch": (1, 2),
    "fetch all": (1, 5),
    "other closes": (2, 2),
    "other half-closes": (2, 2),
    "poll": (2, 3),
    "take in vain": (3, 2),
    "take the end": (3, 2),
    "half-close": (3, 2),
    "modify": (4, 2),
    "close": (4, 1),
}


def make(topic: str, level: int, rng: random.Random) -> Program:
    """Make a program at random.

    *topic* is one of `TOPICS`, *level* 1 (three operations, level-triggered, a pipe) to `LEVELS`;
    *rng* decides: in the same state, it makes the same program.  Raises KeyError for another topic
    or level.
    """
    while True:
        program = walk(TOPICS[topic], level, rng)
        if program is not None and program.is_possible():
            return program


def walk(topic, level, rng) -> Program | None:
    """Walk from operation to operation; None if that led nowhere."""
    kinds = [kind for kind in topic.kinds if level > 1 or kind.startswith("pipe")]
    kinds = [kind for kind in kinds if level > 2 or kind != "tcp"]
    kind, asked = rng.choice(kinds), pick_mask(topic, level, rng)
    if (asked & RDHUP and not kind.endswith(SOCKETS)) or not asked & {
        "pipe-read": IN,
        "pipe-write": OUT,
    }.get(kind, asked):
        return None
    account, found, length = Account(kind), [], rng.randint(*LENGTHS[level])
    tells = topic.extra or asked & (ET | ONESHOT)
    begin = rng.choice((0, 0, 1, 2) if level > 1 else (0, 1))
    while length or not account.asked:
        done = sum(name not in ON_EPOLL for name, _ in found)
        if not account.asked and (done >= begin or not length):
            choice = "register", asked
        else:
            choices = possible(
                account, topic, level, rng, bool(tells), found[-1][0] if found else "", length
            )
            if not choices or len(found) > MOST:
                return None
            choice = rng.choices([one for one, _ in choices], [often for _, often in choices])[0]
        apply(account, *choice)
        found.append(choice)
        length -= choice[0] not in ON_EPOLL
    if (
        tells and len(found) <= MOST and rng.random() < 0.4
    ):  # told once more, or armed again, right before the last poll
        name = rng.choice(
            ("poll", "modify")
            if topic.extra == ONESHOT or level >= OFTEN["modify"][0]
            else ("poll",)
        )
        if account.is_open:
            apply(account, name, account.asked)
            found.append((name, account.asked))
    names = {name for name, _ in found}
    if len(found) - 1 > MOST or not names & set(topic.about) or (tells and "poll" not in names):
        return None
    return Program(kind, tuple(found))


def pick_mask(topic, level, rng) -> int:
    """Pick the mask to ask for; from level 3 on it may be edge-triggered or one-shot, whatever
    the topic.
    """
    asked = rng.choice(topic.asked) | topic.extra
    if level > 2 and not topic.extra:
        asked |= rng.choice((0, ET, ET, *((ONESHOT,) if level > 3 else ())))
    return asked


def possible(account, topic, level, rng, tells, last, left) -> list:
    """List what may follow, ((name, value), how often), with values picked at random."""
    found = []
    for name, (lowest, often) in OFTEN.items():
        value = {
            "arrive": rng.choice(WORDS),
            "put": rng.choice(WORDS),
            "fill": rng.choice(SIZES),
            "take": rng.randint(1, max(1, account.incoming - 1)),
            "fetch": rng.randint(1, max(1, account.outgoing - 1)),
            "modify": rng.choice(topic.asked) | account.asked & (ET | ONESHOT) or account.asked,
        }.get(name)
        is_early = (
            name in topic.about
            or (tells and name == "poll")
            or (topic.extra == ONESHOT and name == "modify")
        )
        if (
            (level < lowest and not is_early)
            or name == last == "poll"
            or (name == "close" and left > 1)
        ):
            continue
        if name == "modify" and account.kind.startswith("pipe"):
            if not tells:
                continue
            value = account.asked
        if RULES[name](account, value):
            found.append(
                (
                    (name, value),
                    often * (3 if name in topic.about or (tells and name == "poll") else 1),
                )
            )
    return found
