"""`waiting()`:

what each way of waiting measures, what the page says of it, and that nothing is left behind.
"""

import os
import random
import re
import subprocess
import sys
import threading
import time

import pytest
from support import ROUNDS, leaves_nothing, nothing_overlaps

from epollkit.explore import waiting
from epollkit.explore.waiting import (
    COMES_MS,
    EMPTY,
    INTERVALS_MS,
    KEPT,
    PARCEL,
    WAYS,
    Chart,
    Experiment,
    Try,
    in_words,
    table,
    tell,
)

EVERY = [
    (way, ms, streams)
    for streams in (1, 2)
    for way in WAYS
    for ms in (INTERVALS_MS if way == "busy polling" else INTERVALS_MS[:1])
]


@pytest.fixture
def view():
    shown = waiting()
    yield shown
    shown.close()


def took_s(view):
    begin = time.perf_counter()
    view.attempt.click()
    return time.perf_counter() - begin


def invented(number, way="epoll", interval_ms=None, streams=1, delay_ns=90_000, cpu_ns=80_000):
    delays_ns, waits_ns = (delay_ns,) * streams, (40_000_000,) * streams
    return Try(number, way, interval_ms, streams, waits_ns, delays_ns, 3, cpu_ns, 1000, None)


@pytest.mark.parametrize(("way", "interval_ms", "streams"), EVERY)
def test_a_try_measures_every_parcel_and_every_call(way, interval_ms, streams):
    one = Experiment().attempt(way, interval_ms, streams)
    assert (one.number, one.way, one.streams, len(one.delays_ns)) == (1, way, streams, streams)
    assert one.interval_ms == (interval_ms if way == "busy polling" else None)
    assert min(one.delays_ns) > 0 and one.cpu_ns > 0 and one.late_ns >= 0
    if way == "blocking":
        assert one.calls == streams
    elif way == "epoll":
        assert streams + 1 <= one.calls <= 2 * streams
    elif interval_ms == 0:
        assert one.calls > 1_000
    else:
        assert streams < one.calls


def test_who_blocks_at_the_first_stream_is_late_for_the_parcel_in_the_second():
    first, second = (one := Experiment().attempt("blocking", streams=2)).delays_ns
    assert one.evidence == (True, len(PARCEL))
    assert one.delay_ns == second > first
    assert second >= 1e6 * COMES_MS[0] - one.late_ns  # until the other parcel came
    assert Experiment().attempt("epoll", streams=2).evidence is None


def test_busy_polling_costs_more_the_more_often_it_looks():
    experiment = Experiment()
    often, seldom = experiment.attempt("busy polling", 0), experiment.attempt("busy polling", 50)
    assert often.calls > 100 * seldom.calls
    assert often.cpu_ns > 3 * seldom.cpu_ns
    assert often.cpu_ns > 3 * experiment.attempt("epoll").cpu_ns


@pytest.mark.parametrize(
    "wrong",
    [
        ("sleeping", 0, 1),
        ("epoll", 0, 0),
        ("epoll", 0, 3),
        ("busy polling", -1, 1),
        ("busy polling", 51, 1),
        ("busy polling", float("nan"), 1),
    ],
)
def test_what_cannot_be_tried_is_refused(wrong):
    experiment = Experiment()
    with pytest.raises(ValueError, match="pass one of"):
        experiment.attempt(*wrong)
    assert not experiment.tries


def test_only_the_last_dozen_stays():
    experiment = Experiment()
    for _ in range(KEPT + 2):
        experiment.attempt("blocking")
    assert [one.number for one in experiment.tries] == list(range(3, KEPT + 3))


class BrokenCourier(Experiment):
    """Its courier never comes."""

    def _deliver(self, pipes, thread, way):
        raise KeyboardInterrupt


@pytest.mark.parametrize(("way", "interval_ms", "streams"), EVERY)
def test_a_reader_whose_courier_fails_ends(way, interval_ms, streams):
    experiment, threads = BrokenCourier(), threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        experiment.attempt(way, interval_ms, streams)
    assert threading.active_count() == threads and not experiment.tries


class Robber(Experiment):
    """Its courier takes the reader's pipe away:

    a file that cannot be read stands under the same number.
    """

    def _deliver(self, pipes, thread, way):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, pipes[0][0])
        os.close(null)
        thread.join(10)
        return {}, 0, None


def test_an_error_in_the_reader_is_a_lesson(view):
    view.experiment, numbers = Robber(), sorted(os.listdir("/proc/self/fd"))
    view.way.value = "busy polling"
    view.attempt.click()
    assert "EBADF" in view.message.value and "this file descriptor is closed" in view.message.value
    assert sorted(os.listdir("/proc/self/fd")) == numbers and view.still[1] == EMPTY
    view.reset.click()
    assert view.message.value == ""
    view.attempt.click()
    assert "Try 1" in view.message.value


def test_too_many_open_files_is_a_lesson_and_leaks_nothing():
    program = """
import os, resource
from epollkit.explore import waiting
view = waiting()
numbers = sorted(os.listdir("/proc/self/fd"))
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
lowest = os.dup(0)
os.close(lowest)
view.streams.value, said = 2, []
for way, most in (("epoll", 4), ("busy polling", 3), ("blocking", 3)):
    view.way.value = way
    for room in range(most + 1):
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + room, hard))
        view.attempt.click()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        said.append("EMFILE" in view.message.value)
        assert sorted(os.listdir("/proc/self/fd")) == numbers
view.attempt.click()
assert "Try 1" in view.message.value, view.message.value
print(all(said), len(said))
view.close()
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.returncode) == ("True 13\n", 0), done.stderr


def test_the_page_before_the_first_try_is_the_same_every_time(view):
    other = waiting()
    assert view.still == other.still and other.still[1] == EMPTY == tell([])
    assert (
        "press Try" in view.list.value and "press Try" in view.still[1] and view.message.value == ""
    )
    other.close()


def test_each_try_is_said_listed_and_drawn(view):
    pictures = [view.picture.value]
    for way in WAYS:
        for streams in (1, 2):
            view.way.value, view.streams.value, view.interval.value = way, streams, 1
            view.attempt.click()
            one = view.experiment.tries[-1]
            assert (one.way, one.streams, one.interval_ms) == (
                way,
                streams,
                1 if way == "busy polling" else None,
            )
            assert f"<b>Try {one.number}</b>: {way}" in view.message.value
            assert f"waited <b>{in_words(one.delay_ns)}</b>" in view.message.value
            assert f" came after {in_words(min(one.waits_ns))}" in view.message.value
            assert ("found nothing" in view.message.value) == (way == "busy polling")
            assert ("sleeps in a read of stream 1" in view.message.value) == (
                way == "blocking" and streams == 2
            )
            assert view.still[1].splitlines()[-1].startswith(f"Try {one.number}: {way}")
            row = re.search("<tbody><tr>(.*?)</tr>", view.list.value)[1]
            assert re.findall("<td[^>]*>(.*?)</td>", row)[:5] == [
                str(one.number),
                {"busy polling": "busy 1 ms"}.get(way, way) + " ×2" * (streams == 2),
                " · ".join(map(in_words, one.waits_ns)),
                " · ".join(map(in_words, one.delays_ns)),
                f"{one.calls:,}",
            ]
            pictures.append(view.picture.value)
    assert len(set(pictures)) == 7
    view.reset.click()
    assert view.picture.value == pictures[0] and view.still[1] == EMPTY
    view.attempt.click()
    assert "<b>Try 1</b>" in view.message.value


def test_the_pause_is_for_busy_polling_only_and_says_so(view):
    assert view.interval.disabled
    for way in WAYS:
        view.way.value = way
        assert view.interval.disabled == (way != "busy polling")
        assert ("only busy polling pauses" in view.why.value) == view.interval.disabled


def test_what_is_not_shown_any_more_is_counted(view):
    view.experiment.tries.extend(invented(number) for number in range(1, KEPT + 1))
    view.experiment.made = KEPT
    view.attempt.click()
    assert f"the last {KEPT} of {KEPT + 1}" in view.list.value


def test_made_and_closed_often():
    with leaves_nothing():
        for number in range(ROUNDS):
            view = waiting()
            if number % 10 == 0:
                view.attempt.click()
            view.close()
            view.close()
            view.attempt.click()


def test_durations_in_words():
    assert list(
        map(in_words, (0, 95_300, 999_499, 999_500, 3_868_000, 9_949_999, 9_950_000, 118_808_000))
    ) == ["0 µs", "95 µs", "999 µs", "1.0 ms", "3.9 ms", "9.9 ms", "10 ms", "119 ms"]


def test_the_chart_of_tries_that_lie_anywhere():
    chance = random.Random(5)
    for _ in range(10):
        chart = Chart(
            [
                invented(
                    number,
                    way,
                    5 if way == "busy polling" else None,
                    chance.choice((1, 2)),
                    chance.choice((0, 1, 10**4, 10**5, 10**8, 3 * 10**9)),
                    chance.choice((0, 10**4, 10**9)),
                )
                for number, way in enumerate(chance.choices(WAYS, k=KEPT), 90)
            ]
        )
        assert nothing_overlaps(chart.canvas.figure) > 20


def test_tries_of_a_kind_that_lie_together_share_a_name():
    chart = Chart(
        [invented(1), invented(2), invented(3, streams=2), invented(4, delay_ns=10**8), invented(5)]
    )
    assert chart.names == [
        (("epoll", None, 1), [1, 2, 5]),
        (("epoll", None, 2), [3]),
        (("epoll", None, 1), [4]),
    ]


def test_the_newest_try_stands_first_in_the_list():
    assert re.findall("<tr><td[^>]*>(.*?)</td>", table([invented(1), invented(2)])) == ["2", "1"]
