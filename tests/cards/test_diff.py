"""The rendered difference between two sources."""

import difflib
import linecache
import textwrap
from html.parser import HTMLParser

import pytest

from helpers.cards.diff import show_diff, source_of

CELL = '''
class Branches:
    """Version 1."""

    def names(self):
        return list(self.branches)


def decorate(cls):
    return cls


def make():
    @decorate
    class Branches:
        """Version 2."""

        limit = 3

        def names(self):
            return sorted(self.branches)

    return Branches
'''


@pytest.fixture
def shown(monkeypatch):
    outputs = []
    monkeypatch.setattr("helpers.cards.card.display", lambda data, raw: outputs.append(data))
    return outputs


@pytest.fixture
def cell(monkeypatch):
    """The names that a notebook cell defined: their module has no file, linecache knows the cell's lines."""
    name = "<cell>"
    monkeypatch.setitem(linecache.cache, name, (len(CELL), None, CELL.splitlines(keepends=True), name))
    namespace = {"__name__": "builtins"}  # a module without a file, as __main__ is in a kernel
    exec(compile(CELL, name, "exec"), namespace)
    return namespace


class Lines(HTMLParser):
    """The visible text of a diff, and the (tag, text) of each changed line."""

    def __init__(self, source):
        super().__init__()
        self.text, self.changed, self.tag = "", [], None
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        self.tag = tag

    def handle_data(self, data):
        self.text += data
        if self.tag in ("ins", "del"):
            self.changed.append((self.tag, data))
            self.tag = None


def test_html_and_text_show_the_same_unified_diff(shown):
    show_diff("a = 1\nb = 2 < 3\n", "a = 1\nb = 4 < 5\n")
    (bundle,) = shown
    assert bundle["text/plain"] == "--- before\n+++ after\n@@ -1,2 +1,2 @@\n a = 1\n-b = 2 < 3\n+b = 4 < 5"
    lines = Lines(bundle["text/html"])
    assert lines.text == bundle["text/plain"]
    assert lines.changed == [("del", "-b = 2 < 3"), ("ins", "+b = 4 < 5")]


def test_a_line_that_begins_with_signs_is_no_header(shown):
    show_diff("-- x\n", "++ x\n")
    assert Lines(shown[0]["text/html"]).changed == [("del", "--- x"), ("ins", "+++ x")]


def test_the_title_stands_above(shown):
    show_diff("a", "b", "From <one> to two")
    assert shown[0]["text/plain"].startswith("From <one> to two\n--- before\n")
    assert "<b>From &lt;one&gt; to two</b>" in shown[0]["text/html"]


def test_equal_sources_have_no_difference(shown):
    show_diff(textwrap.dedent, textwrap.dedent)
    assert shown[0]["text/plain"] == "No difference."
    assert "No difference." in shown[0]["text/html"]


def test_modules_classes_and_functions_are_named(shown):
    show_diff(difflib, textwrap)
    show_diff(difflib.Differ, difflib.ndiff)
    assert shown[0]["text/plain"].startswith("--- difflib\n+++ textwrap\n")
    assert shown[1]["text/plain"].startswith("--- Differ\n+++ ndiff\n")


def test_indented_sources_are_shifted_to_the_left():
    assert source_of("    x = 1\n    y = 2\n") == "x = 1\ny = 2\n"
    assert source_of(difflib.Differ.compare).startswith("def compare(")


def test_a_class_of_a_notebook_cell_is_found_in_the_version_meant(cell):
    assert source_of(cell["Branches"]).rstrip() == CELL.strip().split("\n\n\n")[0]
    inner = source_of(cell["make"]())
    assert inner.startswith("@decorate\nclass Branches:\n    " + '"""Version 2."""')
    assert inner.rstrip().endswith("return sorted(self.branches)")


def test_a_function_of_a_notebook_cell_is_found(cell):
    assert source_of(cell["decorate"]) == "def decorate(cls):\n    return cls\n"


@pytest.mark.parametrize("item", [3, None, len, ["a"]])
def test_what_is_no_source_is_refused(item):
    with pytest.raises(TypeError, match="a diff needs modules, classes, functions or source code, not "):
        source_of(item)


def test_what_is_not_written_in_python_is_refused():
    with pytest.raises(TypeError, match="'int' has no source that can be read"):
        show_diff("a", int)
