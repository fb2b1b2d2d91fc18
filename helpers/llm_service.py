"""A simulated LLM service: OpenAI's chat completions, on this machine, in a process of its own.

    with llm_server(latency=0.2, max_in_flight=10) as server:
        LLMClient(server.url).chat("sentiment: Great battery, poor strap.")

In a notebook, `server = start_llm_server(...)` in one cell and `server.stop()` in a later one do
the same. The service is reached from this machine only and needs no key. Its process ends with the
one that started it, however that one ends.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from helpers.workloads import LATENCY, answer

HOST = "127.0.0.1"  # a number: a name such as localhost is looked up, in a thread
BACKLOG = 16384  # connections that may wait to be accepted; the usual 100 loses some of 1,000


@dataclass
class Stats:
    """What the service counted since it started, or since `LLMServer.reset`.

    in_flight: requests accepted and not yet answered, at this moment.
    peak: the largest number of them at one moment.
    served: complete answers.
    refused: requests beyond a limit (status 429) or given up at the gate (status 503).
    abandoned: requests whose client hung up before the answer was complete.
    """

    in_flight: int = 0
    peak: int = 0
    served: int = 0
    refused: int = 0
    abandoned: int = 0


def start_llm_server(
    *,
    latency: float = 0.1,
    max_in_flight: int | None = None,
    requests_per_second: float | None = None,
    burst: int | None = None,
    gate: int | None = None,
    patience: float = 10.0,
) -> LLMServer:
    """Start the service; return it as an `LLMServer`, ready for requests.

    latency: seconds an answer takes, from 0 to 3600; a streamed one spreads its tokens over them.
    max_in_flight: how many requests the service works on at a time, 1 or more; None: any number.
    requests_per_second: permits that its token bucket gains a second, from 0.001 to 1,000,000;
        each request takes one. None: no rate limit.
    burst: permits that the bucket holds, 1 or more; None: what it gains in a second, at least 1.
    gate: no request is answered before this many are in flight; then the gate stays open, until
        the counters are reset. None: no gate.
    patience: seconds, from 0 to 3600, after which a request held by the gate gets status 503.
    A request beyond a limit gets status 429 and a Retry-After.
    Raises ValueError for arguments other than these, RuntimeError if the process does not start.
    """
    for name, value in ("max_in_flight", max_in_flight), ("burst", burst), ("gate", gate):
        if value is not None and (type(value) is not int or value < 1):
            raise ValueError(f"{name} must be an int of 1 or more, or None, not {value!r}")
    _require_between("latency", latency, 0, 3600)
    _require_between("patience", patience, 0, 3600)
    if requests_per_second is not None:
        _require_between("requests_per_second", requests_per_second, 0.001, 1_000_000)
    elif burst is not None:
        raise ValueError(f"burst={burst} needs requests_per_second, which is None: there is no rate limit")
    if gate and max_in_flight and gate > max_in_flight:
        raise ValueError(f"gate={gate} would never open: it must be at most max_in_flight={max_in_flight}")
    return LLMServer(
        latency=latency,
        max_in_flight=max_in_flight,
        requests_per_second=requests_per_second,
        burst=burst,
        gate=gate,
        patience=patience,
    )


@contextmanager
def llm_server(**options: Any) -> Iterator[LLMServer]:
    """Run the service for the length of a `with` block. Takes and raises what `start_llm_server` does."""
    server = start_llm_server(**options)
    try:
        yield server
    finally:
        server.stop()


class LLMServer:
    """A service that runs; made by `start_llm_server` and `llm_server`.

    url: the base address that clients want, such as "http://127.0.0.1:8123/v1".
    """

    def __init__(self, **options: Any) -> None:
        command = [sys.executable, "-m", __name__, json.dumps(options)]
        root = Path(__file__).parents[1]
        # The process ends when its input does. Only this process holds the other end of that pipe,
        # and the system closes it even when this process is killed.
        self._process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        # Also ends a server that nobody holds any more, as when the cell that starts it runs again.
        self._finalizer = weakref.finalize(self, _end, self._process)
        try:
            port = self._process.stdout.readline()  # printed once the service listens
            if not port:
                raise RuntimeError("the LLM server did not start; its process has printed why")
            self._port = int(port)
        except BaseException:
            self.stop()
            raise
        self.url = f"http://{HOST}:{self._port}/v1"

    def stats(self) -> Stats:
        """What the service has counted. Raises RuntimeError once it has stopped."""
        return Stats(**self._ask("GET", "/stats"))

    def reset(self) -> None:
        """Set the counters back, refill the token bucket and close the gate. Raises as `stats` does."""
        self._ask("POST", "/stats/reset")

    def stop(self) -> None:
        """End the process, and with it every request under way. Stopping twice does no harm."""
        self._finalizer()

    def _ask(self, method: str, path: str) -> Any:
        if self._process.poll() is not None:
            raise RuntimeError("this LLM server has stopped; start_llm_server() starts another one")
        with closing(HTTPConnection(HOST, self._port, timeout=60)) as connection:
            connection.request(method, path)
            return json.load(connection.getresponse())


def _end(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def _require_between(name: str, value: float, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} must be a number from {low:,} to {high:,}, not {value!r}")


# What follows runs in the process of the service.


class Problem(Exception):
    """A request that cannot be answered, and what the client is told, in the words of `error`."""

    headers: dict[str, str] = {}

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        self.status = status
        self.error = {"message": message, "type": kind, "param": param, "code": code}

    def response(self) -> web.Response:
        return web.json_response({"error": self.error}, status=self.status, headers=self.headers)


class Refusal(Problem):
    """A request that the service could answer `retry_after` seconds later."""

    def __init__(self, status: int, message: str, retry_after: float) -> None:
        code = "rate_limit_exceeded" if status == 429 else "gate_closed"
        super().__init__(status, message, kind="requests", code=code)
        milliseconds = max(1, math.ceil(retry_after * 1000))
        # HTTP has whole seconds only; the second header is OpenAI's, which its package prefers.
        self.headers = {
            "Retry-After": str(math.ceil(milliseconds / 1000)),
            "retry-after-ms": str(milliseconds),
        }


@dataclass
class Chat:
    """The parts of a request that the service heeds."""

    model: str
    prompt: str
    stream: bool
    wants_usage: bool


def read_chat(body: bytes) -> Chat:
    """Return what a request's body asks for. Raises Problem where it is malformed."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise Problem(400, "The body must be JSON.") from None
    if not isinstance(fields, dict):
        raise Problem(400, "The body must be a JSON object.")

    def require(valid: bool, param: str, wanted: str) -> None:
        if not valid:
            raise Problem(400, f"{param!r} must be {wanted}.", param=param)

    model, messages = fields.get("model"), fields.get("messages")
    stream, options = fields.get("stream"), fields.get("stream_options")
    require(isinstance(model, str), "model", "a string")
    require(isinstance(messages, list) and messages != [], "messages", "a list of one or more messages")
    require(stream is None or isinstance(stream, bool), "stream", "true or false")
    require(options is None or isinstance(options, dict), "stream_options", "an object")
    texts = []
    for index, message in enumerate(messages):
        valid = isinstance(message, dict) and isinstance(message.get("role"), str)
        require(valid, f"messages[{index}]", "an object with a 'role'")
        content = message.get("content")
        parts = content if isinstance(content, list) else [{"text": content}]
        valid = all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in parts)
        require(valid, f"messages[{index}].content", "a string or a list of text parts")
        texts += [part["text"] for part in parts]
    return Chat(model, "\n".join(texts), bool(stream), bool((options or {}).get("include_usage")))


def reply(prompt: str) -> list[str]:
    """Return the tokens of the answer: a word each, pieces of it where the word is long.

    Where the prompt's text up to its first colon or line break names a call of `helpers.workloads`,
    what follows is the review, and the answer is that of the call. Any other prompt is given back,
    its first 50 words at most.
    """
    instruction, *review = re.split("[:\n]", prompt, maxsplit=1)
    call = next((name for name in LATENCY if name in instruction.lower()), None)
    if call and review:
        found = answer(call, review[0].strip())
        words = (found if isinstance(found, str) else ", ".join(found)).split()
    else:
        words = prompt.split()[:50]
    return re.findall(r"\S{1,20} ?", " ".join(words)) or [""]


class TokenBucket:
    """A rate limit: holds up to `burst` permits, gains `rate` a second, and every request takes one."""

    def __init__(self, rate: float, burst: int) -> None:
        self.rate, self.burst = rate, burst
        self.permits, self.time = float(burst), -math.inf

    def take(self, now: float) -> float:
        """Take a permit and return 0.0, or take none and return the seconds until there is one."""
        self.permits = min(self.burst, self.permits + (now - self.time) * self.rate)
        self.time = now
        if self.permits < 1:
            return (1 - self.permits) / self.rate
        self.permits -= 1
        return 0.0


@dataclass
class Service:
    """The service itself: what it answers, its limits and its counters. See `start_llm_server`."""

    latency: float
    max_in_flight: int | None
    requests_per_second: float | None
    burst: int | None
    gate: int | None
    patience: float

    def __post_init__(self) -> None:
        self.stats = Stats()
        self.numbers = itertools.count(1)
        self.gate_open = asyncio.Event()
        self.reset()

    def reset(self) -> None:
        self.stats = Stats(in_flight=self.stats.in_flight, peak=self.stats.in_flight)
        self.gate_open.clear()
        rate = self.requests_per_second
        self.bucket = TokenBucket(rate, self.burst or max(1, int(rate))) if rate else None

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer POST /v1/chat/completions."""
        chat = read_chat(await request.read())
        tokens = reply(chat.prompt)
        head = {"id": f"chatcmpl-{next(self.numbers)}", "created": int(time.time()), "model": chat.model}
        asked, answered = len(chat.prompt.split()), len(tokens)
        usage = {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
        if chat.stream:
            return await self.stream(request, head, tokens, usage if chat.wants_usage else None)
        async with self.under_way():
            await asyncio.sleep(self.latency)
        message = {"role": "assistant", "content": "".join(tokens)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response({**head, "object": "chat.completion", "choices": [choice], "usage": usage})

    async def stream(
        self, request: web.Request, head: dict, tokens: list[str], usage: dict | None
    ) -> web.StreamResponse:
        """Answer as server-sent events: a chunk a token, and `usage` in a last one, if it is wanted."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})

        async def send(delta: dict, finish_reason: str | None = None, **more: Any) -> None:
            choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
            chunk = {**head, "object": "chat.completion.chunk", "choices": [choice], **more}
            await response.write(f"data: {json.dumps(chunk)}\n\n".encode())

        async with self.under_way():
            await response.prepare(request)
            await send({"role": "assistant", "content": ""})
            for token in tokens:
                await asyncio.sleep(self.latency / len(tokens))
                await send({"content": token})
            await send({}, "stop")
            if usage:
                await send({}, choices=[], usage=usage)
        # Sent once the request is counted: a client that has its answer finds the counters right.
        await response.write(b"data: [DONE]\n\n")
        return response

    @asynccontextmanager
    async def under_way(self) -> AsyncIterator[None]:
        """Let a request in, or raise Refusal; count it as in flight while the block answers it."""
        limit = self.max_in_flight
        if limit and self.stats.in_flight >= limit:
            raise Refusal(429, f"{limit} requests are in flight, the most allowed.", self.latency)
        delay = self.bucket.take(time.monotonic()) if self.bucket else 0.0
        if delay:
            raise Refusal(429, f"More than {self.requests_per_second:g} requests a second.", delay)
        self.stats.in_flight += 1
        self.stats.peak = max(self.stats.peak, self.stats.in_flight)
        try:
            await self.pass_gate()
            yield
            self.stats.served += 1
        except (asyncio.CancelledError, ConnectionError):
            self.stats.abandoned += 1
            raise
        finally:
            self.stats.in_flight -= 1

    async def pass_gate(self) -> None:
        """Wait until as many requests are in flight as the gate wants. Raises Refusal after `patience`."""
        if self.gate is None:
            return
        if self.stats.in_flight >= self.gate:
            self.gate_open.set()
        try:
            async with asyncio.timeout(self.patience):
                await self.gate_open.wait()
        except TimeoutError:
            came = f"at most {self.stats.peak} of the {self.gate} requests that open the gate"
            raise Refusal(503, f"{came} were in flight within {self.patience:g} s.", self.patience) from None

    @web.middleware
    async def report_problems(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer what is wrong with a request in the error shape of OpenAI's service."""
        try:
            return await handler(request)
        except Problem as problem:
            self.stats.refused += isinstance(problem, Refusal)
            return problem.response()
        except web.RequestPayloadError:
            return Problem(400, "The body cannot be read.").response()
        except web.HTTPException as error:  # aiohttp's own: wrong path or method, body too large
            return Problem(error.status, f"{error.reason}: {request.method} {request.path}").response()

    async def report_stats(self, request: web.Request) -> web.Response:
        """Answer GET /stats, and POST /stats/reset."""
        if request.method == "POST":
            self.reset()
        return web.json_response(asdict(self.stats))

    async def run(self) -> None:
        """Serve on a free port, print which, and go on until the process ends."""
        app = web.Application(middlewares=[self.report_problems])
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_get("/stats", self.report_stats)
        app.router.add_post("/stats/reset", self.report_stats)
        # Cancelling the handler tells it that its client has hung up.
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, HOST, 0, backlog=BACKLOG).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()


def end_with_parent() -> None:
    """End this process when its input ends."""
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted cell does not end the service
    threading.Thread(target=end_with_parent, daemon=True).start()
    asyncio.run(Service(**json.loads(sys.argv[1])).run())
