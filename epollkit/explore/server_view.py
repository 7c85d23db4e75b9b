"""server():

clients visit the learner's server; who got what back in words, what happened as a timeline, more
clients.
"""

import functools
import html
import io

import ipywidgets
from matplotlib.figure import Figure

from ..drawing.ink import PAPER, WIDTH
from ..widgets.page import Explorable, image, panel
from .server_clients import TEMPERS
from .server_experiment import MOST_CLIENTS, visit

#: Seconds that a server may take, whatever it does.
LIMIT_S = 1.5
TIPS = {
    "fast": "sends a line, reads it back; twice",
    "slow reader": "sends a lot, and reads when nobody else has to do",
    "silent": "calls, and says nothing",
    "leaves": "sends half a line, and leaves",
    "resets": "sends half a line, and breaks the connection off",
}


def draw(seen) -> bytes:
    """Draw what was seen, as PNG; an empty picture if there is no recording."""
    if drawn := seen.timeline():
        figure = drawn.figure
    else:
        figure = Figure(figsize=(WIDTH, 0.5), facecolor=PAPER)
        figure.text(0.5, 0.5, "There is no recording.", ha="center", va="center")
    figure.savefig(buffer := io.BytesIO(), format="png", dpi=120, pil_kwargs={"compress_level": 2})
    return buffer.getvalue()


def in_words(tempers, seen) -> str:
    """Tell who came, and what was seen, as plain text."""
    return "\n".join(
        [f"Clients, in the order in which they came: {', '.join(tempers)}.", *seen.lines()]
    )


class ServerView(Explorable):
    """The clients of a server on the page, with buttons to add more of them."""

    kind = "server"

    def __init__(self, serve, tempers):
        super().__init__()
        self.serve, self.first, self.tempers, self.seed, self.seen = (
            serve,
            tempers,
            list(tempers),
            0,
            None,
        )
        self.picture, self.said, self.add = ipywidgets.HTML(), ipywidgets.HTML(), {}

        def button(words, tip, act, style=""):
            made = ipywidgets.Button(
                description=words, tooltip=tip, button_style=style, layout={"width": "auto"}
            )
            made.on_click(self.on(lambda _: self._run(act())))
            return made

        for temper in TEMPERS:
            self.add[temper] = button(
                f"+ {temper}", TIPS[temper], functools.partial(self._with, temper), "primary"
            )
        self.again = button("Again", "the same clients, other bytes", lambda: self.tempers)
        self.fewer = button(
            "− the last", "take the last client away", lambda: self.tempers[:-1] or self.tempers
        )
        self.reset = button("Reset", "the clients of the beginning", lambda: list(self.first))
        row = {"flex_flow": "row wrap", "align_items": "center"}
        self.build(
            ipywidgets.HBox([ipywidgets.HTML("Add a client:"), *self.add.values()], layout=row),
            ipywidgets.HBox([self.again, self.fewer, self.reset], layout=row),
            self.said,
            self.picture,
        )
        self._run(self.tempers)

    def _with(self, temper):
        return [*self.tempers, temper][:MOST_CLIENTS]

    def _run(self, tempers):
        self.tempers, self.seed = tempers, self.seed + 1
        for one in self.add.values():
            one.disabled = len(tempers) == MOST_CLIENTS
        self.fewer.disabled = len(tempers) == 1
        self.seen = visit(self.serve, *tempers, seed=self.seed, limit_s=LIMIT_S)
        png, alt = draw(self.seen), in_words(tempers, self.seen)
        first, *lines = map(html.escape, alt.splitlines())
        self.said.value = panel(
            "", f"<div>{first}</div>" + "".join(f"<div>{line}</div>" for line in lines)
        )
        self.picture.value = image(png, alt)
        if len(tempers) == MOST_CLIENTS:
            self.say(
                f"{MOST_CLIENTS} clients are enough for one picture: take the last away, or Reset."
            )
        self.set_still(png, alt)


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
