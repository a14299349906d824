"""A database that is open: one writer and some readers, whichever kind it is."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.errors import StoreError
from storage.writer import Work, Writer

T = TypeVar("T")


NewRows = Callable[[AsyncConnection, Sequence[dict[str, Any]]], Awaitable[Sequence[Sequence[Any]]]]
"""Inserts the rows whose key is new, in one statement; gives back chosen columns of those."""


@dataclass(slots=True)
class Database:
    writer: Writer
    readers: AsyncEngine
    insert: Callable[[Table], sqlite.Insert | postgresql.Insert]  # both know "on conflict"
    new_rows: Callable[[Table, Sequence[str], Sequence[str]], NewRows]
    explain: Callable[[Exception], StoreError]

    async def write(self, work: Work[T], *, scrubs: bool = False) -> T:
        return await self.writer.do(work, scrubs=scrubs)

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection]:
        """A connection that sees one moment of the database and cannot change it."""
        try:
            async with self.readers.begin() as connection:
                yield connection
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise self.explain(error) from error
