"""Figures for explorers: the same size and the same axes for every setting. All times are in seconds.

Each function draws one setting and takes what it has to know of all of them. The places of the axes are
fixed, in inches: a layout that is computed would move them, and takes as long as the drawing. Where there are
dozens of settings, what differs between them is set to animated, so that the rest is drawn only once.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from helpers.figures.bars import (
    Look,
    draw_join,
    draw_lanes,
    draw_legend,
    draw_time_axis,
    legend_columns,
    visible,
)
from helpers.figures.diagrams import draw_tree
from helpers.figures.lanes import Lane, unit_lanes
from helpers.figures.theme import Theme, require_font, text_width, theme_named
from helpers.figures.trees import Node
from helpers.recording.data import Recording, State
from helpers.recording.words import require_recording

_DEFAULT_FONT = 11
# In inches, at the default font size.
_WIDTH, _LANES_WIDTH = 10.0, 5.2
_ROW, _TALL_ROW = 0.27, 0.5
_TITLE, _TIME_AXIS, _LEGEND, _LEGEND_ROW = 0.36, 0.52, 0.42, 0.22
_MARGIN = 0.12


class SameAxes:
    """Draws one of several recordings at a time, all of them on the same axes.

    recordings: setting -> its recording; the time axis is as long as the longest. lanes: names of units,
    from top to bottom; each has its place in every figure, also where a recording has no such unit.
    theme: "light" or "dark". font: size in points, 15 for a projector.

    Raises ValueError if there are no recordings or no lanes, for an empty recording, and for another
    theme or font; TypeError for anything but a Recording.
    """

    def __init__(
        self,
        recordings: Mapping[object, Recording],
        lanes: Sequence[str],
        *,
        theme: str = "light",
        font: float = _DEFAULT_FONT,
    ) -> None:
        require_font(font)
        if not recordings or not lanes:
            raise ValueError(f"nothing to draw: {len(recordings)} recordings, {len(lanes)} lanes")
        for recording in recordings.values():
            require_recording(recording)
        longest = max(recording.duration for recording in recordings.values())
        self.theme, self.look = theme, Look(theme_named(theme), font, 0.0, longest)
        self.scale = font / _DEFAULT_FONT
        self.lanes = {setting: _named_lanes(each, lanes) for setting, each in recordings.items()}
        self.explained = visible(list(self.lanes.values()), self.look)
        self.labels = max(text_width(name, font, bold=True) for name in lanes) / 72  # inches

    def draw(self, setting: object, title: str) -> Figure:
        """A figure of the recording of `setting`: its lanes below a title."""
        rows = _ROW * len(self.lanes[setting])
        legend = self._legend_height(self.scale * _WIDTH)
        height = self.scale * (_TITLE + rows + _TIME_AXIS) + legend
        with matplotlib.rc_context(self.look.theme.rc(self.look.font)):
            fig = Figure(figsize=(self.scale * _WIDTH, height))
            ax = self._draw_lanes(fig, setting, 0, self.scale * _TIME_AXIS + legend, self.scale * rows)
            _animate(ax, ax.set_title(title), ax.yaxis)
        return fig

    def draw_beside_tree(
        self, setting: object, title: str, tree: Node | dict | list, path: Collection[str], join: float
    ) -> Figure:
        """A figure of the recording of `setting`: a tree of calls, and to its right the lanes.

        path: the names of the calls on the critical path, marked in both. join: when the tree has ended.
        """
        look, rows = self.look, _TALL_ROW * len(self.lanes[setting])
        with matplotlib.rc_context(look.theme.rc(look.font)):
            fig = draw_tree(tree, title, path=path, theme=self.theme, font=look.font)
            width, height = fig.get_size_inches()
            across = width + self.scale * _LANES_WIDTH
            up = height + self._legend_height(across)
            fig.set_size_inches(across, up)
            fig.axes[0].set_position((0, 1 - height / up, width / across, height / up))  # as large as before
            bottom = (up - self.scale * rows) / 2
            ax = self._draw_lanes(fig, setting, width, bottom, self.scale * rows)
            ax.set_title("on a clock that jumps", fontweight="normal", fontsize="medium")
            ax.xaxis.set_major_locator(MaxNLocator(10, integer=True))
            for row, lane in enumerate(self.lanes[setting]):
                if lane.label in path:
                    _mark(ax, row, lane, look.theme)
            draw_join(ax, [], join, look)
        return fig

    def _legend_height(self, width: float) -> float:
        """In inches, in a figure `width` inches wide."""
        rows = math.ceil(len(self.explained) / legend_columns(self.explained, width, self.look.font))
        return self.scale * (_LEGEND + _LEGEND_ROW * (rows - 1))

    def _draw_lanes(self, fig: Figure, setting: object, left: float, bottom: float, height: float) -> Axes:
        """Draw lanes, with time axis and legend, at a place in inches; to the right of `left`."""
        left += self.labels + 2 * self.scale * _MARGIN
        right = self.scale * 4 * _MARGIN  # room for the word "join"
        ax = _axes(fig, left, bottom, fig.get_figwidth() - left - right, height, self.look.theme)
        draw_lanes(ax, self.lanes[setting], self.look)
        draw_time_axis(ax, self.look, margin=0.01)
        draw_legend(fig, self.explained, list(self.lanes.values()), self.look)
        return ax


def draw_limit(
    limit: int,
    calls: Sequence[tuple[float, float, float]],
    rates: Mapping[int, float],
    refusals: Mapping[int, int],
    capacity: int,
    *,
    end: float,
    theme: str = "light",
    font: float = _DEFAULT_FONT,
) -> Figure:
    """A figure of calls to a service that refuses: how many are in flight, and what each limit gives.

    limit: the limit chosen. calls: of each call when it was first sent, when the service took it, and
    when it ended. rates, refusals: limit -> answers a second, how often the service refused. capacity:
    how many calls the service takes. end: of the time axis. theme: "light" or "dark". font: in points.

    Raises ValueError if there are no calls, if `limit` is none of the limits, and for another theme or
    font.
    """
    require_font(font)
    look, scale = theme_named(theme), font / _DEFAULT_FONT
    if limit not in rates or limit not in refusals:
        raise ValueError(f"limit must be one of {', '.join(map(str, rates))}, not {limit!r}")
    if not calls:
        raise ValueError("calls is empty: there is nothing to draw")
    sent, taken, ended = zip(*calls)
    times = np.unique([0.0, *sent, *taken, *ended, end])
    served = _passed(taken, times) - _passed(ended, times)
    in_flight = _passed(sent, times) - _passed(ended, times)
    bottom, height = 0.95 * scale, 2.35 * scale
    with matplotlib.rc_context(look.rc(font)):
        fig = Figure(figsize=(scale * _WIDTH, scale * 3.7))
        ax = _axes(fig, 0.75 * scale, bottom, 3.9 * scale, height, look)
        style: dict[str, Any] = {"step": "post", "edgecolor": look.edge, "linewidth": 0.4}
        fill = look.fills[State.WAITING]
        ax.fill_between(times, 0, served, facecolor=fill, label="at the service", **style)
        style |= {"facecolor": look.background, "hatch": "xxx"}
        ax.fill_between(times, served, in_flight, label="refused, asks again later", **style)
        ax.axhline(limit, color=look.accent, linestyle="--", linewidth=1.6, label="the limit")
        ax.set(xlim=(0, end), ylim=(0, 1.08 * max(rates)), xlabel="time since start (s)")
        _animate(ax, ax.set_title(f"Calls in flight, limit {limit}"))
        for left, title, points in ((5.35, "Answers a second", rates), (7.8, "Refusals", refusals)):
            ax = _axes(fig, left * scale, bottom, 2.0 * scale, height, look)
            ax.plot(list(points), list(points.values()), "o-", color=look.edge, markersize=4, linewidth=1)
            ax.plot(limit, points[limit], "o", color=look.accent, markersize=10)
            label = None if ax is not fig.axes[1] else "what the service takes"
            ax.axvline(capacity, color=look.series[1], zorder=0.5, label=label)
            ax.set(xlabel="limit", xlim=(0, 1.08 * max(points)), ylim=(0, 1.15 * max(points.values())))
            ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
            _animate(ax, ax.set_title(f"{title}: {points[limit]:.3g}"))
        _legend_below(fig)
    return fig


def draw_stragglers(
    chains: Sequence[Sequence[float]],
    chances: Mapping[int, float],
    *,
    slow: float,
    theme: str = "light",
    font: float = _DEFAULT_FONT,
) -> Figure:
    """A figure of chains played: which branches were slow, how often and how long the join waits.

    chains: of each chain the seconds that its branches take. chances: number of branches -> computed
    chance that one of them is slow, for all numbers that the figure has room for. slow: the seconds of a
    slow branch. theme: "light" or "dark". font: size in points.

    Raises ValueError unless all chains have the same number of branches, one that `chances` has, and for
    another theme or font.
    """
    require_font(font)
    look, scale = theme_named(theme), font / _DEFAULT_FONT
    numbers = {len(chain) for chain in chains}
    if len(numbers) != 1 or not numbers <= set(chances):
        raise ValueError(f"chains must all have one number of branches, one in chances, not {numbers}")
    seconds, branches = np.array(chains, dtype=float), numbers.pop()
    joins = seconds.max(axis=1)
    with matplotlib.rc_context(look.rc(font)):
        fig = Figure(figsize=(scale * _WIDTH, scale * 4.45))
        cells = _axes(fig, 0.75 * scale, 1.3 * scale, 5.0 * scale, 2.75 * scale, look)
        row = _axes(fig, 0.75 * scale, 0.97 * scale, 5.0 * scale, 0.2 * scale, look)
        _draw_chains(cells, row, seconds >= slow, max(chances), look)
        ax = _axes(fig, 6.6 * scale, 2.6 * scale, 3.1 * scale, 1.45 * scale, look)
        ax.plot(list(chances), list(chances.values()), color=look.fills[State.RUNNING], label="computed")
        ax.plot(branches, (joins >= slow).mean(), "o", color=look.accent, markersize=9, label="played")
        ax.set(xlim=(0, 1.03 * max(chances)), ylim=(0, 1.06), xlabel="branches")
        ax.set_title("How often the join waits")
        ax = _axes(fig, 6.6 * scale, 0.97 * scale, 3.1 * scale, 0.6 * scale, look)
        _draw_slack(ax, seconds.mean(), joins.mean(), slow, look)
        _legend_below(fig)
        for ax in fig.axes:
            _animate(ax)
    return fig


def _animate(ax: Axes, *more: Artist) -> None:
    """Say that the data of axes, and `more`, differ from setting to setting. The frame stays on top."""
    data = (*ax.collections, *ax.images, *ax.lines, *ax.patches, *ax.texts)
    for artist in (*data, *ax.spines.values(), *more):
        artist.set_animated(True)


def _draw_chains(cells: Axes, row: Axes, is_slow: np.ndarray, most: int, look: Theme) -> None:
    """Draw a column of branches for each chain, with room for `most`, and below it what the join does."""
    chains, branches = is_slow.shape
    colours = ListedColormap([look.background, look.fills[State.WAITING], look.accent])
    style: dict[str, Any] = {"cmap": colours, "vmin": 0, "vmax": 2, "aspect": "auto"}
    style |= {"interpolation": "nearest"}
    numbers = np.zeros((most, chains))
    numbers[:branches] = 1 + is_slow.T
    cells.imshow(numbers, extent=(0, chains, most, 0), **style)
    cells.set(xticks=[], ylabel="branches")
    cells.set_title(f"{chains} chains, a column each")
    row.imshow([1 + is_slow.any(axis=1)], **style)
    row.set(xticks=[], yticks=[0], yticklabels=["join"])
    meanings = ("quick", look.fills[State.WAITING]), ("slow branch; join that waits for one", look.accent)
    for label, colour in meanings:
        row.add_patch(Rectangle((0, 0), 0, 0, facecolor=colour, edgecolor=look.edge, label=label))


def _draw_slack(ax: Axes, own: float, join: float, slow: float, look: Theme) -> None:
    """Draw how long a branch and the join take, and dotted how long the branch waits for the join."""
    ax.barh(["a branch", "the join"], [own, join], color=[look.fills[State.WAITING], look.accent], height=0.6)
    ax.plot([own, join], [0, 0], color=look.accent, linewidth=1.4, linestyle=(0, (1, 2)))
    for row, seconds in enumerate([own, join]):
        ax.text(join + 0.02 * slow, row, f"{seconds:.1f} s", va="center")
    ax.set(xlim=(0, 1.2 * slow), ylim=(1.5, -0.5), xlabel="seconds")
    ax.set_title("How long, on average")


def _legend_below(fig: Figure) -> None:
    """Explain what has a label, in a row at the bottom of a figure."""
    handles = [handle for ax in fig.axes for handle in ax.get_legend_handles_labels()[0]]
    fig.legend(handles=handles, loc="lower center", ncols=len(handles), columnspacing=1.4, handlelength=1.8)


def _named_lanes(recording: Recording, names: Sequence[str]) -> list[Lane]:
    """A lane for each name: that of the unit with this name, or an empty one."""
    units = [unit for unit in recording.units.values() if unit.name in names]
    found = {lane.label: lane for lane in unit_lanes(recording, units)}
    return [found.get(name) or Lane("", []) for name in names]


def _passed(moments: Sequence[float], times: np.ndarray) -> np.ndarray:
    """How many of the moments have come, at each of the times."""
    return np.searchsorted(np.sort(moments), times, "right")


def _axes(fig: Figure, left: float, bottom: float, width: float, height: float, look: Theme) -> Axes:
    """Axes at a place in inches."""
    across, up = fig.get_size_inches()
    ax = fig.add_axes((left / across, bottom / up, width / across, height / up))
    ax.tick_params(colors=look.text)
    return ax


def _mark(ax: Axes, row: int, lane: Lane, theme: Theme) -> None:
    """Mark a lane: a bold label, and a thick line around its bar."""
    ax.get_yticklabels()[row].set(fontweight="bold", color=theme.accent)
    start = min(span.start for span in lane.spans)
    frame: dict[str, Any] = {"fill": False, "edgecolor": theme.accent, "linewidth": 2.6}
    frame |= {"zorder": 3, "clip_on": False}
    ax.add_patch(Rectangle((start, row - 0.4), lane.end - start, 0.8, **frame))
