"""How figures look: states and ends of units, their colours and names, a light and a dark theme, font sizes.

Each state has a lightness and a hatch of its own, each end a shape, so that a figure can be read in grey
and by the colour-blind.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import text_to_path

from helpers.recording.data import End, State

# From the bottom of a stack to its top: what uses the CPU, what holds a thread, what holds neither.
ORDER = (State.RUNNING, State.READY, State.BLOCKED, State.IN_THREAD, State.WAITING, State.QUEUED)

MEANING = {
    State.RUNNING: "running: executes Python",
    State.READY: "ready: waits for the busy loop",
    State.BLOCKED: "blocked: holds a thread, off the CPU",
    State.IN_THREAD: "in a thread: on the CPU or not, unknown",
    State.WAITING: "waiting: suspended, holds no thread",
    State.QUEUED: "queued: for a worker or a permit",
}

HATCH = {
    State.READY: "\\\\\\\\",
    State.BLOCKED: "....",
    State.IN_THREAD: "xx",
    State.QUEUED: "////",
}

END_MEANING = {
    End.FAILED: "failed: raised an exception",
    End.CANCELLED: "cancelled: stopped before its end",
    End.UNFINISHED: "unfinished: goes on after the end",
}

_SLASH = 0.5**0.5 * np.array([[-1, 1], [1, -1]])
END_MARKER = {  # as matplotlib takes them
    End.FAILED: "X",
    End.CANCELLED: Path.make_compound_path(Path.unit_circle(), Path(_SLASH)),
    End.UNFINISHED: ">",
}
END_SYMBOL = {End.FAILED: "✕", End.CANCELLED: "⊘", End.UNFINISHED: "▶"}  # the same as a letter

FONT = "DejaVu Sans"  # comes with matplotlib
FONT_SIZES = range(6, 33)


@dataclass(frozen=True)
class Theme:
    """The colours of a figure. queued_raster: for the queued state, where hatches cannot be drawn.

    ends: for the mark at the end of a unit. series: for the curves of a chart, in order; each has another
    lightness.
    """

    background: str
    text: str
    grid: str
    edge: str
    accent: str
    fills: dict[State, str]
    queued_raster: str
    ends: dict[End, str]
    series: tuple[str, ...]

    def mark(self, end: End, size: float) -> dict[str, Any]:
        """How matplotlib draws the mark of an end, about `size` points wide, on whatever lies below it."""
        fill, edge, width = self.ends[end], self.background, 0.1  # a rim in the colour of the ground
        if end is End.CANCELLED:  # a ring
            fill, edge, width = edge, fill, 0.16
        else:
            size *= 1.25
        return {
            "marker": END_MARKER[end],
            "markersize": size,
            "markerfacecolor": fill,
            "markeredgecolor": edge,
            "markeredgewidth": width * size,
            "linestyle": "none",
        }

    def ink(self, state: State) -> str:
        """A colour for hatches that can be seen on a state's fill."""
        return "#404040" if is_light(self.fills[state]) else "#D9D9D9"

    def rc(self, font: float) -> dict[Any, Any]:
        """Matplotlib settings for this theme and a font size in points."""
        return {
            "font.family": FONT,
            "font.size": font,
            "axes.titlesize": font + 1,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.labelsize": font,
            "axes.facecolor": self.background,
            "axes.edgecolor": self.edge,
            "axes.labelcolor": self.text,
            "axes.titlecolor": self.text,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "figure.facecolor": self.background,
            "text.color": self.text,
            "hatch.linewidth": 0.8,
            "legend.fontsize": font - 1,
            "legend.frameon": False,
        }


THEMES = {
    "light": Theme(
        background="#FFFFFF",
        text="#1A1A1A",
        grid="#D9D9D9",
        edge="#4D4D4D",
        accent="#882255",
        fills={
            State.RUNNING: "#0B4F8A",
            State.READY: "#E69F00",
            State.BLOCKED: "#F0B79E",
            State.IN_THREAD: "#B5A2DA",
            State.WAITING: "#C9E4F5",
            State.QUEUED: "#FFFFFF",
        },
        queued_raster="#6E6E6E",
        ends={End.FAILED: "#C0001A", End.CANCELLED: "#333333", End.UNFINISHED: "#006D5B"},
        series=("#0B4F8A", "#E69F00", "#882255"),
    ),
    "dark": Theme(
        background="#1E1E1E",
        text="#EDEDED",
        grid="#4A4A4A",
        edge="#9A9A9A",
        accent="#FF9ECF",
        fills={
            State.RUNNING: "#FFFFFF",
            State.READY: "#F0B429",
            State.BLOCKED: "#D9795A",
            State.IN_THREAD: "#7F6CB5",
            State.WAITING: "#2F6F9F",
            State.QUEUED: "#2B2B2B",
        },
        queued_raster="#4A4A4A",
        ends={End.FAILED: "#FF5C5C", End.CANCELLED: "#F5F5F5", End.UNFINISHED: "#4FD1A5"},
        series=("#8CC8F2", "#F0B429", "#FF9ECF"),
    ),
}


def theme_named(name: str) -> Theme:
    """The theme of that name. Raises ValueError for another name than "light" and "dark"."""
    if name not in THEMES:
        raise ValueError(f"theme must be {' or '.join(map(repr, THEMES))}, not {name!r}")
    return THEMES[name]


def require_font(font: float) -> None:
    """Raises ValueError unless `font` is a number of points that a figure can be drawn with."""
    smallest, largest = FONT_SIZES[0], FONT_SIZES[-1]
    if isinstance(font, bool) or not isinstance(font, Real) or not smallest <= font <= largest:
        raise ValueError(f"font must be a size in points from {smallest} to {largest}, not {font!r}")


def is_light(colour: Any) -> bool:
    """Whether dark text can be read on a colour."""
    red, green, blue = to_rgb(colour)
    return 0.30 * red + 0.59 * green + 0.11 * blue > 0.5


def text_width(text: str, font: float, bold: bool = False) -> float:
    """The width of a line in points."""
    properties = FontProperties(family=FONT, size=font, weight="bold" if bold else "normal")
    return text_to_path.get_text_width_height_descent(text, properties, ismath=False)[0]
