"""The stepper: what is run, what is shown of it, and where in the source each coroutine is marked."""

import asyncio
import functools
import html
import json
import linecache
import os
import re
import signal
import socket
import sys
import threading
import time
from html.parser import HTMLParser
from pathlib import Path
from tempfile import gettempdir
from types import SimpleNamespace

import pytest
from ipykernel.compiler import XCachingCompiler
from leftovers import PATIENCE, fail

from helpers import show_steps, step_through
from helpers.explorables import frames as frames_module
from helpers.explorables.frames import frames
from helpers.explorables.stepper import steps_card
from helpers.recording.recorder import record
from lessons.lesson1_async_execution import event_loop
from lessons.lesson1_async_execution.event_loop import EventLoop

pytestmark = pytest.mark.usefixtures("nothing_is_left")
PARTS = re.compile(r'<script type="application/json" data-part="content">(.*?)</script>')
CODE_LINE = re.compile(
    r'<div style="display:flex;flex-wrap:wrap;column-gap[^>]*>'
    r"<span[^>]*>([▶• ]) (.*?)</span>(?:<b[^>]*>(.*?)</b>)?"
)


@pytest.fixture
def shown(monkeypatch):
    outputs = []
    monkeypatch.setattr("helpers.cards.card.display", lambda data, raw: outputs.append(data))
    return outputs


def sentences(output):
    """The text form without its caption and its numbers."""
    return [line.partition(". ")[2] for line in output["text/plain"].splitlines()[1:]]


def content(output):
    return json.loads(PARTS.search(output["text/html"]).group(1))


def view_after(output, sentence):
    return content(output)["views"][sentences(output).index(sentence)]


def source(view):
    """The lines of source in a view, as (mark, code, names)."""
    return [tuple(html.unescape(part) for part in found) for found in CODE_LINE.findall(view)]


def marks(view):
    """name -> (mark, code of its line); the one that runs has a mark of its own"""
    found = {}
    for mark, code, names in source(view):
        for name in filter(None, names.split(", ")):
            assert not name.startswith("▶") or mark == "▶"
            found[name.removeprefix("▶ ")] = ("▶" if name.startswith("▶") else "•", code.strip())
        assert mark != " " or not names
    return found


def boxes(view):
    """title -> what is in it"""
    found = {}
    for title, chips in re.findall(r'font-weight:600">([^<]*)</div>(.*?)</div>', view):
        found[title] = [html.unescape(text) for text in re.findall(r"<span[^>]*>([^<]*)</span>", chips)]
    return found


async def nap(seconds):
    await asyncio.sleep(seconds)


async def two_naps():
    async with asyncio.TaskGroup() as group:
        for name, seconds in {"summary": 0.12, "sentiment": 0.06}.items():
            group.create_task(nap(seconds), name=name)


async def blocking():
    task = asyncio.create_task(nap(0.06), name="sentiment")
    await asyncio.sleep(0)
    time.sleep(0.2)
    await task


# What is shown


def test_one_output_with_a_sentence_for_each_step(shown):
    assert step_through(two_naps, nap) is None
    (output,) = shown
    assert output.keys() == {"text/html", "text/plain"}
    assert output["text/plain"].startswith(
        "two_naps, step by step.\n"
        "1. The task two_naps is created and goes to the end of the ready queue.\n"
        "2. The loop takes two_naps from the head of the ready queue and runs it.\n"
        "3. two_naps creates the task summary. It goes to the end of the ready queue.\n"
    )
    assert output["text/plain"].endswith(f"\n{len(sentences(output))}. two_naps is done.")


def test_the_player_gets_a_view_and_a_sentence_for_each_step(shown):
    step_through(two_naps)
    given, said = content(shown[0]), sentences(shown[0])
    numbers = [str(number) for number in range(1, len(said) + 1)]
    assert given["controls"] == [{"label": "step", "values": numbers, "start": 0}]
    assert given["steps"] is True
    assert len(given["views"]) == len(said)
    bare = [re.fullmatch(r"Step (\d+) of (\d+), ([\d.]+) ms: (.*)", text).groups() for text in given["said"]]
    assert [(number, total, text) for number, total, _, text in bare] == [
        (number, str(len(said)), text) for number, text in zip(numbers, said)
    ]
    assert [time for _, _, time, _ in bare][-1] == "120.0"


def test_all_sentences_can_be_read_where_scripts_do_not_run(shown):
    step_through(two_naps)
    (words,) = re.findall(r"<ol>(.*?)</ol>", shown[0]["text/html"])
    assert [html.unescape(text) for text in re.findall(r"<li>(.*?)</li>", words)] == sentences(shown[0])


def test_the_view_that_stands_still_shows_most(shown):
    async def crowd_of_naps():
        await asyncio.gather(*map(nap, (1, 1, 1, 2)))

    step_through(crowd_of_naps)
    (still,) = re.findall(r'<div data-part="view">(.*?)</div><figcaption', shown[0]["text/html"])
    given = content(shown[0])
    assert still in given["views"]

    def crowd(view):
        return sum(chips != ["empty"] for chips in boxes(view).values())

    assert crowd(still) == max(map(crowd, given["views"]))
    place = given["views"].index(still)
    assert html.escape(given["said"][place]) in shown[0]["text/html"].partition('data-part="view"')[0]


def test_a_caption(shown):
    step_through(two_naps, caption="Who ends first?")
    assert shown[0]["text/plain"].startswith("Who ends first?\n1. ")
    assert "<figcaption" in shown[0]["text/html"] and ">Who ends first?</figcaption>" in shown[0]["text/html"]


def test_the_boxes_of_a_view(shown):
    step_through(blocking, nap)
    assert boxes(view_after(shown[0], "The timer of sentiment is due, but the loop is busy: "
                                      "sentiment has to wait.")) == {
        "running now": ["blocking: blocks in time.sleep"],
        "ready queue": ["empty"],
        "timers": ["sentiment at 60 ms, due"],
        "suspended on": ["empty"],
        "done": ["empty"],
    }  # fmt: skip
    step_through(two_naps, nap)
    assert boxes(content(shown[1])["views"][-4]) == {
        "running now": ["empty"],
        "ready queue": ["empty"],
        "timers": ["empty"],
        "suspended on": ["two_naps ← the tasks of its TaskGroup"],
        "done": ["sentiment", "summary"],
    }
    before = view_after(shown[1], "two_naps awaits the tasks of its TaskGroup and suspends.")
    assert boxes(before)["ready queue"] == ["summary", "sentiment"]
    assert boxes(content(shown[1])["views"][9])["timers"] == ["summary at 120 ms"]


def test_a_box_for_permits_only_where_somebody_queues(shown):
    async def queue():
        permit = asyncio.Semaphore(1)
        async with permit:
            late = asyncio.create_task(permit.acquire(), name="late")
            await asyncio.sleep(0.01)
        await late

    step_through(queue)
    step_through(two_naps)
    assert boxes(view_after(shown[0], "late waits for a permit: it joins the queue and suspends."))[
        "queued for a permit, lock or queue"
    ] == ["late"]
    assert all("queued for a permit, lock or queue" in view for view in content(shown[0])["views"])
    assert "queued for a permit, lock or queue" not in shown[1]["text/html"]


def test_a_box_for_threads_only_where_there_are_some(shown):
    async def hand_over():
        await asyncio.to_thread(time.sleep, 0.001)

    step_through(hand_over)
    step_through(two_naps)
    blocked = view_after(shown[0], "sleep blocks its worker thread in time.sleep, and no other thread.")
    assert boxes(blocked)["worker threads"] == ["sleep: blocked"]
    assert all("worker threads" in view for view in content(shown[0])["views"])
    assert "worker threads" not in shown[1]["text/html"]


def test_an_end_that_is_no_success_is_said(shown):
    async def main():
        tasks = [asyncio.create_task(fail(), name="bad"), asyncio.create_task(nap(1), name="late")]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.wait(tasks)

    step_through(main)
    assert boxes(content(shown[0])["views"][-1])["done"] == ["✕ bad: failed", "⊘ late: cancelled", "main"]


def test_the_same_output_in_each_run(shown):
    for _ in range(2):
        step_through(two_naps, nap)
        step_through(blocking, nap)
    assert shown[:2] == shown[2:]


class Parsed(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], set(), ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.tags.add(tag)
        assert {name for name, _ in attributes} <= {"style"}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_names_and_source_are_escaped(shown):
    nasty = '<i>"a" & b</i>'

    async def main():
        assert "<script>" < "b" and 1 & 1
        await asyncio.create_task(nap(0.01), name=nasty)

    step_through(main, nap, caption=nasty)
    for view in content(shown[0])["views"]:
        parsed = Parsed(view)
        assert parsed.tags <= {"div", "span", "b"}
        assert 'assert "<script>" < "b" and 1 & 1' in parsed.text
        assert nasty in parsed.text or view in content(shown[0])["views"][:2]
    assert nasty not in shown[0]["text/html"].partition("<script")[0]
    assert shown[0]["text/plain"].startswith(f"{nasty}\n")


def test_views_have_nothing_that_an_untrusted_notebook_loses(shown):
    step_through(two_naps, nap)
    assert not any("var(" in view or "class=" in view for view in content(shown[0])["views"])


# Marks in the source


def first_views(shown, function, *functions):
    step_through(function, *functions)
    return content(shown[-1])["views"]


def test_each_coroutine_is_marked_where_it_is(shown):
    views = first_views(shown, two_naps, nap)
    said = sentences(shown[0])
    assert [code for _, code, _ in source(views[0])] == [
        "async def two_naps():",
        "    async with asyncio.TaskGroup() as group:",
        '        for name, seconds in {"summary": 0.12, "sentiment": 0.06}.items():',
        "            group.create_task(nap(seconds), name=name)",
        "async def nap(seconds):",
        "    await asyncio.sleep(seconds)",
    ]
    assert marks(views[1]) == {"two_naps": ("▶", "async def two_naps():")}
    asleep = views[said.index("sentiment awaits a sleep. Its timer is set, and sentiment suspends.")]
    assert marks(asleep) == {
        "two_naps": ("•", "async with asyncio.TaskGroup() as group:"),
        "summary": ("•", "await asyncio.sleep(seconds)"),
        "sentiment": ("•", "await asyncio.sleep(seconds)"),
    }
    goes_on = views[said.index("The loop takes sentiment from the head of the ready queue and runs it.", 10)]
    assert marks(goes_on)["sentiment"] == ("▶", "await asyncio.sleep(seconds)")
    assert marks(views[-1]) == {}


def test_what_is_not_shown_has_no_mark(shown):
    views = first_views(shown, two_naps)
    assert {name for view in views for name in marks(view)} == {"two_naps"}


def test_a_nested_function(shown):
    async def outer():
        async def inner():
            await asyncio.sleep(0.01)

        await asyncio.create_task(inner(), name="inner")

    views = first_views(shown, outer)
    assert source(views[0])[1][1] == "    async def inner():"
    assert {marks(view).get("inner") for view in views} == {
        None,
        ("•", "async def inner():"),
        ("▶", "async def inner():"),
        ("•", "await asyncio.sleep(0.01)"),
        ("▶", "await asyncio.sleep(0.01)"),
    }


def test_lines_that_are_indented_less_are_shown_whole(shown):
    async def main():
        text = """
one
two"""
        await asyncio.sleep(len(text))

    assert [code for _, code, _ in source(first_views(shown, main)[0])] == [
        "async def main():",
        '    text = """',
        "one",
        'two"""',
        "    await asyncio.sleep(len(text))",
    ]


class Service:
    async def ask(self):
        await asyncio.sleep(0.01)
        return "an answer"


def test_a_method(shown):
    views = first_views(shown, Service().ask)
    assert shown[0]["text/plain"].startswith("ask, step by step.")
    assert source(views[0])[0][1] == "async def ask(self):"
    assert ("•", "await asyncio.sleep(0.01)") in [marks(view).get("ask") for view in views]


def traced(function):
    @functools.wraps(function)
    async def wrapper():
        return await function()

    return wrapper


@traced
async def decorated():
    await asyncio.sleep(0.01)


def test_a_decorated_function(shown):
    views = first_views(shown, decorated)
    assert [code for _, code, _ in source(views[0])] == [
        "@traced",
        "async def decorated():",
        "    await asyncio.sleep(0.01)",
    ]
    assert ("•", "await asyncio.sleep(0.01)") in [marks(view).get("decorated") for view in views]


def test_a_partial(shown):
    views = first_views(shown, functools.partial(nap, 0.01))
    assert shown[0]["text/plain"].startswith("nap, step by step.\n1. The task nap is created")
    assert marks(views[1]) == {"nap": ("▶", "async def nap(seconds):")}


@pytest.fixture
def cell():
    """Runs code as ipykernel does, so that inspect finds its source; gives the names that it defined."""
    compiler, namespace = XCachingCompiler(), {"asyncio": asyncio, "traced": traced}

    def run(code):
        name = compiler.cache(code)
        exec(compiler(code, name, "exec"), namespace)
        return namespace

    yield run
    linecache.clearcache()


def test_functions_defined_in_cells(cell, shown):
    cell("async def nap():\n    await asyncio.sleep(1)")
    names = cell("\n\nasync def chain():\n    await asyncio.create_task(nap(), name='nap')")
    views = first_views(shown, names["chain"], names["nap"])
    assert marks(views[5]) == {"chain": ("•", "await asyncio.create_task(nap(), name='nap')"),
                               "nap": ("•", "await asyncio.sleep(1)")}  # fmt: skip
    names = cell("async def nap():\n    # again\n    await asyncio.sleep(2)")
    assert marks(first_views(shown, names["chain"], names["nap"])[5])["nap"] == (
        "•",
        "await asyncio.sleep(2)",
    )


def test_equal_lines_in_other_cells_are_not_taken_for_each_other(cell, shown):
    cell("async def nap():\n    await asyncio.sleep(1)")
    names = cell("async def chain():\n    await asyncio.create_task(nap())")
    assert {name for view in first_views(shown, names["chain"]) for name in marks(view)} == {"chain"}


def test_a_decorator_from_elsewhere_around_a_function_in_a_cell(cell, shown):
    names = cell("@traced\nasync def chain():\n    await asyncio.sleep(1)")
    views = first_views(shown, names["chain"])
    assert ("•", "await asyncio.sleep(1)") in [marks(view).get("chain") for view in views]


def test_no_path_of_the_machine_is_shown(cell, shown):
    names = cell("async def chain():\n    await asyncio.sleep(1)")
    step_through(names["chain"])
    step_through(two_naps, nap)
    home = Path(__file__).resolve().parents[1]
    for text in [text for output in shown for text in output.values()]:
        assert not re.search(f"{re.escape(str(home))}|{re.escape(gettempdir())}|ipykernel|\\.py\\b|0x", text)


def test_a_function_without_source_is_refused_before_anything_runs(shown):
    ran = []
    namespace = {"ran": ran}
    exec("async def hidden():\n    ran.append(True)", namespace)
    with pytest.raises(TypeError, match="^'hidden' has no source that can be read$"):
        step_through(namespace["hidden"])
    with pytest.raises(TypeError, match="^'hidden' has no source"):
        step_through(two_naps, namespace["hidden"])
    with pytest.raises(TypeError, match="^'sleep' has no source"):
        step_through(two_naps, time.sleep)
    assert not ran and not shown


# What can be stepped through


@pytest.fixture
def toy_time(monkeypatch):
    """The toy loop does not wait."""
    clock = SimpleNamespace(sleep=lambda seconds: None, monotonic=lambda: 0.0)
    monkeypatch.setattr(event_loop, "time", clock)


async def toy_nap(seconds):
    await event_loop.sleep(seconds)


async def two_toy_naps(loop):
    latencies = {"summary": 0.12, "sentiment": 0.06}
    for task in [loop.create_task(toy_nap(seconds), name) for name, seconds in latencies.items()]:
        await task


async def two_naps_in_turn():
    latencies = {"summary": 0.12, "sentiment": 0.06}
    for task in [asyncio.create_task(nap(seconds), name=name) for name, seconds in latencies.items()]:
        await task


def test_a_toy_loop(toy_time, shown):
    step_through(two_toy_naps, toy_nap, loop=EventLoop)
    step_through(two_naps_in_turn, nap)
    toy, real = (
        [sentence.replace(name, "main") for sentence in sentences(output)]
        for output, name in zip(shown, ("two_toy_naps", "two_naps_in_turn"))
    )
    assert toy == real
    assert content(shown[0])["said"][0].startswith("Step 1 of 18: The task")  # no time: the loop has its own
    asleep = view_after(shown[0], "sentiment awaits a sleep. Its timer is set, and sentiment suspends.")
    assert boxes(asleep)["timers"] == ["sentiment", "summary"]
    assert marks(asleep) == {
        "two_toy_naps": ("•", "await task"),
        "summary": ("•", "await event_loop.sleep(seconds)"),
        "sentiment": ("•", "await event_loop.sleep(seconds)"),
    }


def test_a_toy_loop_gives_the_same_output_each_time(toy_time, shown):
    for _ in range(2):
        step_through(two_toy_naps, toy_nap, loop=EventLoop)
    assert shown[0] == shown[1]


def test_it_works_inside_a_running_loop(shown):
    async def cell():
        step_through(two_naps)

    asyncio.run(cell())
    assert len(shown) == 1


def test_a_long_sleep_takes_no_time(shown):
    async def day():
        await asyncio.sleep(24 * 3600)
        time.sleep(24 * 3600)

    step_through(day)
    assert content(shown[0])["said"][-1].endswith("172,800,000.0 ms: day is done.")


def test_the_steps_of_a_recording(shown):
    async def main():
        with record(places=True) as recording:
            await asyncio.gather(nap(0), nap(0))
        return recording

    recording = asyncio.run(main())
    show_steps(recording, nap, caption="Two naps")
    show_steps(recording)
    said = [frame.said for frame in frames(recording)]
    assert sentences(shown[0]) == sentences(shown[1]) == said
    assert steps_card(recording, nap, caption="Two naps") == (
        shown[0]["text/html"],
        shown[0]["text/plain"],
    )
    assert shown[1]["text/plain"].startswith("What happened, step by step.\n")
    assert {name for view in content(shown[0])["views"] for name in marks(view)} == {"nap 1", "nap 2"}
    assert source(content(shown[1])["views"][0]) == []


def test_steps_need_a_recording_that_knows_places():
    async def main():
        with record() as recording:
            await asyncio.gather(nap(0), nap(0))
        return recording

    with pytest.raises(ValueError, match=r"use record\(places=True\)"):
        show_steps(asyncio.run(main()))


def test_only_the_thread_that_blocks_is_drawn_as_blocked(one_of_two_threads_blocks, shown):
    show_steps(one_of_two_threads_blocks)
    view = view_after(shown[0], "blocks blocks the thread that it runs on in time.sleep.")
    assert "blocks: blocks in time.sleep" in boxes(view)["running now"]
    assert "runs: blocks in time.sleep" not in boxes(view)["running now"]


# What cannot


@pytest.mark.parametrize("wrong", [time.sleep, lambda: nap(1), 3, EventLoop])
def test_anything_but_a_coroutine_function_is_refused(wrong, shown):
    with pytest.raises(TypeError, match=r"^step_through takes a coroutine function \(async def\), not "):
        step_through(wrong)
    assert not shown


def test_a_coroutine_is_refused_and_closed(shown):
    with pytest.raises(TypeError, match=r"hand over two_naps, not two_naps\(\)$"):
        step_through(two_naps())  # the fixture sees to it that nothing warns
    assert not shown


def test_a_function_with_arguments_is_refused(shown):
    with pytest.raises(
        TypeError, match="nap cannot be called: missing a required argument: 'seconds'; functools.partial"
    ):
        step_through(nap)
    with pytest.raises(TypeError, match="two_naps cannot be called: too many positional arguments"):
        step_through(two_naps, loop=EventLoop)
    assert not shown


def test_too_many_steps(monkeypatch, shown):
    monkeypatch.setattr(frames_module, "MOST", 10)
    with pytest.raises(ValueError, match="the recording has 18 steps, and at most 10 can be stepped through"):
        step_through(two_naps)
    assert not shown


@pytest.mark.parametrize(("function", "loop"), [(two_naps, None), (two_toy_naps, EventLoop)])
def test_not_inside_a_recording(function, loop, shown):
    with record(), pytest.raises(RuntimeError, match="cannot be nested"):
        step_through(function, loop=loop)
    assert not shown


def test_show_steps_refuses_what_is_no_recording_or_empty():
    with record(places=True) as empty:
        pass
    with pytest.raises(ValueError, match="the recording is empty"):
        show_steps(empty)
    with pytest.raises(TypeError, match="not a function"):
        show_steps(two_naps)


# What fails


async def failing():
    await asyncio.sleep(0.01)
    raise LookupError("no such review")


async def failing_toy(loop):
    await event_loop.sleep(0.01)
    raise LookupError("no such review")


@pytest.mark.parametrize("run", [(failing, None), (failing_toy, EventLoop)])
def test_the_exception_is_raised_after_its_steps_are_shown(run, toy_time, shown):
    function, loop = run
    with pytest.raises(LookupError, match="no such review") as caught:
        step_through(function, loop=loop)
    assert sentences(shown[0])[-1] == f"{function.__name__} fails."
    assert caught.traceback[-1].name == function.__name__


def test_a_deadlock_is_shown_and_raised(shown):
    async def stuck():
        await asyncio.sleep(1)
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="deadlock after 1 s on the virtual clock"):
        step_through(stuck)
    assert sentences(shown[0])[-4:] == [
        "stuck awaits Event.wait and suspends.",
        "What stuck awaits is cancelled. stuck goes to the end of the ready queue.",
        "The loop takes stuck from the head of the ready queue and runs it.",
        "stuck is cancelled.",
    ]


def test_a_deadlock_on_a_toy_loop(toy_time, shown):
    async def stuck(loop):
        await loop.tasks[0]

    class Loop(EventLoop):
        def make_ready(self, task):
            self.tasks = [task]
            super().make_ready(task)

    with pytest.raises(RuntimeError, match="deadlock: every task waits"):
        step_through(stuck, loop=Loop)
    assert sentences(shown[0])[-1] == "stuck awaits stuck and suspends."


def test_a_network_connection_is_refused(shown):
    with socket.create_server(("127.0.0.1", 0)) as server:

        async def connect():
            await asyncio.open_connection(*server.getsockname())

        with pytest.raises(RuntimeError, match="cannot wait for a network connection"):
            step_through(connect)
    assert sentences(shown[0])[-1] == "connect fails."


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs a signal to one thread")
def test_ctrl_c(shown):
    async def endless():
        let_go = threading.Event()
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        try:
            await asyncio.to_thread(let_go.wait, PATIENCE)
        finally:
            let_go.set()

    with pytest.raises(KeyboardInterrupt):
        step_through(endless)
    assert "What endless awaits is cancelled. endless goes to the end of the ready queue." in sentences(
        shown[0]
    )


def test_an_exception_is_not_hidden_by_too_many_steps(monkeypatch, shown):
    monkeypatch.setattr(frames_module, "MOST", 2)
    with pytest.raises(LookupError, match="no such review"):
        step_through(failing)
    assert not shown


def test_docstrings_are_left_out_and_marks_stay_on_their_lines(shown):
    async def main():
        """Not shown,

        nor this.
        """
        await asyncio.sleep(0.01)

    step_through(main)
    asleep = view_after(shown[0], "main awaits a sleep. Its timer is set, and main suspends.")
    assert [(mark, line.strip()) for mark, line, _ in source(asleep)] == [
        (" ", "async def main():"),
        ("•", "await asyncio.sleep(0.01)"),
    ]


# --- What does not end


def test_an_endless_coroutine_is_ended():
    async def beat():
        while True:
            await asyncio.sleep(0.1)

    with pytest.raises(RuntimeError, match="after 2,000 turns of its event loop it has not ended"):
        step_through(beat)


def test_an_async_generator_is_refused():
    async def answers():
        yield 1

    with pytest.raises(TypeError, match="answers is a generator, with a yield"):
        step_through(answers)


def test_it_is_said_that_the_clock_stands_still_for_threads(shown):
    async def main():
        await asyncio.to_thread(len, "abc")

    step_through(main)
    assert shown[0]["text/plain"].startswith(
        "main, step by step. The clock stands still for what a worker thread does."
    )


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT is sent to this process")
def test_ctrl_c_ends_a_coroutine_that_computes(shown):
    async def spin():
        while True:
            pass

    interrupt = threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT])
    interrupt.start()
    with pytest.raises(KeyboardInterrupt):
        step_through(spin)
    interrupt.join()
    assert [thread for thread in threading.enumerate() if thread.name == "virtual clock"] == []
    with record():  # the recorder is free again
        pass
