"""What became on Discord of what stood there while we were away: thumbs given, a message deleted.

What was said then is read in adapters/discord_ears.py. Nothing here knows of connections.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import discord

from adapters.discord_calls import Unknown, raising
from adapters.discord_client import MESSAGES, Client
from adapters.discord_lanes import apart, kept, lane
from adapters.discord_votes import Votes
from core.errors import Refused
from core.feedback import score
from core.lanes import Lanes
from core.ports import Inbox
from core.types import MessageRef, ThreadRef

logger = logging.getLogger(__name__)

MESSAGE = f"{MESSAGES}/{{message_id}}"
# Each is a call for a hundred voters of one thumb, beside what people wait for. Discord names no
# limit for it but the one on all calls, 50 a second, and tells of others in its answers, which the
# library heeds. https://docs.discord.com/developers/topics/rate-limits
LOOKS_APART_S = 0.25
MOST_LOOKED_AT = 10  # messages of one conversation
MOST_VOTERS = 300  # of one thumb
LOOK_WITHIN_S = 10.0  # other votes there wait meanwhile


@dataclass
class Absence:
    client: Client
    inbox: Inbox
    votes: Votes
    lanes: Lanes
    _one_by_one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def deletion(
        self, thread: ThreadRef, last: int, known: Sequence[discord.Message]
    ) -> None:
        """`last`: the id of what was heard last in a conversation, the only one that we know;
        `known`: what stands there up to it. Raises AdapterError and what the inbox raises.

        What only was not understood in the history stands there when it is asked for.
        """
        if last in [message.id for message in known]:
            return
        id = thread.thread or thread.channel.id
        try:
            await self.client.ask("GET", MESSAGE, channel_id=id, message_id=last)
        except Unknown:
            await self.inbox.changed(MessageRef(thread.channel, str(last)), None)
        except Refused as error:
            logger.warning("Discord: whether a message was deleted is unknown: %s", error)

    async def thumbs(self, thread: ThreadRef, since: Sequence[discord.Message]) -> None:
        """`since`: what stands in a conversation behind what was heard last there, newest first.

        So the last answer is looked at, and those to questions that waited for each other: what
        people read while we went down. Not those before, which would be a call each at every start;
        a thumb on one has to be taken back and given again. Nobody tells when a thumb was given: of
        one who asked us since to forget it, the core knows.
        """
        if not self.votes.by_reaction:
            return
        ours = [one for one in since if one.author.id == self.client.id and thumbs_on(one)]
        for message in ours[:MOST_LOOKED_AT]:
            with apart("thumb that was given meanwhile"):
                await kept(partial(self._look, thread, message))

    async def _look(self, thread: ThreadRef, message: discord.Message) -> None:
        """A thumb that is taken back now waits until it was found."""
        target = MessageRef(thread.channel, str(message.id))
        async with self._one_by_one:
            async with self.lanes.enter(lane(message.channel.id, votes=True)):
                for voter, emoji in await voters(message):
                    if voter.id != self.client.id:
                        await self.votes.found(message, target, voter, emoji)
            await asyncio.sleep(LOOKS_APART_S)


def thumbs_on(message: discord.Message) -> list[tuple[discord.Reaction, str]]:
    """In any skin tone, each of which is a reaction of its own."""
    of_unicode = [(one, one.emoji) for one in message.reactions if isinstance(one.emoji, str)]
    return [(reaction, emoji) for reaction, emoji in of_unicode if score(emoji)]


async def voters(message: discord.Message) -> list[tuple[discord.abc.User, str]]:
    """Whose thumbs stand there; none of whom both stand of. Raises AdapterError.

    Discord lists those of super reactions apart.
    https://docs.discord.com/developers/resources/message#get-reactions
    """
    of: dict[int, list[tuple[discord.abc.User, str]]] = {}
    with raising():
        async with asyncio.timeout(LOOK_WITHIN_S):
            for reaction, emoji in thumbs_on(message):
                for kind, count in (
                    (discord.ReactionType.normal, reaction.normal_count),
                    (discord.ReactionType.burst, reaction.burst_count),
                ):
                    async for user in reaction.users(limit=min(count, MOST_VOTERS), type=kind):
                        of.setdefault(user.id, []).append((user, emoji))
    return [thumbs[0] for thumbs in of.values() if len({score(emoji) for _, emoji in thumbs}) == 1]
