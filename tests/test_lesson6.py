"""Lesson 6: the exercises' own solutions, and a ledger that has every claim of lesson 0."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lessons.lesson6_at_scale import exercises

ROOT = Path(__file__).parents[1]


async def fan_out(calls, limit, seconds):
    permits, results = asyncio.Semaphore(limit), {}

    async def run(name, call):
        async with permits:
            try:
                results[name] = await call()
            except Exception:
                pass

    try:
        async with asyncio.timeout(seconds):
            async with asyncio.TaskGroup() as group:
                for name, call in calls.items():
                    group.create_task(run(name, call))
    except TimeoutError:
        pass
    return results


async def fan_out_without_a_limit(calls, limit, seconds):
    return await fan_out(calls, len(calls), seconds)


async def fan_out_that_fails(calls, limit, seconds):
    permits = asyncio.Semaphore(limit)

    async def run(call):
        async with permits:
            return await call()

    async with asyncio.timeout(seconds):
        return dict(zip(calls, await asyncio.gather(*map(run, calls.values()))))


async def fan_out_in_turn(calls, limit, seconds):
    results = {}
    for name, call in calls.items():
        try:
            results[name] = await asyncio.wait_for(call(), seconds)
        except Exception:
            pass
    return results


async def fan_out_that_leaves(calls, limit, seconds):
    tasks = {name: asyncio.create_task(call()) for name, call in calls.items()}
    await asyncio.wait(tasks.values(), timeout=seconds)
    return {name: task.result() for name, task in tasks.items() if task.done() and not task.exception()}


async def fan_out_with_a_deadline_each(calls, limit, seconds):
    permits, results = asyncio.Semaphore(limit), {}

    async def run(name, call):
        async with permits:
            try:
                results[name] = await asyncio.wait_for(call(), seconds)
            except Exception:
                pass

    await asyncio.gather(*(run(name, call) for name, call in calls.items()))
    return results


async def fan_out_that_does_not_wait(calls, limit, seconds):
    tasks = {name: asyncio.create_task(call()) for name, call in calls.items()}
    done, late = await asyncio.wait(tasks.values(), timeout=seconds)
    for task in late:
        task.cancel()
    return {name: task.result() for name, task in tasks.items() if task in done and not task.exception()}


def outcomes(exercise, answer):
    came = []
    for case in exercise["cases"]:
        try:
            came.append(case.get("run", lambda value: value)(answer) == case["expect"])
        except Exception:
            came.append(False)
    return came


def test_the_right_answers_pass_every_case():
    assert all(outcomes(exercises.FAN_OUT, fan_out))
    assert all(outcomes(exercises.IN_FLIGHT, 100))
    assert all(outcomes(exercises.WHICH_WAY, ["invoke", "astream", "AInvoke ", "abatch"]))


def test_typical_mistakes_fail_the_case_that_is_about_them():
    assert outcomes(exercises.FAN_OUT, fan_out_without_a_limit) == [False, True, True, False]
    assert outcomes(exercises.FAN_OUT, fan_out_that_fails) == [True, False, False, False]
    assert outcomes(exercises.FAN_OUT, fan_out_in_turn)[:2] == [False, False]
    assert outcomes(exercises.FAN_OUT, fan_out_that_leaves)[::2] == [False, False]
    assert outcomes(exercises.FAN_OUT, fan_out_with_a_deadline_each) == [True, True, True, False]
    assert outcomes(exercises.FAN_OUT, fan_out_that_does_not_wait)[2] is False
    for exercise in (exercises.IN_FLIGHT, exercises.WHICH_WAY):
        for wrong in exercise["wrong"]:
            assert outcomes(exercise, wrong["answer"]) == [False]


def test_every_quiz_question_has_a_reason_for_each_option():
    for question in exercises.QUIZ:
        assert len(question["options"]) == len(question["why"]) > question["answer"]


def test_the_ledger_has_a_row_for_every_claim_of_lesson_0():
    claims = (ROOT / "lessons/lesson0_start_here/lesson.md").read_text("utf-8")
    table = claims[claims.index("| Claim | Examined in |") : claims.index("**Before you go on**")]
    asked = [line for line in table.splitlines()[2:] if line.startswith("|")]
    source = (ROOT / "lessons/lesson6_at_scale/lesson.md").read_text("utf-8")
    ledger = source[source.index("LEDGER = [") :]
    rows = re.findall(
        r'(?m)^    \("(.*?)", (HOLDS|FOOTNOTE|NOT), .*, (\d)\),$', ledger[: ledger.index("\n]")]
    )
    assert len(rows) == len(asked) == 20
    assert {lesson for *_, lesson in rows} == set("123456")


FEW_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
from helpers import builder
lesson = builder.find_lesson(builder.ROOT, "6")
notebook = builder.compose(lesson)
headings = [number for number, cell in enumerate(notebook.cells) if cell.source.startswith("## 2.")]
del notebook.cells[headings[0] :]
for cell in builder.code_cells(builder.execute(notebook, lesson, 300)):
    for output in cell.outputs:
        print(output.get("text", ""), end="")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of this kind")
def test_the_large_fan_out_shrinks_where_256_files_may_be_open():
    command = [sys.executable, "-c", FEW_FILES]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for line in "peak is SIZE:    True", "no limit: 120":
        assert line in done.stdout.splitlines(), done.stdout
