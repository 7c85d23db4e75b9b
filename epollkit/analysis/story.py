"""The story of a log in words: one line for each step, no times, no file descriptors.

The same text is the alternative text of the picture, so that who cannot see it misses nothing, and
the text that the notebook tests compare, so that it says only what is the same on every run of the
program.  A long run of the same call is one line: it tells one thing.
"""

from itertools import groupby, islice, takewhile

from .. import masks
from ..syscalls import CALLS, EAGAIN

LONG_RUN = 8
MOST_EVENTS = 6
#: The kernel's names for the errors that this course meets.  Python's `errno` has the numbers of
#: the system it runs on; a log may be read elsewhere.  *Source:*
#: ``include/uapi/asm-generic/errno.h``.
ERRORS = {
    1: "EPERM",
    2: "ENOENT",
    4: "EINTR",
    5: "EIO",
    9: "EBADF",
    EAGAIN: "EAGAIN",
    12: "ENOMEM",
    13: "EACCES",
    14: "EFAULT",
    17: "EEXIST",
    22: "EINVAL",
    24: "EMFILE",
    28: "ENOSPC",
    32: "EPIPE",
    40: "ELOOP",
    88: "ENOTSOCK",
    90: "EMSGSIZE",
    95: "EOPNOTSUPP",
    98: "EADDRINUSE",
    99: "EADDRNOTAVAIL",
    101: "ENETUNREACH",
    103: "ECONNABORTED",
    104: "ECONNRESET",
    106: "EISCONN",
    107: "ENOTCONN",
    110: "ETIMEDOUT",
    111: "ECONNREFUSED",
    113: "EHOSTUNREACH",
    114: "EALREADY",
    115: "EINPROGRESS",
}
KINDS = {
    "tcp": "TCP socket",
    "unix": "unix socket",
    "udp": "UDP socket",
    "unix-dgram": "unix datagram socket",
    "unix-seqpacket": "unix seqpacket socket",
    "pty": "terminal",
    "tls": "TLS socket",
}


def tell(log, most=60) -> str:
    """Tell what *log* holds, step by step; after *most* lines only count the rest."""
    start, end, last = log.steps
    spans = list(islice(_spans(log, start, end, last), most))
    upto = spans[-1][1] if spans else 0
    changes = _changes(log, upto)
    lines = [opening(log), *(_line(log, *span, changes) for span in spans)]
    if upto < last:
        lines.append(f"… and {count(last - upto, 'more step')}.")
    return "\n".join(lines + [f"Not seen: {limit}" for limit in log.limits()])


def opening(log) -> str:
    """Count what took part, in one sentence that gives nothing away."""
    if not len(log):
        return "No calls."
    kinds = {}  # of each kind the channels, by the first end of each
    for stream in log.objects:
        if stream.index == stream.description and not stream.internal:
            first = stream.index
            if stream.other_end is not None:
                first = min(first, stream.other_end)
            kinds.setdefault(stream.kind, set()).add(first)
    parts = [count(len(log.threads), "thread")]
    parts += [count(len(ends), KINDS.get(kind, kind)) for kind, ends in kinds.items()]
    return f"{count(len(log), 'call')}: {', '.join(parts)}."


def count(number, what) -> str:
    return f"{number:,} {what}" + "s" * (number != 1)


def runs(log, start, end):
    """Yield (first, last) for each long run of calls that are all alike, each with a step to
    itself.
    """
    columns, first = log.columns(), 0
    compared = ("name", "thread", "stream", "errno", "moved", "arguments")
    for (name, *_), group in groupby(zip(*map(columns.get, compared), strict=True)):
        last = first + sum(1 for _ in group) - 1
        if (
            last - first >= LONG_RUN
            and not CALLS[name].waits
            and start[last] - start[first] == last - first
            and start[first : last + 1] == end[first : last + 1]
        ):
            yield first, last
        first = last + 1


def _spans(log, start, end, last):
    """Yield (from step, to step, call, whether it returns) for each line of the story."""
    happens = [None] * last
    for call, (began, ended) in enumerate(zip(start, end, strict=True)):
        happens[began] = call, False
        if began < ended < last:
            happens[ended] = call, True
    run_of = {start[a]: start[b] for a, b in runs(log, start, end)}
    upto = 0
    while upto < last:
        step, upto = upto, run_of.get(upto, upto) + 1
        yield step, upto, *happens[step]


def happening(log, index, returns) -> str:
    """Spell what happened at one step: the call *index* began there, or returned."""
    (start, end, last), call = log.steps, log[index]
    text = (f"{call.thread.name}: " if len(log.threads) > 1 else "") + spell(call)
    if returns:
        return f"{text} is back{outcome(call)}"
    if end[index] == start[index]:
        return text + outcome(call)
    state = "asleep" if call.asleep else "in the call"
    return text + (f" … still {state} at the end" if end[index] == last else f" … {state}")


def _line(log, step, upto, index, returns, changes):
    """Spell one line: the step, who called what, how it ended, and what it changed."""
    text = happening(log, index, returns) + (f", {upto - step:,} times" if upto > step + 1 else "")
    levels, words = {}, {}
    for at in range(step, upto):
        for channel, level, word in changes.get(at, ()):
            levels[channel] = level or levels.get(channel)
            words.setdefault(channel, []).extend([word] * bool(word))
    changed = "; ".join(
        f"{channel}: {', '.join([level] * bool(level) + words[channel])}"
        for channel, level in levels.items()
    )
    number = f"{step + 1:>3,}" if upto == step + 1 else f"{step + 1:,}–{upto:,}"
    return f"{number}. {text}" + (f"   [{changed}]" if changed else "")


def _changes(log, upto):
    """Say what each of the first *upto* steps changed:

    {step: [(channel, level, what happened there)]}.
    """
    changes, closed = {}, set()
    for flow in log.flows_by_step:
        name = log.channel_name(flow)
        news = [
            (step, _spell_level(flow, level), "")
            for step, level, _ in takewhile(lambda point: point[0] < upto, flow.points)
        ]
        if flow.unit == "bytes":
            news += [(step, "", what) for step, what, _ in flow.buffer_events if step < upto]
        for step, how, stream, call in flow.endings:
            if (stream, call) not in closed:  # a connection has two directions: say it once
                closed.add((stream, call))
                news.append((step, "", f"{log.objects[stream].name} {how}"))
        for step, amount, _ in flow.discarded:
            is_bytes = flow.unit == "bytes"
            lost = count(amount, "unread byte") if is_bytes else f"{amount:,} waiting"
            news.append((step, "", f"{lost} discarded"))
        for step, level, what in news:
            changes.setdefault(step, []).append((name, level, what))
    return changes


def _spell_level(flow, level):
    return f"{level:,}" if flow.unit == "count" else count(level, flow.unit.removesuffix("s"))


# one call


def spell(call) -> str:
    """Spell a call as the program wrote it, with the names of its streams."""
    row = CALLS[call.name]
    given = row.spell(call.arguments) if row.spell else list(map(argument, call.arguments))
    given = given[: row.tells]
    others = [other.name for other, _ in call.also]
    if row.subject == "many":
        given = _first_few(others) + given
    elif row.registers:
        given = [_name(call.stream), *given]
    elif row.is_of_epoll or row.subject != "new":
        given = others + given
    if row.is_of_epoll:
        return _spell_on_epoll(call, row, given)
    if row.module == "os" and row.subject not in ("new", "many"):
        given = [_name(call.stream), *given]
    is_function = row.module == "os" or row.subject in ("new", "many")
    function = call.name if is_function else f"{_name(call.stream)}.{row.method}"
    return f"{function}({', '.join(given)})"


def _spell_on_epoll(call, row, given):
    epoll = _name(call.epoll)
    if row.makes:
        return f"select.{call.name}({epoll})"
    if call.epoll is not None and call.epoll.kind != "epoll":
        # the number that it holds is a stream's by now
        epoll = f"(an epoll that holds the number of {epoll})"
    return f"{epoll}.{row.method}({', '.join(given)})"


def _name(stream):
    return stream.name if stream is not None else "?"


def _first_few(words):
    """Keep the first few of *words*, and say how many there are if that is not all."""
    rest = [f"… {len(words)} in all"] * (len(words) > MOST_EVENTS)
    return words[:MOST_EVENTS] + rest


def argument(value) -> str:
    """Spell one argument: bytes by their number, everything else as Python would."""
    return str(value) if _is_data(value) else repr(value)


def _is_data(value):
    return type(value).__name__ == "Data"


def outcome(call) -> str:
    """Spell how a call ended, with an arrow in front; nothing if it returned nothing worth a
    word.
    """
    if call.error is not None:
        name = ERRORS.get(call.errno)
        return f" → {call.error[0]}" + (f" ({name})" if name else "")
    if CALLS[call.name].waits:
        events = [f"({_name(stream)}, {masks.names(mask)})" for stream, mask in call.events]
        return f" → [{', '.join(_first_few(events))}]"
    result = call.result
    if _is_data(result):
        is_the_end = not result.length and call.arguments != (0,)
        return " → b'' (the end)" if is_the_end else f" → {result}"
    if isinstance(result, tuple):
        return " → " + ", ".join(stream.name for stream in result)
    return "" if result is None else f" → {getattr(result, 'name', result)}"


# a few words, for the picture


def brief(name, most=18) -> str:
    """Shorten a long name in the middle: its end tells as much as its beginning."""
    if len(name) <= most:
        return name
    return f"{name[: most // 2]}…{name[len(name) - (most - most // 2 - 1) :]}"


def details(call, ends) -> tuple:
    """Say in a few words what a call did, for the space above its bar: in full, and in case that is
    too long, shorter.

    *ends* is returned, timed out, refused, failed, or open (still in the call).
    """
    row, stream = CALLS[call.name], call.stream
    if ends in ("refused", "failed"):
        kind = call.error[0]
        return (ERRORS.get(call.errno, "interrupted" if kind == "KeyboardInterrupt" else kind),)
    if ends == "timed out":
        return ("timed out", "timeout")
    if row.waits:
        return ("no event", "[ ]") if ends == "returned" and not call.events else ()
    if row.registers and not row.unregisters and len(call.arguments) > 1:
        name = brief(stream.name) if stream is not None else ""
        return f"{name}: {masks.short(call.arguments[1]).replace(' ', '')}", name
    if row.sets_blocking and row.bar == "blocking" and call.arguments:
        return ("on" if call.arguments[-1] else "off",)
    if row.unregisters or row.closes or row.shuts_down:
        subject = stream or call.epoll
        return (brief(subject.name) if subject is not None else "",)
    if isinstance(call.result, tuple) and not _is_data(call.result):
        return (", ".join(brief(made.name) for made in call.result),)
    if hasattr(call.result, "kind"):
        return (brief(call.result.name),)
    return _amount(call, row, ends)


def _amount(call, row, ends):
    """Say how much a read or a write moved."""
    unit = "" if call.stream is not None and call.stream.kind == "eventfd" else " B"
    moved = call.bytes_moved
    data = [value for value in (call.result, *call.arguments[:1]) if _is_data(value)]
    if row.reads and ends == "returned":
        if moved or not data:
            return (f"{moved:,}{unit}",)
        return (f"{data[0].length:,} B peeked",) if data[0].length else ("b'' = end", "end")
    if row.writes and not row.connects:
        wanted = data[0].length if data and unit else moved
        if moved < wanted and ends != "open":
            return f"{moved:,} of {wanted:,} B", f"{moved:,} B"
        return (f"{wanted:,}{unit}",)
    return ()
