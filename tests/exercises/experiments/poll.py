"""The questions of notebook 05, put to the kernel in other ways, where it answers otherwise."""

import os
import select
import signal
import threading
import time

from epollkit import linux


def three_times(timeout=1, is_there=True):
    r, w = os.pipe()
    with select.epoll() as ep:
        ep.register(r, select.EPOLLIN)
        if is_there:
            os.write(w, b"!")
        start = time.perf_counter()
        for _ in range(3):
            ep.poll(timeout)
        took = time.perf_counter() - start
    os.close(w)
    os.close(r)
    return round(took)


def at_a_time(ready=5):
    pipes, found = [os.pipe() for _ in range(5)], set()
    with select.epoll() as ep:
        for number, (r, w) in enumerate(pipes):
            ep.register(r, select.EPOLLIN)
            if number < ready:
                os.write(w, b"!")
        for _ in range(3):
            found |= {fd for fd, _ in ep.poll(0, maxevents=2)}
    for pipe in pipes:
        for fd in pipe:
            os.close(fd)
    return len(found)


def tapped(raises=False, rings=False):
    """Send a signal to a sleeper; its handler returns, or *raises*, or *rings* an eventfd first."""
    main, bell = threading.main_thread(), os.eventfd(0)

    def handler(number, frame):
        if raises:
            raise InterruptedError
        if rings:
            os.eventfd_write(bell, 1)

    def tap():
        linux.wait_until_asleep(main, ep)
        signal.pthread_kill(main.ident, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, handler)
    with select.epoll() as ep:
        ep.register(bell, select.EPOLLIN)
        helper = threading.Thread(target=tap)
        helper.start()
        try:
            outcome = "came back" if ep.poll(60 if rings else 0.3) else "slept on"
        except InterruptedError:
            outcome = "raised"
        helper.join()
    signal.signal(signal.SIGUSR1, before)
    os.close(bell)
    return outcome


RUNS = {
    "three-times-one": [three_times, lambda: three_times(timeout=1 / 3, is_there=False)],
    "tapped": [tapped, lambda: tapped(raises=True), lambda: tapped(rings=True)],
    "two-at-a-time": [at_a_time, lambda: at_a_time(ready=2)],
}
