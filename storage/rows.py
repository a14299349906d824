"""From the core's types to rows and back, and the queries that read whole turns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, select

from core.types import (
    Author,
    ChannelRef,
    IncomingMessage,
    MessageRef,
    Outcome,
    Recipe,
    Status,
    ThreadRef,
    Turn,
)
from storage.tables import replies, texts, turns

WHOLE_TURNS = select(turns, texts.c.text.label("system")).join_from(turns, texts, isouter=True)
REPLIES = (
    select(replies)
    .where(replies.c.turn_id.in_(bindparam("ids", expanding=True)))
    .order_by(replies.c.id)
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
    }


def read_turns(
    connection: Connection, query: Select[Any], parameters: Mapping[str, Any] | None = None
) -> list[Turn]:
    """The turns of a query that is made of WHOLE_TURNS, in its order."""
    rows = (connection.execute(query, parameters)).all()
    parts: dict[int, list[Row[Any]]] = defaultdict(list)
    if rows:
        for part in connection.execute(REPLIES, {"ids": [row.id for row in rows]}):
            parts[part.turn_id].append(part)
    return [turn_of(row, parts[row.id]) for row in rows]


def turn_of(row: Row[Any], parts: list[Row[Any]]) -> Turn:
    channel = ChannelRef(row.platform, row.account, row.channel)
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
        ),
        status=cast(Status, row.status),
        outcome=cast(Outcome | None, row.outcome),
        answer=row.answer,
        recipe=Recipe(row.model, row.system, row.first, row.digest) if row.digest else None,
        replies=tuple(
            MessageRef(ChannelRef(part.platform, part.account, part.channel), part.message)
            for part in parts
            if part.message is not None
        ),
        placing=any(part.message is None for part in parts),
        tries=row.tries,
    )
