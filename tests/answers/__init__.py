"""Right and wrong answers to every exercise, by what they are about: the table of `test_exercises`.

One module a lesson. Its ANSWERS has a row for each exercise, and a row has a cell for each category:
answers with what the check must say of them, or why the category does not apply.
"""

from dataclasses import dataclass

RIGHT_SHAPES = "other right shapes"
CATEGORIES = (
    RIGHT_SHAPES,
    "order",
    "failure",
    "cancellation from outside",
    "empty input",
    "falsy results",
    "one straggler",
    "the limit at three values",
    "the resource really used",
    "clean-up",
)


@dataclass(frozen=True)
class Right:
    """An answer that the check takes."""

    answer: object


@dataclass(frozen=True)
class Wrong:
    """An answer at which the check stops. case: a part of the text of the case that refuses it.

    patience: seconds that the cases wait instead of PATIENCE, for an answer that never ends.
    """

    answer: object
    case: str
    patience: float | None = None


@dataclass(frozen=True)
class DoesNotApply:
    because: str


def row(cells, **because):
    """A row of filled cells and of reasons why the others do not apply (`_` in a key stands for a blank)."""
    reasons = {key.replace("_", " "): DoesNotApply(reason) for key, reason in because.items()}
    both = cells | reasons
    assert both.keys() == set(CATEGORIES), both.keys() ^ set(CATEGORIES)
    return {category: both[category] for category in CATEGORIES}


def prediction(*right):
    """The row of an exercise whose answer is a value: `right` are ways to write it."""
    value = DoesNotApply("the answer is a value, and nothing of the learner's runs")
    return dict.fromkeys(CATEGORIES, value) | {RIGHT_SHAPES: [Right(each) for each in right]}
