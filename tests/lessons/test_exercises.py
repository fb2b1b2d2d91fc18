"""Every check, held against right and wrong answers; see `answers` for the table."""

import importlib
from pathlib import Path

import pytest
from answers import CATEGORIES, RIGHT_SHAPES, DoesNotApply, Right, Wrong
from solutions import checked_in, exercises_of

from helpers.cards.checks import run_cases

FOLDERS = sorted(path.parent for path in Path(__file__).parents[2].glob("lessons/*/exercises.py"))
EXERCISES = [(folder, name) for folder in FOLDERS for name in exercises_of(folder)]
TIMEOUT = 60  # seconds a case may take on a busy machine


def table(folder):
    return importlib.import_module(f"answers.{folder.name.partition('_')[0]}").ANSWERS


def answers(kind):
    """(folder, exercise, category, answer) of each answer of a kind."""
    return [
        pytest.param(folder, name, each, id=f"{name}-{category}-{number}".replace(" ", "_"))
        for folder in FOLDERS
        for name, cells in table(folder).items()
        for category, cell in cells.items()
        if not isinstance(cell, DoesNotApply)
        for number, each in enumerate(cell, 1)
        if isinstance(each, kind)
    ]


def report_on(folder, name, answer):
    return run_cases(exercises_of(folder)[name], answer, TIMEOUT)


by_exercise = pytest.mark.parametrize(("folder", "name"), EXERCISES, ids=[name for _, name in EXERCISES])


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_exercise_has_a_stub_and_a_solution_in_its_notebook(folder):
    found = [(each.exercise, each.is_solution) for each in checked_in(folder)]
    assert found[::2] == [(name, False) for name, _ in found[1::2]]
    assert sorted(found) == sorted(
        (name, is_solution) for name in exercises_of(folder) for is_solution in (False, True)
    )


@by_exercise
def test_the_stub_counts_as_not_written_and_the_solution_is_right(folder, name):
    stub, solution = (each.answer for each in checked_in(folder) if each.exercise == name)
    assert not report_on(folder, name, stub).written
    report = report_on(folder, name, solution)
    assert report, report.text()


@by_exercise
def test_every_category_is_filled(folder, name):
    cells = table(folder)[name]
    assert list(cells) == list(CATEGORIES)
    for category, cell in cells.items():
        if isinstance(cell, DoesNotApply):
            assert cell.because
        else:
            kind = Right if category == RIGHT_SHAPES else Wrong
            assert any(isinstance(each, kind) for each in cell), f"{category}: nothing of {kind.__name__}"


@pytest.mark.parametrize(("folder", "name", "each"), answers(Right))
def test_what_is_right_is_taken(folder, name, each):
    report = report_on(folder, name, each.answer)
    assert report, report.text()


@pytest.mark.parametrize(("folder", "name", "each"), answers(Wrong))
def test_what_is_wrong_is_refused_by_the_case_that_is_about_it(folder, name, each, monkeypatch):
    if each.patience:
        monkeypatch.setattr(f"lessons.{folder.name}.exercises.PATIENCE", each.patience)
    report = report_on(folder, name, each.answer)
    assert not report and report.written
    assert each.case in report.failed, report.text()


@by_exercise
def test_every_typical_wrong_answer_has_its_own_hint(folder, name):
    exercise = exercises_of(folder)[name]
    for typical in exercise.get("wrong", []):
        report = report_on(folder, name, typical["answer"])
        assert not report and report.hint == typical["hint"]


@by_exercise
def test_every_case_can_fail(folder, name):
    exercise = exercises_of(folder)[name]
    if exercise.get("wrong"):
        assert len(exercise["cases"]) == 1  # the typical answers fail it
        return
    cells = [cell for cell in table(folder)[name].values() if not isinstance(cell, DoesNotApply)]
    fragments = [each.case for cell in cells for each in cell if isinstance(each, Wrong)]
    for case in exercise["cases"]:
        assert any(fragment in case["case"] for fragment in fragments), f"nothing fails: {case['case']}"
