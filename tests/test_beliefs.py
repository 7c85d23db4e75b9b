"""Each belief is refuted by a short program, on the model and on this machine's kernel."""

import pytest

from epollkit import programs
from epollkit.beliefs import BELIEFS, MOST_CALLS, Belief, refutation
from epollkit.model import Model

each = pytest.mark.parametrize("belief", BELIEFS.values(), ids=BELIEFS)


def test_there_are_enough():
    assert len(BELIEFS) >= 18
    assert len({belief.words for belief in BELIEFS.values()}) == len(BELIEFS)


@each
def test_a_belief_is_refuted_by_the_model_and_by_the_kernel(belief):
    found = refutation(belief)
    assert 1 <= found.calls <= MOST_CALLS
    assert programs.run(found.program, belief.model())[-1] == found.believed != found.modelled
    kernel = programs.Kernel()
    try:
        ends = programs.run(found.program, kernel)
    finally:
        kernel.close_all()
    assert ends == programs.run(found.program, Model())
    assert ends[-1] == found.modelled


@each
def test_only_the_last_call_ends_differently(belief):
    """All but the last call end alike, with the mistake and without."""
    found = refutation(belief)
    before = found.program[:-1]
    assert programs.run(before, belief.model()) == programs.run(before, Model())


def test_what_is_right_is_not_refuted():
    right = next(iter(BELIEFS.values()))._replace(mistake=Model, words="The model is right.")
    assert isinstance(right, Belief)
    with pytest.raises(LookupError, match="no program of 6 calls refutes: The model is right"):
        refutation(right)
