"""What nobody asked for, told in the one channel that the settings name.

It knows no platform: the desk says when the adapter there is ready, and when it is gone. What is
not told yet is in the store, so that the next start goes on with it.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol, Self
from uuid import uuid4

from core.errors import AdapterError, Refused, StoreError
from core.notice import Notice
from core.store import Announced
from core.types import Announcement

logger = logging.getLogger(__name__)

PATIENCE_S = 24 * 3_600.0
FIRST_AGAIN_S, LONGEST_AGAIN_S = 5.0, 300.0


class Teller(Protocol):
    """An adapter, as far as it is needed here."""

    name: str

    async def tell(self, channel: str, notice: Notice) -> None: ...


class Announcements:
    """`async with` it: tells one after the other, beside whoever has something to tell, and what an
    earlier process left first. Raises StoreError at the beginning.
    """

    def __init__(
        self,
        channel: str | None,
        store: Announced | None = None,
        *,
        patience_s: float = PATIENCE_S,
        again_s: float = FIRST_AGAIN_S,
    ) -> None:
        """`channel`: "platform:id"; None: nothing is told. `patience_s`: how long a text waits for
        a platform that is away, or for a start. `again_s`: after a failure; then twice as long each
        time.
        """
        self._channel, self._store = channel, store
        self._patience_s, self._again_s = patience_s, again_s
        self._platform, _, self._id = (channel or "").partition(":")
        self._notices: asyncio.Queue[Notice] = asyncio.Queue()
        self._left: dict[str, Notice] = {}  # what is not told yet, by id
        self._unkept: set[str] = set()  # of that, what an end would lose, or how far it is told
        self._over: set[str] = set()  # what is told or given up, and may be stored still
        self._adapter: Teller | None = None
        self._is_ready = asyncio.Event()

    async def __aenter__(self) -> Self:
        if self._channel and self._store:
            for one in await self._store.announcements():
                if one.channel != self._channel:  # the settings name another now: nothing is there
                    one = replace(one, channel=self._channel, replies=(), placing=False)
                self._wait(Notice(one, self._keep))
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        self._task = self._group.create_task(self._work(), name="announcements")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await self._group.__aexit__(None, None, None)
        await self._clear()
        for id in self._unkept & self._left.keys():  # the store may take it by now
            await self._keep(self._left[id].announcement)
        if kept := len(self._left) - len(self._unkept):
            logger.info("%d announcements are made at the next start", kept)
        if self._unkept:
            logger.error("the end came before %d announcements were made", len(self._unkept))

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
        """Have it told, CommonMark, after what was to be told before. Returns when it is stored:
        whoever waits for a tune must not wait for a platform. Never raises: what the store does not
        take is kept in memory, and what could not be told within `patience_s` is an error in the
        log.
        """
        if self._channel:
            one = Announcement(uuid4().hex, self._channel, text, datetime.now(UTC))
            self._unkept.add(one.id)
            try:
                await self._keep(one)
            finally:  # also where whoever tells is cut off
                self._wait(Notice(one, self._keep))

    def _wait(self, notice: Notice) -> None:
        self._left[notice.id] = notice
        self._notices.put_nowait(notice)

    async def _work(self) -> None:
        while True:
            notice = await self._notices.get()
            until = notice.at + timedelta(seconds=self._patience_s)
            left_s = (until - datetime.now(UTC)).total_seconds()
            try:
                if left_s <= 0:
                    raise TimeoutError
                async with asyncio.timeout(left_s):
                    await self._told(notice)
            except Refused as error:
                self._give_up(str(error))
            except TimeoutError:
                hours = self._patience_s / 3_600
                self._give_up(f"{self._platform} did not take it within {hours:.0f} hours")
            except Exception:  # a fault of ours in one: the next is told, and the bot goes on
                logger.exception("an announcement broke")
            del self._left[notice.id]
            self._unkept.discard(notice.id)
            self._over.add(notice.id)
            await self._clear()

    async def _keep(self, announcement: Announcement) -> None:
        if self._store:
            try:
                await self._store.put_announcement(announcement)
                self._unkept.discard(announcement.id)
            except StoreError as error:
                self._unkept.add(announcement.id)  # the end tries it again
                logger.warning("an announcement could not be stored: %s", error)

    async def _clear(self) -> None:
        """Whatever cuts this off or fails, the next one and the end do the rest."""
        for id in [*self._over]:
            try:
                if self._store:
                    await self._store.drop_announcement(id)
                self._over.discard(id)
            except StoreError as error:
                logger.warning("an announcement may be made again at the next start: %s", error)

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
