"""Every cell can be run twice. This runs one notebook; `python tests/twice.py` runs all of them."""

import nbformat
import pytest
from budgets import weekly
from nbformat.v4 import new_code_cell, new_notebook, new_output
from twice import NOTEBOOKS, run_twice

# What is told: the cells.
BAD = {
    "StopIteration": ["rest = iter([1])", "next(rest)\nprint('done')"],
    "never awaited": ["import asyncio\nnap = asyncio.sleep(0)"],
    "left at the end: ticker": [
        "import asyncio\nleft = asyncio.create_task(asyncio.sleep(600), name='ticker')"
    ],
}


@weekly
def test_the_cells_of_lesson_1_can_be_run_twice():
    assert run_twice(NOTEBOOKS / "1_async_execution.ipynb") == []


@pytest.mark.parametrize("told", BAD)
def test_a_cell_that_cannot_is_found(told, tmp_path):
    done = [new_output("stream", text="done\n")]
    cells = [new_code_cell(source, outputs=done if "done" in source else []) for source in BAD[told]]
    nbformat.write(new_notebook(cells=cells), tmp_path / "bad.ipynb")
    found = run_twice(tmp_path / "bad.ipynb")
    assert told in found[0]
