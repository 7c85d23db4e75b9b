"""The picture, asked for its meaning:

what stands where, what is told, what runs into what.  Never for its pixels.
"""

import html
import os
import random
import select
import socket
import subprocess
import sys
from itertools import accumulate, pairwise
from types import SimpleNamespace

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.text import Text
from timeline_programs import (
    PROGRAMS,
    asyncio_echo,
    hand_over,
    many_calls,
    random_program,
    start,
    until_asleep,
)

import epollkit
from epollkit import Log
from epollkit.drawing import ink
from epollkit.drawing.axis import MOST_SLOTS, Time, duration, named
from epollkit.drawing.layout import MOST, layout
from epollkit.drawing.timeline import legend as legend_of

EVERY = [(program.__name__, axis) for program in PROGRAMS for axis in ("steps", "time")]


@pytest.fixture(scope="module", autouse=True)
def fonts():
    """Let matplotlib open its fonts: they stay open."""
    epollkit.timeline(hand_over()).png()


@pytest.fixture(scope="module")
def logs():
    """Every program, recorded once: name → log."""
    return {program.__name__: program() for program in PROGRAMS}


@pytest.fixture(scope="module")
def drawn(logs):
    """Every picture, drawn once: (name, axis) → Timeline."""
    return {(name, axis): epollkit.timeline(logs[name], axis=axis) for name, axis in EVERY}


def step(mark):
    """Return the step that a mark of a picture in steps stands at:

    slots are one wide, marks in the middle.
    """
    assert mark.x % 1 == 0.5
    return int(mark.x + 0.5)


def texts(timeline):
    return [text.get_text() for text in timeline.figure.findobj(Text) if text.get_text()]


# what stands where


def test_an_event_lies_on_the_row_of_its_stream_and_speaks_of_its_channel():
    with epollkit.record() as log:
        r, w = os.pipe()
        r2, w2 = os.pipe()
        ep = select.epoll()
        ep.register(r, select.EPOLLIN)
        ep.register(r2, select.EPOLLIN)
        os.write(w2, b"x")
        ep.poll()
        os.write(w, b"x")
        ep.poll()
    ep.close()
    for number in (r, w, r2, w2):
        os.close(number)
    timeline = epollkit.timeline(log)
    first, third = timeline.find("event"), timeline.find("event", 3)
    rows = {entry.what: entry for entry in timeline.layout.entries}
    assert first.lane is third.lane is timeline.find("ep")
    assert (first.y, first.target, step(first)) == (rows["r2: IN"].y, timeline.find("w2 → r2"), 7)
    at_the_end = {
        (mark.y, mark.target.name) for mark in timeline.layout.events if mark.x == third.x
    }
    assert at_the_end == {(rows["r: IN"].y, "w → r"), (rows["r2: IN"].y, "w2 → r2")}
    assert step(third) == 9 and first.what == third.what == "IN"
    assert rows["r: IN"].y != rows["r2: IN"].y


def test_events_for_writing_speak_of_the_direction_that_is_written(logs):
    plan = layout(logs["socketpair_filled"])
    with epollkit.record() as log:
        a, b = socket.socketpair()
        ep = select.epoll()
        ep.register(a, select.EPOLLIN | select.EPOLLOUT)
        a.send(b"there")
        b.send(b"and back")
        ep.poll(0)
        ep.modify(a, select.EPOLLOUT)
        ep.poll(0)
    a.close()
    b.close()
    ep.close()
    both, out = layout(log).events
    assert (both.what, both.target.name) == ("IN | OUT", "b → a")
    assert (out.what, out.target.name) == ("OUT", "a → b")
    assert [one.name for one in plan.lanes if one.kind == "channel"] == ["a → b"], (
        "nothing ever went back"
    )


@pytest.mark.parametrize(
    "name", ["ten_lines", "full_pipe", "tcp_conversation", "refusals", "eight_threads"]
)
def test_there_is_a_bar_for_each_call_and_it_stands_on_the_lane_of_its_thread(logs, name):
    log = logs[name]
    bars = layout(log).bars
    assert sorted(bar.call for bar in bars) == list(range(len(log)))
    for bar in bars:
        assert (bar.lane.kind, bar.lane.name) == ("thread", log[bar.call].thread.name)
        assert bar.word == log[bar.call].name.partition(".")[2]
        assert bar.left < bar.right


@pytest.mark.parametrize("name, axis", EVERY)
def test_bars_on_a_lane_do_not_overlap_and_are_asleep_exactly_where_the_log_says_so(
    logs, drawn, name, axis
):
    plan, log = drawn[name, axis].layout, logs[name]
    assert all(bar.asleep == bool(log.asleep[bar.call]) for bar in plan.bars)
    for one in plan.lanes:
        mine = sorted((bar.left, bar.right) for bar in plan.bars if bar.lane is one)
        if not one.name.startswith("+"):
            assert all(right <= left for (_, right), (left, _) in pairwise(mine))


def test_sleepers_are_hatched_and_nobody_else(drawn):
    timeline = drawn["full_pipe", "steps"]
    asleep = [bar for bar in timeline.layout.bars if bar.asleep]
    assert [(bar.lane.name, bar.word) for bar in asleep] == [("B", "poll"), ("A", "write")]
    hatched = [one for one in timeline.figure.findobj(PolyCollection) if one.get_hatch() == "/////"]
    assert sum(len(one.get_paths()) for one in hatched) == len(asleep) + 1, (
        "each sleeper, and the one in the legend"
    )
    solid = drawn["ten_lines", "steps"]
    assert not [one for one in solid.figure.findobj(PolyCollection) if one.get_hatch()]


def test_buffer_events_stand_in_order_at_the_steps_in_which_they_happened():
    plan = layout(hand_over())
    marks = [mark for mark in plan.buffer_events if mark.lane.name == "w → r"]
    assert [(mark.what, step(mark)) for mark in marks] == [("non-empty", 5), ("empty", 7)]
    area = next(area for area in plan.areas if area.lane.name == "w → r")
    assert marks[0].y == area.height(6) < marks[1].y == area.base


def test_the_story_of_the_full_pipe_is_in_its_picture(logs):
    plan = layout(logs["full_pipe"])
    whats = [mark.what for mark in sorted(plan.buffer_events, key=lambda mark: mark.x)]
    assert whats == ["non-empty", "empty", "non-empty", "full", "non-full", "empty"]
    (closed,) = plan.closes
    assert closed.what == "w closed" and logs["full_pipe"][closed.call].name == "os.close"
    full, asleep = (
        next(mark for mark in plan.buffer_events if mark.what == "full"),
        next(bar for bar in plan.bars if bar.asleep and bar.word == "write"),
    )
    assert asleep.left < full.x < asleep.right, (
        "the write that finds no room sleeps, and that is what full means"
    )
    (first, second, third) = plan.events
    assert (first.what, second.what, third.what) == ("IN", "IN | HUP", "HUP")
    assert first.x < closed.x < second.x


def test_a_poll_that_timed_out_ends_differently(logs):
    log = logs["timed_out"]
    waited, found = [bar for bar in layout(log).bars if bar.word == "poll"]
    assert (waited.ends, waited.asleep, waited.details[0]) == ("timed out", True, "timed out")
    assert (found.ends, found.asleep) == ("returned", False)
    last = [bar for bar in layout(logs["ten_lines"]).bars if bar.word == "poll"][-1]
    assert (last.ends, last.details[0]) == ("returned", "no event"), (
        "poll(0) does not wait, so it does not time out"
    )


def test_a_thick_line_ends_the_bar_of_a_poll_that_timed_out(drawn):
    def thick(name):
        lines = [
            one
            for one in drawn[name, "steps"].figure.findobj(LineCollection)
            if set(one.get_linewidths()) == {2.2}
        ]
        return [segment[:, 0] for one in lines for segment in one.get_segments()]

    timeline = drawn["timed_out", "steps"]
    (bar,) = [bar for bar in timeline.layout.bars if bar.ends == "timed out"]
    in_the_legend, at_the_bar = sorted(
        thick("timed_out"),
        key=lambda xs: xs[0] != pytest.approx(bar.right / timeline.layout.place.width * ink.ROOM),
        reverse=True,
    )
    assert at_the_bar == pytest.approx([bar.right / timeline.layout.place.width * ink.ROOM] * 2)
    assert thick("ten_lines") == []


def test_calls_that_were_refused_failed_or_never_came_back(logs):
    ends = [
        (bar.word, bar.ends, bar.details[:1])
        for bar in layout(logs["refusals"]).bars
        if bar.ends != "returned"
    ]
    assert ends == [
        ("read", "refused", ("EAGAIN",)),
        ("write", "failed", ("EPIPE",)),
        ("read", "failed", ("EBADF",)),
        ("register", "failed", ("EEXIST",)),
        ("unregister", "failed", ("ENOENT",)),
        ("write", "refused", ("EAGAIN",)),
    ]
    plan = layout(logs["still_asleep"])
    open_bars = [bar for bar in plan.bars if bar.ends == "open"]
    assert [bar.lane.name for bar in open_bars] == ["reader", "poller"]
    assert all(bar.right == plan.place.width for bar in open_bars)


def test_a_registration_lasts_until_the_last_number_of_its_stream_is_closed(logs):
    log = logs["dup_ghost"]
    (entry,) = layout(log).entries
    closes = [call.index for call in log.calls("os.close")]
    assert entry.what == "r: IN"
    assert (
        entry.right == layout(log).place.returned[closes[1]] > layout(log).place.returned[closes[0]]
    )


def test_modify_starts_a_new_line_and_unregister_ends_one(logs):
    log = logs["socketpair_filled"]
    plan = layout(log)
    calls = {call.name: plan.place.returned[call.index] for call in log}
    first, second, other = plan.entries
    assert (first.what, second.what, other.what) == ("a: IN | OUT", "a: OUT", "b: IN | RDHUP")
    assert (
        first.right == second.left == calls["epoll.modify"]
        and second.right == calls["epoll.unregister"]
    )
    assert first.y == second.y != other.y and other.right == plan.place.width


def test_a_one_shot_entry_that_fired_is_disabled_until_it_is_modified(logs):
    plan = layout(logs["one_shot"])
    assert [(entry.what, entry.disabled) for entry in plan.entries] == [
        ("r: IN | ONESHOT", False),
        ("disabled", True),
        ("r: IN | ONESHOT", False),
        ("disabled", True),
    ]
    assert [entry.left for entry in plan.entries[1::2]] == [mark.x for mark in plan.events]


def test_an_epoll_inside_another_is_the_lane_that_its_events_speak_of(logs):
    plan = layout(logs["epoll_in_epoll"])
    outer, inner = sorted(plan.events, key=lambda mark: mark.x)
    assert (outer.lane.name, outer.target.name) == ("outer", "inner")
    assert (inner.lane.name, inner.target.name) == ("inner", "w → r")
    assert outer.tie[1] == outer.target.bottom < outer.tie[0] < outer.y, "tied upwards"
    assert inner.tie[1] > inner.target.top > inner.tie[0] > inner.y, "tied downwards"


def test_closing_a_reader_says_what_was_discarded(logs):
    assert [mark.what for mark in layout(logs["discarded"]).closes] == [
        "r closed, 10 B discarded",
        "w closed",
    ]


def test_bytes_that_moved_out_of_sight_are_marked(logs):
    (mark,) = layout(logs["moved_elsewhere"]).elsewhere
    assert mark.what == "1 B came from elsewhere" and mark.lane.name == "w → r"


def test_not_writable_and_refused_are_two_things(logs):
    plan = layout(logs["byte_by_byte"])
    (stopped,), full = (
        plan.not_writable,
        next(mark for mark in plan.buffer_events if mark.what == "full"),
    )
    area = next(area for area in plan.areas if area.unit == "bytes")
    assert stopped.lane is full.lane and stopped.x < full.x
    assert area.level([full.x])[0] - area.level([stopped.x])[0] == 4095
    assert [mark.what for mark in plan.buffer_events] == ["non-empty", "full", "non-full"]
    assert not layout(logs["socketpair_filled"]).not_writable, "full already says it"


def test_a_count_and_connections_are_levels_too(logs):
    (area,) = layout(logs["eventfd_counts"]).areas
    assert (area.unit, area.peak, area.lane.note) == ("count", 7, "eventfd")
    waiting = [
        area for area in layout(logs["tcp_conversation"]).areas if area.unit == "connections"
    ]
    assert [(area.lane.name, area.peak) for area in waiting] == [("listener", 1)]


def test_a_lane_begins_where_its_stream_was_opened(logs):
    log = logs["three_pipes"]
    plan = layout(log)
    opened = [plan.place.returned[call.index] for call in log.calls("os.pipe")]
    assert [area.xs[0] for area in plan.areas] == opened


# the two axes


def test_the_picture_in_steps_is_the_same_on_every_run():
    def numbers(log):
        plan = layout(log)
        return (
            plan.lanes,
            plan.bars,
            plan.events,
            plan.buffer_events,
            plan.closes,
            plan.entries,
            plan.height,
        )

    assert numbers(hand_over()) == numbers(hand_over()) == numbers(hand_over())


def test_time_goes_from_left_to_right_and_long_gaps_are_folded(logs):
    log = logs["timed_out"]
    place = layout(log, "time").place
    moments = sorted({time for call in log for time in (call.start_ns, call.end_ns)})
    xs = place.x(moments)
    assert all(a < b for a, b in pairwise(xs))
    widest = max(range(len(moments) - 1), key=lambda i: moments[i + 1] - moments[i])
    assert (xs[widest], xs[widest + 1]) in [(left, right) for left, right, _ in place.folds], (
        "the 30 ms of waiting"
    )
    assert place.folds[-1][2].endswith(" ms") and "folded" in place.label
    assert len(place.folds) <= len(moments) // 4
    left_of_ticks = [x for x, _ in place.ticks]
    assert left_of_ticks == sorted(left_of_ticks) and all(
        0 <= x <= place.width for x in left_of_ticks
    )
    for left, right, _ in place.folds:
        assert not any(left < x < right for x in left_of_ticks)


def test_what_is_short_is_not_folded(logs):
    for name in ("ten_lines", "socketpair_filled", "calls_60"):
        assert not layout(logs[name]).place.folds
    assert not layout(many_calls(2), "time").place.folds, "of three gaps none is long"


def test_a_long_run_of_the_same_call_is_one_bar(logs):
    log = logs["busy_polling"]
    plan = layout(log)
    assert [(bar.word, bar.count, bar.ends) for bar in plan.bars] == [
        ("pipe2", 1, "returned"),
        ("read", 1, "refused"),
        ("read", 1998, "refused"),
        ("read", 1, "refused"),
        ("write", 1, "returned"),
        ("read", 1, "returned"),
    ]
    (left, right, said), folded = plan.place.folds[0], plan.bars[2]
    assert not plan.is_dense and said == "1,998 steps"
    assert (left, right) == pytest.approx((folded.left, folded.right), abs=0.01)
    assert sum(bar.count for bar in plan.bars) == len(log)
    assert plan.place.x([len(log) - 1])[0] == plan.place.width - 0.5
    numbers = [number for _, number in plan.place.ticks]
    assert numbers[:2] == ["1", "2"] and numbers[-1] == f"{len(log):,}"


def test_polls_are_not_folded_a_wall_of_events_is_meant_to_be_seen(logs):
    plan = layout(logs["wall_of_events"])
    assert not plan.place.folds and len(plan.events) == 500 and plan.is_dense


def test_more_calls_than_names_have_room_for_become_rows_and_the_picture_says_so(drawn):
    for name, dense in (("calls_60", False), ("calls_120", True), ("calls_1000", True)):
        timeline = drawn[name, "steps"]
        assert timeline.layout.is_dense is dense is (len(timeline.log) > MOST_SLOTS)
        said = texts(timeline)
        assert any("each column of pixels shows" in text for text in said) is dense
        if dense:
            assert {"write", "read", "other"} <= {text.split()[0] for text in said}
            number = len(timeline.log.calls("os.write"))
            assert f"write {number:,}" in said


@pytest.mark.parametrize(
    "gaps, folded",
    [
        ([1, 1, 1, 1, 100, 1, 1, 1], {100}),
        ([1] * 8 + [100, 90], {100, 90}),
        ([1] * 9 + [10], {10}),
        ([1] * 9 + [8], set()),
        ([1, 2, 4, 8, 16, 32, 64, 128], {128, 64}),
        ([7] * 20, set()),
        ([1, 1000], set()),
        ([], set()),
    ],
)
def test_a_gap_is_long_beside_all_those_that_are_not_folded(gaps, folded):
    times = [0, *accumulate(gaps)]
    place = Time(SimpleNamespace(columns=lambda: {"start_ns": times, "end_ns": times}, flows=[]))
    assert {int(text.split()[0]) for _, _, text in place.folds} == folded


@pytest.mark.parametrize(
    "ns, step_ns, spelled",
    [
        (0, None, "0 ns"),
        (999, None, "999 ns"),
        (1500, None, "1.5 µs"),
        (1_719_400, None, "1.72 ms"),
        (3_000_000_000, None, "3 s"),
        (12_345_678_900_000, None, "12,300 s"),
        (1_000_200_000, 100_000, "1.0002 s"),
        (2_000_000, 500_000, "2.0 ms"),
        (2_000_000, 1_000_000, "2 ms"),
    ],
)
def test_durations(ns, step_ns, spelled):
    assert duration(ns, step_ns) == spelled


# what is shown, and what is not


def test_streams_and_threads_can_be_picked(logs):
    log = logs["three_pipes"]
    picked = layout(log, streams="r2")
    assert [one.name for one in picked.lanes] == ["MainThread", "ep", "w2 → r2"]
    assert {entry.what for entry in picked.entries} == {"r2: IN"}
    assert {mark.what for mark in picked.events} == {"IN", "HUP"}
    assert [
        one.name
        for one in layout(log, streams=[log.find("w1"), "r3"]).lanes
        if one.kind == "channel"
    ] == ["w1 → r1", "w3 → r3"]
    aside = {
        log[bar.call].stream.name
        for bar in picked.bars
        if bar.aside and log[bar.call].stream is not None
    }
    assert aside == {"r1", "w1", "r3", "w3"}, "calls on other streams are only hinted at"
    assert all(not bar.details for bar in picked.bars if bar.aside)

    whole = layout(log, streams="ep")
    assert [one.name for one in whole.lanes] == ["MainThread", "ep"] and len(whole.entries) == 3
    log = logs["eight_threads"]
    two = layout(log, threads=["reader 3", log.threads[0]])
    assert [one.name for one in two.lanes if one.kind == "thread"] == ["MainThread", "reader 3"]
    assert {bar.lane.name for bar in two.bars} == {"MainThread", "reader 3"}


@pytest.mark.parametrize(
    "asked, complaint",
    [
        ({"streams": "nonsense"}, "no stream is called 'nonsense'; this log knows r, w, ep"),
        ({"threads": "nobody"}, "no thread is called nobody; this log knows MainThread"),
        ({"axis": "parsecs"}, "axis is 'steps' or 'time', got 'parsecs'"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_ones(logs, asked, complaint):
    with pytest.raises(ValueError, match=complaint):
        epollkit.timeline(logs["ten_lines"], **asked)


def test_an_empty_log_says_what_to_do():
    with epollkit.record() as log:
        pass
    with pytest.raises(ValueError, match=r"holds no calls.*inside the with epollkit.record"):
        epollkit.timeline(log)


def test_at_most_twelve_channels_have_a_lane_and_the_rest_share_one_that_shows_what_happened(logs):
    log = logs["asyncio_fifty"]
    plan = layout(log)
    flows = {one.name for one in plan.lanes if one.kind == "channel"}
    (rest,) = [name for name in flows if name.startswith("+")]
    channels = {frozenset(name.split(" → ")) for name in flows - {rest}}
    assert len(channels) == MOST["channel"] and rest == "+39 channels"
    area = next(area for area in plan.areas if area.lane.name == rest)
    assert area.peak == 39 * 11 and area.levels[-1] == 0, (
        "39 greetings of 11 bytes wait at once, then none"
    )
    shown = {name for channel in channels for name in channel}
    on_the_rest = [
        call
        for call in log
        if call.stream is not None and call.stream.name not in shown and not call.stream.internal
    ]
    assert len(plan.rest) == len(on_the_rest) > 300
    assert sum(mark.target is not None and mark.target.name == rest for mark in plan.events) > 39


def test_what_is_used_is_shown_before_what_is_idle(logs):
    plan = layout(logs["too_many_of_everything"])
    names = [one.name for one in plan.lanes]
    assert names[12:] == [
        "+9 threads",
        "epoll 1",
        "+8 epolls",
        "pipe 30 write end → pipe 30 read end",
        "+29 channels",
    ]
    (entry,) = plan.entries
    assert entry.what == "pipe 30 read end: IN"
    together = next(area for area in plan.areas if area.unit == "entries")
    assert together.peak == 29 and "29 more registered" in texts(
        epollkit.timeline(logs["too_many_of_everything"])
    )


def test_what_libraries_make_for_themselves_is_hidden_unless_asked_for():
    log = asyncio_echo(1)
    names = {one.name for one in log.streams if one.internal}
    plan = layout(log)
    assert names == {"socketpair 1 a", "socketpair 1 b"}
    assert not any(name in one.name for one in plan.lanes for name in names)
    assert not any(entry.what.startswith("socketpair") for entry in plan.entries)
    hinted = [log[bar.call] for bar in plan.bars if bar.aside]
    assert {call.name for call in hinted} >= {
        "socket.socketpair",
        "socket.setblocking",
        "socket.close",
    }
    assert not any(
        call.name in ("socket.send", "socket.accept", "socket.connect") for call in hinted
    )
    asked = layout(log, streams="socketpair 1 a")
    assert any(entry.what.startswith("socketpair 1 a") for entry in asked.entries)


def test_setblocking_in_a_line_of_the_program_itself_is_a_call_like_any_other(logs):
    own = [bar for bar in layout(logs["socketpair_filled"]).bars if bar.word == "setblocking"]
    assert len(own) == 2 and not any(bar.aside for bar in own)


def test_an_unused_channel_says_so(logs):
    assert [one.note for one in layout(logs["still_asleep"]).lanes if one.kind == "channel"] == [
        "pipe, empty"
    ] * 2
    (alone,) = [one for one in layout(logs["one_call"]).lanes if one.kind == "epoll"]
    assert alone.note == "nothing registered"


# the page


@pytest.mark.parametrize("name, axis", EVERY)
def test_no_text_runs_into_another_or_over_the_edge(drawn, name, axis):
    figure = drawn[name, axis].figure
    figure.set_dpi(150)
    renderer = FigureCanvasAgg(figure).get_renderer()
    width, height = (size * 150 for size in figure.get_size_inches())
    boxes = [
        (text.get_text(), text.get_window_extent(renderer))
        for text in figure.findobj(Text)
        if text.get_text()
    ]
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 6
    assert width == ink.WIDTH * 150 and height < 2600
    for at, (text, box) in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, (
            f"{text!r} is cut off"
        )
        for other, there in boxes[at + 1 :]:
            across = min(box.x1, there.x1) - max(box.x0, there.x0)
            down = min(box.y1, there.y1) - max(box.y0, there.y0)
            assert min(across, down) < 0.5, f"{text!r} runs into {other!r}"


@pytest.mark.parametrize("name, axis", EVERY)
def test_everything_lies_on_the_page(drawn, name, axis):
    plan = drawn[name, axis].layout
    width = plan.place.width
    for mark in (
        *plan.events,
        *plan.buffer_events,
        *plan.not_writable,
        *plan.closes,
        *plan.elsewhere,
    ):
        assert 0 <= mark.x <= width and mark.lane.top <= mark.y <= mark.lane.bottom
    for one in (*plan.bars, *plan.entries):
        assert 0 <= one.left <= one.right <= width
    for area in plan.areas:
        assert area.lane.top < area.top < area.base < area.lane.bottom and list(area.xs) == sorted(
            area.xs
        )
    for above, below in pairwise(plan.lanes):
        assert above.bottom <= below.top
    assert plan.lanes[-1].bottom <= plan.height


@pytest.mark.parametrize("name, axis", EVERY)
def test_the_legend_explains_what_is_shown_and_nothing_else(drawn, name, axis):
    timeline = drawn[name, axis]
    plan, said = timeline.layout, texts(timeline)
    bars = plan.bars
    expected = {
        "in the call": any(not bar.asleep for bar in bars),
        "asleep in it": any(bar.asleep for bar in bars),
        "refused or failed": any(bar.ends in ("refused", "failed") for bar in bars),
        "still in the call": any(bar.ends == "open" for bar in bars),
        "registered": bool(plan.entries),
        "event from poll": bool(plan.events),
        "buffer event": bool(plan.buffer_events),
        "not writable": bool(plan.not_writable),
        "moved elsewhere": bool(plan.elsewhere),
        "folded": bool(plan.place.folds),
        "other call": any(bar.aside for bar in bars) and not plan.is_dense,
        "call on one of them": bool(plan.rest),
    }
    legend = [text for row in legend_of(plan) for _, _, text in row]
    assert {text for text in legend if text in expected} == {
        text for text, is_there in expected.items() if is_there
    }
    assert set(legend) <= set(said)
    assert any(text.startswith("closed") for text in legend) == bool(plan.closes)
    assert any("waiting" in text or text == "count" for text in legend) == any(
        area.peak and area.unit != "entries" for area in plan.areas
    )


def test_a_long_legend_has_more_rows(logs, monkeypatch):
    plan = layout(logs["full_pipe"])
    (whole,) = legend_of(plan)
    monkeypatch.setattr(ink, "ROOM", 3.0)
    rows = legend_of(plan)
    assert len(rows) > 2 and [one[1:] for row in rows for one in row] == [one[1:] for one in whole]
    for row in rows:
        assert (
            row[0][0] == 0
            and row[-1][0] + 0.25 + ink.measure(row[-1][2], 7.5)[0] <= 3.0 + ink.RIGHT
        )


@pytest.mark.parametrize(
    "name",
    [
        "ten_lines",
        "full_pipe",
        "socketpair_filled",
        "one_shot",
        "dup_ghost",
        "three_pipes",
        "epoll_in_epoll",
        "discarded",
        "byte_by_byte",
        "refusals",
    ],
)
def test_in_a_small_picture_everything_has_its_name(drawn, name):
    timeline = drawn[name, "steps"]
    plan, said = timeline.layout, texts(timeline)
    for _, _, what in (
        *named(plan.events),
        *named(plan.buffer_events + plan.not_writable),
        *named(plan.entries),
    ):
        assert what in said
    for mark in plan.closes:
        assert mark.what in said


def test_of_many_alike_the_first_is_named(drawn):
    timeline = drawn["calls_60", "steps"]
    whats = [mark.what for mark in timeline.layout.buffer_events]
    assert whats.count("non-empty") == 15 and texts(timeline).count("non-empty") == 1


def test_levels_are_written_on_their_plateaus(drawn):
    said = texts(drawn["ten_lines", "steps"])
    assert said.count("6 B") == 1 and said.count("2 × 6 B") == 1 and said.count("12 B") == 2


def test_names_that_mean_something_to_a_drawing_library_or_a_page_are_only_names(drawn, logs):
    timeline = drawn["strange_names", "steps"]
    said = texts(timeline)
    assert "$x^{$" in said and "two lines" in said
    assert "<b>" not in timeline._repr_mimebundle_()["text/html"]


def test_characters_without_a_font_are_boxes_and_the_page_says_so(drawn, logs, monkeypatch):
    def forget():
        for cached in (ink._fonts, ink._advance):
            cached.cache_clear()

    forget()
    monkeypatch.setattr(ink, "fontManager", type("Fonts", (), {"ttflist": []}))
    timeline = epollkit.timeline(logs["chinese_names"])
    assert "□□ → □□" in texts(timeline)
    said = timeline._repr_mimebundle_()["text/html"]
    assert "Boxes stand for characters that no font here has, in 线程乙, 读端, 写端, 轮询;" in said
    assert "Boxes stand" not in drawn["ten_lines", "steps"]._repr_mimebundle_()["text/html"]
    monkeypatch.undo()
    forget()


# the timeline as an object


def test_it_shows_itself_as_an_image_with_the_story_as_alternative_text(drawn, logs):
    timeline = drawn["refusals", "steps"]
    shown = timeline._repr_mimebundle_()
    assert shown["text/plain"] == repr(timeline) == logs["refusals"].summary()
    alt = html.escape(logs["refusals"].summary(), quote=True)
    assert shown["text/html"].count(f'<img alt="{alt}" width="960"') == 1
    assert "min-width: 720px" in shown["text/html"]  # it can be read, and its box scrolls
    assert "data:image/png;base64,iVBORw0KGgo" in shown["text/html"]
    assert timeline.png()[:8] == b"\x89PNG\r\n\x1a\n"
    assert set(shown) == {"text/html", "text/plain"}


def test_what_was_not_seen_stands_under_the_picture(drawn, logs):
    (limit,) = logs["moved_elsewhere"].limits()
    below = (
        drawn["moved_elsewhere", "steps"]
        ._repr_mimebundle_()["text/html"]
        .partition("png;base64,")[2]
    )
    assert f"<p>Not seen: {html.escape(limit)}</p>" in below
    assert "<p>" not in drawn["ten_lines", "steps"]._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize("name", ["full_pipe", "busy_polling", "moved_elsewhere"])
def test_a_log_from_a_file_gives_the_same_picture_and_the_same_story(drawn, logs, tmp_path, name):
    again = Log.load(logs[name].save(tmp_path / "log.jsonl"))
    for axis in ("steps", "time"):
        assert epollkit.timeline(again, axis=axis).png() == drawn[name, axis].png()
    assert again.summary() == logs[name].summary()


def test_its_parts_can_be_asked_for(drawn):
    timeline = drawn["full_pipe", "steps"]
    assert (
        timeline.find("full").what == "full"
        and timeline.find("non-empty", 2).x > timeline.find("non-empty").x
    )
    assert timeline.find("w → r").kind == "channel" and timeline.find("bar").word == "pipe"
    assert timeline.find("close").what == "w closed" and timeline.find("entry").what == "r: IN"
    with pytest.raises(ValueError, match="has 3 parts called 'event', there is no number 4"):
        timeline.find("event", 4)
    with pytest.raises(ValueError, match="has 0 parts called 'nonsense'"):
        timeline.find("nonsense")


def test_a_cursor_can_find_its_place(drawn):
    timeline = drawn["ten_lines", "steps"]
    width = timeline.layout.place.width
    assert 0 < timeline.across(0) < timeline.across(width / 2) < timeline.across(width) < 1
    figure = timeline.figure
    bar = timeline.find("bar", 3)
    (axes,) = figure.axes
    (name,) = [text for text in axes.texts if text.get_text() == "register"]
    centre = axes.transData.transform(name.get_position())[0] / (
        figure.get_size_inches()[0] * figure.dpi
    )
    assert centre == pytest.approx(timeline.across((bar.left + bar.right) / 2))


def test_a_title_and_a_file(logs, tmp_path):
    timeline = epollkit.timeline(logs["ten_lines"], title="Ten lines, $two writes$")
    assert "Ten lines, $two writes$" in texts(timeline)
    plain = epollkit.timeline(logs["ten_lines"])
    assert timeline.figure.get_size_inches()[1] > plain.figure.get_size_inches()[1]
    for ending, begins in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")):
        plain.save(tmp_path / f"picture.{ending}")
        assert (tmp_path / f"picture.{ending}").read_bytes().startswith(begins)


def test_the_first_picture_of_a_process_needs_no_pyplot_and_prints_nothing():
    program = """if True:
        import os, sys, epollkit
        assert "matplotlib" not in sys.modules and "numpy" not in sys.modules
        with epollkit.record() as log:
            r, w = os.pipe()
            os.write(w, b"x")
        log.summary()
        assert "numpy" not in sys.modules, "words need no numbers"
        epollkit.timeline(log).png()
        assert "matplotlib.pyplot" not in sys.modules
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# whatever is in a log


@pytest.mark.parametrize("seed", range(8))
def test_a_random_program_can_be_drawn(seed, tmp_path):
    log = random_program(random.Random(seed))
    for axis in ("steps", "time"):
        timeline = epollkit.timeline(log, axis=axis)
        plan = timeline.layout
        assert sum(bar.count for bar in plan.bars) == len(log)
        assert {bar.lane.kind for bar in plan.bars} == {"thread"}
        assert all(mark.lane.kind == "epoll" for mark in plan.events)
        assert texts(timeline)
    assert len(log.summary(most=1000).splitlines()) > 1
    assert layout(Log.load(log.save(tmp_path / "log")), "time").height == plan.height


@pytest.mark.parametrize("seed", range(4))
def test_a_part_of_a_log_can_be_drawn(logs, seed, tmp_path):
    """A log that somebody cut:

    some calls never came back, though others of their thread followed.
    """
    chance = random.Random(seed)
    log = Log.load(
        logs[chance.choice(["asyncio_five", "three_pipes", "tcp_conversation"])].save(
            tmp_path / "log"
        )
    )
    columns = log.columns()
    for call in chance.sample(range(len(log)), 6):
        columns["end_ns"][call] = -1
        columns["result"][call] = None
    for axis in ("steps", "time"):
        assert texts(epollkit.timeline(log, axis=axis))
    assert log.summary()


def test_a_clock_that_stands_still_gives_a_picture():
    with epollkit.record(clock=lambda: 5) as log:
        r, w = os.pipe()
        os.write(w, b"x")
        os.read(r, 1)
    os.close(r)
    os.close(w)
    for axis in ("steps", "time"):
        assert epollkit.timeline(log, axis=axis).png()


def test_a_call_that_lasts_the_whole_recording_gives_a_picture():
    r, w = os.pipe()
    thread = None
    with epollkit.record(r, w) as log:
        thread = start("reader", lambda: os.read(r, 1))
        until_asleep(thread, r)
    os.write(w, b"x")
    thread.join()
    os.close(r)
    os.close(w)
    for axis in ("steps", "time"):
        (bar,) = epollkit.timeline(log, axis=axis).layout.bars
        assert (bar.ends, bar.asleep) == ("open", True)
        assert epollkit.timeline(log, axis=axis).png()


@pytest.mark.parametrize("call", [0, 3, 7])
def test_a_marked_call_has_a_frame_around_it_and_no_other_has(logs, call):
    drawn, plain = (epollkit.timeline(logs["ten_lines"], mark=mark) for mark in (call, None))
    before, after = (
        [
            path.get_extents()
            for one in timeline.figure.axes[0].collections
            if isinstance(one, PolyCollection)
            for path in one.get_paths()
        ]
        for timeline in (plain, drawn)
    )
    assert len(after) == len(before) + 1
    bar = next(bar for bar in drawn.layout.bars if bar.call == call)
    scale = ink.ROOM / drawn.layout.place.width
    assert 0 < bar.left * scale - after[-1].x0 < 0.1 and 0 < after[-1].x1 - bar.right * scale < 0.1
    assert after[-1].y0 < bar.lane.top + 0.32 < after[-1].y1


def test_a_call_that_is_not_there_cannot_be_marked(logs):
    log = logs["ten_lines"]
    for call in (-1, len(log)):
        with pytest.raises(ValueError, match=f"0 to {len(log) - 1}, there is no call {call}"):
            epollkit.timeline(log, mark=call)


def test_events_that_came_at_once_have_a_dotted_line_each():
    with epollkit.record() as log:
        r, w = os.pipe()
        a, b = socket.socketpair()
        with select.epoll() as ep:
            ep.register(r, select.EPOLLIN)
            ep.register(b, select.EPOLLIN)
            os.write(w, b"x")
            a.send(b"y")
            assert len(ep.poll()) == 2
        for end in (a, b):
            end.close()
        os.close(r)
        os.close(w)
    events = layout(log).events
    beside = ink.apart(events)
    assert len({mark.x for mark in events}) == 1 and len(set(beside.values())) == 2
    assert {id(mark) for mark in events} == beside.keys() and sum(beside.values()) == 0


def test_of_too_many_lanes_those_with_names_of_the_programs_own_stand_first():
    with epollkit.record() as log:
        others = [os.pipe() for _ in range(14)]
        for _, end in others:
            os.write(end, b"x")
        named_r, named_w = os.pipe()
        os.write(named_w, b"x")
        for ends in (*others, (named_r, named_w)):
            for end in ends:
                os.close(end)
    lanes = [lane.name for lane in layout(log).lanes if lane.kind == "channel"]
    assert "named_w → named_r" in lanes and len(lanes) == MOST["channel"] + 1


def test_how_an_entry_behaves_is_shown_on_it():
    with epollkit.record() as log:
        r, w = os.pipe()
        with select.epoll() as ep:
            ep.register(r, select.EPOLLIN | select.EPOLLET | select.EPOLLONESHOT)
        os.close(r)
        os.close(w)
    assert "r: IN | ONESHOT | ET" in texts(epollkit.timeline(log))
