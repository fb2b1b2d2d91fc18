"""The benchmarks, as far as they do not depend on a time: arithmetic, counts, messages, and no leftovers."""

import asyncio
import dataclasses
import gc
import math
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil
import pytest
from budgets import of, weekly
from leftovers import gone, wait_for

import course
from benchmarks import __main__ as bench
from benchmarks import calls, lean, memory, notebooks, table
from benchmarks.figures import draw_cost, draw_table
from benchmarks.lean import BlockingClient, LeanClient, Stats, lean_server
from benchmarks.measuring import (
    Line,
    Row,
    Scale,
    alternate,
    at_least,
    at_most,
    compare,
    duration,
    exactly,
    number,
    ratios,
    repeat,
    repeat_async,
    sampled,
)

ROOT = Path(__file__).parents[1]
PATIENCE = 30  # seconds that processes get to begin and to end


@pytest.fixture
def tiny(tmp_path):
    """A scale at which a row takes a moment."""
    small = {"branches": 20, "calls": 10, "latency": 0.01, "nap": 0.01, "sample": 0}
    return Scale(rounds=2, few=2, rare=1, notebooks=1, results=tmp_path, **small)


@pytest.fixture(autouse=True)
def frozen():
    """A frozen heap is thawed by the rows that measure with one: freeze it again for the other tests."""
    yield
    gc.freeze()


@pytest.fixture
def no_process_is_left():
    before = children()
    yield
    assert children() == before


def children():
    return psutil.Process().children(recursive=True)


@pytest.fixture
def in_this_process(monkeypatch):
    """No process is started to measure memory, and nothing is measured."""
    monkeypatch.setattr(memory, "in_a_fresh_process", lambda name, size: 1024)


# --- The runner's arithmetic


@pytest.mark.parametrize(
    ("goal", "met", "missed"),
    [(at_most(1.5), [0.1, 1.5], [1.51, 9]), (at_least(5), [5, 72], [4.99, 0]), (exactly(7), [7], [6, 8])],
    ids=str,
)
def test_a_goal_is_met_or_missed(goal, met, missed):
    for value in met:
        assert Line("x", [value], goal).verdict == "met"
    for value in missed:
        assert Line("x", [value], goal).verdict == "missed"


def test_the_share_of_a_goal_that_is_used_is_above_one_where_it_is_missed():
    assert at_most(2).share(1) == 0.5
    assert at_least(10).share(5) == 2
    assert exactly(0).share(0) == exactly(10).share(10) == 1
    assert exactly(0).share(3) > 1


def test_the_median_decides_and_the_quartiles_are_the_spread():
    line = Line("x", [9.0, 1.0, 3.0, 2.0, 4.0], at_most(3))
    assert (line.median, line.quartiles, line.verdict) == (3.0, (2.0, 4.0), "met")
    assert Line("x", [1.0, 2.0]).quartiles == (1.25, 1.75)
    assert Line("x", [7]).quartiles == (7, 7)


def test_without_a_goal_or_values_there_is_no_verdict():
    assert Line("x", [1.0]).verdict == ""
    assert Line("x", goal=at_most(1), why="no network").verdict == "not run"


def test_a_ratio_is_that_of_one_round():
    assert ratios([2, 6, 9], [1, 2, 9]) == [2, 3, 1]
    with pytest.raises(ValueError):
        ratios([1, 2], [1])


def test_the_sides_take_turns_after_a_round_that_does_not_count(tiny):
    log, ticks = [], []

    def side(name):
        return lambda: log.append(name) or len(log)

    scale = dataclasses.replace(tiny, tick=lambda: ticks.append(None))
    assert alternate(scale, 2, side("a"), side("b")) == [[3, 5], [4, 6]]
    assert "".join(log) == "ababab"
    assert len(ticks) == 6
    assert alternate(scale, 1, side("c"), warm_up=False) == [[7]]


def test_a_sample_is_as_many_repetitions_as_take_long_enough():
    asked = []

    def run(times):
        asked.append(times)
        return times * 0.25

    measure = sampled(run, 1.0)
    assert [measure(), measure()] == [0.25, 0.25]
    assert asked == [1, 2, 4, 4]


def test_work_is_repeated_as_often_as_is_said():
    done = []
    assert repeat(lambda: done.append(1))(3) >= 0

    async def work():
        done.append(2)

    with asyncio.Runner() as runner:
        assert repeat_async(runner, work)(2) >= 0
    assert done == [1, 1, 1, 2, 2]


def test_compare_divides_the_first_by_the_second(tiny):
    line = compare(tiny, "a / b", lambda times: times * 3.0, lambda times: times * 2.0, at_most(1))
    assert (line.values, line.sides, line.verdict) == ([1.5, 1.5], "3 s / 2 s", "missed")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (10_000, "10,000"), (1234.5, "1,234"), (12.34, "12.3"), (0.756, "0.76"), (0.0225, "0.0225")],
)
def test_a_number_has_the_digits_that_count(value, shown):
    assert number(value) == shown


def test_a_duration_has_a_unit_that_fits():
    assert [duration(each) for each in (2.5, 0.0125, 3e-6)] == ["2.50 s", "12.5 ms", "3 µs"]


# --- The rows


def run_row(name, scale):
    lines = list(bench.ROWS[name].measure(scale))
    assert lines
    for line in lines:
        assert line.why == ""
        assert all(math.isfinite(value) for value in line.values)
        assert math.isfinite(line.median)
    return lines


def exact(lines):
    return [line for line in lines if line.goal and line.goal.relation == "="]


@pytest.mark.parametrize("name", of(["limits", "tasks"], sorted(bench.ROWS.keys() - {"memory", "notebooks"})))
def test_a_row_runs_and_leaves_nothing_behind(name, tiny, nothing_is_left, no_process_is_left):
    lines = run_row(name, tiny)
    assert len({line.what for line in lines}) == len(lines)
    assert all(line.verdict == "met" for line in exact(lines))


def test_the_peaks_are_those_of_the_limits_and_of_the_gate(tiny):
    peaks = Counter(line.values[0] for line in exact(run_row("limits", tiny)))
    assert peaks == {5: 2, 20: 2}
    assert [line.values for line in exact(run_row("gate", tiny))] == [[10], [0], [10], [0]]


def test_memory_runs(tiny, in_this_process):
    run_row("memory", tiny)


@weekly
@pytest.mark.parametrize(
    ("name", "least"),
    [("call RunnableParallel.ainvoke", 1_000), ("task gather", 500), ("thread bare threads", 4_000)],
)
def test_memory_is_measured_in_a_fresh_process(name, least, no_process_is_left):
    assert least < memory.in_a_fresh_process(name, 200) < 100_000


@weekly
def test_a_task_does_not_vanish_in_memory_that_was_freed_before():
    code = (
        "from benchmarks import memory\n"
        "kept = [[bytes(size) for size in range(32, 2000, 16)] for _ in range(400)][::100]\n"
        "print(memory.MEASURES['task gather'](200))"
    )
    taken = float(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT))
    assert 0.9 < taken / memory.in_a_fresh_process("task gather", 200) < 1.1


@weekly
def test_the_notebooks_are_tested_against_trivial_ones(tiny, tmp_path, monkeypatch):
    (tmp_path / "1_trivial.ipynb").write_text(notebooks.trivial_notebook(), encoding="utf-8")
    monkeypatch.setattr(notebooks, "NOTEBOOKS", tmp_path)
    (line,) = run_row("notebooks", tiny)
    assert "1 each" in line.what


@weekly
def test_notebooks_that_fail_are_said_to(tmp_path, tiny, monkeypatch):
    (tmp_path / "1_broken.ipynb").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(notebooks, "NOTEBOOKS", tmp_path)
    (line,) = bench.ROWS["notebooks"].measure(tiny)
    assert line.why.startswith("the tests of the notebooks fail: ")


@weekly
@pytest.mark.parametrize(
    ("package", "row"),
    [("aiometer", "libraries"), ("anyio", "libraries"), ("viztracer", "recording"), ("psutil", "memory")],
)
def test_a_missing_package_is_named_and_the_other_lines_run(package, row, tiny, in_this_process, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    lines = list(bench.ROWS[row].measure(tiny))
    missing = [line for line in lines if line.why]
    assert missing
    for line in missing:
        assert line.why == f'the package {package} is missing; pip install -e ".[bench]" gets it'
        assert line.verdict == "not run"
    assert row == "memory" or len(missing) < len(lines)


@pytest.mark.parametrize("row", ["calls", "gate", "memory"])
def test_too_many_connections_are_not_tried_and_the_most_that_fit_are_named(
    row, tiny, in_this_process, monkeypatch
):
    monkeypatch.setattr(calls, "most_connections", lambda: 9)
    lines = [line for line in bench.ROWS[row].measure(tiny) if not line.values]
    assert lines
    for line in lines:
        assert "10 connections do not fit" in line.why
        assert "(ulimit -n) allows 9 at most" in line.why


def test_an_engine_that_loses_an_answer_is_found_out():
    with pytest.raises(RuntimeError, match="3 equal calls, 2 answers"):
        calls.check(["positive"] * 2, 3)
    with pytest.raises(RuntimeError, match="2 different"):
        calls.check(["positive", "negative"], 2)


def test_the_soft_limit_of_open_files_is_raised_to_the_hard_one():
    resource = pytest.importorskip("resource")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    hard = 4096 if hard == resource.RLIM_INFINITY else min(hard, 4096)
    code = (
        "import resource; from benchmarks.lean import most_connections, HEADROOM;"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard}));"
        "print(most_connections() + HEADROOM, resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(hard), str(hard)]


# --- The lean client and server


def test_a_message_is_complete_when_its_body_is():
    message = b"HTTP/1.1 200 OK\r\nContent-Type: x\r\nCONTENT-LENGTH: 4\r\n\r\nbody"
    for end in range(len(message)):
        assert lean.split(message[:end]) is None
    assert lean.split(message) == (message[:-8], b"body")
    assert lean.split(b"GET /stats HTTP/1.1\r\n\r\n") == (b"GET /stats HTTP/1.1", b"")


async def ask(url, times, connections=0):
    async with LeanClient(url, connections) as client:
        return await asyncio.gather(*[client.achat(calls.PROMPT) for _ in range(times)])


def test_the_gate_opens_once_all_are_in_flight_and_closes_behind_them():
    with lean_server(gate=3) as server:
        for _ in range(2):
            assert asyncio.run(ask(server.url, 3, connections=2)) == ["positive"] * 3
            assert server.stats() == Stats(in_flight=0, peak=3, served=3)
        assert server.stats() == Stats()


def test_a_gate_that_does_not_open_hangs_up(monkeypatch):
    code = 'from benchmarks import lean; lean.PATIENCE = 0.05; lean.serve(\'{"latency": 0, "gate": 2}\')'
    monkeypatch.setattr(lean, "server_code", lambda options: code)
    with lean_server(gate=2) as server:
        with pytest.raises(ConnectionError):
            asyncio.run(ask(server.url, 1))
        with BlockingClient(server.url, 1) as client, pytest.raises(ConnectionError):
            client.chat(calls.PROMPT)


def test_the_lean_clients_speak_with_the_service_of_the_course(server):
    assert asyncio.run(ask(server.url, 2)) == ["mixed"] * 2
    with BlockingClient(server.url, 0) as client:
        assert [client.chat(calls.PROMPT) for _ in range(2)] == ["mixed"] * 2
    wrong = server.url.replace("v1", "v2")
    with pytest.raises(ConnectionError, match="Not Found"):
        asyncio.run(ask(wrong, 1))
    with BlockingClient(wrong, 1) as client, pytest.raises(ConnectionError, match="Not Found"):
        client.chat(calls.PROMPT)


def test_a_cancelled_call_gives_up_its_connection():
    async def main():
        async with LeanClient(server.url, 1) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await client.achat(calls.PROMPT)
            return len(client.idle)

    with lean_server(gate=2) as server:
        assert asyncio.run(main()) == 0


def test_a_server_that_cannot_start_says_so(no_process_is_left, monkeypatch):
    monkeypatch.setattr(lean, "server_code", lambda options: "")
    with pytest.raises(RuntimeError, match="did not start"), lean_server():
        pass


def test_the_server_ends_with_the_process_that_started_it():
    code = (
        "import os, psutil; from benchmarks.lean import lean_server\n"
        "with lean_server() as server:\n"
        "    print(psutil.Process().children()[0].pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert gone(int(done.stdout))


# --- The command


def fake_row(name, *values, goal=None, causes=""):
    return Row(name, f"what {name} is", lambda scale: iter([Line("one / other", values, goal)]), causes)


@pytest.fixture
def rows(monkeypatch):
    """Two rows that measure nothing: one is met, one is missed; and one that fails."""

    def fails(scale):
        yield Line("first", [1.0])
        raise OSError("no more threads")

    rows = [
        fake_row("good", 0.5, 0.7, 0.9, goal=at_most(1)),
        fake_row("bad", 3.0, goal=at_most(1), causes="it is slow."),
        Row("broken", "what broken is", fails),
    ]
    monkeypatch.setattr(bench, "ROWS", {row.name: row for row in rows})
    return rows


def test_the_table_is_printed_drawn_and_written(rows, tiny, capsys):
    bench.main([], full=tiny)
    printed = capsys.readouterr().out
    assert re.search(r"one / other +≤ 1 +0\.70 +0\.60–0\.80 +3 +met\n", printed)
    assert re.search(r"one / other +≤ 1 +3 +3 +1 +missed\n.*\nMissed, because: it is slow\.\n", printed)
    assert "not run: OSError: no more threads" in printed
    assert "Goals: 1 met, 1 missed; 1 lines not run." in printed
    written = (tiny.results / "table.md").read_text(encoding="utf-8")
    assert "| one / other | ≤ 1 | 0.70 | 0.60–0.80 | 3 |  | met |" in written
    assert "| one / other | ≤ 1 | 3 | 3 | 1 |  | **missed** |" in written
    assert (tiny.results / "table.png").read_bytes().startswith(b"\x89PNG")


def test_rows_are_chosen_by_name(rows, tiny, capsys):
    bench.main(["good", "--quick"], full=None, quick=tiny)
    printed = capsys.readouterr().out
    assert "what good is" in printed and "what bad is" not in printed
    assert "A quick run" in printed


def test_a_full_run_can_be_stored(rows, tiny, tmp_path, monkeypatch):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(table, "README", readme)
    for _ in range(2):
        bench.main(["--save"], full=tiny)
        stored = readme.read_text(encoding="utf-8")
        assert stored.startswith(f"before\n{table.BEGIN}\n\nMeasured on ")
        assert stored.endswith(f"|\n\n{table.END}\nafter\n")
        assert "old" not in stored


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["fly"], "there is no row 'fly'; the rows are: tasks, layers, libraries, "),
        (["tasks", "--save"], "--save stores a full run"),
        (["--quick", "--save"], "--save stores a full run"),
        (["--fast"], "unrecognized arguments: --fast"),
    ],
)
def test_a_wrong_command_line_is_refused(arguments, complaint, capsys):
    with pytest.raises(SystemExit) as end:
        bench.main(arguments)
    assert end.value.code == 2
    assert complaint in capsys.readouterr().err


def test_help_lists_every_row(capsys):
    with pytest.raises(SystemExit):
        bench.main(["--help"])
    printed = capsys.readouterr().out
    for name, row in bench.ROWS.items():
        assert f"\n  {name} " in printed and row.title in printed


def test_course_hands_over(monkeypatch, tmp_path):
    handed = []
    monkeypatch.setattr(course, "set_up", lambda root, tools: handed.append(f"set up, tools: {tools}"))
    monkeypatch.setattr(course, "hand_over", lambda root, *command: handed.append(command))
    course.main(["bench", "tasks", "--quick"], tmp_path)
    assert handed == ["set up, tools: True", ("benchmarks", "tasks", "--quick")]


@weekly
@pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups to interrupt")
@pytest.mark.parametrize("row", ["calls", "notebooks"])
def test_ctrl_c_leaves_no_process_behind(row):
    command = [sys.executable, "-m", "benchmarks", row, "--quick"]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, **options) as process:
        wanted = "benchmarks.lean" if row == "calls" else "ipykernel_launcher"
        started = wait_for(lambda: descendants(process.pid, wanted), PATIENCE)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert said.endswith("\nbench: stopped; nothing of it runs on.\n") and "Traceback" not in said
    assert all(gone(child.pid) for child in started)


def descendants(process, wanted):
    """All processes that stem from one, if there is one among them whose command line has `wanted` in it."""
    found = psutil.Process(process).children(recursive=True)
    try:
        return found if any(wanted in " ".join(child.cmdline()) for child in found) else []
    except psutil.NoSuchProcess:
        return []


# --- The figures, the stored table, the packages


def test_the_figures_are_drawn_for_any_lines(tmp_path):
    lines = {"none": [], "some": [Line("a", [1.0], at_most(2)), Line("b", [0.0], exactly(0)), Line("c", [5])]}
    assert draw_table(lines, tmp_path / "new").read_bytes().startswith(b"\x89PNG")
    assert draw_table({}, tmp_path).exists()
    seconds = {"a": {10: [1e-6, 2e-6]}, "b": {10: [1e-6], 100: [3e-6]}}
    assert draw_cost(seconds, seconds, tmp_path).exists()


def test_the_stored_table_has_every_row():
    stored = table.README.read_text(encoding="utf-8").partition(table.BEGIN)[2].partition(table.END)[0]
    assert re.findall(r"^### (\w+): ", stored, re.MULTILINE) == list(bench.ROWS)
