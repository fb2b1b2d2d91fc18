"""Draw the states that units go through, on a canvas measured in points."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from helpers.figures.canvas import Canvas, Point
from helpers.figures.state_changes import CANCELLED, CREATED, DONE, FAILED, cause
from helpers.figures.theme import HATCH, MEANING, text_width
from helpers.recording.data import State

_PLACES = {  # column and row of each state
    State.QUEUED: (1, 0),
    State.IN_THREAD: (2, 0),
    CANCELLED: (3, 0),
    CREATED: (0, 1),
    State.READY: (1, 1),
    State.RUNNING: (2, 1),
    DONE: (3, 1),
    State.WAITING: (1, 2),
    State.BLOCKED: (2, 2),
    FAILED: (3, 2),
}
_WIDTH = 700.0  # points
_SMALL = 0.85  # of the font size: what a state means
_LABEL = 0.9  # of the font size: what causes a change
_SLANTING = 0.28  # where on a slanting line its label is: in the middle, two of them cross


@dataclass(frozen=True)
class Box:
    """The room of a state, in points; x and y are its middle."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> float:
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        return self.y - self.height / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height / 2

    def edge(self, dx: float, dy: float, aside: Point) -> Point:
        """Where a line in direction (dx, dy) that starts `aside` of the middle meets the box's edge."""
        x, y = aside
        across = (math.copysign(self.width / 2, dx) - x) / dx if dx else math.inf
        down = (math.copysign(self.height / 2, dy) - y) / dy if dy else math.inf
        return self.x + x + min(across, down) * dx, self.y + y + min(across, down) * dy


def arrange_states(pairs: list[tuple[str, str]], font: float) -> dict[str, Box]:
    """Make room for the states that occur, each in its place; rows without any are left out."""
    meanings = [line for state in State for line in _meaning(state)]
    wide = max(text_width(line, _SMALL * font) for line in meanings) + 2.6 * font
    narrow = text_width(CANCELLED, font, bold=True) + 1.6 * font
    gap = max((_WIDTH - 2 * wide - 2 * narrow) / 3, 6 * font)
    columns, right = [], 0.0
    for width in (narrow, wide, wide, narrow):
        columns.append(right + width / 2)
        right += width + gap
    nodes = {node for pair in pairs for node in pair}
    rows = sorted({_PLACES[node][1] for node in nodes})
    has_arc = any(_leads_over(pair, nodes) and _PLACES[pair[0]][1] == rows[0] for pair in pairs)
    boxes = {}
    for node, (column, row) in _PLACES.items():
        if node in nodes:
            y = (2.3 + 9.6 * rows.index(row) + 3 * has_arc) * font
            size = (wide, 4.6 * font) if isinstance(node, State) else (narrow, 2.2 * font)
            boxes[node] = Box(columns[column], y, *size)
    return boxes


def draw_life(canvas: Canvas, pairs: list[tuple[str, str]], boxes: dict[str, Box]) -> None:
    """Draw states as boxes, and changes as arrows with their causes."""
    for pair in pairs:
        if _leads_over(pair, boxes):
            _draw_arc(canvas, pair, boxes)
        else:
            _draw_arrow(canvas, pair, boxes, aside=0.6 * canvas.font if pair[::-1] in pairs else 0)
    for node, box in boxes.items():
        if isinstance(node, State):
            _draw_state(canvas, node, box)
        else:
            canvas.box((box.left, box.top), box.width, box.height, radius=box.height / 2)
            canvas.text(box.x, box.y, node, ha="center", fontweight="bold")


def _leads_over(pair: tuple[str, str], nodes: Iterable[str]) -> bool:
    """Whether a third state lies between two."""
    (start, row), (end, other) = (_PLACES[node] for node in pair)
    between = [(column, row) for column in range(start + 1, end)]
    return row == other and any(_PLACES[node] in between for node in nodes)


def _meaning(state: State) -> list[str]:
    """What a state means, in two lines."""
    return textwrap.wrap(MEANING[state].partition(": ")[2], 15)


def _draw_state(canvas: Canvas, state: State, box: Box) -> None:
    """A box with the state's colour and hatch at its left side."""
    font, look, corner = canvas.font, canvas.look, (box.left, box.top)
    canvas.box(corner, box.width, box.height, radius=0)
    fill = {"facecolor": look.fills[state], "hatch": HATCH.get(state), "edgecolor": look.ink(state)}
    canvas.bar(corner, 1.3 * font, box.height, linewidth=0, **fill)
    canvas.bar(corner, 1.3 * font, box.height, linewidth=1, fill=False, edgecolor=look.text)
    canvas.text(box.left + 1.9 * font, box.top + 1.1 * font, state.value, fontweight="bold")
    for number, line in enumerate(_meaning(state)):
        y = box.top + (2.4 + 1.2 * number) * font
        canvas.text(box.left + 1.9 * font, y, line, fontsize=_SMALL * font)


def _draw_arc(canvas: Canvas, pair: tuple[str, str], boxes: dict[str, Box]) -> None:
    """An arrow that passes above what lies between two states."""
    start, end = (boxes[node] for node in pair)
    x, y = (start.x + end.x) / 2, start.y - 5 * canvas.font
    canvas.line([(start.x, start.top), (x, y), (end.x, end.top)], arrow=True, curved=True)
    canvas.label(x, y + canvas.font, cause(pair), fontsize=_LABEL * canvas.font)


def _draw_arrow(canvas: Canvas, pair: tuple[str, str], boxes: dict[str, Box], aside: float) -> None:
    """A straight arrow. aside: how far it keeps to its left, where another one leads back."""
    start, end = (boxes[node] for node in pair)
    dx, dy = end.x - start.x, end.y - start.y
    length = math.hypot(dx, dy)
    left = dy / length, -dx / length
    off = aside * left[0], aside * left[1]
    (x1, y1), (x2, y2) = start.edge(dx, dy, off), end.edge(-dx, -dy, off)
    canvas.line([(x1, y1), (x2, y2)], arrow=True)
    part = _SLANTING if dx and dy else 0.5
    x, y = x1 + part * (x2 - x1), y1 + part * (y2 - y1)
    font, label = _LABEL * canvas.font, cause(pair)
    if not dy:
        if text_width(label, font) > abs(x2 - x1) - font:
            label = textwrap.fill(label, len(label) * 2 // 3, break_long_words=False)
        y += math.copysign(0.3 * font, -dx)
        canvas.label(x, y, label, va="bottom" if dx > 0 else "top", fontsize=font)
    elif aside:
        canvas.label(x + 0.5 * font * left[0], y, label, ha="left" if left[0] > 0 else "right", fontsize=font)
    else:
        canvas.label(x, y, label, fontsize=font)
