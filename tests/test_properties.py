"""Random programs: recorded they do what they do unrecorded, and the log says what the kernel says.

Each program runs twice, once unrecorded and once recorded; after every call of the second run the kernel is asked for
every interest list and every level.  There are 200 programs, the same ones each time; EPOLLKIT_PROGRAMS=5000 runs more.
"""

import os
import time
from dataclasses import dataclass, field
from functools import cached_property

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import OPERATIONS, Run

import epollkit
from epollkit import kernel
from epollkit.log import Data, Stream

settings.register_profile(
    "epollkit", max_examples=int(os.environ.get("EPOLLKIT_PROGRAMS", "200")), derandomize=True, database=None,
    deadline=None, report_multiple_bugs=False, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
settings.load_profile("epollkit")

STEPS = st.one_of([st.tuples(st.just(name), *(st.integers(0, choices - 1) for choices in numbers))
                   for name, numbers in OPERATIONS])
#: Four lists in a row: about twenty steps, each of which hypothesis may leave out when it looks for a smaller failure.
PROGRAMS = st.tuples(*[st.lists(STEPS, max_size=20)] * 4).map(lambda parts: [step for part in parts for step in part])


@dataclass
class Seen:
    """What the kernel said after a call: interest lists, bytes waiting and inodes, by serial number."""

    at_ns: int
    lists: dict = field(default_factory=dict)
    levels: dict = field(default_factory=dict)
    inodes: dict = field(default_factory=dict)


def look(run) -> Seen:
    """Ask the kernel about everything that *run* holds."""
    seen = Seen(time.perf_counter_ns())
    for number, held in run.open.items():
        seen.inodes[held.serial] = kernel.inode(number)
        if held.kind == "epoll":
            seen.lists[held.serial] = sorted(kernel.interest_list(number))
        elif held.kind != "write end":
            seen.levels[held.serial] = kernel.bytes_waiting(number)
    return seen


class Recorded:
    """A program that was run while it was recorded: its own account `run`, the `log`, and what the kernel said."""

    def __init__(self, program, before=0):
        """Run *program*; its first *before* steps are not recorded."""
        self.seen = []
        self.run = Run(lambda run: self.seen.append(look(run)))
        try:
            self.run.steps(program[:before])
            self.at_the_start, made_before = dict(self.run.open), len(self.run.calls)
            with epollkit.record() as self.log:
                self.run.steps(program[before:])
        finally:
            self.run.close_everything()
        self.calls, self.seen = self.run.calls[made_before:], self.seen[made_before:]

    @cached_property
    def pairs(self):
        """Each call of the log with the program's own account of it."""
        return list(zip(self.log, self.calls, strict=True))

    def after_each_call(self):
        """Yield each call with what the kernel said after it, of all that calls have touched by then."""
        touched = set()
        for seen, (call, done) in zip(self.seen, self.pairs, strict=True):
            touched |= {held.serial for held in (done.on, done.about, *done.made) if held is not None}
            yield (call, seen.at_ns, {serial: entries for serial, entries in seen.lists.items() if serial in touched},
                   {serial: level for serial, level in seen.levels.items() if serial in touched})

    @cached_property
    def streams(self):
        """Pair what the program held with what the log calls it: serial number → stream."""
        found = {self.at_the_start[stream.number].serial: stream
                 for stream in (*self.log.streams, *self.log.epolls) if stream.opened_ns is None}
        for call, done in self.pairs:
            made = call.result if isinstance(call.result, tuple) else (call.result,)
            for held, stream in zip(done.made, made, strict=bool(done.made)):
                found[held.serial] = stream
            for held, stream in ((done.on, call.epoll or call.stream), (done.about, call.stream)):
                if held is not None and stream is not None:
                    found.setdefault(held.serial, stream)
        return found


def numbers_open():
    return sorted(int(name) for name in os.listdir("/proc/self/fd"))


# What must hold.

def gives_the_same(program, recorded):
    """Unrecorded and recorded: the same results, numbers, and errors, and nothing left open."""
    before = numbers_open()
    run = Run()
    try:
        run.steps(program)
    finally:
        run.close_everything()
    assert [done.outcome() for done in recorded.run.calls] == [done.outcome() for done in run.calls]
    assert numbers_open() == before


def has_every_call(recorded):
    """The log has each call of the program, in order, with its result or its error."""
    assert [call.name for call in recorded.log] == [done.name for done in recorded.calls]
    for call, done in recorded.pairs:
        assert call.error == (done.error and done.error[:2]), call
        assert call.errno == (done.error[2] or 0 if done.error else 0), call
        if done.error is None and (done.on or done.name != "epoll.fromfd"):  # which takes numbers that are not open
            assert told(call) == got(done), call


def told(call):
    """What the log says that a call returned."""
    if call.name == "epoll.poll":
        return [[stream.number if stream else None, mask] for stream, mask in call.events]
    if isinstance(call.result, tuple) and not isinstance(call.result, Data):
        return [one.number for one in call.result]
    return call.result.number if isinstance(call.result, Stream) else call.result


def got(done):
    """What the program says that a call returned, as a log would keep it."""
    result = done.result
    if done.name in ("socket.recvfrom", "socket.recvmsg"):
        result = result[0]
    if done.data is not None:
        result = done.data
    if isinstance(result, bytes):
        return Data(len(result), result[:32])
    if done.name == "socket.socketpair":
        return [number for _, number in result]
    return result[1] if isinstance(result, tuple) else result


def knows_what_each_number_stood_for(recorded):
    """The log tells apart what had the same number, and holds together what ``dup`` made."""
    streams = recorded.streams
    assert len({stream.index for stream in streams.values()}) == len(streams)
    descriptions = {}
    for call, done in recorded.pairs:
        for held, stream in ((done.on, call.epoll or call.stream), (done.about, call.stream)):
            if held is not None:
                assert stream is streams[held.serial], call
        for held in done.made:
            same = descriptions.setdefault(held.description, streams[held.serial].description)
            assert same == streams[held.serial].description, call
    assert len(set(descriptions.values())) == len(descriptions)


def has_the_kernels_interest_lists(recorded):
    """After every call the replayed interest list is the kernel's, ghosts and fired one-shots included."""
    streams = recorded.streams
    inodes = {}
    for seen in recorded.seen:
        inodes |= {streams[serial].index: inode for serial, inode in seen.inodes.items() if serial in streams}
    for call, at_ns, lists, _ in recorded.after_each_call():
        for serial, entries in lists.items():
            replayed = recorded.log.interest_list(streams[serial], at_ns)
            assert sorted((number, mask, inodes.get(stream.index) if stream else None)
                          for (number, stream), mask in replayed.items()) == entries, call


def has_the_kernels_levels(recorded):
    """After every call the level that the log kept is what the kernel says is waiting."""
    for call, at_ns, _, levels in recorded.after_each_call():
        for serial, waiting in levels.items():
            stream = recorded.streams[serial]
            assert recorded.log.level(stream, at_ns) == waiting, (call, stream)


def keeps_account(recorded):
    """For each flow: what was there and was written, less what was read and thrown away, is what waits at the end."""
    last, streams = recorded.seen[-1], recorded.streams
    at_the_end = {streams[serial].description: level for serial, level in last.levels.items() if serial in streams}
    for flow in recorded.log.books[0]:
        elsewhere = sum(amount for _, amount, _ in flow.elsewhere)
        discarded = sum(amount for _, amount, _ in flow.discarded)
        level = flow.level(float("inf"))
        assert flow.start_level + flow.written - flow.read + elsewhere - discarded == level, flow
        assert level == at_the_end.get(flow.sink, 0) or flow.sink is None, flow
        assert not flow.elsewhere, flow


def lacks_nothing(recorded):
    """All these calls can be seen, and the log does not say otherwise."""
    assert recorded.log.limits() == []


def can_be_saved(recorded, path):
    """A log that was saved and loaded is the same log, and says the same."""
    loaded = epollkit.Log.load(recorded.log.save(path))
    assert loaded == recorded.log
    assert list(loaded) == list(recorded.log)
    assert loaded.summary() == recorded.log.summary()
    assert loaded.buffer_events() == recorded.log.buffer_events()


def check(program, path, before=0):
    """Run *program* and hold everything against it that must hold."""
    recorded = Recorded(program, before)
    gives_the_same(program, recorded)
    has_every_call(recorded)
    knows_what_each_number_stood_for(recorded)
    has_the_kernels_interest_lists(recorded)
    has_the_kernels_levels(recorded)
    keeps_account(recorded)
    lacks_nothing(recorded)
    can_be_saved(recorded, path)


@given(program=PROGRAMS)
def test_a_recording_changes_nothing_and_says_what_the_kernel_says(program, tmp_path):
    check([("pipe", 0), ("epoll",), *program], tmp_path / "log.jsonl")
