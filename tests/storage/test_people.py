"""Forgetting, and switching training off, on both databases."""

import dataclasses
from datetime import timedelta

from sqlalchemy import select

from core.types import Correction, Feedback, Forgotten
from core.types_learning import Tune, Used
from storage.tables import tune_verdicts
from tests.storage.says import CHANNEL, MORNING, answered, marked, message, remembered, reply

HERE = "slack", "T1/B1"


async def judge(store, turn_id, *authors):
    for author in authors:
        await store.put_feedback(Feedback(turn_id, author, 1, MORNING))
        await store.put_correction(Correction(turn_id, author, f"{author} says", MORNING))


async def judges(store):
    """Turn id → whose verdicts and whose corrections count."""
    return {
        judged.turn.id: (
            sorted(verdict.author_id for verdict in judged.feedback),
            sorted(correction.author_id for correction in judged.corrections),
        )
        for judged in await store.judged(["slack"])
    }


async def test_a_forgotten_person_leaves_no_turn_no_name_and_no_verdict(store):
    mine, theirs = await answered(store, author="U1"), await answered(store, author="U2")
    await store.hear(message(author="U1"))
    await store.placed(mine, reply("r1"))
    await judge(store, mine, "U1", "U2")
    await judge(store, theirs, "U1", "U2")
    assert (await store.forget_person(*HERE, "U1")).turns == 2
    assert await judges(store) == {theirs: (["U2"], ["U2"])}
    assert await store.unanswered(*HERE) == []
    forgotten = await store.turn_behind(reply("r1"))
    assert (forgotten.message.text, forgotten.answer) == ("", "")
    assert (forgotten.message.author.id, forgotten.message.author.name) == ("", "")
    assert await remembered(store) == ([theirs], True)


async def test_forgetting_says_how_many_turns(store):
    for _ in range(3):
        await answered(store, author="U1")
    await answered(store, author="U2")
    assert (await store.forget_person(*HERE, "U1")).turns == 3
    assert (await store.forget_person(*HERE, "U1")).turns == 0


async def test_forgetting_is_for_one_account(store):
    elsewhere = dataclasses.replace(CHANNEL, account="T2/B1")
    other = await answered(store, channel=elsewhere, author="U1")
    await judge(store, other, "U1")
    assert (await store.forget_person(*HERE, "U1")).turns == 0
    assert await judges(store) == {other: (["U1"], ["U1"])}


async def test_only_its_author_can_have_a_turn_forgotten(store):
    turn_id = await answered(store, author="U1")
    await judge(store, turn_id, "U2")
    assert not (await store.forget_turn(turn_id, "U2")).turns
    assert not (await store.forget_turn(999, "U1")).turns
    assert await judges(store) == {turn_id: (["U2"], ["U2"])}
    assert (await store.forget_turn(turn_id, "U1")).turns == 1
    assert await judges(store) == {}
    assert not (await store.forget_turn(turn_id, "U1")).turns


async def test_nobody_chose_until_somebody_does(store):
    assert await store.training(*HERE, "person", "U1") is None
    await store.set_training(*HERE, "person", "U1", True)
    assert await store.training(*HERE, "person", "U1") is True
    await store.set_training(*HERE, "person", "U1", False)
    assert await store.training(*HERE, "person", "U1") is False
    assert await store.training(*HERE, "channel", "U1") is None
    assert await store.training("slack", "T2", "person", "U1") is None


async def test_what_a_person_asked_does_not_train_when_they_switched_it_off(store):
    mine, theirs = await answered(store, author="U1"), await answered(store, author="U2")
    await judge(store, mine, "U2")
    await judge(store, theirs, "U1", "U2")
    await store.set_training(*HERE, "person", "U1", False)
    assert await judges(store) == {theirs: (["U2"], ["U2"])}
    await store.set_training(*HERE, "person", "U1", True)
    assert await judges(store) == {mine: (["U2"], ["U2"]), theirs: (["U1", "U2"], ["U1", "U2"])}


async def test_nor_does_it_train_as_what_others_were_shown(store):
    first = await answered(store, author="U1")
    second = await answered(store, author="U2", first=first)
    third = await answered(store, author="U2", first=first)
    await judge(store, third, "U2")
    await store.set_training(*HERE, "person", "U1", False)
    (judged,) = await store.judged(["slack"])
    assert [turn.id for turn in judged.shown] == [second]


async def test_a_channel_does_not_train_when_it_is_switched_off(store):
    other = dataclasses.replace(CHANNEL, id="C2")
    here, there = await answered(store), await answered(store, channel=other)
    await judge(store, here, "U2")
    await judge(store, there, "U2")
    await store.set_training(*HERE, "channel", "C1", False)
    await store.set_training("slack", "T2", "channel", "C2", False)
    await store.set_training(*HERE, "person", "C2", False)
    assert await judges(store) == {there: (["U2"], ["U2"])}


async def test_verdicts_of_one_moment_keep_apart(store):
    turn_id = await answered(store)
    await judge(store, turn_id, "U2", "U3")
    await store.put_feedback(Feedback(turn_id, "U3", -1, MORNING + timedelta(seconds=1)))
    (judged,) = await store.judged(["slack"])
    assert [(v.author_id, v.score) for v in judged.feedback] == [("U2", 1), ("U3", -1)]


async def test_what_was_said_in_private_trains_where_somebody_there_switched_it_on(store):
    private = await answered(store, author="U1", private=True)
    await judge(store, private, "U1")
    assert await judges(store) == {}
    await store.set_training(*HERE, "person", "U2", True)
    await store.set_training("slack", "T2", "person", "U1", True)
    assert await judges(store) == {}
    await store.set_training(*HERE, "person", "U1", True)
    assert await judges(store) == {private: (["U1"], ["U1"])}
    await store.set_training(*HERE, "channel", "C1", False)
    assert await judges(store) == {}
    await store.set_training(*HERE, "channel", "C1", True)
    await store.set_training(*HERE, "person", "U1", False)
    assert await judges(store) == {}


async def switched_on(store, place, *choices):
    """Whether a verdict in such a place trains once these choices are made."""
    turn_id = await answered(store, author="U1", place=place)
    await judge(store, turn_id, "U1")
    before = await judges(store)
    for kind, id in choices:
        await store.set_training(*HERE, kind, id, True)
    return turn_id not in before and turn_id in await judges(store)


async def test_a_direct_message_trains_when_its_person_switches_it_on(store):
    assert not await switched_on(store, "direct", ("person", "U2"), ("channel", "C9"))
    assert await switched_on(store, "direct", ("person", "U1"))


async def test_a_private_channel_trains_when_the_channel_switches_it_on(store):
    assert not await switched_on(store, "private", ("person", "U1"))
    assert await switched_on(store, "private", ("channel", "C1"))


async def test_a_person_who_switched_it_off_does_not_train_where_the_channel_is_on(store):
    assert await switched_on(store, "private", ("channel", "C1"))
    await store.set_training(*HERE, "person", "U1", False)
    assert await judges(store) == {}


async def test_what_was_said_in_private_does_not_train_as_what_was_shown_either(store):
    first = await answered(store, author="U1", place="private")
    public = await answered(store, author="U1", first=first)
    await judge(store, public, "U1")
    (judged,) = await store.judged(["slack"])
    assert judged.shown == ()


async def tuned(store, turns, verdicts=()):
    name = await store.next_tune()
    tune = Tune(name, "base", "here", "passed", tuple(turns), "Learnt.", MORNING)
    return name, await store.put_tune(tune, [Used(*one) for one in verdicts])


async def test_forgetting_a_turn_marks_the_tunes_that_used_it_and_no_other(store):
    one, two = await answered(store, author="U1"), await answered(store, author="U2")
    a, _ = await tuned(store, [one, two])
    await tuned(store, [two])
    assert not (await store.forget_turn(one, "U2")).turns
    assert await marked(store) == []
    assert (await store.forget_turn(one, "U1")).turns == 1
    assert await marked(store) == [a]


async def test_who_forgets_is_told_of_the_tunes_that_used_what_is_theirs_marked_before_or_not(
    store,
):
    mine, theirs = await answered(store, author="U1"), await answered(store, author="U2")
    await judge(store, theirs, "U3")
    both, _ = await tuned(store, [mine, theirs], [(theirs, "U3")])
    old, _ = await tuned(store, [mine])
    (kept, *_) = [one for one in await store.tunes() if one.name == old]
    await store.put_tune(dataclasses.replace(kept, path=""))  # without files it is history
    assert await store.forget_person(*HERE, "U1") == Forgotten(1, frozenset({both}))
    assert await store.forget_person(*HERE, "U4") == Forgotten(0)
    assert await store.forget_person(*HERE, "U3") == Forgotten(0, frozenset({both}))
    assert await store.forget_turn(theirs, "U2") == Forgotten(1, frozenset({both}))


async def test_deleting_a_message_marks_the_tunes_that_used_it(store):
    one = await answered(store, id="m")
    a, _ = await tuned(store, [one])
    await store.change(dataclasses.replace(message(id="m").ref), "Edited")
    assert await marked(store) == []
    await store.change(message(id="m").ref, None)
    assert await marked(store) == [a]


async def test_forgetting_a_person_marks_what_used_their_turns_or_their_verdicts(store):
    mine, theirs = await answered(store, author="U1"), await answered(store, author="U2")
    await judge(store, mine, "U2")
    await judge(store, theirs, "U1", "U2")
    asked, _ = await tuned(store, [mine, theirs], [(mine, "U2")])
    voted, _ = await tuned(store, [theirs], [(theirs, "U1"), (theirs, "U2")])
    await tuned(store, [theirs], [(theirs, "U2")])
    await store.forget_person(*HERE, "U1")
    assert await marked(store) == [asked, voted]


async def test_a_verdict_that_was_taken_back_before_its_author_was_forgotten_marks_too(store):
    theirs = await answered(store, author="U2")
    await judge(store, theirs, "U2")
    await store.put_feedback(Feedback(theirs, "U1", 1, MORNING))
    a, _ = await tuned(store, [theirs], [(theirs, "U1"), (theirs, "U2")])
    await store.drop_feedback(theirs, "U1", 1)
    assert await marked(store) == []
    await store.forget_person("slack", "T2/B1", "U1")  # somebody else
    assert await marked(store) == []
    await store.forget_person(*HERE, "U1")
    assert await marked(store) == [a]


async def test_what_is_forgotten_while_a_tune_is_made_marks_it_when_it_is_recorded(store):
    mine, theirs = await answered(store, author="U1"), await answered(store, author="U2")
    await judge(store, theirs, "U1", "U2")
    await store.forget_person(*HERE, "U1")
    _, first = await tuned(store, [mine, theirs])
    _, second = await tuned(store, [theirs], [(theirs, "U1"), (theirs, "U2")])
    _, third = await tuned(store, [theirs], [(theirs, "U2")])
    assert (first, second, third) == (True, True, False)
    assert len(await marked(store)) == 2


async def test_a_verdict_that_is_taken_back_while_a_tune_is_made_marks_nothing(store):
    mine, theirs = await answered(store, author="U1"), await answered(store, author="U2")
    await judge(store, mine, "U2")
    await store.put_feedback(Feedback(theirs, "U1", 1, MORNING))
    await store.drop_feedback(theirs, "U1", 1)
    a, is_forgotten = await tuned(store, [mine, theirs], [(theirs, "U1"), (mine, "U2")])
    assert (is_forgotten, await marked(store)) == (False, [])
    await store.forget_person(*HERE, "U1")
    assert await marked(store) == [a]


async def test_whoever_is_forgotten_and_speaks_again_while_a_tune_is_made_marks_it(store):
    theirs = await answered(store, author="U2")
    await judge(store, theirs, "U1", "U2")
    await store.forget_person(*HERE, "U1")
    later = MORNING + timedelta(days=30)  # than whatever is said in these tests
    await store.put_feedback(Feedback(theirs, "U1", 1, later))
    other = await answered(store, author="U2")
    await store.put_feedback(Feedback(other, "U1", 1, later))
    await store.drop_feedback(theirs, "U1", 1)
    _, is_forgotten = await tuned(store, [theirs], [(theirs, "U1"), (theirs, "U2")])
    assert is_forgotten


async def test_no_tune_names_a_forgotten_person(store):
    theirs = await answered(store, author="U2")
    await judge(store, theirs, "U1", "U2")
    used = [(theirs, "U1"), (theirs, "U2")]
    await tuned(store, [theirs], used)
    await store.forget_person(*HERE, "U1")
    await tuned(store, [theirs], used)  # it was being made meanwhile
    query = select(tune_verdicts.c.author_id)
    found = await store.database.read(lambda connection: connection.scalars(query).all())
    assert found == ["U2", "U2"]


async def test_no_tune_names_whoever_judged_a_forgotten_turn(store):
    mine, theirs = await answered(store, author="U1"), await answered(store, author="U2")
    await judge(store, mine, "U2")
    await judge(store, theirs, "U2")
    await tuned(store, [mine, theirs], [(mine, "U2"), (theirs, "U2")])
    await store.forget_person(*HERE, "U1")
    query = select(tune_verdicts.c.turn_id)
    assert await store.database.read(lambda connection: connection.scalars(query).all()) == [theirs]
    await store.forget_turn(theirs, "U2")
    assert await store.database.read(lambda connection: connection.scalars(query).all()) == []


async def test_a_mark_stays_whatever_else_is_written_of_the_tune(store):
    one = await answered(store, author="U1")
    await tuned(store, [one])
    (before,) = await store.tunes()
    await store.forget_turn(one, "U1")
    assert await store.put_tune(dataclasses.replace(before, path="", turns=()))
    (after,) = await store.tunes()
    assert (after.forgotten, after.path) == (True, "")
