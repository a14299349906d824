"""Telegram's updates: polled, handed on, and acknowledged when all of a batch is stored.

Asking for the next offset is Telegram's acknowledgement, so it is asked for only when everything of
the batch before is stored. The offset itself is kept nowhere: what is not acknowledged Telegram
keeps for 24 hours and delivers again, and what comes twice is heard once. (Hence what is stored and
the offset need no common transaction.) What an update says is not looked at here.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence

import telegram as tg
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError

from adapters.telegram_heard import album_of, together
from adapters.telegram_line import NOT_ACCEPTED, Line, seconds
from core.errors import Closing, Refused, StoreError

logger = logging.getLogger(__name__)

Hear = Callable[[Sequence[tg.Update]], Awaitable[None]]
"""Takes one update, or the parts of an album. Returns when it is stored; raises StoreError, or
Closing where nothing more is stored."""

FIRST_AGAIN_S, LONGEST_AGAIN_S = 0.2, 30.0
ALBUM_WITHIN_S = 0.3  # between its parts, each of which is a message to Telegram

TAKEN = (
    "Telegram: another program asks for this bot's messages, so that neither hears all of them"
    " (409 Conflict): stop it, or give this bot a token of its own from @BotFather"
)


class Updates:
    def __init__(self, line: Line, *, poll_s: float, late_s: float, stalled_after_s: float) -> None:
        """`poll_s`: how long a poll may last; `late_s`: how much later its answer may come.

        `stalled_after_s`: without a poll that succeeded, the connections are made anew.
        """
        self._line = line
        self._poll_s, self._late_s, self._stalled_after_s = poll_s, late_s, stalled_after_s
        self._heard: deque[int] = deque(maxlen=200)  # those that may come twice

    async def listen(self, wanted: Sequence[str], hear: Hear) -> None:
        """Poll for what is `wanted`, until nothing more is stored. Raises Refused."""
        loop = asyncio.get_running_loop()
        offset, again_s, answered_at = None, FIRST_AGAIN_S, loop.time()
        while True:
            try:
                updates = await self._poll(offset, wanted, int(self._poll_s))
                if updates and album_of(updates[-1]):  # the rest of it is on its way
                    await asyncio.sleep(ALBUM_WITHIN_S)
                    updates = await self._poll(offset, wanted, 0)
                answered_at = loop.time()
                await self._hear_all(updates, hear)
                # Nothing is left below `offset` then. After a silent week Telegram counts from
                # anywhere, https://core.telegram.org/bots/api#update: so do not insist on it.
                offset = updates[-1].update_id + 1 if updates else None
                again_s = FIRST_AGAIN_S
                continue
            except Closing:
                return
            except InvalidToken as error:
                raise Refused(NOT_ACCEPTED) from error
            except Conflict as error:
                answered_at = loop.time()
                logger.error("%s; again in %.0f s (%s)", TAKEN, again_s, error)
            except RetryAfter as error:
                again_s = max(again_s, seconds(error.retry_after))
            except (StoreError, TelegramError, TimeoutError) as error:
                what = str(error) or type(error).__name__
                logger.warning("Telegram: nothing heard; again in %.1f s: %s", again_s, what)
            # A pool that lost its connections lets nothing through, as if nobody said anything.
            if loop.time() - answered_at > self._stalled_after_s:
                logger.warning("Telegram: connecting anew")
                await self._line.renew()
                answered_at = loop.time()
            await asyncio.sleep(again_s)
            again_s = min(2 * again_s, LONGEST_AGAIN_S)

    async def _poll(
        self, offset: int | None, wanted: Sequence[str], timeout_s: int
    ) -> tuple[tg.Update, ...]:
        async with asyncio.timeout(timeout_s + self._late_s):
            return await self._line.bot.get_updates(
                offset, timeout=timeout_s, allowed_updates=wanted
            )

    async def _hear_all(self, updates: tuple[tg.Update, ...], hear: Hear) -> None:
        """Return when all is stored: what is of one chat in order, chats side by side."""
        lanes: defaultdict[int, list[tg.Update]] = defaultdict(list)
        for update in updates:
            if update.update_id not in self._heard:
                lanes[update.effective_chat.id if update.effective_chat else 0].append(update)
        working = [in_order(lane, hear) for lane in lanes.values()]
        for result in await asyncio.gather(*working, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        self._heard.extend(update.update_id for update in updates)


async def in_order(updates: list[tg.Update], hear: Hear) -> None:
    for one in together(updates):
        try:
            await hear(one)
        except (StoreError, Closing):
            raise
        except Exception as error:  # ours: it would come again for ever, and hold up all others
            logger.error("Telegram: update %d: %s", one[0].update_id, type(error).__name__)
