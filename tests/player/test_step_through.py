"""step_through(log): what the page is given says of every step what the log says of it."""

import asyncio
import io
import json
import os
import re
import select
import socket
from html.parser import HTMLParser

import matplotlib.image
import pytest
import timeline_programs
from support import ROUNDS, leaves_nothing, thread, wait_until_asleep

import epollkit
from epollkit import linux, masks
from epollkit.drawing.timeline import timeline
from epollkit.explore import step_through
from epollkit.player.step_through import MODULE, STYLE, where_from
from epollkit.player.table import MOST_ROWS, build_table, happenings_of

PROGRAMS = [
    timeline_programs.full_pipe,
    timeline_programs.tcp_conversation,
    timeline_programs.asyncio_five,
    timeline_programs.eventfd_counts,
    timeline_programs.epoll_in_epoll,
    timeline_programs.one_shot,
    timeline_programs.still_asleep,
    timeline_programs.dup_ghost,
    timeline_programs.eight_threads,
    timeline_programs.edge_triggered,
    timeline_programs.datagrams_and_files,
    timeline_programs.moved_elsewhere,
    timeline_programs.one_call,
]


class Said:
    """What a page says that was given *table*: what `name` says at a stop."""

    def __init__(self, table):
        self.table, self.stops = table, range(table["stops"])

    def __call__(self, name, stop):
        values, at = (self.table["columns"][name].get(key) for key in ("values", "at"))
        return values[at[stop]] if at else values[min(stop, len(values) - 1)]


def said_of(log, **how):
    return Said(build_table(log, timeline(log), **how))


@pytest.fixture
def view():
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


def rounds(number):
    with epollkit.record() as log:
        r, w = os.pipe()
        ep = select.epoll()
        ep.register(r, select.EPOLLIN)
        for _ in range(number):
            os.write(w, b"x")
            ep.poll(0)
            os.read(r, 1)
        ep.close()
        os.close(r)
        os.close(w)
    return log


def test_every_step_is_what_the_kernel_said():
    seen = {}

    def look(call):
        """Ask the kernel, after the call of that number; these questions are not recorded."""
        entries = None
        if call < 9:
            entries = [(entry.number, entry.events) for entry in linux.interest_list(ep)]
        levels = [linux.bytes_waiting(r), linux.bytes_waiting(b)] if call > 1 else [0, 0]
        seen[call] = entries, levels

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
        names = {r: "r", b.fileno(): "b"}
        for end in (a, b):
            end.close()
        for end in (r, w):
            os.close(end)
    said = said_of(log)
    assert len(said.stops) == len(log)
    for call, (entries, levels) in seen.items():
        rows = said("interest", call)
        if entries is None:
            assert rows == ()
        elif not entries:
            assert rows == (("ep watches", "nothing"),)
        else:
            assert {row[1] for row in rows} == {names[number] for number, _ in entries}
            for number, mask in entries:
                (row,) = (row for row in rows if row[1] == names[number])
                if mask & masks.CONDITIONS:
                    assert row[2:] == (masks.short(mask & ~masks.ALWAYS),)
                else:  # one that has fired: the page shows what was asked for
                    assert row[2:] == ("IN | ONESHOT", "disabled: it has fired")
        assert [row[1] for row in said("levels", call) if row[0] in ("w → r", "a → b")] == [
            f"{level} byte{'s' * (level != 1)} waiting" for level in levels
        ]
    assert said("poll", 7) == (("last poll", "ep.poll(0) → [(r, EPOLLIN), (b, EPOLLIN)]"),)
    assert said("levels", len(log) - 1) == said("interest", len(log) - 1) == ()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_every_panel_is_what_the_log_says(program):
    log = program()
    said, happenings = said_of(log), happenings_of(log)
    for stop in said.stops:
        step = said("step", stop) - 1
        call, returns = happenings[step]
        assert said("happened", stop) == epollkit.analysis.story.happening(log, call, returns)
        source, number, is_own = said("line", stop)
        line = log[call].line
        assert is_own == (line is not None)
        if line is not None:
            assert list(log.sources)[source] == line.source and number == line.number
        for epoll in log.epolls:
            rows = [row for row in said("interest", stop) if row[0] == f"{epoll.name} watches"]
            entries = log.interest_list(epoll, step=step)
            if rows and len(rows) < MOST_ROWS and rows[0][1] != "nothing":
                assert {row[1] for row in rows} == {
                    stream.name if stream is not None else f"({fd})" for fd, stream in entries
                }
        levels = dict(row[:2] for row in said("levels", stop))
        for flow in log.flows_by_step:
            name = log.channel_name(flow)
            if name in levels and [log.channel_name(f) for f in log.flows_by_step].count(name) == 1:
                assert int(re.sub(r"\D", "", levels[name])) == flow.level(step)


def test_who_sleeps_in_which_call():
    said = said_of(two_threads())
    writes = [stop for stop in said.stops if "os.write" in said("happened", stop)]
    assert len(writes) == 3
    assert all(said("threads", stop) == (("asleep", "B", "in ep.poll()"),) for stop in writes)
    reads = [stop for stop in said.stops if "os.read" in said("happened", stop)]
    assert len(reads) == 4 and not any(said("threads", stop) for stop in reads)


def test_what_the_kernel_adds_is_told_when_a_poll_has_reported_it():
    """Notebook 04 asks who registered ERR and HUP: nothing before it says that somebody did."""
    with epollkit.record() as log:
        r, w = os.pipe()
        ep = select.epoll()
        ep.register(r, select.EPOLLIN)
        ep.poll(0)
        os.close(w)
        ep.poll(0)
        os.close(r)
        ep.close()
    said = said_of(log)
    before = [said(name, stop) for stop in range(5) for name in ("interest", "poll", "happened")]
    assert "HUP" not in str(before) and "ERR" not in str(before)
    assert said("interest", 5) == (("ep watches", "r", "IN", "and HUP, unasked"),)
    always = said_of(log, always=True)
    assert always("interest", 3) == (("ep watches", "r", "IN", "and ERR | HUP, unasked"),)


def test_of_many_entries_it_shows_the_last():
    with epollkit.record() as log:
        pairs = [os.pipe() for _ in range(30)]
        ep = select.epoll()
        for reader, _ in pairs:
            ep.register(reader, select.EPOLLIN)
        ep.close()
        for end in (end for pair in pairs for end in pair):
            os.close(end)
    said = said_of(log)
    rows = said("interest", 60)
    assert len(rows) == MOST_ROWS
    assert rows[0] == ("ep watches", f"{30 - MOST_ROWS + 1} more, and")
    assert rows[-1][1] == log[60].stream.name


def test_a_log_from_a_file_tells_the_same(tmp_path):
    log = two_threads()
    loaded = epollkit.Log.load(log.save(tmp_path / "log.jsonl"))
    told = [json.loads(json.dumps(build_table(each, timeline(each)))) for each in (log, loaded)]
    assert told[0] == told[1]
    assert any("while any(os.read" in line for line in told[1]["sources"][0])


def test_the_cursor_stands_on_what_happens():
    """The box of the call that begins at a stop, or ends at it, lies under the cursor."""
    said = said_of(two_threads())
    first, width, _ = said.table["cursor"]
    for stop in said.stops:
        left, right = first + stop * width, first + (stop + 1) * width
        box = said.table["bars"][said("bar", stop)]
        assert any(left - 0.1 <= edge <= right + 0.1 for edge in (box[0], box[0] + box[2])), stop
    assert first + len(said.stops) * width < 100


@pytest.mark.parametrize("program", PROGRAMS[:6], ids=lambda program: program.__name__)
def test_a_bar_lies_where_the_picture_has_one(program):
    log = program()
    drawn = timeline(log)
    table = build_table(log, drawn)
    pixels = matplotlib.image.imread(io.BytesIO(drawn.png()))[:, :, :3]
    height, width, _ = pixels.shape
    for left, top, across, down, stop, _ in table["bars"]:
        inside = pixels[
            round(top * height / 100) : round((top + down) * height / 100),
            round(left * width / 100) : max(
                round((left + across) * width / 100), round(left * width / 100) + 2
            ),
        ]
        share = (inside.min(axis=2) < 0.97).mean()
        assert share > 0.2, (stop, share)


def test_long_runs_are_crossed_in_the_strides_of_the_picture():
    """What the picture folds, the slider folds."""
    with epollkit.record() as log:
        r, w = os.pipe()
        for _ in range(3_000):
            os.write(w, b"x")
        os.close(r)
        os.close(w)
    drawn = timeline(log)
    said = Said(build_table(log, drawn))
    steps = [said("step", stop) for stop in said.stops]
    assert len(steps) == round(drawn.layout.place.width) < 20
    assert steps == sorted(steps) and steps[0] == 1 and steps[-1] == len(log)
    assert any(count > 2_000 for *_, count in said.table["bars"])


def test_ten_thousand_steps_are_half_a_megabyte():
    log = rounds(3_333)
    view = step_through(log)
    sent = len(json.dumps({"table": view.table, "picture": view.widget.picture}).encode())
    assert view.table["stops"] == view.table["count"] > 10_000
    assert sent <= 500_000
    assert view.table["columns"]["happened"]["at"][-3:] != [0, 0, 0]
    view.close()


def test_an_empty_log_is_refused():
    with epollkit.record() as log:
        pass
    with pytest.raises(
        ValueError, match=r"make the calls inside the with epollkit\.record\(\) block"
    ):
        step_through(log)


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
    said = said_of(log)
    lines = said.table["sources"][0]
    shown = {lines[said("line", stop)[1] - 1].strip() for stop in said.stops}
    assert {"asyncio.run(echo_to(3))", 'writer.write(b"hello")'} <= shown
    assert any("IN" in row for stop in said.stops for row in said("interest", stop))


def test_where_the_code_is_from():
    assert where_from("server.py", "import os") == "the file server.py"
    assert where_from("cell 2", "import os") == "a notebook's cell 2"


def test_the_still_is_the_timeline(view):
    png, alt = view.still
    assert png.startswith(b"\x89PNG") and alt == view.log.summary() == view.widget.story
    assert view.widget.table == view.table


def test_made_and_closed_often():
    log = two_threads()
    with leaves_nothing():
        for _ in range(ROUNDS):
            made = step_through(log)
            made.close()
            made.close()


# the page that needs no kernel


class Parts(HTMLParser):
    """The scripts of a page, the addresses that it names, and its headings."""

    def __init__(self, text):
        super().__init__()
        self.scripts, self.addresses, self.within = [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        if tag == "script":
            self.scripts.append("")
        self.within = tag

    def handle_endtag(self, tag):
        self.within = None

    def handle_data(self, data):
        if self.within == "script":
            self.scripts[-1] += data


def test_the_saved_page_holds_everything(view, tmp_path):
    path = view.save(tmp_path / "page.html", title="Two threads & a <pipe>")
    page = Parts(text := path.read_text(encoding="utf-8"))
    data, module = page.scripts
    assert json.loads(data) == {
        "picture": view.widget.picture,
        "story": view.log.summary(),
        "table": json.loads(json.dumps(view.table)),
    }
    assert MODULE.strip() in module and STYLE.strip() in text
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert set(re.findall(r"\w+://[^/]+", MODULE + STYLE)) == {"http://www.w3.org"}  # SVG's name
    assert "<title>Two threads &amp; a &lt;pipe&gt;</title>" in text
    assert path == tmp_path / "page.html"


def test_a_string_of_the_program_does_not_end_the_script(tmp_path):
    with epollkit.record() as log:
        r, w = os.pipe()
        os.write(w, b"</script><script>alert(1)</script><!--")
        os.close(r)
        os.close(w)
    view = step_through(log)
    page = Parts(view.save(tmp_path / "page.html").read_text(encoding="utf-8"))
    view.close()
    assert len(page.scripts) == 2
    assert "</script><script>alert(1)</script><!--" in str(json.loads(page.scripts[0])["table"])
