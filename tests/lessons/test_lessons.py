"""What holds for every lesson: imports run one way, its notebooks together end at their checkpoint."""

import ast
import builtins
import dis
import importlib
import re
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

import helpers
import lessons
from builder import build as builder

ROOT = Path(__file__).parents[2]
LESSONS = builder.find_lessons(ROOT)
FOLDERS = sorted(path.parent for path in ROOT.glob("lessons/*/lesson.md"))
DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
MODULES = sorted(ROOT.glob("lessons/**/*.py"))
# The definitions that the learner writes in the notebook, lesson by lesson.
CHECKPOINTS = {
    "lesson1_async_execution": ["event_loop", "tasks", "runnable_parallel"],
    "lesson2_thread_pools": ["thread_pool", "threads", "runnable_parallel"],
    "lesson3_concurrency_limits": ["semaphore", "limits", "rates", "runnable_parallel"],
    "lesson4_execution_model": ["tasks", "in_thread", "runnable_parallel"],
    "lesson5_synchronization": [
        "barrier",
        "streaming",
        "sequence",
        "racing",
        "stragglers",
        "runnable_parallel",
    ],
}
# Modules of which the notebook shows a part, and imports the rest.
PARTLY = {
    "lesson4_execution_model": ["config", "critical_path"],
    "lesson5_synchronization": ["thread_streams"],
    "lesson6_at_scale": ["verdict"],
}


def without_docstrings(tree):
    for node in ast.walk(tree):
        if isinstance(node, DEFINITIONS) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def definitions(source):
    """The syntax tree of each top-level class and function, as text; of two with one name, the last.

    A class has the methods that are put into it below: `Latch.wait = wait`. Their order does not count.
    """
    found = {}
    for node in without_docstrings(ast.parse(source)).body:
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                found[node.name] = node
            case ast.Assign([ast.Attribute(ast.Name(owner), name)], ast.Name(value)) if name == value:
                if isinstance(owner := found.get(owner), ast.ClassDef):
                    owner.body.append(found[name])
    for node in found.values():
        if isinstance(node, ast.ClassDef):
            node.body = sorted(
                (each for each in node.body if not isinstance(each, ast.Pass)), key=ast.unparse
            )
    return {name: ast.unparse(node) for name, node in found.items()}


def notebook_source(lesson):
    cells = builder.read_cells(lesson)
    return "\n".join(cell.source for cell in cells if cell.cell_type == "code")


def all_sources(folder):
    """The code of all notebooks of a lesson."""
    return "\n".join(notebook_source(lesson) for lesson in LESSONS if lesson.folder == folder)


@pytest.mark.parametrize(
    ("folder", "module"),
    [(folder, module) for folder, modules in CHECKPOINTS.items() for module in modules],
)
def test_the_notebook_ends_at_its_checkpoint(folder, module):
    path = ROOT / "lessons" / folder / f"{module}.py"
    in_notebook = definitions(all_sources(path.parent))
    for name, code in definitions(path.read_text("utf-8")).items():
        assert in_notebook.get(name) == code, f"{name} differs between the notebook and {path.name}"


@pytest.mark.parametrize(
    ("folder", "module"), [(folder, module) for folder, modules in PARTLY.items() for module in modules]
)
def test_what_the_notebook_shows_of_a_module_is_what_stands_there(folder, module):
    path = ROOT / "lessons" / folder / f"{module}.py"
    in_notebook, in_module = definitions(all_sources(path.parent)), definitions(path.read_text("utf-8"))
    shared = in_notebook.keys() & in_module.keys()
    assert shared, f"the notebook shows nothing of {path.name}"
    for name in shared:
        assert in_notebook[name] == in_module[name], f"{name} differs between the notebook and {path.name}"


def global_names(code):
    """The names that a piece of compiled code looks up outside of its functions."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield instruction.argval
    for constant in code.co_consts:
        if hasattr(constant, "co_code"):
            yield from global_names(constant)


def defined_names(source):
    """The names that a notebook's code defines or imports."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from ((each.asname or each.name).partition(".")[0] for each in names)
            case ast.Name(id=name, ctx=ast.Store()) | ast.ExceptHandler(name=str(name)):
                yield name


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_every_name_that_the_notebook_uses_is_known_there(lesson):
    """Also where no cell comes by: on the way of an error."""
    source = notebook_source(lesson)
    code = compile(source, lesson.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    known = {*defined_names(source), *dir(builtins), "__annotations__"}
    assert set(global_names(code)) - known == set()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_stands_in_a_module_is_named_and_not_written_again(folder):
    written = {}
    for lesson in (lesson for lesson in LESSONS if lesson.folder == folder):
        for cell in builder.read_source(lesson).cells:
            if cell.cell_type == "code":
                written |= definitions(cell.source)
    for path in folder.glob("*.py"):
        for name, code in definitions(path.read_text("utf-8")).items():
            assert written.get(name) != code, f"write `:from: {path.name} {name}` instead of {name}"


def test_every_lesson_with_a_checkpoint_is_compared():
    assert {path.parent.name for path in ROOT.glob("lessons/*/runnable_parallel.py")} == set(CHECKPOINTS)


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_lessons_import_earlier_lessons_and_the_standard_library_only(path):
    own = re.match(r"lesson(\d)", path.parent.name)
    for name in imported_modules(path):
        if earlier := re.match(r"lessons\.lesson(\d)", name):
            assert own and int(earlier[1]) <= int(own[1]), f"{path.name} imports {name}"
        else:
            assert name.partition(".")[0] in sys.stdlib_module_names, f"{path.name} imports {name}"


MAY_IMPORT = {
    "builder": {"builder"},
    "helpers/recording": {"helpers.recording"},
    "helpers/cards": {"helpers.cards", "helpers.stop_button"},
    "helpers/calls": {"helpers.calls", "helpers.cards", "helpers.recording"},
    "helpers/figures": {"helpers.figures", "helpers.cards", "helpers.recording"},
    "helpers/explorables": {"helpers.explorables", "helpers.figures", "helpers.cards", "helpers.recording"},
    "helpers/playground": {"helpers"},
}


def test_the_rooms_are_all():
    rooms = {path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("helpers/*/__init__.py")}
    assert rooms | {"builder"} == set(MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_between_the_rooms_run_one_way(room):
    for path in ROOT.glob(f"{room}/**/*.py"):
        for name in imported_modules(path):
            own = name.partition(".")[0] in ("builder", "helpers", "lessons", "benchmarks")
            assert not own or name.startswith(tuple(MAY_IMPORT[room])), f"{path.name} imports {name}"


@pytest.mark.parametrize("path", sorted(ROOT.glob("helpers/recording/*.py")), ids=lambda path: path.name)
def test_a_recording_needs_the_standard_library_only(path):
    for name in imported_modules(path):
        top = name.partition(".")[0]
        assert top == "helpers" or top in sys.stdlib_module_names, f"{path.name} imports {name}"


@pytest.mark.parametrize("package", ["lessons", "helpers"])
def test_lazy_exports_exist_and_unknown_names_are_told(package):
    module = importlib.import_module(package)
    for _ in range(2):  # a submodule of the same name would win the second time
        for name in module._HOME:
            value = getattr(module, name)
            assert not hasattr(value, "__path__") and type(value).__name__ != "module", name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'; it has "):
        module.nonsense  # noqa: B018
    assert dir(module) == sorted(module._HOME)


IMPORT_TWICE = """
import sys

class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            raise KeyboardInterrupt

sys.meta_path.insert(0, stop := Stop())
try:
    from helpers import show_timeline
except KeyboardInterrupt:
    print("interrupted,", end=" ")
sys.meta_path.remove(stop)
try:
    from helpers import show_timeline
    print("then imported")
except ImportError as error:
    print("then:", error)
"""


@pytest.mark.parametrize(
    "place", ["numpy.dtypes", "PIL.Image", "matplotlib.colors", "helpers.recording.data"]
)
def test_an_import_after_an_interrupted_one_works_or_says_what_to_do(place):
    command = [sys.executable, "-c", IMPORT_TWICE, place]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    cause, advice = r"helpers.figures.timeline cannot be loaded: \w+: .+", re.escape(helpers.RESTART)
    assert re.fullmatch(f"interrupted, then(: {cause} {advice}| imported)\n", said)


@pytest.mark.parametrize("error", [AttributeError("no 'colors'"), KeyError("kwdoc"), ImportError("no 'x'")])
def test_a_module_that_cannot_be_loaded_says_why(error, monkeypatch):
    """Python would say "cannot import name" of an AttributeError, and nothing of the cause."""
    monkeypatch.setattr(helpers, "importlib", Mock(**{"import_module.side_effect": error}))
    cause = re.escape(f"helpers.recording.recorder cannot be loaded: {type(error).__name__}: {error}. ")
    with pytest.raises(ImportError, match=f"{cause}.* {re.escape(helpers.RESTART)}$") as caught:
        from helpers import record  # noqa: F401
    assert caught.value.__cause__ is error


def test_a_package_that_is_missing_is_named(monkeypatch):
    missing = ModuleNotFoundError("no numpy")
    monkeypatch.setattr(helpers, "importlib", Mock(**{"import_module.side_effect": missing}))
    with pytest.raises(ModuleNotFoundError, match="^no numpy$"):
        from helpers import record  # noqa: F401


def test_lessons_give_the_newest_checkpoint():
    newest = max(CHECKPOINTS)
    assert lessons.RunnableParallel.__module__ == f"lessons.{newest}.runnable_parallel"
