"""The canary, on both databases: which runs, what was said of it, how it ended."""

import asyncio
import dataclasses
from datetime import timedelta

import pytest

from core.errors import StoreError
from core.types import Feedback, ThreadRef
from core.types_learning import Canary, Label, Review
from storage.repositories import Settings, SqlStore
from storage.tables import canaries
from tests.storage.says import CHANNEL, MORNING, message, recipe
from tests.storage.test_tunes import tune

FIRST, SECOND, THIRD = (f"mynah@00000{number}" for number in (1, 2, 3))
BY = "slack:T1/B1:U1"
CANARY = Canary(SECOND, 0.2, BY, MORNING)
NOON = MORNING + timedelta(hours=4)


@pytest.fixture
async def tuned(store):
    """With three tunes, of which the first serves."""
    for name in (FIRST, SECOND, THIRD):
        await store.put_tune(tune(name))
    await store.serve(FIRST, MORNING)
    return store


async def answered(store, model, *, by="U1", thread="", votes=(), hours=0):
    """A turn that this model answered, and votes on it: (voter, score, minute)."""
    heard = message(author=by, thread=thread)
    turn = await store.hear(dataclasses.replace(heard, at=heard.at + timedelta(hours=hours)))
    await store.began(turn.id, recipe(model=model))
    await store.settle(turn.id, "So it is.", "answered")
    await store.finish(turn.id)
    for voter, score, minute in votes:
        at = MORNING + timedelta(minutes=minute)
        await store.put_feedback(Feedback(turn.id, voter, score, at))
    return turn


async def summary(store, name):
    return next(one.summary for one in await store.tunes() if one.name == name)


async def test_without_a_canary_what_serves_answers(store):
    assert await store.answering() == (None, None)
    assert await store.labels() == []
    await store.put_tune(tune(FIRST))
    await store.serve(FIRST, MORNING)
    assert await store.answering() == (FIRST, None)


async def test_a_canary_runs_beside_what_serves_also_after_a_restart(url):
    store = await SqlStore.open(Settings(url=url), holder="the tests")
    await store.put_tune(tune(SECOND))
    await store.begin_canary(CANARY)
    await store.close()
    store = await SqlStore.open(Settings(url=url), holder="the tests")
    assert await store.answering() == (None, CANARY)
    await store.close()


async def test_nobody_need_have_started_it(tuned):
    alone = dataclasses.replace(CANARY, by=None)
    await tuned.begin_canary(alone)
    assert await tuned.answering() == (FIRST, alone)


async def test_a_promoted_canary_serves_and_a_roll_back_leads_to_what_served_before(tuned):
    await tuned.begin_canary(CANARY)
    assert await tuned.end_canary(SECOND, "promoted", NOON, "People liked it.")
    assert await tuned.answering() == (SECOND, None)
    assert await summary(tuned, SECOND) == "Better. People liked it."
    assert await tuned.roll_back(SECOND, NOON)
    assert await tuned.serving() == FIRST


async def test_what_used_something_forgotten_is_not_promoted_and_runs_until_it_is_dropped(tuned):
    await tuned.begin_canary(CANARY)
    await tuned.put_tune(tune(SECOND, forgotten=True))
    assert not await tuned.end_canary(SECOND, "promoted", NOON, "People liked it.")
    assert await tuned.answering() == (FIRST, CANARY)
    assert await summary(tuned, SECOND) == "Better."
    assert await tuned.end_canary(SECOND, "dropped", NOON, "Somebody forgot.")


async def test_a_dropped_canary_leaves_what_serves_and_says_why(tuned):
    await tuned.begin_canary(CANARY)
    assert await tuned.end_canary(SECOND, "dropped", NOON, "It was slow.")
    assert await tuned.answering() == (FIRST, None)
    assert await summary(tuned, SECOND) == "Better. It was slow."
    assert await tuned.roll_back(FIRST, NOON)
    assert await tuned.serving() is None  # the canary never served


async def test_a_canary_ends_once_whoever_ends_it_at_the_same_time(tuned):
    await tuned.begin_canary(CANARY)
    first, second = await asyncio.gather(
        tuned.end_canary(SECOND, "rolled back", NOON, "By hand."),
        tuned.end_canary(SECOND, "promoted", NOON, "By votes."),
    )
    assert (first, second) == (True, False)
    assert await tuned.answering() == (FIRST, None)
    assert await summary(tuned, SECOND) == "Better. By hand."
    assert not await tuned.end_canary(THIRD, "dropped", NOON, "It is none.")


async def test_another_canary_takes_its_place(tuned):
    await tuned.begin_canary(CANARY)
    other = Canary(THIRD, 0.5, None, NOON)
    assert await tuned.begin_canary(other) == (True, CANARY)
    assert await tuned.answering() == (FIRST, other)
    assert await summary(tuned, SECOND) == f"Better. `{THIRD}` replaced it."
    assert not await tuned.end_canary(SECOND, "promoted", NOON, "Too late.")


async def test_what_used_something_forgotten_begins_as_none_and_the_one_before_goes_on(tuned):
    assert await tuned.begin_canary(CANARY) == (True, None)
    await tuned.put_tune(tune(THIRD, forgotten=True))
    assert await tuned.begin_canary(Canary(THIRD, 0.5, None, NOON)) == (False, None)
    assert await tuned.answering() == (FIRST, CANARY)
    assert await summary(tuned, SECOND) == "Better."
    assert not await tuned.has_answered(THIRD)


async def test_no_second_one_runs_whoever_writes_it(tuned):
    await tuned.begin_canary(CANARY)
    second = canaries.insert().values(tune=THIRD, share=0.5, after=0, at=NOON)
    with pytest.raises(StoreError):
        await tuned.database.write(lambda connection: connection.execute(second))
    assert await tuned.answering() == (FIRST, CANARY)


async def test_a_tune_that_is_not_there_is_no_canary_and_the_one_before_goes_on(tuned):
    await tuned.begin_canary(CANARY)
    with pytest.raises(StoreError):
        await tuned.begin_canary(Canary("mynah@000009", 0.2, None, NOON))
    assert await tuned.answering() == (FIRST, CANARY)


async def test_labels_are_the_verdicts_since_it_began_in_the_order_in_which_they_came(tuned):
    before = await answered(tuned, FIRST, votes=[("U9", 1, 50)])
    await tuned.begin_canary(CANARY)
    ours = await answered(tuned, SECOND, thread="t", votes=[("U2", 1, 3), ("U3", -1, 1)])
    theirs = await answered(tuned, FIRST, by="U4", votes=[("U2", -1, 2)])
    thread = ThreadRef(CHANNEL, "t")
    assert await tuned.labels() == [
        Label(SECOND, thread, "U1", ours.message.at, "U3", -1),
        Label(FIRST, ThreadRef(CHANNEL), "U4", theirs.message.at, "U2", -1, before.message.ref.id),
        Label(SECOND, thread, "U1", ours.message.at, "U2", 1),
    ]
    await tuned.drop_feedback(theirs.id, "U2", -1)
    await tuned.forget_turn(ours.id, "U1")
    assert await tuned.labels() == []


@pytest.mark.parametrize("thread", ["", "t"])
@pytest.mark.parametrize(
    ("before", "is_older"),
    [(["U4"], True), (["U1"], False), (["U1", "U4"], True), (["U4", "U1"], True), ([], False)],
)
async def test_labels_say_whether_others_had_been_answered_there_before(
    tuned, thread, before, is_older
):
    for author in before:
        await answered(tuned, FIRST, by=author, thread=thread)
    await answered(tuned, FIRST, by="U4", thread="elsewhere")
    await tuned.begin_canary(CANARY)
    await answered(tuned, FIRST, by="U4", thread=thread, votes=[("U2", -1, 2)])
    assert [label.is_older for label in await tuned.labels()] == [is_older]


@pytest.mark.parametrize("is_reset", [True, False])
async def test_who_was_answered_in_the_conversation_before_is_not_in_this_one(tuned, is_reset):
    theirs = await answered(tuned, FIRST, by="U4")
    if is_reset:
        await tuned.reset(theirs.id)
    later = 0 if is_reset else 9
    await answered(tuned, FIRST, by="U1", hours=later)
    await tuned.begin_canary(CANARY)
    await answered(tuned, FIRST, by="U4", hours=later, votes=[("U2", -1, 2)])
    assert [label.is_older for label in await tuned.labels()] == [False]


async def test_in_a_channel_what_is_eight_hours_old_is_another_conversation(tuned):
    await answered(tuned, FIRST, by="U4")
    await tuned.begin_canary(CANARY)
    await answered(tuned, FIRST, by="U4", hours=9, votes=[("U2", -1, 2)])
    assert [label.is_older for label in await tuned.labels()] == [False]


async def test_what_an_admin_left_out_is_no_label(tuned):
    await tuned.begin_canary(CANARY)
    ours = await answered(tuned, SECOND, votes=[("U2", 1, 1), ("U3", -1, 2), ("U4", -1, 3)])
    decided = [Review(ours.id, "U2", False, NOON), Review(ours.id, "U3", True, NOON)]
    await tuned.put_reviews(decided)
    assert [label.voter for label in await tuned.labels()] == ["U3", "U4"]


async def test_labels_say_which_message_began_each_conversation_in_a_channel(tuned):
    for hours in (0, 1):
        await answered(tuned, FIRST, hours=hours)
    await tuned.begin_canary(CANARY)
    said = [
        await answered(tuned, SECOND, hours=hours, votes=[("U2", 1, minute)])
        for minute, hours in enumerate((10, 17, 24, 33, 33))
    ]
    await tuned.reset(said[4].id)
    said.append(await answered(tuned, SECOND, hours=33, votes=[("U2", 1, 9)]))
    began = [said[number].message.ref.id for number in (0, 0, 0, 3, 3, 5)]
    assert [label.opening for label in await tuned.labels()] == began


async def test_whoever_started_it_is_forgotten_with_what_they_said(tuned):
    await tuned.begin_canary(CANARY)
    await tuned.forget_person("slack", "T1/B1", "U2")
    assert await tuned.answering() == (FIRST, CANARY)
    await tuned.forget_person("slack", "T1/B1", "U1")
    assert await tuned.answering() == (FIRST, dataclasses.replace(CANARY, by=None))
