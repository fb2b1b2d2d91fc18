"""Charts: what they draw is what they are given, in the theme's colours."""

import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure

from helpers.figures import charts
from helpers.figures.charts import Curve, show_bars, show_counts, show_curves, show_dots
from helpers.figures.theme import THEMES, is_light

WORDS = {"caption": "What to see.", "text": "In words."}
SHOWS = {
    show_curves: {"panels": {"Title": [Curve("a", line=([0, 1], [2, 3]))]}, "x": "limit"},
    show_bars: {"panels": {"Title": {"one": 1.0}}},
    show_counts: {"panels": {"Title": [1, 2, 2]}, "x": "seconds", "y": "callers"},
    show_dots: {"rows": {"one": [1, 2]}, "x": "ms"},
}
each_chart = pytest.mark.parametrize("show", SHOWS, ids=lambda show: show.__name__)
each_theme = pytest.mark.parametrize("theme", THEMES)


@pytest.fixture
def shown(monkeypatch):
    """What is shown: (figure, words) of each."""
    shown = []
    monkeypatch.setattr(charts, "show_figure", lambda fig, **words: shown.append((fig, words)))
    return shown


@each_chart
@each_theme
def test_a_chart_has_the_colours_of_its_theme_and_its_words(show, theme, shown):
    show(**SHOWS[show], **WORDS, theme=theme)
    ((fig, words),) = shown
    assert isinstance(fig, Figure)
    assert words == WORDS
    look = THEMES[theme]
    assert same_color(fig.get_facecolor(), look.background)
    (ax,) = fig.axes
    assert all(same_color(label.get_color(), look.text) for label in ax.get_yticklabels())
    drawn = [line.get_color() for line in ax.lines] + [patch.get_facecolor() for patch in ax.patches]
    assert drawn and all(same_color(colour, look.series[0]) for colour in drawn)


@each_chart
def test_a_larger_font_is_taken(show, shown):
    show(**SHOWS[show], **WORDS, font=20)
    ((fig, _),) = shown
    assert fig.axes[0].xaxis.label.get_size() == 20


@each_chart
def test_what_is_asked_for_wrongly_is_named(show):
    what = next(iter(SHOWS[show]))
    with pytest.raises(ValueError, match="there is nothing to show"):
        show(**SHOWS[show] | {what: {}}, **WORDS)
    with pytest.raises(ValueError, match="theme must be 'light' or 'dark', not 'blue'"):
        show(**SHOWS[show], **WORDS, theme="blue")
    with pytest.raises(ValueError, match="font must be a size in points"):
        show(**SHOWS[show], **WORDS, font=0)


@each_chart
def test_a_chart_is_shown_with_its_words(show, monkeypatch):
    shown = []
    monkeypatch.setattr("helpers.cards.card.display", lambda data, raw: shown.append(data["text/plain"]))
    show(**SHOWS[show], **WORDS)
    assert shown == ["What to see.\nIn words."]


def test_curves_are_drawn_as_they_are_given(shown):
    law = Curve("the law", line=([0, 10], [0, 5]), points=([1, 2], [3, 4]), dashed=True)
    show_curves(
        {"One": [law], "Two": [Curve("bounds", band=([0, 1], [1, 1], [2, 3])), law]},
        x="limit",
        y="seconds",
        at={"capacity": 7},
        **WORDS,
    )
    one, two = shown[0][0].axes
    assert (one.get_title(loc="left"), one.get_xlabel(), one.get_ylabel()) == ("One", "limit", "seconds")
    line, points, place = one.lines
    assert line.get_xydata().tolist() == [[0, 0], [10, 5]]
    assert line.get_linestyle() == "--"
    assert points.get_xydata().tolist() == [[1, 3], [2, 4]]
    assert points.get_marker() == "o"
    assert place.get_xdata() == [7, 7]
    assert [text.get_text() for text in two.get_legend().get_texts()] == ["bounds", "the law", "capacity"]
    assert two.lines[1].get_marker() == "s"


def test_bars_have_their_numbers_beside_them(shown):
    show_bars({"Memory": {"tasks": 1.234, "threads": 1234.5}, "Time": {"tasks": 1}}, unit="MB", **WORDS)
    memory, time = shown[0][0].axes
    assert [bar.get_width() for bar in memory.patches] == [1.234, 1234.5]
    assert [text.get_text() for text in memory.texts] == ["1.23 MB", "1230 MB"]
    assert [label.get_text() for label in time.get_yticklabels()] == ["tasks"]


def test_counts_have_one_scale(shown):
    show_counts({"One": [1, 1, 4], "Two": [2]}, x="seconds", y="callers", bins=4, **WORDS)
    one, two = shown[0][0].axes
    assert [bar.get_height() for bar in one.patches] == [0, 2, 0, 1]
    assert [bar.get_height() for bar in two.patches] == [0, 0, 1, 0]
    assert one.get_ylim() == two.get_ylim()


def test_dots_stand_in_rows_from_top_to_bottom(shown):
    show_dots({"invoke": [5, 9], "ainvoke": [1]}, x="ms", **WORDS)
    (ax,) = shown[0][0].axes
    assert [line.get_xydata().tolist() for line in ax.lines] == [[[5, 0], [9, 0]], [[1, 1]]]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["invoke", "ainvoke"]
    assert ax.get_ylim() == (1.5, -0.5)


def test_no_row_of_dots_is_lost(shown):
    show_dots({str(number): [number] for number in range(7)}, x="ms", **WORDS)
    assert len(shown[0][0].axes[0].lines) == 7


@each_theme
def test_series_differ_in_lightness_and_from_their_ground(theme):
    look = THEMES[theme]
    assert len(set(look.series)) == len(look.series)
    assert is_light(look.background) == (theme == "light")
