"""scale(): what a run measures and says, how it is kept, and its page. How the curves run is measured
by tools/bench.py; here it is counted.
"""

import asyncio
import json
import os
import time

import pytest
from support import leaves_nothing, nothing_overlaps

import epollkit
from epollkit.explore import pipetest, scale
from epollkit.explore.scale import (
    LEAST,
    SAVED,
    WAYS,
    Chart,
    Points,
    Run,
    in_words,
    most_streams,
    points_up_to,
    time_passes,
    waits,
)


def test_a_run_measures_each_way_with_each_number_of_streams():
    with leaves_nothing():
        run = pipetest(30, 10, 20)
    assert set(run.us) == set(WAYS)
    assert all(list(costs) == [10, 20, 30] for costs in run.us.values())
    assert min(min(costs.values()) for costs in run.us.values()) > 0
    assert run.origin.startswith("Measured here: ") and run.remarks == ()
    assert in_words(run).startswith("With 10 streams ")


def test_select_ends_at_fd_setsize_and_says_so():
    if most_streams() < 1100:
        pytest.skip("this process may not have 2,200 file descriptors")
    run = pipetest(10, 300, 1100)
    assert {way: list(run.us[way])[-1] for way in WAYS} == {
        "select": 300,
        "poll": 1100,
        "epoll": 1100,
    }
    [remark] = run.remarks
    assert remark.startswith("select stops after 300 streams: filedescriptor out of range")
    assert remark in repr(run) and remark in in_words(run)
    nothing_overlaps(Chart(run).canvas.figure)


@pytest.mark.parametrize("number", [1, 0, -5, 10**9, 10.0, "10"])
def test_a_number_out_of_range_is_refused(number):
    with pytest.raises(ValueError, match="pass whole numbers from 2 to"):
        pipetest(10, number)


def test_no_number_at_all_is_refused():
    with pytest.raises(ValueError, match="got 0"):
        pipetest()


def test_a_run_that_is_ended_keeps_what_was_measured():
    run = pipetest(10, 20, is_enough=lambda points: all(points.us.values()))
    assert run.remarks[-1] == "The run was ended before its last point."
    assert all(run.us.values())
    with pytest.raises(RuntimeError, match="not one point was measured"):
        pipetest(10, is_enough=lambda points: True)


def test_what_each_way_hands_to_the_kernel():
    """The shape of the curves, counted: a whole list a call, or nothing."""
    size, passes = 40, 7
    with epollkit.record() as log:
        pipes = [os.pipe() for _ in range(size)]
        ways = waits(pipes)
        for way in WAYS:
            time_passes(ways[way], pipes, passes)
    del ways
    for ends in pipes:
        for end in ends:
            os.close(end)
    calls = {name: log.calls(name=name) for name in ("select.select", "poll.poll", "epoll.poll")}
    assert [len(some) for some in calls.values()] == [passes] * 3
    assert all(len(call.also) == size for call in calls["select.select"])
    assert all(len(call.also) == size for call in calls["poll.poll"])
    assert len(log.calls(name="epoll.register")) == size
    assert all(len(call.events) == 1 for call in calls["epoll.poll"])


def test_a_run_can_be_saved_and_loaded(tmp_path):
    run = pipetest(10, 20)
    loaded = Run.load(run.save(tmp_path / "run.json"))
    assert (loaded.us, loaded.machine, loaded.date) == (run.us, run.machine, run.date)
    assert loaded.origin.startswith("A saved run, not measured here: ")
    assert scale(tmp_path / "run.json").run_shown == loaded


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", json.dumps({"format": "epollkit scale 1", "us": {"poll": 3}})]
)
def test_what_is_no_run_is_refused(text, tmp_path):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match="holds no run"):
        Run.load(tmp_path / "run.json")


def test_the_saved_run_says_that_it_is_one():
    run = Run.load(SAVED)
    assert run.is_saved and min(run.us["epoll"]) == LEAST
    assert "Linux" in run.machine and "CPython" in run.machine and run.date[:2] == "20"
    with leaves_nothing():
        view = scale(saved=True)
        assert view.still[1].startswith("A saved run, not measured here: ")
        view.close()


def test_nothing_overlaps_in_the_charts():
    assert nothing_overlaps(Chart().canvas.figure) > 10
    assert nothing_overlaps(Chart(Run.load(SAVED)).canvas.figure) > 10


def test_points_go_up_to_the_last():
    assert points_up_to(10) == [10] and points_up_to(130) == [10, 20, 50, 100, 130]
    assert points_up_to(100) == [10, 20, 50, 100]


def test_half_a_line_is_read_when_it_is_whole(tmp_path):
    points, lines = Points(), tmp_path / "points"
    lines.write_text('[0, 10, "epoll", 2.5]\n[0, 20, "epo')
    points.read(tmp_path)
    assert points.us["epoll"] == {10: 2.5} and points.done == 1
    lines.write_text('[0, 10, "epoll", 2.5]\n[0, 20, "epoll", 2.0]\n[1, 10, "epoll", 2.2]\n')
    points.read(tmp_path)
    assert points.us["epoll"] == {10: 2.2, 20: 2.0}


# the page, on an event loop as in Jupyter


async def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_the_page_says_at_once_that_it_began_and_ends_with_a_run():
    async def play():
        view = scale()
        assert "Press Measure" in view.message.value and view.run_shown is None
        view.most.field.value = "30"
        view.measure.click()
        assert "Measuring, up to 30 streams" in view.message.value
        view.look.click()
        assert "A run is going on" in view.message.value
        await until(lambda: view.thread is None)
        assert list(view.run_shown.us["poll"]) == [10, 20, 30]
        assert "With 10 streams" in view.message.value
        view.stop.click()
        assert "No run is going on." in view.message.value
        assert view.still[1].startswith("Measured here: ")
        view.look.click()
        assert view.still[1].startswith("A saved run, not measured here: ")
        view.close()

    with leaves_nothing():
        asyncio.run(play())


def test_stop_ends_a_run():
    async def play():
        view = scale()
        view.most.field.value = f"{most_streams()}"
        view.measure.click()
        await until(lambda: view.run_shown)
        assert "% done" in view.message.value
        view.stop.click()
        await until(lambda: view.thread is None)
        assert "The run was ended before its last point." in view.message.value
        assert view.run_shown.us["epoll"]
        view.close()

    with leaves_nothing():
        asyncio.run(play())


def test_closing_the_page_ends_a_run():
    async def play():
        view = scale()
        view.measure.click()
        view.close()
        await asyncio.sleep(0)  # what the thread has still said is heard

    with leaves_nothing():
        asyncio.run(play())


@pytest.mark.parametrize("text", ["9", "0", "1e3", "", "10000000"])
def test_a_field_out_of_range_is_refused(text):
    with leaves_nothing():
        view = scale()
        view.most.field.value = text
        view.measure.click()
        assert "It must be a whole number from 10 to" in view.message.value
        assert view.run_shown is None
        view.close()
