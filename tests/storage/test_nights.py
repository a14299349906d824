"""The nights on both databases: who adds a local date's row has it."""

import asyncio
from datetime import date, timedelta

from core.types_learning import Night
from storage.repositories import Settings, SqlStore
from tests.storage.says import MORNING

MONDAY, TUESDAY = date(2026, 5, 4), date(2026, 5, 5)


async def test_of_many_who_want_a_night_one_gets_it(store):
    wanted = [store.begin_night(day, MORNING) for day in (MONDAY, TUESDAY) for _ in range(5)]
    assert sorted(await asyncio.gather(*wanted)) == [False] * 8 + [True] * 2


async def test_a_night_is_taken_also_after_a_restart_and_when_it_has_ended(url):
    for told in ("Learnt.", "Learnt more."):
        store = await SqlStore.open(Settings(url=url), holder="the tests")
        assert await store.begin_night(MONDAY, MORNING) == (told == "Learnt.")
        await store.end_night(MONDAY, told, MORNING)
        assert await store.last_night() == Night(MONDAY, MORNING, told)
        await store.close()


async def test_a_night_is_given_back_until_it_has_an_outcome(store):
    await store.begin_night(MONDAY, MORNING)
    await store.give_back_night(MONDAY)
    assert await store.last_night() is None
    assert await store.begin_night(MONDAY, MORNING)
    await store.end_night(MONDAY, "Learnt.", MORNING)
    await store.give_back_night(MONDAY)
    assert not await store.begin_night(MONDAY, MORNING)


async def test_the_last_night_is_the_one_that_began_last(store):
    assert await store.last_night() is None
    await store.begin_night(TUESDAY, MORNING)
    assert await store.last_night() == Night(TUESDAY, MORNING, None)
    await store.end_night(TUESDAY, "Nothing new.", MORNING)
    later = MORNING + timedelta(hours=1)  # by a clock that was put right
    assert await store.begin_night(MONDAY, later)
    assert await store.last_night() == Night(MONDAY, later, None)
