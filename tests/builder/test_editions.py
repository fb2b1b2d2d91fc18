"""The learner's edition: what is taken out of the complete one, and what stays."""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from builder.definitions import stub
from builder.editions import learners

STEP = '''import asyncio

from functools import partial


@decorated
async def run(calls, limit=3):
    """Run every call.

    calls: dict of name to function.
    """
    # Tasks first.
    return [await call() for call in calls]'''
STUB = '''import asyncio

from functools import partial


@decorated
async def run(calls, limit=3):
    """Run every call.

    calls: dict of name to function.
    """
    raise NotImplementedError'''


KERNEL = {"name": "python3", "display_name": "Python 3"}


def printed(text):
    return new_output("stream", text=text)


def cell(source, *tags, output=None):
    outputs = [output or printed("out")]
    return new_code_cell(source, metadata={"tags": list(tags)}, outputs=outputs, execution_count=1)


def edition(*cells, **metadata):
    course = {"source": "lessons/lesson1/lesson.md", "stamp": "123"}
    return learners(new_notebook(cells=list(cells), metadata={"course": course, **metadata}))


def test_only_an_opening_keeps_its_output():
    plain, opening = edition(cell("plain"), cell("opening", "opening")).cells
    assert (plain.source, plain.outputs, plain.execution_count) == ("plain", [], None)
    assert (opening.outputs, opening.execution_count) == ([printed("out")], 1)


def test_a_solution_is_folded_text_that_can_be_copied():
    (solution,) = edition(cell("# Solution\nanswer = 42\ncheck(answer)", "solution")).cells
    assert solution.cell_type == "markdown"
    assert solution.metadata.tags == ["solution"]
    assert solution.source == (
        "<details>\n<summary>Solution</summary>\n\n```python\nanswer = 42\ncheck(answer)\n```\n\n</details>"
    )


def test_a_step_is_a_stub_and_texts_stay_as_they_are():
    text, step = edition(new_markdown_cell("text"), cell(STEP, "step")).cells
    assert text.source == "text"
    assert (step.source, step.outputs, step.metadata.tags) == (STUB, [], ["step"])


def test_the_complete_edition_is_left_alone():
    complete = new_notebook(cells=[cell(STEP, "step")], metadata={"course": {"source": "a"}})
    learners(complete)
    assert complete.cells[0].source == STEP
    assert complete.cells[0].outputs


def test_it_says_what_it_is_and_has_no_state_of_widgets_that_are_not_there():
    notebook = edition(cell("1"), kernelspec=KERNEL, widgets={"state": 1})
    assert notebook.metadata == {
        "course": {"source": "lessons/lesson1/lesson.md", "edition": "learner"},
        "kernelspec": KERNEL,
    }
    view = new_output("display_data", data={"application/vnd.jupyter.widget-view+json": {}})
    assert "widgets" in edition(cell("1", "opening", output=view), widgets={"state": 1}).metadata
    assert "widgets" not in edition(cell("1", output=view), widgets={"state": 1}).metadata


@pytest.mark.parametrize(
    "step",
    ["x = 1", "def run():\n    return 1", 'class Step:\n    """Words."""', "def run(): pass\n\n\nrun()"],
)
def test_a_step_needs_a_function_with_a_docstring(step):
    with pytest.raises(ValueError, match="must end with a function that has a docstring, not with: '"):
        stub(step)


def test_a_function_that_is_its_docstring_gets_a_stub():
    assert stub('def run():\n    "Words."') == 'def run():\n    "Words."\n    raise NotImplementedError'
