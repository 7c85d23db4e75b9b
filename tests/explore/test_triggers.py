"""Three registrations side by side: what the explorable says is what the kernel does."""

import os
import re
import select

import pytest
from support import ROUNDS, busy_cores, leaves_nothing, nothing_overlaps, run_apart

from epollkit import linux
from epollkit.explore import triggers
from epollkit.explore.triggers import (
    ASKS,
    READS,
    REGISTRATIONS,
    SHOWN,
    Drawing,
    Trial,
    cards,
    in_words,
    verdict,
)
from epollkit.masks import ALWAYS, IN, ONESHOT

NAMES = ["level-triggered", "edge-triggered", "one-shot"]


@pytest.fixture(params=["pipe", "unix"])
def trial(request):
    made = Trial()
    made.open(request.param)
    yield made
    made.close()


@pytest.fixture
def view():
    made = triggers()
    yield made
    made.close()


def marks(moments):
    return [moment.mark for moment in moments]


def waiting(trial):
    return [linux.bytes_waiting(one.reader) for one in trial.registrations]


def said(view):
    """Return the text of the three panels."""
    return [
        re.sub(r"<[^>]*>", " ", part)
        for part in view.cards.value.split('<div class="epollkit-panel">')[1:]
    ]


def test_each_is_registered_in_an_epoll_of_its_own(trial):
    assert [one.name for one in trial.registrations] == NAMES == [name for name, _ in REGISTRATIONS]
    for one, (_, asked) in zip(trial.registrations, REGISTRATIONS, strict=True):
        (entry,) = linux.interest_list(one.epoll)
        assert (entry.number, entry.events) == (one.reader, asked | ALWAYS)
        assert linux.identity(one.reader).nonblocking
    assert len({one.epoll.fileno() for one in trial.registrations}) == 3


def test_half_is_read_and_only_the_level_is_told_again(trial):
    assert [moment.moved for moment in trial.arrive(6)] == waiting(trial) == [6, 6, 6]
    first, second, third = trial.ask(3), trial.ask(3), trial.ask(3)
    assert [marks(first), marks(second), marks(third)] == [
        ["told"] * 3,
        ["told", "deaf", "disabled"],
        ["silent", "deaf", "disabled"],
    ]
    assert waiting(trial) == [0, 3, 3]
    assert [moment.is_again for moment in second] == [True] * 3
    assert verdict(second[0]) == "told again, for bytes that were left: nothing is left"
    assert verdict(second[1]) == "deaf: 3 bytes wait, and nothing new has come"
    assert verdict(third[2]) == "disabled: 3 bytes wait; re-arm it with modify"
    assert (
        linux.interest_list(trial.registrations[2].epoll)[0].events == ONESHOT == third[2].masks[1]
    )


def test_new_bytes_wake_the_edge_and_not_the_one_shot(trial):
    trial.arrive(2)
    trial.ask(1)
    assert marks(trial.ask(0)) == ["told", "deaf", "disabled"]
    trial.arrive(1)
    assert marks(trial.ask(0)) == ["told", "told", "disabled"]
    assert [moment.is_again for moment in trial.moments[-1]] == [False] * 3


def test_modify_wakes_both(trial):
    trial.arrive(5)
    trial.ask(1)
    assert marks(trial.ask(1)) == ["told", "deaf", "disabled"]
    assert marks(trial.arm("one-shot")) == ["", "", "re-armed"]
    assert trial.moments[-1][2].masks == (ONESHOT, IN | ALWAYS | ONESHOT)
    assert marks(trial.ask(1)) == ["told", "deaf", "told"]
    assert marks(trial.arm("edge-triggered")) == ["", "re-armed", ""]
    assert marks(trial.ask(1)) == ["told", "told", "disabled"]


@pytest.mark.parametrize("amount", [1, 2, 5000])
@pytest.mark.parametrize("reads", READS)
def test_every_handler_with_every_amount(trial, reads, amount):
    wanted = READS[reads](amount)
    assert marks(trial.ask(wanted)) == ["silent"] * 3
    trial.arrive(amount)
    told = trial.ask(wanted)
    read = amount if wanted is None else min(wanted, amount)
    assert [moment.moved for moment in told] == [read] * 3
    assert marks(told) == ["told"] * 3
    assert [moment.has_met_eagain for moment in told] == [wanted is None] * 3
    assert waiting(trial) == [amount - read] * 3
    left = amount - read
    assert marks(trial.ask(wanted)) == (["told", "deaf", "disabled"] if left else ["silent"] * 3)


def test_ask_on_ends(trial):
    assert trial.ask_on(3) == 1
    trial.arrive(6)
    assert trial.ask_on(3) == 3
    assert waiting(trial) == [0, 3, 3]
    trial.arrive(6)
    assert trial.ask_on(0) == ASKS
    assert marks(trial.moments[-1]) == ["told", "deaf", "disabled"]


def test_full_streams_say_so_and_give_everything_back(trial):
    for _ in range(200):
        moments = trial.arrive(5000)
        if not any(moment.moved for moment in moments):
            break
    assert marks(moments) == ["refused"] * 3
    assert verdict(moments[0]).startswith("no room for all, 0 of 5,000 went in: ")
    full = waiting(trial)
    assert min(full) > 5000
    assert [moment.moved for moment in trial.ask(None)] == full
    for _ in range(SHOWN):
        trial.ask(0)
    assert len(trial.moments) == SHOWN < trial.count
    assert Drawing(trial).canvas.png().startswith(b"\x89PNG") and in_words(trial)


def test_what_is_drawn_is_in_the_words(trial):
    trial.arrive(6)
    trial.ask(3)
    trial.ask(3)
    trial.arm("one-shot")
    assert in_words(trial) == (
        "Bytes that wait for three registrations, click by click, and who is told. "
        "level-triggered (IN): 6 of 6 more (6 bytes wait), told (3 bytes wait), told (0 bytes wait). "
        "edge-triggered (IN | ET): 6 of 6 more (6 bytes wait), told (3 bytes wait), deaf (3 bytes wait). "
        "one-shot (IN | ONESHOT): 6 of 6 more (6 bytes wait), told (3 bytes wait), disabled (3 bytes wait), "
        "re-armed (3 bytes wait)."
    )


def test_marks_stand_alone(trial):
    """No line joins the marks, whoever of the three has nothing to show at a moment."""
    trial.arrive(6)
    trial.ask(3)
    trial.arm("one-shot")
    trial.arm("edge-triggered")
    trial.ask(3)
    (axes,) = Drawing(trial).canvas.figure.axes
    assert axes.lines and all(line.get_linestyle() == "None" for line in axes.lines)


def test_nothing_is_open_after_close(trial):
    trial.close()
    trial.close()
    for act in (
        lambda: trial.arrive(1),
        lambda: trial.ask(1),
        lambda: trial.ask_on(1),
        lambda: trial.arm("one-shot"),
    ):
        with pytest.raises(OSError, match="press Reset"):
            act()
    assert cards(trial) == '<div class="epollkit-panels"></div>'


# the view


def test_the_view_says_what_the_kernel_says(view):
    start = view.still
    assert start[1].count("nothing has happened yet") == 3 and start[0].startswith(b"\x89PNG")
    assert [text.count("not asked yet") for text in said(view)] == [1] * 3
    view.arrive.click()
    assert waiting(view.trial) == [6] * 3
    view.ask.click()
    view.ask.click()
    level, edge, one_shot = said(view)
    assert (
        "0 bytes wait" in level
        and "[(r, EPOLLIN)]" in level
        and "told again" in level
        and "armed" in level
    )
    assert "deaf: 3 bytes wait" in edge and "[]" in edge and "armed" in edge
    assert "disabled: 3 bytes wait" in one_shot and "[]" in one_shot and ": disabled" in one_shot
    assert (
        view.still != start
        and "deaf (3 bytes wait)" in view.still[1]
        and view.still[1] in view.picture.value
    )
    view.arm_one_shot.click()
    assert linux.interest_list(view.trial.registrations[2].epoll)[0].events == IN | ALWAYS | ONESHOT
    assert "re-armed by modify: 3 bytes wait" in said(view)[2]
    view.arm_edge.click()
    view.ask.click()
    assert marks(view.trial.moments[-1]) == ["silent", "told", "told"]
    assert "handler read 3 bytes" in said(view)[1]
    assert view.message.value == ""
    view.reset.click()
    assert (waiting(view.trial), view.still) == ([0] * 3, start)


def test_the_view_asks_until_nobody_is_told(view):
    view.reads.value = "nothing"
    view.arrive.click()
    view.ask_on.click()
    assert (
        f"Asked {ASKS} times, then stopped: level-triggered was still told." in view.message.value
    )
    view.reads.value = "everything, until EAGAIN"
    view.ask_on.click()
    assert "Asked 2 times, until nobody was told." in view.message.value
    assert "handler read" not in said(view)[0]
    view.ask_on.click()
    assert "Asked 1 time, until nobody was told." in view.message.value


def test_the_view_changes_the_kind(view):
    assert {linux.identity(one.reader).kind for one in view.trial.registrations} == {"pipe"}
    view.arrive.click()
    view.stream.value = "unix"
    assert {linux.identity(one.reader).kind for one in view.trial.registrations} == {"unix"}
    assert waiting(view.trial) == [0] * 3
    for typed in ("0", "-5", "5001", "1e3", "10,000,000"):
        view.amount.field.value = typed
        view.arrive.click()
        assert "n is " in view.message.value and "from 1 to 5,000" in view.message.value
        assert waiting(view.trial) == [0] * 3
    view.amount.field.value = "5000"
    view.reads.value = "half of n"
    view.arrive.click()
    view.ask.click()
    assert waiting(view.trial) == [2500] * 3


def test_a_full_stream_is_a_lesson(view):
    view.amount.field.value = "5000"
    for _ in range(40):
        view.arrive.click()
        if "EAGAIN" in view.message.value:
            break
    assert "Write to level-triggered" in view.message.value
    assert any("no room for all" in text for text in said(view))
    view.ask.click()
    assert view.message.value == ""


def test_a_stream_closed_under_it_is_a_lesson(view):
    os.close(view.trial.registrations[1].reader)
    view.arrive.click()
    assert "EBADF" in view.message.value
    view.ask.click()
    assert "EBADF" in view.message.value
    view.reset.click()
    assert view.message.value == "" and waiting(view.trial) == [0] * 3


def test_no_stream_left_is_a_lesson():
    program = """
from epollkit.explore import triggers
triggers().close()
before, held = numbers(), hold_all(200)
for spare in range(14):
    if spare:
        os.close(held.pop())
    now = len(held)
    view = triggers()
    opened = len(view.trial.registrations)
    assert ("EMFILE" in view.message.value) == (opened == 0 or spare == 9), (spare, view.message.value)
    assert opened == (3 if spare >= 9 else 0), (spare, opened)
    if not opened:
        view.ask.click()
        assert "press Reset" in view.message.value
    view.close()
view = triggers()
assert view.message.value == "" and len(view.trial.registrations) == 3
view.close()
for number in held:
    os.close(number)
assert numbers() == before
"""
    run_apart(program)


def test_made_and_closed_often():
    with leaves_nothing():
        for count in range(ROUNDS):
            view = triggers()
            if count % 10 == 0:
                view.stream.value = "unix"
                view.arrive.click()
                view.ask.click()
            view.close()
            view.close()
            view.arrive.click()  # too late, and says nothing


def test_callbacks_on_any_thread():
    """In a process of its own:

    matplotlib opens its fonts once more for each thread that draws, and keeps them open.
    """
    program = """
import os, threading
from epollkit import linux
from epollkit.explore import triggers
def opened():
    texts = {int(name): linux.text(int(name)) for name in os.listdir("/proc/self/fd")}
    return sorted(number for number, text in texts.items() if text and not text.endswith(".ttf") and "/fd" not in text)
triggers().close()
before = opened()
view = triggers()
running = [threading.Thread(target=lambda: [view.arrive.click(), view.ask.click()]) for _ in range(4)]
for one in running:
    one.start()
for one in running:
    one.join(60)
assert view.trial.count == 8 and view.message.value == "", view.message.value
assert view.trial.moments[-1][0].after == linux.bytes_waiting(view.trial.registrations[0].reader)
assert len(opened()) == len(before) + 9
view.close()
assert opened() == before and threading.active_count() == 1
"""
    run_apart(program)


def test_all_cores_busy():
    with busy_cores():
        for _ in range(max(1, ROUNDS // 10)):
            for kind in ("pipe", "unix"):
                made = Trial()
                made.open(kind)
                try:
                    made.arrive(6)
                    assert [marks(made.ask(3)), marks(made.ask(3))] == [
                        ["told"] * 3,
                        ["told", "deaf", "disabled"],
                    ]
                finally:
                    made.close()


def test_nothing_overlaps_and_nothing_is_cut(trial, figures):
    """Hold the boxes of all texts of the densest pictures against each other, and against the
    edge.
    """
    for acts in (
        [("arrive", 5000)] * 40,
        [("ask", 1)] * SHOWN,
        [("arrive", 5000), ("ask", 2499)] * SHOWN,
        [("ask", None)] * 3,
        [("arrive", 1), ("ask", 0)] * SHOWN,
    ):
        for act, amount in acts:
            getattr(trial, act)(amount)
        Drawing(trial).canvas.png()
        assert nothing_overlaps(figures[-1]) > 10


def test_the_facts_of_the_kernel_without_epollkit():
    """The three, once more, with nothing but the interface."""
    for mask, expected in (
        (select.EPOLLIN, [True] * 3),
        (select.EPOLLIN | select.EPOLLET, [True, False, False]),
        (select.EPOLLIN | select.EPOLLONESHOT, [True, False, False]),
    ):
        r, w = os.pipe()
        with select.epoll() as ep:
            ep.register(r, mask)
            os.write(w, b"parcel")
            assert [bool(ep.poll(0)) for _ in range(3)] == expected
            ep.modify(r, mask)
            assert ep.poll(0) == [(r, select.EPOLLIN)]
        os.close(r)
        os.close(w)
