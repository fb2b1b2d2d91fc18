"""Show a table as one output with two forms: HTML, and aligned text."""

from __future__ import annotations

import html
from collections.abc import Sequence

from helpers.cards.card import card, prose, show

_CELL = "text-align:left;vertical-align:top;padding:3px 14px 3px 0;white-space:normal"


def show_table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str) -> None:
    """Show rows below their columns' names; what stands in `backticks` becomes code.

    rows: as many values each as there are columns; they are shown as `str` gives them.
    Raises ValueError for no rows and for a row of another length.
    """
    if not rows:
        raise ValueError("rows is empty: there is nothing to show")
    for number, row in enumerate(rows):
        if len(row) != len(columns):
            raise ValueError(f"rows[{number}] has {len(row)} values for {len(columns)} columns: {row!r}")
    texts = [[str(value) for value in row] for row in [columns, *rows]]
    widths = [max(map(len, column)) for column in zip(*texts)]
    lines = [" | ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in texts]
    head, *body = [_row(row, "td" if number else "th") for number, row in enumerate(texts)]
    page = f"<table><thead>{head}</thead><tbody>{''.join(body)}</tbody></table>"
    show(card(f"<div><b>{html.escape(title)}</b></div>{page}"), "\n".join([title, *lines]))


def _row(texts: Sequence[str], tag: str) -> str:
    cells = (f'<{tag} style="{_CELL}">{prose(text)}</{tag}>' for text in texts)
    return f"<tr>{''.join(cells)}</tr>"
