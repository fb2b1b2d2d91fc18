"""Fixtures that several tests share. Importing helpers switches LangSmith tracing off, for kernels too."""

import gc

import pytest
from leftovers import nothing_left

from helpers.llm_service import llm_server


def pytest_collection_finish():
    """What the imports have made stays: the tests' many calls of gc.collect may pass it over."""
    gc.freeze()


@pytest.fixture(scope="module")
def shared_server():
    with llm_server(latency=0) as server:
        yield server


@pytest.fixture
def server(shared_server):
    shared_server.reset()
    return shared_server


@pytest.fixture
def nothing_is_left():
    """No thread and no un-awaited coroutine; `leftovers.run` looks for tasks."""
    with nothing_left():
        yield
