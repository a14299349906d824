"""How a connection to Discord begins, is lost and ends; what was said meanwhile is heard."""

import asyncio

import pytest

from adapters.discord import DiscordAdapter
from core.answer import Answer
from core.errors import AdapterError
from core.types import Seen, ThreadRef
from tests.adapters.discord_served import Served, served, settings
from tests.fake_discord import FakeDiscord
from tests.fakes import ListInbox, until


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


async def test_a_session_that_is_lost_is_followed_by_a_look_at_what_was_said(discord):
    async with served(discord) as here:
        await here.asked("one")
        thread = await discord.open_thread("birds")
        await here.asked("in a thread", thread)
        await discord.gateway.invalidate(resumable=False)
        words = f"{discord.mention} two"
        said = await discord.says(here.ada, discord.general, words)  # to no session
        follow = await discord.says(here.bob, thread, "and this?")
        # The library waits five seconds before it opens a new session.
        await until(lambda: len(discord.gateway.identified) == 2, within_s=15)
        assert (await here.heard(said)).text == "two"
        assert (await here.heard(follow)).follows
        assert len(discord.gateway.identified) == 2
        assert len(here.inbox.accounts) == 1  # still the same start


async def test_what_is_said_before_all_servers_are_known_is_heard(discord):
    inbox = ListInbox()
    adapter = DiscordAdapter(settings(discord), settle_s=0.5)
    running = asyncio.create_task(adapter.run(inbox))
    await until(lambda: discord.gateway.identified and discord.gateway.connected)
    await discord.says(discord.person("Ada"), discord.general, f"{discord.mention} early")
    assert inbox.accounts == []
    await until(lambda: [one.text for one in inbox.messages] == ["early"])
    running.cancel()
    await asyncio.wait({running})


async def test_what_was_missed_is_heard_though_more_is_said_before_all_servers_are_known():
    async with FakeDiscord() as discord, served(discord, settle_s=0.5) as house:
        talk = discord.direct(house.ada)
        await house.heard(await discord.says(house.ada, talk, "before"))
        discord.gateway.cut()
        discord.gateway.sessions.clear()
        await discord.says(house.ada, talk, "missed")
        await until(lambda: discord.gateway.connected, within_s=15)
        await house.heard(await discord.says(house.ada, talk, "later"))
        heard = list(dict.fromkeys(message.text for message in house.inbox.messages))
        assert heard == ["before", "missed", "later"]


async def test_the_first_connection_fails_and_a_new_start_goes_on(discord):
    discord.gateway.refusals = 1
    with pytest.raises(AdapterError, match="gateway"):
        async with served(discord):
            pass
    async with served(discord) as here:
        await here.asked("hello")


async def test_a_resume_address_that_always_fails_ends_in_a_new_start(discord):
    discord.gateway.resume_refusals = 10_000

    async def cut_off():
        async with served(discord, lost_after_s=0.4) as here:
            discord.gateway.cut()
            await until(here.running.done)

    with pytest.raises(AdapterError, match="lost"):
        await cut_off()
    discord.gateway.resume_refusals = 0
    async with served(discord) as here:
        await here.asked("hello")


async def test_a_quiet_connection_is_not_taken_for_a_lost_one(discord):
    discord.gateway.heartbeat_interval_ms = 100
    async with served(discord, lost_after_s=0.3) as here:
        await asyncio.sleep(0.8)
        await here.asked("hello")
    assert len(discord.gateway.identified) == 1


async def test_what_was_said_while_the_bot_was_down_is_heard_at_the_next_start(discord):
    async with served(discord) as here:
        first = await here.asked("one")
        thread = await discord.open_thread("birds")
        second = await here.asked("two", thread)
    late = [
        await discord.says(here.ada, discord.general, f"{discord.mention} three"),
        await discord.says(here.ada, thread, "four"),
    ]
    for number in range(120):
        await discord.says(here.bob, discord.general, f"chat {number}")
    late.append(await discord.says(here.ada, discord.general, f"{discord.mention} five"))
    seen = [Seen(one.thread, one.ref.id, one.at) for one in (first, second)]
    async with served(discord, ListInbox(seen=seen)) as here:
        await until(lambda: len(here.inbox.messages) == 3)
        in_channel = [one for one in here.inbox.messages if not one.thread.thread]
        assert [one.text for one in in_channel] == ["three", "five"]
        assert {one.ref.id for one in here.inbox.messages} == {one.id for one in late}


async def test_what_was_edited_while_the_bot_was_down_is_told(discord):
    async with served(discord) as here:
        one = await discord.says(here.ada, discord.general, f"{discord.mention} one")
        two = await discord.says(here.ada, discord.general, f"{discord.mention} two")
        await discord.edits(one, f"{discord.mention} told already")
        await until(lambda: here.inbox.changes)
        await asyncio.sleep(0.005)  # ids count milliseconds
        last = await here.asked("three")
    await discord.edits(two, f"{discord.mention} not told")
    seen = [Seen(last.thread, last.ref.id, last.at)]
    async with served(discord, ListInbox(seen=seen)) as here:
        await here.asked("four")
        assert [(ref.id, text) for ref, text in here.inbox.changes] == [(two.id, "not told")]


@pytest.mark.parametrize("private", [False, True])
async def test_a_thread_that_began_while_the_bot_was_down_is_read_too(discord, private):
    async with served(discord) as here:
        first = await here.asked("one")
    thread = await discord.open_thread("birds", private=private)
    late = await discord.says(here.ada, thread, f"{discord.mention} two")
    seen = [Seen(first.thread, first.ref.id, first.at)]
    async with served(discord, ListInbox(seen=seen)) as here:
        assert (await here.heard(late)).thread.thread == thread.id


async def test_a_channel_in_which_only_its_threads_spoke_to_the_bot_is_read_too(discord):
    thread = await discord.open_thread("birds")
    async with served(discord) as here:
        first = await here.asked("one", thread)
    late = await discord.says(here.ada, discord.general, f"{discord.mention} two")
    seen = [Seen(first.thread, first.ref.id, first.at)]
    async with served(discord, ListInbox(seen=seen)) as here:
        assert (await here.heard(late)).thread.thread == ""


async def test_threads_of_channels_where_nobody_speaks_to_the_bot_are_left_alone(discord):
    async with served(discord) as here:
        first = await here.asked("one", discord.direct(here.ada))
    thread = await discord.open_thread("birds")
    await discord.says(here.ada, thread, f"{discord.mention} two")
    seen = [Seen(first.thread, first.ref.id, first.at)]
    async with served(discord, ListInbox(seen=seen)) as here:
        await here.nothing_more()
        assert discord.rest.sent("GET", f"/channels/{thread.id}") == []


async def test_what_was_missed_is_heard_behind_any_talk_since_the_last_question(discord):
    async with served(discord) as here:
        first = await here.asked("one")
    for number in range(1_100):
        await discord.says(here.bob, discord.general, f"chat {number}")
    late = await discord.says(here.ada, discord.general, f"{discord.mention} two")
    seen = [Seen(first.thread, first.ref.id, first.at)]
    async with served(discord, ListInbox(seen=seen)) as here:
        assert (await here.heard(late)).text == "two"


async def test_what_is_said_now_waits_for_what_was_said_before(discord):
    async with served(discord) as here:
        first = await here.asked("one")
    await discord.says(here.ada, discord.general, f"{discord.mention} two")
    discord.fail("GET", "/messages", "slow", seconds=0.3)
    seen = [Seen(first.thread, first.ref.id, first.at)]
    async with served(discord, ListInbox(seen=seen)) as here:
        await discord.says(here.ada, discord.general, f"{discord.mention} three")
        await until(lambda: len(here.inbox.messages) >= 2)
        assert [one.text for one in here.inbox.messages[:2]] == ["two", "three"]


async def test_a_conversation_that_cannot_be_read_any_more_stops_nothing(discord, caplog):
    async with served(discord) as here:
        first = await here.asked("one")
    gone = Seen(ThreadRef(first.thread.channel, "77"), first.ref.id, first.at)
    async with served(discord, ListInbox(seen=[gone])) as here:
        await here.asked("hello")
        await until(lambda: "went on meanwhile was given up" in caplog.text)


async def test_a_strange_message_in_the_history_stops_nothing(discord, caplog):
    async with served(discord) as here:
        first = await here.asked("one")
    late = await discord.says(here.ada, discord.general, f"{discord.mention} two")
    discord.fail("GET", "/messages", "garbled")
    seen = [Seen(first.thread, first.ref.id, first.at)]
    async with served(discord, ListInbox(seen=seen)) as here:
        await here.heard(late)
        assert "a message was not understood" in caplog.text


async def test_the_end_takes_less_than_two_seconds_and_leaves_no_task(discord):
    before = asyncio.all_tasks()
    loop = asyncio.get_running_loop()
    async with served(discord) as here:
        await here.asked("hello")
        began = loop.time()
    assert loop.time() - began < 2
    await until(lambda: not ours(before))
    assert not discord.gateway.connected


async def test_the_end_does_not_wait_for_a_goodbye_that_never_comes(discord):
    before = asyncio.all_tasks()
    loop = asyncio.get_running_loop()
    async with served(discord):
        discord.gateway.freeze()
        began = loop.time()
    assert loop.time() - began < 2
    discord.gateway.cut()
    await until(lambda: not ours(before))


async def test_the_end_does_not_wait_for_a_network_that_is_gone(discord):
    loop = asyncio.get_running_loop()
    async with served(discord) as here:
        await here.asked("hello")
        await discord.stop()
        began = loop.time()
    assert loop.time() - began < 2
    await discord.start()


async def test_whoever_is_cancelled_with_the_connection_shows_what_was_read(discord):
    async def endless():
        yield "So far"
        read.set()
        await asyncio.Event().wait()

    read = asyncio.Event()
    async with served(discord, every_s=30) as here:
        heard = await here.asked("tell me")
        async with Answer(endless()) as answer:
            reply = asyncio.create_task(here.adapter.reply(heard, answer))
            await read.wait()
            reply.cancel()
            here.running.cancel()
            await asyncio.wait({reply, here.running})
    assert discord.visible(discord.general) == "So far"


def ours(before):
    return asyncio.all_tasks() - before - {asyncio.current_task()}
