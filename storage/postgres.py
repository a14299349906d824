"""PostgreSQL, by its URL. Only one process at a time here too, for now.

The connection that writes also holds a session advisory lock, so that nobody can write without it:
when the server is lost, so is the lock, and the next connection has to take it again. Leases for
several processes will take its place.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from core.errors import StoreDamaged, StoreError, StoreLocked
from storage.database import Database, NewRows, Unreadable, ended
from storage.lock import what_to_do
from storage.migrate import migrate, shown
from storage.writer import Writer, sqlstate_of

READERS = 5
LOCK = 0x6D796E6168  # "mynah"; advisory locks count per database
HOLDER = "mynah"
OURS = re.compile(rf"{HOLDER} (\d+) (.*)", re.DOTALL)
HOLDS = f"""
    SELECT pid, coalesce(application_name, '') FROM pg_stat_activity JOIN pg_locks USING (pid)
    WHERE granted AND locktype = 'advisory' AND objsubid = 1
    AND (classid::bigint << 32 | objid::bigint) = {LOCK}
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@asynccontextmanager
async def open_postgres(url: URL, holder: str) -> AsyncGenerator[Database]:
    """Raises StoreLocked or StoreError."""
    explained = partial(explain, url)
    name = f"{HOLDER} {os.getpid()} {holder}"[:63]
    writing = await asyncio.to_thread(engine_on, url, size=1, name=name)  # loads the driver
    reading = engine_on(url, size=READERS, name=HOLDER).execution_options(
        isolation_level="REPEATABLE READ", postgresql_readonly=True
    )
    event.listen(writing, "connect", partial(take_lock, url, holder))
    try:
        try:
            await asyncio.to_thread(prepare, writing)
        except SQLAlchemyError as error:
            raise explained(error) from error
        writer = Writer(writing, explained, nothing_to_scrub)
        async with ended(ThreadPoolExecutor(READERS, thread_name_prefix="a reader")) as threads:
            try:
                yield Database(writer, reading, threads, insert, new_rows, explained)
            finally:
                await writer.close()
    finally:
        reading.dispose()
        writing.dispose()


def prepare(engine: Engine) -> None:
    with engine.begin():  # takes the lock
        migrate(engine.url)


def engine_on(url: URL, *, size: int, name: str) -> Engine:
    try:
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_size=size,
            max_overflow=0,
            pool_pre_ping=True,
            hide_parameters=True,  # errors never quote what a person wrote
            connect_args={"application_name": name, "connect_timeout": 10},
        )
    except ImportError as error:
        raise StoreError(
            f"PostgreSQL needs its driver: {sys.executable} -m pip install -e '.[postgres]'"
            " -c constraints.txt"
        ) from error


def take_lock(url: URL, holder: str, connection: Any, _: object) -> None:
    """Waits a moment: a session that has just died may still be ending."""
    from psycopg.errors import LockNotAvailable  # here, since the driver is an extra

    cursor = connection.cursor()
    try:
        cursor.execute("SET LOCAL lock_timeout = '2s'")
        cursor.execute(f"SELECT pg_advisory_lock({LOCK})")
        connection.commit()  # the lock is the session's and stays
    except LockNotAvailable:
        connection.rollback()
        cursor.execute(HOLDS)
        pid, name = cursor.fetchone() or (None, "")
        connection.close()
        raise StoreLocked(locked(shown(url), pid, name, holder)) from None
    finally:
        cursor.close()


def locked(where: str, session: int | None, name: str, ours: str) -> str:
    """`name`: what the session that has the lock calls itself."""
    if session is None:
        return f"Another process had {where} open just now. Try again."
    if named := OURS.fullmatch(name):
        pid, theirs = named.groups()
        return f"Process {pid} ({theirs}) has {where} open. {what_to_do(theirs, ours)}"
    return (
        f"Session {session} of {where}, which is not Mynah's ({name or 'without a name'}), holds "
        "Mynah's advisory lock. End it first."
    )


def new_rows(table: Table, columns: Sequence[str], returning: Sequence[str]) -> NewRows:
    statement = insert(table).on_conflict_do_nothing().returning(*(table.c[c] for c in returning))

    def insert_them(connection: Connection, rows: Sequence[dict[str, Any]]) -> Any:
        return connection.execute(statement, rows).all()

    return insert_them


def nothing_to_scrub(_: Engine, patient: bool) -> bool:
    """PostgreSQL keeps no log of ours; VACUUM wipes old rows in its own time."""
    return True


def explain(url: URL, error: Exception) -> StoreError:
    """What a person should do about `error`. Never quotes what was being stored."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, Unreadable):
        return StoreDamaged(
            f"{shown(url)} holds a value that cannot be read ({error}). Put a backup in its place."
        )
    cause = getattr(error, "orig", None) or error
    state = sqlstate_of(error)
    lost = isinstance(error, OperationalError) and not state
    advice = ADVICE.get("08" if lost else state[:2], "{} did not take this.").format(shown(url))
    if lost and (said := REFUSED.search(str(cause))):
        advice = f"{shown(url)} does not let us in: {said[1]}. Mend that, or correct storage.url"
    explained = StoreError(f"{advice} ({' '.join(filter(None, (type(cause).__name__, state)))})")
    explained.__cause__ = error
    return explained


ADVICE = {  # by the class of the SQLSTATE
    "08": "{} cannot be reached. Start it, or correct storage.url",
    "53": "{} has no room for this. Free disk space, memory or connections there.",
    "57": "{} broke this off. See to it that it runs.",
    "58": "The disk under {} fails. Look after it.",
}
# What the server says to whom it does not let in: it names a user, a database or its own state. No
# SQLSTATE comes with it (libpq keeps it to itself).
REFUSED = re.compile(r"FATAL:\s*(.+)")
