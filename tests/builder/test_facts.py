"""The facts of a lesson, and the places that are made from them or agree with them."""

import re
from pathlib import Path

import pytest

from builder import build as builder
from builder.facts import Facts, heading, read_facts, table

ROOT = Path(__file__).parents[2]
LESSONS = builder.find_lessons(ROOT)
TAUGHT = [lesson for lesson in LESSONS if not lesson.part and (lesson.folder / "teacher.md").is_file()]
FOUND = {
    "title": "A",
    "subtopic": "LC1",
    "focus": "look",
    "concepts": "this",
    "line": "Remember.",
    "question": "Why?",
}


def test_the_front_matter_is_read():
    assert read_facts({"course": FOUND | {"minutes": 60}, "jupytext": {}}) == Facts(**FOUND, minutes=60)


@pytest.mark.parametrize(
    ("front_matter", "message"),
    [
        ({}, "the front matter has no 'course'"),
        ({"course": "A"}, "the front matter has no 'course'"),
        ({"course": FOUND | {"minute": 60}}, "unknown key 'minute'; allowed are title, subtopic, focus"),
        ({"course": {"title": "A"}}, "'course' has no 'subtopic'"),
        ({"course": FOUND | {"minutes": "60"}}, "'course': 'minutes' must be a int, not '60'"),
        ({"course": FOUND | {"line": 60}}, "'course': 'line' must be a str, not 60"),
        ({"course": FOUND | {"level": "easy"}}, "'course': 'level' must be 'core' or 'deeper', not 'easy'"),
    ],
)
def test_front_matter_that_is_not_right_is_told(front_matter, message):
    with pytest.raises(ValueError, match=message):
        read_facts(front_matter)


def test_a_part_says_what_differs_from_its_lesson():
    lesson = Facts(**FOUND, minutes=60, exercises=30)
    part = read_facts({"course": {"title": "B", "question": "How?", "level": "deeper"}}, lesson)
    assert part == Facts("B", "LC1", "look", "this", "Remember.", "How?", level="deeper")
    with pytest.raises(ValueError, match="'course' has no 'question'"):
        read_facts({"course": {"title": "B"}}, lesson)


def test_a_heading_says_all_that_there_is():
    plain = "# A\n\n**LC1** · as long as you like\n\n> Remember.\n\n**The question:** Why?"
    assert heading("", Facts(**FOUND)) == plain
    long = heading("2", Facts(**FOUND, minutes=60, exercises=30))
    assert long.splitlines()[:3:2] == ["# 2. A", "**LC1** · 60 minutes, 30 for the exercises"]
    deeper = heading("2c", Facts(**FOUND, minutes=20, level="deeper"))
    assert deeper.splitlines()[2] == "**LC1** · 20 minutes · going deeper: no core leans on it"


def test_a_table_leaves_empty_what_is_not_said_and_what_the_row_above_says():
    first, part = Facts(**FOUND, minutes=60), Facts(**FOUND | {"title": "B"}, exercises=30)
    rows = table(
        [("1", "1_a.ipynb", first), ("1b", "1b_b.ipynb", part)],
        ["lesson", "key concepts", "minutes", "exercises"],
        "there",
    )
    assert rows.splitlines() == [
        "| | lesson | key concepts | minutes | exercises |",
        "| --- | --- | --- | --- | --- |",
        "| [1](there/1_a.ipynb) | A | this | 60 min | |",
        "| [1b](there/1b_b.ipynb) | B | | | 30 min |",
    ]


def test_the_tables_of_the_course_and_the_stubs_for_editors_are_up_to_date():
    assert list(builder.stale_files(ROOT)) == [], "run `python3 course.py build`"


@pytest.mark.parametrize("lesson", TAUGHT, ids=lambda lesson: lesson.name)
def test_what_the_teacher_reads_is_the_lesson(lesson):
    """The title, and the sums of a class of 90 minutes."""
    text = (lesson.folder / "teacher.md").read_text(encoding="utf-8")
    first, _, plan, *_ = text.splitlines()
    assert first == f"# Teaching lesson {lesson.number}: {builder.facts(lesson).title}"
    said = re.match(
        r"For 90 minutes with a projector: (\d+) of teaching, (\d+) of exercises, (\d+) in reserve\.", plan
    )
    assert said, plan
    rows = re.findall(r"(?m)^\| (\d+) \| (.*?) \|", text)
    exercises = sum(int(minutes) for minutes, section in rows if section.startswith("Exercises"))
    teaching = sum(int(minutes) for minutes, section in rows) - exercises
    assert [int(number) for number in said.groups()] == [teaching, exercises, 90 - teaching - exercises]
