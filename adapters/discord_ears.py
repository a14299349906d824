"""What comes from Discord, on its way into the inbox.

Buttons, forms and slash commands are read from the raw interaction: their ids say all that is
needed, so that those of a message work after a restart too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import discord
from discord.utils import snowflake_time

from adapters.discord_client import MESSAGES, Client, author_of, is_direct, place_of, raising
from adapters.discord_surface import (
    EPHEMERAL,
    NOBODY,
    SILENT,
    SUPPRESS_EMBEDS,
    THUMBS,
    Command,
    InChannel,
)
from core import attachments
from core.attachments import Attached
from core.errors import AdapterError, Closing, Refused, StoreError
from core.lanes import Lanes
from core.ports import Inbox
from core.types import (
    Author,
    ChannelRef,
    IncomingMessage,
    IncomingReaction,
    MessageRef,
    Noted,
    ThreadRef,
)

logger = logging.getLogger(__name__)
T = TypeVar("T")

PRESS_WITHIN_S = 2.5  # Discord waits 3 s for the answer to an interaction
PLACED_WITHIN_S, LOOK_AGAIN_S = 1.5, 0.02  # a message that people see already
COMMAND_FOR_S = 15 * 60.0  # so long its answer can be shown to the asker alone
TYPING_AFTER_S, TYPING_S = 0.4, 8.0  # a quick answer says enough; Discord shows it for 10
FIRST_RETRY_S, LONGEST_RETRY_S = 0.5, 30.0  # of what the store did not take
MOST_MISSED, MOST_KNOWN = 1_000, 50  # messages read of a conversation after an absence
CATCH_UP_AT_ONCE = 4
MOST_CONVERSATIONS = 10_000  # that a new session looks back at

COMMAND = discord.InteractionType.application_command
TYPING = "/channels/{channel_id}/typing"
LINK = "https://discord.com/channels"
CORRECTING = "mynah:say:"  # and the answer's channel and id
QUESTION = "What should I have said?"
STANDS = {1: "Your vote: 👍", -1: "Your vote: 👎", None: "No vote of yours stands here."}
CORRECTED = "Your vote: 👎\nThank you: what I should have said is kept with it."
NO_BUTTONS = "Voting by button is switched off here."


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
        `under_way`: the answers that are being shown.
        """
        self.client = client
        self._inbox, self._group, self._commands, self._votes = inbox, group, commands, votes
        self._under_way = under_way
        self._lanes = Lanes()
        self._handlers: dict[str, Callable[[Any], Awaitable[None]]] = {
            "message": self._message,
            "raw_message_edit": self._edit,
            "raw_message_delete": self._deletion,
            "raw_bulk_message_delete": self._purge,
            "raw_reaction_add": self._reaction,
            "raw_reaction_remove": self._reaction,
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

    async def types(self, channel_id: str, may: Callable[[], bool]) -> None:
        """Show that an answer is on its way, if it takes a moment, until cancelled. `may`: there is
        room for the call."""
        await asyncio.sleep(TYPING_AFTER_S)
        with suppress(AdapterError):
            while True:
                if may():
                    await self.client.ask("POST", TYPING, channel_id=channel_id)
                await asyncio.sleep(TYPING_S)

    async def _heard(self, kind: str, data: Any) -> None:
        handle = self._handlers[kind]
        channel_id = data.channel.id if kind == "message" else data.channel_id
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
        for thread, last in (self.client.active_since(newest) | self._seen).items():
            self.aside(self._hear_since(thread, last, gate))

    async def _hear_since(self, thread: ThreadRef, last: int, gate: asyncio.Semaphore) -> None:
        """What was said in a conversation while we were away; what is said now waits."""
        async with self._lanes.enter(lane(int(thread.thread or thread.channel.id))):
            with apart("conversation that went on meanwhile"):
                await kept(partial(self._read_since, thread, last, gate))

    async def _read_since(self, thread: ThreadRef, last: int, gate: asyncio.Semaphore) -> None:
        """`last`: the id of the newest message that was for us, after which people may have talked
        much: of more than MOST_MISSED, the newest are read. Of those before it, the last are read
        too, for what was edited since."""
        client, id = self.client, int(thread.thread or thread.channel.id)
        async with gate:
            missed = await client.history(id, limit=MOST_MISSED, after=last)
            for message in await client.history(id, limit=MOST_KNOWN, before=last + 1):
                if message.edited_at and message.edited_at > snowflake_time(last):
                    await self._edited(message)
            for message in reversed(missed):
                await self._message(message)
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

    async def _reaction(self, event: discord.RawReactionActionEvent) -> None:
        if event.user_id == self.client.id or self._votes not in ("both", "reactions"):
            return
        if event.message_author_id not in (None, self.client.id):
            return
        thread = await self._thread(event.channel_id, is_direct=event.guild_id is None)
        target = MessageRef(thread.channel, str(event.message_id))
        author = author_of(event.member) if event.member else Author(str(event.user_id), "")
        added = event.event_type == "REACTION_ADD"
        noted = await self._judged(target, author, event.emoji.name or "", added=added)
        if noted.words or (added and noted.score == -1):
            self.aside(self._tell(event, noted, target))

    async def _judged(self, target: MessageRef, by: Author, emoji: str, *, added: bool) -> Noted:
        """The vote is handed over when the message is known to be ours: a person sees it before
        Discord's answer to our call is here, which the library holds back at a rate limit."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PLACED_WITHIN_S):
                while self._may_be_ours_soon(target):  # noqa: ASYNC110 - an answer tells nobody
                    await asyncio.sleep(LOOK_AGAIN_S)
        reaction = IncomingReaction(target, by, emoji, added, datetime.now(UTC))
        return await kept(partial(self._inbox.reaction, reaction))

    def _may_be_ours_soon(self, ref: MessageRef) -> bool:
        return any(surface.may_be_placing(ref) for surface in self._under_way)

    async def _tell(
        self, event: discord.RawReactionActionEvent, noted: Noted, target: MessageRef
    ) -> None:
        """Tell the voter alone. In a channel nothing but the answer to a press can be for one
        person, so that a direct message says it, without a sound."""
        body, channel_id = told(noted, target), str(event.channel_id)
        with suppress(AdapterError):  # the vote is kept all the same
            if event.guild_id is None:
                body["message_reference"] = {"message_id": target.id}
            else:
                link = f"{LINK}/{event.guild_id}/{event.channel_id}/{event.message_id}"
                body["content"] = f"{link}\n{body['content']}"
                body["flags"] = SUPPRESS_EMBEDS | SILENT
                channel_id = await self.client.direct(event.user_id)
            await self.client.ask("POST", MESSAGES, body, channel_id=channel_id)

    async def _interaction(self, interaction: discord.Interaction) -> None:
        """A command, a press or a form; Discord tells the person when no answer comes in time."""
        data: Any = interaction.data or {}
        id = str(data.get("custom_id", ""))
        channel_id, no_guild = interaction.channel_id or 0, interaction.guild_id is None
        thread = await self._thread(channel_id, is_direct=no_guild)
        async with asyncio.timeout(PRESS_WITHIN_S):
            if interaction.type is COMMAND:
                await self._command(interaction, thread, data)
            elif id in THUMBS and interaction.message:
                await self._press(interaction, interaction.message.id, thread, THUMBS[id])
            elif id.startswith(CORRECTING):
                at, _, answer_id = id.removeprefix(CORRECTING).partition(":")
                target = MessageRef(self.client.ref(int(at)), answer_id)
                await self._correction(interaction, target, data)

    async def _respond(self, to: discord.Interaction, kind: int, data: Mapping[str, Any]) -> None:
        await kept(partial(self.client.respond, to, kind, data))

    async def _command(
        self, interaction: discord.Interaction, thread: ThreadRef, data: Any
    ) -> None:
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
            await self._respond(interaction, 5, {"flags": EPHEMERAL})
        finally:
            command.deferred.set()

    async def _press(
        self, interaction: discord.Interaction, answer_id: int, thread: ThreadRef, emoji: str
    ) -> None:
        if self._votes in ("both", "buttons"):
            target = MessageRef(thread.channel, str(answer_id))
            author = author_of(interaction.user)
            body = told(await self._judged(target, author, emoji, added=True), target)
        else:
            body = {"content": NO_BUTTONS}
        await self._respond(interaction, 4, body | {"flags": EPHEMERAL})

    async def _correction(
        self, interaction: discord.Interaction, target: MessageRef, data: Any
    ) -> None:
        if interaction.type is discord.InteractionType.component:
            await self._respond(interaction, 9, form(target))
            return
        author = author_of(interaction.user)
        await kept(partial(self._inbox.correction, target, author, value_in(data)))
        body = {"content": CORRECTED, "components": [], "allowed_mentions": NOBODY}
        await self._respond(interaction, 7, body)


@contextmanager
def apart(kind: str) -> Iterator[None]:
    """What goes wrong with one event ends neither the others nor the connection."""
    try:
        yield
    except Closing:
        logger.info("Discord: a %s came too late and is left to the next start", kind)
    except (AdapterError, StoreError, TimeoutError) as error:
        logger.warning("Discord: a %s was given up: %s", kind, error or "it took too long")
    except Exception:  # a fault of ours, or an event like no other
        logger.exception("Discord: a %s could not be handled", kind)


async def kept(step: Callable[[], Awaitable[T]]) -> T:
    """Discord sends nothing twice: what cannot be done now is tried again. Raises Closing."""
    wait_s = FIRST_RETRY_S
    while True:
        try:
            return await step()
        except Refused:
            raise
        except (StoreError, AdapterError) as error:
            logger.warning("Discord: an event has to wait: %s", error)
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_RETRY_S)


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


def lane(channel_id: int, *, votes: bool = False) -> ThreadRef:
    """In which a channel's events stay in order: one for what is said, one for votes on it."""
    return ThreadRef(ChannelRef("discord", "", str(channel_id)), "votes" if votes else "")


def is_vote(kind: str, data: Any) -> bool:
    """A reaction, a press or a form."""
    is_command = kind == "interaction" and data.type is COMMAND
    return kind in ("raw_reaction_add", "raw_reaction_remove", "interaction") and not is_command


def told(noted: Noted, target: MessageRef) -> dict[str, Any]:
    """What a voter sees: what stands, and after a thumb down the question for better words."""
    words = "\n".join(filter(None, [STANDS[noted.score], noted.words]))
    ask = {"type": 2, "style": 2, "label": QUESTION, "custom_id": correcting(target)}
    rows = [{"type": 1, "components": [ask]}] if noted.score == -1 else []
    return {"content": words, "components": rows, "allowed_mentions": NOBODY}


def form(target: MessageRef) -> dict[str, Any]:
    box = {"type": 4, "custom_id": "text", "style": 2, "required": True, "max_length": 4000}
    label = {"type": 18, "label": QUESTION, "component": box}
    return {"custom_id": correcting(target), "title": QUESTION, "components": [label]}


def correcting(target: MessageRef) -> str:
    """Names the answer wherever the question for better words is asked."""
    return f"{CORRECTING}{target.channel.id}:{target.id}"


def value_in(data: Any) -> str:
    """What was typed into the form's one field, however deep Discord puts it."""
    if isinstance(data, dict):
        if isinstance(data.get("value"), str):
            return str(data["value"])
        data = [data.get("component"), *data.get("components", [])]
    return next(filter(None, map(value_in, data)), "") if isinstance(data, list) else ""
