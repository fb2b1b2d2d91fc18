"""Show source code as it stands in its module, so that a notebook never has a copy of it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from types import FunctionType, ModuleType

from helpers.cards.card import card, prose, show, summary
from helpers.cards.diff import source_of

_PRE = "white-space:pre-wrap;overflow-wrap:anywhere;margin:4px 0 12px"


def show_sources(items: Sequence[ModuleType | type | FunctionType], title: str) -> None:
    """Show the source code of some modules, classes or functions, one below the other, each folded.

    title: a line above. The text form has all of the code.
    Raises TypeError for anything else and for what has no source in Python, ValueError for no items.
    """
    if not items:
        raise ValueError("items is empty: there is no source to show")
    sources = {_name(item): source_of(item).rstrip() for item in items}
    show_pieces(title, {f"{name}, {lines(source)}": source for name, source in sources.items()})


def show_pieces(title: str, pieces: dict[str, str], said: str = "") -> None:
    """Show pieces of code, heading -> code, each folded. said: a line below the title."""
    body, text = [f"<div><b>{html.escape(title)}</b></div>"], [title]
    if said:
        body.append(f"<div>{prose(said)}</div>")
        text.append(said)
    for heading, code in pieces.items():
        body.append(folded(heading, code))
        text += [f"# {heading}", code, ""]
    show(card("".join(body)), "\n".join(text).rstrip())


def folded(heading: str, code: str) -> str:
    """The HTML of a piece of code that is closed until a reader opens it."""
    return f'<details>{summary(html.escape(heading))}<pre style="{_PRE}">{html.escape(code)}</pre></details>'


def lines(code: str) -> str:
    """How long it is, in words."""
    return f"{len(code.splitlines())} lines"


def _name(item: object) -> str:
    if not isinstance(item, ModuleType | type | FunctionType):
        raise TypeError(f"source is shown of modules, classes and functions, not of {item!r}")
    return getattr(item, "__qualname__", None) or item.__name__  # modules have the latter only
