"""Calls of Slack's Web API: each tried once, its failure told in the house's words.

The limits are the workspace's, not an answer's: whoever begins an answer asks here how it may be
shown. https://docs.slack.dev/apis/web-api/rate-limits
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Literal

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from core.answer import Answer
from core.errors import AdapterError, RateLimited, Refused
from core.streaming import Tempo
from core.types import ChannelRef, IncomingMessage

logger = logging.getLogger(__name__)
# The SDK formats what people wrote for its debug lines, and tracebacks for a lost connection, which
# slack.py tells in one line of its own.
SILENT = logging.getLogger(f"{__name__}.sdk")
SILENT.setLevel(logging.CRITICAL + 1)

STARTS, EDITED = 15, 30  # answers a minute that begin as a stream, and as a post that is edited

# Calls a minute by method: https://docs.slack.dev/apis/web-api/rate-limits#tiers
WINDOWS = {
    "chat_postMessage": 300,  # "several hundred", and in a channel one a second
    "chat_update": 50,
    "chat_delete": 50,
    "chat_startStream": 20,
    "chat_appendStream": 100,
    "chat_stopStream": 20,
    "chat_postEphemeral": 100,
    "conversations_history": 50,
    "conversations_replies": 50,
}
POSTS = 5  # in a channel within so many seconds: one a second, with short bursts
MOST_CHANNELS = 1_000  # whose pace is remembered
# `show` waits here after a RateLimited; the calls pace themselves.
RATES = {"answer": (1_000, 1.0)}
WRONG_TOKEN = ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired")
GONE = (
    "channel_not_found",
    "is_archived",
    "not_in_channel",
    "messages_tab_disabled",
    "restricted_action",
    "restricted_action_read_only_channel",
    "restricted_action_thread_locked",
    "restricted_action_non_threadable_channel",
    "restricted_action_thread_only_channel",
    "posting_to_channel_denied",
    "cannot_reply_to_message",
    "thread_not_found",
    "cant_update_message",
    "edit_window_closed",
    "ekm_access_denied",
    "team_not_found",
)
# Of startStream: this workspace has no streams, or not for us.
NO_STREAMS = (
    "unknown_method",
    "feature_not_enabled",
    "feature_disabled",
    "method_deprecated",
    "not_subscribed_to_message_stream_stopped",
    "missing_scope",
)

Way = Literal["stream", "edits", "post"]


class Api:
    """Calls with one session, each tried once: only who knows what a call does may repeat it."""

    def __init__(self, token: str, base_url: str, session: aiohttp.ClientSession) -> None:
        self.client = AsyncWebClient(
            token, base_url=base_url, session=session, retry_handlers=[], logger=SILENT
        )
        self.session = session
        self.tempo = Tempo(RATES)
        self.windows = {method: Window(most) for method, most in WINDOWS.items()}
        self._posts: dict[str, Window] = {}  # by channel
        self.under_way = 0  # answers that need an update at their end
        self.streams: set[str] = set()  # those under way
        self._has_streams = True
        self.has_buttons = True
        self._begun: dict[Way, deque[float]] = {"stream": deque(), "edits": deque()}  # when

    async def call(self, method: str, **arguments: Any) -> Any:
        """One call. Raises ApiError, RateLimited, Refused, and AdapterError where Slack cannot be
        reached or is out of order: then it may have been done.
        """
        try:
            return await getattr(self.client, method)(**arguments)
        except SlackApiError as error:
            raise self._failure(method, error.response, arguments.get("channel", "")) from error
        except (aiohttp.ClientError, SlackClientError, TimeoutError, OSError) as error:
            raise AdapterError(f"Slack: {method} failed: {type(error).__name__}") from error

    def _failure(self, method: str, response: Any, channel: str) -> AdapterError:
        # The SDK gives its own response, or aiohttp's where there was no JSON in it.
        status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0))
        data = getattr(response, "data", None)
        error = str(data.get("error", "")) if isinstance(data, dict) else ""
        if status == 429 or error in ("ratelimited", "rate_limited"):
            wait_s = retry_after_s(response.headers)
            if method == "chat_postMessage":
                self.posts(channel).hold(wait_s)
            elif method in self.windows:
                self.windows[method].hold(wait_s)
            return RateLimited(f"Slack: {method} is limited", retry_after_s=wait_s)
        if status >= 500 or not error:
            return AdapterError(f"Slack: {method} failed with status {status}")
        if error in WRONG_TOKEN:
            return Refused(
                f"Slack does not accept the bot token ({error}): put the one that begins with xoxb-"
                " into the variable that platforms.slack.bot_token_env names."
            )
        if error == "missing_scope":
            needed = data.get("needed", "") if isinstance(data, dict) else ""
            return ApiError(error, f"Slack: {method} needs the scope {needed}: add it to the app")
        return ApiError(error, f"Slack: {method}: {error}")

    async def pages(self, method: str, *, most: int, **arguments: Any) -> AsyncIterator[Any]:
        """The messages of conversations.history, newest first, or of conversations.replies, oldest
        first; at most `most` pages of 200.
        """
        cursor = ""
        for _ in range(most):
            await self.windows[method].turn()
            more = {"cursor": cursor} if cursor else {}
            page = await self.call(method, limit=200, **arguments, **more)
            for message in page["messages"]:
                yield message
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return
        logger.warning("slack: a conversation is longer than what is read of it at once")

    def posts(self, channel: str) -> Window:
        """How often messages may be posted there."""
        if channel not in self._posts:
            if len(self._posts) >= MOST_CHANNELS:
                resting = [id for id, window in self._posts.items() if window.rests]
                for id in resting:
                    del self._posts[id]
            self._posts[channel] = Window(POSTS, POSTS + 0.1)
        return self._posts[channel]

    def way(self, to: IncomingMessage, answer: Answer) -> Way:
        """How an answer that begins now can be shown without taking the calls of others."""
        if answer.refs or answer.unsure:
            return "edits"  # it goes on in a message
        if to.thread.thread and self._has_streams and self._begins("stream", STARTS):
            return "stream"
        return "edits" if self._begins("edits", EDITED) else "post"

    def _begins(self, way: Way, most: int) -> bool:
        begun, now = self._begun[way], time.monotonic()
        while begun and begun[0] < now - 60:
            begun.popleft()
        if len(begun) >= most:
            return False
        begun.append(now)
        return True

    def lost_streams(self, error: str) -> None:
        if error in NO_STREAMS and self._has_streams:
            self._has_streams = False
            logger.info("slack: no native streams here (%s); answers are posted and edited", error)


class Window:
    """At most so many calls in any minute, or other time; all at once where there is room."""

    def __init__(self, most: int, seconds: float = 61.0) -> None:
        self._most, self._seconds = most, seconds  # a second more: Slack counts what arrives
        self._calls: deque[float] = deque()
        self._held_until = 0.0
        self._turns = asyncio.Lock()

    def may(self, *, spare: int = 0) -> bool:
        """Whether a call that can be left out may go out now, which leaves room for `spare` that
        cannot; True counts it.
        """
        if self._turns.locked() or self._wait_s(spare) > 0:
            return False
        self._calls.append(time.monotonic())
        return True

    async def turn(self) -> None:
        """Return when a call may go out, in the order of asking; it is counted."""
        async with self._turns:
            while True:
                wait_s = self._wait_s()
                if wait_s <= 0:
                    break
                await asyncio.sleep(wait_s)  # it may be held again meanwhile
            self._calls.append(time.monotonic())

    @property
    def rests(self) -> bool:
        return self._wait_s() <= 0 and not self._calls

    def hold(self, seconds: float) -> None:
        """Slack said "not before"."""
        self._held_until = max(self._held_until, time.monotonic() + seconds)

    def _wait_s(self, spare: int = 0) -> float:
        now = time.monotonic()
        while self._calls and self._calls[0] <= now - self._seconds:
            self._calls.popleft()
        full_s = 0.0
        if len(self._calls) + spare >= self._most:
            full_s = self._calls[0] + self._seconds - now if self._calls else self._seconds
        return max(full_s, self._held_until - now)


class ApiError(AdapterError):
    """Slack answered, and said no: nothing was done."""

    def __init__(self, error: str, message: str) -> None:
        super().__init__(message)
        self.error = error


async def tell(api: Api, channel: ChannelRef, user: str, **body: Any) -> None:
    """Say something to one person alone: in the channel, or where we are not in it, directly."""
    await api.windows["chat_postEphemeral"].turn()
    try:
        await api.call("chat_postEphemeral", channel=channel.id, user=user, **body)
    except ApiError as error:
        if error.error not in (*GONE, "user_not_in_channel"):
            raise
        body = {k: v for k, v in body.items() if k != "thread_ts"}
        try:
            await api.call("chat_postMessage", channel=user, unfurl_links=False, **body)
        except ApiError as refused:
            raise Refused(str(refused)) from refused


def retry_after_s(headers: Any) -> float:
    try:
        return float(headers.get("Retry-After", 1))
    except ValueError:
        return 1.0


def open_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30, sock_connect=10))


async def new_ticket(api: Api, app_token: str) -> str:
    """The address of a socket, good for one connection."""
    try:
        opened = await api.call("apps_connections_open", app_token=app_token)
    except (ApiError, Refused) as error:
        raise Refused(
            f"Slack does not accept the app token ({error}): put one that begins with xapp- and has"
            " the scope connections:write into the variable that platforms.slack.app_token_env"
            " names."
        ) from error
    return str(opened["url"])
