"""What a recording could not see, in words; every sentence follows from evidence in the log.

Facts
-----
* A recording sees the calls of its process that go through Python's names for them.  It sees
  neither another process, nor C code that makes its own calls, nor calls through a name that was
  bound to the original elsewhere.
* What such a call has moved shows where the kernel counts: in what waits in a buffer, and in the
  bytes that a TCP connection has carried.
* A reset destroys what was on its way or waited.  The close of a TCP end that has not read all is
  one.
* A file object on a number, as ``os.fdopen`` makes it, reads in C, more than it was asked for, and
  keeps the rest.  That of ``socket.makefile`` reads by ``recv_into``, which is recorded.

What we do about them
---------------------
`find_limits` tells apart what the evidence tells apart, and names both where it cannot.

**Decidable**, so that an empty list means that none of it happened: bytes of a pipe, a socketpair,
a unix connection or an eventfd that were moved unseen and not moved back before the kernel was
asked; bytes of a TCP connection moved unseen at all; streams closed unseen, or still held by
another process; streams whose contents are no level (datagrams, terminals, TLS); a fork that shares
an epoll; names bound before the block in modules that are imported; event loops in C that are
imported.  Bytes that went elsewhere from a stream of which ``os.fdopen`` made a file object in the
block are said to be in its buffer.

**Not decidable**: traffic from outside that balances, on a pipe, unix connection or terminal;
which of two processes with the same end moved something, or whether a file object did that was made
before the block, or by ``open``; calls through a default value, a closure
or an attribute of a class that was bound before the block; which of two entries under one number an
event spoke of, where both can have reported it (then that is said).
"""

from math import inf

from ..syscalls import CALLS, MSG_OOB
from .steps import ECONNRESET, EPIPE
from .story import count
from .traffic import SHUT_BOTH

OUTSIDE = "another process, or code that makes its calls in C"
NO_LEVEL = {
    "udp": "datagrams are not counted as a level.",
    "unix-dgram": "datagrams are not counted as a level.",
    "unix-seqpacket": "messages are not counted as a level.",
    "pty": "what waits in a terminal is not counted as a level.",
    "tls": "what is on its way is encrypted, so it is not counted as a level.",
}
MOST_NAMED = 3


def find_limits(log) -> list[str]:
    """Say what *log* could not see, a sentence for each thing.  An empty list: nothing decidable is
    missing; see the top of this module.
    """
    evidence = {}
    for kind, stream, details in log.evidence:
        evidence.setdefault(kind, []).append((stream, details))
    return [
        *(
            f"{log.objects[stream].name} was closed by a call that was not seen (by C code, or "
            "when its object was dropped)."
            for stream, _ in evidence.get("closed unseen", ())
        ),
        *log.remarks,
        *(
            f"{stream.name} was closed here, but somebody else, as another process, still holds it "
            "open."
            for stream in log.streams
            if stream.held_elsewhere and not stream.internal
        ),
        *_moved_unseen(log, evidence),
        *_counted_by_tcp(log, evidence),
        *(
            f"{stream.name}: {NO_LEVEL[stream.kind]}"
            for stream in log.streams
            if stream.kind in NO_LEVEL and not stream.internal
        ),
        *_doubts(log),
        *_forked(log, evidence),
        *_bound_before(evidence),
        *(
            f"{details['library']} is imported: what its event loop does, in C, is not in the log."
            for _, details in evidence.get("event loop in C", ())
        ),
    ]


# bytes that no call moved


def _moved_unseen(log, evidence):
    """Tell what the account of each flow could not explain."""
    for flow in log.flows:
        came = sum(amount for _, amount, _ in flow.elsewhere if amount > 0)
        lost = [(at_ns, -amount) for at_ns, amount, _ in flow.elsewhere if amount < 0]
        reset_ns = _reset_ns(log, flow) if lost else inf
        destroyed = sum(amount for at_ns, amount in lost if at_ns >= reset_ns)
        went = sum(amount for at_ns, amount in lost if at_ns < reset_ns)
        name = log.channel_name(flow)
        if came:
            yield f"{name}: {came:,} {flow.unit} came from elsewhere ({_who_wrote(log, flow)})."
        if destroyed:
            yield f"{name}: {destroyed:,} {flow.unit} were destroyed by a reset of the connection."
        if went:
            yield f"{name}: {went:,} {flow.unit} went elsewhere ({_who_read(log, flow, evidence)})."


def _who_wrote(log, flow):
    if _is_held_elsewhere(log, flow.source):
        return "another process holds that end"
    return OUTSIDE


def _who_read(log, flow, evidence):
    for stream, _ in evidence.get("file object", ()):
        if log.objects[stream].description == flow.sink:
            return f"into the buffer of the file object that reads {log.objects[stream].name}"
    if _is_held_elsewhere(log, flow.sink):
        return "another process holds that end"
    return OUTSIDE


def _is_held_elsewhere(log, description):
    return any(stream.held_elsewhere for stream in log.objects if stream.description == description)


def _reset_ns(log, flow) -> float:
    """Return from when on the connection of *flow* may have been reset; infinite if it was not.

    A TCP end that is closed with bytes unread resets it, and one that was shut down in both
    directions answers bytes so; when an end outside the recording did, is not known.  A call then
    meets ECONNRESET, or EPIPE: which a call also meets after its own end was shut down.
    """
    ends = {flow.source, flow.sink} - {None}
    if not any(stream.kind == "tcp" for stream in log.objects if stream.description in ends):
        return inf
    columns = log.columns()
    starts, errnos, streams = columns["start_ns"], columns["errno"], columns["stream"]
    directions = [each for each in log.flows if {each.source, each.sink} - {None} == ends]
    resets = [starts[call] for each in directions for _, _, call in each.discarded]
    resets += [
        starts[call]
        for end in ends & log.traffic.out_of.keys()
        for call in log.traffic.out_of[end].reading_ended
        if columns["arguments"][call] == (SHUT_BOTH,)
    ]
    shut_down = {
        log.objects[stream].description
        for each in directions
        for _, how, stream, _ in each.endings
        if how == "shut down"
    }
    for errno, stream in zip(errnos, streams, strict=True):
        if errno in (ECONNRESET, EPIPE) and stream >= 0:
            end = log.objects[stream].description
            if end in ends and (errno == ECONNRESET or end not in shut_down):
                resets.append(-inf)
    return min(resets, default=inf)


def _counted_by_tcp(log, evidence):
    """Tell where the kernel counted more bytes of a connection than the calls have moved."""
    counts = {}
    for stream, details in evidence.get("tcp count", ()):
        description = log.objects[stream].description
        sent, received, _ = counts.get(description, (0, 0, None))
        counts[description] = (
            max(sent, details["sent"]),
            max(received, details["received"]),
            log.objects[stream],
        )
    explained = {
        (side, getattr(flow, side))
        for flow in log.flows
        if flow.elsewhere
        for side in ("source", "sink")
    }
    urgent = _urgent_bytes(log)
    for description, (sent, received, stream) in counts.items():
        into, out_of = log.traffic.into.get(description), log.traffic.out_of.get(description)
        if stream.kind != "tcp" or into is None or out_of is None:
            continue
        # an urgent byte travels beside the stream: the kernel counts it, the account does not
        sent -= sum(map(into.bound, into.writes)) + urgent.get(description, 0)
        received -= sum(out_of.moved[call] for call in out_of.reads)
        received -= urgent.get(stream.other_end, 0)
        for side, more, what in (("source", sent, "sent"), ("sink", received, "received")):
            if more > 0 and (side, description) not in explained:
                yield (
                    f"{stream.name}: the kernel counted {count(more, 'byte')} {what} that no "
                    f"call in the log moved ({OUTSIDE})."
                )


def _flags(row, arguments):
    return arguments[row.flags] if row.flags is not None and len(arguments) > row.flags else 0


def _urgent_bytes(log) -> dict:
    """Return {description: how many urgent bytes were sent there}."""
    columns, urgent = log.columns(), {}
    for name, stream, arguments, error in zip(
        columns["name"], columns["stream"], columns["arguments"], columns["error"], strict=True
    ):
        row = CALLS[name]
        if row.writes and stream >= 0 and not error and _flags(row, arguments) & MSG_OOB:
            description = log.objects[stream].description
            urgent[description] = urgent.get(description, 0) + 1
    return urgent


# calls that no stand-in saw


def _doubts(log):
    """Tell, once for each pair of streams, which events may have been another's."""
    doubts = {}
    for doubt in log.poll_events.doubts:
        pair = doubt.stream, doubt.others
        doubts[pair] = doubts.get(pair, 0) + 1
    for (stream, others), number in doubts.items():
        names = " or ".join(log.objects[other].name if other >= 0 else "?" for other in others)
        chosen = log.objects[stream].name if stream >= 0 else "?"
        events = "An event" if number == 1 else f"{number:,} events"
        yield (
            f"{events} of {chosen} may have been of {names}: both were registered under one file "
            "descriptor number, and the number is all that the kernel returns."
        )


def _forked(log, evidence):
    shared = sorted(
        {epoll for _, details in evidence.get("forked", ()) for epoll in details["epolls"]}
    )
    names = [log.objects[epoll].name for epoll in shared if not log.objects[epoll].internal]
    if names:
        yield (
            f"A child was forked, which shares {_listed(names)}: what it registers there, or takes "
            "out, is not in the log."
        )


def _bound_before(evidence):
    """Tell which names were bound to a call before the block, and not in the learner's modules."""
    places = {}
    for _, details in evidence.get("bound before", ()):
        place = f"{details['module']}.{details['attribute']}"
        places.setdefault(details["call"], []).append(place)
    for call, names in places.items():
        yield (
            f"Calls of {call} through {_listed(names)}, bound before the block, are not in the log."
        )


def _listed(names):
    """List names, the first few of them."""
    rest = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {rest:,} more" if rest > 0 else "")
