"""What nobody asked for reaches the one channel that is named, or the log says why not."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from core.announcements import Announcements
from core.desk import serve
from core.engine import utc_now as now
from core.errors import AdapterError, Refused, StoreError
from core.types import Announcement, MessageRef
from tests.core.room import ROOM, ListAdapter, engine_on
from tests.fakes import ScriptedGenerator, until

SOON: dict[str, Any] = {"patience_s": 30, "again_s": 0.01}


class Faulty(ListAdapter):
    """Each time that it is told something, the next of `faults` happens; None: nothing does."""

    def __init__(self, *faults):
        super().__init__(stays=True)
        self.faults = list(faults)

    async def tell(self, channel, notice):
        if fault := self.faults and self.faults.pop(0):
            raise fault
        await super().tell(channel, notice)


class Paged(ListAdapter):
    """Posts a text word by word; at each post the next of `faults` happens, None: nothing does."""

    def __init__(self, *faults):
        super().__init__(stays=True)
        self.faults = list(faults)

    async def tell(self, channel, notice):
        async with notice.said() as answer:
            words = "".join([piece async for piece in answer]).split()
            if answer.unsure and len(self.told) > len(answer.refs):  # as a platform that can look
                await answer.placed(place_of(len(self.told)))
            for word in words[len(answer.refs) :]:
                await answer.placing()
                if fault := self.faults and self.faults.pop(0):
                    await failed(self, fault)
                self.told.append(word)
                await answer.placed(place_of(len(self.told)))
            await super().tell(channel, notice)


async def failed(adapter, fault):
    if isinstance(fault, Exception):
        raise fault
    await fault(adapter)


def place_of(number):
    return MessageRef(ROOM, str(number))


async def test_a_text_waits_for_its_platform_and_goes_to_the_channel_named(store):
    adapter, other = ListAdapter(stays=True), ListAdapter(stays=True)
    other.name = "another"
    async with Announcements("list:room:7", **SOON) as announcements:
        await announcements.tell("one")
        await announcements.tell("two")
        engine = engine_on(store, ScriptedGenerator([]), announcements=announcements)
        async with asyncio.TaskGroup() as group:
            group.create_task(serve(engine, other))
            await until(lambda: other.seen is not None)
            assert adapter.told == []
            group.create_task(serve(engine, adapter))
            await until(lambda: len(adapter.told) == 2)
            engine.close()
    assert adapter.told == [("room:7", "one"), ("room:7", "two")]
    assert other.told == []


async def test_without_a_channel_nothing_is_told(store):
    adapter = ListAdapter(stays=True)
    async with Announcements(None, **SOON) as announcements:
        announcements.ready(adapter)
        await announcements.tell("one")
        await asyncio.sleep(0)
    assert adapter.told == []


async def test_whoever_tells_waits_for_nobody():
    async with Announcements("list:room", **SOON) as announcements, asyncio.timeout(1):
        await announcements.tell("nobody is there")


async def test_what_fails_is_told_again_and_in_order():
    adapter = Faulty(AdapterError("down"), AdapterError("still down"))
    async with Announcements("list:room", **SOON) as announcements:
        announcements.ready(adapter)
        await announcements.tell("one")
        await announcements.tell("two")
        await until(lambda: len(adapter.told) == 2)
    assert [text for _, text in adapter.told] == ["one", "two"]


async def test_what_was_told_in_part_is_not_told_again():
    adapter = Paged(None, AdapterError("down"), AdapterError("still down"))
    async with Announcements("list:room", **SOON) as announcements:
        announcements.ready(adapter)
        await announcements.tell("one and two")
        await until(lambda: len(adapter.told) == 4)
    assert adapter.told == ["one", "and", "two", ("room", "one and two")]


async def test_an_adapter_that_is_gone_is_told_nothing_and_its_successor_is():
    first, second = ListAdapter(), ListAdapter()
    async with Announcements("list:room", **SOON) as announcements:
        announcements.ready(first)
        announcements.gone(first)
        await announcements.tell("one")
        await asyncio.sleep(0.01)
        announcements.ready(second)
        announcements.gone(first)  # of an adapter that ended long ago, said late
        await until(lambda: second.told)
    assert first.told == []


async def test_what_is_told_between_two_adapters_waits_for_the_second(store):
    first, second = ListAdapter(), ListAdapter(stays=True)
    async with Announcements("list:room", **SOON) as announcements:
        engine = engine_on(store, ScriptedGenerator([]), announcements=announcements)
        await serve(engine, first)  # it ended, as after a connection that was lost
        await announcements.tell("one")
        await asyncio.sleep(0.02)
        async with asyncio.TaskGroup() as group:
            group.create_task(serve(engine, second))
            await until(lambda: second.told)
            engine.close()
    assert first.told == []


async def test_a_platform_that_stays_away_is_an_error_in_the_log_and_the_next_text_is_told(caplog):
    adapter = ListAdapter()
    async with Announcements("list:room", patience_s=0.02, again_s=0.01) as announcements:
        await announcements.tell("a secret of the night")
        await until(lambda: caplog.records)
        announcements.ready(adapter)
        await announcements.tell("two")
        await until(lambda: adapter.told)
    [record] = caplog.records
    assert record.levelname == "ERROR"
    assert "bot.announce_in names list:room" in caplog.text
    assert "secret" not in caplog.text
    assert adapter.told == [("room", "two")]


@pytest.mark.parametrize("fault", [Refused("not_in_channel."), KeyError("a fault of ours")])
async def test_what_will_never_be_taken_is_not_tried_again_and_ends_nothing_else(caplog, fault):
    adapter = Faulty(fault)
    async with Announcements("list:room", **SOON) as announcements:
        announcements.ready(adapter)
        await announcements.tell("one")
        await announcements.tell("two")
        await until(lambda: adapter.told)
    assert adapter.told == [("room", "two")]
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_what_was_not_told_before_the_end_is_told_first_after_the_next_start(store, caplog):
    caplog.set_level("INFO")
    adapter = ListAdapter()
    async with Announcements("list:room", store, **SOON) as announcements:
        for text in ("one", "two", "three"):
            await announcements.tell(text)
        announcements.ready(adapter)
        await until(lambda: adapter.told)
        announcements.gone(adapter)
    assert f"{3 - len(adapter.told)} announcements are made at the next start" in caplog.text
    async with Announcements("list:room", store, **SOON) as announcements:
        await announcements.tell("four")
        announcements.ready(adapter)
        await until(lambda: len(adapter.told) == 4)
    assert [text for _, text in adapter.told] == ["one", "two", "three", "four"]
    assert await store.announcements() == []


@pytest.mark.parametrize("is_posted", [False, True])
async def test_after_a_crash_the_next_start_goes_on_in_what_is_there(store, is_posted):
    hangs = asyncio.Event()

    async def hang(adapter):
        """The process dies before the word is posted, or behind it when nobody knew yet."""
        if is_posted:
            adapter.told.append("crash")
        hangs.set()
        await asyncio.Event().wait()

    adapter = Paged(None, hang, None, hang)
    await store.put_announcement(Announcement("1", "list:room", "a crash b crash c", now()))
    for _ in range(2):
        hangs.clear()
        announcements = await Announcements("list:room", store, **SOON).__aenter__()
        announcements.ready(adapter)
        await hangs.wait()
        announcements._task.cancel()  # and nothing else of an end is done
    async with Announcements("list:room", store, **SOON) as announcements:
        announcements.ready(adapter)
        await until(lambda: len(adapter.told) == 6)
    assert adapter.told == ["a", "crash", "b", "crash", "c", ("room", "a crash b crash c")]


async def test_what_is_told_as_the_end_comes_is_not_told_again(store):
    class Slow:
        """The first drop does not come to its end."""

        announcements, put_announcement = store.announcements, store.put_announcement
        drops = asyncio.Event()

        async def drop_announcement(self, id):
            if not self.drops.is_set():
                self.drops.set()
                await asyncio.Event().wait()
            await store.drop_announcement(id)

    slow, adapter = Slow(), ListAdapter()
    async with Announcements("list:room", slow, **SOON) as announcements:
        announcements.ready(adapter)
        await announcements.tell("one")
        await slow.drops.wait()
    assert adapter.told == [("room", "one")]
    assert await store.announcements() == []


async def test_what_is_too_old_at_the_start_is_not_told_any_more(store, caplog):
    long_ago = now() - timedelta(minutes=1)
    await store.put_announcement(Announcement("1", "list:room", "old", long_ago))
    adapter = ListAdapter()
    async with Announcements("list:room", store, **SOON) as announcements:
        announcements.ready(adapter)
        await announcements.tell("new")
        await until(lambda: adapter.told)
    assert adapter.told == [("room", "new")]
    assert "an announcement was not made" in caplog.text
    assert await store.announcements() == []


async def test_where_the_settings_name_another_channel_it_is_told_there_from_its_first_word(store):
    adapter = Paged(None, None, AdapterError("down"))
    async with Announcements("list:room", store, patience_s=30, again_s=60) as announcements:
        announcements.ready(adapter)
        await announcements.tell("one two three")
        await until(lambda: adapter.faults == [])
    adapter.told.clear()
    async with Announcements("list:other", store, **SOON) as announcements:
        announcements.ready(adapter)
        await until(lambda: len(adapter.told) == 4)
    assert adapter.told == ["one", "two", "three", ("other", "one two three")]


async def test_a_store_that_fails_holds_nobody_up_and_takes_it_at_the_end(store, caplog):
    class Full:
        """Takes nothing for a while."""

        announcements, drop_announcement = store.announcements, store.drop_announcement
        takes = False

        async def put_announcement(self, announcement):
            if not self.takes:
                raise StoreError("The disk is full.")
            await store.put_announcement(announcement)

    full, adapter = Full(), ListAdapter()
    async with Announcements("list:room", full, **SOON) as announcements:
        await announcements.tell("one")
        announcements.ready(adapter)
        await until(lambda: adapter.told)
        announcements.gone(adapter)
        await announcements.tell("two")
        full.takes = True
    assert adapter.told == [("room", "one")]
    assert [one.text for one in await store.announcements()] == ["two"]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


async def test_what_no_store_takes_is_counted_at_the_end(caplog):
    async with Announcements("list:room", **SOON) as announcements:
        for text in ("one", "two", "three"):
            await announcements.tell(text)
        await asyncio.sleep(0)
    assert "the end came before 3 announcements were made" in caplog.text


async def test_who_is_cut_off_while_it_is_stored_has_it_told_all_the_same(store):
    adapter = ListAdapter()
    async with Announcements("list:room", store, **SOON) as announcements:
        telling = asyncio.create_task(announcements.tell("one"))
        await asyncio.sleep(0)
        telling.cancel()
        announcements.ready(adapter)
        await until(lambda: adapter.told)
    assert await store.announcements() == []
