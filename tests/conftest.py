"""What surrounds every test: each log made in it is held against rules that hold for every log."""

import io
import os
import signal
import threading

import pytest
from matplotlib.figure import Figure
from support import everything_replaced, keeps_the_rules

from epollkit.recording import recorder as recording

signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def fonts_are_open():
    """matplotlib keeps the files of its fonts open from the first picture on:

    before anything is counted.
    """
    figure = Figure()
    for look in ({}, {"weight": "bold"}, {"style": "italic"}):
        figure.text(0, 0, "epoll", family="DejaVu Sans", **look)
    figure.savefig(io.BytesIO())


@pytest.fixture(scope="session", autouse=True)
def progress_of_nobody(tmp_path_factory):
    """Keep the progress that tests make away from whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(autouse=True)
def every_log_keeps_the_rules(request, monkeypatch, tmp_path):
    """Hold every log that a test makes against `keeps_the_rules`; nothing is left replaced, open
    or running.
    """
    # These start Jupyter kernels, which keep streams of their own.
    if request.module.__name__.endswith(("test_notebooks", "_in_jupyter")):
        yield
        return
    logs, before = [], everything_replaced()
    numbers, threads = sorted(os.listdir("/proc/self/fd")), set(threading.enumerate())
    freeze = recording.freeze

    def freeze_and_remember(recorder):
        freeze(recorder)
        logs.append(recorder.log)

    monkeypatch.setattr(recording, "freeze", freeze_and_remember)
    yield
    after = everything_replaced()
    for owner, names in before.items():
        assert after[owner].keys() == names.keys()
        assert [name for name in names if after[owner][name] is not names[name]] == []
    assert sorted(os.listdir("/proc/self/fd")) == numbers
    assert set(threading.enumerate()) == threads
    # Thousands of calls take a second to go through: of such logs the last one stands for all.
    short = [log for log in logs if len(log) < 3_000]
    long = [log for log in logs if 3_000 <= len(log) < 20_000]
    for log in short + long[-1:]:
        keeps_the_rules(log, tmp_path / "kept.jsonl")


@pytest.fixture
def figures(monkeypatch):
    """Return the figures that are saved in a test, in order, the last one last."""
    saved, savefig = [], Figure.savefig

    def keep(figure, *args, **named):
        saved.append(figure)
        savefig(figure, *args, **named)

    monkeypatch.setattr(Figure, "savefig", keep)
    return saved
