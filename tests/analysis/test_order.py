"""No effect before its cause, in a few random programs; `tests/proofs/test_order.py` has more."""

import pytest
import threaded_programs


@pytest.mark.parametrize("seed", range(40))
def test_no_effect_is_told_before_its_cause(seed):
    log = threaded_programs.run(seed)
    assert threaded_programs.out_of_order(log) == [], log.summary(200)
