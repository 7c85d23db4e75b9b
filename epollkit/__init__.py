"""epollkit: watch what a program asks of the Linux kernel, and draw it.

>>> import epollkit
>>> with epollkit.record() as log:        # doctest: +SKIP
...     ...                               # plain select.epoll, os.pipe, socket: the code you would ship
>>> epollkit.timeline(log)                # doctest: +SKIP
"""

from .log import Log
from .masks import names
from .recording.recorder import record

__all__ = ["Log", "names", "record", "timeline", "workflow"]


def __getattr__(name):
    if name == "timeline":  # drawing needs matplotlib, recording does not
        from .drawing.timeline import timeline

        return timeline
    if name == "workflow":
        from .drawing.workflow import workflow

        return workflow
    raise AttributeError(
        f"module 'epollkit' has no attribute {name!r}; it has {', '.join(__all__)}"
    )
