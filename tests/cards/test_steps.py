"""The check of a building step: what it hands on, and what it keeps beside the learner's copy."""

import asyncio
import inspect
import linecache

import pytest

from helpers.cards import steps
from helpers.cards.steps import check_step
from lessons.lesson1_async_execution.exercises import RUN_AS_TASKS

HERS = """
def in_order(tasks):
    return tasks

async def run_as_tasks(calls):
    tasks = [asyncio.create_task(call(), name=name) for name, call in calls.items()]
    return [await task for task in in_order(tasks)]
"""
WRONG = "async def run_as_tasks(calls):\n    return [await call() for call in calls.values()]\n"
STUB = "async def run_as_tasks(calls):\n    raise NotImplementedError\n"


class Notebook:
    """Cells that run one after another in a namespace of their own, as those of a notebook do."""

    def __init__(self):
        self.namespace = {"__name__": "__main__", "asyncio": asyncio, "RUN_AS_TASKS": RUN_AS_TASKS}
        self.namespace["check_step"] = check_step
        self.cells = 0

    def run(self, source):
        self.cells += 1
        file = f"<cell {self.cells} of {id(self)}>"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        exec(compile(source, file, "exec"), self.namespace)

    def check(self, source=""):
        """Run a cell, and the cell that checks it; return the function that is handed on."""
        self.run(source)
        self.run("run_as_tasks = check_step(RUN_AS_TASKS, run_as_tasks, timeout=60)")
        return self.namespace["run_as_tasks"]


@pytest.fixture
def notebook():
    return Notebook()


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lessons.lesson1_async_execution.exercises.PATIENCE", 0.1)
    return tmp_path


@pytest.fixture
def copies(tmp_path):
    """The folder of the learner's copies: `course.py lab` has made it."""
    (tmp_path / ".course.json").write_text("{}")
    return tmp_path


@pytest.fixture(autouse=True)
def shown(monkeypatch):
    """The texts that are shown."""
    shown = []
    monkeypatch.setattr(steps, "show", lambda body, text: shown.append(text))
    return shown


def test_hers_goes_on_when_it_is_right(notebook, shown):
    version = notebook.check(HERS)
    assert "in_order" in inspect.getsource(version)
    assert shown[0].endswith("Right: all 8 cases.\nThe next cells use your version.")
    assert notebook.check() is version
    assert shown[1] == shown[0]


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        (STUB, "Not written yet. Fill in the stub above, then run this cell again."),
        (WRONG, "Not yet: case 2 of 8."),
        ("def run_as_tasks(calls):\n    raise SystemExit\n", "Not yet: case 1 of 8."),
        ("run_as_tasks = None", "Not written yet. Fill in the stub above, then run this cell again."),
    ],
)
def test_the_courses_goes_on_until_hers_is_right(source, verdict, notebook, shown):
    version = notebook.check(source)
    assert shown[0].endswith(f"{verdict}\nUntil then the next cells use the course's version.")
    assert inspect.getsource(version) == inspect.getsource(RUN_AS_TASKS["course"])
    assert version.__globals__ is notebook.namespace
    assert notebook.check(HERS) is not version
    assert shown[1].endswith("The next cells use your version.")


@pytest.mark.parametrize(("source", "is_there"), [(STUB, False), (WRONG, True), (HERS, False)])
def test_who_has_tried_may_unfold_the_courses_version(source, is_there, notebook, monkeypatch):
    bodies = []
    monkeypatch.setattr("helpers.cards.steps.show", lambda body, text: bodies.append(body))
    notebook.check(source)
    folded = "<summary" in bodies[0] and "The course&#x27;s version</summary>" in bodies[0]
    assert (folded or "The course's version</summary>" in bodies[0]) == is_there


def test_the_courses_version_uses_what_the_notebook_has_defined(notebook):
    version = notebook.check(STUB)
    notebook.run("class asyncio:\n    create_task = 'her own'")
    with pytest.raises(TypeError, match="'str' object is not callable"):
        asyncio.run(version({"a": print}))


def test_what_was_handed_on_does_not_count_as_hers(notebook, shown):
    version = notebook.check(STUB)
    assert notebook.check() is version
    assert shown[1] == ("This is the course's version. To check your own, run its cell, and then this one.")


def test_a_step_that_was_right_is_kept_and_used_again_after_a_reset(copies, notebook, shown):
    notebook.check(HERS)
    assert (copies / "steps" / "lesson1_run_as_tasks.py").read_text() == HERS
    version = Notebook().check(STUB)
    assert "in_order" in inspect.getsource(version)
    said = "Until then the next cells use the version that you wrote earlier. To have it back, copy it up:"
    assert shown[1].endswith(f"{said}\n{HERS}")


def test_a_wrong_try_does_not_replace_what_is_kept(copies, notebook):
    notebook.check(HERS)
    assert "in_order" in inspect.getsource(Notebook().check(WRONG))
    assert (copies / "steps" / "lesson1_run_as_tasks.py").read_text() == HERS


@pytest.mark.parametrize("kept", [WRONG, "not Python", "other = 1", "raise ValueError", ""])
def test_what_is_kept_and_is_not_right_any_more_is_passed_over(kept, copies, notebook, shown):
    (copies / "steps").mkdir()
    (copies / "steps" / "lesson1_run_as_tasks.py").write_text(kept)
    notebook.namespace["hers"] = "untouched"
    version = notebook.check(STUB)
    assert inspect.getsource(version) == inspect.getsource(RUN_AS_TASKS["course"])
    assert notebook.namespace["hers"] == "untouched"
    assert "other" not in notebook.namespace
    assert shown[0].endswith("Until then the next cells use the course's version.")


def test_where_the_notebooks_are_no_copies_nothing_is_kept_nor_read(tmp_path, notebook, shown):
    notebook.check(HERS)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "lesson1_run_as_tasks.py").write_text(HERS)
    assert "in_order" not in inspect.getsource(Notebook().check(STUB))


def test_a_step_needs_the_courses_version():
    with pytest.raises(ValueError, match="step 'Write it': 'course' must be a function, not None"):
        check_step({"title": "Write it", "cases": []}, print)
