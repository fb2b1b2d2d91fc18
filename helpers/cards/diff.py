"""The rendered difference between two versions of a class, a function or a module."""

from __future__ import annotations

import ast
import difflib
import html
import inspect
import linecache
import textwrap
from types import FunctionType, ModuleType
from typing import Any

from helpers.cards.card import card, show

_PRE = "white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere;margin:0"
_LINE = "display:inline-block;box-sizing:border-box;width:100%;padding-left:4ch;text-indent:-4ch;"
_MARKS = {
    "+": ("ins", "background:rgba(46,160,67,.22)"),
    "-": ("del", "background:rgba(240,90,70,.22)"),
    "@": ("span", "opacity:.65"),
    " ": ("span", ""),
}


def show_diff(old: object, new: object, title: str | None = None) -> None:
    """Show the unified diff between two sources; "No difference." if they are equal.

    old, new: modules, classes, functions, or source code as str. title: a line above the diff.
    Raises TypeError for anything else and for what has no source in Python.
    """
    before, after = source_of(old), source_of(new)
    lines = unified_diff(before, after, _name(old, "before"), _name(new, "after"))
    text = "\n".join(lines) or "No difference."
    body = _html(lines) if lines else text
    heading = f"<div><b>{html.escape(title)}</b></div>" if title else ""
    show(card(heading + body), f"{title}\n{text}" if title else text)


def unified_diff(before: str, after: str, old_name: str, new_name: str) -> list[str]:
    """The lines of a unified diff, three lines of context around each change; empty if equal."""
    return list(
        difflib.unified_diff(before.splitlines(), after.splitlines(), old_name, new_name, lineterm="")
    )


def source_of(item: object) -> str:
    """The source code of a module, class or function, without its indentation; a str is source already.

    Raises TypeError for anything else and for what has no source in Python.
    """
    if isinstance(item, str):
        return textwrap.dedent(item)
    if not isinstance(item, ModuleType | type | FunctionType):
        raise TypeError(f"a diff needs modules, classes, functions or source code, not {item!r}")
    try:
        return textwrap.dedent(inspect.getsource(item))
    except (OSError, TypeError):
        if isinstance(item, type) and (source := _class_in_a_notebook(item)):
            return source
        raise TypeError(f"{item.__name__!r} has no source that can be read") from None


def _class_in_a_notebook(cls: type) -> str | None:
    """The source of a class that inspect does not find: a notebook has no file, but methods know it."""
    for method in filter(inspect.isfunction, vars(cls).values()):
        lines = linecache.getlines(method.__code__.co_filename)
        for node in ast.walk(ast.parse("".join(lines))):
            if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
                start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                if start <= method.__code__.co_firstlineno <= (node.end_lineno or start):
                    return textwrap.dedent("".join(lines[start - 1 : node.end_lineno]))
    return None


def _name(item: Any, otherwise: str) -> str:
    return otherwise if isinstance(item, str) else item.__name__


def _html(lines: list[str]) -> str:
    rows = []
    for number, line in enumerate(lines):
        tag, style = _MARKS["@" if number < 2 else line[0]]
        rows.append(f'<{tag} style="text-decoration:none;{_LINE}{style}">{html.escape(line)}</{tag}>')
    return f'<pre style="{_PRE}">' + "\n".join(rows) + "</pre>"
