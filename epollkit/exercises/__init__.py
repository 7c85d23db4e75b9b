"""Predictions and exercises that the kernel judges.

``predict(id)`` before a cell, ``answer(id, value)`` after it; ``check(id, attempt)``, and afterwards ``solution(id)``.
"""

from .judge import check, solution
from .prediction import answer, predict
from .verdict import Verdict

__all__ = ["Verdict", "answer", "check", "predict", "solution"]
