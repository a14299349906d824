"""SQLite: opening a database file so that what is committed stays, and refusing a damaged one.

One connection writes and checkpoints, the others only read: SQLite before 3.51.3 can damage its log
when two do it at once (https://sqlite.org/wal.html, "the WAL-reset bug"). Nothing here opens the
file by other means while SQLite has it open.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from core.errors import StoreDamaged, StoreError
from storage.database import Database, NewRows, Unreadable, ended
from storage.lock import LockFile
from storage.migrate import migrate
from storage.writer import Writer

logger = logging.getLogger(__name__)

READERS = 3
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

COMMON = ("foreign_keys=ON", "secure_delete=ON", "synchronous=FULL")
WAIT_MS = 2000  # for a program of somebody else's that writes, or for our own readers
WRITING = ("journal_mode=WAL", *COMMON, f"busy_timeout={WAIT_MS}", "journal_size_limit=67108864")
READING = (*COMMON, "busy_timeout=5000", "wal_autocheckpoint=0", "query_only=ON")


@asynccontextmanager
async def open_sqlite(path: Path, holder: str) -> AsyncGenerator[Database]:
    """Raises StoreLocked, StoreDamaged (then nothing was changed) or StoreError."""
    lock = await asyncio.to_thread(take_lock, path, holder)
    clean = False
    damage: list[StoreDamaged] = []  # met while it was open: the next start shall look closely

    def explained(error: Exception) -> StoreError:
        found = explain(path, error)
        if isinstance(found, StoreDamaged):
            damage.append(found)
        return found

    try:
        await asyncio.to_thread(prepare, path, thorough=not lock.clean)
        async with connected(path, explained) as database:
            yield database
        clean = not damage
    finally:
        await asyncio.to_thread(lock.give_back, clean=clean)


def take_lock(path: Path, holder: str) -> LockFile:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The folder {path.parent} cannot be made ({error.strerror}). "
            "Make it, or name another file in storage.url"
        ) from error
    return LockFile.take(path.with_name(path.name + ".lock"), holder)


def prepare(path: Path, *, thorough: bool) -> None:
    """See to it that `path` is a sound database with today's tables. Raises StoreError."""
    try:
        if path.exists():
            examine(path, thorough=thorough)
            migrate(URL.create("sqlite", database=str(path)))
        else:
            refuse_an_old_log(path)
            create(path)
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise explain(path, error) from error
    except OSError as error:
        raise StoreError(
            f"{path} cannot be made or read ({error.strerror}: {error.filename}). "
            "Give this user the right to, or make room there."
        ) from error


def refuse_an_old_log(path: Path) -> None:
    """Raises StoreDamaged: SQLite would write what stands there over the pages of a new file."""
    log = log_of(path)
    if log.exists() and log.stat().st_size > 0:
        raise StoreDamaged(
            f"{path} is gone, but its log {log} is there. Nothing was changed. Put the file back "
            "beside it. To begin anew, or before you put a backup there, move the log away."
        )


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def create(path: Path) -> None:
    """Make it under another name first: then a half-made or emptied file is never taken for new."""
    new = path.with_name(path.name + ".new")
    for leftover in (new, new.with_name(new.name + "-journal")):
        leftover.unlink(missing_ok=True)
    new.touch(mode=0o600)  # the log and its index will inherit the mode
    migrate(URL.create("sqlite", database=str(new)))
    new.rename(path)


def examine(path: Path, *, thorough: bool) -> None:
    """Raises StoreDamaged where the file is none of SQLite's or damaged; changes nothing.

    Read-only, or else closing would write the log into the damaged file. `thorough`: all of it.
    """
    check = ", which did not end well last time and is checked now" if thorough else ""
    logger.info("opening %s%s (SQLite %s)", path, check, sqlite3.sqlite_version)
    if path.stat().st_size == 0:
        raise damaged(path, "it is empty")
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if thorough:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise damaged(path, found.splitlines()[-1])


@asynccontextmanager
async def connected(
    path: Path, explained: Callable[[Exception], StoreError]
) -> AsyncGenerator[Database]:
    writing = engine_on(path, WRITING, "BEGIN IMMEDIATE", size=1)
    reading = engine_on(path, READING, "BEGIN", size=READERS)
    try:
        try:
            await asyncio.to_thread(keeps_a_log, path, writing)
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise explained(error) from error
        writer = Writer(writing, explained, partial(scrub, explained))
        async with ended(ThreadPoolExecutor(READERS, thread_name_prefix="a reader")) as threads:
            try:
                yield Database(writer, reading, threads, insert, new_rows, explained)
            finally:
                await writer.close()
    finally:
        reading.dispose()
        await asyncio.to_thread(writing.dispose)  # last: the last to close writes the log back


def keeps_a_log(path: Path, engine: Engine) -> None:
    """Raises StoreError where the file system has no shared memory, such as a network's."""
    with engine.begin() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
    if mode != "wal":
        raise StoreError(
            f"SQLite cannot keep a log beside {path}. Name a file on a local disk in storage.url"
        )


def engine_on(path: Path, pragmas: Sequence[str], begin: str, *, size: int) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0,
        pool_reset_on_return=None,  # each use is a whole transaction
        hide_parameters=True,  # errors never quote what a person wrote
        connect_args={
            "isolation_level": None,  # sqlite3 begins nothing by itself; `begin` does
            "check_same_thread": False,  # the pool lends a connection to one thread at a time
        },
    )

    def on_connect(connection: sqlite3.Connection, _: object) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}").close()

    def on_begin(connection: Connection) -> None:
        raw(connection).execute(begin)

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
    return engine


def raw(connection: Connection) -> sqlite3.Connection:
    found = connection.connection.driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found


def new_rows(table: Table, columns: Sequence[str], returning: Sequence[str]) -> NewRows:
    """What SQLAlchemy's insertmanyvalues does, straight to the driver.

    Without its building of the statement from parts, 64 rows take a third of the time.
    """
    dialect = SQLiteDialect_pysqlite()
    statement = insert(table).on_conflict_do_nothing().returning(*(table.c[c] for c in returning))
    compiled = statement.compile(dialect=dialect, column_keys=columns)
    head, row, tail = re.split(r"(\(\?[ ?,]*\))", str(compiled), maxsplit=1)
    bound = [
        (name, table.c[name].type.dialect_impl(dialect).bind_processor(dialect))
        for name in compiled.positiontup or ()
    ]

    def insert_them(connection: Connection, rows: Sequence[dict[str, Any]]) -> Any:
        values = [bind(each[c]) if bind else each[c] for each in rows for c, bind in bound]
        sql = f"{head}{', '.join([row] * len(rows))}{tail}"
        return raw(connection).execute(sql, values).fetchall()

    return insert_them


def scrub(explained: Callable[[Exception], StoreError], engine: Engine, patient: bool) -> bool:
    """Empty the log, where replaced text still stands; secure_delete wipes it in the file.

    False where that failed or somebody was reading; only the `patient` wait for them.
    """
    problem: object = "somebody reads for long"
    try:
        with engine.connect() as connection:
            sqlite = raw(connection)
            sqlite.execute(f"PRAGMA busy_timeout={WAIT_MS if patient else 0}")
            try:
                busy, *_ = sqlite.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                sqlite.execute(f"PRAGMA busy_timeout={WAIT_MS}")
    except (SQLAlchemyError, sqlite3.Error) as error:
        busy, problem = True, explained(error)
    if busy and patient:
        logger.warning("deleted words stay in the log until a later write: %s", problem)
    return not busy


def explain(path: Path, error: Exception) -> StoreError:
    """What a person should do about `error`. Never quotes what was being stored."""
    if isinstance(error, StoreError):
        return error
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if isinstance(error, Unreadable) or str(cause).startswith(NO_TEXT):
        return damaged(path, "a stored value cannot be read")
    if code in DAMAGED:
        return damaged(path, str(cause))
    name = getattr(cause, "sqlite_errorname", type(cause).__name__)
    explained = StoreError(f"{ADVICE.get(code, '{} did not take this.').format(path)} ({name})")
    explained.__cause__ = error
    return explained


NO_TEXT = "Could not decode to UTF-8"  # Python's own words go on with what is stored

ADVICE = {
    sqlite3.SQLITE_FULL: "There is no room left for {}. Free some disk space.",
    sqlite3.SQLITE_READONLY: "{} cannot be written. Give this user the right to write there.",
    sqlite3.SQLITE_CANTOPEN: "{} cannot be opened. Give this user the right to do so.",
    sqlite3.SQLITE_IOERR: "The disk under {} fails. Free space on it, and look after it.",
    sqlite3.SQLITE_BUSY: "Another program is writing to {}. Stop it.",
}


def damaged(path: Path, detail: str) -> StoreDamaged:
    """A backup beside the old log would be damaged by it."""
    log = log_of(path)
    return StoreDamaged(
        f"{path} is damaged or is not a database ({detail}). Nothing was changed. Move it, {log} "
        f"and {path.name}-shm away and put a backup in its place, or save what can be read: "
        f'sqlite3 "{path}" .recover | sqlite3 recovered.db'
    )
