"""What is wrong with a config or with inputs is told at once, at every entry, before any function runs.

The message names the value and says what is allowed.
"""

import asyncio

import pytest
from leftovers import run

from lessons import (
    RunnableAssign,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
    RunnableSequence,
)

pytestmark = pytest.mark.usefixtures("nothing_is_left")

KEYS = "the keys are max_concurrency, tags, metadata, recursion_limit"
LIMITS = [0, -1, 2.5, True, "5", float("nan"), [5]]
DEPTHS = [-1, 2.5, True, "5", None]
BAD_CONFIGS = [
    *[
        (
            {"max_concurrency": limit},
            ValueError,
            f"max_concurrency is {limit!r}; it must be an int of 1 or more, or None",
        )
        for limit in LIMITS
    ],
    *[
        (
            {"recursion_limit": depth},
            ValueError,
            f"recursion_limit is {depth!r}; it must be an int of 0 or more",
        )
        for depth in DEPTHS
    ],
    *[
        ({key: 5}, ValueError, f"config has the key {key!r}; {KEYS}")
        for key in ("max_concurency", "maxConcurrency", "timeout", "callbacks", "", 5, None)
    ],
    *[
        (config, TypeError, f"config is a {type(config).__name__}; it must be a dict")
        for config in (5, "max_concurrency", {"max_concurrency"}, ("max_concurrency", 5), len)
    ],
    *[
        ({"tags": tags}, TypeError, f"tags is {tags!r}; it must be a list of str")
        for tags in ("a", ("a",), [1], None, {"a": 1})
    ],
    *[
        ({"metadata": metadata}, TypeError, f"metadata is {metadata!r}; it must be a dict")
        for metadata in ("a", ["a"], None)
    ],
]
ENTRIES = {
    "with_config": lambda chain, config: chain.with_config(config),
    "invoke": lambda chain, config: chain.invoke(1, config),
    "ainvoke": lambda chain, config: run(chain.ainvoke(1, config)),
    "batch": lambda chain, config: chain.batch([1, 2], config),
    "batch of one": lambda chain, config: chain.batch([1], config),
    "batch of none": lambda chain, config: chain.batch([], config),
    "batch with a list": lambda chain, config: chain.batch([1, 2], [None, config]),
    "batch that returns exceptions": lambda chain, config: chain.batch([1], config, return_exceptions=True),
    "abatch": lambda chain, config: run(chain.abatch([1, 2], config)),
    "abatch of none": lambda chain, config: run(chain.abatch([], config)),
    "abatch with a list": lambda chain, config: run(chain.abatch([1, 2], [None, config])),
    "stream": lambda chain, config: chain.stream(1, config),  # not iterated
    "astream": lambda chain, config: chain.astream(1, config),
}
CHAINS = {
    "parallel": lambda function: RunnableParallel(a=function),
    "lambda": RunnableLambda,
    "sequence": lambda function: RunnableSequence(function, function),
    "assign": lambda function: RunnableAssign({"a": function}),
    "passthrough": lambda function: RunnablePassthrough(),
    "pick": lambda function: RunnablePick("a"),
}
EVERY_CHAIN = pytest.mark.parametrize("kind", CHAINS)
BATCHES = {
    "batch": lambda chain, inputs, config=None: chain.batch(inputs, config),
    "abatch": lambda chain, inputs, config=None: run(chain.abatch(inputs, config)),
}
EVERY_BATCH = pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)


def refused(function, error):
    """The message of the `error`, of exactly this type, that a call raises."""
    with pytest.raises(error) as caught:
        function()
    assert type(caught.value) is error
    return str(caught.value)


@pytest.mark.parametrize(("config", "error", "message"), BAD_CONFIGS, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("entry", ENTRIES)
def test_a_bad_config_is_told_at_every_entry(entry, config, error, message):
    made = []
    for make in CHAINS.values():
        chain = make(made.append)
        assert refused(lambda chain=chain: ENTRIES[entry](chain, config), error) == message
    assert made == []


@pytest.mark.parametrize("config", [None, {}, {"max_concurrency": None}, {"max_concurrency": 10**9}])
@pytest.mark.parametrize("entry", ENTRIES)
def test_a_good_config_is_taken_at_every_entry(entry, config):
    chain = RunnableParallel(a=str).with_config(config)
    assert ENTRIES[entry](chain, config) is not None


@pytest.mark.parametrize("limit", LIMITS)
@EVERY_CHAIN
def test_keywords_of_with_config_are_checked_too(kind, limit):
    chain = CHAINS[kind](len)
    assert (
        refused(lambda: chain.with_config(max_concurrency=limit), ValueError)
        == BAD_CONFIGS[LIMITS.index(limit)][2]
    )
    assert KEYS in refused(lambda: chain.with_config({}, max_concurency=5), ValueError)
    assert chain.config == {}


@pytest.mark.parametrize("inputs", ["text", (1, 2), {"a": 1}, {1}, None, 5, iter([1]), range(2)])
@EVERY_CHAIN
@EVERY_BATCH
def test_inputs_that_are_no_list(batch, kind, inputs):
    made = []
    message = refused(lambda: batch(CHAINS[kind](made.append), inputs), TypeError)
    assert message == f"inputs is a {type(inputs).__name__}; it must be a list"
    assert made == []


@pytest.mark.parametrize(
    ("inputs", "configs"), [([], 1), ([1], 0), ([1], 2), ([1, 2], 0), ([1, 2], 1), ([1, 2], 3)]
)
@EVERY_CHAIN
@EVERY_BATCH
def test_a_list_of_configs_of_another_length(batch, kind, inputs, configs):
    made = []
    message = refused(lambda: batch(CHAINS[kind](made.append), inputs, [{}] * configs), ValueError)
    assert message == f"config is a list of {configs} for {len(inputs)} inputs; give one for each"
    assert made == []


@pytest.mark.parametrize("entry", ["with_config", "invoke", "ainvoke", "stream", "astream"])
def test_a_list_of_configs_is_for_batches_only(entry):
    made = []
    message = refused(lambda: ENTRIES[entry](RunnableParallel(a=made.append), [{}]), TypeError)
    assert message == "config is a list; it must be a dict"
    assert made == []


@EVERY_BATCH
def test_a_tuple_of_configs_is_no_list(batch):
    message = refused(lambda: batch(RunnableLambda(str), [1, 2], ({}, {})), TypeError)
    assert message == "config is a tuple; it must be a dict"


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "batch", "abatch", "stream", "astream"])
def test_keyword_arguments_do_not_vanish(way):
    made = []
    chain = RunnableParallel(a=made.append)

    async def main():
        came = getattr(chain, way)([1], timeout=5)
        await came

    assert "unexpected keyword argument 'timeout'" in refused(lambda: asyncio.run(main()), TypeError)
    assert made == []


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_refused_call_changes_nothing_for_the_next(entry):
    chain = RunnableParallel(a=lambda value, config: config["max_concurrency"])
    refused(lambda: ENTRIES[entry](chain, {"max_concurrency": 0}), ValueError)
    assert chain.invoke(1) == {"a": None}
