"""How much is enough, and what is then done."""

import pytest

from core.training.recipe import plan, stretched, weights, why_not

TINY, REAL = 3_000_000, 7_000_000_000


def counts(liked, disliked, corrections=0):
    return {
        "labels": liked + disliked + corrections,
        "liked": liked,
        "disliked": disliked,
        "corrections": corrections,
    }


def test_too_few_votes_are_counted_for_the_person():
    assert why_not(counts(4, 3), 10) == "7 of 10 votes are there"


def test_dislikes_alone_teach_nobody_what_to_say():
    assert "only 2 of 3" in (why_not(counts(2, 20), 10) or "")
    assert why_not(counts(0, 20, corrections=3), 10) is None


@pytest.mark.parametrize(
    ("labels", "methods"),
    [
        (counts(10, 2), ["sft"]),
        (counts(10, 10), ["kto"]),
        (counts(20, 9), ["kto"]),
        (counts(20, 10), ["sft", "kto"]),
        (counts(60, 2), ["sft"]),
        (counts(200, 100), ["sft", "kto"]),
    ],
)
def test_the_methods_follow_the_number_of_labels(labels, methods):
    assert [stage.method for stage in plan(labels, REAL).stages] == methods


def test_a_tiny_model_learns_manners_from_votes_alone_and_in_its_last_layers():
    for labels, stages in ((counts(20, 9), 1), (counts(20, 10), 2), (counts(100, 150), 2)):
        chosen = plan(labels, TINY)
        assert [stage.method for stage in chosen.stages] == ["kto"] * stages
        assert chosen.last_third
    assert not plan(counts(20, 10), REAL).last_third


def test_a_tiny_model_weighs_all_votes_once_more_the_further_the_more_they_are():
    plans = [plan(counts(n, n), TINY) for n in (20, 40, 60, 100)]
    firsts, seconds = zip(*(chosen.stages for chosen in plans), strict=True)
    assert {stage.until_kl for stage in firsts} == {None}
    few, some, many, more = (stage.until_kl for stage in seconds)
    assert 0 < few < some < many == more < plans[0].stop_at_kl


def test_a_plan_is_stretched_in_whole_epochs_and_no_further_than_was_measured():
    tiny, many = plan(counts(50, 50), TINY), plan(counts(500, 500), REAL)
    for times, epochs in ((1.0, [8, 6]), (1.39, [11, 6]), (1.5, [12, 6]), (9.0, [12, 6])):
        assert [stage.epochs for stage in stretched(tiny, times).stages] == epochs
    assert stretched(many, 1.4) == many
    assert stretched(tiny, 1.5).stop_at_kl == tiny.stop_at_kl


def test_the_more_labels_the_fewer_epochs_and_the_larger_the_batches():
    some, many = (plan(counts(n, n), REAL).stages for n in (50, 200))
    assert all(stage.epochs > 1 for stage in some)
    assert all(stage.epochs == 1 for stage in many)
    assert all(a.batch < b.batch for a, b in zip(some, many, strict=True))


def test_enough_corrections_are_compared_with_what_they_correct():
    methods = [stage.method for stage in plan(counts(200, 200, 50), REAL, pairs=50).stages]
    assert methods == ["sft", "dpo", "kto"]
    methods = [stage.method for stage in plan(counts(200, 200, 49), REAL, pairs=49).stages]
    assert methods == ["sft", "kto"]


def test_few_votes_may_move_the_model_less_far():
    assert plan(counts(10, 10), REAL).stop_at_kl < plan(counts(50, 50), REAL).stop_at_kl


def test_real_models_learn_in_smaller_steps_than_tiny_ones():
    tiny, real = (plan(counts(200, 200), size).stages for size in (TINY, REAL))
    for a, b in zip(tiny, real, strict=True):
        assert b.rate < a.rate / 4


def test_the_rarer_side_weighs_more_but_never_more_than_fourfold():
    assert weights(10, 20) == (2.0, 1.0)
    assert weights(30, 10) == (1.0, 3.0)
    assert weights(3, 300) == (4.0, 1.0)
