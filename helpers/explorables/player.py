"""A figure of several views, of which sliders choose one. It works without a kernel, on its own.

Plain HTML and a small script, no widgets: widgets of a notebook that was saved, closed and opened again
show an error in JupyterLab 4.6 until they are run anew. Where scripts do not run (a notebook that is not
trusted, a static view), the first view and all words are there to read.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from helpers.cards.card import summary

_SCRIPT = Path(__file__).with_suffix(".js")
_NO_SCRIPT = "Run the cell to get the controls."


@dataclass(frozen=True)
class Control:
    """A slider. label: what it sets; values: what can be chosen, in words; start: index of the first one."""

    label: str
    values: Sequence[str]
    start: int = 0


def player(
    controls: Sequence[Control],
    views: Sequence[str],
    said: Sequence[str],
    *,
    caption: str,
    words: str,
    steps: bool = False,
    still: int | None = None,
    style: str = "",
) -> str:
    """The HTML of a figure whose sliders choose one of several views.

    controls: one slider or more. views: the HTML of each combination of their values, those of the last
    control next to each other; without scripts in it. said: the same of each view in a sentence or two,
    shown above it and read out by a screen reader. caption: what to see, shown below.
    words: HTML of what all views show, folded below the caption. steps: whether the one control is a row
    of steps, which gets buttons: first, back, play or pause, forward, last. still: index of the view to
    show where scripts do not run, by default that with which the controls start. style: CSS of the figure.

    Raises ValueError if the number of views or of sentences is not that of the combinations.
    """
    combinations = prod(len(control.values) for control in controls)
    if not controls or len(views) != combinations or len(said) != combinations:
        raise ValueError(
            f"{len(views)} views and {len(said)} sentences do not fit {combinations} combinations "
            f"of {len(controls)} controls"
        )
    if steps and len(controls) > 1:
        raise ValueError(f"steps need one control, not {len(controls)}")
    if still is None:
        still = 0
        for control in controls:
            still = still * len(control.values) + control.start
    sliders = [vars(control) for control in controls]
    content = {"controls": sliders, "views": views, "said": said, "steps": steps}
    return (
        f'<figure style="margin:6px 0;{style}">'
        f'<div data-part="controls" style="margin:0 0 8px"><i>{_NO_SCRIPT}</i></div>'
        f'<p data-part="said" role="status" style="margin:0 0 8px;min-height:3em">'
        f"{html.escape(said[still])}</p>"
        f'<div data-part="view">{views[still]}</div>'
        f'<figcaption style="margin-top:6px">{html.escape(caption)}</figcaption>'
        f'<details style="margin-top:4px">{summary("In words")}{words}</details>'
        f'<script type="application/json" data-part="content">{_json(content)}</script>'
        f"<script>{_SCRIPT.read_text(encoding='utf-8')}</script>"
        "</figure>"
    )


def _json(content: object) -> str:
    # "<" would begin a tag, "</script>" say.
    return json.dumps(content, default=list).replace("<", "\\u003c")
