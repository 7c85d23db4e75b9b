"""timeline(): a recording as a picture, and the same story in words.

Facts about pages
-----------------
JupyterLab drops the alternative text of a plain figure, and hides SVG in a notebook that is not trusted yet, as every
fresh clone is.  An ``<img alt=…>`` with a PNG in it shows everywhere, also without a kernel.

What we do about them
---------------------
`timeline` returns an object that displays as such an image.  `lanes.layout` works out where everything goes, `ink.Ink`
draws it; this module shows it and answers questions about it.
"""

import base64
import html
import io

from matplotlib.figure import Figure

from .ink import WIDTH, Ink
from .lanes import layout
from .story import count


class Timeline:
    """A drawn recording: shows itself in a notebook; its parts can be asked for by name."""

    def __init__(self, log, layout, title):
        self.log, self.layout, self.title = log, layout, title
        self._figure = self._png = None

    @property
    def figure(self) -> Figure:
        """The matplotlib figure, drawn when it is first asked for."""
        if self._figure is None:
            self._figure = Ink(self.layout, self.title).figure
        return self._figure

    def find(self, what, number=1):
        """Return the *number*-th part called *what*, counted from 1, from left to right.

        *what* is ``"event"``, ``"bar"``, ``"entry"``, ``"close"``, a buffer event as in ``"full"``, or the name of a lane.
        Returns the `Bar`, `Mark`, `Entry` or `Lane`.  Raises ValueError if there are not that many.
        """
        parts = {"event": self.layout.events, "bar": self.layout.bars, "entry": self.layout.entries,
                 "close": self.layout.closes}.get(what)
        if parts is None:
            parts = [mark for mark in self.layout.buffer_events if mark.what == what] or \
                    [lane for lane in self.layout.lanes if lane.name == what]
        parts = sorted(parts, key=lambda part: getattr(part, "x", getattr(part, "left", 0)))
        if not 1 <= number <= len(parts):
            raise ValueError(f"this timeline has {count(len(parts), 'part')} called {what!r}, there is no number {number}")
        return parts[number - 1]

    def save(self, path):
        """Write the picture to *path*; the ending (png, svg, pdf) chooses the format."""
        self.figure.savefig(path, dpi=200)

    def png(self) -> bytes:
        """Return the picture as PNG."""
        if self._png is None:
            buffer = io.BytesIO()
            self.figure.savefig(buffer, format="png", dpi=150)
            self._png = buffer.getvalue()
        return self._png

    def __repr__(self):
        return self.log.summary()

    def _repr_mimebundle_(self, include=None, exclude=None):
        story = self.log.summary()
        data = base64.b64encode(self.png()).decode("ascii")
        image = f'<img alt="{html.escape(story, quote=True)}" style="max-width: 100%" width="{round(WIDTH * 100)}" ' \
                f'src="data:image/png;base64,{data}">'
        said = "".join(f"<p>Not seen: {html.escape(limit)}</p>" for limit in self.log.limits())
        return {"text/html": image + said, "text/plain": story}


def timeline(log, *, axis="steps", streams=None, threads=None, title=None) -> Timeline:
    """Draw what a recording holds.

    *axis* is ``"steps"``, a slot for each step, the same picture on every run where the program fixes the order; or
    ``"time"``, real time with long gaps folded.  *streams* and *threads* pick what to show, by name or as objects; by
    default everything but the streams that libraries make for themselves, and at most 12 channels.  *title* stands above.

    Returns a `Timeline`; as the last value of a cell it shows itself.  Raises ValueError for an empty log, another axis,
    or a name that the log does not know.
    """
    return Timeline(log, layout(log, axis, streams, threads), title)
