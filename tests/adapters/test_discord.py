"""What Discord must give before the bot is there: a token, the intent, its slash commands."""

import pytest

from adapters import discord as adapter
from core.errors import Refused
from tests.adapters.discord_served import Served, served, settings
from tests.fake_discord import FakeDiscord
from tests.fakes import until


async def test_without_the_intent_only_what_names_the_bot_is_heard(caplog):
    async with FakeDiscord(allows_content=False) as discord, served(discord) as here:
        heard = await here.asked("hello")
        assert heard.text == "hello"
        thread = await discord.open_thread("birds")
        said = await discord.says(here.ada, thread, "and this?")
        await discord.edits(said, "and that?")
        await here.nothing_more()
        assert len(here.inbox.messages) == 1
        assert here.inbox.changes == []  # an empty text is none that anybody wrote
        assert caplog.text.count("Message Content") == 1
        assert "Message Content" in (await adapter.missing(settings(discord)))[0]


async def test_with_the_intent_nothing_is_missing(discord):
    assert await adapter.missing(settings(discord)) == []
    assert discord.app_id in await adapter.who_am_i(settings(discord))


async def test_an_endpoint_that_takes_the_buttons_away_is_named(discord):
    discord.endpoint = "https://example.org/interactions"
    [sentence] = await adapter.missing(settings(discord))
    assert "Interactions Endpoint URL" in sentence


async def test_a_wrong_token_is_refused_and_the_setting_named(discord):
    with pytest.raises(Refused, match="bot_token_env"):
        async with served(discord, bot_token="wrong"):
            pass
    with pytest.raises(Refused, match="bot_token_env"):
        await adapter.who_am_i(settings(discord, bot_token="wrong"))


async def test_a_token_that_is_withdrawn_later_is_refused(discord):
    discord.gateway.refuses_tokens = True  # it says so in its own way
    with pytest.raises(Refused, match="bot_token_env"):
        async with served(discord):
            pass


async def test_the_commands_are_those_of_the_core_and_told_once(discord):
    async with served(discord):
        await until(lambda: discord.commands)
    names = {one["name"] for one in discord.commands}
    assert {"retrain", "help", "stop", "reset", "forget", "training"} <= names
    assert "start" not in names
    async with served(discord):
        await until(lambda: len(discord.rest.sent("GET", "/commands")) == 2)
    assert len(discord.rest.sent("PUT", "/commands")) == 1
    discord.commands[0]["description"] = "something older"
    async with served(discord):
        await until(lambda: len(discord.rest.sent("PUT", "/commands")) == 2)
    next(one for one in discord.commands if one["name"] == "retrain")["options"][0]["choices"].pop()
    async with served(discord):
        await until(lambda: len(discord.rest.sent("PUT", "/commands")) == 3)


async def test_commands_that_cannot_be_told_stop_nothing(discord, caplog):
    discord.fail("GET", "/commands", "status", times=1)
    async with served(discord) as here:
        await here.asked("hello")
        await until(lambda: "slash commands" in caplog.text)


async def test_the_addresses_of_the_library_stay_as_they_were(here: Served):
    from discord.gateway import DiscordWebSocket
    from discord.http import Route

    assert Route.BASE == "https://discord.com/api/v10"
    assert str(DiscordWebSocket.DEFAULT_GATEWAY) == "wss://gateway.discord.gg/"
