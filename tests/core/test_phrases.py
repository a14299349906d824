"""Notes of ours after an answer: apart from it, and outside a code block that was left open."""

import pytest
from markdown_it import MarkdownIt

from core.phrases import Phrases

WORDS = Phrases()


@pytest.mark.parametrize(
    ("text", "closing"),
    [
        ("plain", ""),
        ("```python\nx = 1", "\n```"),
        ("```python\nx = 1\n```", ""),
        ("````\n```\nstill open", "\n````"),
        ("~~~\n```\nstill open", "\n~~~"),
        ("- item\n  ```sh\n  ls", "\n  ```"),
        ("- ```sh\n  ls", "\n  ```"),
        ("1. ```sh\n   ls", "\n   ```"),
        ("``` not `a` fence", ""),
        ("```\n``` python\nstill open", "\n```"),
        ("```\ncode\n`````", ""),
        ("> ```\n> quoted", "\n> ```"),
    ],
)
def test_an_open_code_block_is_closed(text, closing):
    shown = text + WORDS.beside("_A note._", text)
    assert shown == f"{text}{closing}\n\n_A note._"
    words = [token.content for token in MarkdownIt().parse(shown) if token.type == "inline"]
    assert words[-1] == "_A note._"


def test_a_note_stands_apart_from_the_answer():
    assert WORDS.note("cut", "so far") == f"\n\n{WORDS.cut}"
    assert WORDS.note("stopped", "```\nx") == f"\n```\n\n{WORDS.stopped}"


def test_a_failure_without_a_word_is_an_apology_and_with_words_an_interruption():
    assert WORDS.note("failed", "") == WORDS.apology
    assert WORDS.note("failed", "half an") == f"\n\n{WORDS.interrupted}"


@pytest.mark.parametrize("outcome", ["answered", "command", "refused"])
def test_a_whole_answer_has_no_note(outcome):
    assert WORDS.note(outcome, "text") == ""
