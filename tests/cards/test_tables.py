"""A table in two forms."""

import pytest

from helpers import show_table
from helpers.cards import tables


@pytest.fixture
def shown(monkeypatch):
    outputs = []
    monkeypatch.setattr(tables, "show", lambda body, text: outputs.append((body, text)))
    return outputs


def test_the_text_is_aligned(shown):
    show_table(["way", "peak"], [["`invoke`", 5], ["a", "all {20}"]], "Peaks")
    assert shown[0][1].splitlines() == ["Peaks", "way      | peak", "`invoke` | 5", "a        | all {20}"]


def test_the_html_has_heads_cells_and_code(shown):
    show_table(["way"], [["`invoke`"], ["<b>"]], "Peaks & more")
    body = shown[0][0]
    assert body.count("<th ") == 1 and body.count("<td ") == 2
    assert "<code>invoke</code>" in body and "&lt;b&gt;" in body and "Peaks &amp; more" in body


def test_wrong_rows_are_told():
    with pytest.raises(ValueError, match="rows is empty"):
        show_table(["a"], [], "title")
    with pytest.raises(ValueError, match=r"rows\[1\] has 1 values for 2 columns: \['x'\]"):
        show_table(["a", "b"], [[1, 2], ["x"]], "title")
