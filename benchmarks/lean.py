"""Real calls at the lowest cost: HTTP by asyncio protocols, and a client that blocks a thread.

    with lean_server(latency=1.0) as server:
        async with LeanClient(server.url, connections=100) as client:
            await client.achat("sentiment: Great battery, poor strap.")

The server runs in a process of its own, is reached from this machine only, and ends with the process that
started it. It takes the requests of `helpers.calls.llm_service`, whose answer it gives in shape, always
the same.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from helpers.calls.children import end_child, end_with_starter, start_child
from helpers.calls.llm_service import BACKLOG, HOST

HEADROOM = 100  # files that a process has open beside its connections
TOGETHER = 100  # connections that are opened at a time: no backlog overflows
PATIENCE = 60.0  # seconds that the gate holds a request before it hangs up


def most_connections() -> int:
    """Raise the number of files that may be open as far as is allowed; return the connections that fit.

    The processes that this one starts inherit the limit.
    """
    try:
        import resource
    except ImportError:  # Windows, where a socket is no file
        return sys.maxsize
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        for wanted in (hard, max(soft, 10_240)):  # macOS refuses a hard limit that is infinite
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
                break
            except (ValueError, OSError):
                pass
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft - HEADROOM


def split(received: bytes) -> tuple[bytes, bytes] | None:
    """The head and the body of an HTTP message; None while a part of it is missing."""
    head, found, body = received.partition(b"\r\n\r\n")
    _, has_body, length = head.lower().partition(b"content-length:")
    complete = found and (not has_body or len(body) >= int(length.split(b"\r\n", 1)[0]))
    return (head, body) if complete else None


class Asking:
    """What the two clients have in common: the request, and the answer's text."""

    def __init__(self, url: str, connections: int) -> None:
        """url: the service's base address. connections: how many are opened beforehand."""
        self.connections = connections
        self.address = urlsplit(url)
        self.head = f"POST {self.address.path}/chat/completions HTTP/1.1\r\nHost: {self.address.netloc}\r\n"

    def request(self, prompt: str) -> bytes:
        body = json.dumps({"model": "simulated", "messages": [{"role": "user", "content": prompt}]})
        return f"{self.head}Content-Length: {len(body)}\r\n\r\n{body}".encode()

    def text(self, head: bytes, body: bytes) -> str:
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(body.decode())
        return json.loads(body)["choices"][0]["message"]["content"]


class LeanClient(Asking):
    """A client that suspends the calling task, with a pool of connections that grows as is needed."""

    async def __aenter__(self) -> LeanClient:
        self.idle: list[Connection] = []
        while (lacking := self.connections - len(self.idle)) > 0:
            self.idle += await asyncio.gather(*[self.connect() for _ in range(min(lacking, TOGETHER))])
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for connection in self.idle:
            connection.transport.abort()
        await asyncio.sleep(0)  # the loop closes them

    async def connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            Connection, self.address.hostname or "", self.address.port or 0
        )
        return connection

    async def achat(self, prompt: str) -> str:
        """Return the answer to `prompt`. Raises ConnectionError if there is none, or one of an error."""
        connection = self.idle.pop() if self.idle else await self.connect()
        try:
            answer = await connection.ask(self.request(prompt))
        except BaseException:
            connection.transport.abort()
            raise
        self.idle.append(connection)
        return self.text(*answer)


class Connection(asyncio.Protocol):
    """A connection of a client, and the answer that it waits for."""

    answer: asyncio.Future | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def ask(self, request: bytes) -> asyncio.Future:
        self.received = b""
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.answer

    def data_received(self, data: bytes) -> None:
        self.received += data
        message = split(self.received)
        if message and not self.answer.done():
            self.answer.set_result(message)

    def connection_lost(self, error: Exception | None) -> None:
        if self.answer and not self.answer.done():
            self.answer.set_exception(ConnectionError("the server has closed the connection"))


class BlockingClient(Asking):
    """A client that blocks the calling thread. Threads share it: each call has a connection to itself."""

    def __enter__(self) -> BlockingClient:
        self.idle: list[socket.socket] = []
        for _ in range(self.connections):
            self.idle.append(self.connect())
        return self

    def __exit__(self, *exc_info: object) -> None:
        for connection in self.idle:
            connection.close()

    def connect(self) -> socket.socket:
        return socket.create_connection((self.address.hostname, self.address.port))

    def chat(self, prompt: str) -> str:
        """Return the answer to `prompt`. Raises ConnectionError if there is none, or one of an error."""
        connection = self.idle.pop() if self.idle else self.connect()
        try:
            connection.sendall(self.request(prompt))
            received = b""
            while not (answer := split(received)):
                data = connection.recv(65536)
                if not data:
                    raise ConnectionError("the server has closed the connection")
                received += data
        except BaseException:
            connection.close()
            raise
        self.idle.append(connection)
        return self.text(*answer)


# --- The server, as its parent sees it


@dataclass
class Stats:
    """What the server has counted: requests in flight now, the most at one moment, complete answers."""

    in_flight: int = 0
    peak: int = 0
    served: int = 0


class LeanServer:
    """A server that runs. url: its base address."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://{HOST}:{port}/v1"

    def stats(self) -> Stats:
        """What it has counted since it was last asked."""
        with closing(HTTPConnection(HOST, self.port, timeout=PATIENCE)) as connection:
            connection.request("GET", "/stats")
            return Stats(**json.load(connection.getresponse()))


@contextmanager
def lean_server(latency: float = 0.0, gate: int | None = None) -> Iterator[LeanServer]:
    """Run the server for the length of a `with` block.

    latency: seconds from a request to its answer. gate: instead, the requests are held until so many are
    in flight, then all are answered, and the next ones are held again.
    """
    process = start_child(server_code(json.dumps({"latency": latency, "gate": gate})))
    try:
        port = process.stdout.readline()  # printed once it listens
        if not port:
            raise RuntimeError("the lean server did not start; its process has printed why")
        yield LeanServer(int(port))
    finally:
        end_child(process)


def server_code(options: str) -> str:
    return f"from benchmarks.lean import serve; serve({options!r})"


# --- What follows runs in the process of the server


class Service:
    """What the connections share: when to answer, and the counters."""

    def __init__(self, latency: float, gate: int | None) -> None:
        self.latency, self.gate = latency, gate
        self.stats = Stats()
        self.held: list[asyncio.Transport] = []
        message = {"role": "assistant", "content": "positive"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self.answer = self.response({"object": "chat.completion", "choices": [choice]})

    def response(self, content: dict) -> bytes:
        body = json.dumps(content)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        return f"{head}\r\n\r\n{body}".encode()

    def take(self, head: bytes, transport: asyncio.Transport) -> None:
        """Take a request that has come on a connection."""
        if head.startswith(b"GET /stats"):
            transport.write(self.response(asdict(self.stats)))
            self.stats = Stats(self.stats.in_flight, self.stats.in_flight)
            return
        self.stats.in_flight += 1
        self.stats.peak = max(self.stats.peak, self.stats.in_flight)
        loop = asyncio.get_running_loop()
        if self.gate is None:
            loop.call_later(self.latency, self.finish, transport)
            return
        self.held.append(transport)
        if len(self.held) == self.gate:
            self.open_gate()
        elif len(self.held) == 1:
            self.giving_up = loop.call_later(PATIENCE, self.hang_up)

    def open_gate(self) -> None:
        self.giving_up.cancel()
        held, self.held = self.held, []
        for transport in held:
            self.finish(transport)

    def hang_up(self) -> None:
        held, self.held = self.held, []
        for transport in held:
            self.stats.in_flight -= 1
            transport.abort()

    def finish(self, transport: asyncio.Transport) -> None:
        self.stats.in_flight -= 1
        self.stats.served += 1
        transport.write(self.answer)

    async def run(self) -> None:
        """Serve on a free port, print which, and go on until the process ends."""
        most_connections()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Serving(self), HOST, 0, backlog=BACKLOG)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


class Serving(asyncio.Protocol):
    """A connection of the server."""

    def __init__(self, service: Service) -> None:
        self.service, self.received = service, b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        message = split(self.received)
        if message:
            self.received = b""
            self.service.take(message[0], self.transport)


def serve(options: str) -> None:
    """Serve until the process ends. options: those of `Service` as JSON."""
    end_with_starter()
    asyncio.run(Service(**json.loads(options)).run())
