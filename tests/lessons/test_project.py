"""The project of lesson 5: its check takes right answers, and refuses wrong ones by the case about it."""

import asyncio
import inspect
import json

import pytest

from builder.definitions import stub
from helpers import run_on_virtual_clock
from helpers.cards.checks import run_cases
from lessons.lesson3_concurrency_limits.rates import TokenBucket, retry
from lessons.lesson4_execution_model.tasks import run_as_tasks_with_limit
from lessons.lesson5_synchronization.project import answer_all, answers_in, drop_half_a_line
from lessons.lesson5_synchronization.project_cases import project

PROJECT = project(run_on_virtual_clock)


def variant(
    *,
    permit=True,
    token=True,
    token_first=False,
    tries=6,
    on_error=None,
    catch=True,
    keep=True,
    known=answers_in,
    mend=drop_half_a_line,
    most_documents=30,
    sort=True,
):
    """An answer that leaves something out."""

    async def answer(documents, prompt, ask, parse, place, random, retry_on, most=10, rate=20):
        answers, failures = (known(place) if known else {}), {}
        permits, bucket = (
            asyncio.Semaphore(most if permit else 10_000),
            TokenBucket(rate if token else 10_000),
        )

        async def ask_once(question):
            if token_first:
                await bucket.take()
            async with permits:
                if not token_first:
                    await bucket.take()
                return await ask(question)

        async def work(name):
            try:
                reply = await retry(
                    lambda: ask_once(prompt(documents[name])), on_error or retry_on, random, tries
                )
            except Exception as error:
                if not catch:
                    raise
                failures[name] = error
                return
            answers[name] = parse(reply)
            if keep:
                with place.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([name, answers[name]]) + "\n")

        if mend:
            mend(place)
        missing = {name: name for name in documents if name not in answers}
        await run_as_tasks_with_limit(
            {name: (lambda name=name: work(name)) for name in missing}, most_documents
        )
        return {name: answers[name] for name in documents if name in answers} if sort else answers, failures

    return answer


def known_to_the_last_line(place):
    return dict(map(json.loads, place.read_text(encoding="utf-8").splitlines())) if place.exists() else {}


RIGHT = {
    "the course's": answer_all,
    "a file opened for each answer": variant(),
    "many documents": variant(most_documents=200),
}
WRONG = {
    "no permits": (variant(permit=False, most_documents=300), "the most in flight"),
    "no tokens": (variant(token=False), "the most in flight"),
    "too few under way": (variant(most_documents=5), "the most in flight"),
    "no second try": (variant(tries=1), "how many are right"),
    "the first failure ends all": (variant(catch=False), "how many are right"),
    "in the order of the ends": (variant(sort=False), "how many are right"),
    "tries everything again": (variant(on_error=Exception), "can never succeed"),
    "keeps nothing": (variant(keep=False), "started again"),
    "does not look at the file": (variant(known=None), "started again"),
    "reads half a line": (variant(known=known_to_the_last_line), "last line"),
    "writes behind half a line": (variant(mend=None), "last line"),
}


@pytest.mark.parametrize("answer", RIGHT.values(), ids=RIGHT)
def test_what_is_right_is_taken(answer):
    report = run_cases(PROJECT, answer, 60)
    assert report, report.text()


@pytest.mark.parametrize(("answer", "case"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_refused_by_the_case_about_it(answer, case):
    report = run_cases(PROJECT, answer, 60)
    assert not report and report.written
    assert case in report.failed, report.text()


def test_the_stub_counts_as_not_written():
    namespace = {}
    exec(stub(inspect.getsource(answer_all)), namespace)
    assert not run_cases(PROJECT, namespace["answer_all"], 60).written


def test_the_file_is_read_and_mended(tmp_path):
    place = tmp_path / "answers.jsonl"
    assert answers_in(place) == {}
    drop_half_a_line(place)
    assert not place.exists()
    place.write_text('["a", 1]\n["b", 2', encoding="utf-8")
    assert answers_in(place) == {"a": 1}
    drop_half_a_line(place)
    assert place.read_text(encoding="utf-8") == '["a", 1]\n'
