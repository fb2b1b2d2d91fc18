"""A quiz: options to open, each with its explanation folded inside.

Plain HTML, without widgets and scripts. So it works with the keyboard, without a kernel, in a
notebook that is not trusted, and in static views; a widget shows an error there.
"""

import zlib

from helpers.cards.card import card, prose, show, summary

_KEYS = ("question", "options", "answer", "why")


def quiz(questions: list[dict]) -> None:
    """Show questions; an option that is picked says at once whether it is right, and why.

    questions: dicts with "question" (str), "options" (list of two or more str), "answer" (the index
    of the right option) and "why" (list of one explanation for each option). Text in `backticks`
    is shown as code. The text form of the output has questions and options, but no answers.
    Raises ValueError that names the question and the key if one is malformed.
    """
    if not isinstance(questions, list) or not questions:
        raise ValueError(f"a quiz needs a list of at least one question, not {questions!r}")
    for number, question in enumerate(questions, 1):
        _validate(question, f"question {number}")
    body = "".join(_html(number, question) for number, question in enumerate(questions, 1))
    text = "\n\n".join(_text(number, question) for number, question in enumerate(questions, 1))
    show(body, text)


def _text(number: int, question: dict) -> str:
    return "\n".join(
        [f"{number}. {question['question']}", *(f"   ( ) {each}" for each in question["options"])]
    )


def _html(number: int, question: dict) -> str:
    # Browsers close an open <details> when another one of the same name is opened.
    name = f"quiz-{zlib.crc32(question['question'].encode()):08x}"
    options = []
    for index, (option, why) in enumerate(zip(question["options"], question["why"])):
        verdict = "Right." if index == question["answer"] else "Not right."
        options.append(
            f'<details name="{name}" style="margin:4px 0">'
            f"{summary(prose(option))}"
            f'<div style="margin:2px 0 8px 16px"><b>{verdict}</b> {prose(why)}</div></details>'
        )
    return card(f"<div><b>{number}.</b> {prose(question['question'])}</div>{''.join(options)}")


def _validate(question: dict, where: str) -> None:
    if not isinstance(question, dict):
        raise ValueError(f"{where}: must be a dict, not {type(question).__name__}")
    if missing := [key for key in _KEYS if key not in question]:
        raise ValueError(f"{where}: has no {missing[0]!r}")
    if unknown := [key for key in question if key not in _KEYS]:
        raise ValueError(f"{where}: has an unknown key {unknown[0]!r}")
    options, answer, why = question["options"], question["answer"], question["why"]
    if not isinstance(question["question"], str):
        raise ValueError(f"{where}: 'question' must be a str, not {question['question']!r}")
    if not _are_texts(options) or len(options) < 2:
        raise ValueError(f"{where}: 'options' must be a list of two or more str, not {options!r}")
    if type(answer) is not int or not 0 <= answer < len(options):
        raise ValueError(f"{where}: 'answer' must be an index from 0 to {len(options) - 1}, not {answer!r}")
    if not _are_texts(why) or len(why) != len(options):
        raise ValueError(f"{where}: 'why' must be a list of {len(options)} str, one per option, not {why!r}")


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
