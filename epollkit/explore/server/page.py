"""The page of server(): who got what back, in words, what happened, as a timeline, and more clients.

Facts about pages
-----------------
* Whatever a server does, its page has to come: the verdict is what the learner wants to read.

What we do about them
---------------------
The visit has a limit of time, and what fails after it, the drawing included, is said on the page.
"""

import functools
import html

import ipywidgets

from ...drawing.canvas import Canvas, image, png_of
from ...player.step_through import step_through
from ...widgets.controls import button, row
from ...widgets.page import Explorable, panel
from .clients import TEMPERS
from .visit import MOST_CLIENTS, visit

#: Seconds that a server may take, whatever it does.
LIMIT_S = 1.2
TIPS = {
    "fast": "sends a line, reads it back; twice",
    "slow reader": "sends a lot, and reads when nobody else has anything to do",
    "silent": "connects, and sends nothing",
    "leaves": "sends half a line, and closes (FIN)",
    "resets": "sends half a line, and resets the connection (RST)",
}


def draw(seen) -> bytes:
    """Draw what was seen, as PNG; an empty picture if there is no recording."""
    if drawn := seen.timeline():
        return png_of(drawn.figure)
    canvas = Canvas(0.5)
    canvas.text(canvas.width / 2, 0.25, "There is no recording.", 10)
    return canvas.png()


def in_words(tempers, seen) -> str:
    """Tell who came, and what was seen, as plain text."""
    came = f"Clients, in the order in which they came: {', '.join(tempers)}."
    return "\n".join([came, *seen.lines()])


class ServerView(Explorable):
    """The clients of a server on the page, with buttons to add more of them."""

    kind = "server"

    def __init__(self, serve, tempers):
        seen = visit(serve, *tempers, limit_s=LIMIT_S)  # what is no server is refused here
        super().__init__()
        self.serve, self.first, self.tempers, self.seen = serve, tempers, list(tempers), seen
        self.walk = None
        self.picture, self.words = ipywidgets.HTML(), ipywidgets.HTML()
        self.below = ipywidgets.VBox()
        self.add = {
            temper: self._button(f"+ {temper}", TIPS[temper], functools.partial(self._add, temper))
            for temper in TEMPERS
        }
        self.fewer = self._button("− the last", "take the last client away", self._take_away)
        self.reset = self._button("Reset", "the clients of the beginning", self._begin_again)
        self.step = button(
            "Step through", "walk through the recording, call by call", self.on(self._step)
        )
        self.build(
            row(ipywidgets.HTML("Add a client:"), *self.add.values()),
            row(self.fewer, self.reset, self.step),
            self.line,
            self.words,
            self.below,
            self.picture,
        )
        self.still = b"", in_words(tempers, seen)
        self.on(self._show)()

    def _button(self, words, tip, choose):
        """Return a button that sends the clients that *choose* returns."""
        act = self.on(lambda _: self._visit(choose()))
        return button(words, tip, act, words.startswith("+"))

    def _add(self, temper):
        return [*self.tempers, temper][:MOST_CLIENTS]

    def _take_away(self):
        return self.tempers[:-1] or self.tempers

    def _begin_again(self):
        return list(self.first)

    def _visit(self, tempers):
        self.tempers = tempers
        self.seen = visit(self.serve, *tempers, limit_s=LIMIT_S)
        self._show()

    def _show(self):
        is_all = len(self.tempers) == MOST_CLIENTS
        for add in self.add.values():
            add.disabled = is_all
        self.fewer.disabled = len(self.tempers) == 1
        self.step.disabled = not self.seen.log
        self._end_walk()
        alt = in_words(self.tempers, self.seen)
        lines = "".join(f"<div>{html.escape(line)}</div>" for line in alt.splitlines())
        self.words.value = panel("", lines)
        if is_all:
            self.say(
                f"{MOST_CLIENTS} clients are enough for one picture: take the last away, or Reset."
            )
        self.picture.value = "<div>The picture could not be drawn.</div>"
        png = draw(self.seen)
        self.picture.value = (
            '<div class="epollkit-scroll" tabindex="0" role="region" aria-label="the timeline">'
            f"{image(png, alt)}</div>"
        )
        self.set_still(png, alt)

    def _step(self, _):
        """Put the recording below, step by step; once more takes it away."""
        is_there = self.walk is not None
        self._end_walk()
        if not is_there:
            self.walk = step_through(self.seen.log)
            self.below.children = [self.walk.widget]
            self.step.description, self.picture.layout.display = "Back to the picture", "none"

    def _end_walk(self):
        self.below.children = []
        self.step.description, self.picture.layout.display = "Step through", None
        if self.walk is not None:
            self.walk.close()
            self.walk = None

    def release(self):
        self._end_walk()


def server(serve, *tempers) -> ServerView:
    """Let clients visit *serve*, an echo server of yours: see who gets what back, and add clients.

    *serve(listener, stop)* is as `visit` wants it: accept from *listener*, send back what comes,
    return when there is something to read from *stop*.  *tempers* are the clients to begin with, by
    default one that is fast.  It runs in a child process: a server that hangs, spins or raises does
    no harm here.  When you have changed it, run the cell again.

    Returns the view: as the last value of a cell it shows itself.  Raises TypeError or ValueError
    as `visit` does.
    """
    return ServerView(serve, tempers or ("fast",))
