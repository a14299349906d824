"""What prompts quoted, and how people take it back, on both databases."""

import dataclasses

from core.types import Author, Feedback, MessageRef, Quoted
from tests.storage.says import CHANNEL, MORNING, answered, marked, message, recipe, tuned

HERE = "slack", "T1/B1"
OTHER = dataclasses.replace(CHANNEL, id="C2")


def quote(id, text, author="U7", channel=CHANNEL):
    return Quoted(MessageRef(channel, id), Author(author, f"{author}'s name"), text, MORNING)


ONE, TWO = quote("q1", "The pump is broken."), quote("q2", "Again?\nSince when?", "U8")


async def quoting(store, *quotes, thread="T1", **more):
    """A whole first turn that quotes these, judged. Returns its id."""
    turn = await store.hear(message(thread=thread, **more))
    await store.began(turn.id, dataclasses.replace(recipe(), quotes=quotes))
    await store.settle(turn.id, "So it seems.", "answered")
    await store.finish(turn.id)
    await store.put_feedback(Feedback(turn.id, "U2", 1, MORNING))
    return turn.id


async def quoted(store, turn_id):
    return (await store.turn(turn_id)).recipe.quotes


async def test_quotes_come_back_in_order_wherever_the_turn_is_read(store):
    turn_id = await quoting(store, TWO, ONE)
    assert await quoted(store, turn_id) == (TWO, ONE)
    (judged,) = await store.judged(["slack"])
    assert judged.turn.recipe.quotes == (TWO, ONE)
    after = await store.hear(message(thread="T1"))
    (shown,) = (await store.history(after, 9)).turns
    assert shown.recipe.quotes == (TWO, ONE)


async def test_a_further_try_quotes_instead_of_the_first(store):
    turn = await store.hear(message(thread="T1"))
    for quotes in ((ONE, TWO), (TWO,)):
        await store.began(turn.id, dataclasses.replace(recipe(), quotes=quotes))
    assert await quoted(store, turn.id) == (TWO,)
    await store.began(turn.id, recipe())
    assert await quoted(store, turn.id) == ()


async def test_what_a_message_replies_to_is_kept_until_its_prompt_says_what_was_quoted(store):
    asked = message(replies_to=ONE)
    turn = await store.hear(asked)
    assert turn.message == asked
    assert (await store.turn(turn.id)).message == asked
    assert [one.message for one in await store.unanswered(*HERE)] == [asked]
    await store.began(turn.id, dataclasses.replace(recipe(), quotes=(TWO,)))
    assert (await store.turn(turn.id)).message.replies_to is None
    assert await quoted(store, turn.id) == (TWO,)
    await store.began(turn.id, recipe())
    assert await quoted(store, turn.id) == ()
    assert await store.change(TWO.ref, None) is False  # no words of it are left


async def test_what_a_message_replies_to_follows_edits_and_goes_with_its_author(store):
    turn = await store.hear(message(replies_to=ONE))
    await store.change(ONE.ref, "The pump is fine.")
    assert (await store.turn(turn.id)).message.replies_to.text == "The pump is fine."
    await store.forget_person(*HERE, "U7")
    assert (await store.turn(turn.id)).message.replies_to is None


async def test_words_that_were_taken_back_do_not_come_again_with_a_reply(store):
    gone = await store.hear(message("my secret", author="U7"))
    stays = await store.hear(message("my name", author="U7"))
    await store.forget_turn(gone.id, "U7")
    for first, is_kept in ((gone, False), (stays, True)):
        said = quote(first.message.ref.id, "said once")
        turn = await store.hear(message(replies_to=said))
        assert (turn.message.replies_to is not None) is is_kept
        assert (await store.turn(turn.id)).message == turn.message


async def test_an_edit_of_a_quoted_message_changes_the_quote(store):
    turn_id = await quoting(store, ONE, TWO)
    elsewhere = await quoting(store, quote("q1", "Another's", channel=OTHER), channel=OTHER)
    await store.change(ONE.ref, "The pump is fine.")
    assert [q.text for q in await quoted(store, turn_id)] == ["The pump is fine.", TWO.text]
    assert [q.text for q in await quoted(store, elsewhere)] == ["Another's"]


async def test_a_deleted_message_is_quoted_no_more_and_what_learnt_it_is_marked(store):
    turn_id, other = await quoting(store, ONE, TWO), await quoting(store, TWO, thread="T2")
    tunes = [await tuned(store, turn_id), await tuned(store, other)]
    await store.change(ONE.ref, None)
    assert await quoted(store, turn_id) == (TWO,)
    assert await marked(store) == tunes[:1]


async def test_a_forgotten_person_is_quoted_no_more(store):
    turn_id = await quoting(store, ONE, TWO)
    tunes = [await tuned(store, turn_id)]
    assert (await store.forget_person("slack", "T2/B1", "U7")).turns == 0
    assert await quoted(store, turn_id) == (ONE, TWO)
    assert (await store.forget_person(*HERE, "U7")).turns == 0  # they asked us nothing
    assert await quoted(store, turn_id) == (TWO,)
    assert await marked(store) == tunes


async def test_a_deleted_turn_leaves_no_quotes_behind(store):
    turn_id = await quoting(store, ONE, id="m")
    await store.change(message(id="m").ref, None)
    assert await quoted(store, turn_id) == ()
    await store.began(turn_id, dataclasses.replace(recipe(), quotes=(ONE,)))  # it was under way
    assert await quoted(store, turn_id) == ()


async def test_who_switched_training_off_is_quoted_but_not_trained_on(store):
    turn_id = await quoting(store, ONE, TWO)
    await store.set_training(*HERE, "person", "U7", False)
    (judged,) = await store.judged(["slack"])
    assert judged.turn.recipe.quotes == (TWO,)
    assert await quoted(store, turn_id) == (ONE, TWO)


async def test_what_stood_ahead_of_a_thread_comes_back_while_it_is_shown(store):
    one, two = await answered(store, thread="A"), await answered(store, thread="B")
    first = await store.hear(message(thread="T1", id="T1"))
    assert [turn.id for turn in await store.latest(first, 9)] == [one, two]
    assert [turn.id for turn in await store.latest(first, 1)] == [two]
    ahead = dataclasses.replace(recipe(one), ahead=(one, two))
    await store.began(first.id, ahead)
    await store.settle(first.id, "So.", "answered")
    assert await stood_ahead(store) == [one, two]
    await answered(store, thread="T1", first=two)  # its prompt had to be cut
    assert await stood_ahead(store) == [two]
    assert (await store.forget_turn(two, "U1")).turns == 1
    assert await stood_ahead(store) == []


async def stood_ahead(store):
    history = await store.history(await store.hear(message(thread="T1")), 9)
    assert all(turn.recipe is None for turn in history.ahead)
    return [turn.id for turn in history.ahead]
