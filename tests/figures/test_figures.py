"""A figure as one output with three forms."""

import base64
import subprocess
import sys
from html.parser import HTMLParser
from io import BytesIO

import pytest
from matplotlib.figure import Figure
from PIL import Image

from helpers.figures.output import png, show_figure

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def outputs(monkeypatch):
    """What is displayed: a list of the outputs' data."""
    shown = []
    monkeypatch.setattr("helpers.cards.card.display", lambda data, raw: shown.append(data))
    return shown


def figure(facecolor="white"):
    fig = Figure(figsize=(4, 2), facecolor=facecolor)
    fig.subplots().plot([1, 2, 3])
    return fig


class Parsed(HTMLParser):
    """The elements of a well-formed piece of HTML: tag -> attributes, tag -> text."""

    def __init__(self, html):
        super().__init__()
        self.open, self.attributes, self.text = [], {}, {}
        self.feed(html)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.attributes.setdefault(tag, []).append(dict(attrs))

    def handle_startendtag(self, tag, attrs):
        self.attributes.setdefault(tag, []).append(dict(attrs))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text[self.open[-1]] = self.text.get(self.open[-1], "") + data


def test_one_output_has_three_forms(outputs):
    show_figure(figure(), caption="What to see.", text="First line.\nSecond line.")
    (output,) = outputs
    assert output.keys() == {"text/html", "text/plain"}
    assert output["text/plain"] == "What to see.\nFirst line.\nSecond line."
    parsed = Parsed(output["text/html"])
    (image,) = parsed.attributes["img"]
    assert image["alt"] == "What to see. First line. Second line."
    assert parsed.text["figcaption"] == "What to see."
    assert parsed.text["summary"] == "In words"
    assert parsed.text["div"] == "First line.Second line."
    assert parsed.open == [] and len(parsed.attributes["figure"]) == 1


def test_the_picture_is_drawn_with_twice_the_pixels_it_is_shown_with(outputs):
    show_figure(figure(), caption="caption", text="text", dpi=100)
    (image,) = Parsed(outputs[0]["text/html"]).attributes["img"]
    assert image["width"] == "400"
    assert "max-width:100%" in image["style"]
    head, data = image["src"].split(",")
    assert head == "data:image/png;base64"
    picture = base64.b64decode(data)
    assert picture.startswith(PNG)
    assert int.from_bytes(picture[16:20]) == 800


def test_text_is_escaped(outputs):
    caption = 'a < b & "c" <script>'
    show_figure(figure(), caption=caption, text="<b>'d'</b>")
    parsed = Parsed(outputs[0]["text/html"])
    assert parsed.text["figcaption"] == caption
    assert parsed.text["div"] == "<b>'d'</b>"
    assert parsed.attributes["img"][0]["alt"] == f"{caption} <b>'d'</b>"
    assert "script" not in parsed.attributes and "b" not in parsed.attributes


@pytest.mark.parametrize(
    ("background", "ink"), [("#ffffff", "#1a1a1a"), ("#1e1e1e", "#ededed"), ("none", "#1a1a1a")]
)
def test_the_card_has_the_colour_of_the_figure(outputs, background, ink):
    show_figure(figure(background), caption="caption", text="text")
    background = "#ffffff" if background == "none" else background
    style = Parsed(outputs[0]["text/html"]).attributes["figure"][0]["style"]
    assert f"background:{background};color:{ink}" in style.lower()


def test_the_same_figure_gives_the_same_output(outputs):
    for _ in range(2):
        show_figure(figure(), caption="caption", text="text")
    assert outputs[0] == outputs[1]


def test_the_figure_is_closed(outputs):
    fig = figure()
    show_figure(fig, caption="caption", text="text")
    assert not fig.axes


def test_a_figure_of_pyplot_is_closed_too(outputs):
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    fig, _ = plt.subplots()
    show_figure(fig, caption="caption", text="text")
    assert fig.number not in plt.get_fignums()


@pytest.mark.parametrize("empty", ["caption", "text"])
def test_a_figure_without_words_is_refused(outputs, empty):
    fig = figure()
    with pytest.raises(ValueError, match=f"{empty} is empty"):
        show_figure(fig, **{"caption": "caption", "text": "text", empty: " \n"})
    assert not outputs and not fig.axes


def test_a_small_picture_has_the_right_colours():
    image = Image.open(BytesIO(png(figure("#882255"), dpi=50)))
    assert image.format == "PNG" and image.mode == "P" and image.size == (200, 100)
    assert image.convert("RGB").getpixel((0, 0)) == (0x88, 0x22, 0x55)


def test_pyplot_is_not_loaded():
    code = "import sys, helpers.figures.timeline; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
