"""Programs for the picture to draw: one for each thing that a recording can hold.

Every function makes one recording and returns its log; nothing it opened outlives it.  Threads hand
over by asking the kernel whether the other one is asleep, so that a recording in steps is the same
on every run.
"""

import asyncio
import http.client
import http.server
import os
import select
import socket
import threading
import time
from contextlib import suppress

import epollkit
from epollkit import linux


def wait_until(is_so):
    """Wait until *is_so* returns true."""
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline, "waited 20 s for something that did not come"
        time.sleep(0.0005)


def start(name, target):
    """Start a thread called *name* that runs *target*; returns it once it has a native id."""
    thread = threading.Thread(target=target, name=name)
    thread.start()
    wait_until(lambda: thread.native_id is not None)
    return thread


def until_asleep(thread, stream):
    """Wait until *thread* sleeps in a call on *stream*."""
    wait_until(lambda: linux.is_asleep(thread.native_id, stream))


def close(*numbers):
    for number in numbers:
        os.close(number)


def ten_lines():
    """A pipe, an epoll, two writes, one event, one read."""
    with epollkit.record() as log:
        r, w = os.pipe()
        ep = select.epoll()
        ep.register(r, select.EPOLLIN)
        os.write(w, b"parcel")
        os.write(w, b"letter")
        ep.poll()
        os.read(r, 64)
        ep.poll(0)
    ep.close()
    close(r, w)
    return log


def full_pipe():
    """A runs ahead until the pipe is full and sleeps; B reads one byte short of a page, then one
    more.
    """
    with epollkit.record() as log:
        r, w = os.pipe()
        ep = select.epoll()
        ep.register(r, select.EPOLLIN)
        asleep = {}

        def run_b():
            ep.poll()
            os.read(r, 64)
            go.wait()
            os.read(r, 4095)
            os.read(r, 1)
            wait_until(lambda: done.is_set())
            for _ in range(2):
                ep.poll()
                os.read(r, 1 << 20)

        go, done = threading.Event(), threading.Event()
        b = start("B", run_b)
        until_asleep(b, ep)

        def run_a():
            os.write(w, b"parcel")
            wait_until(lambda: linux.bytes_waiting(r) == 0)
            for _ in range(4):
                os.write(w, bytes(linux.capacity(w) // 4))
            asleep["ready"] = True
            os.write(w, bytes(4096))
            os.close(w)
            done.set()

        a = start("A", run_a)
        wait_until(lambda: asleep.get("ready"))
        until_asleep(a, w)
        go.set()
        a.join()
        b.join()
    ep.close()
    close(r)
    return log


def socketpair_filled():
    """Write to a socketpair until it refuses, change one's mind, read everything, end."""
    with epollkit.record() as log:
        a, b = socket.socketpair()
        a.setblocking(False)
        b.setblocking(False)
        ep = select.epoll()
        ep.register(a, select.EPOLLIN | select.EPOLLOUT)
        ep.register(b, select.EPOLLIN | select.EPOLLRDHUP)
        ep.poll(0)
        a.send(b"hello")
        try:
            while True:
                a.send(bytes(65536))
        except BlockingIOError:
            pass
        ep.modify(a, select.EPOLLOUT)
        ep.poll(0)
        while True:
            try:
                b.recv(1 << 18)
            except BlockingIOError:
                break
        ep.poll(0)
        ep.unregister(a)
        a.close()
        ep.poll(0)
        b.recv(64)
    b.close()
    ep.close()
    return log


def tcp_conversation():
    """A listener, a caller in another thread, and the line between them."""
    with epollkit.record() as log:
        listener = socket.create_server(("127.0.0.1", 0))
        ep = select.epoll()
        ep.register(listener, select.EPOLLIN)

        def call():
            client = socket.create_connection(listener.getsockname())
            client.sendall(b"hello, server")
            client.recv(64)
            client.shutdown(socket.SHUT_WR)
            client.recv(64)
            client.close()

        caller = start("caller", call)
        ep.poll()
        accepted, _ = listener.accept()
        ep.register(accepted, select.EPOLLIN | select.EPOLLRDHUP)
        ep.poll()
        accepted.recv(64)
        accepted.sendall(b"hello, client")
        ep.poll()
        accepted.recv(64)
        accepted.close()
        caller.join()
    listener.close()
    ep.close()
    return log


def asyncio_echo(clients):
    """An asyncio echo server with that many clients, in a thread of its own."""

    async def serve(reader, writer):
        writer.write(await reader.read(100))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def ask(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello, echo")
        await reader.read(100)
        writer.close()
        await writer.wait_closed()

    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            await asyncio.gather(*(ask(port) for _ in range(clients)))

    with epollkit.record() as log:
        thread = threading.Thread(target=asyncio.run, args=(main(),), name="loop")
        thread.start()
        thread.join()
    return log


def asyncio_one():
    return asyncio_echo(1)


def asyncio_five():
    return asyncio_echo(5)


def asyncio_fifty():
    return asyncio_echo(50)


def http_request():
    """http.client against http.server, two requests."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x" * 2000)

        def log_message(self, *_):
            pass

    with epollkit.record() as log:
        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)

        def serve():
            server.handle_request()

        thread = start("server", serve)
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
        connection.request("GET", "/")
        connection.getresponse().read()
        connection.close()
        thread.join()
        server.server_close()
    return log


def eventfd_counts():
    with epollkit.record() as log:
        bell = os.eventfd(0, os.EFD_NONBLOCK)
        ep = select.epoll()
        ep.register(bell, select.EPOLLIN)
        os.eventfd_write(bell, 3)
        os.eventfd_write(bell, 4)
        ep.poll(0)
        os.eventfd_read(bell)
        ep.poll(0)
        try:
            os.eventfd_read(bell)
        except BlockingIOError:
            pass
    ep.close()
    close(bell)
    return log


def epoll_in_epoll():
    with epollkit.record() as log:
        r, w = os.pipe()
        inner, outer = select.epoll(), select.epoll()
        inner.register(r, select.EPOLLIN)
        outer.register(inner, select.EPOLLIN)
        os.write(w, b"x")
        outer.poll(0)
        inner.poll(0)
        os.read(r, 1)
        outer.poll(0)
    inner.close()
    outer.close()
    close(r, w)
    return log


def one_shot():
    with epollkit.record() as log:
        r, w = os.pipe()
        ep = select.epoll()
        ep.register(r, select.EPOLLIN | select.EPOLLONESHOT)
        os.write(w, b"one")
        ep.poll(0)
        os.write(w, b"two")
        ep.poll(0)
        ep.modify(r, select.EPOLLIN | select.EPOLLONESHOT)
        ep.poll(0)
        os.read(r, 64)
        os.close(w)
        os.read(r, 64)
    ep.close()
    close(r)
    return log


def timed_out():
    with epollkit.record() as log:
        r, w = os.pipe()
        ep = select.epoll()
        ep.register(r, select.EPOLLIN)
        ep.poll(0.03)
        os.write(w, b"late")
        ep.poll(0.03)
    ep.close()
    close(r, w)
    return log


def still_asleep():
    """A thread is asleep in a read, another in a poll, when the block ends."""
    with epollkit.record() as log:
        r, w = os.pipe()
        r2, w2 = os.pipe()
        ep = select.epoll()
        ep.register(r2, select.EPOLLIN)
        reader = start("reader", lambda: os.read(r, 1))
        until_asleep(reader, r)
        poller = start("poller", lambda: ep.poll())
        until_asleep(poller, ep)
    os.write(w, b"x")
    os.write(w2, b"x")
    reader.join()
    poller.join()
    ep.close()
    close(r, w, r2, w2)
    return log


def refusals():
    """Calls that fail, each in its own way."""
    with epollkit.record() as log:
        r, w = os.pipe2(os.O_NONBLOCK)
        r2, w2 = os.pipe()
        ep = select.epoll()
        ep.register(w2, select.EPOLLOUT)
        failing = [
            lambda: os.read(r, 1),
            lambda: os.write(w2, b"nobody"),
            lambda: os.read(r2, 1),
            lambda: ep.register(w2, select.EPOLLIN),
            lambda: ep.unregister(r),
        ]
        os.close(r2)
        for fail in failing:
            try:
                fail()
            except OSError:
                pass
        ep.poll(0)
        try:
            while True:
                os.write(w, bytes(100_000))
        except BlockingIOError:
            pass
    ep.close()
    close(r, w, w2)
    return log


def dup_ghost():
    """close() does not end a registration while a dup lives."""
    with epollkit.record() as log:
        r, w = os.pipe()
        r2 = os.dup(r)
        ep = select.epoll()
        ep.register(r, select.EPOLLIN)
        os.close(r)
        os.write(w, b"boo")
        ep.poll(0)
        os.read(r2, 10)
        os.close(r2)
        ep.poll(0)
        os.close(w)
    ep.close()
    return log


def three_pipes():
    with epollkit.record() as log:
        r1, w1 = os.pipe()
        r2, w2 = os.pipe()
        r3, w3 = os.pipe()
        ep = select.epoll()
        for r in (r1, r2, r3):
            ep.register(r, select.EPOLLIN)
        os.write(w2, b"second")
        os.write(w3, b"third")
        names = {r1: 1, r2: 2, r3: 3}
        for number, _ in ep.poll():
            assert names[number]
            os.read(number, 100)
        os.write(w1, b"first")
        os.close(w2)
        ep.poll()
        os.read(r1, 3)
        ep.poll()
        os.read(r2, 1)
    ep.close()
    close(r1, w1, r2, r3, w3)
    return log


def eight_threads():
    with epollkit.record() as log:
        pipes = [os.pipe() for _ in range(8)]
        threads = []
        for n, (r, _) in enumerate(pipes):
            threads.append(start(f"reader {n}", lambda r=r: os.read(r, 10)))
            until_asleep(threads[-1], r)
        for (_, w), thread in zip(pipes, threads, strict=True):
            os.write(w, b"wake up")
            thread.join()
    for pipe in pipes:
        close(*pipe)
    return log


def too_many_of_everything():
    """Twenty threads, nine epolls, thirty pipes; one of them, the last, is used."""
    with epollkit.record() as log:
        pipes = [os.pipe() for _ in range(30)]
        epolls = [select.epoll() for _ in range(9)]
        for r, _ in pipes:
            epolls[0].register(r, select.EPOLLIN)
        r, w = pipes[-1]
        threads = []
        for n in range(20):
            threads.append(start(f"worker {n}", lambda n=n: epolls[n % 9].poll(0)))
            threads[-1].join()
        os.write(w, b"to the last one")
        epolls[0].poll()
        os.read(r, 100)
    for ep in epolls:
        ep.close()
    for pipe in pipes:
        close(*pipe)
    return log


def busy_polling():
    """Ask again and again: two thousand times for nothing."""
    with epollkit.record() as log:
        r, w = os.pipe2(os.O_NONBLOCK)
        for _ in range(2000):
            try:
                os.read(r, 10)
            except BlockingIOError:
                pass
        os.write(w, b"at last")
        os.read(r, 10)
    close(r, w)
    return log


def wall_of_events():
    """An idle socket is always writable: who asks for OUT is woken every time."""
    with epollkit.record() as log:
        a, b = socket.socketpair()
        ep = select.epoll()
        ep.register(a, select.EPOLLOUT)
        for _ in range(500):
            ep.poll()
        ep.modify(a, 0)
        ep.poll(0)
    a.close()
    b.close()
    ep.close()
    return log


def edge_triggered():
    with epollkit.record() as log:
        r, w = os.pipe()
        ep = select.epoll()
        ep.register(r, select.EPOLLIN | select.EPOLLET)
        os.write(w, b"one")
        ep.poll(0)
        ep.poll(0)
        os.write(w, b"two")
        ep.poll(0)
        os.read(r, 4)
        ep.poll(0)
    ep.close()
    close(r, w)
    return log


def datagrams_and_files():
    """What has no level: datagrams, and what cannot be registered: a file."""
    with epollkit.record() as log:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind(("127.0.0.1", 0))
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ep = select.epoll()
        ep.register(one, select.EPOLLIN)
        other.sendto(b"hello", one.getsockname())
        ep.poll()
        one.recvfrom(100)
        file = os.open(os.devnull, os.O_RDONLY)
        os.read(file, 10)
        try:
            ep.register(file)
        except PermissionError:
            pass
        os.close(file)
    one.close()
    other.close()
    ep.close()
    return log


def strange_names():
    """Names that mean something to whoever draws or shows them: formulas, line breaks, tags."""
    with epollkit.record() as log:
        r, w = os.pipe()
        for name in ("$x^{$", "two\nlines", "<b> & 'quotes\"", ""):
            thread = threading.Thread(target=os.write, args=(w, b"x"))
            thread.name = name
            thread.start()
            thread.join()
    close(r, w)
    return log


def many_calls(number):
    """A pipe, and writes and reads in turn, *number* calls in all."""
    with epollkit.record() as log:
        r, w = os.pipe()
        for n in range(number - 1):
            if n % 4 < 2:
                os.write(w, b"12345678")
            elif n % 4 == 2:
                os.read(r, 12)
            else:
                os.read(r, 100)
    close(r, w)
    return log


def long_names():
    with epollkit.record() as log:
        the_read_end_of_the_first_pipe_of_all, the_write_end_of_the_first_pipe_of_all = os.pipe()
        the_epoll_object_that_watches_everything = select.epoll()
        the_epoll_object_that_watches_everything.register(
            the_read_end_of_the_first_pipe_of_all, select.EPOLLIN
        )
        worker = start(
            "a thread with a name that goes on and on",
            lambda: the_epoll_object_that_watches_everything.poll(),
        )
        until_asleep(worker, the_epoll_object_that_watches_everything)
        os.write(the_write_end_of_the_first_pipe_of_all, b"x")
        worker.join()
        os.close(the_write_end_of_the_first_pipe_of_all)
    the_epoll_object_that_watches_everything.close()
    close(the_read_end_of_the_first_pipe_of_all)
    return log


def chinese_names():
    with epollkit.record() as log:
        读端, 写端 = os.pipe()
        轮询 = select.epoll()
        轮询.register(读端, select.EPOLLIN)
        线程 = start("线程乙", lambda: 轮询.poll())
        until_asleep(线程, 轮询)
        os.write(写端, b"x")
        线程.join()
    轮询.close()
    close(读端, 写端)
    return log


def byte_by_byte():
    """One byte at a time until the pipe refuses: it stops being writable long before."""
    with epollkit.record() as log:
        r, w = os.pipe2(os.O_NONBLOCK)
        ep = select.epoll()
        ep.register(w, select.EPOLLOUT)
        while linux.readiness(w, select.POLLOUT):
            os.write(w, b"x")
        ep.poll(0)
        try:
            while True:
                os.write(w, b"x")
        except BlockingIOError:
            pass
        ep.poll(0)
        os.read(r, 4095)
        ep.poll(0)
        os.read(r, 1)
        ep.poll(0)
    ep.close()
    close(r, w)
    return log


def moved_elsewhere():
    """Another process reads from the pipe, and writes to it."""
    import subprocess
    import sys

    with epollkit.record() as log:
        r, w = os.pipe()
        os.write(w, b"0123456789")
        subprocess.run(
            [sys.executable, "-c", f"import os; os.read({r}, 4)"], pass_fds=[r], check=True
        )
        os.read(r, 3)
        subprocess.run(
            [sys.executable, "-c", f"import os; os.write({w}, b'hello')"], pass_fds=[w], check=True
        )
        os.read(r, 100)
    close(r, w)
    return log


def discarded():
    """The reader closes while bytes still wait: they are gone, and the writer hears of it."""
    with epollkit.record() as log:
        r, w = os.pipe()
        ep = select.epoll()
        ep.register(w, 0)
        os.write(w, b"never read")
        os.close(r)
        ep.poll(0)
        try:
            os.write(w, b"more")
        except BrokenPipeError:
            pass
        ep.unregister(w)
        os.close(w)
    ep.close()
    return log


def one_call():
    with epollkit.record() as log:
        ep = select.epoll()
    ep.close()
    return log


def two_calls():
    return many_calls(2)


def calls_30():
    return many_calls(30)


def calls_60():
    return many_calls(60)


def calls_120():
    return many_calls(120)


def calls_300():
    return many_calls(300)


def calls_1000():
    return many_calls(1000)


def hand_over():
    """Two threads, each of which goes on only when the other one sleeps:

    the same steps on every run.
    """
    with epollkit.record() as log:
        r, w = os.pipe()
        ep = select.epoll()
        ep.register(r, select.EPOLLIN)

        def run_b():
            ep.poll()
            os.read(r, 64)
            ep.poll()
            os.read(r, 64)

        b = start("B", run_b)
        until_asleep(b, ep)
        os.write(w, b"parcel")
        wait_until(lambda: linux.bytes_waiting(r) == 0)
        until_asleep(b, ep)
        os.close(w)
        b.join()
    ep.close()
    close(r)
    return log


def random_program(chance):
    """Make 5 to 120 calls at random, right and wrong ones, on streams of every kind; none of
    them can wait for ever.
    """
    with epollkit.record() as log:
        numbers, sockets, epolls = [], [], [select.epoll()]

        def some():
            return chance.choice(
                [*numbers, *(s.fileno() for s in sockets if s.fileno() >= 0), 9999]
            )

        def make_pipe():
            numbers.extend(os.pipe2(os.O_NONBLOCK))

        def make_pair():
            for one in socket.socketpair():
                one.setblocking(False)
                sockets.append(one)

        def make_connection():
            with socket.create_server(("127.0.0.1", 0)) as door:
                sockets.append(socket.create_connection(door.getsockname()))
                sockets.append(door.accept()[0])
            for one in sockets[-2:]:
                one.settimeout(0)

        def end():
            number = chance.choice(numbers)
            numbers.remove(number)
            os.close(number)

        def register():
            mask = chance.choice([0, 1, 4, 5, 7, 0x2001]) | chance.choice([0, 0, 1 << 30, 1 << 31])
            chance.choice(epolls).register(chance.choice([some(), chance.choice(epolls)]), mask)

        def in_a_thread():
            target = chance.choice(epolls)

            def ask():
                with suppress(ValueError):  # it may be closed
                    target.poll(0.001)

            thread = threading.Thread(target=ask, name=f"thread {chance.randrange(3)}")
            thread.start()
            thread.join()

        acts = [
            make_pipe,
            make_pair,
            make_connection,
            register,
            register,
            register,
            end,
            in_a_thread,
            lambda: numbers.append(os.eventfd(chance.randrange(3), os.EFD_NONBLOCK)),
            lambda: epolls.append(select.epoll()) if len(epolls) < 5 else None,
            lambda: chance.choice(epolls).modify(some(), chance.choice([1, 4])),
            lambda: chance.choice(epolls).unregister(some()),
            lambda: chance.choice(epolls).close() if chance.random() < 0.2 else None,
            lambda: numbers.append(os.dup(chance.choice(numbers))),
            lambda: chance.choice(sockets).close(),
            lambda: chance.choice(sockets).shutdown(chance.randrange(3)),
            lambda: chance.choice(sockets).send(bytes(chance.choice([1, 100, 300_000]))),
            lambda: chance.choice(sockets).recv(chance.choice([1, 1 << 20])),
            *[
                lambda: os.write(
                    chance.choice(numbers), bytes(chance.choice([0, 1, 8, 4096, 100_000]))
                )
            ]
            * 3,
            *[lambda: os.read(chance.choice(numbers), chance.choice([1, 8, 1 << 20]))] * 3,
            *[lambda: chance.choice(epolls).poll(0, chance.choice([-1, 1, 5]))] * 3,
        ]
        for _ in range(chance.choice([5, 30, 120])):
            try:
                for _ in range(chance.choice([1, 1, 1, 20])):
                    chance.choice(acts)() if chance.random() < 0.9 else os.write(
                        some(), b"12345678"
                    )
            except (OSError, ValueError, IndexError):
                pass
    for number in numbers:
        os.close(number)
    for one in (*sockets, *epolls):
        one.close()
    return log


PROGRAMS = [
    asyncio_one,
    too_many_of_everything,
    busy_polling,
    wall_of_events,
    edge_triggered,
    datagrams_and_files,
    strange_names,
    ten_lines,
    full_pipe,
    socketpair_filled,
    tcp_conversation,
    asyncio_five,
    asyncio_fifty,
    http_request,
    eventfd_counts,
    epoll_in_epoll,
    one_shot,
    timed_out,
    still_asleep,
    refusals,
    dup_ghost,
    three_pipes,
    eight_threads,
    one_call,
    two_calls,
    calls_30,
    calls_60,
    calls_120,
    calls_300,
    calls_1000,
    long_names,
    chinese_names,
    byte_by_byte,
    moved_elsewhere,
    discarded,
]
