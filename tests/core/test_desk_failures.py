"""The desk, where the platform, the disk, the model or our own code fails: nobody else is hurt."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from core.desk import serve
from core.errors import AdapterError, Refused, StoreDamaged, StoreError
from core.types import MessageRef
from storage.repositories import SqlStore
from tests.core.room import ROOM, WORDS, ListAdapter, asked, engine_on, held, reacted
from tests.fakes import ScriptedGenerator, until


async def test_a_platform_that_fails_is_tried_again_in_the_same_message(store):
    adapter = ListAdapter(asked(), fails=1)
    generator = await held(store, "Hel", "lo", adapter=adapter)
    assert adapter.shown == {"1": "Hello"}
    assert len(generator.prompts) == 2
    turn = await store.turn_behind(MessageRef(ROOM, "answer to 1"))
    assert (len(turn.replies), turn.tries) == (1, 1)  # the failed try is not counted


async def test_a_turn_that_can_never_be_shown_holds_up_its_conversation_for_so_long_only(store):
    class Stubborn(ListAdapter):
        async def reply(self, to, answer):
            if to.ref.id == "1":
                raise AdapterError("never")
            await super().reply(to, answer)

    later = datetime.now(UTC) + timedelta(hours=1)
    adapter = Stubborn(asked(at=later), asked("and this?", "2", at=later))
    async with asyncio.timeout(10):
        await held(store, "Hello", adapter=adapter, retry_for_h=0.5 / 3600)
    assert adapter.shown == {"2": "Hello"}
    assert [turn.message.ref.id for turn in await store.unanswered("list", "me")] == ["1"]


class Full(SqlStore):
    """Its disk has no room at the ends of turns, `times` times."""

    times = 1

    def check(self):
        if self.times:
            self.times -= 1
            raise StoreError("There is no room left.")

    async def settle(self, *how):
        self.check()
        await super().settle(*how)


class FullLater(Full):
    async def settle(self, *how):
        await SqlStore.settle(self, *how)

    async def finish(self, *how):
        self.check()
        await super().finish(*how)


@pytest.mark.parametrize(("kind", "note"), [(Full, f"\n\n{WORDS.unkept}"), (FullLater, "")])
async def test_an_answer_that_the_disk_does_not_take_is_kept_later_and_not_asked_for_again(
    store, kind, note
):
    store.__class__ = kind
    adapter = ListAdapter(asked())
    generator = await held(store, "Hel", "lo", adapter=adapter)
    assert adapter.shown == {"1": f"Hello{note}"}
    assert (len(generator.prompts), adapter.replied) == (1, ["1"])
    turn = await store.turn_behind(MessageRef(ROOM, "answer to 1"))
    assert (turn.status, turn.outcome, turn.answer) == ("done", "answered", "Hello")


@pytest.mark.parametrize("kind", [Full, FullLater])
async def test_a_script_does_not_wait_for_ever_for_a_disk_that_stays_full(store, kind):
    store.__class__, store.times = kind, 1000
    generator = ScriptedGenerator(["Hello"])
    engine = engine_on(store, generator)
    async with asyncio.timeout(10):
        await serve(engine, ListAdapter(asked()), patience_s=0.5)
    assert (len(generator.prompts), engine.failures) == (1, 1)
    [turn] = await store.unanswered("list", "me")
    assert turn.status == ("heard" if kind is Full else "final")


@pytest.mark.parametrize(
    "call", ["unanswered", "seen", "hear", "began", "history", "turn_behind", "change"]
)
async def test_damage_met_anywhere_closes_the_bot(store, call):
    async def broken(self, *how):
        raise StoreDamaged("mynah.db is damaged")

    store.__class__ = type("Damaged", (SqlStore,), {call: broken})
    adapter = ListAdapter(asked(), stays=True)
    engine = engine_on(store, ScriptedGenerator(["Hello"]))
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(ended_by_damage(engine, adapter))
        if call in ("turn_behind", "change"):
            await until(lambda: adapter.shown)
            with pytest.raises(StoreDamaged):
                await (
                    adapter.deliver(reacted("👍"))
                    if call == "turn_behind"
                    else adapter.inbox.changed(MessageRef(ROOM, "1"), "other words")
                )
        await until(serving.done)
    assert str(engine.damage) == "mynah.db is damaged"


async def ended_by_damage(engine, adapter):
    with suppress(ExceptionGroup):
        await serve(engine, adapter, grace_s=1)


async def test_a_fault_of_ours_ends_in_an_apology_and_not_in_silence(store, caplog):
    class Faulty(ScriptedGenerator):
        async def count(self, texts):
            raise KeyError("a fault")

    before = ListAdapter(asked())
    await serve(engine_on(store, Faulty([])), before)
    beside = ListAdapter(asked("hi", "2"), fails=1, error=KeyError("a fault"))
    generator = await held(store, "Hel", "lo", adapter=beside)
    assert before.shown | beside.shown == {"1": WORDS.apology, "2": WORDS.apology}
    assert len(generator.prompts) == 1
    turn = await store.turn_behind(MessageRef(ROOM, "answer to 2"))
    assert (turn.status, turn.outcome, turn.answer) == ("done", "failed", "")
    assert await store.unanswered("list", "me") == []
    assert "turn 2 failed" in caplog.text


async def test_a_fault_that_meets_the_apology_too_hurts_nobody_else(store, caplog):
    class Faulty(ListAdapter):
        async def reply(self, to, answer):
            if to.ref.id == "1":
                raise KeyError("a fault")
            await super().reply(to, answer)

    adapter = Faulty(asked(), asked("hi", "2"))
    await held(store, "Hello", adapter=adapter)
    assert adapter.shown == {"2": "Hello"}
    assert "turn 1: no apology can be shown either" in caplog.text


async def test_a_platform_that_refuses_ends_the_turn(store):
    adapter = ListAdapter(asked(), fails=9, error=Refused("may not post there"))
    generator = await held(store, "Hello", adapter=adapter)
    assert len(generator.prompts) == 1
    assert await store.unanswered("list", "me") == []


async def test_a_failing_model_leaves_an_apology_and_no_words_of_ours_in_the_record(store):
    adapter = ListAdapter(asked())
    engine = engine_on(store, ScriptedGenerator(["I thi"], fails=True))
    await serve(engine, adapter)
    assert adapter.shown["1"] == f"I thi\n\n{WORDS.interrupted}"
    turn = await store.turn_behind(MessageRef(ROOM, "answer to 1"))
    assert (turn.answer, turn.outcome) == ("I thi", "failed")
    assert engine.failures == 1
    after = await held(store, "ok", adapter=ListAdapter(asked("next", "2")))
    assert "I thi" not in str(after.prompts)
