"""A canvas for diagrams: a titled figure measured in points, with boxes, lines, shapes and texts on it."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path

from helpers.figures.bars import wrapped
from helpers.figures.theme import Theme

Point = tuple[float, float]

_FRAMES, _LINES, _BOXES, _TEXTS = 1, 2, 4, 5  # what lies above what
_THIN, _THICK = 1.0, 2.6  # points


class Canvas:
    """Room of `width` by `height` points below a title: x to the right, y down, both from 0.

    look, font: the theme and the font size; matplotlib's settings must be those of `Theme.rc`. What has
    an `accent` is thicker and has the accent colour.
    """

    def __init__(self, width: float, height: float, title: str, look: Theme, font: float) -> None:
        self.look, self.font = look, font
        margin, width = font, max(width, 30 * font)
        title = wrapped(title, [], (width + 6 * font) / 72, font)
        head = 1.4 * (font + 1) * (1 + title.count("\n")) + 0.6 * font
        self.fig = Figure(figsize=((width + 2 * margin) / 72, (head + height + 2 * margin) / 72))
        across, down = (-margin, width + margin), (height + margin, -head - margin)
        self.ax = self.fig.add_axes((0, 0, 1, 1), xlim=across, ylim=down)
        self.ax.set_axis_off()
        # `wrapped` has made dollar signs safe.
        self.text(0, -head, title, va="top", fontsize=font + 1, fontweight="bold", parse_math=True)

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """A text that begins at x; by default the middle of its line is at y."""
        usual: dict[str, Any] = {"va": "center_baseline", "zorder": _TEXTS, "parse_math": False}
        self.ax.text(x, y, text, **usual | style)

    def label(self, x: float, y: float, text: str, **style: Any) -> None:
        """A text centred on x, y that covers the lines below it."""
        ground = {"facecolor": self.look.background, "edgecolor": "none", "pad": 1.5}
        style = {"ha": "center", "va": "center"} | style
        self.text(x, y, text, bbox=ground, **style)

    def box(self, corner: Point, width: float, height: float, radius: float, accent: bool = False) -> None:
        """A box with round corners, to the right of and below `corner`."""
        edge = self._pen("edgecolor", accent)
        self._rounded(corner, width, height, radius, facecolor=self.look.background, zorder=_BOXES, **edge)

    def frame(self, corner: Point, width: float, height: float, radius: float) -> None:
        """A pale line around what belongs together."""
        self._rounded(corner, width, height, radius, fill=False, edgecolor=self.look.grid, zorder=_FRAMES)

    def bar(self, corner: Point, width: float, height: float, **style: Any) -> None:
        """A rectangle, to the right of and below `corner`."""
        self.ax.add_patch(Rectangle(corner, width, height, zorder=_BOXES, **style))

    def dot(self, x: float, y: float, radius: float, **style: Any) -> None:
        """A disc."""
        self.ax.add_patch(Circle((x, y), radius, zorder=_BOXES, **style))

    def line(
        self, corners: list[Point], *, arrow: bool = False, accent: bool = False, curved: bool = False
    ) -> None:
        """A line from corner to corner; curved: from the first to the third, drawn to the second."""
        path = Path(corners, [Path.MOVETO, Path.CURVE3, Path.CURVE3] if curved else None)
        head = "-|>,head_length=0.4,head_width=0.2" if arrow else "-"
        pen: dict[str, Any] = self._pen("color", accent) | {"zorder": _LINES + accent}
        self.ax.add_patch(FancyArrowPatch(path=path, arrowstyle=head, mutation_scale=self.font, **pen))

    def ink(self, accent: bool) -> str:
        """The colour to draw with."""
        return self.look.accent if accent else self.look.text

    def _pen(self, what: str, accent: bool) -> dict[str, Any]:
        return {what: self.ink(accent), "linewidth": _THICK if accent else _THIN}

    def _rounded(self, corner: Point, width: float, height: float, radius: float, **style: Any) -> None:
        shape = f"round,pad=0,rounding_size={radius}"
        self.ax.add_patch(FancyBboxPatch(corner, width, height, boxstyle=shape, **style))
