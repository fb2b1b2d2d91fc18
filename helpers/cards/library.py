"""The finished library on one page, with the building steps that the learner wrote in their places."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType

from helpers.cards.sources import lines, show_pieces
from helpers.cards.steps import KEPT, RECORD

PACKAGE = "my_library"  # beside the learner's copies
YOURS = "# Yours:"  # above each definition that is hers


def show_library(modules: Sequence[ModuleType], title: str) -> None:
    """Show modules of the lessons with the learner's own steps in them, marked, each module folded.

    title: a line above. In a learner's copy the whole is saved, too: as the package `my_library` beside it,
    with the modules that these import. Anywhere else it is the course's code, and nothing is written.
    Raises ValueError for no modules.
    """
    if not modules:
        raise ValueError("modules is empty: there is no library to show")
    sources = {module.__name__: _with_steps(module) for module in modules}
    written = [name for _, names in sources.values() for name in names]
    said = f"Steps of yours in it: {', '.join(written) or 'none yet'}."
    if RECORD.exists():
        said += " " + _save(modules)
    pieces = {}
    for name, (source, names) in sources.items():
        yours = f", yours: {', '.join(names)}" if names else ""
        pieces[f"{name.removeprefix('lessons.')}, {lines(source)}{yours}"] = source
    show_pieces(title, pieces, said)


def _with_steps(module: ModuleType) -> tuple[str, list[str]]:
    """The source of a module with the steps that the learner has written in it, and their names."""
    source = inspect.getsource(module).rstrip()
    lesson = module.__name__.split(".")[-2].partition("_")[0]
    kept = KEPT.glob(f"{lesson}_*.py") if RECORD.exists() else ()
    written = []
    for path in sorted(kept):
        name = path.stem.removeprefix(f"{lesson}_")
        merged = put_in(source, name, path.read_text(encoding="utf-8"))
        if merged is not None:
            source = merged
            written.append(name)
    return source, written


def put_in(source: str, name: str, code: str) -> str | None:
    """The source of a module with another definition of `name`, a function or "Class.method".

    code: a cell that defines it. What else stands there, as imports, comes before it.
    None if the module has no such definition, or the cell none.
    """
    old, above = _find(ast.parse(source).body, name)
    cell = ast.parse(code)
    new, _ = _find(cell.body, name.rpartition(".")[2])
    if old is None or new is None or above is None:
        return None
    lines, written = source.splitlines(), code.splitlines()
    hers = "\n".join(written[_start(new) - 1 : new.end_lineno])
    others = ["\n".join(written[_start(node) - 1 : node.end_lineno]) for node in cell.body if node is not new]
    before = "\n\n\n".join(others)
    place = textwrap.indent(f"{YOURS} {name}\n{hers}", " " * old.col_offset)
    lines[_start(old) - 1 : old.end_lineno] = place.splitlines()
    if before:
        lines[_start(above) - 1 : _start(above) - 1] = [*before.splitlines(), "", ""]
    return "\n".join(lines)


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _find(body: Iterable[ast.stmt], name: str) -> tuple[Definition | None, Definition | None]:
    """What defines a name, and the statement of the module that it is in."""
    outer, _, inner = name.partition(".")
    found = [node for node in body if isinstance(node, Definition) and node.name == outer]
    if not found:
        return None, None
    if inner:
        return _find(found[-1].body, inner)[0], found[-1]
    return found[-1], found[-1]


def _start(node: ast.stmt) -> int:
    """The first line of a statement, that of its first decorator if it has some."""
    return min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])


# --- The package that is saved ---------------------------------------------------------------------------


def _save(modules: Sequence[ModuleType]) -> str:
    """Write the package; say so, or why it does not load."""
    for module in _all_imported(modules):
        is_package = hasattr(module, "__path__")
        parts = module.__name__.split(".")[1:]
        path = (
            Path(PACKAGE, *parts, "__init__.py") if is_package else Path(PACKAGE, *parts).with_suffix(".py")
        )
        source = _source(module) if is_package else _with_steps(module)[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        text = re.sub(r"\blessons\.(?=lesson|\{)", f"{PACKAGE}.", source)
        path.write_text(text + "\n", encoding="utf-8")
    names = [re.sub(r"^lessons\b", PACKAGE, module.__name__) for module in modules]
    command = [sys.executable, "-c", f"import {', '.join(names)}"]
    loaded = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if loaded.returncode:
        return f"It is saved as `{PACKAGE}`, but does not load: {loaded.stderr.strip().splitlines()[-1]}"
    return f"It is saved as the package `{PACKAGE}`, beside this notebook."


def _source(module: ModuleType) -> str:
    return Path(module.__file__ or "").read_text(encoding="utf-8").rstrip()  # getsource refuses an empty file


def _all_imported(modules: Sequence[ModuleType]) -> list[ModuleType]:
    """Modules of the lessons, those that they import, and the packages that hold them."""
    found: dict[str, ModuleType] = {}
    waiting = [module.__name__ for module in modules]
    while waiting:
        name = waiting.pop()
        if name in found or not name:
            continue
        found[name] = importlib.import_module(name)
        waiting.append(name.rpartition(".")[0])
        for node in ast.walk(ast.parse(_source(found[name]))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lessons."):
                waiting.append(node.module or "")
    return list(found.values())
