"""The first cell of the course: is everything in place, and if not, what is to be done?"""

from __future__ import annotations

import asyncio
import html
import os
import platform
import tomllib
from collections.abc import Iterator, Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from helpers.cards.card import NOT_YET, RIGHT, card, show
from helpers.stop_button import RESTART

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "parallel-chains-course"
REMEDY = "Close the notebook and start it again with: python3 course.py lab"


def check_environment() -> None:
    """Show "Everything is in place." or a line for each thing that is wrong and what to do about it."""
    python, requirements = read_requirements(ROOT)
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = None
    problems = [
        *python_problems(platform.python_version(), python),
        *package_problems(requirements),
        *folder_problems(ROOT),
        *loop_problems(loop),
        *tracing_problems(os.environ),
    ]
    names = ", ".join(requirement.name for requirement in requirements)
    checked = [
        "the version of Python",
        f"the packages {names}",
        "the folders helpers and lessons",
        "the event loop of the kernel is asyncio's own",
        "nothing is sent to a tracing service",
    ]
    headline = "This needs mending:" if problems else "Everything is in place."
    lines = problems or checked
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    body = f'<div><b>{headline}</b></div><ul style="margin:2px 0">{items}</ul>'
    show(card(body, NOT_YET if problems else RIGHT), "\n".join([headline, *(f"- {line}" for line in lines)]))


def read_requirements(root: Path) -> tuple[SpecifierSet, list[Requirement]]:
    """The versions of Python and the packages the course needs.

    From pyproject.toml in `root`, or, where the course is installed without it, from its metadata.
    """
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        python, needed = project["requires-python"], project["dependencies"]
    except FileNotFoundError:
        python = metadata.metadata(PROJECT)["Requires-Python"]
        needed = metadata.requires(PROJECT)
    requirements = [Requirement(line) for line in needed]
    here = {"extra": ""}  # without the packages that only the tests need
    return SpecifierSet(python), [
        each for each in requirements if not each.marker or each.marker.evaluate(here)
    ]


def python_problems(version: str, allowed: SpecifierSet) -> Iterator[str]:
    if not allowed.contains(version, prereleases=True):
        yield f"This is Python {version}, and the course needs {allowed}. Install that. {REMEDY}"


def package_problems(requirements: list[Requirement]) -> Iterator[str]:
    for requirement in requirements:
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield f"The package {requirement.name} is not installed. {REMEDY}"
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            name, needed = requirement.name, requirement.specifier
            yield f"The package {name} is version {version}, and the course needs {needed}. {REMEDY}"
        elif find_spec(requirement.name.replace("-", "_")) is None:
            yield f"The package {requirement.name} is installed only in part. {REMEDY}"


def folder_problems(root: Path) -> Iterator[str]:
    for name in ("helpers", "lessons"):
        spec = find_spec(name)
        if spec is None:
            yield f"`import {name}` finds nothing. {REMEDY}"
        elif root / name not in map(Path.resolve, map(Path, spec.submodule_search_locations or [])):
            yield f"`import {name}` finds something else, not the folder {name} of this course. {REMEDY}"


def loop_problems(loop: asyncio.AbstractEventLoop | None) -> Iterator[str]:
    if loop is None:
        yield "No event loop is running. Call this in a cell of a notebook."
    elif not isinstance(loop, asyncio.BaseEventLoop):
        kind = f"{type(loop).__module__}.{type(loop).__qualname__}"
        yield f"The event loop is {kind}, not asyncio's own; figures would be empty. Turn it off. {RESTART}"


def tracing_problems(environ: Mapping[str, str]) -> Iterator[str]:
    # In the order in which langsmith looks at them: the first that is set decides.
    names = ("LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING", "LANGCHAIN_TRACING")
    name = next((name for name in names if environ.get(name, "").strip()), None)
    if name and environ[name] == "true":
        yield f"{name} is set to true, so every run would be sent to LangSmith. Unset it. {RESTART}"
