"""A sheet of paper for pictures that are laid out by hand: text, boxes, lines, dots, and a PNG.

Facts about pictures on a page
------------------------------
* One matplotlib artist for a hundred boxes is drawn faster than a hundred artists.
* JupyterLab keeps the alternative text of an ``<img>`` that stands in HTML, and drops that of a
  plain figure.  A notebook that is not trusted yet shows a PNG, and hides an SVG.
* A picture that is scaled to a narrow page has letters that nobody can read.

What we do about them
---------------------
Everything is measured in inches, from the upper left corner.  Boxes, lines and dots of one look are
drawn by one call.  `image` makes an ``<img>`` with words for those who cannot see it, which keeps a
least width and scrolls beyond it.
"""

import base64
import html
import io

from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from .ink import FAINT, INK, PAPER, WIDTH, printable

#: CSS pixels below which a picture of `WIDTH` inches cannot be read.
LEAST_PIXELS, FULL_PIXELS = 720, 960


class Canvas:
    """A picture of *width* by *height* inches.

    *order* says what covers what: the higher one does.
    """

    def __init__(self, height, width=WIDTH):
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), facecolor=PAPER)
        self.axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
        self.axes.set_axis_off()

    def text(self, x, y, text, size=8.0, color=FAINT, **style):
        """Write *text*, by default centered at (*x*, *y*); *style* goes to matplotlib."""
        look = {"ha": "center", "va": "center", "family": "DejaVu Sans", "zorder": 6} | style
        self.axes.text(
            x, y, printable(str(text)), fontsize=size, color=color, parse_math=False, **look
        )

    def boxes(self, boxes, fill, edge=PAPER, linewidth=0.8, order=1, **style):
        """Draw *boxes* of one look, each (left, right, top, bottom)."""
        corners = [
            [(left, top), (right, top), (right, bottom), (left, bottom)]
            for left, right, top, bottom in boxes
        ]
        self.polygons(corners, fill, edge, linewidth, order, **style)

    def polygons(self, polygons, fill, edge=PAPER, linewidth=0.8, order=1, **style):
        """Draw *polygons* of one look, each a list of (x, y)."""
        look = {"fc": fill, "ec": edge, "linewidth": linewidth, "zorder": order} | style
        self.axes.add_collection(PolyCollection(list(polygons), **look))

    def rounded(self, left, right, top, bottom, radius, fill, edge, linewidth=0.9):
        """Draw one box with round corners."""
        style = f"round,pad=0,rounding_size={radius}"
        look = {"facecolor": fill, "edgecolor": edge, "linewidth": linewidth}
        self.axes.add_patch(
            FancyBboxPatch((left, top), right - left, bottom - top, boxstyle=style, **look)
        )

    def lines(self, lines, color=INK, linewidth=0.8, order=1.5, **style):
        """Draw *lines* of one look, each a list of (x, y)."""
        look = {"colors": color, "linewidths": linewidth, "zorder": order} | style
        self.axes.add_collection(LineCollection(list(lines), **look))

    def arrow(self, begin, end, color=FAINT):
        look = {"arrowstyle": "-|>", "mutation_scale": 8, "linewidth": 1.2}
        self.axes.add_patch(FancyArrowPatch(begin, end, color=color, shrinkA=0, shrinkB=0, **look))

    def dots(self, points, shape, color, edge=PAPER, size=7.0, edge_width=0.6, order=5, **style):
        """Put a mark of one look at each of *points*; *shape* is one of matplotlib's markers."""
        look = {"markersize": size, "markeredgecolor": edge, "markeredgewidth": edge_width}
        xs, ys = zip(*points, strict=True) if points else ((), ())
        look |= {"color": color, "marker": shape or "None", "zorder": order} | style
        self.axes.plot(xs, ys, linestyle="None", **look)

    def png(self, dpi=120) -> bytes:
        return png_of(self.figure, dpi)


def png_of(figure, dpi=120) -> bytes:
    """Return a figure as PNG, made to be drawn soon and not to be small."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, pil_kwargs={"compress_level": 2})
    return buffer.getvalue()


def image(png: bytes, alt: str) -> str:
    """Return a picture as HTML that every page shows, a notebook without a kernel included."""
    data = base64.b64encode(png).decode("ascii")
    return (
        f'<div style="overflow-x: auto"><img alt="{html.escape(alt, quote=True)}" '
        f'width="{FULL_PIXELS}" style="width: 100%; min-width: {LEAST_PIXELS}px; '
        f'max-width: {FULL_PIXELS}px" src="data:image/png;base64,{data}"></div>'
    )
