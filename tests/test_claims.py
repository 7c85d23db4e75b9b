"""What the suites of other projects claim of epoll, as programs of our own: kernel and model agree.

*Source:* the tests of Miri, Shadow, Asterinas, gVisor, tgoskits and the Linux Test Project.
"""

import os
import select
import socket

import pytest
from support import thread

from epollkit import linux, programs
from epollkit.masks import ERR, ET, HUP, IN, ONESHOT, OUT, RDHUP
from epollkit.model import EventFd, Model

PIPE = (("pipe", "r", "w"), ("epoll", "ep"))
PIPES = (("pipe", "r", "w"), ("pipe", "r2", "w2"), ("epoll", "ep"))
SOCKETS = (("socketpair", "a", "b"), ("epoll", "ep"))
EVENTFD = (("eventfd", "e"), ("epoll", "ep"))
POLL = ("poll", "ep")


def add(name, mask):
    return ("register", "ep", name, mask)


#: What is claimed → what is opened; the calls, each with how it ends.
CLAIMS = {
    "a second write while data is unread is an edge": (
        PIPE,
        [
            *((add("r", IN | ET), None), (("write", "w", 1), 1), (POLL, [("r", IN)]), (POLL, [])),
            *((("write", "w", 1), 1), (POLL, [("r", IN)])),
        ],
    ),
    "a partial read is no edge": (
        PIPE,
        [
            *((add("r", IN | ET), None), (("write", "w", 5), 5), (POLL, [("r", IN)])),
            *((("read", "r", 2), 2), (POLL, [])),
        ],
    ),
    "edge-triggered and one-shot is silent until modify": (
        PIPE,
        [
            *((add("r", IN | ET | ONESHOT), None), (("write", "w", 1), 1), (POLL, [("r", IN)])),
            *((("write", "w", 1), 1), (POLL, [])),
            *((("modify", "ep", "r", IN | ET | ONESHOT), None), (POLL, [("r", IN)])),
        ],
    ),
    "each write to an eventfd is an edge, of 0 also; at the maximum there is no OUT": (
        EVENTFD,
        [
            *((add("e", IN | OUT | ET), None), (POLL, [("e", OUT)]), (("write", "e", 0), None)),
            *((POLL, [("e", OUT)]), (("write", "e", EventFd.MOST), None), (POLL, [("e", IN)])),
            *((("write", "e", 0), None), (POLL, [("e", IN)]), (("write", "e", 1), "EAGAIN")),
        ],
    ),
    "a unix writer has an edge when the reader finishes the message, not half of it": (
        SOCKETS,
        [
            *((add("a", OUT | ET), None), (("write", "a", 10), 10), (POLL, [("a", OUT)])),
            *((("read", "b", 5), 5), (POLL, []), (("read", "b", 5), 5), (POLL, [("a", OUT)])),
        ],
    ),
    "modify with the same mask is an edge if data waits": (
        PIPE,
        [
            *((add("r", IN | ET), None), (("write", "w", 1), 1), (POLL, [("r", IN)]), (POLL, [])),
            *((("modify", "ep", "r", IN | ET), None), (POLL, [("r", IN)])),
        ],
    ),
    "the report says what is the case now": (
        EVENTFD,
        [
            *((add("e", IN | OUT | ET), None), (("write", "e", 1), None), (("read", "e", 8), 1)),
            (POLL, [("e", OUT)]),
        ],
    ),
    "level-triggered and edge-triggered entries live in one epoll": (
        PIPES,
        [
            *((add("r", IN), None), (add("r2", IN | ET), None)),
            *((("write", "w", 1), 1), (("write", "w2", 1), 1)),
            *((POLL, [("r", IN), ("r2", IN)]), (POLL, [("r", IN)])),
        ],
    ),
    "maxevents of 1 loses no edge": (
        PIPES,
        [
            *((add("r", IN | ET), None), (add("r2", IN | ET), None)),
            *((("write", "w", 1), 1), (("write", "w2", 1), 1)),
            *(((*POLL, 1), [("r", IN)]), ((*POLL, 1), [("r2", IN)]), ((*POLL, 1), [])),
        ],
    ),
    "a unix peer that closes with bytes unread is an error, which is delivered once": (
        SOCKETS,
        [
            *((("write", "a", 3), 3), (("close", "b"), None), (add("a", IN | OUT | RDHUP), None)),
            (POLL, [("a", IN | OUT | ERR | HUP | RDHUP)]),
            *((("read", "a", 9), "ECONNRESET"), (POLL, [("a", IN | OUT | HUP | RDHUP)])),
            (("read", "a", 9), 0),
        ],
    ),
    "mask 0 hears a hang-up on the reading end": (
        PIPE,
        [(add("r", 0), None), (("close", "w"), None), (POLL, [("r", HUP)])],
    ),
    "mask 0 hears an error on the writing end": (
        PIPE,
        [(add("w", 0), None), (("close", "r"), None), (POLL, [("w", ERR)])],
    ),
    "a closed descriptor with a duplicate is taken off the list only by duplicating it back": (
        PIPE,
        [
            *((add("r", IN), None), (("dup", "r", "copy"), None), (("close", "r"), None)),
            *((("write", "w", 1), 1), (POLL, [("r", IN)])),
            *((("unregister", "ep", "r"), "EBADF"), (("unregister", "ep", "copy"), "ENOENT")),
            *((("dup", "copy", "r"), None), (("unregister", "ep", "r"), None), (POLL, [])),
        ],
    ),
    "level-triggered, maxevents of 1 takes turns": (
        PIPES,
        [
            *((add("r", IN), None), (add("r2", IN), None)),
            *((("write", "w", 1), 1), (("write", "w2", 1), 1)),
            *(((*POLL, 1), [(name, IN)]) for name in ("r", "r2") * 4),
        ],
    ),
}


# The model has one thread and no TCP: these claims are tried on the kernel alone.


@pytest.fixture
def tcp():
    """A TCP connection: the end that called, and the one that was accepted."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        caller = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    with caller, accepted:
        yield caller, accepted


def masks(ep, timeout_s=0):
    return [mask for _, mask in ep.poll(timeout_s)]


def test_the_life_of_tcp_in_masks():
    with socket.socket() as listener, select.epoll() as ep:
        ep.register(listener, IN | OUT | RDHUP)
        assert masks(ep) == [OUT | HUP]  # neither listening nor connected
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert masks(ep) == []
        with socket.create_connection(listener.getsockname()) as caller:
            assert masks(ep, -1) == [IN]
            accepted, _ = listener.accept()
            with accepted:
                assert masks(ep) == []
                ep.unregister(listener)
                ep.register(accepted, IN | OUT | RDHUP)
                assert masks(ep) == [OUT]
                caller.shutdown(socket.SHUT_WR)
                ep.modify(accepted, IN | RDHUP)
                assert masks(ep, -1) == [IN | RDHUP]
                ep.modify(accepted, IN | OUT | RDHUP)
                assert masks(ep) == [IN | OUT | RDHUP]


def test_after_its_own_shut_rd_a_tcp_socket_reads_its_end_then_data_then_its_end(tcp):
    caller, accepted = tcp
    with select.epoll() as ep:
        ep.register(accepted, IN | OUT | RDHUP)
        accepted.shutdown(socket.SHUT_RD)
        assert masks(ep) == [IN | OUT | RDHUP]
        assert accepted.recv(8) == b""
        caller.send(b"late")
        while not (data := accepted.recv(8)):  # not yet on this side
            pass
        assert (data, accepted.recv(8)) == (b"late", b"")


def test_both_halves_closed_is_a_hang_up(tcp):
    caller, accepted = tcp
    with select.epoll() as ep:
        ep.register(accepted, RDHUP)
        caller.shutdown(socket.SHUT_WR)
        assert masks(ep, -1) == [RDHUP]
        accepted.shutdown(socket.SHUT_WR)
        ep.modify(accepted, 0)
        assert masks(ep, -1) == [HUP]
        ep.modify(accepted, IN | OUT | RDHUP)
        assert masks(ep) == [IN | OUT | HUP | RDHUP]


def test_two_events_wake_two_sleepers():
    ends = [os.pipe(), os.pipe()]
    with select.epoll() as ep:
        for r, _ in ends:
            ep.register(r, IN | ET)
        woken = []

        def sleep():
            woken.append(ep.poll(-1, 1))

        with thread(sleep) as first, thread(sleep) as second:
            for sleeper in (first, second):
                linux.wait_until_asleep(sleeper, ep)
            for _, w in ends:
                os.write(w, b"x")
    assert sorted(woken) == sorted([(r, IN)] for r, _ in ends)
    for pair in ends:
        for end in pair:
            os.close(end)


def test_register_wakes_a_sleeper():
    r, w = os.pipe()
    os.write(w, b"x")
    woken = []
    with select.epoll() as ep:
        with thread(lambda: woken.append(ep.poll())) as sleeper:
            linux.wait_until_asleep(sleeper, ep)
            ep.register(r, IN)
    assert woken == [[(r, IN)]]
    os.close(r)
    os.close(w)


@pytest.mark.parametrize("world", [Model, programs.Kernel])
@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_holds(claim, world):
    opened, calls = CLAIMS[claim]
    made = world()
    try:
        programs.run(opened, made)
        for call, end in calls:
            assert programs.outcome(made, call) == end, call
    finally:
        if world is programs.Kernel:
            made.close_all()
