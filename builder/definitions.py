"""Fill the cells of a lesson that name what they show: `:from: limits.py run_as_tasks_with_limit`.

So a definition stands in its module only. With `:new: true` the lines that the version before had not are
marked `# New`, with `:new: ChainV1` those that ChainV1 had not. `:step: tasks.py run_as_tasks` names a
function that the learner writes herself: in her edition the cell is a stub. It may be a method, too, which
the cell has as a function: `:from: semaphore.py Semaphore -release` shows the class without it.
"""

from __future__ import annotations

import ast
import difflib
import io
import re
import textwrap
import tokenize
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from builder.imports import parse

NAMED = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def fill(cells: list[NotebookNode], folder: Path) -> None:
    """Put the code that cells name into them, and take the options `from`, `step` and `new` away.

    cells: a lesson's cells in order. folder: the lesson's, which holds the modules.
    The imports with which a cell begins stay first, the rest of it comes last.
    Raises ValueError that names the cell's option and what is allowed if there is no such definition.
    """
    before: list[str] = []  # the sources of the cells so far, the latest last
    for cell in cells:
        options = {name: cell.metadata.pop(name) for name in ("from", "step") if name in cell.metadata}
        marked = cell.metadata.pop("new", False)
        if len(options) > 1:
            raise ValueError("the options 'from' and 'step' in one cell: take one of them")
        if marked and not options:
            raise ValueError("the option 'new' needs the option 'from' or 'step'")
        for option, wanted in options.items():
            path, names, left_out = _read_option(option, wanted, folder)
            shown = [_without(definition(path, name), left_out) for name in names]
            if marked:
                shown = [
                    mark_new(new, _version_before(path, n, marked, before)) for new, n in zip(shown, names)
                ]
            imports, rest = _split(cell.source)
            cell.source = "\n\n\n".join(part for part in [imports, *shown, rest] if part)
        if "step" in options:
            stub(cell.source)
            cell.metadata.setdefault("tags", []).append("step")
        if cell.cell_type == "code":
            before.append(cell.source.strip("\n"))


def definition(path: Path, name: str) -> str:
    """The source of a class, a function or a constant of a module; of a method for "Class.method".

    Raises ValueError, with the names that there are, if the module has none of that name.
    """
    source = _read(path)
    if node := _find(source, name):
        return _segment(source, node)
    names = ", ".join(each for node in parse(source).body for each in _names(node))
    raise ValueError(f"{path.name} has no definition {name!r}; it has {names}")


def stub(step: str) -> str:
    """The code of a building step without what the learner writes: signature and docstring are left.

    step: a function with a docstring, which says what it must do, and the imports before it.
    Raises ValueError if it is anything else.
    """
    function = ast.parse(step).body[-1]
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or not ast.get_docstring(function):
        raise ValueError(f"a step must end with a function that has a docstring, not with: {step[-80:]!r}")
    docstring = function.body[0]
    kept = step.splitlines()[: docstring.end_lineno]
    return "\n".join([*kept, " " * docstring.col_offset + "raise NotImplementedError"])


def mark_new(new: str, old: str) -> str:
    """`new` with a comment at each statement that is not in `old`; at its first line if all of it is new."""
    lines, comments = new.splitlines(), _comments(new)
    matches = difflib.SequenceMatcher(None, _code(old), _code(new), autojunk=False).get_opcodes()
    added = {
        number for tag, _, _, start, end in matches if tag != "equal" for number in range(start + 1, end + 1)
    }
    for number in _first_lines(ast.parse(new).body[0], added):
        line, column = lines[number - 1], comments.get(number)
        lines[number - 1] = (
            f"{line}  # New" if column is None else f"{line[:column]}# New: {line[column + 2 :]}"
        )
    return "\n".join(lines)


def _read_option(option: str, wanted: object, folder: Path) -> tuple[Path, list[str], list[str]]:
    """The module that an option names, the definitions in it to show, and the methods to leave out."""
    file, *words = str(wanted).split()
    names = [word for word in words if not word.startswith("-")]
    left_out = [word.removeprefix("-") for word in words if word.startswith("-")]
    path = folder / file
    if not re.fullmatch(r"\w+\.py", file) or not path.is_file() or not names:
        modules = ", ".join(sorted(each.name for each in folder.glob("*.py")))
        raise ValueError(
            f"':{option}: {wanted}' must be a module and a name in it; the modules are {modules}"
        )
    return path, names, left_out


def _without(source: str, methods: list[str]) -> str:
    """A class without some of its methods; raises ValueError if it does not have one of them."""
    for name in methods:
        owner = parse(source).body[0]
        node = _find(source, f"{owner.name}.{name}") if isinstance(owner, ast.ClassDef) else None
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            raise ValueError(f"'-{name}' must be a method of what is shown, which begins {source[:40]!r}")
        start = min([node.lineno, *(each.lineno for each in node.decorator_list)])
        lines = source.splitlines()
        source = "\n".join([*lines[: start - 1], *lines[node.end_lineno :]])
        source = re.sub(r"\n{3,}", "\n\n", source).rstrip("\n")
    return source


def _version_before(path: Path, name: str, marked: bool | str, before: list[str]) -> str:
    """What the cells before define last under a name; else what the module of an earlier lesson does."""
    earlier_name = name if marked is True else str(marked)
    for source in reversed(before):
        if node := _find(source, earlier_name):
            return re.sub(rf"\b{earlier_name}\b", name, _segment(source, node))
    folders = sorted(path.parent.parent.glob("lesson[0-9]*"), reverse=True)
    for earlier in (module for folder in folders if folder < path.parent for module in folder.glob("*.py")):
        if _find(_read(earlier), earlier_name):
            return definition(earlier, earlier_name)
    raise ValueError(f"':new: {marked}': no earlier cell or lesson defines {earlier_name!r}")


def _read(path: Path) -> str:
    # `parse` counts lines from the first that is not empty.
    return path.read_text(encoding="utf-8").strip("\n")


def _find(source: str, name: str) -> ast.AST | None:
    """What defines a name in a piece of source, last; a dot goes into a class."""
    body = parse(source).body
    found = None
    for part in name.split("."):
        named = [node for node in body if part in _names(node)]
        if not named:
            return None
        found = named[-1]
        body = getattr(found, "body", [])
    return found


def _names(node: ast.AST) -> list[str]:
    """The names that a statement defines."""
    if isinstance(node, NAMED):
        return [node.name]
    return [ast.unparse(target) for target in node.targets] if isinstance(node, ast.Assign) else []


def _segment(source: str, node) -> str:
    """The lines of a definition, with its decorators, moved to the margin."""
    decorators = getattr(node, "decorator_list", [])
    start = min([node.lineno, *(each.lineno for each in decorators)])
    return textwrap.dedent("\n".join(source.splitlines()[start - 1 : node.end_lineno]))


def _split(source: str) -> tuple[str, str]:
    """The imports with which a cell begins, and the rest of it."""
    body = parse(source).body
    imports = 0
    while imports < len(body) and isinstance(body[imports], ast.Import | ast.ImportFrom):
        imports += 1
    end = body[imports - 1].end_lineno if imports else 0
    lines = source.strip("\n").splitlines()
    return "\n".join(lines[:end]).strip(), "\n".join(lines[end:]).strip("\n")


def _comments(source: str) -> dict[int, int]:
    """The number of each line that has a comment, and the column at which that begins."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.start[1] for token in tokens if token.type == tokenize.COMMENT}


def _code(source: str) -> list[str]:
    """The lines without their comments: another comment is nothing new."""
    comments = _comments(source)
    return [line[: comments.get(number)].rstrip() for number, line in enumerate(source.splitlines(), 1)]


def _first_lines(node, added: set[int]) -> Iterator[int]:
    """The lines to mark in a statement and in those inside it."""
    if _is_docstring(node):
        return
    if added.issuperset(range(node.lineno, node.end_lineno + 1)):
        yield node.lineno
        return
    inner = [child.lineno for child in ast.walk(node) if isinstance(child, ast.stmt) and child is not node]
    if added.intersection(range(node.lineno, min(inner, default=node.end_lineno + 1))):  # its own lines
        yield node.lineno
    for child in ast.iter_child_nodes(node):
        yield from _statements(child, added)


def _statements(node, added: set[int]) -> Iterator[int]:
    if isinstance(node, ast.stmt | ast.ExceptHandler):
        yield from _first_lines(node, added)
    elif isinstance(node, ast.match_case):
        for child in ast.iter_child_nodes(node):
            yield from _statements(child, added)


def _is_docstring(node) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
