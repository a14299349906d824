"""What is known of the places where turns are, in SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, or_, select, text

from core.types import ChannelRef, Seen, ThreadRef, Turn
from storage.database import Database
from storage.rows import (
    CHANNEL,
    CONVERSATION,
    WHOLE_TURNS,
    channel_key,
    conversation,
    read_turns,
)
from storage.tables import OPENLY, RESETS, SHOWN_BESIDE, THREADED, feedback, turns


class SqlConversations:
    def __init__(self, database: Database) -> None:
        self.database = database

    async def seen(self, platform: str, account: str, since: datetime) -> list[Seen]:
        here = {"platform": platform, "account": account, "since": since}
        return await self.database.read(
            lambda connection: [
                Seen(
                    ThreadRef(ChannelRef(platform, account, row.channel), row.thread),
                    row.message,
                    row.at,
                )
                for row in connection.execute(SEEN, here)
            ]
        )

    async def takes_part(self, thread: ThreadRef) -> bool:
        return await self._any(SPOKEN, conversation(thread))

    async def can_quote(self, turn: Turn) -> bool:
        where = {**conversation(turn.message.thread), "before": turn.id}
        return not await self._any(LEFT_BEHIND, where)

    async def latest(self, turn: Turn, limit: int) -> tuple[Turn, ...]:
        where = {**channel_key(turn.message.ref.channel), "before": turn.id, "limit": limit}
        found = await self.database.read(lambda connection: read_turns(connection, LATEST, where))
        return tuple(replace(turn, recipe=None) for turn in reversed(found))

    async def own_last(self, turn: Turn, but: Collection[int] = ()) -> int | None:
        asked = turn.message
        where: dict[str, Any] = {
            **conversation(asked.thread),
            "before": turn.id,
            "author": asked.author.id,
            "but": [*but],
        }

        def work(connection: Connection) -> int | None:
            found: int | None = connection.scalar(OWN.where(CONVERSATION), where)
            if found is None and asked.private:
                del where["thread"]
                found = connection.scalar(OWN, where)
            return found

        return await self.database.read(work)

    async def is_first(self, turn: Turn) -> bool:
        where = {**channel_key(turn.message.ref.channel), "before": turn.id}
        return not await self._any(EARLIER, where)

    async def voted(self, channel: ChannelRef) -> bool:
        return await self._any(VOTED, channel_key(channel))

    async def _any(self, query: Any, where: Mapping[str, Any]) -> bool:
        return await self.database.read(
            lambda connection: connection.scalar(query, where) is not None
        )


BEFORE = turns.c.id < bindparam("before")
SPOKEN = select(turns.c.id).where(CONVERSATION, text(THREADED), text(OPENLY)).limit(1)
# A forgotten turn has no author any more.
LEFT_BEHIND = (
    select(turns.c.id)
    .where(CONVERSATION, text(THREADED), BEFORE, or_(text(RESETS), turns.c.author_id == ""))
    .limit(1)
)
EARLIER = select(turns.c.id).where(CHANNEL, BEFORE).limit(1)
_reset = select(func.max(turns.c.id)).where(CHANNEL, BEFORE, text(RESETS)).scalar_subquery()
LATEST = (
    WHOLE_TURNS.where(CHANNEL, BEFORE, turns.c.id > func.coalesce(_reset, 0), text(SHOWN_BESIDE))
    .order_by(turns.c.id.desc())
    .limit(bindparam("limit"))
)
OWN = (
    select(turns.c.id)
    .where(
        CHANNEL,
        BEFORE,
        turns.c.author_id == bindparam("author"),
        func.coalesce(turns.c.outcome, "") != "command",  # none yet: it is being answered
        turns.c.id.not_in(bindparam("but", expanding=True)),
        ~turns.c.deleted,
    )
    .order_by(turns.c.id.desc())
    .limit(1)
)
VOTED = select(turns.c.id).join(feedback).where(CHANNEL).limit(1)

_recent = (
    select(
        turns.c.channel,
        turns.c.thread,
        turns.c.message,
        turns.c.at,
        func.row_number()
        .over(
            partition_by=(turns.c.channel, turns.c.thread),
            order_by=(turns.c.at.desc(), turns.c.id.desc()),
        )
        .label("place"),
    )
    .where(
        turns.c.platform == bindparam("platform"),
        turns.c.account == bindparam("account"),
        turns.c.at > bindparam("since"),
        text(OPENLY),
    )
    .subquery()
)
SEEN = select(_recent).where(_recent.c.place == 1).order_by(_recent.c.at.desc())
