"""What recording, reading and drawing cost on this machine.

Three tables: one round of write, poll, read with nobody watching, under `record()` and under
strace, in turn, medians and ratios of one run; what it takes to record and draw a thousand to a
hundred thousand calls; and a million calls, none lost. Then what a long recording costs in
`step_through`; how select, poll and epoll grow with the number of streams. Last, how long it takes
from the press of a key in JupyterLab, in a headless Chromium, to the explorable's new picture.
"""

import functools
import gc
import json
import os
import runpy
import select
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

from playwright.sync_api import sync_playwright

import epollkit
from epollkit import explore, programs
from epollkit.explore.scale import most_streams

ROUNDS, REPEATS = 20_000, 7
SIZES = (1_000, 10_000, 100_000)


def pipe_rounds(rounds):
    """Time *rounds* of write, poll and read on a pipe; returns microseconds a round."""
    r, w = os.pipe()
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        start = time.perf_counter()
        for _ in range(rounds):
            os.write(w, b"x")
            ep.poll()
            os.read(r, 16)
        took = time.perf_counter() - start
    os.close(w)
    os.close(r)
    return took / rounds * 1e6


def socketpair_rounds(rounds):
    """Time *rounds* of send, poll and recv on a socketpair; returns microseconds a round."""
    a, b = socket.socketpair()
    with a, b, select.epoll() as ep:
        ep.register(b, select.EPOLLIN)
        start = time.perf_counter()
        for _ in range(rounds):
            a.send(b"x")
            ep.poll()
            b.recv(16)
        return (time.perf_counter() - start) / rounds * 1e6


def recorded(program, rounds):
    """Do *program* under `record()`, and make sure that each of its calls was written down
    whole.
    """
    with epollkit.record() as log:
        took = program(rounds)
    counted = [
        call
        for call in log
        if call.name in ("os.write", "socket.send", "os.read", "socket.recv", "epoll.poll")
    ]
    assert len(counted) == 3 * rounds
    assert all(call.line is not None and call.thread is not None for call in counted)
    flow = next(flow for flow in log.flows if flow.written)
    assert flow.written == flow.read == rounds and len(flow.points) == 2 * rounds
    return took


def under_strace(program, rounds):
    """Do *program* in a second Python under strace; returns microseconds a round, None where
    strace does not run.
    """
    if shutil.which("strace") is None:
        return None
    code = (
        f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r}); import bench\n"
        f"print(bench.{program.__name__}({rounds}))"
    )
    done = subprocess.run(
        [
            "strace",
            "-f",
            "--seccomp-bpf",
            "-o",
            os.devnull,
            "-e",
            "trace=read,write,sendto,recvfrom,epoll_wait,epoll_pwait",
            sys.executable,
            "-c",
            code,
        ],
        capture_output=True,
        text=True,
    )
    return float(done.stdout) if done.returncode == 0 else None


def cost_of_a_round():
    print(
        f"one round of write, poll, read: microseconds, median of {REPEATS}, {ROUNDS:,} rounds each"
    )
    print(f"{'':<12}{'bare':>8}{'record()':>10}{'ratio':>8}{'strace':>9}{'ratio':>8}")
    for program in (pipe_rounds, socketpair_rounds):
        bare, watched, traced = [], [], []
        for _ in range(REPEATS):
            bare.append(program(ROUNDS))
            watched.append(recorded(program, ROUNDS))
            if (took := under_strace(program, 2_000)) is not None:
                traced.append(took)
        ratio = statistics.median(w / b for w, b in zip(watched, bare, strict=True))
        line = (
            f"{program.__name__.removesuffix('_rounds'):<12}{statistics.median(bare):>8.2f}"
            f"{statistics.median(watched):>10.2f}{ratio:>7.1f}×"
        )
        if traced:
            middle = statistics.median(traced)
            line += f"{middle:>9.2f}{middle / statistics.median(bare):>7.1f}×"
        print(line if traced else line + "   strace does not run here")


def cost_of_a_log():
    print(
        "\nto record, to read, to look through, to place and to draw a log: seconds; bytes a call"
    )
    print(
        f"{'calls':>9}{'record':>9}{'account':>9}{'warnings':>10}{'layout':>9}{'draw':>8}"
        f"{'bytes a call':>14}"
    )
    from epollkit.drawing.layout import layout

    epollkit.timeline(_log(10)).png()  # matplotlib is there and warm
    for size in SIZES:
        gc.collect()
        start = time.perf_counter()
        log = _log(size)
        times = [time.perf_counter() - start]
        for step in (
            lambda log=log: log.flows,
            lambda log=log: log.warnings(),
            lambda log=log: layout(log),
            lambda log=log: epollkit.timeline(log).png(),
        ):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        times[4] -= times[3]
        tracemalloc.start()
        kept = _log(size)
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] / len(kept)
        tracemalloc.stop()
        record, account, warnings, layout_s, draw = times
        print(
            f"{len(log):>9,}{record:>9.3f}{account:>9.3f}{warnings:>10.3f}{layout_s:>9.3f}"
            f"{draw:>8.3f}{held:>14.0f}"
        )


def _log(calls):
    with epollkit.record() as log:
        pipe_rounds(max(1, calls // 3))
    return log


def a_million():
    start = time.perf_counter()
    log = _log(1_000_000)
    names = log.columns()["name"]
    counts = {name: names.count(name) for name in ("os.write", "epoll.poll", "os.read")}
    assert set(counts.values()) == {333_333}, counts
    took_s = time.perf_counter() - start
    print(f"\na million calls: {len(log):,} recorded in {took_s:.1f} s, none lost")


PRESSES = 20
RECORDED = """
import os, select, epollkit
from epollkit import explore
from IPython.display import display
from ipywidgets import IntSlider, interact

with epollkit.record() as log:
    r, w = os.pipe()
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        for parcel in range(10):
            os.write(w, b"parcel")
            ep.poll()
            os.read(r, 64)
    os.close(r)
    os.close(w)
"""
#: What is compared.  The first is what `step_through` is instead of: the same timeline, drawn anew
#: for each step.
CELLS = {
    "interact": RECORDED
    + """
def draw(step):
    figure = epollkit.timeline(log).figure
    figure.axes[0].axvline(step / 6)
    display(figure)

_ = interact(draw, step=IntSlider(value=1, min=0, max=30))""",
    "step_through": "explore.step_through(log)",
    "triggers": "explore.triggers()",
    "buffers": "explore.buffers()",
    "waiting": "explore.waiting()",
}
#: What is pressed: a selector inside the cell, and the key.  Each press changes what the cell
#: shows.
KEYS = {
    "interact": (".noUi-handle", "ArrowRight"),
    "step_through": (".epollkit-player", "ArrowRight"),
    "triggers": ('button:text-is("Bytes arrive")', "Enter"),
    "buffers": ('button:text-is("Write n")', "Enter"),
    "waiting": ('button:text-is("Try")', "Enter"),
}
#: Hears each key before the page does: the explorables let none through.
HEAR = "addEventListener('keydown', event => window.pressed && window.pressed(event), true)"
#: Resolves with the milliseconds from the press of a key to the end of the frame in which the cell
#: had changed.
PAINTED = """cell => {
    const parts = ['.epp-status', '.epollkit-explore img', 'img'];
    const shown = () => (parts.map(part => cell.querySelector(part)).find(part => part)
                         || cell).outerHTML;
    const ready = () => [...cell.querySelectorAll('img')].every(image => image.complete);
    const before = shown();
    window.painted = new Promise((done, fail) => {
        setTimeout(() => fail(new Error('no change in ten seconds: ' + cell.innerText)), 10000);
        window.pressed = event => {
            window.pressed = null;
            const after = new MessageChannel();
            after.port1.onmessage = () => done(performance.now() - event.timeStamp);
            const look = () => shown() !== before && ready()
                ? after.port2.postMessage(null) : requestAnimationFrame(look);
            requestAnimationFrame(look);
        };
    });
}"""
#: Keeps Python busy until a file is there.
BUSY = "import pathlib\nwhile not pathlib.Path('enough').exists():\n    pass"


def from_key_to_picture():
    """Press keys in JupyterLab in a headless Chromium, and time each until the picture is there."""
    tests = Path(__file__).resolve().parent.parent / "tests" / "browser"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser_tests = SimpleNamespace(**runpy.run_path(str(tests / "conftest.py")))
        lab = browser_tests.Lab(Path(folder))
        browser = playwright.chromium.launch(
            executable_path=browser_tests.chromium(), args=browser_tests.SWITCHES
        )
        try:
            page = browser_tests.Page(lab, browser.new_page())
            page.tab.add_init_script(HEAR)
            page.open(lab.add("latency.ipynb", *CELLS.values())).run_all()
            took_ms = press_keys(page.tab)
            page.shut_down()
            page.open(lab.add("player.ipynb", RECORDED, CELLS["step_through"], "1")).run_all()
            player_ms = press_keys_on_the_player(page, lab)
            page.shut_down()
        finally:
            browser.close()
            lab.close()
    print("\nfrom the press of a key to the picture, in JupyterLab in a headless Chromium:")
    of_interact = statistics.median(took_ms["interact"])
    for name, all_ms in took_ms.items():
        middle = statistics.median(all_ms)
        print(
            f"{name:>22}: {middle:4.0f} ms from key to picture, the slowest of {PRESSES} "
            f"{max(all_ms):4.0f} ms, {middle / of_interact:.2f} of interact"
        )
    print("step_through alone, 200 keys each, with Python idle and busy:")
    for state, all_ms in player_ms.items():
        print(
            f"{state:>22}: {statistics.median(all_ms):4.1f} ms from key to picture, "
            f"the slowest {max(all_ms):4.1f} ms"
        )


def press_keys(tab):
    """Press each cell's key PRESSES times; returns {cell: [milliseconds]}.

    In turn: what else the machine does meets all of them.
    """
    took_ms = {name: [] for name in CELLS}
    for _ in range(PRESSES):
        for cell, name in zip(tab.query_selector_all(".jp-CodeCell"), CELLS, strict=True):
            selector, key = KEYS[name]
            cell.query_selector(selector).focus()
            cell.evaluate(PAINTED)
            tab.keyboard.press(key)
            took_ms[name].append(tab.evaluate("painted"))
    return took_ms


def press_keys_on_the_player(page, lab):
    """Press 200 keys on `step_through`, first while Python is idle, then while it is busy.

    Returns {state: [milliseconds]}.
    """
    player, took_ms = page.tab.query_selector(".epollkit-player"), {}
    for state in ("idle", "busy"):
        if state == "busy":
            page.tab.locator(".jp-CodeCell").nth(2).locator(".cm-content").fill(BUSY)
            page.tab.keyboard.press("Control+Enter")
            page.tab.wait_for_selector('.jp-StatusBar-TextItem:text-matches("[|] Busy$")')
        player.focus()
        page.tab.keyboard.press("Home")
        took_ms[state] = []
        for number in range(200):
            player.evaluate(PAINTED)
            page.tab.keyboard.press("ArrowRight" if number // 20 % 2 == 0 else "ArrowLeft")
            took_ms[state].append(page.tab.evaluate("painted"))
    (lab.root / "enough").touch()
    page.wait_until_idle()
    return took_ms


def cost_of_the_player():
    """Print how long the table of a long recording takes, and how large it is."""
    from epollkit.player.table import build_table

    log = _log(10_000)
    drawn = epollkit.timeline(log)
    drawn.png()
    start = time.perf_counter()
    table = build_table(log, drawn)
    took_s = time.perf_counter() - start
    size = len(json.dumps(table).encode())
    print(f"\nstep_through of {table['count']:,} steps: {took_s:.2f} s, {size / 1e6:.2f} MB")


def model_against_kernel():
    """Hold the model of epoll against the kernel on 30,000 random programs, and say how long it
    takes.
    """
    start, calls = time.perf_counter(), 0
    for seed in range(30_000):
        program, outcomes = programs.draw(seed)
        calls += len(program)
        if found := programs.difference(program, outcomes):
            print(f"\nthe model differs in program {seed}: call {found[0]}, {found[1:]}")
            return
    took_s = time.perf_counter() - start
    print(f"\nmodel and kernel: 30,000 programs, {calls:,} calls, all alike, {took_s:.0f} s")


def curves():
    """Run pipetest five times, and hold each run against the shape that notebook 13 shows."""
    points = (10, 100, 500, most_streams())
    print("\npipetest: a pass with the most streams costs so many times one with ten")
    for _ in range(5):
        run = explore.pipetest(*points)
        times = {way: costs[max(costs)] / costs[10] for way, costs in run.us.items()}
        print("".join(f"{way:>12} {times[way]:7.1f}×" for way in times), end="")
        print(f"   epoll, dearest to cheapest: {run.factor('epoll'):.2f}×")
        assert run.factor("epoll") < 1.5 and times["poll"] > 50 and times["select"] > 5


def cost_of_a_click():
    """Print the slowest click of each explorable: what should take less than half a second."""
    from epollkit import exercises

    def clicks(view, *controls):
        return [(control.description, control.click) for control in controls]

    def choices(dropdown):
        return [
            (label, functools.partial(setattr, dropdown, "value", value))
            for label, value in dropdown.options
        ]

    views = {
        "waiting": (view := explore.waiting(), clicks(view, view.attempt)),
        "buffers": (
            view := explore.buffers(),
            clicks(view, view.write, view.fill, view.sleep, view.short, view.read, view.drain),
        ),
        "triggers": (
            view := explore.triggers(),
            clicks(view, view.arrive, view.ask, view.ask_on, view.arm_one_shot, view.arm_edge),
        ),
        "endings": (view := explore.endings(), choices(view.what)),
        "quiz": (view := exercises.quiz("poll", seed=11), clicks(view, view.picks[0], view.next)),
    }
    print("\nthe slowest click of an explorable, in Python alone:")
    for name, (view, acts) in views.items():
        took = {}
        for words, act in acts:
            start = time.perf_counter()
            act()
            took[words] = time.perf_counter() - start
        slowest = max(took, key=took.get)
        print(f"{name:>22}: {1000 * took[slowest]:4.0f} ms ({slowest})")
        view.close()


if __name__ == "__main__":
    cost_of_a_round()
    cost_of_a_log()
    a_million()
    cost_of_the_player()
    cost_of_a_click()
    curves()
    model_against_kernel()
    from_key_to_picture()
