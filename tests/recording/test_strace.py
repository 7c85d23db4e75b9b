"""strace as a judge: it watches from outside what is recorded inside, and the two must agree call
by call.

``programs.py`` runs under ``strace -f``.  What strace saw between two marks is compared with the
log of the same program: which call, on which stream, with what result or error, and of reads and
writes the first bytes.  A stream is not its number: here too every number stands for what was
opened under it last.
"""

import errno
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from random_programs import draw

import epollkit
from epollkit.log import Data

PROGRAMS = max(40, int(os.environ.get("EPOLLKIT_PROGRAMS", "0")) // 10)

FIONBIO, F_DUPFD_CLOEXEC = "0x5421", "0x406"
CONTROL = {"epoll.register": 1, "epoll.unregister": 2, "epoll.modify": 3}
#: How the kernel calls what a log calls by Python's names.
SYSCALLS = {
    "os.pipe": "pipe2",
    "os.pipe2": "pipe2",
    "os.eventfd": "eventfd2",
    "socket.socketpair": "socketpair",
    "select.epoll": "epoll_create1",
    "os.dup": "dup",
    "os.dup2": "dup2",
    "os.read": "read",
    "os.eventfd_read": "read",
    "os.write": "write",
    "os.eventfd_write": "write",
    "os.readv": "readv",
    "os.writev": "writev",
    "socket.recv": "recvfrom",
    "socket.recv_into": "recvfrom",
    "socket.recvfrom": "recvfrom",
    "socket.recvmsg": "recvmsg",
    "socket.send": "sendto",
    "socket.sendall": "sendto",
    "socket.sendmsg": "sendmsg",
    "socket.shutdown": "shutdown",
    "os.set_blocking": "set_blocking",
    "socket.setblocking": "set_blocking",
    "socket.settimeout": "set_blocking",
    "os.close": "close",
    "socket.close": "close",
    "epoll.close": "close",
    "epoll.poll": "epoll_wait",
    **dict.fromkeys(CONTROL, "epoll_ctl"),
}
#: A question mark: some kinds of processors do not have it.
TRACED = (
    "read,write,readv,writev,close,?dup2,dup3,fcntl,?pipe,pipe2,eventfd2,socketpair,socket,epoll_create1,"
    "epoll_ctl,?epoll_wait,epoll_pwait,sendto,sendmsg,recvfrom,recvmsg,shutdown,ioctl,?open,openat,lseek"
)


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Run programs under strace; returns the lines of each and its log, by seed."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: apt install strace")
    may = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", "true"], capture_output=True, text=True
    )
    if may.returncode:
        pytest.skip(f"strace may not trace here: {may.stderr.strip()}")
    folder = tmp_path_factory.mktemp("strace")
    program = [
        sys.executable,
        str(Path(__file__).parents[1] / "random_programs.py"),
        str(folder),
        *map(str, range(PROGRAMS)),
    ]
    watched = subprocess.run(
        [
            "strace",
            "-f",
            "-qq",
            "-X",
            "raw",
            "-xx",
            "-s",
            "32",
            "-e",
            f"trace={TRACED}",
            "-e",
            "signal=none",
            "-o",
            str(folder / "calls"),
            *program,
        ],
        capture_output=True,
        text=True,
    )
    assert watched.returncode == 0, watched.stderr
    found, seed, lines = {}, None, []
    for line in (folder / "calls").read_text().splitlines():
        if mark := re.match(r"\d+ +lseek\(-1, (\d+), ", line):
            if seed is None:
                seed, lines = int(mark[1]), []
            else:
                assert seed == int(mark[1])
                found[seed] = lines, epollkit.Log.load(folder / f"{seed}.jsonl")
                seed = None
        elif seed is not None:
            lines.append(line)
    assert sorted(found) == list(range(PROGRAMS))
    return found


def split(text):
    """Split the arguments that strace prints at their commas:

    not at those inside brackets, braces and strings.
    """
    parts, depth, quoted = [""], 0, False
    for letter in text:
        quoted ^= letter == '"'
        depth += not quoted and (letter in "[{") - (letter in "]}")
        if letter == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


class Numbers(dict):
    """Which number stands for what:

    number → a serial number, given in the order in which things were opened.
    """

    def __init__(self):
        self.count = 0

    def open(self, *numbers):
        for number in numbers:
            self[number] = self.count
            self.count += 1
        return numbers


def by_strace(lines):
    """Turn the lines of strace into tuples (call, what it was called on, result or (−1, errno's
    name), more).
    """
    told, numbers, strangers = [], Numbers(), set()
    for line in lines:
        match = re.fullmatch(r"\d+ +(\w+)\((.*)\) += (-?\d+)(?: (E\w+) \(.*\))?", line)
        assert match, f"strace wrote a line that was not understood: {line}"
        name, arguments, result, error = match[1], split(match[2]), int(match[3]), match[4]
        first = int(arguments[0]) if re.fullmatch(r"-?\d+", arguments[0]) else None
        if name in (
            "open",
            "openat",
            "socket",
        ):  # the recorder asks the kernel; programs open nothing like this
            strangers |= {result} - {-1}
            continue
        if first in strangers:
            if name == "close":
                strangers.discard(first)
            continue
        on, more, outcome = numbers.get(first), None, (-1, error) if error else result
        if name in ("pipe", "pipe2", "socketpair"):
            name = name.replace("pipe2", "pipe").replace("pipe", "pipe2")
            outcome = numbers.open(
                *map(int, re.findall(r"\d+", arguments[0 if name == "pipe2" else 3]))
            )
            on = None
        elif name in ("eventfd2", "epoll_create1"):
            numbers.open(result)
            on = None
        elif name == "fcntl":
            if arguments[1] != F_DUPFD_CLOEXEC:
                continue
            name = "dup"
            if not error:
                numbers.open(result)
        elif name in ("dup2", "dup3"):
            name = "dup2"
            if not error and result != first:
                numbers.open(result)
        elif name == "ioctl":
            if arguments[1] != FIONBIO:
                continue
            name = "set_blocking"
        elif name == "close":
            if not error:
                del numbers[first]
        elif name == "epoll_ctl":
            mask = re.search(r"events=(\w+)", arguments[3])
            more = int(arguments[1], 0), numbers.get(int(arguments[2])), mask and int(mask[1], 0)
        elif name in ("epoll_wait", "epoll_pwait"):
            name = "epoll_wait"
            more = [
                (int(number, 0), int(mask, 0))
                for mask, number in re.findall(r"events=(\w+), data=(?:\{u32=)?(\w+)", arguments[1])
            ]
        elif name in ("read", "write", "sendto", "recvfrom") and not error:
            kept = re.match(r'"((?:\\x[0-9a-f]{2})*)"', arguments[1])
            more = bytes.fromhex(kept[1].replace("\\x", "")) if kept else b""
        told.append((name, on, outcome, more))
    return told


def by_log(log):
    """Turn the calls of a log into the same tuples; calls that Python answers by itself are left
    out.
    """
    told, serials, numbers = [], {}, {}

    def opened(*streams):
        for stream in streams:
            serials[stream.index] = len(serials)
            numbers[stream.number] = stream

    def serial(stream):
        """What is open; a number that stands for nothing any more stands for nothing here."""
        return (
            serials[stream.index]
            if stream is not None and numbers.get(stream.number) is stream
            else None
        )

    for call in log:
        if call.name not in SYSCALLS or (call.error and not call.errno):
            continue
        name, subject = (
            SYSCALLS[call.name],
            call.epoll if call.name.startswith("epoll.") else call.stream,
        )
        on, more = serial(subject), None
        outcome = (-1, errno.errorcode[call.errno]) if call.errno else 0
        if call.name.startswith("socket.") and call.errno == errno.EBADF:
            # a socket that was closed or detached has no number; the log still knows which one it
            # was
            on = None
        if name in ("pipe2", "socketpair", "eventfd2", "epoll_create1", "dup", "dup2"):
            on = on if name in ("dup", "dup2") else None
            made = (
                call.result
                if isinstance(call.result, tuple)
                else (call.result,) * (call.result is not None)
            )
            if name == "dup2" and made and made[0] is subject:
                outcome = subject.number
            elif made:
                opened(*made)
                outcome = tuple(one.number for one in made) if len(made) == 2 else made[0].number
        elif name == "close":
            if not call.errno and (on is None or subject.closed_by != call.index):
                # an object that was closed or detached already: Python does not ask the kernel
                continue
            if not call.errno:
                del numbers[subject.number]
        elif name == "epoll_ctl":
            about = serial(call.stream)
            more = (
                CONTROL[call.name],
                about,
                call.arguments[1] if call.name != "epoll.unregister" else None,
            )
        elif name == "epoll_wait":
            outcome = outcome or len(call.events)
            more = [(stream.number, mask) for stream, mask in call.events]
        elif name in ("read", "recvfrom", "readv", "recvmsg"):
            if call.name in ("socket.recv", "socket.recv_into") and call.arguments[0] == 0:
                continue  # Python answers that
            if not call.errno:
                data = as_data(call.result)
                outcome, more = data.length, data.head if name in ("read", "recvfrom") else None
        elif name in ("write", "sendto", "writev", "sendmsg") and not call.errno:
            data = as_data(call.arguments[0])
            outcome = (
                8
                if call.name == "os.eventfd_write"
                else data.length
                if call.name == "socket.sendall"
                else call.result
            )
            more = data.head if name in ("write", "sendto") else None
        told.append(
            (name, on, outcome, more)
            if call.name != "socket.sendall"
            else ("sendall", on, outcome, more, as_data(call.arguments[0]).length)
        )
    return told


def as_data(value):
    """An eventfd's count as the eight bytes that it is; bytes as they are."""
    return value if isinstance(value, Data) else Data(8, value.to_bytes(8, sys.byteorder))


def take(seen, call):
    """Take from *seen*, a list in reverse, what strace must have seen of *call*; returns it, put
    together as one call.

    A ``sendall`` is as many calls as it takes, until all is sent or one of them fails.
    """
    name, on, outcome, *more = call
    if name != "sendall" or not seen:
        return seen.pop() if seen else None
    _, _, result, head = seen.pop()
    sent = result
    while isinstance(result, int) and sent < more[1] and seen and seen[-1][:2] == ("sendto", on):
        result = seen.pop()[2]
        sent = sent + result if isinstance(result, int) else result
    return "sendall", on, sent, head if isinstance(sent, int) else None, more[1]


def agree(lines, log):
    """Assert that strace and the log tell the same calls in the same order.  Returns how many."""
    told = by_log(log)
    seen = by_strace(lines)[::-1]
    for at, call in enumerate(told):
        taken = take(seen, call)
        assert taken == call, (
            f"call {at}: the log says {call}, strace {taken}; before it {told[max(0, at - 3) : at]}"
        )
    assert not seen, f"strace saw calls that the log has not: {seen[::-1]}"
    return len(told)


def test_strace_and_the_log_agree_call_by_call(seen):
    compared = sum(agree(lines, log) for lines, log in seen.values())
    assert compared > 20 * PROGRAMS


def test_the_programs_are_of_many_kinds(seen):
    """Every call of the table, and the errors that beginners meet, come up."""
    calls = [call for lines, log in seen.values() for call in log]
    assert {call.name for call in calls} >= SYSCALLS.keys()
    assert {errno.errorcode[call.errno] for call in calls if call.errno} >= {
        "EBADF",
        "EAGAIN",
        "EEXIST",
        "ENOENT",
        "EINVAL",
        "EPIPE",
    }


def test_a_program_is_the_same_for_the_same_seed():
    assert draw(7) == draw(7) != draw(8)


@pytest.mark.parametrize(
    "fault", ["a lost call", "a wrong result", "a changed errno", "another stream"]
)
def test_the_judge_sees_a_log_that_is_wrong_in_one_call(seen, fault):
    """Spoil one write that succeeded, or one call that failed, in the log of a program:

    then strace disagrees.
    """
    lines, log = seen[0]
    calls = list(log)
    wrote = next(call for call in calls if call.name == "os.write" and not call.error)
    failed = next(call for call in calls if call.errno)
    if fault == "a lost call":
        calls.remove(wrote)
    elif fault == "a wrong result":
        calls[wrote.index] = replace(wrote, result=wrote.result - 1)
    elif fault == "a changed errno":
        calls[failed.index] = replace(failed, errno=errno.EIO)
    else:
        calls[wrote.index] = replace(
            wrote, stream=next(one for one in log.streams if one != wrote.stream)
        )
    assert agree(lines, log)
    with pytest.raises(AssertionError, match="the log says"):
        agree(lines, calls)
