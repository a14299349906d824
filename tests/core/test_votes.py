"""Verdicts and corrections find their turn, and the last one counts."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from core.desk import serve
from core.training import dataset
from core.types import (
    Author,
    MessageRef,
)
from tests.core.room import (
    ANN,
    BOB,
    NOW,
    ROOM,
    ListAdapter,
    asked,
    engine_on,
    held,
    judged,
    reacted,
)
from tests.fakes import ScriptedGenerator, until


async def test_a_thumb_is_kept_changed_and_withdrawn(store):
    async def after(*events):
        await held(store, "Hello", adapter=ListAdapter(*events))
        return await judged(store)

    assert await after(asked()) == []
    assert await after(reacted("👍🏽")) == [("ann", 1)]
    assert await after(reacted("👎")) == [("ann", -1)]
    assert await after(reacted("👍", added=False)) == [("ann", -1)]  # it no longer stands
    assert await after(reacted("👎", added=False)) == []


async def test_each_person_has_a_verdict_and_other_reactions_are_none(store):
    robot = Author("robot", "R", is_bot=True)
    adapter = ListAdapter(asked())
    await held(store, "Hello", adapter=adapter)
    events = [
        reacted("👍"),
        reacted("👎", author=BOB),
        reacted("👀"),
        reacted("👍", author=robot),
        reacted("👍", target="a person's message"),
    ]
    await held(store, adapter=ListAdapter(*events))
    assert sorted(await judged(store)) == [("ann", 1), ("bob", -1)]


async def test_a_verdict_may_come_while_the_answer_is_written(store):
    go = asyncio.Event()

    class Slow(ScriptedGenerator):
        async def stream(self, prompt):
            yield "so"
            await go.wait()
            yield " good"

    adapter = ListAdapter(asked(), stays=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine_on(store, Slow([])), adapter))
        await until(lambda: adapter.shown.get("1") == "so")
        await adapter.deliver(reacted("👍"))
        go.set()
        adapter.stays.set()
    assert await judged(store) == [("ann", 1)]


async def test_a_correction_is_kept_with_its_turn_and_the_last_one_counts(store):
    adapter = ListAdapter(asked())
    await held(store, "Hello", adapter=adapter)
    engine = engine_on(store, ScriptedGenerator([]))
    target = MessageRef(ROOM, "answer to 1")
    await engine.judge(reacted("👎"))
    tries = ("first try", "  ", "second try \n")
    assert [await engine.correct(target, ANN, text) for text in tries] == [True, False, True]
    assert not await engine.correct(MessageRef(ROOM, "a person's message"), ANN, "nothing")
    [known] = await store.judged(["list"])
    assert [(c.author_id, c.text) for c in known.corrections] == [("ann", "second try")]


async def test_only_who_voted_on_an_answer_says_what_was_right(store):
    """Others see the offer too where a platform cannot whisper."""
    await held(store, "Hello", adapter=ListAdapter(asked()))
    engine = engine_on(store, ScriptedGenerator([]))
    await engine.judge(reacted("👎"))
    target = MessageRef(ROOM, "answer to 1")
    assert not await engine.correct(target, BOB, "as Bob says")
    assert await engine.correct(target, ANN, "as Ann says")
    await engine.judge(reacted("👎", added=False))
    assert not await engine.correct(target, ANN, "too late")
    [known] = await store.judged(["list"])
    assert [(c.author_id, c.text) for c in known.corrections] == [("ann", "as Ann says")]


async def test_who_likes_after_all_what_they_corrected_trains_so(store):
    await held(store, "Hello", adapter=ListAdapter(asked()))
    engine = engine_on(store, ScriptedGenerator([]))
    await engine.judge(reacted("👎"))
    await engine.correct(MessageRef(ROOM, "answer to 1"), ANN, "as Ann says")
    taught = dataset.gather(await store.judged(["list"])).rows
    assert [(row.text, row.label) for row in taught] == [("as Ann says", True), ("Hello", False)]
    later = engine.now() + timedelta(minutes=1)
    await engine.judge(replace(reacted("👎"), added=False, at=later))
    await engine.judge(replace(reacted("👍"), at=later))
    [row] = dataset.gather(await store.judged(["list"])).rows
    assert (row.text, row.label, row.corrected) == ("Hello", True, False)


async def test_a_thumb_that_is_found_after_an_absence_is_no_vote_that_was_forgotten(store):
    """It stands on the platform still, and nobody tells when it was given."""
    events = [asked(), asked("more", "2", author=BOB), reacted("👍", author=BOB)]
    await held(store, "Hello", adapter=ListAdapter(*events))
    found = replace(reacted("👍", author=BOB), found=True)
    engine = engine_on(store, ScriptedGenerator([]))
    assert (await engine.judge(found)).score == 1
    later = NOW + timedelta(minutes=1)
    await held(store, adapter=ListAdapter(asked("/forget me", "3", author=BOB, at=later)))
    assert await judged(store) == []
    assert (await engine.judge(found)).score is None
    assert await judged(store) == []
    assert (await engine.judge(replace(found, at=later + timedelta(seconds=1)))).score == 1
