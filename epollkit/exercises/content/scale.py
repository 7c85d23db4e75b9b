"""What notebook 13 asks: its questions, its exercises, and a solution of each exercise.

You have read this far before you tried?  Close this file, try first, then ask for ``solution(id)``.
"""

import contextlib
import os
import select
import socket

from ... import linux
from ..question import Question
from ..scene import Scene, is_empty, is_full, wait_until_settled
from ..task import Task


def why_all_busy(slowest):
    if slowest == "epoll":
        return (
            "Of 200 streams all 200 are ready, so nobody is asked in vain, and there is nothing that epoll can "
            "leave out. For each event it has more to do: take the entry off the ready list, ask the stream, "
            "and, level-triggered, put the entry back for the next poll."
        )
    if slowest == "select":
        return (
            "Most of the streams are idle. select and poll ask each of them at every call, and select, "
            "which looks into three sets of bits, is the slower of the two."
        )
    return "Most of the streams are idle, and poll asks each of them at every call."


def why_toggle(calls):
    if calls == 6:
        return (
            "modify, poll, send and modify again: to wait for room that was there all the time takes three "
            "calls more than to send at once, and two of the six change the interest list."
        )
    if calls == 3:
        return "It sends at once, and there was room: one call each of poll, recv and send."
    return "See the calls of the server in the recording."


def why_small_pipe(size):
    if size == 8192:
        return (
            "Nothing fails. All pipes of an ordinary user together may have 16,384 pages "
            "(/proc/sys/fs/pipe-user-pages-soft): 1,024 pipes of 16. Each further one gets two pages, "
            "and its writers sleep eight times as early."
        )
    if size == 0:
        return "A limit on file descriptors came first: this program may not hold 2,200 of them."
    return "The user is below the limit for pages in pipes, or is privileged, and has none."


QUESTIONS = (
    Question(
        id="scale-all-busy",
        text="200 pipes, and bytes wait in every one of them. Each of the three waits for all. Which is "
        "the slowest?",
        why=why_all_busy,
        choices={
            "select": "`select`",
            "poll": "`poll`",
            "epoll": "`epoll`",
        },
    ),
    Question(
        id="scale-toggle",
        text="A server answers short requests. One way: `poll` reports a request, `recv`, `send`: three calls. "
        "Another way, as many how-tos have it: after `recv`, ask for `EPOLLOUT`, send when `poll` reports it, "
        "ask for `EPOLLIN` again. How many calls does that take for each request?",
        why=why_toggle,
        choices={4: "4", 5: "5", 6: "6"},
    ),
    Question(
        id="scale-small-pipe",
        text="A pipe holds 65,536 bytes: you have measured it. A program of an ordinary user may open "
        "as many files as it likes, and opens 1,100 pipes. How much does the last one hold?",
        why=why_small_pipe,
        choices={
            65536: "65,536 bytes, as all of them",
            8192: "8,192 bytes",
            0: "nothing: the kernel refuses to make it",
        },
    ),
)

#: How many pipes there are, and how often a function may change an interest list for them.
PIPES, CHANGES = 60, 130


def many_idle(rng, round):
    """Many pipes; short messages come, one at a time, each into any of them."""
    ends = [os.pipe() for _ in range(PIPES)]
    readers, writers = [r for r, _ in ends], [w for _, w in ends]
    plan = [(rng.choice(writers), rng.randbytes(rng.randint(2, 40))) for _ in range(6)]
    if round == 1:  # two in a row into the same one
        plan[1] = (plan[0][0], plan[1][1])
    wanted = b"".join(message for _, message in plan)

    def part(scene, attempt):
        for writer, message in plan:
            wait_until_settled(scene, attempt, lambda: is_empty(*readers))
            if attempt.is_over:
                return
            os.write(writer, message)

    streams = {f"r{number}": r for number, r in enumerate(readers)}
    streams |= {f"w{number}": w for number, w in enumerate(writers)}
    return Scene(
        streams,
        (readers, len(wanted)),
        wanted,
        part,
        "writer",
        most_changes=CHANGES,
    )


def collect(fds, size):
    data = b""
    with select.epoll() as ep:
        for fd in fds:
            ep.register(fd, select.EPOLLIN)
        while len(data) < size:
            for fd, _ in ep.poll():
                data += os.read(fd, 4096)
    return data


def who_registers_again(round):
    """Advise who makes a new epoll for each wait."""
    epolls = sum(call.name == "select.epoll" for call in round.own)
    if epolls > 1:
        return (
            f"It made {epolls} epolls: an epoll that is made for one wait has a whole list to be told, "
            "as select has"
        )
    return ""


LINES, ECHO_CHANGES, MOST_IN_HAND = 60, 50, 262_144


def quick_then_slow(rng, round):
    """A caller who reads each echo at once, and then sends much and reads late."""
    sock, caller = socket.socketpair()
    for end in (sock, caller):
        end.setblocking(False)
    number, end = sock.detach(), caller.detach()
    lines = [b"line " + rng.randbytes(6).hex().encode() + b"\n" for _ in range(LINES)]
    much = rng.randbytes(0 if round == 1 else 700_000)

    def settle(scene, attempt):
        wait_until_settled(scene, attempt, lambda: is_empty(number) or is_full(number))

    def take(scene, size):
        with contextlib.suppress(BlockingIOError):
            scene.received += os.read(end, size)

    def part(scene, attempt):
        settle(scene, attempt)
        for line in lines:
            os.write(end, line)
            settle(scene, attempt)
            take(scene, 4096)
        rest = memoryview(much)
        while not attempt.is_over and (rest or linux.bytes_waiting(end)):
            while rest and not is_full(end) and not attempt.is_over:
                rest = rest[os.write(end, rest[:65_536]) :]
                settle(scene, attempt)
            take(scene, rng.randint(30_000, 60_000))
            settle(scene, attempt)
        scene.close(end)

    return Scene(
        {"sock": number, "caller": end},
        (number,),
        b"".join(lines) + much,
        part,
        "caller",
        is_received=True,
        most_in_hand=MOST_IN_HAND,
        most_changes=ECHO_CHANGES,
    )


def echo(sock):
    owed, is_armed = b"", False
    with select.epoll() as ep:
        ep.register(sock, select.EPOLLIN)
        while True:
            ep.poll()
            owed = owed or os.read(sock, 65_536)
            if not owed:
                return
            try:
                owed = owed[os.write(sock, owed) :]
            except BlockingIOError:
                pass
            if bool(owed) != is_armed:
                is_armed = bool(owed)
                ep.modify(sock, select.EPOLLOUT if is_armed else select.EPOLLIN)


def who_asks_before_each_send(round):
    """Advise who arms OUT although there was room."""
    armed = sum(call.name == "epoll.modify" for call in round.own)
    refused = sum(call.errno == "EAGAIN" for call in round.own)
    if armed > ECHO_CHANGES and armed > 4 * (refused + 1):
        return (
            "It asked for EPOLLOUT before it knew that there was no room: send first, and ask when something "
            "is left over"
        )
    return ""


TASKS = (
    Task(
        id="wait-for-many",
        title="Sixty streams, one wait",
        text=(
            "Complete collect(fds, size): fds are the read ends of 60 pipes, nearly all of them idle. "
            "Messages come, now into one of them, now into another. Return the first size bytes that "
            "come, in the order in which they come. Sleep while there is nothing, in poll of an "
            "epoll. Close none of fds."
        ),
        stub="def collect(fds, size):\n"
        '    """Return the first size bytes that come from fds, in their order."""\n    ...\n',
        wanted=(
            "every byte in order, at most 130 changes of an interest list, and no call that asks in vain"
        ),
        hint="What has to be said once, and what at each wait? A new epoll has an empty list.",
        further_hint=(
            "Register all of fds before the loop, in one epoll. In the loop: for each event, read, "
            "and add it to what you have, until that is size bytes long."
        ),
        tried="60 pipes with six messages, one at a time, once two in a row into the same one",
        set_up=many_idle,
        solution=collect,
        returns=(bytes,),
        needs_epoll=True,
        advice=who_registers_again,
    ),
    Task(
        id="echo-without-toggling",
        title="An echo that does not toggle",
        text=(
            "Complete echo(sock): sock is a file descriptor of a connected socket that does not block; "
            "os.read and os.write work with it. Send back what comes from it, until it ends. "
            "The caller sends 60 lines and reads each answer at once; then it sends 700,000 bytes, and "
            "reads late. Hold at most 262,144 bytes, and call register, modify and unregister at most "
            "50 times in all. Do not close sock."
        ),
        stub='def echo(sock):\n    """Send back what comes from sock, until it ends."""\n    ...\n',
        wanted=(
            "every byte back, in order, at most 50 changes of the interest list, at most 262,144 "
            "bytes in hand, and no call that asks in vain"
        ),
        hint="How do you find out whether there is room: by asking poll, or by sending?",
        further_hint=(
            "Send what you have read at once. Only if something is left, modify to EPOLLOUT, and "
            "back to EPOLLIN when nothing is left. Or register EPOLLIN | EPOLLOUT | EPOLLET once, "
            "and go on at each event until a call is refused."
        ),
        tried=(
            "a socketpair: 60 lines answered one by one, then 700,000 bytes to a caller who reads late"
        ),
        set_up=quick_then_slow,
        solution=echo,
        needs_epoll=True,
        advice=who_asks_before_each_send,
        is_stretch=True,
    ),
)
