"""The questions of notebook 09, put to the kernel in other ways, where it answers otherwise."""

import errno
import os
import select
import socket
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


ALIAS = """
import os, select
owner = select.epoll()
alias = select.epoll.fromfd({number})
owner.close()
pipe, w = os.pipe()
os.write(w, b"precious")
alias.close()
try:
    print("the data" if os.read(pipe, 64) else "the end")
except OSError as error:
    print(error.errno)
"""


def two_owners(number="owner.fileno()"):
    printed = subprocess.check_output(
        [sys.executable, "-c", ALIAS.format(number=number)], text=True
    ).strip()
    return "EBADF" if printed == str(errno.EBADF) else printed


def early_close(unread=100):
    """Answer with more than fits and close, with *unread* bytes unread; read to the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    if unread:
        client.send(bytes(unread))
        select.select([server], [], [])
    server.setblocking(False)
    sent = came = 0
    try:
        while True:
            sent += server.send(bytes(65536))
    except BlockingIOError:
        server.close()
    with client:
        try:
            while data := client.recv(65536):
                came += len(data)
        except ConnectionResetError:
            return "a part, then a reset"
    return "all of it" if came == sent else "a part, then the end"


RUNS = {
    "closed-under-a-sleeper": [
        closed_under_a_sleeper,
        lambda: closed_under_a_sleeper(is_written=True),
    ],
    "two-owners": [two_owners, lambda: two_owners("os.dup(owner.fileno())")],
    "early-close": [early_close, lambda: early_close(0)],
}
