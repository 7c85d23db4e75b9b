"""The player under a learner's hand: mouse, keys, a busy Python and one that was restarted, small
windows, and the same page from a file.
"""

import ast
import json
import re

import nbformat
import pytest
from support import NOTEBOOKS, ROUNDS

RECORD = """
import os, select, threading, epollkit
from epollkit import explore, linux

with epollkit.record() as log:
    r, w = os.pipe()
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        courier = threading.Thread(target=lambda: (linux.wait_until_asleep(threading.main_thread(), ep),
                                                   os.write(w, b"parcel")), name="courier")
        courier.start()
        ep.poll()
        courier.join()
        os.read(r, 3)
        ep.poll(0)
        os.read(r, 3)
        ep.poll(0)
    os.close(w)
    os.close(r)"""
ASYNCIO = """
import asyncio, threading, epollkit
from epollkit import explore

async def echo(reader, writer):
    writer.write(await reader.readexactly(6))
    await writer.drain()
    writer.close()
    await writer.wait_closed()

async def main():
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"</script><script>parcel")
        await reader.readexactly(6)
        writer.close()
        await writer.wait_closed()

with epollkit.record() as log:
    loop = threading.Thread(target=asyncio.run, args=(main(),), name="loop")
    loop.start()
    loop.join()"""
MANY_LANES = """
import os, select, threading, epollkit
from epollkit import explore

with epollkit.record() as log:
    pipes = [os.pipe() for _ in range(12)]
    for number, (r, w) in enumerate(pipes):
        thread = threading.Thread(target=os.write, args=(w, b"x" * number), name=f"writer {number}")
        thread.start()
        thread.join()
    for pipe in pipes:
        for end in pipe:
            os.close(end)"""
LONG = """
import os, select, epollkit
from epollkit import explore

with epollkit.record() as log:
    r, w = os.pipe()
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        for _ in range(100):
            os.write(w, b"x")
            ep.poll()
            os.read(r, 1)
    os.close(w)
    os.close(r)"""
SHOW = "view = explore.step_through(log)\nview"
TELL = "import json\nprint(json.dumps(view.table))"
SAVE = 'view.save("saved.html").name'
LESSONS = sorted(path.name for path in NOTEBOOKS.glob("[01]*.ipynb"))
if ROUNDS <= 20:  # EPOLLKIT_ROUNDS=200 tries them all, which takes minutes
    LESSONS = LESSONS[::5]
KEYS = (*"abddjkmxyz00", "Space", "Home", "End", "PageDown", *["ArrowDown"] * 10, *["ArrowUp"] * 10)
#: What no key may change: which cell is active, what the cells hold, where the page has scrolled.
NOTEBOOK = """() => {
    const cells = [...document.querySelectorAll('.jp-Cell')];
    return [cells.map(cell => cell.classList.contains('jp-mod-active')),
            cells.map(cell => cell.querySelector('.jp-InputArea').innerText),
            [...document.querySelectorAll('.jp-WindowedPanel-outer, .jp-Notebook')].map(e => e.scrollTop)]; }"""

#: What the player says at each step.
EVERY = """async root => {
const slider = root.querySelector('input'), said = [];
for (let stop = 0; stop <= Number(slider.max); stop++) {
    slider.value = stop;
    slider.dispatchEvent(new Event('input'));
    said.push(root.innerText);
}
return said; }"""


class Player:
    """The player on the page, and what it was given."""

    def __init__(self, tab, table):
        self.tab, self.table = tab, table
        self.root = tab.locator(".epollkit-player")
        self.slider = self.root.locator("input[type=range]")
        self.count = table["count"]

    def said(self, name, step):
        column = self.table["columns"][name]
        values, at, stop = column["values"], column.get("at"), step - 1
        return values[at[stop]] if at else values[min(stop, len(values) - 1)]

    def is_at(self, step):
        """Wait until the page shows *step*; it says all that it was given of it, and the cursor
        is over the handle.
        """
        start = f"step {step} of {self.count} "
        self.tab.wait_for_function(
            "([root, start]) => root.querySelector('[role=status]').innerText.startsWith(start)",
            arg=[self.root.element_handle(), start],
        )
        rows = [" ".join(text.split()) for text in self.root.locator("dd").all_inner_texts()]
        wanted = [[self.said("happened", step)]]
        for part in ("interest", "levels", "poll", "threads"):
            wanted += [row[1:] for row in self.said(part, step)]
        assert rows == [" ".join(" ".join(texts).split()) for texts in wanted]
        source, number, is_own = self.said("line", step)
        lit = self.root.locator("[aria-current=step]")
        assert lit.count() == is_own
        if is_own:
            text = self.table["sources"][source][number - 1]
            assert lit.inner_text().split() == [str(number), *text.split()]
        centers = self.root.evaluate(
            """root => { const box = part => root.querySelector(part).getBoundingClientRect();
                const [cursor, slider] = [box('.epp-cursor'), box('input')];
                const [to, last] = ['value', 'max'].map(name => Number(root.querySelector('input')[name]));
                return [cursor.left + cursor.width / 2,
                        slider.left + 7 + (last ? to / last : 0) * (slider.width - 14), cursor.width]; }"""
        )
        assert abs(centers[0] - centers[1]) < 1 and centers[2] > 2
        ends = {
            "first step": 1,
            "previous step": 1,
            "next step": self.count,
            "last step": self.count,
        }
        for name, end in ends.items():
            assert self.button(name).get_attribute("aria-disabled") == str(step == end).lower()

    def button(self, name):
        return self.root.get_by_role("button", name=name, exact=True)


def shown(page, lab, program=RECORD, *more, show=SHOW):
    page.open(lab.add("player.ipynb", program, show, TELL, *more)).run_all()
    told = page.tab.locator(".jp-CodeCell").nth(2).locator(".jp-OutputArea-output").inner_text()
    return Player(page.tab, json.loads(told))


def test_by_mouse(page, lab):
    player = shown(page, lab)
    last = player.count
    player.is_at(1)
    for name, step in [
        ("next step", 2),
        ("next step", 3),
        ("previous step", 2),
        ("last step", last),
        ("next step", last),
        ("first step", 1),
        ("previous step", 1),
    ]:
        player.button(name).click(force=True)  # also where it is grey
        player.is_at(step)
    for step in (7, 3):  # drag the handle
        box = player.slider.bounding_box()
        value = int(player.slider.input_value())
        y, room = box["y"] + box["height"] / 2, box["width"] - 14
        player.tab.mouse.move(box["x"] + 7 + room * value / (last - 1), y)
        player.tab.mouse.down()
        player.tab.mouse.move(box["x"] + 7 + room * (step - 1) / (last - 1), y, steps=4)
        player.tab.mouse.up()
        player.is_at(step)
    player.button("first step").click()
    for _ in range(3):
        player.button("faster").click()
    assert player.button("faster").get_attribute("aria-disabled") == "true"
    player.button("play").click()
    player.is_at(last)
    player.button("play").wait_for()  # it has stopped by itself, and does not offer to pause
    assert page.wrong() == []


def test_by_keyboard(page, lab):
    player = shown(page, lab)
    last = player.count
    player.root.focus()
    for key, step in [
        ("ArrowRight", 2),
        ("ArrowRight", 3),
        ("ArrowLeft", 2),
        ("PageDown", 12),
        ("End", last),
        ("Home", 1),
    ]:
        player.tab.keyboard.press(key)
        player.is_at(step)
    for name, step in [
        ("next step", 2),
        ("next step", 3),
        ("previous step", 2),
        ("last step", last),
    ]:
        player.button(name).focus()
        player.tab.keyboard.press("Space")
        player.is_at(step)
        assert player.button(name).evaluate("button => button === document.activeElement")
    player.root.focus()
    player.tab.keyboard.press("Space")
    player.button("pause").wait_for()
    player.tab.keyboard.press("Space")
    player.button("play").wait_for()
    player.tab.keyboard.press("Home")
    player.is_at(1)
    player.tab.keyboard.press("Tab")  # to the bar of this step
    player.tab.keyboard.press("ArrowRight")
    tip = player.root.locator(".epp-tip")
    assert player.said("call", 2)[1] in tip.inner_text()
    assert player.said("call", 2)[1] in player.tab.evaluate("document.activeElement.ariaLabel")


def test_the_details_of_a_call(page, lab):
    player = shown(page, lab)
    write = next(s for s in range(1, player.count) if "os.write" in player.said("happened", s))
    bar = player.root.locator(".epp-bar").nth(player.said("bar", write))
    bar.hover()
    said = player.root.locator(".epp-tip").inner_text()
    thread, call, stream, size = player.said("call", write)
    assert (thread, stream, size) == ("thread courier", "w (pipe, write end)", "6 bytes")
    for words in (call, thread, stream, size, player.said("took", write), "line 9:"):
        assert words in said, words
    bar.click()
    player.is_at(write)
    picture = player.root.locator(
        ".epp-picture"
    ).bounding_box()  # beside every bar, at the fourth step
    first, width, _ = player.table["cursor"]
    x = picture["x"] + picture["width"] * (first + 3.5 * width) / 100
    player.tab.mouse.click(x, picture["y"] + 0.8 * picture["height"])
    player.is_at(4)
    player.tab.mouse.move(0, 0)
    assert player.root.locator(".epp-tip").is_hidden()


def test_a_click_on_a_finding_leads_to_its_step(page, lab):
    player = shown(page, lab, show=SHOW.replace("(log)", "(log, warnings=True)"))
    findings = player.root.locator(".epp-finding")
    ((words, step),) = player.table["findings"]
    assert findings.count() == 1 and findings.inner_text() == words
    assert words.startswith("question: r is registered and blocking")
    assert step > 0
    findings.click()
    player.is_at(step + 1)
    assert "os.read(r" in player.said("happened", step + 1)
    assert page.wrong() == []


def test_with_too_many_calls_for_bars_each_column_tells_of_its_own(page, lab):
    player = shown(page, lab, LONG)
    assert player.root.locator(".epp-bar").count() == 0
    picture = player.root.locator(".epp-picture").bounding_box()
    first, width, _ = player.table["cursor"]
    x = picture["x"] + picture["width"] * (first + 200.5 * width) / 100
    player.tab.mouse.move(x, picture["y"] + picture["height"] / 2)
    assert player.said("call", 201)[1] in player.root.locator(".epp-tip").inner_text()
    player.tab.mouse.click(x, picture["y"] + picture["height"] / 2)
    player.is_at(201)


CONTROLS = ["first step", "previous step", "next step", "last step", "play", "slower", "faster"]
PLACES = ["input[type=range]", ".epp-bar", ".epp-code", ".epp-rows", "[role=status]"]


def test_no_key_reaches_the_notebook(page, lab):
    player = shown(page, lab, RECORD, *["'a cell below'"] * 8)
    for place in CONTROLS + PLACES:
        control = player.button(place) if place in CONTROLS else player.root.locator(place).first
        control.click(force=True)
        before = page.tab.evaluate(NOTEBOOK)
        assert before[0].count(True) == 1
        for key in KEYS:
            page.tab.keyboard.press(key)
            assert page.tab.evaluate(NOTEBOOK) == before, (place, key)
        page.tab.keyboard.press("Home")  # where each button but two can be pressed
    saved = lab.root / "player.ipynb"
    changed = saved.stat().st_mtime_ns
    page.tab.keyboard.press("Control+s")
    while saved.stat().st_mtime_ns == changed:
        page.tab.wait_for_timeout(20)
    page.tab.keyboard.press("Shift+Enter")  # runs the cell, and goes on to the next one
    again = f"[{len(before[0]) + 1}]:"
    page.tab.wait_for_function(
        """again => {
            const [, cell, next] = document.querySelectorAll('.jp-CodeCell');
            return cell.querySelector('.jp-InputPrompt').innerText === again
                && next.classList.contains('jp-mod-active'); }""",
        arg=again,
    )
    assert page.wrong() == []


def test_it_needs_no_python(page, lab):
    busy = "import pathlib\nwhile not pathlib.Path('enough').exists(): pass"
    player = shown(page, lab)
    lab.root.joinpath("enough").unlink(missing_ok=True)
    page.tab.locator(".jp-CodeCell").nth(2).locator(".cm-content").fill(busy)
    page.tab.keyboard.press("Control+Enter")
    page.tab.wait_for_selector('.jp-StatusBar-TextItem:text-matches("[|] Busy$")')
    player.button("next step").click()
    player.is_at(2)
    lab.root.joinpath("enough").touch()
    page.wait_until_idle()
    page.menu("Kernel", "Restart Kernel…")
    page.tab.click(".jp-Dialog button.jp-mod-warn")
    page.wait_until_idle()
    player.button("last step").click()
    player.is_at(player.count)
    pseudo = "getComputedStyle(root.parentElement, '::before')"
    assert "none" in player.root.evaluate(f"root => [{pseudo}.display, {pseudo}.content]")


def test_the_still_is_hidden_where_the_player_is(page, lab):
    shown(page, lab)
    assert page.tab.locator(".epollkit-still").count() == 1
    assert page.tab.locator(".epollkit-still").is_hidden()
    saved = page.save()
    page.shut_down()
    kernel = {"name": "none", "display_name": "none"}
    saved.metadata.kernelspec, saved.metadata.language_info = kernel, {"name": "none"}
    nbformat.write(saved, lab.root / "still.ipynb")
    page.open_without_kernel("still.ipynb")
    still = page.tab.locator(".epollkit-still img")
    assert still.is_visible() and "os.pipe() → r, w" in still.get_attribute("alt")


@pytest.mark.parametrize("program", [RECORD, MANY_LANES], ids=["low", "high"])
def test_on_a_laptop_all_of_it_is_in_sight(page, lab, program):
    page.tab.set_viewport_size({"width": 1366, "height": 768})
    player = shown(page, lab, program)
    assert player.root.bounding_box()["height"] <= 650
    box = player.root.locator(".epp-box")
    assert box.bounding_box()["height"] <= 420
    player.root.focus()
    for step in range(2, player.count + 1):
        player.tab.keyboard.press("ArrowRight")
        inside, lit, lines = player.root.evaluate(
            """root => {
                const inside = (part, around) => { const [a, b] = [part, around].map(e => e.getBoundingClientRect());
                    return a.top >= b.top - 1 && a.bottom <= b.bottom + 1 && a.left >= b.left - 1 && a.right <= b.right + 1; };
                const [box, code] = ['.epp-box', '.epp-code'].map(part => root.querySelector(part));
                const bar = root.querySelector('.epp-bar[tabindex="0"]');
                const lit = code.querySelector('.epp-lit');
                const lines = [...code.querySelectorAll('.epp-line')];
                return [!bar || inside(bar, box), !lit || inside(lit, code),
                        lines.filter(line => inside(line, code)).length]; }"""
        )
        assert inside and lit and lines >= min(7, len(player.table["sources"][0])), step


@pytest.mark.parametrize(
    ("width", "height", "zoom"), [(900, 900, 1), (1366, 768, 1.5), (1366, 768, 2)]
)
def test_in_a_small_window_the_picture_can_be_read(page, lab, width, height, zoom):
    page.tab.set_viewport_size({"width": int(width / zoom), "height": int(height / zoom)})
    player = shown(page, lab)
    assert player.root.locator("img").bounding_box()["width"] >= 719
    player.root.focus()
    player.tab.keyboard.press("End")
    player.is_at(player.count)
    cursor, box = (player.root.locator(part).bounding_box() for part in (".epp-cursor", ".epp-box"))
    assert box["x"] <= cursor["x"] and cursor["x"] + cursor["width"] <= box["x"] + box["width"]
    assert player.root.evaluate("root => root.scrollWidth <= root.clientWidth")


def test_in_the_dark_there_is_no_white_slab(page, lab):
    lab.set("apputils-extension", "themes", theme="JupyterLab Dark")
    try:
        player = shown(page, lab)
        page.tab.wait_for_selector('body[data-jp-theme-light="false"]', state="attached")
        assert "invert" in player.root.locator("img").evaluate(
            "img => getComputedStyle(img).filter"
        )
    finally:
        lab.set("apputils-extension", "themes", theme="JupyterLab Light")


@pytest.mark.parametrize("program", [RECORD, ASYNCIO, LONG], ids=["two-threads", "asyncio", "long"])
def test_the_saved_page_says_the_same(page, lab, browser, program):
    player = shown(page, lab, program, SAVE)
    in_the_notebook = player.root.evaluate(EVERY)
    assert len(set(in_the_notebook)) == player.count
    offline = browser.new_context(offline=True)
    wrong = []
    tab = offline.new_page()
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("request", lambda request: wrong.append(request.url))
    tab.goto((lab.root / "saved.html").as_uri())
    saved = Player(tab, player.table)
    saved.is_at(1)
    assert saved.root.evaluate(EVERY) == in_the_notebook
    saved.root.focus()
    tab.keyboard.press("Home")
    for key, step in (("ArrowRight", 2), ("End", saved.count), ("Home", 1)):
        tab.keyboard.press(key)
        saved.is_at(step)
    for _ in range(3):
        saved.button("faster").click()
    saved.button("play").click()
    saved.tab.wait_for_function("document.querySelector('input').value > 3")
    offline.close()
    fetched = [text for text in wrong if not re.match("file:|data:", text)]
    assert fetched == []


def keep_pages(notebook, folder) -> list:
    """Have each cell of *notebook* that ends with step_through() save its page, too.

    Returns the paths of the pages, in order.
    """
    paths = []
    for cell in notebook.cells:
        if cell.cell_type != "code" or "explore.step_through(" not in cell.source:
            continue
        *_, last = ast.parse(cell.source).body
        shown = ast.get_source_segment(cell.source, last)
        if shown.startswith("explore.step_through("):
            paths.append(folder / f"page-{len(paths)}.html")
            before = cell.source[: -len(shown)]
            cell.source = f"{before}walk = {shown}\nwalk.save({str(paths[-1])!r})\nwalk"
    return paths


@pytest.mark.parametrize("name", LESSONS)
def test_what_a_notebook_saves_says_the_same(page, lab, browser, name):
    notebook = nbformat.read(NOTEBOOKS / name, 4)
    paths = keep_pages(notebook, lab.root)
    nbformat.write(notebook, lab.root / "notebooks" / "saving.ipynb")
    page.open("notebooks/saving.ipynb").run_all()
    players = page.tab.locator(".epollkit-player")
    assert players.count() == len(paths) > 0
    offline = browser.new_context(offline=True)
    for player, path in zip(players.all(), paths, strict=True):
        tab = offline.new_page()
        tab.goto(path.as_uri())
        tab.wait_for_selector(".epollkit-player")
        assert tab.locator(".epollkit-player").evaluate(EVERY) == player.evaluate(EVERY)
    offline.close()
