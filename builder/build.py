"""Build the notebooks from the lessons: `python -m builder.build [--force] [lesson ...]`.

lessons/lesson1_async_execution/lesson.md becomes notebooks/1_async_execution.ipynb: the lesson's cells with
their outputs, between two rows of links to the neighbours. A lesson may have more notebooks: b_deeper.md in
its folder becomes 1b_deeper.ipynb. From each comes the learner's edition, for the first one that is
notebooks/learner/1_async_execution.ipynb. Two builds with the same outputs give the same
bytes. A notebook is executed anew when its code has changed since, or a file that this uses, or the pin of a
package; when only text or links have changed, the outputs are kept.
"""

import argparse
import hashlib
import json
import re
import sys
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from builder.definitions import fill
from builder.editions import WIDGET_VIEW, learners, learners_cell
from builder.facts import CORE, Facts, heading, numbered, read_facts, tables
from builder.imports import content, uses
from builder.minutes import sections
from builder.stubs import stubs

ROOT = Path(__file__).resolve().parents[1]
FORMAT = 1  # raise it when the builder itself changes what is in a notebook: all are then built anew
CELL_TIMEOUT = 60  # seconds
CELL_OPTIONS = {"tags", "slideshow", "editable", "deletable", "jupyter", "from", "step", "new"}
KERNEL = {
    "kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"},
    "language_info": {"name": "python"},
}
WIDGETS = "application/vnd.jupyter.widget-state+json"


class BuildError(Exception):
    """A notebook cannot be built. The message says which, where and why."""


@dataclass(frozen=True)
class Lesson:
    """What a notebook is made from: the lesson.md of a folder in lessons/, or one of its further parts.

    folder: the lesson's. part: the name of a further part without ".md", as "b_deeper"; "" for lesson.md.
    """

    folder: Path
    part: str = ""

    @property
    def root(self) -> Path:
        """The folder of the whole course."""
        return self.folder.parents[1]

    @property
    def source(self) -> Path:
        return self.folder / f"{self.part or 'lesson'}.md"

    @property
    def name(self) -> str:
        """The name of its notebook: 1_async_execution for lesson1_async_execution, playground for itself.

        That of the part b_deeper is 1b_deeper.
        """
        first = re.sub(r"^lesson(?=\d)", "", self.folder.name)
        return first.partition("_")[0] + self.part if self.part else first

    @property
    def notebook(self) -> Path:
        return self.root / "notebooks" / f"{self.name}.ipynb"

    @property
    def learners(self) -> Path:
        """The learner's edition of it."""
        return self.root / "notebooks" / "learner" / f"{self.name}.ipynb"

    @property
    def number(self) -> str:
        """Its number as text, with the letter of a part; "" for one that has none."""
        return "".join(re.findall(r"^\d+[a-z]?(?=_)", self.name))


def find_lessons(root: Path) -> list[Lesson]:
    """The lessons below `root` in the order in which they are taken; those without a number come last."""

    def order(lesson):
        return (int(re.sub(r"\D", "", lesson.number)) if lesson.number else float("inf"), lesson.name)

    firsts = [Lesson(path.parent) for path in root.glob("lessons/*/lesson.md")]
    parts = [Lesson(each.folder, path.stem) for each in firsts for path in each.folder.glob("[b-z]_*.md")]
    return sorted([*firsts, *parts], key=order)


def find_lesson(root: Path, wanted: str) -> Lesson:
    """The lesson a person means by 1, lesson1_async_execution or 1_async_execution, its part by 1b.

    Raises BuildError, with the names of all lessons, if there is none.
    """
    lessons = find_lessons(root)
    for lesson in lessons:
        if wanted.removeprefix("lesson") in (lesson.name, lesson.name.split("_")[0]):
            return lesson
    raise BuildError(f"no lesson {wanted!r}; the lessons are: {', '.join(each.name for each in lessons)}")


def build(lesson: Lesson, force: bool = False, timeout: float = CELL_TIMEOUT) -> str:
    """Bring both editions of a lesson's notebook up to date; return what was done.

    force: execute it even if its outputs are current.
    timeout: the longest that a cell may run, in seconds.
    Raises BuildError if a cell fails, or a package is not the one that is pinned; the notebook then stays
    as it was.
    """
    notebook, previous = compose(lesson), read_notebook(lesson.notebook)
    if previous and not force and outputs_are_current(previous, notebook):
        keep_outputs(previous, notebook)
        done = "text and links brought up to date, outputs kept"
    else:
        check_versions(lesson, notebook)
        notebook = execute(notebook, lesson, timeout)
        done = f"built, {len(code_cells(notebook))} cells run"
    written = [write(lesson.notebook, notebook), write(lesson.learners, learners_edition(notebook))]
    if not any(written):
        return f"{done}, nothing changed" if force else "up to date"
    return done


def learners_edition(notebook: NotebookNode) -> NotebookNode:
    """The learner's edition of a complete notebook, with ids."""
    edition = learners(notebook)
    give_ids(edition.cells)
    return edition


def write(path: Path, notebook: NotebookNode) -> bool:
    """Write a notebook to a file, unless it stands there; return whether it was written."""
    text = render(notebook)
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    part = path.with_suffix(".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(path)
    return True


# --- From the lesson to a notebook without outputs -----------------------------------------------------


def compose(lesson: Lesson) -> NotebookNode:
    """The notebook of a lesson as it has to be, but for its outputs.

    Raises BuildError if lesson.md cannot be read, or a cell has an option that means nothing here.
    """
    cells = read_cells(lesson)
    if links := navigation(lesson):
        cells = [links, *cells, deepcopy(links)]
    give_ids(cells)
    source = lesson.source.relative_to(lesson.root).as_posix()
    metadata = {**KERNEL, "course": {"source": source, "stamp": stamp(lesson, cells)}}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def give_ids(cells: list[NotebookNode]) -> None:
    """Give each cell an id that comes from what it is, a number behind it where several are alike."""
    seen = Counter()
    for cell in cells:
        digest = short_hash([cell.cell_type, cell.source])
        seen[digest] += 1
        cell["id"] = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"


def read_source(lesson: Lesson) -> NotebookNode:
    """A lesson.md as it stands there: cells, and the front matter as metadata."""
    try:
        return jupytext.reads(lesson.source.read_text(encoding="utf-8"), fmt="md:myst")
    except Exception as error:  # jupytext hands on what its parsers raise
        raise BuildError(f"{lesson.source} cannot be read: {error}") from error


def facts(lesson: Lesson) -> Facts:
    """What the front matter of a lesson says of it; a part says only what differs from its lesson.md."""
    inherited = facts(Lesson(lesson.folder)) if lesson.part else None
    return _facts(lesson, lesson.source.read_bytes(), inherited)


@cache
def _facts(lesson: Lesson, content: bytes, inherited: Facts | None) -> Facts:
    """See `facts`, which links and tables ask for every lesson. content: that of the file as it is now."""
    try:
        return read_facts(read_source(lesson).metadata, inherited)
    except ValueError as error:
        raise BuildError(f"{lesson.source}: {error}") from error


def read_cells(lesson: Lesson) -> list[NotebookNode]:
    """The cells of a lesson as a notebook has them.

    That is with the heading, and with the code that is named; without comments, and with solutions folded.
    """
    cells = read_source(lesson).cells
    for cell in cells:
        if unknown := sorted(set(cell.metadata) - CELL_OPTIONS):
            raise BuildError(
                f"{lesson.source}: the cell {cell.source[:40]!r} has the option {unknown[0]!r}; "
                f"allowed are {', '.join(sorted(CELL_OPTIONS))}"
            )
        if "solution" in cell.metadata.get("tags", ()):
            cell.metadata.setdefault("jupyter", {})["source_hidden"] = True
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"(?ms)^<!--.*?-->\n*", "", cell.source)
    try:
        fill(cells, lesson.folder)
    except ValueError as error:
        raise BuildError(f"{lesson.source}: {error}") from error
    cells = [cell for cell in cells if cell.source or cell.cell_type == "code"]
    if not cells or cells[0].cell_type != "markdown":
        raise BuildError(f"{lesson.source} must begin with text, to stand below the heading")
    parts = [heading(lesson.number, facts(lesson)), contents(cells), cells[0].source]
    cells[0].source = "\n\n".join(part for part in parts if part)
    return cells


def contents(cells: list[NotebookNode]) -> str:
    """The sections of a notebook with their minutes, as a line of text; "" for a notebook of few sections."""
    taken = sections([learners_cell(cell) for cell in cells])
    found = [(title, minutes) for title, minutes in taken.items() if title and minutes >= 1]
    if len(found) < 3:
        return ""
    return "**In this notebook:** " + " · ".join(f"{title} ({minutes:.0f} min)" for title, minutes in found)


def navigation(lesson: Lesson) -> NotebookNode | None:
    """A cell with links to the core before, the index, the core after, and what goes deeper.

    None in a course of one lesson.
    """
    lessons = find_lessons(lesson.root)
    place = lessons.index(lesson)
    before, after = (
        [each for each in part if is_core(each)] for part in (lessons[:place], lessons[place + 1 :])
    )
    deeper = [each for each in lessons if each.folder == lesson.folder and not is_core(each)]
    links = [f"[← {title(each)}]({each.notebook.name})" for each in before[-1:]]
    if place > 0:
        links.append(f"[index]({lessons[0].notebook.name})")
    links += [f"[{title(each)} →]({each.notebook.name})" for each in after[:1]]
    links += [f"[{title(each)}]({each.notebook.name})" for each in deeper if each != lesson]
    if not links:
        return None
    return new_markdown_cell(" | ".join(links), metadata={"tags": ["navigation"]})


def is_core(lesson: Lesson) -> bool:
    return facts(lesson).level == CORE


def title(lesson: Lesson) -> str:
    return numbered(lesson.number, facts(lesson))


def page_notebooks(root: Path) -> dict[Path, str]:
    """The notebooks made of pages, lessons/a_name.md, for readers within the course: path to text.

    A page reads by itself; its notebook has the same text, with links to the notebooks beside it.
    """
    texts = {}
    first = find_lessons(root)[0].notebook.name
    for page in sorted(root.glob("lessons/[a-z]_*.md")):
        text = page.read_text(encoding="utf-8").replace("](../notebooks/", "](")
        for section in re.findall(r"(?m)^## (.*)", text):
            slug = re.sub(r"[^\w -]", "", section.lower()).replace(" ", "-")  # as GitHub makes it
            text = text.replace(f"](#{slug})", f"](#{section.replace(' ', '-')})")
        index = new_markdown_cell(f"[index]({first})", metadata={"tags": ["navigation"]})
        cells = [index, *map(new_markdown_cell, re.split(r"\n+(?=## )", text.strip()))]
        give_ids(cells)
        metadata = {**KERNEL, "course": {"source": page.relative_to(root).as_posix()}}
        notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
        for folder in ("notebooks", "notebooks/learner"):
            texts[root / folder / f"{page.stem}.ipynb"] = render(notebook)
    return texts


def stale_files(root: Path) -> dict[Path, str]:
    """The files that are made from others and are not up to date, and the text that they should have.

    That is those with a table of the lessons, the notebooks of pages, and the stubs for editors.
    """
    rows = [
        (lesson.number or lesson.name[0].upper(), lesson.notebook.name, facts(lesson))
        for lesson in find_lessons(root)
    ]
    try:
        texts = tables(root, rows)
    except ValueError as error:
        raise BuildError(str(error)) from error
    texts |= stubs(root) | page_notebooks(root)
    return {
        path: text
        for path, text in texts.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    }


def stamp(lesson: Lesson, cells: list[NotebookNode]) -> str:
    """A hash of all that the outputs come from.

    That is the code cells, the project's files that they use, and the packages that these import, by their
    pins: whatever is installed, the stamp is the same. What only other packages import does not count.
    """
    code = [(cell.source, cell.metadata.get("tags", [])) for cell in cells if cell.cell_type == "code"]
    used = uses(lesson.root, [source for source, _ in code])
    files = {path.relative_to(lesson.root).as_posix(): content(path) for path in used.files}
    return short_hash([FORMAT, code, files, pins(lesson.root, used.packages)], length=16)


def pins(root: Path, packages: set[str]) -> dict[str, list[str]]:
    """Which versions requirements.txt pins of some packages: more than one where they depend on the machine.

    packages: names as there; those that it does not name are left out.
    """
    try:
        lines = (root / "requirements.txt").read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"(?m)^([\w.-]+)==([^\s;]+)", lines):
        if name in packages:
            found.setdefault(name, []).append(version)
    return found


def check_versions(lesson: Lesson, notebook: NotebookNode) -> None:
    """Raise BuildError if a package that a notebook uses is not installed in a version that is pinned.

    The notebook's stamp, and whoever compares its outputs, rely on the pins.
    """
    used = uses(lesson.root, [cell.source for cell in code_cells(notebook)])
    for name, versions in pins(lesson.root, used.packages).items():
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            installed = "not installed"
        if installed not in versions:
            raise BuildError(
                f"{lesson.name} uses {name}, which is pinned to {' or '.join(versions)} in requirements.txt, "
                f"and here it is {installed}; delete .venv, then: python3 course.py build {lesson.name}"
            )


def short_hash(content, length: int = 8) -> str:
    """The first hexadecimal digits of the hash of anything that JSON can express."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:length]


# --- Outputs -------------------------------------------------------------------------------------------


def execute(notebook: NotebookNode, lesson: Lesson, timeout: float) -> NotebookNode:
    """Run a notebook in a fresh kernel, in the folder of the notebooks; return it with its outputs."""
    lesson.notebook.parent.mkdir(exist_ok=True)
    started = []
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(lesson.notebook.parent)}},
        on_cell_start=lambda cell, cell_index: started.append(cell),
    )
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        number = sum(cell.cell_type == "code" for cell in started)
        raise BuildError(f"{lesson.name}, code cell {number}: {error}") from error
    notebook.metadata["language_info"] = {"name": "python"}
    for output in (output for cell in code_cells(notebook) for output in cell.outputs):
        if output.output_type == "error":
            # Frames of other files name paths and line numbers that differ between machines.
            output.traceback = [part for part in output.traceback if not re.match(r"(\x1b\S*?m)*File ", part)]
    return number_widgets(without_dead_widgets(notebook))


def without_dead_widgets(notebook: NotebookNode) -> NotebookNode:
    """A notebook without the widgets that have HTML beside them, for readers who have no kernel.

    Such a widget needs its kernel; without, it would show controls that do nothing.
    """
    data = [output.data for cell in code_cells(notebook) for output in cell.outputs if "data" in output]
    for each in data:
        if "text/html" in each:
            each.pop(WIDGET_VIEW, None)
    if not any(WIDGET_VIEW in each for each in data):
        notebook.metadata.pop("widgets", None)  # the state of widgets that are not shown
    return notebook


def number_widgets(notebook: NotebookNode) -> NotebookNode:
    """A notebook whose widgets have numbers, in order of creation, where the kernel gave them random ids."""
    models = notebook.metadata.get("widgets", {}).get(WIDGETS, {}).get("state", {})
    if not models:
        return notebook
    numbers = {model: f"{number:032x}" for number, model in enumerate(models)}
    text = re.sub("|".join(numbers), lambda match: numbers[match[0]], nbformat.writes(notebook))
    return nbformat.v4.reads(text)


def outputs_are_current(previous: NotebookNode, notebook: NotebookNode) -> bool:
    """Whether an earlier build has the stamp and the code cells of `notebook`, and all of them were run."""
    before, now = code_cells(previous), code_cells(notebook)
    return (
        previous.metadata.get("course", {}).get("stamp") == notebook.metadata.course.stamp
        and [cell.source for cell in before] == [cell.source for cell in now]
        and all(cell.execution_count for cell in before if cell.source.strip())
    )


def keep_outputs(previous: NotebookNode, notebook: NotebookNode) -> None:
    """Copy the outputs of an earlier build of the same code."""
    for old, new in zip(code_cells(previous), code_cells(notebook)):
        new.outputs, new.execution_count = old.outputs, old.execution_count
    if "widgets" in previous.metadata:
        notebook.metadata["widgets"] = previous.metadata.widgets


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


# --- Files ---------------------------------------------------------------------------------------------


def read_notebook(path: Path) -> NotebookNode | None:
    """The notebook in a file; None if there is no such file or it holds no notebook."""
    try:
        return nbformat.v4.reads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, AttributeError):
        return None


def render(notebook: NotebookNode) -> str:
    """The text of a notebook's file; raises nbformat.ValidationError if it is not as the format demands."""
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def main(arguments: list[str] | None = None, root: Path = ROOT) -> None:
    """Build the lessons named in the command line, or all; end with the reason where that fails."""
    parser = argparse.ArgumentParser(prog="builder.build", description=__doc__.split("\n\n")[0])
    parser.add_argument("lessons", nargs="*", metavar="lesson", help="1 or 1_async_execution; all if none")
    parser.add_argument("--force", action="store_true", help="execute notebooks that are up to date, too")
    options = parser.parse_args(arguments)
    try:
        chosen = [find_lesson(root, name) for name in options.lessons] or find_lessons(root)
        if not chosen:
            raise BuildError(f"there is no lesson: no file matches {root / 'lessons' / '*' / 'lesson.md'}")
        for lesson in chosen:
            print(f"{lesson.name}: ", end="", flush=True)
            print(build(lesson, options.force))
        for path, text in stale_files(root).items():
            path.write_text(text, encoding="utf-8", newline="\n")
            print(f"{path.relative_to(root)}: brought up to date")
    except BuildError as error:
        sys.exit(f"\nNot built. {error}")


if __name__ == "__main__":
    main()
