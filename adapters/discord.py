"""Discord: heard through the gateway, answered by posting and editing messages.

What comes is in adapters/discord_ears.py and adapters/discord_votes.py, the library in
adapters/discord_client.py, and where an answer appears in adapters/discord_surface.py. Nothing here
knows the model or what is kept.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Literal, cast

import discord
from pydantic import BaseModel, ConfigDict, SecretStr

from adapters.discord_calls import BASE_URL, GATEWAY_URL
from adapters.discord_client import Client, original_of
from adapters.discord_ears import Ears
from adapters.discord_surface import Command, ForOne, InChannel, Unasked
from core.answer import Answer
from core.commands import COMMANDS
from core.errors import AdapterError
from core.notice import Notice, nobodys
from core.ports import Inbox
from core.streaming import Tempo, show
from core.types import ChannelRef, IncomingMessage, Quoted

logger = logging.getLogger(__name__)
# Per channel 5 posts and 5 edits in 5 s, and not more than 5 of either even where an answer is all
# edits. In all 50 calls a second: 21 at once and 21 a second of posts and edits, 5 that say "is
# typing", and the rest for what is read. https://docs.discord.com/developers/topics/rate-limits
RATES = {"channel": (8, 5.0), "bot": (84, 3.0), "typing": (5, 1.0)}
EVERY_S = 1.2
LOST_AFTER_S = 300.0  # without a gateway; the library can go on for ever (discord.py#10511)
SETTLE_S = 0.5  # without a further server, all are known
MOST_QUOTED = 50
LAST_WORDS_S = 1.0
REGISTERED = "/applications/{application_id}/commands"

SCOPES = ("bot", "applications.commands")
PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    read_message_history=True,
    attach_files=True,
)
NO_CONTENT = (
    "The Message Content intent is off, so that only mentions and direct messages are understood."
    " For follow-ups in threads, switch it on at your application's page Bot and start again."
)
ENDPOINT = (
    "The application has an Interactions Endpoint URL, so that buttons and commands do not come"
    " here: empty it on the page General Information."
)


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    bot_token: SecretStr
    votes: Literal["both", "reactions", "buttons", "none"] = "both"
    base_url: str = BASE_URL
    gateway_url: str = GATEWAY_URL

    def client(self, *, reads_all: bool = True, settle_s: float = SETTLE_S) -> Client:
        token = self.bot_token.get_secret_value()
        return Client(
            token, self.base_url, self.gateway_url, reads_all=reads_all, settle_s=settle_s
        )


class DiscordAdapter:
    name = "discord"

    def __init__(
        self,
        settings: Settings,
        *,
        every_s: float = EVERY_S,
        rates: Mapping[str, tuple[int, float]] = RATES,
        settle_s: float = SETTLE_S,
        lost_after_s: float = LOST_AFTER_S,
    ) -> None:
        self._settings = settings
        self._every_s, self._settle_s, self._lost_after_s = every_s, settle_s, lost_after_s
        self._tempo = Tempo(rates)
        self._ears: Ears | None = None
        self._commands: dict[str, Command] = {}  # by the interaction's id
        self._under_way: dict[InChannel, asyncio.Task[Any]] = {}

    async def run(self, inbox: Inbox) -> None:
        """Raises Refused where the token is not accepted, and AdapterError when the connection is
        lost for good: a new adapter begins anew.
        """
        try:
            await self._serve(inbox, reads_all=True)
        except discord.PrivilegedIntentsRequired:
            logger.warning("Discord: %s", NO_CONTENT)
            await self._serve(inbox, reads_all=False)

    async def reply(self, to: IncomingMessage, answer: Answer) -> None:
        ears = self._connected()
        if to.private:
            command = self._commands.get(to.ref.id)
            surface: InChannel = ForOne(ears.client, to, answer, command)
            keys = [f"channel:{to.ref.id}"]  # interactions have their own limits
        else:
            votes = self._settings.votes in ("both", "buttons")
            surface = InChannel(ears.client, to, answer, votes=votes)
            may_type = partial(self._tempo.may, "typing:")
            surface.typing = ears.aside(surface.types(may_type))
            keys = [f"channel:{surface.channel_id}", "bot:"]
        self._under_way[surface] = cast(asyncio.Task[Any], asyncio.current_task())
        try:
            await show(answer, surface, self._tempo, keys, every_s=self._every_s)
        finally:
            del self._under_way[surface]
            if surface.typing:
                surface.typing.cancel()

    async def earlier(self, to: IncomingMessage) -> Sequence[Quoted]:
        if not to.thread.thread:
            return ()
        client, thread_id = self._connected().client, int(to.thread.thread)
        said = []
        before = await client.history(thread_id, limit=MOST_QUOTED, before=int(to.ref.id))
        for message in reversed(before):
            if message.type is discord.MessageType.thread_starter_message:
                opening = original_of(message)
                if opening is None:
                    continue
                message = opening
            if quote := client.quoted(message, to.ref.channel):
                said.append(quote)
        return said

    async def tell(self, channel: str, notice: Notice) -> None:
        client = self._connected().client
        to = nobodys(ChannelRef(self.name, client.account, channel), notice.id)
        async with notice.said() as words:
            surface = Unasked(client, to, words, votes=False)
            keys = [f"channel:{channel}", "bot:"]
            await show(words, surface, self._tempo, keys, every_s=self._every_s, edits=False)

    def _connected(self) -> Ears:
        if self._ears is None:
            raise AdapterError("Discord is not connected yet.")
        return self._ears

    async def _serve(self, inbox: Inbox, *, reads_all: bool) -> None:
        client = self._settings.client(reads_all=reads_all, settle_s=self._settle_s)
        try:
            async with asyncio.TaskGroup() as group:
                self._ears = Ears(
                    client,
                    inbox,
                    group,
                    self._commands,
                    self._under_way.keys(),
                    votes=self._settings.votes,
                )
                group.create_task(client.stay_connected())
                group.create_task(register(client))
                group.create_task(watch(client, self._lost_after_s))
                await self._ears.listen()
        except ExceptionGroup as errors:
            raise leaf(errors) from errors
        finally:
            if self._under_way:  # whoever was cancelled with us shows what was read
                await asyncio.wait(self._under_way.values(), timeout=LAST_WORDS_S)
            await client.close()


async def watch(client: Client, lost_after_s: float) -> None:
    """Raises AdapterError when there was no gateway for so long."""
    loop = asyncio.get_running_loop()
    alive = loop.time()
    while loop.time() - alive < lost_after_s:
        await asyncio.sleep(min(5.0, lost_after_s / 4))
        if client.is_ready() and math.isfinite(client.latency):
            alive = loop.time()
    raise AdapterError(f"Discord's gateway was lost for {lost_after_s:.0f} s.")


async def register(client: Client) -> None:
    """Tell Discord the slash commands, where it knows others."""
    await client.signed_in.wait()
    ids: dict[str, Any] = {"application_id": client.account}
    try:
        there = await client.ask("GET", REGISTERED, **ids)
        if shapes(there) != shapes(slash_commands()):
            await client.ask("PUT", REGISTERED, slash_commands(), **ids)
    except AdapterError as error:
        logger.warning("Discord: the slash commands stay as they were: %s", error)


def slash_commands() -> list[dict[str, Any]]:
    """The core's commands as Discord wants them; the words behind one are a choice, but where one
    of them is anybody's.
    """
    out = []
    for command in COMMANDS.values():
        if command.hidden:
            continue
        one: dict[str, Any] = {"type": 1, "name": command.name, "description": command.help[:100]}
        if choices := [{"name": words, "value": words} for words in command.words if words]:
            option = {"type": 3, "name": "what", "description": "what exactly"}
            option |= {"required": "" not in command.words}
            if not any(choice["value"].endswith(" ID") for choice in choices):
                option["choices"] = choices
            one["options"] = [option]
        out.append(one)
    return out


def shapes(commands: Sequence[Any]) -> list[Any]:
    """What we say of commands, without what Discord adds."""
    return sorted(
        (one["name"], one["description"], [_shape(option) for option in one.get("options") or []])
        for one in commands
    )


def _shape(option: Any) -> Any:
    choices = [(one["name"], one["value"]) for one in option.get("choices") or []]
    return option["name"], option["description"], bool(option.get("required")), choices


@asynccontextmanager
async def signed_in(settings: Settings) -> AsyncIterator[Client]:
    client = settings.client()
    try:
        await client.sign_in()
        yield client
    finally:
        await client.close()


async def who_am_i(settings: Settings) -> str:
    async with signed_in(settings) as client:
        return f"{client.user}, application {client.account}"


async def missing(settings: Settings) -> list[str]:
    async with signed_in(settings) as client:
        flags, out = client.application_flags, []
        if not (flags.gateway_message_content or flags.gateway_message_content_limited):
            out.append(NO_CONTENT)
        if client.application and client.application.interactions_endpoint_url:
            out.append(ENDPOINT)
        return out


def leaf(error: Exception) -> Exception:
    """The first of what happened at once: the others are its consequences."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
