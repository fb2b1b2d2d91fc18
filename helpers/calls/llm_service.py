"""A simulated LLM service: OpenAI's chat completions, on this machine, in a process of its own.

    with llm_server(latency=0.2, max_in_flight=10) as server:
        LLMClient(server.url).chat("sentiment: Great battery, poor strap.")

In a notebook, `server = start_llm_server(...)` in one cell and `server.stop()` in a later one do
the same. It has the faults of real life on request: limits on how many and how fast, latencies that
vary, refusals, failures, lost connections. Which requests these meet follows from the options alone.

The service is reached from this machine only and needs no key. It refuses the pages of web
sites, which name a foreign Host or Origin. Its process ends with the one that started it, however that
one ends.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import re
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from random import Random
from typing import Any

from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError

from helpers.calls.children import end_child, end_with_starter, start_child
from helpers.calls.workloads import LATENCY, answer

HOST = "127.0.0.1"  # a number: a name such as localhost is looked up, in a thread
BODY_WITHIN = 30.0  # seconds; aiohttp waits for ever where what follows the head is no body
BACKLOG = 16384  # connections that may wait to be accepted; the usual 100 loses some of 1,000
LOCAL = re.compile(r"(https?://)?(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?", re.IGNORECASE)


@dataclass
class Stats:
    """What the service counted since it started, or since `LLMServer.reset`.

    in_flight: requests accepted and not yet answered, at this moment.
    peak: the largest number of them at one moment.
    served: complete answers.
    refused: requests beyond a limit, or refused by `refuse_every` (status 429), or given up at the gate
        (status 503).
    failed: requests that `fail_every` let fail (status 500 or 503).
    cut: requests whose connection `cut_every` cut, before the answer or in the middle of it.
    abandoned: requests whose client hung up before the answer was complete.
    received: all of these requests, those in flight among them. A malformed one (status 400) is no request.
    """

    in_flight: int = 0
    peak: int = 0
    served: int = 0
    refused: int = 0
    abandoned: int = 0
    failed: int = 0
    cut: int = 0

    @property
    def received(self) -> int:
        return self.in_flight + self.served + self.refused + self.failed + self.cut + self.abandoned


def start_llm_server(
    *,
    latency: float | tuple[float, float] = 0.1,
    seed: int = 0,
    max_in_flight: int | None = None,
    requests_per_second: float | None = None,
    burst: int | None = None,
    tokens_per_second: float | None = None,
    token_burst: int | None = None,
    refuse_every: int | None = None,
    cut_every: int | None = None,
    fail_every: int | None = None,
    gate: int | None = None,
    patience: float = 10.0,
) -> LLMServer:
    """Start the service; return it as an `LLMServer`, ready for requests.

    latency: seconds an answer takes, from 0 to 3600; a streamed one spreads its tokens over them. A pair,
        the least and the most: each answer takes a time of its own between them.
    seed: what these times are drawn with; the same seed gives the same times, one request after another.
    max_in_flight: how many requests the service works on at a time, 1 or more; None: any number.
    requests_per_second: permits that its token bucket gains a second, from 0.001 to 1,000,000;
        each request takes one. None: no rate limit.
    burst: permits that the bucket holds, 1 or more; None: what it gains in a second, at least 1.
    tokens_per_second, token_burst: the same for the tokens of the texts, in a bucket of its own. A request
        takes as many as its `usage` will say. One with more than the bucket holds is never answered.
    refuse_every: of the requests within all limits, every one with a number divisible by this gets
        status 429, as where others share the limit. 1 or more; None: none is.
    cut_every: the connection of every such request is cut once its latency is over, before the answer
        and in the middle of it in turn.
    fail_every: every such request gets status 500 or 503, in turn, once its latency is over. Where
        several of the three fall on one request, the first that is named here holds.
    gate: no request is answered before this many are in flight; then the gate stays open, until
        the counters are reset. None: no gate.
    patience: seconds, from 0 to 3600, after which a request held by the gate gets status 503.
    A request beyond a limit gets status 429 and a Retry-After. With a rate limit, each answer says in
    OpenAI's `x-ratelimit` headers how much is left.
    Raises ValueError for arguments other than these, RuntimeError if the process does not start.
    """
    whole = {
        "max_in_flight": max_in_flight,
        "burst": burst,
        "token_burst": token_burst,
        "refuse_every": refuse_every,
        "cut_every": cut_every,
        "fail_every": fail_every,
        "gate": gate,
    }
    for name, value in whole.items():
        if value is not None and (type(value) is not int or value < 1):
            raise ValueError(f"{name} must be an int of 1 or more, or None, not {value!r}")
    if type(seed) is not int:
        raise ValueError(f"seed must be an int, not {seed!r}")
    _require_latency(latency)
    _require_between("patience", patience, 0, 3600)
    for name, rate, held_name, held in (
        ("requests_per_second", requests_per_second, "burst", burst),
        ("tokens_per_second", tokens_per_second, "token_burst", token_burst),
    ):
        if rate is not None:
            _require_between(name, rate, 0.001, 1_000_000)
        elif held is not None:
            raise ValueError(f"{held_name}={held} needs {name}, which is None: there is no such rate limit")
    if gate and max_in_flight and gate > max_in_flight:
        raise ValueError(f"gate={gate} would never open: it must be at most max_in_flight={max_in_flight}")
    return LLMServer(
        latency=latency,
        seed=seed,
        max_in_flight=max_in_flight,
        requests_per_second=requests_per_second,
        burst=burst,
        tokens_per_second=tokens_per_second,
        token_burst=token_burst,
        refuse_every=refuse_every,
        cut_every=cut_every,
        fail_every=fail_every,
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
        self._process = start_child(f"from helpers.calls.llm_service import main; main({options!r})")
        # Also ends a server that nobody holds any more, as when the cell that starts it runs again.
        self._finalizer = weakref.finalize(self, end_child, self._process)
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
        """Set the service back to how it started: counters, buckets, faults, gate. Raises as `stats` does."""
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


def _require_latency(latency: float | tuple[float, float]) -> None:
    if not isinstance(latency, tuple):
        return _require_between("latency", latency, 0, 3600)
    if len(latency) != 2:
        raise ValueError(f"latency must be a number or a pair of them, not {latency!r}")
    for end in latency:
        _require_between("each end of latency", end, 0, 3600)
    if latency[0] > latency[1]:
        raise ValueError(f"latency must be a pair of the least and the most seconds, not {latency!r}")


def _require_between(name: str, value: float, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} must be a number from {low:,} to {high:,}, not {value!r}")


# What follows runs in the process of the service.


class Problem(Exception):
    """A request that cannot be answered, and what the client is told, in the words of `error`."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.status = status
        self.headers = headers
        self.error = {"message": message, "type": kind, "param": param, "code": code}

    def response(self) -> web.Response:
        return web.json_response({"error": self.error}, status=self.status, headers=self.headers)


class Refusal(Problem):
    """A request that the service could answer `retry_after` seconds later; never, if that is infinite.

    limit: what it is at, "requests" or "tokens".
    """

    def __init__(self, status: int, message: str, retry_after: float, limit: str = "requests") -> None:
        code = "rate_limit_exceeded" if status == 429 else "gate_closed"
        headers = {}
        if retry_after < math.inf:
            milliseconds = max(1, math.ceil(retry_after * 1000))
            # HTTP has whole seconds only; the second header is OpenAI's, which its package prefers.
            headers["Retry-After"] = str(math.ceil(milliseconds / 1000))
            headers["retry-after-ms"] = str(milliseconds)
        super().__init__(status, message, kind=limit, code=code, headers=headers)


class Failure(Problem):
    """A request that `fail_every` lets fail."""

    def __init__(self, status: int) -> None:
        message = {500: "The service failed.", 503: "The service is overloaded."}[status]
        super().__init__(status, f"{message} Try again later.", kind="server_error")


class Cut(Exception):
    """A connection that `cut_every` cuts. `Connection.handle_error` does so."""


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
        fields = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise Problem(400, "The body must be JSON in UTF-8.") from None
    if not isinstance(fields, dict):
        raise Problem(400, "The body must be a JSON object.")

    def require(valid: bool, param: str, wanted: str) -> None:
        if not valid:
            raise Problem(400, f"{param!r} must be {wanted}.", param=param)

    model: Any = fields.get("model")
    messages: Any = fields.get("messages")
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

    Where the prompt's text up to its first colon or line break names a call of `helpers.calls.workloads`,
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
    """A rate limit: holds up to `burst` permits and gains `rate` a second.

    kind: what the permits are for, "requests" or "tokens".
    """

    def __init__(self, rate: float, burst: int | None = None, kind: str = "requests") -> None:
        self.rate, self.burst, self.kind = rate, burst or max(1, int(rate)), kind
        self.permits, self.time = float(self.burst), -math.inf

    def wait(self, now: float, size: int = 1) -> float:
        """Return the seconds until `size` permits are there; 0.0: they are. Infinite: they never will be."""
        self.permits = min(self.burst, self.permits + (now - self.time) * self.rate)
        self.time = now
        return math.inf if size > self.burst else max(0.0, (size - self.permits) / self.rate)

    def take(self, size: int = 1) -> None:
        """Take `size` permits, which are there."""
        self.permits -= size

    def headers(self, now: float) -> dict[str, str]:
        """Return what OpenAI's documentation says about a rate limit: its size, what is left, when all is."""
        self.wait(now)
        left = {"limit": self.burst, "remaining": math.floor(self.permits)}
        reset = duration((self.burst - self.permits) / self.rate)
        return {
            f"x-ratelimit-{name}-{self.kind}": str(value) for name, value in {**left, "reset": reset}.items()
        }


def duration(seconds: float) -> str:
    """Return `seconds`, rounded up to milliseconds, as OpenAI's headers have them: "20ms", "1.5s", "6m0s"."""
    milliseconds = math.ceil(seconds * 1000)
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    longer = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{longer}{milliseconds / 1000:g}s"


@dataclass
class Fate:
    """What becomes of a request that was let in: how long it takes, and what fault it meets, if any."""

    latency: float
    failure: int | None = None  # status
    cut: str | None = None  # "before" the answer or in the "middle" of it


@dataclass
class Service:
    """The service itself: what it answers, its limits, faults and counters. See `start_llm_server`."""

    latency: float | tuple[float, float] = 0
    seed: int = 0
    max_in_flight: int | None = None
    requests_per_second: float | None = None
    burst: int | None = None
    tokens_per_second: float | None = None
    token_burst: int | None = None
    refuse_every: int | None = None
    cut_every: int | None = None
    fail_every: int | None = None
    gate: int | None = None
    patience: float = 0

    def __post_init__(self) -> None:
        self.stats = Stats()
        self.numbers = itertools.count(1)
        self.gate_open = asyncio.Event()
        self.routes: dict[str, dict[str, Callable]] = {
            "/v1/chat/completions": {"POST": self.chat},
            "/stats": {"GET": self.report_stats},
            "/stats/reset": {"POST": self.reset_stats},
        }
        self.reset()

    def reset(self) -> None:
        self.stats = Stats(in_flight=self.stats.in_flight, peak=self.stats.in_flight)
        self.gate_open.clear()
        self.random, self.within_limits = Random(self.seed), 0
        self.failures, self.cuts = itertools.cycle((500, 503)), itertools.cycle(("before", "middle"))
        self.buckets = []
        if self.requests_per_second:
            self.buckets.append(TokenBucket(self.requests_per_second, self.burst))
        if self.tokens_per_second:
            self.buckets.append(TokenBucket(self.tokens_per_second, self.token_burst, "tokens"))

    def rate_headers(self) -> dict[str, str]:
        """Return what is left of the rate limits, at this moment."""
        now = time.monotonic()
        return {name: value for bucket in self.buckets for name, value in bucket.headers(now).items()}

    async def chat(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer POST /v1/chat/completions."""
        chat = read_chat(await read_body(request))
        tokens = reply(chat.prompt)
        head = {"id": f"chatcmpl-{next(self.numbers)}", "created": int(time.time()), "model": chat.model}
        asked, answered = len(chat.prompt.split()), len(tokens)
        usage = {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
        try:
            async with self.under_way(asked + answered) as fate:
                if fate.failure or fate.cut == "before" or not chat.stream:
                    await asyncio.sleep(fate.latency)
                if fate.failure:
                    raise Failure(fate.failure)
                if fate.cut == "before":
                    raise Cut
                if chat.stream:
                    shown = usage if chat.wants_usage else None
                    response = await self.stream(request, head, tokens, shown, fate)
                else:
                    message = {"role": "assistant", "content": "".join(tokens)}
                    choice = {"index": 0, "message": message, "finish_reason": "stop"}
                    whole = {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
                    response = await self.whole(request, json.dumps(whole).encode(), fate)
        except Problem as problem:
            problem.headers = {**(problem.headers or {}), **self.rate_headers()}
            raise
        if chat.stream:
            # Sent once the request is counted: a client that has its answer finds the counters right.
            await response.write(b"data: [DONE]\n\n")
        return response

    async def whole(self, request: web.BaseRequest, body: bytes, fate: Fate) -> web.StreamResponse:
        """Return the answer in one piece; it is sent once the request is counted."""
        if not fate.cut:
            return web.Response(body=body, content_type="application/json", headers=self.rate_headers())
        length = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        response = web.StreamResponse(headers={**length, **self.rate_headers()})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        raise Cut

    async def stream(
        self, request: web.BaseRequest, head: dict, tokens: list[str], usage: dict | None, fate: Fate
    ) -> web.StreamResponse:
        """Answer as server-sent events: a chunk a token, and `usage` in a last one, if it is wanted."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **self.rate_headers()})

        async def send(delta: dict, finish_reason: str | None = None, **more: Any) -> None:
            choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
            chunk = {**head, "object": "chat.completion.chunk", "choices": [choice], **more}
            await response.write(f"data: {json.dumps(chunk)}\n\n".encode())

        await response.prepare(request)
        await send({"role": "assistant", "content": ""})
        for token in tokens[: (len(tokens) + 1) // 2] if fate.cut else tokens:
            await asyncio.sleep(fate.latency / len(tokens))
            await send({"content": token})
        if fate.cut:
            raise Cut
        await send({}, "stop")
        if usage:
            await send({}, choices=[], usage=usage)
        return response

    @asynccontextmanager
    async def under_way(self, size: int) -> AsyncIterator[Fate]:
        """Let a request of `size` tokens in, or raise Refusal; it is in flight while the block answers it."""
        fate = self.let_in(size)
        self.stats.in_flight += 1
        self.stats.peak = max(self.stats.peak, self.stats.in_flight)
        try:
            await self.pass_gate()
            yield fate
            self.stats.served += 1
        except Cut:
            self.stats.cut += 1
            raise
        except (asyncio.CancelledError, ConnectionError):
            self.stats.abandoned += 1
            raise
        finally:
            self.stats.in_flight -= 1

    def let_in(self, size: int) -> Fate:
        """Take what a request needs of the limits and return what becomes of it, or raise Refusal."""
        limit, now = self.max_in_flight, time.monotonic()
        low, high = self.latency if isinstance(self.latency, tuple) else (self.latency, self.latency)
        if limit and self.stats.in_flight >= limit:
            raise Refusal(429, f"{limit} requests are in flight, the most allowed.", (low + high) / 2)
        sizes = {"requests": 1, "tokens": size}
        waits = {bucket: bucket.wait(now, sizes[bucket.kind]) for bucket in self.buckets}
        if any(waits.values()):
            bucket = max(waits, key=waits.__getitem__)
            if waits[bucket] == math.inf:
                said = f"This request needs {size} tokens, and {bucket.burst} are the most allowed."
            else:
                said = f"More than {bucket.rate:g} {bucket.kind} a second."
            raise Refusal(429, said, waits[bucket], bucket.kind)
        for bucket in self.buckets:
            bucket.take(sizes[bucket.kind])
        self.within_limits += 1
        fate = Fate(self.random.uniform(low, high))
        if self.meets(self.refuse_every):
            raise Refusal(429, "Others have used up the limit.", fate.latency)
        if self.meets(self.cut_every):
            fate.cut = next(self.cuts)
        elif self.meets(self.fail_every):
            fate.failure = next(self.failures)
        return fate

    def meets(self, every: int | None) -> bool:
        """Whether the newest request within the limits is one of `every` so many."""
        return every is not None and self.within_limits % every == 0

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

    async def report_stats(self, request: web.BaseRequest) -> web.Response:
        """Answer GET /stats."""
        return web.json_response(asdict(self.stats))

    async def reset_stats(self, request: web.BaseRequest) -> web.Response:
        """Answer POST /stats/reset."""
        self.reset()
        return web.json_response(asdict(self.stats))

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request; what is wrong with it is answered in the error shape of OpenAI's service."""
        asked = f"{request.method} {request.path}"
        try:
            require_local(request)
            methods = self.routes.get(request.path)
            if methods is None:
                raise Problem(404, f"Not Found: {asked}")
            if request.method not in methods:
                raise Problem(405, f"Method Not Allowed: {asked}", headers={"Allow": ", ".join(methods)})
            return await methods[request.method](request)
        except Problem as problem:
            self.stats.refused += isinstance(problem, Refusal)
            self.stats.failed += isinstance(problem, Failure)
            return problem.response()

    async def run(self) -> None:
        """Serve on a free port, print which, and go on until the process ends."""
        loop = asyncio.get_running_loop()
        # Cancelling the handler tells it that its client has hung up.
        server = web.Server(self.handle, handler_cancellation=True)
        listener = await loop.create_server(
            # its type says Logger, its code and its documentation take None
            lambda: Connection(server, loop=loop, access_log=None, auto_decompress=False),  # type: ignore[arg-type]
            HOST,
            0,
            backlog=BACKLOG,
        )
        try:
            print(listener.sockets[0].getsockname()[1], flush=True)
            await asyncio.Event().wait()
        finally:
            listener.close()


def require_local(request: web.BaseRequest) -> None:
    """Raise Problem if a request is not for this machine, or comes from a web page of another one."""
    # A page of elsewhere may have its own name lead to this machine; its requests bear that name.
    hosts = [*request.headers.getall("Host", [""]), *request.headers.getall("Origin", [])]
    for host in hosts:
        if not LOCAL.fullmatch(host):
            raise Problem(403, f"Host and Origin must be {HOST}, localhost or [::1], not {host!r}.")
    if request.url.host not in (HOST, "localhost", "::1"):  # the first line may have a whole address in it
        raise Problem(403, f"The address must be one of {HOST}, not of {request.url.host!r}.")


async def read_body(request: web.BaseRequest) -> bytes:
    """Return the body of a request. Raises Problem if it is coded, too long or not whole."""
    coding, expected = request.headers.get("Content-Encoding", "identity"), request.headers.get("Expect")
    if coding.lower() != "identity":
        raise Problem(415, f"The body must not be coded, as it is with Content-Encoding: {coding}.")
    if expected is not None:
        if expected.lower() != "100-continue":
            raise Problem(417, f"Expect must be 100-continue, not {expected!r}.")
        if request.version == HttpVersion11:
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # of the answer nothing has been sent
    try:
        async with asyncio.timeout(BODY_WITHIN):
            return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise Problem(413, error.text or "") from None
    except TimeoutError:
        raise Problem(408, f"The body did not come within {BODY_WITHIN:g} s.") from None
    except web.RequestPayloadError:
        raise Problem(400, "The body cannot be read.") from None


class Connection(web.RequestHandler):
    """A connection of aiohttp that keeps to the service's error shape also where no HTTP comes."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if isinstance(exc, Cut):
            raise ConnectionError("the connection is to be cut")
        self.log_exception("The LLM server failed", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the answer is sent: closing the connection is all that is left")
        kind = "invalid_request_error" if status < 500 else "server_error"
        response = Problem(status, message or "The service failed; it has printed why.", kind=kind).response()
        response.force_close()
        return response

    def log_exception(self, *args: Any, **options: Any) -> None:
        """Print an error of the service; what is wrong with a request is told to its client alone."""
        if not isinstance(options.get("exc_info"), HttpProcessingError | web.RequestPayloadError):
            super().log_exception(*args, **options)


def main(options: dict[str, Any]) -> None:
    """Run the service until its starter ends."""
    end_with_starter()
    asyncio.run(Service(**options).run())
