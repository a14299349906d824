"""A Discord of our own: a server on loopback with people, channels, messages, limits and faults.

It has its own ruler: it imports nothing of what it tests, and where the vendor's documentation says
what the real one does (https://docs.discord.com/developers), it does that. REST is in
tests/fake_discord_rest.py, the gateway in tests/fake_discord_gateway.py.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from time import monotonic, time
from typing import Any

from aiohttp import web

from tests.fake_discord_gateway import Gateway
from tests.fake_discord_rest import Call, Fault, Rest

TOKEN = "fake.discord.token"
TEXT, DM, PUBLIC_THREAD, PRIVATE_THREAD = 0, 1, 11, 12
EPHEMERAL, SUPPRESS_EMBEDS = 1 << 6, 1 << 2
CONTENT_FLAG = 1 << 19  # of the application: message content, limited to unverified ones
THUMBS = {"👍": "up", "👎": "down"}


@dataclass
class User:
    id: str
    name: str
    bot: bool = False

    def payload(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "username": self.name.lower(),
            "global_name": self.name,
            "discriminator": "0",
            "avatar": None,
            "bot": self.bot,
        }


@dataclass
class Channel:
    id: str
    kind: int
    name: str
    parent: str | None = None  # of a thread
    person: User | None = None  # the other one in a direct message
    hidden: bool = False  # not everybody may read it
    gone: bool = False
    archived: bool = False  # a thread that somebody closed, or that was quiet for long
    messages: dict[str, Message] = field(default_factory=dict)

    @property
    def is_thread(self) -> bool:
        return self.kind in (PUBLIC_THREAD, PRIVATE_THREAD)

    @property
    def label(self) -> str:
        """As it is called in the story."""
        return f"thread {self.name} |" if self.is_thread else f"#{self.name} |"


@dataclass
class Message:
    id: str
    channel: Channel
    author: User
    content: str
    reference: str | None = None
    edited_at: str | None = None
    files: list[dict[str, Any]] = field(default_factory=list)
    components: list[dict[str, Any]] = field(default_factory=list)
    flags: int = 0
    kind: int = 0
    nonce: str | None = None
    pings: set[str] = field(default_factory=set)  # who was notified
    reactions: set[tuple[str, str]] = field(default_factory=set)
    versions: list[str] = field(default_factory=list)  # each text that it ever showed

    @property
    def buttons(self) -> dict[str, str]:
        """Its buttons: what they show, and their custom ids."""
        found = [item for row in self.components for item in row["components"]]
        return {
            item.get("label") or item["emoji"]["name"]: item["custom_id"]
            for item in found
            if item["type"] == 2
        }

    @property
    def unfurls(self) -> bool:
        return not self.flags & SUPPRESS_EMBEDS and "http" in self.content


@dataclass
class Interaction:
    """A person's press, command or modal, and what the bot did about it."""

    id: str
    token: str
    user: User
    channel: Channel
    payload: dict[str, Any]
    message: Message | None = None  # which carries the button
    at: float = field(default_factory=monotonic)
    response: dict[str, Any] | None = None
    shown: Message | None = None  # the original response, once there is one
    followups: list[Message] = field(default_factory=list)
    is_expired: bool = False

    @property
    def is_ephemeral(self) -> bool:
        """Only the person sees the response."""
        data = (self.response or {}).get("data") or {}
        return bool(data.get("flags", 0) & EPHEMERAL)

    @property
    def modal(self) -> dict[str, Any] | None:
        is_modal = self.response is not None and self.response["type"] == 9
        return self.response["data"] if is_modal and self.response else None


class FakeDiscord:
    """`async with FakeDiscord() as fake`: one guild, and people who talk there."""

    def __init__(self, *, allows_content: bool = True, first_id: int | None = None) -> None:
        """`allows_content`: the portal's switch for the message content intent is on."""
        self._serial = count()
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
        self.file_delay_s = 0.0
        self.typing: list[str] = []
        self.endpoint: str | None = None  # where interactions go instead of the gateway
        self.delivers_twice = False
        self.story: list[str] = []  # what happened, for people to read
        self.gateway = Gateway(self)
        self.rest = Rest(self)
        self.port = 0
        self._runner: web.AppRunner | None = None
        self.general = self.open_channel("general")

    # The server

    async def __aenter__(self) -> FakeDiscord:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        app = web.Application(client_max_size=30 * 2**20)
        self.rest.serve(app)
        self.gateway.serve(app)
        app.router.add_get("/cdn/{id}/{name}", self._file)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """The network is gone; what was said stays, and `start` brings it back."""
        await self.gateway.stop()
        if self._runner:
            await self._runner.cleanup()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v10"

    @property
    def gateway_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/gw"

    @property
    def calls(self) -> list[Call]:
        return self.rest.calls

    def fail(self, method: str, path: str, kind: str, times: int = 1, **more: Any) -> Fault:
        """The next calls whose path holds `path` fail. Kinds: see `Fault`."""
        fault = Fault(method, path, kind, times, **more)
        self.rest.faults.append(fault)
        return fault

    # The world

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

    async def open_thread(
        self, name: str, *, under: Message | None = None, private: bool = False
    ) -> Channel:
        """In `general`; `under` a message, whose id it then shares."""
        kind = PRIVATE_THREAD if private else PUBLIC_THREAD
        parent = under.channel if under else self.general
        thread = Channel(under.id if under else self.snowflake(), kind, name, parent=parent.id)
        self.channels[thread.id] = thread
        if under:
            starter = Message(self.snowflake(), thread, under.author, "", under.id, kind=21)
            thread.messages[starter.id] = starter
        await self.gateway.dispatch("THREAD_CREATE", self.channel_payload(thread), thread)
        return thread

    # What people do

    @property
    def mention(self) -> str:
        return f"<@{self.me.id}>"

    async def says(
        self,
        user: User,
        channel: Channel,
        text: str,
        *,
        reply_to: Message | None = None,
        ping: bool = True,
        files: Sequence[tuple[str, str, bytes]] = (),
        kind: int | None = None,
    ) -> Message:
        """`files`: name, content type ("" for none given), content."""
        message = Message(self.snowflake(), channel, user, text)
        if reply_to:
            message.reference, message.kind = reply_to.id, 19
            if ping:
                message.pings.add(reply_to.author.id)
        if kind is not None:
            message.kind = kind
        message.files = [self._upload(*file) for file in files]
        message.pings |= set(re.findall(r"<@!?(\d+)>", text))
        channel.messages[message.id] = message
        self.tell(user, channel, text, *[f"[file {name}]" for name, _, _ in files])
        await self.gateway.dispatch("MESSAGE_CREATE", self.payload(message), channel)
        return message

    async def edits(self, message: Message, text: str | None) -> None:
        """`text` None: Discord itself edits it, as it does to add a preview of a link."""
        if text is not None:
            message.content, message.edited_at = text, now()
            self.tell(message.author, message.channel, text, "[edited]")
        await self.gateway.dispatch("MESSAGE_UPDATE", self.payload(message), message.channel)

    async def deletes(self, *messages: Message) -> None:
        """Several at once go in one event, as a moderator's purge does."""
        channel, ids = messages[0].channel, [message.id for message in messages]
        for message in messages:
            channel.messages.pop(message.id, None)
            self.story.append(f"{channel.label} a message of {message.author.name} is deleted")
        where = {"channel_id": channel.id, **self._guild(channel)}
        if len(ids) == 1:
            await self.gateway.dispatch("MESSAGE_DELETE", {"id": ids[0], **where}, channel)
        else:
            await self.gateway.dispatch("MESSAGE_DELETE_BULK", {"ids": ids, **where}, channel)

    async def reacts(self, user: User, message: Message, emoji: str, *, added: bool = True) -> None:
        (message.reactions.add if added else message.reactions.discard)((user.id, emoji))
        verb = "reacts with" if added else "takes back"
        self.story.append(f"{message.channel.label} {user.name} {verb} {emoji}")
        data = {
            "user_id": user.id,
            "channel_id": message.channel.id,
            "message_id": message.id,
            "emoji": {"id": None, "name": emoji},
            "burst": False,
            "type": 0,
            **self._guild(message.channel),
        }
        if added:
            data["message_author_id"] = message.author.id
            if not message.channel.person:
                data["member"] = {"user": user.payload(), **self.member(user)}
        event = "MESSAGE_REACTION_ADD" if added else "MESSAGE_REACTION_REMOVE"
        await self.gateway.dispatch(event, data, message.channel)

    async def presses(self, user: User, message: Message, button: str) -> Interaction:
        """`button`: what it shows."""
        self.story.append(f"{message.channel.label} {user.name} presses {button}")
        data = {"custom_id": message.buttons[button], "component_type": 2}
        return await self._interact(user, message.channel, 3, data, message)

    async def commands_(self, user: User, channel: Channel, line: str) -> Interaction:
        """Use a slash command, as the registered definition allows it."""
        name, _, words = line.removeprefix("/").partition(" ")
        command = next(one for one in self.commands if one["name"] == name)
        data: dict[str, Any] = {"id": command["id"], "name": name, "type": 1}
        options = command.get("options", [])
        if words:
            choices = [one["value"] for one in options[0].get("choices", [])]
            assert not choices or words in choices, f"{words} is none of {choices}"
            data["options"] = [{"name": options[0]["name"], "type": 3, "value": words}]
        else:
            assert not any(option.get("required") for option in options)
        self.story.append(f"{channel.label} {user.name} uses {line}")
        return await self._interact(user, channel, 2, data)

    async def fills_in(self, opened: Interaction, text: str) -> Interaction:
        """Type into the modal that `opened` was answered with, and send it."""
        modal = opened.modal
        assert modal is not None
        item = modal["components"][0]
        field_id = (item.get("component") or item["components"][0])["custom_id"]
        value = {"type": 4, "id": 2, "custom_id": field_id, "value": text}
        if "component" in item:
            rows: list[dict[str, Any]] = [{"type": 18, "id": 1, "component": value}]
        else:
            rows = [{"type": 1, "id": 1, "components": [value]}]
        self.story.append(f"{opened.channel.label} {opened.user.name} types: {text}")
        data = {"custom_id": modal["custom_id"], "components": rows, "resolved": {}}
        return await self._interact(opened.user, opened.channel, 5, data, opened.message)

    async def _interact(
        self,
        user: User,
        channel: Channel,
        kind: int,
        data: dict[str, Any],
        message: Message | None = None,
    ) -> Interaction:
        id = self.snowflake()
        payload: dict[str, Any] = {
            "id": id,
            "application_id": self.app_id,
            "type": kind,
            "token": f"token-{id}",
            "version": 1,
            "data": data,
            "channel_id": channel.id,
            "channel": self.channel_payload(channel),
            "locale": "en-US",
            "entitlements": [],
            "authorizing_integration_owners": {"0": self.guild_id},
            "context": 1 if channel.person else 0,
            "app_permissions": "0",
            "attachment_size_limit": 10 * 2**20,
            **self._guild(channel),
        }
        if channel.person:
            payload["user"] = user.payload()
        else:
            payload["member"] = {"user": user.payload(), **self.member(user), "permissions": "0"}
            payload["guild"] = {"id": self.guild_id, "locale": "en-US", "features": []}
        if message:
            payload["message"] = self.payload(message)
        made = Interaction(id, payload["token"], user, channel, payload, message)
        self.interactions[id] = made
        await self.gateway.dispatch("INTERACTION_CREATE", payload, channel)
        return made

    # What can be seen

    def by_me(self, channel: Channel) -> list[Message]:
        return [one for one in channel.messages.values() if one.author is self.me]

    def visible(self, channel: Channel) -> str:
        """All that the bot's messages show there."""
        return "\n".join(message.content for message in self.by_me(channel))

    def tell(self, user: User, channel: Channel, text: str, *more: str) -> None:
        self.story.append(" ".join([f"{channel.label} {user.name}:", text, *more]))

    # Payloads

    def payload(self, message: Message) -> dict[str, Any]:
        """As the gateway sends it; REST leaves out what names the guild."""
        out = self.rest_payload(message)
        out |= self._guild(message.channel)
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
                **self._guild(home),
            }
            original = home.messages.get(message.reference)
            out["referenced_message"] = (
                self.rest_payload(original, nested=True) if original else None
            )
        return out

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

    def _guild(self, channel: Channel) -> dict[str, str]:
        return {} if channel.person else {"guild_id": self.guild_id}

    def _upload(self, name: str, kind: str, content: bytes) -> dict[str, Any]:
        id = self.snowflake()
        self.files[id] = content
        url = f"http://127.0.0.1:{self.port}/cdn/{id}/{name}"
        out = {"id": id, "filename": name, "size": len(content), "url": url, "proxy_url": url}
        return out | ({"content_type": kind} if kind else {})

    async def _file(self, request: web.Request) -> web.Response:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(self.file_delay_s)
        content = self.files.get(request.match_info["id"])
        return web.Response(status=404) if content is None else web.Response(body=content)


def now() -> str:
    return datetime.now(UTC).isoformat()


def stamp(snowflake: str) -> str:
    """When a snowflake was made."""
    born = datetime(2015, 1, 1, tzinfo=UTC)
    return (born + timedelta(milliseconds=int(snowflake) >> 22)).isoformat()
