"""How a connection to Discord begins, is lost and ends; what was said meanwhile is heard."""

import asyncio

import pytest

from adapters.discord import DiscordAdapter
from core.answer import Answer
from core.errors import AdapterError
from core.types import Seen, ThreadRef
from tests.adapters.discord_served import Served, checked_discord, served, settings
from tests.fake_discord import FakeDiscord
from tests.fakes import ListInbox, until


@pytest.fixture
async def fake():
    async with checked_discord() as fake:
        yield fake


@pytest.fixture
async def here(fake):
    async with served(fake) as here:
        yield here


@pytest.mark.parametrize("how", ["op 7", "op 9, resumable", "close 4000", "cut"])
async def test_what_is_said_while_the_connection_is_resumed_is_heard_once(here: Served, how):
    gateway = here.fake.gateway
    if how == "op 7":
        await gateway.ask_to_reconnect()
    elif how == "op 9, resumable":
        await gateway.invalidate(resumable=True)
    elif how == "close 4000":
        await gateway.close(4000)
    else:
        gateway.cut()
    heard = await here.asked("are you there?")
    await until(lambda: gateway.resumed == 1)
    assert [one.ref for one in here.inbox.messages] == [heard.ref]
    assert len(gateway.identified) == 1


async def test_a_session_that_is_lost_is_followed_by_a_look_at_what_was_said(fake, monkeypatch):
    no_pause(monkeypatch)
    async with served(fake) as here:
        await here.asked("one")
        thread = await fake.open_thread("birds")
        await here.asked("in a thread", thread)
        await fake.gateway.invalidate(resumable=False)
        said = await fake.says(here.ada, fake.general, f"{fake.mention} two")  # to no session
        follow = await fake.says(here.bob, thread, "and this?")
        assert (await here.heard(said)).text == "two"
        assert (await here.heard(follow)).follows
        assert len(fake.gateway.identified) == 2
        assert len(here.inbox.accounts) == 1  # still the same start


async def test_what_is_said_before_all_servers_are_known_is_heard(fake):
    inbox = ListInbox()
    adapter = DiscordAdapter(settings(fake), settle_s=0.5)
    running = asyncio.create_task(adapter.run(inbox))
    await until(lambda: fake.gateway.identified and fake.gateway.connected)
    await fake.says(fake.person("Ada"), fake.general, f"{fake.mention} early")
    assert inbox.accounts == []
    await until(lambda: [one.text for one in inbox.messages] == ["early"])
    running.cancel()
    await asyncio.wait({running})


async def test_what_was_missed_is_heard_though_more_is_said_before_all_servers_are_known():
    async with FakeDiscord() as fake, served(fake, settle_s=0.5) as house:
        talk = fake.direct(house.ada)
        await house.heard(await fake.says(house.ada, talk, "before"))
        fake.gateway.cut()
        fake.gateway.sessions.clear()
        await fake.says(house.ada, talk, "missed")
        await until(lambda: fake.gateway.connected, within_s=15)
        await house.heard(await fake.says(house.ada, talk, "later"))
        heard = list(dict.fromkeys(message.text for message in house.inbox.messages))
        assert heard == ["before", "missed", "later"]


async def test_the_first_connection_fails_and_a_new_start_goes_on(fake):
    fake.gateway.refusals = 1
    with pytest.raises(AdapterError, match="gateway"):
        async with served(fake):
            pass
    async with served(fake) as here:
        await here.asked("hello")


async def test_a_resume_address_that_always_fails_ends_in_a_new_start(fake):
    fake.gateway.resume_refusals = 10_000

    async def cut_off():
        async with served(fake, lost_after_s=0.4) as here:
            fake.gateway.cut()
            await until(here.running.done)

    with pytest.raises(AdapterError, match="lost"):
        await cut_off()
    fake.gateway.resume_refusals = 0
    async with served(fake) as here:
        await here.asked("hello")


async def test_a_quiet_connection_is_not_taken_for_a_lost_one(fake):
    fake.gateway.heartbeat_interval_ms = 100
    async with served(fake, lost_after_s=0.3) as here:
        await asyncio.sleep(0.8)
        await here.asked("hello")
    assert len(fake.gateway.identified) == 1


async def test_what_was_said_while_the_bot_was_down_is_heard_at_the_next_start(fake):
    async with served(fake) as here:
        first = await here.asked("one")
        thread = await fake.open_thread("birds")
        second = await here.asked("two", thread)
    late = [
        await fake.says(here.ada, fake.general, f"{fake.mention} three"),
        await fake.says(here.ada, thread, "four"),
    ]
    for number in range(120):
        await fake.says(here.bob, fake.general, f"chat {number}")
    late.append(await fake.says(here.ada, fake.general, f"{fake.mention} five"))
    seen = [Seen(one.thread, one.ref.id, one.at) for one in (first, second)]
    async with served(fake, ListInbox(seen=seen)) as here:
        await until(lambda: len(here.inbox.messages) == 3)
        in_channel = [one for one in here.inbox.messages if not one.thread.thread]
        assert [one.text for one in in_channel] == ["three", "five"]
        assert {one.ref.id for one in here.inbox.messages} == {one.id for one in late}


async def test_what_was_edited_while_the_bot_was_down_is_told(fake):
    async with served(fake) as here:
        one = await fake.says(here.ada, fake.general, f"{fake.mention} one")
        two = await fake.says(here.ada, fake.general, f"{fake.mention} two")
        await fake.edits(one, f"{fake.mention} told already")
        await until(lambda: here.inbox.changes)
        await asyncio.sleep(0.005)  # ids count milliseconds
        last = await here.asked("three")
    await fake.edits(two, f"{fake.mention} not told")
    seen = [Seen(last.thread, last.ref.id, last.at)]
    async with served(fake, ListInbox(seen=seen)) as here:
        await here.asked("four")
        assert [(ref.id, text) for ref, text in here.inbox.changes] == [(two.id, "not told")]


@pytest.mark.parametrize("private", [False, True])
async def test_a_thread_that_began_while_the_bot_was_down_is_read_too(fake, private):
    async with served(fake) as here:
        first = await here.asked("one")
    thread = await fake.open_thread("birds", private=private)
    late = await fake.says(here.ada, thread, f"{fake.mention} two")
    seen = [Seen(first.thread, first.ref.id, first.at)]
    async with served(fake, ListInbox(seen=seen)) as here:
        assert (await here.heard(late)).thread.thread == thread.id


async def test_threads_of_channels_where_nobody_speaks_to_the_bot_are_left_alone(fake):
    async with served(fake) as here:
        first = await here.asked("one", fake.direct(here.ada))
    thread = await fake.open_thread("birds")
    await fake.says(here.ada, thread, f"{fake.mention} two")
    seen = [Seen(first.thread, first.ref.id, first.at)]
    async with served(fake, ListInbox(seen=seen)) as here:
        await here.nothing_more()
        assert fake.rest.sent("GET", f"/channels/{thread.id}") == []


async def test_what_was_missed_is_heard_behind_any_talk_since_the_last_question(fake):
    async with served(fake) as here:
        first = await here.asked("one")
    for number in range(1_100):
        await fake.says(here.bob, fake.general, f"chat {number}")
    late = await fake.says(here.ada, fake.general, f"{fake.mention} two")
    seen = [Seen(first.thread, first.ref.id, first.at)]
    async with served(fake, ListInbox(seen=seen)) as here:
        assert (await here.heard(late)).text == "two"


async def test_what_is_said_now_waits_for_what_was_said_before(fake):
    async with served(fake) as here:
        first = await here.asked("one")
    await fake.says(here.ada, fake.general, f"{fake.mention} two")
    fake.fail("GET", "/messages", "slow", seconds=0.3)
    seen = [Seen(first.thread, first.ref.id, first.at)]
    async with served(fake, ListInbox(seen=seen)) as here:
        await fake.says(here.ada, fake.general, f"{fake.mention} three")
        await until(lambda: len(here.inbox.messages) >= 2)
        assert [one.text for one in here.inbox.messages[:2]] == ["two", "three"]


async def test_a_conversation_that_cannot_be_read_any_more_stops_nothing(fake, caplog):
    async with served(fake) as here:
        first = await here.asked("one")
    gone = Seen(ThreadRef(first.thread.channel, "77"), first.ref.id, first.at)
    async with served(fake, ListInbox(seen=[gone])) as here:
        await here.asked("hello")
        await until(lambda: "went on meanwhile was given up" in caplog.text)


async def test_a_strange_message_in_the_history_stops_nothing(fake, caplog):
    async with served(fake) as here:
        first = await here.asked("one")
    late = await fake.says(here.ada, fake.general, f"{fake.mention} two")
    fake.fail("GET", "/messages", "garbled")
    seen = [Seen(first.thread, first.ref.id, first.at)]
    async with served(fake, ListInbox(seen=seen)) as here:
        await here.heard(late)
        assert "a message was not understood" in caplog.text


async def test_the_end_takes_less_than_two_seconds_and_leaves_no_task(fake):
    before = asyncio.all_tasks()
    loop = asyncio.get_running_loop()
    async with served(fake) as here:
        await here.asked("hello")
        began = loop.time()
    assert loop.time() - began < 2
    await until(lambda: not ours(before))
    assert not fake.gateway.connected


async def test_the_end_does_not_wait_for_a_goodbye_that_never_comes(fake):
    before = asyncio.all_tasks()
    loop = asyncio.get_running_loop()
    async with served(fake):
        fake.gateway.freeze()
        began = loop.time()
    assert loop.time() - began < 2
    fake.gateway.cut()
    await until(lambda: not ours(before))


async def test_the_end_does_not_wait_for_a_network_that_is_gone(fake):
    loop = asyncio.get_running_loop()
    async with served(fake) as here:
        await here.asked("hello")
        await fake.stop()
        began = loop.time()
    assert loop.time() - began < 2
    await fake.start()


async def test_whoever_is_cancelled_with_the_connection_shows_what_was_read(fake):
    async def endless():
        yield "So far"
        read.set()
        await asyncio.Event().wait()

    read = asyncio.Event()
    async with served(fake, every_s=30) as here:
        heard = await here.asked("tell me")
        async with Answer(endless()) as answer:
            reply = asyncio.create_task(here.adapter.reply(heard, answer))
            await read.wait()
            reply.cancel()
            here.running.cancel()
            await asyncio.wait({reply, here.running})
    assert fake.visible(fake.general) == "So far"


def ours(before):
    return asyncio.all_tasks() - before - {asyncio.current_task()}


def no_pause(monkeypatch):
    """The library waits five seconds before it opens a new session; nobody here needs that."""
    import discord

    async def at_once(self, shard_id, *, initial=False):
        pass

    monkeypatch.setattr(discord.Client, "before_identify_hook", at_once)
