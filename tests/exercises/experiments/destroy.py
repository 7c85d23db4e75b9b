"""The questions of notebook 09, put to the kernel in other ways, where it answers otherwise."""

import errno
import os
import select
import subprocess
import sys
import threading

from epollkit import linux


def closed_under_a_sleeper(is_written=False):
    r, w = os.pipe()
    ep = select.epoll()
    ep.register(r, select.EPOLLIN)
    number = ep.fileno()
    B = threading.Thread(target=ep.poll)
    B.start()
    try:
        linux.wait_until_asleep(B, ep)
        if is_written:
            os.write(w, b"!")
            B.join()
        ep.close()
        return "asleep" if linux.is_asleep(B, number) else "back"
    finally:
        os.write(w, b"!")
        B.join()
        os.close(w)
        os.close(r)


TWO = """
import os, select
one = select.epoll()
two = select.epoll.fromfd({number})
one.close()
stranger, w = os.pipe()
os.write(w, b"precious")
two.close()
try:
    print("the data" if os.read(stranger, 64) else "the end")
except OSError as error:
    print(error.errno)
"""


def two_owners(number="one.fileno()"):
    said = subprocess.run(
        [sys.executable, "-c", TWO.format(number=number)], capture_output=True, text=True
    ).stdout.strip()
    return "EBADF" if said == str(errno.EBADF) else said


RUNS = {
    "closed-under-a-sleeper": [
        closed_under_a_sleeper,
        lambda: closed_under_a_sleeper(is_written=True),
    ],
    "two-owners": [two_owners, lambda: two_owners("os.dup(one.fileno())")],
}
