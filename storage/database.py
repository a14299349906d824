"""A database that is open: one writer and some readers, whichever kind it is.

SQLAlchemy is used synchronously, in threads: a whole read or a whole batch of writes is one hop to
a thread and back. Its asyncio side makes four or five hops of every statement, which cost more than
the statements (bench/README.md has the figures).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Engine, Table
from sqlalchemy.exc import SQLAlchemyError

from core.errors import StoreDamaged, StoreError
from storage.writer import CLOSED, Work, Writer

if TYPE_CHECKING:  # PostgreSQL's dialect takes 2.4 MB, also where only SQLite is used
    from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")


NewRows = Callable[[Connection, Sequence[dict[str, Any]]], Sequence[Sequence[Any]]]
"""Inserts the rows whose key is new, in one statement; gives back chosen columns of those."""


class Unreadable(Exception):
    """A stored value is none of its column's. Never carries the value."""


@dataclass(slots=True)
class Database:
    writer: Writer
    readers: Engine
    threads: ThreadPoolExecutor  # as many as `readers` has connections
    insert: Callable[[Table], sqlite.Insert | postgresql.Insert]  # both know "on conflict"
    new_rows: Callable[[Table, Sequence[str], Sequence[str]], NewRows]
    explain: Callable[[Exception], StoreError]

    async def write(self, work: Work[T], *, scrubs: bool = False) -> T:
        return await self.writer.do(work, scrubs=scrubs)

    async def read(self, work: Work[T]) -> T:
        """Run `work` over a connection that sees one moment of the database and cannot change it.

        Raises StoreError; with damage nothing is chained, since Python's own words quote what is
        stored. When cancelled, `work` still runs to its end in its thread.
        """
        if self.writer.closing:
            raise StoreError(CLOSED)
        return await asyncio.get_running_loop().run_in_executor(self.threads, self._read, work)

    def _read(self, work: Work[T]) -> T:
        try:
            with self.readers.begin() as connection:
                return work(connection)
        except (SQLAlchemyError, sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
            told = self.explain(error)  # the last two: a question for what no database takes
            raise told from None if isinstance(told, StoreDamaged) else error
        except ValueError as error:
            raise self.explain(Unreadable(type(error).__name__)) from None


@asynccontextmanager
async def ended(threads: ThreadPoolExecutor) -> AsyncGenerator[ThreadPoolExecutor]:
    """At the end of the block what they do is done, and they are gone."""
    try:
        yield threads
    finally:
        await asyncio.to_thread(threads.shutdown)
