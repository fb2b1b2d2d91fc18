"""Explorers: a figure for each setting, the same axes for all, and words for each."""

import asyncio
import json
import math
import re
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from time import sleep

import nbformat
import pytest
from matplotlib.figure import Figure
from PIL import ImageChops

import helpers.explorables.explorer
from helpers import SameAxes, draw_limit, draw_stragglers, explore, record, run_on_virtual_clock, working_on
from helpers.figures.output import png
from helpers.figures.theme import THEMES

ROOT = Path(__file__).parents[2]
PICTURE = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=]+")  # as in nbval_sanitize.cfg
SIZES, COLOURS = [1, 2, 3], ["red", "blue"]


@pytest.fixture
def outputs(monkeypatch):
    """What is displayed: a list of the outputs' data."""
    shown = []
    monkeypatch.setattr("helpers.cards.card.display", lambda data, raw: shown.append(data))
    return shown


def figure(xlim=(0, 1), ylim=(0, 1), size=(3, 2), place=(0.1, 0.1, 0.8, 0.8)):
    fig = Figure(figsize=size)
    fig.add_axes(place).set(xlim=xlim, ylim=ylim)
    return fig


def draw(size, colour):
    return figure(), f"<{size}> & {colour}"


class Page(HTMLParser):
    """The parts of an explorer's HTML: its tags, its texts by tag, the attributes of its pictures."""

    def __init__(self, page):
        super().__init__()
        self.open, self.texts, self.images = [], {}, []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.images.append(dict(attrs))
        else:
            self.open.append(tag)

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.setdefault(self.open[-1], []).append(data)

    @property
    def content(self):
        """What the script shows."""
        return json.loads(self.texts["script"][0])


def test_one_output_with_a_view_and_a_line_for_each_setting(outputs):
    explore({"size": SIZES, "colour": COLOURS}, draw, caption="What to see.", start=(2, "blue"))
    (output,) = outputs
    page = Page(output["text/html"])
    expected = [f"size {n}, colour {colour}: <{n}> & {colour}" for n, colour in product(SIZES, COLOURS)]
    assert output["text/plain"] == "\n".join(["What to see.", *expected])
    assert page.content["said"] == expected
    assert [Page(view).images[0]["alt"] for view in page.content["views"]] == expected
    assert page.content["controls"] == [
        {"label": "size", "values": ["1", "2", "3"], "start": 1},
        {"label": "colour", "values": ["red", "blue"], "start": 1},
    ]


def test_without_scripts_the_start_and_all_words_are_there(outputs):
    explore({"size": SIZES, "colour": COLOURS}, draw, caption="What to see.", start=(2, "blue"))
    page = Page(outputs[0]["text/html"])
    (image,) = page.images
    assert image["alt"] == page.texts["p"][0] == "size 2, colour blue: <2> & blue"
    assert page.texts["figcaption"] == ["What to see."]
    assert page.texts["th"] == ["size ↓ colour →", "red", "blue", "1", "2", "3"]
    assert page.texts["td"] == [f"<{n}> & {colour}" for n, colour in product(SIZES, COLOURS)]


def test_one_control(outputs):
    explore({"size": SIZES}, lambda size: (figure(), f"it is {size}"), caption="Sizes.")
    page = Page(outputs[0]["text/html"])
    assert page.texts["th"] == ["size", "what happens", "1", "2", "3"]
    assert page.texts["td"] == ["it is 1", "it is 2", "it is 3"]
    assert outputs[0]["text/plain"].splitlines()[1:] == [f"size {n}: it is {n}" for n in SIZES]
    assert page.images[0]["alt"] == "size 1: it is 1"


def test_two_runs_differ_in_pixels_only(outputs):
    """Also where figures show what was measured: nbval compares the rest."""
    for height in (0.2, 0.7):
        fig = figure()
        fig.axes[0].plot([0, 1], [0, height])
        explore({"size": [1]}, lambda size, fig=fig: (fig, "a line"), caption="Lines.")
    first, second = (output["text/html"] for output in outputs)
    assert first != second
    assert PICTURE.sub("", first) == PICTURE.sub("", second)
    assert len(PICTURE.findall(first)) == 2, "the view shown first and the only one of the slider"


def test_nothing_but_the_script_ends_a_tag(outputs):
    explore({"</script><q>": [1]}, lambda size: (figure(), "</script><s>"), caption="</script><u>")
    page = outputs[0]["text/html"]
    assert page.count("</script>") == 2
    assert not re.search("<[qsu]>", page)


BAD = {
    "no dict": (TypeError, "not a list", {"controls": [1, 2]}),
    "no control": (ValueError, "one or two controls, not 0", {"controls": {}}),
    "three": (ValueError, "not 3: .'a', 'b', 'c'", {"controls": {"a": [1], "b": [1], "c": [1]}}),
    "no values": (ValueError, "'size' has no values", {"controls": {"size": []}}),
    "a text": (TypeError, "not 'abc'", {"controls": {"size": "abc"}}),
    "twice": (ValueError, "'size' has the value 2 twice", {"controls": {"size": [2, 3, 2]}}),
    "short start": (ValueError, "start must have a value for each of size, not be ", {"start": ()}),
    "no such start": (ValueError, "start has 7, but the values of 'size' are .1, 2, 3.", {"start": [7]}),
    "no caption": (ValueError, "caption is empty", {"caption": " "}),
    "no facts": (TypeError, "size 1: draw must return a figure and a text, not <Figure", {"draw": None}),
    "empty facts": (ValueError, "size 1: the facts .* not ' '", {"draw": lambda _: (figure(), " ")}),
    "two lines": (ValueError, r"size 1: .* not 'a\\nb'", {"draw": lambda _: (figure(), "a\nb")}),
    "another x-axis": (
        ValueError,
        "size 2: axes 1 of the figure is .*2.0.* but .*1.0.* in the first one",
        {"draw": lambda size: (figure(xlim=(0, size)), "x")},
    ),
    "another y-axis": (ValueError, "size 2: axes 1", {"draw": lambda n: (figure(ylim=(0, n)), "x")}),
    "another place": (
        ValueError,
        "size 2: axes 1",
        {"draw": lambda n: (figure(place=(0.1, 0.1, 0.2 * n, 0.5)), "x")},
    ),
    "another size": (
        ValueError,
        "size 2: size of the figure",
        {"draw": lambda n: (figure(size=(n, 2)), "x")},
    ),
}


@pytest.mark.parametrize(("error", "message", "change"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_by_its_value(outputs, error, message, change):
    arguments = {"controls": {"size": SIZES}, "draw": lambda _: (figure(), "x"), "caption": "c"} | change
    if arguments["draw"] is None:
        arguments["draw"] = lambda _: figure()
    controls, draws = arguments.pop("controls"), arguments.pop("draw")
    with pytest.raises(error, match=message):
        explore(controls, draws, **arguments)
    assert outputs == []


def test_another_number_of_axes_is_refused():
    def draws(size):
        fig = figure()
        if size == 3:
            fig.add_axes((0, 0, 0.1, 0.1))
        return fig, "x"

    with pytest.raises(ValueError, match="size 3: the figure has 2 axes, the first one 1"):
        explore({"size": SIZES}, draws, caption="c")


# --- The figures


def axes(fig):
    """What must be the same for all settings."""
    ranges = [(*ax.get_xlim(), *ax.get_ylim(), *ax.get_position().bounds) for ax in fig.axes]
    return [tuple(fig.get_size_inches()), *ranges]


def recording(*names):
    with record() as made:
        for name in names:
            with working_on(name):
                sleep(0.001)
    return made


@pytest.mark.parametrize("font", [11, 16])
def test_recordings_have_the_same_axes_and_lanes_keep_their_places(font):
    recordings = {"two": recording("a", "b"), "one": recording("b")}
    pictures = SameAxes(recordings, ["a", "b"], font=font)
    two, one = (pictures.draw(setting, "title") for setting in recordings)
    assert axes(two) == axes(one)
    assert two.axes[0].get_xlim()[1] >= max(each.duration for each in recordings.values())
    labels = [[label.get_text() for label in fig.axes[0].get_yticklabels()] for fig in (two, one)]
    assert labels == [["a", "b"], ["", "b"]]


def test_all_settings_explain_the_same_ends_and_nothing_is_covered():
    async def fails():
        with record() as made:
            failing = asyncio.get_running_loop().create_future()
            failing.set_exception(ValueError("no answer"))
            tasks = [asyncio.create_task(each, name=name) for name, each in calls(failing).items()]
            await asyncio.wait(tasks[:1])
        tasks[1].cancel()
        return made

    def calls(failing):
        async def fail():
            await failing

        return {"a": fail(), "b": asyncio.sleep(60)}

    pictures = SameAxes({"good": recording("a", "b"), "bad": asyncio.run(fails())}, ["a", "b"])
    figures = [pictures.draw(setting, "title") for setting in ("good", "bad")]
    assert axes(figures[0]) == axes(figures[1])
    for fig in figures:
        fig.draw_without_rendering()
        explained = [text.get_text().split(":")[0] for text in fig.legends[0].get_texts()]
        assert {"failed", "unfinished"} <= set(explained)
        labels = fig.axes[0].get_tightbbox()
        assert fig.legends[0].get_window_extent().y1 <= labels.y0
    assert [sum(line.get_linestyle() == "None" for line in fig.axes[0].lines) for fig in figures] == [0, 2]


async def naps(names):
    with record() as made:
        for name in names:
            await asyncio.create_task(asyncio.sleep(1), name=name)
    return made


def test_the_critical_path_is_marked_in_the_lanes_beside_the_tree():
    tree = {"a": [{"first": 1}, {"second": 1}], "b": 2}
    made = {
        names: run_on_virtual_clock(naps(names))[0] for names in (("first", "b"), ("first", "second", "b"))
    }
    pictures = SameAxes(made, ["first", "second", "b"])
    figures = [
        pictures.draw_beside_tree(names, "title", tree, path, 2)
        for names, path in zip(made, (["b"], ["first", "second"]))
    ]
    assert axes(figures[0]) == axes(figures[1])
    marked = [
        [label.get_text() for label in fig.axes[1].get_yticklabels() if label.get_fontweight() == "bold"]
        for fig in figures
    ]
    assert marked == [["b"], ["first", "second"]]


def ticks(fig):
    """The colours of all labels at the axes."""
    return {label.get_color() for ax in fig.axes for label in [*ax.get_xticklabels(), *ax.get_yticklabels()]}


CALLS = [(0.0, 0.0, 1.0), (0.0, 1.0, 2.0)]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_limits_have_the_same_axes(theme):
    rates, refusals = {1: 1.0, 2: 1.5}, {1: 0, 2: 1}
    few, many = (
        draw_limit(limit, calls, rates, refusals, 1, end=4, theme=theme)
        for limit, calls in ((1, CALLS[:1]), (2, CALLS))
    )
    assert axes(few) == axes(many)
    assert ticks(few) == ticks(many) == {THEMES[theme].text}
    in_flight = [text.get_text() for text in few.legends[0].get_texts()]
    assert in_flight == ["at the service", "refused, asks again later", "the limit", "what the service takes"]
    assert [ax.get_title(loc="left") for ax in many.axes[1:]] == ["Answers a second: 1.5", "Refusals: 1"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_stragglers_have_the_same_axes(theme):
    chances = {1: 0.1, 2: 0.2, 3: 0.3}
    one, three = (
        draw_stragglers(chains, chances, slow=10, theme=theme) for chains in ([[1], [10]], [[1, 1, 10]] * 2)
    )
    assert axes(one) == axes(three)
    assert ticks(one) == {THEMES[theme].text}
    assert one.axes[0].images[0].get_array().tolist() == [[1, 2], [0, 0], [0, 0]]
    assert three.axes[1].images[0].get_array().tolist() == [[2, 2]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SameAxes({}, ["a"]), "nothing to draw: 0 recordings, 1 lanes"),
        (lambda: SameAxes({1: recording("a")}, ["a"], font=99), "not 99"),
        (lambda: draw_limit(3, CALLS, {1: 1.0}, {1: 0}, 1, end=2), "limit must be one of 1, not 3"),
        (lambda: draw_limit(1, [], {1: 1.0}, {1: 0}, 1, end=2), "calls is empty"),
        (lambda: draw_stragglers([[1], [1, 2]], {1: 0.1}, slow=3), "one number of branches"),
        (lambda: draw_stragglers([[1, 2]], {1: 0.1}, slow=3), "not {2}"),
    ],
)
def test_figures_refuse_what_they_cannot_draw(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_pictures_are_small_and_escaped():
    view = helpers.explorables.explorer._view(
        figure(size=(10, 4)), helpers.explorables.explorer._Camera(), 'a "quoted" <b>'
    )
    assert len(view) < 20_000
    assert 'alt="a &quot;quoted&quot; &lt;b&gt;"' in view


def three_limits():
    rates, refusals = {1: 1.0, 2: 1.5, 3: 2.0}, {1: 0, 2: 1, 3: 7}
    for limit in rates:
        calls = [(0.0, 0.1 * number, 1.0 + number) for number in range(limit)]
        yield draw_limit(limit, calls, rates, refusals, 1, end=4)


def three_stragglers():
    for number in (1, 2, 3):
        chains = [[1] * number, [10] * number]
        yield draw_stragglers(chains, {1: 0.1 * number, 2: 0.3, 3: 0.4}, slow=10)


def three_recordings():
    recordings = {"two": recording("a", "b"), "other": recording("b"), "more": recording("c", "a")}
    pictures = SameAxes(recordings, ["a", "b", "c"])
    for setting in recordings:
        yield pictures.draw(setting, f"this is {setting}")


@pytest.mark.parametrize("figures", [three_limits, three_stragglers, three_recordings])
def test_a_figure_of_which_only_a_part_is_drawn_looks_as_if_all_of_it_was(figures, monkeypatch):
    figures, camera = list(figures()), helpers.explorables.explorer._Camera()
    draw = helpers.explorables.explorer.FigureCanvasAgg.draw
    monkeypatch.setattr(
        helpers.explorables.explorer.FigureCanvasAgg, "draw", lambda self: drawn.append(draw(self))
    )
    drawn = []
    first, *others = [camera.picture(fig).convert("RGB") for fig in figures]
    assert len(drawn) == 1, "what does not differ is drawn once"
    for fig, picture in zip(figures[1:], others):
        assert ImageChops.difference(picture, first).getbbox(), "it is another picture"
        whole = helpers.explorables.explorer._Camera().picture(fig).convert("RGB")
        assert not ImageChops.difference(picture, whole).getbbox()


def test_what_differs_is_drawn_also_where_a_figure_is_shown_alone():
    for fig in (*three_limits(), *three_stragglers(), *three_recordings()):
        shown = png(fig, 50)
        for ax in fig.axes:
            for artist in ax.get_children():
                artist.set_animated(False)
        assert shown == png(fig, 50)


def test_without_animated_artists_every_figure_is_drawn_whole(outputs):
    explore({"colour": COLOURS}, lambda colour: (figure_in(colour), "x"), caption="c")
    first, second = (Page(view).images[0]["src"] for view in Page(outputs[0]["text/html"]).content["views"])
    assert first != second


def figure_in(colour):
    fig = figure()
    fig.set_facecolor(colour)
    return fig


# --- What the lessons say about all settings, in the explorers as they are stored


def explorer(lesson):
    """What a notebook's explorer says of each setting, a line each."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{lesson}.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and "explore(" in cell.source]
    (output,) = (output for cell in cells for output in cell.outputs if "data" in output)
    return output.data["text/plain"].splitlines()[1:]


def numbers(line):
    return [float(number) for number in re.findall(r"[\d.]*\d", line)]


def test_waves_and_peak_are_as_the_rule_says():
    lines = explorer("2c_deeper")
    assert len(lines) == 24
    for branches, pool_size, waves, peak in map(numbers, lines):
        assert (waves, peak) == (math.ceil(branches / pool_size), min(branches, pool_size))


def test_up_to_ten_nobody_is_refused_and_beyond_it_only_refusals_grow():
    lines = [numbers(line) for line in explorer("3c_deeper")]
    below = [line for line in lines if line[0] <= 10]
    beyond = [line for line in lines if line[0] > 10]
    assert below and beyond and all(limit == in_flight for limit, in_flight, *_ in lines)
    assert all(refused == 0 for _, _, _, refused, _ in below)
    assert all(rate == pytest.approx(limit / 0.2) for limit, _, rate, *_ in below if 100 % limit == 0)
    refusals = [refused for _, _, _, refused, _ in beyond]
    assert refusals == sorted(set(refusals)) and refusals[0] > 0
    assert all(rate < below[-1][2] for _, _, rate, *_ in beyond)


def test_a_slow_call_costs_what_it_has_not_to_spare():
    spare = {"nowhere": 4, "translate": 3, "sentiment": 2, "keywords": 0, "check": 0, "summary": 1}
    lines = explorer("4c_deeper")
    assert len(lines) == len(spare)
    for (place, slack), line in zip(spare.items(), lines):
        work, span, measured = numbers(line)
        assert line.startswith(f"slow call {place}: critical path ")
        assert span == measured == 5 + 4 - slack
        assert work == (12 if place == "nowhere" else 16)


def test_more_branches_or_a_greater_probability_never_make_a_join_quicker():
    joins = {}
    for line in explorer("5c_deeper"):
        branches, probability, waiting, _, computed, own, join, slack = numbers(line)
        joins[branches, probability] = (waiting, join)
        assert slack == pytest.approx(join - own, abs=0.11)
        assert abs(waiting - computed) <= 10
    assert len(joins) == 25
    for (branches, probability), given in joins.items():
        assert all(given <= joins[n, p] for n, p in joins if n >= branches and p >= probability)
