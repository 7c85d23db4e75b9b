"""All that the course asks: a module for each notebook, with its questions and its exercises."""

import random

from ..question import Question
from ..scene import Scene
from ..task import Task
from . import (
    act,
    create,
    destroy,
    endings,
    kernel_buffers,
    level_and_edge,
    loop,
    modify,
    numbers_and_buffers,
    pitfalls_in_the_loop,
    poll,
    real_server,
    register,
    scale,
    start_here,
    streams_and_waiting,
)

#: notebook → the module that holds what it asks
NOTEBOOKS = {
    "00-start-here": start_here,
    "01-streams-and-waiting": streams_and_waiting,
    "02-kernel-buffers": kernel_buffers,
    "03-step-1-create": create,
    "04-step-2-register": register,
    "05-step-3-poll": poll,
    "06-step-4-act": act,
    "07-step-5-modify": modify,
    "08-step-6-loop": loop,
    "08b-what-a-real-one-needs": real_server,
    "09-step-7-destroy": destroy,
    "10-level-and-edge": level_and_edge,
    "11-endings": endings,
    "12a-pitfalls-in-the-loop": pitfalls_in_the_loop,
    "12b-pitfalls-of-numbers-and-buffers": numbers_and_buffers,
    "13-scale": scale,
}
QUESTIONS = {question.id: question for asked in NOTEBOOKS.values() for question in asked.QUESTIONS}
TASKS = {task.id: task for asked in NOTEBOOKS.values() for task in asked.TASKS}


def find_task(id) -> Task:
    """Return the exercise called *id*.  Raises ValueError, and names those that there are."""
    if id not in TASKS:
        raise ValueError(f"there is no exercise {id!r}; there are {', '.join(TASKS)}")
    return TASKS[id]


def find_question(id) -> Question:
    """Return the question called *id*.  Raises ValueError, and names those that there are."""
    if id not in QUESTIONS:
        raise ValueError(f"there is no question {id!r}; there are {', '.join(QUESTIONS)}")
    return QUESTIONS[id]


def set_up(id, seed, round) -> Scene:
    """Open the streams of one round of the exercise *id*: same *seed*, same bytes."""
    return find_task(id).set_up(random.Random(f"{id} {seed} {round}"), round)
