"""From the core's types to rows and back, and the queries that read whole turns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, select

from core.types import (
    Author,
    ChannelRef,
    IncomingMessage,
    MessageRef,
    Outcome,
    Place,
    Quoted,
    Recipe,
    Status,
    ThreadRef,
    Turn,
)
from storage.tables import quotes, replies, texts, turns

WHOLE_TURNS = select(turns, texts.c.text.label("system")).join_from(turns, texts, isouter=True)
REPLIES = (
    select(replies)
    .where(replies.c.turn_id.in_(bindparam("ids", expanding=True)))
    .order_by(replies.c.id)
)
BY_ID = WHOLE_TURNS.where(turns.c.id.in_(bindparam("turn_ids", expanding=True))).order_by(
    turns.c.id
)
QUOTES = (
    select(quotes)
    .where(quotes.c.turn_id.in_(bindparam("ids", expanding=True)))
    .order_by(quotes.c.turn_id, quotes.c.number)
)
CONVERSATION = and_(
    turns.c.platform == bindparam("platform"),
    turns.c.account == bindparam("account"),
    turns.c.channel == bindparam("channel"),
    turns.c.thread == bindparam("thread"),
)


def conversation(thread: ThreadRef) -> dict[str, str]:
    """The parameters of CONVERSATION."""
    return {**channel_key(thread.channel), "thread": thread.thread}


def channel_key(channel: ChannelRef) -> dict[str, str]:
    return {"platform": channel.platform, "account": channel.account, "channel": channel.id}


def message_key(ref: MessageRef) -> dict[str, str]:
    return {**channel_key(ref.channel), "message": ref.id}


def message_is(table: Any, ref: MessageRef) -> ColumnElement[bool]:
    return and_(*(table.c[column] == value for column, value in message_key(ref).items()))


def channel_is(table: Any, ref: ChannelRef) -> ColumnElement[bool]:
    return and_(*(table.c[column] == value for column, value in channel_key(ref).items()))


def heard_row(message: IncomingMessage) -> dict[str, Any]:
    channel = message.ref.channel
    return {
        "platform": channel.platform,
        "account": channel.account,
        "channel": channel.id,
        "message": message.ref.id,
        "thread": message.thread.thread,
        "author_id": message.author.id,
        "author_name": message.author.name,
        "question": message.text,
        "at": message.at,
        "private": message.private,
        "place": message.place,
        "unread": "\n".join(name.replace("\n", " ") for name in message.unread),
    }


def read_turns(
    connection: Connection,
    query: Select[Any],
    parameters: Mapping[str, Any] | None = None,
    quoted: Select[Any] = QUOTES,
) -> list[Turn]:
    """The turns of a query that is made of WHOLE_TURNS, in its order."""
    rows = (connection.execute(query, parameters)).all()
    parts = by_turn(connection, REPLIES, [row.id for row in rows])
    said = by_turn(connection, quoted, [row.id for row in rows if row.quoted])
    return [turn_of(row, parts[row.id], said[row.id]) for row in rows]


def by_turn(
    connection: Connection, query: Select[Any], ids: list[int]
) -> Mapping[int, list[Row[Any]]]:
    found: dict[int, list[Row[Any]]] = defaultdict(list)
    for some in batched(ids):
        for row in connection.execute(query, {"ids": some}):
            found[row.turn_id].append(row)
    return found


def batched(ids: Sequence[int], size: int = 500) -> Iterator[Sequence[int]]:
    """PostgreSQL binds at most 65,535 values in a statement, SQLite as a rule 32,766."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def turn_of(row: Row[Any], parts: list[Row[Any]], said: list[Row[Any]]) -> Turn:
    channel = ChannelRef(row.platform, row.account, row.channel)
    recipe = None
    if row.digest:
        shown = tuple(
            Quoted(MessageRef(channel, q.message), Author(q.author_id, q.author_name), q.text, q.at)
            for q in said
        )
        ahead = tuple(map(int, row.ahead.split()))
        recipe = Recipe(row.model, row.system, row.first, row.digest, shown, ahead)
    return Turn(
        id=row.id,
        message=IncomingMessage(
            ref=MessageRef(channel, row.message),
            thread=ThreadRef(channel, row.thread),
            author=Author(row.author_id, row.author_name),
            text=row.question,
            addressed=True,  # nothing else is heard
            at=row.at,
            private=row.private,
            place=cast(Place, row.place),
            unread=tuple(row.unread.split("\n")) if row.unread else (),
        ),
        status=cast(Status, row.status),
        outcome=cast(Outcome | None, row.outcome),
        answer=row.answer,
        recipe=recipe,
        replies=tuple(
            MessageRef(ChannelRef(part.platform, part.account, part.channel), part.message)
            for part in parts
            if part.message is not None
        ),
        placing=any(part.message is None for part in parts),
        tries=row.tries,
    )
