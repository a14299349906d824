"""Verdicts, corrections, edits and deletions, and what training sees, on both databases."""

import dataclasses
from datetime import timedelta

import pytest

from core.errors import StoreError
from core.types import Correction, Feedback, ThreadRef
from tests.storage.says import (
    CHANNEL,
    MORNING,
    answered,
    marked,
    message,
    only_turn,
    recipe,
    remembered,
    reply,
    tuned,
)

LATER = MORNING + timedelta(hours=1)


def up(turn_id, author="U2", at=MORNING):
    return Feedback(turn_id, author, 1, at)


def down(turn_id, author="U2", at=MORNING):
    return Feedback(turn_id, author, -1, at)


async def verdicts(store):
    return [verdict for judged in await store.judged(["slack"]) for verdict in judged.feedback]


async def test_a_verdict_is_kept_with_its_turn(store):
    turn_id = await answered(store)
    await store.put_feedback(up(turn_id))
    (judged,) = await store.judged(["slack"])
    assert (judged.turn.id, judged.turn.answer) == (turn_id, "To How are you?")
    assert (judged.feedback, judged.corrections, judged.shown) == ((up(turn_id),), (), ())


async def test_the_last_verdict_of_a_person_counts(store):
    turn_id = await answered(store)
    for verdict in (up(turn_id), up(turn_id, "U3"), down(turn_id, at=LATER)):
        await store.put_feedback(verdict)
    assert set(await verdicts(store)) == {up(turn_id, "U3"), down(turn_id, at=LATER)}


async def test_an_old_verdict_that_comes_again_changes_nothing(store):
    turn_id = await answered(store)
    for verdict in (up(turn_id), down(turn_id, at=LATER), up(turn_id)):
        await store.put_feedback(verdict)
    assert await verdicts(store) == [down(turn_id, at=LATER)]


async def test_taking_a_thumb_back_removes_only_the_verdict_that_stands(store):
    turn_id = await answered(store)
    await store.put_feedback(up(turn_id))
    await store.put_feedback(down(turn_id, at=LATER))
    await store.drop_feedback(turn_id, "U2", 1)
    assert await verdicts(store) == [down(turn_id, at=LATER)]
    await store.drop_feedback(turn_id, "U3", -1)
    assert await verdicts(store) == [down(turn_id, at=LATER)]
    await store.drop_feedback(turn_id, "U2", -1)
    assert await verdicts(store) == []


async def test_a_verdict_on_a_turn_that_is_not_there_is_an_error(store):
    with pytest.raises(StoreError):
        await store.put_feedback(up(999))


async def test_a_persons_last_correction_counts(store):
    turn_id = await answered(store)
    await store.put_correction(Correction(turn_id, "U2", "Say hello.", MORNING))
    last = Correction(turn_id, "U2", "Say good morning.", LATER)
    other = Correction(turn_id, "U3", "Sing.", MORNING)
    await store.put_correction(last)
    await store.put_correction(other)
    (judged,) = await store.judged(["slack"])
    assert (judged.feedback, set(judged.corrections)) == ((), {last, other})


async def test_a_correction_counts_unless_a_later_thumb_up_of_its_author_stands(store):
    turn_id = await answered(store)
    said = Correction(turn_id, "U2", "Say hello.", LATER)
    soon = LATER + timedelta(minutes=1)
    for verdict in (
        down(turn_id),
        up(turn_id, "U3", at=soon),  # somebody else's
        up(await answered(store), at=soon),  # of another answer
        up(turn_id, at=MORNING + timedelta(minutes=1)),  # before they corrected it
    ):
        await store.put_feedback(verdict)
    await store.put_correction(said)

    async def standing():
        return (await store.judged(["slack"]))[0].corrections

    assert await standing() == (said,)
    await store.put_feedback(up(turn_id, at=soon))
    assert await standing() == ()
    assert up(turn_id, at=soon) in await verdicts(store)
    await store.put_feedback(down(turn_id, at=soon + timedelta(minutes=1)))
    assert await standing() == (said,)
    await store.drop_feedback(turn_id, "U2", -1)  # no verdict stands, and nothing was deleted
    assert await standing() == (said,)
    await store.put_feedback(up(turn_id, at=soon))
    again = dataclasses.replace(said, text="Sing.", at=soon + timedelta(minutes=1))
    await store.put_correction(again)
    assert await standing() == (again,)


async def test_judged_turns_are_those_of_the_platforms_asked_for_oldest_first(store):
    ids = [await answered(store) for _ in range(3)]
    other = await answered(store, channel=dataclasses.replace(CHANNEL, platform="discord"))
    for turn_id in (ids[2], other, ids[0]):
        await store.put_feedback(up(turn_id))
    assert [judged.turn.id for judged in await store.judged(["slack"])] == [ids[0], ids[2]]
    both = await store.judged({"discord", "slack"})
    assert [judged.turn.id for judged in both] == [ids[0], ids[2], other]
    assert await store.judged([]) == []


async def test_a_judged_turn_comes_with_what_its_prompt_showed(store):
    await answered(store, "too old")
    first = await answered(store, "one")
    await answered(store, "elsewhere", thread="T9")
    await answered(store, "failed", outcome="failed", first=first)
    second = await answered(store, "two", first=first)
    last = await answered(store, "three", first=first)
    await answered(store, "later", first=first)
    await store.put_feedback(up(second))
    await store.put_feedback(up(last))
    judged = await store.judged(["slack"])
    assert [[turn.id for turn in j.shown] for j in judged] == [[first], [first, second]]
    assert judged[1].shown[1] == judged[0].turn


async def test_an_edited_message_has_its_new_text(store):
    said = message("Helo")
    turn = await store.hear(said)
    await store.change(said.ref, "Hello")
    assert (await only_turn(store)).message == dataclasses.replace(said, text="Hello")
    await store.settle(turn.id, "Hi.", "answered")
    await store.change(said.ref, "Hello!")
    assert (await only_turn(store)).message.text == "Hello!"


async def test_a_message_that_we_never_heard_may_change(store):
    await store.change(message().ref, "Hello")
    await store.change(message().ref, None)


async def test_a_deleted_message_is_forgotten_and_stays_so(store):
    said = message("My secret")
    turn = await store.hear(said)
    await store.began(turn.id, recipe())
    await store.settle(turn.id, "About your secret", "answered")
    await store.finish(turn.id)
    await store.put_feedback(up(turn.id))
    await store.change(said.ref, None)
    assert await remembered(store) == ([], True)
    assert await store.judged(["slack"]) == []
    await store.placed(turn.id, reply("r1"))
    await store.change(said.ref, "An edit that came late")
    now = await store.turn_behind(reply("r1"))
    assert (now.message.text, now.answer) == ("", "")
    assert await store.hear(said) is None


async def test_where_a_place_is_gone_all_is_that_was_said_there(store):
    other = dataclasses.replace(CHANNEL, id="C2")
    thread, beside = await answered(store, thread="T1"), await answered(store, thread="T2")
    open_, elsewhere = await answered(store), await answered(store, channel=other)
    names = [await tuned(store, turn_id) for turn_id in (thread, beside, open_, elsewhere)]

    async def left():
        turns = [await store.turn(id) for id in (thread, beside, open_, elsewhere)]
        return [bool(turn.message.text and turn.answer) for turn in turns]

    assert await store.drop_place(ThreadRef(CHANNEL, "T1")) is True
    assert await left() == [False, True, True, True]
    assert await marked(store) == names[:1]
    assert await store.drop_place(ThreadRef(CHANNEL, "T1")) is False
    waits = await store.hear(message(thread="T3"))
    assert await store.drop_place(ThreadRef(CHANNEL)) is True
    assert await left() == [False, False, False, True]
    assert await marked(store) == names[:3]
    assert (await store.turn(waits.id)).status == "done"


async def test_a_deleted_message_that_waits_is_not_answered_any_more(store):
    said = message()
    await store.hear(said)
    await store.change(said.ref, None)
    assert await store.unanswered("slack", "T1/B1") == []


async def test_an_answer_under_way_leaves_no_words_when_its_question_is_deleted(store):
    said = message()
    turn = await store.hear(said)
    await store.began(turn.id, recipe())
    await store.placed(turn.id, said.ref)
    await store.change(said.ref, None)
    await store.settle(turn.id, "About your secret", "answered")
    assert await store.unanswered("slack", "T1/B1") == []
    await store.finish(turn.id)
    now = await store.turn_behind(said.ref)
    assert (now.message.text, now.answer, now.status) == ("", "", "done")
    assert await remembered(store) == ([], True)


async def opened_by(store, *turn_ids):
    """Of each turn, the turn that began its conversation."""
    for turn_id in turn_ids:
        await store.put_feedback(up(turn_id))
    judged = {one.turn.id: one for one in await store.judged(["slack"])}
    first = {one.turn.message.ref.id: id for id, one in judged.items()}
    return [first[judged[turn_id].opening] for turn_id in turn_ids]


async def later(store, hours, **more):
    said = dataclasses.replace(message(**more), at=MORNING + timedelta(hours=hours))
    turn = await store.hear(said)
    await store.began(turn.id, recipe())
    await store.settle(turn.id, "Fine.", "answered")
    await store.finish(turn.id)
    return turn.id


async def test_in_a_channel_eight_silent_hours_end_a_conversation(store):
    a, b, c, d, e = [await later(store, hours) for hours in (0, 7.9, 15.8, 23.9, 24)]
    assert await opened_by(store, a, b, c, d, e) == [a, a, a, d, d]


async def test_in_a_channel_a_reset_ends_a_conversation(store):
    a, b = await answered(store), await answered(store)
    reset = await store.hear(message("/reset"))
    await store.began(reset.id, None)
    await store.reset(reset.id)
    c, d = await answered(store), await answered(store)
    assert await opened_by(store, a, b, c, d) == [a, a, c, c]


async def test_a_thread_is_one_conversation_however_long_it_is_silent(store):
    a, other = await later(store, 0, thread="T1"), await later(store, 0, thread="T2")
    reset = await store.hear(message("/reset", thread="T1"))
    await store.reset(reset.id)
    b = await later(store, 100, thread="T1")
    assert await opened_by(store, a, other, b) == [a, other, a]


async def test_what_is_forgotten_moves_no_conversation_to_the_other_side(store):
    first, said = await later(store, 0), await later(store, 1, author="U3")
    before = (await judged_one(store, said)).opening
    assert (await store.forget_turn(first, "U1")).turns == 1
    assert (await judged_one(store, said)).opening == before


async def judged_one(store, turn_id):
    await store.put_feedback(up(turn_id))
    (one,) = [one for one in await store.judged(["slack"]) if one.turn.id == turn_id]
    return one


async def test_what_is_found_late_is_not_kept_where_something_was_forgotten_since(store):
    """Whose it was, nobody knows any more: a slash command shows nothing to people either."""
    theirs = await answered(store, author="U2")
    since = (await store.hear(message(author="U3"))).message.at
    assert await store.put_feedback(Feedback(theirs, "U1", 1, since), found=True) == 1
    await store.hear(message("/forget me", author="U1", private=True))
    await store.forget_person("slack", "T1/B1", "U1")
    assert await store.put_feedback(Feedback(theirs, "U1", 1, since), found=True) is None
    after = (await store.hear(message(author="U3"))).message.at
    assert await store.put_feedback(Feedback(theirs, "U1", -1, after), found=True) == -1
    assert await store.put_feedback(up(theirs, at=since)) == 1  # heard as it came
    assert await store.put_feedback(down(theirs, at=since), found=True) == 1


async def test_what_is_found_late_is_kept_where_only_elsewhere_something_was_forgotten(store):
    elsewhere = dataclasses.replace(CHANNEL, account="T2/B1")
    await store.hear(message("/forget me", author="U1", channel=elsewhere))
    mine, theirs = await answered(store, author="U1"), await answered(store, author="U2")
    await store.hear(message("/forget me", author="U1", channel=elsewhere))
    await store.forget_person("slack", "T2/B1", "U1")
    assert await store.put_feedback(Feedback(theirs, "U1", 1, MORNING), found=True) == 1
    assert (await store.forget_turn(mine, "U1")).turns == 1
    later = MORNING + timedelta(days=30)
    assert await store.put_feedback(Feedback(mine, "U1", 1, later), found=True) is None
