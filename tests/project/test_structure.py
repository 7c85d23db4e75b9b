"""The shape of the package, computed from its imports: layers, no circle, what an import brings
along.
"""

import ast
import random
import subprocess
import sys
from pathlib import Path

import pytest

import epollkit

PACKAGE = Path(epollkit.__file__).parent
PATHS = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in PACKAGE.rglob("*.py")
}
SOURCES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in PATHS.items()}

#: From the bottom up: what stands in one row may import from the rows above it, and within its own
#: folder.  A module or a folder of modules is named by the first part of its name.
LAYERS = (
    {"masks", "linux", "extras"},
    {"syscalls", "saved", "model"},
    {"log", "programs"},
    {"recording", "analysis", "beliefs"},
    {"drawing", "sandbox"},
    {"widgets"},
    {"player"},
    {"explore"},
    {"exercises"},
    {"__init__", "__main__"},
)
LAYER = {part: number for number, row in enumerate(LAYERS) for part in row}
#: A log's reading methods ask `analysis` when they are called, and what that returns asks for its
#: picture when it is shown: the only imports that go up.
UPWARDS = {("log", "analysis"), ("analysis", "drawing")}
#: folder → which libraries beyond the standard library may be imported there
LIBRARIES = {
    "drawing": {"matplotlib", "numpy"},
    "widgets": {"ipywidgets", "IPython", "anywidget", "traitlets", "matplotlib"},
    "player": {"ipywidgets", "IPython", "anywidget", "traitlets", "matplotlib", "numpy"},
    "explore": {"ipywidgets", "IPython", "anywidget", "traitlets", "matplotlib", "numpy"},
    "exercises": {"ipywidgets", "IPython", "anywidget", "traitlets", "platformdirs"},
}


def part_of(module):
    return module.partition(".")[0]


def imports(module):
    """Yield what a module imports: (name, whether it is ours, whether only inside a function)."""
    folder = module.split(".")[:-1]
    inside = {
        id(node)
        for function in ast.walk(SOURCES[module])
        if isinstance(function, (ast.FunctionDef, ast.Lambda))
        for node in ast.walk(function)
    }
    for node in ast.walk(SOURCES[module]):
        is_lazy = id(node) in inside
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.partition(".")[0], False, is_lazy
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.partition(".")[0], False, is_lazy
        elif isinstance(node, ast.ImportFrom):
            base = folder[: len(folder) - node.level + 1] + (node.module or "").split(".") * bool(
                node.module
            )
            for alias in node.names:
                for name in (".".join([*base, alias.name]), ".".join(base)):
                    found = name if name in SOURCES else f"{name}.__init__".lstrip(".")
                    if found in SOURCES:
                        yield found, True, is_lazy
                        break


OURS = {
    module: {(name, is_lazy) for name, is_ours, is_lazy in imports(module) if is_ours}
    for module in SOURCES
}


def test_every_module_has_a_layer():
    assert {part_of(module) for module in SOURCES} == LAYER.keys()


@pytest.mark.parametrize("module", SOURCES)
def test_imports_go_down(module):
    here = part_of(module)
    for name, is_lazy in OURS[module]:
        there = part_of(name)
        if there != here and not (is_lazy and (here, there) in UPWARDS):
            assert LAYER[there] < LAYER[here], f"{module} imports {name}, which is not below it"


@pytest.mark.parametrize("module", SOURCES)
def test_libraries_stand_where_they_belong(module):
    others = {name for name, is_ours, _ in imports(module) if not is_ours}
    allowed = LIBRARIES.get(part_of(module), set())
    assert others - set(sys.stdlib_module_names) <= allowed


def test_no_modules_import_each_other_in_a_circle():
    """A module of a package needs the package's own `__init__`, too."""
    needs = {}
    for module in SOURCES:
        found = {name for name, is_lazy in OURS[module] if not is_lazy}
        for name in list(found):
            parts = name.split(".")[:-1]
            for upto in range(1, len(parts) + 1):
                package = ".".join([*parts[:upto], "__init__"])
                if not module.startswith(".".join(parts[:upto])):
                    found.add(package)
        needs[module] = found - {module}
    done = set()
    while rest := needs.keys() - done:
        free = {module for module in rest if needs[module] <= done}
        assert free, f"these import each other: {sorted(rest)}"
        done |= free


def test_every_module_opens_with_what_it_is_about():
    assert [name for name, tree in SOURCES.items() if not ast.get_docstring(tree)] == []


@pytest.mark.parametrize("seed", range(4))
def test_modules_can_be_imported_in_any_order(seed):
    names = [
        name.removesuffix(".__init__") for name in PATHS if name not in {"__init__", "__main__"}
    ]
    random.Random(seed).shuffle(names)
    program = (
        "".join(f"import epollkit.{name}\n" for name in names)
        + """
import epollkit
for name in epollkit.__all__:
    assert callable(getattr(epollkit, name)), name
with epollkit.record() as log:
    import os
    for end in os.pipe():
        os.close(end)
assert len(log) == 3 and epollkit.names(1) == "EPOLLIN" and epollkit.timeline(log).png()
assert callable(epollkit.explore.step_through)
"""
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_recording_and_reading_need_no_drawing_library():
    program = (
        "import sys, epollkit, epollkit.analysis.story\n"
        "assert not {'matplotlib', 'numpy', 'ipywidgets', 'IPython'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
