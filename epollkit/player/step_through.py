"""step_through(log): walk through a recording, the code on one side, the kernel on the other, the
timeline below.

Facts about pages
-----------------
Drawing a timeline takes a tenth of a second, moving a line over it takes none.  A key held down
sends thirty values a second.

What we do about them
---------------------
The timeline is drawn once.  What moves is a light layer over it: a cursor, the lit line of code,
the lists.  The slider has a stop for each slot of the picture and lies right under it, so that its
handle points at what it speaks of; a folded run of calls is crossed in as many strides as it has
slots.
"""

import html
from itertools import chain

import ipywidgets
import numpy as np

from ..drawing import ink
from ..drawing.timeline import timeline as draw_timeline
from ..widgets.page import Explorable, image, panel
from .moments import Moments, moment_of_time, spelled

LINES = 20  # of code that are shown at once
STYLE = """<style>
.epollkit-picture { position: relative; overflow: visible; width: 100%; }
.epollkit-picture > * { margin: 0; }
.epollkit-picture img { display: block; width: 100%; }
.epollkit-cursor, .epollkit-cursor > * { position: absolute; left: 0; top: 0; width: 100%; height: 100%; margin: 0;
  pointer-events: none; }
.epollkit-cursor i { position: absolute; bottom: 0; min-width: 2px; box-sizing: border-box;
  background: rgba(179, 71, 0, 0.13); border: solid #b34700; border-width: 0 1.5px; }
.epollkit-sides { display: grid; grid-template-columns: minmax(0, 11fr) minmax(0, 10fr); gap: 8px; }
.epollkit-sides .epollkit-panel { height: 100%; box-sizing: border-box; overflow: auto; }
.epollkit-sides code { font-size: 12px; white-space: pre-wrap; }
.epollkit-sides pre { font-size: 12px; line-height: 18px; white-space: pre !important; }
.epollkit-sides p { margin: 4px 0; }
.epollkit-sides pre span { display: block; overflow: hidden; text-overflow: ellipsis; }
.epollkit-sides .lit { background: rgba(240, 180, 60, 0.38); font-weight: 600;
  white-space: pre-wrap; overflow-wrap: anywhere; padding-left: 6ch; text-indent: -6ch; }
.epollkit-sides table { border-spacing: 0; }
.epollkit-sides td { padding: 0 14px 2px 0; vertical-align: top; text-align: left; white-space: normal; }
.epollkit-fit { container-type: inline-size; }
@container (max-width: 600px) {
  .epollkit-sides { grid-template-columns: minmax(0, 1fr); }
  .epollkit-sides .epollkit-kernel { height: 170px !important; }
  .epollkit-sides .epollkit-kernel .epollkit-panel { columns: 2; }
}
.epollkit-sides h5 { margin: 7px 0 1px; font-size: 12px; font-weight: 600; opacity: 0.75; }
</style>"""


def step_through(log) -> "StepThrough":
    """Walk through a recording, step by step.

    *log* is a `Log`, just recorded or loaded from a file.  Returns an explorable, which shows
    itself as the last value of a cell: buttons, a slider (with the arrow keys when it is focused),
    and play.

    Raises ValueError if the log holds no calls.
    """
    return StepThrough(log)


class StepThrough(Explorable):
    """The controls are `first`, `previous`, `next`, `last`, `play`, `speed` and `slider`;
    `moment` is what is shown.
    """

    kind = "step_through"

    def __init__(self, log):
        moments, timeline = Moments(log), draw_timeline(log)
        super().__init__()
        self.moments, self.timeline, self.moment = moments, timeline, None
        place = timeline.layout.place
        middle = np.interp(np.arange(place.slots) + 0.5, place.places, place.edges) - 0.5
        #: slot of the picture → step, from 1
        self.steps = [
            int(step) + 1 for step in np.clip(np.floor(middle + 0.01), 0, moments.count - 1)
        ]
        self.still = timeline.png(), log.summary()
        self.top = 100 * (
            1 - (timeline.layout.height + ink.FOOT) / timeline.figure.get_size_inches()[1]
        )
        self._build(place.slots)
        self._show(0)

    def _build(self, slots):
        def button(text, hint, to):
            made = ipywidgets.Button(description=text, tooltip=hint, layout={"width": "auto"})
            made.on_click(self.on(lambda _: self._go(to())))
            return made

        last = slots - 1
        self.first = button("First", "to the first step", lambda: 0)
        self.previous = button("Previous", "one step back", lambda: self.slider.value - 1)
        self.next = button("Next", "one step on", lambda: self.slider.value + 1)
        self.last = button("Last", "to the last step", lambda: last)
        before, after = (
            100 * at
            for at in (self.timeline.across(0.5), 1 - self.timeline.across(max(last, 1) + 0.5))
        )
        under = {
            "width": "auto",
            "height": "26px",
            "margin": f"0 calc({after:.3f}% - 6px) 0 calc({before:.3f}% - 6px)",
        }
        self.slider = ipywidgets.IntSlider(
            min=0, max=max(last, 1), readout=False, disabled=not last, layout=under
        )
        self.slider.add_class("epollkit-under")
        self.play = ipywidgets.Play(
            min=0, max=max(last, 1), interval=500, show_repeat=False, disabled=not last
        )
        self.speed = ipywidgets.IntSlider(
            value=2,
            min=1,
            max=10,
            description="steps a second",
            style={"description_width": "auto"},
            layout={"width": "250px"},
        )
        self.parts.append(ipywidgets.jslink((self.play, "value"), (self.slider, "value")))
        self.slider.observe(self.on(lambda change: self._show(change.new)), "value")
        self.speed.observe(self.on(self._set_speed), "value")
        self.where, self.sides, self.cursor = (
            ipywidgets.HTML(),
            ipywidgets.HTML(),
            ipywidgets.HTML(),
        )
        self.cursor.add_class("epollkit-cursor")
        png, alt = self.still
        drawn = ipywidgets.Box([ipywidgets.HTML(image(png, alt)), self.cursor])
        drawn.add_class("epollkit-picture")
        row = ipywidgets.HBox(
            [self.first, self.previous, self.next, self.last, self.play, self.speed, self.where],
            layout={"flex_flow": "row wrap", "align_items": "center"},
        )
        self.build(
            ipywidgets.HTML(STYLE, layout={"height": "0", "margin": "0"}),
            row,
            self.sides,
            drawn,
            self.slider,
        )

    def _go(self, slot):
        self.slider.value = min(max(slot, 0), len(self.steps) - 1)

    def _set_speed(self, change):
        self.play.interval = round(1000 / change.new)

    def _show(self, slot):
        slot = min(slot, len(self.steps) - 1)
        self.moment = now = self.moments.at(self.steps[slot])
        left, right = self.timeline.across(slot), self.timeline.across(slot + 1)
        self.cursor.value = (
            f'<i style="top: {self.top:.2f}%; left: {100 * left:.3f}%; '
            f'width: {100 * (right - left):.3f}%"></i>'
        )
        self.where.value = (
            f'<span role="status">step <b>{now.step:,}</b> of {self.moments.count:,} · '
            f"{moment_of_time(now.time_ns)} · thread {html.escape(now.thread)}</span>"
        )
        height = (
            18
            * min(
                LINES, max([12, *(text.count("\n") for text in self.moments.log.sources.values())])
            )
            + 40
        )
        self.sides.value = (
            f'<div class="epollkit-fit"><div class="epollkit-sides"><div style="height: {height}px">'
            f'{self._code(now)}</div><div class="epollkit-kernel" style="height: {height}px">'
            f"{self._kernel(now)}</div></div></div>"
        )

    def _code(self, now):
        log, source, line, note = self.moments.log, now.source, now.line, ""
        # show the code all the same, with no line lit: where the program was last, or will be first
        if not source:
            found = log.columns()["line"]
            calls = chain(range(now.call, -1, -1), range(now.call, len(log)))
            near = next((found[call] for call in calls if found[call] >= 0), -1)
            source, near_line = log.lines[near][:2] if near >= 0 else ("", 0)
            line, note = 0, " · none of these lines: a library made this call"
            if not source:
                return panel("your code", "<p>None of your lines: a library made this call.</p>")
        lines = log.sources.get(source, "").splitlines()
        if not lines:
            return panel(
                source, f"<p>line {line}; the text of this file did not come with the recording</p>"
            )
        first = min(max(0, (line or near_line) - 1 - LINES // 2), max(0, len(lines) - LINES))
        shown = "".join(
            f"<span{chr(32) + 'class=lit' if number == line else ''}>{'▶' if number == line else ' '}{number:>3}  "
            f"{html.escape(text)}</span>"
            for number, text in enumerate(lines[first : first + LINES], first + 1)
        )
        which = f" · {source}" if len(log.sources) > 1 else ""
        return panel(f"your code{which}{note}", f"<pre>{shown}</pre>")

    def _kernel(self, now):
        def rows(found):
            return (
                "<table>"
                + "".join(
                    "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
                    for row in found
                )
                + "</table>"
            )

        said = f"<p><code>{html.escape(now.happened)}</code></p>"
        for name, entries in now.lists:
            said += f"<h5>{html.escape(name)}: interest list</h5>" + (
                rows((stream, spelled(mask)) for stream, mask in entries) if entries else "(empty)"
            )
        if now.levels:
            said += "<h5>what waits</h5>" + rows(now.levels)
        if now.returned:
            said += f"<h5>the last poll</h5><code>{html.escape(now.returned)}</code>"
        if now.asleep:
            said += "<h5>asleep</h5>" + rows((thread, f"in {call}") for thread, call in now.asleep)
        if now.inside:
            said += "<h5>in a call</h5>" + rows((thread, call) for thread, call in now.inside)
        return panel("the kernel, after this step", said)
