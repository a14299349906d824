"""What is announced and not told yet, on both databases."""

from dataclasses import replace
from datetime import timedelta

from core.types import Announcement
from storage.repositories import Settings, SqlStore
from tests.storage.says import MORNING, reply

LATER = Announcement("1", "slack:C1", "Later.", MORNING + timedelta(microseconds=1))
FIRST = Announcement("2", "slack:C1", "**Good** morning ✓", MORNING)


async def test_they_are_kept_with_what_is_told_of_them_oldest_first_and_across_a_restart(url):
    store = await SqlStore.open(Settings(url=url), holder="the tests")
    assert await store.announcements() == []
    for one in (LATER, FIRST):
        await store.put_announcement(one)
    there = (reply("m1"), reply("m2"))
    far = replace(FIRST, channel="slack:C2", replies=there, placing=True)
    await store.put_announcement(far)
    await store.close()
    store = await SqlStore.open(Settings(url=url), holder="the tests")
    assert await store.announcements() == [far, LATER]
    await store.close()


async def test_what_is_told_is_gone(store):
    for one in (LATER, FIRST):
        await store.put_announcement(one)
    for _ in range(2):
        await store.drop_announcement(FIRST.id)
    assert await store.announcements() == [LATER]
