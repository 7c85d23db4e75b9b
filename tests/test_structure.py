"""The shape of the package: who may import whom, how long a chapter may be, what an import brings along."""

import ast
import random
import subprocess
import sys
from pathlib import Path

import pytest

import epollkit

PACKAGE = Path(epollkit.__file__).parent
PATHS = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
SOURCES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in PATHS.items()}

#: module → those of ours that it may import, in the order in which a learner reads them
MAY_IMPORT = {
    "masks": "",
    "kernel": "masks",
    "traffic": "masks",
    "sleepers": "masks traffic",
    "account": "masks traffic",
    "interest": "masks traffic account",
    "saved": "",
    "story": "masks traffic",
    "log": "masks traffic interest sleepers account saved story",
    "source": "log",
    "scope": "kernel source traffic",
    "calls": "kernel traffic",
    "merge": "kernel traffic calls source log",
    "recorder": "kernel traffic calls scope merge log source",
    "axis": "traffic story",
    "lanes": "masks story axis",
    "ink": "axis lanes story",
    "picture": "ink lanes story",
    "steps": "ink",
    "__init__": "masks log recorder picture steps",
    "__main__": "",
    "explore.view": "story",
    "explore.moments": "masks story axis",
    "explore.step_through_view": "ink picture explore.moments explore.view",
    "explore.waiting_experiment": "kernel",
    "explore.waiting_view": "ink story explore.waiting_experiment explore.view",
    "explore.triggers_experiment": "masks kernel",
    "explore.triggers_view": "masks ink explore.triggers_experiment explore.view",
    "explore.slots": "",
    "explore.buffers_experiment": "kernel recorder explore.slots",
    "explore.buffers_view": "masks kernel ink explore.slots explore.buffers_experiment explore.view",
    "explore.endings_experiment": "masks story",
    "explore.endings_view": "masks story ink explore.endings_experiment explore.view",
    "explore.server_clients": "kernel",
    "explore.server_verdict": "log masks picture story traffic",
    "explore.server_experiment": "kernel log recorder exercises.apart exercises.runner explore.server_clients "
                                 "explore.server_verdict",
    "explore.server_view": "ink explore.server_clients explore.server_experiment explore.view",
    "explore.__init__": "explore.buffers_view explore.endings_view explore.server_experiment explore.server_view "
                        "explore.step_through_view explore.triggers_view explore.waiting_view",
    "exercises.question": "",
    "exercises.scene": "kernel",
    "exercises.task": "exercises.scene",
    **{f"exercises.course.{notebook}": "masks kernel exercises.question exercises.scene exercises.task" for notebook in (
        "start_here", "streams_and_waiting", "kernel_buffers", "create", "register", "poll", "act", "modify", "loop",
        "destroy")},
    "exercises.course.__init__": "exercises.question exercises.scene exercises.task exercises.course.start_here "
                                 "exercises.course.streams_and_waiting exercises.course.kernel_buffers "
                                 "exercises.course.create exercises.course.register exercises.course.poll "
                                 "exercises.course.act exercises.course.modify exercises.course.loop "
                                 "exercises.course.destroy",
    "exercises.runner": "kernel recorder source exercises.scene exercises.task exercises.course.__init__",
    "exercises.apart": "",
    "exercises.rules": "log story traffic",
    "exercises.verdict": "log picture exercises.task",
    "exercises.kept": "exercises.course.__init__",
    "exercises.judge": "exercises.apart exercises.course.__init__ exercises.kept exercises.rules exercises.runner "
                       "exercises.task exercises.verdict",
    "exercises.prediction": "explore.view exercises.course.__init__ exercises.kept exercises.question exercises.verdict",
    "exercises.quiz_programs": "masks",
    "exercises.quiz_questions": "kernel masks log recorder exercises.quiz_programs",
    "exercises.quiz_view": "masks explore.step_through_view explore.view exercises.quiz_questions",
    "exercises.__init__": "exercises.judge exercises.prediction exercises.kept exercises.quiz_view exercises.verdict",
}
DRAWING = {"axis", "lanes", "ink", "picture", "steps"}


def may_bring(module):
    """Return which libraries of others a module may import."""
    drawing, page = {"matplotlib", "numpy"}, {"ipywidgets", "IPython"}
    is_view = (module.startswith(("explore.", "exercises.")) and module.endswith("view")) or module == "exercises.prediction"
    if module == "exercises.kept":
        return {"platformdirs"}
    return drawing | page if is_view else drawing if module in DRAWING else set()


def imports(module):
    """Return what a module imports: names of ours, and top-level names of others, inside functions too."""
    ours, others = set(), set()
    for node in ast.walk(SOURCES[module]):
        if isinstance(node, ast.Import):
            others |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level == 0:
                others.add(node.module.partition(".")[0])
            else:
                folder = module.split(".")[:-node.level]
                found = [node.module] if node.module else [alias.name for alias in node.names]
                names = {".".join([*folder, name]) for name in found}
                ours |= {f"{name}.__init__" if f"{name}.__init__" in SOURCES else name for name in names}
    return ours, others


def test_the_table_has_every_module():
    assert MAY_IMPORT.keys() == SOURCES.keys()


@pytest.mark.parametrize("module", MAY_IMPORT)
def test_imports_only_what_the_table_allows(module):
    ours, others = imports(module)
    assert ours <= set(MAY_IMPORT[module].split())
    assert others - set(sys.stdlib_module_names) <= may_bring(module)


def test_the_table_has_no_circle():
    done = set()
    while rest := MAY_IMPORT.keys() - done:
        free = {module for module in rest if set(MAY_IMPORT[module].split()) <= done}
        assert free, f"these import each other: {sorted(rest)}"
        done |= free


@pytest.mark.parametrize("module", MAY_IMPORT)
def test_a_chapter_is_short(module):
    assert len(PATHS[module].read_text(encoding="utf-8").splitlines()) <= 350


def test_no_public_function_bears_the_name_of_a_module():
    functions = {node.name for module, tree in SOURCES.items() for node in tree.body
                 if isinstance(node, ast.FunctionDef) and not module.startswith(("explore.", "exercises."))}
    assert not functions & SOURCES.keys()


def test_every_module_opens_with_what_it_is_about():
    assert [name for name, tree in SOURCES.items() if not ast.get_docstring(tree)] == []


@pytest.mark.parametrize("seed", range(4))
def test_modules_can_be_imported_in_any_order(seed):
    names = [name.removesuffix(".__init__") for name in PATHS if name not in {"__init__", "__main__"}]
    random.Random(seed).shuffle(names)
    program = "".join(f"import epollkit.{name}\n" for name in names) + """
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
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_recording_needs_no_drawing_library():
    program = "import sys, epollkit\nassert not {'matplotlib', 'numpy', 'ipywidgets', 'IPython'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
