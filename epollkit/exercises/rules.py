"""What is judged of a round: its log, and what was found when it was over.  One rule each, in the
order of their weight.

Facts about attempts
--------------------
* The text of the code tells little: there are many right ways.  The kernel's calls tell what it
  did.
* A call for nothing is no mistake: a reader may find out by EAGAIN that it has drained a stream.
  Many of them in a row, with no sleep between them, are busy polling.

What we do about them
---------------------
A rule takes a `Round`, and returns a `Finding` if the round breaks it: what was seen, and the call
where it shows.
"""

import itertools
import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ..analysis.story import count, spell
from ..log import Log
from ..masks import ET, names
from ..sandbox import MORE_MEMORY, MOST_OUTPUT
from ..syscalls import READS, WRITES
from .task import Task

#: More calls for nothing, in a row, are busy polling.  The counterpart waits for far more of them.
MOST_IN_VAIN = 9
#: Nanoseconds: who pauses so long between two such calls takes naps.
NAP_NS = 500_000
#: how a stream is called that the exercise has not named
UNNAMED = "file descriptor"
#: type → what to call what an attempt is to return
TYPES = {
    bytes: "a bytes object",
    bool: "True or False",
    int: "an int",
    dict: "a dictionary",
    type(None): "None",
}


class Finding(NamedTuple):
    """Why a round is not right:

    the state it puts the verdict in, what was seen, and the index of a call or None.
    """

    state: str
    seen: str
    call: int | None = None


@dataclass(frozen=True)
class Round:
    """One round as the child left it: the exercise, the log, and what was found when it was over."""

    task: Task
    log: Log
    found: dict

    @cached_property
    def own(self) -> list:
        """The calls that the attempt made itself."""
        return [call for call in self.log if call.thread.name == "you"]

    @property
    def last(self):
        """The last call that the attempt made; None if it made none."""
        return self.own[-1] if self.own else None

    @cached_property
    def wanted(self) -> bytes | None:
        """The bytes that were to arrive; None if a value was wanted, or nothing."""
        moves_bytes = self.found["is_received"] or bytes in self.task.returns
        return bytes.fromhex(self.found["wanted"]) if moves_bytes else None


def load(path, task) -> Round | None:
    """Read what the child wrote of a round beside *path*; None if it did not come so far."""
    if not path.with_suffix(".json").exists():
        return None
    found = json.loads(path.with_suffix(".json").read_text())
    return Round(task, Log.load(path.with_suffix(".log")), found)


def judge(round) -> Finding | None:
    """Hold *round* against every rule.  Returns the first finding, or None if it keeps them all."""
    for rule in RULES:
        if finding := rule(round):
            advice = round.task.advice(round)
            return finding._replace(seen=f"{finding.seen}. {advice}") if advice else finding
    return None


def comes_back(round):
    """Sleeps for ever, or has not come back when its time was up."""
    if round.found["state"] not in ("late", "stuck"):
        return None
    if vain := never_asks_in_vain(round):
        return vain
    last, is_stuck = round.last, round.found["state"] == "stuck"
    state = "sleeps for ever" if is_stuck else "took too long"
    if last is None:
        return Finding(state, "your function did not come back, and it made no call on a stream")
    if last.end_ns is None:
        where = f"your function was still {'asleep in' if last.asleep else 'in'} {spell(last)}"
        nobody = ", and nobody was left who could wake it" if is_stuck else ""
        return Finding(
            state,
            f"{where}{bound(round, last)}{what_waits(round.log)}{what_is_unsent(round)}{nobody}",
            last.index,
        )
    return Finding(
        state, f"your function did not come back; its last call was {spell(last)}", last.index
    )


def bound(round, call) -> str:
    """Say how long a poll that was still asleep would have waited, if it was to wait less."""
    timeout = call.arguments[0] if call.name == "epoll.poll" and call.arguments else None
    least_s = round.found["least_s"]
    if isinstance(timeout, (int, float)) and timeout < 0 and timeout != -1:
        return ", which waits for ever: a timeout below 0 is no bound"
    if not least_s or not isinstance(timeout, (int, float)):
        return ""
    return f", which waits for {timeout:g} seconds; it should wait for {least_s:g}"


def what_waits(log) -> str:
    """Say what lay in the streams meanwhile, for anybody to read; nothing if nothing did."""
    waiting = [
        f"{count(amount, 'byte')} waited in {log.objects[flow.sink].name}"
        for flow in log.flows
        if flow.unit == "bytes" and (amount := flow.level(float("inf")))
    ]
    return ", while " + in_words(waiting) if waiting else ""


def what_is_unsent(round) -> str:
    """Say how many bytes the attempt should have written and has not; nothing if it has all."""
    if not round.found["is_received"]:
        return ""
    written = sum(call.bytes_moved for call in round.own if call.name in WRITES)
    missing = len(round.wanted) - written
    if missing <= 0:
        return ""
    return f"; {missing:,} of {count(len(round.wanted), 'byte')} were never sent"


def comes_to_an_end(round):
    """Makes no more calls than such an exercise can take."""
    if round.found["state"] != "spun":
        return None
    return never_asks_in_vain(round) or Finding(
        "wrong",
        f"your function was stopped after {count(len(round.own), 'call')}: it takes some twenty, "
        "if each of them is given more bytes to move",
        round.last.index,
    )


def raises_nothing(round):
    """Raises nothing; and what a limit of the check raised is told as what it is."""
    found = round.found
    if found["state"] != "raised":
        return None
    where = f", in line {found['number']}: {found['line']}" if found["line"] else ""
    if found["limit"]:
        return Finding("took too much", LIMITS[found["limit"]] + where)
    said = found["said"]
    if "record() inside record()" in said:
        said = (
            "your function calls record(), and the check records already: leave record() out of it"
        )
    last = next((call.index for call in reversed(round.own) if call.error), None)
    return Finding("raised", said + where, last)


LIMITS = {
    "output": f"your function printed more than {MOST_OUTPUT >> 20} MB, or wrote as much to a "
    "file, and a check lets no more through: is there a print in a loop that does not end?",
    "memory": f"your function took more than {MORE_MEMORY >> 30} GB of memory, and a check gives "
    "no more: does something grow in a loop that does not end?",
}


def closes_only_its_own(round):
    """Closes none of the streams that it was lent."""
    gone = round.found["gone"]
    if not gone:
        return None
    lent = [name for name in gone if not name.startswith(UNNAMED)]
    others = len(gone) - len(lent)
    if others:
        lent.append(f"{count(others, UNNAMED)} that it had not opened")
    closing = (call for call in round.own if call.name.endswith("close") and call.stream)
    return Finding(
        "wrong",
        f"your function closed {in_words(lent)}, which whoever called it still needs",
        next((call.index for call in closing if call.stream.name in gone), None),
    )


def returns_its_type(round):
    """Returns something of the kind that was asked for."""
    found, allowed = round.found, round.task.returns
    if not allowed or found["type"] in [kind.__name__ for kind in allowed]:
        return None
    wanted = " or ".join(TYPES[kind] for kind in allowed)
    missing = ": is a return missing?" if found["type"] == "NoneType" else ""
    return Finding(
        "not an answer yet", f"it returned {found['shown']}; {wanted} was wanted{missing}"
    )


def returns_the_answer(round):
    """Returns the value that was wanted."""
    found = round.found
    if round.wanted is not None or not round.task.returns or found["value"] == found["wanted"]:
        return None
    return Finding(
        "wrong",
        f"your function returned {found['shown']}, and {found['case']}{last_masks(round)}",
    )


def last_masks(round) -> str:
    """Say what the attempt's last poll returned; nothing if it polled at no epoll."""
    polls = [call for call in round.own if call.name == "epoll.poll" and not call.error]
    if not polls:
        return ""
    events = ", ".join(f"({stream.name}, {names(mask)})" for stream, mask in polls[-1].events)
    return f"; its last poll had returned [{events}]"


def waits(round):
    """Waits as long as it should, or until the moment that it was given."""
    found = round.found
    early_s = found["until_s"] - found["ended_s"]
    if early_s > 0:
        seen = f"your function came back {early_s:.2f} s before the deadline, and nothing had ended"
    elif found["took_s"] < found["least_s"]:
        seen = (
            f"your function came back after {found['took_s']:.2f} s, and was to wait for "
            f"{found['least_s']:.2f} s: {found['case']}"
        )
    else:
        return None
    return Finding("wrong", seen, round.last.index if round.last else None)


def takes_nothing(round):
    """Reads nothing, where it should only look."""
    if not round.found["is_untouched"]:
        return None
    taken = next((call for call in round.own if call.name in READS and call.bytes_moved), None)
    if taken is None:
        return None
    it = "it" if taken.bytes_moved == 1 else "them"
    return Finding(
        "wrong",
        f"your function took {count(taken.bytes_moved, 'byte')} away, with {spell(taken)}: "
        f"whoever comes next will not find {it}",
        taken.index,
    )


def holds_little(round):
    """Holds no more bytes of a stream in hand than it may."""
    most = round.found["most_in_hand"]
    if most is None:
        return None
    in_hand = Counter()
    is_echo = {call.stream for call in round.own if call.name in READS} & {
        call.stream for call in round.own if call.name in WRITES
    }
    for call in round.own:
        key = call.stream if is_echo else None
        if call.name in READS:
            in_hand[key] += call.bytes_moved
        elif call.name in WRITES:
            in_hand[key] -= call.bytes_moved
        if in_hand[key] > most:
            return Finding(
                "wrong",
                f"after {spell(call)} your function held {count(in_hand[key], 'byte')} that it had "
                f"read and not written; it may hold {most:,}",
                call.index,
            )
    return None


def changes_little(round):
    """Changes interest lists no more often than it may."""
    most = round.found["most_changes"]
    changes = [
        call
        for call in round.own
        if call.name in ("epoll.register", "epoll.modify", "epoll.unregister")
    ]
    if most is None or len(changes) <= most:
        return None
    return Finding(
        "wrong",
        f"your function changed what is on an interest list {count(len(changes), 'time')}, each time "
        f"by a system call; here {most} are enough",
        changes[most].index,
    )


def waits_at_an_epoll(round):
    """Sleeps in the poll of an epoll, and in one thread, where that is the lesson."""
    if not round.task.needs_epoll:
        return None
    others = [
        call for call in round.log if call.thread.native_id not in round.found["known_threads"]
    ]
    if others:
        return Finding(
            "wrong",
            f"your function made {spell(others[0])} in another thread; one thread can wait for "
            "all of them, with an epoll",
            others[0].index,
        )
    if not any(call.name == "epoll.poll" for call in round.own):
        return Finding(
            "wrong", "your function never called poll of an epoll, and this exercise is about that"
        )
    return None


def waits_for_edges(round):
    """Registers its streams edge-triggered, where that is the lesson."""
    for call in round.own if round.task.needs_edges else ():
        if call.name not in ("epoll.register", "epoll.modify") or call.error:
            continue
        mask = call.arguments[1] if len(call.arguments) > 1 else 0
        if call.stream and call.stream.name != "stop" and not mask & ET:
            return Finding(
                "wrong",
                f"your function registered {call.stream.name} without EPOLLET, so level-triggered: "
                "this exercise is about edges",
                call.index,
            )
    return None


def delivers(round):
    """Returns, or writes, every byte that was wanted, in order."""
    wanted, found = round.wanted, round.found
    if wanted is None:
        return None
    got = bytes.fromhex(found["received"] if found["is_received"] else found["bytes"])
    if got == wanted:
        return None
    same = next(
        (at for at, (came, due) in enumerate(zip(got, wanted, strict=False)) if came != due),
        min(len(got), len(wanted)),
    )
    came = "came to the reader" if found["is_received"] else "were returned"
    if same == len(got):
        missing = "the rest is missing" + what_was_left(round)
    elif same == len(wanted):
        missing = "the last of them came twice, or from nowhere"
    else:
        missing = (
            f"byte {same:,}, counted from 0, is not the one that belongs there: some were lost, or "
            "came twice"
        )
    return Finding(
        "wrong",
        f"{len(got):,} of {count(len(wanted), 'byte')} {came}: {missing}",
        place_of_loss(round, same),
    )


def what_was_left(round) -> str:
    """Say why bytes are missing, where that can be seen: never written, or never read."""
    if round.found["is_received"]:
        return what_is_unsent(round)
    return what_waits(round.log).replace(", while", ";") + last_masks(round)


def place_of_loss(round, same):
    """Find the call where bytes were lost, if *same* arrived as they should.

    That is the last read, or the last write that was cut short or refused, up to the call that
    moved the first wrong byte; else that call.
    """
    moved, place = 0, None
    for call in round.own:
        if call.name in READS or (
            call.name in WRITES and (call.error or round.log.was_cut_short(call.index))
        ):
            place = call.index
        moved += call.bytes_moved if call.name in WRITES or call.name in READS else 0
        if moved > same:
            return call.index if place is None else place
    return place


def returns_the_reply(round):
    """Returns what the other end replied."""
    reply, got = round.found["reply"], round.found["bytes"]
    if reply is None or got == reply:
        return None
    return Finding(
        "wrong",
        f"the other end replied {bytes.fromhex(reply)!r}, and your function returned "
        f"{round.found['shown']}",
        round.own[-1].index if round.own else None,
    )


def never_asks_in_vain(round):
    """Does not ask again and again while nothing changes, nor reads on after the end."""
    run = first_in_vain(round)
    if not run:
        return None
    ended = []
    for call in run:
        if call.name in READS and not call.error:
            if call.stream in ended:
                return Finding(
                    "wrong", f"your function went on with {spell(call)} after the end", call.index
                )
            ended.append(call.stream)
    pauses = [after.start_ns - call.end_ns for call, after in itertools.pairwise(run)]
    if min(pauses) > NAP_NS:
        how = "with naps between; a poll would sleep until there is news, and wake at once"
    else:
        how = "that is busy polling"
    asked = f"your function asked again and again while nothing had changed, with {spell(run[0])}"
    return Finding("wrong", f"{asked}: {how}", run[0].index)


def first_in_vain(round):
    """List the first calls in a row that moved nothing and did not sleep, if they are too many;
    else nothing.

    An event of an edge-triggered entry is news, unless a modify has asked for it.
    """
    run, has_asked = [], False
    for call in round.own:
        has_asked = has_asked or call.name == "epoll.modify"
        if (
            call.bytes_moved
            or call.asleep
            or (call.name == "epoll.poll" and call.may_sleep and not call.events)
            or (round.task.needs_edges and call.events and not has_asked)
        ):
            run = []
        elif call.name in READS or call.name in WRITES or call.name == "epoll.poll":
            run.append(call)
            if len(run) > MOST_IN_VAIN:
                return run
        has_asked = has_asked and call.name != "epoll.poll"
    return []


def leaves_nothing(round):
    """Leaves nothing open, no thread running, and no stream switched to blocking or back."""
    found, log = round.found, round.log
    if found["left"]:
        opened = {
            thing.number: thing
            for thing in log.objects
            if thing.closed_ns is None and thing.number in found["left"]
        }
        names = [
            opened[number].name if number in opened else f"file descriptor {number}"
            for number in found["left"]
        ]
        at = next(
            (thing.opened_by for thing in opened.values() if thing.opened_by is not None), None
        )
        return Finding("wrong", f"your function left {in_words(names)} open", at)
    if found["threads"]:
        return Finding("wrong", f"your function left {count(found['threads'], 'thread')} running")
    if found["switched"]:
        return Finding(
            "wrong",
            f"your function made {in_words(found['switched'])} blocking, or non-blocking, and left "
            "it so: whoever called it counts on what it was",
        )
    return None


def closed_by_luck(round) -> str:
    """Say what the attempt left open and Python closed when the last variable was gone; nothing
    if it closed everything itself.
    """
    lucky = [
        thing.name
        for thing in round.log.objects
        if thing.opened_by is not None
        and thing.closed_by is None
        and not thing.internal
        and round.log[thing.opened_by].thread.name == "you"
    ]
    if not lucky:
        return ""
    return (
        f"; Python closed {in_words(lucky)} for you when the function ended, "
        "which `with` does not leave to luck"
    )


def in_words(names) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


RULES = (
    comes_back,
    comes_to_an_end,
    raises_nothing,
    closes_only_its_own,
    returns_its_type,
    takes_nothing,
    waits_at_an_epoll,
    waits_for_edges,
    returns_the_answer,
    waits,
    delivers,
    holds_little,
    changes_little,
    returns_the_reply,
    never_asks_in_vain,
    leaves_nothing,
)
