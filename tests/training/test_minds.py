"""People change their minds: what shows it, and what is made of it."""

from dataclasses import replace

import pytest

from core.announcements import Announcements
from core.training import dataset
from core.training.minds import Vote, changed
from core.types_learning import Canary, Tune
from storage.repositories import SqlStore
from tests.core.room import ListAdapter
from tests.fakes import until
from tests.training.house import hollow, opened, put, said, trainer
from tests.training.votes import NOON, judged, turn

OLD, NEW, CANARY = "mynah@000001", "mynah@000002", "mynah@000003"


def votes(*some, by=("ann",)):
    """`some`: (model, how many are up, of how many), one after the other. `by`: who votes."""
    found = []
    for model, up, of in some:
        for n in range(of):
            id, is_up = len(found) + 1, n * up // of < (n + 1) * up // of  # evenly
            found.append(Vote(id, f"c{id}", {by[n % len(by)]: is_up}, model, is_up))
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
        ([("base", 20, 50), (OLD, 6, 50)], 51),
        ([("base", 20, 50), (OLD, 25, 25), (OLD, 0, 25)], 76),
        ([(OLD, 0, 50), ("base", 20, 50)], None),  # the base was not asked before
        ([("base", 20, 50), (OLD, 100, 100), (OLD, 0, 50)], 151),  # the newest say so
        ([("base", 20, 50), (OLD, 0, 50), ("base", 25, 50), (NEW, 50, 50)], 51),
        ([("base", 20, 50), (OLD, 0, 50), ("base", 25, 50), (NEW, 0, 50)], 151),  # twice
    ],
)
def test_a_tune_that_is_surely_liked_less_than_the_base_was_shows_it(some, since):
    found = changed(votes(*some), {OLD: True, NEW: True})
    assert (found and found.since) == since


def test_a_canary_that_never_answered_everybody_shows_nothing():
    assert changed(votes(("base", 20, 50), (NEW, 0, 50)), {OLD: True}) is None


def test_one_conversation_has_one_say():
    some = votes(("base", 20, 50), (OLD, 0, 50))
    talk = [replace(vote, conversation="one") for vote in some[50:]]
    assert changed(some[:50] + talk, {OLD: True}) is None


def test_where_many_vote_one_person_cannot_show_it_alone():
    some = votes(("base", 20, 50), (OLD, 40, 50), (OLD, 0, 50), by=[f"p{n}" for n in range(10)])
    assert changed(some, {OLD: True})
    alone = [replace(vote, people={"p1": vote.liked}) for vote in some[100:]]
    assert changed(some[:100] + alone, {OLD: True}) is None


def test_a_few_who_ask_much_at_a_quiet_hour_change_nobody_elses_mind():
    people = [f"p{n}" for n in range(40)]
    content = votes(("base", 20, 50), (OLD, 50, 50), by=people[:33])
    alone = votes(("base", 0, 100), (OLD, 0, 21), by=people[33:])[100:]
    assert changed(content + alone, {OLD: True}) is None
    many = votes(("base", 0, 100), (OLD, 0, 40), by=people)[100:]
    assert changed(content + many, {OLD: True})


def test_two_cannot_speak_for_those_whom_they_outvote():
    people = [f"p{n}" for n in range(20)]
    base = votes(("base", 20, 50), by=people)
    outvoted = [
        replace(vote, people={f"p{n}": True, "a": False, "b": False})
        for n, vote in enumerate(votes(("base", 0, 50), (OLD, 0, 20), by=people)[50:])
    ]
    assert changed(base + outvoted, {OLD: True}) is None


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
    found = dataset.gather(some, served={OLD: True})
    assert found.change
    assert found.change.since == 51
    assert min(found.turns) == 51
    assert found.left_out["from before people changed their minds"] == tuple(range(1, 51))
    assert dataset.gather(some).change is None
    not_proven = dataset.gather(some, served={OLD: False})  # it may be the tune
    assert not_proven.change
    assert min(not_proven.turns) == 1


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
    await store.put_tune(Tune(CANARY, "base", "x", "passed", (2,), "", NOON))
    await store.begin_canary(Canary(CANARY, 0.2, None, NOON))
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
    why = (
        "`mynah@000002` is surely liked less than the base was before it: 0 of the 30 newest votes"
        " on it are up, and 20 of 50 on the base were."
    )
    assert heard == (
        f"{why} So `mynah@000002` and the canary `{CANARY}` are taken back, and the base answers."
        " What was voted on before these votes teaches nothing any more."
    )
    assert f"{heard}\n" in outcome
    assert "taken back" not in again
    assert [tune.summary for tune in await store.tunes()] == [
        "",
        f" Taken back: {why}",
        f" Dropped: {why}",
    ]
    assert await store.answering() == (None, None)


async def test_a_canary_that_ended_meanwhile_is_not_told_of_once_more(store, tmp_path):
    class Meanwhile(SqlStore):
        """Somebody takes the canary back between two calls."""

        async def end_canary(self, tune, outcome, at, why):
            assert await super().end_canary(tune, "dropped", at, "By hand.")
            return await super().end_canary(tune, outcome, at, why)

    for one in told(("base", 20, 50), (NEW, 0, 30)):
        await put(store, one, "ann", NOON, model=one.turn.recipe.model)
    await served(store, NEW, (1, 50))
    await store.put_tune(Tune(CANARY, "base", "x", "passed", (2,), "", NOON))
    await store.begin_canary(Canary(CANARY, 0.2, None, NOON))
    store.__class__ = Meanwhile
    outcome = await said(
        trainer(store, tmp_path, hollow(tmp_path / "b")).retrain(dry=False, by=None)
    )
    assert f"So `{NEW}` is taken back, and the base answers." in outcome
    assert [tune.summary for tune in await store.tunes() if tune.name == CANARY] == [" By hand."]


async def test_an_outdated_canary_that_is_promoted_meanwhile_is_taken_back_too(store, tmp_path):
    class Meanwhile(SqlStore):
        async def end_canary(self, tune, outcome, at, why):
            assert await super().end_canary(tune, "promoted", at, "By votes.")
            return await super().end_canary(tune, outcome, at, why)

    for one in told(("base", 20, 50), (NEW, 0, 30)):
        await put(store, one, "ann", NOON, model=one.turn.recipe.model)
    await served(store, NEW, (1, 50))
    await store.put_tune(Tune(CANARY, "base", "x", "passed", (2,), "", NOON))
    await store.begin_canary(Canary(CANARY, 0.2, None, NOON))
    store.__class__ = Meanwhile
    await said(trainer(store, tmp_path, hollow(tmp_path / "b")).retrain(dry=False, by=None))
    assert await store.answering() == (None, None)


async def test_a_tune_that_learnt_from_newer_votes_stays(store, tmp_path):
    for one in told(("base", 20, 50), (OLD, 0, 30)):
        await put(store, one, "ann", NOON, model=one.turn.recipe.model)
    await served(store, OLD, (1, 50))
    await served(store, NEW, (51, 80))
    learning = trainer(store, tmp_path, hollow(tmp_path / "base"))
    dry = await said(learning.retrain(dry=True, by=None))
    assert "`mynah@000001` is surely liked less than the base was" in dry
    outcome = await said(learning.retrain(dry=False, by=None))
    assert "taken back" not in outcome
    assert await store.serving() == NEW
