"""No effect before its cause, in thousands of programs of several threads.

A tenth as many run with every core busy.  EPOLLKIT_PROGRAMS says how many; EPOLLKIT_PROOFS=small
takes a short share.
"""

import os

import pytest
import threaded_programs
from support import busy_cores, thread

SHARE = "200" if os.environ.get("EPOLLKIT_PROOFS") == "small" else "5000"
PROGRAMS = int(os.environ.get("EPOLLKIT_PROGRAMS", SHARE))


@pytest.mark.parametrize("busy", [False, True], ids=["", "both cores busy"])
def test_no_effect_is_told_before_its_cause(busy):
    number = max(1, PROGRAMS // 10) if busy else PROGRAMS
    with busy_cores() if busy else thread(lambda: None):
        for seed in range(number):
            log = threaded_programs.run(seed + 1_000_000 + 100_000_000 * busy)
            assert threaded_programs.out_of_order(log) == [], (seed, log.summary(200))
