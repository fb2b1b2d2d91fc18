"""What holds for every notebook: it is its lesson, executed; it is clean; it is built as lessons are built.

That its cells give the stored outputs is tested by nbval, which runs the notebooks themselves.
"""

import re
from itertools import pairwise
from pathlib import Path
from statistics import median
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from browser import Missing
from markdown_it import MarkdownIt
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from builder import build as builder

ROOT = Path(__file__).parents[1]
CELL_TIMEOUT = 300  # seconds on a busy machine
NOTEBOOKS = ROOT / "notebooks"
LESSONS = builder.find_lessons(ROOT)
CORES = [lesson for lesson in LESSONS if re.match("[1-9]", lesson.name) and builder.is_core(lesson)]
IGNORED = {"nbval-ignore-output", "nbval-skip"}
TAGS = {"navigation", "opening", "solution", "step", "long", "raises-exception", *IGNORED}


@pytest.fixture(params=LESSONS, ids=lambda lesson: lesson.name)
def lesson(request):
    return request.param


@pytest.fixture
def notebook(lesson):
    if not lesson.notebook.exists():
        pytest.fail(f"notebooks/{lesson.notebook.name} is missing: python3 course.py build {lesson.name}")
    return nbformat.v4.reads(lesson.notebook.read_text(encoding="utf-8"))  # as it is, nothing corrected


# --- What a notebook holds


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def markdown(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def tags(cell):
    return set(cell.metadata.get("tags", ()))


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def strings(node):
    """Every string in a notebook, or in a part of one, but for the pixels of pictures."""
    if isinstance(node, str):
        yield re.sub(r"data:image/[\w+]+;base64,[A-Za-z0-9+/=]+", "", node)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key not in ("image/png", "image/jpeg"):
                yield from strings(value)
    elif isinstance(node, list):
        for item in node:
            yield from strings(item)


def tokens(text):
    """The tokens of a Markdown text, those inside paragraphs included."""
    for token in MarkdownIt().parse(text):
        yield token
        yield from token.children or ()


def headings(notebook):
    """(level, text) of each heading; a comment in a code block is none."""
    found = []
    for text in markdown(notebook):
        found += [
            (int(token.tag[1]), following.content)
            for token, following in pairwise(tokens(text))
            if token.type == "heading_open"
        ]
    return found


def links(notebook):
    for token in (token for text in markdown(notebook) for token in tokens(text)):
        if "html" in token.type:
            yield from re.findall(r"""(?:href|src)=["']([^"']*)""", token.content)
        elif address := token.attrs.get("href") or token.attrs.get("src"):
            yield address


# --- Fresh: the notebook is its lesson, executed


def test_every_lesson_has_a_notebook_and_every_notebook_a_lesson():
    for place in ("notebook", "learners"):
        wanted = [getattr(lesson, place) for lesson in LESSONS]
        pages = [path for path in builder.page_notebooks(ROOT) if path.parent == wanted[0].parent]
        assert sorted(wanted[0].parent.glob("*.ipynb")) == sorted(wanted + pages)


def test_the_notebook_is_its_lesson(lesson, notebook):
    advice = f"python3 course.py build {lesson.name}"
    expected = builder.compose(lesson)
    for place, (cell, source) in enumerate(zip(notebook.cells, expected.cells)):
        for part in ("cell_type", "source", "metadata", "id"):
            assert cell[part] == source[part], f"cell {place} differs from lesson.md: {advice}"
    assert len(notebook.cells) == len(expected.cells), advice
    notebook.metadata.pop("widgets", None)
    assert notebook.metadata == expected.metadata, f"what the outputs come from has changed: {advice}"


def test_the_file_is_as_the_builder_writes_it(lesson, notebook):
    assert lesson.notebook.read_text(encoding="utf-8") == builder.render(notebook)


def test_the_learners_edition_is_made_from_the_complete_one(lesson, notebook):
    expected = builder.render(builder.learners_edition(notebook))
    assert lesson.learners.read_text(encoding="utf-8") == expected, f"python3 course.py build {lesson.name}"


def test_the_learners_edition_gives_no_answer_away(lesson):
    edition = nbformat.read(lesson.learners, as_version=4)
    assert not [cell.source for cell in code_cells(edition) if cell.outputs and "opening" not in tags(cell)]
    assert not [cell.source for cell in code_cells(edition) if "solution" in tags(cell)]


def test_the_lesson_says_where_to_edit(lesson):
    _, _, text = lesson.source.read_text(encoding="utf-8").split("---\n", 2)
    assert text.lstrip().startswith("<!-- edit here, learners open notebooks/ -->\n")


def test_the_learners_edition_runs_with_untouched_stubs(lesson, found_browser):
    if not isinstance(found_browser, Missing):
        pytest.skip("the browser runs it: test_browser.py")
    notebook = nbformat.read(lesson.learners, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": str(lesson.learners.parent)}},
    )
    test_errors_are_those_that_are_meant(client.execute())


# --- Clean: nothing of one machine or one run


def test_every_cell_was_run_in_order(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook) if cell.source.strip()]
    assert counts == list(range(1, len(counts) + 1))


def test_the_kernel_is_python3(notebook):
    assert notebook.metadata.kernelspec.name == "python3"


def test_no_times_of_execution(notebook):
    assert not [cell.id for cell in notebook.cells if "execution" in cell.metadata]
    assert not [text for text in strings(notebook) if re.search(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", text)]


def test_no_paths_of_a_machine(notebook):
    paths = re.compile(r"(?<![\w.:/])/(home|root|work|Users|tmp)\b|\b[A-Z]:\\(?!n)|site-packages")
    assert not [text for text in strings(notebook) if paths.search(text)]


def test_no_memory_addresses(notebook):
    given = [strings(output) for output in outputs(notebook)]
    assert not [text for texts in given for text in texts if re.search(r"\b0x[0-9a-fA-F]{5,}", text)]


def test_cell_ids_are_unique(notebook):
    ids = [cell.id for cell in notebook.cells]
    assert len(ids) == len(set(ids))


def test_no_cell_ends_with_a_semicolon(notebook):
    assert not [cell.source for cell in code_cells(notebook) if cell.source.rstrip().endswith(";")]


def test_few_outputs_are_ignored_and_with_a_reason(notebook):
    assert not [cell.source for cell in code_cells(notebook) if "NBVAL_" in cell.source], "tags say it"
    ignored = [cell.source for cell in code_cells(notebook) if tags(cell) & IGNORED]
    assert len(ignored) <= 2
    assert all(re.search(r"(?m)^\s*# \w", source) for source in ignored), "a comment says why"


def test_pictures_have_words(notebook):
    for data in (output.data for output in outputs(notebook) if "data" in output):
        html = data.get("text/html", "")
        if any(kind.startswith("image/") for kind in data) or "<img" in html or "<svg" in html:
            words = data.get("text/plain", "")
            assert words and not re.fullmatch(r"<.*>", words), f"a picture without text: {words!r}"


def test_pictures_have_alternative_text(notebook):
    shown = [markdown(notebook), outputs(notebook), notebook.metadata]
    for image in re.findall(r"<img\b[^>]*>", "\n".join(strings(shown))):
        assert re.search(r"""\balt=["'][^"']*\w""", image), image
    images = [token for text in markdown(notebook) for token in tokens(text) if token.type == "image"]
    assert all(image.content for image in images)


def test_errors_are_those_that_are_meant(notebook):
    for cell in code_cells(notebook):
        failed = any(output.output_type == "error" for output in cell.outputs)
        assert failed == ("raises-exception" in tags(cell)), cell.source


def test_the_file_is_small(notebook):
    assert len(builder.render(notebook)) < 3_000_000


def test_links_lead_somewhere(lesson, notebook):
    """From notebooks/, from the learner's edition, and from her copies: all notebooks are in one folder."""
    for link in links(notebook):
        address = urlsplit(link)
        if address.scheme:
            assert address.scheme == "https", link
            continue
        target = (NOTEBOOKS / (unquote(address.path) or lesson.notebook.name)).resolve()
        assert target.exists(), link
        assert (target.suffix == ".ipynb") == (target.parent == NOTEBOOKS) == (".." not in link), link
        if address.fragment:
            anchors = {text.replace(" ", "-") for _, text in headings(nbformat.read(target, as_version=4))}
            assert unquote(address.fragment) in anchors, link


# --- Built as lessons are built


def test_tags_are_known(notebook):
    assert set().union(*(tags(cell) for cell in notebook.cells)) <= TAGS


def test_code_cells_are_short(notebook):
    assert median(len(cell.source.splitlines()) for cell in code_cells(notebook)) <= 6
    for cell in code_cells(notebook):
        assert len(cell.source.splitlines()) <= 25 or "long" in tags(cell), cell.source


def test_text_introduces_code(notebook):
    introductions = [before for before, cell in pairwise(notebook.cells) if cell.cell_type == "code"]
    introduced = [before for before in introductions if before.cell_type == "markdown"]
    assert len(introduced) >= 0.7 * len(code_cells(notebook))


def test_one_title(notebook):
    assert [level for level, _ in headings(notebook)].count(1) == 1


@pytest.mark.parametrize("lesson", CORES, ids=lambda lesson: lesson.name)
@pytest.mark.parametrize("section", ["The real thing", "Exercises", "Keypoints"])
def test_a_lesson_has_its_sections(notebook, section):
    assert (2, section) in headings(notebook)


# --- The checks themselves


def picture(**data):
    return new_output("display_data", data={name.replace("_", "/"): value for name, value in data.items()})


def cell(source="1 + 1", output=None, **metadata):
    return new_code_cell(
        source, metadata=metadata, outputs=[output] if output else [], execution_count=1, id="one"
    )


def flawed(*cells):
    return NotebookNode(cells=list(cells), metadata=NotebookNode())


FAILED = new_output("error", ename="ValueError", evalue="", traceback=[])
FLAWS = {
    "not run": (test_every_cell_was_run_in_order, new_code_cell("1")),
    "run twice": (test_every_cell_was_run_in_order, cell(), cell()),
    "timing": (test_no_times_of_execution, cell(execution={"iopub.execute_input": "yesterday"})),
    "time stamp": (test_no_times_of_execution, cell(output=new_output("stream", text="2024-02-29 12:00"))),
    "path in a source": (test_no_paths_of_a_machine, cell("open('/home/me/data')")),
    "path in an output": (test_no_paths_of_a_machine, cell(output=new_output("stream", text="/tmp/x"))),
    "path on Windows": (test_no_paths_of_a_machine, new_markdown_cell("`C:\\Users\\me`")),
    "address": (test_no_memory_addresses, cell(output=picture(text_plain="<object at 0x7f3a2b1c>"))),
    "ids": (test_cell_ids_are_unique, cell(), cell()),
    "semicolon": (test_no_cell_ends_with_a_semicolon, cell("plot();\n")),
    "no reason": (test_few_outputs_are_ignored_and_with_a_reason, cell(tags=["nbval-skip"])),
    "three ignored": (
        test_few_outputs_are_ignored_and_with_a_reason,
        *[cell("# random\n1", tags=["nbval-ignore-output"])] * 3,
    ),
    "ignored by a comment": (test_few_outputs_are_ignored_and_with_a_reason, cell("# NBVAL_SKIP\n1")),
    "only pixels": (test_pictures_have_words, cell(output=picture(image_png="iVBO"))),
    "a repr": (test_pictures_have_words, cell(output=picture(image_png="i", text_plain="<Figure size 1x1>"))),
    "html without words": (test_pictures_have_words, cell(output=picture(text_html="<img alt='a'>"))),
    "no alt in html": (test_pictures_have_alternative_text, cell(output=picture(text_html="<img src=''>"))),
    "no alt in a text": (test_pictures_have_alternative_text, new_markdown_cell("![](picture.png)")),
    "an error": (test_errors_are_those_that_are_meant, cell(output=FAILED)),
    "no error": (test_errors_are_those_that_are_meant, cell(tags=["raises-exception"])),
    "a misspelt tag": (test_tags_are_known, cell(tags=["solutoin"])),
    "long cells": (test_code_cells_are_short, cell("1\n" * 7)),
    "a very long cell": (test_code_cells_are_short, cell(), cell(), cell("1\n" * 26)),
    "no text": (test_text_introduces_code, new_markdown_cell("text"), cell(), cell()),
    "no title": (test_one_title, new_markdown_cell("```\n# a comment\n```")),
    "two titles": (test_one_title, new_markdown_cell("# one\n\n# two")),
}


@pytest.mark.parametrize(("check", "cells"), [(check, cells) for check, *cells in FLAWS.values()], ids=FLAWS)
def test_a_flaw_is_found(check, cells):
    with pytest.raises(AssertionError):
        check(flawed(*cells))


@pytest.mark.parametrize(
    "link",
    ["2_missing.ipynb", "picture.png", "../missing.md", "../notebooks/x.ipynb", "#No-such", "http://a.org"],
)
@pytest.mark.parametrize("form", ["[text]({})", '<a href="{}">text</a>'])
def test_a_wrong_link_is_found(link, form, lesson):
    with pytest.raises(AssertionError):
        test_links_lead_somewhere(lesson, flawed(new_markdown_cell(form.format(link))))
