"""Fixtures that several tests share. Importing helpers switches LangSmith tracing off, for kernels too."""

import pytest

from helpers.llm_service import llm_server


@pytest.fixture(scope="module")
def shared_server():
    with llm_server(latency=0) as server:
        yield server


@pytest.fixture
def server(shared_server):
    shared_server.reset()
    return shared_server
