"""What is said of a lesson in several places, read from the one where it stands: its front matter.

    course:
      title: Thread Pools
      subtopic: LC2.1.6.2
      focus: manage concurrent workers
      concepts: ThreadPoolExecutor, worker threads, pool configuration
      line: Thread pools manage concurrent execution of branches.
      minutes: 60        # these three may be left out
      exercises: 30
      deeper: 15

The notebook's heading and the tables in README.md and lessons/README.md are made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path

BEGIN, END = "<!-- lessons: made from their front matter -->\n", "<!-- end of lessons -->"


@dataclass(frozen=True)
class Facts:
    """What is said of one lesson. minutes: of the main path, of the exercises, of what goes deeper."""

    title: str
    subtopic: str
    focus: str
    concepts: str
    line: str
    minutes: int | None = None
    exercises: int | None = None
    deeper: int | None = None


def read_facts(front_matter: dict) -> Facts:
    """The facts in the front matter of a lesson.md.

    Raises ValueError that names the key if one is missing, unknown or of another type.
    """
    found = front_matter.get("course")
    if not isinstance(found, dict):
        raise ValueError("the front matter has no 'course', a table of the lesson's facts")
    kinds = {each.name: int if each.default is None else str for each in fields(Facts)}
    if unknown := sorted(found.keys() - kinds.keys()):
        raise ValueError(f"'course' has an unknown key {unknown[0]!r}; allowed are {', '.join(kinds)}")
    for key, kind in kinds.items():
        if key not in found and kind is str:
            raise ValueError(f"'course' has no {key!r}")
        if key in found and type(found[key]) is not kind:
            raise ValueError(f"'course': {key!r} must be a {kind.__name__}, not {found[key]!r}")
    return Facts(**found)


def heading(number: str, facts: Facts) -> str:
    """The first lines of a notebook. number: "2", or "" for a lesson that has none."""
    parts = [
        (facts.exercises, "for the exercises"),
        (facts.deeper, "for the parts headed Going deeper"),
    ]
    time = f"{facts.minutes} minutes" if facts.minutes else "as long as you like"
    time = ", ".join([time, *(f"{minutes} {what}" for minutes, what in parts if minutes)])
    return f"# {numbered(number, facts)}\n\n**{facts.subtopic}** · {time}\n\n> {facts.line}"


def numbered(number: str, facts: Facts) -> str:
    """The title with the lesson's number, as in links."""
    return f"{number}. {facts.title}" if number else facts.title


def _minutes(minutes: int | None) -> str:
    return f"{minutes} min" if minutes else ""


_COLUMNS: dict[str, Callable[[Facts], str]] = {
    "lesson": lambda facts: facts.title,
    "subtopic": lambda facts: facts.subtopic,
    "focus": lambda facts: facts.focus,
    "key concepts": lambda facts: facts.concepts,
    "the line to remember": lambda facts: facts.line,
    "main path": lambda facts: _minutes(facts.minutes),
    "exercises": lambda facts: _minutes(facts.exercises),
    "going deeper": lambda facts: _minutes(facts.deeper),
}
# File to the columns of its table and the way from it to the notebooks.
TABLES = {
    "README.md": (("lesson", "subtopic", "key concepts", "the line to remember"), "notebooks"),
    "lessons/README.md": (tuple(_COLUMNS), "../notebooks"),
}


def table(lessons: Iterable[tuple[str, str, Facts]], columns: Iterable[str], way: str) -> str:
    """A table in Markdown with a row for each lesson, given by number or letter, file name and facts."""
    columns = list(columns)
    rows = [["", *columns], ["---"] * (len(columns) + 1)]
    for number, file, facts in lessons:
        rows.append([f"[{number}]({way}/{file})", *(_COLUMNS[column](facts) for column in columns)])
    return "".join("|" + "|".join(f" {cell} " if cell else " " for cell in row) + "|\n" for row in rows)


def with_table(text: str, made: str) -> str:
    """A text with the table between its two marks; raises ValueError if it does not have both."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"needs the lines {BEGIN.strip()!r} and {END!r}, for the table of lessons")
    return f"{before}{begin}\n{made}\n{end}{after}"


def tables(root: Path, lessons: Iterable[tuple[str, str, Facts]]) -> dict[Path, str]:
    """Each file that has a table of the lessons, and the text that it should have.

    Raises ValueError that names the file if it has no place for the table.
    """
    lessons, texts = list(lessons), {}
    for file, (columns, way) in TABLES.items():
        path = root / file
        if not path.is_file():
            continue
        try:
            texts[path] = with_table(path.read_text(encoding="utf-8"), table(lessons, columns, way))
        except ValueError as error:
            raise ValueError(f"{file} {error}") from error
    return texts
