"""Random programs of several threads, and a judge of the order in which a log tells them.

A program is made from a seed: pipes, socketpairs, eventfds, an epoll, sometimes a child process
that sends back what it is sent; three threads, each with a list of calls of its own.  Nothing says
who comes first.  Whoever sleeps when the others are done is woken by a write of the main thread.

`out_of_order` looks at nothing but the calls, their times and their steps: it does not know by which
rule the steps were chosen.
"""

import os
import random
import select
import socket
import subprocess
import threading
from contextlib import suppress

import epollkit
from epollkit import masks
from epollkit.syscalls import CONNECTS, READS, REGISTERING, WRITES


def run(seed):
    """Run the program that *seed* makes, and return its log."""
    chance = random.Random(seed)
    with_child = chance.random() < 0.15
    child = (
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if with_child
        else None
    )
    named = {"to_child": child.stdin.fileno(), "from_child": child.stdout.fileno()} if child else {}
    with epollkit.record(**named) as log:
        ends, closing = [], []
        if child:
            ends.append((child.stdout.fileno(), child.stdin.fileno(), "child"))
        for _ in range(chance.randint(1, 3)):
            kind = chance.choice(("pipe", "pipe", "pair", "eventfd"))
            if kind == "pipe":
                r, w = os.pipe()
                ends.append((r, w, kind))
                closing += [r, w]
            elif kind == "pair":
                a, b = socket.socketpair()
                ends += [(a.fileno(), b.fileno(), kind), (b.fileno(), a.fileno(), kind)]
                closing += [a, b]
            else:
                bell = os.eventfd(0)
                ends.append((bell, bell, kind))
                closing.append(bell)
        for r, _, kind in ends:
            if chance.random() < 0.3 and kind != "child":
                os.set_blocking(r, False)
        ep = select.epoll()
        flags = (
            select.EPOLLIN,
            select.EPOLLIN | select.EPOLLET,
            select.EPOLLIN | select.EPOLLRDHUP,
        )
        for r, _, _ in ends:
            if chance.random() < 0.6:
                with suppress(OSError):
                    ep.register(r, chance.choice((*flags, select.EPOLLIN | select.EPOLLONESHOT)))
        scripts = [[_step(chance, ends, ep) for _ in range(chance.randint(2, 7))] for _ in range(3)]
        threads = [
            threading.Thread(target=_follow, args=(script,), name=name)
            for script, name in zip(scripts, "ABC", strict=True)
        ]
        for thread in threads:
            thread.start()
        _end(threads, ends)
        ep.close()
        for each in closing:
            with suppress(OSError):
                each.close() if isinstance(each, socket.socket) else os.close(each)
    if child:
        child.stdin.close()
        child.stdout.close()
        child.wait()
    return log


def _step(chance, ends, ep):
    """Make one call of a thread: a function, and its arguments."""
    r, w, kind = chance.choice(ends)
    what = chance.choice(("read", "read", "write", "write", "write", "poll", "poll", "change"))
    size = chance.choice((1, 3, 8, 100, 3000)) if kind != "eventfd" else 8
    if what == "read":
        return os.read, r, size
    if what == "write" and kind == "eventfd":
        return os.eventfd_write, w, chance.randint(1, 3)
    if what == "write":
        return os.write, w, bytes(size)
    if what == "poll":
        return ep.poll, chance.choice((0, 0.001, 0.005, 0.02))
    if chance.random() < 0.3 and kind == "pair":
        return _shut_down, w
    if chance.random() < 0.2 and kind == "pipe":
        return os.close, w
    return chance.choice(
        (
            (ep.modify, r, select.EPOLLIN | select.EPOLLONESHOT),
            (ep.modify, r, select.EPOLLIN),
            (ep.register, r, select.EPOLLIN),
            (ep.unregister, r),
        )
    )


def _shut_down(number):
    with socket.socket(fileno=os.dup(number)) as sock:
        sock.shutdown(socket.SHUT_WR)


def _follow(script):
    for function, *args in script:
        with suppress(OSError):
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
                elif kind == "child":
                    os.write(w, b"wake up")
                else:
                    os.write(w, b"!")
        for thread in threads:
            thread.join(0.01)


# the judge


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
            elif stream.kind in ("pipe", "socketpair") and stream.readable:
                if stream.other_end is not None:
                    self.channels[stream.description] = stream.other_end, stream.start_level

    def findings(self):
        for sink, (source, before) in self.channels.items():
            yield from self.of_reads(sink, source, before)
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

    def has_ended(self, description, step):
        """Whether somebody had begun to close *description*, or to shut it down."""
        endings = self.on(("os.close", "socket.close", "socket.shutdown"), description)
        return any(self.first[call] < step for call in endings)

    def of_reads(self, sink, source, before):
        taken = 0
        for call in self.on(READS, sink):
            step = self.last[call]
            if step < self.count and not self.columns["error"][call]:
                taken += self.columns["moved"][call]
                if taken > before + self.put_in(source, step):
                    yield f"step {step + 1}: {self.log[call].name} has bytes that nobody wrote yet"
                if self.columns["result"][call] == b"" and not self.has_ended(source, step):
                    yield f"step {step + 1}: {self.log[call].name} met an end that is not there yet"

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
                for position, now, _ in flow.points:
                    taken, level = taken + max(0, level - now), now
                    there = sum(self.bound(call) for call in writes if began[call] <= position)
                    if taken > flow.start_level + there:
                        yield f"{position}: the account of {self.log.channel_name(flow)} runs ahead"

    def of_events(self):
        for call, name in enumerate(self.columns["name"]):
            step = self.last[call]
            for stream, mask in self.log.raw_events(call) if name == "epoll.poll" else ():
                description = self.description[stream] if stream >= 0 else None
                if not any(self.first[each] < step for each in self.on(REGISTERING, description)):
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
        return self.has_ended(source, self.last[call]) or (left > 0 and mask == masks.IN)

    def of_the_child(self):
        """What the child sends back it was sent before."""
        known = {stream.name: stream.description for stream in self.log.streams}
        heard = 0
        for call in self.on(READS, known.get("from_child")):
            heard, step = heard + self.columns["moved"][call], self.last[call]
            if step < self.count and heard > self.put_in(known["to_child"], step):
                yield f"step {step + 1}: the child answered what nobody had said"
