"""Those who vote, since when they are known, and what admins decided, on both databases."""

import dataclasses
from datetime import timedelta

from core.types import Correction, Feedback
from core.types_learning import Review, Voter
from tests.storage.says import CHANNEL, MORNING, answered, message

DAY = timedelta(days=1)


def known(who, first, last, account=CHANNEL.account):
    return Voter("slack", account, who, first, last)


async def heard_at(store, at, **more):
    said = dataclasses.replace(message(**more), at=at)
    turn = await store.hear(said)
    return turn.id


async def test_a_voter_is_known_since_they_first_asked_or_voted_and_until_they_last_did(store):
    early, turn_id = await heard_at(store, MORNING, author="U1"), await answered(store)
    await heard_at(store, MORNING + 9 * DAY, author="U2")
    await heard_at(store, MORNING, author="U9")  # never votes
    await store.put_feedback(Feedback(turn_id, "U1", 1, MORNING + 2 * DAY))
    await store.put_feedback(Feedback(early, "U2", 1, MORNING + 3 * DAY))
    await store.put_correction(Correction(turn_id, "U3", "So.", MORNING + 4 * DAY))
    await store.put_feedback(Feedback(turn_id, "U3", -1, MORNING + 5 * DAY))
    assert await store.voters(["slack"]) == [
        known("U1", MORNING, MORNING + 2 * DAY),
        known("U2", MORNING + 3 * DAY, MORNING + 9 * DAY),
        known("U3", MORNING + 4 * DAY, MORNING + 5 * DAY),
    ]
    assert await store.voters(["discord"]) == []


async def test_a_verdict_that_was_found_makes_nobody_known_for_longer(store):
    old, newer = await answered(store), await answered(store)
    await store.put_feedback(Feedback(old, "U2", 1, MORNING), found=True)
    assert await store.voters(["slack"]) == [known("U2", MORNING, MORNING)]
    await store.put_feedback(Feedback(newer, "U2", 1, MORNING + 3 * DAY))
    assert await store.voters(["slack"]) == [known("U2", MORNING + 3 * DAY, MORNING + 3 * DAY)]
    await store.put_feedback(Feedback(old, "U2", -1, MORNING + DAY))  # heard, this time
    assert await store.voters(["slack"]) == [known("U2", MORNING + DAY, MORNING + 3 * DAY)]


async def test_the_same_id_elsewhere_is_somebody_else(store):
    other = dataclasses.replace(CHANNEL, account="T2/B1")
    here, there = await answered(store), await answered(store, channel=other)
    await heard_at(store, MORNING - DAY, author="U2", channel=other)
    for turn_id in (here, there):
        await store.put_feedback(Feedback(turn_id, "U2", 1, MORNING))
    assert await store.voters(["slack"]) == [
        known("U2", MORNING, MORNING),
        known("U2", MORNING - DAY, MORNING, "T2/B1"),
    ]


async def test_whoever_took_everything_back_or_is_forgotten_is_no_voter(store):
    turn_id = await answered(store)
    await store.put_feedback(Feedback(turn_id, "U2", 1, MORNING))
    await store.drop_feedback(turn_id, "U2", 1)
    assert await store.voters(["slack"]) == []
    await store.put_feedback(Feedback(turn_id, "U2", 1, MORNING))
    await store.forget_person("slack", CHANNEL.account, "U2")
    assert await store.voters(["slack"]) == []


async def test_the_last_decision_on_a_verdict_counts(store):
    turn_id = await answered(store)
    for who in ("U2", "U3"):
        await store.put_feedback(Feedback(turn_id, who, 1, MORNING))
    first = [Review(turn_id, who, False, MORNING) for who in ("U2", "U3")]
    await store.put_reviews(first)
    again = Review(turn_id, "U3", True, MORNING + DAY)
    await store.put_reviews([again])
    await store.put_reviews([])
    assert await store.reviews() == [first[0], again]


async def test_a_decision_goes_with_the_person_and_with_the_turn(store):
    turns = [await answered(store, author="U1") for _ in range(2)]
    for id in turns:
        await store.put_feedback(Feedback(id, "U2", 1, MORNING))
        await store.put_correction(Correction(id, "U3", "So.", MORNING))
    await store.put_reviews(
        [Review(id, who, True, MORNING) for id in turns for who in ("U2", "U3")]
    )
    await store.forget_person("slack", CHANNEL.account, "U2")
    assert [(one.turn_id, one.author_id) for one in await store.reviews()] == [
        (id, "U3") for id in turns
    ]
    await store.forget_turn(turns[0], "U1")
    assert [one.turn_id for one in await store.reviews()] == [turns[1]]


async def test_who_is_forgotten_while_an_admin_decides_is_not_named_again(store):
    turn_id = await answered(store)
    await store.put_feedback(Feedback(turn_id, "U2", 1, MORNING))
    await store.put_feedback(Feedback(turn_id, "U3", 1, MORNING))
    await store.forget_person("slack", CHANNEL.account, "U2")
    await store.put_reviews([Review(turn_id, who, False, MORNING) for who in ("U2", "U3")])
    assert [one.author_id for one in await store.reviews()] == ["U3"]
