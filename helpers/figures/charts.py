"""Charts in house style: bars, curves, dots and counts, each shown as one output with caption and words.

A chart has titles and numbers of its own; colours, marks and letters are the theme's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.figures.output import show_figure
from helpers.figures.theme import Theme, require_font, theme_named

WIDTH = 9.0  # inches
MARKERS = "os^Dv"

Numbers = Sequence[float]


@dataclass(frozen=True)
class Curve:
    """What a panel draws of one thing, all in one colour and under one name in the legend.

    line, points: (x, y) with as many of each; a line may be dashed. band: (x, lower y, upper y).
    """

    label: str
    line: tuple[Numbers, Numbers] | None = None
    points: tuple[Numbers, Numbers] | None = None
    band: tuple[Numbers, Numbers, Numbers] | None = None
    dashed: bool = False


def show_curves(
    panels: Mapping[str, Sequence[Curve]],
    *,
    x: str,
    y: str = "",
    at: Mapping[str, float] | None = None,
    caption: str,
    text: str,
    theme: str = "light",
    font: float = 11,
) -> None:
    """Show one panel for each title, side by side, with its curves.

    x, y: what the axes say. at: label to the place on the x axis where a line stands in every panel.
    caption, text: as in `show_figure`. theme: "light" or "dark". font: its size in points.

    Raises ValueError for no panels, another theme or a font that cannot be drawn.
    """
    look = _require(panels, theme, font)
    with _in_style(look, font):
        fig = _figure(3.4 + 0.03 * font)
        axes = fig.subplots(1, len(panels), squeeze=False)[0]
        for ax, (title, curves) in zip(axes, panels.items()):
            _draw_curves(ax, curves, look)
            for label, place in (at or {}).items():
                ax.axvline(place, color=look.accent, label=label)
            ax.set(title=title, xlabel=x, ylabel=y)
            ax.set_ylim(bottom=0)
        axes[-1].legend()
        show_figure(fig, caption=caption, text=text)


def _draw_curves(ax: Axes, curves: Sequence[Curve], look: Theme) -> None:
    for number, curve in enumerate(curves):
        (colour, marker), label = _colour_and_marker(look, number), curve.label
        if curve.band:
            ax.fill_between(*curve.band, color=look.grid, label=label)
        if curve.line:
            ax.plot(*curve.line, "--" if curve.dashed else "-", color=colour, label=label)
            label = ""  # in the legend once
        if curve.points:
            ax.plot(*curve.points, marker, color=colour, markersize=7, label=label)


def show_bars(
    panels: Mapping[str, Mapping[str, float]],
    *,
    unit: str = "",
    caption: str,
    text: str,
    theme: str = "light",
    font: float = 11,
) -> None:
    """Show one panel for each title, side by side: a bar for each name, with its number beside it.

    unit: what stands behind the numbers. The other arguments are those of `show_curves`.

    Raises ValueError for no panels, another theme or a font that cannot be drawn.
    """
    look = _require(panels, theme, font)
    most = max(len(bars) for bars in panels.values())
    with _in_style(look, font):
        fig = _figure(0.8 + most * font * 0.034)
        for ax, (title, bars) in zip(fig.subplots(1, len(panels), squeeze=False)[0], panels.items()):
            drawn = ax.barh(list(bars), list(bars.values()), color=look.series[0])
            ax.bar_label(drawn, [f"{_short(value)} {unit}".rstrip() for value in bars.values()], padding=3)
            ax.set(title=title, xticks=[])
            ax.margins(x=0.2)
            ax.spines["bottom"].set_visible(False)
            ax.invert_yaxis()
        show_figure(fig, caption=caption, text=text)


def show_dots(
    rows: Mapping[str, Numbers], *, x: str, caption: str, text: str, theme: str = "light", font: float = 11
) -> None:
    """Show a row for each name, with a dot for each of its numbers. Arguments as in `show_curves`.

    Raises ValueError for no rows, another theme or a font that cannot be drawn.
    """
    look = _require(rows, theme, font)
    with _in_style(look, font):
        fig = _figure(1.0 + len(rows) * font * 0.05)
        ax = fig.subplots()
        for height, numbers in enumerate(rows.values()):
            colour, marker = _colour_and_marker(look, height)
            ax.plot(numbers, [height] * len(numbers), marker, color=colour, alpha=0.6)
        ax.set(yticks=range(len(rows)), yticklabels=list(rows), xlabel=x, xlim=(0, None))
        ax.set_ylim(len(rows) - 0.5, -0.5)
        show_figure(fig, caption=caption, text=text)


def show_counts(
    panels: Mapping[str, Numbers],
    *,
    x: str,
    y: str,
    bins: int = 75,
    caption: str,
    text: str,
    theme: str = "light",
    font: float = 11,
) -> None:
    """Show one panel for each title, one below the other: how many numbers lie in each part of the axis.

    bins: how many parts, alike in all panels. The other arguments are those of `show_curves`.

    Raises ValueError for no panels, another theme or a font that cannot be drawn.
    """
    look = _require(panels, theme, font)
    most = max(number for numbers in panels.values() for number in numbers)
    with _in_style(look, font):
        fig = _figure(len(panels) * (0.9 + font * 0.06))
        axes = fig.subplots(len(panels), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for ax, (title, numbers) in zip(axes, panels.items()):
            ax.hist(numbers, bins=bins, range=(0, most), color=look.series[0])
            ax.set(title=title, ylabel=y)
        axes[-1].set_xlabel(x)
        show_figure(fig, caption=caption, text=text)


def _colour_and_marker(look: Theme, number: int) -> tuple[str, str]:
    """How a curve or a row looks, by its number from 0 on; after the last colour comes the first again."""
    return look.series[number % len(look.series)], MARKERS[number % len(MARKERS)]


def _short(value: float) -> str:
    """A number with three digits that count, and without an exponent."""
    return np.format_float_positional(value, precision=3, fractional=False, trim="-")


def _in_style(look: Theme, font: float) -> AbstractContextManager[None]:
    return rc_context({**look.rc(font), "xtick.color": look.text, "ytick.color": look.text})


def _figure(height: float) -> Figure:
    return Figure(figsize=(WIDTH, height), layout="constrained")


def _require(shown: Mapping[str, object], theme: str, font: float) -> Theme:
    if not shown:
        raise ValueError("there is nothing to show: name at least one panel or row")
    require_font(font)
    return theme_named(theme)
