"""What people on Discord think of an answer: thumbs, presses, better words; and what they are told.

Buttons and forms are read from the raw interaction: their ids say all that is needed, so that those
of a message work after a restart too. Nothing here knows in which order events come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import discord

from adapters.discord_client import MESSAGES, Client, author_of
from adapters.discord_lanes import apart, kept
from adapters.discord_surface import (
    EPHEMERAL,
    NOBODY,
    SILENT,
    SUPPRESS_EMBEDS,
    THUMBS,
    InChannel,
)
from core.errors import AdapterError
from core.feedback import SIGNS
from core.lanes import Lanes
from core.phrases import (
    NO_BUTTONS,
    NO_VOTE,
    NO_WORDS,
    NOT_KEPT,
    TAKEN_BACK,
    WHAT_INSTEAD,
    YOUR_VOTE,
)
from core.ports import Inbox
from core.types import Author, IncomingReaction, MessageRef, Noted, ThreadRef

PLACED_WITHIN_S, LOOK_AGAIN_S = 1.5, 0.02  # a message that people see already
PLACED_AT_LAST_S = 30.0
LINK = "https://discord.com/channels"
CORRECTING = "mynah:say:"  # and the answer's channel and id
TAKING_BACK = "mynah:back:"  # and the same, behind the thumb
STANDS = YOUR_VOTE | {None: "No vote of yours stands here."}
TAKE_BACK = "Take it back"
USED_FOR = "I may learn from your words, and show them to people here."
CORRECTED = f"{YOUR_VOTE[-1]}\nThank you: what I should have said is kept with it."


class Votes:
    """The verdicts of one session, on their way into the inbox."""

    def __init__(
        self,
        client: Client,
        inbox: Inbox,
        aside: Callable[[Coroutine[Any, Any, None]], object],
        under_way: Collection[InChannel],
        *,
        by: str,
    ) -> None:
        """`aside`: does something beside everything else. `under_way`: the answers that are being
        shown. `by`: how people vote, as the settings say it.
        """
        self._client, self._inbox, self._aside, self._by = client, inbox, aside, by
        self._under_way = under_way
        self._late = Lanes()  # of what each person did on a message whose place is not known yet

    @property
    def by_reaction(self) -> bool:
        return self._by in ("both", "reactions")

    async def reaction(self, event: discord.RawReactionActionEvent) -> None:
        if event.user_id == self._client.id or not self.by_reaction:
            return
        if event.message_author_id not in (None, self._client.id):
            return
        no_guild = event.guild_id is None
        thread = await kept(partial(self._client.thread, event.channel_id, is_direct=no_guild))
        target = MessageRef(thread.channel, str(event.message_id))
        author = author_of(event.member) if event.member else Author(str(event.user_id), "")
        added = event.event_type == "REACTION_ADD"
        answer = (event.guild_id, event.channel_id, event.message_id)

        def tell(noted: Noted) -> None:
            if noted.words or (added and noted.score == -1):
                self._aside(self._tell(answer, event.user_id, noted, target))

        emoji, at = event.emoji.name or "", datetime.now(UTC)
        judge = partial(self._judged, target, author, emoji, added=added, at=at)
        lane = late_lane(target, author)
        noted, may_be_ours = (Noted(None), True) if lane in self._late else await judge()
        if lane in self._late or (noted == Noted(None) and may_be_ours):
            self._aside(self._judged_late(lane, judge, tell))
        else:
            tell(noted)

    async def found(
        self, message: discord.Message, target: MessageRef, by: discord.abc.User, emoji: str
    ) -> None:
        """One that was given while we were away, at any time since the message. Its voter waits for
        no answer and is told only what is said once: it is found at the next start too."""
        author = author_of(by)
        reaction = IncomingReaction(target, author, emoji, True, message.created_at, found=True)
        noted = await kept(partial(self._inbox.reaction, reaction))
        if noted.words:
            guild_id = message.guild.id if message.guild else None
            answer = (guild_id, message.channel.id, message.id)
            self._aside(self._tell(answer, by.id, noted, target))

    async def _judged_late(
        self,
        lane: ThreadRef,
        judge: Callable[..., Coroutine[Any, Any, tuple[Noted, bool]]],
        tell: Callable[[Noted], object],
    ) -> None:
        """Discord says it once: this waits longer, beside the other votes."""
        with apart("vote"):
            async with self._late.enter(lane):
                noted, _ = await judge(within_s=PLACED_AT_LAST_S)
                tell(noted)

    async def _judged(
        self,
        target: MessageRef,
        by: Author,
        emoji: str,
        *,
        added: bool,
        at: datetime,
        within_s: float = PLACED_WITHIN_S,
    ) -> tuple[Noted, bool]:
        """What came of it, and whether it may be ours though nothing did.

        The vote is handed over when the message is known to be ours: a person sees it before
        Discord's answer to our call is here, which the library holds back at a rate limit.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._may_be_ours_soon(target):  # noqa: ASYNC110 - an answer tells nobody
                    await asyncio.sleep(LOOK_AGAIN_S)
        reaction = IncomingReaction(target, by, emoji, added, at)
        unsure = self._may_be_ours_soon(target)  # it may become known meanwhile
        return await kept(partial(self._inbox.reaction, reaction)), unsure

    def _may_be_ours_soon(self, ref: MessageRef) -> bool:
        return any(surface.may_be_placing(ref) for surface in self._under_way)

    async def _tell(
        self, answer: tuple[int | None, int, int], voter: int, noted: Noted, target: MessageRef
    ) -> None:
        """Tell the voter alone. In a channel nothing but the answer to a press can be for one
        person, so that a direct message says it, without a sound."""
        guild_id, channel_id, message_id = answer
        body, to = told(noted, target), str(channel_id)
        with suppress(AdapterError):  # the vote is kept all the same
            if guild_id is None:
                body["message_reference"] = {"message_id": target.id}
            else:
                link = f"{LINK}/{guild_id}/{channel_id}/{message_id}"
                body["content"] = f"{link}\n{body['content']}"
                body["flags"] = SUPPRESS_EMBEDS | SILENT
                to = await self._client.direct(voter)
            await self._client.ask("POST", MESSAGES, body, channel_id=to)

    async def interaction(self, interaction: discord.Interaction, thread: ThreadRef) -> None:
        """A press or a form, in that conversation."""
        data: Any = interaction.data or {}
        id = str(data.get("custom_id", ""))
        if id in THUMBS and interaction.message:
            await self._press(interaction, interaction.message.id, thread, THUMBS[id])
        elif id.startswith(CORRECTING):
            at, _, answer_id = id.removeprefix(CORRECTING).partition(":")
            target = MessageRef(self._client.ref(int(at)), answer_id)
            await self._correction(interaction, target, data)
        elif id.startswith(TAKING_BACK):
            thumb, at, answer_id = id.removeprefix(TAKING_BACK).split(":")
            voted_on = MessageRef(self._client.ref(int(at)), answer_id)
            await self._take_back(interaction, voted_on, thumb)

    async def _press(
        self, interaction: discord.Interaction, answer_id: int, thread: ThreadRef, emoji: str
    ) -> None:
        if self._by in ("both", "buttons"):
            target = MessageRef(thread.channel, str(answer_id))
            author = author_of(interaction.user)
            body = {"content": NOT_KEPT}
            if late_lane(target, author) not in self._late:
                at = datetime.now(UTC)
                noted, may_be_ours = await self._judged(target, author, emoji, added=True, at=at)
                if noted != Noted(None) or not may_be_ours:
                    body = told(noted, target, may_take_back=True)
        else:
            body = {"content": NO_BUTTONS}
        await self._respond(interaction, 4, body | {"flags": EPHEMERAL})

    async def _take_back(
        self, interaction: discord.Interaction, target: MessageRef, thumb: str
    ) -> None:
        """By a button that says which thumb: a press that is delivered again does the same again,
        and none takes back what was voted since."""
        author, at = author_of(interaction.user), datetime.now(UTC)
        vote = IncomingReaction(target, author, thumb, False, at)
        noted = await kept(partial(self._inbox.reaction, vote))
        body = told(noted, target) if noted.score else told(noted, target) | {"content": TAKEN_BACK}
        await self._respond(interaction, 7, body)

    async def _correction(
        self, interaction: discord.Interaction, target: MessageRef, data: Any
    ) -> None:
        if interaction.type is discord.InteractionType.component:
            await self._respond(interaction, 9, form(target))
            return
        author = author_of(interaction.user)
        better = value_in(data)
        is_kept = await kept(partial(self._inbox.correction, target, author, better))
        words = CORRECTED if is_kept else NO_VOTE if better.strip() else NO_WORDS
        body = {"content": words, "components": [], "allowed_mentions": NOBODY}
        await self._respond(interaction, 7, body)

    async def _respond(self, to: discord.Interaction, kind: int, data: Mapping[str, Any]) -> None:
        await kept(partial(self._client.respond, to, kind, data))


def late_lane(target: MessageRef, by: Author) -> ThreadRef:
    return ThreadRef(target.channel, f"{target.id} {by.id}")


def told(noted: Noted, target: MessageRef, *, may_take_back: bool = False) -> dict[str, Any]:
    """What a voter sees: what stands, and after a thumb down the question for better words."""
    words = "\n".join(filter(None, [STANDS[noted.score], noted.words]))
    buttons: list[dict[str, Any]] = []
    if noted.score == -1:
        ask = {"type": 2, "style": 2, "label": WHAT_INSTEAD, "custom_id": correcting(target)}
        buttons.append(ask)
    if noted.score and may_take_back:
        id = f"{TAKING_BACK}{SIGNS[noted.score]}:{target.channel.id}:{target.id}"
        buttons.append({"type": 2, "style": 2, "label": TAKE_BACK, "custom_id": id})
    rows = [{"type": 1, "components": buttons}] if buttons else []
    return {"content": words, "components": rows, "allowed_mentions": NOBODY}


def form(target: MessageRef) -> dict[str, Any]:
    box = {"type": 4, "custom_id": "text", "style": 2, "required": True, "max_length": 4000}
    label = {"type": 18, "label": WHAT_INSTEAD, "description": USED_FOR, "component": box}
    return {"custom_id": correcting(target), "title": WHAT_INSTEAD, "components": [label]}


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
