"""Random programs: recorded they do what they do unrecorded, and the log says what the kernel says.

Each program runs twice, once unrecorded and once recorded; after every call of the second run the
kernel is asked for every interest list and every level.  There are 200 programs for each test, the
same ones each time; EPOLLKIT_PROGRAMS=5000 runs more.  That the properties can fail is shown by
faults that are planted in the recorder.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from random_programs import OPERATIONS, Run

import epollkit
from epollkit import linux, masks
from epollkit.log import Data, Stream

settings.register_profile(
    "epollkit",
    max_examples=int(os.environ.get("EPOLLKIT_PROGRAMS", "200")),
    derandomize=True,
    database=None,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("epollkit")

STEPS = st.one_of(
    [
        st.tuples(st.just(name), *(st.integers(0, choices - 1) for choices in numbers))
        for name, numbers in OPERATIONS
    ]
)
#: Four lists in a row: about twenty steps, each of which hypothesis may leave out when it looks for
#: a smaller failure.
PROGRAMS = st.tuples(*[st.lists(STEPS, max_size=20)] * 4).map(
    lambda parts: [step for part in parts for step in part]
)


@dataclass
class Seen:
    """What the kernel said after a call:

    interest lists, bytes waiting and inodes, by serial number.
    """

    at_ns: int
    lists: dict = field(default_factory=dict)
    levels: dict = field(default_factory=dict)
    inodes: dict = field(default_factory=dict)


def look(run) -> Seen:
    """Ask the kernel about everything that *run* holds."""
    seen = Seen(time.perf_counter_ns())
    for number, held in run.open.items():
        seen.inodes[held.serial] = linux.inode(number)
        if held.kind == "epoll":
            seen.lists[held.serial] = sorted(linux.interest_list(number))
        elif held.kind != "write end":
            seen.levels[held.serial] = linux.bytes_waiting(number)
    return seen


class Recorded:
    """A program that was run while it was recorded:

    its own account `run`, the `log`, and what the kernel said.
    """

    def __init__(self, program, path, before=0):
        """Run *program*; its first *before* steps are not recorded.

        The log may be saved at *path*.
        """
        self.program, self.path, self.before, self.seen = program, path, before, []
        self.run = Run(lambda run: self.seen.append(look(run)))
        try:
            self.run.plain_steps(program[:before])
            self.at_the_start, made_before = dict(self.run.open), len(self.run.calls)
            with epollkit.record() as self.log:
                self.run.steps(program[before:])
        finally:
            self.run.close_everything()
        self.levels_at_the_end = {
            self.run.held[serial].description: level
            for serial, level in self.seen[-1].levels.items()
        }
        self.calls, self.seen = self.run.calls[made_before:], self.seen[made_before:]

    @cached_property
    def pairs(self):
        """Each call of the log with the program's own account of it."""
        return list(zip(self.log, self.calls, strict=True))

    def after_each_call(self):
        """Yield each call with what the kernel said after it, of all that calls have touched by
        then.
        """
        touched = set()
        for seen, (call, done) in zip(self.seen, self.pairs, strict=True):
            touched |= {
                held.serial for held in (done.on, done.about, *done.made) if held is not None
            }
            yield (
                call,
                seen.at_ns,
                {serial: entries for serial, entries in seen.lists.items() if serial in touched},
                {serial: level for serial, level in seen.levels.items() if serial in touched},
            )

    @cached_property
    def streams(self):
        """Pair what the program held with what the log calls it: serial number → stream."""
        found = {
            self.at_the_start[stream.number].serial: stream
            for stream in (*self.log.streams, *self.log.epolls)
            if stream.opened_ns is None
        }
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


def gives_the_same(recorded):
    """Unrecorded and recorded: the same results, numbers, and errors, and nothing left open."""
    before = numbers_open()
    run = Run()
    try:
        run.plain_steps(recorded.program[: recorded.before])
        run.steps(recorded.program[recorded.before :])
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
        if done.error is None and (
            done.on or done.name != "epoll.fromfd"
        ):  # which takes numbers that are not open
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
    """After every call the replayed interest list is the kernel's, ghosts and fired one-shots
    included.
    """
    streams = recorded.streams
    inodes, nobody_knows = {}, set()
    for seen in recorded.seen:
        inodes |= {
            streams[serial].index: inode
            for serial, inode in seen.inodes.items()
            if serial in streams
        }
    for call, at_ns, lists, _ in recorded.after_each_call():
        for serial, entries in lists.items():
            if two_under_one_number(entries):
                nobody_knows.add(recorded.run.held[serial].description)
            if recorded.run.held[serial].description not in nobody_knows:
                replayed = recorded.log.interest_list(streams[serial], at_ns)
                assert (
                    sorted(
                        (number, mask, inodes.get(stream.index) if stream else None)
                        for (number, stream), mask in replayed.items()
                    )
                    == entries
                ), call


def two_under_one_number(entries):
    """A ghost and a later entry have one number, and one of them fires once:

    an event does not tell which one it was.
    """
    numbers = [entry.number for entry in entries]
    return any(
        entry.events & masks.ONESHOT and numbers.count(entry.number) > 1 for entry in entries
    )


def has_the_kernels_levels(recorded):
    """After every call the level that the log kept is what the kernel says is waiting."""
    for call, at_ns, _, levels in recorded.after_each_call():
        for serial, waiting in levels.items():
            stream = recorded.streams[serial]
            assert recorded.log.level(stream, at_ns) == waiting, (call, stream)


def keeps_account(recorded):
    """For each flow:

    what was there and was written, less what was read and thrown away, is what waits at the end.
    """
    held = {
        stream.description: recorded.run.held[serial].description
        for serial, stream in recorded.streams.items()
    }
    for flow in recorded.log.flows:
        elsewhere = sum(amount for _, amount, _ in flow.elsewhere)
        discarded = sum(amount for _, amount, _ in flow.discarded)
        level = flow.level(float("inf"))
        assert flow.start_level + flow.written - flow.read + elsewhere - discarded == level, flow
        assert (
            level == recorded.levels_at_the_end.get(held.get(flow.sink), 0) or flow.sink is None
        ), flow
        assert not flow.elsewhere, flow


def lacks_nothing(recorded):
    """All these calls can be seen, and the log does not say otherwise."""
    assert recorded.before or recorded.log.limits() == []


def can_be_saved(recorded):
    """A log that was saved and loaded is the same log, and says the same."""
    loaded = epollkit.Log.load(recorded.log.save(recorded.path))
    assert loaded == recorded.log
    assert list(loaded) == list(recorded.log)
    assert loaded.summary() == recorded.log.summary()
    assert loaded.buffer_events() == recorded.log.buffer_events()


PROPERTIES = [
    gives_the_same,
    has_every_call,
    knows_what_each_number_stood_for,
    has_the_kernels_interest_lists,
    has_the_kernels_levels,
    keeps_account,
    lacks_nothing,
    can_be_saved,
]


def check(program, path, before=0):
    """Run *program*, recorded but for its first *before* steps, and hold it against every
    property.
    """
    recorded = Recorded(program, path, before)
    for holds in PROPERTIES:
        holds(recorded)


@given(program=PROGRAMS)
@example(
    program=[("pair", 0), ("write", 0, 0), ("dup2", 1, 13, 0), ("dup2", 1, 0, 0), ("sendall", 0, 0)]
)
def test_a_recording_changes_nothing_and_says_what_the_kernel_says(program, tmp_path):
    check([("pipe", 0), ("epoll",), *program], tmp_path / "log.jsonl")


@given(program=PROGRAMS, before=st.integers(1, 20))
def test_so_it_is_with_streams_that_were_open_before(program, before, tmp_path):
    """What was made before the block comes into the recording when it is touched there, with
    what it holds by then.
    """
    check([("pipe", 0), ("epoll",), *program], tmp_path / "log.jsonl", before)


# Faults, planted in a process of its own, and the property that must catch each.

LOST = """
def stand_in_for(row, original, is_function, make=recorder.stand_in_for):
    stand_in, calls = make(row, original, is_function), itertools.count()
    def loses_some(*args):
        return (original if next(calls) % 5 == 2 else stand_in)(*args)
    return loses_some if row.name == "os.write" else stand_in

recorder.stand_in_for = stand_in_for
"""
CHANGED = """
def stand_in_for(row, original, is_function, make=recorder.stand_in_for):
    watched = make(row, original, is_function)
    def changed(*args):
        try:
            return watched(*args)
        except BlockingIOError:
            raise OSError(errno.EIO, os.strerror(errno.EIO)) from None
    return changed if row.name == "os.read" else watched

recorder.stand_in_for = stand_in_for
"""
SPOILED = """
def freeze(of, freeze=recorder.freeze):
    freeze(of)
    columns = of.log.columns()
    for call, name in enumerate(columns["name"]):
        if {which}:
            {spoil}
            break

recorder.freeze = freeze
"""
HUNT = """
for seed in range({programs}):
    recorded = judges.Recorded(programs.draw(seed), pathlib.Path({path!r}))
    for holds in judges.PROPERTIES:
        try:
            holds(recorded)
        except Exception:
            print(holds.__name__)
"""
FAULTS = {
    "none": ("", set()),
    "a lost call": (LOST, {has_every_call}),
    "a wrong level": (
        SPOILED.format(
            which='name == "os.write" and not columns["error"][call]',
            spoil='columns["moved"][call] += 1',
        ),
        {has_the_kernels_levels, keeps_account},
    ),
    "a changed errno, in the program": (CHANGED, {gives_the_same}),
    "a changed errno, in the log": (
        SPOILED.format(which='columns["errno"][call]', spoil='columns["errno"][call] = errno.EIO'),
        {has_every_call},
    ),
    "a wrong mask": (
        SPOILED.format(
            which='name == "epoll.register" and not columns["error"][call]',
            spoil='number, mask = columns["arguments"][call]; '
            'columns["arguments"][call] = (number, mask ^ 1)',
        ),
        {has_the_kernels_interest_lists},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault, tmp_path):
    planted, expected = FAULTS[fault]
    source = "\n".join(
        [
            "import errno, itertools, os, pathlib",
            "import random_programs as programs, test_properties as judges",
            "from epollkit.recording import recorder",
            planted,
            HUNT.format(programs=12, path=str(tmp_path / "log.jsonl")),
        ]
    )
    hunt = subprocess.run(
        [sys.executable, "-c", source],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, Path(__file__).parents[:2]))},
        capture_output=True,
        text=True,
    )
    assert hunt.returncode == 0, hunt.stderr
    caught = set(hunt.stdout.split())
    assert caught >= {holds.__name__ for holds in expected}
    assert bool(caught) == bool(expected)
