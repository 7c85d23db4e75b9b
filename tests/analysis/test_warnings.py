"""Each kind of mistake is found in its grade, with its line; what is right is not found."""

import os
import select
import socket

import epollkit


def kinds(log, certain=True):
    return [each.kind for each in log.warnings() if each.certain is certain]


def test_out_left_armed():
    with epollkit.record() as log, select.epoll() as ep:
        a, b = socket.socketpair()
        ep.register(a, select.EPOLLIN | select.EPOLLOUT)
        for _ in range(100):
            ep.poll()
        a.close(), b.close()
    (finding,) = (each for each in log.warnings() if each.certain)
    assert finding.kind == "out-left-armed" and finding.stream.name == "a" and finding.count == 100
    assert "ep.register(a" in finding.line.text
    assert str(finding).startswith("warning: a was reported writable 100 times")


def test_the_end_read_again():
    with epollkit.record() as log, select.epoll() as ep:
        r, w = os.pipe()
        ep.register(r, select.EPOLLIN)
        os.close(w)
        for _ in range(3):
            ep.poll()
            os.read(r, 10)
        os.close(r)
    assert kinds(log) == ["end-read-again"]
    assert log.warnings()[0].line.text == "os.read(r, 10)"
