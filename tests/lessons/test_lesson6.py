"""Lesson 6: verdicts follow from what is observed, for every claim of lesson 0; what stands in the way."""

import ast
import asyncio
import inspect
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar
from unittest.mock import Mock

import aiohttp
import httpx
import openai
import pytest
from anyio import to_thread
from budgets import weekly
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseLLM, SimpleChatModel
from langchain_core.outputs import Generation, LLMResult
from langchain_core.runnables import RunnableLambda as LangChainLambda
from langchain_core.runnables import RunnableParallel as LangChainParallel

from builder import build as builder
from helpers.playground.six_ways import WAYS
from lessons.lesson6_at_scale import exercises
from lessons.lesson6_at_scale.verdict import verdict, what_was_found

ROOT = Path(__file__).parents[2]


def test_every_quiz_question_has_a_reason_for_each_option():
    for question in exercises.QUIZ:
        assert len(question["options"]) == len(question["why"]) > question["answer"]


# --- The ledger


@pytest.mark.parametrize(
    ("seen", "worth"),
    [
        ([True], "holds"),
        ([True, True], "holds"),
        ([True, False], "holds, with a footnote"),
        ([False, False, True], "holds, with a footnote"),
        ([False], "does not hold"),
        ([False, False], "does not hold"),
    ],
)
def test_the_verdict_of_all_of_some_and_of_none(seen, worth):
    assert verdict(dict(enumerate(seen))) == worth


def test_a_claim_without_an_observation_has_no_verdict():
    with pytest.raises(ValueError, match="nothing was observed"):
        verdict({})


def test_the_cases_that_fail_are_named():
    assert what_was_found({"a": True, "b": False, "c": False}) == "1 of 3; not: b, c"
    assert what_was_found({"a": True}) == "1 of 1"


LESSON = ROOT / "lessons/lesson6_at_scale"
CLAIMS = builder.Lesson(LESSON, "b_claims")
CELLS = [cell.source for cell in builder.read_cells(CLAIMS) if cell.cell_type == "code"]


def the_cell(start):
    (cell,) = [cell for cell in CELLS if start in cell]
    return cell


def test_the_ledger_has_a_row_for_every_claim_of_lesson_0():
    claims = (ROOT / "lessons/lesson0_start_here/lesson.md").read_text("utf-8")
    table = claims[claims.index("| Claim | Examined in |") : claims.index("**Before you go on**")]
    asked = [line for line in table.splitlines()[2:] if line.startswith("|")]
    rows = re.findall(r'(?m)^    \("(.*?)", .*, (\d)\),$', the_cell("CLAIMS = ["))
    assert len(rows) == len(asked) == 20
    assert {lesson for _, lesson in rows} == set("123456")


def test_no_case_of_the_ledger_is_set_by_hand():
    """A case is compared, counted or measured; True and False are written nowhere."""
    first, last = CELLS.index(the_cell("LANGCHAIN = LIBRARIES")), CELLS.index(the_cell("LEDGER = ["))
    for cell in CELLS[first:last]:
        tree = compile(cell, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
        keywords = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.keyword)}
        written = [
            each
            for each in ast.walk(tree)
            if isinstance(each, ast.Constant) and isinstance(each.value, bool) and id(each) not in keywords
        ]
        assert not written, cell


class Anything:
    """An observation of which every comparison gives the same answer."""

    def __init__(self, answer):
        self.answer = answer

    def __eq__(self, other):
        return self.answer

    __ne__ = __lt__ = __gt__ = __eq__
    __hash__ = None

    def __contains__(self, other):
        return self.answer

    def __getitem__(self, key):
        return self

    def __getattr__(self, name):
        return self


async def ledger_if(answer):
    """The ledger, made by the lesson's own cells, if every observation gives the same answer."""
    seen = Anything(answer)

    async def observe(*args, **options):
        return seen

    everything = dict.fromkeys(["facts", "three_branches", "at_limit_5", "plain", "size_reached"], seen)
    everything |= {name: seen for name in ("threads_used", "through_the_pool", "inside", "for_a_name")}
    ways = SimpleNamespace(WAYS=WAYS, watch=observe)
    experiments = SimpleNamespace(
        threads_of=observe, debugging=lambda library: {"seen": answer}, gil=lambda: {"seen": answer}
    )
    namespace = everything | {
        "six_ways": ways,
        "claims": experiments,
        "LIBRARIES": {"langchain-core": ()},
        "SIZE": 1000,
        "in_a_cell": seen,
        "in_a_script": seen,
        "refused": observe,
        "with_limit_5": lambda: None,
        "asyncio": asyncio,
        **dict.fromkeys(["LangChainParallel", "LangChainLambda", "with_permits", "with_abatch"]),
        "CHAINS": {"a chain": None},
        "requests_for": lambda chain: [1] if answer else [1, 1],
        "what_was_found": what_was_found,
        "show_table": Mock(),
    }
    for start in (
        "def verdict(",
        "LANGCHAIN = LIBRARIES",
        "own_task = ",
        "no_threads = ",
        "as_tasks[",
        "hundred = {",
        "only_5 = ",
        "fewer = ",
        "scale = {",
        "ten_thousand = {",
        "CLAIMS = [",
        "LEDGER = [",
    ):
        code = compile(the_cell(start), start, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        running = eval(code, namespace)
        if asyncio.iscoroutine(running):
            await running
    return namespace["LEDGER"]


@pytest.mark.parametrize(("answer", "worth"), [(True, "holds"), (False, "does not hold")])
def test_every_verdict_follows_what_was_observed(answer, worth):
    rows = asyncio.run(ledger_if(answer))
    assert [row[1] for row in rows] == 20 * [worth]


def requests_of(chain, inputs=10, **config):
    Merging.requests.clear()
    chain.batch([f"document {number}" for number in range(inputs)], config)
    return sorted(Merging.requests, reverse=True)


class Merging(BaseLLM):
    requests: ClassVar[list] = []
    _llm_type: ClassVar[str] = "merging"

    def _generate(self, prompts, stop=None, run_manager=None, **kwargs):
        self.requests.append(len(prompts))
        return LLMResult(generations=[[Generation(text=prompt)] for prompt in prompts])


class Chat(SimpleChatModel):
    _llm_type: ClassVar[str] = "chat"

    def _call(self, messages, stop=None, run_manager=None, **kwargs):
        Merging.requests.append(1)
        return "an answer"


def test_which_batch_merges():
    model, upper = Merging(), LangChainLambda(str.upper)
    assert requests_of(model) == requests_of(upper | model) == requests_of(model | upper) == [10]
    assert requests_of(model, max_concurrency=4) == requests_of(upper | model, max_concurrency=4) == [4, 4, 2]
    assert requests_of(LangChainParallel(one=model)) == requests_of(Chat()) == [1] * 10


# --- What stands in the way, as the lesson tells it


def test_the_pools_of_the_clients():
    httpx_defaults = inspect.signature(httpx.AsyncClient).parameters
    assert inspect.signature(aiohttp.BaseConnector).parameters["limit"].default == 100
    assert httpx_defaults["limits"].default.max_connections == 100
    assert httpx_defaults["timeout"].default.pool == 5
    client = openai.AsyncOpenAI(api_key="none")
    assert client._client._transport._pool._max_connections == 1000
    assert client._client.timeout.pool == 600


def test_the_threads_that_plain_handlers_share():
    """FastAPI hands a plain handler to this pool of anyio."""

    async def main():
        peak, lock, now, full = [], threading.Lock(), [0], threading.Event()

        def handler():
            with lock:
                now[0] += 1
                peak.append(now[0])
                if now[0] == 40:
                    full.set()
            full.wait(60)
            with lock:
                now[0] -= 1

        await asyncio.gather(*(to_thread.run_sync(handler) for _ in range(60)))
        return max(peak), to_thread.current_default_thread_limiter().total_tokens

    assert asyncio.run(main()) == (40, 40)


def test_tags_reach_handlers_and_not_the_exception():
    class WhoFailed(BaseCallbackHandler):
        def on_chain_error(self, error, *, tags=None, **kwargs):
            told.append(tags)

    def fails(value):
        raise ValueError("no answer")

    told = []
    with pytest.raises(ValueError) as caught:
        LangChainParallel(summary=fails, words=len).invoke("a review", {"callbacks": [WhoFailed()]})
    assert told == [["map:key:summary"], []]
    assert "summary" not in f"{caught.value} {vars(caught.value)} {getattr(caught.value, '__notes__', '')}"


FEW_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
from builder import build as builder
lesson = builder.find_lesson(builder.ROOT, "6")
notebook = builder.compose(lesson)
headings = [number for number, cell in enumerate(notebook.cells) if cell.source.startswith("## 3.")]
del notebook.cells[headings[0] :]
for cell in builder.code_cells(builder.execute(notebook, lesson, 300)):
    for output in cell.outputs:
        print(output.get("text", ""), end="")
"""


@weekly
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of this kind")
def test_the_large_fan_out_shrinks_where_256_files_may_be_open():
    command = [sys.executable, "-c", FEW_FILES]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for line in "peak is SIZE:    True", "no limit: 120":
        assert line in done.stdout.splitlines(), done.stdout
