"""What nobody asked for, told in the one channel that the settings name.

It knows no platform: the desk says when the adapter there is ready, and when it is gone.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Protocol, Self
from uuid import uuid4

from core.errors import AdapterError, Refused
from core.notice import Notice
from core.types import Announcement

logger = logging.getLogger(__name__)

PATIENCE_S = 3_600.0
FIRST_AGAIN_S, LONGEST_AGAIN_S = 5.0, 300.0


class Teller(Protocol):
    """An adapter, as far as it is needed here."""

    name: str

    async def tell(self, channel: str, notice: Notice) -> None: ...


class Announcements:
    """`async with` it: tells one after the other, beside whoever has something to tell."""

    def __init__(
        self,
        channel: str | None,
        *,
        patience_s: float = PATIENCE_S,
        again_s: float = FIRST_AGAIN_S,
    ) -> None:
        """`channel`: "platform:id"; None: nothing is told. `patience_s`: how long a text waits for
        a platform that is away. `again_s`: after a failure; then twice as long each time.
        """
        self._channel, self._patience_s, self._again_s = channel, patience_s, again_s
        self._platform, _, self._id = (channel or "").partition(":")
        self._notices: asyncio.Queue[Notice] = asyncio.Queue()
        self._left = 0  # of those, which are not told yet
        self._adapter: Teller | None = None
        self._is_ready = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        self._task = self._group.create_task(self._work(), name="announcements")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await self._group.__aexit__(None, None, None)
        if self._left:
            logger.error("the end came before %d announcements were made", self._left)

    def ready(self, adapter: Teller) -> None:
        """This platform can be told something from now on."""
        if adapter.name == self._platform:
            self._adapter = adapter
            self._is_ready.set()

    def gone(self, adapter: Teller) -> None:
        if adapter is self._adapter:
            self._adapter = None
            self._is_ready.clear()

    async def tell(self, text: str) -> None:
        """Have it told, CommonMark, after what was to be told before. Returns at once, for whoever
        waits for a tune must not wait for a platform. Never raises: what could not be told within
        `patience_s` is an error in the log.
        """
        if self._channel:
            one = Announcement(uuid4().hex, self._channel, text, datetime.now(UTC))
            self._notices.put_nowait(Notice(one))
            self._left += 1

    async def _work(self) -> None:
        while True:
            notice = await self._notices.get()
            until = notice.at + timedelta(seconds=self._patience_s)
            try:
                async with asyncio.timeout((until - datetime.now(UTC)).total_seconds()):
                    await self._told(notice)
            except Refused as error:
                self._give_up(str(error))
            except TimeoutError:
                self._give_up(f"{self._platform} was away for {self._patience_s / 60:.0f} minutes")
            except Exception:  # a fault of ours in one: the next is told, and the bot goes on
                logger.exception("an announcement broke")
            self._left -= 1

    def _give_up(self, why: str) -> None:
        logger.error(
            "an announcement was not made: %s. bot.announce_in names %s: can the bot write there?",
            why.rstrip("."),
            self._channel,
        )

    async def _told(self, notice: Notice) -> None:
        """Return when it is told: each try knows what the ones before it posted. Raises Refused."""
        wait_s = self._again_s
        while True:
            await self._is_ready.wait()
            assert self._adapter
            try:
                await self._adapter.tell(self._id, notice)
                return
            except Refused:
                raise
            except AdapterError as error:
                logger.info("an announcement is made later: %s", error)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_AGAIN_S)
