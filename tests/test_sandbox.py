"""The sandbox: a child is stopped whatever it does, tells what it left, and touches nothing of its
parent's; a watched function is stopped before a call, never in one.
"""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

import epollkit
from epollkit import linux
from epollkit.sandbox import KEPT_OUTPUT, Enough, Watched, complaint, run_apart


def leaves(folder, text):
    (folder / "left").write_text(text)


def fails(folder):
    raise LookupError("not here")


def prints(folder, what, times):
    for _ in range(times):
        print(what)


def exits(folder):
    os._exit(3)


def is_killed(folder, number):
    os.kill(os.getpid(), number)


def sleeps(folder):
    time.sleep(1000)


def holds_the_lock(folder):
    return 9**9**9


def ignores_signals(folder):
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    time.sleep(1000)


def test_what_it_leaves_can_be_read_while_the_block_lasts():
    with run_apart(leaves, "parcel") as child:
        assert (child.how, child.signal, child.failure, child.output) == ("ended", 0, "", "")
        assert child.read("left") == "parcel" and child.read("nothing of the name") == ""
        folder = child.folder
    assert not folder.exists()


def test_what_it_prints_is_kept_as_far_as_anybody_reads():
    with run_apart(prints, "hello", 2) as child:
        assert child.output == "hello\nhello\n"
    with run_apart(prints, "x" * 1000, 1000) as child:
        assert child.failure == "" and len(child.output) == KEPT_OUTPUT


def test_what_goes_wrong_in_our_own_code_is_told():
    with run_apart(fails) as child:
        assert child.failure == "LookupError: not here" and child.how == "ended"


@pytest.mark.parametrize(
    "target, args, ended_by",
    [(exits, (), 0), (is_killed, (signal.SIGKILL,), 9), (is_killed, (signal.SIGSEGV,), 11)],
)
def test_how_it_ended_is_told(target, args, ended_by):
    with run_apart(target, *args) as child:
        assert (child.how, child.signal, child.failure) == ("ended", ended_by, "")


@pytest.mark.parametrize("target", [sleeps, holds_the_lock, ignores_signals])
def test_it_is_killed_when_time_is_up(target):
    with run_apart(target, limit_s=0.3) as child:
        assert child.how == "killed"
    with pytest.raises(ChildProcessError):  # nothing is left to wait for
        os.waitpid(-1, os.WNOHANG)


def test_its_streams_are_not_its_parents():
    r, w = os.pipe()
    os.write(w, b"parcel")

    def reaches_out(folder):
        for harm in (lambda: os.read(r, 1), lambda: os.set_blocking(r, False)):
            try:
                harm()
            except OSError:
                pass
        (folder / "text").write_text(linux.text(r))

    with run_apart(reaches_out) as child:
        assert child.failure == "" and child.read("text") == "/dev/null"
    assert linux.bytes_waiting(r) == 6 and not linux.is_nonblocking(r)
    os.close(r)
    os.close(w)


def test_output_and_memory_are_bounded():
    def takes(folder):
        for take in (
            lambda: [print("x" * 1_000_000) for _ in range(100)],
            lambda: bytearray(4 << 30),
        ):
            try:
                take()
            except BaseException as error:
                limits.append(complaint(error)["limit"])
        (folder / "limits").write_text(" ".join(limits))

    limits = []
    with run_apart(takes) as child:
        assert child.failure == "" and child.read("limits") == "output memory"


class StopsAt(Watched):
    """A function that may make *most* calls."""

    def __init__(self, most, function):
        super().__init__("you", function, ())
        self.most = most

    def before_call(self):
        if self.calls > self.most:
            raise Enough

    def describe(self, value):
        return {"value": value}


def watch(most, function):
    """Run *function* watched and recorded; return what watched it, and the log."""
    watched = StopsAt(most, function)
    with epollkit.record(gate=watched.gate) as log:
        watched.thread.start()
        watched.thread.join(10)
    assert not watched.thread.is_alive() and watched.is_over
    return watched, log


def test_a_function_is_stopped_before_a_call_and_the_log_is_true():
    ends = []

    def writes_on():
        ends.extend(os.pipe())
        while True:
            os.write(ends[1], b"x")

    watched, log = watch(5, writes_on)
    r, w = ends
    assert watched.result == {"state": "spun"} and watched.calls == 6
    assert [(call.name, call.error) for call in log] == [
        ("os.pipe", None),
        *[("os.write", None)] * 4,
    ]
    assert linux.bytes_waiting(r) == 4 == sum(call.bytes_moved for call in log)
    os.close(r)
    os.close(w)


def test_a_function_that_returns_or_raises_is_told():
    watched, _ = watch(5, lambda: 7)
    assert watched.result["state"] == "returned" and watched.result["value"] == 7

    def raises():
        raise KeyError("gone")

    watched, _ = watch(5, raises)
    result = watched.result
    assert (result["state"], result["type"], result["limit"]) == ("raised", "KeyError", "")
    assert result["line"] == 'raise KeyError("gone")' and result["said"] == "KeyError: 'gone'"


def test_calls_of_other_threads_are_not_counted():
    watched = StopsAt(1, lambda: None)
    watched.thread.start()
    watched.thread.join()
    for _ in range(5):
        watched.gate()
    assert watched.calls == 0


def test_ctrl_c_stops_the_child_and_raises_nothing():
    children = Path(f"/proc/self/task/{threading.main_thread().native_id}/children")

    def interrupt():
        while not children.read_text():
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    helper = threading.Thread(target=interrupt)
    helper.start()
    with run_apart(sleeps, limit_s=60) as child:
        assert child.how == "stopped"
    helper.join()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
