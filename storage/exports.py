"""Which data sets were exported, in SQL."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select, update

from storage.database import Database
from storage.tables import exports


class SqlExports:
    def __init__(self, database: Database) -> None:
        self.database = database

    async def put_export(self, folder: str) -> None:
        insert = self.database.insert(exports).values(folder=folder, stale=0)
        await self.database.write(
            lambda connection: connection.execute(insert.on_conflict_do_nothing())
        )

    async def drop_export(self, folder: str) -> None:
        gone = delete(exports).where(exports.c.folder == folder)
        await self.database.write(lambda connection: connection.execute(gone))

    async def exports(self) -> dict[str, int]:
        query = select(exports.c.folder, exports.c.stale).order_by(exports.c.folder)
        return await self.database.read(
            lambda connection: {row.folder: row.stale for row in connection.execute(query)}
        )

    async def cut_export(self, folder: str, stale: int) -> None:
        ours = (exports.c.folder == folder) & (exports.c.stale == stale)
        await self.database.write(
            lambda connection: connection.execute(update(exports).where(ours).values(stale=0))
        )


def mark_exports(connection: Connection) -> None:
    """Any of them may hold what is being forgotten."""
    connection.execute(update(exports).values(stale=exports.c.stale + 1))
