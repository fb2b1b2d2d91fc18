"""The stub files through which an editor follows `from helpers import record` to where that is defined.

A package that hands names on lazily has a table of them in its __init__.py; __init__.pyi is made from that.
"""

from __future__ import annotations

import ast
from pathlib import Path

from builder.imports import PACKAGES, lazy_table

HEADER = (
    "# Made from the table in __init__.py by `python3 course.py build`, for editors and type checkers.\n\n"
)


def stubs(root: Path) -> dict[Path, str]:
    """Each stub file below `root`, and the text that it should have."""
    made = {}
    for init in (root / package / "__init__.py" for package in PACKAGES):
        table = lazy_table(init.read_text(encoding="utf-8")) if init.is_file() else None
        if table:
            homes = ast.literal_eval(table.value)
            lines = sorted(
                f"from {init.parent.name}.{homes[name]} import {name} as {name}\n" for name in homes
            )
            made[init.with_suffix(".pyi")] = HEADER + "".join(lines)
    return made
