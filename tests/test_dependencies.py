"""The lists of dependencies agree: pyproject.toml, environment.yml and those of pinned packages."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import course

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LEARNERS = PROJECT["dependencies"]
WANTED = LEARNERS + EXTRAS["build"] + EXTRAS["test"]
PINS = {
    name: (ROOT / name).read_text(encoding="utf-8") for name in (course.UV, course.PACKAGES, course.TOOLS)
}
CONDA_NAMES = {"playwright": "playwright-python"}  # what conda calls playwright is for another language
by_file = pytest.mark.parametrize("pins", PINS.values(), ids=PINS)


def entries(pins):
    """What a file of pins says of each package, without its comments."""
    return re.split(r"\n(?=\S)", re.sub(r"(?m)^\s*#.*\n", "", pins))


def versions(pins):
    """Package to the versions that are pinned: more than one where they depend on the machine."""
    found = {}
    for name, version in re.findall(r"(?m)^([\w.-]+)==([^\s;]+)", pins):
        found.setdefault(name, []).append(version)
    return found


def test_conda_gets_the_same_names_and_versions():
    lines = (ROOT / "environment.yml").read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(wanted).name for wanted in WANTED]
    conda = [text.replace(name, CONDA_NAMES.get(name, name)) for name, text in zip(wanted, WANTED)]
    assert [line.strip() for line in lines[lines.index("dependencies:") + 1 :]] == [
        "- python=3.12",
        "- pip",
        *[f"- {requirement}" for requirement in conda],
        "- pip:",
        "- -e .",
    ]


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        *[(course.PACKAGES, Requirement(each)) for each in LEARNERS],
        *[(course.TOOLS, Requirement(each)) for each in WANTED + EXTRAS["bench"]],
    ],
    ids=str,
)
def test_a_version_that_is_allowed_is_pinned(file, wanted):
    pinned = versions(PINS[file]).get(wanted.name)
    assert pinned
    assert list(wanted.specifier.filter(pinned)) == pinned


def test_what_learners_get_is_pinned_alike_for_tests():
    tools = versions(PINS[course.TOOLS])
    assert versions(PINS[course.PACKAGES]).items() <= tools.items()
    assert list(versions(PINS[course.UV])) == ["uv"]


@by_file
def test_every_pin_has_a_hash(pins):
    for entry in entries(pins):
        assert re.match(r"[\w.-]+==\S+", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry), entry


@by_file
def test_the_pins_name_no_index_and_no_host(pins):
    assert "://" not in pins
    options = re.findall(r"(?<!\S)--?[a-z][a-z-]*", "\n".join(entries(pins)))
    assert set(options) == {"--hash"}


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md", "helpers/recording/hooks.py"])
def test_all_that_name_versions_of_python_agree(file):
    (major, oldest), (_, newest) = course.OLDEST, course.NEWEST
    versions = [f"{major}.{minor}" for minor in range(oldest, newest + 1)]
    assert PROJECT["requires-python"] == f">={versions[0]},<{major}.{newest + 1}"
    named = re.findall(r"Python (3[\d., ]+ (?:and|or|to) 3\.\d+)", (ROOT / file).read_text(encoding="utf-8"))
    assert named
    for each in named:
        assert re.findall(r"[\d.]+\d", each) == (versions[:: newest - oldest] if " to " in each else versions)


@by_file
def test_the_pins_are_made_as_the_guide_says(pins):
    (command,) = re.findall(r"uv pip compile .*", pins)
    assert command in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
