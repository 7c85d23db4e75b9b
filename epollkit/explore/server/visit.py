"""Clients of every temper visit a server that the learner wrote: what happens, in a process of its
own.

Facts about servers
-------------------
* A server that is not right hangs, spins, raises, or never comes back; a thread that does so cannot
  be ended.
* Between two moves of its clients a server does what it has to do, then sleeps in a call.  If it
  makes call after call, and nothing in the kernel changes by them, it spins.  If it sleeps in a
  call on one client, the others wait.

What we do about them
---------------------
The server runs in a thread of a forked child, where it can be killed.  The clients move one after
the other, each when the server has *settled*: it sleeps in a call on a stream, calls in vain, or is
over.  While a client moves, the server's clock stands still, so the order of what happens is the
same every time.  A server that calls in vain is held before a call, and stopped there if it must
be.  Who waits in vain when nobody can move any more was let down, and the log tells by whom.  In the
log the server's end of each connection bears its client's name, whatever the server calls it.

*Source:* fork(2), epoll(7), proc_pid_syscall(5), FIONREAD in tcp(7).
"""

import dataclasses
import errno
import gc
import inspect
import json
import linecache
import os
import random
import socket
import sys
import threading
import time

from ... import linux
from ...log import Log
from ...recording.callsite import is_learners
from ...recording.recorder import record
from ...sandbox import Enough, Watched, run_apart
from .clients import MOVED, SMALL, TEMPERS, WAITS, Client
from .verdict import Visit

#: So many calls in a row by which nothing changes are no accident.
IN_VAIN = 24
#: Seconds: of the processor, that a server may use up without making a call; of the clock, until
#: the server is given up.
PROCESSOR_S, LIMIT_S = 0.4, 4.0
#: What the child is given to tell what it saw; then it is killed, for it cannot.
GRACE_S = 1.0
MOST_CLIENTS = 6


class Server(Watched):
    """The learner's function in a thread of its own."""

    def __init__(self, serve, listener, stop):
        super().__init__("server", serve, (listener, stop))
        #: held by a client that moves; more calls are granted to the server, IN_VAIN at a time
        self.turn, self.more = threading.RLock(), threading.Semaphore(0)
        self.is_held, self.is_stopped = False, False

    def before_call(self):
        """Hold the server before every IN_VAIN-th call, until more are granted."""
        if self.calls % IN_VAIN == 0:
            self.is_held = not self.is_stopped
            if self.is_held:
                self.more.acquire()
            if self.is_stopped:
                raise Enough

    def clock(self):
        """Tell the time; while a client moves, time stands still for the server: so it begins no
        call before the move is over, and comes back from none, even if the move woke it.
        """
        if threading.get_ident() == self.thread.ident:
            with self.turn:
                pass
        return time.perf_counter_ns()

    def go_on(self):
        self.is_held = False
        self.more.release()

    def describe(self, value):
        return {"is_coroutine": inspect.iscoroutine(value) or inspect.isasyncgen(value)}

    def processor_s(self) -> float:
        """Tell how much of the processor the server has used; 0 if it is over."""
        try:
            return time.clock_gettime(time.pthread_getcpuclockid(self.thread.ident))
        except OSError:
            return 0.0

    def line(self) -> str:
        """Return the learner's line that the server is in; empty if there is none."""
        frame = sys._current_frames().get(self.thread.ident)
        while frame is not None and not is_learners(frame.f_code.co_filename):
            frame = frame.f_back
        return linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip() if frame else ""


def streams() -> list[int]:
    """List what is open in this process: pipes, sockets and epolls."""
    texts = {number: linux.text(number) for number in map(int, os.listdir("/proc/self/fd"))}
    return sorted(
        number
        for number, text in texts.items()
        if text.startswith(("pipe:", "socket:", "anon_inode:"))
    )


def waiting(numbers) -> list:
    """Tell how much waits in each of *numbers* for somebody to read it, and at whom it has not
    arrived.
    """
    found = []
    for number in numbers:
        for probe in (linux.bytes_waiting, linux.bytes_unsent):
            try:
                found.append((number, probe(number)))
            except (OSError, TypeError, ValueError):  # an epoll, a listener, or closed by now
                pass
    return found


def settle(server, deadline) -> str:
    """Wait until *server* sleeps in a call on a stream, calls in vain, or is over.

    Returns ``asleep``, ``in vain``, ``over``; ``busy`` if it uses the processor up and makes no call;
    ``restless`` if it has made call after call until *deadline*, or ``late`` if it has slept.
    """
    seen, begin, calls = None, server.processor_s(), server.calls
    while not server.is_over:
        now = streams()
        if any(linux.is_asleep(server.thread, number) for number in now):
            return "asleep"
        if server.is_held:
            before, seen = seen, (now, waiting(now))
            if seen == before:
                return "in vain"
            server.go_on()
        used_s, is_late = server.processor_s() - begin, time.monotonic() > deadline
        if is_late and server.calls > calls:
            return "restless"
        if used_s > (PROCESSOR_S / 10 if is_late else PROCESSOR_S) and server.calls == calls:
            return "busy"
        if is_late:
            return "late"
        time.sleep(0.0005)
    return "over"


def calm_down(deadline):
    """Wait until nothing is on its way: sent, not yet acknowledged, and not there yet either."""

    def is_on_its_way():
        return any(
            linux.bytes_unacknowledged(number) and not linux.bytes_waiting(other)
            for number, other in linux.other_ends().items()
            if linux.text(number).startswith("socket:")
        )

    time.sleep(0.01)
    while is_on_its_way() and time.monotonic() < deadline:
        time.sleep(0.001)


def play(server, clients, deadline, recorder) -> str:
    """Let *clients* move, one after the other, until all have left, or nobody can move.  Returns
    what `settle` said last.

    Where *recorder* tells that the server calls in vain and does not come back to poll, the others
    move once more, as far as they can: so it shows that nobody hears them.
    """
    there, state, is_calm = list(clients), settle(server, deadline), False
    while there and state == "asleep":
        has_moved = False
        for client in list(there):
            with server.turn:
                move = client.move()
            if not move:
                there.remove(client)
            if move != WAITS:
                has_moved, state = True, settle(server, deadline)
                if state != "asleep":
                    break
        if not has_moved and not is_calm:
            calm_down(deadline)
            is_calm, state = True, settle(server, deadline)
        elif has_moved:
            is_calm = False
        else:
            idle = [client for client in there if not client.may_go_on and client.is_patient]
            if any(not client.is_patient for client in there) or not idle:
                break
            min(idle, key=lambda client: client.temper == "silent").may_go_on = True
    is_deaf = state == "in vain" and "epoll.poll" not in recorder.last_names(IN_VAIN)
    for client in list(there) if is_deaf else ():
        while (move := client.move()) == MOVED:
            pass
        if not move:
            there.remove(client)
    for client in there:
        was_seen = state in ("in vain", "busy", "restless", "late") and not is_deaf
        client.end = "was there" if was_seen else "waits"
    return state


def visit_apart(folder, serve, tempers, seed, limit_s):
    """Let clients of *tempers* visit *serve*, and leave in *folder* what was seen."""
    deadline = time.monotonic() + limit_s
    gc.disable()
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        listener.setsockopt(socket.SOL_SOCKET, option, SMALL)
    stop, ring = os.pipe()
    pipe = linux.text(ring)
    clients = [
        Client(name, temper, random.Random(f"{seed} {name}"), listener.getsockname())
        for name, temper in named(tempers)
    ]
    server, before = Server(serve, listener, stop), set(streams())
    ends = {of_client(client.name): client.sock for client in clients}
    with (
        recorder := record(
            clock=server.clock, gate=server.gate, listener=listener, stop=stop, ring=ring, **ends
        )
    ) as log:
        threading.current_thread().name = "clients"
        server.thread.start()
        state = play(server, clients, deadline, recorder)
        told = "" if linux.text(ring) == pipe else "EBADF"
        if state == "asleep" and not any(client.end == "waits" for client in clients):
            try:
                with server.turn:
                    os.write(ring, b"!")
            except OSError as error:
                told = errno.errorcode[error.errno]
            state = settle(server, deadline)
        line = server.line() if state in ("busy", "late") else ""
        server.is_stopped = state == "in vain"
        if state in ("in vain", "over"):
            server.go_on()
            server.thread.join(0.2)  # more only if it catches everything
        found = {"line": line} | server.result
    found |= {
        "settled": state,
        "told": told,
        "left": sorted(set(streams()) - before),
        "clients": [
            {
                "name": client.name,
                "temper": client.temper,
                "sent": len(client.sent),
                "got": len(client.got),
                "end": client.end,
                "same": client.sent.startswith(client.got),
                "is_unread": is_unread(client.sock),
            }
            for client in clients
        ],
    }
    log.save(folder / "log")
    (folder / "found").write_text(json.dumps(found))


def is_unread(sock) -> bool:
    try:
        return sock.fileno() >= 0 and linux.bytes_waiting(sock) > 0
    except OSError:  # the server closed its number
        return False


def of_client(name) -> str:
    """Return what a log calls the end of a connection that the client *name* has."""
    return f"{name.replace(' ', '_')}_client"


def rename(log, clients):
    """Give the server's end of each connection its client's name."""
    names = {of_client(client["name"]): client["name"] for client in clients}
    by_end = {
        stream.description: names[stream.name] for stream in log.objects if stream.name in names
    }
    log.objects = tuple(
        dataclasses.replace(stream, name=by_end[stream.other_end])
        if stream.other_end in by_end
        else stream
        for stream in log.objects
    )


def named(tempers) -> list:
    """Give each of *tempers* a name of its own: `fast`, `fast 2`."""
    found = []
    for place, temper in enumerate(tempers):
        before = tempers[:place].count(temper)
        found.append((f"{temper} {before + 1}" if before else temper, temper))
    return found


def visit(serve, *tempers, seed=0, limit_s=LIMIT_S) -> Visit:
    """Let clients visit an echo server, and see who gets what back.

    *serve(listener, stop)* is the server: it is to accept connections from *listener*, a TCP
    socket, send back to each client what it gets from it, at the latest when a line is complete,
    and return when there is something to read from *stop*, a file descriptor.  *tempers*, up to
    six: "fast", "slow reader", "silent", "leaves", "resets"; in the order in which they come.
    *seed* makes what they send.  The server runs in a child process, and is given up after
    *limit_s* seconds: whatever it does, it does no harm here.

    Returns a `Visit`: as the last value of a cell it shows itself.  Raises TypeError if *serve* is
    no function, ValueError if there is no such temper, or there are none or too many.
    """
    if not callable(serve):
        raise TypeError(
            f"got {type(serve).__name__} as the server; pass your function, with no parentheses "
            "after its name"
        )
    if not 1 <= len(tempers) <= MOST_CLIENTS or not set(tempers) <= TEMPERS.keys():
        raise ValueError(
            f"got {tempers!r}; pass one to {MOST_CLIENTS} of {', '.join(map(repr, TEMPERS))}"
        )
    with run_apart(visit_apart, serve, tempers, seed, limit_s, limit_s=limit_s + GRACE_S) as child:
        if not (child.folder / "found").exists():
            how = {"state": child.how, "signal": child.signal, "said": child.failure}
            return Visit(None, how | {"clients": []})
        found, log = (
            json.loads((child.folder / "found").read_text()),
            Log.load(child.folder / "log"),
        )
    rename(log, found["clients"])
    return Visit(log, found)
