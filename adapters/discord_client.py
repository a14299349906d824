"""Discord's library as we use it: one session, and what its objects mean.

The library keeps the connection and the rate limits; events are only queued here, in their order.
How calls go out is in adapters/discord_calls.py. It knows nothing of the inbox and of answers.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import discord
from discord.http import Route

from adapters.discord_calls import NO_TOKEN, Http, raising, understood
from core.errors import AdapterError, Refused
from core.types import Author, ChannelRef, MessageRef, Place, Quoted, ThreadRef

logger = logging.getLogger(__name__)

discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # we have no voice

MESSAGES, PAGE = "/channels/{channel_id}/messages", 100
CALL_WITHIN_S = 60.0
HEARD = {
    "connect",
    "ready",
    "message",
    "raw_message_edit",
    "raw_message_delete",
    "raw_bulk_message_delete",
    "raw_reaction_add",
    "raw_reaction_remove",
    "raw_thread_delete",
    "guild_channel_delete",
    "interaction",
}


class Client(discord.Client):
    """One session: made, connected and ended once."""

    def __init__(
        self, token: str, base_url: str, gateway_url: str, *, reads_all: bool, settle_s: float
    ) -> None:
        """`reads_all`: ask for what is said without a mention. `settle_s`: without a further
        server, all are known."""
        intents = discord.Intents(
            guilds=True,
            guild_messages=True,
            dm_messages=True,
            guild_reactions=True,
            dm_reactions=True,
            message_content=reads_all,
        )
        super().__init__(
            intents=intents,
            max_messages=None,  # nothing of what was said is kept
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            guild_ready_timeout=settle_s,
        )
        self._token, self._reads_all = token, reads_all
        self.events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.signed_in = asyncio.Event()
        self._archived: dict[int, ThreadRef] = {}  # the library knows those in use
        # The library has its addresses in class attributes, which others would share.
        self.http = self._connection.http = Http(self.loop, base_url, gateway_url)
        for event, parse in self._connection.parsers.items():
            self._connection.parsers[event] = partial(self._parsed, event, parse)

    @property
    def id(self) -> int:
        return self.user.id if self.user else 0

    @property
    def account(self) -> str:
        """The application, which a new token does not change."""
        return str(self.application_id)

    async def sign_in(self) -> None:
        """Raises AdapterError, and Refused where the token is not accepted."""
        with raising():
            await self.login(self._token)
        self.signed_in.set()

    async def stay_connected(self) -> None:
        """Sign in and keep the gateway, until that cannot be done: raises AdapterError, Refused,
        and PrivilegedIntentsRequired."""
        await self.sign_in()
        try:
            with raising():
                await self.connect()
        except AttributeError as error:
            if self.ws is not None:
                raise
            # The library stumbles where the first connection failed, and cannot go on.
            raise AdapterError("Discord's gateway cannot be reached.") from error
        except discord.ConnectionClosed as error:
            if error.code == 4004:
                raise Refused(NO_TOKEN) from error
            raise AdapterError(f"Discord closed the connection ({error.code}).") from error
        raise AdapterError("The connection to Discord has ended.")

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        """The library would start a task for each, in no order, and not wait for its end."""
        if event in HEARD:
            self.events.put_nowait((event, args[0] if args else None))

    def _parsed(self, event: str, parse: Any, data: Any) -> None:
        with understood(event):
            parse(data)

    # Calls

    async def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | Sequence[Any] | None = None,
        *,
        file: discord.File | None = None,
        params: Mapping[str, Any] | None = None,
        **ids: Any,
    ) -> Any:
        """One call, repeated where the library does that. Raises AdapterError."""
        if self.is_closed():
            raise AdapterError("The connection to Discord has ended.")
        route = Route(method, path, **ids)
        more: dict[str, Any] = {} if params is None else {"params": params}
        with raising():
            async with asyncio.timeout(CALL_WITHIN_S):
                if file is not None:
                    form: list[dict[str, Any]] = [
                        {"name": "payload_json", "value": json.dumps(body)},
                        {"name": "files[0]", "value": file.fp, "filename": file.filename},
                    ]
                    return await self.http.request(route, files=[file], form=form)
                if body is not None:
                    return await self.http.request(route, json=body, **more)
                return await self.http.request(route, **more)

    async def respond(
        self, interaction: discord.Interaction, kind: int, data: Mapping[str, Any]
    ) -> None:
        """The first answer to an interaction; a call that is repeated is no harm."""
        await self.ask(
            "POST",
            "/interactions/{webhook_id}/{webhook_token}/callback",
            {"type": kind, "data": data},
            webhook_id=interaction.id,
            webhook_token=interaction.token,
        )

    async def history(
        self, id: int, *, limit: int, before: int | None = None, after: int = 0
    ) -> list[discord.Message]:
        """The newest messages between two, newest first; without those that the library does not
        understand. Raises AdapterError."""
        with raising():
            channel: Any = self.get_channel(id) or await self.fetch_channel(id)
        found: list[discord.Message] = []
        params, size = {} if before is None else {"before": before}, min(PAGE, limit)
        while len(found) < limit:
            page = await self.ask("GET", MESSAGES, params={**params, "limit": size}, channel_id=id)
            for data in page:
                if int(data["id"]) <= after or len(found) == limit:
                    return found
                with understood("message"):
                    found.append(self._connection.create_message(channel=channel, data=data))
            if len(page) < size:
                break
            params = {"before": page[-1]["id"]}
        return found

    async def direct(self, user_id: int | str) -> str:
        """The id of the channel where this person and we are alone. Raises AdapterError."""
        channel = await self.ask("POST", "/users/@me/channels", {"recipient_id": str(user_id)})
        return str(channel["id"])

    # What the library's objects mean

    async def thread(self, id: int, *, is_direct: bool) -> ThreadRef:
        """The conversation that a channel's id stands for. Asks Discord only about a thread that
        is archived, and once."""
        plain = ThreadRef(self.ref(id))
        if is_direct:
            return plain
        if id in self._archived:
            return self._archived[id]
        channel: object = self.get_channel(id)
        if channel is None:
            try:
                with raising():
                    channel = await self.fetch_channel(id)
            except Refused:
                return plain
            if isinstance(channel, discord.Thread):
                self._archived[id] = self._ref_of(channel)
        return self._ref_of(channel) if isinstance(channel, discord.Thread) else plain

    def active_since(self, newest: Mapping[int, int]) -> dict[ThreadRef, int]:
        """The threads in which something was said since; `newest`: a message of each channel."""
        threads = [thread for guild in self.guilds for thread in guild.threads]
        return {
            self._ref_of(thread): newest[thread.parent_id]
            for thread in threads
            if (thread.last_message_id or 0) > newest.get(thread.parent_id, math.inf)
        }

    def ref(self, id: int) -> ChannelRef:
        return ChannelRef("discord", self.account, str(id))

    def _ref_of(self, thread: discord.Thread) -> ThreadRef:
        # A private thread's people decide nothing for its channel: it stands for itself.
        home = thread.id if thread.is_private() else thread.parent_id
        return ThreadRef(self.ref(home), str(thread.id))

    def can_read(self, message: discord.Message) -> bool:
        """A person said it, and we were given the words."""
        if message.author.id == self.id or message.type not in (
            discord.MessageType.default,
            discord.MessageType.reply,
        ):
            return False
        return self._reads_all or is_direct(message) or self._is_mentioned(message)

    def means_us(self, message: discord.Message) -> bool:
        if is_direct(message) or self._is_mentioned(message):
            return True
        own = message.guild.self_role if message.guild else None  # its name is easily taken for us
        return (own is not None and own in message.role_mentions) or (
            replied_to(message) == self.id
        )

    def is_for_all(self, message: discord.Message) -> bool:
        """Nobody else is meant by it."""
        other = re.match(r"\s*<@[!&]?\d+>", message.content)
        # Not a sticker: it is for the people there.
        says_something = message.content.strip() or message.attachments or message.message_snapshots
        return not other and replied_to(message) in (None, self.id) and bool(says_something)

    def words(self, message: discord.Message) -> str:
        """What was said, with names for ids and without the mention of us."""
        forwarded = [one.content for one in message.message_snapshots]
        text = "\n\n".join(filter(None, [message.content, *forwarded]))
        text = re.sub(rf"<@!?{self.id}>", "", text)
        own = message.guild.self_role if message.guild else None
        if own:
            text = text.replace(own.mention, "")
        for user in message.mentions:
            name = f"@{user.display_name}"
            text = text.replace(user.mention, name).replace(f"<@!{user.id}>", name)
        return text.strip()

    def quoted(self, message: discord.Message, channel: ChannelRef) -> Quoted | None:
        """None: it says nothing, or we are not given the words."""
        if message.is_system() or not (text := self.words(message)):
            return None
        ref = MessageRef(channel, str(message.id))
        return Quoted(ref, author_of(message.author), text, message.created_at)

    def _is_mentioned(self, message: discord.Message) -> bool:
        """By name, or by a reply that notifies."""
        return any(user.id == self.id for user in message.mentions)


def author_of(user: discord.abc.User, *, webhook: object = None) -> Author:
    return Author(str(user.id), user.display_name, user.bot or webhook is not None)


def original_of(message: discord.Message) -> discord.Message | None:
    """The message that this one answers, where Discord shows it."""
    original = message.reference.resolved if message.reference else None
    return original if isinstance(original, discord.Message) else None


def replied_to(message: discord.Message) -> int | None:
    """Whose message this one answers, where that is known."""
    original = original_of(message)
    return original.author.id if original else None


def is_direct(message: discord.Message) -> bool:
    """The library knows no guild either where the guild is not here yet."""
    return isinstance(message.channel, discord.DMChannel)


def place_of(channel: object, guild: discord.Guild | None) -> Place:
    """Who can read there; where we do not know, the fewer."""
    if isinstance(channel, discord.DMChannel):
        return "direct"
    if isinstance(channel, discord.Thread):
        if channel.is_private():
            return "private"
        channel = channel.parent
    everyone = guild.get_role(guild.id) if guild else None
    if not isinstance(channel, discord.abc.GuildChannel) or everyone is None:
        return "private"
    return "public" if channel.permissions_for(everyone).read_messages else "private"
