"""A figure whose sliders choose one of several views: its HTML, and the syntax of its script."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from helpers.explorables import player as module
from helpers.explorables.player import Control, player

SCRIPT = Path(module.__file__).with_suffix(".js")
STEP = Control("step", ["1", "2", "3"])
VIEWS = ["<b>one</b>", "<b>two</b>", "<b>three</b>"]
SAID = ["It is one.", "It is two.", "It is three."]


class Parts(HTMLParser):
    """The text of each part and of each element, and what is not closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.tags = [], {}, []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        part = dict(attributes).get("data-part", tag)
        self.open.append((tag, part))
        self.tags.append(tag)
        self.text.setdefault(part, "")

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for _, part in self.open:
            self.text[part] += data


def made(controls=(STEP,), views=VIEWS, said=SAID, *, caption="caption", words="<p>words</p>", **options):
    parts = Parts(player(controls, views, said, caption=caption, words=words, **options))
    assert parts.open == []
    return parts


def content(parts):
    return json.loads(parts.text["content"])


def test_what_the_script_is_given():
    assert content(made(steps=True)) == {
        "controls": [{"label": "step", "values": ["1", "2", "3"], "start": 0}],
        "views": VIEWS,
        "said": SAID,
        "steps": True,
    }
    assert content(made())["steps"] is False


def test_the_script_is_part_of_the_figure():
    parts = made()
    assert parts.text["script"] == SCRIPT.read_text(encoding="utf-8")
    assert parts.tags[0] == "figure" and parts.tags.count("figure") == 1
    assert parts.tags.count("script") == 2
    assert set(re.findall(r'part\("(\w+)"\)', parts.text["script"])) <= parts.text.keys()


def test_without_scripts_there_is_a_view_and_all_words():
    parts = made(caption="What to see.", words="<ol><li>first</li><li>second</li></ol>")
    assert parts.text["view"] == "one"
    assert parts.text["said"] == "It is one."
    assert parts.text["controls"] == "Run the cell to get the controls."
    assert parts.text["figcaption"] == "What to see."
    assert parts.text["details"] == "In wordsfirstsecond"


def test_the_still_view_is_the_one_with_which_the_controls_start():
    controls = [Control("task", ["a", "b"], start=1), Control("limit", ["1", "2", "3"], start=2)]
    views = [f"{task}{limit}" for task in "ab" for limit in "123"]
    parts = made(controls, views, [f"It is {view}." for view in views])
    assert (parts.text["view"], parts.text["said"]) == ("b3", "It is b3.")
    controls[1] = Control("limit", ["1", "2", "3"])
    assert made(controls, views, views).text["view"] == "b1"


def test_the_still_view_can_be_another_one():
    parts = made(still=2)
    assert (parts.text["view"], parts.text["said"]) == ("three", "It is three.")
    assert content(parts)["controls"][0]["start"] == 0
    assert made([Control("step", ["1", "2", "3"], start=1)], still=0).text["view"] == "one"


def test_text_is_escaped_and_views_are_not():
    parts = made(said=["a < b & c", "", ""], caption='<i>"d"</i>')
    assert parts.text["said"] == "a < b & c"
    assert parts.text["figcaption"] == '<i>"d"</i>'
    assert parts.text["b"] == "one"
    assert content(parts)["said"][0] == "a < b & c"


def test_no_text_ends_the_script():
    nasty = "</script><!-- <script>alert(1)</script>"
    views = ["<b>one</b>", nasty, "<b>three</b>"]
    parts = made([Control(nasty, ["1", nasty, "3"])], views, ["one", nasty, "three"])
    found = content(parts)
    assert (found["views"], found["said"][1]) == (views, nasty)
    assert (found["controls"][0]["label"], found["controls"][0]["values"][1]) == (nasty, nasty)
    assert "<" not in parts.text["content"]
    assert parts.tags.count("script") == 2


def test_values_may_be_any_sequence_of_words():
    assert content(made([Control("step", ("a", "b", "c"))]))["controls"][0]["values"] == ["a", "b", "c"]


def test_the_same_figure_gives_the_same_html():
    assert player([STEP], VIEWS, SAID, caption="c", words="w") == player(
        [STEP], VIEWS, SAID, caption="c", words="w"
    )


def test_a_style_for_the_figure():
    assert player([STEP], VIEWS, SAID, caption="c", words="w", style="max-width:9px").startswith(
        '<figure style="margin:6px 0;max-width:9px">'
    )


@pytest.mark.parametrize(
    ("controls", "views", "said", "message"),
    [
        ([STEP], VIEWS[:2], SAID, "2 views and 3 sentences do not fit 3 combinations of 1 controls"),
        ([STEP], VIEWS, SAID[:1], "3 views and 1 sentences do not fit 3 combinations"),
        ([STEP, STEP], VIEWS, SAID, "3 views and 3 sentences do not fit 9 combinations of 2 controls"),
        ([], VIEWS[:1], SAID[:1], "do not fit 1 combinations of 0 controls"),
    ],
)
def test_views_that_do_not_fit_are_refused(controls, views, said, message):
    with pytest.raises(ValueError, match=message):
        player(controls, views, said, caption="c", words="w")


def test_steps_have_one_control():
    with pytest.raises(ValueError, match="steps need one control, not 2"):
        player([STEP, STEP], VIEWS * 3, SAID * 3, caption="c", words="w", steps=True)


def test_the_script_needs_nothing_from_elsewhere():
    text = SCRIPT.read_text(encoding="utf-8")
    assert "</" not in text and "<!--" not in text  # it would end the element that it stands in
    assert not re.search(r"https?:|import\b|require\(|fetch\(", text)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_syntax_of_the_script():
    subprocess.run(["node", "--check", SCRIPT], check=True)
