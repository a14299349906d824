"""The tunes and the pointer to the one that serves, on both databases."""

import asyncio
import dataclasses
from datetime import timedelta

import pytest

from core.errors import StoreError
from core.types import Author, ChannelRef, Feedback
from core.types_learning import Shaped, Tune, Used
from storage.repositories import Settings, SqlStore
from tests.storage.says import CHANNEL, MORNING, answered, message, recipe


def tune(name, **more):
    return Tune(name, "starter", f"data/{name}", "passed", (3, 1), "Better.", MORNING, **more)


async def test_tunes_come_back_oldest_first(store):
    a, b = tune(await store.next_tune()), tune(await store.next_tune())
    await store.put_tune(a)
    await store.put_tune(b)
    assert await store.tunes() == [a, b]
    refused = dataclasses.replace(b, status="refused")
    await store.put_tune(refused)
    assert await store.tunes() == [a, refused]


async def test_the_newest_is_the_newest_also_where_the_clock_was_set_back(store):
    a, b = tune("mynah@000001"), tune("mynah@000002")
    await store.put_tune(a)
    earlier = dataclasses.replace(b, at=MORNING - timedelta(hours=2))
    await store.put_tune(earlier)
    assert await store.tunes() == [a, earlier]


async def test_a_name_is_never_given_out_twice(url):
    store = await SqlStore.open(Settings(url=url), holder="the tests")
    names = await asyncio.gather(*(store.next_tune() for _ in range(5)))
    await store.close()
    store = await SqlStore.open(Settings(url=url), holder="the tests")
    await store.put_tune(tune("mynah@000007"))
    names += [await store.next_tune(), await store.next_tune()]
    await store.close()
    assert names == [f"mynah@00000{n}" for n in (1, 2, 3, 4, 5, 6, 8)]


async def test_the_base_serves_until_a_tune_does(store):
    assert await store.serving() is None
    await store.put_tune(tune("mynah@000001"))
    await store.serve("mynah@000001", MORNING)
    assert await store.serving() == "mynah@000001"
    await store.serve(None, MORNING)
    assert await store.serving() is None


async def test_a_tune_that_is_not_there_cannot_serve(store):
    with pytest.raises(StoreError):
        await store.serve("mynah@000009", MORNING)
    assert await store.serving() is None


async def test_rolling_back_goes_to_what_served_before_and_on_to_the_base(store):
    for name in "abc":
        await store.put_tune(tune(name))
        await store.serve(name, MORNING)
    await store.serve("c", MORNING)  # it serves already
    assert await rolled_back(store, "c") == "b"
    assert await rolled_back(store, "b") == "a"
    await store.serve("c", MORNING)
    assert await rolled_back(store, "c") == "a"
    assert await rolled_back(store, "a") is None


async def test_on_the_way_back_what_shall_not_serve_is_passed_in_one_step(store):
    for name in "abcd":
        await store.put_tune(tune(name))
        await store.serve(name, MORNING)
    assert await store.roll_back("d", MORNING, {"d", "c", "b"})
    assert await store.serving() == "a"
    await store.serve("d", MORNING)
    assert await store.roll_back("d", MORNING, ["a", "d"])
    assert await store.serving() is None


async def test_why_it_was_rolled_back_is_said_in_the_same_commit(store):
    for name in "abc":
        await store.put_tune(tune(name))
        await store.serve(name, MORNING)
    assert await store.way_back() == ("b", "a")
    assert await store.roll_back("c", MORNING, why="Disliked.")
    assert not await store.roll_back("c", MORNING, why="It does not serve.")
    assert [one.summary for one in await store.tunes()] == [
        "Better.",
        "Better.",
        "Better. Disliked.",
    ]
    assert await store.way_back() == ("a",)


async def test_on_the_way_back_nothing_serves_that_used_what_is_forgotten(store):
    for name in "abc":
        await store.put_tune(tune(name))
        await store.serve(name, MORNING)
    await store.put_tune(dataclasses.replace(tune("b"), forgotten=True))
    assert await rolled_back(store, "c") == "a"


async def test_what_answered_everybody_is_remembered_also_when_it_no_longer_does(store):
    assert await store.served() == frozenset()
    for name in "abc":
        await store.put_tune(tune(name))
    await store.serve("a", MORNING)
    await store.serve("b", MORNING)
    await store.serve(None, MORNING)
    assert await store.served() == {"a", "b"}


async def test_a_model_is_in_use_until_its_answers_are_shown(store):
    assert await store.in_use() == frozenset()
    await answered(store)
    elsewhere = ChannelRef("discord", "B2", "C1")
    first, second = await store.hear(message()), await store.hear(message(channel=elsewhere))
    await store.hear(message())
    await store.began(first.id, recipe(model="a"))
    await store.began(second.id, recipe(model="b"))
    await store.settle(second.id, "Hello.", "answered")
    assert await store.in_use() == {"a", "b"}
    await store.finish(second.id)
    assert await store.in_use() == {"a"}


async def test_what_a_tune_learnt_from_stays_known_whatever_else_is_written_of_it(store):
    turn = await answered(store)
    await store.put_feedback(Feedback(turn, "U1", 1, MORNING))
    a = tune(await store.next_tune())
    for verdicts in ([Used(turn, "U1", True)], [], [Used(turn, "U1")]):
        await store.put_tune(a, verdicts)
        shaped = await store.shaped(a.name, CHANNEL, Author("U1", "me"))
        assert shaped == Shaped(votes=1, people=1, own=1, asked=("How are you?",))


async def rolled_back(store, name):
    """What serves from there on."""
    assert await store.roll_back(name, MORNING)
    return await store.serving()


async def test_only_what_serves_is_rolled_back(store):
    for name in "abc":
        await store.put_tune(tune(name))
        await store.serve(name, MORNING)
    assert not await store.roll_back("b", MORNING)  # what was judged served a moment ago
    first, second = await asyncio.gather(*(store.roll_back("c", MORNING) for _ in range(2)))
    assert (first, second) == (True, False)
    assert await store.serving() == "b"
