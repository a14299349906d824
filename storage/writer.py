"""The one writer, with group commit: what waits together is committed together.

Knows nothing of turns. An operation is a function over a connection, and a batch of them runs in
the writer's own thread; each caller is told its own result or its own error, and only after the
commit.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, exc

from core.errors import StoreError, StoreLocked

logger = logging.getLogger(__name__)

T = TypeVar("T")
A = TypeVar("A")
R = TypeVar("R")

Work = Callable[[Connection], T]
Together = Callable[[Connection, Sequence[A]], Sequence[R]]
CLOSED = "The store is closed. Start the program again."
AT_ONCE = 1000  # operations in a transaction: SQLite takes 32,766 values in a statement


@dataclass(slots=True, eq=False)
class Operation:
    work: Together[Any, Any]
    argument: Any
    told: asyncio.Future[Any]  # cancelled when its caller was
    scrubs: bool = False

    def tell(self, result: Any) -> None:
        if not self.told.done():
            if isinstance(result, Exception):
                self.told.set_exception(result)
            else:
                self.told.set_result(result)


def unguarded(connection: Connection, group: list[Operation]) -> Sequence[Any]:
    return group[0].work(connection, [operation.argument for operation in group])


def guarded(connection: Connection, group: list[Operation]) -> Sequence[Any]:
    """`run` under a savepoint: results, or for an operation that failed its exception."""
    try:
        with connection.begin_nested():
            return unguarded(connection, group)
    except Exception as error:  # whatever one operation's work raises: the others go on
        if not is_its_own_fault(error):
            raise
        if len(group) == 1:
            return [error]
        return [guarded(connection, [operation])[0] for operation in group]


class Writer:
    """Must be closed. `explain` makes a StoreError of what the database raised.

    `scrub` wipes replaced bytes, and says whether it could; a patient one waits a moment.
    """

    def __init__(
        self,
        engine: Engine,
        explain: Callable[[Exception], StoreError],
        scrub: Callable[[Engine, bool], bool],
    ) -> None:
        self.engine = engine
        self.explain = explain
        self.scrub = scrub
        self.unscrubbed = False
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="the store's writer")
        self.waiting: list[Operation] = []
        self.wake = asyncio.Event()
        self.closing = False
        # Its parent is this object: `close` waits for it, and `run` ends no other way.
        self.task = asyncio.create_task(self.run(), name="the store's writer")

    async def do(self, work: Work[T], *, scrubs: bool = False) -> T:
        """Run `work` in the next transaction; returns its result when that is on disk.

        Raises StoreError; then nothing of it is stored (if the database's server was lost in the
        middle of a commit, it may be). When cancelled, it may be stored or not. `scrubs`: old bytes
        of what it changed are wiped before it returns, or, where a long read or the disk is in the
        way, at the first later write that finds neither.
        """

        def alone(connection: Connection, _: Sequence[None]) -> Sequence[T]:
            return [work(connection)]

        result: T = await self.put(Operation(alone, None, future(), scrubs))
        return result

    async def together(self, work: Together[A, R], argument: A) -> R:
        """Like `do`, for one statement that takes the arguments of all that wait side by side.

        `work` answers in the order of its arguments. When it fails it is tried again with each
        argument by itself, so that a bad one fails alone.
        """
        result: R = await self.put(Operation(work, argument, future()))
        return result

    async def put(self, operation: Operation) -> Any:
        if self.closing:
            raise StoreError(CLOSED)
        self.waiting.append(operation)
        self.wake.set()
        return await operation.told

    async def close(self) -> None:
        """Finish what waits, then end."""
        self.closing = True
        self.wake.set()
        await asyncio.wait([self.task])
        await asyncio.to_thread(self.thread.shutdown)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while self.waiting or not self.closing:
            await self.wake.wait()
            waiting = [operation for operation in self.waiting if not operation.told.cancelled()]
            batch, self.waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
            if not self.waiting:
                self.wake.clear()
            if batch:
                results = await loop.run_in_executor(self.thread, self.commit, batch)
                for operation, result in zip(batch, results, strict=True):
                    operation.tell(result)

    def commit(self, batch: list[Operation]) -> list[Any]:
        """One transaction for all of them; each one's result, or its StoreError. Blocks."""
        by_work = itertools.groupby(batch, key=lambda operation: operation.work)
        groups = [list(group) for _, group in by_work]
        results = self.committed(groups)
        scrubs = any(operation.scrubs for operation in batch)
        if scrubs or self.unscrubbed:
            self.unscrubbed = not self.scrub(self.engine, scrubs)
        return [self.explain(r) if isinstance(r, Exception) else r for r in results]

    def committed(
        self,
        groups: list[list[Operation]],
        one: Callable[[Connection, list[Operation]], Sequence[Any]] = unguarded,
    ) -> list[Any]:
        """Without savepoints first: they cost as much as what they guard."""
        try:
            with self.engine.begin() as connection:
                return [result for group in groups for result in one(connection, group)]
        except Exception as error:  # else the writer would end, and whoever waits would for ever
            if one is unguarded and is_its_own_fault(error):
                return self.committed(groups, guarded)
            logger.warning("a write failed: %s", self.explain(error))
            return [own(error) for group in groups for _ in group]


def own(error: Exception) -> Exception:
    """For one caller of several: each adds to the traceback of what it is told."""
    return copy(error) if isinstance(error, StoreError) else error


def future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


def is_its_own_fault(error: Exception) -> bool:
    """Whether others in the same transaction can go on.

    After a full disk, a read error or a lost connection the transaction itself may be gone, and on
    SQLite a further SAVEPOINT would silently begin another (https://sqlite.org/lang_transaction.html).
    """
    harmless = exc.IntegrityError, exc.DataError, exc.ProgrammingError
    harmless_here = sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError
    if isinstance(error, exc.DBAPIError | sqlite3.Error):
        its_class = sqlstate_of(error)[:2]
        is_a_rows = bool(its_class) and its_class not in SHARED
        return is_a_rows or isinstance(error, (*harmless, *harmless_here))
    return not isinstance(error, StoreLocked)  # nobody here may write


def sqlstate_of(error: Exception) -> str:
    """PostgreSQL's code; empty where there is none, as when the server was lost, and on SQLite."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) or ""


# Connection, resources, operator, system: https://postgresql.org/docs/current/errcodes-appendix.html
SHARED = ("08", "53", "57", "58")
