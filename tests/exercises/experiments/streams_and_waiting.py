"""The questions of notebook 01, put to the kernel in other ways, where it answers otherwise."""

import os
import threading

from epollkit import linux


def nothing_to_read(is_closed=False):
    r, w = os.pipe()
    os.set_blocking(r, False)
    if is_closed:
        os.close(w)
    try:
        return repr(os.read(r, 64))
    except BlockingIOError as error:
        return type(error).__name__
    finally:
        os.close(r)
        if not is_closed:
            os.close(w)


def second_door(door=2):
    (r1, w1), (r2, w2) = os.pipe(), os.pipe()
    B = threading.Thread(target=os.read, args=(r1, 64))
    B.start()
    try:
        linux.wait_until_asleep(B, r1)
        os.write(w2 if door == 2 else w1, b"for you")
        if door == 1:
            B.join()
        return bool(linux.is_asleep(B, r1))
    finally:
        os.write(w1, b"wake up")
        B.join()
        for fd in (r1, w1, r2, w2):
            os.close(fd)


RUNS = {
    "nothing-to-read": [nothing_to_read, lambda: nothing_to_read(is_closed=True)],
    "second-door": [second_door, lambda: second_door(1)],
}
