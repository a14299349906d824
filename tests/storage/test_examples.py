"""What may stand as an example in a prompt, and how people take it back, on both databases."""

import dataclasses
from datetime import timedelta

from core.types import ChannelRef, Correction, Example, Feedback, Quoted
from core.types_learning import Review
from tests.storage.says import CHANNEL, MORNING, answered, marked, message, recipe, tuned

HERE = "slack", "T1/B1"
OTHER = ChannelRef("slack", "T1/B1", "C2")


async def judged(store, text="How are you?", score=1, *, by="U2", **more):
    turn_id = await answered(store, text, **more)
    await store.put_feedback(Feedback(turn_id, by, score, MORNING))
    return turn_id


async def corrected(store, text="How are you?", to="Fine.", *, by="U3", **more):
    turn_id = await judged(store, text, -1, by=by, **more)
    await store.put_correction(Correction(turn_id, by, to, MORNING))
    return turn_id


async def found(store, limit=9, **where):
    return await store.exchanges(await store.hear(message("And now?", **where)), limit)


async def test_what_was_judged_in_the_channel_is_found_newest_first_with_all_that_was_said(store):
    one = await judged(store, "One?", thread="T1", author="U1")
    await answered(store, "Nobody said anything of this.")
    two = await corrected(store, "Two?", "So.")
    await store.put_feedback(Feedback(two, "U2", 1, MORNING))
    newest, older = await found(store)
    assert (older.turn_id, older.question, older.answer) == (one, "One?", "To One?")
    assert older.scores == {"U2": 1}
    assert newest.scores == {"U2": 1, "U3": -1}
    assert newest.corrections == (Correction(two, "U3", "So.", MORNING),)
    assert [one.turn_id for one in await found(store, limit=1)] == [two]


async def test_nothing_is_found_of_another_channel_platform_or_account(store):
    for channel in (
        OTHER,
        dataclasses.replace(CHANNEL, platform="discord"),
        dataclasses.replace(CHANNEL, account="T2/B1"),
    ):
        await judged(store, channel=channel)
    assert await found(store) == []


async def test_what_is_not_whole_or_for_one_persons_eyes_is_not_found(store):
    await judged(store, outcome="cut")
    await judged(store, private=True)
    gone = await judged(store, id="gone")
    await store.change(message(id="gone").ref, None)
    assert gone not in [one.turn_id for one in await found(store)]
    assert await found(store) == []


async def test_nothing_is_found_of_a_thread_in_which_others_were_quoted(store):
    said = message("The pump is broken.", author="U7")
    quote = Quoted(said.ref, said.author, said.text, MORNING)
    quoting = await led(store, thread="T1", quotes=(quote,))
    await judged(store, thread="T1")  # its prompt had the quote as well
    assert await found(store) == []
    elsewhere = await judged(store, thread="T1", channel=OTHER), await judged(store, thread="T2")
    assert [one.turn_id for one in await found(store)] == [elsewhere[1]]
    assert [one.turn_id for one in await found(store, channel=OTHER)] == [elsewhere[0]]
    # Later answers say again what it quoted.
    assert (await store.forget_turn(quoting, "U9")).turns == 1
    assert [one.turn_id for one in await found(store)] == [elsewhere[1]]


async def test_in_no_thread_only_what_was_shown_a_quote_is_no_example(store):
    said = message("The pump is broken.", author="U7")
    quote = Quoted(said.ref, said.author, said.text, MORNING)
    before = await judged(store)
    quoting = await led(store, quotes=(quote,))
    shown, after = await judged(store, first=before), await judged(store, first=quoting + 1)
    await store.hear(message(replies_to=quote))  # no prompt was made for it
    last = await judged(store, first=shown)
    await judged(store, first=quoting)
    assert [one.turn_id for one in await found(store)] == [last, after, before]


async def test_a_private_place_has_examples_of_its_own_before_anybody_switches_training_on(store):
    turn_id = await judged(store, place="direct", channel=OTHER)
    assert [one.turn_id for one in await found(store, place="direct", channel=OTHER)] == [turn_id]
    assert await store.judged(["slack"]) == []


async def test_who_switched_training_off_is_no_example_and_has_no_say_in_them(store):
    await judged(store, author="U7")
    by_others = await judged(store, by="U7")
    await store.put_correction(Correction(by_others, "U7", "So.", MORNING))
    await store.set_training(*HERE, "person", "U7", False)
    (one,) = await found(store)
    assert (one.turn_id, one.scores, one.corrections) == (by_others, {}, ())
    await store.set_training(*HERE, "channel", CHANNEL.id, False)
    assert await found(store) == []


async def test_what_an_admin_left_out_has_no_say_in_examples(store):
    said = await corrected(store, by="U7")
    await store.put_feedback(Feedback(said, "U2", 1, MORNING))
    liked = await judged(store, by="U7")
    let_in = await judged(store, by="U8")
    decided = {said: False, liked: False, let_in: True}
    await store.put_reviews(
        [Review(id, "U8" if chosen else "U7", chosen, MORNING) for id, chosen in decided.items()]
    )
    scores = {one.turn_id: (one.scores, one.corrections) for one in await found(store)}
    assert scores == {let_in: ({"U8": 1}, ()), liked: ({}, ()), said: ({"U2": 1}, ())}


async def test_what_a_later_thumb_up_of_its_author_overtook_is_no_correction(store):
    theirs, others = await corrected(store), await corrected(store)
    later = MORNING + timedelta(minutes=1)
    await store.put_feedback(Feedback(theirs, "U3", 1, later))
    await store.put_feedback(Feedback(others, "U2", 1, later))
    scores = {one.turn_id: (one.scores, len(one.corrections)) for one in await found(store)}
    assert scores == {theirs: ({"U3": 1}, 0), others: ({"U3": -1, "U2": 1}, 1)}


LIKED, SAID = "To Liked?", "Corrected."


async def led(store, *shown, quotes=(), thread="", author="U9", **more):
    """A whole first turn with these examples or quotes in its prompt, judged. Returns its id."""
    turn = await store.hear(message(thread=thread, author=author, **more))
    made_of = dataclasses.replace(recipe(), examples=shown, quotes=quotes)
    await store.began(turn.id, made_of)
    await store.settle(turn.id, "So it seems.", "answered")
    await store.finish(turn.id)
    await store.put_feedback(Feedback(turn.id, "U9", 1, MORNING))
    return turn.id


async def two_examples(store, **more):
    liked = await judged(store, "Liked?", author="U5", id="liked")
    other = await corrected(store, "Bad?", SAID, by="U6", author="U4")
    return Example(liked, "Liked?", LIKED), Example(other, "Bad?", SAID, "U6")


async def shown_in(store, turn_id):
    return (await store.turn(turn_id)).recipe.examples


async def test_examples_come_back_in_order_wherever_a_turn_is_read(store):
    one, two = await two_examples(store)
    turn_id = await led(store, two, one, thread="T1")
    assert await shown_in(store, turn_id) == (two, one)
    judged = {known.turn.id: known for known in await store.judged(["slack"])}
    assert judged[turn_id].turn.recipe.examples == (two, one)
    history = await store.history(await store.hear(message(thread="T1")), 9)
    assert history.examples == (two, one)


async def test_a_further_try_shows_its_examples_instead_of_the_firsts(store):
    one, two = await two_examples(store)
    turn = await store.hear(message())
    for shown in ((one, two), (two,), ()):
        await store.began(turn.id, dataclasses.replace(recipe(), examples=shown))
        assert await shown_in(store, turn.id) == shown


async def test_an_edit_or_another_correction_changes_the_example(store):
    one, two = await two_examples(store)
    turn_id = await led(store, one, two)
    await store.change(message(id="liked").ref, "Really liked?")
    await store.put_correction(Correction(two.turn_id, "U6", "Better.", MORNING))
    changed = dataclasses.replace(one, question="Really liked?")
    assert await shown_in(store, turn_id) == (changed, dataclasses.replace(two, answer="Better."))


async def test_a_deleted_example_is_shown_no_more_and_what_learnt_it_is_marked(store):
    one, two = await two_examples(store)
    turn_id, other = await led(store, one, two, thread="T1"), await led(store, two, thread="T2")
    tunes = [await tuned(store, turn_id), await tuned(store, other)]
    await store.change(message(id="liked").ref, None)
    assert await shown_in(store, turn_id) == (two,)
    history = await store.history(await store.hear(message(thread="T1")), 9)
    assert history.examples == (two,)
    assert await marked(store) == tunes[:1]


async def test_whoever_asked_or_corrected_and_forgets_is_no_example_any_more(store):
    one, two = await two_examples(store)
    turn_id, other = await led(store, one, two), await led(store, one)
    tunes = [await tuned(store, turn_id), await tuned(store, other)]
    await store.forget_person("slack", "T2/B1", "U6")
    assert await shown_in(store, turn_id) == (one, two)
    await store.forget_person(*HERE, "U6")  # the author of the correction
    assert await shown_in(store, turn_id) == (one,)
    assert await marked(store) == tunes[:1]
    await store.forget_person(*HERE, "U5")  # who asked the other
    assert await shown_in(store, turn_id) == ()
    assert await marked(store) == tunes


async def test_what_is_forgotten_while_a_prompt_was_made_leaves_no_id_behind(store):
    one, two = await two_examples(store)
    await store.forget_person(*HERE, "U6")
    turn_id = await led(store, one, two)
    assert await shown_in(store, turn_id) == (one,)
    assert await store.database.read(ids_in_examples) == [""]
    await store.change(message(id="liked").ref, None)
    assert await shown_in(store, await led(store, one)) == ()


def ids_in_examples(connection):
    rows = connection.exec_driver_sql("SELECT author_id FROM examples").all()
    return [row.author_id for row in rows]


async def test_who_switched_training_off_since_is_shown_and_trained_on_no_more(store):
    one, two = await two_examples(store)
    turn_id = await led(store, one, two)
    await store.set_training(*HERE, "person", "U6", False)
    assert await shown_in(store, turn_id) == (one,)
    judged = {known.turn.id: known for known in await store.judged(["slack"])}
    assert judged[turn_id].turn.recipe.examples == (one,)


async def test_what_was_said_while_a_channel_was_private_does_not_train_as_an_example(store):
    liked = await judged(store, "Liked?", place="private")
    turn_id = await led(store, Example(liked, "Liked?", LIKED))
    (found,) = await store.judged(["slack"])
    assert (found.turn.id, found.turn.recipe.examples) == (turn_id, ())
    assert len(await shown_in(store, turn_id)) == 1


async def test_a_correction_alone_makes_an_answer_one_that_may_be_shown(store):
    turn_id = await answered(store)
    await store.put_correction(Correction(turn_id, "U2", "So.", MORNING))
    assert [one.turn_id for one in await found(store)] == [turn_id]


async def test_a_forgotten_turn_leaves_no_quotes_of_others_behind(store):
    quoted = message("The pump is broken.", author="U7")
    turn = await store.hear(message(thread="T1"))
    quote = Quoted(quoted.ref, quoted.author, quoted.text, MORNING)
    await store.began(turn.id, dataclasses.replace(recipe(), quotes=(quote,)))
    assert (await store.forget_turn(turn.id, "U1")).turns == 1
    count = "SELECT count(*) FROM quotes"
    rows = await store.database.read(lambda connection: connection.exec_driver_sql(count).all())
    assert rows == [(0,)]
