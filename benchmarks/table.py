"""The table: as text for the terminal, as Markdown for the README."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.measuring import Line, Row, number

README = Path(__file__).parent / "README.md"
BEGIN = "<!-- What follows is written by: python3 course.py bench --save -->"
END = "<!-- The end of what is written. -->"
PACKAGES = "langchain-core", "anyio", "aiometer", "aiohttp", "viztracer"
HEAD = "what", "goal", "median", "quartiles", "rounds", "both sides", ""
WIDTHS = 76, 8, 8, 15, 6, 18, 0


def machine() -> str:
    """What the numbers were measured on, and with which packages."""
    packages = [f"{package} {installed(package)}" for package in PACKAGES]
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return ", ".join([f"{os.cpu_count()} CPU cores, {platform.system()}, {python}", *packages])


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(missing)"


def cells(line: Line) -> list[str]:
    """The columns of a line, as `HEAD` names them."""
    goal = str(line.goal or "")
    if not line.values:
        return [line.what, goal, "", "", "", "", f"not run: {line.why}"]
    low, high = map(number, line.quartiles)
    spread = low if low == high else f"{low}–{high}"
    rounds = str(len(line.values))
    return [line.what, goal, number(line.median), spread, rounds, line.sides, line.verdict]


def text(columns: Sequence[str]) -> str:
    """A line of the table for the terminal."""
    return "  ".join(column.ljust(width) for column, width in zip(columns, WIDTHS)).rstrip()


def markdown(rows: Iterable[Row], lines: Mapping[str, Sequence[Line]]) -> str:
    """The whole table. lines: name of a row -> its lines."""
    parts = [f"Measured on {machine()}.\n\n{summary(lines)}"]
    for row in rows:
        parts.append(f"### {row.name}: {row.title}\n\n{tabulate(map(cells, lines[row.name]))}")
        if causes := causes_of(row, lines[row.name]):
            parts.append(f"Missed, because: {causes}")
    return "\n\n".join(parts) + "\n"


def tabulate(rows: Iterable[Sequence[str]]) -> str:
    emphasised = [[*row[:-1], f"**{row[-1]}**" if row[-1] == "missed" else row[-1]] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [HEAD, ["---"] * len(HEAD), *emphasised])


def causes_of(row: Row, lines: Iterable[Line]) -> str:
    """Why lines are missed; empty if none is."""
    return row.causes if any(line.verdict == "missed" for line in lines) else ""


def summary(lines: Mapping[str, Sequence[Line]]) -> str:
    verdicts = [line.verdict for of_row in lines.values() for line in of_row]
    met, missed, not_run = map(verdicts.count, ("met", "missed", "not run"))
    return f"Goals: {met} met, {missed} missed" + (f"; {not_run} lines not run." if not_run else ".")


def store(table: str) -> None:
    """Put the table into the README, in place of the one there."""
    text = README.read_text(encoding="utf-8")
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    README.write_text(f"{text[:begin]}\n\n{table}\n{text[end:]}", encoding="utf-8")
