"""Whoever mentions the bot twice in a channel is remembered: a new thread knows the latest ones."""

from core.conversation import asked as asked_in
from core.conversation import digest, render
from core.desk import serve
from core.training import dataset
from core.types import ChannelRef, Feedback, IncomingMessage, MessageRef, ThreadRef
from tests.core.room import ANN, BOB, NOW, ROOM, ListAdapter, asked, engine_on, held, quote
from tests.fakes import ScriptedGenerator


def opens(text, id, **how):
    """A message that opens a thread of its own."""
    return asked(text, id, id, **how)


def said(generator, number=-1):
    return [text for _, text in generator.prompts[number].messages[1:]]


async def test_a_new_thread_begins_with_the_latest_turns_of_its_channel(store):
    events = [opens("one", "1"), asked("more", "2", "1"), opens("two", "3", author=BOB)]
    for event in events:
        await held(store, "ok", adapter=ListAdapter(event))
    adapter = ListAdapter(opens("three", "4"))
    generator = await held(store, "ok", adapter=adapter)
    assert said(generator) == ["one", "ok", "more", "ok", "two", "ok", "three"]
    assert adapter.asked_for == []  # nothing was said before it in its thread
    again = await held(store, "ok", adapter=ListAdapter(asked("and?", "5", "4")))
    assert again.prompts[0].messages == (
        *generator.prompts[0].messages,
        ("assistant", "ok"),
        ("user", "and?"),
    )


async def test_another_channels_turns_are_never_shown_nor_a_private_command(store):
    other = ChannelRef("list", "me", "other")
    elsewhere = IncomingMessage(
        MessageRef(other, "e"), ThreadRef(other, "e"), ANN, "elsewhere", True, NOW
    )
    for event in (elsewhere, opens("hidden", "1", private=True), asked("in no thread", "2")):
        await held(store, "ok", adapter=ListAdapter(event))
    generator = await held(store, "ok", adapter=ListAdapter(opens("here", "3")))
    assert said(generator) == ["here"]


async def test_a_reset_in_the_channel_and_forgetting_end_it(store):
    events = [opens("mine", "1"), opens("theirs", "2", author=BOB), opens("/forget me", "3")]
    for event in events:
        await held(store, "ok", adapter=ListAdapter(event))
    generator = await held(store, "ok", adapter=ListAdapter(opens("next", "4")))
    assert said(generator) == ["theirs", "ok", "next"]
    await held(store, "ok", adapter=ListAdapter(opens("/reset", "5")))
    generator = await held(store, "ok", adapter=ListAdapter(opens("next", "6")))
    assert said(generator) == ["next"]


async def test_it_takes_a_quarter_of_the_budget_and_goes_first_when_a_thread_grows(store):
    class Small(ScriptedGenerator):
        async def context(self):
            return 500  # 400 for the prompt

    generator = Small(["word " * 9])
    for n in range(9):
        await serve(engine_on(store, generator), ListAdapter(opens(f"question {n}", f"q{n}")))
    ahead = said(generator)[:-1:2]
    assert ahead == [f"question {n}" for n in range(8 - len(ahead), 8)]
    assert 2 <= len(ahead) <= 4
    told = []
    for n in range(20):
        adapter = ListAdapter(asked(f"more {n}", f"m{n}", "q8"))
        await serve(engine_on(store, generator), adapter)
        told.append("no longer see its beginning" in adapter.shown[f"m{n}"])
    assert "question 7" not in str(generator.prompts[-1])
    assert sum(told) == 1


async def test_prompts_with_it_are_made_again_byte_for_byte_until_somebody_takes_it_back(store):
    for event in (
        opens("one", "1", author=BOB),
        opens("two", "2"),
        opens("three", "3"),
        asked("four", "4", "3"),
    ):
        await held(store, "ok", adapter=ListAdapter(event))
    for id in "1234":
        turn = await store.turn_behind(MessageRef(ROOM, f"answer to {id}"))
        await store.put_feedback(Feedback(turn.id, "ann", 1, NOW))
    found = await store.judged(["list"])
    for one in found:
        again = render(one.turn.recipe.system, one.shown, asked_in(one.turn))
        assert digest(again) == one.turn.recipe.digest
    rows = dataset.gather(found).rows
    assert [row.shown for row in rows] == [(), (1,), (1, 2), (1, 2, 3)]
    await store.set_training("list", "me", "person", "bob", False)
    left = dataset.gather(await store.judged(["list"])).left_out
    assert left == {"prompt changed since": (2, 3, 4)}
    await store.set_training("list", "me", "person", "bob", True)
    await store.change(MessageRef(ROOM, "1"), "edited")
    left = dataset.gather(await store.judged(["list"])).left_out
    assert left == {"prompt changed since": (1, 2, 3, 4)}


async def test_a_turn_that_quoted_stands_ahead_without_its_quotes(store):
    before = (quote("q1", "The pump is broken."),)
    await held(store, "ok", adapter=ListAdapter(asked("what now?", "1", "T"), before=before))
    generator = await held(store, "ok", adapter=ListAdapter(opens("next", "2")))
    assert said(generator) == ["what now?", "ok", "next"]
    turn = await store.turn_behind(MessageRef(ROOM, "answer to 2"))
    await store.put_feedback(Feedback(turn.id, "ann", 1, NOW))
    assert len(dataset.gather(await store.judged(["list"])).rows) == 1
