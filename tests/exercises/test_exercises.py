"""Exercises: `check` tells right attempts from wrong ones every time, and no attempt does any harm
to who checks it.

tests/exercises/attempts/ holds the attempts, a file for each exercise.
"""

import ctypes
import importlib.util
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import pytest
from support import busy_cores

import epollkit
from epollkit import exercises, linux
from epollkit.exercises import judge, runner
from epollkit.exercises.content import TASKS

#: EPOLLKIT_ROUNDS=50 checks each attempt fifty times, with another seed each time.
ROUNDS = int(os.environ.get("EPOLLKIT_ROUNDS", "1"))


def load(id):
    path = Path(__file__).parent / "attempts" / f"{id}.py"
    spec = importlib.util.spec_from_file_location(f"attempts at {id}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def name_of(attempt):
    return getattr(attempt, "__name__", str(attempt))


ATTEMPTS = {id: load(id) for id in TASKS}
CASES = [
    pytest.param(id, attempt, *expected, id=f"{id}-{name_of(attempt)}")
    for id, module in ATTEMPTS.items()
    for attempt, expected in [
        *((attempt, ("right", "")) for attempt in module.RIGHT),
        *module.WRONG.items(),
    ]
]


def state_of_this_process():
    """Return what no check may change."""
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    numbers = {number: linux.text(number) for number in map(int, os.listdir("/proc/self/fd"))}
    flags = {number: linux.is_nonblocking(number) for number, text in numbers.items() if text}
    return (
        handlers,
        {number: text for number, text in numbers.items() if text},
        flags,
        set(threading.enumerate()),
        signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        sys.stdout,
        sys.stderr,
        sys.getrecursionlimit(),
        list(warnings.filters),
        os.getcwd(),
        multiprocessing.active_children(),
        children(),
    )


def children():
    """List the children of this process, by number."""
    return [
        number
        for task in os.listdir("/proc/self/task")
        for number in Path(f"/proc/self/task/{task}/children").read_text().split()
    ]


def check(id, attempt, seed=0):
    """Check *attempt*, and assert that nothing has changed here."""
    before = state_of_this_process()
    verdict = exercises.check(id, attempt, seed)
    assert state_of_this_process() == before
    return verdict


@pytest.fixture
def soon(monkeypatch):
    """Give attempts that do not come back up sooner than a learner's: the verdict is the same."""
    monkeypatch.setattr(runner, "LIMIT_S", 0.8)
    monkeypatch.setattr(judge, "LIMIT_S", 8.0)


@pytest.mark.parametrize("id, attempt, state, words", CASES)
def test_tells_right_from_wrong(id, attempt, state, words, request):
    if state == "took too long":
        request.getfixturevalue("soon")
    for seed in range(ROUNDS):
        verdict = check(id, attempt, seed)
        assert (verdict.state, verdict.is_right) == (state, state == "right"), verdict
        assert words in verdict.seen, verdict


def test_tells_right_from_wrong_on_busy_cores():
    """Right ones all; of the wrong ones every eighth, or all if there are more rounds than one."""
    cases = [case.values for case in CASES]
    wrong = [case for case in cases if case[2] not in ("right", "took too long")]
    with busy_cores():
        for id, attempt, state, words in (
            *(case for case in cases if case[2] == "right"),
            *(wrong if ROUNDS > 1 else wrong[::8]),
        ):
            for seed in range(ROUNDS):
                verdict = exercises.check(id, attempt, seed)
                assert verdict.state == state and words in verdict.seen, (attempt, verdict)


@pytest.mark.parametrize("id", TASKS)
def test_there_are_enough_attempts(id):
    module = ATTEMPTS[id]
    assert len(module.RIGHT) >= 2
    assert len({state for state, _ in module.WRONG.values()}) >= 3


# attempts that do harm, where they can


def blocks(r):
    ours, theirs = os.pipe()
    os.read(ours, 1)


def sleeps(r):
    time.sleep(1000)


def spins(r):
    while True:
        pass


def lets_nobody_run(r):
    return 9**9**9


def recurses(r):
    return recurses(r)


def dies(r):
    ctypes.string_at(1)


def closes_everything(r):
    os.closerange(0, 4096)
    return b""


def closes_and_sleeps(r):
    os.closerange(0, 4096)
    time.sleep(1000)


def exits(r):
    sys.exit("good-bye")


def exits_at_once(r):
    os._exit(0)


def prints(r):
    print("hello from the attempt")
    os.write(2, b"and from below\n")
    return b""


def prints_without_an_end(r):
    while True:
        print("hello" * 1000)


def writes_a_large_file(r):
    with tempfile.TemporaryFile() as file:
        while True:
            file.write(bytes(1 << 20))


def is_killed(r):
    os.kill(os.getpid(), signal.SIGKILL)


def records(r):
    with epollkit.record():
        return os.read(r, 10)


def takes_all_memory(r):
    data = [b"x"]
    while True:
        data += data


def starts_a_process(r):
    subprocess.Popen(["sleep", "1000"])
    time.sleep(1000)


def leaves_a_thread(r):
    threading.Thread(target=threading.Event().wait).start()
    return b""


def changes_signals(r):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(1000)


def catches_everything(r):
    while True:
        try:
            os.read(r, 100)
        except:  # noqa: E722
            pass


class Unshowable:
    def __repr__(self):
        raise RuntimeError("no")


HARM = {
    blocks: ("sleeps for ever", "asleep in os.read("),
    sleeps: ("took too long", "did not come back"),
    spins: ("took too long", "did not come back"),
    lets_nobody_run: ("took too long", "let nothing else run"),
    recurses: ("raised", "RecursionError"),
    dies: ("ended", "SIGSEGV ended the process"),
    closes_everything: ("wrong", "that it had not opened"),
    closes_and_sleeps: ("took too long", "did not come back"),
    exits: ("raised", "SystemExit"),
    exits_at_once: ("ended", "as os._exit does"),
    prints: ("wrong", "the rest is missing"),
    prints_without_an_end: ("took too much", "printed more than 16 MB"),
    writes_a_large_file: ("took too much", "more than 16 MB"),
    records: ("raised", "leave record() out of it"),
    takes_all_memory: ("took too much", "more than 1 GB of memory"),
    starts_a_process: ("took too long", "did not come back"),
    leaves_a_thread: ("wrong", "the rest is missing"),
    changes_signals: ("ended", "SIGTERM ended the process"),
    is_killed: ("ended", "SIGKILL ended the process"),
    catches_everything: ("wrong", "after the end"),
}


@pytest.mark.parametrize("attempt", HARM, ids=name_of)
def test_no_attempt_does_harm(attempt, request):
    state, words = HARM[attempt]
    if state == "took too long" or attempt is catches_everything:
        request.getfixturevalue("soon")
    verdict = check("read-everything", attempt)
    assert verdict.state == state and words in verdict.seen, verdict
    assert not verdict.is_right and repr(verdict) and verdict._repr_html_()


def test_what_was_printed_is_in_the_verdict():
    assert check("read-everything", prints).output == "hello from the attempt\nand from below\n"
    assert "Printed: hello from the attempt\nand from below" in repr(
        check("read-everything", prints)
    )


def prints_much(r):
    for number in range(100):
        print(number)


def test_of_much_output_the_beginning_is_in_the_verdict():
    verdict = check("read-everything", prints_much)
    assert "\n6\n7 …" in repr(verdict) and "\n8" not in repr(verdict)
    assert verdict.output.endswith("98\n99\n")


@pytest.mark.parametrize(
    "value",
    [None, 5, "text", [], Unshowable(), Unshowable, (b"a",), lambda: 1],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_bytes_is_no_answer(value):
    verdict = check("read-everything", lambda r: value)
    assert verdict.state == "not an answer yet"
    assert "a bytes object was wanted" in verdict.seen


def test_a_forgotten_return_is_told():
    seen = check("read-everything", lambda r: None).seen
    assert seen == "it returned None; a bytes object was wanted: is a return missing?"


def test_what_is_no_function_gets_a_verdict():
    for attempt in (None, 5, b"data", "read_everything"):
        verdict = check("read-everything", attempt)
        assert verdict.state == "not an answer yet" and "wants your function" in verdict.seen


def test_a_function_with_other_parameters_gets_a_verdict():
    assert "positional argument" in check("read-everything", lambda: b"").seen


def test_streams_of_the_caller_are_out_of_reach():
    r, w = os.pipe()
    ep = select.epoll()

    def reaches_out(ours):
        for harm in (
            lambda: os.write(w, b"x"),
            lambda: ep.register(r, 1),
            lambda: os.set_blocking(r, False),
        ):
            try:
                harm()
            except OSError:
                pass
        return b""

    check("read-everything", reaches_out)
    assert (
        linux.bytes_waiting(r) == 0
        and linux.interest_list(ep) == ()
        and not linux.is_nonblocking(r)
    )
    ep.close()
    os.close(r)
    os.close(w)


def test_a_check_in_a_recording_leaves_the_recording_alone():
    with epollkit.record() as log:
        r, w = os.pipe()
        assert exercises.check("read-everything", ATTEMPTS["read-everything"].in_a_loop).is_right
        os.close(r)
        os.close(w)
    assert [stream.name for stream in log.streams if not stream.internal] == ["r", "w"]
    assert [call.name for call in log if call.line.text.startswith(("r, w", "os."))] == [
        "os.pipe",
        "os.close",
        "os.close",
    ]


def test_ctrl_c_ends_the_check_and_nothing_else():
    def interrupt():
        while not children():
            time.sleep(0.001)
        while (
            not os.path.exists(f"/proc/{children()[0]}/task")
            or len(os.listdir(f"/proc/{children()[0]}/task")) < 2
        ):
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    before = state_of_this_process()
    helper = threading.Thread(target=interrupt)
    helper.start()
    verdict = exercises.check("read-everything", sleeps)
    helper.join()
    assert verdict.state == "stopped"
    assert state_of_this_process() == before


# stubs, hints, solutions


def with_dots(r):
    """Return all bytes that come from r, until its end."""
    ...


def with_pass(r):
    pass


def with_an_error(r):
    """Say what is to be done."""
    raise NotImplementedError("your turn")


@pytest.mark.parametrize("stub", [with_dots, with_pass, with_an_error])
def test_an_untouched_stub_is_not_attempted(stub):
    verdict = check("read-everything", stub)
    assert verdict.state == "not attempted yet" and not verdict.is_right and verdict.log is None
    assert TASKS["read-everything"].text in repr(verdict) and verdict._repr_html_()


@pytest.mark.parametrize("id", TASKS)
def test_the_stub_of_a_task_is_one(id, tmp_path):
    path = tmp_path / "stub.py"
    path.write_text(TASKS[id].stub)
    names = {}
    exec(compile(path.read_text(), path, "exec"), names)
    (attempt,) = [value for name, value in names.items() if name != "__builtins__"]
    assert check(id, attempt).state == "not attempted yet"


@pytest.mark.parametrize("id", TASKS)
def test_a_solution_comes_after_an_attempt(id, monkeypatch):
    monkeypatch.setattr(judge, "_attempted", set())
    assert "Try it first" in repr(exercises.solution(id))
    exercises.check(id, TASKS[id].solution)
    shown = exercises.solution(id)
    assert shown.verdict.is_right and repr(shown).startswith("def ")
    assert all(call.line.text for call in shown.verdict.log if call.thread.name == "you")
    assert "<img" in shown._repr_html_()


def test_a_wrong_verdict_shows_the_place_and_helps():
    verdict = check("first-of-two", ATTEMPTS["first-of-two"].reads_the_first)
    assert "look at step 1" in repr(verdict) and "Wanted: the parcel" in repr(verdict)
    assert verdict.log[verdict.call].name == "os.read" and verdict.log[verdict.call].asleep
    shown = verdict._repr_html_()
    parts = ("<summary>Hint", "<summary>Further hint", "exercises.solution(", "<img")
    assert sorted(parts, key=shown.index) == list(parts)
    assert "seed" not in shown and "round" not in shown.partition("<img")[0]
    assert ".hint()" in repr(verdict) and ".hint()" not in shown
    assert (
        repr(verdict.hint()) == TASKS["first-of-two"].hint and "EPOLLIN" in verdict.further_hint()
    )


def test_a_right_verdict_says_what_was_tried_and_shows_it():
    verdict = check("first-of-two", TASKS["first-of-two"].solution)
    assert "Tried with two pipes and one parcel" in repr(verdict) and verdict.is_right
    assert "<img" in verdict._repr_html_() and "shows another solution" in repr(verdict)


def leaves_it_to_luck(r):
    ep = select.epoll()
    ep.register(r, select.EPOLLIN)
    return bool(ep.poll(0))


def test_what_python_closed_is_told():
    verdict = check("is-readable", leaves_it_to_luck)
    assert verdict.is_right
    assert "Python closed ep for you when the function ended, which `with` does" in verdict.seen
    assert "for you" not in check("is-readable", TASKS["is-readable"].solution).seen


def test_same_seed_same_data():
    attempt = ATTEMPTS["read-everything"].reads_once
    seen = [check("read-everything", attempt, seed).seen for seed in (3, 3, 4)]
    assert seen[0] == seen[1] != seen[2]


def test_an_unknown_exercise_is_refused_by_name():
    with pytest.raises(ValueError, match="read-everything"):
        exercises.check("read-nothing", print)
