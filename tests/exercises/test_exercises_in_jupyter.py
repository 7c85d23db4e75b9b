"""Checks inside a real Jupyter kernel:

its streams, threads and signal handlers stay as they are, and ■ ends a check.
"""

import nbformat
import pytest
from nbclient import NotebookClient

IMPORTS = """
import os, signal, threading, time
from epollkit import exercises
"""
SNAPSHOT = """
def snapshot():
    numbers = {number: os.readlink(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")
               if os.path.exists(f"/proc/self/fd/{number}")}
    return numbers, set(threading.enumerate()), [signal.getsignal(number) for number in signal.valid_signals()]

before = snapshot()
"""
RIGHT = """
def read_everything(r):
    data = b""
    while piece := os.read(r, 4096):
        data += piece
    return data

exercises.check("read-everything", read_everything)
"""
HARM = """
def closes_and_sleeps(r):
    print("good-bye")
    os.closerange(0, 4096)
    time.sleep(1000)

exercises.check("read-everything", closes_and_sleeps)
"""
STOPPED = """
def blocks(r):
    time.sleep(1000)

def stop():
    while not open(f"/proc/self/task/{os.getpid()}/children").read():
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)  # what the button does

threading.Thread(target=stop).start()
exercises.check("read-everything", blocks)
"""
AFTER = "print(snapshot() == before)"


@pytest.fixture(scope="module")
def outputs():
    # the first picture opens matplotlib's fonts and starts a thread of pyzmq: before the snapshot
    texts = (IMPORTS, RIGHT, SNAPSHOT, RIGHT, HARM, STOPPED, AFTER)
    cells = [nbformat.v4.new_code_cell(text.strip()) for text in texts]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    return [cell.outputs for cell in notebook.cells]


@pytest.mark.parametrize(
    "cell, words", [(3, "read-everything: right."), (4, "took too long"), (5, "stopped.")]
)
def test_the_verdict_shows_itself(outputs, cell, words):
    (shown,) = outputs[cell]
    assert words in shown.data["text/plain"] and words in shown.data["text/html"]


def test_the_kernel_is_as_before(outputs):
    assert outputs[-1][0].text == "True\n"
