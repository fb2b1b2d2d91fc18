"""Clients of `helpers.calls.llm_service`: one that blocks its thread, one that suspends its task.

Neither tries again, and neither limits itself: that is for the learner to build.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager, nullcontext
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from helpers.recording.recorder import working_on

MODEL = "simulated"
SHOWN = 100  # characters of an answer that is no completion
UNREADABLE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
)  # other JSON, or none at all
# What http.client and aiohttp raise for an answer that is no HTTP, and for one that is shorter than it says.
NO_HTTP = (HTTPException, aiohttp.ClientResponseError)
BROKEN_OFF = (HTTPException, aiohttp.ClientError, HttpProcessingError, ConnectionError, ValueError)


class LLMError(RuntimeError):
    """What the service answered is no completion.

    Its message has the HTTP status and what the service says, or else how its answer begins. status: the
    HTTP status; 0 where the answer is not even HTTP.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class RateLimited(LLMError):
    """The service is at a limit (status 429). retry_after: the seconds it asks to wait, 0.0 for none."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message, 429)
        self.retry_after = retry_after


class LLMClient:
    """A client that blocks the calling thread. Threads may share it: each call has its own connection.

    url: the service's base address, `LLMServer.url`. timeout: seconds of silence that are borne.
    """

    def __init__(self, url: str, *, timeout: float = 60.0) -> None:
        self._address = urlsplit(_checked(url))
        self._timeout = timeout

    def chat(self, prompt: str, *, name: str | None = None) -> str:
        """Return the answer to `prompt`.

        name: what a recording calls this call.
        Raises RateLimited, LLMError for every other answer that is no completion or no whole one, OSError
        if none comes.
        """
        with _named(name), self._post(prompt) as (answer, response):
            return answer.content(response.read())

    def stream(self, prompt: str, *, name: str | None = None) -> Iterator[str]:
        """Yield the answer to `prompt` token by token. Otherwise like `chat`."""
        with _named(name), self._post(prompt, stream=True) as (answer, response):
            for line in response:
                yield from answer.tokens(line)
            answer.require_end()

    @contextmanager
    def _post(self, prompt: str, stream: bool = False) -> Iterator[tuple[_Answer, HTTPResponse]]:
        address = self._address
        connection = HTTPConnection(address.hostname or "", address.port, timeout=self._timeout)
        with closing(connection), _Answer() as answer:
            question = json.dumps(_question(prompt, stream))
            connection.request("POST", f"{address.path}/chat/completions", question)
            response = connection.getresponse()
            if not answer.begins(response.status, response.headers):
                raise answer.error(response.read())
            yield answer, response


class AsyncLLMClient:
    """A client that suspends the calling task. It holds a pool of connections, open in `async with`.

    url: the service's base address, `LLMServer.url`. timeout: seconds of silence that are borne.
    max_connections: the pool's size, at which further calls wait; None: no limit.
    Raises ValueError for a pool's size that is neither an int of 1 or more nor None.
    """

    def __init__(self, url: str, *, max_connections: int | None = 100, timeout: float = 60.0) -> None:
        if max_connections is not None and (type(max_connections) is not int or max_connections < 1):
            raise ValueError(f"max_connections must be an int of 1 or more, or None, not {max_connections!r}")
        self._url = _checked(url) + "/chat/completions"
        self._max_connections = max_connections
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=timeout, sock_read=timeout)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> AsyncLLMClient:
        connector = aiohttp.TCPConnector(
            limit=self._max_connections or 0,  # aiohttp's 0: no limit
            resolver=aiohttp.ThreadedResolver(),  # asyncio's own way, also where aiodns is installed
        )
        self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        session, self._session = self._session, None
        await session.close()

    async def achat(self, prompt: str, *, name: str | None = None) -> str:
        """Return the answer to `prompt`.

        name: what a recording calls this call.
        Raises RateLimited, LLMError for every other answer that is no completion or no whole one,
        aiohttp.ClientError if none comes, RuntimeError outside `async with`.
        """
        with _named(name):
            async with self._post(prompt) as (answer, response):
                return answer.content(await response.read())

    async def astream(self, prompt: str, *, name: str | None = None) -> AsyncIterator[str]:
        """Yield the answer to `prompt` token by token. Otherwise like `achat`."""
        with _named(name):
            async with self._post(prompt, stream=True) as (answer, response):
                async for line in response.content:
                    for token in answer.tokens(line):
                        yield token
                answer.require_end()

    @asynccontextmanager
    async def _post(
        self, prompt: str, stream: bool = False
    ) -> AsyncIterator[tuple[_Answer, aiohttp.ClientResponse]]:
        if self._session is None:
            raise RuntimeError("this client is not open: make its calls inside `async with client:`")
        question = _question(prompt, stream)
        with _Answer() as answer:
            async with self._session.post(self._url, json=question, allow_redirects=False) as response:
                if not answer.begins(response.status, response.headers):
                    raise answer.error(await response.read())
                yield answer, response


class _Answer:
    """Reads the answer to one request. As a context, it raises LLMError where the answer breaks off."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Mapping[str, str] | HTTPMessage = {}
        self.start = b""  # of a stream
        self.ended = False  # whether a stream has come to its end mark

    def __enter__(self) -> _Answer:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if not self.status:
            if isinstance(error, NO_HTTP) and not isinstance(error, OSError):  # OSError: nothing came at all
                raise LLMError(f"the answer is no HTTP: {error}") from error
        elif isinstance(error, BROKEN_OFF) and not isinstance(error, TimeoutError):
            if not self.ended:
                # aiohttp hands out nothing of an answer that broke off before it was read.
                begin = self.start or getattr(error, "partial", b"") or str(error).encode()
                raise self.error(begin, ", broken off") from error
            return True
        return False

    def begins(self, status: int, headers: Mapping[str, str] | HTTPMessage) -> bool:
        """Note the head of the answer, and say whether a completion may follow."""
        self.status, self.headers = status, headers
        return status == 200

    def content(self, body: bytes) -> str:
        """Return the text of a completion that comes in one piece."""
        try:
            content = json.loads(body)["choices"][0]["message"]["content"]
        except UNREADABLE:
            content = None
        if not isinstance(content, str):
            raise self.error(body, ", no completion")
        return content

    def tokens(self, line: bytes) -> list[str]:
        """Return the token in a line of a streamed answer, if it holds one."""
        self.start = self.start or line
        field, _, data = line.strip().partition(b":")
        self.ended = self.ended or (field == b"data" and data.strip() == b"[DONE]")
        if self.ended or field in (b"", b"event", b"id", b"retry"):  # such lines hold no part of the answer
            return []
        if field != b"data":
            raise self.error(line, ", no completion")
        try:
            choices = json.loads(data)["choices"]
            token = choices[0]["delta"].get("content") if choices else None
            if not isinstance(token, str | None):
                raise TypeError
        except UNREADABLE:
            raise self.error(data, ", no completion" if line.endswith(b"\n") else ", broken off") from None
        return [token] if token else []

    def require_end(self) -> None:
        """Raise LLMError if a streamed answer has no end mark."""
        if not self.ended:
            raise self.error(self.start, ", broken off")

    def error(self, body: bytes, what: str = "") -> LLMError:
        """Return the exception for this answer: what is wrong, and what `body` says."""
        message = f"status {self.status}{what}: {_said(body)}"
        if self.status != 429:
            return LLMError(message, self.status)
        milliseconds, seconds = (self.headers.get(name) for name in ("retry-after-ms", "Retry-After"))
        return RateLimited(message, _number(milliseconds) / 1000 or _number(seconds))


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"url must be a service's address, such as 'http://127.0.0.1:8123/v1', not {url!r}")
    return url.rstrip("/")


def _named(name: str | None) -> AbstractContextManager[None]:
    return working_on(name) if name else nullcontext()


def _question(prompt: str, stream: bool) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": prompt}], "stream": stream}


def _said(body: bytes) -> str:
    """Return the message in an error answer of the service; of any other, how it begins."""
    try:
        error = json.loads(body)["error"]
        message = error["message"] if isinstance(error, dict) else error
    except UNREADABLE:
        message = None
    if isinstance(message, str) and message:
        return message
    text = " ".join(body.decode(errors="replace").split())
    return f"{text[:SHOWN]}..." if len(text) > SHOWN else text or "an empty answer"


def _number(text: str | None) -> float:
    """Return the number in a header; 0.0 for none, for a date, and for what nobody can wait."""
    try:
        number = float(text or 0)
    except ValueError:
        return 0.0
    return number if 0 <= number < math.inf else 0.0
