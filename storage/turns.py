"""The life of a turn in SQL: heard, answered, shown; and what a conversation remembers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    Connection,
    Update,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    select,
    text,
    update,
)

from core.errors import StoreError
from core.types import Author, History, IncomingMessage, MessageRef, Outcome, Quoted, Recipe, Turn
from storage.database import Database
from storage.examples import put_examples
from storage.rows import (
    BY_ID,
    CONVERSATION,
    WHOLE_TURNS,
    conversation,
    heard_row,
    message_key,
    read_examples,
    read_turns,
)
from storage.tables import COUNTS, OPEN, PROMPTED, RESETS, quotes, replies, texts, tunes, turns

KEY = "platform", "account", "channel", "message"


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
        messages = [as_it_may_be_kept(connection, message) for message in messages]
        rows = [heard_row(message) for message in messages]
        ids = {tuple(key): id for id, *key in self.insert_new(connection, rows)}
        new = [ids.pop(tuple(row[column] for column in KEY), None) for row in rows]
        for turn_id, message in zip(new, messages, strict=True):
            if turn_id is not None and message.replies_to:
                put_quotes(connection, turn_id, [message.replies_to])
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

    async def heard(self, ref: MessageRef) -> Turn | None:
        key = message_key(ref)
        found = await self.database.read(lambda connection: read_turns(connection, BY_KEY, key))
        return found[0] if found else None

    async def unanswered(self, platform: str, account: str) -> list[Turn]:
        here = {"platform": platform, "account": account}
        return await self.database.read(lambda connection: read_turns(connection, INBOX, here))

    async def history(self, turn: Turn, limit: int) -> History:
        where = {**conversation(turn.message.thread), "before": turn.id}

        def work(connection: Connection) -> History:
            frame = connection.execute(FRAME, where).one()
            shown = read_turns(
                connection, SHOWN, {**where, "first": frame.first, "limit": limit}, led=None
            )
            shown.reverse()
            led = read_examples(connection, [frame.led])[frame.led] if frame.led else ()
            begins_at = shown[0].id if shown else None
            ahead = read_ahead(connection, shown[0].recipe, frame.first) if shown else ()
            return History(tuple(shown), begins_at == frame.oldest, ahead, tuple(led))

        return await self.database.read(work)

    async def asked_before(self, turn: Turn, limit: int) -> tuple[Turn, ...]:
        thread = turn.message.thread
        where = {**conversation(thread), "before": turn.id, "limit": limit}

        def work(connection: Connection) -> tuple[Turn, ...]:
            found = []
            for row in reversed(connection.execute(ASKED, where).all()):
                ref, who = MessageRef(thread.channel, row.message), Author(row.author_id, "")
                message = IncomingMessage(ref, thread, who, "", True, row.at)
                found.append(Turn(row.id, message, recipe=Recipe(row.model, "", None, "")))
            return tuple(found)

        return await self.database.read(work)

    async def began(self, turn_id: int, recipe: Recipe | None) -> None:
        def work(connection: Connection) -> None:
            if recipe is None:
                change(connection, TRY, turn_id)
                return
            hash = hashlib.sha256(recipe.system.encode()).hexdigest()
            if connection.scalar(KNOWN_TEXT, {"hash": hash}) is None:
                connection.execute(texts.insert(), {"hash": hash, "text": recipe.system})
            prompt = {
                "model": recipe.model,
                "first": recipe.first,
                "digest": recipe.digest,
                "quoted": bool(recipe.quotes),
                "ahead": " ".join(map(str, recipe.ahead)),
                "led": bool(recipe.examples),
            }
            change(connection, TRY_PROMPT, turn_id, hash=hash, **prompt)
            put_quotes(connection, turn_id, recipe.quotes)
            if recipe.examples:
                put_examples(connection, turn_id, recipe.examples)

        await self.database.write(work)

    async def let_go(self, turn_id: int) -> None:
        await self._change(turn_id, tries=0)

    async def placing(self, turn_id: int) -> None:
        await self.database.write(lambda connection: begin_reply(connection, turn_id))

    async def placed(self, turn_id: int, reply: MessageRef) -> None:
        def work(connection: Connection) -> None:
            here, placing = message_key(reply), {"turn": turn_id}
            if connection.scalar(KNOWN_REPLY, here):
                connection.execute(DROP_PLACING, placing)
            elif not connection.execute(PLACE, {**placing, **here}).rowcount:
                begin_reply(connection, turn_id)
                connection.execute(PLACE, {**placing, **here})

        await self.database.write(work)

    async def settle(self, turn_id: int, answer: str, outcome: Outcome) -> None:
        def work(connection: Connection) -> None:
            change(connection, SETTLE, turn_id, said=answer, outcome=outcome)

        await self.database.write(work)

    async def finish(self, turn_id: int) -> None:
        await self._change(turn_id, status="done")

    async def reset(self, turn_id: int) -> None:
        await self._change(turn_id, resets=True)

    async def _change(self, turn_id: int, **values: Any) -> None:
        await self.database.write(lambda connection: change(connection, CHANGE, turn_id, **values))


def change(connection: Connection, how: Update, turn_id: int, **values: Any) -> None:
    if connection.execute(how, {"turn": turn_id, **values}).rowcount != 1:
        raise StoreError(f"There is no turn {turn_id}.")


def read_ahead(connection: Connection, recipe: Recipe | None, first: int) -> tuple[Turn, ...]:
    """What stood ahead of a conversation's first turn and may still be shown, from `first` on."""
    ids = [id for id in recipe.ahead if id >= first] if recipe else []
    if not ids:
        return ()
    found = read_turns(connection, AHEAD, {"turn_ids": ids})
    return tuple(replace(turn, recipe=None) for turn in found)


def as_it_may_be_kept(connection: Connection, message: IncomingMessage) -> IncomingMessage:
    """Without what it replies to, where that was taken back here: it is not to come back."""
    quote = message.replies_to
    if quote and connection.scalar(WAS_DELETED, message_key(quote.ref)):
        return replace(message, replies_to=None)
    return message


def put_quotes(connection: Connection, turn_id: int, said: Sequence[Quoted]) -> None:
    """Instead of those of an earlier try; none where the turn was deleted meanwhile."""
    connection.execute(DROP_QUOTES, {"turn": turn_id})
    if not said or connection.scalar(IS_DELETED, {"turn": turn_id}):
        return
    rows = [
        {
            "turn_id": turn_id,
            "number": number,
            "message": quote.ref.id,
            "author_id": quote.author.id,
            "author_name": quote.author.name,
            "text": quote.text,
            "at": quote.at,
        }
        for number, quote in enumerate(said)
    ]
    connection.execute(quotes.insert(), rows)


def begin_reply(connection: Connection, turn_id: int) -> None:
    """See to it that there is one row for a message that has no id yet."""
    made_now = connection.scalar(BEGIN_REPLY, {"turn": turn_id})
    if made_now is None and connection.scalar(PLACING, {"turn": turn_id}) is None:
        raise StoreError(f"There is no turn {turn_id}.")


# Made once: building a statement costs as much as running it.

CHANGE = update(turns).where(turns.c.id == bindparam("turn"))
TRY = CHANGE.values(tries=turns.c.tries + 1)
KNOWN_TEXT = select(texts.c.id).where(texts.c.hash == bindparam("hash"))
TRY_PROMPT = TRY.values(system_id=KNOWN_TEXT.scalar_subquery())
DROP_QUOTES = delete(quotes).where(quotes.c.turn_id == bindparam("turn"))
IS_DELETED = select(turns.c.deleted).where(turns.c.id == bindparam("turn"))
# A message that was deleted meanwhile leaves no words behind, and is not shown again.
SETTLE = CHANGE.values(
    answer=case((turns.c.deleted, ""), else_=bindparam("said")),
    status=case((turns.c.deleted, "done"), else_="final"),
)
IS_PLACING = and_(replies.c.turn_id == bindparam("turn"), replies.c.message.is_(None))
PLACING = select(replies.c.id).where(IS_PLACING)
DROP_PLACING = delete(replies).where(IS_PLACING)
PLACE = update(replies).where(IS_PLACING)
KNOWN_REPLY = select(replies.c.id).where(
    *(replies.c[column] == bindparam(column) for column in KEY)
)
# Where the question is.
BEGIN_REPLY = (
    replies.insert()
    .from_select(
        ("turn_id", *KEY[:3]),
        select(turns.c.id, *(turns.c[column] for column in KEY[:3])).where(
            turns.c.id == bindparam("turn"), ~PLACING.exists()
        ),
    )
    .returning(replies.c.id)
)
HEARD = (
    *KEY,
    "thread",
    "author_id",
    "author_name",
    "question",
    "at",
    "private",
    "place",
    "unread",
    "quoted",
)
IS_IT = [turns.c[column] == bindparam(column) for column in KEY]
BY_KEY = WHOLE_TURNS.where(*IS_IT)
WAS_DELETED = select(turns.c.deleted).where(*IS_IT)
INBOX = WHOLE_TURNS.where(
    turns.c.platform == bindparam("platform"),
    turns.c.account == bindparam("account"),
    text(OPEN),
).order_by(turns.c.id)
BEFORE = turns.c.id < bindparam("before")

# Four ids, each found by one look into a partial index: where the conversation was reset, where
# the previous prompt began, which turn had it, if it showed examples, and the oldest turn that
# counts. None depends on how much is stored.
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
_by_a_tune = tunes.c.name == turns.c.model  # which is shown no examples, whatever stands ahead
_led = (
    select(case((turns.c.led, turns.c.id)))
    .where(CONVERSATION, BEFORE, AFTER_RESET, text(PROMPTED), ~exists().where(_by_a_tune))
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
    _led.label("led"),
)
AHEAD = BY_ID.where(text(COUNTS))
ASKED = (
    select(turns.c.id, turns.c.message, turns.c.author_id, turns.c.at, turns.c.model)
    .where(CONVERSATION, BEFORE, AFTER_RESET, text(PROMPTED))
    .order_by(turns.c.id.desc())
    .limit(bindparam("limit"))
)
SHOWN = (
    WHOLE_TURNS.where(CONVERSATION, BEFORE, turns.c.id >= bindparam("first"), text(COUNTS))
    .order_by(turns.c.id.desc())
    .limit(bindparam("limit"))
)
