"""step_through(log): walk through a recording, step by step: the timeline, the code, what Linux
holds.

Facts about pages
-----------------
* A widget that asks Python for each step stands still while a cell runs, and is dead after a
  restart.
* A text inside ``<script>`` ends at the first ``</script>``, also in the middle of a string.  A
  program may well print one.
* Jupyter numbers the runs of cells, and keeps their texts.

What we do about them
---------------------
All that is said of a recording goes to the page at once: the picture and one table (see `table`).
The module that shows them, ``player.js``, asks nobody.  So the same module plays in a notebook, on
after a restart, and in a file of its own; there each ``<`` of the recording is written as JSON's
escape for it.
"""

import base64
import html
import json
import string
from pathlib import Path

import anywidget
import traitlets
from IPython import get_ipython

from ..drawing.timeline import timeline as draw_timeline
from ..widgets.page import Explorable, close_all
from .table import build_table

HERE = Path(__file__).parent
#: What the page runs; ``keys.js`` is what the explorables guard their keys with.
MODULE = "".join(
    path.read_text(encoding="utf-8")
    for path in (HERE.parent / "widgets" / "keys.js", HERE / "player.js")
)
STYLE = (HERE / "player.css").read_text(encoding="utf-8")


def step_through(log, *, always=False, warnings=False) -> "StepThrough":
    """Walk through a recording, step by step.

    *log* is a `Log`, just recorded or loaded from a file.  With *always*, each entry of an interest
    list says that the kernel watches ERR and HUP, too, asked for or not; otherwise this is said
    where a poll has reported them.  With *warnings*, what ``log.warnings()`` finds is listed; a
    click on it leads to the step.

    Returns an explorable, which shows itself as the last value of a cell: buttons, a slider, arrow
    keys, and play.  It needs no Python any more once it is shown.  Raises ValueError if the log
    holds no calls.
    """
    return StepThrough(log, always, warnings)


class Player(anywidget.AnyWidget):
    """The widget on the page: a picture, its story in words, and the table of what is said."""

    _esm = MODULE
    _css = STYLE
    picture = traitlets.Unicode().tag(sync=True)
    story = traitlets.Unicode().tag(sync=True)
    table = traitlets.Dict().tag(sync=True)


class StepThrough(Explorable):
    """A recording on the page: `log`, and `table`, what the page says of it."""

    kind = "step_through"

    def __init__(self, log, always=False, warnings=False):
        if not len(log):
            raise ValueError(
                "this log holds no calls, so there is nothing to step through: "
                "make the calls inside the with epollkit.record() block"
            )
        timeline = draw_timeline(log, warnings=warnings)
        super().__init__()
        close_all(self.message)  # no callback runs here that could have something to say
        self.log, self.still = log, (timeline.png(), timeline.story)
        width, height = timeline.figure.get_size_inches()
        self.table = build_table(log, timeline, always) | {
            "aspect": round(height / width, 5),
            "findings": [[str(each), each.steps[0]] for each in timeline.findings],
            "names": [where_from(name, text) for name, text in log.sources.items()],
        }
        png, story = self.still
        picture = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
        self.widget = Player(picture=picture, story=story, table=self.table)

    def save(self, path, title="A recording, step by step") -> Path:
        """Write a page that plays the recording with no kernel and no network to *path*.

        Returns the path.
        """
        player = self.widget
        recording = {"picture": player.picture, "story": player.story, "table": self.table}
        data = json.dumps(recording, ensure_ascii=False, separators=(",", ":"))
        template = string.Template((HERE / "page.html").read_text(encoding="utf-8"))
        page = template.substitute(
            title=html.escape(title),
            story=html.escape(player.story),
            picture=player.picture,
            style=STYLE,
            module=MODULE,
            recording=data.replace("<", "\\u003c"),
        )
        path = Path(path)
        path.write_text(page, encoding="utf-8")
        return path


def where_from(name, text) -> str:
    """Say in plain words where the code that a log calls *name* is from."""
    if not name.startswith("cell "):
        return f"the file {name}"
    inputs = getattr(get_ipython(), "user_ns", {}).get("In", [])
    runs = [number for number, source in enumerate(inputs) if source.strip() == text.strip()]
    return f"the cell that ran as [{runs[-1]}]" if text and runs else f"a notebook's {name}"
