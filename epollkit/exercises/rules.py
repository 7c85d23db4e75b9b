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

import json
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ..analysis.story import count, spell
from ..log import Log
from ..syscalls import READS, WRITES

#: More calls for nothing, in a row, are busy polling.  The counterpart waits for far more of them.
MOST_IN_VAIN = 9


class Finding(NamedTuple):
    """Why a round is not right:

    the state it puts the verdict in, what was seen, and the index of a call or None.
    """

    state: str
    seen: str
    call: int | None = None


@dataclass(frozen=True)
class Round:
    """One round as the child left it: its number, counted from 1, the log, and what was found."""

    number: int
    log: Log
    found: dict

    @cached_property
    def own(self) -> list:
        """The calls that the attempt made itself."""
        return [call for call in self.log if call.thread.name == "you"]


def load(path, number) -> Round:
    """Read what the child wrote of the round *number* beside *path*."""
    return Round(
        number,
        Log.load(path.with_suffix(".log")),
        json.loads(path.with_suffix(".json").read_text()),
    )


def judge(round) -> Finding | None:
    """Hold *round* against every rule.  Returns the first finding, or None if it keeps them all."""
    return next((finding for rule in RULES if (finding := rule(round))), None)


def comes_back(round):
    if round.found["state"] != "late":
        return None
    if vain := never_asks_in_vain(round):
        return vain
    last = round.own[-1] if round.own else None
    if last is None:
        return Finding(
            "took too long", "your function did not come back, and it made no call on a stream"
        )
    if last.end_ns is None:
        state = "asleep in" if last.asleep else "in the call"
        return Finding(
            "took too long",
            f"your function was still {state} {spell(last)}{what_waits(round.log)}",
            last.index,
        )
    return Finding(
        "took too long",
        f"your function did not come back; its last call was {spell(last)}",
        last.index,
    )


def what_waits(log) -> str:
    """Say what lay in the streams meanwhile, for anybody to read; nothing if nothing did."""
    waiting = [
        f"{count(amount, 'byte')} waited in {log.objects[flow.sink].name}"
        for flow in log.flows
        if flow.unit == "bytes" and (amount := flow.level(float("inf")))
    ]
    return ", while " + in_words(waiting) if waiting else ""


def comes_to_an_end(round):
    if round.found["state"] != "spun":
        return None
    return never_asks_in_vain(round) or Finding(
        "wrong",
        f"your function was stopped after {count(len(round.own), 'call')}: it takes some twenty, if each of them "
        "is given more bytes to move",
        round.own[-1].index,
    )


def raises_nothing(round):
    found = round.found
    if found["state"] != "raised":
        return None
    said = found["said"]
    if "record() inside record()" in said:
        said = (
            "your function calls record(), and the check records already: leave record() out of it"
        )
    where = f", in line {found['number']}: {found['line']}" if found["line"] else ""
    last = next((call.index for call in reversed(round.own) if call.error), None)
    return Finding("raised", said + where, last)


def closes_only_its_own(round):
    if gone := round.found["gone"]:
        at = next(
            (
                call.index
                for call in round.own
                if call.name.endswith("close") and call.stream and call.stream.name in gone
            ),
            None,
        )
        return Finding(
            "wrong",
            f"your function closed {in_words(gone)}, which whoever called it still needs",
            at,
        )
    return None


def takes_nothing(round):
    if not round.found["is_untouched"]:
        return None
    taken = next((call for call in round.own if call.name in READS and call.bytes_moved), None)
    return taken and Finding(
        "wrong",
        f"your function took {count(taken.bytes_moved, 'byte')} away, with {spell(taken)}: "
        "whoever comes next will not find them",
        taken.index,
    )


def returns_the_answer(round):
    found, answer = round.found, round.found["answer"]
    if answer is None:
        return None
    if found["type"] != answer["type"]:
        return Finding(
            "nonsense",
            f"your function returned {found['shown']}, of type {found['type']}; it is to return one "
            f"of type {answer['type']}",
        )
    if found["value"] != answer["value"]:
        return Finding("wrong", f"your function returned {found['shown']}, and {answer['case']}")
    return None


def waits(round):
    found = round.found
    if found["took_s"] >= found["least_s"]:
        return None
    last = round.own[-1].index if round.own else None
    return Finding(
        "wrong",
        f"your function came back after {found['took_s']:.2f} s, and was to wait for "
        f"{found['least_s']:.2f} s: {found['answer']['case']}",
        last,
    )


def returns_bytes(round):
    found = round.found
    if found["answer"] is None and found["received"] is None and found["bytes"] is None:
        return Finding(
            "nonsense",
            f"your function returned {found['shown']}, of type {found['type']}, and no bytes",
        )
    return None


def delivers(round):
    found = round.found
    if found["answer"] is not None:
        return None
    wanted = bytes.fromhex(found["wanted"])
    is_received = found["received"] is not None
    got = bytes.fromhex(found["received"] if is_received else found["bytes"])
    if got == wanted:
        return None
    same = next(
        (at for at, (one, other) in enumerate(zip(got, wanted, strict=False)) if one != other),
        min(len(got), len(wanted)),
    )
    came = f"{len(got):,} of {count(len(wanted), 'byte')} " + (
        "came to the reader" if is_received else "were returned"
    )
    if same == len(got):
        missing = "the rest is missing"
    elif same == len(wanted):
        missing = "the last of them came twice, or from nowhere"
    else:
        missing = f"byte {same:,}, counted from 0, is not the one that belongs there: some were lost, or came twice"
    return Finding("wrong", f"{came}: {missing}", place_of_loss(round, same))


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
    return Finding(
        "wrong",
        "your function asked again and again while nothing had changed, with "
        f"{spell(run[0])}: that is busy polling",
        run[0].index,
    )


def first_in_vain(round):
    """List the first calls in a row that moved nothing and did not sleep, if they are too many;
    else nothing.
    """
    run = []
    for call in round.own:
        if (
            call.bytes_moved
            or call.asleep
            or (call.name == "epoll.poll" and call.may_sleep and not call.events)
        ):
            run = []
        elif call.name in READS or call.name in WRITES or call.name == "epoll.poll":
            run.append(call)
            if len(run) > MOST_IN_VAIN:
                return run
    return []


def leaves_nothing(round):
    found, log = round.found, round.log
    if found["left"]:
        opened = {
            one.number: one
            for one in log.objects
            if one.closed_ns is None and one.number in found["left"]
        }
        names = [
            opened[number].name if number in opened else f"file descriptor {number}"
            for number in found["left"]
        ]
        at = next((one.opened_by for one in opened.values() if one.opened_by is not None), None)
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


def in_words(names) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


RULES = (
    comes_back,
    comes_to_an_end,
    raises_nothing,
    closes_only_its_own,
    returns_the_answer,
    waits,
    returns_bytes,
    takes_nothing,
    delivers,
    returns_the_reply,
    never_asks_in_vain,
    leaves_nothing,
)
