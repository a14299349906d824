"""The desk when it ends: answers under way finish, or are left to the next start."""

import asyncio

import pytest

from core.desk import serve
from core.errors import Closing
from tests.core.room import ListAdapter, asked, engine_on, held
from tests.fakes import ScriptedGenerator


async def test_cancelling_closes_the_connection_to_the_model_and_leaves_the_turn_to_the_next_start(
    store,
):
    generator = ScriptedGenerator(["a"], hangs=True)
    task = asyncio.create_task(serve(engine_on(store, generator), ListAdapter(asked())))
    await generator.waiting.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert generator.closed
    [turn] = await store.unanswered("list", "me")
    assert turn.tries == 0


async def test_after_close_answers_under_way_finish_and_nothing_more_is_heard(
    store,
):
    go, begun = asyncio.Event(), asyncio.Event()

    class Slow(ScriptedGenerator):
        async def stream(self, prompt):
            begun.set()
            yield "be"
            await go.wait()
            yield "gun"

    adapter = ListAdapter(asked(), stays=True)
    engine = engine_on(store, Slow([]))
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine, adapter))
        await begun.wait()
        engine.close()
        with pytest.raises(Closing):
            await adapter.deliver(asked("too late", "2", "other"))
        go.set()
    assert adapter.shown == {"1": "begun"}
    assert await store.unanswered("list", "me") == []
    again = ListAdapter(asked("too late", "2", "other"))  # the platform delivers it again
    await held(store, "in time", adapter=again)
    assert again.shown == {"2": "in time"}


async def test_an_answer_that_does_not_end_in_time_is_left_to_the_next_start(store):
    generator = ScriptedGenerator(["a"], hangs=True)
    adapter = ListAdapter(asked(), stays=True)
    engine = engine_on(store, generator)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine, adapter, grace_s=0.01))
        await generator.waiting.wait()
        engine.close()
    assert generator.closed
    assert len(await store.unanswered("list", "me")) == 1
