"""The explorables under a learner's hand:

each control by mouse and by keyboard, and what the page says after it.
"""

import ast
import os

import pytest
from playwright.sync_api import expect
from support import ECHO_SERVER, says

from epollkit.explore.endings import STREAMS
from epollkit.explore.waiting import INTERVALS_MS

PAGE = os.sysconf("SC_PAGESIZE")


def press(locator, key="Enter"):
    locator.focus()
    locator.page.keyboard.press(key)


def click(locator):
    locator.click()


MOUSE, KEYBOARD = click, press
LIVE = {
    name: f"from epollkit import explore\nexplore.{name}()"
    for name in ("waiting", "buffers", "triggers", "endings", "beliefs")
} | {"scale": "from epollkit import explore\nexplore.scale(saved=True)", "server": ECHO_SERVER}


def opened(page, lab, name):
    """Open a notebook with one explorable; returns it, and its buttons by their words."""
    page.open(lab.add(f"{name}.ipynb", f"from epollkit import explore\nexplore.{name}()")).run_all()
    root = page.tab.locator(".epollkit-explore")
    return root, lambda words: root.locator(f'button:text-is("{words}")')


def type_number(root, number):
    """Put a number into the one field for numbers, as a keyboard does."""
    field = root.locator("input[type=text]")
    field.fill(str(number))
    field.press("Tab")


NUMBER_OF = "(all, label) => all.findIndex(one => one.label.replaceAll('\u00a0', ' ') === label)"
each_way = pytest.mark.parametrize("use", [MOUSE, KEYBOARD], ids=["mouse", "keyboard"])


@each_way
def test_waiting(page, lab, use):
    root, button = opened(page, lab, "waiting")
    says(root, "No try yet")
    use(button("Try"))
    says(root, "Try 1: blocking, one stream")
    use(button("busy polling"))
    pause = root.locator("select:enabled")
    pause.wait_for()
    if use is MOUSE:
        pause.select_option("50 ms")
    else:
        press(pause, "End")
    assert pause.locator("option").count() == len(INTERVALS_MS)
    use(button("Try"))
    says(root, "Try 2: busy polling, 50 ms between looks, one stream")
    use(button("epoll"))
    use(button("two"))
    use(button("Try"))
    says(root, "Try 3: epoll, two streams", "Try 2")
    use(button("Reset"))
    says(root, "No try yet")
    assert page.wrong() == []


@each_way
def test_buffers(page, lab, use):
    root, button = opened(page, lab, "buffers")
    says(root, "No clicks yet")
    use(button("Write n"))
    says(root, f"write {PAGE:,}: {PAGE:,} bytes wait, non-empty, readable, writable")
    use(button("Read n"))
    says(root, f"read {PAGE:,}: 0 bytes wait, empty, not readable, writable")
    use(button("Fill"))
    says(root, "full, readable, not writable, BlockingIOError")
    use(button("Write n"))
    says(root, "Ask epoll when it is worth trying again")
    use(button("Write n, may sleep"))
    says(root, "a writer sleeps in its call")
    use(button("Read to one byte short of a slot"))
    says(root, "and 1 left, and it stays in use until they are read", "not writable")
    type_number(root, 1)
    use(button("Read n"))
    says(root, "read 1: ", "non-full")
    use(button("Drain"))
    says(root, "drain: 0 bytes wait, empty")
    use(button("Close writer"))
    says(root, "close writer: 0 bytes wait, readable")
    use(button("Close reader"))
    says(root, "reader: closed")
    use(button("Reset"))
    says(root, "No clicks yet")
    for stream, name in (("socketpair", "a socketpair"), ("TCP", "a TCP connection")):
        use(button(stream))
        says(root, f"What waits in {name}", "No clicks yet")
        use(button("Write n"))
        says(root, "write 1: 1 byte waits, non-empty")
    assert page.wrong() == []


@each_way
def test_triggers(page, lab, use):
    root, button = opened(page, lab, "triggers")
    says(root, "nothing has happened yet")
    use(button("Bytes arrive"))
    says(root, "one-shot (IN | ONESHOT): 6 of 6 more (6 bytes wait)")
    use(button("Ask"))
    says(root, "edge-triggered (IN | ET): 6 of 6 more (6 bytes wait), told (3 bytes wait)")
    use(button("Ask until nobody is told"))
    says(root, "deaf (3 bytes wait)", "disabled (3 bytes wait)", "until nobody was told")
    use(button("Re-arm one-shot"))
    says(root, "disabled (3 bytes wait), re-armed (3 bytes wait)")
    use(button("Re-arm edge"))
    says(root, "deaf (3 bytes wait), re-armed (3 bytes wait)")
    reads = root.locator("select")
    if use is MOUSE:
        reads.select_option("everything, until EAGAIN")
    else:
        press(reads, "End")
    use(button("Ask"))
    says(root, "re-armed (3 bytes wait), told (0 bytes wait)", "then EAGAIN")
    use(button("socketpairs"))
    says(root, "level-triggered (IN): nothing has happened yet")
    type_number(root, 2)
    use(button("Bytes arrive"))
    says(root, "level-triggered (IN): 2 of 2 more (2 bytes wait)")
    use(button("Reset"))
    says(root, "level-triggered (IN): nothing has happened yet")
    assert page.wrong() == []


@each_way
def test_beliefs(page, lab, use):
    root, _ = opened(page, lab, "beliefs")
    believed = root.locator("select")
    believed.wait_for()
    if use is MOUSE:
        believed.select_option("EPOLLONESHOT takes the entry off the interest list.")
        says(root, "The kernel disagrees with you, and the model foresaw it.", "EEXIST")
    else:
        press(believed, "End")
        says(root, "What is in a pipe is lost when the writer closes.", "os.close(w)")
        page.tab.keyboard.press("ArrowUp")
        says(root, "An epoll cannot be watched by another epoll.", "outer.register(ep")
    root.locator("img").wait_for()
    assert page.wrong() == []


@each_way
def test_endings(page, lab, use):
    root, button = opened(page, lab, "endings")
    says(root, "0x10 = EPOLLHUP", "Then a read returned b'' (EOF).")

    def choose(description, label):
        field = root.locator(f'.widget-dropdown:has(label:text-is("{description}")) select')
        if use is MOUSE:
            field.select_option(label)
        else:  # open the list, go down, choose
            number = field.locator("option").evaluate_all(NUMBER_OF, label)
            for key in ("Space", "Home", *["ArrowDown"] * number, "Enter"):
                press(field, key)
            assert field.evaluate("one => one.selectedIndex") == number

    def switch(name):
        use(root.locator(f'.widget-toggle-button:has-text("{name}")').first)

    switch("IN")
    says(root, "HUP: no writer is left.")
    choose("what happens", "data comes")
    says(root, "[ ] no event", "holds, not asked for")
    switch("IN")
    says(root, "0x1 = EPOLLIN", "returned b'parcel'")
    choose("stream", "TCP connection")
    says(root, "conn.setblocking(False)", "0x1 = EPOLLIN")
    choose("what happens", STREAMS["tcp"].endings["close"][0])
    says(root, "0x1 = EPOLLIN", "returned b'' (EOF)")
    switch("RDHUP")
    says(root, "0x2001 = EPOLLIN|EPOLLRDHUP", "RDHUP: the other end writes no more.")
    switch("OUT")
    switch("PRI")
    says(root, "0x2005 = EPOLLIN|EPOLLOUT|EPOLLRDHUP")
    use(button("Reset"))
    says(root, "0x10 = EPOLLHUP", "HUP: no writer is left.")
    assert page.wrong() == []


@each_way
def test_server(page, lab, use):
    page.open(lab.add("server.ipynb", ECHO_SERVER)).run_all()
    root = page.tab.locator(".epollkit-explore")

    def button(words):
        return root.locator(f'button:text-is("{words}")')

    says(root, "order in which they came: fast.", "✔ fast: 48 bytes sent, the same 48 came back.")
    for words, temper in (("+ leaves", "leaves"), ("+ fast", "fast 2"), ("+ silent", "silent")):
        use(button(words))
        says(root, f"✔ {temper}: ")
    says(root, "✔ Told to stop, the server came back")
    use(button("+ slow reader"))
    says(root, "✘ The server hangs: it sleeps in", "✘ slow reader")
    use(button("− the last"))
    says(root, "came: fast, leaves, fast, silent.", "✔ Told to stop")
    use(button("+ resets"))
    says(root, "✘ The server raised ConnectionResetError")
    use(button("Step through"))
    root.locator(".epollkit-player, .epollkit-step-through").wait_for()
    use(button("Back to the picture"))
    says(root, "came: fast, leaves, fast, silent, resets.")
    use(button("Reset"))
    says(root, "order in which they came: fast.", "✔ Told to stop")
    assert page.wrong() == []


@each_way
def test_scale(page, lab, use):
    root, button = opened(page, lab, "scale")
    says(root, "Nothing was measured here yet.")
    type_number(root, 3)
    use(button("Measure"))
    says(root, "streams is 3. It must be a whole number from 10 to")
    type_number(root, 2000)
    use(button("Measure"))
    says(root, "Measuring")
    use(button("Stop"))
    says(root, "The run was ended before its last point.")
    use(button("Stop"))
    says(root, "No run is going on.")
    type_number(root, 100)
    use(button("Measure"))
    says(root, "With 10 streams", "From 10 to 100")
    use(button("Saved run"))
    says(root, "A saved run, not measured here")
    assert page.wrong() == []


def test_every_control_of_the_explorables_is_operated_above():
    from epollkit import explore

    with open(__file__) as file:
        words = {
            node.value
            for node in ast.walk(ast.parse(file.read()))
            if isinstance(node, ast.Constant)
        }

    def echo(listener, stop):
        os.read(stop, 1)

    for make in (
        explore.waiting,
        explore.buffers,
        explore.triggers,
        explore.endings,
        explore.beliefs,
        explore.scale,
        lambda: explore.server(echo),
    ):
        view = make()
        try:
            buttons = {
                one.description
                for one in everything_in(view.widget)
                if type(one).__name__ == "Button"
            }
            assert buttons <= words, view.kind
        finally:
            view.close()


def everything_in(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from everything_in(child)


def test_when_the_kernel_was_restarted_they_say_so_and_do_nothing(page, lab):
    page.open(lab.add("restarted.ipynb", *LIVE.values())).run_all()
    roots = page.tab.locator(".epollkit-explore")
    expect(roots).to_have_count(len(LIVE))
    words = "This notebook's Python was restarted: Run All Above Selected Cell, then this cell."
    before = "all => all.map(root => getComputedStyle(root, '::before').content)"
    assert not any(words in shown for shown in roots.evaluate_all(before))
    page.menu("Kernel", "Restart Kernel…")
    page.tab.click(".jp-Dialog button.jp-mod-warn")
    lost = page.tab.locator(".epollkit-explore.jupyter-widgets-disconnected")
    expect(lost).to_have_count(len(LIVE))
    page.wait_until_idle()
    assert all(words in shown for shown in roots.evaluate_all(before))
    assert roots.evaluate_all(
        "all => all.every(root => [...root.children].every("
        "one => getComputedStyle(one).pointerEvents === 'none'))"
    )
    page.run_all()
    expect(lost).to_have_count(0)
    assert page.wrong() == []


# keys, and what is said of Python's time

KEYS = [*"abddjkmxyz00", "Space", "Home", "End", "PageDown", "PageUp"]
KEYS += [f"Arrow{way}" for way in ("Up", "Down", "Left", "Right")] * 2
#: What a key must not change: cells, the active one, whether it is edited, what is scrolled where.
NOTEBOOK = """() => JSON.stringify([
    [...document.querySelectorAll('.jp-Cell')].map(cell => [
        cell.classList.contains('jp-mod-active'), cell.classList.contains('jp-mod-selected'),
        cell.querySelector('.cm-content')?.innerText, cell.querySelector('.jp-InputPrompt')?.innerText]),
    document.querySelector('.jp-mod-editMode') !== null,
    [...document.querySelectorAll('*')].filter(one => one.scrollTop && !one.closest('.epollkit-explore')).map(one => [one.className, one.scrollTop]),
    document.querySelector('.jp-Dialog') !== null])"""


@pytest.mark.parametrize("name", LIVE)
def test_keys_after_a_click_stay_in_the_explorable(page, lab, name):
    filler = "print(*range(200), sep='\\n')"
    page.open(lab.add(f"keys-{name}.ipynb", filler, LIVE[name], filler)).run_all()
    root = page.tab.locator(".epollkit-explore")
    root.scroll_into_view_if_needed()
    reset = root.locator('button:text-is("Reset")')
    buttons = [
        root.locator(f'button:text-is("{words}")').first
        for words in root.locator("button:enabled").all_inner_texts()
    ]
    for control in buttons or [root.locator("select")]:
        control.click()
        says(root)
        before = page.tab.evaluate(NOTEBOOK)
        for key in KEYS:
            page.tab.keyboard.press(key)
        says(root)
        assert page.tab.evaluate(NOTEBOOK) == before, control
        assert root.evaluate("root => root.contains(document.activeElement)")
        if reset.count():  # keys may have pressed some
            reset.click()
            says(root)
    control.focus()  # arrow keys may have gone on to a field, which has an Enter of its own
    page.tab.keyboard.press("Control+s")
    page.tab.keyboard.press("Shift+Enter")
    page.tab.wait_for_function(
        "() => document.querySelectorAll('.jp-Cell')[2].classList.contains('jp-mod-active')"
    )
    page.wait_until_idle()


def test_a_click_that_python_is_too_busy_for_says_so_and_is_done_later(page, lab):
    wait = "import os, time\nwhile not os.path.exists('go'):\n    time.sleep(0.01)"
    page.open(lab.add("busy.ipynb", LIVE["triggers"], wait))
    page.wait_until_idle()
    page.menu("Run", "Run All Cells")
    root = page.tab.locator(".epollkit-explore")
    root.locator('button:text-is("Bytes arrive")').click()
    busy = root.locator(".epollkit-busy")
    busy.locator("text=Python is busy").wait_for()
    assert "nothing has happened yet" in root.inner_text()
    root.locator('button:text-is("Bytes arrive")').click()  # waits, and is not done twice
    (lab.root / "go").touch()
    says(root, "level-triggered (IN): 6 of 6 more (6 bytes wait).")
    assert busy.inner_text() == ""
    assert page.wrong() == []


def test_what_takes_long_says_so(page, lab):
    cell = (
        "import time\nfrom epollkit import explore\nview = explore.triggers()\n"
        "act = view.trial.arrive\n"
        "view.trial.arrive = lambda amount: (time.sleep(0.5), act(amount))[1]\nview"
    )
    page.open(lab.add("long.ipynb", cell)).run_all()
    root = page.tab.locator(".epollkit-explore")
    root.locator('button:text-is("Bytes arrive")').click()
    root.locator(".epollkit-busy:has-text('running…')").wait_for()
    says(root, "6 of 6 more (6 bytes wait).")


def test_two_of_a_kind_are_independent(page, lab):
    page.open(lab.add("two.ipynb", LIVE["triggers"], LIVE["triggers"])).run_all()
    first, second = (page.tab.locator(".epollkit-explore").nth(number) for number in (0, 1))
    first.locator('button:text-is("Bytes arrive")').click()
    says(first, "6 of 6 more (6 bytes wait).")
    says(second, "level-triggered (IN): nothing has happened yet")
    second.locator('button:text-is("Ask")').click()
    says(second, "silent (0 bytes wait)")
    says(first, "6 of 6 more (6 bytes wait).")
    assert page.wrong() == []
