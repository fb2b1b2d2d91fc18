"""A quiz can be read everywhere and gives its answers only when asked."""

from html.parser import HTMLParser

import pytest

from helpers.cards.quizzes import quiz

GOOD = {
    "question": "What does `await` do?",
    "options": ["it waits", "it starts a thread & returns <at once>"],
    "answer": 0,
    "why": ["And others run meanwhile.", "No thread is made."],
}
OTHER = {"question": "One or two?", "options": ["one", "two"], "answer": 1, "why": ["No.", "Yes."]}


@pytest.fixture
def shown(monkeypatch):
    outputs = []
    monkeypatch.setattr("helpers.cards.card.display", lambda data, raw: outputs.append(data))
    return outputs


class Details(HTMLParser):
    """Collects (name, is open, text of the summary, folded text) of each <details>."""

    def __init__(self, text):
        super().__init__()
        self.found, self.place = [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "details":
            attributes = dict(attributes)
            self.found.append(
                {"name": attributes["name"], "open": "open" in attributes, "summary": "", "why": ""}
            )
            self.place = "why"
        elif tag == "summary":
            self.place = "summary"

    def handle_endtag(self, tag):
        self.place = {"summary": "why", "details": None}.get(tag, self.place)

    def handle_data(self, data):
        if self.place:
            self.found[-1][self.place] += data


def test_one_output_whose_text_has_questions_and_options_but_no_answers(shown):
    assert quiz([GOOD, OTHER]) is None
    (bundle,) = shown
    assert set(bundle) == {"text/html", "text/plain"}
    assert bundle["text/plain"] == (
        "1. What does `await` do?\n   ( ) it waits\n   ( ) it starts a thread & returns <at once>\n\n"
        "2. One or two?\n   ( ) one\n   ( ) two"
    )


def test_each_option_folds_its_verdict_and_its_explanation(shown):
    quiz([GOOD, OTHER])
    found = Details(shown[0]["text/html"]).found
    assert [(each["summary"], each["why"]) for each in found] == [
        ("it waits", "Right. And others run meanwhile."),
        ("it starts a thread & returns <at once>", "Not right. No thread is made."),
        ("one", "Not right. No."),
        ("two", "Right. Yes."),
    ]
    assert not any(each["open"] for each in found)


def test_options_of_one_question_belong_together(shown):
    quiz([GOOD, OTHER])
    names = [each["name"] for each in Details(shown[0]["text/html"]).found]
    assert names[0] == names[1] != names[2] == names[3]


def test_the_output_is_the_same_each_time_and_shows_code(shown):
    quiz([GOOD])
    quiz([GOOD])
    assert shown[0] == shown[1]
    assert "What does <code>await</code> do?" in shown[0]["text/html"]
    assert "<script" not in shown[0]["text/html"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": 3}, "'question' must be a str, not 3"),
        ({"options": ["one"]}, r"'options' must be a list of two or more str, not \['one'\]"),
        ({"options": "one"}, "'options' must be a list of two or more str, not 'one'"),
        ({"answer": 2}, "'answer' must be an index from 0 to 1, not 2"),
        ({"answer": -1}, "'answer' must be an index from 0 to 1, not -1"),
        ({"answer": True}, "'answer' must be an index from 0 to 1, not True"),
        ({"why": ["No."]}, r"'why' must be a list of 2 str, one per option, not \['No.'\]"),
        ({"hint": ""}, "has an unknown key 'hint'"),
    ],
)
def test_a_malformed_question_is_named(change, message, shown):
    with pytest.raises(ValueError, match=f"^question 2: {message}$"):
        quiz([GOOD, OTHER | change])
    assert not shown


@pytest.mark.parametrize("key", ["question", "options", "answer", "why"])
def test_a_missing_key_is_named(key):
    with pytest.raises(ValueError, match=f"^question 1: has no '{key}'$"):
        quiz([{name: value for name, value in GOOD.items() if name != key}])


@pytest.mark.parametrize(
    ("questions", "message"), [([], "at least one"), (GOOD, "a list"), (["a"], "a dict")]
)
def test_a_quiz_without_questions_is_refused(questions, message):
    with pytest.raises(ValueError, match=message):
        quiz(questions)
