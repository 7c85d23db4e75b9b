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

import base64
import functools
import html
import threading

import ipywidgets
from IPython import get_ipython
from IPython.display import display

from ..analysis import story

#: The explorables that are not closed.
on_page = []

#: The layout of toggle buttons that keeps their description beside them, not above.
BESIDE = {
    "width": "max-content",
    "display": "flex",
    "flex_flow": "row nowrap",
    "align_items": "center",
    "grid_gap": "6px",
}

STYLE = """
.epollkit-explore { max-width: 960px; color: var(--jp-ui-font-color1, #1d1f24); overflow: visible; }
.epollkit-explore .widget-html-content, .epollkit-explore .jupyter-widget-html-content { line-height: 1.45; }
.epollkit-explore pre, .epollkit-explore code { font-family: var(--jp-code-font-family, monospace); font-size: 13px; }
.epollkit-explore pre { margin: 0; background: none; color: inherit; }
.epollkit-panel { border: 1px solid var(--jp-border-color1, #bdbdbd); border-radius: 3px; padding: 6px 10px; }
.epollkit-panel b { font-weight: 600; }
.epollkit-explore .jupyter-button.mod-active {
  box-shadow: inset 0 -3px 0 var(--jp-brand-color1, #1976d2); font-weight: 600; }
.epollkit-explore .widget-radio-box { padding-left: 4px; }
.epollkit-lesson { border-left: 4px solid #b34700; padding: 2px 10px; }
.epollkit-explore.jupyter-widgets-disconnected > * { opacity: 0.35; pointer-events: none; }
.epollkit-explore.jupyter-widgets-disconnected::before {
  content: "The kernel was restarted, and what this acted on is gone. Run the cell again."; position: static;
  display: block; font: inherit; font-weight: 600; color: inherit; border-left: 4px solid #b34700; padding: 2px 10px; }
:is(.jp-OutputArea, .output):has(.epollkit-explore) .epollkit-still { display: none; }
"""

#: What an error of the operating system teaches, by its name.
LESSONS = {
    "EAGAIN": "not now: the call would have had to sleep, and the stream is non-blocking. Nothing was moved. "
    "Ask epoll when it is worth trying again.",
    "EPIPE": "nobody will ever read this: the other end is closed. A write says so at once, on a pipe and on a socket.",
    "EMFILE": "too many open files: this process has as many file descriptors as it is allowed. Close some, then Reset.",
    "ENFILE": "the whole system has no file descriptor left. Close something, then Reset.",
    "ECONNRESET": "the other end broke the connection off. What was on its way is lost.",
    "ECONNREFUSED": "nobody listens there.",
    "ENOTCONN": "this socket has no other end (yet, or any more).",
    "EBADF": "this file descriptor is closed.",
    "EPERM": "the kernel has no way to wake anybody for this: it cannot be registered.",
}


def lesson(error) -> str:
    """Say in HTML what *error*, an OSError or something else, means for who plays with an
    explorable.
    """
    name = story.ERRORS.get(getattr(error, "errno", None))
    if name in LESSONS:
        said = f"<b>{type(error).__name__} ({name})</b>: {LESSONS[name]}"
    elif isinstance(error, OSError):
        said = f"<b>{html.escape(type(error).__name__)}</b>: {html.escape(str(error))}"
    else:
        said = f"This failed: {html.escape(type(error).__name__)}: {html.escape(str(error))}. Reset, or run the cell again."
    return f'<div class="epollkit-lesson" role="status">{said}</div>'


def image(png: bytes, alt: str) -> str:
    """Return a picture as HTML that every page shows, a notebook without a kernel included."""
    data = base64.b64encode(png).decode("ascii")
    return (
        f'<img alt="{html.escape(alt, quote=True)}" width="960" style="max-width: 100%" '
        f'src="data:image/png;base64,{data}">'
    )


def panel(title: str, body: str) -> str:
    """Return a framed part of an explorable, as HTML; *body* is HTML."""
    return f'<div class="epollkit-panel"><b>{html.escape(title)}</b>{body}</div>'


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
        self.widget, self.still, self.is_closed = None, None, False
        self._handle = None
        #: widgets that are not on the page, as links between others: closed with the rest
        self.parts = []

    def build(self, *children):
        """Make `widget` of *children*, from top to bottom, with the message line under them."""
        style = ipywidgets.HTML(
            f"<style>{STYLE}</style>", layout={"display": "block", "margin": "0", "height": "0"}
        )
        self.widget = ipywidgets.VBox([style, *children, self.message])
        self.widget.add_class("epollkit-explore").add_class(
            f"epollkit-{self.kind.replace('_', '-')}"
        )

    def on(self, callback):
        """Return *callback* as a control's callback:

        one at a time; what it raises is said on the page.
        """

        @functools.wraps(callback)
        def guarded(*args):
            with self.lock:
                if self.is_closed:
                    return
                try:
                    self.say("")
                    callback(*args)
                except Exception as error:
                    self.say(lesson(error))

        return guarded

    def say(self, text):
        """Put *text*, HTML, into the message line."""
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
