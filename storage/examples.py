"""What may stand as an example in a prompt, and what stood there, in SQL.

An example is kept by the ids of its turn and of its correction's author. Its words stay where they
are: whoever edits, deletes or forgets them does so here too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    text,
)

from core.types import Correction, Example, Exchange, Turn
from storage.consents import allowed
from storage.database import Database
from storage.rows import CHANNEL, channel_key
from storage.standing import not_left_out, still_meant
from storage.tables import MAY_LEAD, QUOTED, corrections, examples, feedback, turns


class SqlExamples:
    def __init__(self, database: Database) -> None:
        self.database = database

    async def exchanges(self, turn: Turn, limit: int) -> list[Exchange]:
        where = {**channel_key(turn.message.ref.channel), "before": turn.id, "limit": limit}

        def work(connection: Connection) -> list[Exchange]:
            newest = connection.execute(NEWEST, where).all()
            if not newest:
                return []
            scores: dict[int, dict[str, int]] = defaultdict(dict)
            for row in connection.execute(SCORES, where):
                scores[row.turn_id][row.author_id] = row.score
            said: dict[int, list[Correction]] = defaultdict(list)
            for row in connection.execute(CORRECTIONS, where):
                said[row.turn_id].append(Correction(**row._mapping))
            return [
                Exchange(row.id, row.question, row.answer, scores[row.id], tuple(said[row.id]))
                for row in newest
            ]

        return await self.database.read(work)


def put_examples(connection: Connection, turn_id: int, shown: Sequence[Example]) -> None:
    """Instead of those of an earlier try. Who forgot meanwhile leaves no id behind."""
    connection.execute(DROP, {"turn": turn_id})
    rows = [
        {
            "turn_id": turn_id,
            "number": number,
            "source_id": example.turn_id,
            "author_id": example.corrected_by,
        }
        for number, example in enumerate(shown)
    ]
    if rows:
        connection.execute(examples.insert(), rows)
        connection.execute(DROP_FORGOTTEN, {"turn": turn_id})


def drop_examples(connection: Connection, where: ColumnElement[bool]) -> set[int]:
    """The turns whose prompts showed them."""
    return set(connection.scalars(delete(examples).where(where).returning(examples.c.turn_id)))


# Its later turns were shown what one of them quoted, and so may say it again. Where no thread is,
# the channel goes on for ever: only those are meant whose own prompts showed it.
_quoting = turns.alias("quoting")
BEHIND_A_QUOTE = exists().where(
    _quoting.c.platform == bindparam("platform"),
    _quoting.c.account == bindparam("account"),
    _quoting.c.channel == bindparam("channel"),
    _quoting.c.thread == turns.c.thread,
    or_(
        turns.c.thread != "",
        _quoting.c.id.between(func.coalesce(turns.c.first, turns.c.id), turns.c.id),
    ),
    _quoting.c.model.is_not(None),  # else nobody was shown it
    text(QUOTED),
)
# First the bound, then whose words they are: PostgreSQL else takes the bound for none at all.
_newest = (
    select(turns.c.id)
    .where(CHANNEL, turns.c.id < bindparam("before"), text(MAY_LEAD))
    .order_by(turns.c.id.desc())
    .limit(bindparam("limit"))
    .subquery()
)
NEWEST = (
    select(turns.c.id, turns.c.question, turns.c.answer)
    .join(_newest, _newest.c.id == turns.c.id)
    .where(
        allowed("channel", turns.c.channel),
        allowed("person", turns.c.author_id),
        ~BEHIND_A_QUOTE,
    )
    .order_by(turns.c.id.desc())
)
SCORES = (
    select(feedback.c.turn_id, feedback.c.author_id, feedback.c.score)
    .join(_newest, _newest.c.id == feedback.c.turn_id)
    .join(turns, turns.c.id == feedback.c.turn_id)
    .where(allowed("person", feedback.c.author_id), not_left_out(feedback))
)
CORRECTIONS = (
    select(corrections)
    .join(_newest, _newest.c.id == corrections.c.turn_id)
    .join(turns, turns.c.id == corrections.c.turn_id)
    .where(allowed("person", corrections.c.author_id), not_left_out(corrections), still_meant())
)
DROP = delete(examples).where(examples.c.turn_id == bindparam("turn"))
DROP_FORGOTTEN = DROP.where(
    examples.c.author_id != "",
    ~select(corrections.c.turn_id)
    .where(
        corrections.c.turn_id == examples.c.source_id,
        corrections.c.author_id == examples.c.author_id,
    )
    .exists(),
)
