"""What a learner is told by the check of an exercise."""

import asyncio
import contextvars
import sys
import threading
import time

import pytest

from helpers.cards import checks
from helpers.cards.checks import check, run_cases, shorten, show_results

DOUBLE = {
    "title": "Double a number",
    "cases": [
        {"case": "two", "run": lambda answer: answer(2), "expect": 4, "hint": "Use `*`."},
        {"case": "nothing", "run": lambda answer: answer(0), "expect": 0, "hint": "Zero twice is zero."},
        {"case": "a text", "run": lambda answer: answer("ab"), "expect": "abab", "hint": "Texts too."},
    ],
}
PREDICTION = {
    "title": "Predict",
    "cases": [{"case": "the order", "expect": "ACB", "hint": "Follow the queue."}],
    "wrong": [{"answer": "ABC", "hint": "Nobody pauses there."}],
}


@pytest.fixture
def shown(monkeypatch):
    """The outputs displayed so far, as MIME bundles."""
    outputs = []
    monkeypatch.setattr("helpers.cards.card.display", lambda data, raw: outputs.append(data))
    return outputs


def one_case(expect, run=lambda answer: answer()):
    return {"title": "One", "cases": [{"case": "it", "run": run, "expect": expect, "hint": "Try again."}]}


def test_a_right_answer_passes_every_case():
    report = run_cases(DOUBLE, lambda value: 2 * value)
    assert report
    assert report.text() == (
        "Double a number\nright: two\nright: nothing\nright: a text\nRight: all 3 cases."
    )


def test_the_first_wrong_case_ends_the_check():
    tried = []

    def square(value):
        tried.append(value)
        return value + 2

    report = run_cases(DOUBLE, square)
    assert not report
    assert tried == [2, 0]
    assert report.text() == (
        "Double a number\nright: two\nnot yet: nothing\n"
        "  expected: 0\n  came: 2\n  hint: Zero twice is zero.\nNot yet: case 2 of 3."
    )


def test_one_card_with_html_and_the_same_in_text(shown):
    assert check(DOUBLE, lambda value: f"<b>{value}</b>") is None
    (bundle,) = shown
    assert set(bundle) == {"text/html", "text/plain"}
    assert "came: '<b>2</b>'" in bundle["text/plain"]
    assert "&lt;b&gt;2&lt;/b&gt;" in bundle["text/html"] and "<b>2</b>" not in bundle["text/html"]
    assert "Use <code>*</code>." in bundle["text/html"]
    for words in ("not yet: two", "Not yet: case 1 of 3."):
        assert words in bundle["text/html"] and words in bundle["text/plain"]


def raises_not_implemented(value):
    raise NotImplementedError


async def raises_not_implemented_async(value):
    raise NotImplementedError


@pytest.mark.parametrize("stub", [None, ..., raises_not_implemented, raises_not_implemented_async])
def test_an_untouched_stub_is_not_an_error(stub):
    report = run_cases(DOUBLE, stub)
    assert not report
    assert report.text() == "Double a number\n" + report.verdict
    assert report.verdict.startswith("Not written yet.") and report.verdict in report.html()
    assert "hint" not in report.html()


def test_a_prediction_does_not_give_its_solution_away():
    report = run_cases(PREDICTION, "CAB")
    assert report.text() == "Predict\nnot yet: the order\n  came: 'CAB'\n  hint: Follow the queue.\nNot yet."
    assert "ACB" not in report.html()
    assert run_cases(PREDICTION, "ACB").text() == "Predict\nright: the order\nRight."


def test_a_typical_wrong_answer_has_a_hint_of_its_own():
    assert run_cases(PREDICTION, "ABC").hint == "Nobody pauses there."


def written(reads, expect, wrong=()):
    case = {"case": "it", "expect": expect, "hint": "Try again."}
    typical = [{"answer": each, "hint": "A typical one."} for each in wrong]
    return {"title": "Written", "reads": reads, "cases": [case], "wrong": typical}


@pytest.mark.parametrize(
    ("reads", "expect", "answers"),
    [
        ("letters", "ACB", ["ACB", "a, c, b", "A\nC\nB\n", ["a", "C", "b"], ("AC", "B")]),
        (
            "words",
            ["invoke", "batch"],
            ["invoke batch", "Invoke, BATCH", "invoke\nbatch", ["invoke", "batch"]],
        ),
        ("numbers", [4, 1000], ["4, 1000", "4 1,000", (4, 1000), [4.0, "1,000"]]),
        ("numbers", [100], [100, "100", "100 calls", [100]]),
        ("numbers", [-3, 0.5], ["-3, 0.5", (-3, 0.5)]),
    ],
)
def test_a_written_answer_is_read_as_its_writer_likes(reads, expect, answers):
    for answer in answers:
        report = run_cases(written(reads, expect), answer)
        assert report, report.text()


@pytest.mark.parametrize(
    ("reads", "expect", "answer"),
    [("letters", "ACB", "ABC"), ("words", ["a"], "a b"), ("numbers", [4, 10], "410"), ("numbers", [1], True)],
)
def test_a_written_answer_that_is_another_is_refused(reads, expect, answer):
    report = run_cases(written(reads, expect), answer)
    assert report.facts == {"came": shorten(answer)} and report.written


def test_a_typical_wrong_answer_is_read_alike():
    assert run_cases(written("letters", "ACB", ["ABC"]), "a, b, c").hint == "A typical one."


@pytest.mark.parametrize(
    ("expect", "came", "note"),
    [
        (1, True, "equal, but its type is bool, not int"),
        (True, 1, "equal, but its type is int, not bool"),
        ([1, 2], (1, 2), "equal, but its type is tuple, not list"),
        ([1, 2], (2, 1), None),
    ],
)
def test_an_equal_value_of_another_type_is_told(expect, came, note):
    report = run_cases(one_case(expect), lambda: came)
    assert not report
    assert report.facts.get("note") == note


@pytest.mark.parametrize(("expect", "came"), [(2, 2.0), (True, True), ({"a": 1, "b": 2}, {"b": 2, "a": 1})])
def test_equal_is_right(expect, came):
    assert run_cases(one_case(expect), lambda: came)


# --- Exceptions --------------------------------------------------------------------------------------


def fails():
    return [1 / number for number in (1, 0)]


def test_an_exception_is_told_with_the_learners_own_line():
    report = run_cases(one_case(1, lambda answer: sorted(answer())), fails)
    assert report.facts == {
        "raised": "ZeroDivisionError: division by zero",
        "in": "fails: return [1 / number for number in (1, 0)]",
    }
    assert __file__ not in report.text()


def calls_the_library():
    return asyncio.ensure_future("not a coroutine")


def test_a_library_called_in_the_wrong_way_is_told_by_the_learners_line():
    report = run_cases(one_case(1), calls_the_library)
    assert report.facts["raised"].startswith("TypeError: ")
    assert report.facts["in"] == 'calls_the_library: return asyncio.ensure_future("not a coroutine")'


def test_a_missing_key_in_a_prediction_is_told():
    report = run_cases(one_case(1, lambda answer: answer["peak"]), {"order": "AB"})
    assert report.facts == {"raised": "KeyError: 'peak'"}


def test_a_group_of_exceptions_names_its_members():
    async def group():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())

    async def fail():
        raise ValueError("no answer")

    assert run_cases(one_case(1), group).facts["raised"] == "ExceptionGroup of ValueError: no answer"


def test_leaving_python_does_not_end_the_kernel():
    assert run_cases(one_case(1), sys.exit).facts["raised"] == "SystemExit"


def test_an_interrupt_passes_through():
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_cases(one_case(1), interrupt)


@pytest.mark.parametrize("method", ["__eq__", "__repr__"])
def test_a_value_that_fails_is_told_like_any_exception(method, shown):
    def fail(*_):
        raise RuntimeError("odd value")

    check(one_case(1), lambda: type("Odd", (), {method: fail})())
    assert "raised: RuntimeError: odd value" in shown[0]["text/plain"]


# --- Threads, loops and time -------------------------------------------------------------------------


def test_a_coroutine_is_run_to_its_end():
    async def answer():
        await asyncio.sleep(0)
        return "done"

    async def run(answer):
        return await answer()

    assert run_cases(one_case("done"), answer)
    assert run_cases(one_case("done", run), answer)


def test_asyncio_run_works_while_the_notebooks_loop_runs():
    async def notebook():
        return run_cases(one_case("slept", lambda answer: asyncio.run(answer())), sleep)

    async def sleep():
        await asyncio.sleep(0)
        return "slept"

    assert asyncio.run(notebook())


def test_an_endless_wait_is_told():
    released = threading.Event()
    try:
        report = run_cases(one_case(True), released.wait, timeout=0.05)
    finally:
        released.set()
    assert report.facts == {"note": "did not finish within 0.05 s; it runs on until you restart the kernel"}
    assert report.hint == "Try again."


def test_an_answer_that_ends_too_late_does_not_change_its_report():
    released = threading.Event()
    report = run_cases(one_case(True), released.wait, timeout=0.05)
    released.set()
    while any(thread.name == "check" for thread in threading.enumerate()):
        time.sleep(0.001)
    assert not report


def test_each_case_has_a_thread_and_a_context_of_its_own():
    setting = contextvars.ContextVar("setting")
    setting.set("outer")
    seen = []

    def look():
        seen.append((threading.current_thread(), setting.get()))
        setting.set("inner")

    cases = one_case(None)["cases"] * 2
    assert run_cases({"title": "Two", "cases": cases}, look)
    assert [value for _, value in seen] == ["outer", "outer"]
    assert len({thread for thread, _ in seen} | {threading.current_thread()}) == 3
    assert setting.get() == "outer"


# --- Values in words ---------------------------------------------------------------------------------


def test_values_are_shown_without_addresses_and_places():
    class Thing:
        pass

    async def work():
        await asyncio.sleep(0)

    async def a_task():
        task = asyncio.create_task(work())
        text = shorten([task])
        await task
        return text

    where = "test_values_are_shown_without_addresses_and_places.<locals>"
    assert shorten(fails) == "<function fails>"
    assert shorten({"a": Thing()}) == "{'a': <" + f"{__name__}.{where}.Thing object>" + "}"
    assert asyncio.run(a_task()) == f"[<Task pending coro=<{where}.work() running>>]"


def test_texts_are_shown_as_they_are():
    assert shorten("defined at noon: 12:30") == "'defined at noon: 12:30'"


def test_dicts_keep_their_order_and_long_values_are_cut():
    assert shorten({"b": 1, "a": 2}) == "{'b': 1, 'a': 2}"
    assert shorten(list(range(1000))) == "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ...]"
    assert shorten(dict.fromkeys(range(1000))).endswith("11: None, ...}")
    assert (
        len(shorten("x" * 1000))
        == len(shorten(type("Long", (), {"__repr__": lambda _: "x" * 1000})()))
        == 120
    )


# --- The exercise itself -----------------------------------------------------------------------------

CASE = {"case": "it", "expect": 1, "hint": "Try again."}


@pytest.mark.parametrize(
    ("exercise", "message"),
    [
        ([], "exercise: must be a dict, not list"),
        ({"cases": [CASE]}, "exercise '': has no 'title'"),
        ({"title": "Ex"}, "exercise 'Ex': has no 'cases'"),
        ({"title": "Ex", "cases": []}, "exercise 'Ex': 'cases' is empty"),
        ({"title": "Ex", "cases": CASE}, "exercise 'Ex': 'cases' must be a list of dicts, not dict"),
        (
            {"title": "Ex", "cases": [CASE, {"case": "b", "expect": 1}]},
            "exercise 'Ex', case 2: has no 'hint'",
        ),
        ({"title": "Ex", "cases": [CASE | {"runs": 1}]}, "exercise 'Ex', case 1: has an unknown key 'runs'"),
        (
            {"title": "Ex", "cases": [CASE | {"hint": 1}]},
            "exercise 'Ex', case 1: 'hint' must be a str, not 1",
        ),
        ({"title": 7, "cases": [CASE]}, "exercise 7: 'title' must be a str, not 7"),
        (
            {"title": "Ex", "cases": [CASE | {"run": 1}]},
            "exercise 'Ex', case 1: 'run' must be a function, not 1",
        ),
        (
            {"title": "Ex", "cases": [CASE], "reads": "digits"},
            "exercise 'Ex': 'reads' must be one of letters, words, numbers, not 'digits'",
        ),
        ({"title": "Ex", "cases": ["it"]}, "exercise 'Ex', case 1: must be a dict, not str"),
        (
            {"title": "Ex", "cases": [CASE], "wrong": [{"answer": 1}]},
            "exercise 'Ex', wrong answer 1: has no 'hint'",
        ),
    ],
)
def test_a_malformed_exercise_is_named(exercise, message):
    with pytest.raises(ValueError) as error:
        run_cases(exercise, 1)
    assert str(error.value) == message


def test_the_results_of_all_that_was_checked_are_counted(shown, monkeypatch):
    monkeypatch.setattr(checks, "_checked", {})
    case = {"case": "the sum", "expect": 3, "hint": "Add."}
    for title, answer in {"One": 3, "Two": 4, "Three": None}.items():
        check({"title": title, "cases": [case]}, answer)
    check({"title": "Two", "cases": [case]}, 3)
    show_results()
    assert shown[-1]["text/plain"].splitlines() == [
        "2 of 3 right.",
        "✓ right: One",
        "✓ right: Two",
        "✗ not yet: Three",
    ]
