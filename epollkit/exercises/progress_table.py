"""What is done and what is open: of one learner, as a table and as a line; of a class, for its
teacher.
"""

import html
from dataclasses import dataclass

from . import progress_file
from .content import NOTEBOOKS
from .progress_file import STATES, Done

#: What the line of text begins with.
FIRST_WORD = "epollkit:"


def parse(line) -> dict:
    """Return what *line* says: id → state.  Raises ValueError if `Progress.line` gave no such
    line.
    """
    first, *words = str(line).split() or [""]
    pairs = [word.rpartition("=")[::2] for word in words]
    if first != FIRST_WORD or not all(id and state in STATES for id, state in pairs):
        raise ValueError(
            f"got {str(line)[:60]!r}, and wanted a line that begins with {FIRST_WORD!r} and goes "
            "on with words such as two-writes=right: copy the whole line that progress().line gave"
        )
    return dict(pairs)


def count(states) -> list[tuple]:
    """Count what *states*, id → state, holds of each notebook that asks something.

    Each row: the notebook, its predictions made, those that were right, all of them, and its
    exercises as (title, state), where a state is right, tried or open.
    """
    rows = []
    for notebook, asked in NOTEBOOKS.items():
        made = [states[question.id] for question in asked.QUESTIONS if question.id in states]
        tasks = [(task.title, states.get(task.id, "open")) for task in asked.TASKS]
        if asked.QUESTIONS or asked.TASKS:
            rows.append((notebook, len(made), made.count("right"), len(asked.QUESTIONS), tasks))
    return rows


class Progress:
    """What is done and what is open: shows itself in a cell as a table, a row for each notebook."""

    def __init__(self, trouble=""):
        done, unread = progress_file.read()
        self.states, self.trouble = done.states, trouble or unread

    @property
    def line(self) -> str:
        """All of it as one line of text, for `restore`."""
        words = [f"{id}={state}" for id, state in sorted(self.states.items())]
        return " ".join([FIRST_WORD, *words])

    def rows(self) -> list[tuple]:
        """Return a row for each notebook that asks something, as `count` does."""
        return count(self.states)

    def __repr__(self):
        lines = [
            f"{notebook}: {made} of {asked} predictions made, {right} right; "
            + "; ".join(f"{title}: {state}" for title, state in tasks)
            for notebook, made, right, asked, tasks in self.rows()
        ]
        return "\n".join([*lines, *([self.trouble] if self.trouble else [])])

    def _repr_markdown_(self):
        marks = {"right": "✔", "tried": "◐", "open": "○"}
        lines = ["| notebook | predictions | exercises |", "|---|---|---|"]
        for notebook, made, right, asked, tasks in self.rows():
            exercises = "<br>".join(
                f"{marks[state]} {title}: {'done' if state == 'right' else state}"
                for title, state in tasks
            )
            lines.append(
                f"| [{notebook}]({notebook}.ipynb) | {made} of {asked} made, {right} right "
                f"| {exercises} |"
            )
        return "\n".join([*lines, "", self.trouble])


def progress() -> Progress:
    """Return what is done and what is open, on this machine and in this session."""
    return Progress()


def restore(line) -> Progress:
    """Take *line*, which `Progress.line` once gave, and add it to what is known.  Returns the
    whole.

    Raises ValueError if it is no such line.
    """
    return Progress(progress_file.keep(Done(states=parse(line))))


@dataclass(frozen=True)
class Table:
    """A plain table: shows itself in a cell; `header` and `rows` hold texts."""

    header: tuple
    rows: tuple

    def __repr__(self):
        lines = [self.header, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )

    def _repr_html_(self):
        def row(tag, texts):
            return "".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in texts)

        body = "".join(f"<tr>{row('td', texts)}</tr>" for texts in self.rows)
        head = f"<thead><tr>{row('th', self.header)}</tr></thead>"
        return f"<table>{head}<tbody>{body}</tbody></table>"


def read_lines(lines) -> Table:
    """Make a table of a class, for its teacher: a row for each learner, a column for each notebook.

    *lines* are the lines that the learners handed in, each from ``progress().line``; what stands
    before ``epollkit:`` in a line is the learner's name, and learners without one are numbered.
    Empty lines are skipped.  A cell of the table says how many predictions were made and how many
    were right, then how many exercises are done.  The last row says how many of each notebook's
    predictions the class got right.  A line that cannot be read gets a row that says so.
    """
    lines = [line for line in lines if str(line).strip()]
    header = ("learner", *(notebook for notebook, *_ in count({})))
    rows, made_in_all, right_in_all = [], [0] * len(header), [0] * len(header)
    for number, line in enumerate(lines, 1):
        name, first_word, rest = str(line).partition(FIRST_WORD)
        name = name.strip(" \t:,;") or str(number)
        try:
            states = parse(first_word + rest)
        except ValueError:
            trouble = "not a line from progress().line"
            rows.append((name, trouble, *[""] * (len(header) - 2)))
            continue
        texts = []
        for place, (_, made, right, asked, tasks) in enumerate(count(states), 1):
            made_in_all[place] += made
            right_in_all[place] += right
            done = sum(state == "right" for _, state in tasks)
            texts.append(f"{made} of {asked}, {right} right; {done} of {len(tasks)} done")
        rows.append((name, *texts))
    summary = [
        f"{right} of {made} right" for made, right in zip(made_in_all, right_in_all, strict=True)
    ]
    return Table(header, (*rows, ("the class", *summary[1:])))
