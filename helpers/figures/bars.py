"""Draw lanes, stacked states and join lines on matplotlib axes. All times are in seconds."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MaxNLocator, StrMethodFormatter

from helpers.figures.lanes import Lane, Mark, Note
from helpers.figures.theme import END_MEANING, HATCH, MEANING, ORDER, Theme, text_width
from helpers.recording.data import End, Span, State

MAX_BARS = 60  # with more lanes, bars would be thinner than a line of text
_MEANINGS: dict[Any, str] = {**MEANING, **END_MEANING}
_COLUMNS, _ROWS = 1000, 300  # of a raster
_THICK, _THIN = 0.74, 0.44  # of a lane's height
_MARK = 0.85  # of the font's size
_LONGEST_LABEL = 270  # points


@dataclass(frozen=True)
class Look:
    """How a figure is drawn, and which stretch of time it shows."""

    theme: Theme
    font: float
    start: float
    end: float

    @property
    def column(self) -> float:
        """The time that a column of a raster stands for, about a pixel wide."""
        return (self.end - self.start) / _COLUMNS

    @property
    def shortest(self) -> float:
        """The shortest time that is worth drawing and explaining."""
        return 2 * self.column


def is_dense(lanes: Sequence[Lane]) -> bool:
    """Whether there are too many lanes to draw bars."""
    return len(lanes) > MAX_BARS


def draw_lanes(ax: Axes, lanes: list[Lane], look: Look) -> list[tuple[Text, Note]]:
    """Draw bars, or a raster where there are too many lanes. Returns the notes, yet to be fitted."""
    if is_dense(lanes):
        _draw_raster(ax, lanes, look)
        _draw_marks(ax, lanes, look)
        return []
    for state in reversed(ORDER):  # short steps on the CPU come on top of what surrounds them
        _draw_state(ax, lanes, state, look)
    ax.set_yticks(range(len(lanes)), [_label(lane, look.font) for lane in lanes])
    ax.set_ylim(len(lanes) - 0.5, -0.5)
    ax.grid(axis="x", color=look.theme.grid, linewidth=0.6)
    ax.set_axisbelow(True)
    _draw_marks(ax, lanes, look)
    return [
        (_draw_note(ax, row, note, look), note)
        for row, lane in enumerate(lanes)
        for note in lane.notes
        if min(note.end, look.end) - max(note.start, look.start) > 20 * look.column
    ]


def fit_notes(fig: Figure, notes: Sequence[tuple[Text, Note]]) -> None:
    """Take away the notes that are wider than the bars they stand in."""
    if not notes:
        return
    fig.draw_without_rendering()
    for text, note in notes:
        box, axes = text.get_window_extent(), text.axes.get_window_extent()
        left, right = text.axes.transData.transform([(note.start, 0), (note.end, 0)])[:, 0]
        if box.x0 < max(left, axes.x0) or box.x1 > min(right, axes.x1):
            text.remove()


def draw_stack(
    ax: Axes, lanes: list[Lane], flights: list[tuple[float, float]], limit: int | None, look: Look
) -> None:
    """Draw how many lanes are in each state, how many are in flight, and the limit.

    flights: from when to when something was in flight.
    """
    theme, raster = look.theme, is_dense(lanes)
    edges = np.linspace(look.start, look.end, _COLUMNS + 1)
    base = np.zeros(_COLUMNS)
    for state, counts in zip(ORDER, _coverage(lanes, look).sum(axis=1)):
        if not counts.any():
            continue
        area: dict[str, Any] = {"x": edges[:-1], "y1": base, "y2": base + counts, "step": "post"}
        ax.fill_between(**area, facecolor=_fill(state, theme, raster), edgecolor=theme.edge, linewidth=0.4)
        if state in HATCH and not raster:
            hatch: dict[str, Any] = {"edgecolor": theme.ink(state), "linewidth": 0, "hatch": HATCH[state]}
            ax.fill_between(**area, facecolor="none", **hatch)
        base = base + counts
    peak, in_flight = _in_flight(flights, edges)
    ax.step(edges, in_flight, where="post", color=theme.text, linewidth=1.6)
    title = f"in flight (line): peak {peak:,}"
    if limit is not None:
        ax.axhline(limit, color=theme.accent, linestyle="--", linewidth=1.4)
        title += f"; limit (dashed): {limit:,}"
    ax.set_title(title, fontweight="normal", fontsize="medium")
    ax.set_ylim(0, 1.15 * max(base.max(), peak, limit or 0, 1))
    ax.set_ylabel("units")
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def draw_join(
    ax: Axes, lanes: list[Lane], join: float, look: Look, label: bool = True, raised: bool = False
) -> None:
    """Draw a line at the time of the join, and dotted how long each lane that ended earlier waits for it.

    raised: whether the call ended there with an exception; the line says so.
    """
    colour = look.theme.ends[End.FAILED] if raised else look.theme.accent
    ax.axvline(join, color=colour, linewidth=2)
    if label:
        place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "xytext": (0.4 * look.font, -2)}
        style: dict[str, Any] = {"va": "top", "color": colour, "fontweight": "bold", "annotation_clip": True}
        # Right of the line there is nothing to cover.
        text = "raised" if raised else "join"
        ax.annotate(text, (join, 1), **place, textcoords="offset points", **style)
    if is_dense(lanes):
        return
    for row, lane in enumerate(lanes):
        if lane.ends and lane.spans:
            dotted = (0, (1, 2))
            ax.plot([lane.end, join], [row, row], color=colour, linewidth=1.4, linestyle=dotted, zorder=0.9)


def draw_time_axis(ax: Axes, look: Look, margin: float) -> None:
    """Set the range of the time axis, with `margin` times its length to the right, and its labels."""
    ax.set_xlim(look.start, look.end + margin * (look.end - look.start))
    unit, scale = ("s", 1) if look.end > 5 else ("ms", 1000)
    ax.xaxis.set_major_locator(MaxNLocator(8))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda time, _: f"{time * scale:,.6g}"))
    ax.set_xlabel(f"time since start ({unit})")


def visible(panels: list[list[Lane]], look: Look) -> list[State | End]:
    """The states and ends that can be seen in some panels: what a legend has to explain."""
    marks = (mark for lanes in panels for lane in lanes for mark in _marks_in_sight(lane, look))
    found: set[State | End] = {mark.end for mark in marks}
    for lanes in panels:
        durations = defaultdict(list)
        for lane in lanes:
            spans = lane.spans if is_dense(lanes) else _visible_spans(lane, look)
            for span in spans:
                durations[span.state].append(max(min(span.end, look.end) - max(span.start, look.start), 0))
        for state, parts in durations.items():
            if sum(parts) > (look.shortest if is_dense(lanes) and state is not State.RUNNING else 0):
                found.add(state)
    return [each for each in (*ORDER, *End) if each in found]


def legend_columns(explained: list[State | End], width: float, font: float) -> int:
    """The largest number of columns for a legend in a figure of `width` inches."""
    widths = [text_width(_MEANINGS[each], font - 1) for each in explained]
    for columns in range(len(explained), 1, -1):
        widest = [max(part) for part in np.array_split(widths, columns)]
        if sum(widest) + columns * 5 * font < 72 * width:  # a handle and the gaps take about five letters
            return columns
    return 1


def draw_legend(fig: Figure, explained: list[State | End], panels: list[list[Lane]], look: Look) -> None:
    """Explain states and ends below the figure, as they look in bars or in a raster."""
    rasters = [is_dense(lanes) for lanes in panels]
    handles = [
        Line2D([], [], **look.theme.mark(each, _MARK * look.font), label=END_MEANING[each])
        if isinstance(each, End)
        else Patch(
            facecolor=_fill(each, look.theme, any(rasters)),
            edgecolor=look.theme.ink(each),
            hatch=None if all(rasters) else HATCH.get(each),
            linewidth=0.6,
            label=MEANING[each],
        )
        for each in explained
    ]
    columns = legend_columns(explained, fig.get_figwidth(), look.font)
    fig.legend(handles=handles, loc="outside lower center", ncols=columns)


def wrapped(title: str, panels: list[list[Lane]], width: float, font: float) -> str:
    """Break a title into lines that fit above the lanes of a figure `width` inches wide."""
    named = [lane for lanes in panels if not is_dense(lanes) for lane in lanes]
    labels = max((text_width(_label(lane, font), font) for lane in named), default=5 * font)
    room, needed = 72 * width - labels - 3 * font, text_width(title, font + 1, bold=True)
    if needed > room:
        title = textwrap.fill(title, max(10, int(0.95 * len(title) * room / needed)))
    return _plain(title)


def _visible_spans(lane: Lane, look: Look) -> list[Span]:
    """The spans of a lane that are drawn as bars.

    An outline in its own colour keeps a step of some microseconds visible. What else is that short would
    only look like one, and is left out where the lane has something else to show.
    """
    spans = [span for span in lane.spans if span.duration > 0]
    shown = [span for span in spans if span.state is State.RUNNING or span.duration > look.shortest]
    return shown or spans


def _marks_in_sight(lane: Lane, look: Look) -> Iterator[Mark]:
    return (mark for mark in lane.marks if look.start <= mark.time <= look.end)


def _draw_marks(ax: Axes, lanes: list[Lane], look: Look) -> None:
    """Mark how lanes ended: failures on top, and smaller what is there too often."""
    for end in reversed(End):
        places = [
            (mark.time, row)
            for row, lane in enumerate(lanes)
            for mark in _marks_in_sight(lane, look)
            if mark.end is end
        ]
        if places:
            size = _MARK if len(places) <= MAX_BARS else _MARK / 2
            ax.plot(*zip(*places), **look.theme.mark(end, size * look.font), clip_on=False, zorder=3)


def _draw_state(ax: Axes, lanes: list[Lane], state: State, look: Look) -> None:
    boxes = [
        (row, span.start, span.end, _THIN if lane.thin else _THICK)
        for row, lane in enumerate(lanes)
        for span in _visible_spans(lane, look)
        if span.state is state
    ]
    if not boxes:
        return
    row, start, end, height = np.array(boxes).T
    top, bottom = row - height / 2, row + height / 2
    corners: Any = np.stack([start, top, end, top, end, bottom, start, bottom], axis=1).reshape(-1, 4, 2)
    theme, fill = look.theme, look.theme.fills[state]
    outline: dict[str, Any] = {"edgecolors": theme.edge, "linewidths": 0.6}
    if state in (State.RUNNING, State.READY, State.IN_THREAD):
        outline = {"edgecolors": fill, "linewidths": 1.0}
    ax.add_collection(PolyCollection(corners, facecolors=fill, **outline), autolim=False)
    if state in HATCH:
        wide = corners[end - start > 5 * look.column]
        hatch: dict[str, Any] = {"edgecolors": theme.ink(state), "linewidths": 0, "hatch": HATCH[state]}
        ax.add_collection(PolyCollection(wide, facecolors="none", **hatch), autolim=False)


def _draw_note(ax: Axes, row: int, note: Note, look: Look) -> Text:
    middle = (max(note.start, look.start) + min(note.end, look.end)) / 2
    box = {"facecolor": look.theme.background, "edgecolor": "none", "pad": 1.5}
    place: dict[str, Any] = {"ha": "center", "va": "center", "clip_on": True}
    return ax.text(middle, row, _plain(note.text), fontsize=look.font - 2, bbox=box, **place)


def _draw_raster(ax: Axes, lanes: list[Lane], look: Look) -> None:
    covered = _coverage(lanes, look)
    winner = covered.argmax(axis=0)
    # One thread runs one unit at a time: among thousands it would never be in the majority.
    winner[covered[ORDER.index(State.RUNNING)] > 0.25] = ORDER.index(State.RUNNING)
    colours = np.array([to_rgb(_fill(state, look.theme, raster=True)) for state in ORDER])[winner]
    colours[covered.sum(axis=0) < 1e-9] = to_rgb(look.theme.background)
    extent = (look.start, look.end, len(lanes) - 0.5, -0.5)
    ax.imshow(colours, aspect="auto", extent=extent, interpolation="nearest")
    ax.set_ylabel(f"{len(lanes):,} units, by creation")
    ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _coverage(lanes: list[Lane], look: Look) -> np.ndarray:
    """How many lanes are in each state, on average in each cell: [state, row, column].

    Each span adds to where it starts and takes away where it ends; the running sum along the columns
    does the rest, so that the work grows with the spans and not with the pixels they cover.
    """
    rows = min(_ROWS, len(lanes))
    numbers = {state: number for number, state in enumerate(ORDER)}
    table = [
        (numbers[span.state], index * rows // len(lanes), span.start, span.end)
        for index, lane in enumerate(lanes)
        for span in lane.spans
    ]
    state, row, start, end = np.array(table).reshape(-1, 4).T
    state, row = state.astype(int), row.astype(int)
    changes = np.zeros((len(ORDER), rows, _COLUMNS + 2))
    for times, sign in ((start, 1), (end, -1)):
        place = (np.clip(times, look.start, look.end) - look.start) / look.column
        column = place.astype(int)
        part = place - column
        np.add.at(changes, (state, row, column), sign * (1 - part))
        np.add.at(changes, (state, row, column + 1), sign * part)
    return changes.cumsum(axis=2)[:, :, :_COLUMNS]


def _in_flight(flights: list[tuple[float, float]], edges: np.ndarray) -> tuple[int, np.ndarray]:
    """The peak, and the largest number in flight from each edge of a column to the next."""
    changes = np.unique(np.array(flights, dtype=float))
    counts = _how_many(flights, changes)
    highest = _how_many(flights, edges)
    inside = (changes >= edges[0]) & (changes < edges[-1])
    np.maximum.at(highest, np.searchsorted(edges, changes[inside], "right") - 1, counts[inside])
    return int(counts.max(initial=0)), highest


def _how_many(intervals: list[tuple[float, float]], times: np.ndarray) -> np.ndarray:
    """How many intervals contain each of the times; an interval does not contain its end."""
    starts, ends = np.array(intervals, dtype=float).reshape(-1, 2).T
    return np.searchsorted(np.sort(starts), times, "right") - np.searchsorted(np.sort(ends), times, "right")


def _fill(state: State, theme: Theme, raster: bool) -> str:
    """The colour for a state; in a raster, which has no hatches, white cannot stand for one."""
    return theme.queued_raster if raster and state is State.QUEUED else theme.fills[state]


def _label(lane: Lane, font: float) -> str:
    """A lane's label, cut where it would leave no room for the lane."""
    label = lane.label
    while text_width(label, font) > _LONGEST_LABEL:
        label = label.removesuffix("…")[:-1] + "…"
    return _plain(label)


def _plain(text: str) -> str:
    """Keeps matplotlib from reading dollar signs as mathematics."""
    return text.replace("$", r"\$")
