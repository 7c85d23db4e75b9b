"""Twelve real programs are recorded whole, or what is missing is named.

Bytes are counted outside the recording: by the program itself, or by a relay, in a process of its
own, through which its client and its server talk.  The log has as many, or `limits()` says why not.
The bytes by which an event loop wakes itself up are in the log and in nobody's count.  None of them
makes a mistake that `log.warnings()` knows.
"""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from support import ROOT, keeps_the_rules

import epollkit

HERE = Path(__file__).parent
#: program → whether it needs packages of others, and what `limits()` says if bytes are missing;
#: None: no byte may be missing.
PROGRAMS = {
    "http_server": (False, None),
    "socketserver_echo": (False, None),
    "asyncio_subprocess": (False, None),
    "multiprocessing_pipe": (False, None),
    "blocking_tls": (True, None),
    "asyncio_tls": (True, None),
    "aiohttp_both": (True, None),
    "tornado_both": (True, None),
    "trio_both": (True, r"\btrio\b"),
    "twisted_both": (True, None),
    "uvicorn_httpx": (True, None),
    "uvloop_echo": (True, r"\buvloop\b"),
}


def moved(log) -> dict[str, int]:
    """Return how many bytes the calls in *log* wrote and read, without wake-ups."""
    totals = {"written": 0, "read": 0}
    writes = {}
    for call in log:
        # What lies in the buffers of a TLS stream is encrypted, so it has no flows.
        if call.name in ("ssl.send", "ssl.write", "ssl.read"):
            totals["read" if call.name == "ssl.read" else "written"] += call.bytes_moved
        if call.name in ("os.write", "socket.send") and call.stream.internal:
            writes.setdefault(call.stream.description, set()).add(call.result)
    for flow in log.flows:
        wakes_a_loop = flow.sink is not None and writes.get(flow.source) == {1}
        if flow.unit == "bytes" and not wakes_a_loop:
            totals["written"] += flow.written
            totals["read"] += flow.read
    return totals


@pytest.mark.parametrize(
    "name, needs_packages, missing",
    [(name, *rest) for name, rest in PROGRAMS.items()],
    ids=PROGRAMS,
)
def test_every_byte_is_recorded_or_its_absence_is_named(
    name, needs_packages, missing, python, tmp_path
):
    path = tmp_path / "log.jsonl"
    done = subprocess.run(
        [python, HERE / "record_program.py", name, path],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    log = epollkit.Log.load(path)
    keeps_the_rules(log, tmp_path / "kept.jsonl")
    log.objects = tuple(replace(stream, internal=False) for stream in log.objects)
    log.forget()  # what libraries make for themselves is looked at as well
    print(*log.warnings(), sep="\n")
    assert [str(each) for each in log.warnings() if each.certain] == []
    log = epollkit.Log.load(path)
    counted = json.loads(done.stdout)
    assert counted["written"] and counted["read"]
    if missing is None:
        assert moved(log) == counted, log.limits()
    elif moved(log) != counted:
        assert [words for words in log.limits() if re.search(missing, words)], log.limits()


def test_there_are_twelve():
    assert len(PROGRAMS) == 12
    assert {f"{name}.py" for name in [*PROGRAMS, "certificate"]} == {
        path.name for path in (HERE / "programs").glob("*.py")
    }
