"""Whose line was it, and what does that line call the stream?

Facts about Python
------------------
* A frame knows its code object, and ``f_lasti``, how far it has got in it.  ``co_positions()``
  turns that into line and column, later, when there is time.  Asking a frame for ``f_lineno`` at
  once costs ten times as much.
* Jupyter compiles a cell under a file name of its own and leaves the text in `linecache`.

What we do about them
---------------------
The recorder keeps (code, lasti) of the nearest frame that is the learner's: not the standard
library's, not an installed package's, not epollkit's.  Here these become a `Line`, and the name of
the variable to which the very call was assigned. A name is found exactly or not at all: only where
the call is the whole value assigned, or stands after ``with``.
"""

import _socket
import ast
import inspect
import linecache
import os
import select
import site
import sys
import sysconfig
from functools import lru_cache

from ..log import Line

#: Bound here: while something is recorded, another class stands at ``select.epoll``.
_Epoll = getattr(select, "epoll", None)

_paths = sysconfig.get_paths()
NOT_THE_LEARNERS = tuple(
    os.path.realpath(path) + os.sep
    for path in {
        _paths["stdlib"],
        _paths["platstdlib"],
        _paths["purelib"],
        _paths["platlib"],
        *site.getsitepackages(),
        site.getusersitepackages(),
        os.path.dirname(os.path.dirname(__file__)),
    }
)


@lru_cache(None)
def keep_source(place, text):
    """Have *place*, the file name that code was compiled under, stand for *text*: whoever looks for
    its lines finds them, the recorder and tracebacks alike.
    """
    linecache.cache[place] = len(text), None, text.splitlines(True), place


def is_learners(filename: str) -> bool:
    """Tell whether code compiled under *filename* is the learner's own:

    a cell, or a file outside the libraries.
    """
    return not filename.startswith("<frozen") and not os.path.realpath(filename).startswith(
        NOT_THE_LEARNERS
    )


class Sources:
    """The texts of the learner's cells and files, by short name: ``cell 1``, ``server.py``."""

    def __init__(self):
        self.texts, self._short, self._lines = {}, {}, {}
        self.lines = []

    def short_name(self, filename: str) -> str:
        """Return the name under which the text of *filename* travels with the log, and fetch the
        text.
        """
        if filename not in self._short:
            text = "".join(linecache.getlines(filename))
            if os.path.exists(filename) and "ipykernel_" not in filename:
                name = os.path.basename(filename)
            else:
                name = f"cell {sum(n.startswith('cell ') for n in self.texts) + 1}"
            while name in self.texts:
                name += "'"
            self._short[filename] = name
            self.texts[name] = text
        return self._short[filename]

    def line(self, code, lasti) -> int:
        """Return the index in `lines` of the line that *code* had reached at *lasti*."""
        number = _position(code, lasti)[0]
        key = (code.co_filename, number)
        if key not in self._lines:
            text = linecache.getline(code.co_filename, number or 0).strip()
            self._lines[key] = len(self.lines)
            self.lines.append(Line(self.short_name(code.co_filename), number or 0, text))
        return self._lines[key]


def names_given(chain) -> list[str | None] | str | None:
    """Find what the learner's line calls the result of a call.

    *chain* is the learner's frames as (code, lasti), the nearest first.  Returns a name, or for an
    assignment to several targets the list of their names (None for one that has no plain name), or
    None where the line gives no name.
    """
    for code, lasti in chain:
        tree = _tree(code.co_filename)
        end = _position(code, lasti)[2:]
        parent = _parent_of_call(tree, end) if tree is not None else None
        if parent is None:
            return None
        node, above, path = parent
        if isinstance(above, ast.Return):
            continue
        if isinstance(above, ast.withitem) and above.context_expr is node:
            return _name(above.optional_vars)
        if isinstance(above, (ast.AnnAssign, ast.NamedExpr)) and above.value is node:
            return _name(above.target)
        if isinstance(above, ast.Tuple) and isinstance(path, ast.Assign) and path.value is above:
            place = above.elts.index(node)
            target = path.targets[0]
            return (
                _name(target.elts[place])
                if isinstance(target, ast.Tuple) and place < len(target.elts)
                else None
            )
        if isinstance(above, ast.Assign) and above.value is node:
            return _name(min(above.targets, key=lambda t: not isinstance(t, (ast.Name, ast.Tuple))))
        return None
    return None


def _name(target):
    if isinstance(target, (ast.Name, ast.Attribute)):
        text = ast.unparse(target)
        return text if text.replace(".", "").isidentifier() else None
    if isinstance(target, (ast.Tuple, ast.List)):
        return [_name(element) for element in target.elts]
    return None


def _position(code, lasti):
    """Return (line, column, end line, end column) of the instruction at *lasti*; columns count
    bytes of UTF-8.
    """
    for at, (line, end_line, column, end_column) in enumerate(code.co_positions()):
        if at == lasti // 2:
            return line, column, end_line, end_column
    return None, None, None, None


@lru_cache(64)
def _parse(text):
    try:
        return ast.parse(text)
    except SyntaxError:
        return None


def _tree(filename):
    return _parse("".join(linecache.getlines(filename)))


def _parent_of_call(tree, end):
    """Find the call that ends at *end*, with the node above it and the one above that."""
    stack = [(tree, None, None)]
    while stack:
        node, above, path = stack.pop()
        if isinstance(node, ast.Call) and (node.end_lineno, node.end_col_offset) == end:
            return node, above, path
        stack.extend((child, node, above) for child in ast.iter_child_nodes(node))
    return None


def variable(frame, number):
    """Find the one variable of *frame* that holds *number*, or an object with that number."""
    variables = frame.f_locals
    names = _holders(variables, number)
    # Before Python 3.13 this is a copy that stays with the frame of a function, and would keep
    # alive what the function drops.  Three references: ours, the frame's, the question's; a fourth
    # would be the program's own locals().
    if (
        frame.f_code.co_flags & inspect.CO_OPTIMIZED
        and type(variables) is dict
        and sys.getrefcount(variables) <= 3
    ):
        variables.clear()
    if len(names) != 1:
        names = _holders(frame.f_globals, number)
    return names[0] if len(names) == 1 else None


def _holders(variables, number):
    return [
        name
        for name, held in list(variables.items())
        if not name.startswith("_") and _number(held) == number
    ]


def _number(held):
    """The number of an int, a socket or an epoll, without a question to code of the program's;
    else None.
    """
    kind = type(held)
    if kind is int:
        return held
    if issubclass(kind, _socket.socket):
        return _socket.socket.fileno(held)
    return held.fileno() if kind is _Epoll and not held.closed else None
