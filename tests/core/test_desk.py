"""The desk: what is heard is answered once, in order, at the next start too."""

import asyncio
from datetime import timedelta

import pytest

from core.desk import serve
from core.errors import StoreError
from core.turns import MOST_TRIES
from core.types import Author, MessageRef, Recipe
from storage.repositories import SqlStore
from tests.core.room import ANN, NOW, ROOM, WORDS, ListAdapter, asked, engine_on, held, reacted
from tests.fakes import ScriptedGenerator, until


async def test_an_answer_is_shown_and_remembered(store):
    adapter = ListAdapter(asked())
    await held(store, "Hel", "lo", adapter=adapter)
    assert adapter.shown == {"1": "Hello"}
    turn = await store.turn_behind(MessageRef(ROOM, "answer to 1"))
    assert (turn.status, turn.outcome, turn.answer) == ("done", "answered", "Hello")
    assert turn.replies == (MessageRef(ROOM, "answer to 1"),)


async def test_what_no_database_takes_is_cut_out_of_what_people_write(store):
    adapter = ListAdapter(asked("a\0b \ud83d c"))
    generator = await held(store, "Hello", adapter=adapter)
    assert generator.prompts[0].messages[-1] == ("user", "ab \ufffd c")
    await adapter.inbox.changed(MessageRef(ROOM, "1"), "a\0c")
    await adapter.deliver(reacted("👎"))
    await adapter.inbox.correction(MessageRef(ROOM, "answer to 1"), ANN, "\ud83dHi\0")
    [said] = await store.judged(["list"])
    assert said.turn.message.text == "ac"
    assert [correction.text for correction in said.corrections] == ["\ufffdHi"]


async def test_what_is_not_for_us_is_not_heard(store):
    bot = Author("robot", "Robot", is_bot=True)
    adapter = ListAdapter(asked(addressed=False), asked("hi", "2", author=bot))
    generator = await held(store, "Hello", adapter=adapter)
    assert generator.prompts == []
    assert adapter.shown == {}


async def test_a_message_delivered_twice_is_answered_once(store):
    generator = await held(store, "once", adapter=ListAdapter(asked(), asked()))
    assert len(generator.prompts) == 1
    again = await held(store, "twice", adapter=ListAdapter(asked()))
    assert again.prompts == []


class Cut(SqlStore):
    """The connection is lost after the commit, before its caller hears of it: once."""

    is_whole = False

    async def hear(self, message):
        turn = await super().hear(message)
        if not self.is_whole:
            self.is_whole = True
            raise StoreError("The connection to the database is lost.")
        return turn


async def test_what_was_stored_though_its_delivery_failed_is_answered_when_it_comes_again(store):
    store.__class__ = Cut
    adapter, generator = ListAdapter(stays=True), ScriptedGenerator(["once"])
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine_on(store, generator), adapter))
        await until(lambda: adapter.seen is not None)
        with pytest.raises(StoreError):
            await adapter.deliver(asked())
        assert len(await store.unanswered("list", "me")) == 1
        await asyncio.gather(*(adapter.deliver(asked()) for _ in range(3)))
        await until(lambda: adapter.shown)
        adapter.stays.set()
    assert adapter.shown == {"1": "once"}
    assert len(generator.prompts) == 1
    assert await store.unanswered("list", "me") == []


async def test_the_next_prompt_holds_the_turns_before_in_order(store):
    adapter = ListAdapter(*[asked(text, text) for text in ("one", "two", "three")])
    generator = await held(store, "Hello", adapter=adapter)
    assert generator.prompts[-1].messages == (
        ("system", "Be kind."),
        ("user", "one"),
        ("assistant", "Hello"),
        ("user", "two"),
        ("assistant", "Hello"),
        ("user", "three"),
    )


async def test_conversations_do_not_hear_each_other(store):
    await held(store, "Hello", adapter=ListAdapter(asked("a secret", "1", thread="A")))
    generator = await held(store, "Hello", adapter=ListAdapter(asked("hi", "2", thread="B")))
    assert "a secret" not in str(generator.prompts)


async def test_one_conversation_is_answered_in_order_and_others_do_not_wait(store):
    silent = asyncio.Event()
    order = []

    class Slow(ScriptedGenerator):
        async def stream(self, prompt):
            question = prompt.messages[-1][1]
            order.append(question)
            if question == "a1":
                await silent.wait()
            yield "ok"

    adapter = ListAdapter(
        asked("a1", "1", "A"), asked("a2", "2", "A"), asked("b1", "3", "B"), asked("b2", "4", "B")
    )
    engine = engine_on(store, Slow([]))
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine, adapter))
        await until(lambda: adapter.shown.keys() >= {"3", "4"})
        assert "a2" not in order
        silent.set()
    assert [question for question in order if question[0] == "a"] == ["a1", "a2"]
    assert len(engine.lanes) == 0


async def test_what_was_left_unanswered_is_answered_at_the_next_start(store):
    await store.hear(asked("left over", "7"))
    adapter = ListAdapter()
    await held(store, "Hello", adapter=adapter)
    assert adapter.shown == {"7": "Hello"}
    assert await store.unanswered("list", "me") == []


async def test_a_text_that_was_whole_is_shown_again_and_never_asked_for_again(store):
    turn = await store.hear(asked())
    await store.settle(turn.id, "the whole text", "cut")
    adapter = ListAdapter()
    generator = await held(store, "another", adapter=adapter)
    assert generator.prompts == []
    assert adapter.shown == {"1": f"the whole text\n\n{WORDS.cut}"}
    assert await store.turn_behind(MessageRef(ROOM, "answer to 1"))  # votes find it
    [after] = (await store.history(await store.hear(asked("x", "9")), 9)).turns
    assert (after.answer, after.outcome, after.status) == ("the whole text", "cut", "done")


async def test_a_turn_that_died_too_often_ends_in_a_sentence_of_ours(store):
    turn = await store.hear(asked())
    for _ in range(MOST_TRIES):
        await store.began(turn.id, Recipe("base", "", None, ""))
    adapter = ListAdapter()
    generator = await held(store, "again", adapter=adapter)
    assert generator.prompts == []
    assert adapter.shown == {"1": WORDS.gave_up}


async def test_a_turn_that_waited_through_many_starts_is_still_answered(store):
    turn = await store.hear(asked())
    for _ in range(2 * MOST_TRIES):
        await store.began(turn.id, Recipe("base", "", None, ""))
        await store.let_go(turn.id)
    adapter = ListAdapter()
    await held(store, "at last", adapter=adapter)
    assert adapter.shown == {"1": "at last"}


async def test_a_turn_that_only_waits_for_the_model_has_not_been_tried(store):
    generator = ScriptedGenerator([], hangs=True)
    engine = engine_on(store, generator)  # takes four at once
    adapter = ListAdapter(*[asked("hi", id, id) for id in "12345"], stays=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine, adapter, grace_s=0))
        async with asyncio.timeout(5):
            tries, has_come = [], False
            while not has_come or sum(tries) < 4:
                turns = await store.unanswered("list", "me")
                tries = sorted(turn.tries for turn in turns)
                has_come = len(turns) == 5 and all(turn.replies for turn in turns)
        assert tries == [0, 1, 1, 1, 1]
        engine.close()


async def test_what_is_too_old_is_not_answered_days_later(store, caplog):
    await store.hear(asked(at=NOW - timedelta(hours=25)))
    await store.hear(asked(id="2", at=NOW - timedelta(hours=23)))
    adapter = ListAdapter()
    await held(store, "late", adapter=adapter)
    assert adapter.shown == {"2": "late"}
    assert "1 messages were too old" in caplog.text
    assert await store.unanswered("list", "me") == []


async def test_what_a_person_sees_begun_is_finished_however_old_it_is(store):
    old = NOW - timedelta(days=3)
    whole = await store.hear(asked("a", "1", "A", at=old))
    await store.settle(whole.id, "kept", "answered")
    begun = await store.hear(asked("b", "2", "B", at=old))
    await store.placed(begun.id, MessageRef(ROOM, "half an answer"))
    adapter = ListAdapter()
    await held(store, "again", adapter=adapter)
    assert adapter.shown == {"1": "kept", "2": "again"}


async def test_a_question_that_waits_is_answered_as_it_stands_when_its_turn_comes(store):
    go = asyncio.Event()

    class Slow(ScriptedGenerator):
        async def stream(self, prompt):
            self.prompts.append(prompt)
            yield "so"
            await go.wait()

    questions = [asked("first", "1"), asked("my secret", "2"), asked("teh typo", "3")]
    adapter = ListAdapter(*questions, stays=True)
    generator = Slow([])
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine_on(store, generator), adapter))
        await until(lambda: "1" in adapter.shown)
        await adapter.inbox.changed(MessageRef(ROOM, "2"), None)
        await adapter.inbox.changed(MessageRef(ROOM, "3"), "the typo")
        go.set()
        adapter.stays.set()
    assert adapter.shown.keys() == {"1", "3"}
    assert generator.prompts[-1].messages[-1] == ("user", "the typo")
    assert "my secret" not in str(generator.prompts)
