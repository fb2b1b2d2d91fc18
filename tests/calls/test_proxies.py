"""Behind a proxy the course works: what runs on this machine is never asked through it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from budgets import of

ROOT = Path(__file__).parents[2]
NOBODY = "http://127.0.0.1:9"  # where no proxy listens: what goes there fails

# Every kind of client that the course makes, shows or is used with
SCRIPT = """
import asyncio, sys
from urllib.request import urlopen
import aiohttp, httpx, openai
from langchain_openai import ChatOpenAI
from helpers.calls.llm_clients import AsyncLLMClient, LLMClient

url = sys.argv[1]
stats = url.replace("v1", "stats")
options = {"base_url": url, "api_key": "none", "max_retries": 0}
messages = [{"role": "user", "content": "hello"}]

async def achat():
    async with AsyncLLMClient(url) as client:
        return await client.achat("hello")

async def with_aiohttp():
    async with aiohttp.ClientSession(trust_env=True) as session, session.get(stats) as response:
        return response.status

async def with_httpx():
    async with httpx.AsyncClient() as client:
        return await client.get(stats)

CALLS = {
    "LLMClient": lambda: LLMClient(url).chat("hello"),
    "AsyncLLMClient": lambda: asyncio.run(achat()),
    "urllib": lambda: urlopen(stats).close(),
    "urllib, by name": lambda: urlopen(stats.replace("127.0.0.1", "localhost")).close(),
    "aiohttp": lambda: asyncio.run(with_aiohttp()),
    "httpx": lambda: httpx.get(stats),
    "httpx, async": lambda: asyncio.run(with_httpx()),
    "openai": lambda: openai.OpenAI(**options).chat.completions.create(model="any", messages=messages),
    "langchain-openai": lambda: ChatOpenAI(model="any", **options).invoke("hello"),
}
for name, call in CALLS.items():
    try:
        call()
    except Exception as error:
        print(f"{name}: {type(error).__name__}")
"""


def python(script, *arguments, **variables):
    """What a fresh Python prints, with these variables and no others that name a proxy."""
    others = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        env={**others, **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


NAMES = ["http_proxy https_proxy all_proxy", "HTTP_PROXY HTTPS_PROXY", "ALL_PROXY"]


@pytest.mark.parametrize("names", of(NAMES[:1], NAMES))
def test_no_client_asks_a_proxy_for_what_is_on_this_machine(server, names):
    pytest.importorskip("langchain_openai", reason="needs the langchain-openai package")
    assert python(SCRIPT, server.url, **dict.fromkeys(names.split(), NOBODY)) == ""


@pytest.mark.parametrize("first", ["", "import helpers"])
def test_without_helpers_a_proxy_would_be_asked(server, first):
    script = f"""if True:
        import urllib.error, urllib.request
        {first}
        try:
            print(urllib.request.urlopen({server.url.replace("v1", "stats")!r}).status)
        except urllib.error.URLError as error:
            print(type(error.reason).__name__)
    """
    assert python(script, http_proxy=NOBODY).strip() == ("200" if first else "ConnectionRefusedError")


def no_proxy(**variables):
    """What the variable of this name says once helpers is imported: in small and in large letters."""
    script = "import helpers, json, os; print(json.dumps([*map(os.environ.get, ('no_proxy', 'NO_PROXY'))]))"
    return json.loads(python(script, **variables))


HERE = "127.0.0.1,localhost,::1"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, HERE),
        ({"no_proxy": ""}, HERE),
        ({"no_proxy": "example.com, localhost"}, "example.com,localhost,127.0.0.1,::1"),
        ({"NO_PROXY": "example.com"}, "example.com," + HERE),
        ({"no_proxy": HERE}, HERE),
        ({"no_proxy": "*"}, "*"),
    ],
)
def test_what_else_needs_no_proxy_stays(before, after):
    assert no_proxy(http_proxy=NOBODY, **before) == [after, after]


def test_without_a_proxy_nothing_is_set():
    assert no_proxy() == [None, None]
