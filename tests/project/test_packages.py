"""What is built of this checkout: a wheel that works alone, an sdist with all that its tests need.

A part whose packages are missing says in one sentence what to type.
"""

import re
import subprocess
import sys
import tarfile
import venv
import zipfile

import pytest
from support import ROOT, tracked_files

from epollkit import extras

RECORDS = """
import os, epollkit
with epollkit.record() as log:
    r, w = os.pipe()
    os.write(w, b"parcel")
    os.read(r, 64)
    os.close(r)
    os.close(w)
assert [call.name for call in log] == ["os.pipe", "os.write", "os.read", "os.close", "os.close"]
assert "os.read(r, 64) → 6 bytes" in log.summary()
assert log.limits() == [] and epollkit.linux.capacity
"""


def run(python, *arguments, **options):
    return subprocess.run([python, *arguments], capture_output=True, text=True, **options)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build both from a copy of what git would commit; returns the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("built")
    copy = folder / "epollkit"
    for path in tracked_files():
        there = copy / path.relative_to(ROOT)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(path.read_bytes())
        there.chmod(path.stat().st_mode)
    program = (
        "from setuptools import build_meta\n"
        "print(build_meta.build_wheel('..'), build_meta.build_sdist('..'))"
    )
    done = run(sys.executable, "-c", program, cwd=copy)
    assert done.returncode == 0, done.stderr
    return [folder / name for name in done.stdout.split()[-2:]]


@pytest.fixture(scope="module")
def alone(built, tmp_path_factory):
    """Return the Python of a fresh environment that has the wheel, and nothing else, in it."""
    folder = tmp_path_factory.mktemp("alone")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    place = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout
    with zipfile.ZipFile(built[0]) as wheel:
        wheel.extractall(place.strip())
    return python


def test_the_wheel_has_every_file_of_the_package(built):
    with zipfile.ZipFile(built[0]) as wheel:
        packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    ours = {str(path.relative_to(ROOT)) for path in tracked_files()}
    assert packed == {name for name in ours if name.startswith("epollkit/")}


def test_the_sdist_has_every_file_of_the_checkout(built):
    with tarfile.open(built[1]) as sdist:
        packed = {name.partition("/")[2] for name in sdist.getnames()}
    assert {str(path.relative_to(ROOT)) for path in tracked_files()} <= packed


def test_recording_works_with_nothing_else_installed(alone, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(RECORDS, encoding="utf-8")
    done = run(alone, "-W", "error", program)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "program, part, needed",
    [
        ("epollkit.timeline", "timeline", ["draw"]),
        ("epollkit.workflow()", "workflow", ["draw"]),
        ("from epollkit import explore", "explore", ["draw", "notebook"]),
        ("from epollkit import exercises", "exercises", ["draw", "notebook"]),
    ],
)
def test_a_missing_extra_is_one_sentence_with_what_to_type(alone, tmp_path, program, part, needed):
    done = run(alone, "-c", f"import epollkit; {program}", cwd=tmp_path)
    *_, last = done.stderr.splitlines()
    package = re.match(rf"ImportError: epollkit\.{part} needs (\w+), which", last)[1]
    assert package in {*extras.packages(*needed), "IPython"}, "IPython comes with ipywidgets"
    wanted = " ".join(f"'{name}>={least}'" for name, least in extras.packages(*needed).items())
    assert last.endswith(f", which is not installed. What to type: {alone} -m pip install {wanted}")
    assert "During handling" not in done.stderr


def test_the_check_of_a_machine_says_what_a_notebook_lacks(alone, tmp_path):
    done = run(alone, "-m", "epollkit", "--brief", cwd=tmp_path)
    assert done.returncode == 1 and done.stderr == ""
    for name in extras.packages("draw", "notebook"):
        assert f"-m pip install '{name}>=" in done.stdout


def test_a_module_that_is_missing_in_epollkit_itself_is_not_taken_for_a_package(monkeypatch):
    import epollkit

    monkeypatch.setitem(epollkit._LATER, "mistyped", ("no_such_module", "draw"))
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        epollkit.mistyped  # noqa: B018
