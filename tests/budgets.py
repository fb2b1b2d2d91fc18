"""How much is tried: a part of it in the ordinary run, all of it with `course.py test --all`."""

import os

import pytest
from hypothesis import settings

ALL = os.environ.get("COURSE_TESTS") == "all"  # `pytest --all` sets it, for its workers too

# A test that takes long, and whose subject changes seldom, or is tried by others in parts.
weekly = pytest.mark.weekly


def of(part, everything):
    """What is tried in the ordinary run, and what with --all."""
    return everything if ALL else part


def examples(part, everything):
    """Settings for a property: how many examples are tried. They are the same in each run."""
    return settings(deadline=None, derandomize=True, database=None, max_examples=of(part, everything))
