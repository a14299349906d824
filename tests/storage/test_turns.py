"""The life of a turn, on both databases."""

import asyncio
import dataclasses
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Engine, event, update

from core.errors import StoreDamaged, StoreError
from core.types import Turn
from storage.repositories import Settings, SqlStore
from storage.tables import turns
from tests.storage.says import CHANNEL, message, only_turn, recipe, reply


async def test_a_message_is_heard_with_everything_that_came_with_it(store):
    said = message("Wie geht's? 🐦", thread="T7", private=True)
    turn = await store.hear(said)
    assert turn == Turn(turn.id, said)
    assert await only_turn(store) == turn


async def test_a_message_delivered_twice_is_heard_once(store):
    said = message()
    assert await store.hear(said)
    assert await store.hear(said) is None


async def test_of_deliveries_at_the_same_moment_one_is_heard(store):
    said = message()
    turns = await asyncio.gather(*(store.hear(said) for _ in range(20)))
    assert len([turn for turn in turns if turn]) == 1
    assert await only_turn(store) == next(turn for turn in turns if turn)


@pytest.mark.parametrize("part", ["platform", "account", "id"])
async def test_the_same_id_elsewhere_is_another_message(store, part):
    elsewhere = dataclasses.replace(CHANNEL, **{part: "other"})
    assert await store.hear(message(id="1"))
    assert await store.hear(message(id="1", channel=elsewhere))


async def test_turns_heard_together_are_numbered_in_the_order_of_hearing(store):
    said = [message(f"number {n}") for n in range(200)]
    turns = await asyncio.gather(*map(store.hear, said))
    assert [turn.message for turn in turns] == said
    assert [turn.id for turn in turns] == sorted({turn.id for turn in turns})
    assert await store.unanswered("slack", "T1/B1") == turns


async def test_a_message_that_cannot_be_stored_fails_alone(store):
    bad = dataclasses.replace(message(), at=datetime(2026, 1, 1))
    said = [*(message() for _ in range(30)), bad, *(message() for _ in range(30))]
    told: list[Any] = await asyncio.gather(*map(store.hear, said), return_exceptions=True)
    assert isinstance(told[30], StoreError)
    del told[30], said[30]
    assert [turn.message for turn in told] == said
    assert await store.unanswered("slack", "T1/B1") == told


async def test_text_that_the_database_refuses_is_the_callers_error_and_is_not_quoted(store):
    bad = message("secret \ud800\x00")  # no UTF-8, and a NUL, which PostgreSQL refuses
    both = [store.hear(message()), store.hear(bad)]
    told: list[Any] = await asyncio.gather(*both, return_exceptions=True)
    assert isinstance(told[1], StoreError)
    assert "secret" not in str(told[1])
    assert await only_turn(store) == told[0]


async def test_an_inbox_with_more_turns_than_a_statement_takes_is_read_whole(sqlite_url):
    """As a rule SQLite takes 32,766 values and PostgreSQL 65,535; with fewer it is soon told."""

    def take_less(connection, _):
        connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 700)

    event.listen(Engine, "connect", take_less)
    try:
        store = await SqlStore.open(Settings(url=sqlite_url), holder="the tests")
        heard: list[Any] = []
        for _ in range(20):
            heard += await asyncio.gather(*(store.hear(message()) for _ in range(40)))
        for turn in heard[::799]:
            await store.placed(turn.id, reply(f"r{turn.id}"))
        found = await store.unanswered("slack", "T1/B1")
        await store.close()
    finally:
        event.remove(Engine, "connect", take_less)
    assert [turn.id for turn in found] == [turn.id for turn in heard]
    assert [turn.id for turn in found if turn.replies] == [heard[0].id, heard[-1].id]


async def test_asking_for_what_no_database_takes_is_the_callers_error(store):
    for asked in (store.turn_behind(reply("secret \ud800")), store.turn(10**30)):
        with pytest.raises(StoreError) as told:
            await asked
        assert not isinstance(told.value, StoreDamaged)
        assert "secret" not in str(told.value)


async def test_a_stored_value_that_cannot_be_read_is_damage_and_is_not_quoted(store):
    turn = await store.hear(message())
    await store.began(turn.id, recipe())
    damage = update(turns).values(ahead="rubbish")
    await store.database.write(lambda connection: connection.execute(damage))
    with pytest.raises(StoreDamaged, match=r"value (that )?cannot be read") as told:
        await store.unanswered("slack", "T1/B1")
    assert "rubbish" not in str(told.value)


async def test_times_keep_their_moment(store):
    tokyo = datetime(2026, 3, 1, 1, 2, 3, 456, tzinfo=timezone(timedelta(hours=9)))
    await store.hear(dataclasses.replace(message(), at=tokyo))
    at = (await only_turn(store)).message.at
    assert at == tokyo
    assert at.tzinfo == UTC


async def test_the_inbox_is_one_accounts_and_ends_with_what_is_done(store):
    mine, other = message(), message(channel=dataclasses.replace(CHANNEL, account="T2"))
    done = await store.hear(message())
    await store.settle(done.id, "Fine.", "answered")
    await store.finish(done.id)
    final = await store.hear(message())
    await store.settle(final.id, "Nearly.", "answered")
    await store.hear(mine)
    await store.hear(other)
    inbox = await store.unanswered("slack", "T1/B1")
    assert (inbox[0].id, inbox[0].status) == (final.id, "final")
    assert [turn.message for turn in inbox[1:]] == [mine]
    assert await store.unanswered("telegram", "T1/B1") == []


async def test_what_the_prompt_was_made_of_is_kept(store):
    turn = await store.hear(message())
    await store.began(turn.id, recipe())
    assert (await only_turn(store)).recipe == recipe()
    await store.began(turn.id, recipe(first=turn.id, system="Other.", model="mynah@000001"))
    now = await only_turn(store)
    assert now.recipe == recipe(first=turn.id, system="Other.", model="mynah@000001")
    assert now.tries == 2


async def test_beginning_without_a_recipe_counts_the_try_and_keeps_the_recipe(store):
    turn = await store.hear(message())
    await store.began(turn.id, recipe())
    await store.began(turn.id, None)
    now = await only_turn(store)
    assert (now.tries, now.recipe) == (2, recipe())


async def test_a_try_that_ended_in_an_orderly_way_does_not_count(store):
    turn = await store.hear(message())
    await store.began(turn.id, recipe())
    await store.let_go(turn.id)
    assert (await only_turn(store)).tries == 0


async def test_a_message_about_to_be_posted_is_known_until_it_is_placed(store):
    turn = await store.hear(message())
    assert not (await only_turn(store)).placing
    await store.placing(turn.id)
    await store.placing(turn.id)  # again, after a crash
    now = await only_turn(store)
    assert (now.placing, now.replies) == (True, ())
    await store.placed(turn.id, reply("r1"))
    now = await only_turn(store)
    assert (now.placing, now.replies) == (False, (reply("r1"),))


async def test_the_parts_of_an_answer_keep_their_order_and_each_finds_its_turn(store):
    turn = await store.hear(message())
    parts = [reply(id) for id in ("r3", "r1", "r2")]
    for part in parts:
        await store.placing(turn.id)
        await store.placed(turn.id, part)
    await store.placed(turn.id, parts[0])  # told again
    now = await only_turn(store)
    assert now.replies == tuple(parts)
    for part in parts:
        assert await store.turn_behind(part) == now
    assert await store.turn_behind(reply("r9")) is None
    elsewhere = dataclasses.replace(CHANNEL, account="T2")
    assert await store.turn_behind(reply("r1", elsewhere)) is None


async def test_a_reply_that_was_placed_before_ends_the_placing(store):
    turn = await store.hear(message())
    await store.placed(turn.id, reply("r1"))
    await store.placing(turn.id)
    await store.placed(turn.id, reply("r1"))
    now = await only_turn(store)
    assert (now.placing, now.replies) == (False, (reply("r1"),))


async def test_a_settled_turn_is_final_and_a_finished_one_done(store):
    turn = await store.hear(message())
    await store.placed(turn.id, reply("r1"))
    await store.settle(turn.id, "I am **well**.", "cut")
    now = await only_turn(store)
    assert (now.status, now.outcome, now.answer) == ("final", "cut", "I am **well**.")
    await store.finish(turn.id)
    assert await store.unanswered("slack", "T1/B1") == []
    assert (await store.turn_behind(reply("r1"))).status == "done"


@pytest.mark.parametrize(
    "act",
    [
        lambda store: store.began(999, recipe()),
        lambda store: store.settle(999, "", "answered"),
        lambda store: store.placing(999),
        lambda store: store.placed(999, reply("r1")),
    ],
)
async def test_a_turn_that_is_not_there_is_an_error(store, act):
    with pytest.raises(StoreError, match="no turn 999"):
        await act(store)
