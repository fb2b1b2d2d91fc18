"""The simulated LLM service: what it answers, its limits and counters, and that it never outlives its use."""

import asyncio
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from http.client import BadStatusLine, HTTPConnection, HTTPResponse, IncompleteRead
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import psutil
import pytest

from helpers.calls import children
from helpers.calls import llm_service as module
from helpers.calls.llm_service import Stats, TokenBucket, llm_server, reply, start_llm_server
from helpers.calls.workloads import REVIEW, answer

ROOT = Path(__file__).parents[2]
PATH = "/v1/chat/completions"
HOUR = 3600
SLOW = 0.001  # requests a second: no permit comes back while a test runs
ERROR_SHAPE = {"message", "type", "param", "code"}


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left():
    before = psutil.Process().children()
    yield
    assert psutil.Process().children() == before


def question(prompt="hello", **fields):
    return json.dumps({"model": "any", "messages": [{"role": "user", "content": prompt}], **fields})


def connect(server):
    parts = urlsplit(server.url)
    return HTTPConnection(parts.hostname, parts.port, timeout=60)


def ask(server, body=None, path=PATH, method="POST", headers=None):
    """Return the status, the headers and the body of one answer."""
    with closing(connect(server)) as connection:
        connection.request(method, path, body or question(), headers or {})
        response = connection.getresponse()
        return response.status, response.headers, response.read()


def ask_without_waiting(server, body=None):
    connection = connect(server)
    connection.request("POST", PATH, body or question())
    return connection


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited 30 s in vain"
        time.sleep(0.005)


def listens(url):
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=5).close()
    except ConnectionError:
        return False
    return True


# What it answers


@pytest.mark.parametrize("name", ["summary", "sentiment", "keywords"])
def test_it_answers_as_the_simulated_calls_do(name):
    found = answer(name, REVIEW)
    expected = found if isinstance(found, str) else ", ".join(found)
    for prompt in f"{name}: {REVIEW}", f"Give the {name.upper()} of this review.\n\n{REVIEW}":
        assert "".join(reply(prompt)) == expected


def test_it_gives_other_prompts_back():
    assert reply("document 17") == ["document ", "17"]
    assert reply("summary") == ["summary"]
    assert reply(" ") == [""]
    assert reply("keywords: nothing here") == [""]
    assert "".join(reply("a: " + "b " * 100)) == "a: " + " ".join("b" * 49)


def test_a_long_word_is_many_tokens():
    tokens = reply("x" * 1000)
    assert "".join(tokens) == "x" * 1000
    assert max(map(len, tokens)) <= 21


def test_a_whole_answer_has_the_shape_of_openai(server):
    before = int(time.time())
    status, headers, body = ask(server, question(f"sentiment: {REVIEW}", model="some-model"))
    completion = json.loads(body)
    assert (status, headers.get_content_type()) == (200, "application/json")
    assert completion.pop("id").startswith("chatcmpl-")
    assert before <= completion.pop("created") <= time.time()
    asked = len(f"sentiment: {REVIEW}".split())
    assert completion == {
        "object": "chat.completion",
        "model": "some-model",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "mixed"}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": asked, "completion_tokens": 1, "total_tokens": asked + 1},
    }


def test_a_streamed_answer_has_the_shape_of_openai(server):
    status, headers, body = ask(server, question(f"keywords: {REVIEW}", stream=True))
    assert (status, headers.get_content_type()) == (200, "text/event-stream")
    *events, last, end = body.decode().split("\n\n")
    assert (last, end) == ("data: [DONE]", "")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    assert [chunk["choices"] for chunk in chunks] == [
        [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}],
        [{"index": 0, "delta": {"content": "battery, "}, "finish_reason": None}],
        [{"index": 0, "delta": {"content": "strap"}, "finish_reason": None}],
        [{"index": 0, "delta": {}, "finish_reason": "stop"}],
    ]
    assert not any("usage" in chunk for chunk in chunks)


def test_the_usage_of_a_stream_comes_last_and_on_request(server):
    body = ask(server, question("a b c", stream=True, stream_options={"include_usage": True}))[2]
    chunk = json.loads(body.decode().split("\n\n")[-3].removeprefix("data: "))
    assert chunk["choices"] == []
    assert chunk["usage"] == {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}


def test_messages_may_come_in_parts_and_several(server):
    parts = [{"type": "text", "text": "Great "}, {"type": "text", "text": "battery."}]
    messages = [{"role": "system", "content": "sentiment"}, {"role": "user", "content": parts}]
    completion = json.loads(ask(server, json.dumps({"model": "m", "messages": messages}))[2])
    assert completion["choices"][0]["message"]["content"] == "good"


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_takes_the_latency(stream):
    with llm_server(latency=0.2) as server:
        start = time.monotonic()
        ask(server, question("four tokens come back", stream=stream))
        assert time.monotonic() - start > 0.15  # timers may fire a tick early


# What it refuses


def messages(*items):
    return json.dumps({"model": "m", "messages": list(items)})


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (" ", None),
        ("{", None),
        (b"\xff\xfe\x00", None),
        ("[" * 100_000, None),
        ("1" * 10_000, None),
        ("[]", None),
        ("null", None),
        ('"text"', None),
        ("{}", "model"),
        (question(model=None), "model"),
        (question(model=5), "model"),
        ('{"model": "m"}', "messages"),
        ('{"model": "m", "messages": "hello"}', "messages"),
        (messages(), "messages"),
        (messages("hello"), "messages[0]"),
        (messages({"content": "hello"}), "messages[0]"),
        (messages({"role": 1, "content": "hello"}), "messages[0]"),
        (messages({"role": "user", "content": "hello"}, {"role": "user"}), "messages[1].content"),
        (question(None), "messages[0].content"),
        (question(5), "messages[0].content"),
        (question({}), "messages[0].content"),
        (question(["hello"]), "messages[0].content"),
        (question([{"type": "image_url", "image_url": {}}]), "messages[0].content"),
        (question([{"type": "text", "text": 5}]), "messages[0].content"),
        (question(stream="yes"), "stream"),
        (question(stream=1), "stream"),
        (question(stream_options=[]), "stream_options"),
    ],
)
def test_a_malformed_request_is_answered_in_the_error_shape(server, body, param):
    status, _, answered = ask(server, body)
    error = json.loads(answered)["error"]
    assert status == 400
    assert error.keys() == ERROR_SHAPE
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    if param:
        assert f"'{param}' must be " in error["message"]
    assert server.stats() == Stats()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"path": "/v1/completions"}, 404),
        ({"path": "/"}, 404),
        ({"method": "GET"}, 405),
        ({"method": "DELETE"}, 405),
        ({"path": "/stats/reset", "method": "GET"}, 405),
        ({"body": "x" * (1024**2 + 1)}, 413),
        ({"headers": {"Content-Encoding": "gzip"}}, 415),
        ({"headers": {"Content-Encoding": "unheard-of"}}, 415),
        ({"headers": {"Expect": "the unexpected"}}, 417),
        ({"path": "http://example.com/stats", "method": "GET"}, 403),
    ],
)
def test_a_wrong_address_or_body_is_answered_in_the_error_shape(server, request_, status):
    answered, _, body = ask(server, **request_)
    assert answered == status
    assert json.loads(body)["error"].keys() == ERROR_SHAPE
    assert server.stats() == Stats()


def test_a_wrong_method_is_told_the_right_one(server):
    assert ask(server, method="PUT")[1]["Allow"] == "POST"


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LocalHost", "[::1]"])
@pytest.mark.parametrize("port", ["", ":80", ":8888"])
def test_this_machine_is_answered_by_all_its_names(server, name, port):
    headers = {"Host": name + port, "Origin": f"http://{name}{port}"}
    assert ask(server, headers=headers)[0] == 200
    assert ask(server, headers={**headers, "Origin": f"https://{name}{port}"})[0] == 200


FOREIGN = [
    "example.com",
    "127.0.0.1.example.com",
    "127.0.0.1@example.com",
    "localhost:80:80",
    "::1",
    "",
    "null",
]


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("header", ["Host", "Origin"])
@pytest.mark.parametrize(("method", "path"), [("POST", PATH), ("GET", "/stats"), ("POST", "/stats/reset")])
def test_a_web_page_of_elsewhere_is_refused(server, header, name, method, path):
    """Such a page may have its own name lead to this machine, and then ask what it likes."""
    assert ask(server)[0] == 200
    value = f"http://{name}" if header == "Origin" and name not in ("", "null") else name
    status, headers, body = ask(server, path=path, method=method, headers={header: value})
    assert (status, json.loads(body)["error"].keys()) == (403, ERROR_SHAPE)
    assert "Access-Control-Allow-Origin" not in headers
    assert server.stats() == Stats(peak=1, served=1)


# What is sent as it stands: no client would.

LINE = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = f"{LINE}Transfer-Encoding: chunked\r\n\r\n"


def post(body, *headers):
    body = body if isinstance(body, bytes) else body.encode()
    lines = "".join(f"{line}\r\n" for line in (f"Content-Length: {len(body)}", *headers))
    return f"{LINE}{lines}\r\n".encode() + body


def get(path, *headers, version="1.1"):
    return "\r\n".join([f"GET {path} HTTP/{version}", *headers, "", ""]).encode()


WELL_FORMED = {
    "three at once": post(question()) * 3,
    "a permission to go on is awaited": post(question(), "Expect: 100-continue"),
    "lone surrogates": post(question("\ud800", model="\udfff")),
    "an offer of another protocol": get(
        "/stats", "Host: localhost", "Connection: upgrade", "Upgrade: websocket"
    ),
    "not coded": post(question(), "Content-Encoding: identity"),
    "in chunks": f"{CHUNKED}{len(question()):x}\r\n{question()}\r\n0\r\n\r\n".encode(),
}
MALFORMED = {
    "no HTTP": b"\x00\xff nonsense\r\n\r\n",
    "HTTPS": bytes.fromhex("160301020001000001fc0303") + b"x" * 200,
    "HTTP/0.9": b"GET /stats\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no host": get("/stats"),
    "no host in HTTP/1.0": get("/stats", version="1.0"),
    "two hosts": get("/stats", "Host: localhost", "Host: example.com"),
    "two origins": get("/stats", "Host: localhost", "Origin: http://localhost", "Origin: http://example.com"),
    "a tunnel": b"CONNECT example.com:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a length too small": post(question()).replace(b"Content-Length: ", b"Content-Length: 5\r\nX: "),
    "a negative length": post(question()).replace(b"Content-Length: ", b"Content-Length: -"),
    "two lengths": post(question(), "Content-Length: 5"),
    "a length and chunks": post("0\r\n\r\n", "Transfer-Encoding: chunked"),
    "a bad chunk": f"{CHUNKED}ZZ\r\nabc\r\n".encode(),
    "a bad chunk after a good one": f"{CHUNKED}1\r\n{{\r\nZZ\r\n".encode(),
    "no gzip": post(question(), "Content-Encoding: gzip"),
    "no deflate": post(b"\x78\x9c garbage", "Content-Encoding: deflate"),
    "much in little": post(zlib.compress(b" " * 10_000_000), "Content-Encoding: deflate"),
    "UTF-16": post(question().encode("utf-16")),
    "no UTF-8": post(question().encode().replace(b"hello", b"\xff\xfe")),
    "a long path": get("/" + "a" * 20_000, "Host: localhost"),
    "an odd path": get("/%ff%00%0d%0a<script>", "Host: localhost"),
    "a long header": post(question(), "X: " + "a" * 20_000),
    "many headers": post(question(), *(f"X-{number}: y" for number in range(5_000))),
}


@contextmanager
def sent(server, *pieces):
    """Send bytes on a connection of its own; yields it once they are sent, or the connection is closed."""
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        with suppress(ConnectionError):
            connection.sendall(b"".join(pieces))
        yield connection


class Unclosed:
    """A connection's file that outlives an answer: what it has buffered may be the next one."""

    def __init__(self, file):
        self.file = file

    def __getattr__(self, name):
        return getattr(self.file, name)

    def makefile(self, mode):
        return self

    def close(self):
        pass


def answers(connection, count):
    """The status and the body of `count` answers; fewer if the connection is closed before."""
    came, source = [], Unclosed(connection.makefile("rb"))
    with suppress(ConnectionError):
        for _ in range(count):
            response = HTTPResponse(source)
            response.begin()
            came.append((response.status, json.loads(response.read())))
    return came


def test_what_no_client_sends_is_answered_in_shape_and_prints_nothing(capfd):
    with llm_server(latency=0) as server:
        for name, data in WELL_FORMED.items():
            count = 3 if name == "three at once" else 1
            with sent(server, data) as connection:
                assert [status for status, _ in answers(connection, count)] == [200] * count, name
        before = server.stats()
        for name, data in MALFORMED.items():
            with sent(server, data) as connection:
                for status, body in answers(connection, 1):
                    assert 400 <= status < 500 and body["error"].keys() == ERROR_SHAPE, name
        assert server.stats() == before
        assert ask(server)[0] == 200
    assert capfd.readouterr() == ("", "")


@contextmanager
def service_here(capfd):
    """A service in a thread of this process, to be changed as a client cannot; yields it and its address."""
    service, loop = module.Service(), asyncio.new_event_loop()
    running = loop.create_task(service.run())

    def run():
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(running)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        printed = ""
        while not printed.endswith("\n"):
            printed += capfd.readouterr().out
            time.sleep(0.005)
        yield service, SimpleNamespace(url=f"http://127.0.0.1:{int(printed)}")
    finally:
        loop.call_soon_threadsafe(running.cancel)
        thread.join()
        loop.close()


@pytest.mark.parametrize("rest", [b"", b"ZZ\r\n", b"1\r\n{\r\n"])
def test_a_body_that_does_not_come_is_not_awaited_for_ever(rest, capfd, caplog, monkeypatch):
    """The head has been read, and the body is awaited, when the rest comes."""
    monkeypatch.setattr(module, "BODY_WITHIN", 0.5)
    head = f"{LINE}Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n".encode()
    with service_here(capfd) as (_, server), sent(server, head) as connection:
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(rest)
        [(status, body)] = answers(connection, 1)
        assert 400 <= status < 500 and body["error"].keys() == ERROR_SHAPE
    assert (capfd.readouterr(), caplog.text) == (("", ""), "")


def test_a_fault_of_the_service_is_printed_and_answered_in_shape(capfd, caplog):
    with service_here(capfd) as (service, server):
        service.routes["/stats"]["GET"] = lambda request: 1 / 0
        status, _, body = ask(server, path="/stats", method="GET")
    assert (status, json.loads(body)["error"].keys()) == (500, ERROR_SHAPE)
    assert "ZeroDivisionError" in caplog.text


def test_lone_surrogates_are_answered(server):
    for stream in (False, True):
        assert ask(server, question("\ud800", model="\udfff", stream=stream))[0] == 200


def assert_refused(answered, least, most):
    status, headers, body = answered
    error = json.loads(body)["error"]
    milliseconds = int(headers["retry-after-ms"])
    assert status == 429
    assert error.keys() == ERROR_SHAPE
    assert (error["type"], error["code"]) == ("requests", "rate_limit_exceeded")
    assert least <= milliseconds / 1000 <= most
    assert int(headers["Retry-After"]) == math.ceil(milliseconds / 1000)


@pytest.mark.parametrize("stream", [False, True])
def test_requests_beyond_the_cap_are_refused(stream):
    with llm_server(latency=HOUR, max_in_flight=2) as server:
        busy = [ask_without_waiting(server, question(stream=stream)) for _ in range(2)]
        wait_until(lambda: server.stats().in_flight == 2)
        assert_refused(ask(server), HOUR, HOUR)
        assert server.stats() == Stats(in_flight=2, peak=2, refused=1)
        for connection in busy:
            connection.close()
        wait_until(lambda: server.stats().in_flight == 0)
        assert server.stats() == Stats(peak=2, refused=1, abandoned=2)


def test_requests_beyond_the_rate_are_refused():
    with llm_server(latency=0, requests_per_second=SLOW, burst=3) as server:
        answers = [ask(server) for _ in range(5)]
        assert [status for status, *_ in answers] == [200, 200, 200, 429, 429]
        for refused in answers[3:]:
            assert_refused(refused, 0.001, 1 / SLOW)
        assert server.stats() == Stats(peak=1, served=3, refused=2)
        server.reset()
        assert ask(server)[0] == 200


def test_a_bucket_holds_a_second_of_permits_by_default():
    for rate, burst in (SLOW, 1), (1000, 1000):
        service = module.Service(requests_per_second=rate)
        assert service.buckets[0].burst == burst


def test_a_token_bucket_refills_with_time_up_to_its_burst():
    bucket = TokenBucket(rate=2, burst=3)

    def take(now, size=1):
        wait = bucket.wait(now, size)
        if not wait:
            bucket.take(size)
        return wait

    assert [take(10.0) for _ in range(5)] == [0, 0, 0, 0.5, 0.5]
    assert take(10.25) == 0.25
    assert [take(10.5), take(10.5)] == [0, 0.5]
    assert [take(99.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert [take(199.0, 2), take(199.0, 2), take(199.0, 4)] == [0, 0.5, math.inf]


def rates(headers):
    return {name: value for name, value in headers.items() if name.startswith("x-ratelimit-")}


def test_each_answer_says_what_is_left_of_the_limits():
    limits = {"requests_per_second": SLOW, "burst": 3, "tokens_per_second": SLOW, "token_burst": 12}
    seen = []
    with llm_server(latency=0, **limits) as server:
        for stream in (False, True, False):
            status, headers, _ = ask(server, question("one two", stream=stream))  # and two come back
            left = rates(headers)
            assert left.pop("x-ratelimit-reset-requests").endswith("s")
            assert left.pop("x-ratelimit-reset-tokens").endswith("s")
            seen.append((status, *left.values()))
        assert rates(ask(server, question(model=None))[1]) == {}  # no request at all
        status, headers, _ = ask(server)
        assert (status, rates(headers)["x-ratelimit-remaining-requests"]) == (429, "0")
    assert list(left) == [
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-tokens",
    ]
    assert seen == [(200, "3", str(2 - n), "12", str(8 - 4 * n)) for n in range(3)]


def test_without_a_rate_limit_nothing_is_said_of_one(server):
    assert rates(ask(server)[1]) == {}
    with llm_server(latency=0, tokens_per_second=1000) as server:
        assert len(rates(ask(server)[1])) == 3


def test_the_headers_say_when_the_bucket_is_full_again():
    bucket = TokenBucket(rate=2, burst=60)
    assert bucket.headers(10.0)["x-ratelimit-reset-requests"] == "0s"
    bucket.take(3)
    assert bucket.headers(10.0) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "57",
        "x-ratelimit-reset-requests": "1.5s",
    }
    assert bucket.headers(10.75) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "58",
        "x-ratelimit-reset-requests": "750ms",
    }


DURATIONS = {
    0: "0s",
    0.0001: "1ms",
    0.02: "20ms",
    0.9999: "1s",
    8.64: "8.64s",
    59.9999: "1m0s",
    86.4: "1m26.4s",
    360: "6m0s",
    3600: "1h0m0s",
    90061.001: "25h1m1.001s",
}


@pytest.mark.parametrize(("seconds", "text"), DURATIONS.items())
def test_durations_are_written_as_openai_writes_them(seconds, text):
    assert module.duration(seconds) == text


def test_tokens_beyond_the_rate_are_refused():
    with llm_server(latency=0, tokens_per_second=SLOW, token_burst=12) as server:
        assert ask(server, question("one two three four five"))[0] == 200  # ten tokens with the answer
        status, headers, body = ask(server, question("one two"))
        error = json.loads(body)["error"]
        assert (status, error["type"], error["code"]) == (429, "tokens", "rate_limit_exceeded")
        assert 0.99 / SLOW < int(headers["retry-after-ms"]) / 1000 <= 2 / SLOW
        assert ask(server, question("one"))[0] == 200  # it is short enough
        assert server.stats() == Stats(peak=1, served=2, refused=1)


def test_what_is_refused_takes_nothing_from_either_bucket():
    limits = {"requests_per_second": SLOW, "burst": 2, "tokens_per_second": SLOW, "token_burst": 4}
    with llm_server(latency=0, **limits) as server:
        assert ask(server, question("one"))[0] == 200
        status, headers, _ = ask(server, question("one two"))
        assert (status, headers["x-ratelimit-remaining-requests"]) == (429, "1")
        assert ask(server, question("one"))[0] == 200
        status, headers, body = ask(server, question("one"))  # both buckets are empty
        assert (status, json.loads(body)["error"]["type"]) == (429, "tokens")  # for which it takes longer


def test_a_request_larger_than_the_limit_is_told_of_no_time():
    with llm_server(latency=0, tokens_per_second=1000, token_burst=9) as server:
        status, headers, body = ask(server, question("one two three four five"))
        assert (status, "Retry-After" in headers, "retry-after-ms" in headers) == (429, False, False)
        assert "needs 10 tokens, and 9 are the most" in json.loads(body)["error"]["message"]


# Its faults


def outcome(server, stream=False):
    """How a request ends: its status; "cut" before the answer; "cut in the middle"."""
    with closing(connect(server)) as connection:
        connection.request("POST", PATH, question("one two three four", stream=stream))
        try:
            response = connection.getresponse()
        except (ConnectionError, BadStatusLine):
            return "cut"
        try:
            body = response.read()
        except (ConnectionError, IncompleteRead) as error:
            body = getattr(error, "partial", b"")
            assert response.status == 200 and (b"chatcmpl" in body) and not body.endswith(b"[DONE]\n\n")
            return "cut in the middle"
        if response.status == 500 or response.status == 503:
            error = json.loads(body)["error"]
            assert (error.keys(), error["type"]) == (ERROR_SHAPE, "server_error")
        return response.status


@pytest.mark.parametrize("stream", [False, True])
def test_faults_meet_requests_by_their_number(stream, capfd):
    failures, cuts = cycle([500, 503]), cycle(["cut", "cut in the middle"])
    expected = [
        429
        if number % 5 == 0
        else next(cuts)
        if number % 4 == 0
        else next(failures)
        if number % 3 == 0
        else 200
        for number in range(1, 25)
    ]
    with llm_server(latency=0, fail_every=3, cut_every=4, refuse_every=5) as server:
        for _ in range(2):
            server.reset()
            assert [outcome(server, stream) for _ in range(24)] == expected
            stats = server.stats()
            assert stats == Stats(
                peak=1,
                served=expected.count(200),
                refused=expected.count(429),
                failed=expected.count(500) + expected.count(503),
                cut=expected.count("cut") + expected.count("cut in the middle"),
            )
            assert stats.received == 24
    assert capfd.readouterr() == ("", "")


def test_the_tokens_before_a_cut_come():
    with llm_server(latency=0, cut_every=1) as server:
        assert [outcome(server, stream=True) for _ in range(2)] == ["cut", "cut in the middle"]
        server.reset()
        outcome(server)
        with sent(server, post(question("one two three four", stream=True))) as connection:
            came = b"".join(iter(lambda: connection.recv(100_000), b""))
        assert b'"one "' in came and b'"two "' in came and b"three" not in came
        assert server.stats() == Stats(peak=1, cut=2)


def test_a_refusal_out_of_turn_says_when_to_come_back():
    with llm_server(latency=7, refuse_every=1) as server:
        assert_refused(ask(server), 7, 7)
        assert server.stats() == Stats(refused=1)


def test_only_requests_within_the_limits_are_numbered():
    with llm_server(latency=0, requests_per_second=SLOW, burst=1, fail_every=2) as server:
        assert [outcome(server) for _ in range(3)] == [200, 429, 429]
        assert server.stats() == Stats(peak=1, served=1, refused=2)


def test_a_client_that_hangs_up_before_a_fault_has_abandoned():
    with llm_server(latency=HOUR, fail_every=2, cut_every=3) as server:
        for count in range(1, 4):
            connection = ask_without_waiting(server, question(stream=count == 1))
            wait_until(lambda: server.stats().in_flight == 1)
            assert server.stats().received == count
            connection.close()
            wait_until(lambda: server.stats().in_flight == 0)
            assert server.stats() == Stats(peak=1, abandoned=count)


def test_the_counters_add_up():
    options = {"max_in_flight": 5, "requests_per_second": 500, "burst": 5, "latency": (0, 0.02), "seed": 3}
    with llm_server(**options, refuse_every=11, fail_every=7, cut_every=5) as server:
        with ThreadPoolExecutor(10) as pool:
            ends = list(pool.map(lambda number: outcome(server, number % 2 == 0), range(200)))
        stats = server.stats()
        assert stats.received == stats.served + stats.refused + stats.failed + stats.cut == 200
        assert (stats.served, stats.refused) == (ends.count(200), ends.count(429))
        assert (stats.failed, stats.cut) == (
            ends.count(500) + ends.count(503),
            ends.count("cut") + ends.count("cut in the middle"),
        )
        assert stats.peak <= 5


def latencies(count, **options):
    service = module.Service(**options)
    return [service.let_in(1).latency for _ in range(count)]


def test_latencies_vary_between_two_ends_with_a_seed():
    found = latencies(100, latency=(1, 3), seed=5)
    assert 1 <= min(found) < 1.2 < 2.8 < max(found) <= 3
    assert latencies(100, latency=(1, 3), seed=5) == found
    assert latencies(100, latency=(1, 3), seed=6) != found
    assert latencies(3, latency=2) == latencies(3, latency=(2, 2)) == [2, 2, 2]


def test_a_reset_begins_the_faults_and_the_latencies_again():
    service = module.Service(latency=(0, 1), fail_every=2, cut_every=3)
    before = [service.let_in(1) for _ in range(5)]
    assert [fate.failure for fate in before] == [None, 500, None, 503, None]
    assert [fate.cut for fate in before] == [None, None, "before", None, None]
    service.reset()
    assert [service.let_in(1) for _ in range(5)] == before


@pytest.mark.parametrize("latency", [0.2, (0.2, 0.2)])
@pytest.mark.parametrize("fault", ["fail_every", "cut_every"])
def test_a_fault_takes_the_latency_too(latency, fault):
    with llm_server(latency=latency, **{fault: 1}) as server:
        start = time.monotonic()
        assert outcome(server) in (500, "cut")
        assert time.monotonic() - start > 0.15  # timers may fire a tick early


# Its gate


def test_a_gate_proves_that_all_calls_are_in_flight_together():
    with llm_server(latency=0, gate=20) as server, ThreadPoolExecutor(20) as pool:
        statuses = [status for status, *_ in pool.map(lambda _: ask(server), range(20))]
        assert statuses == [200] * 20
        assert server.stats() == Stats(peak=20, served=20)
        assert ask(server)[0] == 200  # once open, it stays open


def test_a_gate_gives_up():
    with llm_server(latency=0, gate=2, patience=0.05) as server:
        status, headers, body = ask(server, question(stream=True))
        error = json.loads(body)["error"]
        assert (status, error["code"], headers["Retry-After"]) == (503, "gate_closed", "1")
        assert error.keys() == ERROR_SHAPE
        assert "at most 1 of the 2 requests" in error["message"]
        assert server.stats() == Stats(peak=1, refused=1)


def test_a_reset_closes_the_gate_and_keeps_what_is_in_flight():
    with llm_server(latency=0, gate=2, patience=HOUR) as server:
        for _ in range(2):
            first = ask_without_waiting(server)
            wait_until(lambda: server.stats().in_flight == 1)
            assert server.stats() == Stats(in_flight=1, peak=1)
            assert ask(server)[0] == 200
            assert first.getresponse().status == 200
            first.close()
            assert server.stats() == Stats(peak=2, served=2)
            server.reset()
        first = ask_without_waiting(server)
        wait_until(lambda: server.stats().in_flight == 1)
        server.reset()
        assert server.stats() == Stats(in_flight=1, peak=1)
        first.close()


def test_a_client_that_hangs_up_leaves_the_counters_right():
    with llm_server(latency=0, gate=2, patience=HOUR) as server:
        for count in range(1, 4):
            connection = ask_without_waiting(server, question(stream=count % 2 == 0))
            wait_until(lambda: server.stats().in_flight == 1)
            connection.close()
            wait_until(lambda: server.stats().in_flight == 0)
            assert server.stats() == Stats(peak=1, abandoned=count)


def test_a_client_that_hangs_up_in_mid_stream_leaves_the_counters_right():
    with llm_server(latency=HOUR) as server, closing(connect(server)) as connection:
        connection.request("POST", PATH, question(stream=True))
        response = connection.getresponse()
        assert response.readline().startswith(b"data: {")
        response.close()
        connection.close()
        wait_until(lambda: server.stats().in_flight == 0)
        assert server.stats() == Stats(peak=1, abandoned=1)


# Its arguments


@pytest.mark.parametrize(
    ("options", "message"),
    [
        *(
            ({"latency": value}, "latency must be a number from 0 to 3,600")
            for value in (-1, 3601, "1", None)
        ),
        *(({"latency": value}, "latency must be a number") for value in (True, math.nan, math.inf, 10**400)),
        *(({"patience": value}, "patience must be a number from 0 to 3,600") for value in (-0.1, None)),
        *(
            ({"requests_per_second": value}, "requests_per_second must be a number from 0.001 to 1,000,000")
            for value in (0, -1, 1e-9, 1e9, "5", True)
        ),
        ({"tokens_per_second": 0}, "tokens_per_second must be a number from 0.001 to 1,000,000"),
        *(({"seed": value}, "seed must be an int") for value in (None, "1", 1.0, True)),
        ({"latency": [1, 2]}, "latency must be a number from 0 to 3,600"),
        *(
            ({"latency": value}, "latency must be a number or a pair of them")
            for value in ((), (1,), (1, 2, 3))
        ),
        *(
            ({"latency": value}, "each end of latency must be a number from 0 to 3,600")
            for value in ((-1, 1), (0, 3601), ("a", 1), (0, math.nan), (False, 1))
        ),
        ({"latency": (2, 1)}, "latency must be a pair of the least and the most seconds"),
        *(
            ({name: value}, f"{name} must be an int of 1 or more, or None")
            for name in (
                "max_in_flight",
                "burst",
                "gate",
                "token_burst",
                "refuse_every",
                "fail_every",
                "cut_every",
            )
            for value in (0, -1, 2.5, True, "5")
        ),
    ],
)
def test_a_bad_argument_is_named(options, message):
    with pytest.raises(ValueError) as raised:
        start_llm_server(**options)
    [value] = options.values()
    assert str(raised.value).startswith(message)
    wrong = [value, *value] if isinstance(value, tuple) else [value]
    assert str(raised.value).endswith(tuple(f", not {part!r}" for part in wrong))


def test_arguments_that_contradict_each_other():
    with pytest.raises(ValueError, match="burst=3 needs requests_per_second"):
        start_llm_server(burst=3)
    with pytest.raises(ValueError, match="token_burst=3 needs tokens_per_second"):
        start_llm_server(token_burst=3, requests_per_second=1)
    with pytest.raises(ValueError, match="gate=3 would never open: .* max_in_flight=2"):
        start_llm_server(gate=3, max_in_flight=2)


# Starting and stopping


def test_it_is_reached_from_this_machine_only(server):
    process = psutil.Process(server._process.pid)
    listening = [entry.laddr for entry in process.net_connections("inet") if entry.status == "LISTEN"]
    assert listening == [("127.0.0.1", urlsplit(server.url).port)]


def test_after_stop_nothing_listens_and_stopping_again_does_no_harm():
    server = start_llm_server(latency=0)
    assert ask(server)[0] == 200
    server.stop()
    server.stop()
    assert not listens(server.url)
    with pytest.raises(RuntimeError, match="this LLM server has stopped"):
        server.stats()
    with pytest.raises(RuntimeError, match="this LLM server has stopped"):
        server.reset()


def test_an_interrupted_block_stops_it():
    with pytest.raises(KeyboardInterrupt):
        with llm_server(latency=HOUR) as server:
            ask_without_waiting(server).close()
            raise KeyboardInterrupt
    assert not listens(server.url)


def test_a_server_that_nobody_holds_ends():
    server = start_llm_server()
    process, url = server._process, server.url
    server = start_llm_server()  # as when a cell runs again
    assert process.returncode is not None
    assert not listens(url)
    server.stop()


def test_an_interrupted_start_leaves_no_process(monkeypatch):
    started = []

    class InterruptedPopen(subprocess.Popen):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self.stdout.close()
            self.stdout = SimpleNamespace(readline=self.interrupt, close=lambda: None)
            started.append(self)

        def interrupt(self):
            raise KeyboardInterrupt

    monkeypatch.setattr(children.subprocess, "Popen", InterruptedPopen)
    with pytest.raises(KeyboardInterrupt):
        start_llm_server()
    [process] = started
    assert process.returncode is not None


def test_a_failed_start_is_told(monkeypatch):
    real = subprocess.Popen
    fails = [sys.executable, "-c", "raise SystemExit(3)"]
    monkeypatch.setattr(children.subprocess, "Popen", lambda command, **options: real(fails, **options))
    with pytest.raises(RuntimeError, match="the LLM server did not start"):
        start_llm_server()


def start_script(then=""):
    """Run a script that starts a server and lives as long as its input; return it and the server's url.

    then: what it does, in a line, once the server runs.
    """
    script = f"""if True:
        import os, signal, sys
        from helpers.calls.llm_service import start_llm_server
        server = start_llm_server(latency=0)
        {then}
        try:
            print(server.url, flush=True)
            sys.stdin.read()
        except KeyboardInterrupt:
            print("served:", server.stats().served)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    url = process.stdout.readline().strip()
    assert listens(url)
    return process, url


def test_it_ends_when_its_parent_is_killed():
    process, url = start_script()
    with process:
        process.kill()
    wait_until(lambda: not listens(url))


def test_it_ends_when_its_parent_exits():
    process, url = start_script()
    with process:
        process.stdin.close()
        assert process.wait(60) == 0
    wait_until(lambda: not listens(url))


posix = pytest.mark.skipif(os.name != "posix", reason="needs processes and signals as on Linux and macOS")


@posix
def test_it_ends_when_its_parent_is_killed_and_forked_workers_live_on():
    """They have copies of all that was open in the parent."""
    process, url = start_script("if os.fork() == 0: signal.pause()")
    with process:
        process.kill()
        process.wait()
        wait_until(lambda: not listens(url))
        os.killpg(process.pid, signal.SIGKILL)  # fails if the worker was not there


@posix
def test_an_interrupt_of_the_whole_group_leaves_it_running():
    process, url = start_script()
    with process:
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.read() == "served: 0\n"
    wait_until(lambda: not listens(url))


@posix
def test_an_interrupt_while_it_starts_leaves_no_traceback_of_it(tmp_path):
    """As Stop does in a notebook: each process of the group is interrupted."""
    imports = tmp_path / "imports"
    (tmp_path / "aiohttp.py").write_text(f"import time; open({str(imports)!r}, 'w'); time.sleep(600)")
    script = """if True:
        from helpers.calls.children import end_child, start_child
        child = start_child("from helpers.calls.llm_service import main")
        print(child.pid, flush=True)
        try:
            child.stdout.read()
        except KeyboardInterrupt:
            end_child(child)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        child = int(process.stdout.readline())
        wait_until(imports.exists)
        assert os.getpgid(child) != process.pid  # so the child is not interrupted
        os.killpg(process.pid, signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")
    assert not psutil.pid_exists(child)
