"""The table of calls: a row is all that a call needs, and no call is known anywhere else."""

import ast
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import epollkit
from epollkit import syscalls
from epollkit.analysis import story
from epollkit.recording import places

PACKAGE = Path(epollkit.__file__).parent
#: What records, reads and draws a log.
CORE = ("analysis", "drawing", "recording", "player", "log.py", "saved.py")

ROW = syscalls.Syscall(
    name="toys.sip",
    owner="toys",
    attribute="sip",
    keep=syscalls.keep_second,
    reads=True,
    family="read",
    word="drink",
)


@pytest.fixture(scope="module")
def toys():
    """A call that nobody has heard of: it takes some bytes out of a pipe."""
    module, read = types.ModuleType("toys"), os.read
    module.sip = lambda fd, most: read(fd, most)
    sys.modules["toys"] = module
    syscalls.enter(ROW)
    yield module
    del sys.modules["toys"], syscalls.CALLS[ROW.name]
    syscalls.READS.remove(ROW.name)


def test_a_row_is_all_that_a_call_needs(toys):
    sip = toys.sip
    with epollkit.record() as log:
        r, w = os.pipe()
        os.write(w, b"parcel")
        assert toys.sip(r, 4) == b"parc"
        os.close(w)
        os.close(r)
    assert toys.sip is sip
    call = log.calls(name="toys.sip")[0]
    assert (call.stream.name, call.bytes_moved, call.may_sleep) == ("r", 4, True)  # recorded
    assert log.level("r", call.end_ns) == 2 and log.limits() == []  # counted
    bar = next(b for b in epollkit.timeline(log).layout.bars if b.call == call.index)
    assert (bar.family, bar.syscall.bar) == ("read", "drink")  # colored, and named
    assert "r.sip(4) → 4 bytes   [w → r: 2 bytes]" in story.tell(log)  # told


def test_no_call_is_named_outside_the_table():
    """Not in the core: what reads and draws a log asks a call's row."""
    names = {row.name for row in syscalls.ROWS}
    named = []
    for part in CORE:
        path = PACKAGE / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            tree = ast.parse(file.read_text(encoding="utf-8"))
            documents = {
                id(node.body[0].value)
                for node in ast.walk(tree)
                if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
                and isinstance(node.body[0], ast.Expr)
            }
            named += [
                f"{file.relative_to(PACKAGE)}:{node.lineno} {node.value}"
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant)
                and node.value in names
                and id(node) not in documents
            ]
    assert named == []


def test_names_are_unique_and_spelled_alike():
    names = [row.name for row in syscalls.ROWS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+\.[a-z0-9_]+", name) for name in names)


def test_every_row_has_a_place_on_this_system_or_says_why_not():
    """Rows of functions that this Python is too old for, or of modules that are not imported, have
    none; everything else has.
    """
    import ssl  # noqa: F401

    newer = {"os.timerfd_create", "os.timerfd_settime", "os.timerfd_settime_ns"}
    for row in syscalls.ROWS:
        owner = places.find_owner(row.owner)
        assert owner is not None, row.name
        assert hasattr(owner, row.attribute) or row.name in newer, row.name


def test_the_table_can_be_imported_off_linux():
    program = (
        "import sys, select\nsys.modules['fcntl'] = sys.modules['termios'] = None\n"
        "for name in ('epoll', 'poll'): delattr(select, name)\n"
        "for name in [n for n in vars(select) if n.startswith('EPOLL')]: delattr(select, name)\n"
        "from epollkit import syscalls, Log\nprint(len(syscalls.ROWS) > 40)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True\n", "")
