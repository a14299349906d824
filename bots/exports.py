"""Data sets that people export, and what is cut out of them once it is forgotten."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from bots import telling
from core.errors import BotError
from core.ports import Exported
from core.store import Store
from core.training import exports
from core.training.dataset import Gathered
from core.types import Judged

logger = logging.getLogger(__name__)


class Exports:
    """Those that were written from this store. `platforms`: all that it may have turns of."""

    def __init__(self, store: Store, platforms: Collection[str]) -> None:
        self._store, self._platforms = store, platforms
        self._alone = asyncio.Lock()  # what is being written is not cut meanwhile, but after it

    async def write(self, gather: Callable[[], Awaitable[Gathered]], folder: Path) -> Gathered:
        """Into `folder`, which must not exist. Raises BotError."""
        async with self._alone:
            try:
                if await asyncio.to_thread(folder.exists):
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
                await self._store.put_export(str(folder))
                gathered = await gather()
                await asyncio.to_thread(exports.write, gathered, folder)
            except OSError as error:
                raise BotError(
                    f"{folder} cannot be written: {error.strerror}. Name a new folder."
                ) from error
            return gathered

    async def cut(self) -> Exported:
        """Take what was forgotten since the last time out of all of them.

        Never raises: what could not be cut is logged, and tried again the next time.
        """
        async with self._alone:
            try:
                known = await self._store.exports()
                stale = {Path(folder): count for folder, count in known.items() if count}
                judged = await self._store.judged(self._platforms) if stale else []
                left = [
                    folder for folder, count in stale.items() if not await self._cut(folder, judged)
                ]
                for folder in stale.keys() - left:
                    await self._store.cut_export(str(folder), stale[folder])
            except BotError as error:
                logger.error("exported data sets may hold what was forgotten: %s", error)
                return "some left"
            if left:
                return "some left"
            return "all cut" if known else "none"

    async def _cut(self, folder: Path, judged: list[Judged]) -> bool:
        try:
            count = await asyncio.to_thread(exports.cut, folder, judged)
        except (OSError, ValueError) as error:
            why = telling.plain(error)
            logger.error("%s may hold what was forgotten: %s. Remove it.", folder, why)
            return False
        if count:
            words = "%d rows left the data set in %s; train anew what was made of it"
            logger.info(words, count, folder)
        return True
