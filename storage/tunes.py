"""The tunes in SQL, and the log of what served."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, exists, select

from core.types import Tune
from storage.database import Database
from storage.tables import servings, tune_names, tunes


class SqlTunes:
    def __init__(self, database: Database) -> None:
        self.database = database

    async def tunes(self) -> list[Tune]:
        def work(connection: Connection) -> list[Tune]:
            rows = connection.execute(select(tunes).order_by(tunes.c.at, tunes.c.name))
            return [
                Tune(
                    row.name,
                    row.base,
                    row.path,
                    row.status,
                    tuple(row.turns),
                    row.summary,
                    row.at,
                )
                for row in rows
            ]

        return await self.database.read(work)

    async def put_tune(self, tune: Tune) -> None:
        values = {
            "name": tune.name,
            "base": tune.base,
            "path": tune.path,
            "status": tune.status,
            "turns": list(tune.turns),
            "summary": tune.summary,
            "at": tune.at,
        }

        def work(connection: Connection) -> None:
            insert = self.database.insert(tunes).values(values)
            connection.execute(
                insert.on_conflict_do_update(index_elements=[tunes.c.name], set_=values)
            )

        await self.database.write(work)

    async def next_tune(self) -> str:
        def work(connection: Connection) -> str:
            while True:
                taken = tune_names.insert().values(at=datetime.now(UTC))
                number = connection.scalar(taken.returning(tune_names.c.number))
                name = f"mynah@{number:06}"
                if not connection.scalar(select(exists().where(tunes.c.name == name))):
                    return name

        return await self.database.write(work)

    async def serving(self) -> str | None:
        return await self.database.read(lambda connection: now_serving(connection)[1])

    async def serve(self, name: str | None, at: datetime) -> None:
        def work(connection: Connection) -> None:
            now, serves = now_serving(connection)
            if serves != name:
                connection.execute(servings.insert().values(name=name, back_to=now, at=at))

        await self.database.write(work)

    async def roll_back(self, at: datetime) -> str | None:
        def work(connection: Connection) -> str | None:
            now, serves = now_serving(connection)
            before = connection.execute(
                select(earlier.c.name, earlier.c.back_to)
                .join(servings, servings.c.back_to == earlier.c.id)
                .where(servings.c.id == now)
            )
            name, back_to = before.one_or_none() or (None, None)
            if serves != name:
                row = {"name": name, "back_to": back_to, "at": at}
                connection.execute(servings.insert().values(row))
            return name

        return await self.database.write(work)


earlier = servings.alias("earlier")
LAST = select(servings.c.id, servings.c.name).order_by(servings.c.id.desc()).limit(1)


def now_serving(connection: Connection) -> tuple[int | None, str | None]:
    """The last row's id and name; without a row the base serves."""
    last = (connection.execute(LAST)).one_or_none()
    return last or (None, None)
