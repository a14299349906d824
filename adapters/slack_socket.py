"""One Socket Mode connection that is brought back when it dies, and what it may say to an envelope.

The SDK connects anew by itself when Slack asks. Where a line is cut it takes its time, and now and
then it does not come back (slackapi/python-slack-sdk issues 1701, 1110, 1922): then the client is
built anew here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.response import BoltResponse
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from core.errors import AdapterError, RateLimited, Refused

logger = logging.getLogger(__name__)

PING_S = 3.0  # a silent line is noticed after four of them
CONNECT_S = 15.0
LOOK_S = 0.25
DEAD_S = 1.5  # what the SDK does not bring back for so long is built anew
LONGEST_PAUSE_S = 30.0  # between tries while Slack cannot be reached

Deed = Callable[[], Awaitable[BoltResponse | None]]  # what is done about an envelope
DONE = BoltResponse(status=200, body="")
AGAIN = BoltResponse(status=503, body="")  # not acknowledged: Slack delivers it again


def answered(payload: dict[str, Any]) -> BoltResponse:
    """An acknowledgement that says something."""
    return BoltResponse(status=200, body=payload)


class Handler(AsyncSocketModeHandler):
    """Acknowledges also what Bolt cannot take apart; it would come again for ever."""

    async def handle(self, client: SocketModeClient, req: SocketModeRequest) -> None:  # type: ignore[override]
        try:
            await super().handle(client, req)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            logger.warning("slack: an envelope was not understood: %s", type(error).__name__)
            await client.send_socket_mode_response(SocketModeResponse(req.envelope_id))


class Line:
    def __init__(
        self,
        app: AsyncApp,
        app_token: str,
        ticket: Callable[[], Coroutine[Any, Any, str]],
        sdk_logger: logging.Logger,
        *,
        ping_s: float = PING_S,
        dead_s: float = DEAD_S,
    ) -> None:
        """`ticket`: asks Slack for the address of a socket. `dead_s`: how long the SDK has."""
        self._ping_s, self._pause_s = ping_s, dead_s
        self._app, self._app_token, self._ticket = app, app_token, ticket
        self._sdk_logger, self._dead_s = sdk_logger, dead_s
        self._handler: Handler | None = None
        self._up_at = time.monotonic()
        self.is_up = False

    async def open(self) -> None:
        """Connect, not before Slack wants that. Raises AdapterError, and Refused where the token is
        not accepted.
        """
        address = await self._address()
        self._handler = Handler(
            self._app, self._app_token, logger=self._sdk_logger, ping_interval=self._ping_s
        )
        self._handler.client.wss_uri = address  # asked for by us: the SDK would try for ever
        # It asks by itself when Slack sends it away; what it is told there counts for all lines.
        self._handler.client.issue_new_wss_url = self._ticket  # type: ignore[method-assign]
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._handler.connect_async()  # type: ignore[no-untyped-call]
        except TimeoutError as error:
            await self.close()
            raise AdapterError("Slack: the socket does not open") from error
        self.is_up, self._up_at = True, time.monotonic()

    async def _address(self) -> str:
        while True:
            try:
                return await self._ticket()
            except RateLimited as error:
                wait_s = max(error.retry_after_s, self._dead_s)
                logger.warning("%s; again in %.0f s", error, wait_s)
                await asyncio.sleep(wait_s)

    async def stay(self) -> None:
        """Look whether it lives, and build it anew where it does not; until cancelled.

        Raises Refused.
        """
        while True:
            await asyncio.sleep(LOOK_S)
            handler = self._handler
            self.is_up = handler is not None and await handler.client.is_connected()
            if self.is_up:
                self._up_at, self._pause_s = time.monotonic(), self._dead_s
            elif time.monotonic() - self._up_at > self._pause_s:
                await self._build_anew()

    async def _build_anew(self) -> None:
        await self.close()
        try:
            await self.open()
        except Refused:
            raise
        except AdapterError as error:
            logger.warning("%s", error)
            self._up_at = time.monotonic()  # the next try is so much later
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    async def close(self) -> None:
        """Close, and wait for what the SDK only cancels."""
        handler, self._handler, self.is_up = self._handler, None, False
        if handler is None:
            return
        client = handler.client
        tasks = [client.message_processor, client.current_session_monitor, client.message_receiver]
        await handler.close_async()  # type: ignore[no-untyped-call]
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)
