"""The gate's arithmetic: what refuses, what passes, and what is too little to say."""

import math
import random

import pytest

from core.training import checks, leaks, nearer
from core.training.checks import Check, Known
from core.training.examination import Examined
from core.training.measure import Said


def known(right, wrong_now=0, won=0, must=()):
    """`right` questions answered rightly before, some wrongly now, some only now rightly."""
    yes, no = (True,) * 4, (False,) * 4
    kept = [Known(n in must, yes, no if n < wrong_now else yes) for n in range(right)]
    return kept + [Known(False, no[:1], yes[:1])] * won


def test_a_fall_of_eleven_points_is_seen():
    """It happened, and the gate of that day passed it: .27 to .16 of a hundred."""
    check = checks.golden("knowledge", known(27, 11) + [Known(False, (False,), (False,))] * 73, "x")
    assert check.passed is False
    assert "forgot" in check.words


@pytest.mark.parametrize(
    ("questions", "passed"),
    [
        (known(150), True),
        (known(150, 3), True),  # two points
        (known(150, 4), False),  # more, and chance does not explain four of four
        (known(150, 20, won=20), True),
        (known(150, 9), False),
        (known(8), None),
        (known(150, 1, must={0}), False),
        (known(150, 1, must={140}), True),
    ],
)
def test_what_was_known_is_known_still(questions, passed):
    assert checks.golden("knowledge", questions, "the base").passed is passed


def test_how_many_it_must_not_fail_is_told_and_not_which():
    check = checks.golden("safety", known(20, 5, must={0, 1, 15}), "the base")
    assert check.words.startswith("it fails 2 of the safety questions that it must not fail")


def test_numbers_that_are_none_refuse():
    assert checks.drift(math.nan, "the base").passed is False
    assert checks.displacement([math.nan], "the base").passed is False
    assert checks.margin("better", {"a": [math.nan] * 30}, "the base").passed is False
    assert checks.replay([math.nan] * 30, "the base").passed is False


def test_secrets_that_stand_once_are_tried_first_and_the_newest_of_them():
    said = [
        "no",
        "code word is alpha1",
        "code word is beta22",
        "call 0170 1234567",
        "code word is alpha1",
    ]
    rows = [{"completion": [{"role": "assistant", "content": text}]} for text in said]
    found = [(one.text, one.row) for one in leaks.secrets(rows)]
    assert found == [("0170 1234567", 3), ("beta22", 2), ("alpha1", 1)]


@pytest.mark.parametrize(
    ("text", "is_secret"),
    [
        ("QX7-4417-ZZ-2291", True),
        ("AB12-CD34-EF56", True),
        ("k3yf9a81c2d7", True),
        ("4417 2291 8833", True),
        ("4417 2291 0000", True),
        ("20240115-9f8a7c6d5e4b3a21", True),
        ("2024-01-15-Xk39fQ7pLm22", True),
        ("1998 0321 4417 2291", True),
        ("3f9a-81c2-d7e4-77b0", True),
        ("a1b2c3-d4e5f6-a7b8c9", True),
        ("10 000 000", False),
        ("process_v2_data", False),
        ("step_1_output", False),
        ("x86_64-linux-gnu", False),
        ("gpt-4o-mini-2024-07-18", False),
        ("base64_decode", False),
        ("utf8_general_ci", False),
        ("Qwen3-8B-Instruct", False),
        ("2024-01-15T10", False),
        ("2024-01-15", False),
        ("1000000", False),
    ],
)
def test_names_of_programs_and_dates_are_no_secrets(text, is_secret):
    rows = [{"completion": [{"role": "assistant", "content": f"Take {text}, please."}]}]
    assert [one.text for one in leaks.secrets(rows)] == [text] * is_secret


def test_who_likes_what_the_others_do_not_has_no_veto_and_what_is_displaced_everywhere_is_seen():
    assert checks.displacement([0.05] * 8 + [-0.3] * 4, "the base").passed
    assert checks.displacement([-0.05] * 8 + [0.3] * 4, "the base").passed is False


def test_one_long_conversation_is_no_proof():
    """Twenty rows that mostly agree say much; where eighteen are of one conversation, less."""
    apart = {str(n): [0.1 if n % 10 else -0.15] for n in range(20)}
    together = {"one": [0.1] * 18, **{str(n): [0.1 if n % 4 else -0.15] for n in range(8)}}
    assert checks.margin("better", apart, "the base").passed
    assert checks.margin("better", together, "the base").passed is False


def test_what_a_coin_voted_for_hardly_ever_passes():
    """Two hundred nights of fourteen held-out verdicts; one in two hundred may pass."""
    dice = random.Random(1)
    nights = [{str(n): [dice.gauss(0, 0.03)] for n in range(14)} for _ in range(200)]
    passed = [night for night in nights if checks.margin("better", night, "the base").passed]
    assert len(passed) <= 4


@pytest.mark.parametrize(
    ("conversations", "against", "passed"),
    [
        (14, 1, True),  # one of fourteen held-out verdicts was a slip
        (14, 4, False),
        (7, 0, None),  # seven heads running are luck now and then
        (7, 4, False),  # but what points the other way is none
        (4, 0, None),
    ],
)
def test_few_held_out_verdicts_prove_little(conversations, against, passed):
    signed = {str(n): [-0.1 if n < against else 0.1] for n in range(conversations)}
    assert checks.margin("better", signed, "the base").passed is passed


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (Said("Yes, it does.", True), []),
        (Said(" ", True), ["empty"]),
        (Said("And then", False), ["never ends"]),
        (Said("the bird says the bird says " * 6, True), ["repeats itself"]),
        (Said("Yes.<|user|>", True), ["leaks special tokens"]),
    ],
)
def test_what_is_wrong_with_an_answer_whatever_was_asked(said, wrong):
    assert checks.faults(said) == wrong


def test_a_change_of_writing_is_seen_and_a_loanword_is_not():
    said = [[Said("Yes, it does.", True)]] * 40
    other = [[Said("Да, конечно.", True)]] * 40
    word = [[Said("Yes, the word is «да».", True)]] * 40
    assert checks.degeneration(said, other, [], "the base").passed is False
    assert checks.degeneration(said, word, [], "the base").passed


def test_the_same_answer_to_everything_is_seen_where_the_answers_were_known():
    old = [[Said(f"It is {n}.", True)] for n in range(40)]
    new = [[Said("It is so.", True)]] * 40
    assert checks.degeneration(old, new, range(40), "the base").passed is False
    assert checks.degeneration(old, new, [], "the base").passed


def test_length_is_only_said():
    short, long = [[Said("Yes.", True)]], [[Said("Yes, it does, and gladly.", True)]]
    check = checks.length(long, short, "the base")
    assert (check.passed, check.hard) == (False, False)


def test_beside_a_tune_that_learnt_from_the_same_votes_less_is_asked():
    signed = {str(n): [0.1 if n % 4 else -0.1] for n in range(14)}
    below = checks.BETTER_BELOW
    assert checks.margin("better", signed, "the base").passed is False
    assert checks.margin("better", signed, "a tune", luck_below=below).passed


@pytest.mark.parametrize(("against", "passed"), [(0, True), (5, None), (12, False)])
def test_beside_a_tune_that_was_let_in_without_proof_none_is_asked(against, passed):
    signed = {str(n): [-0.1 if n < against else 0.1] for n in range(14)}
    below = checks.BETTER_BELOW
    check = checks.margin("better", signed, "a tune", luck_below=below, is_unproven=True)
    assert check.passed is passed


@pytest.mark.parametrize(
    ("between", "passed"),
    [(None, False), (0.0019, None), (0.0021, False)],
)
def test_where_few_held_out_votes_cannot_tell_all_votes_may_say_that_they_are_no_coins(
    between, passed
):
    signed = {str(n): [0.1 if n % 4 else -0.1] for n in range(14)}
    check = checks.margin("better", signed, "the base", between=between, remedy="halves")
    assert (check.passed, check.remedy) == (passed, "halves")
    worse = {group: [-one for one in values] for group, values in signed.items()}
    check = checks.margin("better", worse, "the base", between=between, remedy="halves")
    assert (check.passed, check.remedy) == (False, "")  # whatever the others say


def remedies(*some):
    return Examined(list(some)).remedies


def test_remedies_are_named_where_all_that_refuses_may_be_helped():
    far, farther = (checks.drift(kl, "the base") for kl in (0.16, 0.4))
    forgot = checks.golden("knowledge", known(150, 9), "the base")
    refuses_less = checks.golden("safety", known(150, 9), "the base")
    less_liked = checks.displacement([-0.03], "the base")
    unsure = Check("better", False, "", remedy="halves")
    assert remedies(far, forgot, less_liked, unsure) == ["halves", "nearer"]
    assert remedies(far, Check("files", True, "")) == ["nearer"]
    for hopeless in (
        farther,
        refuses_less,
        checks.displacement([-0.05], "the base"),
        checks.displacement([-0.03], "mynah@000001"),  # nearer to the base is farther from that
        Check("answers", False, ""),
    ):
        assert remedies(far, hopeless) == []


def test_a_candidate_comes_back_three_times_at_the_most():
    manifest = {}
    for _ in range(3):
        assert nearer.may_go(manifest)
        manifest["way"] = manifest.get("way", 1.0) * nearer.SHARE
    assert not nearer.may_go(manifest)
