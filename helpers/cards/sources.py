"""Show source code as it stands in its module, so that a notebook never has a copy of it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from types import FunctionType, ModuleType

from helpers.cards.card import card, show, summary
from helpers.cards.diff import source_of

PRE = "white-space:pre-wrap;overflow-wrap:anywhere;margin:4px 0 12px"


def show_sources(items: Sequence[ModuleType | type | FunctionType], title: str) -> None:
    """Show the source code of some modules, classes or functions, one below the other, each folded.

    title: a line above. The text form has all of the code.
    Raises TypeError for anything else and for what has no source in Python, ValueError for no items.
    """
    if not items:
        raise ValueError("items is empty: there is no source to show")
    sources = {_name(item): source_of(item).rstrip() for item in items}
    body, text = [f"<div><b>{html.escape(title)}</b></div>"], [title]
    for name, source in sources.items():
        heading = f"{name}, {len(source.splitlines())} lines"
        body.append(
            f'<details>{summary(html.escape(heading))}<pre style="{PRE}">'
            f"{html.escape(source)}</pre></details>"
        )
        text += [f"# {heading}", source, ""]
    show(card("".join(body)), "\n".join(text).rstrip())


def _name(item: object) -> str:
    if not isinstance(item, ModuleType | type | FunctionType):
        raise TypeError(f"source is shown of modules, classes and functions, not of {item!r}")
    return getattr(item, "__qualname__", None) or item.__name__  # modules have the latter only
