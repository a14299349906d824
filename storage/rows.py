"""From the core's types to rows and back, and the queries that read whole turns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, case, or_, select

from core.types import (
    Author,
    ChannelRef,
    Example,
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
from storage.consents import allowed
from storage.tables import corrections, examples, quotes, replies, texts, turns

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
CHANNEL = and_(
    turns.c.platform == bindparam("platform"),
    turns.c.account == bindparam("account"),
    turns.c.channel == bindparam("channel"),
)
CONVERSATION = and_(CHANNEL, turns.c.thread == bindparam("thread"))
# What of the examples may be shown still, with today's words. `turns`: where they were said.
EXAMPLES = (
    select(
        examples.c.turn_id,
        examples.c.source_id,
        examples.c.author_id,
        turns.c.question,
        case((examples.c.author_id == "", turns.c.answer), else_=corrections.c.text).label("said"),
    )
    .join_from(examples, turns, turns.c.id == examples.c.source_id)
    .outerjoin(
        corrections,
        and_(
            corrections.c.turn_id == examples.c.source_id,
            corrections.c.author_id == examples.c.author_id,
        ),
    )
    .where(
        examples.c.turn_id.in_(bindparam("ids", expanding=True)),
        or_(examples.c.author_id == "", corrections.c.text.is_not(None)),
        ~turns.c.deleted,
        allowed("channel", turns.c.channel),
        allowed("person", turns.c.author_id),
        allowed("person", examples.c.author_id),
    )
    .order_by(examples.c.turn_id, examples.c.number)
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
        "quoted": message.replies_to is not None,
    }


def read_turns(
    connection: Connection,
    query: Select[Any],
    parameters: Mapping[str, Any] | None = None,
    quoted: Select[Any] = QUOTES,
    led: Select[Any] | None = EXAMPLES,
) -> list[Turn]:
    """The turns of a query that is made of WHOLE_TURNS, in its order.

    `quoted`, `led`: which of the quotes and of the examples in their prompts come with them; None:
    no examples.
    """
    rows = (connection.execute(query, parameters)).all()
    parts = by_turn(connection, REPLIES, [row.id for row in rows])
    said = by_turn(connection, quoted, [row.id for row in rows if row.quoted])
    shown = read_examples(connection, [row.id for row in rows if row.led], led)
    return [turn_of(row, parts[row.id], said[row.id], shown[row.id]) for row in rows]


def read_examples(
    connection: Connection, ids: list[int], query: Select[Any] | None = EXAMPLES
) -> Mapping[int, list[Example]]:
    """By the turn whose prompt showed them."""
    found: dict[int, list[Example]] = defaultdict(list)
    if query is not None:
        for turn_id, rows in by_turn(connection, query, ids).items():
            found[turn_id] = [
                Example(row.source_id, row.question, row.said, row.author_id) for row in rows
            ]
    return found


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


def turn_of(row: Row[Any], parts: list[Row[Any]], said: list[Row[Any]], led: list[Example]) -> Turn:
    channel = ChannelRef(row.platform, row.account, row.channel)
    recipe = None
    shown = tuple(
        Quoted(MessageRef(channel, q.message), Author(q.author_id, q.author_name), q.text, q.at)
        for q in said
    )
    if row.digest:
        ahead = tuple(map(int, row.ahead.split()))
        recipe = Recipe(row.model, row.system, row.first, row.digest, shown, ahead, tuple(led))
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
            replies_to=None if recipe else next(iter(shown), None),
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
