"""One lane per conversation: its turns are answered in order, conversations side by side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.types import ThreadRef


class Lanes:
    """A lane exists while somebody is in it or waits for it."""

    def __init__(self) -> None:
        self._locks: dict[ThreadRef, asyncio.Lock] = {}
        self._users: dict[ThreadRef, int] = {}

    def __len__(self) -> int:
        return len(self._locks)

    def __contains__(self, thread: ThreadRef) -> bool:
        return thread in self._locks

    @asynccontextmanager
    async def enter(self, thread: ThreadRef) -> AsyncIterator[bool]:
        """Wait for the turns that entered before; they leave in the order in which they came.

        Yields whether there were any.
        """
        lock = self._locks.setdefault(thread, asyncio.Lock())
        waits = lock.locked()
        self._users[thread] = self._users.get(thread, 0) + 1
        try:
            async with lock:
                yield waits
        finally:
            self._users[thread] -= 1
            if not self._users[thread]:
                del self._users[thread], self._locks[thread]
