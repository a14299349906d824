"""The store on SQL, as core.ports promises it: SQLite out of the box, PostgreSQL by its URL."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from core.errors import StoreError
from storage.conversations import SqlConversations
from storage.database import Database
from storage.people import SqlPeople
from storage.tunes import SqlTunes
from storage.turns import SqlTurns
from storage.votes import SqlVotes


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = "sqlite:///data/mynah.db"  # or postgresql+psycopg://user@host/name

    @property
    def path(self) -> Path | None:
        """The SQLite file; None where there is none. What belongs to the store lies beside it."""
        with suppress(ArgumentError):
            url = make_url(self.url)
            if url.get_backend_name() == "sqlite" and url.database:
                return Path(url.database)
        return None


class SqlStore(SqlTurns, SqlConversations, SqlVotes, SqlTunes, SqlPeople):
    """Only this process has the database while it is open. Must be closed."""

    def __init__(self, database: Database, opened: AsyncExitStack) -> None:
        super().__init__(database)
        self.opened = opened

    @classmethod
    async def open(cls, settings: Settings, *, holder: str) -> Self:
        """`holder` is what others are shown of this process: "--platform slack".

        Raises StoreLocked, StoreDamaged or StoreError; a damaged database is left as it is.
        """
        async with AsyncExitStack() as opened:
            database = await opened.enter_async_context(open_database(settings.url, holder))
            return cls(database, opened.pop_all())

    async def close(self) -> None:
        """Finish what is being written, and let others in."""
        await self.opened.aclose()


def open_database(written: str, holder: str) -> AbstractAsyncContextManager[Database]:
    """Each kind's module is imported where it is used, and with it the kind's driver."""
    try:
        url = make_url(written)
    except ArgumentError as error:
        raise StoreError(UNKNOWN) from error
    match url.get_backend_name():
        case "sqlite":
            from storage.sqlite import open_sqlite

            return open_sqlite(url, holder)
        case "postgresql":
            from storage.postgres import open_postgres

            return open_postgres(url, holder)
    raise StoreError(UNKNOWN)


UNKNOWN = (
    "storage.url names no database that Mynah knows. "
    "Write sqlite:///data/mynah.db or postgresql+psycopg://user@host/name"
)
