"""What Discord must give before the bot is there: a token, the intent, its slash commands."""

import pytest

from adapters import discord as adapter
from core.errors import Refused
from tests.adapters.discord_served import Served, checked_discord, served, settings
from tests.fake_discord import FakeDiscord
from tests.fakes import until


@pytest.fixture
async def fake():
    async with checked_discord() as fake:
        yield fake


@pytest.fixture
async def here(fake):
    async with served(fake) as here:
        yield here


async def test_without_the_intent_only_what_names_the_bot_is_heard(caplog):
    async with FakeDiscord(allows_content=False) as fake, served(fake) as here:
        heard = await here.asked("hello")
        assert heard.text == "hello"
        thread = await fake.open_thread("birds")
        said = await fake.says(here.ada, thread, "and this?")
        await fake.edits(said, "and that?")
        await here.nothing_more()
        assert len(here.inbox.messages) == 1
        assert here.inbox.changes == []  # an empty text is none that anybody wrote
        assert caplog.text.count("Message Content") == 1
        assert "Message Content" in (await adapter.missing(settings(fake)))[0]


async def test_with_the_intent_nothing_is_missing(fake):
    assert await adapter.missing(settings(fake)) == []
    assert fake.app_id in await adapter.who_am_i(settings(fake))


async def test_an_endpoint_that_takes_the_buttons_away_is_named(fake):
    fake.endpoint = "https://example.org/interactions"
    [sentence] = await adapter.missing(settings(fake))
    assert "Interactions Endpoint URL" in sentence


async def test_a_wrong_token_is_refused_and_the_setting_named(fake):
    with pytest.raises(Refused, match="bot_token_env"):
        async with served(fake, bot_token="wrong"):
            pass
    with pytest.raises(Refused, match="bot_token_env"):
        await adapter.who_am_i(settings(fake, bot_token="wrong"))


async def test_a_token_that_is_withdrawn_later_is_refused(fake):
    fake.gateway.refuses_tokens = True  # it says so in its own way
    with pytest.raises(Refused, match="bot_token_env"):
        async with served(fake):
            pass


async def test_the_commands_are_those_of_the_core_and_told_once(fake):
    async with served(fake):
        await until(lambda: fake.commands)
    names = {one["name"] for one in fake.commands}
    assert {"retrain", "help", "stop", "reset", "forget", "training"} <= names
    assert "start" not in names
    async with served(fake):
        await until(lambda: len(fake.rest.sent("GET", "/commands")) == 2)
    assert len(fake.rest.sent("PUT", "/commands")) == 1
    fake.commands[0]["description"] = "something older"
    async with served(fake):
        await until(lambda: len(fake.rest.sent("PUT", "/commands")) == 2)
    next(one for one in fake.commands if one["name"] == "retrain")["options"][0]["choices"].pop()
    async with served(fake):
        await until(lambda: len(fake.rest.sent("PUT", "/commands")) == 3)


async def test_commands_that_cannot_be_told_stop_nothing(fake, caplog):
    fake.fail("GET", "/commands", "status", times=1)
    async with served(fake) as here:
        await here.asked("hello")
        await until(lambda: "slash commands" in caplog.text)


async def test_the_addresses_of_the_library_stay_as_they_were(here: Served):
    from discord.gateway import DiscordWebSocket
    from discord.http import Route

    assert Route.BASE == "https://discord.com/api/v10"
    assert str(DiscordWebSocket.DEFAULT_GATEWAY) == "wss://gateway.discord.gg/"
