"""What an exercise is:

what is asked, on which streams, and what helps.  Whoever judges it needs to know no more.
"""

import ast
import inspect
import os
import select
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field

from ..recording.callsite import keep_source

ROUNDS = 3
#: How a function begins that is made of the steps of an exercise.
IN_ORDER = "def in_order(s):\n    ep = select.epoll()\n"


class NotAnAttempt(Exception):
    """What was handed to ``check`` cannot be run; the message says what is wanted."""


@dataclass(frozen=True)
class Task:
    """One exercise: a function to complete, or, if it has `steps`, lines of code to put in order.

    `text` says what is asked, `wanted` in one sentence what is judged, and `tried` what an attempt
    that is right was tried with.  `stub` is what the learner begins with.  `set_up(rng, round)`
    opens the streams of a round, counted from 0, and returns its `Scene`.  `solution` is a
    function, or the letters of `steps` in order.  `returns`: which types an attempt may return;
    none of them if what it returns is not looked at.  `needs_epoll`: it is to sleep in the poll of
    an epoll, and in one thread; `needs_edges`: and all but a stream called stop are to be
    registered edge-triggered.  `advice` takes a `rules.Round` and returns a sentence for a mistake
    that the round shows, or an empty one.  `is_stretch`: a harder one, outside the minutes.
    """

    id: str
    title: str
    text: str
    stub: str
    wanted: str
    hint: str
    further_hint: str
    set_up: Callable
    solution: Callable | list
    tried: str
    returns: tuple = ()
    needs_epoll: bool = False
    needs_edges: bool = False
    advice: Callable = lambda round: ""
    is_stretch: bool = False
    steps: dict = field(default_factory=dict)

    def is_untouched(self, attempt) -> bool:
        """Tell whether *attempt* is still the stub, or has an empty body: a docstring, ``...``,
        ``pass``, NotImplementedError.
        """
        if self.steps:
            return isinstance(attempt, (list, tuple, str)) and not attempt
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(attempt)))
        except (OSError, TypeError, SyntaxError):  # not a function that was written down as text
            return False
        if not tree.body or not isinstance(tree.body[0], ast.FunctionDef):
            return False
        body, stub = tree.body[0].body, ast.parse(self.stub).body[0].body
        return all(map(says_nothing, body)) or list(map(ast.dump, body)) == list(
            map(ast.dump, stub)
        )

    def function(self, attempt) -> Callable:
        """Return *attempt* as a function to be run.

        Raises NotAnAttempt if it cannot be made one.
        """
        if self.steps:
            return self.in_order(attempt)
        if not callable(attempt):
            raise NotAnAttempt(
                f"check() got {type(attempt).__name__} where it wants your function: "
                "give it the name of the function, with no parentheses after it"
            )
        return attempt

    def in_order(self, letters) -> Callable:
        """Make a function of the steps in the order of *letters*."""
        if not isinstance(letters, (list, tuple, str)):
            raise NotAnAttempt(
                f"check() got {type(letters).__name__} where it wants a list of letters, "
                f"as [{', '.join(map(repr, list(self.steps)[:2]))}, …]"
            )
        if sorted(map(str, letters)) != sorted(self.steps):
            raise NotAnAttempt(
                f"check() got {', '.join(map(str, letters))}; it wants each of the letters "
                f"{', '.join(self.steps)} once"
            )
        return from_source(self.source(letters), self.id, {"os": os, "select": select})

    def source(self, attempt=None) -> str:
        """Return the text of *attempt*, which is the solution if none is given."""
        if not self.steps:
            return inspect.getsource(self.solution if attempt is None else attempt)
        letters = self.solution if attempt is None else attempt
        return "".join([IN_ORDER, *(f"    {self.steps[one]}\n" for one in letters)])

    def solved(self) -> Callable:
        """Return the solution as a function whose lines are shown as the learner's own are."""
        if self.steps:
            return self.in_order(self.solution)
        return from_source(self.source(), f"solution of {self.id}", self.solution.__globals__)


def from_source(source, place, names) -> Callable:
    """Return the function that *source* defines, with *names* in sight; its text is *place*."""
    names = dict(names)
    keep_source(place, source)
    exec(compile(source, place, "exec"), names)
    return names[ast.parse(source).body[0].name]


def says_nothing(statement) -> bool:
    """Tell whether a statement of a function does nothing yet."""
    if isinstance(statement, ast.Raise):
        return statement.exc is not None and "NotImplementedError" in ast.unparse(statement.exc)
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )
