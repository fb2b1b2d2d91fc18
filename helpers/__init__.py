"""Machinery that is not the subject of a lesson: recorder, figures, checks, workloads.

`from helpers import record, show_timeline, ...` loads only the module that is asked for.
"""

import importlib
import os

from helpers.stop_button import in_a_kernel, wake_on_signals

# langchain-core would upload a trace of every run, from a thread of its own. It reads these four.
for _switch in ("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING", "LANGCHAIN_TRACING_V2"):
    os.environ[_switch] = "false"

# A proxy leads to other machines: no client asks it for what is on this one. (Where the environment names no
# proxy, it stays as it is: urllib and httpx then look at the settings of the system.)
if any(_name.lower() in ("http_proxy", "https_proxy", "all_proxy") for _name in os.environ):
    _direct = (os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "").split(",")
    if _direct != ["*"]:
        _direct = [*dict.fromkeys(filter(None, map(str.strip, [*_direct, "127.0.0.1", "localhost", "::1"])))]
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(_direct)

if in_a_kernel():
    wake_on_signals()

RESTART = "Restart the kernel (menu Kernel)."

_HOME = {
    "record": "recorder",
    "working_on": "recorder",
    "record_turns": "turns",
    "Gate": "workloads",
    "count_calls": "workloads",
    "REVIEW": "workloads",
    "summary": "workloads",
    "sentiment": "workloads",
    "keywords": "workloads",
    "asummary": "workloads",
    "asentiment": "workloads",
    "akeywords": "workloads",
    "describe": "timeline",
    "show_timeline": "timeline",
    "show_timelines": "timeline",
    "show_paths": "timeline",
    "show_steps": "stepper",
    "step_through": "stepper",
    "explore": "explorer",
    "SameAxes": "explorer_figures",
    "draw_limit": "explorer_figures",
    "draw_stragglers": "explorer_figures",
    "show_figure": "figures",
    "show_states": "diagrams",
    "show_tree": "diagrams",
    "Node": "trees",
    "run_on_virtual_clock": "virtual_clock",
    "check": "checks",
    "quiz": "quizzes",
    "show_diff": "diff",
    "show_sources": "sources",
    "show_table": "tables",
    "files_allowed": "capacity",
    "most_calls": "capacity",
    "ports_allowed": "capacity",
    "require_room": "capacity",
    "progress": "capacity",
    "check_environment": "environment",
    "show_playground": "playground",
    "Plan": "plans",
    "Group": "plans",
    "python": "plans",
    "run_plan": "runs",
    "describe_run": "runs",
    "start_llm_server": "llm_service",
    "llm_server": "llm_service",
    "LLMClient": "llm_clients",
    "AsyncLLMClient": "llm_clients",
    "RateLimited": "llm_clients",
}


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module 'helpers' has no attribute {name!r}; it has {', '.join(_HOME)}")
    home = f"helpers.{_HOME[name]}"
    try:
        return getattr(importlib.import_module(home), name)
    except ModuleNotFoundError:
        raise
    except Exception as error:  # after an AttributeError, Python would say "cannot import name", and no more
        raise ImportError(
            f"{home} cannot be loaded: {type(error).__name__}: {error}. Was an import interrupted "
            f"earlier? Then modules are loaded in part. {RESTART}"
        ) from error


def __dir__():
    return sorted(_HOME)
