"""epollkit: watch what a program asks of the Linux kernel, and draw it.

>>> import epollkit
>>> with epollkit.record() as log:        # doctest: +SKIP
...     ...                               # plain select.epoll, os.pipe, socket: what you would ship
>>> epollkit.timeline(log)                # doctest: +SKIP
"""

from importlib import import_module

from . import extras
from .log import Log
from .masks import names
from .recording.recorder import record

#: What is imported when it is first used → its module, and the extras that list what it needs.
_LATER = {
    "timeline": ("drawing.timeline", "draw"),
    "workflow": ("drawing.workflow", "draw"),
    "explore": ("explore", "draw", "notebook"),
    "exercises": ("exercises", "draw", "notebook"),
}

__all__ = ["Log", "names", "record", "timeline", "workflow"]


def __getattr__(name):
    if name not in _LATER:
        raise AttributeError(
            f"module 'epollkit' has no attribute {name!r}; it has {', '.join(__all__)}"
        )
    path, *needed = _LATER[name]
    try:
        module = import_module(f"{__name__}.{path}")
    except ModuleNotFoundError as error:
        if error.name.startswith(__name__):
            raise
        raise extras.missing(name, error.name, *needed) from None
    return module if path == name else getattr(module, name)
