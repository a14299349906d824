"""Looking after something every few seconds, from the start on, beside whatever else goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext

from core.errors import BotError, StoreDamaged

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 3.0


@asynccontextmanager
async def looking(
    look: Callable[[], Awaitable[None]],
    *,
    name: str,
    problem: str,
    every_s: float = LOOK_EVERY_S,
    watching_for_damage: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> AsyncIterator[None]:
    """Inside, `look` is called again and again; the end of the block ends one that is under way.

    Where it raises BotError or OSError the log names the `problem`, and the next look is tried all
    the same; after StoreDamaged there is none.
    """

    async def watch() -> None:
        while True:
            try:
                with watching_for_damage():
                    await look()
            except StoreDamaged:
                return
            except (BotError, OSError) as error:
                logger.warning("%s: %s", problem, error)
            await asyncio.sleep(every_s)

    group = asyncio.TaskGroup()
    await group.__aenter__()
    task = group.create_task(watch(), name=name)
    try:
        yield
    finally:
        task.cancel()
        await group.__aexit__(None, None, None)  # what the block raises is not the group's
