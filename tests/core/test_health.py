"""When a canary's answers are worse than what serves, without anybody's vote."""

import random

import pytest

from core.errors import Broken, CutShort, Empty, GenerationError, Unreachable
from core.health import Health, is_more, slow_one

OURS, THEIRS = "mynah@000002", "mynah@000001"


class Clock:
    def __init__(self):
        self.time = 0.0

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def health(clock):
    return Health(now=clock)


def answers(health, clock, model, many, *, error=None, after_s=1.0):
    """So many answers; `error` ends each, behind its first word but where nothing was said."""
    for _ in range(many):
        try:
            with health.asking(model) as spoke:
                clock.time += after_s
                if not isinstance(error, Empty):
                    spoke()
                clock.time += 1.0
                spoke()
                if error:
                    raise error
        except GenerationError:
            assert error


def ailment(health):
    return health.ailment(OURS, THEIRS)


def test_nothing_is_said_of_what_answers_alike(health, clock):
    assert ailment(health) is None
    for model in (OURS, THEIRS):
        answers(health, clock, model, 80)
        answers(health, clock, model, 20, error=CutShort(""))
        answers(health, clock, model, 10, error=Broken(""))
    assert ailment(health) is None


@pytest.mark.parametrize("error", [Broken(""), Empty(""), Unreachable("")])
def test_answers_that_fail_or_are_empty_count_as_failed(health, clock, error):
    answers(health, clock, OURS, 6)
    answers(health, clock, THEIRS, 40)
    answers(health, clock, OURS, 4, error=error)
    assert ailment(health) == "4 of its last 10 answers failed, of what serves 0 of 40."


def test_answers_that_are_cut_are_told(health, clock):
    answers(health, clock, OURS, 1, error=CutShort(""))
    answers(health, clock, THEIRS, 40)
    answers(health, clock, OURS, 9, error=CutShort(""))
    assert ailment(health) == (
        "10 of its last 10 answers were cut at their length limit, of what serves 0 of 40."
    )


@pytest.mark.parametrize(("ours", "theirs"), [(9, 40), (40, 9)])
def test_of_few_answers_nothing_is_said(health, clock, ours, theirs):
    answers(health, clock, OURS, ours, error=Broken(""))
    answers(health, clock, THEIRS, theirs)
    assert ailment(health) is None


def test_what_was_answered_before_the_canary_began_is_another_stretch(health, clock):
    answers(health, clock, THEIRS, 900)
    for _ in range(20):  # a bad hour, of both alike
        answers(health, clock, OURS, 1, error=CutShort(""))
        answers(health, clock, THEIRS, 3, error=CutShort(""))
    assert ailment(health) is None


def test_a_server_that_fails_everybody_is_nobodys_fault(health, clock):
    for model in (OURS, THEIRS):
        answers(health, clock, model, 40, error=Unreachable(""))
    assert ailment(health) is None


def test_other_models_are_not_looked_at(health, clock):
    answers(health, clock, OURS, 40, error=Broken(""))
    answers(health, clock, "mynah@000000", 40)
    assert ailment(health) is None


def test_twice_as_late_is_too_late(health, clock):
    answers(health, clock, OURS, 36, after_s=0.5)
    answers(health, clock, THEIRS, 45, after_s=0.5)
    answers(health, clock, THEIRS, 5, after_s=1.0)
    answers(health, clock, OURS, 3, after_s=2.5)
    assert ailment(health) is None  # thirty-nine are too few for one in twenty
    answers(health, clock, OURS, 1, after_s=0.5)
    assert ailment(health) == (
        "One in twenty of its answers began after 2.50 s or later, of what serves after 1.00 s."
    )


@pytest.mark.parametrize(("ours", "theirs"), [(1.9, 1.0), (0.2, 0.02)])
def test_a_bit_later_is_not(health, clock, ours, theirs):
    answers(health, clock, OURS, 50, after_s=ours)
    answers(health, clock, THEIRS, 50, after_s=theirs)
    assert ailment(health) is None


def test_a_reader_who_leaves_before_the_first_word_says_nothing_about_it(health, clock):
    for _ in range(40):
        with pytest.raises(GeneratorExit), health.asking(OURS):
            raise GeneratorExit
    answers(health, clock, OURS, 40)
    answers(health, clock, THEIRS, 40)
    assert ailment(health) is None


def test_what_is_long_ago_is_forgotten(health, clock):
    answers(health, clock, OURS, 40, error=Broken(""))
    for model in (OURS, THEIRS):
        answers(health, clock, model, 500)
    assert ailment(health) is None


@pytest.mark.parametrize(
    ("bad", "of", "other", "of_other", "is_so"),
    [(2, 20, 0, 80, False), (4, 20, 0, 80, True), (59, 500, 10, 500, False), (7, 10, 20, 90, True)],
)
def test_ten_points_more_have_to_be_sure(bad, of, other, of_other, is_so):
    assert is_more(bad, of, other, of_other) == is_so


def test_one_in_twenty():
    assert slow_one([float(n) for n in range(1, 101)]) == 95.0
    assert slow_one([1.0]) == 1.0


def test_luck_alone_hardly_ever_drops_a_canary(clock):
    """Both are cut once in seven times and fail once in fifty; one answer in five is the canary's.
    A hundred canaries, three hundred answers each.
    """
    dice = random.Random(5)
    dropped = 0
    for _ in range(100):
        health = Health(now=clock)
        for _ in range(300):
            chance = dice.random()
            error = Broken("") if chance < 0.02 else CutShort("") if chance < 0.16 else None
            answers(health, clock, OURS if dice.random() < 0.2 else THEIRS, 1, error=error)
            if ailment(health):
                dropped += 1
                break
    assert dropped <= 3
