"""Where a call is found, and how its stand-in is put there and taken out again.

Facts about Python
------------------
* ``from os import read`` binds the function under a second name; a default value of a parameter and
  an attribute of a class may hold it as well.  A module's names can be looked through in some
  microseconds; the others cannot be found.
* A function of Python that stands in a class becomes a method of its objects, a function of C does
  not.  `pickle` finds both again by module and name.

What we do about them
---------------------
A *place* is an owner and an attribute.  For each place and original there is one stand-in, made
once and kept for the life of the process, put in when a block begins and taken out when it ends,
unless somebody has put something else there meanwhile.  Names in the learner's modules that hold an
original are places, too.  What else holds one, in a package that is installed, is named at the end.

*Source:* ``Objects/classobject.c``; the documentation of `pickle`, ``object.__reduce__``.
"""

import importlib
import operator
import platform
import select
import sys
import sysconfig
from types import BuiltinFunctionType, FunctionType, ModuleType

from ..syscalls import BOUND_AS_DEFAULTS, CALLS, MAKES_EPOLL

_MISSING = object()
#: (id of the owner, attribute, id of the original) → (the original, its stand-in)
_made = {}
#: id of a stand-in → its original
_original_of = {}
#: id of a module → how many names it had when none of them held an original
_holds_none = {}
_STDLIB = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})


class Place:
    """What the stand-in of a module's function is bound to: pickled, it is the module."""

    def __init__(self, module):
        self.module = module

    def __reduce__(self):
        return importlib.import_module, (self.module,)

    def __repr__(self):
        return f"<module {self.module!r}, recorded>"


class EpollType(type):
    """What stands at ``select.epoll``: a class that is ``select.epoll`` in all but identity.

    An epoll that could not be made leaves no trace on its type: only who called the type knows.
    """

    def __call__(cls, *args, **kwargs):
        return EpollType.make(*args, **kwargs)

    def __instancecheck__(cls, instance):
        return isinstance(instance, EpollType.real)

    def __subclasscheck__(cls, other):
        return other is cls or issubclass(other, EpollType.real)

    def __getattribute__(cls, name):
        return getattr(EpollType.real, name)

    def __setattr__(cls, name, value):
        setattr(EpollType.real, name, value)

    def __eq__(cls, other):
        return other is cls or other is EpollType.real

    def __hash__(cls):
        return hash(EpollType.real)

    def __repr__(cls):
        return repr(EpollType.real)


def find_owner(text):
    """Return the module or class that *text*, as ``socket:socket``, names.

    None if the module is not imported, or has no such class.
    """
    name, _, rest = text.partition(":")
    owner = sys.modules.get(name)
    if rest == "poll()":  # its type has no name of its own
        return type(select.poll()) if hasattr(select, "poll") else None
    return getattr(owner, rest, None) if rest else owner


class Places:
    """What one block has put where."""

    def __init__(self):
        #: (owner, attribute, what was there or _MISSING, what is there now)
        self.taken = []
        #: rows that have no place, as those of a module that is not imported
        self.missing = []
        #: id of an original that stands in a module → its stand-in
        self.stand_ins = {}

    def replace_all(self, make, make_epoll, is_learners, namespace):
        """Put a stand-in that *make* makes at each place there is; in *namespace*, where the block
        stands, and in modules that are the learner's, also where an original has another name.
        """
        self.missing = list(CALLS.values())
        self.replace_more(make)
        EpollType.make = make_epoll
        if not isinstance(select.epoll, EpollType):
            EpollType.real = select.epoll
            self.put(select, "epoll", EpollType("epoll", (), {}))
        for module, path in BOUND_AS_DEFAULTS:
            if module in sys.modules:
                function = operator.attrgetter(path)(sys.modules[module])
                values = [self.stand_ins.get(id(v), v) for v in function.__defaults__ or ()]
                self.put(function, "__defaults__", tuple(values))
        for names in [namespace, *map(vars, modules_of(is_learners))]:
            for name, value in list(names.items()):
                if id(value) in self.stand_ins:
                    self.put(names, name, self.stand_ins[id(value)])

    def replace_more(self, make):
        """Put stand-ins where there is a place by now: the module may have been imported since."""
        missing, self.missing = self.missing, []
        for row in missing:
            owner = find_owner(row.owner)
            if owner is not None and (row.attribute == "__init__" or hasattr(owner, row.attribute)):
                self.replace(row, owner, make)
            else:
                self.missing.append(row)

    def replace(self, row, owner, make):
        """Put the stand-in of *row* at its place."""
        is_function = not isinstance(owner, type) or row.attribute == "fromfd"
        there = vars(owner).get(row.attribute, _MISSING)
        there = getattr(owner, row.attribute) if there is _MISSING else there
        original = _original_of.get(id(there), there)
        key = id(owner), row.attribute, id(original)
        if key not in _made:
            call = original if is_function is False else getattr(owner, row.attribute)
            if row is MAKES_EPOLL:
                call = _already_made
            stand_in = make(row, call, is_function)
            _made[key] = original, stand_in  # both live on: no other object gets their ids
            _original_of[id(stand_in)] = original
        stand_in = _made[key][1]
        if not isinstance(owner, type):
            self.stand_ins[id(original)] = stand_in
        try:
            self.put(owner, row.attribute, stand_in)
        except TypeError:
            raise RuntimeError(
                f"record() cannot watch {row.name}: Python {platform.python_version()} does not "
                "let it be replaced. Use the Python version that environment.yml names."
            ) from None

    def put(self, owner, attribute, value):
        names = owner if isinstance(owner, dict) else vars(owner)
        before = (
            getattr(owner, attribute)
            if isinstance(owner, FunctionType)
            else names.get(attribute, _MISSING)
        )
        self.taken.append((owner, attribute, before, value))
        try:
            _set(owner, attribute, value)
        except TypeError:
            self.taken.pop()
            raise

    def put_back(self):
        """Put back what was there before, where ours is still there.  May be called again at any
        time, a second Ctrl-C included.
        """
        while self.taken:
            owner, attribute, before, ours = self.taken[-1]
            if isinstance(owner, dict):
                there = owner.get(attribute)
            elif isinstance(owner, FunctionType):
                there = getattr(owner, attribute)
            else:
                there = vars(owner).get(attribute)
            if there is ours and before is not _MISSING:
                _set(owner, attribute, before)
            elif there is ours:
                delattr(owner, attribute)
            self.taken.pop()

    def held_elsewhere(self, is_learners, namespace) -> list[tuple]:
        """Find what holds an original under a name of its own, in the packages that the learner's
        code has imported: (module, name, the original's name).
        """
        used = set()
        for names in [namespace, *map(vars, modules_of(is_learners))]:
            used.update(map(_package, list(names.values())))
        names_of = {id(original): row_name for row_name, original in self._originals()}
        held = []
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] not in used or _holds_none.get(id(module)) == len(
                vars(module)
            ):
                continue
            held_here = [
                (name, attribute, names_of[id(value)])
                for attribute, value in list(vars(module).items())
                if id(value) in names_of and _is_installed(module)
            ]
            held += held_here
            if not held_here:
                _holds_none[id(module)] = len(vars(module))
        return held

    def _originals(self):
        for owner, attribute, before, _ in self.taken:
            name = f"{getattr(owner, '__name__', '')}.{attribute}"
            is_silent = name in CALLS and CALLS[name].silent
            if isinstance(owner, ModuleType) and before is not _MISSING and not is_silent:
                yield name, before


def _set(owner, attribute, value):
    if isinstance(owner, dict):
        owner[attribute] = value
    else:
        setattr(owner, attribute, value)


def _already_made(*args, **kwargs):
    """Stand in for the ``__init__`` that ``select.epoll`` does not have: when it would be called,
    the epoll exists.
    """


def modules_of(is_learners):
    """List the modules whose code is the learner's."""
    return [
        module
        for module in list(sys.modules.values())
        if isinstance(file := getattr(module, "__file__", None), str) and is_learners(file)
    ]


def _package(value):
    """Name the package that a module, a function or a class belongs to; "" for anything else, which
    is not asked: that might run code of the program's.
    """
    if type(value) is ModuleType:
        home = value.__name__
    else:
        home = value.__module__ if type(value) in (type, FunctionType, BuiltinFunctionType) else ""
    package = home.partition(".")[0] if isinstance(home, str) else ""
    return package if package != "epollkit" else ""


def _is_installed(module):
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and ("site-packages" in file or not file.startswith(_STDLIB))
