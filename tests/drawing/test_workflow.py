"""The map of the seven steps:

the same everywhere, with the step lit that is asked for, and no text over another.
"""

from io import BytesIO

import pytest
from matplotlib.image import imread

import epollkit
from epollkit.drawing import ink
from epollkit.drawing.workflow import HEIGHT, STEPS, workflow


@pytest.fixture(scope="module", autouse=True)
def fonts():
    """Let matplotlib open its fonts: they stay open."""
    workflow().png()


def colors(picture):
    """Return the colors of the seven boxes, each at its upper left corner, and the size of the
    picture.
    """
    pixels = imread(BytesIO(picture.png()), format="png")
    pitch = pixels.shape[1] / len(STEPS)
    return [
        tuple(
            (pixels[int(0.17 / HEIGHT * pixels.shape[0]), int((place + 0.2) * pitch)][:3] * 255)
            .round()
            .astype(int)
        )
        for place in range(len(STEPS))
    ]


def rgb(color):
    return tuple(int(color[at : at + 2], 16) for at in (1, 3, 5))


@pytest.mark.parametrize("step", [None, *range(1, 8)])
def test_the_step_that_is_asked_for_is_lit_and_no_other(step):
    lit, other = rgb(ink.FILL["write"]), rgb(ink.BAND)
    picture = epollkit.workflow(step)
    assert colors(picture) == [lit if number == step else other for number in range(1, 8)]
    assert ("You are at" in repr(picture)) == (step is not None)
    assert step is None or repr(picture).endswith(
        f"You are at step {step}, {STEPS[step - 1].name}."
    )
    bundle = picture._repr_mimebundle_()
    assert bundle["text/plain"] == repr(picture) and f'alt="{picture!r}"' in bundle["text/html"]


@pytest.mark.parametrize("step", [0, 8, -1, "2", 2.5])
def test_there_are_no_other_steps(step):
    with pytest.raises(ValueError, match="there are the steps 1 to 7"):
        workflow(step)


def test_texts_stay_in_their_boxes():
    room = (ink.WIDTH - 0.2 + 0.15) / 7 - 0.15
    for number, step in enumerate(STEPS, 1):
        assert ink.measure(step.does, 6.9)[0] < room, step
        assert ink.measure(f"{number} {step.name}", 10.5)[0] * 1.1 < room, step
        assert 6.0 / 72 * 0.61 * len(step.code) < room, step
