"""The story of A and B, and other stories of threads:

what must be in the log every time, busy machine or not.
"""

import os
import queue

import pytest
from support import ROUNDS, busy_cores, thread, wait_until_asleep

import epollkit
from epollkit import linux

PAGE = os.sysconf("SC_PAGESIZE")


class Hand:
    """A thread that does one thing at a time, when told to."""

    def __init__(self):
        self.told, self.done = queue.SimpleQueue(), queue.SimpleQueue()

    def work(self):
        while (what := self.told.get()) is not None:
            try:
                self.done.put((what(), None))
            except BaseException as error:
                self.done.put((None, error))

    def start(self, what):
        self.told.put(what)

    def finish(self):
        result, error = self.done.get(timeout=60)
        if error is not None:
            raise error
        return result

    def do(self, what):
        self.start(what)
        return self.finish()


def a_and_b():
    """Tell the story once, each step after the one before.  Returns the log."""
    a, b = Hand(), Hand()
    with thread(a.work, name="A") as thread_a, thread(b.work, name="B") as thread_b:
        try:
            with epollkit.record() as log:
                r, w = os.pipe()
                capacity = linux.capacity(r)
                b.start(lambda: os.read(r, 100))
                wait_until_asleep(thread_b, r)
                a.do(lambda: os.write(w, b"parcel"))  # non-empty: B wakes
                assert b.finish() == b"parcel"  # empty
                for _ in range(capacity // PAGE):
                    a.do(lambda: os.write(w, bytes(PAGE)))  # A runs ahead: non-empty
                a.start(lambda: os.write(w, bytes(PAGE)))  # full: A sleeps
                wait_until_asleep(thread_a, w)
                assert len(b.do(lambda: os.read(r, PAGE - 1))) == PAGE - 1
                wait_until_asleep(thread_a, w)  # one byte short of a slot: still asleep
                assert len(b.do(lambda: os.read(r, 1))) == 1  # non-full: A wakes
                assert a.finish() == PAGE
                assert len(b.do(lambda: os.read(r, capacity))) == capacity  # empty
                b.start(lambda: os.read(r, 100))
                wait_until_asleep(thread_b, r)
                a.do(lambda: os.close(w))  # the end: B wakes
                assert b.finish() == b""
                os.close(r)
        finally:
            a.told.put(None)
            b.told.put(None)
    return log


def told(log):
    """Everything that must be the same each time."""
    start, end, count = log.steps
    return (
        [
            (
                call.thread.name,
                call.name,
                str(call.stream or call.epoll),
                call.arguments,
                str(call.result),
                call.events,
            )
            for call in log
        ],
        start,
        end,
        log.flows_by_step,
        log.asleep,
        log.summary(),
    )


@pytest.mark.parametrize("busy", [False, True], ids=["", "both cores busy"])
def test_a_and_b(busy):
    seen = None
    with busy_cores() if busy else thread(lambda: None):
        for _ in range(max(1, ROUNDS // 2)):
            log = a_and_b()
            assert [event.what for event in log.buffer_events()] == [
                "non-empty",
                "empty",
                "non-empty",
                "full",
                "non-full",
                "empty",
            ]
            assert [(call.thread.name, call.name) for call in log if call.asleep] == [
                ("B", "os.read"),
                ("A", "os.write"),
                ("B", "os.read"),
            ]
            assert log.limits() == []
            seen = seen or told(log)
            assert told(log) == seen
