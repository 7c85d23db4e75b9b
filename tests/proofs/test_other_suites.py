"""The suites that others wrote for their own code have the same outcomes recorded and not.

Each suite runs twice, in processes of its own, once inside ``record()``, and the lists of outcomes
are compared.  Some tests depend on time, and fail now and then on a busy machine: what differs is
run again, alone, both ways; only what differs each time is a difference.

Of what they do right nothing may be warned.  Questions are allowed, and printed.
"""

import json
import subprocess
from pathlib import Path

import pytest
from support import ROOT

HERE = Path(__file__).parent
TRIES = 3
#: suite → (how it is run, whether it needs packages of others, whether it belongs to the small
#: share, what is run)
SUITES = {
    "epoll": ("unittest", False, True, ["test.test_epoll"]),
    "selectors": ("unittest", False, False, ["test.test_selectors"]),
    "asyncio selector_events": (
        "unittest",
        False,
        True,
        ["test.test_asyncio.test_selector_events"],
    ),
    "asyncio streams": ("unittest", False, True, ["test.test_asyncio.test_streams"]),
    "asyncio sock_lowlevel": ("unittest", False, False, ["test.test_asyncio.test_sock_lowlevel"]),
    "asyncio server": ("unittest", False, False, ["test.test_asyncio.test_server"]),
    "asyncio unix_events": ("unittest", False, False, ["test.test_asyncio.test_unix_events"]),
    "asyncio subprocess": ("unittest", False, False, ["test.test_asyncio.test_subprocess"]),
    "asyncio ssl": ("unittest", False, False, ["test.test_asyncio.test_ssl"]),
    "socketserver": ("unittest", False, False, ["test.test_socketserver"]),
    "ssl": ("unittest", False, False, ["test.test_ssl"]),
    "trio": (
        "pytest",
        True,
        False,
        ["-p", "trio._tests.pytest_plugin", "trio._core._tests.test_io"],
    ),
    "tornado": (
        "unittest",
        True,
        False,
        [f"tornado.test.{name}_test" for name in ("iostream", "ioloop", "tcpserver", "websocket")],
    ),
}


def outcomes(python, kind, how, names, folder) -> dict[str, str]:
    """Return {test: what became of it}."""
    there = folder / f"{how}.json"
    there.unlink(missing_ok=True)
    done = subprocess.run(
        [python, HERE / "run_suite.py", kind, how, there, *names],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=900,
    )
    if not there.exists() or not there.stat().st_size:
        pytest.fail(f"the suite did not end, {how}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return json.loads(there.read_text(encoding="utf-8"))


def differing(python, kind, names, folder) -> dict[str, tuple]:
    """Return {test: (outcome bare, outcome recorded)} of the tests whose outcomes differ."""
    bare, recorded = (outcomes(python, kind, how, names, folder) for how in ("bare", "recorded"))
    assert bare
    return {
        test: (bare.get(test), recorded.get(test))
        for test in sorted(bare | recorded)
        if bare.get(test) != recorded.get(test)
    }


@pytest.mark.parametrize("kind, needs_packages, is_quick, names", SUITES.values(), ids=list(SUITES))
def test_the_same_outcomes_recorded_and_not(
    kind, needs_packages, is_quick, names, python, is_small, tmp_path
):
    if is_small and not is_quick:
        pytest.skip("EPOLLKIT_PROOFS=small: it takes too long")
    if not needs_packages:
        pytest.importorskip(names[0], reason="this Python ships without its own tests")
    different = differing(python, kind, names, tmp_path)
    findings = json.loads((tmp_path / "recorded.warnings").read_text())
    print(*(words for _, words in findings), sep="\n")
    assert [words for certain, words in findings if certain] == []
    for _ in range(TRIES):
        if different:
            options = names[:-1] if kind == "pytest" else []
            again = differing(python, kind, [*options, *different], tmp_path)
            different = {test: again[test] for test in different if test in again}
    assert different == {}
