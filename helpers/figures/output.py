"""Show a figure as one output with three forms: a picture, a visible caption, and words.

The words are the picture's alternative text, stand under "In words", and are the output's plain text.
"""

from __future__ import annotations

import html
import sys
from base64 import b64encode
from io import BytesIO

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from PIL import Image

from helpers.cards.card import show, summary
from helpers.figures.theme import THEMES, is_light


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


def png(fig: Figure, dpi: float) -> bytes:
    """The figure as a PNG, with `dpi` pixels an inch."""
    FigureCanvasAgg(fig)
    pixels = BytesIO()
    fig.savefig(pixels, format="rgba", dpi=dpi, facecolor=background(fig))
    width, height = (int(inches * dpi) for inches in fig.get_size_inches())
    return small_png(Image.frombytes("RGBA", (width, height), pixels.getvalue()))


def small_png(image: Image.Image, *, quick: bool = False) -> bytes:
    """A picture as a PNG with at most 256 colours: a third of the size that it would have with all.

    quick: choose the colours and compress in a fifth of the time; the colours are a little off.
    """
    method = Image.Quantize.FASTOCTREE if quick else Image.Quantize.MEDIANCUT
    file = BytesIO()
    image.convert("RGB").quantize(256, method, dither=Image.Dither.NONE).save(file, "png", optimize=not quick)
    return file.getvalue()


def _card(fig: Figure, caption: str, text: str, dpi: float) -> str:
    colour = background(fig)
    look = THEMES["light" if is_light(colour) else "dark"]
    width = round(fig.get_figwidth() * dpi)
    alternative = html.escape(" ".join(f"{caption} {text}".split()))
    source = b64encode(png(fig, 2 * dpi)).decode()
    lines = "".join(f"<div>{html.escape(line)}</div>" for line in text.splitlines())
    return (
        f'<figure style="margin:6px 0;padding:12px;max-width:{width}px;background:{colour};color:{look.text};'
        f'border:1px solid {look.grid};border-radius:4px">'
        f'<img alt="{alternative}" width="{width}" style="max-width:100%;height:auto" '
        f'src="data:image/png;base64,{source}"/>'
        f"<figcaption>{html.escape(caption)}</figcaption>"
        f'<details style="margin-top:4px">{summary("In words")}{lines}</details>'
        "</figure>"
    )


def background(fig: Figure) -> str:
    """The colour behind a figure; white where it has none."""
    red, green, blue, alpha = to_rgba(fig.get_facecolor())
    return to_hex((red, green, blue)) if alpha else THEMES["light"].background


def close(fig: Figure) -> None:
    """Clear a figure that has been shown."""
    for ax in fig.axes:  # fig.clear() would give each of them new ticks before
        fig.delaxes(ax)
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:  # a figure made with pyplot would be shown a second time
        pyplot.close(fig)
