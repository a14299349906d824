"""The SDK's connections to Telegram, and its errors in the core's words.

Calls go over aiohttp, which the model's client uses too: the SDK's own client takes several times
the processor's time, most of it for looking through its connections at every call.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

os.environ.setdefault("PTB_TIMEDELTA", "1")  # else the SDK warns about itself at every 429

import aiohttp
import telegram as tg
from telegram.error import (
    BadRequest,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)
from telegram.request import BaseRequest, RequestData

from core.errors import AdapterError, RateLimited, Refused

logger = logging.getLogger(__name__)
logging.getLogger("telegram").setLevel(logging.WARNING)  # below, it logs what people wrote

MOST_CALLS, KEPT_S = 64, 60.0  # connections, and how long one that rests is kept
CONNECT_WITHIN_S, ANSWER_WITHIN_S = 5.0, 20.0
# Instead of what an edited message has become: half of an edit's time goes into reading that.
DONE = b'{"ok": true, "result": true}'
NOT_ACCEPTED = (
    "Telegram does not accept the bot's token: put the one that @BotFather gave you into the"
    " environment variable that platforms.telegram.bot_token_env names"
)


class Line:
    """The SDK with its connections: some for calls, one for polling. Replies may outlast `run`, so
    it is open for as long as somebody uses it.
    """

    def __init__(self, token: str, base_url: str, late_s: float) -> None:
        """`late_s`: how much longer than asked for the answer to a poll may take."""
        self._token, self._base, self._late_s = token, base_url.rstrip("/"), late_s
        self.bot: tg.Bot  # while `connected`, and for one call: `renew` makes another
        self._users = 0

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        if not self._users:
            self._dial()
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                await closed(self._requests)

    async def renew(self) -> None:
        """Other connections, where nothing comes through these any more."""
        former = self._requests
        self._dial()
        await closed(former)

    async def who(self) -> tg.User:
        """Whom Telegram takes us for. Only while `connected`. Raises AdapterError."""
        with ours():
            return await self.bot.get_me()

    def _dial(self) -> None:
        proxy = proxy_for(self._base)
        calls, polls = Requests(ANSWER_WITHIN_S, proxy), Requests(self._late_s, proxy)
        self._requests = (calls, polls)
        self.bot = tg.Bot(
            self._token,
            base_url=f"{self._base}/bot",
            base_file_url=f"{self._base}/file/bot",
            request=calls,
            get_updates_request=polls,
        )


async def closed(requests: Iterable[Requests]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            for request in requests:
                await request.shutdown()


def proxy_for(url: str) -> str | None:
    """What the environment says. aiohttp would look there at every call, in a thread, and in
    ~/.netrc too, from which it would send a password to Telegram.
    """
    with suppress(ValueError):  # the call itself says that the address is wrong
        parts = urlsplit(url)
        if not proxy_bypass(parts.netloc):
            return getproxies().get(parts.scheme)
    return None


class Requests(BaseRequest):
    """The SDK's way to Telegram. Its errors bear no address, since the token is a part of it."""

    def __init__(self, answer_within_s: float, proxy: str | None) -> None:
        self._answer_within_s = answer_within_s
        connector = aiohttp.TCPConnector(limit=MOST_CALLS, keepalive_timeout=KEPT_S)
        self._session = aiohttp.ClientSession(connector=connector, proxy=proxy)

    async def initialize(self) -> None: ...

    async def shutdown(self) -> None:
        await self._session.close()

    @property
    def read_timeout(self) -> float:
        return self._answer_within_s

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = BaseRequest.DEFAULT_NONE,
        write_timeout: Any = BaseRequest.DEFAULT_NONE,
        connect_timeout: Any = BaseRequest.DEFAULT_NONE,
        pool_timeout: Any = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        answer_within_s = read_timeout if isinstance(read_timeout, int | float) else None
        within = aiohttp.ClientTimeout(
            sock_connect=CONNECT_WITHIN_S, sock_read=answer_within_s or self._answer_within_s
        )
        form = aiohttp.FormData(request_data.json_parameters if request_data else {})
        for name, (filename, content, kind) in (
            request_data.multipart_data.items() if request_data else ()
        ):
            form.add_field(name, content, filename=filename, content_type=kind)
        try:
            async with self._session.request(method, url, data=form, timeout=within) as answer:
                said = await answer.read()
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is one of the latter
            raise NetworkError(f"the connection failed ({type(error).__name__})") from None
        is_edited = answer.status == HTTPStatus.OK and url.endswith("/editMessageText")
        return answer.status, DONE if is_edited else said

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """An update that the SDK cannot read is left empty: it would hide those that come with it,
        and be logged with all that was said.
        """
        try:
            answer: dict[str, Any] = json.loads(payload)
            if isinstance(answer.get("result"), list):
                answer["result"] = [readable(one) for one in answer["result"]]
        except (AttributeError, ValueError):
            raise TelegramError("this is not how Telegram answers") from None
        return answer


def readable(update: Any) -> Any:
    """The update, or one of its number alone."""
    if not isinstance(update, dict) or "update_id" not in update:
        return update
    try:
        tg.Update.de_json(update)
    except Exception as error:  # six unrelated classes were seen: one missed would hold up all
        number = update["update_id"]
        logger.warning("Telegram: update %s is malformed (%s)", number, type(error).__name__)
        return {"update_id": number}
    return update


@contextmanager
def ours(*, unknown: type[AdapterError] = Refused) -> Iterator[None]:
    """The SDK's errors as the core's. What Telegram calls a bad request it will never take.

    `unknown`: what it is that the token is not accepted (any more).
    """
    try:
        yield
    except RetryAfter as error:
        wait_s = seconds(error.retry_after)
        raise RateLimited(f"Telegram: not for {wait_s:.0f} s", retry_after_s=wait_s) from error
    except InvalidToken as error:
        raise unknown(NOT_ACCEPTED) from error
    except (BadRequest, Forbidden) as error:
        raise Refused(f"Telegram will not have it: {error}") from error
    except TelegramError as error:
        raise AdapterError(f"Telegram: {error}") from error


def seconds(wait: float | timedelta) -> float:
    return wait.total_seconds() if isinstance(wait, timedelta) else wait
