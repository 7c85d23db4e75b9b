"""Exercises that the kernel judges: ``check(id, attempt)``, and afterwards ``solution(id)``."""

from .judge import check, solution
from .verdict import Verdict

__all__ = ["Verdict", "check", "solution"]
