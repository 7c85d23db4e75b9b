"""Predictions and exercises that the kernel judges.

``predict(id)`` before an experiment, ``answer(id, value, log)`` at the end of it; ``check(id,
attempt)``, and afterwards ``solution(id)``; ``progress()``, ``restore(line)`` where it was lost, and
``read_lines(lines)`` for the teacher of a class; ``quiz(topic)`` for endless practice.
"""

from .judge import check, solution
from .prediction import answer, predict
from .progress_table import progress, read_lines, restore
from .quiz.page import quiz
from .verdict import Verdict

__all__ = [
    "Verdict",
    "answer",
    "check",
    "predict",
    "progress",
    "quiz",
    "read_lines",
    "restore",
    "solution",
]
