"""Threads that go on without a mention, and what comes after an absence."""

import asyncio
from datetime import timedelta

import pytest

from core.desk import serve
from core.types import Author, Seen, ThreadRef
from tests.core.room import BOB, NOW, ROOM, ListAdapter, asked, engine_on, held
from tests.fakes import ScriptedGenerator, until


def follow_up(text="and then?", id="9", thread="T", **how):
    return asked(text, id, thread, addressed=False, follows=True, **how)


async def test_a_follow_up_is_answered_in_a_thread_where_we_were_spoken_to(store):
    await held(store, "Hello", adapter=ListAdapter(asked("hi", "1", "T")))
    adapter = ListAdapter(follow_up(author=BOB))
    generator = await held(store, "Well", adapter=adapter)
    assert adapter.shown == {"9": "Well"}
    assert [text for _, text in generator.prompts[0].messages[1:]] == ["hi", "Hello", "and then?"]


async def test_a_follow_up_elsewhere_is_neither_answered_nor_kept(store):
    await held(store, "Hello", adapter=ListAdapter(asked("hi", "1", "T"), asked("hi", "2")))
    said = [follow_up("a secret", "8", thread="U"), follow_up("a secret", "9", thread="")]
    adapter = ListAdapter(*said)
    await held(store, "Well", adapter=adapter)
    assert adapter.shown == {}
    for message in said:
        assert await store.hear(message) is not None  # it was not heard before


async def test_a_follow_up_that_comes_at_once_is_not_lost(store):
    adapter = ListAdapter(asked("hi", "1", "T"), follow_up("one", "2"), follow_up("two", "3"))
    await held(store, "Hello", adapter=adapter)
    assert adapter.shown.keys() == {"1", "2", "3"}


async def test_a_command_for_one_persons_eyes_opens_no_thread_for_the_others(store):
    adapter = ListAdapter(asked("/help", "1", "T", private=True), follow_up(author=BOB))
    await held(store, "Hello", adapter=adapter)
    assert adapter.shown.keys() == {"1"}


@pytest.mark.parametrize("message", [follow_up(" "), follow_up(author=Author("r", "R", True))])
async def test_a_follow_up_without_a_word_or_of_a_bot_is_not_answered(store, message):
    adapter = ListAdapter(asked("hi", "1", "T"), message)
    await held(store, "Hello", adapter=adapter)
    assert adapter.shown.keys() == {"1"}


async def test_the_conversations_of_the_last_week_come_back_when_we_connect(store):
    days = {"now": 0, "week": 6.9, "old": 7.1}
    for thread, ago in days.items():
        await store.hear(asked(id=f"in {thread}", thread=thread, at=NOW - timedelta(days=ago)))
    adapter = ListAdapter()
    await held(store, "Hello", adapter=adapter)
    assert adapter.seen == [
        Seen(ThreadRef(ROOM, "now"), "in now", NOW),
        Seen(ThreadRef(ROOM, "week"), "in week", NOW - timedelta(days=6.9)),
    ]


async def test_what_is_fetched_after_a_long_absence_is_counted_and_said_once(store, caplog):
    old = [asked("a secret", f"old{n}", at=NOW - timedelta(hours=25)) for n in range(3)]
    young = asked("hi", "young", at=NOW - timedelta(hours=23))
    adapter = ListAdapter(*old, young, *old)
    generator = await held(store, "Hello", adapter=adapter)
    assert adapter.shown == {"young": "Hello"}
    assert [line for line in caplog.messages if "too old" in line] == [
        "list: 3 messages were too old to answer"
    ]
    assert "secret" not in caplog.text + str(generator.prompts)
    caplog.clear()
    again = ListAdapter(*old)
    await held(store, "Hello", adapter=again)
    assert again.shown == {}
    assert "too old" not in caplog.text


async def test_how_many_were_too_old_is_said_while_we_stay_connected(store, caplog):
    adapter = ListAdapter(asked(at=NOW - timedelta(hours=25)), stays=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine_on(store, ScriptedGenerator([])), adapter))
        await until(lambda: "1 messages were too old" in caplog.text)
        adapter.stays.set()
