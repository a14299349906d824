"""What is said on Discord, now and while we were away, on its way into the inbox.

A slash command is one of the things that are said. Votes are in adapters/discord_votes.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from functools import partial
from typing import Any

import discord
from discord.utils import snowflake_time

from adapters.discord_absence import Absence
from adapters.discord_calls import raising
from adapters.discord_client import Client, author_of, is_direct, original_of, place_of
from adapters.discord_lanes import apart, kept, lane
from adapters.discord_surface import EPHEMERAL, Command, InChannel
from adapters.discord_votes import Votes
from core import attachments
from core.attachments import Attached
from core.lanes import Lanes
from core.ports import Inbox
from core.types import IncomingMessage, MessageRef, ThreadRef

logger = logging.getLogger(__name__)

PRESS_WITHIN_S = 2.5  # Discord waits 3 s for the answer to an interaction
COMMAND_FOR_S = 15 * 60.0  # so long its answer can be shown to the asker alone
MOST_MISSED, MOST_KNOWN = 1_000, 50  # messages read of a conversation after an absence
CATCH_UP_AT_ONCE = 4
MOST_CONVERSATIONS = 10_000  # that a new session looks back at

COMMAND = discord.InteractionType.application_command


class Ears:
    """What comes from one session, in order per channel, on its way into the inbox."""

    def __init__(
        self,
        client: Client,
        inbox: Inbox,
        group: asyncio.TaskGroup,
        commands: dict[str, Command],
        under_way: Collection[InChannel],
        *,
        votes: str,
    ) -> None:
        """`group`: in which the work is done. `commands`: where those that came are kept.
        `under_way`: the answers that are being shown. `votes`: how people vote.
        """
        self.client = client
        self._inbox, self._group, self._commands = inbox, group, commands
        self._votes = Votes(client, inbox, self.aside, under_way, by=votes)
        self._lanes = Lanes()
        self._absence = Absence(client, inbox, self._votes, self._lanes)
        self._handlers: dict[str, Callable[[Any], Awaitable[None]]] = {
            "message": self._message,
            "raw_message_edit": self._edit,
            "raw_message_delete": self._deletion,
            "raw_bulk_message_delete": self._purge,
            "raw_thread_delete": self._thread_gone,
            "guild_channel_delete": self._channel_gone,
            "raw_reaction_add": self._votes.reaction,
            "raw_reaction_remove": self._votes.reaction,
            "interaction": self._interaction,
        }
        self._is_ready = False  # the inbox knows
        self._seen: dict[ThreadRef, int] = {}  # the newest message heard there

    async def listen(self) -> None:
        """Hear every event, until cancelled. What the store has not taken yet holds up only its own
        channel."""
        early: list[tuple[str, Any]] | None = []  # before all servers are known
        while True:
            event = await self.client.events.get()
            if event[0] == "connect":  # a new session: what was said before it did not come
                early = early or []
            elif event[0] == "ready":
                await self._begin()
                for one in early or ():
                    self.aside(self._heard(*one))
                early = None
            elif early is not None:
                early.append(event)
            else:
                self.aside(self._heard(*event))

    async def _begin(self) -> None:
        if not self._is_ready:
            for seen in await self._inbox.ready(self.client.account):
                self._seen[seen.thread] = int(seen.last)
            self._is_ready = True
        self._catch_up()

    def aside(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Do it beside everything else, while we are connected."""
        try:
            return self._group.create_task(work)
        except RuntimeError:  # the group ends, or has ended
            work.close()
            return None

    async def _heard(self, kind: str, data: Any) -> None:
        handle, channel_id = self._handlers[kind], channel_of(kind, data)
        # Discord waits 3 s for the answer to a press: it is not held up by files that are read.
        async with self._lanes.enter(lane(channel_id, votes=is_vote(kind, data))):
            with apart(kind):
                await handle(data)

    def _catch_up(self) -> None:
        """In every conversation, and in the threads that began beside one, or went on there."""
        gate = asyncio.Semaphore(CATCH_UP_AT_ONCE)
        newest: dict[int, int] = {}  # of each channel with its threads
        for thread, last in self._seen.items():
            channel_id = int(thread.channel.id)
            newest[channel_id] = max(last, newest.get(channel_id, 0))
        # A channel is read too where only its threads spoke to us; some stand for themselves.
        threads = {thread.thread for thread in self._seen}
        channels = {
            ThreadRef(self.client.ref(id)): last
            for id, last in newest.items()
            if str(id) not in threads
            and not isinstance(self.client.get_channel(id), discord.ForumChannel)
        }
        talks = channels | self.client.active_since(newest) | self._seen
        for thread, last in talks.items():
            self.aside(self._hear_since(thread, last, gate))

    async def _hear_since(self, thread: ThreadRef, last: int, gate: asyncio.Semaphore) -> None:
        """What was said in a conversation while we were away; what is said now waits."""
        async with self._lanes.enter(lane(int(thread.thread or thread.channel.id))):
            with apart("conversation that went on meanwhile"):
                await kept(partial(self._read_since, thread, last, gate))

    async def _read_since(self, thread: ThreadRef, last: int, gate: asyncio.Semaphore) -> None:
        """`last`: the id of the newest message that was for us, after which people may have talked
        much: of more than MOST_MISSED, the newest are read. Of those before it, the last are read
        too, for what became of them since."""
        client, id = self.client, int(thread.thread or thread.channel.id)
        async with gate:
            missed = await client.history(id, limit=MOST_MISSED, after=last)
            known = await client.history(id, limit=MOST_KNOWN, before=last + 1)
            if self._seen.get(thread) == last:  # else it was heard beside this thread
                await self._absence.deletion(thread, last, known)
            for message in known:
                if message.edited_at and message.edited_at > snowflake_time(last):
                    await self._edited(message)
            for message in reversed(missed):
                await self._message(message)
        self.aside(self._absence.thumbs(thread, missed))
        if len(missed) == MOST_MISSED:
            logger.warning("Discord: of one channel only %d messages were read", MOST_MISSED)

    async def _message(self, message: discord.Message) -> None:
        client = self.client
        if not client.can_read(message):
            return
        thread = await self._thread(message.channel.id, is_direct=is_direct(message))
        means_us = client.means_us(message)
        follows = bool(thread.thread) and not means_us and client.is_for_all(message)
        if not (means_us or follows):
            return
        files, unread = await read(message)
        original, quote = original_of(message), None
        if original and original.author.id != client.id and not thread.thread:
            quote = client.quoted(original, thread.channel)  # a thread is quoted as a whole
        heard = IncomingMessage(
            MessageRef(thread.channel, str(message.id)),
            thread,
            author_of(message.author, webhook=message.webhook_id),
            client.words(message) + files,
            addressed=means_us,
            at=message.created_at,
            follows=follows,
            place=place_of(message.channel, message.guild),
            unread=unread,
            replies_to=quote,
        )
        await kept(partial(self._inbox.message, heard))
        self._seen[thread] = max(message.id, self._seen.pop(thread, 0))
        if len(self._seen) > MOST_CONVERSATIONS:
            del self._seen[next(iter(self._seen))]

    async def _edit(self, event: discord.RawMessageUpdateEvent) -> None:
        await self._edited(event.message)

    async def _edited(self, message: discord.Message) -> None:
        # Discord itself edits too, to show what a link leads to: then no time of it is given.
        if message.edited_at is None or not self.client.can_read(message):
            return
        thread = await self._thread(message.channel.id, is_direct=is_direct(message))
        files, _ = await read(message)
        ref = MessageRef(thread.channel, str(message.id))
        await kept(partial(self._inbox.changed, ref, self.client.words(message) + files))

    async def _thread(self, channel_id: int, *, is_direct: bool) -> ThreadRef:
        return await kept(partial(self.client.thread, channel_id, is_direct=is_direct))

    async def _deletion(self, event: discord.RawMessageDeleteEvent) -> None:
        await self._gone(event, [event.message_id])

    async def _purge(self, event: discord.RawBulkMessageDeleteEvent) -> None:
        await self._gone(event, sorted(event.message_ids))

    async def _gone(
        self,
        event: discord.RawMessageDeleteEvent | discord.RawBulkMessageDeleteEvent,
        ids: Sequence[int],
    ) -> None:
        thread = await self._thread(event.channel_id, is_direct=event.guild_id is None)
        for id in ids:
            await kept(partial(self._inbox.changed, MessageRef(thread.channel, str(id)), None))

    async def _thread_gone(self, event: discord.RawThreadDeleteEvent) -> None:
        is_private = event.thread_type is discord.ChannelType.private_thread
        home = event.thread_id if is_private else event.parent_id
        place = ThreadRef(self.client.ref(home), str(event.thread_id))
        await kept(partial(self._inbox.gone, place))

    async def _channel_gone(self, channel: discord.abc.GuildChannel) -> None:
        """Its private threads are places of their own: the library says of each that it is gone."""
        await kept(partial(self._inbox.gone, ThreadRef(self.client.ref(channel.id))))

    async def _interaction(self, interaction: discord.Interaction) -> None:
        """A command, a press or a form; Discord tells the person when no answer comes in time."""
        channel_id, no_guild = interaction.channel_id or 0, interaction.guild_id is None
        thread = await self._thread(channel_id, is_direct=no_guild)
        async with asyncio.timeout(PRESS_WITHIN_S):
            if interaction.type is COMMAND:
                await self._command(interaction, thread)
            else:
                await self._votes.interaction(interaction, thread)

    async def _command(self, interaction: discord.Interaction, thread: ThreadRef) -> None:
        data: Any = interaction.data or {}
        words = [str(option.get("value", "")) for option in data.get("options", [])]
        heard = IncomingMessage(
            MessageRef(thread.channel, str(interaction.id)),
            thread,
            author_of(interaction.user),
            " ".join([f"/{data['name']}", *words]),
            addressed=True,
            at=interaction.created_at,
            private=True,
            place=place_of(interaction.channel, interaction.guild),
        )
        now = asyncio.get_running_loop().time()
        for id in [id for id, command in self._commands.items() if command.until < now]:
            del self._commands[id]
        command = Command(interaction.token, now + COMMAND_FOR_S)
        self._commands[heard.ref.id] = command
        try:
            await kept(partial(self._inbox.message, heard))
            await kept(partial(self.client.respond, interaction, 5, {"flags": EPHEMERAL}))
        finally:
            command.deferred.set()


def channel_of(kind: str, data: Any) -> int:
    """Where it happened."""
    if kind == "message":
        return int(data.channel.id)
    gone = {"raw_thread_delete": "thread_id", "guild_channel_delete": "id"}
    return int(getattr(data, gone.get(kind, "channel_id")))


def is_vote(kind: str, data: Any) -> bool:
    """A reaction, a press or a form."""
    is_command = kind == "interaction" and data.type is COMMAND
    return kind in ("raw_reaction_add", "raw_reaction_remove", "interaction") and not is_command


async def read(message: discord.Message) -> tuple[str, tuple[str, ...]]:
    """The files that came with it: what stands behind the words, and what cannot be read."""
    forwarded = [file for one in message.message_snapshots for file in one.attachments]
    files, unread = await attachments.read(
        [
            Attached(file.filename, file.content_type or "", file.size, partial(fetch, file))
            for file in [*message.attachments, *forwarded]
        ]
    )
    return files, (*unread, *(f"{sticker.name} (a sticker)" for sticker in message.stickers))


async def fetch(file: discord.Attachment) -> bytes:
    with raising():
        return await file.read()
