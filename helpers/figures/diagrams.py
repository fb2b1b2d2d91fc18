"""Diagrams without a time axis: the states that units go through, and trees of runnables.

Each `show_...` displays a figure with its caption and its words; each `draw_...` only makes it.
"""

from __future__ import annotations

from collections.abc import Iterable

import matplotlib
from matplotlib.figure import Figure

from helpers.figures.canvas import Canvas
from helpers.figures.output import show_figure
from helpers.figures.state_changes import changes_in_words, transitions
from helpers.figures.state_diagram import arrange_states, draw_life
from helpers.figures.theme import require_font, theme_named
from helpers.figures.tree_diagram import arrange, draw_flow
from helpers.figures.trees import FUNCTION, Node, as_node, require_path, tree_in_words
from helpers.recording.data import Recording

__all__ = ["Node", "draw_states", "draw_tree", "show_states", "show_tree"]

_DEFAULT_FONT = 11


def show_states(
    recording: Recording,
    title: str,
    caption: str | None = None,
    *,
    theme: str = "light",
    font: float = _DEFAULT_FONT,
) -> None:
    """Show the states that the units of a recording went through, and what took them from one to the next.

    caption: what to see in it, by default the title. The rest, and what is raised: as in `draw_states`.
    """
    fig = draw_states(recording, title, theme=theme, font=font)
    show_figure(fig, caption=caption or title, text=changes_in_words(transitions(recording)))


def show_tree(
    tree: Node | dict | list,
    title: str,
    caption: str | None = None,
    *,
    path: Iterable[str] = (),
    theme: str = "light",
    font: float = _DEFAULT_FONT,
) -> None:
    """Show a tree of runnables as a flow from left to right.

    caption: what to see in it, by default the title. The rest, and what is raised: as in `draw_tree`.
    """
    tree = as_node(tree)
    critical = require_path(path, tree)
    fig = draw_tree(tree, title, path=critical, theme=theme, font=font)
    show_figure(fig, caption=caption or title, text=tree_in_words(tree, critical))


def draw_states(
    recording: Recording, title: str, *, theme: str = "light", font: float = _DEFAULT_FONT
) -> Figure:
    """A figure of the states that the units of a recording went through, from "created" to "done".

    It counts nothing and shows only what is certain, so that a busy machine gives the same figure: see
    `helpers.figures.state_changes`. The units are those worth a lane, without the tasks that only wait for
    them.
    theme: "light" or "dark". font: size in points, 15 for a projector.

    Raises ValueError for an empty recording and for another theme or font, TypeError for anything but
    a Recording, RuntimeError inside the recording's block.
    """
    require_font(font)
    look = theme_named(theme)
    pairs = transitions(recording)
    boxes = arrange_states(pairs, font)
    right, bottom = max(box.right for box in boxes.values()), max(box.bottom for box in boxes.values())
    with matplotlib.rc_context(look.rc(font)):
        canvas = Canvas(right, bottom, title, look, font)
        draw_life(canvas, pairs, boxes)
    return canvas.fig


def draw_tree(
    tree: Node | dict | list,
    title: str,
    *,
    path: Iterable[str] = (),
    theme: str = "light",
    font: float = _DEFAULT_FONT,
) -> Figure:
    """A figure of a tree of runnables: branches lie between a fork (a dot) and a join (a bar).

    tree: a Node, or plain data: a dict for branches, a list for steps, a number for the seconds of a
    function. path: the names of the functions on the critical path, drawn with thick lines and bold names.
    theme: "light" or "dark". font: size in points, 15 for a projector.

    Raises TypeError unless `tree` is such a tree and `path` a collection of names, ValueError for a name
    that is not that of exactly one function of the tree, and for another theme or font.
    """
    require_font(font)
    look = theme_named(theme)
    tree = as_node(tree)
    critical = require_path(path, tree)
    block, stub = arrange(tree, font), 1.5 * font
    right, bottom = stub + block.width, block.above + block.below
    key = 2.4 * font if critical else 0
    with matplotlib.rc_context(look.rc(font)):
        canvas = Canvas(right + stub, bottom + key, title, look, font)
        y, accent = block.above, bool(critical)
        canvas.line([(0, y), (stub, y)], arrow=tree.kind == FUNCTION, accent=accent)
        canvas.line([(right, y), (right + stub, y)], arrow=True, accent=accent)
        draw_flow(canvas, block, stub, y, critical)
        if critical:
            y = bottom + 1.8 * font
            canvas.line([(stub, y), (stub + 2.5 * font, y)], accent=True)
            canvas.text(stub + 3.2 * font, y, "critical path: thick lines, bold names")
    return canvas.fig
