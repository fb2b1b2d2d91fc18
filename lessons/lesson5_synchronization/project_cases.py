"""What the project is checked against: a service with limits and faults, on a clock that simulates.

The clock is handed in, `run_on_virtual_clock` of the helpers: a thousand documents take a moment, and all
numbers are exact.
"""

import asyncio
import random
import tempfile
from contextlib import suppress
from itertools import count
from pathlib import Path

from lessons.lesson5_synchronization.project import answer_all

DOCUMENTS = {f"document {number}": f"text {number}" for number in range(1000)}
MOST, RATE = 10, 20
POISON = "document 13"  # the service answers this one with an error, each time


class Refused(Exception):
    """The service is at a limit. retry_after: the seconds that it asks to wait."""

    def __init__(self, retry_after):
        super().__init__(f"retry after {retry_after} s")
        self.retry_after = retry_after


class BadRequest(Exception):
    """The service can do nothing with this text, however often it is asked."""


class Service:
    """Answers texts, with latencies that vary and faults at fixed numbers of requests; keeps a record."""

    def __init__(self, faults=True):
        self.faults = faults
        self.latencies = random.Random(1)
        self.number = count(1)
        self.starts, self.asked, self.answered = [], [], []
        self.now = self.peak = 0

    async def ask(self, question):
        self.starts.append(asyncio.get_running_loop().time())
        self.asked.append(question)
        self.now += 1
        self.peak = max(self.peak, self.now)
        try:
            await asyncio.sleep(self.latencies.uniform(0.1, 1.0))
            self.fail_at_times(next(self.number), question)
        finally:
            self.now -= 1
        self.answered.append(question)
        return f"<{question}>"

    def fail_at_times(self, number, question):
        if self.faults and question == question_about(DOCUMENTS[POISON]):
            raise BadRequest(question)
        if self.faults and number % 25 == 0:
            raise Refused(retry_after=2.0)
        if self.faults and number % 40 == 0:
            raise ConnectionError("the connection was cut")

    def most_in_a_second(self):
        """The most calls that began within any second."""
        return max(sum(start <= each < start + 1 - 1e-6 for each in self.starts) for start in self.starts)


def question_about(text):
    return f"summary of {text}"


def parsed(answer):
    return answer.strip("<>").upper()


def expected(names):
    return {name: parsed(f"<{question_about(DOCUMENTS[name])}>") for name in names}


def run(clock, answer, service, documents=None, place=None, seconds=None):
    """Let an answer work on documents; return what it returns, None if it was cancelled after `seconds`."""
    documents = DOCUMENTS if documents is None else documents

    async def work(place):
        task = asyncio.ensure_future(
            answer(
                documents,
                question_about,
                service.ask,
                parsed,
                place,
                random.Random(2),
                (Refused, ConnectionError),
                most=MOST,
                rate=RATE,
            )
        )
        if seconds is None:
            return await task
        await asyncio.wait([task], timeout=seconds)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return None

    if place is not None:
        return clock(work(place))[0]
    with tempfile.TemporaryDirectory() as folder:
        return clock(work(Path(folder) / "answers.jsonl"))[0]


def some(number):
    return dict(list(DOCUMENTS.items())[:number])


def who_is_answered(clock, answer):
    answers, failures = run(clock, answer, Service())
    return {
        "right": sum(answers.get(name) == text for name, text in expected(DOCUMENTS).items()),
        "in order": list(answers) == [name for name in DOCUMENTS if name != POISON],
        "failed": {name: type(error).__name__ for name, error in failures.items()},
    }


def how_often_the_poison_is_asked(clock, answer):
    service = Service()
    run(clock, answer, service, some(20))
    return service.asked.count(question_about(DOCUMENTS[POISON]))


def how_many_and_how_fast(clock, answer):
    service = Service(faults=False)
    run(clock, answer, service, some(300))
    return {"in flight": service.peak, "a second": service.most_in_a_second()}


def interrupted_and_resumed(clock, answer):
    service = Service()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "answers.jsonl"
        run(clock, answer, service, some(400), place, seconds=10)
        left, first = service.now, set(service.answered)
        before = len(service.asked)
        answers, _ = run(clock, answer, service, some(400), place)
        again = first.intersection(service.asked[before:])
    return {
        "running after the interrupt": left,
        "answered before it": len(first) > 50,
        "asked again": len(again),
        "answered in the end": len(answers),
    }


def half_a_line(clock, answer):
    """A file whose last line was cut off, as when the machine went down while it was written."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "answers.jsonl"
        place.write_text('["document 0", "TEXT"]\n["document 1", "HA', encoding="utf-8")
        first, _ = run(clock, answer, Service(faults=False), some(3), place)
        service = Service(faults=False)
        second, _ = run(clock, answer, service, some(3), place)
    return {
        "kept": first.get("document 0"),
        "answered": len(first),
        "the same again": first == second,
        "asked": service.asked,
    }


def project(clock):
    """The check of the project. clock: `run_on_virtual_clock`."""

    def case(text, function, expect, hint):
        return {"case": text, "run": lambda answer: function(clock, answer), "expect": expect, "hint": hint}

    return {
        "title": "The project: a thousand documents, none lost",
        "course": answer_all,
        "cases": [
            case(
                "no documents at all",
                lambda clock, answer: run(clock, answer, Service(), {}),
                ({}, {}),
                "Return two empty dicts.",
            ),
            case(
                "three documents, and no faults",
                lambda clock, answer: run(clock, answer, Service(faults=False), some(3)),
                (expected(some(3)), {}),
                "Send each through prompt, ask and parse, and return (answers, failures), both by name.",
            ),
            case(
                "three hundred documents: the most in flight, and the most that begin in a second",
                how_many_and_how_fast,
                {"in flight": MOST, "a second": RATE},
                "A semaphore around ask, and in it TokenBucket(rate).take(). Keep the permits busy.",
            ),
            case(
                "a thousand documents, with faults: how many are right, and which one fails",
                who_is_answered,
                {"right": 999, "in order": True, "failed": {POISON: "BadRequest"}},
                "retry(call, retry_on, random) tries again. Catch what is left for each document. Answers "
                "come in the order of the documents, not as they end.",
            ),
            case(
                "how often a request is made that can never succeed",
                how_often_the_poison_is_asked,
                1,
                "Try again only what raises retry_on.",
            ),
            case(
                "cancelled after ten seconds, and started again",
                interrupted_and_resumed,
                {
                    "running after the interrupt": 0,
                    "answered before it": True,
                    "asked again": 0,
                    "answered in the end": 399,
                },
                "Write each answer at once, flush the file, and read it before you start.",
            ),
            case(
                "a file whose last line is not complete",
                half_a_line,
                {"kept": "TEXT", "answered": 3, "the same again": True, "asked": []},
                "Leave out the last line if it does not end with a line break, and do not write behind it.",
            ),
        ],
    }
