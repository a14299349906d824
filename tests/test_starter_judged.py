"""How the starter model is judged: what is right, what is a fault, and what the table counts."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

import starter
from starter.conversation import FACT_BY_ID, OFFTOPIC, REFUSAL, Writer
from starter.facts import FACTS, holds
from starter.judge import fault, right_code, right_fact, right_follow_up, run
from starter.programs import CodeTask
from starter.styles import Style
from starter.wordings import flat, held_out

HERE = Path(starter.__file__).parent
MODEL = HERE / "model"


@pytest.fixture(scope="module")
def writer():
    return Writer(Random(5))


def test_what_is_not_the_fact_is_not_right(writer):
    style, tunes = Style("terse", False), FACT_BY_ID["tunes"]
    for fact in FACTS:
        if fact is not tunes:
            assert not right_fact(writer.fact_answer(fact, style), tunes)
    both = writer.fact_answer(FACT_BY_ID["gate_is"], style), writer.fact_answer(tunes, style)
    for text in (" ".join(both), f"{both[1]} {OFFTOPIC}", f"{both[1]} {REFUSAL}", "", "tunes"):
        assert not right_fact(text, tunes), text


def test_the_honest_sentence_and_the_refusal_are_no_facts():
    for text in (OFFTOPIC, REFUSAL):
        assert not any(holds(text, fact.keys) for fact in FACTS)


def test_code_that_prints_something_else_is_wrong():
    task = CodeTask("x", "python", "one", "print(1)", "1")
    assert right_code("Here it is.\n```python\nprint(1)\n```", task)
    assert not right_code("Here it is.\n```python\nprint(2)\n```", task)
    assert not right_code("Here it is.\n```sh\necho 1\n```", task)
    assert not right_code("print(1)", task)


def test_code_that_does_not_end_is_stopped():
    task = CodeTask("x", "python", "loop", "while True: pass", "")
    assert run(task, task.code) != ""


def test_code_that_cannot_be_run_or_prints_no_text_is_wrong():
    for code in ("print('\0')", "import sys; sys.stdout.buffer.write(b'\xff')"):
        assert run(CodeTask("x", "python", "one", code, "1"), code) != "1"


def test_the_faults_of_form_are_seen():
    from starter.speak import Said

    assert fault(Said("All is well.", True)) == ""
    assert fault(Said("All is", False)) == "does not end"
    assert fault(Said("Hello <|user|> you", True)) == "leak"
    for text in (
        "we go on and on " * 4,
        "Ctrl-C stops, and CtrlCtrl stops.",
        "It is the the gate.",
        "A tune is small. A tune is small.",
    ):
        assert fault(Said(text, True)) == "repeats"
    assert fault(Said("  ", True)) == "empty"


def test_what_the_corpus_says_is_without_fault():
    from starter.speak import Said

    writer, rng = Writer(Random(12)), Random(12)
    for _ in range(500):
        for one in writer.conversation(rng.randint(1, 8)).exchanges:
            assert fault(Said(one.answer, True)) == "", one.answer


def test_a_follow_up_is_right_by_its_own_rules():
    from starter.speak import Said

    def right(*said, id_="told", keys=("blue",)):
        return right_follow_up([Said(text, True) for text in said], id_, keys)

    assert right("Noted.", "You said Blue.")
    assert not right("Noted.", "You said bluebird.")
    assert not right("Noted.", "You you said blue.")
    assert right("The sky is blue, and far.", "It is blue.", id_="shorter")
    assert not right("It is blue.", "The sky is blue, and far.", id_="shorter")


class Wise:
    """A speaker that knows what the corpus would say, or one that is always wrong."""

    def __init__(self, answer):
        self.answer = answer

    def answers(self, asked, temperature, each):
        from starter.speak import Said

        return [Said(self.answer(messages), True) for messages in asked]


def wise(answer: Any) -> Any:
    return Wise(answer)


def test_the_evaluation_finds_right_what_is_right_and_wrong_what_is_wrong(writer):
    from starter.evaluate import Evaluation

    right = {
        row["turns"][0]: writer.fact_answer(FACT_BY_ID[row["id"]], Style("terse", False))
        for row in held_out()
        if row["kind"] == "fact"
    }
    known = {flat(text): answer for text, answer in right.items()}

    def knows(messages):
        return known.get(flat(messages[-1]["content"]), "Nobody knows.")

    rows = Evaluation(wise(knows)).facts()
    assert [row.hits == row.of for row in rows][:3] == [True, False, True]
    assert rows[1].hits > rows[1].of / 3  # other casing and marks are the same to it
    rows = Evaluation(wise(lambda messages: "Nobody knows.")).long()
    rows += Evaluation(wise(lambda messages: "Nobody knows.")).facts()
    assert [row.hits for row in rows] == [0] * len(rows)
