"""The nights in SQL: a unique row for each local date decides who has it."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Connection, delete, select, update

from core.types_learning import Night
from storage.database import Database
from storage.tables import job_runs

LAST = (
    select(job_runs.c.day, job_runs.c.began, job_runs.c.outcome)
    .order_by(job_runs.c.began.desc())
    .limit(1)
)


class SqlNights:
    def __init__(self, database: Database) -> None:
        self.database = database

    async def begin_night(self, day: date, at: datetime) -> bool:
        row = self.database.insert(job_runs).values(day=day, began=at).on_conflict_do_nothing()
        new = row.returning(job_runs.c.day)
        return await self.database.write(lambda connection: connection.scalar(new) is not None)

    async def end_night(self, day: date, outcome: str, at: datetime) -> None:
        this = update(job_runs).where(job_runs.c.day == day)

        def work(connection: Connection) -> None:
            connection.execute(this.values(ended=at, outcome=outcome))

        await self.database.write(work)

    async def give_back_night(self, day: date) -> None:
        this = delete(job_runs).where(job_runs.c.day == day, job_runs.c.outcome.is_(None))

        def work(connection: Connection) -> None:
            connection.execute(this)

        await self.database.write(work)

    async def last_night(self) -> Night | None:
        def work(connection: Connection) -> Night | None:
            row = connection.execute(LAST).one_or_none()
            return Night(*row) if row else None

        return await self.database.read(work)
