"""The project: many documents through `prompt | ask | parse`, against a service with limits and faults."""

import asyncio
import json
from functools import partial

from lessons.lesson3_concurrency_limits.rates import TokenBucket, permit_then_token, retry
from lessons.lesson4_execution_model.tasks import run_as_tasks_with_limit
from lessons.lesson5_synchronization.sequence import RunnableSequence


def answers_in(place):
    """Return the answers that a file holds, name to answer: a pair a line, as JSON; {} if there is no file.

    A last line that was not written to its end is left out.
    """
    lines = place.read_text(encoding="utf-8").splitlines(keepends=True) if place.exists() else []
    return dict(json.loads(line) for line in lines if line.endswith("\n"))


async def answer_all(documents, prompt, ask, parse, place, random, retry_on, most=10, rate=20):
    """Send each document through the steps prompt, ask and parse; return (answers, failures).

    Both are dicts by name, the answers in the order of `documents`.

    documents: dict of name to text. prompt, parse: plain functions of one value; ask: an async one, which
    uses the service. place: a Path. An answer is written there once it is known, as a line of JSON,
    [name, answer]; a document whose answer is there already is not asked again.

    At most `most` calls of `ask` are under way at a time, and at most `rate` begin in any second. One that
    raises `retry_on` is tried again, six times in all, after the wait that the service asks for and a backoff
    drawn from `random`. A document that fails all the same, or otherwise, is in failures with its exception;
    the others go on. When the caller is cancelled, nothing runs on, and what is known stays in the file.
    """
    answers, failures = answers_in(place), {}
    permits, bucket = asyncio.Semaphore(most), TokenBucket(rate)

    async def ask_until_answered(question):
        return await retry(partial(permit_then_token, permits, bucket, ask, question), retry_on, random)

    chain = RunnableSequence(prompt, ask_until_answered, parse)

    async def answer(name):
        try:
            answers[name] = await chain.ainvoke(documents[name])
        except Exception as error:
            failures[name] = error
        else:
            file.write(json.dumps([name, answers[name]]) + "\n")
            file.flush()

    missing = [name for name in documents if name not in answers]
    drop_half_a_line(place)
    with place.open("a", encoding="utf-8") as file:
        # More than `most`: a document that waits for its next try holds no permit.
        await run_as_tasks_with_limit({name: partial(answer, name) for name in missing}, 3 * most)
    return {name: answers[name] for name in documents if name in answers}, failures


def drop_half_a_line(place):
    """Cut off a last line that was not written to its end, so that what is written next stands alone."""
    if place.exists():
        text = place.read_text(encoding="utf-8")
        place.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")
