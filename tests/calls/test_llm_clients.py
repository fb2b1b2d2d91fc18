"""The clients of the simulated LLM service: the course's own, the openai package, LangChain's."""

import asyncio
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing, contextmanager
from socketserver import StreamRequestHandler, ThreadingTCPServer

import aiohttp
import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableParallel

from helpers.calls.llm_clients import AsyncLLMClient, LLMClient, LLMError, RateLimited
from helpers.calls.llm_service import Stats, llm_server
from helpers.calls.workloads import REVIEW
from helpers.recording.recorder import record

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


# Answers that are no completion


@contextmanager
def answering(answer):
    """A server that gives this answer, bytes, to each request, and hangs up; yields its address."""

    class Handler(StreamRequestHandler):
        def handle(self):
            length = 0
            while line := self.rfile.readline().lower().strip():
                if line.startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            self.rfile.read(length)
            self.wfile.write(answer)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        finally:
            server.shutdown()
            thread.join()


def http(status, body, *headers, length=None):
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


COMPLETION = b'{"choices": [{"message": {"content": "mixed"}}]}'
TOKEN = b'data: {"choices": [{"delta": {"content": "one "}}]}\n\n'
DONE = b"data: [DONE]\n\n"
MESSAGE = b'{"error": {"message": "slow down", "type": "requests", "param": null, "code": null}}'

# An answer, the status that is told, and what else the message says
ODD = {
    "a proxy's page": (http(502, b"<html>\n Bad gateway"), 502, "<html> Bad gateway"),
    "a text": (http(404, b"Not Found"), 404, "Not Found"),
    "nothing": (http(500, b""), 500, "an empty answer"),
    "an error that is a text": (http(400, b'{"error": "bad"}'), 400, "bad"),
    "an error without a message": (http(400, b'{"error": {"code": 7}}'), 400, '{"error": {"code": 7}}'),
    "bytes that are no text": (http(500, b"\xff\xfe"), 500, "\ufffd\ufffd"),
    "a long page": (http(500, b"x" * 1000), 500, "x" * 100 + "..."),
    "an error that breaks off": (http(503, b"<html>", length=100), 503, "broken off"),
    "another place": (http(302, b"this way", "Location: /v1/chat/completions"), 302, "this way"),
    "no content": (http(204, b""), 204, "an empty answer"),
    "a login page": (http(200, b"<html>a login page</html>"), 200, "<html>a login page</html>"),
    "an empty body": (http(200, b""), 200, "an empty answer"),
    "no choices": (http(200, b'{"choices": []}'), 200, '{"choices": []}'),
    "a list": (http(200, b"[1, 2]"), 200, "[1, 2]"),
    "a call of a tool": (http(200, COMPLETION.replace(b'"mixed"', b"null")), 200, '{"choices": [{"message"'),
    "an error with status 200": (http(200, MESSAGE), 200, "slow down"),
    "a body that breaks off": (http(200, COMPLETION[:-9], length=100), 200, ""),
    "deep JSON": (http(200, b"[" * 100_000), 200, "[[[["),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", 0, "SSH-2.0"),
}
ODD_STREAMS = {
    "a completion in one piece": (http(200, COMPLETION), 200, COMPLETION.decode()),
    "no token": (http(200, b""), 200, "broken off: an empty answer"),
    "no end mark": (http(200, TOKEN * 3), 200, "broken off: data: {"),
    "an event that breaks off": (http(200, TOKEN[:-9], length=100), 200, "broken off"),
    "a chunk that breaks off": (
        http(200, b"%x\r\n" % len(TOKEN) + TOKEN, "Transfer-Encoding: chunked").replace(
            b"Content-Length", b"X"
        ),
        200,
        "broken off: data: {",
    ),
    "an error in between": (http(200, TOKEN + b"data: " + MESSAGE + b"\n\n"), 200, "slow down"),
    "a line that is no JSON": (http(200, TOKEN + b"data: <html>\n\n" + DONE), 200, "<html>"),
    "a token that is no text": (http(200, TOKEN.replace(b'"one "', b"5")), 200, '{"delta": {"content": 5}}'),
    "a line without end": (http(200, b"x" * 1_000_000), 200, "x" * 20),
}


@each_way
@pytest.mark.parametrize(("answer", "status", "said"), ODD.values(), ids=ODD)
def test_an_answer_that_is_no_completion(ask, answer, status, said):
    with answering(answer) as url, pytest.raises(LLMError) as raised:
        ask(url, "hello")
    assert (type(raised.value), raised.value.status) == (LLMError, status)
    assert said in str(raised.value)
    assert f"status {status}" in str(raised.value) or status == 0


@pytest.mark.parametrize("way", ["stream", "astream"])
@pytest.mark.parametrize(("answer", "status", "said"), ODD_STREAMS.values(), ids=ODD_STREAMS)
def test_a_stream_that_is_no_completion(way, answer, status, said):
    with answering(answer) as url, pytest.raises(LLMError) as raised:
        WAYS[way](url, "hello")
    assert raised.value.status == status
    assert f"status {status}" in str(raised.value) and said in str(raised.value)


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_a_stream_may_hold_more_than_tokens(way):
    more = b': still there\n\nevent: x\nid: 1\nretry: 5\ndata:{"choices": []}\r\n\r\n'
    with answering(
        http(200, more + TOKEN + more + TOKEN + DONE, length=10_000)
    ) as url:  # the end mark counts
        assert WAYS[way](url, "hello") == ["one ", "one "]


@each_way
@pytest.mark.parametrize(
    ("headers", "retry_after"),
    [
        (["Retry-After: 2"], 2),
        (["retry-after-ms: 1500", "Retry-After: 2"], 1.5),
        (["Retry-After: Wed, 21 Oct 2026 07:28:00 GMT"], 0),
        *((["Retry-After: " + value], 0) for value in ("soon", "-1", "nan", "inf")),
        ([], 0),
    ],
)
@pytest.mark.parametrize(("body", "said"), [(MESSAGE, "slow down"), (b"<html>", "<html>"), (b"", "an empty")])
def test_whatever_the_refusal_looks_like_it_is_rate_limited(ask, headers, retry_after, body, said):
    with answering(http(429, body, *headers)) as url, pytest.raises(RateLimited, match=said) as raised:
        ask(url, "hello")
    assert (raised.value.status, raised.value.retry_after) == (429, retry_after)


WORDS = " ".join(f"w{number}" for number in range(20))


def test_a_service_that_ends_in_mid_stream_is_told():
    with llm_server(latency=60) as server, closing(LLMClient(server.url).stream(WORDS)) as tokens:
        assert next(tokens) == "w0 "
        server.stop()
        with pytest.raises(LLMError, match=r"status 200, broken off: data: \{"):
            next(tokens)


def test_a_service_that_ends_in_mid_stream_is_told_to_a_task():
    async def main(client):
        async with aclosing(client.astream(WORDS)) as tokens:
            assert await anext(tokens) == "w0 "
            server.stop()
            with pytest.raises(LLMError, match=r"status 200, broken off: data: \{"):
                await anext(tokens)

    with llm_server(latency=60) as server:
        run(server.url, main)


@each_way
def test_a_server_that_hangs_up_without_an_answer(ask):
    with answering(b"") as url, pytest.raises((OSError, aiohttp.ClientError)):
        ask(url, "hello")


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
