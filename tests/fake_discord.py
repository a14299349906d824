"""A Discord of our own: a server on loopback with people, channels, messages, limits and faults.

It has its own ruler: it imports nothing of what it tests, and where the vendor's documentation says
what the real one does (https://docs.discord.com/developers), it does that. Here is what people do;
what there is stands in tests/fake_discord_guild.py, REST in tests/fake_discord_rest.py, and the
gateway in tests/fake_discord_gateway.py.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from aiohttp import web

from tests.fake_discord_gateway import Gateway
from tests.fake_discord_guild import Guild, now
from tests.fake_discord_rest import Call, Fault, Rest
from tests.fake_discord_things import (
    PRIVATE_THREAD,
    PUBLIC_THREAD,
    Channel,
    Interaction,
    Message,
    User,
)

TOKEN = "fake.discord.token"


class FakeDiscord(Guild):
    """`async with FakeDiscord() as fake`: one guild, and people who talk there."""

    def __init__(self, *, allows_content: bool = True) -> None:
        """`allows_content`: the portal's switch for the message content intent is on."""
        super().__init__(TOKEN, allows_content=allows_content)
        self.file_delay_s = 0.0
        self.typing: list[str] = []
        self.delivers_twice = False
        self.story: list[str] = []  # what happened, for people to read
        self.gateway = Gateway(self)
        self.rest = Rest(self)
        self._runner: web.AppRunner | None = None

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

    def forget_nonces(self) -> None:
        """As if their minutes were over."""
        for channel in self.channels.values():
            channel.nonces.clear()

    def expire_tokens(self) -> None:
        """As if all interactions were a quarter of an hour old."""
        for interaction in self.interactions.values():
            interaction.is_expired = True

    async def _file(self, request: web.Request) -> web.Response:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(self.file_delay_s)
        content = self.files.get(request.match_info["id"])
        return web.Response(status=404) if content is None else web.Response(body=content)

    # What people do

    @property
    def mention(self) -> str:
        return f"<@{self.me.id}>"

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
        message.files = [self.upload(*file) for file in files]
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
        where = {"channel_id": channel.id, **self.guild_of(channel)}
        if len(ids) == 1:
            await self.gateway.dispatch("MESSAGE_DELETE", {"id": ids[0], **where}, channel)
        else:
            await self.gateway.dispatch("MESSAGE_DELETE_BULK", {"ids": ids, **where}, channel)

    async def removes(self, channel: Channel) -> None:
        """A thread, or a channel with its threads, of which Discord says nothing more."""
        self.story.append(f"{channel.label} it is deleted")
        threads = [one for one in self.channels.values() if one.parent == channel.id]
        for one in (channel, *threads):
            one.gone = True
        what = self.channel_payload(channel)
        if channel.is_thread:
            said = {name: what[name] for name in ("id", "guild_id", "parent_id", "type")}
            await self.gateway.dispatch("THREAD_DELETE", said, channel)
        else:
            await self.gateway.dispatch("CHANNEL_DELETE", what, channel)

    async def reacts(
        self, user: User, message: Message, emoji: str, *, added: bool = True, burst: bool = False
    ) -> None:
        there = message.bursts if burst else message.reactions
        (there.add if added else there.discard)((user.id, emoji))
        verb = "reacts with" if added else "takes back"
        self.story.append(f"{message.channel.label} {user.name} {verb} {emoji}")
        data = {
            "user_id": user.id,
            "channel_id": message.channel.id,
            "message_id": message.id,
            "emoji": {"id": None, "name": emoji},
            "burst": burst,
            "type": int(burst),
            **self.guild_of(message.channel),
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
            **self.guild_of(channel),
        }
        if channel.person:
            payload["user"] = user.payload()
        else:
            payload["member"] = {"user": user.payload(), **self.member(user), "permissions": "0"}
            payload["guild"] = {"id": self.guild_id, "locale": "en-US", "features": []}
        if message:
            payload["message"] = self.payload(message)
        made = Interaction(id, payload["token"], user, channel, message)
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
