"""Source code shown as it stands in its module."""

import pytest

from helpers import show_sources
from helpers.cards import sources
from lessons.lesson3_concurrency_limits import limits
from lessons.lesson3_concurrency_limits.semaphore import Semaphore


@pytest.fixture
def shown(monkeypatch):
    outputs = []
    monkeypatch.setattr(sources, "show", lambda body, text: outputs.append((body, text)))
    return outputs


def test_the_text_has_all_of_the_code_in_the_order_given(shown):
    show_sources([limits, Semaphore.release], "Two pieces")
    [(_, text)] = shown
    with open(limits.__file__, encoding="utf-8") as file:
        source = file.read().rstrip()
    assert text.startswith("Two pieces\n# lessons.lesson3_concurrency_limits.limits, ")
    assert source in text
    assert text.index(source) < text.index("# Semaphore.release, ") < text.index("def release(self):")


def test_each_piece_is_folded_and_says_how_long_it_is(shown):
    show_sources([limits.check_limit, Semaphore], "Two <pieces>")
    [(body, _)] = shown
    assert body.count("<details>") == body.count("</details>") == 2
    assert ">check_limit, 5 lines</summary>" in body
    assert "Two &lt;pieces&gt;" in body and "limit &lt; 1" in body


@pytest.mark.parametrize("item", [5, "source", [limits], len])
def test_what_has_no_source_is_told(item):
    with pytest.raises(TypeError, match="source"):
        show_sources([item], "title")


def test_nothing_to_show_is_told():
    with pytest.raises(ValueError, match="items is empty"):
        show_sources([], "title")
