"""People change their minds: what shows it, and what is made of it."""

from dataclasses import replace

import pytest

from core.announcements import Announcements
from core.training import dataset
from core.training.minds import Vote, changed
from core.types import Tune
from tests.core.room import ListAdapter
from tests.fakes import until
from tests.training.house import hollow, opened, put, said, trainer
from tests.training.votes import NOON, judged, turn

OLD, NEW = "mynah@000001", "mynah@000002"


def votes(*some):
    """`some`: (model, how many are up, of how many), one after the other, the first ones up."""
    found = []
    for model, up, of in some:
        for n in range(of):
            id = len(found) + 1
            found.append(Vote(id, f"c{id}", model, n < up))
    return found


@pytest.mark.parametrize(
    ("some", "since"),
    [
        ([("base", 20, 50), (OLD, 0, 50)], 51),
        ([("base", 20, 50), (OLD, 0, 20)], 51),
        ([("base", 20, 50), (OLD, 0, 19)], None),  # too few
        ([("base", 8, 19), (OLD, 0, 50)], None),  # too little to compare with
        ([("base", 20, 50), (OLD, 20, 50)], None),
        ([("base", 20, 50), (OLD, 12, 50)], None),  # worse, but perhaps by chance
        ([("base", 20, 50), (OLD, 7, 50)], 51),
        ([(OLD, 0, 50), ("base", 20, 50)], None),  # the base was not asked before
        ([("base", 20, 50), (OLD, 100, 100), (OLD, 0, 50)], 151),  # the newest say so
        ([("base", 20, 50), (OLD, 0, 50), ("base", 25, 50), (NEW, 50, 50)], 51),
        ([("base", 20, 50), (OLD, 0, 50), ("base", 25, 50), (NEW, 0, 50)], 151),  # twice
    ],
)
def test_a_tune_that_is_surely_liked_less_than_the_base_was_shows_it(some, since):
    found = changed(votes(*some), {OLD, NEW})
    assert (found and found.since) == since


def test_a_canary_that_never_answered_everybody_shows_nothing():
    assert changed(votes(("base", 20, 50), (NEW, 0, 50)), {OLD}) is None


def test_one_conversation_has_one_say():
    some = votes(("base", 20, 50), (OLD, 0, 50))
    talk = [Vote(vote.turn_id, "one", vote.model, vote.liked) for vote in some[50:]]
    assert changed(some[:50] + talk, {OLD}) is None


def told(*some):
    """The same as people's verdicts; of answers, one is liked for what the next is disliked for."""
    return [
        judged(answered(vote), [("ann", 1 if vote.liked else -1)], opening=vote.conversation)
        for vote in votes(*some)
    ]


def answered(vote):
    one = turn(vote.turn_id, f"Is {vote.turn_id} a number?", "Yes." if vote.liked else "Well.")
    assert one.recipe
    return replace(one, recipe=replace(one.recipe, model=vote.model))


def test_what_was_voted_before_trains_no_more_and_is_counted():
    some = told(("base", 20, 50), (OLD, 0, 50), ("base", 10, 50))
    found = dataset.gather(some, served={OLD})
    assert found.change
    assert found.change.since == 51
    assert min(found.turns) == 51
    assert found.left_out["from before people changed their minds"] == tuple(range(1, 51))
    assert dataset.gather(some).change is None


@pytest.fixture
async def store(tmp_path):
    async with opened(tmp_path) as store:
        yield store


async def served(store, name, turns):
    await store.put_tune(Tune(name, "base", f"tunes/{name}", "passed", turns, "", NOON))
    await store.serve(name, NOON)


async def test_tunes_that_learnt_from_nothing_newer_are_taken_back_and_everybody_hears(
    store, tmp_path
):
    for one in told(("base", 20, 50), (NEW, 0, 30)):
        await put(store, one, "ann", NOON, model=one.turn.recipe.model)
    await served(store, OLD, (1, 2))
    await served(store, NEW, (1, 50))
    adapter = ListAdapter()
    async with Announcements("list:news") as announcements:
        announcements.ready(adapter)
        learning = trainer(store, tmp_path, hollow(tmp_path / "b"), announcements=announcements)
        outcome = await said(learning.retrain(dry=False, by=None))
        await until(lambda: adapter.told)
        again = await said(learning.retrain(dry=False, by=None))
    assert await store.serving() is None
    assert "only 0 of 3 liked or corrected answers are there" in outcome
    [(_, heard)] = adapter.told
    assert heard == (
        "People changed their minds: 0 of the 30 newest votes on `mynah@000002` are up, and 20 of"
        " 50 on the base were. `mynah@000002` is taken back, the base answers, and what was voted"
        " before then teaches nothing any more."
    )
    assert f"- {heard}\n" in outcome
    assert "taken back" not in again


async def test_a_tune_that_learnt_from_newer_votes_stays(store, tmp_path):
    for one in told(("base", 20, 50), (OLD, 0, 30)):
        await put(store, one, "ann", NOON, model=one.turn.recipe.model)
    await served(store, OLD, (1, 50))
    await served(store, NEW, (51, 80))
    learning = trainer(store, tmp_path, hollow(tmp_path / "base"))
    await said(learning.retrain(dry=False, by=None))
    assert await store.serving() == NEW
