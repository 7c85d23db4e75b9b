"""Explorables: play with a recording, or with live streams, in a notebook.

``from epollkit import explore``, then for example ``explore.step_through(log)`` as the last line of
a cell.
"""

from ..player.step_through import step_through
from .beliefs import beliefs
from .buffers import buffers
from .endings import endings
from .matrix import matrix
from .scale import pipetest, scale
from .server.page import server
from .server.visit import visit
from .triggers import triggers
from .waiting import waiting

__all__ = [
    "beliefs",
    "buffers",
    "endings",
    "matrix",
    "pipetest",
    "scale",
    "server",
    "step_through",
    "triggers",
    "visit",
    "waiting",
]
