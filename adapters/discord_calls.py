"""Calls to Discord by its library: at our addresses, no longer than we wait, and what errors mean.

It knows no session and nothing of what the calls are for.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import HTTPClient, Route

from core.errors import AdapterError, RateLimited, Refused

logger = logging.getLogger(__name__)

# The library logs addresses, and those of interactions hold what lets anybody answer them.
logging.getLogger("discord.http").addFilter(
    lambda record: not re.search("/(webhooks|interactions)/", record.getMessage())
)

BASE_URL, GATEWAY_URL = Route.BASE, str(DiscordWebSocket.DEFAULT_GATEWAY)
LONGEST_WAIT_S = 30.0  # for a rate limit, in the library; longer ones come to us
NO_TOKEN = (
    "Discord does not accept the bot token. Put the one from your application's page Bot into the"
    " environment variable that platforms.discord.bot_token_env names."
)
# https://docs.discord.com/developers/topics/opcodes-and-status-codes#json
RIGHTS = {
    50001: "the bot may not see the channel: give it View Channel and Read Message History",
    50007: "this person takes no direct messages from the bot",
    50013: "the bot lacks a right in the channel: Send Messages, Send Messages in Threads,"
    " Read Message History or Attach Files",
    160002: "the bot may not reply in the channel: give it Read Message History",
}
BAD_WEBHOOK_TOKEN, TOO_MANY_OLD_EDITS, ACKNOWLEDGED_ALREADY = 50027, 30046, 40060
THREAD_IS_ARCHIVED = 50083


class Unknown(Refused):
    """What a call was about is not there any more, or its time is over."""


class Archived(Refused):
    """The thread was closed; whoever may write there may open it again, while it is not locked."""


class Http(HTTPClient):
    """The library's calls, at the addresses of the settings."""

    def __init__(self, loop: asyncio.AbstractEventLoop, base_url: str, gateway_url: str) -> None:
        seen = aiohttp.TraceConfig()
        seen.on_request_end.append(self._answered)
        super().__init__(loop, max_ratelimit_timeout=LONGEST_WAIT_S, http_trace=seen)
        self._limited_until = 0.0  # all calls, by the loop's clock
        self._base_url, self._gateway_url = base_url.rstrip("/"), yarl.URL(gateway_url)

    async def request(self, route: Route, **kwargs: Any) -> Any:
        route.url = self._base_url + route.url.removeprefix(Route.BASE)
        try:
            return await super().request(route, **kwargs)
        except discord.RateLimited as error:  # it does not say which limit was met
            is_of_place = self.loop.time() >= self._limited_until
            raise RateLimited(
                "Discord asks to wait.", retry_after_s=error.retry_after, is_of_place=is_of_place
            ) from error
        except asyncio.CancelledError:
            # Whoever waits for the end of a limit on everything lets the others go on; if that was
            # this call, nobody else would.
            self._global_over.set()
            raise
        except RuntimeError as error:  # aiohttp's: the session was closed while the library waited
            raise aiohttp.ClientConnectionError(str(error)) from error

    async def _answered(
        self, _: object, __: object, call: aiohttp.TraceRequestEndParams, /
    ) -> None:
        headers = call.response.headers
        if is_for_all(headers):
            self._limited_until = self.loop.time() + wait_of(headers)

    async def ws_connect(self, url: str, *, compress: int = 0) -> aiohttp.ClientWebSocketResponse:
        """To resume, the session's own address is used."""
        if url.startswith(GATEWAY_URL):
            url = str(self._gateway_url.with_query(yarl.URL(url).query))
        return await super().ws_connect(url, compress=compress)


@contextmanager
def raising() -> Iterator[None]:
    """The library's errors become ours."""
    try:
        yield
    except discord.LoginFailure as error:
        raise Refused(NO_TOKEN) from error
    except discord.HTTPException as error:
        if error.code != ACKNOWLEDGED_ALREADY:
            raise meaning(error) from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise AdapterError(f"Discord cannot be reached: {type(error).__name__}") from error


@contextmanager
def understood(what: str) -> Iterator[None]:
    """One thing that is not as the library expects it ends neither the others nor us."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        logger.warning("Discord: a %s was not understood: %s", what, type(error).__name__)


def meaning(error: discord.HTTPException) -> AdapterError:
    """Without Discord's own words, which may quote what was sent."""
    what = f"({error.status}, {error.code})"
    if error.status == 429 or error.code == TOO_MANY_OLD_EDITS:
        headers = error.response.headers
        is_of_place = "Via" in headers and not is_for_all(headers)  # else Cloudflare says it
        return RateLimited(
            f"Discord asks to wait {what}.",
            retry_after_s=wait_of(headers),
            is_of_place=is_of_place or error.code == TOO_MANY_OLD_EDITS,
        )
    if error.status == 404 or error.code == BAD_WEBHOOK_TOKEN:
        return Unknown(f"Discord does not know it any more {what}.")
    if error.status == 401:  # the gateway says so too, and ends us; the next start goes on
        return AdapterError(NO_TOKEN)
    if error.status == 403:
        return Refused(f"Discord refuses {what}: {RIGHTS.get(error.code, 'the bot may not')}.")
    if error.code == THREAD_IS_ARCHIVED:
        return Archived(f"The thread is archived {what}.")
    if error.status == 400:
        return Refused(f"Discord does not take what was sent {what}.")
    return AdapterError(f"Discord failed {what}.")


def is_for_all(headers: Mapping[str, str]) -> bool:
    """https://docs.discord.com/developers/topics/rate-limits#header-format"""
    return "X-RateLimit-Global" in headers


def wait_of(headers: Mapping[str, str]) -> float:
    wait_s = headers.get("Retry-After", "")
    return float(wait_s) if re.fullmatch(r"\d+(\.\d+)?", wait_s) else 10.0
