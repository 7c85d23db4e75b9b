"""Tick a belief: the kernel runs the program that is shown, and the page says who is right."""

import pytest
from support import leaves_nothing

from epollkit.beliefs import BELIEFS, refutation
from epollkit.explore import beliefs
from epollkit.explore.beliefs import in_words, run, text, verdict

each = pytest.mark.parametrize("belief", BELIEFS.values(), ids=BELIEFS)


@each
def test_the_kernel_refutes_a_belief_by_the_program_that_is_shown(belief):
    found = refutation(belief)
    ran = run(found)
    assert ran.end == found.modelled != found.believed
    assert len(ran.log) >= found.calls
    assert verdict(found, ran.end).startswith("The kernel disagrees with you")


def test_a_kernel_that_agrees_with_the_belief_shows_that_the_model_is_wrong():
    found = refutation(BELIEFS["only-from-empty"])
    assert "Then the model is wrong on this machine" in verdict(found, found.believed)
    assert in_words(found.modelled) in verdict(found, found.believed)
    assert "agrees with neither" in verdict(found, [("r", 16)])


def test_the_text_is_plain_python():
    code = text(refutation(BELIEFS["refused-is-nothing"]).program)
    assert "except BlockingIOError" in code and code.endswith("print(ep.poll(0))\n")
    assert "epollkit" not in code


def test_the_page():
    with leaves_nothing():
        view = beliefs()
        for key in BELIEFS:
            view.list.value = key
            assert "The kernel disagrees with you" in view.message.value, key
            assert "data:image/png" in view.picture.value
            assert BELIEFS[key].words in view.still[1]
        view.close()
