"""Clients of `helpers.llm_service`: one that blocks its thread, one that suspends its task.

Neither tries again, and neither limits itself: that is for the learner to build.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, closing, nullcontext
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from helpers.recorder import working_on

MODEL = "simulated"


class LLMError(RuntimeError):
    """The service answered with an error; its message is that of the service. status: the HTTP status."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class RateLimited(LLMError):
    """The service is at a limit (status 429). retry_after: the seconds it asks to wait."""

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
        Raises RateLimited, LLMError for other error answers, OSError if the service is not there.
        """
        with _named(name), self._connect() as connection:
            return _content(self._post(connection, prompt).read())

    def stream(self, prompt: str, *, name: str | None = None) -> Iterator[str]:
        """Yield the answer to `prompt` token by token. Otherwise like `chat`."""
        with _named(name), self._connect() as connection:
            for line in self._post(connection, prompt, stream=True):
                yield from _tokens(line)

    def _connect(self) -> AbstractContextManager[HTTPConnection]:
        return closing(HTTPConnection(self._address.hostname, self._address.port, timeout=self._timeout))

    def _post(self, connection: HTTPConnection, prompt: str, stream: bool = False) -> HTTPResponse:
        path = f"{self._address.path}/chat/completions"
        connection.request("POST", path, json.dumps(_question(prompt, stream)))
        response = connection.getresponse()
        if response.status != 200:
            raise _error(response.status, response.headers, response.read())
        return response


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
        connector = aiohttp.TCPConnector(limit=self._max_connections or 0)  # aiohttp's 0: no limit
        self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        session, self._session = self._session, None
        await session.close()

    async def achat(self, prompt: str, *, name: str | None = None) -> str:
        """Return the answer to `prompt`.

        name: what a recording calls this call.
        Raises RateLimited, LLMError for other error answers, aiohttp.ClientError if the service is
        not there, RuntimeError outside `async with`.
        """
        with _named(name):
            async with self._post(prompt) as response:
                return _content(await response.read())

    async def astream(self, prompt: str, *, name: str | None = None) -> AsyncIterator[str]:
        """Yield the answer to `prompt` token by token. Otherwise like `achat`."""
        with _named(name):
            async with self._post(prompt, stream=True) as response:
                async for line in response.content:
                    for token in _tokens(line):
                        yield token

    @asynccontextmanager
    async def _post(self, prompt: str, stream: bool = False) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            raise RuntimeError("this client is not open: make its calls inside `async with client:`")
        async with self._session.post(self._url, json=_question(prompt, stream)) as response:
            if response.status != 200:
                raise _error(response.status, response.headers, await response.read())
            yield response


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"url must be a service's address, such as 'http://127.0.0.1:8123/v1', not {url!r}")
    return url.rstrip("/")


def _named(name: str | None) -> AbstractContextManager[None]:
    return working_on(name) if name else nullcontext()


def _question(prompt: str, stream: bool) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": prompt}], "stream": stream}


def _content(body: bytes) -> str:
    return json.loads(body)["choices"][0]["message"]["content"]


def _tokens(line: bytes) -> list[str]:
    """Return the token in a line of a streamed answer, if it holds one: some are blank, some carry none."""
    data = line.removeprefix(b"data: ").strip()
    if data in (b"", b"[DONE]"):
        return []
    token = json.loads(data)["choices"][0]["delta"].get("content")
    return [token] if token else []


def _error(status: int, headers: Mapping[str, str], body: bytes) -> LLMError:
    message = json.loads(body)["error"]["message"]
    if status == 429:
        return RateLimited(message, int(headers["retry-after-ms"]) / 1000)
    return LLMError(message, status)
