"""Votes beside votes: coins do not agree, a taste does, and who likes the opposite is found."""

import asyncio
import json
import random
import re
import shutil

import pytest

from core.training import checks, halves, luck
from core.training.halves import Asked, against_the_rest, is_theirs
from core.training.recipe import PEOPLE_FROM
from tests.training.conftest import prepare, steps
from tests.training.votes import BAD, GOOD, judged, turn


def test_a_conversation_is_of_one_half_for_ever_and_the_halves_are_alike():
    sides = [halves.half(f"conversation {n}") for n in range(1000)]
    assert sides == [halves.half(f"conversation {n}") for n in range(1000)]
    assert 450 < sum(sides) < 550


@pytest.mark.parametrize("yes", [0.5, 0.8, 0.95])
def test_what_a_coin_voted_for_hardly_ever_agrees_however_it_falls(yes):
    """Votes of 200 nights, each beside what a tune of other coins thinks of fifty answers."""
    dice = random.Random(3)
    low = 0
    for _ in range(200):
        said = [1.0 if dice.random() < yes else -1.0 for _ in range(50)]
        thought = [dice.gauss(0.02, 0.03) for _ in range(50)]
        low += luck.by_shuffling(said, thought, times=400) < 0.05
    assert low <= 20  # ten are expected


def test_a_taste_of_which_a_quarter_is_turned_round_agrees():
    dice = random.Random(3)
    said = [1.0 if n % 2 else -1.0 for n in range(60)]
    thought = [0.03 * (one if dice.random() > 0.25 else -one) + dice.gauss(0, 0.01) for one in said]
    assert luck.by_shuffling(said, thought) < checks.HALVES_BELOW


def test_votes_of_one_kind_agree_with_anything():
    assert luck.by_shuffling([1.0] * 30, [0.1] * 30) == 1.0


def asked(who, liked, ratio):
    return Asked("a conversation", (who,), liked, ratio)


def crowd(people, each, yes, dice, against=0, wrong=0.0):
    """Votes on answers of two manners, one of which the others' tune finds likelier; noisily."""
    found = []
    for n in range(people * each):
        good = dice.random() < yes
        liked = good == ((n % people >= against) == (dice.random() >= wrong))
        found.append(asked(f"p{n % people}", liked, (0.1 if good else -0.1) + dice.gauss(0, 0.05)))
    return [found, []]


def test_who_likes_what_the_others_tune_does_not_is_outvoted():
    found = against_the_rest(crowd(40, 5, 0.5, random.Random(1), against=10), of=40)
    assert set(found) <= {f"p{n}" for n in range(10)}
    assert len(found) >= 9


@pytest.mark.parametrize(("each", "most"), [(5, 9), (2, 6)])
def test_most_of_a_quarter_are_found(each, most):
    found = [
        against_the_rest(crowd(40, each, 0.5, random.Random(n), against=10), of=40)
        for n in range(20)
    ]
    assert sum(map(len, found)) >= most * 20


@pytest.mark.parametrize("each", [2, 4])
@pytest.mark.parametrize(("yes", "wrong"), [(0.1, 0.1), (0.5, 0.1), (0.9, 0.1), (0.97, 0.0)])
def test_of_honest_people_hardly_anybody_is_outvoted_also_where_much_is_liked(yes, wrong, each):
    found = [
        against_the_rest(crowd(40, each, yes, random.Random(n), wrong=wrong), of=40)
        for n in range(50)
    ]
    assert sum(map(len, found)) <= 0.04 * 50 * 40


def test_of_one_vote_too_little_is_known_and_two_camps_are_no_outsiders():
    dice = random.Random(1)
    assert against_the_rest(crowd(40, 1, 0.5, dice, against=10), of=40) == []
    assert against_the_rest(crowd(40, 5, 0.5, dice, against=16), of=40) == []


@pytest.mark.parametrize(
    ("by", "theirs"),
    [(["a"], True), (["a", "x"], True), (["a", "x", "y"], False), (["x"], False), ([], False)],
)
def test_a_row_goes_with_the_outvoted_if_they_are_half_of_who_is_behind_it(by, theirs):
    assert is_theirs(by, {"a", "b"}) is theirs


def votes(count, people, against=0):
    """Half up, one conversation each; the first people like the opposite of what the others do."""
    return [
        judged(
            turn(n, f"Is it true that {n} is a number?", (GOOD if n % 2 else BAD)[n // 2 % 2]),
            [(f"p{n % people}", 1 if (n % 2 == 1) == (n % people >= against) else -1)],
            opening=str(n),
        )
        for n in range(1, count + 1)
    ]


@pytest.mark.timeout(300)
def test_a_tune_of_one_half_knows_what_the_other_half_says_and_learns_without_its_enemies(
    base, tmp_path
):
    run, people = tmp_path / "run", PEOPLE_FROM + 3
    prepare(run, base, votes(8 * people, people, against=3))
    said = asyncio.run(steps("core.training.halves", run))
    assert {one.what for one in said} == {halves.WHAT}
    found = json.loads((run / "halves.json").read_text())
    assert found["luck"] < checks.HALVES_BELOW
    assert len(found["people"]) >= 2
    assert set(found["people"]) <= {f"console:p{n}" for n in range(3)}
    asyncio.run(steps("core.training.tune", run))
    made = json.loads((run / "candidate" / "manifest.json").read_text())
    manifest = json.loads((run / "dataset" / "manifest.json").read_text())
    trained = [entry for entry in manifest["rows"] if not entry["held_out"]]
    heard = [entry["turn"] for entry in trained if entry["by"][0] not in found["people"]]
    assert made["turns"] == heard
    lines = {entry["line"] for entry in trained if entry["by"][0] not in found["people"]}
    assert made["learnt"] == sorted(lines)
    assert made["outvoted"] == found["votes"] == len(trained) - len(heard) > 0
    stage, *more = made["stages"]
    assert all("until" in words for words in more)
    [epochs] = re.findall(r"(\d+) epochs", stage)
    assert int(epochs) == round(8 * len(trained) / len(heard)) > 8
    asyncio.run(steps("core.training.evaluate", run))
    told = {one["name"]: one for one in json.loads((run / "report.json").read_text())["checks"]}
    assert told["outvoted"]["words"].endswith("of the votes")


def test_below_ten_people_nobody_is_outvoted_and_too_few_votes_say_nothing(base, tmp_path):
    run = tmp_path / "run"
    prepare(run, base, votes(10, 2, against=1))
    asyncio.run(steps("core.training.halves", run))
    found = json.loads((run / "halves.json").read_text())
    assert (found["luck"], found["people"], found["votes"]) == (None, [], 0)


def test_where_it_was_not_asked_nobody_is_left_out(tmp_path):
    assert halves.told(tmp_path) is None
    assert halves.outvoted(tmp_path) == frozenset()


@pytest.mark.timeout(300)
def test_a_candidate_comes_back_a_part_of_the_way_and_stays_a_whole_tune(tuned, tmp_path):
    run = shutil.copytree(tuned[0], tmp_path / "run")
    before = kl(run)
    asyncio.run(steps("core.training.nearer", run))
    asyncio.run(steps("core.training.nearer", run))
    assert not (run / "candidate.making").exists()
    assert 0.3 * before < kl(run) < 0.85 * before
    report = json.loads((run / "report.json").read_text())
    told = {one["name"]: one for one in report["checks"]}
    assert told["files"]["passed"]
    assert told["merged"]["passed"]
    assert told["way"]["words"].startswith("it goes 77% of the way")


def kl(run):
    asyncio.run(steps("core.training.evaluate", run))
    report = json.loads((run / "report.json").read_text())
    return next(one["value"] for one in report["checks"] if one["name"] == "KL to the base")
