"""What people take back: words, and the consent to train on them."""

import asyncio

import pytest

from core.desk import serve
from core.types import MessageRef, ThreadRef
from tests.core.room import (
    BOB,
    ROOM,
    WORDS,
    ListAdapter,
    asked,
    engine_on,
    held,
    judged,
    reacted,
    serve_tune,
)
from tests.fakes import ScriptedGenerator, until


async def test_forget_me_deletes_what_a_person_said_and_nobody_elses(store):
    events = [asked("ann's secret", "1"), asked("bob's", "2", author=BOB), asked("/forget me", "3")]
    adapter = ListAdapter(*events)
    await held(store, "Hello", adapter=adapter)
    generator = await held(store, "ok", adapter=ListAdapter(asked("next", "4")))
    assert "ann's secret" not in str(generator.prompts)
    assert "bob's" in str(generator.prompts)


async def test_forget_this_deletes_the_last_question_only(store):
    events = [asked("first", "1"), asked("second", "2"), asked("/forget this", "3")]
    await held(store, "Hello", adapter=ListAdapter(*events))
    generator = await held(store, "ok", adapter=ListAdapter(asked("next", "4")))
    assert "first" in str(generator.prompts)
    assert "second" not in str(generator.prompts)


@pytest.mark.parametrize("outcome", ["refused", "failed", "expired", "stopped"])
async def test_forget_this_deletes_the_last_question_however_it_ended(store, outcome):
    await held(store, "Hello", adapter=ListAdapter(asked("first", "1")))
    turn = await store.hear(asked("my password", "2"))
    await store.settle(turn.id, "", outcome)
    await store.finish(turn.id)
    adapter = ListAdapter(asked("help", "3"), asked("/forget this", "4"))
    await held(store, adapter=adapter)
    assert adapter.shown["4"].startswith(WORDS.forgot_turn)
    left = [(await store.heard(MessageRef(ROOM, id))).message.text for id in "123"]
    assert left == ["first", "", "help"]


async def test_forget_this_deletes_a_question_that_is_still_being_answered(store):
    class Slow(ScriptedGenerator):
        async def stream(self, prompt):
            if prompt.messages[-1][1] == "my password":
                await until(lambda: "3" in adapter.shown)
            yield "ok"

    adapter = ListAdapter(
        asked("first", "1", "A"),
        asked("my password", "2", "B"),
        asked("/forget this", "3", private=True),
    )
    await serve(engine_on(store, Slow([])), adapter)
    assert adapter.shown["3"].startswith(WORDS.forgot_turn)
    turns = [await store.heard(MessageRef(ROOM, id)) for id in "12"]
    assert [(turn.message.text, turn.status) for turn in turns] == [("first", "done"), ("", "done")]


async def test_forget_this_passes_over_a_command_that_was_too_old_to_be_done(store):
    await held(store, "Hello", adapter=ListAdapter(asked("my password", "1")))
    turn = await store.hear(asked("help", "2"))
    await store.settle(turn.id, "", "expired")
    await store.finish(turn.id)
    await held(store, adapter=ListAdapter(asked("/forget this", "3")))
    assert (await store.heard(MessageRef(ROOM, "1"))).message.text == ""


async def test_forget_this_looks_on_from_where_it_was_said_behind_a_command(store):
    for id, thread in (("1", "A"), ("3", "B")):
        await held(store, "Hello", adapter=ListAdapter(asked(f"in {thread}", id, thread)))
        if id == "1":
            turn = await store.hear(asked("/help", "2", private=True))
            await store.settle(turn.id, "", "expired")
            await store.finish(turn.id)
    await held(store, adapter=ListAdapter(asked("/forget this", "4", private=True)))
    left = [(await store.heard(MessageRef(ROOM, id))).message.text for id in "13"]
    assert left == ["in A", ""]


async def test_forget_this_deletes_what_was_said_before_a_reset_and_never_anothers(store):
    events = [asked("first", "1"), asked("reset", "2"), asked("bob's", "3", author=BOB)]
    await held(store, "Hello", adapter=ListAdapter(*events))
    adapter = ListAdapter(asked("/forget this", "4"), asked("/forget this", "5"))
    await held(store, adapter=adapter)
    assert adapter.shown["4"].startswith(WORDS.forgot_turn)
    assert adapter.shown["5"] == WORDS.nothing_to_forget
    left = [(await store.heard(MessageRef(ROOM, id))).message.text for id in "13"]
    assert left == ["", "bob's"]


async def test_a_slash_command_forgets_what_its_author_asked_last_in_a_thread(store):
    """Slack has none in threads."""
    events = [
        asked("first", "1", "A"),
        asked("second", "2", "B"),
        asked("bob's", "3", "C", author=BOB),
    ]
    await held(store, "Hello", adapter=ListAdapter(*events))
    adapter = ListAdapter(asked("/forget this", "4", private=True))
    await held(store, adapter=adapter)
    assert adapter.shown["4"].startswith(WORDS.forgot_turn)
    left = [await store.turn_behind(MessageRef(ROOM, f"answer to {id}")) for id in "123"]
    assert [turn.message.text for turn in left] == ["first", "", "bob's"]


async def test_training_off_leaves_a_persons_votes_out(store):
    await held(store, "Hello", adapter=ListAdapter(asked(), reacted("👍")))
    await held(store, adapter=ListAdapter(reacted("👍"), asked("/training off", "2")))
    assert await judged(store) == []
    await held(store, adapter=ListAdapter(asked("/training on", "3")))
    assert await judged(store) == [("ann", 1)]


async def test_only_admins_switch_a_channel_off_and_it_is_off_for_everybody(store):
    await held(store, "Hello", adapter=ListAdapter(asked()))
    await held(store, adapter=ListAdapter(reacted("👍", author=BOB)))
    engine = engine_on(store, ScriptedGenerator([]), admins={"list:bob"})
    refused = ListAdapter(asked("/training channel off", "2"))
    await serve(engine, refused)
    assert "only the people who run me" in refused.shown["2"]
    assert await judged(store) == [("bob", 1)]
    allowed = ListAdapter(asked("/training channel off", "3", author=BOB))
    await serve(engine, allowed)
    assert allowed.shown["3"] == WORDS.channel_off
    assert await judged(store) == []
    await serve(engine, ListAdapter(asked("training channel on", "4", author=BOB)))
    assert await judged(store) == [("bob", 1)]


class Forgetting:
    """A trainer that only ever forgets."""

    def __init__(self, *, exported):
        self.exported, self.times, self.go_on = exported, 0, None

    async def forget(self):
        self.times += 1
        if self.go_on:
            await self.go_on.wait()
        return self.exported


@pytest.mark.parametrize("exported", ["none", "all cut", "some left"])
@pytest.mark.parametrize("text", ["/forget me", "/forget this"])
async def test_forgetting_marks_what_was_learnt_and_says_what_is_out_of_reach(
    store, text, exported
):
    await held(store, "Hello", adapter=ListAdapter(asked("mine", "1")))
    turn = await store.turn_behind(MessageRef(ROOM, "answer to 1"))
    await serve_tune(store, turns=(turn.id,))
    await serve_tune(store)
    adapter = ListAdapter(asked(text, "2"))
    engine = engine_on(store, ScriptedGenerator([]), trainer=Forgetting(exported=exported))
    await serve(engine, adapter)
    assert "(`mynah@000001`): it goes when the next tune" in adapter.shown["2"]
    said = {"all cut": WORDS.exports_cut, "some left": WORDS.exports_left}
    for words in said.values():
        assert (words in adapter.shown["2"]) == (words == said.get(exported))
    stranger = ListAdapter(asked("/forget me", "4", author=BOB))
    await held(store, adapter=stranger)
    assert "mynah@" not in stranger.shown["4"]
    after = ListAdapter(asked("/tunes", "3"))
    await held(store, adapter=after)
    first, second = after.shown["3"].splitlines()[1:]
    assert ("forgotten" in first, "forgotten" in second) == (False, True)


async def test_a_deleted_message_that_we_heard_is_forgotten_by_the_trainer_as_well(store):
    await held(store, "Hello", adapter=ListAdapter(asked("mine", "1"), asked("typo", "2")))
    adapter, trainer = ListAdapter(stays=True), Forgetting(exported="none")
    engine = engine_on(store, ScriptedGenerator([]), trainer=trainer)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine, adapter))
        await until(lambda: trainer.times)  # what an end of the adapter cut off before
        trainer.times = 0
        await adapter.inbox.changed(MessageRef(ROOM, "2"), "edited")
        await adapter.inbox.changed(MessageRef(ROOM, "never heard"), None)
        for _ in range(2):  # delivered twice
            await adapter.inbox.changed(MessageRef(ROOM, "1"), None)
            await until(lambda: trainer.times)
        adapter.stays.set()
    assert trainer.times == 1


async def test_a_place_that_is_gone_is_forgotten_by_the_trainer_as_well(store):
    await held(store, "Hello", adapter=ListAdapter(asked("mine", "1", "T")))
    adapter, trainer = ListAdapter(stays=True), Forgetting(exported="none")
    engine = engine_on(store, ScriptedGenerator([]), trainer=trainer)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine, adapter))
        await until(lambda: trainer.times)  # what an end of the adapter cut off before
        for _ in range(2):  # delivered twice
            await adapter.inbox.gone(ThreadRef(ROOM, "T"))
            await until(lambda: trainer.times == 2)
        adapter.stays.set()
    assert trainer.times == 2
    turn = await store.heard(MessageRef(ROOM, "1"))
    assert (turn.message.text, turn.answer) == ("", "")


async def test_of_many_messages_deleted_at_once_the_trainer_is_told_twice_at_most(store):
    questions = [asked("mine", str(n)) for n in range(9)]
    await held(store, "Hello", adapter=ListAdapter(*questions))
    adapter, trainer = ListAdapter(stays=True), Forgetting(exported="none")
    trainer.go_on = asyncio.Event()
    engine = engine_on(store, ScriptedGenerator([]), trainer=trainer)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine, adapter))
        await until(lambda: trainer.times)
        for one in questions:
            await adapter.inbox.changed(one.ref, None)
        trainer.go_on.set()
        await until(lambda: trainer.times == 2)
        adapter.stays.set()
    assert trainer.times == 2
