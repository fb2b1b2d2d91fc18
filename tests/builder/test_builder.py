"""The builder, and what nbval says about notebooks, on a small course in a folder of its own."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nbformat
import pytest
from budgets import weekly

from builder import build as builder
from builder import facts
from builder.imports import INSTALLED_AS, PACKAGES, imported_names, parse, uses

ROOT = Path(__file__).parents[2]
FRONT = """---
jupytext:
  text_representation:
    format_name: myst
course:
  title: {title}
  subtopic: LC1
  focus: look
  concepts: this, that
  question: "Why?"
  line: Remember.
---

<!-- edit here, learners open notebooks/ -->

"""


def front(title):
    return FRONT.format(title=title)


MODULES = {
    "helpers/__init__.py": """
        import importlib
        _HOME = {"shout": "voice", "whisper": "hush"}
        def __getattr__(name):
            if name not in _HOME:
                raise AttributeError(name)
            return getattr(importlib.import_module(f"helpers.{_HOME[name]}"), name)
        """,
    "helpers/voice.py": "from . import letters\ndef shout(text): return letters.upper(text)",
    "helpers/letters.py": "def upper(text): return text.upper()",
    "helpers/hush.py": "def whisper(text): return text.lower()",
    "lessons/__init__.py": '_HOME = {"Chain": "lesson1_first.chain"}',
    "lessons/lesson1_first/__init__.py": "",
    "lessons/lesson1_first/chain.py": "class Chain: pass",
}
FIRST = """Text.

```{code-cell} ipython3
from helpers import shout

print(shout("hello"))
```

```{code-cell} ipython3
import os, sys

print(os.path.basename(os.getcwd()))
print("to stderr", file=sys.stderr)
print("more")
```

```{code-cell} ipython3
import asyncio

await asyncio.sleep(0, "awaited")
```

```{code-cell} ipython3
:tags: [raises-exception]

import json

json.loads("{")
```

Widgets.

```{code-cell} ipython3
from ipywidgets import HTML, IntSlider, VBox, jslink

slider, label = IntSlider(value=3), HTML("three")
link = jslink((slider, "value"), (label, "value"))
VBox([slider, label])
```

A figure in HTML, with other pixels each time.

```{code-cell} ipython3
import base64, os
from IPython.display import display

pixels = base64.b64encode(os.urandom(99)).decode()
page = f'<img alt="a figure" src="data:image/png;base64,{pixels}">'
display({"text/html": page, "text/plain": "in words"}, raw=True)
```

```{code-cell} ipython3
:tags: [solution]

1 + 1
```
"""
SECOND = "Text.\n\n```{code-cell} ipython3\n6 * 7\n```\n\n```{code-cell} ipython3\nanswer = 42\n```\n"


def dedent(text):
    return "\n".join(line.removeprefix(" " * 8) for line in text.strip("\n").splitlines()) + "\n"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A course with two lessons, one of them with modules, that no notebook was built from yet."""
    root = tmp_path / "a course"
    for path, text in MODULES.items():
        write(root / path, dedent(text))
    write(root / "lessons/lesson1_first/lesson.md", front("First") + FIRST)
    write(root / "lessons/lesson2_second/lesson.md", front("Second") + SECOND)
    monkeypatch.setenv("PYTHONPATH", str(root))
    return root


@pytest.fixture
def second(root):
    """A lesson without imports."""
    return builder.find_lesson(root, "2")


@pytest.fixture
def quick(monkeypatch):
    """Builds that need no kernel: each cell's output is 42."""

    def execute(notebook, lesson, timeout):
        for count, cell in enumerate(builder.code_cells(notebook), 1):
            cell.execution_count = count
            cell.outputs = [
                nbformat.v4.new_output("execute_result", {"text/plain": "42"}, execution_count=count)
            ]
        return notebook

    monkeypatch.setattr(builder, "execute", execute)


def read(lesson):
    return json.loads(lesson.notebook.read_text(encoding="utf-8"))


def without_pixels(lesson):
    """The bytes of a notebook, but for those that are random on purpose."""
    head, _, tail = lesson.notebook.read_bytes().partition(b"base64,")
    return head, tail[tail.index(b'\\"') :]


def rewrite(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


# --- Which lesson is which notebook


def test_lessons_come_in_order_and_the_playground_last(tmp_path):
    for folder in ("lesson10_late", "playground", "lesson2_early", "lesson0_start_here"):
        write(tmp_path / "lessons" / folder / "lesson.md", front("Title") + "Text.\n")
    write(tmp_path / "lessons" / "README.md", "no lesson")
    for part in ("c_deeper.md", "b_more.md", "teacher.md"):
        write(tmp_path / "lessons" / "lesson2_early" / part, front("Part") + "Text.\n")
    lessons = builder.find_lessons(tmp_path)
    assert [lesson.name for lesson in lessons] == [
        "0_start_here",
        "2_early",
        "2b_more",
        "2c_deeper",
        "10_late",
        "playground",
    ]
    assert [lesson.number for lesson in lessons] == ["0", "2", "2b", "2c", "10", ""]
    assert builder.find_lesson(tmp_path, "2b") == lessons[2]
    assert lessons[1].notebook == tmp_path / "notebooks" / "2_early.ipynb"
    assert lessons[2].learners == tmp_path / "notebooks" / "learner" / "2b_more.ipynb"
    assert lessons[2].source == tmp_path / "lessons" / "lesson2_early" / "b_more.md"
    assert lessons[-1].notebook == tmp_path / "notebooks" / "playground.ipynb"


@pytest.mark.parametrize("wanted", ["1", "lesson1", "lesson1_first", "1_first"])
def test_a_lesson_has_several_names(root, wanted):
    assert builder.find_lesson(root, wanted).name == "1_first"


def test_an_unknown_lesson_is_named_with_those_there_are(root):
    with pytest.raises(SystemExit, match="no lesson '7'; the lessons are: 1_first, 2_second"):
        builder.main(["7"], root)


def test_a_course_without_lessons_says_so(tmp_path):
    with pytest.raises(SystemExit, match="there is no lesson"):
        builder.main([], tmp_path)


# --- What a notebook holds


def test_a_build_gives_the_same_bytes_again(root):
    lesson = builder.find_lesson(root, "1")
    assert builder.build(lesson) == "built, 7 cells run"
    first = without_pixels(lesson)
    written = lesson.notebook.stat().st_mtime_ns
    assert builder.build(lesson) == "up to date"
    assert lesson.notebook.stat().st_mtime_ns == written
    assert builder.build(lesson, force=True) == "built, 7 cells run"
    assert without_pixels(lesson) == first

    notebook = read(lesson)
    assert lesson.notebook.read_text(encoding="utf-8") == builder.render(nbformat.from_dict(notebook))
    assert [cell["execution_count"] for cell in notebook["cells"] if cell["cell_type"] == "code"] == [
        *range(1, 8)
    ]
    assert set(notebook["metadata"]) == {"course", "kernelspec", "language_info", "widgets"}
    assert notebook["metadata"]["course"]["source"] == "lessons/lesson1_first/lesson.md"
    printed, streams, awaited, error, widget, figure, solution = (
        cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"
    )
    assert printed[0]["text"] == ["HELLO\n"]
    assert {output["name"]: output["text"] for output in streams} == {
        "stdout": ["notebooks\n", "more\n"],
        "stderr": ["to stderr\n"],
    }
    assert awaited[0]["data"] == {"text/plain": ["'awaited'"]}
    assert error[0]["ename"] == "JSONDecodeError"
    assert "json.loads" in "".join(error[0]["traceback"]) and "raw_decode" not in "".join(
        error[0]["traceback"]
    )
    state = notebook["metadata"]["widgets"][builder.WIDGETS]["state"]
    assert sorted(state) == [f"{number:032x}" for number in range(len(state))]
    view = widget[0]["data"]["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert state[view]["model_name"] == "VBoxModel"
    assert [
        state[child.removeprefix("IPY_MODEL_")]["model_name"] for child in state[view]["state"]["children"]
    ]
    assert figure[0]["data"]["text/plain"] == ["in words"]
    assert solution[0]["data"] == {"text/plain": ["2"]}


@pytest.mark.parametrize("with_html", [True, False])
def test_a_widget_with_html_beside_it_is_left_out(with_html):
    """Without its kernel it would be dead, and its state is of no use; the HTML says what it is."""
    data = {builder.WIDGET_VIEW: {"model_id": "m"}, "text/plain": "in words"}
    if with_html:
        data["text/html"] = "<p>in words</p>"
    output = nbformat.v4.new_output("display_data", data=data)
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("show()", outputs=[output])],
        metadata={"widgets": {builder.WIDGETS: {"state": {"m": {}}}}},
    )
    notebook = builder.without_dead_widgets(notebook)
    (cell,) = notebook.cells
    assert (builder.WIDGET_VIEW in cell.outputs[0].data) != with_html
    assert ("widgets" in notebook.metadata) != with_html
    assert cell.outputs[0].data["text/plain"] == "in words"


def test_comments_stay_out_and_solutions_are_folded(root):
    notebook = builder.compose(builder.find_lesson(root, "1"))
    assert not [cell for cell in notebook.cells if "edit here" in cell.source]
    assert [cell.metadata for cell in notebook.cells if cell.metadata] == [
        {"tags": ["navigation"]},
        {"tags": ["raises-exception"]},
        {"tags": ["solution"], "jupyter": {"source_hidden": True}},
        {"tags": ["navigation"]},
    ]


def test_code_that_is_named_is_filled_in(root, second):
    write(second.folder / "chain.py", "def one():\n    return 1\n")
    rewrite(second.source, "6 * 7", ":from: chain.py one\n\n6 * one()")
    assert builder.code_cells(builder.compose(second))[0].source == "def one():\n    return 1\n\n\n6 * one()"
    rewrite(second.source, "chain.py one", "chain.py two")
    with pytest.raises(builder.BuildError, match="lesson.md: chain.py has no definition 'two'; it has one"):
        builder.compose(second)


def test_a_step_is_code_in_one_edition_and_a_stub_in_the_other(root, second, quick):
    write(second.folder / "chain.py", 'def one():\n    """Count."""\n    return 1\n')
    rewrite(second.source, "6 * 7", ":step: chain.py one")
    builder.build(second)
    sources = [
        builder.code_cells(builder.read_notebook(path))[0].source
        for path in (second.notebook, second.learners)
    ]
    assert sources == [
        'def one():\n    """Count."""\n    return 1',
        'def one():\n    """Count."""\n    raise NotImplementedError',
    ]


def test_a_step_without_a_docstring_is_refused(root, second):
    write(second.folder / "chain.py", "def one():\n    return 1\n")
    rewrite(second.source, "6 * 7", ":step: chain.py one")
    with pytest.raises(builder.BuildError, match="lesson.md: a step must end with a function that has a doc"):
        builder.compose(second)


def test_a_learners_edition_that_is_missing_or_another_comes_back_without_a_run(second, quick, monkeypatch):
    builder.build(second)
    made = second.learners.read_text()
    assert builder.read_notebook(second.learners).metadata.course.edition == "learner"
    monkeypatch.setattr(builder, "execute", None)
    for damage in (second.learners.unlink, lambda: second.learners.write_text("{}")):
        damage()
        assert builder.build(second) == "text and links brought up to date, outputs kept"
        assert second.learners.read_text() == made
    assert builder.build(second) == "up to date"


def test_a_cell_keeps_its_id_when_others_come_and_go(root, second):
    before = {cell.source: cell.id for cell in builder.compose(second).cells}
    rewrite(second.source, "6 * 7", "'new'\n```\n\n```{code-cell} ipython3\n6 * 7")
    after = {cell.source: cell.id for cell in builder.compose(second).cells}
    assert after.items() >= before.items()


def test_links_lead_to_the_neighbours(root):
    first, second = builder.find_lessons(root)
    assert builder.navigation(first).source == "[2. Second →](2_second.ipynb)"
    write(root / "lessons/lesson3_third/lesson.md", front("Third") + "Text.\n")
    links = "[← 1. First](1_first.ipynb) | [index](1_first.ipynb) | [3. Third →](3_third.ipynb)"
    cells = builder.compose(second).cells
    assert cells[0].source == cells[-1].source == links
    assert cells[0].id != cells[-1].id


def test_a_page_becomes_a_notebook_that_leads_to_its_neighbours(root, quick):
    links = "Go to [two](#2-second-part), or to [lesson 1](../notebooks/1_first.ipynb)."
    write(root / "lessons/a_page.md", f"# A page\n\n{links}\n\n## 2. Second: part\n\nEnd.\n")
    write(root / "lessons/GLOSSARY.md", "# No page")
    builder.main([], root)
    for folder in ("notebooks", "notebooks/learner"):
        index, first, second = builder.read_notebook(root / folder / "a_page.ipynb").cells
        assert index.source == "[index](1_first.ipynb)"
        assert first.source.endswith("Go to [two](#2.-Second:-part), or to [lesson 1](1_first.ipynb).")
        assert second.source == "## 2. Second: part\n\nEnd."
    assert not builder.stale_files(root)


def test_a_notebook_with_sections_says_what_is_in_it_with_minutes(root):
    words, line = "word " * 360, "**In this notebook:** "
    sections = "".join(f"## {name}\n\n{words}\n\n+++\n\n" for name in ("One", "Two?", "Exercises"))
    write(
        root / "lessons/lesson2_second/lesson.md",
        front("Second") + f"Text.\n\n+++\n\n{sections}## Short\n\nA.",
    )
    first_cell = builder.read_cells(builder.find_lesson(root, "2"))[0].source
    assert line + "One (2 min) · Two? (2 min) · Exercises (2 min)\n\nText." in first_cell
    assert line not in builder.read_cells(builder.find_lesson(root, "1"))[0].source


def test_what_goes_deeper_is_linked_but_not_on_the_way(root):
    first, second = builder.find_lessons(root)
    part = 'course:\n  title: Deeper\n  question: "How?"\n  level: deeper'
    text = re.sub(r"(?s)course:.*?(?=\n---)", part, front("")) + "Text.\n"
    write(root / "lessons/lesson1_first/b_deeper.md", text)
    first, deeper, second = builder.find_lessons(root)
    assert builder.navigation(first).source == "[2. Second →](2_second.ipynb) | [1b. Deeper](1b_deeper.ipynb)"
    back = "[← 1. First](1_first.ipynb) | [index](1_first.ipynb)"
    assert builder.navigation(deeper).source == f"{back} | [2. Second →](2_second.ipynb)"
    assert builder.navigation(second).source == back
    assert builder.facts(deeper).subtopic == builder.facts(first).subtopic


def test_a_course_of_one_lesson_has_no_links(root):
    shutil.rmtree(root / "lessons/lesson2_second")
    assert builder.compose(builder.find_lesson(root, "1")).cells[0].source.startswith("# 1. First")


def test_an_unknown_option_of_a_cell_is_refused(second):
    rewrite(second.source, "6 * 7", ":tag: [solution]\n\n6 * 7")
    with pytest.raises(builder.BuildError, match="'6 . 7' has the option 'tag'; allowed are deletable"):
        builder.compose(second)


def test_an_option_that_cannot_be_read_is_named(second):
    rewrite(second.source, "6 * 7", ":tags: [solution\n\n6 * 7")
    with pytest.raises(builder.BuildError, match="lesson.md cannot be read: Code cell .* Invalid YAML"):
        builder.compose(second)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  title: Second\n", "", "lesson.md: 'course' has no 'title'"),
        ("title: Second", "title: The: second", "lesson.md cannot be read: mapping values are not allowed"),
        ("Text.\n\n", "", "lesson.md must begin with text"),
    ],
)
def test_a_lesson_needs_a_title_and_text(root, second, old, new, message):
    rewrite(second.source, old, new)
    with pytest.raises(builder.BuildError, match=message):
        builder.compose(second)


def test_a_table_of_the_lessons_is_brought_up_to_date(root, quick, capsys):
    for file in ("README.md", "lessons/README.md"):
        write(root / file, f"Before.\n\n{facts.BEGIN}{facts.END}\n\nAfter.\n")
    builder.main([], root)
    said = capsys.readouterr().out.splitlines()
    assert {"README.md: brought up to date", "lessons/README.md: brought up to date"} <= set(said)
    text = (root / "README.md").read_text(encoding="utf-8")
    assert text.startswith("Before.") and text.endswith("After.\n")
    assert "| [1](notebooks/1_first.ipynb) | First | Why? | | | Remember. |\n" in text
    assert builder.stale_files(root) == {}
    rewrite(root / "lessons/lesson2_second/lesson.md", "title: Second", "title: The second")
    assert [path.name for path in builder.stale_files(root)] == ["README.md", "README.md"]
    write(root / "README.md", "no place\n")
    with pytest.raises(builder.BuildError, match="README.md needs the lines '<!-- lessons"):
        builder.stale_files(root)


def test_an_editor_is_told_where_names_are_that_are_handed_on_lazily(root, quick):
    builder.main([], root)
    stub = (root / "helpers/__init__.pyi").read_text(encoding="utf-8")
    assert stub.splitlines()[2:] == [
        "from helpers.hush import whisper as whisper",
        "from helpers.voice import shout as shout",
    ]
    assert (
        "from lessons.lesson1_first.chain import Chain as Chain"
        in (root / "lessons/__init__.pyi").read_text()
    )
    (root / "helpers/__init__.pyi").unlink()
    assert [path.name for path in builder.stale_files(root)] == ["__init__.pyi"]


# --- When a notebook is stale


def stamp(root, lesson="1"):
    return builder.compose(builder.find_lesson(root, lesson)).metadata.course.stamp


def stamps(root):
    return [stamp(root, lesson) for lesson in ("1", "2")]


@pytest.mark.parametrize("path", ["helpers/voice.py", "helpers/letters.py", "helpers/__init__.py"])
def test_a_module_that_is_used_counts(root, path):
    before = stamp(root)
    with (root / path).open("a") as module:
        module.write("# changed\n")
    assert stamp(root) != before


@pytest.mark.parametrize("path", ["helpers/hush.py", "lessons/lesson1_first/chain.py"])
def test_a_module_that_is_not_used_does_not_count(root, path):
    before = stamp(root)
    write(root / path, "changed = True\n")
    rewrite(root / "helpers/__init__.py", '"whisper": "hush"', '"whisper": "hush", "more": "hush"')
    assert stamp(root) == before


@pytest.mark.parametrize(
    ("code", "path"),
    [
        ('Path(__file__).with_suffix(".js").read_text()', "helpers/letters.js"),
        ('(Path(__file__).parent / "table.csv").read_text()', "helpers/table.csv"),
        ('(Path(__file__).parent / "data/table.csv").read_text()', "helpers/data/table.csv"),
        ('(ROOT / "settings.toml").read_text()', "settings.toml"),
        ('(ROOT / "lessons" / FOLDER / "picture.png").read_bytes()', "lessons/lesson1_first/picture.png"),
    ],
)
def test_a_file_counts_for_those_alone_who_read_it(root, code, path):
    write(root / path, "one\n")
    before = stamps(root)
    (root / path).write_bytes(b"another\n")
    assert stamps(root) == before, "nobody reads it"

    (root / "helpers/letters.py").write_text(f"def upper(text):\n    return {code}\n")
    before = stamps(root)
    (root / path).write_bytes(b"yet another\n")
    first, second = stamps(root)
    assert (first != before[0], second != before[1]) == (True, False)
    (root / path).write_bytes(b"yet another\r\n")
    assert stamps(root) == [first, second], "how lines end differs between systems, and counts for nothing"


def test_a_script_that_is_named_counts_and_so_does_what_it_imports(root):
    write(root / "lessons/lesson1_first/script.py", "from helpers import whisper\n")
    code = 'run([python, "lessons/lesson1_first/script.py"])'
    names = [path.name for path in uses(root, [code]).files]
    assert names == ["__init__.py", "hush.py", "script.py"]


@pytest.mark.parametrize(
    ("pinned", "stale"),
    [
        ("other-things==2.0", [False, False]),
        ("langchain-core==1.8.3", [True, False]),
        ("pillow==13.1.0", [True, False]),
        ('numpy==2.5.6 ; python_full_version >= "3.12"', [False, True]),
    ],
)
def test_another_pin_of_a_package_counts_for_those_alone_who_import_it(root, pinned, stale):
    with (root / "helpers/letters.py").open("a") as module:
        module.write("from PIL import Image\nimport langchain_core.runnables\n")
    rewrite(root / "lessons/lesson2_second/lesson.md", "6 * 7", "import numpy as np")
    pins = ["langchain-core==1.7.2", "numpy==2.4.6", "numpy==2.5.5", "other-things==1.0", "pillow==13.0.0"]
    write(root / "requirements.txt", "".join(f"{pin} \\\n    --hash=sha256:0\n" for pin in pins))
    before = stamps(root)
    name, version = pinned.split(" ;")[0].split("==")
    text = (root / "requirements.txt").read_text()
    latest = max(pin for pin in pins if pin.startswith(f"{name}=="))
    (root / "requirements.txt").write_text(text.replace(latest, f"{name}=={version}"))
    assert [now != then for now, then in zip(stamps(root), before, strict=True)] == stale


@pytest.mark.parametrize(
    ("name", "version", "problem"),
    [
        ("jupytext", "0.1", "uses jupytext, which is pinned to 0.1 .* and here it is [1-9]"),
        ("nowhere", "1.0", "uses nowhere, which is pinned to 1.0 .* and here it is not installed"),
    ],
)
def test_another_version_than_the_pinned_one_builds_no_notebook(root, second, quick, name, version, problem):
    """Its outputs would be given out as those of the pinned one."""
    rewrite(second.source, "6 * 7", f"import {name}")
    write(root / "requirements.txt", f"{name}=={version}\nunused==1.0\n")
    with pytest.raises(builder.BuildError, match=f"^2_second {problem}.*python3 course.py build 2_second"):
        builder.build(second)
    assert not second.notebook.exists()


def test_every_package_that_a_learners_cells_import_is_pinned():
    cells = [cell for lesson in builder.find_lessons(ROOT) for cell in builder.read_cells(lesson)]
    sources = [cell.source for cell in cells if cell.cell_type == "code"]
    for name in ("helpers", "lessons"):
        sources += [path.read_text(encoding="utf-8") for path in ROOT.glob(f"{name}/**/*.py")]
    imported = {name.split(".")[0] for source in sources for name in imported_statements(source)}
    others = (
        imported - sys.stdlib_module_names - {*PACKAGES, "dask"}
    )  # lesson 6 does without where it is missing
    assert {"langchain_core", "matplotlib", "PIL"} <= others
    names = {INSTALLED_AS.get(name, name).replace("_", "-").lower() for name in others}
    assert builder.pins(ROOT, names).keys() == names


def imported_statements(source):
    for node in ast.walk(parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module


def test_the_code_counts_and_so_does_the_format(root, monkeypatch):
    source = root / "lessons/lesson1_first/lesson.md"
    stamps = [stamp(root)]
    rewrite(source, "Text.", "Other text.")
    assert stamp(root) == stamps[0]
    for old, new in {"1 + 1": "1 + 2", "[raises-exception]": "[raises-exception, long]"}.items():
        rewrite(source, old, new)
        stamps.append(stamp(root))
    monkeypatch.setattr(builder, "FORMAT", builder.FORMAT + 1)
    stamps.append(stamp(root))
    assert len(set(stamps)) == len(stamps)


@pytest.mark.parametrize(
    ("code", "used"),
    [
        ("import helpers.voice as v", ["__init__", "letters", "voice"]),
        ("import helpers", ["__init__", "hush", "letters", "voice"]),
        ("from helpers import *", ["__init__", "hush", "letters", "voice"]),
        ("from helpers import hush", ["__init__", "hush"]),
        ("from helpers.hush import whisper", ["__init__", "hush"]),
        ("%%time\nfrom helpers import whisper", ["__init__", "hush"]),
        ("async with x:\n    from helpers import whisper", ["__init__", "hush"]),
        ("SCRIPT = '''\nfrom helpers import whisper\n'''", ["__init__", "hush"]),
        ("run([python, '-m', 'helpers.hush'])", ["__init__", "hush"]),
        ("import os, helpers_of_others\nfrom json import loads\nnot python", []),
    ],
)
def test_the_modules_of_a_piece_of_code(root, code, used):
    assert uses(root, [code]).files == [root / "helpers" / f"{name}.py" for name in used]


def test_a_lazy_name_leads_across_packages(root):
    folder = root / "lessons"
    assert uses(root, ["from lessons import Chain"]).files == [
        folder / "__init__.py",
        folder / "lesson1_first/__init__.py",
        folder / "lesson1_first/chain.py",
    ]


def test_relative_imports_are_those_of_the_package():
    code = "from . import a\nfrom .b import c\nfrom ..d import e"
    assert [*imported_names(code, ("x", "y"))] == ["x.y.a", "x.y.b.c", "x.d.e"]


def test_a_stale_notebook_is_executed_and_another_keeps_its_outputs(root, second, quick, capsys):
    builder.main(["2"], root)
    rewrite(second.notebook, '"42"', '"43"')  # tells whether the outputs are kept
    write(root / "lessons/lesson3_third/lesson.md", front("Third") + "Text.\n")
    rewrite(second.source, "Text.", "More text.")
    builder.main(["2"], root)
    assert '"43"' in second.notebook.read_text() and "More text." in second.notebook.read_text()
    rewrite(second.source, "answer = 42", "answer = 6 * 7")
    builder.main(["2"], root)
    assert '"42"' in second.notebook.read_text()
    builder.main(["lesson2_second"], root)
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if line.startswith("2_second")] == [
        "2_second: built, 2 cells run",
        "2_second: text and links brought up to date, outputs kept",
        "2_second: built, 2 cells run",
        "2_second: up to date",
    ]


@pytest.mark.parametrize("damage", ["not json", "[]", "{}", "cleared", "edited"])
def test_a_damaged_notebook_is_built_anew(second, quick, damage):
    builder.build(second)
    whole = second.notebook.read_bytes()
    if damage == "cleared":
        rewrite(second.notebook, '"execution_count": 2', '"execution_count": null')
    elif damage == "edited":
        rewrite(second.notebook, "answer = 42", "answer = 43")
    else:
        second.notebook.write_text(damage)
    assert builder.build(second) == "built, 2 cells run"
    assert second.notebook.read_bytes() == whole


# --- When a build fails


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("answer = undefined", "NameError"),
        ("import time; time.sleep(600)", "timed out"),
        ("import os; os._exit(1)", "Kernel died"),
    ],
)
def test_a_cell_that_fails_stops_the_build(second, code, reason):
    write(second.notebook, "an earlier build")
    rewrite(second.source, "answer = 42", code)
    with pytest.raises(builder.BuildError, match=f"(?s)^2_second, code cell 2: .*{reason}"):
        builder.build(second, timeout=5)
    assert second.notebook.read_text(encoding="utf-8") == "an earlier build"
    assert [path.name for path in second.notebook.parent.iterdir()] == ["2_second.ipynb"]


def test_the_command_ends_with_the_reason(root, second):
    rewrite(second.source, "answer = 42", "answer = undefined")
    with pytest.raises(
        SystemExit, match="(?s)Not built. 2_second, code cell 2: .*answer = undefined.*NameError"
    ):
        builder.main(["2"], root)


# --- What pytest says about notebooks, with the project's own settings


def run_pytest(root, *options):
    """Run pytest as a person does in the course's folder; return {test: outcome}."""
    for path in ("pyproject.toml", "tests/nbval_sanitize.cfg"):
        write(root / path, (ROOT / path).read_text(encoding="utf-8"))
    write(root / "tests/test_something.py", "import helpers\ndef test_something(): pass\n")
    command = [sys.executable, "-m", "pytest", "--junitxml=report.xml", *options]
    done = subprocess.run(command, cwd=root, env=os.environ, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    cases = ElementTree.parse(root / "report.xml").iter("testcase")
    return {f"{case.get('classname')} {case.get('name')}": [child.tag for child in case] for case in cases}


def test_pytest_runs_tests_and_notebooks_and_all_pass(root):
    for lesson in builder.find_lessons(root):
        builder.build(lesson)
    outcomes = run_pytest(root)
    assert len(outcomes) == 1 + 7 + 2
    assert {test: problem for test, problem in outcomes.items() if problem} == {}


def test_pytest_finds_outputs_that_differ(root, second):
    builder.build(second)
    text = second.notebook.read_text(encoding="utf-8")
    rewrite(second.notebook, "6 * 7", "print(6 * 7)")
    (second.notebook.parent / "wrong.ipynb").write_text(text.replace('"42"', '"43"'))
    (second.notebook.parent / "new.ipynb").write_text(text.replace("answer = 42", "42"))
    (second.notebook.parent / "gone.ipynb").write_text(text.replace("6 * 7", "pass"))
    assert run_pytest(root, "notebooks") == {
        "notebooks.2_second.ipynb Cell 0": ["failure"],
        "notebooks.2_second.ipynb Cell 1": [],
        "notebooks.gone.ipynb Cell 0": ["failure"],
        "notebooks.gone.ipynb Cell 1": [],
        "notebooks.new.ipynb Cell 0": [],
        "notebooks.new.ipynb Cell 1": ["failure"],
        "notebooks.wrong.ipynb Cell 0": ["failure"],
        "notebooks.wrong.ipynb Cell 1": [],
    }


@weekly
def test_pytest_finds_kernels_that_die_and_cells_that_hang(root, second, quick):
    builder.build(second)
    text = second.notebook.read_text(encoding="utf-8")
    second.notebook.write_text(text.replace("6 * 7", "import os; os._exit(1)"))
    hangs = text.replace("6 * 7", "import asyncio; await asyncio.sleep(600)")
    (second.notebook.parent / "hangs.ipynb").write_text(hangs)
    outcomes = run_pytest(root, "notebooks", "--nbval-cell-timeout=1")
    assert outcomes["notebooks.2_second.ipynb Cell 0"] == ["failure"]
    assert outcomes["notebooks.2_second.ipynb Cell 1"] == ["failure"]
    assert outcomes["notebooks.hangs.ipynb Cell 0"] == ["failure"]
    assert outcomes["notebooks.hangs.ipynb Cell 1"] != ["skipped"]


def test_pytest_fails_where_there_is_no_lesson(tmp_path):
    for file in ("tests/test_notebooks.py", "tests/browser.py", "course.py", "pyproject.toml"):
        write(tmp_path / file, (ROOT / file).read_text("utf-8"))
    done = subprocess.run([sys.executable, "-m", "pytest"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert "Empty parameter set" in done.stdout
