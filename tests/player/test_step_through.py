"""step_through(log):

every moment is as the kernel said at that moment, and the page says the moment.
"""

import asyncio
import html
import os
import re
import select
import socket
from pathlib import Path

import pytest
from support import ROUNDS, half_a_second, leaves_nothing, thread, wait_until_asleep

import epollkit
from epollkit import linux, masks
from epollkit.explore import step_through
from epollkit.player.moments import Moments


@pytest.fixture
def view(request):
    made = step_through(two_threads())
    yield made
    made.close()


def two_threads():
    """Return a log in which B sleeps in poll four times, and is woken."""

    def reader():
        while any(os.read(r, 64) for r, _ in ep.poll()):
            pass

    with epollkit.record() as log:
        r, w = os.pipe()
        ep = select.epoll()
        ep.register(r, select.EPOLLIN)
        with thread(reader) as B:
            for parcel in (b"par", b"cel", b"and more"):
                wait_until_asleep(B, ep)
                os.write(w, parcel)
            wait_until_asleep(B, ep)
            os.close(w)
        ep.close()
        os.close(r)
    return log


def plain(text):
    """Return what HTML says, without tags."""
    return html.unescape(re.sub(r"<[^>]*>", "", text.replace("<h5>", " ").replace("</h5>", " ")))


def lit(view):
    """Return the numbers of the lines that are lit."""
    return [int(number) for number in re.findall(r"class=lit>▶ *(\d+)", view.sides.value)]


def cursor(view):
    """Return where the cursor begins and ends, as parts of the width of the image."""
    left, width = re.findall(r"(?:left|width): ([\d.]+)%", view.cursor.value)
    return float(left) / 100, (float(left) + float(width)) / 100


def test_every_moment_is_what_the_kernel_said():
    seen = {}

    def look(call):
        """Ask the kernel, after the call of that number; these questions are not recorded."""
        entries = (
            [(entry.number, entry.events) for entry in linux.interest_list(ep)]
            if call < 9
            else None
        )
        seen[call] = (
            entries,
            [linux.bytes_waiting(r), linux.bytes_waiting(b)] if call > 1 else [0, 0],
        )

    with epollkit.record() as log:
        ep = select.epoll()
        r, w = os.pipe()
        a, b = socket.socketpair()
        look(2)
        ep.register(r, select.EPOLLIN)
        look(3)
        ep.register(b, select.EPOLLIN | select.EPOLLONESHOT)
        look(4)
        os.write(w, b"parcel")
        look(5)
        a.send(b"12")
        look(6)
        ep.poll(0)
        look(7)
        os.read(r, 4)
        look(8)
        ep.close()
        look(9)
        b.recv(10)
        look(10)
        numbers = {"r": r, "b": b.fileno()}
        for one in (a, b):
            one.close()
        for one in (r, w):
            os.close(one)
    moments = Moments(log)
    assert moments.count == len(log)
    for call, (entries, levels) in seen.items():
        now = moments.at(call + 1)
        assert now.call == call
        told = [(numbers[name], mask) for _, rows in now.lists for name, mask in rows]
        assert sorted(told) == sorted(entries or [])
        assert len(now.lists) == (0 if entries is None else 1)
        assert [row[1] for row in now.levels if row[0] in ("w → r", "a → b")] == [
            f"{level} byte{'s' * (level != 1)}" for level in levels
        ]
    assert moments.at(8).returned == "ep.poll(0) → [(r, EPOLLIN), (b, EPOLLIN)]"
    assert dict(moments.at(8).lists[0][1])["b"] == masks.ONESHOT
    assert moments.at(len(log)).levels == moments.at(len(log)).lists == ()


def test_who_sleeps_in_which_call():
    moments = Moments(two_threads())
    asleep = {step: moments.at(step).asleep for step in range(1, moments.count + 1)}
    writes = [step for step in asleep if "os.write" in moments.at(step).happened]
    assert len(writes) == 3
    assert all(asleep[step] == (("B", "ep.poll()"),) for step in writes)
    reads = [step for step in asleep if "os.read" in moments.at(step).happened]
    assert len(reads) == 4 and not any(asleep[step] for step in reads)


def test_there_is_no_step_before_the_first_nor_after_the_last():
    moments = Moments(two_threads())
    for step in (0, -1, moments.count + 1):
        with pytest.raises(IndexError, match=f"steps 1 to {moments.count}"):
            moments.at(step)


def test_a_log_from_a_file_tells_the_same(tmp_path):
    log = two_threads()
    moments, loaded = Moments(log), Moments(epollkit.Log.load(log.save(tmp_path / "log.jsonl")))
    assert loaded.count == moments.count
    assert [loaded.at(step) for step in range(1, loaded.count + 1)] == [
        moments.at(step) for step in range(1, moments.count + 1)
    ]
    view = step_through(loaded.log)
    assert "while any(os.read" in plain(view.sides.value)
    view.close()


def test_the_page_shows_every_moment(view):
    source = Path(__file__).read_text(encoding="utf-8").splitlines()
    for slot in range(view.moments.count):
        view.slider.value = slot
        now = view.moment
        assert now == view.moments.at(slot + 1)
        assert f"step {now.step:,} of {view.moments.count}" in plain(view.where.value)
        assert lit(view) == [now.line]
        assert source[now.line - 1] in plain(view.sides.value)
        said = plain(view.sides.value)
        assert now.happened in said and now.returned in said
        for name, entries in now.lists:
            assert f"{name}: interest list" in said and (entries or "(empty)" in said)
        assert (" asleep " in said.partition("the kernel")[2]) == bool(now.asleep)
    assert view.message.value == ""


def test_the_cursor_stands_on_what_happens(view):
    """The box of the call that begins in a step, or ends in it, lies under the cursor."""
    plan, across = view.timeline.layout, view.timeline.across
    boxes = [(across(bar.left), across(bar.right)) for bar in plan.bars]
    for slot in range(view.moments.count):
        view.slider.value = slot
        left, right = cursor(view)
        assert 0 < left < right < 1
        assert any(left - 0.001 <= edge <= right + 0.001 for box in boxes for edge in box), slot
    assert cursor(view)[1] == pytest.approx(across(plan.place.width), abs=0.001)


def test_the_buttons(view):
    last = view.moments.count
    for button, step in (
        (view.last, last),
        (view.next, last),
        (view.previous, last - 1),
        (view.first, 1),
        (view.previous, 1),
        (view.next, 2),
    ):
        button.click()
        assert (view.moment.step, view.slider.value) == (step, step - 1)


def test_play(view):
    assert (
        (view.play.min, view.play.max)
        == (view.slider.min, view.slider.max)
        == (0, view.moments.count - 1)
    )
    assert [(link.source, link.target) for link in view.parts] == [
        ((view.play, "value"), (view.slider, "value"))
    ]
    for speed, interval in ((1, 1000), (10, 100), (4, 250)):
        view.speed.value = speed
        assert view.play.interval == interval


def test_one_call_is_a_recording():
    with epollkit.record() as log:
        ep = select.epoll()
    ep.close()
    view = step_through(log)
    assert view.slider.disabled and view.play.disabled and view.moment.step == 1
    for button in (view.next, view.last, view.previous, view.first):
        button.click()
        assert view.moment.step == 1 and view.message.value == ""
    view.close()


def test_an_empty_log_is_refused():
    with epollkit.record() as log:
        pass
    with pytest.raises(
        ValueError, match=r"make the calls inside the with epollkit\.record\(\) block"
    ):
        step_through(log)


def test_names_are_text_and_not_html():
    with epollkit.record() as log:
        r, w = os.pipe()
        with thread(lambda: os.write(w, b"x"), name="<b>&B"):
            pass
        os.close(r)
        os.close(w)
    view = step_through(log)
    view.slider.value = 1
    assert "thread &lt;b&gt;&amp;B" in view.where.value
    view.close()


async def echo_once(reader, writer):
    writer.write(await reader.readexactly(5))
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def echo_to(count):
    server = await asyncio.start_server(echo_once, "127.0.0.1")
    for _ in range(count):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        await writer.wait_closed()
    server.close()
    await server.wait_closed()


def test_an_asyncio_program():
    with epollkit.record() as log:
        asyncio.run(echo_to(3))
    view, said = step_through(log), ""
    for slot in range(view.slider.max + 1):
        view.slider.value = slot
        assert view.message.value == ""
        said += plain(view.sides.value)
    assert "interest list" in said and "EPOLLIN" in said and "asyncio.run(echo_to(3))" in said
    view.close()


def test_no_step_of_a_long_recording_takes_half_a_second():
    with epollkit.record() as log:
        r, w = os.pipe()
        ep = select.epoll()
        ep.register(r, select.EPOLLIN)
        for _ in range(10_000):
            os.write(w, b"x")
            ep.poll(0)
            os.read(r, 1)
        ep.close()
        os.close(r)
        os.close(w)
    view = step_through(log)
    for slot in (0, view.slider.max // 2, view.slider.max - 3, view.slider.max):
        with half_a_second(slot):
            view.slider.value = slot
        assert view.moment.step == view.steps[slot]
    assert view.moment.step == view.moments.count
    view.close()


def test_long_runs_are_crossed_in_the_strides_of_the_picture():
    """What the picture folds, the slider folds."""
    with epollkit.record() as log:
        r, w = os.pipe()
        for _ in range(3_000):
            os.write(w, b"x")
            os.read(r, 1)
        os.close(r)
        os.close(w)
    view = step_through(log)
    assert len(view.steps) == round(view.timeline.layout.place.width) == view.slider.max + 1
    assert (
        view.steps == sorted(view.steps)
        and view.steps[0] == 1
        and view.steps[-1] == view.moments.count
    )
    view.close()


def test_made_and_closed_often():
    log = two_threads()
    with leaves_nothing():
        for _ in range(ROUNDS):
            made = step_through(log)
            made.next.click()
            made.close()
            made.close()
            made.next.click()


def test_the_still_is_the_timeline(view):
    png, alt = view.still
    assert png.startswith(b"\x89PNG") and alt == view.moments.log.summary()
