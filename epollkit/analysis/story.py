"""The story of a log in words: one line for each step, no times, no file descriptors.

The same text is the alternative text of the picture, so that who cannot see it misses nothing, and
the text that the notebook tests compare, so that it says only what is the same on every run of the
program.  A long run of the same call is one line: it tells one thing.
"""

from itertools import groupby, islice, takewhile

from .. import masks
from ..syscalls import READS, WRITES

LONG_RUN = 8
EAGAIN = 11
#: The kernel's names for the errors that this course meets.  Python's `errno` has the numbers of
#: the system it runs on; a log may be read elsewhere.  *Source:*
#: ``include/uapi/asm-generic/errno.h``.
ERRORS = {
    1: "EPERM",
    2: "ENOENT",
    4: "EINTR",
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
#: What ``pipe2`` is given.  *Source:* ``include/uapi/asm-generic/fcntl.h``.
PIPE_FLAGS = {"O_NONBLOCK": 0o4000, "O_DIRECT": 0o40000, "O_CLOEXEC": 0o2000000}
MAKERS = ("epoll", "pipe", "pipe2", "eventfd", "socket", "socketpair")


def tell(log, most=60) -> str:
    """Tell what *log* holds, step by step; after *most* lines only count the rest."""
    start, end, last = log.steps
    spans = list(islice(_spans(log, start, end, last), most))
    told = spans[-1][1] if spans else 0
    changes = _changes(log, told)
    lines = [opening(log), *(_line(log, *span, changes) for span in spans)]
    if told < last:
        lines.append(f"… and {count(last - told, 'more step')}.")
    return "\n".join(lines + [f"Not seen: {limit}" for limit in log.limits()])


def opening(log) -> str:
    """Count what took part, in one sentence that gives nothing away."""
    if not len(log):
        return "No calls."
    kinds = {}
    for one in log.objects:
        if one.index == one.description and not one.internal:
            kinds.setdefault(one.kind, set()).add(
                min(one.index, one.index if one.other_end is None else one.other_end)
            )
    parts = [count(len(found), KINDS.get(kind, kind)) for kind, found in kinds.items()]
    return f"{count(len(log), 'call')}: {', '.join([count(len(log.threads), 'thread'), *parts])}."


def count(number, what) -> str:
    return f"{number:,} {what}" + "s" * (number != 1)


def runs(log, start, end):
    """Yield (first, last) for each long run of calls that are all alike, each with a step to
    itself.
    """
    columns = log.columns()
    alike = zip(
        columns["name"],
        columns["thread"],
        columns["stream"],
        columns["errno"],
        columns["moved"],
        columns["arguments"],
        strict=True,
    )
    first = 0
    for (name, *_), group in groupby(alike):
        last = first + sum(1 for _ in group) - 1
        if (
            last - first >= LONG_RUN
            and name != "epoll.poll"
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
    run_of, told = {start[a]: start[b] for a, b in runs(log, start, end)}, 0
    while told < last:
        step, told = told, run_of.get(told, told) + 1
        yield step, told, *happens[step]


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


def _line(log, step, told, index, returns, changes):
    """Spell one line: the step, who called what, how it ended, and what it changed."""
    text = happening(log, index, returns) + (f", {told - step:,} times" if told > step + 1 else "")
    news = {}
    for at in range(step, told):
        for channel, level, what in changes.get(at, ()):
            said = news.setdefault(channel, ["", []])
            said[0] = level or said[0]
            said[1] += [what] * bool(what)
    changed = "; ".join(
        f"{channel}: {', '.join([level] * bool(level) + words)}"
        for channel, (level, words) in news.items()
    )
    number = f"{step + 1:>3,}" if told == step + 1 else f"{step + 1:,}–{told:,}"
    return f"{number}. {text}" + (f"   [{changed}]" if changed else "")


def _changes(log, told):
    """Say what each of the first *told* steps changed:

    {step: [(channel, level, what happened there)]}.
    """
    changes, closed = {}, set()
    for flow in log.flows_by_step:
        name = log.channel_name(flow)
        news = [
            (
                step,
                f"{level:,}" if flow.unit == "count" else count(level, flow.unit.removesuffix("s")),
                "",
            )
            for step, level, _ in takewhile(lambda point: point[0] < told, flow.points)
        ]
        if flow.unit == "bytes":
            news += [(step, "", what) for step, what, _ in flow.buffer_events if step < told]
        for step, how, stream, call in flow.endings:
            if (stream, call) not in closed:  # a connection has two directions: say it once
                closed.add((stream, call))
                news.append((step, "", f"{log.objects[stream].name} {how}"))
        news += [
            (
                step,
                "",
                f"{count(amount, 'unread byte') if flow.unit == 'bytes' else f'{amount:,} waiting'} discarded",
            )
            for step, amount, _ in flow.discarded
        ]
        for step, level, what in news:
            changes.setdefault(step, []).append((name, level, what))
    return changes


def spell(call) -> str:
    """Spell a call as the program wrote it, with the names of its streams."""
    module, _, method = call.name.partition(".")
    given = [argument(one) for one in call.arguments]
    name = call.stream.name if call.stream is not None else "?"
    if method == "pipe2" and isinstance(
        flags := call.arguments[0] if call.arguments else None, int
    ):
        given = ["|".join(flag for flag, bit in PIPE_FLAGS.items() if flags & bit) or str(flags)]
    if method in MAKERS:
        return f"{call.name}({', '.join(given)})"
    if module == "epoll":
        epoll = call.epoll.name if call.epoll is not None else "?"
        if method == "fromfd":
            return f"select.epoll.fromfd({epoll})"
        if (
            call.epoll is not None and call.epoll.kind != "epoll"
        ):  # the number that it holds is a stream's by now
            epoll = f"(an epoll that holds the number of {epoll})"
        if method in ("register", "modify", "unregister"):
            given = [name] + [
                masks.names(mask) for mask in call.arguments[1:2] if method != "unregister"
            ]
        elif method == "poll":
            timeout, most = (*call.arguments, -1, -1)[:2]
            given = [f"{timeout:g}"] * (timeout != -1) + [f"maxevents={most}"] * (most != -1)
        else:
            given = []
        return f"{epoll}.{method}({', '.join(given)})"
    if method in ("connect", "connect_ex", "bind", "dup2"):
        given = []  # ports and numbers differ on each run
    if method.startswith(("recv", "send")):
        given = given[:1]
    return (
        f"{call.name}({', '.join([name, *given])})"
        if module == "os"
        else f"{name}.{method}({', '.join(given)})"
    )


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
    if call.name == "epoll.poll":
        told = [
            f"({stream.name if stream else '?'}, {masks.names(mask)})"
            for stream, mask in call.events
        ]
        return f" → [{', '.join(told[:6])}{f', … {len(told)} in all' if len(told) > 6 else ''}]"
    result = call.result
    if _is_data(result):
        return (
            " → b'' (the end)" if not result.length and call.arguments != (0,) else f" → {result}"
        )
    if isinstance(result, tuple):
        return " → " + ", ".join(one.name for one in result)
    return "" if result is None else f" → {getattr(result, 'name', result)}"


# a few words, for the picture

SHOWN = {
    "set_blocking": "blocking",
    "setblocking": "blocking",
    "settimeout": "timeout",
    "connect_ex": "connect",
    "eventfd_read": "read",
    "eventfd_write": "write",
}
#: Words for bars that are too narrow for the whole name.
SHORT = {
    "register": "reg.",
    "unregister": "unr.",
    "modify": "mod.",
    "socketpair": "pair",
    "socket": "sock.",
    "accept": "acc.",
    "connect": "conn.",
    "listen": "list.",
    "sendall": "send",
    "shutdown": "shut.",
    "blocking": "block.",
    "timeout": "time.",
    "eventfd": "efd",
    "epoll": "ep.",
    "recv_into": "recv",
    "recvfrom": "recv",
    "recvmsg": "recv",
    "sendmsg": "send",
    "sendto": "send",
    "sendfile": "sendf.",
}


def brief(name, most=18) -> str:
    """Shorten a long name in the middle: its end tells as much as its beginning."""
    return (
        name
        if len(name) <= most
        else f"{name[: most // 2]}…{name[len(name) - (most - most // 2 - 1) :]}"
    )


def details(call, ends) -> tuple:
    """Say in a few words what a call did, for the space above its bar:

    in full, and in case it is too long, shorter.
    """
    word, name = call.name.partition(".")[2], call.stream.name if call.stream is not None else ""
    if ends in ("refused", "failed"):
        return (
            ERRORS.get(
                call.errno, {"KeyboardInterrupt": "interrupted"}.get(call.error[0], call.error[0])
            ),
        )
    if ends == "timed out":
        return ("timed out", "timeout")
    if word == "poll" and ends == "returned":
        return () if call.events else ("no event", "[ ]")
    if word in ("register", "modify") and len(call.arguments) > 1:
        return f"{brief(name)}: {masks.short(call.arguments[1]).replace(' ', '')}", brief(name)
    if word in ("set_blocking", "setblocking") and call.arguments:
        return ("on" if call.arguments[-1] else "off",)
    if word in ("unregister", "close", "shutdown"):
        return (brief(call.stream.name if call.stream else call.epoll.name if call.epoll else ""),)
    if isinstance(call.result, tuple) and not _is_data(call.result):
        return (", ".join(brief(one.name) for one in call.result),)
    if hasattr(call.result, "kind"):
        return (brief(call.result.name),)
    unit = "" if call.stream is not None and call.stream.kind == "eventfd" else " B"
    moved, data = (
        call.bytes_moved,
        [one for one in (call.result, *call.arguments[:1]) if _is_data(one)],
    )
    if call.name in READS and ends == "returned":
        if moved or not data:
            return (f"{moved:,}{unit}",)
        return (f"{data[0].length:,} B peeked",) if data[0].length else ("b'' = end", "end")
    if call.name in WRITES and word not in ("connect", "connect_ex"):
        wanted = data[0].length if data and unit else moved
        if moved < wanted and ends != "open":
            return f"{moved:,} of {wanted:,} B", f"{moved:,} B"
        return (f"{wanted:,}{unit}",)
    return ()
