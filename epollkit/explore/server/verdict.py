"""What was seen when clients visited a server: how each of them fared, what went wrong, and the
timeline.
"""

import html
import signal
from dataclasses import dataclass
from functools import cached_property

from ...analysis.story import count, spell
from ...log import Log
from ...masks import names
from ...syscalls import READS

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
                about = call.stream.description if call.stream else None
                for key in [key for key in open_runs if key[1].description == about]:
                    del open_runs[key]
            continue
        if call.end_ns is None:
            continue
        epoll = call.epoll.index
        came = {(epoll, stream, mask) for stream, mask in call.events if stream is not None}
        for key in [key for key in open_runs if key[0] == epoll and key not in came]:
            del open_runs[key]
        for key in came:
            if key not in open_runs:
                runs.append((open_runs.setdefault(key, []), key[1:]))
            open_runs[key].append(call)
    return sorted((run for run in runs if len(run[0]) >= least), key=lambda run: -len(run[0]))


@dataclass(frozen=True, repr=False)
class Visit:
    """What was seen: `log`, the recording, or None if there is none; `found`, what the child process
    found.
    """

    log: Log | None
    found: dict

    @cached_property
    def own(self) -> list:
        """The calls that the server made."""
        calls = self.log or ()
        return [call for call in calls if call.thread.name == "server"]

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
        if self.log is None:
            return (self._without_recording(),)
        clients = self.found["clients"]
        if any(client["end"] == "lost" for client in clients) or self.found["told"] == "EBADF":
            return ("the server closed file descriptors that are not its own: the clients' too",)
        sentences = [self._of_the_server(), *map(unserved, clients)]
        return tuple(filter(None, sentences))

    def _without_recording(self) -> str:
        """Say what happened, where the child process left no recording."""
        if self.found["said"]:
            return f"the visit could not go on: {self.found['said']}"
        number = self.found["signal"]
        by = f" ({signal.Signals(number).name})" if number else ""
        return {
            "stopped": "you stopped the visit",
            "ended": f"the server ended the whole process{by}",
            "killed": "the server let nothing else run, and was killed",
        }[self.found["state"]]

    def _of_the_server(self) -> str:
        """Say what the server did wrong; an empty text if it came back as it is to."""
        found, state, settled = self.found, self.found["state"], self.found["settled"]
        if state == "raised":
            return self._raised()
        if spinning := unhandled(self.log, AGAIN):
            _, (stream, mask) = spinning[0]
            return (
                f"the server spins: poll returned ({stream.name}, {names(mask)}) again and again, "
                "and nobody handled it"
            )
        if settled == "in vain":
            return self._in_vain()
        where = f", in the line: {found['line']}" * bool(found["line"])
        if settled == "busy":
            return f"the server computes, and makes no call{where}: nobody is served meanwhile"
        if settled == "late":
            return f"the server waits, and not for a stream{where}: nobody is served meanwhile"
        if settled == "restless":
            return "the server never comes to rest: it makes call after call, and sleeps in none"
        if state == "returned":
            return self._returned()
        if self._who_waits():
            return self._asleep()
        if found["told"] == "EPIPE":
            return "the server closed stop, so nobody can tell it to return"
        return "the server did not come back when there was something to read from stop"

    def _who_waits(self, besides="") -> str:
        """Name the clients that wait in vain, but the one called *besides* if there are others."""
        late = [
            client["name"]
            for client in self.found["clients"]
            if client["end"] == "waits" and client["temper"] != "silent"
        ]
        return in_words([name for name in late if len(late) == 1 or name != besides])

    def _raised(self):
        found = self.found
        limits = {
            "output": "printed more than 16 MB, and was stopped",
            "memory": "took more than 1 GB of memory, and was stopped",
        }
        did = limits.get(found["limit"], f"raised {found['said']}")
        return f"the server {did}" + f", in the line: {found['line']}" * bool(found["line"])

    def _in_vain(self):
        """Say what the server calls again and again, though nothing changes."""
        if any(call.name == "epoll.poll" for call in self.own[-AGAIN:]):
            return "the server spins: it asks poll again and again, and nothing changes"
        done = [call for call in self.own if call.name in READS and call.end_ns is not None]
        last = (done or self.own)[-1]
        end = " after the end (EOF)" if last.name in READS and not last.error else ""
        waits = self._who_waits()
        return (
            f"the server hangs: it calls {spell(last)} again and again{end}, and never comes back "
            "to poll" + f", while {waits} waited" * bool(waits)
        )

    def _returned(self):
        if self.found.get("is_coroutine"):
            return "the server is an async function: calling it makes a coroutine, which nobody ran"
        if waits := self._who_waits():
            return f"the server returned, while {waits} waited"
        left = self.found["left"]
        clients = [client["name"] for client in self.found["clients"]]
        named = [
            f"the connection to {stream.name}" if stream.name in clients else stream.name
            for stream in self.log.objects
            if stream.closed_ns is None and stream.number in left
        ]
        return f"the server left {in_words(named) or 'something'} open" if left else ""

    def _asleep(self):
        last = self.own[-1] if self.own else None
        if last is None:
            return f"the server made no call on a stream, while {self._who_waits()} waited"
        if last.name == "epoll.poll":
            return f"the server sleeps in {spell(last)}, while {self._who_waits()} waited"
        whose = last.stream.name if last.stream else ""
        is_clients = whose in (client["name"] for client in self.found["clients"])
        alone = f", a call on {whose} alone" * is_clients
        waits = self._who_waits(besides=whose)
        return f"the server hangs: it sleeps in {spell(last)}{alone}, while {waits} waited"

    def lines(self) -> list[str]:
        """Say what was seen, a sentence a line."""
        lines = [
            f"{'✔' if is_served(client) else '✘'} {told(client)}."
            for client in self.found["clients"]
        ]
        for text in self.troubles:
            is_ours = text.startswith(("the ", "you "))
            lines.append(f"✘ {text[0].upper() if is_ours else text[0]}{text[1:]}.")
        lines += [f"✘ {warning}" for warning in self.warnings()]
        if not self.troubles:
            lines.append("✔ Told to stop, the server came back, and left nothing open.")
        return lines

    def warnings(self) -> list[str]:
        """List the warnings that the recording has for the server, questions not."""
        return [
            str(finding)
            for finding in (self.log.warnings() if self.log else ())
            if finding.certain and self.log[finding.call].thread.name == "server"
        ]

    def timeline(self, **named):
        """Draw what happened.

        Returns a `Timeline`; None if there is no recording.  *named* goes to ``timeline``.
        """
        if self.log is None or not len(self.log):
            return None
        from ...drawing.timeline import timeline

        if not self.log.calls(stream="ring"):  # nobody was told to stop
            shown = [stream for stream in self.log.streams if stream.name not in ("stop", "ring")]
            named = {"streams": shown} | named
        return timeline(self.log, **named)

    def __repr__(self):
        return "\n".join(self.lines())

    def _repr_html_(self):
        return "".join(f"<div>{html.escape(line)}</div>" for line in self.lines())


def unserved(client) -> str:
    """Say what is wrong about what a client got; an empty text if nothing is."""
    if not client["same"]:
        return f"{client['name']} got back bytes that it did not send"
    if client["end"] == "refused":
        return f"{client['name']} could not connect: nobody listens any more (ECONNREFUSED)"
    how = {"closed": "closed (FIN)", "was reset": "reset (RST)"}.get(client["end"])
    if how is None:
        return ""
    sent = count(client["sent"], "byte")
    return (
        f"{client['name']} got back {client['got']:,} of its {sent}, then the connection was {how}"
    )


def is_served(client) -> bool:
    """Tell whether a client got what it came for.  Who is silent came for nothing."""
    is_done = client["temper"] == "silent" or client["end"] in ("left", "reset")
    return client["same"] and is_done and client["end"] not in ("refused", "lost")


#: What clients do that wait for no answer, if they get so far.
DID = {
    "silent": "connected, and sent nothing",
    "leaves": "sent half a line, then closed (FIN)",
    "resets": "sent half a line, then reset the connection (RST)",
}


def told(client) -> str:
    """Say how a client fared."""
    name, got = client["name"], client["got"]
    if client["end"] in ("refused", "lost"):
        return f"{name}: could not connect"
    if client["temper"] in DID:
        return f"{name}: {DID[client['temper']]}"
    if client["same"] and got == client["sent"] and client["end"] == "left":
        return f"{name}: {count(got, 'byte')} sent, the same {got:,} came back"
    return (
        f"{name}: has read {count(got, 'byte')}"
        + ", and more wait for it" * client["is_unread"]
        + "; it waits" * (client["end"] == "waits")
    )


def in_words(names) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else "".join(names)
