"""record() in the cells of a real Jupyter kernel:

it sees the learner's streams, and none of the kernel's own.
"""

import nbformat
import pytest
from nbclient import NotebookClient

EARLIER = """
import asyncio, os, select, socket, threading, epollkit
r, w = os.pipe()
ep = select.epoll()
a, b = socket.socketpair()
a.setblocking(False)
b.setblocking(False)

def seen():
    return sorted(one.name for one in (*log.streams, *log.epolls))
"""
TOUCHED = """
with epollkit.record() as log:
    ep.register(r, select.EPOLLIN)
    os.write(w, b"parcel")
    events = ep.poll()
    os.read(r, 64)
    ep.unregister(r)
assert seen() == ["ep", "r", "w"], seen()
names = [call.name for call in log]
assert names == ["epoll.register", "os.write", "epoll.poll", "os.read", "epoll.unregister"]
"""
AWAITED = """
with epollkit.record() as log:
    os.write(w, b"parcel")
    for turn in range(5):
        print("a line goes to the page, by the kernel's own streams", flush=True)
        await asyncio.sleep(0.01)
    os.read(r, 64)
assert seen() == ["r", "w"], seen()
assert [call.name for call in log] == ["os.write", "os.read"]
"""
#: Who calls here is the kernel's own loop, so streams that were made earlier are named to record().
AWAITED_STREAM = """
with epollkit.record(a=a, b=b) as log:
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(loop.sock_recv(b, 64))
    await asyncio.sleep(0.01)
    await loop.sock_sendall(a, b"parcel")
    assert await task == b"parcel"
assert not log.epolls, seen()
assert seen() == ["a", "b"], seen()
assert [call.result for call in log.calls(name="socket.recv") if call.result]
assert log.calls(name="socket.send")
"""
AGAIN = """
before = set(os.listdir("/proc/self/fd"))
with epollkit.record() as log:
    await asyncio.sleep(0)
assert len(log) == 0 and seen() == []
assert set(os.listdir("/proc/self/fd")) == before
"""


@pytest.mark.parametrize(
    "cells",
    [(TOUCHED,), (AWAITED,), (AWAITED_STREAM,), (AGAIN, TOUCHED, AWAITED, AGAIN)],
    ids=["touched", "awaited", "awaited-stream", "one-after-another"],
)
def test_the_jupyter_kernels_own_streams_never_appear(cells):
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in (EARLIER, *cells)]
    )
    NotebookClient(notebook, timeout=60).execute()
