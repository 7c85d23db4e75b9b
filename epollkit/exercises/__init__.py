"""Predictions and exercises that the kernel judges.

``predict(id)`` before a cell, ``answer(id, value)`` after it; ``check(id, attempt)``, and
afterwards ``solution(id)``; ``progress()``, and ``restore(line)`` where it was lost;
``quiz(topic)`` for endless practice.
"""

from .judge import check, solution
from .kept import progress, restore
from .prediction import answer, predict
from .quiz.page import quiz
from .verdict import Verdict

__all__ = ["Verdict", "answer", "check", "predict", "progress", "quiz", "restore", "solution"]
