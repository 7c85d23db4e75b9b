"""`python -m epollkit` says what is missing and what to type, everywhere, and never with a
traceback.
"""

import contextlib
import itertools
import json
import os
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import epollkit.__main__ as check
from epollkit import extras

ROOT = Path(__file__).resolve().parents[2]

# Run in a fresh Python: what cannot be imported on the system in question is made impossible to
# import.
ELSEWHERE = """
import platform, runpy, select, sys
for name in {absent!r}:
    sys.modules[name] = None
if hasattr(select, "epoll"):
    del select.epoll
if {system!r}:
    platform.system = lambda: {system!r}
sys.argv = ["epollkit", *{arguments!r}]
runpy.run_module("epollkit", run_name="__main__", alter_sys=True)
"""


def run(*arguments, program=sys.executable):
    """Run this Python, or another program, from the checkout.

    Returns the finished process, its output as text.
    """
    return subprocess.run(
        [program, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def report(capsys, *arguments):
    """Run the check in this process. Returns the exit status and the lines printed."""
    status = check.main(arguments)
    printed = capsys.readouterr()
    assert printed.err == ""
    return status, printed.out.splitlines()


def mends(lines):
    """Return {what: what to type} of the things that a report says are missing."""
    return {
        line[8:24].strip(): after.split("-> ", 1)[1]
        for line, after in itertools.pairwise(lines)
        if line.startswith(("MEND", "better"))
    }


def number_open():
    return len(os.listdir("/proc/self/fd"))


def test_here_the_course_can_run():
    done = run("-m", "epollkit")
    lines = done.stdout.splitlines()
    assert (done.returncode, lines[-1], done.stderr) == (0, "all good", "")
    assert all(line.startswith("ok ") for line in lines[:-1])
    words = [line[8:24].rstrip() for line in lines[:-1]]
    needed = {name[:16] for name in check.packages()}
    assert needed <= set(words) and len(set(words)) == len(words)
    assert not {"jupyterlab", "nbval", "ruff", "playwright"} & set(words), "no notebook uses them"
    assert all(line[24:26] == "  " and line[26] != " " for line in lines[:-1]), (
        "what was found stands in one column"
    )


def test_brief_prints_only_the_last_line_when_nothing_is_missing():
    done = run("-m", "epollkit", "--brief")
    assert (done.returncode, done.stdout, done.stderr) == (0, "all good\n", "")


def test_it_asks_for_what_a_notebook_needs_and_for_the_minimums_of_pyproject():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = tomllib.loads(text)["project"]["optional-dependencies"]
    listed = [text for text in listed["draw"] + listed["notebook"] if ">=" in text]
    assert check.packages() == dict(text.split(">=") for text in listed)


@pytest.mark.parametrize(
    "system, absent",
    [
        ("Windows", ["fcntl", "termios", "resource", "pwd"]),
        ("Darwin", ["fcntl", "termios"]),
        ("", ["fcntl", "termios"]),  # a Linux whose Python lacks all three
    ],
)
@pytest.mark.parametrize("arguments", [[], ["--brief"]])
def test_off_linux_it_says_where_the_course_runs(system, absent, arguments):
    done = run("-c", ELSEWHERE.format(system=system, absent=absent, arguments=arguments))
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert done.stderr == "", "no traceback"
    assert "to mend before the course can run here" in lines[-1] and "all good" not in done.stdout
    if system:
        assert len(mends(lines)) == 1
        for place in ("Binder", "dev container", "WSL 2"):
            assert place in mends(lines)["operating system"]
    else:
        assert "select.epoll" in mends(lines)
        assert "could not be tried: ModuleNotFoundError" in done.stdout


def test_a_package_that_is_missing_old_or_broken_comes_with_the_command_that_mends_it(
    capsys, monkeypatch, tmp_path
):
    (tmp_path / "broken_package_of_a_test.py").write_text("raise OSError('no such library')")
    (tmp_path / "broken_package_of_a_test-1.0.dist-info").mkdir()
    (tmp_path / "broken_package_of_a_test-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: broken-package-of-a-test\nVersion: 1.0\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(
        metadata,
        "requires",
        lambda name: [
            'no-such-package-of-ours>=1.0; extra == "notebook"',
            'numpy>=999.1; extra == "draw"',
            'broken-package-of-a-test>=0.1; extra == "notebook"',
            'pytest>=1.0; extra == "notebook"',
            'epollkit[draw]; extra == "notebook"',
            'never-asked-for>=1; extra == "more"',
            "never-asked-for-either>=1",
        ],
    )
    status, lines = report(capsys)
    assert status == 1 and lines[-1] == "3 things to mend before the course can run here"
    pip = f"{extras.python()} -m pip install"
    assert mends(lines) == {
        "no-such-package-of-ours"[:16]: f"{pip} 'no-such-package-of-ours>=1.0'",
        "numpy": f"{pip} 'numpy>=999.1'",
        "broken-package-of-a-test"[:16]: f"{pip} --force-reinstall 'broken-package-of-a-test>=0.1'",
    }
    assert any("OSError: no such library" in line for line in lines)
    assert any(line.startswith("ok") and " pytest " in line for line in lines)


def test_a_python_without_epollkit_is_told_to_install_it(capsys, monkeypatch):
    def requires(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    status, lines = report(capsys, "--brief")
    assert status == 1 and lines[-1] == "1 thing to mend before the course can run here"
    assert mends(lines)["epollkit"].startswith("make lab")
    assert len(lines) == 3, "--brief prints what is missing, what to type, and the last line"


def test_an_old_python_is_told_so_and_nothing_else(capsys, monkeypatch):
    monkeypatch.setattr(check, "PYTHON_NEEDED", (99, 1))
    status, lines = report(capsys)
    assert status == 1 and list(mends(lines)) == ["Python"]
    assert mends(lines)["Python"].startswith("make lab")


@pytest.mark.parametrize(
    "name, what",
    [
        ("interest_list", "interest list"),
        ("sleeping_thread", "sleeping threads"),
        ("loopback", "loopback"),
        ("pipe_capacity", "pipe capacity"),
        ("kernelspec", "Jupyter kernel"),
        ("open_files", "open files"),
    ],
)
def test_a_trial_that_fails_in_a_way_nobody_foresaw_is_a_line(name, what, capsys, monkeypatch):
    def trial():
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(check, name, trial)
    status, lines = report(capsys, "--brief")
    assert status == 1 and list(mends(lines)) == [what]
    assert "could not be tried: PermissionError" in lines[0]


def test_a_low_limit_on_open_files_is_said_and_stops_nothing():
    done = run(
        "-c", 'ulimit -S -n 200; exec "$0" -m epollkit --brief', sys.executable, program="/bin/sh"
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert list(mends(lines)) == ["open files"]
    assert mends(lines)["open files"].startswith(("ulimit -n ", "sudo prlimit "))
    assert lines[-1] == "the course can run here; 1 thing would be better mended"


def test_the_jupyter_kernel_must_be_this_python(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(check.Missing, match="no Jupyter kernel named python3") as caught:
        check.kernelspec()
    assert (
        caught.value.mend == f"{extras.python()} -m ipykernel install --sys-prefix --name python3"
    )
    spec = tmp_path / "share" / "jupyter" / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    for program, good in [
        ("python", True),
        (sys.executable, True),
        ("/elsewhere/bin/python", False),
    ]:
        spec.write_text(json.dumps({"argv": [program, "-m", "ipykernel_launcher"]}))
        with (
            contextlib.nullcontext()
            if good
            else pytest.raises(check.Missing, match="starts /elsewhere")
        ):
            check.kernelspec()
    spec.write_text("[]")
    with pytest.raises(check.Missing, match="cannot be understood"):
        check.kernelspec()


def test_it_leaves_nothing_open(capsys):
    report(capsys)
    before = number_open()
    report(capsys)
    assert number_open() == before


@pytest.mark.parametrize(
    "version, expected",
    [
        ("7.4.0", (7, 4, 0)),
        ("7.4", (7, 4)),
        ("7.4.0rc1", (7, 4, 0)),
        ("2026.9.1.post2", (2026, 9, 1)),
        ("", ()),
    ],
)
def test_numbers_reads_the_release_of_a_version(version, expected):
    assert check.numbers(version) == expected
