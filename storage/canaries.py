"""The canary in SQL: which one runs, what people said of it, and how each ended."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from sqlalchemy import Connection, and_, bindparam, exists, func, or_, select, text, update

from core.types import Canary, CanaryOutcome, ChannelRef, Label, Score, ThreadRef
from storage.database import Database
from storage.openings import openings_of
from storage.rows import CONVERSATION, conversation
from storage.standing import not_left_out
from storage.tables import PROMPTED, canaries, feedback, servings, tunes, turns
from storage.tunes import is_forgotten, now_serving


class SqlCanaries:
    def __init__(self, database: Database) -> None:
        self.database = database

    async def answering(self) -> tuple[str | None, Canary | None]:
        return await self.database.read(
            lambda connection: (now_serving(connection)[1], running(connection))
        )

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
                if went_before(connection, *talk, rows[0].after, rows[0].by)
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
                    talk in older,
                )
                for row, thread, talk in zip(rows, threads, talks, strict=True)
            ]

        return await self.database.read(work)


def went_before(
    connection: Connection, thread: ThreadRef, opening: str, after: int, by: str | None
) -> bool:
    """Whether the conversation is from before the turn `after`: then it keeps its model, whatever
    the lot says, but where only the person `by` had asked. `opening`: its first message, or where
    it goes on from before, the newest until then; "": a thread's.
    """
    where = {**conversation(thread), "until": after, "starter": by or "", "opening": opening}
    return connection.scalar(BEFORE if thread.thread else NEWEST_BEFORE, where) is not None


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
SAY_WHY = (
    update(tunes)
    .where(tunes.c.name == bindparam("which"))
    .values(summary=tunes.c.summary + bindparam("added"))
)
_starter = turns.c.platform + ":" + turns.c.account + ":" + turns.c.author_id
BEFORE = (
    select(turns.c.id)
    .where(
        CONVERSATION,
        turns.c.id <= bindparam("until"),
        text(PROMPTED),
        _starter != bindparam("starter"),
    )
    .limit(1)
)
NEWEST_BEFORE = BEFORE.where(turns.c.message == bindparam("opening"))
# By the key of what was voted on: nothing that was said before the canary is looked at.
LABELS = (
    select(
        turns.c.id,
        turns.c.message,
        canaries.c.after,
        canaries.c.by,
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
