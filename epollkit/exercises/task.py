"""What an exercise is:

what is asked, on which streams, and what helps.  Whoever judges it needs to know no more.
"""

from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 3


@dataclass(frozen=True)
class Task:
    """One exercise.

    `text` says what is asked, `wanted` in one sentence what is judged; `stub` is what the learner
    begins with. `set_up(rng, round)` opens the streams of a round, counted from 0, and returns its
    `Scene`.
    """

    id: str
    title: str
    text: str
    stub: str
    wanted: str
    hint: str
    further_hint: str
    set_up: Callable
    solution: Callable
