"""The cell that checks the environment says what is wrong and what to do."""

import asyncio
import re
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from helpers.cards import environment
from helpers.cards.environment import (
    ROOT,
    check_environment,
    folder_problems,
    loop_problems,
    package_problems,
    python_problems,
    read_requirements,
    tracing_problems,
)


@pytest.fixture
def shown(monkeypatch):
    outputs = []
    monkeypatch.setattr("helpers.cards.card.display", lambda data, raw: outputs.append(data))
    return outputs


async def in_a_cell():
    check_environment()


def test_all_is_well_here_and_no_version_is_named(shown):
    asyncio.run(in_a_cell())
    (bundle,) = shown
    headline, *checked = bundle["text/plain"].splitlines()
    assert headline == "Everything is in place."
    assert "- the packages aiohttp, " in bundle["text/plain"] and len(checked) == 5
    assert not re.search(r"\d", bundle["text/plain"])
    assert all(line.removeprefix("- ") in bundle["text/html"].replace("&#x27;", "'") for line in checked)


def test_each_problem_has_a_line(shown, monkeypatch):
    monkeypatch.setattr(
        environment, "read_requirements", lambda root: (SpecifierSet(">=99"), [Requirement("nowhere")])
    )
    check_environment()
    headline, *problems = shown[0]["text/plain"].splitlines()
    assert headline == "This needs mending:"
    starts = ("- This is Python 3.", "- The package nowhere is not installed.", "- No event loop is running.")
    assert len(problems) == len(starts)
    assert all(problem.startswith(start) for problem, start in zip(problems, starts))


def test_requirements_come_from_pyproject():
    python, requirements = read_requirements(ROOT)
    assert str(python) == "<3.15,>=3.11"
    assert {"langchain-core", "ipykernel"} <= {each.name for each in requirements}


def test_without_pyproject_they_come_from_the_installed_project(tmp_path, monkeypatch):
    lines = ["numpy<3,>=2", 'pytest<10,>=9; extra == "test"', 'colorama; sys_platform == "nowhere"']
    monkeypatch.setattr(metadata, "requires", {"parallel-chains-course": lines}.get)
    monkeypatch.setattr(metadata, "metadata", {"parallel-chains-course": {"Requires-Python": ">=3.11"}}.get)
    python, requirements = read_requirements(tmp_path)
    assert (str(python), [each.name for each in requirements]) == (">=3.11", ["numpy"])


@pytest.mark.parametrize(
    ("version", "count"), [("3.11.0", 0), ("3.14.0rc1", 0), ("3.10.12", 1), ("3.15.0a2", 1)]
)
def test_the_version_of_python(version, count):
    problems = list(python_problems(version, SpecifierSet(">=3.11,<3.15")))
    assert len(problems) == count
    assert all(version in problem and "<3.15,>=3.11" in problem for problem in problems)


@pytest.mark.parametrize(
    ("requirement", "problem"),
    [
        ("pytest>=1", None),
        ("no-such-package", "The package no-such-package is not installed."),
        ("pytest<1", "and the course needs <1."),
    ],
)
def test_packages(requirement, problem):
    problems = list(package_problems([Requirement(requirement)]))
    assert len(problems) == (problem is not None)
    assert all(problem in each and "python3 course.py lab" in each for each in problems)


def test_a_package_that_lost_its_files_is_told(monkeypatch):
    monkeypatch.setattr(metadata, "version", {"half-there": "1.0"}.get)
    (problem,) = package_problems([Requirement("half-there")])
    assert problem.startswith("The package half-there is installed only in part.")


def test_the_folders_of_the_course(tmp_path, monkeypatch):
    assert not list(folder_problems(ROOT))
    assert ["something else" in problem for problem in folder_problems(tmp_path)] == [True, True]
    monkeypatch.setattr(environment, "find_spec", lambda name: None)
    assert ["finds nothing" in problem for problem in folder_problems(ROOT)] == [True, True]


def test_the_event_loop():
    loop = asyncio.new_event_loop()
    assert not list(loop_problems(loop))
    loop.close()

    foreign = type("Loop", (asyncio.AbstractEventLoop,), {"__module__": "uvloop"})()
    (problem,) = loop_problems(foreign)
    assert problem.startswith("The event loop is uvloop.Loop, not asyncio's own")


@pytest.mark.parametrize(
    ("environ", "culprit"),
    [
        ({}, None),
        ({"LANGSMITH_TRACING": "false", "LANGCHAIN_TRACING": "true"}, None),
        ({"LANGSMITH_TRACING": "false", "LANGSMITH_TRACING_V2": "true"}, "LANGSMITH_TRACING_V2"),
        ({"LANGCHAIN_TRACING_V2": " ", "LANGSMITH_TRACING": "true"}, "LANGSMITH_TRACING"),
    ],
)
def test_tracing_is_judged_as_langsmith_does(environ, culprit, monkeypatch):
    problems = list(tracing_problems(environ))
    assert [problem.split()[0] for problem in problems] == ([culprit] if culprit else [])

    utils = pytest.importorskip("langsmith.utils")
    for name in ("LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING", "LANGCHAIN_TRACING"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    utils.get_env_var.cache_clear()
    try:
        assert utils.tracing_is_enabled() is bool(culprit)
    finally:
        utils.get_env_var.cache_clear()
