"""Ink for the numbers of a `Layout`: one drawing, one figure.

Facts about matplotlib
----------------------
* One artist for each call is slow; one collection for all calls of a kind is not.  From a few hundred steps on, a bar is
  narrower than a pixel: then the picture shows where something happened, and says so.
* Text knows nothing of other text.  Who wants none of it to overlap must keep a list of what is taken.

What we do about them
---------------------
Colors come from the palette of Okabe and Ito, made lighter, under dark text; none of them is the only cue.  A label has a
few places where it may stand and takes the first that is free.
"""

from functools import lru_cache

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patheffects import withStroke
from matplotlib.textpath import TextToPath

from .axis import duration

WIDTH, LABELS, RIGHT, HEAD, FOOT = 9.6, 1.22, 0.14, 0.36, 0.46  # inches
INK, FAINT, BAND, PAPER = "#1d1f24", "#5d636e", "#eceef1", "#ffffff"
FILL = {"read": "#6fcfb0", "write": "#f4bd4c", "poll": "#8ecdf2", "close": "#e3a9cc", "other": "#cfd3da"}
EVENT, BUFFER, CLOSE, LEVEL, LEVEL_EDGE = "#005a94", "#b34700", "#8f3a6f", "#cfe6f7", "#3f87b8"
SHOWN = {"set_blocking": "blocking", "setblocking": "blocking", "settimeout": "timeout", "connect_ex": "connect",
         "eventfd_read": "read", "eventfd_write": "write"}
#: Words for bars that are too narrow for the whole name.
SHORT = {"register": ["reg."], "unregister": ["unreg.", "unr."], "modify": ["mod."], "socketpair": ["pair"],
         "socket": ["sock."], "accept": ["acc."], "connect": ["conn."], "listen": ["list."], "sendall": ["send"],
         "shutdown": ["shut."], "blocking": ["block."], "timeout": ["time."], "eventfd": ["efd"], "epoll": ["ep."],
         "recv_into": ["recv"], "recvfrom": ["recv"], "recvmsg": ["recv"], "sendmsg": ["send"], "sendto": ["send"]}
HALO = [withStroke(linewidth=2.2, foreground="#ffffffcc")]


class Ink:
    """One drawing of one layout."""

    def __init__(self, plan, title):
        self.plan = plan
        head = HEAD + (0.30 if title else 0)
        height = head + plan.height + FOOT
        self.figure = Figure(figsize=(WIDTH, height), facecolor=PAPER)
        FigureCanvasAgg(self.figure)
        axes = self.axes = self.figure.add_axes((LABELS / WIDTH, FOOT / height, (WIDTH - LABELS - RIGHT) / WIDTH,
                                                 plan.height / height))
        axes.set(xlim=(0, plan.width), ylim=(plan.height, 0), yticks=[], facecolor=PAPER)
        axes.spines[["left", "right", "top"]].set_visible(False)
        axes.spines["bottom"].set_color("#c4c9d1")
        axes.set_xticks([x for x, _ in plan.ticks], [text for _, text in plan.ticks], fontsize=8, color=FAINT)
        axes.tick_params(axis="x", color="#c4c9d1", length=3, pad=2)
        self.inch = plan.width / (WIDTH - LABELS - RIGHT)  # of the x axis
        self.slot = 1 / self.inch if plan.axis == "steps" else None
        self.dense = len(plan.bars) > 400
        self.placed = []
        if title:
            self.figure.text(LABELS / WIDTH, 1 - 0.10 / height, title, fontsize=12.5, fontweight="bold", color=INK, va="top")
        self._lanes()
        self._folds()
        self._areas()
        self._bars()
        self._events()
        self._entries()
        self._closes()
        self._buffer_events()
        self._elsewhere()
        self._legend(height, head)
        axes.set_xlabel(self._axis_label(), fontsize=8, color=FAINT, labelpad=1)

    def _axis_label(self):
        words = ["step" if self.plan.axis == "steps" else "time since the first call" +
                 (", long gaps folded" if self.plan.folds else "")]
        if self.dense:
            words.append(f"{len(self.plan.bars):,} calls: each column of pixels shows what happened in it")
        return "   ·   ".join(words + self.plan.left_out)

    # text that does not run into other text

    def _size(self, text, size, weight="normal"):
        """Measure how wide *text* is in units of x, and how high in inches."""
        return _text_width(text, size, weight) * self.inch, size * 0.0150

    def _fits(self, box):
        return box[0] >= 0 and box[1] <= self.plan.width + RIGHT * self.inch and not any(
            box[0] < other[1] and other[0] < box[1] and box[2] < other[3] and other[2] < box[3] for other in self.placed)

    def _write(self, x, y, text, size, places, must=False, **style):
        """Put *text* at the first of *places* where nothing else stands.

        A place is (how far right in inches, how far down in inches, alignment).  Nothing is written if no place is free,
        unless it *must* be.
        """
        width, height = self._size(text, size, style.get("fontweight", "normal"))
        for dx, dy, side in places:
            left = x + dx * self.inch - {"left": 0, "center": width / 2, "right": width}[side]
            box = (left - 0.025 * self.inch, left + width + 0.025 * self.inch, y + dy - height / 2, y + dy + height / 2)
            if self._fits(box):
                break
        else:
            if not must:
                return False
        self.placed.append(box)
        self.axes.text(left + width / 2, y + dy, text, fontsize=size, ha="center", va="center", path_effects=HALO, **style)
        return True

    def _keep_clear(self, x, y, wide=0.05, high=0.05):
        """Keep text away from a mark."""
        self.placed.append((x - wide * self.inch, x + wide * self.inch, y - high, y + high))

    # the parts

    def _lanes(self):
        for lane in self.plan.lanes:
            middle = lane.middle if lane.kind != "thread" else lane.top + 0.32
            if lane.kind == "thread":
                self.axes.axhspan(middle - 0.05, middle + 0.05, color=BAND, zorder=0)
            x = -0.12 * self.inch
            parts = lane.name.split(" → ") if len(lane.name) > 13 else [lane.name]
            parts = [part if len(part) <= 20 else part[:19] + "…" for part in parts]
            name = "\n→ ".join(parts)
            note = lane.note if lane.note != lane.name else ""
            two = "\n" in name
            self.axes.text(x, middle - (0.08 if note else 0), name, fontsize=9 if max(map(len, parts)) < 13 else 7.5,
                           fontweight="bold", ha="right", va="center", color=INK, linespacing=1.05)
            if note:
                self.axes.text(x, middle + (0.17 if two else 0.09), note.replace(": ", ":\n"), fontsize=7, ha="right",
                               va="center", color=FAINT, linespacing=1.0)

    def _folds(self):
        for left, right, gap in self.plan.folds:
            self.axes.axvspan(left, right, facecolor="#f4f4f2", edgecolor="#dcdee2", hatch="////", linewidth=0, zorder=0.5)
            self._write((left + right) / 2, self.plan.height - 0.06, duration(gap), 7, [(0, 0, "center")], color=FAINT,
                        zorder=6)

    def _areas(self):
        for area in self.plan.areas:
            self.axes.plot([0, self.plan.width], [area.base] * 2, color="#9aa3ad", linewidth=0.8, zorder=1)
            if not area.peak:
                continue
            heights = [self._height(area, level) for level in area.levels]
            self.axes.fill_between(area.xs, heights, area.base, step="post", color=LEVEL, linewidth=0, zorder=1)
            self.axes.plot(area.xs, heights, drawstyle="steps-post", color=LEVEL_EDGE, linewidth=1.1, zorder=2)
            if self.dense or len(area.xs) > 120:
                self._write(0, area.top, f"{area.peak:,}", 7, [(0.05, -0.08, "left")], color=LEVEL_EDGE, zorder=6)

    def _height(self, area, level):
        """Return where *level* is drawn: to scale, but never so low that something looks like nothing."""
        scaled = (area.base - area.top) * level / area.peak
        return area.base - (max(scaled, 0.03) if level else 0)

    def _levels(self):
        """Say how much waits, on each plateau that has room for it."""
        for area in self.plan.areas:
            if self.dense or len(area.xs) > 120 or not area.peak:
                continue
            unit = {"bytes": " B", "count": "", "connections": ""}[area.unit]
            for left, right, level in zip(area.xs, area.xs[1:], area.levels, strict=False):
                text = f"{level:,}{unit}"
                if level and right - left > self._size(text, 7)[0]:
                    y = self._height(area, level)
                    inside = [(0, 0.09, "center"), (0, 0.14, "center"), (0.12, 0.09, "center"), (-0.12, 0.09, "center")] if area.base - y > 0.17 else []
                    self._write((left + right) / 2, y, text, 7, [*inside, (0, -0.09, "center")], color="#28597c", zorder=5)

    def _entries(self):
        ends = {(id(entry.lane), entry.y, entry.right) for entry in self.plan.entries}
        for entry in self.plan.entries:
            self.axes.plot([entry.left, entry.right], [entry.y] * 2, color="#7fb6dc", linewidth=1.6, zorder=1.5,
                           solid_capstyle="butt")
            self.axes.plot([entry.left] * 2, [entry.y - 0.05, entry.y + 0.05], color="#7fb6dc", linewidth=1.6, zorder=1.5)
            if entry.right < self.plan.width:
                self.axes.plot([entry.right] * 2, [entry.y - 0.05, entry.y + 0.05], color="#7fb6dc", linewidth=1.6)
            if not self.dense:
                before = [] if (id(entry.lane), entry.y, entry.left) in ends else [(-0.06, 0, "right")]
                self._write(entry.left, entry.y, entry.label, 7, [*before, (0.04, -0.09, "left"), (0.04, 0.09, "left")],
                            color=FAINT, zorder=6)

    def _bars(self):
        if self.dense:
            return self._bars_by_pixel()
        for bar in self.plan.bars:
            y, half = bar.lane.top + 0.32, 0.13
            least = 0.02 * self.inch
            left, right = bar.left, max(bar.right, bar.left + least)
            color = FILL[bar.family]
            self.axes.fill([left, right, right, left], [y - half, y - half, y + half, y + half],
                           facecolor=PAPER if bar.asleep else color, edgecolor=_darker(color),
                           hatch="/////" if bar.asleep else None, linewidth=0.9, zorder=3,
                           linestyle=(0, (2, 1.4)) if bar.ends in ("refused", "failed") else "-")
            if bar.asleep:
                self.axes.patches[-1].set_hatch_linewidth(0.9)
            if bar.ends == "timed out":
                self.axes.plot([right, right], [y - half - 0.06, y + half + 0.06], color=INK, linewidth=2.2, zorder=4)
            if bar.ends == "open":
                self.axes.plot([right], [y], marker=">", color=_darker(color), markersize=7, zorder=4, clip_on=False)
            self._name(bar, left, right, y)
        self._details(half)

    def _details(self, half):
        """Say above the bars what they did; once for a run of calls that did the same."""
        runs = []
        for bar in self.plan.bars:
            if runs and (last := runs[-1][-1]).lane is bar.lane and (last.word, last.detail, last.ends, last.asleep) == \
                    (bar.word, bar.detail, bar.ends, bar.asleep) and (bar.left - last.right) / self.inch < 0.12:
                runs[-1].append(bar)
            else:
                runs.append([bar])
        for run in runs:
            bar, left, right = run[0], run[0].left, run[-1].right
            if not bar.detail:
                continue
            half_width, bad = (right - left) / 2 / self.inch, bar.ends in ("refused", "failed")
            text = f"{len(run)} × {bar.detail}" if len(run) > 1 else bar.detail
            weight = "bold" if bad or bar.ends == "timed out" else "normal"
            place = [(dx, -half - 0.075, side) for dx, side in ((0, "center"), (half_width, "right"), (-half_width, "left"))]
            for size in (7, 6):
                if self._write((left + right) / 2, bar.lane.top + 0.32, text, size, place, zorder=5, fontweight=weight,
                               color=BUFFER if bad else FAINT):
                    break

    def _name(self, bar, left, right, y):
        """Write a bar's name into it: in full, smaller, upright, or not at all."""
        word = SHOWN.get(bar.word, bar.word)
        behind = {"facecolor": "#ffffffe6", "edgecolor": "none", "pad": 0.8} if bar.asleep else None
        for text in ([f"{word}, asleep", word, *SHORT.get(word, ())] if bar.asleep else [word, *SHORT.get(word, ())]):
            for size in (8, 7, 6.5):
                if self._size(text, size)[0] < (right - left) * 0.99:
                    self.axes.text((left + right) / 2, y, text, fontsize=size, ha="center", va="center", color=INK,
                                   zorder=5, bbox=behind)
                    return
        if (right - left) / self.inch > 0.10:
            self.axes.text((left + right) / 2, y, SHORT.get(word, (word,))[0][:5], fontsize=5.5, rotation=90, ha="center", va="center", color=INK,
                           zorder=5)

    def _bars_by_pixel(self):
        """Draw runs of columns of pixels instead of bars that are narrower than one."""
        pixels = 1000
        runs = {}
        for bar in self.plan.bars:
            first = int(bar.left / self.plan.width * pixels)
            last = max(first + 1, int(bar.right / self.plan.width * pixels))
            spans = runs.setdefault((id(bar.lane), bar.family, bar.asleep), (bar.lane, []))[1]
            if spans and first <= spans[-1][1] + 1:
                spans[-1][1] = max(spans[-1][1], last)
            else:
                spans.append([first, last])
        order = ["read", "write", "poll", "close", "other"]
        for (_, family, asleep), (lane, spans) in runs.items():
            height = 0.26 / len(order)
            top = lane.top + 0.19 + order.index(family) * height
            boxes = []
            for first, last in spans:
                left, right = first / pixels * self.plan.width, last / pixels * self.plan.width
                boxes.append([(left, top), (right, top), (right, top + height), (left, top + height)])
            self.axes.add_collection(PolyCollection(boxes, facecolor=PAPER if asleep else FILL[family],
                                                    edgecolor=_darker(FILL[family]), linewidth=0.3, zorder=3,
                                                    hatch="/////" if asleep else None), autolim=False)

    def _closes(self):
        said = set()
        for mark in self.plan.closes:
            self.axes.plot([mark.x] * 2, [mark.lane.top + 0.06, mark.lane.bottom - 0.06], color=CLOSE, linewidth=1.6, zorder=3)
            self._keep_clear(mark.x, mark.lane.middle, 0.02, (mark.lane.bottom - mark.lane.top) / 2 - 0.06)
            if not self.dense and (mark.what, mark.call) not in said:
                said.add((mark.what, mark.call))  # a connection has two lanes: name it in the first
                places = [(dx, down, side) for down in (0, 0.2, 0.4) for dx, side in ((0.05, "left"), (-0.05, "right"))]
                self._write(mark.x, mark.lane.top + 0.12, mark.what, 7.5, places, color=CLOSE, fontweight="bold", zorder=6)

    def _events(self):
        if not self.plan.events:
            return
        self.axes.plot([m.x for m in self.plan.events], [m.y - 0.02 for m in self.plan.events], linestyle="none", marker="v",
                       markersize=3 if self.dense else 7, color=EVENT, markeredgecolor=PAPER,
                       markeredgewidth=0 if self.dense else 0.5, zorder=5)
        if self.dense:
            return
        for mark in self.plan.events:
            self._keep_clear(mark.x, mark.y, 0.04, 0.035)
        for mark in self.plan.events:
            if mark.target is not None:
                self.axes.plot([mark.x] * 2, [mark.y + 0.05, mark.target.top + 0.10], color=EVENT, linewidth=1,
                               linestyle=(0, (1, 1.6)), zorder=2.5)
            self._write(mark.x, mark.y, mark.what, 7.5, [(0.07, 0.10, "left"), (-0.07, 0.10, "right"), (0.07, -0.10, "left"),
                                                        (-0.07, -0.10, "right"), (0.07, 0.24, "left"), (-0.07, 0.24, "right")],
                        color=EVENT, fontweight="bold", zorder=6)

    def _buffer_events(self):
        marks = self.plan.buffer_events
        self.axes.plot([m.x for m in marks], [m.y for m in marks], linestyle="none", marker="D",
                       markersize=3 if self.dense else 5.5, color=BUFFER, markeredgecolor=PAPER, markeredgewidth=0.7, zorder=5)
        if len(marks) <= 60 and not self.dense:
            for mark in marks:
                self._keep_clear(mark.x, mark.y)
            for mark in marks:
                up = [(0.05, -0.11, "left"), (-0.05, -0.11, "right"), (0, -0.13, "center")]
                down = [(0.05, 0.10, "left"), (-0.05, 0.10, "right")]
                places = {"non-empty": [(-0.09, -0.02, "right"), *up], "non-full": [*down, *up]}.get(mark.what, [*up, *down])
                self._write(mark.x, mark.y, mark.what, 7.5, places, color=BUFFER, fontweight="bold", zorder=6)
        self._levels()

    def _elsewhere(self):
        for mark in self.plan.elsewhere:
            self.axes.plot([mark.x], [mark.y], marker="X", markersize=7, color=INK, markeredgecolor=PAPER, zorder=5)
            self._write(mark.x, mark.y, mark.what, 7.5, [(0.07, -0.1, "left"), (-0.07, -0.1, "right")], color=INK, zorder=6,
                        must=True)

    def _legend(self, height, head):
        """Explain the marks that this picture shows, and no others."""
        plan, items = self.plan, []
        if plan.bars:
            items.append(("box", "in the call"))
        if any(bar.asleep for bar in plan.bars):
            items.append(("hatch", "asleep in it"))
        if any(bar.ends in ("refused", "failed") for bar in plan.bars) and not self.dense:
            items.append(("dash", "refused or failed"))
        if any(bar.ends == "timed out" for bar in plan.bars) and not self.dense:
            items.append(("stop", "timed out"))
        if any(bar.ends == "open" for bar in plan.bars) and not self.dense:
            items.append((">", "still in the call"))
        if plan.entries:
            items.append(("line", "registered"))
        if plan.events:
            items.append(("v", "event from poll"))
        if any(area.peak for area in plan.areas):
            items.append(("area", "bytes waiting" if all(a.unit == "bytes" for a in plan.areas if a.peak) else "waiting"))
        if plan.buffer_events:
            items.append(("D", "buffer event"))
        if plan.closes:
            items.append(("bar", "closed" if all("closed" in m.what for m in plan.closes) else "closed or shut down"))
        if plan.folds:
            items.append(("fold", "folded"))
        axes = self.figure.add_axes((LABELS / WIDTH, (height - head + 0.04) / height, (WIDTH - LABELS - RIGHT) / WIDTH,
                                     0.24 / height))
        room = WIDTH - LABELS - RIGHT
        axes.set(xlim=(0, room), ylim=(0, 0.24))
        axes.axis("off")
        for size in (7.5, 7, 6.5, 6, 5.5):
            widths = [0.27 + _text_width(text, size, "normal") for _, text in items]
            if (spare := room - 0.02 - sum(widths)) > 0.06 * len(items):
                break
        x, gap = 0.02, min(0.17, spare / len(items))
        for (mark, text), width in zip(items, widths, strict=True):
            _legend_mark(axes, x, mark)
            axes.text(x + 0.25, 0.12, text, fontsize=size, color=FAINT, va="center")
            x += width + gap


@lru_cache(4096)
def _text_width(text, size, weight):
    """Return the width of *text* in inches."""
    return TextToPath().get_text_width_height_descent(text, FontProperties(size=size, weight=weight), False)[0] / 72


def _legend_mark(axes, x, mark):
    box = {"box": {"facecolor": FILL["other"]}, "hatch": {"facecolor": PAPER, "hatch": "/////"},
           "dash": {"facecolor": FILL["other"], "linestyle": (0, (2, 1.4))},
           "fold": {"facecolor": "#f4f4f2", "hatch": "////", "linewidth": 0}}.get(mark)
    if box:
        axes.fill([x, x + 0.2, x + 0.2, x], [0.05, 0.05, 0.19, 0.19], **{"edgecolor": "#7d838d", "linewidth": 0.9} | box)
    elif mark == "area":
        axes.fill([x, x + 0.2, x + 0.2, x], [0.05, 0.05, 0.17, 0.17], color=LEVEL)
        axes.plot([x, x + 0.2], [0.17, 0.17], color=LEVEL_EDGE, linewidth=1.1)
    elif mark == "line":
        axes.plot([x, x + 0.2], [0.12, 0.12], color="#7fb6dc", linewidth=1.6)
    elif mark in ("bar", "stop"):
        axes.plot([x + 0.12] * 2, [0.03, 0.21], color=CLOSE if mark == "bar" else INK, linewidth=1.6 if mark == "bar" else 2.2)
    else:
        color = {"v": EVENT, "D": BUFFER, ">": "#7d838d"}[mark]
        axes.plot([x + 0.12], [0.12], marker=mark, markersize=6, color=color, markeredgecolor=PAPER, markeredgewidth=0.5)


def _darker(color):
    red, green, blue = (int(color[i:i + 2], 16) for i in (1, 3, 5))
    return f"#{int(red * 0.62):02x}{int(green * 0.62):02x}{int(blue * 0.62):02x}"
