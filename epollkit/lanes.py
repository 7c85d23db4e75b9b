"""Where everything goes in a timeline: numbers only, no ink.

A picture has lanes, from top to bottom: one for each thread, one for each epoll, one for each channel.  Down the page a
unit is an inch; across it, a step or a nanosecond.  Everything that is drawn stands in a `Layout` first, under the name
of what it means, so that a test (or a cursor) can ask "where is the third event?" without looking at a pixel.
"""

from bisect import bisect_right
from dataclasses import dataclass, field

from . import masks
from .axis import Steps, Time

MOST_CHANNELS = 12
MOST_ENTRIES = 6
#: How calls are grouped for color: the word before the dot does not matter.
FAMILIES = {
    "read": "read readv eventfd_read recv recv_into recvfrom recvmsg accept",
    "write": "write writev sendfile eventfd_write send sendall sendto sendmsg connect connect_ex",
    "poll": "poll",
    "close": "close shutdown detach unregister",
}
FAMILY = {name: family for family, names in FAMILIES.items() for name in names.split()}
ERRNO_WORDS = {11: "EAGAIN", 115: "EINPROGRESS"}


@dataclass
class Lane:
    """A horizontal strip: from *top* down to *bottom*, in inches from the top of the picture."""

    kind: str
    name: str
    note: str
    top: float
    bottom: float
    key: object = None

    @property
    def middle(self):
        return (self.top + self.bottom) / 2


@dataclass
class Bar:
    """A call on a thread's lane.  `ends` is returned, timed out, refused, failed, or open (still in the call)."""

    lane: Lane
    left: float
    right: float
    call: int
    word: str
    detail: str
    family: str
    asleep: bool
    ends: str


@dataclass
class Mark:
    """A point with a meaning: *what* happened at *x*, on *lane*; *y* in inches."""

    lane: Lane
    x: float
    y: float
    what: str
    call: int | None = None
    target: Lane | None = None


@dataclass
class Entry:
    """A line on an epoll's lane: what is registered, from when to when."""

    lane: Lane
    left: float
    right: float
    y: float
    label: str


@dataclass
class Area:
    """The level of one direction of a channel: *xs* and *levels* are the corners of the steps."""

    lane: Lane
    xs: list
    levels: list
    top: float
    base: float
    peak: int
    unit: str
    label: str


@dataclass
class Layout:
    """All the numbers of a picture."""

    axis: str
    width: float = 0.0
    height: float = 0.0
    lanes: list = field(default_factory=list)
    bars: list = field(default_factory=list)
    entries: list = field(default_factory=list)
    events: list = field(default_factory=list)
    areas: list = field(default_factory=list)
    buffer_events: list = field(default_factory=list)
    closes: list = field(default_factory=list)
    elsewhere: list = field(default_factory=list)
    folds: list = field(default_factory=list)
    ticks: list = field(default_factory=list)
    left_out: list = field(default_factory=list)

    def x_of_step(self, step) -> float:
        """Return the place of *step* on the axis: the middle of its slot."""
        return step + 0.5


def layout(log, axis="steps", streams=None, threads=None) -> Layout:
    """Place everything that a picture of *log* shows.

    *axis* is ``"steps"`` (a slot for each step) or ``"time"`` (nanoseconds, long gaps folded).  *streams* and *threads*
    pick what to show, by name or as objects; by default every thread, and every stream that the program made itself.
    Returns a `Layout`.  Raises ValueError for another axis, an empty log, or a name that the log does not know.
    """
    if axis not in ("steps", "time"):
        raise ValueError(f"axis is 'steps' or 'time', got {axis!r}")
    if not len(log):
        raise ValueError("this log holds no calls, so there is nothing to draw: "
                         "make the calls inside the with epollkit.record() block")
    place = Steps(log) if axis == "steps" else Time(log)
    picture = Layout(axis, width=place.width, folds=place.folds, ticks=place.ticks)
    shown_threads = _chosen(threads, log.threads, "thread")
    chosen = None if streams is None else {log.find(one).description for one in _as_list(streams)}
    down = 0.08
    for thread in shown_threads:
        down = _add(picture, "thread", thread.name, "", down, 0.50, thread.index)
    for epoll in log.epolls:
        if chosen is None or epoll.description in chosen or chosen & _watched(log, epoll):
            down = _add_epoll(picture, log, epoll, place, chosen, down)
    lane_of, down = _add_channels(picture, log, place, chosen, down)
    _add_bars(picture, log, place, {lane.key: lane for lane in picture.lanes if lane.kind == "thread"})
    _add_events(picture, log, place, lane_of)
    picture.height = down + 0.08
    return picture


def _as_list(given):
    return list(given) if isinstance(given, (list, tuple, set)) else [given]


def _chosen(wanted, there, kind):
    if wanted is None:
        return there
    names = {str(one) for one in _as_list(wanted)}
    if unknown := names - {one.name for one in there}:
        raise ValueError(f"no {kind} is called {', '.join(sorted(unknown))}; "
                         f"this log knows {', '.join(one.name for one in there)}")
    return [one for one in there if one.name in names]


def _add(picture, kind, name, note, top, height, key=None):
    picture.lanes.append(Lane(kind, name, note, top, top + height, key))
    return top + height


def _add_bars(picture, log, place, lanes):
    columns, asleep = log.columns(), log.books[1]
    kept = zip(columns["name"], columns["thread"], columns["errno"], strict=True)
    for call, (name, thread, errno) in enumerate(kept):
        lane = lanes.get(thread)
        if lane is None:
            continue
        left, right, is_open = place.span(call)
        word = name.partition(".")[2]
        ends = "open" if is_open else "timed out" if log.timed_out(call) and log.may_sleep(call) else \
            "refused" if errno in ERRNO_WORDS else "failed" if columns["error"][call] else "returned"
        picture.bars.append(Bar(lane, left, right, call, word, "", FAMILY.get(word, "other"), bool(asleep[call]), ends))
    if len(picture.bars) <= 200:
        for bar in picture.bars:
            bar.detail = detail(log[bar.call], bar.ends)


def detail(call, ends) -> str:
    """Say in a few words what a call did, for the space above its bar."""
    if ends == "refused":
        return ERRNO_WORDS[call.errno]
    if ends == "failed":
        return call.error[0].replace("Error", "") if call.error[0] != "OSError" else "error"
    if ends == "timed out":
        return "timed out"
    word = call.name.partition(".")[2]
    family = FAMILY.get(word)
    if word == "accept":
        return getattr(call.result, "name", "") if len(getattr(call.result, "name", "")) < 9 else ""
    if family == "read" and ends == "returned":
        return _size(call.bytes_moved) if call.bytes_moved else "b'' = end"
    if family == "write" and call.arguments and word not in ("connect", "connect_ex"):
        wanted = getattr(call.arguments[0], "length", call.bytes_moved)
        if ends == "returned" and call.bytes_moved < wanted:
            return f"{call.bytes_moved:,} of {wanted:,} B"
        return _size(wanted)
    if word in ("register", "modify") and call.stream is not None and len(call.arguments) > 1:
        return f"{call.stream.name}: {masks.short(call.arguments[1]).replace(' ', '')}"
    if word == "unregister" and call.stream is not None:
        return call.stream.name
    if word in ("close", "shutdown"):
        return (call.epoll or call.stream).name if call.epoll or call.stream else ""
    if word in ("pipe", "socketpair"):
        return ", ".join(one.name for one in call.result)
    if word in ("epoll", "eventfd", "socket"):
        return getattr(call.result, "name", "")
    return ""


def _size(count):
    return f"{count:,} B"


def _watched(log, epoll):
    columns = log.columns()
    return {log.objects[stream].description for stream, which in zip(columns["stream"], columns["epoll"], strict=True)
            if which == epoll.index and stream >= 0}


def _add_epoll(picture, log, epoll, place, chosen, down):
    """A lane for an epoll: a thin line for each registration, from register to unregister."""
    columns = log.columns()
    lines, running = [], {}
    for number, index, mask in epoll.start_list:
        running[number] = [index if index is not None else -1, 0.0, masks.short(mask & ~masks.ALWAYS)]
    end = place.width if epoll.closed_by is None else place.returned(epoll.closed_by)
    for call, (name, which) in enumerate(zip(columns["name"], columns["epoll"], strict=True)):
        if which < 0 or log.objects[which].description != epoll.description or columns["error"][call]:
            continue
        arguments, stream = columns["arguments"][call], columns["stream"][call]
        if name in ("epoll.register", "epoll.modify"):
            if old := running.pop(arguments[0], None):
                lines.append((*old, place.started(call)))
            running[arguments[0]] = [stream, place.returned(call), masks.short(arguments[1])]
        elif name == "epoll.unregister" and arguments and (old := running.pop(arguments[0], None)):
            lines.append((*old, place.returned(call)))
    lines += [(*old, _gone(log, old[0], place, end)) for old in running.values()]
    internal = {one.index for one in log.streams if one.internal}
    lines = [line for line in lines if line[0] not in internal
             and (chosen is None or line[0] < 0 or log.objects[line[0]].description in chosen)]
    order = list(dict.fromkeys(line[0] for line in lines))
    rows = min(len(order), MOST_ENTRIES)
    note = f"+{len(order) - rows} more watched" if len(order) > rows else ""
    down = _add(picture, "epoll", epoll.name, note or "epoll", down + 0.10, 0.20 + 0.26 * max(rows, 1), epoll.description)
    lane = picture.lanes[-1]
    for stream, left, label, right in lines:
        row = order.index(stream)
        if row < rows:
            name = log.objects[stream].name if stream >= 0 else "?"
            picture.entries.append(Entry(lane, left, right, lane.top + 0.20 + 0.26 * row, f"{name}: {label}"))
    return down


def _gone(log, stream, place, end):
    """An entry goes with the last number of its description."""
    if stream < 0:
        return end
    same = [one for one in log.objects if one.description == log.objects[stream].description]
    if any(one.closed_by is None for one in same):
        return end
    return min(end, max(place.returned(one.closed_by) for one in same))


def _add_channels(picture, log, place, chosen, down):
    """A lane for each channel: its level, its buffer events, its closes."""
    hidden = {one.description for one in log.streams if one.internal} if chosen is None else set()
    channels = {}
    for flow in place.flows:
        ends = {end for end in (flow.source, flow.sink) if end is not None}
        if ends & hidden or (chosen is not None and not ends & chosen):
            continue
        channels.setdefault(min(ends), []).append(flow)
    lane_of = {}
    for number, flows in enumerate(channels.values()):
        if number == MOST_CHANNELS:
            picture.left_out.append(f"+{len(channels) - MOST_CHANNELS} streams")
            break
        down += 0.12
        for flow in flows:
            kind = log.objects[flow.sink if flow.sink is not None else flow.source].kind
            used = bool(flow.points or flow.buffer_events or flow.start_level)
            height = (0.95 if len(channels) < 4 and used else 0.62 if used else 0.40) if flow.unit == "bytes" else 0.50
            note = {"connections": "connections waiting", "count": "eventfd"}.get(
                flow.unit, kind)
            down = _add(picture, "channel", log.channel_name(flow), note, down, height, number)
            lane = picture.lanes[-1]
            for end in (flow.source, flow.sink):
                if end is not None:
                    lane_of.setdefault(("sink" if end == flow.sink else "source", end), lane)
                    lane_of.setdefault(end, lane)
            _add_flow(picture, log, place, flow, lane)
    return lane_of, down


def _add_flow(picture, log, place, flow, lane):
    base, top = lane.bottom - 0.10, lane.top + 0.22
    peak = max([flow.start_level, *(level for _, level, _ in flow.points)])
    xs, levels = [0.0], [flow.start_level]
    for position, level, _ in flow.points:
        x = place.x(position)
        if x == xs[-1]:
            levels[-1] = level
        else:
            xs.append(x)
            levels.append(level)
    xs.append(place.width)
    levels.append(levels[-1])
    picture.areas.append(Area(lane, xs, levels, top, base, peak, flow.unit, log.channel_name(flow)))

    def height_at(x):
        level = levels[max(0, bisect_right(xs, x) - 1)]
        return base - max((base - top) * level / peak, 0.03) if level else base

    if flow.unit == "bytes":
        for position, what, call in flow.buffer_events:
            x = place.x(position)
            picture.buffer_events.append(Mark(lane, x, height_at(x), what, call))
    for position, amount, call in flow.elsewhere:
        x = place.x(position)
        said = f"{abs(amount):,} {'came from' if amount > 0 else 'went'} elsewhere"
        picture.elsewhere.append(Mark(lane, x, height_at(x), said, call))
    if flow.unit == "bytes":
        for position, how, stream, call in flow.endings:
            x = place.x(position)
            picture.closes.append(Mark(lane, x, lane.top, f"{log.objects[stream].name} {how}", call))


def _add_events(picture, log, place, lane_of):
    """The events that poll returned, on the epoll's lane, each tied to the channel that it speaks of."""
    columns = log.columns()
    lanes = {lane.key: lane for lane in picture.lanes if lane.kind == "epoll"}
    rows = {}
    for entry in picture.entries:
        rows.setdefault((id(entry.lane), entry.label.partition(":")[0]), entry.y)
    for call, (name, epoll) in enumerate(zip(columns["name"], columns["epoll"], strict=True)):
        if name != "epoll.poll" or epoll < 0 or not columns["result"][call]:
            continue
        lane = lanes.get(log.objects[epoll].description)
        if lane is None:
            continue
        x = place.returned(call)
        for stream, mask in log.raw_events(call):
            one = log.objects[stream] if stream >= 0 else None
            if one is not None and one.internal:
                continue
            y = rows.get((id(lane), one.name if one else "?"), lane.top + 0.20)
            side = "source" if mask & masks.OUT and not mask & masks.IN else "sink"
            target = (lane_of.get((side, one.description)) or lane_of.get(one.description)) if one else None
            picture.events.append(Mark(lane, x, y, masks.short(mask), call, target))
