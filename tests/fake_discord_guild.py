"""The fake Discord's guild: who and what is there, and how Discord writes it in JSON.

It knows neither what people do nor how anybody hears of it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import count
from time import time
from typing import Any

from tests.fake_discord_things import Channel, Interaction, Message, User

TEXT, DM = 0, 1
CONTENT_FLAG = 1 << 19  # of the application: message content, limited to unverified ones


class Guild:
    """One guild, the direct messages beside it, and the bot's application."""

    def __init__(self, token: str, *, allows_content: bool) -> None:
        self._serial = count()
        self.token = token
        self.me = User(self.snowflake(), "Mynah", bot=True)
        self.app_id = self.me.id
        self.guild_id = self.snowflake()
        self.role_id = self.snowflake()  # Discord makes one for a bot, of the same name
        self.allows_content = allows_content
        self.users = {self.me.id: self.me}
        self.channels: dict[str, Channel] = {}
        self.interactions: dict[str, Interaction] = {}
        self.commands: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.endpoint: str | None = None  # where interactions go instead of the gateway
        self.port = 0
        self.general = self.open_channel("general")

    def snowflake(self) -> str:
        return str((int(time() * 1000) - 1_420_070_400_000 << 22) + next(self._serial))

    def person(self, name: str, *, bot: bool = False) -> User:
        for user in self.users.values():
            if user.name == name:
                return user
        user = User(self.snowflake(), name, bot)
        self.users[user.id] = user
        return user

    def open_channel(self, name: str, *, hidden: bool = False) -> Channel:
        channel = Channel(self.snowflake(), TEXT, name, hidden=hidden)
        self.channels[channel.id] = channel
        return channel

    def direct(self, user: User) -> Channel:
        for channel in self.channels.values():
            if channel.person is user:
                return channel
        channel = Channel(self.snowflake(), DM, f"dm-{user.name}", person=user)
        self.channels[channel.id] = channel
        return channel

    def upload(self, name: str, kind: str, content: bytes) -> dict[str, Any]:
        id = self.snowflake()
        self.files[id] = content
        url = f"http://127.0.0.1:{self.port}/cdn/{id}/{name}"
        out = {"id": id, "filename": name, "size": len(content), "url": url, "proxy_url": url}
        return out | ({"content_type": kind} if kind else {})

    # As Discord writes it

    def payload(self, message: Message) -> dict[str, Any]:
        """As the gateway sends it; REST leaves out what names the guild."""
        out = self.rest_payload(message)
        out |= self.guild_of(message.channel)
        if not message.channel.person:
            out["member"] = self.member(message.author)
        return out

    def rest_payload(self, message: Message, *, nested: bool = False) -> dict[str, Any]:
        mentioned = [self.users[id] for id in message.pings if id in self.users]
        out: dict[str, Any] = {
            "id": message.id,
            "channel_id": message.channel.id,
            "type": message.kind,
            "author": message.author.payload(),
            "content": message.content,
            "timestamp": stamp(message.id),
            "edited_timestamp": message.edited_at,
            "tts": False,
            "mention_everyone": "@everyone" in message.pings,
            "mentions": [user.payload() for user in mentioned],
            "mention_roles": re.findall(r"<@&(\d+)>", message.content),
            "attachments": message.files,
            "embeds": [],
            "pinned": False,
            "flags": message.flags,
            "components": message.components,
        }
        if message.reactions or message.bursts:
            out["reactions"] = self.reactions_payload(message)
        if message.nonce:
            out["nonce"] = message.nonce
        if message.reference and not nested:
            home = message.channel
            if message.kind == 21 and home.parent:
                home = self.channels[home.parent]
            out["message_reference"] = {
                "type": 0,
                "channel_id": home.id,
                "message_id": message.reference,
                **self.guild_of(home),
            }
            original = home.messages.get(message.reference)
            out["referenced_message"] = (
                self.rest_payload(original, nested=True) if original else None
            )
        return out

    def reactions_payload(self, message: Message) -> list[dict[str, Any]]:
        """One for each emoji, a skin tone being another; who gave it is not said."""
        out: list[dict[str, Any]] = []
        for emoji in sorted({emoji for _, emoji in message.reactions | message.bursts}):
            normal = [by for by, one in message.reactions if one == emoji]
            burst = [by for by, one in message.bursts if one == emoji]
            details = {"burst": len(burst), "normal": len(normal)}
            one: dict[str, Any] = {"emoji": {"id": None, "name": emoji}, "burst_colors": []}
            one |= {"count": len(normal) + len(burst), "count_details": details}
            out.append(one | {"me": self.me.id in normal, "me_burst": self.me.id in burst})
        return out

    def without_content(self, data: dict[str, Any], channel: Channel | None) -> dict[str, Any]:
        """What an application without the message content intent is shown: of what others say the
        words are missing, save where the bot is meant."""
        means_us = any(user["id"] == self.me.id for user in data["mentions"])
        is_ours = data["author"]["id"] == self.me.id
        if means_us or is_ours or (channel and channel.person):
            return data
        return data | {"content": "", "attachments": [], "embeds": [], "components": []}

    def channel_payload(self, channel: Channel) -> dict[str, Any]:
        newest = next(reversed(channel.messages), None)
        out: dict[str, Any] = {"id": channel.id, "type": channel.kind, "last_message_id": newest}
        if channel.person:
            return out | {"recipients": [channel.person.payload()], "flags": 0}
        out |= {"guild_id": self.guild_id, "name": channel.name, "flags": 0}
        if channel.is_thread:
            locked = {"auto_archive_duration": 1440, "locked": False}
            return out | {
                "parent_id": channel.parent,
                "owner_id": self.me.id,
                "rate_limit_per_user": 0,
                "message_count": len(channel.messages),
                "member_count": 2,
                "thread_metadata": {
                    "archived": channel.archived,
                    "archive_timestamp": now(),
                    "invitable": False,
                    **locked,
                },
            }
        deny = {"id": self.guild_id, "type": 0, "allow": "0", "deny": str(1 << 10)}
        return out | {
            "position": 0,
            "parent_id": None,
            "nsfw": False,
            "topic": None,
            "permission_overwrites": [deny] if channel.hidden else [],
        }

    def guild_payload(self) -> dict[str, Any]:
        everyone = {
            "id": self.guild_id,
            "name": "@everyone",
            "permissions": str(0x7FFFFFFFFFF & ~8),
            "position": 0,
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "managed": False,
            "mentionable": False,
            "flags": 0,
        }
        ours = {"id": self.role_id, "name": "Mynah", "managed": True, "permissions": "0"}
        there = [one for one in self.channels.values() if not one.person and not one.gone]
        return {
            "id": self.guild_id,
            "name": "the workshop",
            "owner_id": self.person("Olga").id,
            "roles": [everyone, everyone | ours | {"tags": {"bot_id": self.me.id}}],
            "channels": [self.channel_payload(one) for one in there if not one.is_thread],
            "threads": [self.channel_payload(one) for one in there if one.is_thread],
            "members": [{"user": self.me.payload(), **self.member(self.me)}],
            "member_count": len(self.users),
            "large": False,
            "unavailable": False,
            "joined_at": now(),
            "emojis": [],
            "stickers": [],
            "features": [],
            "voice_states": [],
            "presences": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "soundboard_sounds": [],
            "verification_level": 0,
            "default_message_notifications": 1,
            "explicit_content_filter": 0,
            "mfa_level": 0,
            "nsfw_level": 0,
            "premium_tier": 0,
            "preferred_locale": "en-US",
            "system_channel_flags": 0,
        }

    def application(self) -> dict[str, Any]:
        return {
            "id": self.app_id,
            "name": "Mynah",
            "icon": None,
            "description": "",
            "bot_public": False,
            "bot_require_code_grant": False,
            "verify_key": "0" * 64,
            "owner": self.person("Olga").payload(),
            "team": None,
            "flags": CONTENT_FLAG if self.allows_content else 0,
            "interactions_endpoint_url": self.endpoint,
        }

    def member(self, user: User) -> dict[str, Any]:
        return {"roles": [], "joined_at": now(), "deaf": False, "mute": False, "flags": 0}

    def guild_of(self, channel: Channel) -> dict[str, str]:
        return {} if channel.person else {"guild_id": self.guild_id}


def now() -> str:
    return datetime.now(UTC).isoformat()


def stamp(snowflake: str) -> str:
    """When a snowflake was made."""
    born = datetime(2015, 1, 1, tzinfo=UTC)
    return (born + timedelta(milliseconds=int(snowflake) >> 22)).isoformat()
