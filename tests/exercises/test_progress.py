"""Progress: kept in one small file that nothing spoils; written out and read in as a line."""

import os
import subprocess
import sys

import pytest

from epollkit import exercises
from epollkit.exercises import content, progress_file
from epollkit.exercises.content import NOTEBOOKS, QUESTIONS, TASKS

FIRST, SECOND = list(QUESTIONS)[:2]
TASK = next(iter(TASKS))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A learner who has done nothing yet."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(progress_file, "session", progress_file.Done())
    return tmp_path / "data" / "epollkit" / "progress.json"


def restarted(monkeypatch):
    monkeypatch.setattr(progress_file, "session", progress_file.Done())
    return exercises.progress()


def test_no_id_is_used_twice():
    assert not QUESTIONS.keys() & TASKS.keys()
    assert sum(len(asked.QUESTIONS) for asked in NOTEBOOKS.values()) == len(QUESTIONS)
    assert sum(len(asked.TASKS) for asked in NOTEBOOKS.values()) == len(TASKS)


def test_who_does_nothing_has_no_file(home):
    question = content.find_question(FIRST)
    exercises.answer(FIRST, next(iter(question.choices)))
    assert exercises.check(TASK, lambda: ...).state != "right"
    home.unlink()

    def stub(): ...

    exercises.check(TASK, stub)
    exercises.progress()
    assert not home.exists()


def test_picks_and_attempts_are_kept(monkeypatch):
    question = content.find_question(FIRST)
    right, wrong, *_ = question.choices
    exercises.predict(FIRST).pick(right)
    assert exercises.answer(FIRST, right).is_right is True
    exercises.predict(SECOND).pick(next(iter(content.find_question(SECOND).choices)))
    assert exercises.answer(SECOND, object()).is_right is False
    assert not exercises.check(TASK, lambda *_: None).is_right
    shown = restarted(monkeypatch)
    assert shown.states == {FIRST: "right", SECOND: "wrong", TASK: "tried"}
    assert "2 of 2 predictions made, 1 right" in repr(shown) and "tried" in repr(shown)
    assert exercises.check(TASK, TASKS[TASK].solution).is_right
    exercises.check(TASK, lambda *_: None)
    shown = restarted(monkeypatch)
    assert shown.states[TASK] == "right", "what was right once stays right"
    assert f"✔ {TASKS[TASK].title}" in shown._repr_markdown_()
    assert "[00-start-here](00-start-here.ipynb)" in shown._repr_markdown_()


def test_two_notebooks_at_once_lose_nothing(home):
    program = (
        "import sys\nfrom epollkit.exercises import progress_file\n"
        "for number in range(100):\n    assert not progress_file.note(f'{sys.argv[1]}-{number}', 'right')"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, name]) for name in "ab"]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert len(exercises.progress().states) == 200
    assert sorted(os.listdir(home.parent)) == ["progress.json", "progress.lock"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        '["two-writes"]',
        '{"states": {"two-writes": 3}}',
        '{"states": 3}',
        '{"picks": {"two-writes": []}}',
        '{"picks": 3}',
        '{"two-writes": "right"}',
        "\0\0\0",
    ],
)
def test_a_broken_file_is_put_aside(home, text):
    home.parent.mkdir(parents=True)
    home.write_text(text)
    shown = exercises.progress()
    assert shown.states == {} and "could not be understood" in repr(shown)
    assert home.with_suffix(".broken").read_text() == text
    assert progress_file.note(FIRST, "right") == ""
    assert exercises.progress().states == {FIRST: "right"}
    assert not exercises.progress().trouble


def test_a_file_that_breaks_under_a_change_is_put_aside_too(home):
    home.parent.mkdir(parents=True)
    home.write_text("{")
    assert "kept as progress.broken" in progress_file.note(FIRST, "right")
    assert progress_file._load() == (progress_file.Done({FIRST: "right"}), "")


def test_a_home_that_cannot_be_written_is_said_and_the_session_goes_on(home, monkeypatch):
    home.parent.parent.mkdir()
    home.parent.write_text(
        "a file is in the way"
    )  # root may write anywhere; not into a file, though
    question = content.find_question(FIRST)
    exercises.predict(FIRST).pick(next(iter(question.choices)))
    said = exercises.answer(FIRST, next(iter(question.choices)))
    assert "Not kept in" in str(said) and "as long as this notebook's Python runs" in str(said)
    assert "Not kept in" in repr(exercises.check(TASK, TASKS[TASK].solution))
    assert exercises.progress().states == {FIRST: "right", TASK: "right"}
    assert restarted(monkeypatch).states == {}


def test_written_out_and_read_in(home, monkeypatch):
    progress_file.note(FIRST, "wrong")
    progress_file.note(TASK, "right")
    line = exercises.progress().line
    assert "\n" not in line
    home.unlink()
    assert restarted(monkeypatch).states == {}
    assert exercises.restore(f"  {line}\n").states == {FIRST: "wrong", TASK: "right"}
    assert restarted(monkeypatch).states == {FIRST: "wrong", TASK: "right"}
    assert exercises.restore("epollkit:").states == {FIRST: "wrong", TASK: "right"}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "two-writes=right",
        "epollkit: two-writes",
        "epollkit: two-writes=perfect",
        None,
        "epollkit: =right",
    ],
)
def test_what_is_no_such_line_is_refused(line):
    with pytest.raises(ValueError, match="begins with 'epollkit:'"):
        exercises.restore(line)
    assert exercises.progress().states == {}


def test_a_pick_is_kept_and_is_no_part_of_the_line(home):
    progress_file.keep_pick(FIRST, 2)
    progress_file.keep_pick(FIRST, 1)
    assert progress_file.picks() == {FIRST: 2}
    assert exercises.progress().line == "epollkit:"


def test_a_full_disk_leaves_no_litter(home):
    """In a process of its own, in which no file may grow."""
    program = """
import resource, signal
from epollkit.exercises import progress_file
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
for _ in range(3):
    assert "File too large" in progress_file.note("two-writes", "right")
assert progress_file.read()[0].states == {"two-writes": "right"}
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    assert os.listdir(home.parent) == ["progress.lock"]


def test_without_locks_it_is_kept_all_the_same(monkeypatch):
    monkeypatch.setattr(progress_file, "fcntl", None)
    assert progress_file.note(FIRST, "right") == ""
    assert restarted(monkeypatch).states == {FIRST: "right"}


def test_the_lines_of_a_class_make_a_table():
    line = f"epollkit: {FIRST}=right {SECOND}=wrong {TASK}=right"
    table = exercises.read_lines([f"Ada: {line}", "", line, "Bob epollkit: what", "hello"])
    assert table.header[:2] == ("learner", "00-start-here")
    assert [row[:2] for row in table.rows] == [
        ("Ada", "2 of 2, 1 right; 1 of 1 done"),
        ("2", "2 of 2, 1 right; 1 of 1 done"),
        ("Bob", "not a line from progress().line"),
        ("hello", "not a line from progress().line"),
        ("the class", "2 of 4 right"),
    ]
    assert {len(row) for row in table.rows} == {len(table.header)}
    for text in (repr(table), table._repr_html_()):
        assert "Ada" in text and "2 of 4 right" in text
    assert exercises.read_lines([]).rows[0][1] == "0 of 0 right"


def test_names_in_a_table_are_no_html():
    assert "<b>" not in exercises.read_lines(["<b>Ada epollkit:"])._repr_html_()
