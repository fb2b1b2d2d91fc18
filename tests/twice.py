"""Run the cells of notebooks again, and compare what they give with what is stored.

python tests/twice.py              each cell of each notebook twice in a row
python tests/twice.py --late       each cell once more after the cells below it in its section
python tests/twice.py --late NAME  that for notebooks/NAME.ipynb only

All notebooks take some minutes, so the suite runs one of them: see test_twice.py.
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


class Running:
    """A notebook that runs in a kernel. differences: what was not as stored, a text each."""

    def __init__(self, notebook, client):
        self.notebook, self.client = notebook, client
        self.stored = [texts(cell.get("outputs", ())) for cell in notebook.cells]
        self.differences = []

    def run(self, index, when):
        cell = self.notebook.cells[index]
        tags = cell.metadata.get("tags", ())
        if "nbval-skip" in tags:
            return
        self.client.execute_cell(cell, index)
        now, stored = texts(cell.outputs), self.stored[index]
        if now != stored and "nbval-ignore-output" not in tags:
            kinds = [kind for kind in {**now, **stored} if now.get(kind) != stored.get(kind)]
            changes = "".join(f"\n  {kind}: {stored.get(kind)!r}\n  now: {now.get(kind)!r}" for kind in kinds)
            self.differences.append(f"cell {index}, {when}: {cell.source[:60]!r}{changes}")

    def tasks(self):
        cell = new_code_cell("import asyncio\nprint(*sorted(task.get_name() for task in asyncio.all_tasks()))")
        self.client.execute_cell(cell, 0)
        return {name for name in cell.outputs[0].text.split() if not name.startswith("Task-")}

    def twice(self, section):
        """Each cell twice in a row. The second time it may leave no task behind that has a name."""
        for index in section:
            self.run(index, "the first time")
            self.run(index, "the second time")

    def late(self, section):
        """The section, then its cells from the last to the first, then the section again."""
        for when, cells in (
            ("the first time", section),
            ("after those below it", section[::-1]),
            ("in the section's second run", section),
        ):
            for index in cells:
                self.run(index, when)


def sections(notebook):
    """The indices of the code cells, section by section."""
    found = [[]]
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and re.search("^##? ", cell.source, re.MULTILINE):
            found.append([])
        if cell.cell_type == "code" and cell.source.strip():
            found[-1].append(index)
    return found


def again(path, how="twice"):
    """What is not as stored when cells run again, a text each. how: "twice" or "late"."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        allow_errors=True,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(path.parent)}},
    )
    with client.setup_kernel():
        running = Running(notebook, client)
        for section in sections(notebook):
            getattr(running, how)(section)
    return running.differences


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("notebooks", nargs="*", metavar="NAME")
    parser.add_argument("--late", action="store_true")
    options = parser.parse_args()
    names = options.notebooks or sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    failed = False
    for name in names:
        differences = again(NOTEBOOKS / f"{name}.ipynb", "late" if options.late else "twice")
        print(f"{name}: {len(differences) or 'no'} differences", *differences, sep="\n", flush=True)
        failed |= bool(differences)
    sys.exit(failed)


if __name__ == "__main__":
    main()
