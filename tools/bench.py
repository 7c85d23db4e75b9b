"""What recording, reading and drawing cost on this machine.

Three tables: one round of write, poll, read with nobody watching, under `record()` and under
strace, in turn, medians and ratios of one run; what it takes to record and draw a thousand to a
hundred thousand calls; and a million calls, none lost. Last, where there is a Chromium: how long it
takes from the press of a key in JupyterLab to the explorable's new picture.
"""

import gc
import os
import select
import shutil
import socket
import statistics
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import epollkit

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
            line += f"{statistics.median(traced):>9.2f}{statistics.median(traced) / statistics.median(bare):>7.1f}×"
        print(line if traced else line + "   strace does not run here")


def cost_of_a_log():
    print("\nto record, to read, to place and to draw a log: seconds; bytes a call")
    print(f"{'calls':>9}{'record':>9}{'account':>9}{'layout':>9}{'draw':>8}{'bytes a call':>14}")
    from epollkit.drawing.layout import layout

    epollkit.timeline(_log(10)).png()  # matplotlib is there and warm
    for size in SIZES:
        gc.collect()
        start = time.perf_counter()
        log = _log(size)
        times = [time.perf_counter() - start]
        for step in (
            lambda log=log: log.flows,
            lambda log=log: layout(log),
            lambda log=log: epollkit.timeline(log).png(),
        ):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        times[3] -= times[2]
        tracemalloc.start()
        kept = _log(size)
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] / len(kept)
        tracemalloc.stop()
        print(
            f"{len(log):>9,}{times[0]:>9.3f}{times[1]:>9.3f}{times[2]:>9.3f}{times[3]:>8.3f}{held:>14.0f}"
        )


def _log(calls):
    with epollkit.record() as log:
        pipe_rounds(max(1, calls // 3))
    return log


def a_million():
    start = time.perf_counter()
    log = _log(1_000_000)
    names = log.columns()["name"]
    found = {name: names.count(name) for name in ("os.write", "epoll.poll", "os.read")}
    assert set(found.values()) == {333_333}, found
    print(
        f"\na million calls: {len(log):,} recorded in {time.perf_counter() - start:.1f} s, none lost"
    )


def from_key_to_picture():
    print(
        "\nfrom the press of a key to the picture, in JupyterLab in a headless Chromium:",
        flush=True,
    )
    test = (
        Path(__file__).resolve().parent.parent / "tests" / "browser" / "test_latency_in_browser.py"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", str(test)], capture_output=True, text=True
    )
    measured = [
        line.removesuffix(".").removesuffix("F")
        for line in done.stdout.splitlines()
        if "ms from key" in line
    ]
    print("\n".join(measured) or done.stdout + done.stderr)


if __name__ == "__main__":
    cost_of_a_round()
    cost_of_a_log()
    a_million()
    from_key_to_picture()
