"""Explorables: play with a recording, or with live streams, in a notebook.

``from epollkit import explore``, then for example ``explore.step_through(log)`` as the last line of
a cell.
"""

from ..player.step_through import step_through
from .buffers_view import buffers
from .endings_view import endings
from .server_experiment import visit
from .server_view import server
from .triggers_view import triggers
from .waiting_view import waiting

__all__ = ["buffers", "endings", "server", "step_through", "triggers", "visit", "waiting"]
