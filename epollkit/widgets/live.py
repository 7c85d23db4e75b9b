"""What stands beside live controls: their keys stay with them, and the page says when Python takes
its time.

Facts about keys and replies
----------------------------
* Keys belong to what has the focus, and a notebook takes them first: see ``keys.js``.
* A button that is disabled while it has the focus leaves it to the page.
* Python hears of a click when it has nothing else to do: while a cell runs, it does not.
* Messages from one page are answered in their order.

What we do about them
---------------------
`Live` stands in an explorable and is empty as long as Python is quick.  Arrows go from control to
control.  Each use of a control sends a *ping* after it.  If neither the answer nor `doing` has come
back soon, the page says that Python is busy.  As long as it says that, a button
that was pressed is not pressed again.
"""

from pathlib import Path

import anywidget
import traitlets

HERE = Path(__file__).parent


class Live(anywidget.AnyWidget):
    """Guards the keys of the explorable that it stands in; `doing` says what is being done."""

    _esm = "".join((HERE / name).read_text(encoding="utf-8") for name in ("keys.js", "live.js"))
    doing = traitlets.Unicode("").tag(sync=True)

    def __init__(self):
        super().__init__()
        self.on_msg(lambda _, content, buffers: self.send({"pong": content.get("ping", 0)}))
