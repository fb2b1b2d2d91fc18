"""Find which of the project's files and which packages a piece of code uses, by reading source.

Nothing is run.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

PACKAGES = ("builder", "helpers", "lessons")
INSTALLED_AS = {"PIL": "pillow"}  # a package that is imported by another name than it is installed by


@dataclass(frozen=True)
class Uses:
    """What code uses, directly or through the project's modules.

    files: the project's modules, and files that these or the code name, in order.
    packages: names as in requirements.txt, of what is imported from elsewhere, the standard library included.
    """

    files: list[Path]
    packages: set[str]


def uses(root: Path, sources: Iterable[str]) -> Uses:
    """What pieces of code use, as in the cells of a notebook.

    root: the folder that holds the project's packages.
    A name that a package hands on lazily, through a table `_HOME`, counts as the module that defines it.
    """
    files: set[Path] = set()
    packages: set[str] = set()
    held = [path for package in PACKAGES for path in sorted(root.glob(f"{package}/**/*.*"))]
    todo: list[tuple[str, Path | None]] = [(source, None) for source in sources]
    while todo:
        source, module = todo.pop()
        found = set(named_files(source, module, root, held))
        for name in imported_names(source, module.parent.relative_to(root).parts if module else ()):
            found |= set(locate(root, name))
            top = name.split(".")[0]
            packages.add(INSTALLED_AS.get(top, top).replace("_", "-").lower())
        todo += [(module_source(path), path) for path in found - files if path.suffix == ".py"]
        files |= found
    return Uses(sorted(files), packages)


def module_source(path: Path) -> str:
    """A module's source, without its table `_HOME`: a new entry there concerns only those who import it."""
    source = path.read_text(encoding="utf-8")
    table = lazy_table(source)
    segment = ast.get_source_segment(source, table) if table else None
    return source.replace(segment, "") if segment else source


def content(path: Path) -> str:
    """What counts of a file that is used: a module's source, a hash of any other, whatever ends its lines."""
    if path.suffix == ".py":
        return module_source(path)
    return sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def named_files(source: str, module: Path | None, root: Path, held: list[Path]) -> Iterator[Path]:
    """The project's files that code names in a string, as "player.js", "data/calls.csv" or ".js".

    module: the file that holds the code, None for a cell. held: the files that the packages hold.
    A file beside the module is meant first, then one at `root`, then any in a package. A suffix alone means
    the file beside the module that differs from it in that.
    """
    for node in ast.walk(parse(source)):
        match node:
            case ast.Constant(value=str(name)) if re.fullmatch(r"([\w-]+/)*[\w-]*\.\w+", name):
                if name.startswith("."):
                    places = [module.with_suffix(name)] if module else []
                else:
                    near = [module.parent / name] if module else []
                    places = [*near, root / name, *(path for path in held if path.match(name))]
                yield from [path for path in places if path.is_file()][:1]


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


@cache
def parse(source: str) -> ast.Module:
    """The syntax tree of a cell or a module; an empty one where the source is not Python."""
    try:
        return ast.parse(TransformerManager().transform_cell(source))
    except (SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])
