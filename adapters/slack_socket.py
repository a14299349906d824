"""One Socket Mode connection that is brought back when it dies.

The SDK connects anew by itself when Slack asks or the line is cut. Where it does not (its issues
slackapi/python-slack-sdk 1701, 1110 and 1922), the client is built anew.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp

from core.errors import AdapterError, Refused

logger = logging.getLogger(__name__)

PING_S = 3.0  # a silent line is noticed after four of them
CONNECT_S = 15.0
DEAD_S = 15.0  # what the SDK does not bring back for so long is built anew


class Line:
    def __init__(
        self,
        app: AsyncApp,
        app_token: str,
        ticket: Callable[[], Awaitable[str]],
        sdk_logger: logging.Logger,
        *,
        dead_s: float = DEAD_S,
    ) -> None:
        """`ticket`: asks Slack for the address of a socket. `dead_s`: how long the SDK has."""
        self._app, self._app_token, self._ticket = app, app_token, ticket
        self._sdk_logger, self._dead_s = sdk_logger, dead_s
        self._handler: AsyncSocketModeHandler | None = None
        self._up_at = time.monotonic()
        self.is_up = False

    async def open(self) -> None:
        """Connect. Raises AdapterError, and Refused where the token is not accepted."""
        address = await self._ticket()
        self._handler = AsyncSocketModeHandler(
            self._app, self._app_token, logger=self._sdk_logger, ping_interval=PING_S
        )
        self._handler.client.wss_uri = address  # asked for by us: the SDK would try for ever
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._handler.connect_async()  # type: ignore[no-untyped-call]
        except TimeoutError as error:
            await self.close()
            raise AdapterError("Slack: the socket does not open") from error
        self.is_up, self._up_at = True, time.monotonic()

    async def keep_up(self) -> None:
        """Look whether it lives, and build it anew when it was dead for long. Raises Refused."""
        handler = self._handler
        self.is_up = handler is not None and await handler.client.is_connected()
        if self.is_up:
            self._up_at = time.monotonic()
            return
        if time.monotonic() - self._up_at < self._dead_s:
            return
        logger.warning("slack: a dead connection is built anew")
        await self.close()
        self._up_at = time.monotonic()  # the next try after as long again
        try:
            await self.open()
        except Refused:
            raise
        except AdapterError as error:
            logger.warning("%s", error)

    async def close(self) -> None:
        """Close, and wait for what the SDK only cancels."""
        handler, self._handler, self.is_up = self._handler, None, False
        if handler is None:
            return
        client = handler.client
        tasks = [client.message_processor, client.current_session_monitor, client.message_receiver]
        await handler.close_async()  # type: ignore[no-untyped-call]
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)
