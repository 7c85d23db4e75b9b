"""A log: read like a sequence, asked, saved, loaded; and what is no log."""

import json
import os
import select
import socket

import pytest
from support import keeps_the_rules

import epollkit
from epollkit.log import Data


@pytest.fixture
def log():
    with epollkit.record() as log:
        r, w = os.pipe()
        ep = select.epoll()
        ep.register(r, select.EPOLLIN)
        os.write(w, b"parcel")
        os.write(w, b"x" * 100)
        ep.poll()
        os.read(r, 64)
        with pytest.raises(FileExistsError):
            ep.register(r)
        ep.close()
        os.close(r)
        os.close(w)
    return log


def test_reading(log):
    assert len(log) == 11
    assert [call.index for call in log] == list(range(11))
    assert log[-1] == log[10] and log[2:4] == [log[2], log[3]]
    with pytest.raises(IndexError, match="this log has 11 calls"):
        log[11]
    register, write, poll = log[2], log[4], log[5]
    r, w = log.find("r"), log.find("w")
    assert (register.epoll.name, register.stream, register.arguments) == (
        "ep",
        r,
        (r.number, select.EPOLLIN),
    )
    assert (write.arguments, write.result, write.bytes_moved) == ((Data(100, b"x" * 32),), 100, 100)
    assert poll.events == ((r, select.EPOLLIN),)
    assert (poll.result, poll.arguments) == (None, (-1, -1))
    assert log[0].result == (r, w)
    assert log[6].result == Data(64, b"parcel" + b"x" * 26)
    assert log[7].error == ("FileExistsError", "[Errno 17] File exists")
    assert log[7].errno == 17
    assert all(before.end_ns <= after.start_ns for before, after in zip(log, log[1:], strict=False))
    assert (r.opened_by, r.closed_by, r.kind, r.role) == (0, 9, "pipe", "read end")
    assert log.calls("os.write") == [log[3], log[4]]
    assert log.calls(stream="ep") == [log[n] for n in (1, 2, 5, 7, 8)]
    assert log.calls(stream=r, name="os.read") == [log[6]]
    assert log.calls(thread="MainThread") == list(log)
    assert repr(log) == "<Log: 11 calls, 2 streams, 1 threads>"
    assert [log.level(r, call.end_ns) for call in log[3:7]] == [6, 106, 106, 42]
    assert log.level("w") == 0
    with pytest.raises(ValueError, match="no stream is called 'x'; this log knows r, w, ep"):
        log.level("x")
    with pytest.raises(ValueError, match="no level was kept"):
        log.level("ep")


def test_a_log_is_empty_until_the_block_ends():
    with epollkit.record() as log:
        os.close(os.open("/dev/null", os.O_RDONLY))
        assert len(log) == 0
        assert "still recording" in repr(log)
    assert len(log) >= 0 and "still" not in repr(log)


def test_the_clock_can_be_given():
    ticks = iter(range(1000))
    with epollkit.record(clock=lambda: next(ticks)) as log:
        r, w = os.pipe()
        os.close(r)
        os.close(w)
    assert all(0 <= call.start_ns < call.end_ns < 1000 for call in log)
    assert log.header["start_ns"] == 0


def test_what_is_kept_of_strange_arguments():
    with epollkit.record() as log:
        a, b = socket.socketpair()
        a.send(memoryview(b"abc"))
        a.sendmsg([b"one", bytearray(b"two")], [], socket.MSG_DONTWAIT)
        os.writev(a.fileno(), [b"a" * 40, b"b"])
        buffers = [bytearray(3), bytearray(100)]
        os.readv(b.fileno(), buffers)
        a.send(b"1234567")
        b.recv_into(memoryview(bytearray(20)), 5)
        b.recvmsg(1000, 10)
        a.close()
        b.close()
    assert [call.arguments[0] for call in log[1:4]] == [
        Data(3, b"abc"),
        Data(6, b"onetwo"),
        Data(41, b"a" * 32),
    ]
    assert log[4].result == Data(50, b"abconetwo" + b"a" * 23)
    assert [call.bytes_moved for call in log[1:8]] == [3, 6, 41, 50, 7, 5, 2]
    assert (log[6].result, log[7].result) == (Data(5, b"12345"), Data(2, b"67"))


# Bad input


def test_a_log_that_was_cut_off_says_so(log, tmp_path):
    whole = log.save(tmp_path / "whole.jsonl").read_bytes()
    path = tmp_path / "cut.jsonl"
    lines = whole.splitlines(keepends=True)
    ends = [sum(map(len, lines[:count])) for count in range(len(lines))]
    cuts = {
        *ends,
        *(end + len(line) // 2 for end, line in zip(ends, lines, strict=True)),
        len(whole) - 1,
    }
    for cut in cuts:
        path.write_bytes(whole[:cut])
        with pytest.raises(
            ValueError,
            match="was cut off or damaged"
            if cut >= len(lines[0]) - 1
            else "is not an epollkit log",
        ):
            epollkit.Log.load(path)
    for missing in range(1, len(lines)):
        path.write_bytes(b"".join(lines[:missing] + lines[missing + 1 :]))
        with pytest.raises(ValueError, match="cut off or damaged"):
            epollkit.Log.load(path)
    for at, wrong in [
        (1, b"{}\n"),
        (2, b"{}\n"),
        (len(lines) - 1, b"7\n"),
        (1, b"[" * 100_000 + b"\n"),
        (0, lines[0].replace(b'"calls":', b'"calls":"many","was":')),
    ]:
        path.write_bytes(b"".join([*lines[:at], wrong, *lines[at + 1 :]]))
        with pytest.raises(ValueError, match="cut off or damaged"):
            epollkit.Log.load(path)
    path.write_bytes(whole)
    assert epollkit.Log.load(path) == log


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"\x80\x81\x00",
        b"{}\n",
        b"[1, 2]\n",
        b"17\n",
        b'"epollkit log"\n',
        b'{"format": "other"}\n',
        b"not json\n",
        bytes(range(256)) * 100,
    ],
)
def test_what_is_no_log(content, tmp_path):
    path = tmp_path / "strange"
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match="is not an epollkit log: its first line is not the header of one"
    ):
        epollkit.Log.load(path)


def test_a_log_of_another_version(log, tmp_path):
    path = log.save(tmp_path / "log")
    header, rest = path.read_text().split("\n", 1)
    for version in (0, 99, "x", None):
        path.write_text(json.dumps(json.loads(header) | {"version": version}) + "\n" + rest)
        with pytest.raises(
            ValueError, match=f"of version {version}, this epollkit reads version 2"
        ):
            epollkit.Log.load(path)
    with pytest.raises(FileNotFoundError):
        epollkit.Log.load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="still recording"):
        epollkit.Log().save(path)


def test_an_empty_log(tmp_path):
    with epollkit.record() as log:
        pass
    keeps_the_rules(log, tmp_path / "log")
    assert (list(log), log.buffer_events(), log.limits()) == ([], [], [])
    assert log.summary()
