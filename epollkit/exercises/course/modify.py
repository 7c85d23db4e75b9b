"""What notebook 07 asks: its questions, its exercises, and a solution of each exercise.

You have read this far before you tried?  Close this file, try first, then ask for ``solution(id)``.
"""

QUESTIONS = ()
TASKS = ()
