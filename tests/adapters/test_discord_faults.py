"""What goes wrong between Discord and us, and that nothing is lost, doubled or cut by it."""

import asyncio
import logging

import pytest

from adapters.discord import EVERY_S, RATES, DiscordAdapter
from core.answer import Answer
from core.errors import AdapterError, Closing, RateLimited, Refused
from core.types import Seen, ThreadRef
from tests import fake_discord_spec
from tests.adapters.discord_served import Served, served, settings
from tests.fake_discord import FakeDiscord
from tests.fakes import ListInbox, until


@pytest.fixture
async def fake():
    async with FakeDiscord() as fake:
        yield fake
    if fake_discord_spec.FILE.exists():
        assert fake_discord_spec.problems(fake.calls) == []


@pytest.fixture
async def here(fake):
    async with served(fake) as here:
        yield here


# The gateway


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


async def test_a_thread_that_cannot_be_looked_up_now_is_looked_up_again(here: Served):
    thread = await here.fake.open_thread("birds")
    gone = here.fake.channel_payload(thread)
    await here.fake.gateway.dispatch("THREAD_DELETE", gone, here.fake.general)
    here.fake.fail("GET", f"/channels/{thread.id}$", "reset")
    heard = await here.asked("hello", thread)
    assert heard.thread.thread == thread.id


async def test_what_comes_when_the_house_closes_is_left_to_the_next_start(fake, caplog):
    class Closed(ListInbox):
        async def message(self, message):
            raise Closing("The next start does it.")

    caplog.set_level(logging.INFO)
    async with served(fake, Closed()) as here:
        await fake.says(here.ada, fake.general, f"{fake.mention} hello")
        await until(lambda: "left to the next start" in caplog.text)
    assert "Traceback" not in caplog.text


async def test_an_event_that_comes_twice_is_told_twice_and_no_harm(here: Served):
    here.fake.delivers_twice = True
    heard = await here.asked("hello")
    await until(lambda: len(here.inbox.messages) == 2)
    assert {one.ref for one in here.inbox.messages} == {heard.ref}


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


# Calls


@pytest.mark.parametrize("kind", ["reset", "lost", "status"])
async def test_a_post_that_fails_is_made_again_and_appears_once(here: Served, kind):
    here.fake.fail("POST", "/messages", kind)
    heard = await here.asked("tell me")
    answer = await here.answers(heard, "The ", "answer.", pause_s=0.01)
    assert here.fake.visible(here.fake.general) == "The answer."
    assert answer.refs[0].id == here.fake.by_me(here.fake.general)[0].id
    nonces = {call.body["nonce"] for call in here.fake.rest.sent("POST", "/messages$")}
    assert len(nonces) == 1


async def test_a_nonce_that_brings_a_message_without_buttons_back_adds_them(here: Served):
    heard = await here.asked("tell me")
    await here.answers(heard, "Yes.", outcome="command")
    here.fake.fail("GET", "/messages", "hidden")
    answer = await here.answers(heard, "Yes.")
    assert here.fake.general.messages[answer.refs[0].id].buttons
    assert len(here.fake.by_me(here.fake.general)) == 1


async def test_a_nonce_that_brings_an_older_text_back_leaves_nothing_cut(here: Served):
    """The history does not show the message yet, and the server knows its nonce."""
    heard = await here.asked("tell me")
    await here.answers(heard, "Half")
    here.fake.fail("GET", "/messages", "hidden")
    answer = await here.answers(heard, "The whole answer.")
    assert here.fake.visible(here.fake.general) == "The whole answer."
    assert len(answer.refs) == 1


@pytest.mark.parametrize("kind", ["reset", "lost", "status", "429"])
async def test_the_last_edit_is_made_again_until_it_shows_the_whole(here: Served, kind):
    heard = await here.asked("tell me")

    async def pieces():
        yield "The "
        await until(lambda: here.fake.by_me(here.fake.general))
        here.fake.fail("PATCH", "/messages", kind, times=2)
        yield "answer."

    async with Answer(pieces()) as answer:
        await here.adapter.reply(heard, answer)
    assert here.fake.visible(here.fake.general) == "The answer."
    assert here.fake.by_me(here.fake.general)[0].buttons


@pytest.mark.parametrize("kind", ["reset", "lost"])
async def test_a_press_is_answered_though_a_call_fails(here: Served, caplog, kind):
    answer = await here.answered()
    here.fake.fail("POST", "/callback", kind)
    press = await here.fake.presses(here.ada, answer, "👍")
    await until(lambda: press.response and len(here.fake.rest.sent("POST", "/callback")) == 2)
    await here.fake.reacts(here.bob, answer, "👍")  # in the same channel, so it comes after
    await until(lambda: len(here.inbox.reactions) == 2)
    assert "given up" not in caplog.text


async def test_a_token_that_is_taken_away_meanwhile_is_named_and_loses_no_answer(here: Served):
    heard = await here.asked("tell me")
    here.fake.rest.token = "another"
    with pytest.raises(AdapterError, match="bot_token_env") as caught:
        await here.answers(heard, "Yes.")
    assert not isinstance(caught.value, Refused)  # that would be: show it nobody, ever


async def test_a_rate_limit_is_obeyed(here: Served):
    fault = here.fake.fail("POST", "/messages", "429", seconds=0.3)
    heard = await here.asked("tell me")
    await here.answers(heard, "Yes.")
    first, second = here.fake.rest.sent("POST", "/messages$")
    assert fault.hits == 1
    assert second.at - first.at >= 0.29


async def test_a_refusal_by_the_front_of_the_house_is_a_rate_limit_too(here: Served):
    """429 without Via: Cloudflare's; the library raises it at once."""
    here.fake.fail("POST", "/messages", "429 without Via", seconds=0.3)
    heard = await here.asked("tell me")
    await here.answers(heard, "Yes.")
    first, second = here.fake.rest.sent("POST", "/messages$")
    assert second.at - first.at >= 0.29
    assert here.fake.visible(here.fake.general) == "Yes."


async def test_a_long_limit_is_given_back_and_not_slept_through(here: Served):
    here.fake.fail("GET", "/messages", "429", seconds=120)
    thread = await here.fake.open_thread("birds")
    heard = await here.asked("hm", thread)
    with pytest.raises(RateLimited) as caught:
        await here.adapter.earlier(heard)
    assert caught.value.retry_after_s == 120


async def test_a_limit_on_all_calls_ends_though_the_one_that_met_it_is_given_up(
    here: Served, caplog
):
    """The library holds every call back until the one that met the limit has waited for its end."""
    thread = await here.fake.open_thread("birds")
    heard = await here.asked("hm", thread)
    here.fake.fail("GET", "/messages", "429 for all", seconds=25)
    asking = asyncio.create_task(here.adapter.earlier(heard))
    await until(lambda: "Global rate limit has been hit" in caplog.text)
    asking.cancel()
    async with asyncio.timeout(3):
        await here.answers(heard, "Yes.")
    assert here.fake.visible(thread) == "Yes."


async def test_a_call_that_outlives_the_connection_fails_like_any_other(fake):
    """Else it would be taken for a fault of ours, and its answer for one that cannot be shown."""
    async with served(fake) as here:
        thread = await fake.open_thread("birds")
        heard = await here.asked("hm", thread)
        fault = fake.fail("GET", "/messages", "429", seconds=0.3)
        asking = asyncio.create_task(here.adapter.earlier(heard))
        await until(lambda: fault.hits)
        here.running.cancel()
        with pytest.raises(AdapterError):
            await asking


async def test_with_the_real_limits_many_edits_are_left_out_and_none_refused(fake):
    fake.rest.has_limits = True
    async with served(fake, every_s=EVERY_S, rates=RATES) as here:
        heard = await here.asked("tell me")
        words = [f"{number} " for number in range(1_000)]
        await here.answers(heard, *words, pause_s=0.002)
        assert fake.visible(fake.general).split() == "".join(words).split()
        assert fake.rest.refused == 0
        assert len(fake.rest.sent("PATCH", "/messages")) <= 4


async def test_answers_in_one_channel_share_its_pace(fake):
    async with served(fake, every_s=EVERY_S, rates=RATES) as here:
        heard = [await here.asked(f"question {number}") for number in range(3)]
        await asyncio.gather(*(here.answers(one, "Yes.") for one in heard))
        first, _, last = fake.rest.sent("POST", "/messages$")
        assert last.at - first.at > 0.5  # two may go out at once


async def test_commands_that_cannot_be_told_stop_nothing(fake, caplog):
    fake.fail("GET", "/commands", "status", times=1)
    async with served(fake) as here:
        await here.asked("hello")
        await until(lambda: "slash commands" in caplog.text)


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


async def test_no_secret_and_no_word_is_in_the_log(fake, caplog):
    caplog.set_level(logging.INFO)
    fake.fail("PATCH", "/webhooks", "429")
    fake.fail("POST", "/messages", "status", times=2)
    async with served(fake) as here:
        await here.answers(await here.asked("my secret plan"), "your secret plan")
        await fake.gateway.close(4000)
        await here.asked("another secret plan")
        await until(lambda: fake.commands)
        use = await fake.commands_(here.ada, fake.general, "/help")
        await until(lambda: use.response)
        await here.answers(here.inbox.messages[-1], "secret plan")
    assert use.token not in caplog.text
    assert "secret plan" not in caplog.text
    assert fake.rest.token not in caplog.text


def ours(before):
    return asyncio.all_tasks() - before - {asyncio.current_task()}


def no_pause(monkeypatch):
    """The library waits five seconds before it opens a new session; nobody here needs that."""
    import discord

    async def at_once(self, shard_id, *, initial=False):
        pass

    monkeypatch.setattr(discord.Client, "before_identify_hook", at_once)


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
