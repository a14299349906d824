"""The SDK's connections to Telegram, and its errors in the core's words."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

os.environ.setdefault("PTB_TIMEDELTA", "1")  # else the SDK warns about itself at every 429

import httpx
import telegram as tg
from telegram.error import BadRequest, Forbidden, InvalidToken, RetryAfter, TelegramError
from telegram.request import HTTPXRequest

from core.errors import AdapterError, RateLimited, Refused

logger = logging.getLogger(__name__)
for _library in ("httpx", "httpcore", "telegram"):  # they log addresses, with the token in them
    logging.getLogger(_library).setLevel(logging.WARNING)

MOST_CALLS, KEPT_S = 64, 60.0
NOT_ACCEPTED = (
    "Telegram does not accept the bot's token: put the one that @BotFather gave you into the"
    " environment variable that platforms.telegram.bot_token_env names"
)


@dataclass
class Line:
    """The SDK with its connections: some for calls, one for polling."""

    bot: tg.Bot
    requests: tuple[Requests, Requests]

    async def close(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                for request in self.requests:
                    await request.shutdown()


def dial(token: str, base_url: str, late_s: float) -> Line:
    """`late_s`: how much longer than asked for the answer to a poll may take."""
    base = base_url.rstrip("/")
    # Loading certificates takes 25 ms, so that is done once. httpx would close a connection that
    # rested for 5 s, and the first words after it would wait for a new one.
    verify = httpx.create_ssl_context() if base.startswith("https:") else False
    limits = httpx.Limits(max_connections=MOST_CALLS, keepalive_expiry=KEPT_S)
    more = {"verify": verify, "limits": limits}
    calls = Requests(read_timeout=20, pool_timeout=10, httpx_kwargs=more)
    polls = Requests(read_timeout=late_s, httpx_kwargs=more)
    bot = tg.Bot(
        token,
        base_url=f"{base}/bot",
        base_file_url=f"{base}/file/bot",
        request=calls,
        get_updates_request=polls,
    )
    return Line(bot, (calls, polls))


class Requests(HTTPXRequest):
    """The SDK's client. An update that the SDK cannot read is left empty here: it would hide those
    that come with it, and be logged with all that was said.
    """

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
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
    except Exception as error:  # whatever a payload makes the SDK stumble over
        number = update["update_id"]
        logger.warning("Telegram: update %s is malformed (%s)", number, type(error).__name__)
        return {"update_id": number}
    return update


@contextmanager
def ours() -> Iterator[None]:
    """The SDK's errors as the core's. What Telegram calls a bad request it will never take."""
    try:
        yield
    except RetryAfter as error:
        wait_s = seconds(error.retry_after)
        raise RateLimited(f"Telegram: not for {wait_s:.0f} s", retry_after_s=wait_s) from error
    except InvalidToken as error:
        raise Refused(NOT_ACCEPTED) from error
    except (BadRequest, Forbidden) as error:
        raise Refused(f"Telegram will not have it: {error}") from error
    except TelegramError as error:
        raise AdapterError(f"Telegram: {error}") from error


def seconds(wait: float | timedelta) -> float:
    return wait.total_seconds() if isinstance(wait, timedelta) else wait
