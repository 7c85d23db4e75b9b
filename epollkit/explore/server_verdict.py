"""What was seen when clients visited a server:

how each of them fared, what went wrong, and the timeline.
"""

import html
from dataclasses import dataclass
from functools import cached_property

from ..analysis.story import count, spell
from ..log import Log
from ..masks import names
from ..syscalls import READS

#: Calls by which a server acts on an event, beside those that move bytes.
ACTS = {"socket.accept", "socket.close", "socket.shutdown", "os.close", "epoll.unregister"}
AGAIN = 10


def unhandled(log, least=2) -> list:
    """Find the events that were not handled: runs of polls of one epoll that returned the same
    event, *least* or more.

    Between two polls of such a run nothing was done about the event: no byte was moved there,
    nothing accepted, closed, or asked for instead.  Returns pairs (the calls, the event); the
    longest runs first.
    """
    runs, open_runs, asked = [], {}, {}
    for call in log:
        is_change = False
        if call.name in ("epoll.register", "epoll.modify") and not call.error:
            key, mask = (call.epoll.index, call.stream), call.arguments[1:]
            is_change, asked[key] = asked.get(key) != mask, mask
        if call.name != "epoll.poll":
            if call.bytes_moved or is_change or (call.name in ACTS and not call.error):
                for key in [
                    key
                    for key in open_runs
                    if call.stream and key[1].description == call.stream.description
                ]:
                    del open_runs[key]
            continue
        if call.end_ns is None:
            continue
        came = {
            (call.epoll.index, stream, mask) for stream, mask in call.events if stream is not None
        }
        for key in [key for key in open_runs if key[0] == call.epoll.index and key not in came]:
            del open_runs[key]
        for key in came:
            if key not in open_runs:
                runs.append((open_runs.setdefault(key, []), key[1:]))
            open_runs[key].append(call)
    return sorted((run for run in runs if len(run[0]) >= least), key=lambda run: -len(run[0]))


@dataclass(frozen=True, repr=False)
class Visit:
    """What was seen:

    `log`, the recording, or None if there is none; `found`, what the child process found.
    """

    log: Log | None
    found: dict

    @cached_property
    def own(self) -> list:
        """The calls that the server made."""
        return (
            [] if self.log is None else [call for call in self.log if call.thread.name == "server"]
        )

    @property
    def is_right(self) -> bool:
        """Whether every client got back what it sent, nothing was asked in vain, and the server
        ended as it is to.
        """
        return not self.troubles

    @property
    def hangs(self) -> bool:
        """Whether the server sleeps in a call on one stream, or repeats one, while a client
        waits.
        """
        return any(text.startswith("the server hangs") for text in self.troubles)

    @property
    def spins(self) -> bool:
        """Whether poll returned the same event again and again, and nobody handled it."""
        return any(text.startswith("the server spins") for text in self.troubles)

    @cached_property
    def troubles(self) -> tuple:
        """What went wrong, a sentence each."""
        found = self.found
        if self.log is None:
            return (self._no_recording(),)
        said, last = [], self.own[-1] if self.own else None
        late = [
            one for one in found["clients"] if one["end"] == "waits" and one["temper"] != "silent"
        ]
        held_up_by = next(
            (
                one.name
                for one in self.log.objects
                if last and last.stream and one.description == last.stream.other_end
            ),
            None,
        )
        who = in_words([one["name"] for one in late if len(late) == 1 or one["name"] != held_up_by])
        spinning = unhandled(self.log, AGAIN)
        if found["state"] == "raised":
            where = f", in the line: {found['line']}" if found["line"] else ""
            said.append(f"the server raised {found['said']}{where}")
        elif spinning:
            calls, (stream, mask) = spinning[0]
            said.append(
                f"the server spins: poll returned ({stream.name}, {names(mask)}) again and again, and nobody "
                "handled it"
            )
        elif found["settled"] == "in vain" and any(
            call.name == "epoll.poll" for call in self.own[-AGAIN:]
        ):
            said.append("the server spins: it asks poll again and again, and nothing changes")
        elif found["settled"] == "in vain" and last:
            last = next(
                (
                    call
                    for call in reversed(self.own)
                    if call.name in READS and call.end_ns is not None
                ),
                last,
            )
            end = " after the end" if last.name in READS and not last.error else ""
            said.append(
                f"the server hangs: it calls {spell(last)} again and again{end}, and never comes back to poll"
                + f", while {who} waited" * bool(late)
            )
        elif found["settled"] == "late":
            said.append(
                "the server neither sleeps in a call on a stream nor makes one: it never came to rest"
            )
        elif found["state"] == "returned" and late:
            said.append(f"the server returned, while {who} waited")
        elif found["state"] == "late" and last and late:
            if last.name == "epoll.poll":
                said.append(f"the server sleeps in {spell(last)}, while {who} waited")
            else:
                at = f", a call on {held_up_by} alone" if held_up_by else ""
                said.append(f"the server hangs: it sleeps in {spell(last)}{at}, while {who} waited")
        elif found["state"] == "late":
            said.append("the server did not come back when there was something to read from stop")
        if found["state"] == "returned" and not late and found["left"]:
            left = [
                one.name
                for one in self.log.objects
                if one.closed_ns is None and one.number in found["left"]
            ]
            said.append(f"the server left {in_words(left) or 'something'} open")
        said += [
            f"{one['name']} got back {told}"
            for one in found["clients"]
            if (told := self._wrong(one))
        ]
        return tuple(said)

    def _no_recording(self):
        state = self.found["state"]
        if self.found["said"]:
            return f"the visit could not go on: {self.found['said']}"
        return {
            "stopped": "you stopped the visit",
            "ended": "the server ended the whole process",
            "killed": "the server let nothing else run, and was killed",
        }[state]

    @staticmethod
    def _wrong(one):
        """Say what is wrong about what a client got; an empty text if nothing is."""
        if not one["same"]:
            return "bytes that it did not send"
        if one["end"] in ("cut off", "broken off"):
            return f"{one['got']:,} of its {count(one['sent'], 'byte')}, then the connection was {one['end']}"
        return ""

    def lines(self) -> list[str]:
        """Say what was seen, a sentence a line."""
        said = [f"{'✔' if is_served(one) else '✘'} {told(one)}." for one in self.found["clients"]]
        said += [
            f"✘ {text[0].upper() if text.startswith('the ') else text[0]}{text[1:]}."
            for text in self.troubles
        ]
        return (
            said
            if self.troubles
            else [*said, "✔ Told to stop, the server came back, and left nothing open."]
        )

    def timeline(self, **named):
        """Draw what happened.

        Returns a `Timeline`; None if there is no recording.  *named* goes to ``timeline``.
        """
        if self.log is None or not len(self.log):
            return None
        from ..drawing.timeline import timeline

        if not self.log.calls(stream="ring"):  # nobody was told to stop
            named = {
                "streams": [one for one in self.log.streams if one.name not in ("stop", "ring")]
            } | named
        return timeline(self.log, **named)

    def __repr__(self):
        return "\n".join(self.lines())

    def _repr_html_(self):
        return "".join(f"<div>{html.escape(line)}</div>" for line in self.lines())


def is_served(one) -> bool:
    """Tell whether a client got what it came for.  Who is silent came for nothing."""
    return one["same"] and (
        one["temper"] == "silent" or one["end"].startswith("left") or one["end"] == "broke off"
    )


def told(one) -> str:
    """Say how a client fared."""
    if one["temper"] not in ("fast", "slow reader"):
        return (
            f"{one['name']}: "
            + {
                "silent": "said nothing",
                "leaves": "half a line, then it left",
                "resets": "half a line, then it broke off",
            }[one["temper"]]
        )
    if one["same"] and one["got"] == one["sent"] and one["end"] == "left":
        return (
            f"{one['name']}: {count(one['sent'], 'byte')} sent, the same {one['got']:,} came back"
        )
    return (
        f"{one['name']}: has read {count(one['got'], 'byte')}"
        + ", and more lie there" * one["is_unread"]
        + "; it waits" * (one["end"] == "waits")
    )


def in_words(names) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else "".join(names)
