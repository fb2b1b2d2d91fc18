"""Draw recordings on a time axis: one timeline, several on one axis, and the two paths of a chain.

Each `show_...` displays a figure with its caption and its words; each `draw_...` only makes it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import matplotlib
from matplotlib.figure import Figure

from helpers.figures.bars import (
    Look,
    draw_join,
    draw_lanes,
    draw_legend,
    draw_stack,
    draw_time_axis,
    fit_notes,
    is_dense,
    legend_columns,
    visible,
    wrapped,
)
from helpers.figures.lanes import (
    WORKER,
    Lane,
    branch_lanes,
    chosen_units,
    loop_lanes,
    thread_lanes,
    unit_lanes,
)
from helpers.figures.output import show_figure
from helpers.figures.theme import require_font, theme_named
from helpers.recording.data import Recording, stems
from helpers.recording.words import (
    describe,
    describe_ainvoke,
    describe_invoke,
    describe_join,
    require_limit,
    require_recording,
)

__all__ = [
    "describe",
    "draw_paths",
    "draw_timeline",
    "draw_timelines",
    "show_paths",
    "show_timeline",
    "show_timelines",
]

_PATHS = "Above: invoke, a lane for each thread. Below: ainvoke, its one thread and the tasks on it."
_WIDTH = 10.0  # inches
_STACK, _RASTER = 1.4, 3.2  # heights in inches, at the default font size
_DEFAULT_FONT = 11


def show_timeline(
    recording: Recording,
    title: str,
    caption: str | None = None,
    *,
    limit: int | None = None,
    end_order: bool = True,
    **options: Any,
) -> None:
    """Show a recording as lanes on a time axis, and below them how many units were in which state.

    caption: what to see in it, by default the title. end_order: as in `describe`.
    limit and options: as in `draw_timeline`, which also says what is raised.
    """
    fig = draw_timeline(recording, title, limit=limit, **options)
    text = describe(recording, limit, end_order)
    if options.get("join"):
        text += describe_join(recording)
    show_figure(fig, caption=caption or title, text=text)


def show_timelines(
    recordings: Mapping[str, Recording],
    caption: str | None = None,
    *,
    end_order: bool = True,
    **options: Any,
) -> None:
    """Show several recordings on one time axis, so that what is faster looks faster.

    recordings: title -> recording, from top to bottom. caption: what to see, by default the titles.
    end_order: as in `describe`. options: as in `draw_timelines`, which also says what is raised.
    """
    fig = draw_timelines(recordings, **options)
    lines = [
        f"{title}: {describe(each, end_order=end_order)}{describe_join(each) if options.get('join') else ''}"
        for title, each in recordings.items()
    ]
    show_figure(fig, caption=caption or "; ".join(recordings), text="\n".join(lines))


def show_paths(
    *,
    invoke: Recording,
    ainvoke: Recording,
    caption: str | None = None,
    end_order: bool = True,
    **options: Any,
) -> None:
    """Show the two ways to run a chain: above on threads, below on an event loop.

    caption: what to see. end_order: as in `describe`.
    invoke, ainvoke and options: as in `draw_paths`, which also says what is raised.
    """
    fig = draw_paths(invoke=invoke, ainvoke=ainvoke, **options)
    lines = [
        f"invoke: {describe_invoke(invoke, end_order)}{describe_join(invoke)}",
        f"ainvoke: {describe_ainvoke(ainvoke, end_order)}{describe_join(ainvoke)}",
    ]
    show_figure(fig, caption=caption or _PATHS, text="\n".join(lines))


def draw_timeline(
    recording: Recording,
    title: str,
    *,
    by: str = "unit",
    limit: int | None = None,
    join: bool = False,
    theme: str = "light",
    font: float = _DEFAULT_FONT,
    xlim: tuple[float, float] | None = None,
    lanes: str | None = None,
) -> Figure:
    """A figure of one recording: lanes above, stacked states with the in-flight line below.

    by: "unit" for a lane each task, work item or call; "thread" for a lane each thread that ran some.
    limit: a limit of concurrency to draw. join: draw a line at the recording's end, and how long
    whatever ended earlier waits for it. theme: "light" or "dark". font: size in points, 15 for a
    projector. xlim: (start, end) of the time axis in seconds, by default the whole recording.
    lanes: None for `recording.lanes()`, "all" for every unit.

    More than 60 lanes become a raster that shows the most frequent state.

    Raises ValueError for an empty recording and for values other than these, TypeError for anything
    but a Recording, RuntimeError inside the recording's block.
    """
    require_recording(recording)
    require_limit(limit)
    if by not in ("unit", "thread"):
        raise ValueError(f"by must be 'unit' or 'thread', not {by!r}")
    rows, working = _unit_rows(recording, lanes)
    flights = recording.in_flight()
    stack = _Stack(working, [flights[row.unit] for row in working if row.unit in flights], limit)
    if by == "thread":
        rows = thread_lanes(recording)
        for row in working:
            row.marks.clear()  # the lanes of the stack have no marks
    panel = _Panel(rows, title, _join(recording) if join else None)
    return _figure([panel], recording.duration, theme, font, xlim, stack)


def draw_timelines(
    recordings: Mapping[str, Recording],
    *,
    join: bool = False,
    theme: str = "light",
    font: float = _DEFAULT_FONT,
    xlim: tuple[float, float] | None = None,
    lanes: str | None = None,
) -> Figure:
    """A figure of several recordings, one below the other on one time axis, with a lane a unit.

    recordings: title -> recording. join, theme, font, xlim and lanes: as in `draw_timeline`; the time
    axis is as long as the longest recording by default.

    Raises TypeError unless `recordings` is a dict, ValueError if it is empty; else as `draw_timeline`.
    """
    if not isinstance(recordings, Mapping):
        raise TypeError(f"recordings must be a dict {{title: recording}}, not {type(recordings).__name__}")
    if not recordings:
        raise ValueError("recordings is empty: it must have at least one {title: recording}")
    panels = []
    for title, recording in recordings.items():
        require_recording(recording)
        rows, _ = _unit_rows(recording, lanes)
        panels.append(_Panel(rows, title, _join(recording) if join else None))
    return _figure(panels, max(recording.duration for recording in recordings.values()), theme, font, xlim)


def draw_paths(
    *,
    invoke: Recording,
    ainvoke: Recording,
    theme: str = "light",
    font: float = _DEFAULT_FONT,
    xlim: tuple[float, float] | None = None,
) -> Figure:
    """A figure of the two ways to run a chain, on one time axis, each with its join.

    invoke: a recording of work on threads; it gets a lane a thread. ainvoke: a recording of tasks;
    below the lane of its event-loop thread each task has a thinner one. theme, font and xlim: as in
    `draw_timeline`; the time axis is as long as the longer recording by default.

    Raises ValueError if `ainvoke` has no event loop; else as `draw_timeline`.
    """
    require_recording(invoke)
    require_recording(ainvoke)
    if not ainvoke.steps:
        raise ValueError("ainvoke must be a recording of tasks: in this one no event loop ran any")
    threads = thread_lanes(invoke)
    workers = sum(lane.label.startswith(WORKER) for lane in threads)
    above = f"invoke: {workers} worker thread{'' if workers == 1 else 's'}" if workers else "invoke"
    loops = loop_lanes(ainvoke)
    below = f"ainvoke: {len(loops)} event-loop thread{'' if len(loops) == 1 else 's'}"
    panels = [
        _Panel(threads, above, _join(invoke)),
        _Panel(loops, below, _join(ainvoke), goes_on=True),
        _Panel(branch_lanes(ainvoke), "", _join(ainvoke)),
    ]
    return _figure(panels, max(invoke.duration, ainvoke.duration), theme, font, xlim)


def _unit_rows(recording: Recording, lanes: str | None) -> tuple[list[Lane], list[Lane]]:
    """The lanes to draw, and those of them that do not only wait for others; in a raster just these."""
    units = chosen_units(recording, lanes)
    waiting = stems(units)
    rows = unit_lanes(recording, units)
    working = [row for row, unit in zip(rows, units) if unit not in waiting]
    return working if is_dense(rows) else rows, working


class _Join(NamedTuple):
    """When the call ended, and whether with an exception."""

    time: float
    raised: bool


def _join(recording: Recording) -> _Join:
    return _Join(recording.duration, recording.raised)


@dataclass
class _Panel:
    """Lanes with a title. join: of the line to draw. goes_on: the next panel belongs to this one."""

    lanes: list[Lane]
    title: str
    join: _Join | None = None
    goes_on: bool = False

    def height(self) -> float:
        """In inches, at the default font size."""
        count = len(self.lanes)
        return _RASTER if is_dense(self.lanes) else 0.1 + count * min(0.36, max(0.21, 6 / count))


@dataclass
class _Stack:
    """The states of some lanes, stacked; see `draw_stack`."""

    lanes: list[Lane]
    flights: list[tuple[float, float]]
    limit: int | None


def _figure(
    panels: list[_Panel],
    duration: float,
    theme: str,
    font: float,
    xlim: tuple[float, float] | None,
    stack: _Stack | None = None,
) -> Figure:
    """The panels from top to bottom on one time axis, then the stack, the time axis and the legend."""
    require_font(font)
    look = Look(theme_named(theme), font, *_range(duration, xlim))
    scale = font / _DEFAULT_FONT
    heights = [scale * panel.height() for panel in panels] + ([scale * _STACK] if stack else [])
    shown = [panel.lanes for panel in panels] + ([stack.lanes] if stack else [])
    explained = visible(shown, look)
    legend_rows = math.ceil(len(explained) / legend_columns(explained, _WIDTH, font))
    titles = [wrapped(panel.title, shown, _WIDTH, font) for panel in panels]
    title_lines = sum(1 + title.count("\n") for title in titles if title) + bool(stack)
    around = scale * (0.7 + 0.28 * title_lines + 0.22 * legend_rows)
    joins = [panel.join for panel in panels if panel.join is not None]
    in_sight = [join for join in joins if look.start <= join.time <= look.end]
    join_room = (0.0095 if any(join.raised for join in in_sight) else 0.007) * font if in_sight else 0.01

    with matplotlib.rc_context(look.theme.rc(font)):
        fig = Figure(figsize=(_WIDTH, sum(heights) + around), layout="constrained")
        axes = fig.subplots(len(heights), sharex=True, height_ratios=heights, squeeze=False)[:, 0]
        notes = []
        for ax, panel, title in zip(axes, panels, titles):
            ax.set_title(title)
            ax.spines.bottom.set_visible(not panel.goes_on)
            notes += draw_lanes(ax, panel.lanes, look)
            if panel.join is not None:
                time, raised = panel.join
                draw_join(ax, panel.lanes, time, look, label=not panel.goes_on, raised=raised)
        if stack:
            draw_stack(axes[-1], stack.lanes, stack.flights, stack.limit, look)
            if joins:
                draw_join(axes[-1], [], joins[0].time, look, label=False, raised=joins[0].raised)
        for ax in axes:
            ax.tick_params(labelsize=font, colors=look.theme.text)
            ax.tick_params(axis="x", bottom=ax is axes[-1])
        draw_time_axis(axes[-1], look, margin=join_room)
        draw_legend(fig, explained, shown, look)
        fit_notes(fig, notes)
    return fig


def _range(duration: float, xlim: tuple[float, float] | None) -> tuple[float, float]:
    if xlim is None:
        return 0.0, duration
    try:
        start, end = map(float, xlim)
    except (TypeError, ValueError):
        start = end = 0.0
    if not start < end:
        raise ValueError(f"xlim must be (start, end) in seconds, start before end, not {xlim!r}")
    return start, end
