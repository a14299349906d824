"""The store on SQL, as core.ports promises it: SQLite out of the box, PostgreSQL by its URL."""

from __future__ import annotations

import asyncio
import os
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from core.errors import StoreError
from storage.announcements import SqlAnnouncements
from storage.canaries import SqlCanaries
from storage.conversations import SqlConversations
from storage.credits import SqlCredits
from storage.database import Database
from storage.examples import SqlExamples
from storage.exports import SqlExports
from storage.nights import SqlNights
from storage.people import SqlPeople
from storage.reviews import SqlReviews
from storage.tunes import SqlTunes
from storage.turns import SqlTurns
from storage.votes import SqlVotes


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = "sqlite:///data/mynah.db"  # or postgresql+psycopg://user@host/name

    @property
    def path(self) -> Path | None:
        """The SQLite file; None with PostgreSQL. What belongs to the store lies beside it.

        Never a link to it, or its lock would lie elsewhere; else as it was written, since the path
        of a socket must be short. Looks at the disk. Raises StoreError as `address` does.
        """
        url = address(self.url)
        if url.get_backend_name() != "sqlite":
            return None
        path = Path(url.database or "")
        return Path(os.path.realpath(path)) if os.path.islink(path) else path


class SqlStore(
    SqlTurns,
    SqlConversations,
    SqlVotes,
    SqlReviews,
    SqlExamples,
    SqlTunes,
    SqlCanaries,
    SqlPeople,
    SqlCredits,
    SqlNights,
    SqlExports,
    SqlAnnouncements,
):
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
            found = await asyncio.to_thread(open_database, settings, holder)
            database = await opened.enter_async_context(found)
            return cls(database, opened.pop_all())

    async def close(self) -> None:
        """Finish what is being written, and let others in."""
        await self.opened.aclose()


def open_database(settings: Settings, holder: str) -> AbstractAsyncContextManager[Database]:
    """Each kind's module is imported where it is used, and with it the kind's driver."""
    if path := settings.path:
        from storage.sqlite import open_sqlite

        return open_sqlite(path, holder)
    from storage.postgres import open_postgres

    return open_postgres(make_url(settings.url), holder)


def address(written: str) -> URL:
    """Raises StoreError, which says what to write, where this names no store. Looks at the disk."""
    try:
        url = make_url(written)
        kind = url.get_backend_name()
    except (ArgumentError, ValueError) as error:  # ValueError: a port that is no number
        raise StoreError(UNKNOWN) from error
    if kind == "sqlite":
        if problem := problem_with_file(url):
            raise StoreError(problem)
    elif kind != "postgresql":
        raise StoreError(UNKNOWN)
    return url


def problem_with_file(url: URL) -> str:
    name = url.database or ""
    if name in ("", ":memory:"):
        return "storage.url names no file. Write: sqlite:///data/mynah.db"
    if url.host:
        return f"storage.url needs three slashes. Write: sqlite:///{url.host}/{name}"
    if url.query:
        return f"storage.url takes no options for SQLite. Write: sqlite:///{name}"
    if name.endswith("/") or os.path.isdir(name):
        folder = name.rstrip("/")
        return f"storage.url names a folder. Name a file in it: sqlite:///{folder}/mynah.db"
    return ""


UNKNOWN = (
    "storage.url names no database that Mynah knows. "
    "Write sqlite:///data/mynah.db or postgresql+psycopg://user@host/name"
)
