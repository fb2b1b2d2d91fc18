"""The finished library with the learner's steps in it, and the package that is saved of it."""

import asyncio
import importlib
import re
import sys
from textwrap import dedent

import pytest

from helpers.cards.library import put_in, show_library
from lessons.lesson4_execution_model import tasks
from lessons.lesson5_synchronization import runnable_parallel, sequence

MODULE = dedent(
    '''
    """A module."""

    def first():
        return 1


    class Chain:
        """A chain."""

        @property
        def length(self):
            return 2

        def run(self):
            return 3
    '''
).strip()
HERS = (
    "from itertools import count\n\n\ndef helper():\n    return 5\n\n\ndef run(self):\n    return helper()\n"
)
STEP = '''
async def run_as_tasks(calls):
    """Hers: it makes them one after another."""
    return [await call() for call in calls.values()]
'''


@pytest.fixture
def shown(monkeypatch):
    found = []
    monkeypatch.setattr("helpers.cards.card.display", lambda data, raw: found.append(data))
    return found


@pytest.fixture
def copies(tmp_path, monkeypatch):
    """A folder with a learner's copies, and a step that she has written."""
    (tmp_path / ".course.json").write_text("{}")
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "lesson4_run_as_tasks.py").write_text(STEP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_library"]:
        del sys.modules[name]


def run(source):
    namespace = {}
    exec(source, namespace)
    return namespace


def test_a_function_of_a_module_is_replaced_and_marked():
    merged = put_in(MODULE, "first", "def first():\n    return 10")
    assert "# Yours: first\ndef first():\n    return 10\n" in merged
    assert run(merged)["first"]() == 10 and run(merged)["Chain"]().run() == 3


def test_a_method_is_moved_into_its_class_and_what_it_needs_before_that():
    merged = put_in(MODULE, "Chain.run", HERS)
    assert merged.index("from itertools") < merged.index("def helper") < merged.index("class Chain")
    assert "    # Yours: Chain.run\n    def run(self):\n" in merged
    assert run(merged)["Chain"]().run() == 5 and run(merged)["Chain"]().length == 2


@pytest.mark.parametrize("name", ["second", "Chain.walk", "first.run"])
def test_what_the_module_does_not_have_is_left_out(name):
    assert put_in(MODULE, name, "def run(self): pass\ndef second(): pass\ndef walk(self): pass") is None


def test_outside_a_learners_copy_it_is_the_courses_code_and_nothing_is_written(tmp_path, monkeypatch, shown):
    monkeypatch.chdir(tmp_path)
    show_library([tasks], "The library")
    text = shown[0]["text/plain"]
    assert text.startswith("The library\nSteps of yours in it: none yet.\n# lesson4_execution_model.tasks, ")
    assert "Yours:" not in text and list(tmp_path.iterdir()) == []


def test_in_a_copy_her_steps_are_in_it_and_it_is_saved_as_a_package_that_runs(copies, shown):
    show_library([tasks, runnable_parallel, sequence], "The library")
    text = shown[0]["text/plain"]
    assert "Steps of yours in it: run_as_tasks. It is saved as the package `my_library`" in text
    assert "# Yours: run_as_tasks\nasync def run_as_tasks" in text
    assert re.search(r"(?m)^# lesson4_execution_model.tasks, \d+ lines, yours: run_as_tasks$", text)

    mine = importlib.import_module("my_library")

    async def name(value):
        return asyncio.current_task().get_name()

    names = asyncio.run(mine.RunnableParallel(a=name, b=name).ainvoke(1))
    assert names["a"] == names["b"]  # one after another in the same task: hers
    assert mine.RunnableParallel.__module__ == "my_library.lesson5_synchronization.runnable_parallel"


def test_a_step_that_does_not_load_is_said(copies, shown):
    (copies / "steps" / "lesson4_run_as_tasks.py").write_text(f"from nowhere import nothing\n{STEP}")
    show_library([tasks], "The library")
    assert "but does not load: ModuleNotFoundError: No module named 'nowhere'" in shown[0]["text/plain"]


def test_no_modules_are_refused():
    with pytest.raises(ValueError, match="modules is empty"):
        show_library([], "The library")
