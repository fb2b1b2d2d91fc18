"""Draw a tree of runnables as a flow from left to right, on a canvas measured in points."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from helpers.figures.canvas import Canvas, Point
from helpers.figures.theme import text_width
from helpers.figures.trees import FUNCTION, PARALLEL, SEQUENCE, Node

_SMALL = 0.85  # of the font size: durations


@dataclass(frozen=True)
class Wire:
    """A line from corner to corner. It is on the critical path if all of `nodes` are."""

    corners: list[Point]
    arrow: bool
    nodes: tuple[Node, ...]


@dataclass
class Block:
    """Room for a node, in points: x to the right and y down from where the flow enters it.

    The flow leaves at the same height, `width` further on. above, below: how far the block reaches from
    there. inner: (block of a child, its x, its y). fork, join: where a parallel has its dot and its bar.
    """

    node: Node
    width: float
    above: float = 0.0
    below: float = 0.0
    inner: list[tuple[Block, float, float]] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    fork: float = 0.0
    join: float = 0.0


def arrange(node: Node, font: float) -> Block:
    """Make room for a node and for all that is in it."""
    if node.kind == FUNCTION:
        texts = text_width(node.name, font, bold=True), text_width(node.duration, _SMALL * font)
        half = font * (1.6 if node.duration else 1.1)
        return Block(node, max(texts) + 1.6 * font, half, half)
    blocks = [arrange(child, font) for child in node.children]
    block = _row(node, blocks, font) if node.kind == SEQUENCE else _stack(node, blocks, font)
    block.above = max(child.above - y for child, _, y in block.inner) + 2 * font  # room for its name
    block.below = max(child.below + y for child, _, y in block.inner) + 0.7 * font
    needed = text_width(node.heading, font) + 1.4 * font
    if block.width < needed:
        block.wires.append(Wire([(block.width, 0), (needed, 0)], False, (node,)))
        block.width = needed
    return block


def draw_flow(canvas: Canvas, block: Block, x: float, y: float, critical: frozenset[str]) -> None:
    """Draw a node and all that is in it, the flow entering at x, y.

    critical: the names of the functions on the critical path.
    """
    node, font, accent = block.node, canvas.font, block.node.has(critical)
    room = (x, y - block.above), block.width, block.above + block.below
    if node.kind == FUNCTION:
        canvas.box(*room, radius=0.4 * font, accent=accent)
        up, weight = 0.55 * font if node.duration else 0, "bold" if accent else "normal"
        canvas.text(x + block.width / 2, y - up, node.name, ha="center", fontweight=weight)
        canvas.text(x + block.width / 2, y + 0.75 * font, node.duration, ha="center", fontsize=_SMALL * font)
        return
    canvas.frame(*room, radius=0.6 * font)
    canvas.text(x + 0.7 * font, y - block.above + font, node.heading)
    for wire in block.wires:
        corners = [(x + dx, y + dy) for dx, dy in wire.corners]
        canvas.line(corners, arrow=wire.arrow, accent=all(each.has(critical) for each in wire.nodes))
    for child, dx, dy in block.inner:
        draw_flow(canvas, child, x + dx, y + dy, critical)
    if node.kind == PARALLEL:
        top, bottom = block.inner[0][2] - 0.9 * font, block.inner[-1][2] + 0.9 * font
        canvas.dot(x + block.fork, y, 0.35 * font, color=canvas.ink(accent))
        canvas.bar((x + block.join, y + top), 0.3 * font, bottom - top, color=canvas.ink(accent))


def _row(node: Node, blocks: list[Block], font: float) -> Block:
    """A sequence: its steps from left to right."""
    row, x, last = Block(node, 0), 0.0, node
    for block in blocks:
        start, x = x, x + 1.8 * font
        row.wires.append(Wire([(start, 0), (x, 0)], block.node.kind == FUNCTION, (last, block.node)))
        row.inner.append((block, x, 0.0))
        x, last = x + block.width, block.node
    row.width = x + font
    row.wires.append(Wire([(x, 0), (row.width, 0)], False, (last,)))
    return row


def _stack(node: Node, blocks: list[Block], font: float) -> Block:
    """A parallel: its branches one below the other, between a fork and a join."""
    functions = [block for block in blocks if block.node.kind == FUNCTION]
    for block in functions:
        block.width = max(function.width for function in functions)
    fork, start = 1.2 * font, 3.4 * font
    join = start + max(block.width for block in blocks) + 1.8 * font
    stack = Block(node, join + 1.2 * font, fork=fork, join=join)
    heights = [0.0]
    for upper, lower in pairwise(blocks):
        heights.append(heights[-1] + upper.below + 0.7 * font + lower.above)
    half = (len(blocks) - 1) // 2
    middle = (heights[half] + heights[-1 - half]) / 2  # of an odd number of branches, one is in line
    for block, height in zip(blocks, heights):
        y, end = height - middle, start + block.width
        way_in = [(0, 0), (fork, 0), (fork, y), (start, y)]
        stack.inner.append((block, start, y))
        stack.wires.append(Wire(way_in, block.node.kind == FUNCTION, (block.node,)))
        stack.wires.append(Wire([(end, y), (join, y)], True, (block.node,)))
    stack.wires.append(Wire([(join, 0), (stack.width, 0)], False, (node,)))
    return stack
