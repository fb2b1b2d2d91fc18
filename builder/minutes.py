"""How long a learner needs for a notebook, measured on her edition of it.

All that she may read is counted, folded text and the lines of stubs included, at the paces below. They are
estimates for someone who meets the subject for the first time, the same for every notebook.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from nbformat import NotebookNode

WORD = 60 / 180  # seconds
LINE = 8  # of code; an empty one takes no time
PREDICTION = 60
FIGURE = 45  # a picture, a player, a rendered diff
TASK = 120  # an exercise within a section, a quiz
STEP = 240  # a building step, an exercise at the end

EXERCISES = "Exercises"  # the heading of the section that holds them
_SECTION = re.compile(r"(?m)^## (.*)")
_CODE = re.compile(r"(?ms)^```.*?^```")
_NOT_READ = re.compile(r"(?s)<!--.*?-->|</?\w[^>]*>|\]\([^)]*\)")
_FIGURE = re.compile(r"(?m)^(?!from |import |def ).*\b(?:show_\w+|step_through)\(")
_CHECK = re.compile(r"(?m)^(?:\w+ = )?check(?:_step)?\(")


@dataclass
class Minutes:
    """Minutes for all but the exercises, and for these."""

    reading: float = 0.0
    exercises: float = 0.0


def minutes(edition: NotebookNode) -> Minutes:
    """The minutes that a learner's edition takes."""
    taken = sections(edition.cells)
    exercises = taken.pop(EXERCISES, 0.0)
    return Minutes(sum(taken.values()), exercises)


def sections(cells: Iterable[NotebookNode]) -> dict[str, float]:
    """The minutes of each section by its heading, in order; what stands before the first has none, ""."""
    taken, section = {"": 0.0}, ""
    for cell in cells:
        if cell.cell_type == "markdown" and (heading := _SECTION.search(cell.source)):
            section = heading[1]
        taken[section] = taken.get(section, 0.0) + seconds(cell, section == EXERCISES) / 60
    return taken


def seconds(cell: NotebookNode, in_exercises: bool = False) -> float:
    """The seconds that one cell takes."""
    tags = cell.metadata.get("tags", ())
    if "navigation" in tags:
        return 0
    if cell.cell_type == "markdown":
        code, text = _CODE.findall(cell.source), _NOT_READ.sub("", _CODE.sub("", cell.source))
        words = sum(bool(re.search(r"\w", word)) for word in text.split())
        return words * WORD + sum(map(_lines, code)) * LINE + text.count("**Predict.**") * PREDICTION
    spent = _lines(cell.source) * LINE + len(_FIGURE.findall(cell.source)) * FIGURE
    if "step" in tags:
        spent += STEP
    elif _CHECK.search(cell.source) and "check_step(" not in cell.source:
        spent += STEP if in_exercises else TASK
    elif re.search(r"(?m)^quiz\(", cell.source):
        spent += TASK
    return spent


def _lines(code: str) -> int:
    """Lines of code; those with the fence around it are none."""
    return sum(bool(line.strip()) and not line.startswith("```") for line in code.splitlines())
