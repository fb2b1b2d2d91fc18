"""Show a figure as one output with three forms: a picture, a visible caption, and words.

The words are the picture's alternative text, stand under "In words", and are the output's plain text.
"""

from __future__ import annotations

import html
import sys
from base64 import b64encode
from io import BytesIO

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from helpers.cards import show, summary
from helpers.theme import is_light


def show_figure(fig: Figure, *, caption: str, text: str, dpi: float = 110) -> None:
    """Display a matplotlib figure on an opaque card of its background colour, with caption and words.

    fig: the figure; it is closed afterwards. caption: what to see in it, shown below the picture.
    text: what the picture shows, in words that do not vary between runs; may have several lines.
    dpi: CSS pixels an inch of the figure takes; it is drawn with twice as many, for sharp screens.

    Raises ValueError if `caption` or `text` is empty.
    """
    show(figure_card(fig, caption=caption, text=text, dpi=dpi), f"{caption}\n{text}")


def figure_card(fig: Figure, *, caption: str, text: str, dpi: float = 110) -> str:
    """The HTML of what `show_figure` displays, which also says what goes in and what is raised."""
    try:
        for name, value in {"caption": caption, "text": text}.items():
            if not value.strip():
                raise ValueError(f"{name} is empty: a figure must also be said in words")
        return _card(fig, caption, text, dpi)
    finally:
        close(fig)


def png(fig: Figure, dpi: float, *, quick: bool = False) -> bytes:
    """The figure as a PNG with at most 256 colours: a third of the size that it would have with all.

    quick: choose the colours in less time, and so that the picture gets smaller; they are a little off.
    """
    method = Image.Quantize.FASTOCTREE if quick else Image.Quantize.MEDIANCUT
    FigureCanvasAgg(fig)
    full, small = BytesIO(), BytesIO()
    # It is compressed below, after the colours are reduced.
    fig.savefig(full, format="png", dpi=dpi, facecolor=_background(fig), pil_kwargs={"compress_level": 0})
    image = Image.open(full).convert("RGB").quantize(256, method, dither=Image.Dither.NONE)
    image.save(small, format="png", optimize=True)
    return small.getvalue()


def _card(fig: Figure, caption: str, text: str, dpi: float) -> str:
    background = _background(fig)
    ink, edge = ("#1a1a1a", "#d9d9d9") if is_light(background) else ("#ededed", "#4a4a4a")
    width = round(fig.get_figwidth() * dpi)
    alternative = html.escape(" ".join(f"{caption} {text}".split()))
    source = b64encode(png(fig, 2 * dpi)).decode()
    lines = "".join(f"<div>{html.escape(line)}</div>" for line in text.splitlines())
    return (
        f'<figure style="margin:6px 0;padding:12px;max-width:{width}px;background:{background};color:{ink};'
        f'border:1px solid {edge};border-radius:4px">'
        f'<img alt="{alternative}" width="{width}" style="max-width:100%;height:auto" '
        f'src="data:image/png;base64,{source}"/>'
        f"<figcaption>{html.escape(caption)}</figcaption>"
        f'<details style="margin-top:4px">{summary("In words")}{lines}</details>'
        "</figure>"
    )


def _background(fig: Figure) -> str:
    *colour, alpha = fig.get_facecolor()
    return to_hex(colour) if alpha else "#ffffff"


def close(fig: Figure) -> None:
    """Clear a figure that has been shown."""
    fig.clear()
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:  # a figure made with pyplot would be shown a second time
        pyplot.close(fig)
