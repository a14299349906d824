"""The canary in SQL: which one runs, what people said of it, and how each ended."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    text,
    update,
)

from core.types import SILENCE, ChannelRef, Score, ThreadRef
from core.types_learning import Canary, CanaryOutcome, Label
from storage.database import Database
from storage.openings import openings_of
from storage.rows import CONVERSATION, conversation
from storage.standing import not_left_out
from storage.tables import PROMPTED, RESETS, canaries, feedback, servings, turns
from storage.tunes import SAY_WHY, is_forgotten, now_serving

MOST_OF_ONE = 100  # turns of a channel that are read to find another than who started the run


class SqlCanaries:
    def __init__(self, database: Database) -> None:
        self.database = database

    async def answering(self) -> tuple[str | None, Canary | None]:
        return await self.database.read(
            lambda connection: (now_serving(connection)[1], running(connection))
        )

    async def serve(self, name: str | None, at: datetime) -> tuple[bool, Canary | None]:
        def work(connection: Connection) -> tuple[bool, Canary | None]:
            now, serves = now_serving(connection)
            if name is not None and is_forgotten(connection, name):
                return False, None
            if old := running(connection) if name else None:
                end(connection, old.tune, "replaced", at, f"`{name}` replaced it.")
            if serves != name:
                connection.execute(servings.insert().values(name=name, back_to=now, at=at))
            return True, old

        return await self.database.write(work)

    async def begin_canary(self, canary: Canary) -> tuple[bool, Canary | None]:
        def work(connection: Connection) -> tuple[bool, Canary | None]:
            if is_forgotten(connection, canary.tune):
                return False, None
            if old := running(connection):
                end(connection, old.tune, "replaced", canary.at, f"`{canary.tune}` replaced it.")
            newest = connection.scalar(select(func.coalesce(func.max(turns.c.id), 0)))
            row = {
                "tune": canary.tune,
                "share": canary.share,
                "by": canary.by,
                "after": newest,
                "at": canary.at,
            }
            connection.execute(canaries.insert().values(row))
            return True, old

        return await self.database.write(work)

    async def end_canary(self, tune: str, outcome: CanaryOutcome, at: datetime, why: str) -> bool:
        def work(connection: Connection) -> bool:
            if outcome == "promoted" and is_forgotten(connection, tune):
                return False
            if not end(connection, tune, outcome, at, why):
                return False
            if outcome == "promoted":
                now, _ = now_serving(connection)
                connection.execute(servings.insert().values(name=tune, back_to=now, at=at))
            return True

        return await self.database.write(work)

    async def is_forgotten(self, tune: str) -> bool:
        return await self.database.read(lambda connection: is_forgotten(connection, tune))

    async def has_answered(self, tune: str) -> bool:
        ever = or_(exists().where(servings.c.name == tune), exists().where(canaries.c.tune == tune))
        return await self.database.read(lambda connection: bool(connection.scalar(select(ever))))

    async def labels(self) -> list[Label]:
        def work(connection: Connection) -> list[Label]:
            rows = connection.execute(LABELS).all()
            threads = [
                ThreadRef(ChannelRef(row.platform, row.account, row.channel), row.thread)
                for row in rows
            ]
            in_channels = (
                (row.id, thread, row.message)
                for row, thread in zip(rows, threads, strict=True)
                if not thread.thread
            )
            began = openings_of(connection, in_channels, rows[0].after) if rows else {}
            talks = [
                (thread, began.get(row.id, "")) for row, thread in zip(rows, threads, strict=True)
            ]
            older = {
                talk
                for talk in set(talks)
                if talk[1] and went_before(connection, *talk, rows[0].after, rows[0].by or "")
            }
            return [
                Label(
                    row.model,
                    thread,
                    row.author_id,
                    row.at,
                    row.voter,
                    cast(Score, row.score),
                    talk[1],
                    row.is_older if thread.thread else talk in older,
                )
                for row, thread, talk in zip(rows, threads, talks, strict=True)
            ]

        return await self.database.read(work)


def went_before(
    connection: Connection, thread: ThreadRef, opening: str, after: int, by: str
) -> bool:
    """Whether a conversation in a channel goes on from before the turn `after`, and others than the
    person `by` were answered in it: then it keeps its model, whatever the lot says. `opening`: as
    openings_of tells it.
    """
    where = {**conversation(thread), "until": after}
    later: datetime | None = None
    for row in connection.execute(GOING_ON, where):
        if later is None and row.message != opening:
            return False  # it began afterwards
        if later is not None and later - row.at > SILENCE:
            return False
        if row.who != by:
            return True
        later = row.at
    return False


def running(connection: Connection) -> Canary | None:
    row = connection.execute(RUNNING).one_or_none()
    return Canary(row.tune, row.share, row.by, row.at) if row else None


def end(connection: Connection, tune: str, outcome: CanaryOutcome, at: datetime, why: str) -> bool:
    """False: it does not run. `why` is added to what people read of the tune."""
    ending = {"which": tune, "ended_at": at, "how": outcome}
    if not connection.execute(END, ending).rowcount:
        return False
    connection.execute(SAY_WHY, {"which": tune, "added": f" {why}"})
    return True


RUNNING = select(canaries).where(canaries.c.ended.is_(None))
END = (
    update(canaries)
    .where(canaries.c.tune == bindparam("which"), canaries.c.ended.is_(None))
    .values(ended=bindparam("ended_at"), outcome=bindparam("how"))
)
_reset = (
    select(func.max(turns.c.id))
    .where(CONVERSATION, turns.c.id <= bindparam("until"), text(RESETS))
    .scalar_subquery()
)


def who_asked(table: FromClause) -> ColumnElement[str]:
    """As core.types.person names them."""
    of: ColumnElement[str] = table.c.platform + ":" + table.c.account + ":" + table.c.author_id
    return of


GOING_ON = (
    select(turns.c.message, turns.c.at, who_asked(turns).label("who"))
    .where(
        CONVERSATION,
        turns.c.id <= bindparam("until"),
        turns.c.id > func.coalesce(_reset, 0),
        text(PROMPTED),
    )
    .order_by(turns.c.id.desc())
    .limit(MOST_OF_ONE)
)
# In threads: that they were begun before, by others than who started the run.
_earlier = turns.alias("earlier")
IS_OLDER = exists().where(
    *(_earlier.c[name] == turns.c[name] for name in ("platform", "account", "channel", "thread")),
    _earlier.c.id <= canaries.c.after,
    _earlier.c.digest.is_not(None),
    who_asked(_earlier) != func.coalesce(canaries.c.by, ""),
)
# By the key of what was voted on: of what was said before the canary only whether it was.
LABELS = (
    select(
        turns.c.id,
        turns.c.message,
        canaries.c.after,
        canaries.c.by,
        IS_OLDER.label("is_older"),
        turns.c.platform,
        turns.c.account,
        turns.c.channel,
        turns.c.thread,
        turns.c.author_id,
        turns.c.at,
        turns.c.model,
        feedback.c.author_id.label("voter"),
        feedback.c.score,
    )
    .join_from(feedback, turns)
    .join(canaries, and_(canaries.c.ended.is_(None), feedback.c.turn_id > canaries.c.after))
    .where(turns.c.model.is_not(None), ~turns.c.deleted, not_left_out(feedback))
    .order_by(feedback.c.at, feedback.c.turn_id, feedback.c.author_id)
)
