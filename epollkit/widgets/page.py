"""What the explorables share: how they stand on a page, what they do when something fails, when
they close.

Facts about pages and widgets
-----------------------------
* A widget lives in the kernel.  Saved with a notebook and opened without one, it shows "Error
  displaying widget".  So the picture is an output of its own, too: the *still*.  While the widget
  is there, a line of its style sheet hides the still.
* A traceback or a ``print`` in a callback shows nowhere.
* When a kernel restarts, the page marks each widget it had with the class
  ``jupyter-widgets-disconnected``.
* ipywidgets keeps every widget until it is closed.  A cell that is run again leaves the widgets of
  the last run behind.
* JupyterLab and Notebook 7 say which cell they run; other front ends do not, and no click says where
  it was made.
* Two notebooks in one window share their style sheets.
* Callbacks may run on any thread, and while a cell runs.

What we do about them
---------------------
An `Explorable` displays its still and its widget.  A cell that is known, and is run again, closes
those of its last run; otherwise nobody closes what somebody else has made.  A still is hidden where
a widget stands beside it in the same output, and nowhere else.  Callbacks go through
`Explorable.on`, which runs one at a time and turns what fails into words on the page.
"""

import functools
import html
import threading
from pathlib import Path

import ipywidgets
from IPython import get_ipython
from IPython.display import display

from ..analysis import story
from ..drawing.canvas import image
from .live import Live

#: The explorables that are not closed.
on_page = []

STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")

#: What an error of the operating system teaches, by its name.
LESSONS = {
    "EAGAIN": "not now. The call would have had to sleep, and the stream is non-blocking, so nothing "
    "was moved. Ask epoll when it is worth trying again.",
    "EPIPE": "nobody will ever read this: the other end is closed. A write says so at once, on a "
    "pipe and on a socket.",
    "EMFILE": "too many open files: this process has as many file descriptors as it is allowed. "
    "Close some, then Reset.",
    "ENFILE": "the whole system has no file descriptor left. Close something, then Reset.",
    "ECONNRESET": "the other end reset the connection (TCP sends an RST). What was on its way is lost.",
    "ECONNREFUSED": "nobody listens there.",
    "ENOTCONN": "this socket has no other end (yet, or any more).",
    "EBADF": "this file descriptor is closed.",
    "EPERM": "Linux has no way to wake anybody for this kind of file, so it cannot be registered.",
}


class Refused(ValueError):
    """What was asked for is not done; the text, a sentence or two, says why and what to do."""


def lesson(error) -> str:
    """Say in HTML what *error*, an OSError or something else, means for who plays with an
    explorable.
    """
    name, text = story.ERRORS.get(getattr(error, "errno", None)), html.escape(str(error))
    kind = html.escape(type(error).__name__)
    if isinstance(error, Refused):
        words = f"<b>Not done</b>: {text}"
    elif name in LESSONS:
        words = f"<b>{kind} ({name})</b>: {LESSONS[name]}"
    elif isinstance(error, OSError):
        words = f"<b>{kind}</b>: {text}"
    else:
        words = f"This failed: {kind}: {text}. Reset, or run the cell again."
    return f'<div class="epollkit-lesson">{words}</div>'


def panel(title: str, body: str) -> str:
    """Return a framed part of an explorable, as HTML; *body* is HTML."""
    return f'<div class="epollkit-panel"><b>{html.escape(title)}</b>{body}</div>'


def panels(*parts) -> str:
    """Return framed parts side by side: of each its title, and its lines of HTML, empty ones left
    out.
    """
    framed = (
        panel(title, "".join(f"<div>{line}</div>" for line in lines if line))
        for title, lines in parts
    )
    return f'<div class="epollkit-panels">{"".join(framed)}</div>'


class Explorable:
    """One explorable on the page.

    A kind of its own says what it is called (`kind`), builds its controls, and sets `widget` (an
    ipywidgets box) and `still` (a pair: PNG as bytes, alternative text).  As the last value of a
    cell it shows itself.
    """

    kind = ""

    def __init__(self):
        self.cell, self.run = cell_and_run()
        for other in list(on_page):
            if other.cell == self.cell is not None and other.run != self.run:
                other.close()
        on_page.append(self)
        self.lock, self.message = threading.RLock(), ipywidgets.HTML()
        self._has_spoken = False
        self.widget, self.still, self.is_closed = None, None, False
        self._handle = None
        #: widgets that are not on the page, as links between others: closed with the rest
        self.parts = []

    @functools.cached_property
    def live(self):
        return Live()

    @functools.cached_property
    def line(self):
        """What is being done, and the sentence that was said last: it belongs under the buttons."""
        line = ipywidgets.HBox([self.live, self.message])
        line.add_class("epollkit-line")
        return line

    def build(self, *children):
        """Make `widget` of *children*, from top to bottom; `line` is the last, if it is not one of
        them.
        """
        style = ipywidgets.HTML(
            f"<style>{STYLE}</style>", layout={"display": "block", "margin": "0", "height": "0"}
        )
        line = () if self.line in children else (self.line,)
        self.widget = ipywidgets.VBox([style, *children, *line])
        self.widget.add_class("epollkit-explore").add_class(
            f"epollkit-{self.kind.replace('_', '-')}"
        )

    def on(self, callback):
        """Return *callback* as a control's callback:

        one at a time; what it raises is said on the page, and what was said before is gone.
        """

        @functools.wraps(callback)
        def guarded(*args):
            with self.lock:
                if self.is_closed:
                    return
                self.live.doing, self._has_spoken = "running…", False
                try:
                    callback(*args)
                except Exception as error:
                    self.say(lesson(error))
                finally:
                    if not self._has_spoken:
                        self.say("")
                    self.live.doing = ""

        return guarded

    def say(self, text):
        """Put *text*, HTML, into the message line."""
        self._has_spoken = True
        if text:
            text = f'<div role="status">{text}</div>'
        if self.message.value != text:
            self.message.value = text

    def set_still(self, png, alt):
        """Replace the still: what a notebook that is saved now will show without a kernel."""
        self.still = png, alt
        if self._handle is not None:
            self._handle.update(self._still_bundle(), raw=True)

    def _still_bundle(self):
        png, alt = self.still
        return {
            "text/html": f'<div class="epollkit-still">{image(png, alt)}</div>',
            "text/plain": alt,
        }

    def _ipython_display_(self):
        self._handle = display(self._still_bundle(), raw=True, display_id=True)
        # ipywidgets 7 has no method that returns this bundle
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        display(
            {
                "application/vnd.jupyter.widget-view+json": view,
                "text/plain": f"{self.kind}: run this cell, and there are controls here.",
            },
            raw=True,
        )

    def release(self):
        """Close the streams that this explorable holds.

        A kind that opens some has its own; may be called twice.
        """

    def close(self):
        """Release what is held, and take the widget off the page."""
        with self.lock:
            self.is_closed = True
            self.release()
            if self in on_page:
                on_page.remove(self)
            close_all(self.widget)
            for part in self.parts:
                part.close()


def cell_and_run():
    """Return what tells this cell from others and this run from others; None for what is not
    known.
    """
    shell = get_ipython()
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    return parent.get("metadata", {}).get("cellId"), parent.get("header", {}).get("msg_id")


def close_all(widget):
    """Close a widget and all those inside it, with their layouts and styles:

    each of them would stay for ever.
    """
    if widget is None:
        return
    for child in getattr(widget, "children", ()):
        close_all(child)
    for part in (getattr(widget, "layout", None), getattr(widget, "style", None), widget):
        if hasattr(part, "close"):
            part.close()
