"""What the fake Discord does with the bot's slash commands and its answers to interactions.

Limits and error codes: https://docs.discord.com/developers/topics/opcodes-and-status-codes
"""

from __future__ import annotations

import re
from time import monotonic
from typing import TYPE_CHECKING, Any

from tests.fake_discord_messages import Refusal, edit, extras, make
from tests.fake_discord_things import Interaction

if TYPE_CHECKING:
    from tests.fake_discord import FakeDiscord
    from tests.fake_discord_rest import Call

ANSWER_WITHIN_S = 3.0


async def commands(fake: FakeDiscord, call: Call, application_id: str) -> tuple[int, Any]:
    return 200, fake.commands


async def put_commands(fake: FakeDiscord, call: Call, application_id: str) -> tuple[int, Any]:
    known = {one["name"]: one for one in fake.commands}
    for one in call.body:
        if not re.fullmatch(r"[-_\w]{1,32}", one["name"]) or one["name"] != one["name"].lower():
            raise Refusal(400, 50035, "Invalid Form Body: name")
        if not 1 <= len(one["description"]) <= 100:
            raise Refusal(400, 50035, "Invalid Form Body: description")
        for option in one.get("options", []):
            if len(option.get("choices", [])) > 25 or len(option["description"]) > 100:
                raise Refusal(400, 50035, "Invalid Form Body: options")
    fake.commands = [
        # What the real one fills in comes back beside what was sent.
        {
            "id": known.get(one["name"], {}).get("id") or fake.snowflake(),
            "application_id": application_id,
            "version": fake.snowflake(),
            "type": 1,
            "nsfw": False,
            "default_member_permissions": None,
            "dm_permission": True,
            "contexts": None,
            "integration_types": [0],
            **one,
        }
        for one in call.body
    ]
    return 200, fake.commands


async def respond(
    fake: FakeDiscord, call: Call, interaction_id: str, interaction_token: str
) -> tuple[int, Any]:
    interaction, body = interaction_of(fake, interaction_token), call.body
    if monotonic() - interaction.at > ANSWER_WITHIN_S or interaction.is_expired:
        raise Refusal(404, 10062, "Unknown interaction")
    if interaction.response is not None:
        raise Refusal(400, 40060, "Interaction has already been acknowledged.")
    data = body.get("data") or {}
    if body["type"] == 4:
        interaction.shown = make(fake, interaction.channel, data, {})
        show(fake, interaction)
    elif body["type"] == 7 and interaction.message is not None:
        edit(interaction.message, data)
        interaction.shown = interaction.message
        show(fake, interaction)
    elif body["type"] == 9:
        assert 1 <= len(data["title"]) <= 45, data["title"]
        assert 1 <= len(data["custom_id"]) <= 100
        fake.story.append(f"{interaction.user.name} is shown the form: {data['title']}")
    interaction.response = body
    return 204, None


async def patch_original(
    fake: FakeDiscord, call: Call, webhook_id: str, webhook_token: str
) -> tuple[int, Any]:
    interaction = answered(fake, webhook_token)
    if interaction.shown is None:
        interaction.shown = make(fake, interaction.channel, call.body, call.files)
    else:
        edit(interaction.shown, call.body)
    show(fake, interaction)
    return 200, fake.rest_payload(interaction.shown)


async def follow_up(
    fake: FakeDiscord, call: Call, webhook_id: str, webhook_token: str
) -> tuple[int, Any]:
    interaction = answered(fake, webhook_token)
    message = make(fake, interaction.channel, call.body, call.files)
    interaction.followups.append(message)
    return 200, fake.rest_payload(message)


def interaction_of(fake: FakeDiscord, token: str) -> Interaction:
    for interaction in fake.interactions.values():
        if interaction.token == token:
            return interaction
    raise Refusal(404, 10015, "Unknown Webhook")


def answered(fake: FakeDiscord, token: str) -> Interaction:
    interaction = interaction_of(fake, token)
    if interaction.is_expired:
        raise Refusal(401, 50027, "Invalid Webhook Token")
    if interaction.response is None:
        raise Refusal(404, 10015, "Unknown Webhook")
    return interaction


def show(fake: FakeDiscord, interaction: Interaction) -> None:
    shown = interaction.shown
    assert shown is not None
    who = f"(only {interaction.user.name} sees it) "
    fake.story.append(f"{who}Mynah:\n{shown.content}{extras(shown)}")
