"""The clients of the simulated LLM service: the course's own, the openai package, LangChain's."""

import asyncio
import pickle
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing

import aiohttp
import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableParallel

from helpers.llm_clients import AsyncLLMClient, LLMClient, LLMError, RateLimited
from helpers.llm_service import Stats, llm_server
from helpers.recorder import record
from helpers.workloads import REVIEW

HOUR = 3600
SLOW = 0.001  # requests a second: no permit comes back while a test runs
PROMPT = f"keywords: {REVIEW}"


async def collect(stream):
    return [token async for token in stream]


def run(url, call, **options):
    """Run `call`, a coroutine function, with an open AsyncLLMClient."""

    async def main():
        async with AsyncLLMClient(url, **options) as client:
            return await call(client)

    return asyncio.run(main())


# The four ways to ask, each as a function of the address and the prompt that returns the tokens
WAYS = {
    "chat": lambda url, prompt, **more: [LLMClient(url).chat(prompt, **more)],
    "stream": lambda url, prompt, **more: list(LLMClient(url).stream(prompt, **more)),
    "achat": lambda url, prompt, **more: [run(url, lambda client: client.achat(prompt, **more))],
    "astream": lambda url, prompt, **more: run(url, lambda client: collect(client.astream(prompt, **more))),
}
each_way = pytest.mark.parametrize("ask", WAYS.values(), ids=WAYS)


@each_way
def test_all_ways_agree(ask, server):
    assert "".join(ask(server.url, PROMPT)) == "battery, strap"
    assert "".join(ask(server.url + "/", "Grüße: \u2028 \U0001f50b")) == "Grüße: \U0001f50b"
    assert "".join(ask(server.url, "keywords: none")) == ""
    assert server.stats() == Stats(peak=1, served=3)


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_streams_yield_tokens(way, server):
    assert WAYS[way](server.url, PROMPT) == ["battery, ", "strap"]


@each_way
def test_a_refusal_raises_rate_limited(ask):
    with llm_server(latency=0, requests_per_second=SLOW, burst=1) as server:
        ask(server.url, "hello")
        with pytest.raises(RateLimited, match="More than 0.001 requests a second") as raised:
            ask(server.url, "hello")
        assert raised.value.status == 429
        assert 0 < raised.value.retry_after <= 1 / SLOW


@each_way
def test_another_error_raises_llm_error(ask, server):
    with pytest.raises(LLMError, match="'messages\\[0\\].content' must be a string") as raised:
        ask(server.url, 5)
    assert (type(raised.value), raised.value.status) == (LLMError, 400)


@each_way
def test_a_server_that_is_gone(ask):
    with llm_server() as server:
        pass
    with pytest.raises((OSError, aiohttp.ClientError)):
        ask(server.url, "hello")


@each_way
def test_a_silent_server(ask, monkeypatch):
    with llm_server(latency=HOUR) as server:
        for client in LLMClient, AsyncLLMClient:
            monkeypatch.setitem(client.__init__.__kwdefaults__, "timeout", 0.05)
        with pytest.raises(TimeoutError):
            ask(server.url, "hello")


@each_way
def test_proxies_are_not_asked(ask, server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert "".join(ask(server.url, "hello")) == "hello"


@each_way
def test_a_recording_names_the_call(ask, server):
    with record() as recording:
        ask(server.url, "hello")
        ask(server.url, "hello", name="greeting")
    assert [call.name for call in recording.calls] == ["greeting"]


def test_threads_share_a_client():
    with llm_server(latency=0, gate=20) as server, ThreadPoolExecutor(20) as pool:
        prompts = [f"document {number}" for number in range(20)]
        assert list(pool.map(LLMClient(server.url).chat, prompts)) == prompts
        assert server.stats() == Stats(peak=20, served=20)


def ask_all(server, count, **options):
    prompts = [f"document {number}" for number in range(count)]
    answers = run(server.url, lambda client: asyncio.gather(*map(client.achat, prompts)), **options)
    assert answers == prompts
    return server.stats()


def test_the_pool_of_connections_has_a_size_or_none():
    with llm_server(latency=0, gate=3) as server:
        assert ask_all(server, 12, max_connections=3) == Stats(peak=3, served=12)
    with llm_server(latency=0, gate=150) as server:
        assert ask_all(server, 150, max_connections=None) == Stats(peak=150, served=150)


@pytest.mark.parametrize("size", [0, -1, 2.5, True, "5"])
def test_a_bad_size_is_named(size):
    with pytest.raises(
        ValueError, match=f"max_connections must be an int of 1 or more, or None, not {size!r}"
    ):
        AsyncLLMClient("http://127.0.0.1:1/v1", max_connections=size)


@pytest.mark.parametrize("client", [LLMClient, AsyncLLMClient])
@pytest.mark.parametrize("url", ["", "127.0.0.1:80", "https://127.0.0.1/v1", "http://"])
def test_a_bad_address_is_named(client, url):
    with pytest.raises(ValueError, match=f"url must be .*, not {url!r}"):
        client(url)


def test_an_async_client_opens_as_often_as_needed(server):
    client = AsyncLLMClient(server.url)

    async def greet():
        async with client:
            return await client.achat("hello")

    assert [asyncio.run(greet()), asyncio.run(greet())] == ["hello", "hello"]
    with pytest.raises(RuntimeError, match="make its calls inside `async with client:`"):
        asyncio.run(client.achat("hello"))


def test_a_stream_may_be_left_early():
    async def first(client):
        async with aclosing(client.astream("one two three")) as tokens:
            async for token in tokens:
                return token

    with llm_server(latency=0) as server:
        with closing(LLMClient(server.url).stream("one two three")) as tokens:
            assert next(tokens) == "one "
        assert run(server.url, first) == "one "


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(RateLimited("too many", 2.5)))
    assert (str(error), error.status, error.retry_after) == ("too many", 429, 2.5)


# Clients that people use


@pytest.fixture
def openai():
    return pytest.importorskip("openai", reason="needs the openai package")


@pytest.fixture
def langchain_openai():
    return pytest.importorskip("langchain_openai", reason="needs the langchain-openai package")


MESSAGES = [{"role": "user", "content": PROMPT}]


def content_of(chunks):
    return [
        chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content
    ]


def test_the_openai_package(openai, server):
    with openai.OpenAI(base_url=server.url, api_key="none") as client:
        completion = client.chat.completions.create(model="any", messages=MESSAGES)
        assert completion.choices[0].message.content == "battery, strap"
        assert completion.usage.completion_tokens == 2
        chunks = list(
            client.chat.completions.create(
                model="any", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
            )
        )
    assert content_of(chunks) == ["battery, ", "strap"]
    assert chunks[-1].usage.completion_tokens == 2
    assert server.stats() == Stats(peak=1, served=2)


def test_the_openai_package_async(openai, server):
    async def main():
        async with openai.AsyncOpenAI(base_url=server.url, api_key="none") as client:
            create = client.chat.completions.create
            completion = await create(model="any", messages=MESSAGES)
            stream = await create(model="any", messages=MESSAGES, stream=True)
            return completion.choices[0].message.content, content_of(await collect(stream))

    assert asyncio.run(main()) == ("battery, strap", ["battery, ", "strap"])
    assert server.stats() == Stats(peak=1, served=2)


def test_the_openai_package_understands_the_errors(openai):
    with llm_server(latency=0, requests_per_second=SLOW, burst=1) as server:
        with openai.OpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
            with pytest.raises(openai.BadRequestError) as raised:
                client.chat.completions.create(model="any", messages=[])
            assert raised.value.param == "messages"
            with pytest.raises(openai.NotFoundError, match="Not Found: GET /v1/models"):
                client.models.list()
            client.chat.completions.create(model="any", messages=MESSAGES)
            with pytest.raises(openai.RateLimitError, match="More than 0.001 requests a second") as raised:
                client.chat.completions.create(model="any", messages=MESSAGES)
            assert (raised.value.code, raised.value.type) == ("rate_limit_exceeded", "requests")
            assert int(raised.value.response.headers["Retry-After"]) <= 1 / SLOW


def branches(langchain_openai, url):
    """Three realistic chains side by side."""
    model = langchain_openai.ChatOpenAI(base_url=url, api_key="none", model="any", max_retries=0)

    def chain(name):
        return ChatPromptTemplate.from_template(name + ": {review}") | model | StrOutputParser()

    return RunnableParallel({name: chain(name) for name in ("summary", "sentiment", "keywords")})


ANSWERS = {"summary": "Great battery, poor strap", "sentiment": "mixed", "keywords": "battery, strap"}


def added_up(chunks):
    total = chunks[0]
    for chunk in chunks[1:]:
        total += chunk
    return dict(total)


@pytest.mark.parametrize(
    "call",
    [
        lambda chain, value: chain.invoke(value),
        lambda chain, value: asyncio.run(chain.ainvoke(value)),
        lambda chain, value: added_up(list(chain.stream(value))),
        lambda chain, value: added_up(asyncio.run(collect(chain.astream(value)))),
    ],
    ids=["invoke", "ainvoke", "stream", "astream"],
)
def test_langchain_calls_it_in_parallel(langchain_openai, call):
    with llm_server(latency=0, gate=3) as server:
        assert call(branches(langchain_openai, server.url), {"review": REVIEW}) == ANSWERS
        assert server.stats() == Stats(peak=3, served=3)


def test_langchain_streams_tokens(langchain_openai, server):
    model = langchain_openai.ChatOpenAI(base_url=server.url, api_key="none", model="any")
    assert [chunk.content for chunk in model.stream(PROMPT) if chunk.content] == ["battery, ", "strap"]
    chunks = asyncio.run(collect(model.astream(PROMPT)))
    assert [chunk.content for chunk in chunks if chunk.content] == ["battery, ", "strap"]
