"""Show a figure for each setting, of which sliders choose one: all are drawn beforehand.

Shown by `helpers.explorables.player`, so it needs no kernel once the cell has run.
"""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from helpers.cards.card import show
from helpers.explorables.player import Control, player
from helpers.figures.output import background, close, small_png

_CSS_DPI = 110  # CSS pixels an inch of a figure takes, as in `helpers.figures.output`
_SHARPNESS = 1.3  # pixels a CSS pixel: there are dozens of pictures in one notebook
_FRAME = "padding:12px;border:1px solid #d9d9d9;border-radius:4px;box-sizing:border-box;background:"
_CELL = "text-align:left;vertical-align:top;padding:3px 14px 3px 0;white-space:normal"


def explore(
    controls: Mapping[str, Sequence[object]],
    draw: Callable[..., tuple[Figure, str]],
    *,
    caption: str,
    start: Sequence[object] | None = None,
) -> None:
    """Show what `draw` gives for every setting, and sliders that choose one.

    controls: label -> the values to choose from, for one or two sliders. draw: is called once for each
    combination, with a value of each control, and returns a figure and the facts: a sentence or two that
    do not vary between runs. All figures must have the same size and the same axes, or one could not
    compare them; they are closed afterwards. If artists of a figure are set to animated, only they are drawn
    for each setting, which saves time. caption: what to see. start: the setting to begin with, a value of
    each control, by default the first ones. It is also what is there to see where scripts do not run, and
    so are the facts of all settings, in words.

    Raises ValueError for no control or more than two, values that are missing or there twice, another
    start, an empty caption, facts that are empty or have several lines, and figures that differ in
    size or axes; TypeError unless `controls` is such a dict and `draw` gives a figure and a text.
    """
    _require_controls(controls)
    if not caption.strip():
        raise ValueError("caption is empty: say what to see")
    places = _places(controls, start)
    settings = list(product(*controls.values()))
    names = [", ".join(f"{label} {value}" for label, value in zip(controls, each)) for each in settings]
    views, facts, first, camera = [], [], None, _Camera()
    for setting, name in zip(settings, names):
        fig, fact = _drawn(draw, setting, name)
        facts.append(fact)
        views.append(_view(fig, camera, f"{name}: {fact}"))
        first = first or _axes(fig)  # after it was drawn: some layouts are only computed then
        _require_same_axes(_axes(fig), first, name)
        width = fig.get_figwidth()
        close(fig)
    said = [f"{name}: {fact}" for name, fact in zip(names, facts)]
    sliders = [
        Control(label, list(map(str, values)), place)
        for (label, values), place in zip(controls.items(), places)
    ]
    style = f"max-width:{round(_CSS_DPI * width) + 26}px"  # with the frame
    page = player(sliders, views, said, caption=caption, words=_words(controls, facts), style=style)
    show(page, "\n".join([caption, *said]))


def _require_controls(controls: Mapping[str, Sequence[object]]) -> None:
    if not isinstance(controls, Mapping):
        raise TypeError(f"controls must be a dict {{label: values}}, not a {type(controls).__name__}")
    if not 1 <= len(controls) <= 2:
        raise ValueError(f"an explorer has one or two controls, not {len(controls)}: {list(controls)!r}")
    for label, values in controls.items():
        if isinstance(values, str) or not isinstance(values, Sequence):
            raise TypeError(f"the values of {label!r} must be a list or a range, not {values!r}")
        if not values:
            raise ValueError(f"{label!r} has no values to choose from")
        if twice := [value for value in values if list(values).count(value) > 1]:
            raise ValueError(f"{label!r} has the value {twice[0]!r} twice")


def _places(controls: Mapping[str, Sequence[object]], start: Sequence[object] | None) -> list[int]:
    """The index of each control's first choice."""
    if start is None:
        return [0] * len(controls)
    if len(start) != len(controls):
        raise ValueError(f"start must have a value for each of {', '.join(controls)}, not be {start!r}")
    for (label, values), value in zip(controls.items(), start):
        if value not in values:
            raise ValueError(f"start has {value!r}, but the values of {label!r} are {list(values)!r}")
    return [list(values).index(value) for values, value in zip(controls.values(), start)]


def _drawn(draw: Callable[..., tuple[Figure, str]], setting: tuple, name: str) -> tuple[Figure, str]:
    given = draw(*setting)
    match given:
        case (Figure() as fig, str(facts)):
            pass
        case _:
            raise TypeError(f"{name}: draw must return a figure and a text, not {given!r}")
    if not facts.strip() or "\n" in facts:
        raise ValueError(f"{name}: the facts must be one line that is not empty, not {facts!r}")
    return fig, facts


def _axes(fig: Figure) -> list[tuple]:
    """The size of a figure, and of each of its axes the ranges and the place."""
    size = tuple(fig.get_size_inches().round(3).tolist())
    places = (ax.get_position().bounds for ax in fig.axes)
    ranges = ((*ax.get_xlim(), *ax.get_ylim()) for ax in fig.axes)
    return [("size", size)] + [
        (f"axes {number}", tuple(round(float(each), 3) for each in (*limits, *place)))
        for number, (limits, place) in enumerate(zip(ranges, places), 1)
    ]


def _require_same_axes(axes: list[tuple], first: list[tuple], name: str) -> None:
    if len(axes) != len(first):
        raise ValueError(f"{name}: the figure has {len(axes) - 1} axes, the first one {len(first) - 1}")
    for (what, own), (_, before) in zip(axes, first):
        if own != before:
            raise ValueError(f"{name}: {what} of the figure is {own}, but {before} in the first one")


class _Camera:
    """Takes pictures of figures of one size. What is not animated is taken from the first such figure."""

    def __init__(self) -> None:
        self.still: object = None

    def picture(self, fig: Figure) -> Image.Image:
        """The figure as it looks. Its colour and resolution are set."""
        fig.set(dpi=_SHARPNESS * _CSS_DPI, facecolor=background(fig))
        canvas = FigureCanvasAgg(fig)
        moving = [artist for ax in fig.axes for artist in ax.get_children() if artist.get_animated()]
        if moving and self.still:
            canvas.restore_region(self.still)
        else:
            canvas.draw()
            self.still = canvas.copy_from_bbox(fig.bbox) if moving else None
        for artist in sorted(moving, key=Artist.get_zorder):
            artist.axes.draw_artist(artist)
        return Image.fromarray(np.asarray(canvas.buffer_rgba()))


def _view(fig: Figure, camera: _Camera, words: str) -> str:
    """The figure as a picture on an opaque card."""
    width, height = (round(_CSS_DPI * inches) for inches in fig.get_size_inches())
    source = b64encode(small_png(camera.picture(fig), quick=True)).decode()
    return (
        f'<div style="{_FRAME}{to_hex(fig.get_facecolor())}">'
        f'<img alt="{html.escape(words)}" width="{width}" height="{height}" '
        f'style="display:block;max-width:100%;height:auto" src="data:image/png;base64,{source}"/></div>'
    )


def _words(controls: Mapping[str, Sequence[object]], facts: Sequence[str]) -> str:
    """The facts of all settings as a table: a row for each value of the first control."""
    labels, (values, *others) = list(controls), controls.values()
    if others:
        columns, corner = others[0], f"{labels[0]} ↓ {labels[1]} →"
    else:
        columns, corner = ["what happens"], labels[0]
    head = _row("col", [corner, *columns], [])
    width = len(columns)
    rows = [
        _row("row", [value], facts[number * width : (number + 1) * width])
        for number, value in enumerate(values)
    ]
    return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


def _row(scope: str, headers: Sequence[object], cells: Sequence[str]) -> str:
    """A row of a table. scope: whether its headers are those of a "row" or of a "col"."""
    parts = [f'<th scope="{scope}" style="{_CELL}">{html.escape(str(each))}</th>' for each in headers]
    parts += [f'<td style="{_CELL}">{html.escape(each)}</td>' for each in cells]
    return f"<tr>{''.join(parts)}</tr>"
