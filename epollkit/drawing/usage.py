"""What the threads did with their time: a bar for each, asleep hatched as in a timeline."""

from ..analysis.usage import PARTS
from . import ink
from .canvas import Canvas, image

#: Inches: a row, the bar in it, the legend below; a share narrower than this bears no number.
ROW, BAR, LEGEND, LEAST = 0.34, 0.22, 0.34, 0.42
#: More threads than these are told, and not drawn.
MOST_THREADS = 12
#: part → fill, edge, hatch
LOOKS = dict(
    zip(
        PARTS,
        (
            (ink.PAPER, ink.EDGE["poll"], "/////"),
            (ink.PAPER, ink.EDGE["close"], "/////"),
            (ink.FILL["poll"], ink.EDGE["poll"], None),
            (ink.FILL["write"], ink.EDGE["write"], None),
        ),
        strict=True,
    )
)


def canvas_of(usage) -> Canvas:
    """Draw a `Usage`."""
    threads = usage.threads[:MOST_THREADS]
    canvas = Canvas(ROW * len(threads) + LEGEND)
    for number, thread in enumerate(threads):
        top, left = ROW * number + 0.06, ink.LABELS
        name = thread.thread if len(thread.thread) <= 18 else thread.thread[:17] + "…"
        canvas.text(0, top + BAR / 2, name, 9, ink.INK, ha="left")
        for part, share in zip(PARTS, thread.shares, strict=True):
            right = left + share * ink.ROOM
            fill, edge, hatch = LOOKS[part]
            if share:
                canvas.boxes([(left, right, top, top + BAR)], fill, edge, 0.9, hatch=hatch)
            if right - left > LEAST:
                look = {"bbox": {"fc": ink.PAPER, "ec": "none", "pad": 1}} if hatch else {}
                canvas.text((left + right) / 2, top + BAR / 2, f"{share:.0%}", 8, ink.INK, **look)
            left = right
    x, y = ink.LABELS, canvas.height - LEGEND / 2
    for part, (fill, edge, hatch) in LOOKS.items():
        canvas.boxes([(x, x + 0.2, y - 0.06, y + 0.06)], fill, edge, 0.9, hatch=hatch)
        canvas.text(x + 0.27, y, part, ha="left")
        x += 0.27 + ink.measure(part, 8)[0] + 0.25
    return canvas


def draw(usage) -> str:
    """Return a `Usage` as HTML: the picture, with its sentences for those who cannot see it."""
    return image(canvas_of(usage).png(), str(usage))
