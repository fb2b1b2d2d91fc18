"""The three lists of dependencies agree: pyproject.toml, environment.yml and requirements.txt."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import course

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WANTED = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
PINS = (ROOT / "requirements.txt").read_text(encoding="utf-8")
CONDA_NAMES = {"playwright": "playwright-python"}  # what conda calls playwright is for another language
ENTRIES = re.split(r"\n(?=\S)", re.sub(r"(?m)^\s*#.*\n", "", PINS))


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


@pytest.mark.parametrize("wanted", [Requirement(wanted) for wanted in WANTED], ids=str)
def test_a_version_that_is_allowed_is_pinned(wanted):
    versions = re.findall(rf"^{wanted.name}==([^\s;]+)", PINS, re.MULTILINE)
    assert versions
    assert list(wanted.specifier.filter(versions)) == versions


def test_every_pin_has_a_hash():
    for entry in ENTRIES:
        assert re.match(r"[\w.-]+==\S+", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry), entry


def test_the_pins_name_no_index_and_no_host():
    assert "://" not in PINS
    options = re.findall(r"(?<!\S)--?[a-z][a-z-]*", "\n".join(ENTRIES))
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


def test_the_pins_are_made_as_the_guide_says():
    (command,) = re.findall(r"uv pip compile .*", PINS)
    assert command in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
