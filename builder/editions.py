"""The learner's edition of a notebook, made from the complete one.

What a learner is to find out or to write is not in it: it has no outputs but those of cells tagged `opening`,
building steps are stubs, and solutions are folded away as text.
"""

from __future__ import annotations

from copy import deepcopy

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from builder.definitions import stub

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def learners(complete: NotebookNode) -> NotebookNode:
    """The learner's edition of a notebook. Its cells have no ids of their own yet.

    Raises ValueError if a building step has no stub.
    """
    cells = [learners_cell(cell) for cell in complete.cells]
    notebook = new_notebook(cells=cells, metadata=deepcopy(complete.metadata))
    if not any(WIDGET_VIEW in str(cell.get("outputs")) for cell in notebook.cells):
        notebook.metadata.pop("widgets", None)
    notebook.metadata["course"] = {"source": complete.metadata.course.source, "edition": "learner"}
    return notebook


def learners_cell(complete: NotebookNode) -> NotebookNode:
    """What a cell of the complete edition is in the learner's."""
    cell = deepcopy(complete)
    tags = cell.metadata.get("tags", ())
    if cell.cell_type != "code":
        return cell
    if "solution" in tags:
        return new_markdown_cell(folded(cell.source), metadata={"tags": ["solution"]})
    if "step" in tags:
        cell.source = stub(cell.source)
    if "opening" not in tags:
        cell.outputs, cell.execution_count = [], None
    return cell


def folded(code: str) -> str:
    """A solution as Markdown that is closed until a reader opens it; its code can be read and copied."""
    code = code.removeprefix("# Solution\n")
    return f"<details>\n<summary>Solution</summary>\n\n```python\n{code}\n```\n\n</details>"
