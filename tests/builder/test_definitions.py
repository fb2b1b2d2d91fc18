"""Cells that name the definition that they show."""

from textwrap import dedent

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from builder.definitions import definition, fill, mark_new

OLD = dedent(
    '''
    import asyncio


    async def work(calls):
        """Do it."""
        for call in calls:
            await call()
        return None
    '''
)
NEW = dedent(
    '''
    import asyncio
    from functools import wraps

    END = object()  # comes last


    class Chain:
        """A chain."""

        def first(self):
            return 1

        @property
        def second(self):
            return 2


    @wraps(print)
    async def work(calls, limit=None):
        """Do it, at most `limit` at a time."""
        semaphore = asyncio.Semaphore(limit)

        async def one(call):
            async with semaphore:  # waits here
                await call()

        for call in calls:
            await one(call)
        return None
    '''
)


@pytest.fixture
def folder(tmp_path):
    """The folder of a second lesson, with a function that an earlier one has, too."""
    for place, source in {"lesson1_a/work.py": OLD, "lesson2_b/tasks.py": NEW}.items():
        path = tmp_path / place
        path.parent.mkdir()
        path.write_text(source, encoding="utf-8")
    return tmp_path / "lesson2_b"


def filled(folder, *cells):
    cells = [new_code_cell(source, metadata=options) for source, options in cells]
    fill(cells, folder)
    assert not any(option in cell.metadata for cell in cells for option in ("from", "new"))
    return [cell.source for cell in cells]


def test_a_cell_shows_the_definition_that_it_names(folder):
    (source,) = filled(folder, ("", {"from": "tasks.py Chain"}))
    assert source in NEW and source.startswith("class Chain:") and source.endswith("return 2")


def test_imports_stay_first_and_other_code_comes_last(folder):
    code = "import asyncio\nfrom functools import (\n    wraps,\n)\n\nChain().second  # two\n\n\nprint(1)"
    (source,) = filled(folder, (code, {"from": "tasks.py Chain work"}))
    chain, work = definition(folder / "tasks.py", "Chain"), definition(folder / "tasks.py", "work")
    first, rest = code.split("\n\n", 1)
    assert source == "\n\n\n".join([first, chain, work, rest])
    assert work.startswith("@wraps(print)\nasync def work")


def test_a_method_is_moved_to_the_margin(folder):
    assert definition(folder / "tasks.py", "Chain.second") == "@property\ndef second(self):\n    return 2"


def test_a_class_is_shown_without_what_is_written_later(folder):
    (source,) = filled(folder, ("", {"from": "tasks.py Chain -second"}))
    assert source == 'class Chain:\n    """A chain."""\n\n    def first(self):\n        return 1'


def test_a_constant_comes_with_its_comment(folder):
    (source,) = filled(folder, ("", {"from": "tasks.py END Chain"}))
    assert source.startswith("END = object()  # comes last\n\n\nclass Chain")


def test_other_cells_are_left_alone(folder):
    cells = [
        new_markdown_cell("from"),
        new_code_cell("%matplotlib inline"),
        new_code_cell("1", metadata={"tags": ["long"]}),
    ]
    before = [dict(cell) for cell in cells]
    fill(cells, folder)
    assert [dict(cell) for cell in cells] == before


MARKED = dedent(
    '''
    @wraps(print)
    async def work(calls, limit=None):
        """Do it, at most `limit` at a time."""
        semaphore = asyncio.Semaphore(limit)  # New

        async def one(call):  # New
            async with semaphore:  # waits here
                await call()

        for call in calls:
            await one(call)  # New
        return None
    '''
).strip()


def new_lines(source):
    return [line.strip() for line in source.splitlines() if "# New" in line]


def test_what_an_earlier_lesson_had_not_is_marked(folder):
    (source,) = filled(folder, ("", {"from": "tasks.py work", "new": True}))
    assert source.replace("wraps(print)  # New", "wraps(print)") == MARKED.replace(
        "limit=None):", "limit=None):  # New"
    )


def test_the_version_of_an_earlier_cell_comes_first(folder):
    earlier = MARKED.replace("    semaphore = asyncio.Semaphore(limit)  # New\n", "")
    (_, _, source) = filled(folder, (OLD, {}), (earlier, {}), ("", {"from": "tasks.py work", "new": True}))
    assert new_lines(source) == ["semaphore = asyncio.Semaphore(limit)  # New"]


def test_the_earlier_version_may_have_another_name(folder):
    earlier = "class ChainV1:\n    def first(self):\n        return ChainV1"
    (_, source) = filled(folder, (earlier, {}), ("", {"from": "tasks.py Chain", "new": "ChainV1"}))
    assert new_lines(source) == ["return 1  # New", "def second(self):  # New"]


def test_a_mark_joins_a_comment():
    old, new = "def f():\n    return 1", "def f():\n    return 2  # not one: '#'"
    assert mark_new(new, old) == "def f():\n    return 2  # New: not one: '#'"
    assert mark_new(mark_new(new, old), mark_new(new, old)).count("New") == 1


def test_a_new_handler_is_marked_at_its_first_line():
    old = "def f():\n    try:\n        g()\n    finally:\n        h()"
    new = "def f():\n    try:\n        g()\n    except ValueError:\n        i()\n    finally:\n        h()"
    assert new_lines(mark_new(new, old)) == ["except ValueError:  # New"]


def test_nothing_is_marked_where_nothing_is_new():
    assert mark_new(MARKED, MARKED) == MARKED


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"from": "tasks.py"},
            "':from: tasks.py' must be a module and a name in it; the modules are tasks.py",
        ),
        ({"from": "task.py work"}, "':from: task.py work' must be a module and a name"),
        ({"from": "../lesson1_a/work.py work"}, "must be a module and a name in it"),
        ({"from": "tasks.py walk"}, "tasks.py has no definition 'walk'; it has END, Chain, work"),
        ({"from": "tasks.py Chain -third"}, "'-third' must be a method of what is shown, which begins"),
        ({"from": "tasks.py work -one"}, "'-one' must be a method of what is shown"),
        ({"from": "tasks.py Chain.third"}, "tasks.py has no definition 'Chain.third'"),
        ({"from": "tasks.py Chain", "new": True}, "':new: True': no earlier cell or lesson defines 'Chain'"),
        ({"from": "tasks.py work", "new": "work_v1"}, "':new: work_v1': no earlier cell or lesson defines"),
        ({"new": True}, "the option 'new' needs the option 'from' or 'step'"),
        ({"from": "a.py x", "step": "a.py x"}, "the options 'from' and 'step' in one cell: take one of them"),
    ],
)
def test_what_cannot_be_filled_in_is_named(folder, options, message):
    with pytest.raises(ValueError, match=message.replace("(", "\\(")):
        filled(folder, ("", options))
