"""What a conversation remembers, on both databases."""

import dataclasses

import pytest

from tests.storage.says import CHANNEL, answered, message, recipe, remembered


async def test_a_conversation_begins_with_nothing(store):
    assert await remembered(store) == ([], True)


async def test_what_was_said_before_is_remembered_oldest_first(store):
    first = await answered(store, "one")
    second = await answered(store, "two", first=first)
    turn = await store.hear(message("three"))
    later = await answered(store, "four", first=first)
    history = await store.history(turn, 10)
    assert [(t.id, t.message.text, t.answer) for t in history.turns] == [
        (first, "one", "To one"),
        (second, "two", "To two"),
    ]
    assert history.whole
    assert later > turn.id


@pytest.mark.parametrize("part", ["platform", "account", "id"])
async def test_other_channels_are_not_remembered(store, part):
    await answered(store, channel=dataclasses.replace(CHANNEL, **{part: "other"}))
    assert await remembered(store) == ([], True)


async def test_threads_are_conversations_of_their_own(store):
    await answered(store, thread="T1")
    in_second = await answered(store, thread="T2")
    await answered(store)
    assert await remembered(store, thread="T2") == ([in_second], True)


@pytest.mark.parametrize("outcome", ["answered", "cut", "stopped"])
async def test_what_the_model_said_counts(store, outcome):
    turn_id = await answered(store, outcome=outcome)
    assert await remembered(store) == ([turn_id], True)


@pytest.mark.parametrize("outcome", ["failed", "refused", "expired", "command"])
async def test_what_the_model_did_not_say_does_not_count(store, outcome):
    await answered(store, outcome=outcome)
    assert await remembered(store) == ([], True)


async def test_a_turn_that_is_not_answered_yet_does_not_count(store):
    turn = await store.hear(message())
    await store.began(turn.id, recipe())
    assert await remembered(store) == ([], True)


async def test_history_begins_where_the_previous_prompt_began(store):
    ids = [await answered(store)]
    for _ in range(5):
        ids.append(await answered(store, first=ids[0]))
    last = await answered(store, first=ids[3])  # the prompt was cut here
    assert await remembered(store) == ([*ids[3:], last], False)


async def test_after_a_prompt_without_history_it_begins_with_that_turn(store):
    await answered(store)
    alone = await answered(store, first=None)
    assert await remembered(store) == ([alone], False)
    after = await answered(store, first=alone)
    assert await remembered(store) == ([alone, after], False)


async def test_a_turn_without_a_recipe_does_not_move_the_beginning(store):
    first = await answered(store)
    second = await answered(store, first=first)
    command = await store.hear(message("help"))
    await store.began(command.id, None)
    await store.settle(command.id, "I help.", "command")
    await store.finish(command.id)
    assert await remembered(store) == ([first, second], True)


async def test_without_any_recipe_the_newest_are_shown(store):
    ids = []
    for _ in range(5):
        turn = await store.hear(message())
        await store.settle(turn.id, "So.", "answered")
        ids.append(turn.id)
    assert await remembered(store, limit=3) == (ids[2:], False)
    assert await remembered(store, limit=5) == (ids, True)


async def test_at_most_the_newest_are_shown(store):
    ids = [await answered(store)]
    for _ in range(4):
        ids.append(await answered(store, first=ids[0]))
    assert await remembered(store, limit=2) == (ids[3:], False)


async def test_after_a_reset_the_conversation_begins_anew(store):
    before = await answered(store)
    await store.reset(before)
    assert await remembered(store) == ([], True)
    first = await answered(store)
    second = await answered(store, first=first)
    assert await remembered(store) == ([first, second], True)


async def test_a_reset_in_one_thread_leaves_the_others(store):
    here, there = await answered(store, thread="T1"), await answered(store, thread="T2")
    await store.reset(here)
    assert await remembered(store, thread="T1") == ([], True)
    assert await remembered(store, thread="T2") == ([there], True)


async def test_a_reset_that_came_later_does_not_change_what_an_earlier_turn_is_shown(store):
    first = await answered(store)
    turn = await store.hear(message())
    await store.reset((await store.hear(message("reset"))).id)
    assert [t.id for t in (await store.history(turn, 10)).turns] == [first]


async def test_history_is_whole_though_a_deleted_turn_stood_at_its_beginning(store):
    said = message()
    turn = await store.hear(said)
    await store.began(turn.id, recipe())
    await store.settle(turn.id, "Yes.", "answered")
    second = await answered(store, first=turn.id)
    await store.change(said.ref, None)
    assert await remembered(store) == ([second], True)
