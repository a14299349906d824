"""The life of a turn in SQL: heard, answered, shown; and what a conversation remembers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, case, delete, func, select, text, update

from core.errors import StoreError
from core.types import History, IncomingMessage, MessageRef, Outcome, Recipe, Turn
from storage.database import Database
from storage.rows import (
    CONVERSATION,
    WHOLE_TURNS,
    conversation,
    heard_row,
    message_is,
    message_key,
    read_turns,
)
from storage.tables import COUNTS, OPEN, PROMPTED, RESETS, replies, texts, turns


class SqlTurns:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.insert_new = database.new_rows(turns, HEARD, ("id", *KEY))

    async def hear(self, message: IncomingMessage) -> Turn | None:
        return await self.database.writer.together(self._hear, message)

    def _hear(
        self, connection: Connection, messages: Sequence[IncomingMessage]
    ) -> Sequence[Turn | None]:
        """All in one statement. Of doubles among them, the first begins the turn."""
        rows = [heard_row(message) for message in messages]
        ids = {tuple(key): id for id, *key in self.insert_new(connection, rows)}
        new = [ids.pop(tuple(row[column] for column in KEY), None) for row in rows]
        return [
            None if turn_id is None else Turn(turn_id, message)
            for turn_id, message in zip(new, messages, strict=True)
        ]

    async def turn(self, turn_id: int) -> Turn:
        query = WHOLE_TURNS.where(turns.c.id == turn_id)
        found = await self.database.read(lambda connection: read_turns(connection, query))
        if not found:
            raise StoreError(f"There is no turn {turn_id}.")
        return found[0]

    async def unanswered(self, platform: str, account: str) -> list[Turn]:
        here = {"platform": platform, "account": account}
        return await self.database.read(lambda connection: read_turns(connection, INBOX, here))

    async def history(self, turn: Turn, limit: int) -> History:
        where = {**conversation(turn.message.thread), "before": turn.id}

        def work(connection: Connection) -> History:
            frame = connection.execute(FRAME, where).one()
            shown = read_turns(connection, SHOWN, {**where, "first": frame.first, "limit": limit})
            shown.reverse()
            begins_at = shown[0].id if shown else None
            return History(tuple(shown), whole=begins_at == frame.oldest)

        return await self.database.read(work)

    async def began(self, turn_id: int, recipe: Recipe | None) -> None:
        def work(connection: Connection) -> None:
            values: dict[str, Any] = {"tries": turns.c.tries + 1}
            if recipe is not None:
                values |= {
                    "model": recipe.model,
                    "system_id": self._keep(connection, recipe.system),
                    "first": recipe.first,
                    "digest": recipe.digest,
                }
            change_turn(connection, turn_id, values)

        await self.database.write(work)

    def _keep(self, connection: Connection, system: str) -> int:
        """The id of a system text, which is stored once."""
        digest = hashlib.sha256(system.encode()).hexdigest()
        found = select(texts.c.id).where(texts.c.hash == digest)
        id: int | None = connection.scalar(found)
        if id is None:
            keep = self.database.insert(texts).values(hash=digest, text=system)
            id = connection.scalar(keep.returning(texts.c.id))
            assert id is not None
        return id

    async def let_go(self, turn_id: int) -> None:
        await self._change(turn_id, {"tries": 0})

    async def placing(self, turn_id: int) -> None:
        def work(connection: Connection) -> None:
            placing = replies.c.turn_id == turn_id, replies.c.message.is_(None)
            if connection.scalar(select(replies.c.id).where(*placing)) is None:
                begin_reply(connection, turn_id)

        await self.database.write(work)

    async def placed(self, turn_id: int, reply: MessageRef) -> None:
        def work(connection: Connection) -> None:
            placing = replies.c.turn_id == turn_id, replies.c.message.is_(None)
            if connection.scalar(select(replies.c.id).where(message_is(replies, reply))):
                connection.execute(delete(replies).where(*placing))  # known already
                return
            if connection.scalar(select(replies.c.id).where(*placing)) is None:
                begin_reply(connection, turn_id)
            connection.execute(update(replies).where(*placing).values(message_key(reply)))

        await self.database.write(work)

    async def settle(self, turn_id: int, answer: str, outcome: Outcome) -> None:
        # A message that was deleted meanwhile leaves no words behind, and is not shown again.
        await self._change(
            turn_id,
            {
                "answer": case((turns.c.deleted, ""), else_=answer),
                "status": case((turns.c.deleted, "done"), else_="final"),
                "outcome": outcome,
            },
        )

    async def finish(self, turn_id: int) -> None:
        await self._change(turn_id, {"status": "done"})

    async def reset(self, turn_id: int) -> None:
        await self._change(turn_id, {"resets": True})

    async def _change(self, turn_id: int, values: dict[str, Any]) -> None:
        def work(connection: Connection) -> None:
            change_turn(connection, turn_id, values)

        await self.database.write(work)


def change_turn(connection: Connection, turn_id: int, values: dict[str, Any]) -> None:
    changed = connection.execute(update(turns).where(turns.c.id == turn_id).values(values))
    if changed.rowcount != 1:
        raise StoreError(f"There is no turn {turn_id}.")


def begin_reply(connection: Connection, turn_id: int) -> None:
    """A row for a message that has no id yet, where the question is."""
    columns = "turn_id", "platform", "account", "channel"
    source = select(turns.c.id, *(turns.c[column] for column in columns[1:]))
    made = replies.insert().from_select(columns, source.where(turns.c.id == turn_id))
    if connection.scalar(made.returning(replies.c.id)) is None:
        raise StoreError(f"There is no turn {turn_id}.")


KEY = "platform", "account", "channel", "message"
HEARD = (*KEY, "thread", "author_id", "author_name", "question", "at", "private")
INBOX = WHOLE_TURNS.where(
    turns.c.platform == bindparam("platform"),
    turns.c.account == bindparam("account"),
    text(OPEN),
).order_by(turns.c.id)
BEFORE = turns.c.id < bindparam("before")

# Three ids, each found by one look into a partial index: where the conversation was reset, where
# the previous prompt began, and the oldest turn that counts. None depends on how much is stored.
_reset = (
    select(turns.c.id)
    .where(CONVERSATION, BEFORE, text(RESETS))
    .order_by(turns.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
AFTER_RESET = turns.c.id > func.coalesce(_reset, 0)
_previous = (
    select(func.coalesce(turns.c.first, turns.c.id))
    .where(CONVERSATION, BEFORE, AFTER_RESET, text(PROMPTED))
    .order_by(turns.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
_oldest = (
    select(turns.c.id)
    .where(CONVERSATION, BEFORE, AFTER_RESET, text(COUNTS))
    .order_by(turns.c.id)
    .limit(1)
    .scalar_subquery()
)
FRAME = select(
    func.coalesce(_previous, _reset + 1, 0).label("first"),
    _oldest.label("oldest"),
)
SHOWN = (
    WHOLE_TURNS.where(CONVERSATION, BEFORE, turns.c.id >= bindparam("first"), text(COUNTS))
    .order_by(turns.c.id.desc())
    .limit(bindparam("limit"))
)
