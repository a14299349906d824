"""Data sets that people export, and what is cut out of them once it is forgotten."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from bots import telling
from core.errors import BotError
from core.store import Store
from core.training import dataset, exports
from core.training.dataset import Gathered

logger = logging.getLogger(__name__)


class Exports:
    """Those that were written from this store; `shelf`: the tunes' folder, which lists them.

    `platforms`: whose turns may train.
    """

    def __init__(self, store: Store, shelf: Path, platforms: Sequence[str]) -> None:
        self._store, self._shelf, self._platforms = store, shelf, platforms
        self._alone = asyncio.Lock()  # what is being written is not cut meanwhile, but after it

    async def write(self, gather: Callable[[], Awaitable[Gathered]], folder: Path) -> Gathered:
        """Into `folder`, which must not exist. Raises BotError."""
        try:
            if await asyncio.to_thread(folder.exists):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            async with self._alone:
                await asyncio.to_thread(exports.remember, self._shelf, folder)
                gathered = await gather()
                await asyncio.to_thread(dataset.write, gathered, folder)
                return gathered
        except OSError as error:
            raise BotError(
                f"{folder} cannot be written: {error.strerror}. Name a new folder."
            ) from error

    async def cut(self) -> bool:
        """Take out of all of them what may not train any more. Returns whether there are any.

        Never raises: what could not be cut is logged.
        """
        async with self._alone:
            try:
                folders = await asyncio.to_thread(exports.places, self._shelf)
                judged = await self._store.judged(self._platforms) if folders else []
            except (BotError, OSError, ValueError) as error:
                logger.error("exported data sets may hold what was forgotten: %s", error)
                return True
            for folder in folders:
                try:
                    count = await asyncio.to_thread(exports.cut, folder, judged)
                except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
                    why = f"{type(error).__name__}: {telling.plain(error)}"
                    logger.error("what was forgotten may lie in %s; look there: %s", folder, why)
                else:
                    if count:
                        logger.info("%d rows left the data set in %s", count, folder)
            return bool(folders)
