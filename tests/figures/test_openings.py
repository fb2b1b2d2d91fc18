"""The pictures with which lessons open: the same in each run, and nothing is left of what they simulate."""

import pytest

from helpers.figures.openings import SCENES, show_opening


@pytest.fixture
def shown(monkeypatch):
    found = []
    monkeypatch.setattr("helpers.cards.card.display", lambda data, raw: found.append(data))
    return found


@pytest.mark.parametrize("scene", SCENES)
def test_a_picture_is_the_same_in_each_run_and_asks_something(scene, shown, nothing_is_left):
    show_opening(scene)
    show_opening(scene)
    first, second = shown
    assert first == second
    question = first["text/plain"].splitlines()[0]
    assert question == SCENES[scene].question and question.endswith("?")
    assert "data:image/png;base64," in first["text/html"]


def test_an_unknown_scene_is_told(shown):
    with pytest.raises(ValueError, match="scene must be one of both ways, one thread, .* not 'loop'"):
        show_opening("loop")
