"""The measure of minutes, and that each notebook promises what it takes."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from builder import build as builder
from builder.facts import CORE
from builder.minutes import FIGURE, LINE, PREDICTION, STEP, TASK, WORD, minutes, seconds

ROOT = Path(__file__).parents[2]
TIMED = [lesson for lesson in builder.find_lessons(ROOT) if lesson.number]
MOST, MOST_OF_LESSON_0, MOST_EXERCISES = 60, 25, 30


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (new_markdown_cell("Three short words."), 3 * WORD),
        (new_markdown_cell("**Predict.** How many?"), 3 * WORD + PREDICTION),
        (new_markdown_cell("| a | b |\n|---|---|\n| [one](1.ipynb) | 2 |"), 4 * WORD),
        (new_markdown_cell("Look:\n\n```python\nx = 1\n\ny = 2\n```"), WORD + 2 * LINE),
        (
            new_markdown_cell("<details>\n<summary>Solution</summary>\n\n```python\nx\n```\n\n</details>"),
            WORD + LINE,
        ),
        (new_markdown_cell("[index](0.ipynb)", metadata={"tags": ["navigation"]}), 0),
        (new_code_cell("x = 1\n\n# why\ny = 2"), 3 * LINE),
        (new_code_cell("from helpers import show_timeline\n\nshow_timeline(run)"), 2 * LINE + FIGURE),
        (
            new_code_cell("def f():\n    raise NotImplementedError", metadata={"tags": ["step"]}),
            2 * LINE + STEP,
        ),
        (new_code_cell("f = check_step(exercises.F, f)"), LINE),
        (new_code_cell("check(exercises.F, answer)"), LINE + TASK),
        (new_code_cell("quiz(exercises.QUIZ)"), LINE + TASK),
    ],
)
def test_what_a_cell_takes(cell, expected):
    assert seconds(cell) == pytest.approx(expected)


def test_exercises_are_counted_for_themselves():
    cells = [
        new_markdown_cell("## One\n\nText."),
        new_markdown_cell("## Exercises\n\n### Exercise 1"),
        new_code_cell("check(exercises.F, answer)"),
        new_markdown_cell("## Keypoints"),
    ]
    taken = minutes(new_notebook(cells=cells))
    assert taken.reading * 60 == pytest.approx(3 * WORD)
    assert taken.exercises * 60 == pytest.approx(3 * WORD + LINE + STEP)


@pytest.mark.parametrize("lesson", TIMED, ids=lambda lesson: lesson.name)
def test_a_notebook_takes_as_long_as_it_promises(lesson):
    facts, taken = builder.facts(lesson), minutes(nbformat.read(lesson.learners, as_version=4))
    for promised, needed in ((facts.minutes or 0, taken.reading), (facts.exercises or 0, taken.exercises)):
        assert needed <= promised < needed + 10, f"{needed:.1f} minutes by the measure, {promised} promised"


@pytest.mark.parametrize("lesson", TIMED, ids=lambda lesson: lesson.name)
def test_a_core_fits_into_an_hour(lesson):
    facts = builder.facts(lesson)
    most = MOST_OF_LESSON_0 if lesson.number == "0" else MOST
    assert facts.level != CORE or facts.minutes <= most
    assert (facts.exercises or 0) <= MOST_EXERCISES
