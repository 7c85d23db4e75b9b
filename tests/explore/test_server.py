"""server() and visit():

each kind of broken server is told from the right one every time, and none does any harm.
"""

import functools
import linecache
import multiprocessing
import os
import select
import threading
import time

import pytest
from support import ROUNDS, busy_cores, leaves_nothing

from epollkit import linux
from epollkit.explore import server, visit
from epollkit.explore.server.clients import TEMPERS
from epollkit.explore.server.verdict import unhandled
from epollkit.explore.server.visit import MOST_CLIENTS

IN, OUT = select.EPOLLIN, select.EPOLLOUT
ALL = tuple(TEMPERS)


def right(listener, stop, answer=None, blocks=False, takes_heed=True):
    answer, clients, left = answer or echo, {}, {}
    with select.epoll() as ep:
        ep.register(listener, IN)
        ep.register(stop, IN if takes_heed else 0)
        while True:
            for fd, _ in ep.poll():
                if fd == stop:
                    for client in clients.values():
                        client.close()
                    return
                if fd == listener.fileno():
                    client, _ = listener.accept()
                    client.setblocking(blocks)
                    ep.register(client, IN)
                    clients[client.fileno()], left[client.fileno()] = client, b""
                elif not answer(ep, clients[fd], left):
                    ep.unregister(fd)
                    clients.pop(fd).close()


def echo(ep, client, left):
    fd = client.fileno()
    try:
        data = left[fd] or client.recv(65536)
        if not data:
            return False
        left[fd] = data[client.send(data) :]
    except BlockingIOError:
        left[fd] = data
    except ConnectionError:
        return False
    ep.modify(fd, OUT if left[fd] else IN)
    return True


def one_by_one(listener, stop):
    while True:
        client, _ = listener.accept()
        with client:
            while data := client.recv(65536):
                client.sendall(data)


def send_all(ep, client, left):
    try:
        data = client.recv(65536)
        client.sendall(data)
    except ConnectionError:
        return False
    return bool(data)


def ignore_the_end(ep, client, left):
    client.send(client.recv(65536))
    return True


def read_for_ever(ep, client, left):
    try:
        while True:
            left[client.fileno()] += client.recv(1024)
    except BlockingIOError:
        return True


def ask_for_out(ep, client, left):
    ep.modify(client, IN | OUT)
    return True


def lose(ep, client, left):
    try:
        data = client.recv(65536)
        client.send(data)
    except BlockingIOError:
        pass
    except ConnectionError:
        return False
    return bool(data)


def forge(ep, client, left):
    data = client.recv(65536)
    client.send(b"x" * len(data))
    return bool(data)


def keep(ep, client, left):
    left[client.fileno()] += client.recv(65536)  # and nothing comes back
    return len(left[client.fileno()]) < 1


def returns_at_once(listener, stop):
    pass


def sleeps(listener, stop):
    time.sleep(1000)


def spins_without_a_call(listener, stop):
    while True:
        pass


def exits(listener, stop):
    os._exit(0)


def holds_everything_up(listener, stop):
    return 9**9**9


def catches_everything(listener, stop):
    while True:
        try:
            right(listener, stop, ignore_the_end, True)
        except:  # noqa: E722
            pass


def leaves_an_epoll(listener, stop):
    global kept
    kept = select.epoll()
    kept.register(stop, IN)
    right(listener, stop)


def serving(answer, blocks=False):
    return functools.partial(right, answer=answer, blocks=blocks)


BROKEN = [
    (
        one_by_one,
        ("silent", "fast"),
        "hangs: it sleeps in silent.recv(65536), a call on silent alone, while fast waited",
    ),
    (one_by_one, ("fast",), "hangs: it sleeps in listener.accept()", "did not come back"),
    (
        serving(send_all, True),
        ("slow reader", "fast"),
        "a call on slow reader alone, while fast waited",
    ),
    (serving(send_all), ("slow reader", "fast"), "raised BlockingIOError"),
    (serving(echo, True), ("slow reader", "fast"), "hangs: it sleeps in slow reader.send("),
    (
        serving(ignore_the_end, True),
        ("leaves", "fast"),
        "spins: poll returned (leaves, EPOLLIN) again and again",
    ),
    (serving(ignore_the_end, True), ("resets", "fast"), "raised ConnectionResetError"),
    (
        serving(read_for_ever),
        ("leaves", "fast"),
        "hangs: it calls leaves.recv(1024) again and again after the end (EOF)",
    ),
    (serving(ask_for_out), ("fast",), "spins: poll returned (fast, EPOLLIN|EPOLLOUT)"),
    (serving(lose), ("slow reader",), "sleeps in ep.poll(), while slow reader waited"),
    (serving(forge), ("fast",), "fast got back bytes that it did not send"),
    (serving(keep), ("fast",), "fast got back 0 of its 24 bytes, then the connection was"),
    (returns_at_once, ("fast",), "returned, while fast waited"),
    (
        spins_without_a_call,
        ("fast",),
        "computes, and makes no call, in the line: while True:",
        "line: pass",
    ),
    (exits, ("fast",), "ended the whole process"),
    (functools.partial(right, takes_heed=False), ("fast",), "did not come back"),
    (leaves_an_epoll, ("fast",), "left kept open"),
    (catches_everything, ("leaves",), "spins"),
    (lambda: None, ("fast",), "raised TypeError"),
]


def state_of_this_process():
    numbers = {
        number: text
        for number in map(int, os.listdir("/proc/self/fd"))
        if (text := linux.text(number))
    }
    opened = {number: text for number, text in numbers.items() if "/fd" not in text}
    return opened, set(threading.enumerate()), multiprocessing.active_children()


@pytest.fixture(autouse=True)
def does_no_harm():
    before = state_of_this_process()
    yield
    assert state_of_this_process() == before


@pytest.mark.parametrize(
    "tempers",
    [
        ALL,
        ALL[::-1],
        ("slow reader", "slow reader", "fast", "resets", "slow reader"),
        *((temper,) for temper in ALL),
        ("silent",) * 6,
    ],
)
def test_the_right_server_serves_them_all(tempers):
    for seed in range(max(1, ROUNDS // 4)):
        seen = visit(right, *tempers, seed=seed)
        assert seen.is_right, seen
        assert unhandled(seen.log) == [] and not seen.hangs and not seen.spins
        assert repr(seen).count("✔") == len(tempers) + 1


@pytest.mark.parametrize("case", BROKEN, ids=[words for *_, words in BROKEN])
def test_a_broken_one_is_found_out(case):
    serve, tempers, *words = case
    for seed in range(max(1, ROUNDS // 4)):
        seen = visit(serve, *tempers, seed=seed)
        assert not seen.is_right
        assert any(word in repr(seen) for word in words), seen
        assert seen._repr_html_()


def test_on_busy_cores():
    with busy_cores():
        for _ in range(max(1, ROUNDS // 4)):
            seen = visit(right, *ALL)
            assert seen.is_right, seen
            for serve, tempers, *words in BROKEN[:12]:
                seen = visit(serve, *tempers)
                assert any(word in repr(seen) for word in words), seen


def test_what_lets_nothing_else_run_is_killed():
    assert "was killed" in repr(visit(holds_everything_up, "fast", limit_s=1))
    said = repr(visit(sleeps, "fast", limit_s=1))
    assert "waits, and not for a stream, in the line: time.sleep(1000)" in said


def test_the_story_is_the_same_every_time():
    for serve, tempers in (
        (one_by_one, ("silent", "fast")),
        (serving(ignore_the_end, True), ("leaves", "fast")),
        (right, ("fast", "silent", "leaves", "fast")),
    ):
        assert len({visit(serve, *tempers, seed=seed).log.summary(500) for seed in range(5)}) == 1


def test_a_log_ends_with_the_call_in_which_the_server_hangs():
    seen = visit(serving(send_all, True), "slow reader", "fast", "fast")
    assert (
        seen.hangs
        and seen.own[-1].name == "socket.sendall"
        and seen.own[-1].asleep
        and seen.own[-1].end_ns is None
    )
    assert seen.timeline().png().startswith(b"\x89PNG")


def test_nonsense_is_refused():
    with pytest.raises(TypeError, match="no parentheses"):
        visit(None, "fast")
    for tempers in ((), ("quick",), ("fast",) * 7):
        with pytest.raises(ValueError, match="fast"):
            visit(right, *tempers)


def test_lanes_and_verdicts_bear_the_clients_names():
    seen = visit(right, "fast", "fast", "silent")
    names = {stream.name for stream in seen.log.streams}
    assert names >= {"fast", "fast_client", "fast 2", "fast_2_client", "silent_client"}
    assert not any(" client" in name for name in names)  # as "tcp 2 client"


#: Servers as a learner types them, each broken in another way; the verdict names what it did.
TYPED = {
    "returns at once": ("pass", "The server returned, while fast waited"),
    "raises, and says nothing": (
        "client, _ = listener.accept()\nassert client.getblocking() is False",
        "The server raised AssertionError, in the line: assert client.getblocking() is False",
    ),
    "forgets a name": ("lisener.accept()", "The server raised NameError"),
    "closes its listener": (
        "listener.close()\nlistener.accept()",
        "The server raised OSError: [Errno 9] Bad file descriptor, in the line: listener.accept()",
    ),
    "closes its listener, and waits": (
        "listener.close()\nos.read(stop, 1)",
        "Fast could not connect: nobody listens any more (ECONNREFUSED)",
    ),
    "closes stop": (
        "os.close(stop)\nwhile True:\n    client, _ = listener.accept()\n"
        "    while data := client.recv(4096):\n        client.sendall(data)",
        "The server closed stop, so nobody can tell it to return",
    ),
    "closes all": ("os.closerange(3, 500)\ntime.sleep(9)", "that are not its own"),
    "exits": ("sys.exit('bye')", "The server raised SystemExit: bye"),
    "ends the process": ("os._exit(3)", "The server ended the whole process."),
    "kills the process": ("os.kill(os.getpid(), 9)", "ended the whole process (SIGKILL)"),
    "sleeps": ("time.sleep(60)", "waits, and not for a stream, in the line: time.sleep(60)"),
    "spins": (
        "while True: pass",
        "The server computes, and makes no call, in the line: while True",
    ),
    "polls and polls": (
        "ep = select.epoll()\nep.register(listener)\nwhile True:\n    ep.poll()",
        "The server spins: poll returned (listener, EPOLLIN) again and again",
    ),
    "talks to itself": (
        "r, w = os.pipe()\nwhile True:\n    os.write(w, b'x')",
        "The server",
    ),
    "is async": ("await None", "The server is an async function"),
    "prints and prints": ("while True: print('hello' * 1000)", "The server"),
    "recurses": ("serve(listener, stop)", "The server raised RecursionError"),
    "holds the interpreter": ("9 ** 9 ** 9", "The server let nothing else run, and was killed"),
    "takes nothing": (None, "The server raised TypeError"),
}


@pytest.mark.parametrize("name", TYPED)
def test_every_broken_server_gets_its_page_and_a_true_sentence(name):
    body, words = TYPED[name]
    lines = "" if body is None else "\n".join(f"    {line}" for line in body.splitlines())
    head = "def serve():\n    pass" if body is None else "def serve(listener, stop):\n"
    head = "async " + head if "await" in (body or "") else head
    source = f"import os, select, socket, sys, time\n\n{head}{lines}\n"
    cell, namespace = f"<cell {name}>", {}
    linecache.cache[cell] = len(source), None, source.splitlines(True), cell
    exec(compile(source, cell, "exec"), namespace)
    view = server(namespace["serve"], "fast", "silent")
    try:
        assert words.lower() in view.still[1].lower(), view.still[1]
        assert view.message.value == "" and view.still[0].startswith(b"\x89PNG")
        assert "img" in view.picture.value and not view.seen.is_right
    finally:
        view.close()


# the view


@pytest.fixture
def view():
    view = server(right)
    yield view
    view.close()


def test_each_button_runs_the_server(view):
    assert view.tempers == ["fast"] and view.seen.is_right
    for number, temper in enumerate(ALL, 2):
        view.add[temper].click()
        assert len(view.tempers) == number and view.tempers[-1] == temper
        assert view.seen.is_right and f"✔ {temper}" in view.words.value
    view.add["fast"].click()
    assert "are enough" in view.message.value and len(view.tempers) == 6
    view.fewer.click()
    assert view.tempers == ["fast", *ALL[:-1]] and view.message.value == ""
    view.reset.click()
    view.fewer.click()
    assert view.tempers == ["fast"]
    assert "the same 48 came back" in view.still[1] and view.still[0].startswith(b"\x89PNG")


def test_a_broken_server_is_shown():
    for serve, words in (
        (exits, "ended the whole process"),
        (one_by_one, "The server hangs"),
        (serving(ignore_the_end, True), "The server spins"),
    ):
        view = server(serve, "leaves", "silent", "fast")
        assert words in view.words.value and words in view.still[1], view.still[1]
        view.close()


def test_made_and_closed_often():
    with leaves_nothing():
        for _ in range(max(2, ROUNDS // 10)):
            view = server(right, "fast", "silent")
            view.add["leaves"].click()
            view.close()
            view.close()
            view.fewer.click()  # too late, and says nothing


def test_the_server_may_sleep_when_a_client_is_taken_away(view):
    for temper in ALL:
        view.add[temper].click()
    view.serve = sleeps
    view.fewer.click()
    assert len(view.tempers) == MOST_CLIENTS - 1


def test_the_recording_can_be_walked_through(view):
    view.add["leaves"].click()
    view.step.click()
    (shown,) = view.below.children
    assert view.walk is not None and view.walk.widget is shown
    view.step.click()
    assert view.below.children == () and view.walk is None
    view.step.click()
    view.fewer.click()
    assert view.below.children == () and view.message.value == ""
