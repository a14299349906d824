"""Data sets that people export, and what is cut out of them once it is forgotten."""

from __future__ import annotations

import asyncio
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
from core.types_learning import Judged

logger = logging.getLogger(__name__)


class Exports:
    """Those that were written from this store. `platforms`: all that it may have turns of."""

    def __init__(self, store: Store, platforms: Collection[str]) -> None:
        self._store, self._platforms = store, platforms
        self._alone = asyncio.Lock()  # what is being written is not cut meanwhile, but after it

    async def write(self, gather: Callable[[], Awaitable[Gathered]], folder: Path) -> Gathered:
        """Into `folder`, which must not exist. Raises BotError."""
        async with self._alone:
            if await asyncio.to_thread(os.path.exists, folder):
                raise BotError(f"{folder} is there already. Name a new folder.")
            await self._store.put_export(str(folder))
            try:
                gathered = await gather()
                await asyncio.to_thread(exports.write, gathered, folder)
            except BotError:
                await self._store.drop_export(str(folder))
                raise
            except OSError as error:
                if await asyncio.to_thread(exports.left_nothing, folder):
                    await self._store.drop_export(str(folder))
                raise BotError(
                    f"{folder} cannot be written: {error.strerror}. Name a new folder."
                ) from error
            return gathered

    async def cut(self) -> Exported:
        """Take what was forgotten since the last time out of all of them.

        Never raises: what could not be cut is logged, and tried again the next time.
        """
        async with self._alone:
            is_left = False
            try:
                known = await self._store.exports()
                judged = await self._store.judged(self._platforms) if any(known.values()) else []
                for folder, stale in known.items():
                    if not stale:
                        continue
                    if await self._cut(Path(folder), judged):
                        await self._store.cut_export(folder, stale)
                    else:
                        is_left = True
            except BotError as error:
                logger.error("exported data sets may hold what was forgotten: %s", error)
                return "some left"
            if is_left:
                return "some left"
            return "all cut" if known else "none"

    async def _cut(self, folder: Path, judged: list[Judged]) -> bool:
        try:
            count = await asyncio.to_thread(exports.cut, folder, judged)
        except (OSError, ValueError) as error:
            words = "%s may hold what was forgotten: %s. Remove the folder, and export anew."
            logger.error(words, folder, telling.plain(error))
            return False
        if count:
            words = "%d rows left the data set in %s; train anew what was made of it"
            logger.info(words, count, folder)
        return True
