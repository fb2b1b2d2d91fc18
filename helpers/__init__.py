"""Machinery that is not the subject of a lesson: recorder, figures, checks, workloads.

`from helpers import record, show_timeline, ...` loads only the module that is asked for.
"""

import importlib
import os

from helpers.stop_button import RESTART, in_a_kernel, wake_on_signals

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

_HOME = {
    "record": "recording.recorder",
    "working_on": "recording.recorder",
    "record_turns": "recording.turns",
    "Gate": "calls.workloads",
    "spend_cpu": "calls.workloads",
    "count_calls": "calls.workloads",
    "REVIEW": "calls.workloads",
    "summary": "calls.workloads",
    "sentiment": "calls.workloads",
    "keywords": "calls.workloads",
    "asummary": "calls.workloads",
    "asentiment": "calls.workloads",
    "akeywords": "calls.workloads",
    "describe": "figures.timeline",
    "show_timeline": "figures.timeline",
    "show_timelines": "figures.timeline",
    "show_paths": "figures.timeline",
    "show_steps": "explorables.stepper",
    "step_through": "explorables.stepper",
    "explore": "explorables.explorer",
    "SameAxes": "explorables.figures",
    "draw_limit": "explorables.figures",
    "draw_stragglers": "explorables.figures",
    "show_figure": "figures.output",
    "Curve": "figures.charts",
    "show_bars": "figures.charts",
    "show_counts": "figures.charts",
    "show_curves": "figures.charts",
    "show_dots": "figures.charts",
    "show_opening": "figures.openings",
    "show_states": "figures.diagrams",
    "show_tree": "figures.diagrams",
    "Node": "figures.trees",
    "run_on_virtual_clock": "recording.virtual_clock",
    "check": "cards.checks",
    "check_step": "cards.steps",
    "show_results": "cards.checks",
    "quiz": "cards.quizzes",
    "show_diff": "cards.diff",
    "show_sources": "cards.sources",
    "show_library": "cards.library",
    "show_table": "cards.tables",
    "files_allowed": "calls.capacity",
    "most_calls": "calls.capacity",
    "ports_allowed": "calls.capacity",
    "require_room": "calls.capacity",
    "progress": "calls.capacity",
    "check_environment": "cards.environment",
    "show_playground": "playground.widgets",
    "Plan": "playground.plans",
    "Group": "playground.plans",
    "python": "playground.plans",
    "run_plan": "playground.runs",
    "describe_run": "playground.runs",
    "start_llm_server": "calls.llm_service",
    "llm_server": "calls.llm_service",
    "LLMClient": "calls.llm_clients",
    "LLMError": "calls.llm_clients",
    "AsyncLLMClient": "calls.llm_clients",
    "RateLimited": "calls.llm_clients",
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
