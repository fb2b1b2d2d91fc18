"""Nothing is traced to LangSmith, whatever the machine's environment says."""

import os
import subprocess
import sys

import pytest

SWITCHES = ("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING", "LANGCHAIN_TRACING_V2")
SCRIPT = """
{first}
from langchain_core.callbacks import CallbackManager
from langsmith.utils import tracing_is_enabled
{last}
tracers = [type(handler).__name__ for handler in CallbackManager.configure().handlers]
print(tracing_is_enabled(), tracers)
"""


def run(**imports):
    """What a fresh Python that is told to trace says about tracing."""
    environment = {
        **os.environ,
        **dict.fromkeys(SWITCHES, "true"),
        "LANGSMITH_API_KEY": "none",
        "LANGSMITH_ENDPOINT": "http://127.0.0.1:9",
    }
    script = SCRIPT.format(**{"first": "", "last": "", **imports})
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("place", ["first", "last"])
def test_importing_helpers_switches_tracing_off(place):
    assert run(**{place: "import helpers"}) == "False []"


def test_without_helpers_tracing_would_be_on():
    assert run() == "True ['LangChainTracer']"


def test_tracing_is_off_in_the_tests():
    assert {os.environ[switch] for switch in SWITCHES} == {"false"}
