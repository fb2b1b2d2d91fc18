"""The two figures: what a branch costs against N, and how much of each goal is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from benchmarks.measuring import Line
from helpers.figures.output import png
from helpers.figures.theme import THEMES

THEME = THEMES["light"]
COLOURS = "#0B4F8A", "#B35900", "#882255", "#4D4D4D", "#117733"
MARKERS = "osD^v"
DPI = 110

Seconds = dict[str, dict[int, list[float]]]


def draw_cost(live: Seconds, uncollected: Seconds, folder: Path) -> Path:
    """Draw the cost of a branch against N, a line a side, and where the rounds lie.

    live, uncollected: side -> N -> the seconds a branch takes in each round, the latter with the garbage
    collector off. Returns the path of the picture.
    """
    styles = dict(zip(live, zip(COLOURS, MARKERS)))
    with matplotlib.rc_context(THEME.rc(11)):
        fig = Figure(figsize=(9, 5.5), layout="constrained")
        axes = fig.subplots()
        for seconds, line in (live, "-"), (uncollected, "--"):
            for side, by_size in seconds.items():
                colour, marker = styles[side]
                micros = [[1e6 * value for value in values] for values in by_size.values()]
                low, middle, high = ([of(values) for values in micros] for of in (min, median, max))
                axes.fill_between(list(by_size), low, high, color=colour, alpha=0.2, linewidth=0)
                axes.plot(list(by_size), middle, line, color=colour, marker=marker, markersize=5)
        for side in live:
            axes.plot([], [], color=styles[side][0], marker=styles[side][1], label=side)
        axes.plot([], [], "--", color=THEME.edge, label="the same, garbage collector off")
        use_log_scale(axes.xaxis, (1,))
        use_log_scale(axes.yaxis, (1, 2, 5))
        axes.set_xlabel("N, branches in one call")
        axes.set_ylabel("µs a branch")
        axes.set_title("What a branch that does nothing costs, against how many there are")
        axes.grid(color=THEME.grid, linewidth=0.6)
        fig.legend(loc="outside lower center", ncols=3)
        return save(fig, folder / "cost.png")


def draw_table(lines: Mapping[str, Sequence[Line]], folder: Path) -> Path:
    """Draw how much of its goal each line uses, and the quartiles. Left of 1 the goal is met.

    lines: name of a row -> its lines; those without a goal or values are left out.
    """
    shown = [(row, line) for row, of_row in lines.items() for line in of_row if line.goal and line.values]
    with matplotlib.rc_context(THEME.rc(9)):
        fig = Figure(figsize=(11, 1.2 + 0.24 * len(shown)), layout="constrained")
        axes = fig.subplots()
        for height, (_, line) in enumerate(shown):
            middle, *spread = (line.goal.share(value) for value in (line.median, *line.quartiles))
            met = line.verdict == "met"
            colour = COLOURS[0] if met else COLOURS[1]
            axes.plot(spread, [height, height], color=colour, linewidth=2)
            axes.plot(middle, height, "o" if met else "X", color=colour, markersize=6)
        axes.axvline(1, color=THEME.accent, linewidth=1.5)
        use_log_scale(axes.xaxis, (1, 2, 5))
        axes.set_yticks(range(len(shown)), [f"{row}: {line.what}  ({line.goal})" for row, line in shown])
        axes.set_ylim(max(len(shown), 1) - 0.5, -0.5)
        axes.set_xlabel("share of the goal that is used: ● up to 1 it is met, ✖ beyond it is missed")
        axes.set_title("Goals met and missed, median and quartiles")
        axes.grid(axis="x", color=THEME.grid, linewidth=0.6)
        return save(fig, folder / "table.png")


def use_log_scale(axis: Any, digits: Sequence[int]) -> None:
    """Make an axis logarithmic, with plain numbers that begin with one of `digits`."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(LogLocator(subs=digits))
    axis.set_major_formatter(lambda value, _: f"{value:,g}")
    axis.set_minor_locator(NullLocator())


def save(fig: Figure, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(fig, 1.5 * DPI))
    return path
