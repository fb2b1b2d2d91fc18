"""The page on rate limits: its code, run block by block, and what it says of the libraries."""

import asyncio
import json
import math
import random
import re
from collections import Counter
from contextlib import ExitStack, nullcontext
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import httpx
import pytest
from langchain_core import rate_limiters
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import RunnableLambda, RunnableParallel
from leftovers import run

from helpers.calls.llm_service import Stats, llm_server
from helpers.recording.virtual_clock import run_on_virtual_clock

openai = pytest.importorskip("openai", reason="needs the openai package")
langchain_openai = pytest.importorskip("langchain_openai", reason="needs the langchain-openai package")

PAGE = Path(__file__).parents[1] / "lessons" / "a_429_at_three.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
HOUR = 3600
PROMPT = ChatPromptTemplate.from_template("{text}")
SLOW = 0.001  # requests a second: no permit comes back while a test runs


@pytest.fixture(autouse=True)
def no_service_but_the_simulated_one(monkeypatch):
    monkeypatch.delenv("OPENAI_API_BASE", raising=False)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    yield
    langchain_openai.chat_models._client_utils._cached_async_httpx_client.cache_clear()


@pytest.fixture
def service(monkeypatch):
    """What starts the service with options, as the one that `ChatOpenAI` finds without an address."""
    with ExitStack() as started:

        def start(**options):
            server = started.enter_context(llm_server(**options))
            monkeypatch.setenv("OPENAI_BASE_URL", server.url)
            return server

        yield start


def page(blocks=BLOCKS):
    """Run blocks of the page in a namespace of their own, and return that; its waits are short."""
    names = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    names["BASE"] = 0.02
    return SimpleNamespace(**names), names


def run_and_close(work, *models):
    """Run a coroutine; nothing is left, the connections of the models included."""

    async def main():
        try:
            return await work
        finally:
            for model in models:
                await model.root_async_client.close()

    try:
        return run(main())
    finally:
        # langchain-openai would give this client to the next model with the same address.
        langchain_openai.chat_models._client_utils._cached_async_httpx_client.cache_clear()


# The code of the page


def test_the_page_is_python_in_order_and_all_of_it_is_run():
    assert len(BLOCKS) == TEXT.count("```python") >= 6
    assert TEXT.count("```") == 2 * len(BLOCKS)


class Asked(BaseCallbackHandler):
    """Notes what the model is asked, and what after it has answered that."""

    def __init__(self):
        self.asked, self.answered, self.again, self.runs = Counter(), Counter(), [], {}

    def on_chat_model_start(self, serialized, messages, *, run_id, **more):
        text = self.runs[run_id] = messages[0][0].content
        self.asked[text] += 1
        if text in self.answered:
            self.again.append(text)

    def on_llm_end(self, response, *, run_id, **more):
        self.answered[self.runs[run_id]] += 1


def documents(count):
    return {f"file {number}": f"text {number}" for number in range(count)}


def question(text):
    return f"Summarise this text: {text}"


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def faults_before(good, cut_every, fail_every, refuse_every):
    """How many requests are cut, fail, and are refused out of turn until `good` of them are answered."""
    ends, number = Counter(), 0
    while ends["served"] < good:
        number += 1
        end = {"refused": refuse_every, "cut": cut_every, "failed": fail_every, "served": 1}
        ends[next(name for name, every in end.items() if number % every == 0)] += 1
    return ends


FAULTS = {"cut_every": 17, "fail_every": 19, "refuse_every": 23}
LIMITS = {
    "requests_per_second": 400,  # the page's 24,000 a minute
    "burst": 10,
    "tokens_per_second": 6_000_000 / 60,
    "token_burst": 20_000,
}


def test_a_thousand_documents_are_all_answered_once(service, tmp_path):
    server = service(latency=(0.01, 0.05), seed=1, **LIMITS, **FAULTS)
    found, names = page()
    path, asked, texts = tmp_path / "answers.jsonl", Asked(), documents(1000)
    chain = found.chain.with_config(callbacks=[asked])
    failures = run_and_close(found.answer_all(chain, texts, path), names["model"])

    assert failures == {}
    answers = {line["id"]: line["answer"] for line in lines(path)}
    assert len(lines(path)) == 1000
    assert answers == {key: question(text) for key, text in texts.items()}
    assert asked.again == []
    assert asked.answered == Counter(map(question, texts.values()))

    stats, expected = server.stats(), faults_before(1000, **FAULTS)
    assert (stats.served, stats.failed, stats.cut) == (1000, expected["failed"], expected["cut"])
    assert min(expected.values()) > 30
    assert stats.refused >= expected["refused"]  # and those beyond the rate
    assert stats.received == asked.asked.total() == 1000 + stats.failed + stats.cut + stats.refused
    assert 1 < stats.peak <= 10


def test_what_is_interrupted_goes_on_where_it_stopped(service, tmp_path):
    server = service(latency=(0.001, 0.01), seed=2, **FAULTS)
    found, names = page()
    path, texts = tmp_path / "answers.jsonl", documents(200)
    asked, answers = [], []

    def note_question(value):
        asked.append(value["text"])
        return value

    def note_answer(value):
        answers.append(value)
        if len(answers) == 100:
            running.cancel()
        return value

    chain = RunnableLambda(note_question) | found.chain | RunnableLambda(note_answer)

    async def main():
        nonlocal running
        running = asyncio.create_task(found.answer_all(chain, texts, path))
        with pytest.raises(asyncio.CancelledError):
            await running
        assert asyncio.all_tasks() == {asyncio.current_task()}
        first = {line["id"] for line in lines(path)}
        asked.clear()
        with open(path, "a", encoding="utf-8") as file:
            file.write('{"id": "file 199", "answ')  # as when the process was killed while it wrote
        assert await found.answer_all(chain, texts, path) == {}
        second = list(asked)
        asked.clear()
        assert await found.answer_all(chain, texts, path) == {}
        return first, second

    running = None
    first, second = run_and_close(main(), names["model"])
    assert 0 < len(first) < 200
    assert sorted(second) == sorted(texts[key] for key in texts.keys() - first)
    assert asked == []  # all had their answer
    assert len(lines(path)) == 200
    assert {line["id"]: line["answer"] for line in lines(path)} == {
        key: question(text) for key, text in texts.items()
    }
    stats = server.stats()
    assert stats.received == stats.served + stats.failed + stats.cut + stats.refused + stats.abandoned


def test_the_first_repair_answers_a_hundred_documents(service):
    server = service(latency=0.01, max_in_flight=10, refuse_every=9)
    found, names = page(BLOCKS[:1])

    async def main():
        return await asyncio.gather(*(found.chain.ainvoke({"text": f"text {n}"}) for n in range(100)))

    assert run_and_close(main(), names["model"]) == [question(f"text {n}") for n in range(100)]
    stats = server.stats()
    assert stats == Stats(peak=stats.peak, served=100, refused=12)  # of 112 every ninth
    assert 1 < stats.peak <= 10


def test_the_polite_step_hands_over_whole_answers(service):
    service(latency=0)
    found, names = page()

    async def main():
        return [chunk async for chunk in found.chain.astream({"text": "one two three"})]

    chunks = run_and_close(main(), names["model"])
    assert "".join(chunks) == question("one two three")
    assert len([chunk for chunk in chunks if chunk]) == 1


def test_failures_are_collected_and_what_concerns_all_is_raised(tmp_path):
    found, _ = page()
    response = httpx.Response(400, request=httpx.Request("POST", "http://127.0.0.1"))
    errors = {
        "text 1": openai.BadRequestError("too long", response=response, body=None),
        "text 2": TimeoutError(),
    }

    async def ask(value):
        if value["text"] in errors:
            raise errors[value["text"]]
        return "an answer"

    path = tmp_path / "answers.jsonl"
    failures = run(found.answer_all(RunnableLambda(ask), documents(4), path))
    assert failures == {"file 1": errors["text 1"], "file 2": errors["text 2"]}
    assert [line["id"] for line in lines(path)] == ["file 0", "file 3"]

    errors["text 2"] = openai.AuthenticationError("wrong key", response=response, body=None)
    with pytest.raises(ExceptionGroup) as raised:
        run(found.answer_all(RunnableLambda(ask), documents(4), path))
    assert raised.value.exceptions == (errors["text 2"],)
    assert [line["id"] for line in lines(path)] == ["file 0", "file 3"]


# Its parts


def refusal(headers, code="rate_limit_exceeded"):
    response = httpx.Response(429, headers=headers, request=httpx.Request("POST", "http://127.0.0.1"))
    return openai.RateLimitError("too many", response=response, body={"code": code})


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"retry-after": "2"}, 2),
        ({"Retry-After": "2", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0),
    ],
)
def test_the_wait_that_is_asked_for(headers, seconds):
    found, _ = page()
    assert found.seconds_asked(refusal(headers)) == seconds
    assert found.seconds_asked(TimeoutError()) == 0


def attempts(error, times=math.inf):
    """Retry what fails so many times; return how it ended, and at which seconds it was tried."""
    found, names = page()
    names["BASE"] = 0.5
    names["random"] = random.Random(1)
    moments = []

    async def attempt():
        moments.append(asyncio.get_running_loop().time())
        if len(moments) <= times:
            raise error
        return "an answer"

    async def main():
        try:
            return await found.retry(attempt)
        except type(error) as raised:
            return raised

    return run_on_virtual_clock(main())[0], [moment - moments[0] for moment in moments]


def test_a_retry_waits_as_asked_and_spreads_out():
    end, moments = attempts(refusal({"retry-after": "20"}), times=3)
    assert end == "an answer"
    waits = [later - sooner - 20 for sooner, later in pairwise(moments)]
    assert all(0 < wait <= 0.5 * 2**number for number, wait in enumerate(waits))
    assert waits == pytest.approx([random.Random(1).uniform(0, 0.5), *waits[1:]])


def test_a_retry_gives_up():
    error = TimeoutError()
    end, moments = attempts(error)
    assert (end, len(moments)) == (error, 10)
    assert all(later - sooner <= 30 for sooner, later in pairwise(moments))


@pytest.mark.parametrize("error", [refusal({}, "insufficient_quota"), LookupError("a fault of your own")])
def test_what_time_does_not_repair_is_not_retried(error):
    assert attempts(error) == (error, [0])


def when(bucket_of, sizes):
    """At which seconds callers who come together get what they want from a bucket of the page."""
    found, _ = page()

    async def main():
        bucket, moments = bucket_of(found), []
        start = asyncio.get_running_loop().time()

        async def caller(size):
            await bucket.take(size)
            moments.append(round(asyncio.get_running_loop().time() - start, 3))

        await asyncio.gather(*map(caller, sizes))
        return moments

    return run_on_virtual_clock(main())[0]


def test_a_bucket_keeps_to_its_rate():
    assert when(lambda found: found.Bucket(120, burst=3), [1] * 6) == [0, 0, 0, 0.5, 1, 1.5]
    assert when(lambda found: found.Bucket(6000, burst=1000), [800, 200, 500, 100]) == [0, 0, 5, 6]


def test_what_is_larger_than_the_bucket_takes_all_of_it():
    assert when(lambda found: found.Bucket(600, burst=10), [25, 5]) == [0, 0.5]


def test_a_caller_that_is_cancelled_takes_nothing():
    found, _ = page()

    async def main():
        bucket = found.Bucket(60, burst=1)
        await bucket.take()
        impatient, patient = (asyncio.create_task(bucket.take()) for _ in range(2))
        await asyncio.sleep(0.5)
        impatient.cancel()
        await patient
        return impatient.cancelled()

    cancelled, seconds = run_on_virtual_clock(main())
    assert (cancelled, round(seconds, 3)) == (True, 1)


def ask_politely(answer, questions, permits, per_minute, burst=1000):
    """Ask all questions together, on the virtual clock: at which seconds calls began, and the peak."""
    found, names = page()
    names["random"] = random.Random(1)
    began, in_flight = [], Counter()

    async def call(messages):
        began.append(round(asyncio.get_running_loop().time() - start, 3))
        in_flight["now"] += 1
        in_flight["peak"] = max(in_flight["peak"], in_flight["now"])
        try:
            return await answer(len(began))
        finally:
            in_flight["now"] -= 1

    async def main():
        nonlocal start
        start = asyncio.get_running_loop().time()
        step = found.polite(
            RunnableLambda(call),
            asyncio.Semaphore(permits),
            requests=found.Bucket(per_minute, burst),
            tokens=found.Bucket(6000, burst=1000),
            max_tokens=99,
        )
        await asyncio.gather(*(step.ainvoke(PROMPT.invoke({"text": "?"})) for _ in range(questions)))

    start = 0.0
    run_on_virtual_clock(main())
    return began, in_flight["peak"]


async def after_a_second(number):
    await asyncio.sleep(1)


async def refused_at_first(number):
    await asyncio.sleep(1)
    if number == 1:
        raise refusal({"retry-after": "20"})


def test_the_polite_step_keeps_to_each_limit():
    assert ask_politely(after_a_second, 8, permits=3, per_minute=60_000) == ([0, 0, 0, 1, 1, 1, 2, 2], 3)
    began, _ = ask_politely(after_a_second, 5, permits=10, per_minute=60, burst=2)
    assert began == [0, 0, 1, 2, 3]
    began, _ = ask_politely(after_a_second, 12, permits=100, per_minute=60_000)
    # Each takes 101 tokens, two of them for "Human: ?". A bucket of 1,000 gains a hundred a second.
    assert began == [0] * 9 + [0.1, 1.11, 2.12]


def test_who_waits_for_another_attempt_holds_no_permit():
    began, _ = ask_politely(refused_at_first, 3, permits=1, per_minute=60_000)
    assert began[:3] == [0, 1, 2]
    assert 21 <= began[3] <= 21.5


# What the page says of the libraries


def model_of(server, **options):
    return langchain_openai.ChatOpenAI(base_url=server.url, api_key="none", model="any", **options)


def ask(server, text="hello", **options):
    """Ask once; return the answer, or the exception."""
    model = model_of(server, **options)

    async def main():
        try:
            return await model.ainvoke(text)
        except openai.APIError as error:
            return error

    return run_and_close(main(), model)


@pytest.fixture
def waits(monkeypatch):
    """The seconds that openai's client waits between attempts; nobody waits."""
    seconds = []

    async def sleep(delay):
        seconds.append(delay)

    monkeypatch.setattr(openai._base_client.anyio, "sleep", sleep)
    return seconds


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("refuse_every", openai.RateLimitError),
        ("fail_every", openai.InternalServerError),
        ("cut_every", openai.APIConnectionError),
    ],
)
def test_chat_openai_sends_a_request_three_times(fault, error, waits):
    with llm_server(latency=0.05, **{fault: 1}) as server:
        assert isinstance(ask(server), error)
        assert server.stats().received == 3
        if fault == "refuse_every":
            assert waits == [0.05, 0.05]  # as asked, and no more
        else:
            assert [0.375 <= waits[0] <= 0.5, 0.75 <= waits[1] <= 1, len(waits)] == [True, True, 2]
        server.reset()
        assert isinstance(ask(server, max_retries=0), error)
        assert server.stats().received == 1


def test_a_wait_of_more_than_two_minutes_is_not_waited_for():
    with llm_server(latency=0, requests_per_second=SLOW, burst=1) as server:
        assert ask(server).content == "hello"
        error = ask(server)
        assert isinstance(error, openai.RateLimitError)
        assert 120 < float(error.response.headers["retry-after"]) <= 1 / SLOW
        assert not hasattr(error, "retry_after")
        assert server.stats().received == 2


def test_the_headers_of_an_answer_and_of_a_refusal():
    with llm_server(latency=0, requests_per_second=SLOW, burst=1) as server:
        answer = ask(server, include_response_headers=True)
        assert answer.response_metadata["headers"]["x-ratelimit-remaining-requests"] == "0"
        assert ask(server).response.headers["x-ratelimit-limit-requests"] == "1"


def test_a_request_larger_than_the_limit_has_the_code_of_any_other():
    with llm_server(latency=0, tokens_per_second=1000, token_burst=9) as server:
        error = ask(server, "one two three four five", max_retries=0)
        assert (error.code, error.type) == ("rate_limit_exceeded", "tokens")
        assert "retry-after" not in error.response.headers


def test_a_stream_that_breaks_off_is_not_retried():
    with llm_server(latency=0, cut_every=1) as server:
        assert isinstance(ask(server, max_retries=0), openai.APIConnectionError)  # cut before the answer
        model, tokens = model_of(server), []

        async def main():
            async for chunk in model.astream("one two three four"):
                tokens.append(chunk.content)

        with pytest.raises(openai.APIConnectionError):
            run_and_close(main(), model)
        assert "".join(tokens) == "one two "
        assert server.stats().cut == 2


class Counting(InMemoryRateLimiter):
    def __init__(self):
        super().__init__()
        self.tokens = 0

    async def aacquire(self, *, blocking=True):
        self.tokens += 1
        return True


def test_the_rate_limiter_counts_calls_and_not_requests():
    limiter = Counting()
    with llm_server(latency=0.001, refuse_every=1) as server:
        assert isinstance(ask(server, rate_limiter=limiter), openai.RateLimitError)
        assert (limiter.tokens, server.stats().received) == (1, 3)


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ({}, 10),  # for a hundred calls at fifty a second
        ({"max_bucket_size": 5}, 2.2),
        ({"check_every_n_seconds": 0.001}, 2),
    ],
)
def test_the_rate_limiter_gives_ten_a_second_unless_its_bucket_is_larger(options, seconds, monkeypatch):
    async def main():
        clock = SimpleNamespace(monotonic=asyncio.get_running_loop().time)
        monkeypatch.setattr(rate_limiters, "time", clock)
        limiter = InMemoryRateLimiter(requests_per_second=50, **options)
        await asyncio.gather(*(limiter.aacquire() for _ in range(100)))

    assert run_on_virtual_clock(main())[1] == pytest.approx(seconds, abs=0.11)


def test_max_retries_is_no_setting_of_langchain_core():
    tries = []

    class Own(BaseChatModel):
        @property
        def _llm_type(self):
            return "own"

        def _generate(self, messages, stop=None, run_manager=None, **options):
            tries.append(options)
            raise ConnectionError("lost")

    assert "max_retries" not in BaseChatModel.model_fields
    with pytest.raises(ConnectionError):
        Own(max_retries=5).invoke("hello")
    assert tries == [{}]


async def ask_chain(chain, count=1, permits=None, config=None):
    async def ask():
        async with permits or nullcontext():
            return await chain.ainvoke({"text": "hello"}, config)

    await asyncio.gather(*(ask() for _ in range(count)))


def test_max_concurrency_limits_no_branches_under_ainvoke():
    with llm_server(latency=0, gate=8) as server:
        model = model_of(server)
        chain = RunnableParallel({str(number): PROMPT | model | StrOutputParser() for number in range(8)})
        run_and_close(ask_chain(chain, config={"max_concurrency": 2}), model)
        assert server.stats() == Stats(peak=8, served=8)


def test_abatch_limits_the_inputs():
    with llm_server(latency=0, gate=2) as server:
        model = model_of(server)
        work = (PROMPT | model).abatch([{"text": "hello"}] * 8, {"max_concurrency": 2})
        run_and_close(work, model)
        assert server.stats() == Stats(peak=2, served=8)


def test_a_permit_around_the_chain_lets_all_its_models_through():
    with llm_server(latency=0, gate=6) as server:
        model = model_of(server)
        chain = PROMPT | RunnableParallel(a=model, b=model, c=model)
        run_and_close(ask_chain(chain, count=4, permits=asyncio.Semaphore(2)), model)
        assert server.stats() == Stats(peak=6, served=12)


def test_retries_multiply():
    with llm_server(latency=0.001, refuse_every=1) as server:
        model = model_of(server)
        patient = model.with_retry(stop_after_attempt=3, wait_exponential_jitter=False)

        async def main():
            with pytest.raises(openai.RateLimitError):
                await patient.ainvoke("hello")

        run_and_close(main(), model)
        assert server.stats().received == 9


def test_timeouts_and_pools_of_the_clients():
    model = langchain_openai.ChatOpenAI(model="any")
    assert model.root_async_client.timeout is None
    assert model.stream_chunk_timeout == 120
    assert aiohttp.client.DEFAULT_TIMEOUT.total == 300
    assert openai.AsyncOpenAI(api_key="none").timeout.pool == 600
    assert openai.DEFAULT_CONNECTION_LIMITS.max_connections == 1000
    defaults = httpx.AsyncClient()
    assert defaults.timeout.pool == 5
    assert defaults._transport._pool._max_connections == 100


def test_httpx_gives_up_who_waits_for_a_connection():
    with llm_server(latency=HOUR) as server:

        async def main():
            limits, timeout = httpx.Limits(max_connections=1), httpx.Timeout(None, pool=0.05)
            async with httpx.AsyncClient(limits=limits, timeout=timeout) as client:
                body = {"model": "any", "messages": [{"role": "user", "content": "hello"}]}
                calls = [
                    asyncio.create_task(client.post(f"{server.url}/chat/completions", json=body))
                    for _ in range(2)
                ]
                done, waiting = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
                for call in waiting:
                    call.cancel()
                await asyncio.wait(calls)
                return [call.exception() for call in done]

        [error] = run(main())
        assert isinstance(error, httpx.PoolTimeout)


def test_a_second_loop_meets_the_connections_of_the_first():
    with llm_server(latency=0) as server:
        model = model_of(server, max_retries=0)
        assert asyncio.run(model.ainvoke("hello")).content == "hello"
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            asyncio.run(model.ainvoke("hello"))
        assert server.stats().served == 2


# Its links


def anchor(heading):
    return "#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_links_lead_somewhere():
    headings = {anchor(heading) for heading in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)}
    links = set(re.findall(r"\]\(([^)]+)\)", TEXT))
    assert "../notebooks/3_concurrency_limits.ipynb" in links
    for link in links:
        if link.startswith("#"):
            assert link in headings
        elif not link.startswith("https://") and link != "../notebooks/3b_rates.ipynb":
            assert (PAGE.parent / link).is_file(), link
