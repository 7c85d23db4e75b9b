"""What tests share:

the rules that hold for every log, threads, busy cores, and what must be left behind.
"""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import pytest
from ipywidgets.widgets import widget
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

import epollkit
from epollkit import linux

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
#: How many rounds a test makes that must hold every time.  EPOLLKIT_ROUNDS=200 makes more.
ROUNDS = int(os.environ.get("EPOLLKIT_ROUNDS", "20"))
#: A cell that shows server() with a server that is right for one client.
ECHO_SERVER = """
import select
from epollkit import explore

def serve(listener, stop):
    clients = {}
    with select.epoll() as ep:
        ep.register(listener, select.EPOLLIN)
        ep.register(stop, select.EPOLLIN)
        while True:
            for fd, mask in ep.poll():
                if fd == stop:
                    return
                if fd == listener.fileno():
                    client, _ = listener.accept()
                    ep.register(client, select.EPOLLIN)
                    clients[client.fileno()] = client
                elif data := clients[fd].recv(65536):
                    clients[fd].sendall(data)
                else:
                    ep.unregister(fd)
                    clients.pop(fd).close()

explore.server(serve, "fast")"""


def keeps_the_rules(log, path):
    """Assert what holds for every log; *path* is where it may be saved."""
    flows = log.flows
    for flow in flows:
        moved = (
            flow.written
            - flow.read
            + sum(amount for _, amount, _ in flow.elsewhere)
            - sum(amount for _, amount, _ in flow.discarded)
        )
        last = flow.points[-1][1] if flow.points else flow.start_level
        assert flow.start_level + moved == last, flow
        assert all(level >= 0 for _, level, _ in flow.points), flow
        for found in (
            flow.points,
            flow.buffer_events,
            flow.elsewhere,
            flow.endings,
            flow.discarded,
        ):
            positions = [entry[0] for entry in found]
            assert positions == sorted(positions), flow
    # In steps it is the same story as in time.
    start, end, count = log.steps
    assert sorted({*start, *(step for step in end if step < count)}) == list(range(count))
    for flow, same in zip(flows, log.flows_by_step, strict=True):
        assert [(level, call) for _, level, call in flow.points] == [
            (level, call) for _, level, call in same.points
        ]
        assert [entry[1:] for entry in flow.buffer_events] == [
            entry[1:] for entry in same.buffer_events
        ]
    for call, asleep in enumerate(log.asleep):
        assert log.may_sleep(call) or not asleep, log[call]
    loaded = epollkit.Log.load(log.save(path))
    assert loaded == log
    assert list(loaded) == list(log)
    assert loaded.asleep == log.asleep
    assert loaded.flows == log.flows
    assert loaded.limits() == log.limits()


def everything_replaced():
    """Return what may be replaced while something is recorded, as it is now."""
    import _socket
    import select
    import socket

    return {owner: dict(vars(owner)) for owner in (select.epoll, socket.socket, os, _socket)}


@contextlib.contextmanager
def busy_cores():
    """Keep every core busy with another process's work, for as long as the block lasts."""
    busy = [
        subprocess.Popen(
            [sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE
        )
        for _ in range(os.cpu_count())
    ]
    try:
        for process in busy:
            process.stdout.readline()
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()
            process.stdout.close()


@contextlib.contextmanager
def thread(target, *args, name="B"):
    """Run *target* in a thread for the block.  What it raises is raised at the end of the block."""
    failed = []

    def run():
        try:
            target(*args)
        except BaseException as error:
            failed.append(error)

    running = threading.Thread(target=run, name=name)
    running.start()
    try:
        yield running
    finally:
        running.join(60)
        assert not running.is_alive()
    if failed:
        raise failed[0]


def wait_until_asleep(running, stream):
    linux.wait_until_asleep(running, stream, 60)


#: For programs in a process of their own: what is open; and every number that may be held but is
#: free, as a list.
SCARCE = """
import os, resource

def numbers():  # listing the directory would take a number
    return [number for number in range(1000) if os.path.exists(f"/proc/self/fd/{number}")]

def hold_all(limit):
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    held = []
    while True:
        try:
            held.append(os.dup(0))
        except OSError:
            return held
"""


def run_apart(program):
    """Run *program* in a process of its own, which has what SCARCE defines; a warning there is
    an error.
    """
    subprocess.run([sys.executable, "-W", "error", "-c", SCARCE + program], check=True, timeout=120)


@contextlib.contextmanager
def leaves_nothing():
    """Assert that the block leaves no number open, no thread running, no widget alive."""

    def left():
        return (
            sorted(os.listdir("/proc/self/fd")),
            set(threading.enumerate()),
            set(widget._instances),
        )

    before = left()
    yield
    assert left() == before


def nothing_overlaps(figure):
    """Assert that no text of *figure* runs into another, or over the edge.

    Returns how many texts there are.
    """
    edge, renderer = figure.bbox, FigureCanvasAgg(figure).get_renderer()
    boxes = [
        (text.get_text(), text.get_window_extent(renderer))
        for text in figure.findobj(Text)
        if text.get_text()
    ]
    for at, (text, box) in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= edge.x1 and box.y1 <= edge.y1, (
            f"{text!r} is cut off"
        )
        for other, there in boxes[:at]:
            assert (
                box.x1 <= there.x0 or there.x1 <= box.x0 or box.y1 <= there.y0 or there.y1 <= box.y0
            ), f"{text!r} runs into {other!r}"
    return len(boxes)


def tracked_files():
    """Return the files that git would commit: those it tracks, and new ones it does not ignore."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed, so the tracked files cannot be listed")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode != 0:
        pytest.skip(f"this is not a checkout that git can list: {listed.stderr.strip()}")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def load_tool(name):
    """Return the module in tools/ of this *name*."""
    spec = importlib.util.spec_from_file_location(
        f"epollkit_tools_{name}", ROOT / "tools" / f"{name}.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def server_cells() -> list[str]:
    """Return the sources of the cells that make the server of notebook 08b, tagged echo-server."""
    folder = Path(__file__).resolve().parents[1] / "notebooks"
    cells = nbformat.read(folder / "08b-what-a-real-one-needs.ipynb", as_version=4).cells
    return [cell.source for cell in cells if "echo-server" in cell.metadata.get("tags", [])]


def says(root, *words):
    """Wait until the explorable says all *words*:

    in its text, or in the alternative text of its picture.
    """
    root.page.wait_for_function(
        """([root, words]) => {
            const pictures = [...root.querySelectorAll('img')].map(image => image.alt);
            const said = root.innerText + pictures.join(' ');
            return !root.classList.contains('epollkit-waits')
                && words.every(one => said.replace(/\\s+/g, ' ').includes(one)); }""",
        arg=[root.element_handle(), list(words)],
    )
    assert root.evaluate(
        "root => [...root.querySelectorAll('img')].every(one => one.naturalWidth > 300)"
    )
