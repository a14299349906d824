"""Calls to Discord that fail or have to wait, and that nothing is doubled or cut by it."""

import asyncio
import logging

import pytest

from adapters.discord import EVERY_S, RATES
from core.answer import Answer
from core.errors import AdapterError, RateLimited, Refused
from tests.adapters.discord_served import Served, served
from tests.fakes import until


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
    here.fake.token = "another"
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


@pytest.mark.parametrize(
    ("kind", "seconds", "is_of_place"),
    [
        ("429", 120, True),
        ("429 for all", 120, False),
        ("429 without Via", 120, False),
        ("429 old edits", 120, True),
        ("429", 0.01, True),  # it is met again and again
        ("429 for all", 0.01, False),
        ("429 old edits", 0.01, True),
    ],
)
async def test_it_is_known_whether_other_channels_have_to_wait_too(
    here: Served, kind, seconds, is_of_place
):
    thread = await here.fake.open_thread("birds")
    heard = await here.asked("hm", thread)
    here.fake.fail("GET", "/messages", kind, 5, seconds=seconds)
    with pytest.raises(RateLimited) as caught:
        await here.adapter.earlier(heard)
    assert caught.value.retry_after_s == seconds
    assert caught.value.is_of_place is is_of_place


async def test_one_channels_penalty_holds_up_no_other(here: Served):
    thread = await here.fake.open_thread("birds")
    limited, free = await here.asked("hm"), await here.asked("hm", thread)
    fault = here.fake.fail("POST", f"{here.fake.general.id}/messages", "429", seconds=31)
    waiting = asyncio.create_task(here.answers(limited, "Yes."))
    await until(lambda: fault.hits)
    async with asyncio.timeout(5):
        await here.answers(free, "Yes.")
    assert here.fake.visible(thread) == "Yes."
    assert here.fake.visible(here.fake.general) == ""
    waiting.cancel()


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


async def test_a_call_that_outlives_the_connection_fails_like_any_other(discord):
    """Else it would be taken for a fault of ours, and its answer for one that cannot be shown."""
    async with served(discord) as here:
        thread = await discord.open_thread("birds")
        heard = await here.asked("hm", thread)
        fault = discord.fail("GET", "/messages", "429", seconds=0.3)
        asking = asyncio.create_task(here.adapter.earlier(heard))
        await until(lambda: fault.hits)
        here.running.cancel()
        with pytest.raises(AdapterError):
            await asking


async def test_with_the_real_limits_many_edits_are_left_out_and_none_refused(discord):
    discord.rest.has_limits = True
    async with served(discord, every_s=EVERY_S, rates=RATES) as here:
        heard = await here.asked("tell me")
        words = [f"{number} " for number in range(1_000)]
        await here.answers(heard, *words, pause_s=0.002)
        assert discord.visible(discord.general).split() == "".join(words).split()
        assert discord.rest.refused == 0
        assert len(discord.rest.sent("PATCH", "/messages")) <= 4


async def test_answers_in_one_channel_share_its_pace(discord):
    async with served(discord, every_s=EVERY_S, rates=RATES) as here:
        heard = [await here.asked(f"question {number}") for number in range(3)]
        await asyncio.gather(*(here.answers(one, "Yes.") for one in heard))
        first, _, last = discord.rest.sent("POST", "/messages$")
        assert last.at - first.at > 0.5  # two may go out at once


async def test_no_secret_and_no_word_is_in_the_log(discord, caplog):
    caplog.set_level(logging.INFO)
    discord.fail("PATCH", "/webhooks", "429")
    discord.fail("POST", "/messages", "status", times=2)
    async with served(discord) as here:
        await here.answers(await here.asked("my secret plan"), "your secret plan")
        await discord.gateway.close(4000)
        await here.asked("another secret plan")
        await until(lambda: discord.commands)
        use = await discord.commands_(here.ada, discord.general, "/help")
        await until(lambda: use.response)
        await here.answers(here.inbox.messages[-1], "secret plan")
    assert use.token not in caplog.text
    assert "secret plan" not in caplog.text
    assert discord.token not in caplog.text
