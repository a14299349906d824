"""The one writer, with group commit: what waits together is committed together.

Knows nothing of turns. An operation is an async function over a connection; each caller is told
its own result or its own error, and only after the commit.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.errors import StoreError

logger = logging.getLogger(__name__)

T = TypeVar("T")
A = TypeVar("A")
R = TypeVar("R")

Work = Callable[[AsyncConnection], Awaitable[T]]
Together = Callable[[AsyncConnection, Sequence[A]], Awaitable[Sequence[R]]]
AT_ONCE = 1000  # operations in a transaction: SQLite takes 32,766 values in a statement


@dataclass(slots=True, eq=False)
class Operation:
    work: Together[Any, Any]
    argument: Any
    told: asyncio.Future[Any]  # cancelled when its caller was
    lone: bool = False  # `work` is one statement, which is a transaction by itself
    scrubs: bool = False

    def tell(self, result: Any) -> None:
        if not self.told.done():
            if isinstance(result, Exception):
                self.told.set_exception(result)
            else:
                self.told.set_result(result)


class Writer:
    """Must be closed.

    `explain` makes a StoreError of what the database raised; `scrub` wipes replaced bytes.
    `autocommit`: a statement outside a transaction is one by itself, which saves two hops to
    SQLite's thread.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        explain: Callable[[Exception], StoreError],
        scrub: Callable[[AsyncEngine], Awaitable[None]],
        *,
        autocommit: bool = False,
    ) -> None:
        self.engine = engine
        self.explain = explain
        self.scrub = scrub
        self.autocommit = autocommit
        self.waiting: list[Operation] = []
        self.wake = asyncio.Event()
        self.closing = False
        # Its parent is this object: `close` waits for it, and `run` ends no other way.
        self.task = asyncio.create_task(self.run(), name="the store's writer")

    async def do(self, work: Work[T], *, scrubs: bool = False) -> T:
        """Run `work` in the next transaction; returns its result when that is on disk.

        Raises StoreError; then nothing of it is stored (if the database's server was lost in the
        middle of a commit, it may be). When cancelled, it may be stored or not. `scrubs`: old bytes
        of what it changed are wiped before it returns.
        """

        async def alone(connection: AsyncConnection, _: Sequence[None]) -> Sequence[T]:
            return [await work(connection)]

        result: T = await self.put(alone, None, scrubs=scrubs)
        return result

    async def together(self, work: Together[A, R], argument: A) -> R:
        """Like `do`, for one statement that takes the arguments of all that wait side by side.

        `work` answers in the order of its arguments. When it fails it is tried again with each
        argument by itself, so that a bad one fails alone.
        """
        result: R = await self.put(work, argument, lone=self.autocommit)
        return result

    async def put(self, work: Together[Any, Any], argument: Any, **how: bool) -> Any:
        if self.closing:
            raise StoreError("The store is closed. Start the program again.")
        operation = Operation(work, argument, asyncio.get_running_loop().create_future(), **how)
        self.waiting.append(operation)
        self.wake.set()
        return await operation.told

    async def close(self) -> None:
        """Finish what waits, then end."""
        self.closing = True
        self.wake.set()
        await asyncio.wait([self.task])

    async def run(self) -> None:
        while self.waiting or not self.closing:
            await self.wake.wait()
            batch = [operation for operation in self.waiting if not operation.told.cancelled()]
            self.waiting = batch[AT_ONCE:]
            if not self.waiting:
                self.wake.clear()
            by_work = itertools.groupby(batch[:AT_ONCE], key=lambda operation: operation.work)
            await self.commit([list(group) for _, group in by_work])

    async def commit(self, groups: list[list[Operation]]) -> None:
        """One transaction for all of them; everybody is told."""
        if not groups:
            return
        lone = len(groups) == 1 and groups[0][0].lone
        try:
            async with self.engine.connect() if lone else self.engine.begin() as connection:
                if len(groups) == 1:
                    results = list(await run(connection, groups[0]))
                else:
                    results = [r for group in groups for r in await guarded(connection, group)]
        except Exception as error:  # one batch's failure must not end the writer
            if len(groups) == 1 and len(groups[0]) > 1 and is_its_own_fault(error):
                await self.commit([[operation] for operation in groups[0]])
                return
            logger.warning("a write failed: %s", self.explain(error))
            results = [error for group in groups for _ in group]
        if any(operation.scrubs for group in groups for operation in group):
            await self.scrub(self.engine)
        for operation, result in zip(itertools.chain(*groups), results, strict=True):
            operation.tell(self.explain(result) if isinstance(result, Exception) else result)


async def run(connection: AsyncConnection, group: list[Operation]) -> Sequence[Any]:
    return await group[0].work(connection, [operation.argument for operation in group])


async def guarded(connection: AsyncConnection, group: list[Operation]) -> Sequence[Any]:
    """`run` under a savepoint: results, or for an operation that failed its exception."""
    try:
        async with connection.begin_nested():
            return await run(connection, group)
    except Exception as error:  # one operation's failure must not end the others
        if not is_its_own_fault(error):
            raise
        if len(group) == 1:
            return [error]
        return [(await guarded(connection, [operation]))[0] for operation in group]


def is_its_own_fault(error: Exception) -> bool:
    """Whether others in the same transaction can go on.

    After a full disk, a read error or a lost connection the transaction itself may be gone, and on
    SQLite a further SAVEPOINT would silently begin another (https://sqlite.org/lang_transaction.html).
    """
    harmless = exc.IntegrityError, exc.DataError, exc.ProgrammingError
    harmless_here = sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError
    if isinstance(error, exc.DBAPIError | sqlite3.Error):
        return isinstance(error, (*harmless, *harmless_here))
    return True
