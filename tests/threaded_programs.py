"""Random programs of several threads, and a judge of the order in which a log tells them.

A program is made from a seed: pipes, socketpairs, TCP connections, eventfds, an epoll, sometimes a
child process that sends back what it is sent; three threads, each with a list of calls of its own:
they read, write, wait, register, and close what the others use.  Nothing says who comes first.
Whoever sleeps when the others are done is woken by a write of the main thread; in some programs the
block has ended by then.

`out_of_order` looks at nothing but the calls, their times and their steps: it does not know by
which rule the steps were chosen.
"""

import errno
import os
import random
import select
import socket
import subprocess
import threading
import time
from contextlib import suppress

import epollkit
from epollkit import masks
from epollkit.syscalls import CONNECTS, READS, REGISTERING, WRITES


def run(seed):
    """Run the program that *seed* makes, and return its log."""
    chance = random.Random(seed)
    child = None
    if chance.random() < 0.15:
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    named = {"to_child": child.stdin.fileno(), "from_child": child.stdout.fileno()} if child else {}
    outlasts_the_block = chance.random() < 0.2
    with open(os.devnull, "wb") as nothing, epollkit.record(**named) as log:
        ends, closing = _open_ends(chance)
        if child:
            ends.append((child.stdout.fileno(), child.stdin.fileno(), "child"))
        for r, _, kind in ends:
            if chance.random() < 0.3 and kind != "child":
                os.set_blocking(_number(r), False)
        ep = select.epoll()
        for r, _, _ in ends:
            if chance.random() < 0.6:
                with suppress(OSError):
                    ep.register(r, chance.choice((*MASKS, select.EPOLLIN | select.EPOLLONESHOT)))
        # Of a connection one end only: with both closed, nobody could wake who sleeps in them.
        open_ends = [(r, kind) for r, _, kind in ends[::-1] if kind in ("pair", "tcp")][::2]
        open_ends += [(end, kind) for *both, kind in ends for end in both if kind == "pipe"]
        if outlasts_the_block:  # who reads from a closed number reads what the recorder asks with
            open_ends = []
        scripts = [
            [_step(chance, ends, open_ends, ep, nothing) for _ in range(chance.randint(2, 7))]
            for _ in range(3)
        ]
        threads = [
            threading.Thread(target=_follow, args=(script,), name=name)
            for script, name in zip(scripts, "ABC", strict=True)
        ]
        for thread in threads:
            thread.start()
        if not outlasts_the_block:
            _end(threads, ends)
            ep.close()
            for each in closing:
                _close(each)
        log.header["block_ended_ns"] = time.perf_counter_ns()  # what comes later has no causes here
    if outlasts_the_block:
        _end(threads, ends)
        ep.close()
        for each in closing:
            _close(each)
    if child:
        child.stdin.close()
        child.stdout.close()
        child.wait()
    return log


MASKS = (
    select.EPOLLIN,
    select.EPOLLIN | select.EPOLLET,
    select.EPOLLIN | select.EPOLLRDHUP,
)


def _open_ends(chance):
    """Open some streams: (reading end, writing end, kind) of each, and all that is to be closed."""
    ends, closing = [], []
    for _ in range(chance.randint(1, 3)):
        kind = chance.choice(("pipe", "pipe", "pair", "tcp", "eventfd"))
        if kind == "pipe":
            r, w = os.pipe()
            ends.append((r, w, kind))
            closing += [r, w]
        elif kind == "eventfd":
            bell = os.eventfd(0)
            ends.append((bell, bell, kind))
            closing.append(bell)
        else:
            a, b = socket.socketpair() if kind == "pair" else _connect()
            ends += [(a, b, kind), (b, a, kind)]
            closing += [a, b]
    return ends, closing


def _connect():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        caller = socket.create_connection(listener.getsockname())
        return caller, listener.accept()[0]


def _number(end):
    return end if isinstance(end, int) else end.fileno()


def _step(chance, ends, open_ends, ep, nothing):
    """Make one step of a thread: a function, and its arguments.  *open_ends* are those that no
    step closes yet.
    """
    r, w, kind = chance.choice(ends)
    what = chance.choice(
        ("read", "read", "write", "write", "write", "poll", "poll", "select", "close", "change")
    )
    size = chance.choice((1, 3, 8, 100, 3000)) if kind != "eventfd" else 8
    timeout = chance.choice((0, 0.001, 0.005, 0.02))
    if what == "read":
        return _read, r, size
    if what == "write" and kind == "eventfd":
        return os.eventfd_write, w, chance.randint(1, 3)
    if what == "write":
        return _write, w, bytes(size)
    if what == "poll":
        return ep.poll, timeout
    if what == "select":
        return chance.choice((_select, _poll)), r, timeout
    if what == "close" and open_ends and chance.random() < 0.6:
        end, kind = open_ends.pop(chance.randrange(len(open_ends)))
        ways = [_close, _close_range]
        ways += [_detach] if kind != "pipe" else []
        ways += [_replace] if kind == "pipe" and any(end == w for _, w, _ in ends) else []
        return chance.choice(ways), end, nothing.fileno()
    if kind in ("pair", "tcp") and chance.random() < 0.3:
        return w.shutdown, chance.choice((socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR))
    return chance.choice(
        (
            (ep.modify, r, select.EPOLLIN | select.EPOLLONESHOT),
            (ep.modify, r, select.EPOLLIN),
            (ep.register, r, select.EPOLLIN),
            (ep.unregister, r),
        )
    )


def _read(end, size):
    os.read(end, size) if isinstance(end, int) else end.recv(size)


def _write(end, data):
    os.write(end, data) if isinstance(end, int) else end.send(data)


def _select(end, timeout):
    select.select([end], [], [], timeout)


def _poll(end, timeout):
    polling = select.poll()
    polling.register(end, select.POLLIN)
    polling.poll(timeout * 1000)


def _close(end, _=None):
    with suppress(OSError):
        os.close(end) if isinstance(end, int) else end.close()


def _close_range(end, _):
    os.closerange(_number(end), _number(end) + 1)


def _detach(end, _):
    os.close(end.detach())


def _replace(end, nothing):
    os.dup2(nothing, end)


def _follow(script):
    for function, *args in script:
        with suppress(OSError, ValueError):  # that is closed by now
            function(*args)


def _end(threads, ends):
    """Wait for *threads*; wake those that sleep by now."""
    for thread in threads:
        thread.join(0.03)
    while any(thread.is_alive() for thread in threads):
        for _, w, kind in ends:
            with suppress(OSError):
                if kind == "eventfd":
                    os.eventfd_write(w, 1)
                else:
                    _write(w, b"wake up")
        for thread in threads:
            thread.join(0.01)


# the judge

#: What `shutdown` is given to end one's own sending, and one's own receiving.
SHUT_OUT = (socket.SHUT_WR, socket.SHUT_RDWR)
SHUT_IN = (socket.SHUT_RD, socket.SHUT_RDWR)


def out_of_order(log) -> list[str]:
    """Say where *log* tells an effect before its cause.  An empty list is what must be."""
    return list(Judge(log).findings())


class Judge:
    """Holds every effect of a log against the causes that had begun by the step at which it is
    told.
    """

    def __init__(self, log):
        self.log, self.columns = log, log.columns()
        self.first, self.last, self.count = log.steps
        over = log.header["block_ended_ns"]
        #: for each call, whether it came back within the block
        self.is_within = [0 <= end < over for end in self.columns["end_ns"]]
        self.description = [stream.description for stream in log.objects]
        #: (name of the call, description) → calls
        self.calls = {}
        for call, (name, stream) in enumerate(
            zip(self.columns["name"], self.columns["stream"], strict=True)
        ):
            if stream >= 0:
                self.calls.setdefault((name, self.description[stream]), []).append(call)
        #: description of a reading end → that of the writing end, and what was there before
        self.channels = {}
        for stream in log.streams:
            if stream.kind == "eventfd":
                self.channels[stream.description] = stream.description, stream.start_level
            elif stream.kind in ("pipe", "socketpair", "tcp") and stream.readable:
                if stream.other_end is not None:
                    self.channels[stream.description] = stream.other_end, stream.start_level

    def findings(self):
        for sink, (source, before) in self.channels.items():
            yield from self.of_reads(sink, source, before)
        for sink, (source, _) in self.channels.items():
            yield from self.of_broken_pipes(sink, source)
        yield from self.of_accounts()
        yield from self.of_events()
        yield from self.of_the_child()

    def on(self, names, description):
        """List the calls with one of *names* on *description*, in the order in which they are
        told.
        """
        calls = [call for name in names for call in self.calls.get((name, description), ())]
        return sorted(calls, key=self.last.__getitem__)

    def bound(self, call):
        log = self.log
        return self.columns["moved"][call] if log.is_counted(call) else log.wanted(call)

    def put_in(self, source, step):
        """What writes that had begun before *step* can have put in."""
        writes = self.on(WRITES - CONNECTS, source)
        return sum(self.bound(call) for call in writes if self.first[call] < step)

    def has_ended(self, source, sink, step):
        """Whether *source* was closed by then, or somebody had begun to shut down the way from
        there to *sink*.
        """
        return self.is_closed(source, step) or any(
            self.first[call] < step and self.columns["arguments"][call][0] in ways
            for end, ways in ((source, SHUT_OUT), (sink, SHUT_IN))
            for call in self.on(("socket.shutdown",), end)
        )

    def is_closed(self, description, step):
        """Whether somebody had begun to close the last number of *description*."""
        closes = [each.closed_by for each in self.log.streams if each.description == description]
        return all(call is not None and self.first[call] < step for call in closes)

    def is_any_closed(self, description, step):
        """Whether somebody had begun to close a number of *description*."""
        closes = [each.closed_by for each in self.log.streams if each.description == description]
        return any(call is not None and self.first[call] < step for call in closes)

    def of_reads(self, sink, source, before):
        taken = 0
        for call in self.on(READS, sink):
            step = self.last[call]
            if self.is_within[call] and not self.columns["error"][call]:
                taken += self.columns["moved"][call]
                if taken > before + self.put_in(source, step):
                    yield f"step {step + 1}: {self.log[call].name} has bytes that nobody wrote yet"
                is_the_end = self.columns["result"][call] == b""
                if is_the_end and not self.has_ended(source, sink, step):
                    yield f"step {step + 1}: {self.log[call].name} met an end that is not there yet"

    def of_broken_pipes(self, sink, source):
        for call in self.on(WRITES - CONNECTS, source):
            step = self.last[call]
            if self.columns["errno"][call] == errno.EPIPE and self.is_within[call]:
                if not (self.is_closed(sink, step) or self.has_ended(source, sink, step)):
                    yield f"step {step + 1}: {self.log[call].name} met a reader who is still there"

    def of_accounts(self):
        axes = (
            (self.log.flows, self.columns["start_ns"]),
            (self.log.flows_by_step, self.first),
        )
        for flows, began in axes:
            for flow in flows:
                if flow.sink not in self.channels:
                    continue
                writes, taken, level = self.on(WRITES - CONNECTS, flow.source), 0, flow.start_level
                for position, now, call in flow.points:
                    if not (call < len(self.is_within) and self.is_within[call]):
                        break
                    taken, level = taken + max(0, level - now), now
                    there = sum(self.bound(call) for call in writes if began[call] <= position)
                    if taken > flow.start_level + there:
                        yield f"{position}: the account of {self.log.channel_name(flow)} runs ahead"

    def of_events(self):
        for call in filter(self.is_within.__getitem__, self.log.poll_events.events):
            step, epoll = self.last[call], self.columns["epoll"][call]
            for stream, mask in self.log.raw_events(call):
                description = self.description[stream] if stream >= 0 else None
                registering = self.on(REGISTERING, description)
                if epoll >= 0 and not any(self.first[each] < step for each in registering):
                    yield f"step {step + 1}: an event of {stream} before it was registered"
                if description in self.channels and mask & (masks.IN | masks.HUP | masks.RDHUP):
                    if not self.has_a_cause(call, description, mask):
                        yield f"step {step + 1}: an event of {self.log.objects[stream]} too early"

    def has_a_cause(self, call, sink, mask):
        source, before = self.channels[sink]
        taken = sum(
            self.columns["moved"][read]
            for read in self.on(READS, sink)
            if 0 <= self.columns["end_ns"][read] < self.columns["start_ns"][call]
        )
        left = before + self.put_in(source, self.last[call]) - taken
        has_ended = self.has_ended(source, sink, self.last[call])
        if self.columns["epoll"][call] < 0 and self.is_any_closed(sink, self.last[call]):
            return True  # `select` and `poll` report a number that is closed while they wait
        return has_ended or (left > 0 and not mask & (masks.HUP | masks.RDHUP))

    def of_the_child(self):
        """What the child sends back it was sent before."""
        known = {stream.name: stream.description for stream in self.log.streams}
        heard = 0
        for call in self.on(READS, known.get("from_child")):
            heard, step = heard + self.columns["moved"][call], self.last[call]
            if self.is_within[call] and heard > self.put_in(known["to_child"], step):
                yield f"step {step + 1}: the child answered what nobody had said"
