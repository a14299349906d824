"""Many callers at once: each gets its own result, whoever of them gives up."""

import asyncio
import contextlib
import dataclasses
import random
import subprocess
import threading
import time
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine, event

from core.errors import StoreError
from storage.repositories import Settings, SqlStore
from storage.tables import tune_names, turns
from tests.storage.says import MORNING, answered, message, recipe, remembered, reply


async def test_callers_that_give_up_break_nothing_for_the_others(store):
    chance = random.Random(1)
    for _ in range(20):
        said = [message() for _ in range(40)]
        tasks = [asyncio.create_task(store.hear(each)) for each in said]
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        given_up = chance.sample(range(40), 15)
        for index in given_up:
            tasks[index].cancel()
        told: list[Any] = await asyncio.gather(*tasks, return_exceptions=True)
        for index, result in enumerate(told):
            if not isinstance(result, asyncio.CancelledError):
                assert result.message == said[index]
            else:
                assert index in given_up
    kept = {turn.message.ref for turn in await store.unanswered("slack", "T1/B1")}
    assert len(kept) >= 20 * 25
    assert await answered(store)


async def test_readers_that_give_up_break_nothing_for_the_others(store):
    turn_id = await answered(store)
    turn = await store.hear(message())
    for waits in range(40):
        task = asyncio.create_task(store.history(turn, 10))
        for _ in range(waits):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert await remembered(store) == ([turn_id], True)


async def test_different_writes_at_the_same_moment_each_do_their_part(store):
    turns = [await store.hear(message()) for _ in range(10)]
    writes = [store.began(turn.id, recipe()) for turn in turns]
    writes += [store.placed(turn.id, reply(f"r{turn.id}")) for turn in turns]
    writes += [store.settle(999, "", "answered"), store.hear(message()), store.next_tune()]
    writes += [store.settle(turn.id, f"answer {turn.id}", "answered") for turn in turns]
    told = await asyncio.gather(*writes, return_exceptions=True)
    assert [result for result in told if isinstance(result, Exception)] == [told[20]]
    assert isinstance(told[20], StoreError)
    assert told[22] == "mynah@000001"
    for turn in turns:
        now = await store.turn_behind(reply(f"r{turn.id}"))
        assert (now.answer, now.recipe, now.tries) == (f"answer {turn.id}", recipe(), 1)


async def test_a_bad_message_among_other_writes_fails_alone(store):
    turn = await store.hear(message())
    bad = dataclasses.replace(message(), at=datetime(2026, 1, 1))
    said = [message(), bad, message()]
    writes = [store.began(turn.id, recipe()), *map(store.hear, said), store.next_tune()]
    told: list[Any] = await asyncio.gather(*writes, return_exceptions=True)
    assert isinstance(told.pop(2), StoreError)
    assert told[0] is None
    assert [heard.message for heard in told[1:3]] == [said[0], said[2]]
    assert told[3] == "mynah@000001"
    assert [t.id for t in await store.unanswered("slack", "T1/B1")] == [
        turn.id,
        told[1].id,
        told[2].id,
    ]


async def test_of_a_write_that_fails_half_way_nothing_stays(store):
    def half(connection):
        connection.execute(tune_names.insert().values(at=MORNING))
        raise StoreError("half way")

    for others in (0, 3):
        writes = [store.database.write(half), *(store.hear(message()) for _ in range(others))]
        told: list[Any] = await asyncio.gather(*writes, return_exceptions=True)
        assert str(told.pop(0)) == "half way"
        assert all(told)
    taken = await store.database.read(lambda c: c.execute(tune_names.select()).all())
    assert taken == []


async def test_what_waits_together_is_committed_together(store):
    commits = []

    def count(connection):
        commits.append(connection)

    event.listen(Engine, "commit", count)
    try:
        await asyncio.gather(*(store.hear(message()) for _ in range(64)))
    finally:
        event.remove(Engine, "commit", count)
    assert len(commits) <= 2


async def test_closing_finishes_what_was_begun_and_refuses_the_rest(url):
    store = await SqlStore.open(Settings(url=url), holder="the tests")
    under_way = [asyncio.create_task(store.hear(message())) for _ in range(10)]
    await asyncio.sleep(0)
    await store.close()
    assert all(await asyncio.gather(*under_way))
    for late in (store.hear(message()), store.unanswered("slack", "T1/B1")):
        with pytest.raises(StoreError, match="closed"):
            await late


async def test_what_was_forgotten_is_in_no_file(sqlite_url, tmp_path):
    store = await SqlStore.open(Settings(url=sqlite_url), holder="the tests")
    said = message("my xyzzy secret " * 400, author="U1")
    turn = await store.hear(said)
    assert turn
    await store.settle(turn.id, "your xyzzy secret", "answered")
    mine = await answered(store, "another xyzzy", author="U2")
    assert await found_in_files("xyzzy", tmp_path)
    await store.change(said.ref, None)
    assert (await store.forget_turn(mine, "U2")).turns == 1
    assert not await found_in_files("xyzzy", tmp_path)
    assert await found_in_files("U1's name", tmp_path)
    await store.forget_person("slack", "T1/B1", "U1")
    assert not await found_in_files("U1's name", tmp_path)
    await store.close()


async def test_what_a_long_read_keeps_from_being_wiped_is_wiped_afterwards(sqlite_url, tmp_path):
    store = await SqlStore.open(Settings(url=sqlite_url), holder="the tests")
    turn_id = await answered(store, "my xyzzy secret", author="U1")
    async with reading_for_long(store) as read:
        assert (await store.forget_turn(turn_id, "U1")).turns == 1
        assert await found_in_files("xyzzy", tmp_path)
        began = time.monotonic()
        for _ in range(10):
            await store.hear(message())
        assert time.monotonic() - began < 2  # none of them waits for the reader
    await read
    await store.hear(message())
    assert not await found_in_files("xyzzy", tmp_path)
    await store.close()


async def found_in_files(word, folder):
    """By another process: opening the files in this one would drop SQLite's locks."""
    command = ["grep", "-r", "-l", "-a", word, str(folder)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
    assert done.returncode in (0, 1)
    return done.stdout.decode()


@contextlib.asynccontextmanager
async def reading_for_long(store):
    """Gives the read, which ends after the block: how many turns it saw at first and at last."""
    began, may_end = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def long_read(connection):
        before = len(connection.execute(turns.select()).all())
        loop.call_soon_threadsafe(began.set)
        assert may_end.wait(10)
        return before, len(connection.execute(turns.select()).all())

    reading = asyncio.create_task(store.database.read(long_read))
    await began.wait()
    try:
        yield reading
    finally:
        may_end.set()


async def test_somebody_who_reads_for_long_does_not_stop_the_writing(store):
    await answered(store)
    async with reading_for_long(store) as read:
        assert await answered(store)
        await store.serve(None, MORNING)
    assert await read == (1, 1)
