"""What is said of a lesson in several places, read from the one where it stands: its front matter.

    course:
      title: Thread Pools
      subtopic: LC2.1.6.2
      focus: manage concurrent workers
      concepts: ThreadPoolExecutor, worker threads, pool configuration
      line: Thread pools manage concurrent execution of branches.
      question: Who waits for a blocking call, and how many can wait at the same time?
      minutes: 60        # these three may be left out
      exercises: 30
      level: core        # or deeper: no core leans on it

A further part of a lesson says what differs: at least its title and its question. The notebook's
heading and the tables in README.md and lessons/README.md are made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

CORE, DEEPER = "core", "deeper"
BEGIN, END = "<!-- lessons: made from their front matter -->\n", "<!-- end of lessons -->"


@dataclass(frozen=True)
class Facts:
    """What is said of one notebook. minutes: of all but the exercises. exercises: of these, in minutes.

    level: CORE or DEEPER.
    """

    title: str
    subtopic: str
    focus: str
    concepts: str
    line: str
    question: str
    minutes: int | None = None
    exercises: int | None = None
    level: str = CORE


INHERITED = ("subtopic", "focus", "concepts", "line")


def read_facts(front_matter: dict, inherited: Facts | None = None) -> Facts:
    """The facts in the front matter of a lesson.md, or of a further part of that lesson.

    inherited: those of its lesson.md, if it is a part: what it does not say itself is taken from there.
    Raises ValueError that names the key if one is missing, unknown or of another type.
    """
    found = front_matter.get("course")
    if not isinstance(found, dict):
        raise ValueError("the front matter has no 'course', a table of the lesson's facts")
    if inherited:
        found = {name: getattr(inherited, name) for name in INHERITED} | found
    kinds = {each.name: int if each.default is None else str for each in fields(Facts)}
    if unknown := sorted(found.keys() - kinds.keys()):
        raise ValueError(f"'course' has an unknown key {unknown[0]!r}; allowed are {', '.join(kinds)}")
    for key, kind in kinds.items():
        if key not in found and kind is str and key != "level":
            raise ValueError(f"'course' has no {key!r}")
        if key in found and type(found[key]) is not kind:
            raise ValueError(f"'course': {key!r} must be a {kind.__name__}, not {found[key]!r}")
    facts = Facts(**found)
    if facts.level not in (CORE, DEEPER):
        raise ValueError(f"'course': 'level' must be {CORE!r} or {DEEPER!r}, not {facts.level!r}")
    return facts


def heading(number: str, facts: Facts) -> str:
    """The first lines of a notebook. number: "2", or "" for a lesson that has none."""
    time = f"{facts.minutes} minutes" if facts.minutes else "as long as you like"
    if facts.exercises:
        time += f", {facts.exercises} for the exercises"
    if facts.level == DEEPER:
        time += " · going deeper: no core leans on it"
    lines = (
        f"# {numbered(number, facts)}",
        f"**{facts.subtopic}** · {time}",
        f"> {facts.line}",
        f"**The question:** {facts.question}",
    )
    return "\n\n".join(lines)


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
    "the question": lambda facts: facts.question,
    "level": lambda facts: facts.level if facts.minutes else "",
    "minutes": lambda facts: _minutes(facts.minutes),
    "exercises": lambda facts: _minutes(facts.exercises),
}
# File to the columns of its table and the way from it to the notebooks.
TABLES = {
    "README.md": (("lesson", "the question", "level", "minutes", "the line to remember"), "notebooks"),
    "lessons/README.md": (tuple(_COLUMNS), "../notebooks"),
}


def table(lessons: Iterable[tuple[str, str, Facts]], columns: Iterable[str], way: str) -> str:
    """A table in Markdown with a row for each notebook, given by number or letter, file name and facts.

    What a part has from its lesson, and the row above says already, is left out.
    """
    columns = list(columns)
    rows = [["", *columns], ["---"] * (len(columns) + 1)]
    above: Facts | None = None
    for number, file, facts in lessons:
        said = {name for name in INHERITED if above and getattr(above, name) == getattr(facts, name)}
        changes: dict[str, Any] = dict.fromkeys(said, "")
        shown = replace(facts, **changes)
        rows.append([f"[{number}]({way}/{file})", *(_COLUMNS[column](shown) for column in columns)])
        above = facts
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
