"""The story of a log in words: one line for each step, no times, no file descriptors.

The same text is the alternative text of the picture, so that who cannot see it misses nothing, and the text that the
notebook tests compare, so that it says only what is the same on every run of the program.
"""

import errno as errnos
from math import inf

from . import account, masks


def tell(log, most=60) -> str:
    """Tell what *log* holds, step by step; after *most* lines only count the rest."""
    lines = [opening(log), *steps(log)]
    if len(lines) > most + 1:
        lines[most + 1:] = [f"… and {len(lines) - most - 1:,} more steps."]
    return "\n".join(lines + [f"Not seen: {limit}" for limit in log.limits()])


def opening(log) -> str:
    """Count what took part, in one sentence that gives nothing away."""
    if not len(log):
        return "No calls."
    kinds = {}
    for one in log.objects:
        if one.index == one.description and not one.internal:
            kinds.setdefault(one.kind, set()).add(min(one.index, one.index if one.other_end is None else one.other_end))
    parts = [count(len(found), {"tcp": "TCP socket", "unix": "unix socket", "udp": "UDP socket"}.get(kind, kind))
             for kind, found in kinds.items()]
    parts.insert(0, count(len(log.threads), "thread"))
    return f"{count(len(log), 'call')}: {', '.join(parts)}."


def count(number, what) -> str:
    return f"{number:,} {what}" + "s" * (number != 1)


def steps(log):
    """Yield one line for each step of *log*."""
    start, end, last = account.slots(log)
    flows, _ = account.balance(log, start, [inf if stop == last else stop for stop in end])
    changes = {}
    for flow in flows:
        name, said = log.channel_name(flow), {}
        for step, level, _ in flow.points:
            said[step] = [count(level, flow.unit.rstrip("s")) if flow.unit != "count" else f"{level:,}"]
        for step, what, _ in flow.buffer_events:
            said.setdefault(step, []).append(what)
        if not (flow.sink == flow.source or flow.unit == "connections"):
            for step, how, stream, _ in flow.endings:
                said.setdefault(step, []).append(f"{log.objects[stream].name} {how}")
        for step, words in said.items():
            changes.setdefault(step, []).append(f"{name}: {', '.join(words)}")
    books = log.books[1]
    happenings = []
    for call, (began, ended) in enumerate(zip(start, end, strict=True)):
        happenings.append((began, 0, call))
        if began < ended < last:
            happenings.append((ended, 1, call))
    names = len(log.threads) > 1
    calls = {}
    for step, returns, index in sorted(happenings):
        call = calls.get(index) or calls.setdefault(index, log[index])
        who = f"{call.thread.name}: " if names else ""
        later = end[index] > start[index] and end[index] < last
        what = spell(call)
        if not returns:
            if end[index] == last:
                text = f"{what} … still {'asleep' if books[index] else 'in the call'} at the end"
            elif later:
                text = f"{what} … {'asleep' if books[index] else 'in the call'}"
            else:
                text = what + outcome(call)
        else:
            text = f"{what} is back{outcome(call)}"
        news = changes.get(step)
        yield f"{step + 1:>3}. {who}{text}" + (f"   [{'; '.join(news)}]" if news else "")


def spell(call) -> str:
    """Spell a call as the program wrote it, with the names of its streams."""
    module, _, method = call.name.partition(".")
    plain = [argument(one) for one in call.arguments]
    if call.name in ("select.epoll", "os.pipe", "os.pipe2", "os.eventfd", "socket.socket", "socket.socketpair"):
        return f"{call.name}({', '.join(plain)})"
    if call.epoll is not None and call.name != "epoll.fromfd":
        if method in ("register", "modify", "unregister"):
            shown = [call.stream.name if call.stream else f"fd {call.arguments[0]}" if call.arguments else "?"]
            if method != "unregister" and len(call.arguments) > 1:
                shown.append(masks.names(call.arguments[1]))
            return f"{call.epoll.name}.{method}({', '.join(shown)})"
        if method == "poll":
            timeout, most = call.arguments or (-1, -1)
            shown = ([] if timeout == -1 else [f"{timeout:g}"]) + ([f"maxevents={most}"] if most != -1 else [])
            return f"{call.epoll.name}.poll({', '.join(shown)})"
        return f"{call.epoll.name}.{method}()"
    name = call.stream.name if call.stream is not None else "?"
    if method in ("connect", "connect_ex", "bind"):
        plain = []  # ports differ on each run
    if module == "os":
        return f"{call.name}({', '.join([name, *plain])})"
    if method.startswith(("recv", "send")):
        plain = plain[:1]
    return f"{name}.{method}({', '.join(plain)})"


def argument(value) -> str:
    """Spell one argument: bytes by their number, everything else as Python would."""
    return str(value) if type(value).__name__ == "Data" else repr(value)


def outcome(call) -> str:
    """Spell how a call ended, with an arrow in front; nothing if it returned nothing worth a word."""
    if call.error is not None:
        name = errnos.errorcode.get(call.errno)
        return f" → {call.error[0]}" + (f" ({name})" if name else "")
    if call.name == "epoll.poll":
        told = [f"({stream.name if stream else '?'}, {masks.names(mask)})" for stream, mask in call.events]
        return f" → [{', '.join(told[:6])}{f', … {len(told)} in all' if len(told) > 6 else ''}]"
    result = call.result
    if isinstance(result, tuple) and type(result).__name__ != "Data":
        return " → " + ", ".join(one.name for one in result)
    if result is None:
        return ""
    if type(result).__name__ == "Data":
        return " → b'' (the end)" if not result.length and call.arguments != (0,) else f" → {result}"
    return f" → {getattr(result, 'name', result)}"
