"""What notebook 04 asks: its questions, its exercises, and a solution of each exercise.

You have read this far before you tried?  Close this file, try first, then ask for ``solution(id)``.
"""

import os
import select
import socket
from contextlib import closing

from ... import masks
from ..question import Question
from ..scene import Scene, nobody_acts
from ..task import Task

IN, OUT, ERR, HUP = masks.IN, masks.OUT, masks.ERR, masks.HUP


def why_unasked(mask):
    if mask & ~(ERR | HUP):
        return "Only what was asked for is reported, besides ERR and HUP."
    if not mask:
        return "Nothing was asked for, and neither ERR nor HUP holds: then nothing is reported."
    return (
        f"You asked for nothing, and you were told anyway. {masks.names(mask)} is reported whether you ask for it or not: "
        "the kernel turns ERR and HUP on in every entry."
    )


def why_at_once(mask):
    if mask & OUT:
        return (
            "No mask means IN, PRI and OUT. There is nearly always room to write, so OUT is reported at once: a loop that "
            "wanted to sleep in `poll` would not sleep at all."
        )
    if mask:
        return f"{masks.names(mask)} holds, and OUT does not: there is no room to write."
    return "Nothing that was asked for holds."


QUESTIONS = (
    Question(
        "asked-for-nothing",
        "You register `r`, the read end of a pipe, with the mask 0: you ask for nothing. Then the writer closes its end. "
        "What does `poll(0)` report about `r`?",
        why_unasked,
        {
            0: "nothing: nothing was asked for",
            IN: "`EPOLLIN`: a read would not sleep",
            HUP: "`EPOLLHUP`",
            "error": "none of these: `register` raises an error",
        },
    ),
    Question(
        "no-mask",
        "`a` and `b` are a `socketpair`, and nobody has written anything. You write `ep.register(a)`, with no mask at all. "
        "What does `ep.poll(0)` report about `a`?",
        why_at_once,
        {
            0: "nothing",
            IN: "`EPOLLIN`",
            OUT: "`EPOLLOUT`",
            "error": "none of these: `register` wants a mask",
        },
    ),
)


def a_line(rng, round):
    """A connection whose other end is there, or is gone, or has said that it writes no more;
    mostly with bytes unread.
    """
    kind, ending, amount = (
        ("tcp", "closed", 5),
        ("tcp", "there", 5),
        (rng.choice(("tcp", "unix")), rng.choice(("closed", "half-closed", "there")), 0),
    )[round]
    if kind == "unix":
        own, other = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            own = socket.create_connection(listener.getsockname())
            other = listener.accept()[0]
    if amount:
        other.send(rng.randbytes(amount))
    streams = {"s": own.detach()}
    if ending == "closed":
        other.close()
    else:
        if ending == "half-closed":
            other.shutdown(socket.SHUT_WR)
        streams["peer"] = other.detach()
    wait_for_all(streams["s"], amount, ending != "there")
    case = f"the peer {PEER[ending]}; {amount or 'no'} bytes waited"
    return Scene(
        streams,
        (streams["s"],),
        ending != "there",
        nobody_acts,
        "nobody",
        case=case,
        is_untouched=True,
    )


PEER = {
    "closed": "had closed its end",
    "half-closed": "had shut down its direction",
    "there": "was there",
}


def wait_for_all(number, amount, is_over):
    """Wait until all that the other end sent has come to the socket *number*:

    what TCP sends has a way to go.
    """
    with socket.socket(fileno=os.dup(number)) as line, closing(select.epoll()) as ep:
        if amount:
            line.recv(amount, socket.MSG_PEEK | socket.MSG_WAITALL)
        if is_over:
            ep.register(line, select.EPOLLRDHUP)
            ep.poll()


def is_peer_gone(fd):
    with select.epoll() as ep:
        ep.register(fd, select.EPOLLRDHUP)
        return any(mask & select.EPOLLRDHUP for _, mask in ep.poll(0))


def what_the_mask_said(round):
    """Advise who had RDHUP in hand and misread the mask, or read something else for it."""
    masks_seen = [mask for call in round.own for _, mask in call.events]
    if any(mask & select.EPOLLRDHUP for mask in masks_seen):
        return (
            ""
            if round.found["value"]
            else (
                "A mask is a sum of bits, and others may be set beside the one you look for: "
                "test it with &, not with =="
            )
        )
    if masks_seen and round.found["value"] is True:
        return "EPOLLIN says that there is something to read; bytes are, and so is the end"
    return ""


TASKS = (
    Task(
        id="is-peer-gone",
        title="Is anybody still there?",
        text=(
            "Complete is_peer_gone(fd): the number of a connected socket, TCP or one of a "
            "socketpair. Return True if the other end will write no more, else False. Bytes "
            "may wait unread: take none of them. Do not sleep."
        ),
        stub="def is_peer_gone(fd):\n"
        '    """Return whether the other end of the socket fd will write no more."""\n    ...\n',
        wanted="the right answer at once, on both kinds of sockets, and every byte where it was",
        hint="Which of the switches says that the other end writes no more? Who has to turn it on?",
        further_hint=(
            "Register fd with select.EPOLLRDHUP, and look with poll(0). On TCP there is no "
            "HUP, and IN is there for unread bytes as well. Close the epoll."
        ),
        tried=(
            "TCP, where the other end had closed, or was there, with five bytes unread; and a "
            "TCP connection or a socketpair with nothing unread"
        ),
        returns=(bool,),
        advice=what_the_mask_said,
        set_up=a_line,
        solution=is_peer_gone,
    ),
)
