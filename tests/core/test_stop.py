"""Whoever says "stop" ends what they wait for, at once, and nobody else's answer."""

import asyncio

from core.desk import serve
from core.errors import StoreError
from storage.repositories import SqlStore
from tests.core.room import BOB, WORDS, ListAdapter, asked, engine_on, serve_tune
from tests.fakes import ScriptedGenerator, until


async def test_stop_ends_the_answer_under_way_at_once(store):
    generator = ScriptedGenerator(["so far"], hangs=True)
    adapter = ListAdapter(asked(), stays=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine_on(store, generator), adapter))
        await generator.waiting.wait()
        await adapter.deliver(asked("stop", "2"))
        adapter.stays.set()
    assert adapter.shown == {"1": f"so far\n\n{WORDS.stopped}", "2": WORDS.stopping}
    assert generator.closed


async def test_stop_also_ends_an_answer_that_is_still_being_prepared(store):
    counting, go = asyncio.Event(), asyncio.Event()

    class SlowToCount(ScriptedGenerator):
        async def count(self, texts):
            counting.set()
            await go.wait()
            return await super().count(texts)

    generator = SlowToCount(["never said"])
    adapter = ListAdapter(asked(), stays=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine_on(store, generator), adapter))
        await counting.wait()
        await adapter.deliver(asked("stop", "2"))
        go.set()
        adapter.stays.set()
    assert adapter.shown == {"1": WORDS.stopped, "2": WORDS.stopping}
    assert generator.prompts == []


async def test_stop_with_nothing_under_way_says_so_and_leaves_other_conversations_alone(store):
    generator = ScriptedGenerator(["so far"], hangs=True)
    adapter = ListAdapter(asked("hi", "1", "A"), stays=True)
    engine = engine_on(store, generator)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine, adapter, grace_s=0.01))
        await generator.waiting.wait()
        await adapter.deliver(asked("/stop", "2", "B"))
        await until(lambda: adapter.shown.get("2") == WORDS.nothing_to_stop)
        assert not generator.closed
        engine.close()


class SlowTrainer:
    """Learns until somebody stops it."""

    def __init__(self):
        self.is_learning, self.was_stopped = asyncio.Event(), False

    async def retrain(self, *, dry, by):
        try:
            yield "Learning."
            self.is_learning.set()
            await asyncio.Event().wait()
        finally:
            self.was_stopped = True

    async def review(self, decided):
        yield "Nothing is set aside."

    async def forget(self):
        return "none"


async def test_learning_holds_up_nobody_in_its_conversation_and_only_its_admin_stops_it(store):
    trainer, adapter = SlowTrainer(), ListAdapter(stays=True)
    engine = engine_on(store, ScriptedGenerator(["Hello"]), admins={"list:ann"}, trainer=trainer)
    async with asyncio.TaskGroup() as group, asyncio.timeout(10):
        group.create_task(serve(engine, adapter))
        await until(lambda: adapter.seen is not None)
        await adapter.deliver(asked("retrain"))
        await trainer.is_learning.wait()
        await adapter.deliver(asked("hi", "2", author=BOB))
        await until(lambda: adapter.shown.get("2") == "Hello" and len(engine.lanes) == 1)
        await adapter.deliver(asked("stop", "3", author=BOB))
        await until(lambda: adapter.shown.get("3") == WORDS.nothing_to_stop)
        assert not trainer.was_stopped
        await adapter.deliver(asked("stop", "4"))
        await until(lambda: adapter.shown.get("4") == WORDS.stopping)
        adapter.stays.set()
    assert adapter.shown["1"] == f"Learning.\n\n{WORDS.stopped}"
    assert trainer.was_stopped


async def test_going_back_waits_for_no_answer_of_the_tune_that_is_to_go(store):
    await serve_tune(store)
    adapter = ListAdapter(stays=True)
    engine = engine_on(store, ScriptedGenerator(["so far"], hangs=True), admins={"list:ann"})
    async with asyncio.TaskGroup() as group, asyncio.timeout(10):
        group.create_task(serve(engine, adapter, grace_s=0.01))
        await until(lambda: adapter.seen is not None)
        await adapter.deliver(asked("hi", "1", author=BOB))
        await until(lambda: adapter.shown == {"1": "so far"})
        await adapter.deliver(asked("hi", "2", author=BOB))
        await adapter.deliver(asked("/rollback", "3"))
        await adapter.deliver(asked("/tunes", "4"))
        await until(lambda: "4" in adapter.shown)
        assert "the base answers instead" in adapter.shown["3"]
        assert adapter.shown["4"].startswith("The base answers.")
        assert adapter.shown["1"] == "so far"
        engine.close()
        adapter.stays.set()


async def test_a_slash_command_stops_what_its_author_asked_in_a_thread_of_the_channel(store):
    """Slack has none in threads."""
    adapter = ListAdapter(stays=True)
    engine = engine_on(store, ScriptedGenerator(["so far"], hangs=True))
    async with asyncio.TaskGroup() as group, asyncio.timeout(10):
        group.create_task(serve(engine, adapter, grace_s=0.01))
        await until(lambda: adapter.seen is not None)
        await adapter.deliver(asked("hi", "1", "A"))
        await adapter.deliver(asked("hi", "2", "B", author=BOB))
        await until(lambda: adapter.shown == {"1": "so far", "2": "so far"})
        await adapter.deliver(asked("/stop", "3", private=True))
        await until(lambda: adapter.shown.get("3") == WORDS.stopping)
        await until(lambda: adapter.shown["1"] == f"so far\n\n{WORDS.stopped}")
        await adapter.deliver(asked("/stop", "4"))  # said in the open, it is about what is there
        await until(lambda: adapter.shown.get("4") == WORDS.nothing_to_stop)
        assert adapter.shown["2"] == "so far"
        engine.close()


class Hesitant(SqlStore):
    """Its disk has no room when an answer begins, once it is told so."""

    refuses = False

    async def began(self, *how):
        if self.refuses:
            self.refuses = False
            raise StoreError("There is no room left.")
        await super().began(*how)


async def test_a_stop_that_the_disk_does_not_take_at_once_says_that_it_stopped_something(store):
    store.__class__ = Hesitant
    generator = ScriptedGenerator(["so far"], hangs=True)
    adapter = ListAdapter(asked(), stays=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine_on(store, generator), adapter))
        await generator.waiting.wait()
        store.refuses = True
        await adapter.deliver(asked("stop", "2"))
        adapter.stays.set()
    assert not store.refuses
    assert adapter.shown == {"1": f"so far\n\n{WORDS.stopped}", "2": WORDS.stopping}
