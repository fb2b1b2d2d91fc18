"""Run every cell of a notebook twice in a row, and compare both outputs with what is stored.

python tests/twice.py              all notebooks, which takes some minutes
python tests/twice.py 0_start_here one of them, or several
"""

import argparse
import json
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell
from nbval.plugin import get_sanitize_patterns

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
# Tasks that nobody has named are the kernel's own.
NAMED_TASKS = """
import asyncio
for task in asyncio.all_tasks():
    if not task.get_name().startswith("Task-"):
        print(task.get_name())
"""
PATTERNS = get_sanitize_patterns((ROOT / "tests" / "nbval_sanitize.cfg").read_text(encoding="utf-8"))


def texts(outputs):
    """What can be compared of a cell's outputs: texts by kind, without pixels."""
    found = {}
    for output in outputs:
        match output.output_type:
            case "stream":
                found.setdefault(output.name, []).append(output.text)
            case "error":
                found.setdefault("error", []).append(f"{output.ename}: {output.evalue}")
            case _:
                for kind, data in output.data.items():
                    if not kind.startswith("image/"):
                        found.setdefault(kind, []).append(data if isinstance(data, str) else json.dumps(data))
    found.pop("application/vnd.jupyter.widget-view+json", None)  # ids
    found = {kind: "".join(parts) for kind, parts in found.items()}
    for regex, replacement in PATTERNS:
        found = {kind: re.sub(regex, replacement, text) for kind, text in found.items()}
    return found


def run_twice(path):
    """What is not as stored when each cell runs twice in a row, and what is left at the end: a text each."""
    notebook = nbformat.read(path, as_version=4)
    cells = [*notebook.cells]
    notebook.cells.append(tasks := new_code_cell(NAMED_TASKS))
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        allow_errors=True,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(NOTEBOOKS)}},
    )
    found = []
    with client.setup_kernel():
        for index, cell in enumerate(cells):
            tags = cell.metadata.get("tags", ())
            if cell.cell_type == "markdown" or not cell.source.strip() or "nbval-skip" in tags:
                continue
            stored = texts(cell.outputs)
            for when in ("first", "second"):
                client.execute_cell(cell, index)
                now = texts(cell.outputs)
                if now != stored and "nbval-ignore-output" not in tags:
                    found.append(
                        f"cell {index}, the {when} time:\n{cell.source}\nstored: {stored}\nnow: {now}"
                    )
        client.execute_cell(tasks, len(cells))
    return found + [f"left at the end: {output.text}" for output in tasks.outputs]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("notebooks", nargs="*", metavar="NAME")
    names = parser.parse_args().notebooks or sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    found = {name: run_twice(NOTEBOOKS / f"{name}.ipynb") for name in names}
    for name, differences in found.items():
        print(f"{name}: {len(differences)} differences", *differences, sep="\n")
    sys.exit(any(found.values()))


if __name__ == "__main__":
    main()
