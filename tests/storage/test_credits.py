"""Whose words are in a tune, and that whoever corrected is told once, on both databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from core.types import Author, Correction, Feedback
from core.types_learning import Shaped, Tune, Used
from storage.tables import credits
from tests.storage.says import CHANNEL, MORNING, answered, message

ME, OTHER = Author("U1", "me"), Author("U2", "you")
ELSEWHERE = replace(CHANNEL, platform="discord")
ANOTHER = replace(CHANNEL, account="T2/B1")
HERE = "slack", "T1/B1"
ASKED = "How are you?"  # as it is where nothing else is asked


async def corrected(store, author="U1", at=MORNING, asked_by="U1", **where):
    """An answer that this person voted down and corrected; its turn's id."""
    turn = await answered(store, author=asked_by, **where)
    await store.put_feedback(Feedback(turn, author, -1, MORNING))
    await store.put_correction(Correction(turn, author, "Better so.", at))
    return turn


async def tuned(store, *verdicts, learnt=True, corrected=True):
    """A tune whose run used these, by turn and person; its name."""
    name = await store.next_tune()
    turns = tuple(turn for turn, _ in verdicts)
    used = [Used(turn, who, learnt, corrected) for turn, who in verdicts]
    await store.put_tune(Tune(name, "base", "x", "passed", turns, "Learnt.", MORNING), used)
    return name


async def asks(store, author="U1", channel=CHANNEL):
    return await store.hear(message(author=author, channel=channel))


async def kept(store):
    return await store.database.read(
        lambda connection: connection.scalar(select(func.count()).select_from(credits))
    )


async def test_what_shaped_a_tune_is_counted_and_what_of_it_is_ones_own(store):
    first, second = await corrected(store), await answered(store)
    there, too = [await answered(store, channel=where) for where in (ELSEWHERE, ANOTHER)]
    used = (first, "U1"), (first, "U2"), (second, "U1"), (there, "U1"), (too, "U1")
    for turn, author in used[1:]:
        await store.put_feedback(Feedback(turn, author, 1, MORNING))
    name = await tuned(store, *used)
    assert await store.shaped(name, CHANNEL, ME) == Shaped(
        votes=5, people=4, own=2, asked=(ASKED, ASKED)
    )
    assert await store.shaped(name, ELSEWHERE, ME) == Shaped(
        votes=5, people=4, own=1, asked=(ASKED,)
    )
    assert await store.shaped("mynah@999999", CHANNEL, ME) == Shaped(0, 0, 0)


async def test_what_a_tune_did_not_learn_from_is_counted_apart(store):
    first, second = [await corrected(store, author="U2") for _ in range(2)]
    for turn, author in ((first, "U1"), (second, "U1"), (second, "U3")):
        await store.put_feedback(Feedback(turn, author, 1, MORNING))
    learnt = Used(first, "U1", True), Used(first, "U2", True, True)
    checked = Used(second, "U1"), Used(second, "U2"), Used(second, "U3")
    name = await store.next_tune()
    tune = Tune(name, "base", "x", "passed", (first, second), "Learnt.", MORNING)
    await store.put_tune(tune, [*learnt, *checked])
    assert await store.shaped(name, CHANNEL, ME) == Shaped(2, 2, 1, 3, 1, (ASKED,))
    assert await store.shaped(name, CHANNEL, Author("U3", "they")) == Shaped(2, 2, 0, 3, 1)
    assert await store.shaped(name, ELSEWHERE, ME) == Shaped(2, 2, 0, 3, 0)


async def test_what_somebody_forgets_is_counted_no_more(store):
    mine, theirs = await corrected(store), await corrected(store, "U2")
    elsewhere = await corrected(store, "U2", asked_by="U2")
    name = await tuned(store, (mine, "U1"), (theirs, "U2"), (elsewhere, "U2"))
    await store.forget_person(*HERE, "U1")  # who asked for the first two
    assert await store.shaped(name, CHANNEL, OTHER) == Shaped(
        votes=1, people=1, own=1, asked=(ASKED,)
    )


async def test_of_ones_own_it_says_what_the_newest_were_about_that_were_given_in_this_channel(
    store,
):
    """Each turn's question is its number; of nobody else's votes, nor what only checks heard."""
    room = replace(CHANNEL, id="another room")
    mine = [await corrected(store, text=f"Question {n}", asked_by="U2") for n in range(5)]
    theirs = await corrected(store, "U2", text="Not mine")
    there = await corrected(store, text="Elsewhere", channel=room)
    await tuned(store, (theirs, "U1"))  # another tune's
    name = await tuned(store, *((turn, "U1") for turn in mine), (theirs, "U2"), (there, "U1"))
    newest = ("Question 4", "Question 3", "Question 2")
    assert (await store.shaped(name, CHANNEL, ME)).asked == newest
    assert (await store.shaped(name, room, ME)).asked == ("Elsewhere",)
    assert (await store.shaped(name, CHANNEL, OTHER)).asked == ("Not mine",)
    assert (await store.shaped(name, ELSEWHERE, ME)).asked == ()
    await store.forget_turn(mine[4], "U2")
    assert (await store.shaped(name, CHANNEL, ME)).asked == (*newest[1:], "Question 1")
    checked = await tuned(store, (mine[0], "U1"), learnt=False)
    assert (await store.shaped(checked, CHANNEL, ME)).asked == ()


async def test_other_words_for_the_same_answer_are_told_of_anew(store):
    turn = await corrected(store)
    first = await tuned(store, (turn, "U1"))
    assert await store.credit(await asks(store), first) == 1
    again = Correction(turn, "U1", "Better so.", MORNING + timedelta(hours=1))
    await store.put_correction(again)  # the same once more
    assert await store.credit(await asks(store), await tuned(store, (turn, "U1"))) == 0
    await store.put_correction(replace(again, text="Better still."))
    assert await store.credit(await asks(store), await tuned(store, (turn, "U1"))) == 1


async def test_each_correction_is_told_of_once_and_in_one_place(store):
    one, two = await corrected(store), await corrected(store)
    theirs = await corrected(store, "U2")
    first = await tuned(store, (one, "U1"), (theirs, "U2"))
    asked = await asks(store)
    assert await store.credit(asked, first) == 1
    assert await store.credit(asked, first) == 1  # the answer is tried again
    later = await asks(store)
    assert await store.credit(later, first) == 0
    second = await tuned(store, (one, "U1"), (two, "U1"), (theirs, "U2"))
    assert await store.credit(later, second) == 1  # of the other one
    assert await store.credit(await asks(store), second) == 0
    assert await store.credit(await asks(store, "U2"), second) == 1


async def test_nobody_is_told_of_what_a_tune_did_not_use(store):
    voted = await answered(store)
    await store.put_feedback(Feedback(voted, "U1", 1, MORNING))
    await corrected(store)  # not in it
    name = await tuned(store, (voted, "U1"))
    assert await store.credit(await asks(store), name) == 0
    assert await store.credit(await asks(store, channel=ELSEWHERE), name) == 0
    assert await kept(store) == 0


@pytest.mark.parametrize("learnt", [False, True], ids=["only checked", "only the vote"])
async def test_a_correction_that_a_tune_did_not_learn_is_told_of_when_one_did(store, learnt):
    turn = await corrected(store)
    first = await tuned(store, (turn, "U1"), learnt=learnt, corrected=False)
    assert await store.credit(await asks(store), first) == 0
    assert await kept(store) == 0
    second = await tuned(store, (turn, "U1"))
    assert await store.credit(await asks(store), second) == 1
    assert await store.credit(await asks(store), second) == 0


async def test_a_correction_that_came_after_the_run_began_is_in_the_next_tune(store):
    soon = datetime.now(UTC) + timedelta(hours=1)
    turn = await corrected(store, at=soon)  # the vote came before
    name = await tuned(store, (turn, "U1"))
    assert await store.credit(await asks(store), name) == 0


async def test_who_liked_the_answer_after_all_is_told_where_a_tune_used_the_correction(store):
    before, after = await corrected(store), await corrected(store)
    await store.put_feedback(Feedback(before, "U1", 1, MORNING + timedelta(minutes=1)))
    name = await tuned(store, (before, "U1"), (after, "U1"))
    soon = datetime.now(UTC) + timedelta(hours=1)
    await store.put_feedback(Feedback(after, "U1", 1, soon))
    assert await store.credit(await asks(store), name) == 1


@pytest.mark.parametrize("where", [ELSEWHERE, ANOTHER], ids=["platform", "account"])
async def test_a_person_with_the_same_id_elsewhere_is_somebody_else(store, where):
    turn = await corrected(store)
    name = await tuned(store, (turn, "U1"))
    assert await store.credit(await asks(store, channel=where), name) == 0
    assert await store.credit(await asks(store), name) == 1


@pytest.mark.parametrize("how", ["person", "turn"])
async def test_forgetting_leaves_nothing_of_it(store, how):
    turn = await corrected(store, "U2")  # on what U1 asked
    name = await tuned(store, (turn, "U2"))
    assert await store.credit(await asks(store, "U2"), name) == 1
    assert await kept(store) == 1
    if how == "person":
        await store.forget_person(*HERE, "U2")
    else:
        assert (await store.forget_turn(turn, "U1")).turns == 1
    assert await kept(store) == 0
