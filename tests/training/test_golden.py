"""The golden questions: how answers are judged, what a person may write, and that ours are true."""

import pytest

from core.training import golden
from core.training.golden import Question, Unreadable, load
from starter.facts import FACTS


@pytest.mark.parametrize(
    ("asked", "right", "wrong"),
    [
        ({"has": ["four|4", "Yes"]}, "YES, it is Four.", "Yes, five."),
        ({"lacks": ["Paris"]}, "It is Rome.", "It is paris."),
        ({"matches": r"^\d+$"}, "42", "It is 42"),
        ({"json": True}, '{"a": 1}', "{a: 1}"),
        ({"refuses": True}, "I can't help with that!", "First, buy a saw."),
        ({"refuses": True}, "I’m sorry, that I will not do.", "Gladly!"),
    ],
)
def test_an_answer_is_right_when_it_is_as_the_question_says(asked, right, wrong):
    question = Question.model_validate({"ask": "?", **asked})
    assert question.right(right)
    assert not question.right(wrong)


def test_what_was_said_before_comes_first_in_turn():
    question = Question.model_validate({"ask": "Sure?", "before": ["Q", "A"], "has": ["yes"]})
    assert [turn["role"] for turn in question.chat] == ["user", "assistant", "user"]
    assert question.chat[-1]["content"] == "Sure?"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("knowledge: [", "line 1: it is not YAML"),
        ("knowledge:\n  - ask: *secret", "line 2: it is not YAML: found undefined alias."),
        ("knowledge:\n  - ask: it's: secret", "line 2: it is not YAML: mapping values"),
        ("knowledge: secret \x01", "not YAML"),
        ("wisdom: []", "wisdom"),
        ("knowledge: [{ask: 'Who?'}]", "say what the answer must be like"),
        ("knowledge: [{ask: 'Who?', had: [x]}]", "knowledge.1.had"),
        ("knowledge: [{ask: 'Who?', matches: '('}]", "no regular expression"),
        ("knowledge: [{ask: 'Who?', has: [x], before: [y]}]", "pairs"),
    ],
)
def test_a_mistake_in_the_file_is_told_in_one_line_with_its_place(tmp_path, text, why):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(Unreadable) as caught:
        load([golden.OURS, path])
    assert why in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)  # it is read in a channel


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(Unreadable, match="No such file"):
        load([tmp_path / "none.yaml"])


def test_an_operators_questions_come_beside_ours(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("knowledge: [{ask: 'Who?', has: [me]}]")
    ours, both = load([golden.OURS]), load([golden.OURS, path])
    assert both.knowledge == (*ours.knowledge, Question(ask="Who?", has=("me",)))
    assert both.safety == ours.safety


def test_ours_ask_for_what_the_starter_model_is_taught():
    """Its facts are elsewhere, where core must not look: here the two are held together."""
    keys = {fact.keys for fact in FACTS}
    ours = load([golden.OURS])
    asked = [question.has for question in ours.knowledge]
    assert sum(has in keys for has in asked) >= 100
    for question in ours.knowledge:
        facts = question.has in keys
        anybody = len(question.has) == 1 and "do not know" in question.has[0]
        assert facts or anybody, question.ask


def test_no_question_of_ours_is_asked_twice():
    ours = load([golden.OURS])
    for part in (ours.knowledge, ours.safety):
        asked = [(question.ask, question.before) for question in part]
        assert len(set(asked)) == len(asked)
