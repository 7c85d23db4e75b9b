"""Stand-ins: what a program may keep, bind, pickle or call late, and what it finds again."""

import _thread
import atexit
import itertools
import os
import pickle
import select
import socket
import subprocess
import sys
import sysconfig
import threading
import types

import pytest
from support import everything_replaced, thread, wait_until_asleep

import epollkit
from epollkit.recording import places


def run(program):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_there_is_one_stand_in_for_the_life_of_the_process():
    seen = []
    for _ in range(2):
        with epollkit.record():
            seen.append((os.write, select.epoll.poll, socket.socket.recv, socket.socket.__init__))
    assert all(first is second for first, second in zip(*seen, strict=True))


def test_what_an_earlier_block_gave_away_is_recorded_in_a_later_one():
    r, w = os.pipe()
    with epollkit.record(r=r, w=w):
        write = os.write
    assert write(w, b"between") == 7 and os.read(r, 7) == b"between"
    with epollkit.record(r=r, w=w) as log:
        write(w, b"parcel")
        os.read(r, 64)
    assert [(call.name, call.bytes_moved) for call in log] == [("os.write", 6), ("os.read", 6)]
    os.close(r)
    os.close(w)


def test_a_call_that_straddles_two_blocks_is_in_the_first_one_only():
    r, w = os.pipe()
    with epollkit.record(r=r, w=w) as first:
        reader = threading.Thread(target=os.read, args=(r, 64), name="reader")
        reader.start()
        wait_until_asleep(reader, r)
    with epollkit.record(r=r, w=w) as second:
        os.write(w, b"parcel")
        reader.join()
    assert [(call.name, call.end_ns) for call in first] == [("os.read", None)]
    assert [call.name for call in second] == ["os.write"]
    os.close(r)
    os.close(w)


def test_names_bound_before_the_block_are_recorded_and_put_back():
    module = types.ModuleType("learners")
    module.__file__ = __file__
    module.read, module.close = os.read, os.close
    sys.modules["learners"] = module
    try:
        original = module.read
        with epollkit.record() as log:
            r, w = os.pipe()
            os.write(w, b"parcel")
            assert module.read(r, 64) == b"parcel"
            module.close(r)
            module.close = "the program's own"
            os.close(w)
        assert [call.name for call in log][2:4] == ["os.read", "os.close"]
        assert module.read is original and module.close == "the program's own"
    finally:
        del sys.modules["learners"]


def test_what_somebody_else_put_there_meanwhile_stays():
    original = os.write

    def mine(fd, data):
        return original(fd, data)

    try:
        with epollkit.record():
            os.write = mine
        assert os.write is mine
        with epollkit.record() as log:  # and is what is called
            r, w = os.pipe()
            os.write(w, b"x")
            os.close(r)
            os.close(w)
        assert os.write is mine
        assert [call.name for call in log][1] == "os.write"
    finally:
        os.write = original


def test_a_stand_in_can_be_pickled_and_stands_in_a_class_as_a_function_does():
    with epollkit.record():
        assert pickle.loads(pickle.dumps(os.write)) is os.write
        pickled = pickle.dumps(os.read)

        class Stores:
            write = os.write

        r, w = os.pipe()
        assert Stores().write(w, b"x") == 1
        os.close(r)
        os.close(w)
    assert pickle.loads(pickled) is os.read


def test_a_function_of_c_started_as_a_thread_is_recorded():
    with epollkit.record() as log:
        r, w = os.pipe()
        _thread.start_new_thread(os.write, (w, b"parcel"))
        assert os.read(r, 64) == b"parcel"
        os.close(r)
        os.close(w)
    (write,) = log.calls(name="os.write")
    assert write.line is None and write.bytes_moved == 6 and log.remarks == []


@pytest.mark.parametrize("stream", ["pipe", "socketpair"])
def test_what_is_called_at_exit_passes_through(stream):
    make = "os.pipe()" if stream == "pipe" else "[s.detach() for s in socket.socketpair()]"
    program = (
        "import atexit, os, socket, epollkit\n"
        f"with epollkit.record() as log:\n    r, w = {make}\n"
        "    atexit.register(os.close, w); atexit.register(os.close, r)\nprint('over')"
    )
    assert run(program) == "over\n"
    assert atexit is not None


def test_an_epoll_that_could_not_be_made_is_in_the_log():
    with epollkit.record() as log:
        with pytest.raises(ValueError):
            select.epoll(0)
        with pytest.raises(TypeError):
            select.epoll("many")
        made = select.epoll()
        assert isinstance(made, select.epoll) and issubclass(type(made), select.epoll)
        assert {select.epoll: 1} == {type(made): 1} and repr(select.epoll) == repr(type(made))
        made.close()
    names = [(call.name, call.error and call.error[0]) for call in log]
    assert names[0] == ("select.epoll", "ValueError")
    assert names[-2:] == [("select.epoll", None), ("epoll.close", None)]
    assert select.epoll is type(made)


class Noisy:
    def __init__(self, number):
        self.number, self.asked = number, 0

    def fileno(self):
        self.asked += 1
        return self.number


@pytest.mark.parametrize("named", [False, True])
def test_an_object_is_asked_for_its_number_once(named):
    with epollkit.record() as log:
        r, w = os.pipe()
        noisy, ep = Noisy(r), select.epoll()
        ep.register(fd=noisy) if named else ep.register(noisy)
        ep.modify(noisy, select.EPOLLIN)
        ep.unregister(noisy)
        ep.close()
        os.close(r)
        os.close(w)
    assert noisy.asked == 3
    assert [call.stream.name for call in log if call.epoll and call.stream] == ["r"] * 3


MULTIPROCESSING = """
import epollkit
{early}
def go():
    from multiprocessing import Pipe
    a, b = Pipe()
    a.send(1)
    assert b.recv() == 1
    a.close(); b.close()
for _ in range(2):
    with epollkit.record() as log:
        go()
    print(sorted({{call.name for call in log}}), log.limits())
go()
"""


@pytest.mark.parametrize("early", ["", "import multiprocessing.connection"])
def test_multiprocessing_is_recorded_whenever_it_was_imported(early):
    first, second = run(MULTIPROCESSING.format(early=early)).splitlines()
    assert "'os.read'" in first and "'os.write'" in first and first.endswith("[]")
    assert second.count("os.") >= 2 and second.endswith("[]")


def test_originals_in_packages_that_the_program_uses_are_named(monkeypatch):
    package = types.ModuleType("boundbefore")
    package.__file__ = os.path.join(sysconfig.get_path("purelib"), "boundbefore.py")
    package.take = os.read
    monkeypatch.setitem(sys.modules, "boundbefore", package)
    monkeypatch.setitem(globals(), "boundbefore", package)  # as `import boundbefore` does
    with epollkit.record() as log:
        r, w = os.pipe()
        os.write(w, b"x")
        assert package.take(r, 1) == b"x"
        os.close(r)
        os.close(w)
    held = [details for kind, _, details in log.evidence if kind == "bound before"]
    assert held == [{"module": "boundbefore", "attribute": "take", "call": "os.read"}]
    assert "went elsewhere" in log.limits()[0]


def test_places_come_back_if_ctrl_c_comes_while_they_are_taken(monkeypatch):
    before, put, count = everything_replaced(), places.Places.put, itertools.count()

    def interrupted(*args):
        if next(count) == 20:
            raise KeyboardInterrupt
        put(*args)

    monkeypatch.setattr(places.Places, "put", interrupted)
    with pytest.raises(KeyboardInterrupt), epollkit.record():
        pass
    assert everything_replaced() == before


def test_a_stand_in_works_in_any_thread():
    with epollkit.record() as log:
        r, w = os.pipe()
        with thread(os.read, r, 64) as reader:
            wait_until_asleep(reader, r)
            os.write(w, b"parcel")
        os.close(r)
        os.close(w)
    assert [call.asleep for call in log.calls(name="os.read")] == [True]
