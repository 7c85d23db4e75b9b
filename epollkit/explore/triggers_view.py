"""triggers():

what was done to three registrations, as a picture, as words, and the controls to do more.
"""

import errno
import functools
import io

import ipywidgets
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from ..drawing.ink import (
    BAND,
    BUFFER,
    DOTS,
    EDGE,
    ENTRY,
    EVENT,
    FAINT,
    INK,
    LEVEL,
    LEVEL_EDGE,
    LEVEL_TEXT,
    PAPER,
    RULE,
)
from ..masks import CONDITIONS, names, short
from ..widgets.page import BESIDE, Explorable, image, lesson, panel
from .triggers_experiment import ASKS, READS, REGISTRATIONS, SHOWN, Trial


def counted(amount, one="", many=""):
    return f"{amount:,} byte{one}" if amount == 1 else f"{amount:,} bytes{many}"


wait = functools.partial(counted, one=" waits", many=" wait")


def verdict(moment) -> str:
    """Say in one line what *moment* shows."""
    disabled = "" if moment.is_armed else "; disabled: re-arm it with modify"
    since = f"{wait(moment.after)}, and it has not been asked since{disabled}"
    left = counted(moment.after, " is left", " are left") if moment.after else "nothing is left"
    return {
        "told": f"{'told again, for bytes that were left' if moment.is_again else 'told'}: {left}{disabled}",
        "deaf": f"deaf: {wait(moment.after)}, and nothing new has come",
        "silent": f"not told: nothing waits{disabled}",
        "disabled": f"disabled: {wait(moment.after)}; re-arm it with modify",
        "refused": f"no room for all, {moment.moved:,} of {moment.wanted or 0:,} went in: {since}",
        "re-armed": f"re-armed by modify: {since}",
        "": since if moment.did else "nothing has happened yet",
    }[moment.mark]


# the picture: everything is measured in inches, from the upper left corner

WIDTH, LABELS, RIGHT, HEAD, LANE, FOOT = 8.4, 1.22, 0.26, 0.28, 0.76, 0.30
SLOT, HEIGHT = (WIDTH - LABELS - RIGHT) / SHOWN, HEAD + 3 * LANE + FOOT
LINE, WORD, FLOOR, HIGH = (
    0.13,
    0.29,
    0.68,
    0.29,
)  # in a lane: the registration, words, the level, how high that gets
SHADE = {"deaf": "#fbe0cf", "disabled": BAND}
#: A mark's shape, its color, its edge, how wide that is.
MARKS = {
    "told": ("v", EVENT, PAPER, 0.6),
    "silent": ("o", PAPER, FAINT, 1.6),
    "deaf": ("o", PAPER, BUFFER, 1.6),
    "disabled": ("o", PAPER, INK, 1.6),
    "re-armed": ("s", EDGE["write"], PAPER, 0.6),
    "refused": ("X", INK, PAPER, 0.6),
    "": ("", INK, PAPER, 0),
}
LEGEND = (
    (0.32, "told", "poll reported an event"),
    (2.05, "silent", "asked, and no event: bytes wait if shaded"),
    (4.95, "re-armed", "modify"),
    (5.72, "refused", "no room for all"),
    (7.20, "", "disabled"),
)


def draw(trial) -> bytes:
    """Draw a `Trial` as three lanes with a slot for each of its moments; return a PNG."""
    figure_of(trial).savefig(buffer := io.BytesIO(), format="png", dpi=120)
    return buffer.getvalue()


def figure_of(trial) -> Figure:
    figure = Figure(figsize=(WIDTH, HEIGHT), facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(HEIGHT, 0))
    axes.set_axis_off()
    text = functools.partial(
        axes.text, fontsize=8, color=FAINT, va="center", ha="center", family="DejaVu Sans", zorder=6
    )
    marks, shades, lines = (
        {mark: [] for mark in MARKS},
        [],
        {True: [], False: [], None: []},
    )  # armed, disabled, where 0 is
    highest = max(
        [
            1,
            *(
                level
                for three in trial.moments
                for one in three
                for level in (one.before, one.after)
            ),
        ]
    )
    for slot, three in enumerate(trial.moments):
        did = next(
            {"arrive": f"+{one.wanted}", "re-arm": "arm", "ask": "ask"}[one.did]
            for one in three
            if one.did
        )
        text(LABELS + (slot + 0.5) * SLOT, HEAD / 2 + 0.03, did)
    if trial.count > SHOWN:
        text(LABELS - 0.12, HEAD / 2 + 0.03, f"the last {SHOWN} of {trial.count:,}", ha="right")
    for number, (name, asked) in enumerate(REGISTRATIONS):
        top, floor, path = HEAD + number * LANE, HEAD + number * LANE + FLOOR, []
        text(LABELS - 0.12, top + 0.27, name, fontsize=9, fontweight="bold", color=INK, ha="right")
        text(LABELS - 0.12, top + 0.46, short(asked), ha="right")
        for slot, moment in enumerate(three[number] for three in trial.moments):
            left, x, right = (LABELS + (slot + part) * SLOT for part in (0, 0.5, 1))
            for start, end, mask in ((left, x, moment.masks[0]), (x, right, moment.masks[1])):
                lines[bool(mask & CONDITIONS)].append((top + LINE, start, end))
            before, after = (
                floor - HIGH * level / highest for level in (moment.before, moment.after)
            )
            path += [(left, before), (x, before), (x, after), (right, after)]
            marks[mark := moment.mark].append((x, top + LINE))
            if mark in SHADE:
                shades.append(
                    (SHADE[mark], [(left, top), (right, top), (right, floor), (left, floor)])
                )
                if (
                    slot == 0 or trial.moments[slot - 1][number].mark != mark
                ):  # a run of the same gets one word
                    text(
                        x,
                        top + WORD,
                        "off" if mark == "disabled" else mark,
                        color=MARKS[mark][2],
                        fontweight="bold",
                    )
            if moment.after != moment.before:  # under the line, if there is room for a number
                text(
                    right,
                    after + 0.09 if floor - after > 0.16 else after - 0.08,
                    moment.after,
                    color=LEVEL_TEXT,
                )
        if path:
            path.append((path[-1][0] + SLOT / 2, path[-1][1]))
            axes.fill_between(
                *zip(*path, strict=True), floor, fc=LEVEL, ec=LEVEL_EDGE, linewidth=0.8, zorder=1
            )
        lines[None].append((floor, LABELS, WIDTH - RIGHT + SLOT / 2))
    if not trial.moments:
        text(
            (LABELS + WIDTH) / 2,
            HEAD + LANE + 0.33,
            "Let bytes arrive, then ask, and ask again.",
            fontsize=10,
        )
    lines[False].append((HEIGHT - FOOT / 2, LEGEND[-1][0] - 0.3, LEGEND[-1][0] - 0.02))
    for x, mark, words in LEGEND:
        marks[mark].append((x - 0.12, HEIGHT - FOOT / 2))
        text(x, HEIGHT - FOOT / 2, words, ha="left")
    for which, color, width, style in (
        (None, RULE, 0.8, "-"),
        (True, ENTRY, 3, "-"),
        (False, INK, 1.2, DOTS),
    ):
        if lines[which]:
            axes.hlines(
                *zip(*lines[which], strict=True),
                color=color,
                linewidth=width,
                linestyle=style,
                zorder=1.5,
            )
    axes.add_collection(
        PolyCollection(
            [box for _, box in shades], fc=[color for color, _ in shades], ec=PAPER, zorder=0
        )
    )
    for mark, (shape, color, edge, width) in MARKS.items():
        axes.plot(
            [x for x, _ in marks[mark]],
            [y for _, y in marks[mark]],
            linestyle="None",
            marker=shape or "None",
            markersize=7,
            color=color,
            markeredgecolor=edge,
            markeredgewidth=width,
            zorder=5,
        )
    return figure


def in_words(trial) -> str:
    """Tell what the picture of *trial* shows, one registration after the other."""
    lanes = []
    for number, (name, asked) in enumerate(REGISTRATIONS):
        steps = [
            (f"{one.moved:,} of {one.wanted:,} more" if one.did == "arrive" else one.mark)
            + f" ({wait(one.after)})"
            for one in (three[number] for three in trial.moments)
            if one.did
        ]
        lanes.append(f"{name} ({short(asked)}): {', '.join(steps) or 'nothing has happened yet'}")
    return (
        "Bytes that wait for three registrations, click by click, and who is told. "
        + ". ".join(lanes)
        + "."
    )


def cards(trial) -> str:
    """Say in HTML, for each registration, what is the case now, what `poll` returned last, and
    the verdict.
    """
    found = []
    for number, one in enumerate(trial.registrations):
        now, own = one.nothing(), [three[number] for three in reversed(trial.moments)]
        asked = next((moment for moment in own if moment.events is not None), now)
        events = ", ".join(f"(r, {names(mask)})" for _, mask in asked.events or ())
        read = (
            f"handler read {counted(asked.moved)}{', then EAGAIN' * asked.has_met_eagain}"
            if asked.events
            else ""
        )
        body = (
            f"{wait(now.after)}",
            "not asked yet" if asked is now else f"poll(0) → <code>[{events}]</code>",
            read,
            f"entry <code>{short(now.masks[1])}</code>: {'armed' if now.is_armed else 'disabled'}",
            f"<b>{verdict(next((moment for moment in own if moment.did), now))}</b>",
        )
        found.append(panel(one.name, "".join(f"<div>{line}</div>" for line in body if line)))
    return (
        '<div style="display: grid; grid-template-columns: repeat(3, 1fr); gap: 6px">'
        + "".join(found)
        + "</div>"
    )


class Triggers(Explorable):
    """The explorable of this module:

    the controls of a `Trial`, its picture, and what the kernel says.
    """

    kind = "triggers"

    def __init__(self):
        super().__init__()
        self.trial, wide = Trial(), {"description_width": "initial"}
        self.stream = ipywidgets.ToggleButtons(
            options=[("pipes", "pipe"), ("socketpairs", "unix")],
            description="Streams",
            style=wide | {"button_width": "auto"},
            layout=BESIDE,
        )
        self.amount = ipywidgets.BoundedIntText(
            value=6,
            min=1,
            max=5000,
            description="n, how many bytes arrive",
            style=wide,
            layout={"width": "240px"},
        )
        self.reads = ipywidgets.Dropdown(
            options=list(READS),
            value="half of n",
            description="A handler that is told reads",
            style=wide,
            layout={"width": "360px"},
        )
        self.picture, self.said, buttons = ipywidgets.HTML(), ipywidgets.HTML(), []
        trial, wanted = self.trial, lambda: READS[self.reads.value](self.amount.value)
        for name, words, tip, act in (
            (
                "arrive",
                "Bytes arrive",
                "write n bytes to each stream",
                lambda: trial.arrive(self.amount.value),
            ),
            ("ask", "Ask", "poll(0) on each epoll; who is told reads", lambda: trial.ask(wanted())),
            (
                "ask_on",
                "Ask until nobody is told",
                f"at most {ASKS} times",
                lambda: trial.ask_on(wanted()),
            ),
            (
                "arm_one_shot",
                "Re-arm one-shot",
                "modify(r, EPOLLIN | EPOLLONESHOT)",
                lambda: trial.arm("one-shot"),
            ),
            (
                "arm_edge",
                "Re-arm edge",
                "modify(r, EPOLLIN | EPOLLET)",
                lambda: trial.arm("edge-triggered"),
            ),
            ("reset", "Reset", "three new streams", lambda: trial.open(self.stream.value)),
        ):
            callback = self.on(functools.partial(self._do, act))
            buttons.append(
                ipywidgets.Button(
                    description=words,
                    tooltip=tip,
                    layout={"width": "auto"},
                    button_style="primary" if name in ("arrive", "ask") else "",
                )
            )
            buttons[-1].on_click(callback)
            setattr(self, name, buttons[-1])
        self.stream.observe(callback, "value")  # a Reset, too
        rows = (self.stream, self.amount, self.reads), buttons
        self.build(
            *(ipywidgets.HBox(row, layout={"flex_flow": "row wrap"}) for row in rows),
            self.picture,
            self.said,
        )
        self.still = b"", "There is no picture."  # until there is one: the first may fail
        callback()

    def _do(self, act, _=None):
        try:
            result = act()
        finally:
            png, alt = draw(self.trial), in_words(self.trial)
            self.picture.value = image(png, alt)
            self.set_still(png, alt)
            self.said.value = cards(self.trial)
        if isinstance(result, int):
            told = [
                name
                for (name, _), one in zip(REGISTRATIONS, self.trial.moments[-1], strict=True)
                if one.events
            ]
            self.say(
                f"Asked {result} time{'s' * (result > 1)}, "
                + (
                    f"then stopped: {' and '.join(told)} was still told."
                    if told
                    else "until nobody was told."
                )
            )
        elif refused := [
            name
            for (name, _), one in zip(REGISTRATIONS, result or (), strict=False)
            if one.mark == "refused" and not one.moved
        ]:
            self.say(f"Write to {', '.join(refused)}: {lesson(BlockingIOError(errno.EAGAIN, ''))}")

    def release(self):
        self.trial.close()


def triggers() -> Triggers:
    """Open three streams with a registration each: level-triggered, edge-triggered, one-shot; and
    play with them.

    Returns the view: as the last value of a cell it shows itself.  Run the cell again, or call
    ``close()``, to end it.
    """
    return Triggers()
