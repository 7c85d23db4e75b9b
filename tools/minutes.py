"""How many minutes a notebook takes, by one rule for all: ``python tools/minutes.py``.

    python tools/minutes.py           all of notebooks/
    python tools/minutes.py 03 07     those whose name begins so

The rule: 200 words of text a minute; half a minute for a code cell; two for a prediction, and for
an explorable; eight for the first exercise.  A further exercise is for those who want more, and so
is a cell tagged ``stretch``: they count nothing, and neither does anything from the heading
"Look-up, not for the first reading" on.  The first cell of a notebook states the sum, rounded up
to five minutes: ``**25 minutes.**`` (`tests/course/test_notebooks.py` compares).
"""

import math
import re
import sys
from dataclasses import dataclass

WORDS_A_MINUTE = 200
CODE_CELL, PREDICTION, EXPLORABLE, FIRST_EXERCISE = 0.5, 2, 2, 8
LONGEST = 45
LOOKING_UP = re.compile(r"^#+ +Look-up, not for the first reading", re.MULTILINE)
PREDICTED = re.compile(r"^exercises\.predict\(", re.MULTILINE)
STATED = re.compile(r"^\*\*(\d+) minutes?\b", re.MULTILINE)


@dataclass
class Count:
    """What stands in a notebook before what is for looking up, and what the first cell states."""

    words: int = 0
    code: int = 0
    predictions: int = 0
    explorables: int = 0
    exercises: int = 0
    stated: int | None = None

    @property
    def minutes(self) -> float:
        return (
            self.words / WORDS_A_MINUTE
            + self.code * CODE_CELL
            + self.predictions * PREDICTION
            + self.explorables * EXPLORABLE
            + min(self.exercises, 1) * FIRST_EXERCISE
        )

    @property
    def to_state(self) -> int:
        return math.ceil(self.minutes / 5) * 5


def words(text) -> int:
    """Return how many words *text*, in Markdown, has."""
    return sum(bool(re.search(r"\w", word)) for word in text.split())


def before_looking_up(cells) -> list:
    """Return the cells that come before the heading "Look-up, not for the first reading"."""
    chosen = []
    for cell in cells:
        if cell.cell_type == "markdown" and LOOKING_UP.search(cell.source):
            return chosen
        chosen.append(cell)
    return chosen


def count(notebook) -> Count:
    """Return what *notebook* has for a reader who goes through it once."""
    counted = Count()
    if stated := STATED.search(notebook.cells[0].source):
        counted.stated = int(stated[1])
    for cell in before_looking_up(notebook.cells):
        tags = cell.metadata.get("tags", [])
        if "stretch" in tags:
            continue
        if cell.cell_type == "markdown":
            counted.words += words(cell.source)
        elif "exercise" in tags:
            counted.exercises += 1
        elif "explorable" in tags:
            counted.explorables += 1
        elif PREDICTED.search(cell.source):
            counted.predictions += 1
        elif cell.cell_type == "code":
            counted.code += 1
    return counted


def table(counts) -> str:
    """Return the table of *counts*, {name of a notebook: Count}."""
    lines = [
        f"{'':<28}{'words':>6}{'code':>6}{'predict':>9}{'explore':>9}{'exercise':>10}"
        f"{'minutes':>9}{'state':>7}{'stated':>8}"
    ]
    for name, counted in counts.items():
        remark = ""
        if counted.to_state > LONGEST:
            remark = f"  more than {LONGEST}"
        elif counted.stated != counted.to_state:
            remark = f"  write: **{counted.to_state} minutes.**"
        lines.append(
            f"{name:<28}{counted.words:>6}{counted.code:>6}{counted.predictions:>9}"
            f"{counted.explorables:>9}{counted.exercises:>10}{counted.minutes:>9.1f}"
            f"{counted.to_state:>7}{counted.stated or '-':>8}{remark}"
        )
    return "\n".join(lines)


def main(names):
    import notebooks  # the tool beside this one

    print(table({path.stem: count(notebooks.read(path)) for path in notebooks.find(names)}))


if __name__ == "__main__":
    main(sys.argv[1:])
