"""What is known of the places where turns are, on both databases."""

import dataclasses
from datetime import timedelta

from core.types import ChannelRef, Feedback, Seen, ThreadRef
from tests.storage.says import CHANNEL, MORNING, answered, message, recipe

HERE = "slack", "T1/B1"
OTHER = dataclasses.replace(CHANNEL, id="C2")


async def heard(store, hours=0.0, **more):
    said = dataclasses.replace(message(**more), at=MORNING + timedelta(hours=hours))
    return await store.hear(said)


async def test_seen_are_the_conversations_since_then_each_with_its_newest_message(store):
    await heard(store, 0, id="old", channel=OTHER)
    await heard(store, 3, id="b")
    await heard(store, 2, id="a")  # it came later, but is older
    await heard(store, 4, id="c", thread="T1")
    assert await store.seen(*HERE, MORNING + timedelta(hours=1)) == [
        Seen(ThreadRef(CHANNEL, "T1"), "c", MORNING + timedelta(hours=4)),
        Seen(ThreadRef(CHANNEL), "b", MORNING + timedelta(hours=3)),
    ]


async def test_seen_is_nothing_of_another_account_and_no_command_for_one_persons_eyes(store):
    await heard(store, 1, channel=ChannelRef("slack", "T2/B1", "C1"))
    await heard(store, 1, id="not a message of the channel", private=True)
    assert await store.seen(*HERE, MORNING) == []


async def test_we_take_part_in_a_thread_where_we_were_spoken_to_in_the_open(store):
    await heard(store)
    await heard(store, thread="T1", channel=OTHER)
    await heard(store, thread="T2", private=True)
    assert not await store.takes_part(ThreadRef(CHANNEL, "T1"))
    assert not await store.takes_part(ThreadRef(CHANNEL, "T2"))
    assert not await store.takes_part(ThreadRef(CHANNEL))  # a channel is no thread
    await heard(store, thread="T1")
    assert await store.takes_part(ThreadRef(CHANNEL, "T1"))


async def test_what_stands_in_a_thread_may_be_shown_but_after_a_reset_or_a_forget(store):
    async def can_quote(thread):
        return await store.can_quote(await heard(store, thread=thread))

    await answered(store, thread="T1")
    assert await can_quote("T1")
    gone = await heard(store, thread="T2", id="gone")
    await store.change(gone.message.ref, None)
    assert await can_quote("T2")  # the platform no longer shows it either
    await store.reset(await answered(store, thread="T3"))
    assert not await can_quote("T3")
    forgotten = await answered(store, thread="T4", author="U9")
    assert await can_quote("T4")
    assert (await store.forget_turn(forgotten, "U9")).turns == 1
    assert not await can_quote("T4")


async def test_the_first_turn_in_a_channel_is_known(store):
    first = await heard(store, thread="T1")
    second = await heard(store, thread="T2")
    elsewhere = await heard(store, channel=OTHER)
    assert [await store.is_first(turn) for turn in (first, second, elsewhere)] == [
        True,
        False,
        True,
    ]


async def test_a_channel_where_a_verdict_stands_is_known(store):
    turn_id = await answered(store)
    assert not await store.voted(CHANNEL)
    await store.put_feedback(Feedback(turn_id, "U1", 1, MORNING))
    assert await store.voted(CHANNEL)
    assert not await store.voted(OTHER)
    await store.drop_feedback(turn_id, "U1", 1)
    assert not await store.voted(CHANNEL)


async def test_a_verdict_is_answered_with_the_one_that_stands(store):
    turn_id = await answered(store)
    later = MORNING + timedelta(hours=1)
    assert await store.put_feedback(Feedback(turn_id, "U1", -1, later)) == -1
    assert await store.put_feedback(Feedback(turn_id, "U1", 1, MORNING)) == -1
    assert await store.drop_feedback(turn_id, "U1", 1) == -1
    assert await store.drop_feedback(turn_id, "U2", -1) is None
    assert await store.drop_feedback(turn_id, "U1", -1) is None


async def test_a_turn_keeps_its_place_and_the_names_of_what_was_not_read(store):
    said = message(place="private", unread=("a photo.png", "b.bin"))
    turn = await store.hear(said)
    await store.began(turn.id, recipe())
    assert (await store.turn(turn.id)).message == said
    assert (await store.turn((await heard(store)).id)).message.unread == ()
