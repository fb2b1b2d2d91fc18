"""Find which of the project's own files a piece of code uses, by reading source: nothing is run."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

PACKAGES = ("helpers", "lessons")


def used_files(root: Path, sources: Iterable[str]) -> list[Path]:
    """The project's modules that code imports, directly or through other modules.

    root: the folder that holds the packages.
    sources: pieces of code, as in the cells of a notebook.
    A name that a package hands on lazily, through a table `_HOME`, counts as the module that defines it.
    """
    found = set()
    todo = [(source, ()) for source in sources]
    while todo:
        source, package = todo.pop()
        for name in imported_names(source, package):
            for path in set(locate(root, name)) - found:
                found.add(path)
                todo.append((module_source(path), path.parent.relative_to(root).parts))
    return sorted(found)


def module_source(path: Path) -> str:
    """A module's source, without its table `_HOME`: a new entry there concerns only those who import it."""
    source = path.read_text(encoding="utf-8")
    table = lazy_table(source)
    return source.replace(ast.get_source_segment(source, table), "") if table else source


def imported_names(source: str, package: tuple[str, ...] = ()) -> Iterator[str]:
    """The dotted names that code in `package` imports; "name.*" where it imports a module as a whole.

    Strings are looked at too: a script or the name of a module may be meant for another process.
    """
    for node in ast.walk(parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (f"{alias.name}.*" for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                above = package[: len(package) - level + 1] if level else ()
                within = [*above, module] if module else above
                yield from (".".join([*within, alias.name]) for alias in names)
            case ast.Constant(value=str(text)) if re.fullmatch(r"\w+(\.\w+)+", text):
                yield text
            case ast.Constant(value=str(text)) if "import" in text:
                yield from imported_names(text)


def locate(root: Path, name: str) -> Iterator[Path]:
    """The files below `root` that importing a dotted name reads; none if the name is not the project's."""
    parts = name.split(".")
    if parts[0] not in PACKAGES:
        return
    folder = root
    for position, part in enumerate(parts):
        if (folder / f"{part}.py").is_file():
            yield folder / f"{part}.py"
            return
        if not (folder / part).is_dir():
            for home in lazy_homes(folder / "__init__.py", part):
                yield from locate(root, ".".join([*parts[:position], home]))
            return
        folder /= part
        if (folder / "__init__.py").is_file():
            yield folder / "__init__.py"


def lazy_homes(init: Path, name: str) -> set[str]:
    """The modules, relative to its package, from which an `__init__.py` hands on a name; of all for "*"."""
    table = lazy_table(init.read_text(encoding="utf-8")) if init.is_file() else None
    homes = ast.literal_eval(table.value) if table else {}
    return {home for lazy, home in homes.items() if name in ("*", lazy)}


def lazy_table(source: str) -> ast.Assign | None:
    """The assignment to `_HOME` in a module's source, if there is one."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HOME":
            return node
    return None


def parse(source: str) -> ast.Module:
    """The syntax tree of a cell or a module; an empty one where the source is not Python."""
    try:
        return ast.parse(TransformerManager().transform_cell(source))
    except (SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])
