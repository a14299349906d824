"""Calls of Slack's Web API: each tried once, its failure told in the house's words.

The limits are the workspace's, not an answer's: whoever begins an answer asks here how it may be
shown. https://docs.slack.dev/apis/web-api/rate-limits
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any, Literal

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from core.answer import Answer
from core.errors import AdapterError, RateLimited, Refused
from core.tempo import AtOnce, Tempo
from core.types import ChannelRef, IncomingMessage

logger = logging.getLogger(__name__)
# The SDK formats what people wrote for its debug lines, and tracebacks for a lost connection, which
# slack.py tells in one line of its own.
SILENT = logging.getLogger(f"{__name__}.sdk")
SILENT.setLevel(logging.CRITICAL + 1)

# Calls a minute by method: https://docs.slack.dev/apis/web-api/rate-limits#tiers
METHODS = {
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
# All at once where there is room: answers end together, and each end is a call or two. It is a
# little more time than Slack says, since Slack counts what arrives.
RATES: dict[str, tuple[int, float] | AtOnce] = {
    **{method: AtOnce(most, 61.0) for method, most in METHODS.items()},
    "posts": AtOnce(5, 5.1),  # in a channel: one a second, with short bursts
    "stream": AtOnce(15, 60.0),  # answers that begin as a stream
    "edits": AtOnce(30, 60.0),  # and as a post that is edited
    "answer": (1_000, 1.0),  # `show` waits here after a RateLimited; the calls pace themselves
}
BREATH_S = 0.5  # after which what the tempo left out is tried again
MOST_REFUSALS = 3  # of blocks: from then on answers are sent as text, without buttons
WRONG_TOKEN = ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired")
AT_THE_START = ("auth_test", "apps_connections_open")  # what is called before anything is heard
# With status 200; it may have been done: https://docs.slack.dev/reference/methods/chat.postMessage
OUT_OF_ORDER = ("internal_error", "fatal_error", "service_unavailable", "request_timeout")
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
        self.under_way = 0  # answers that need an update at their end
        self.streams: set[str] = set()  # those under way
        self._has_streams = True
        self._refusals = 0  # of blocks, by answers one after the other
        self.revoked: Refused | None = None  # the bot token, meanwhile

    async def call(self, method: str, **arguments: Any) -> Any:
        """One call. Raises ApiError, RateLimited, Refused, and AdapterError where Slack cannot be
        reached or is out of order: then it may have been done.
        """
        if self.session.closed:
            raise AdapterError(f"Slack: {method} failed: the connection has ended")
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
            self.tempo.hold(wait_s, posts(channel) if method == "chat_postMessage" else method)
            return RateLimited(f"Slack: {method} is limited", retry_after_s=wait_s)
        if status >= 500 or not error or error in OUT_OF_ORDER:
            return AdapterError(f"Slack: {method} failed with status {status} {error}".rstrip())
        if error in WRONG_TOKEN:
            refused = Refused(
                f"Slack does not accept the bot token ({error}): put the one that begins with xoxb-"
                " into the variable that platforms.slack.bot_token_env names."
            )
            if method in AT_THE_START:
                return refused
            self.revoked = refused  # it ends the platform, and no answer
            return AdapterError(f"Slack: {method} failed ({error})")
        if error == "missing_scope":
            needed = data.get("needed", "") if isinstance(data, dict) else ""
            return ApiError(error, f"Slack: {method} needs the scope {needed}: add it to the app")
        return ApiError(error, f"Slack: {method}: {error}")

    async def post(self, url: str, what: str, **body: Any) -> int:
        """To an address that Slack gave us; the status. Raises AdapterError where it cannot be
        reached, is out of order, or we are not connected any more: then it may have been done.
        """
        if self.session.closed:
            raise AdapterError(f"Slack: {what} failed: the connection has ended")
        try:
            async with self.session.post(url, **body) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise AdapterError(f"Slack: {what} failed: {type(error).__name__}") from error
        if status >= 500:
            raise AdapterError(f"Slack: {what} failed with status {status}")
        return status

    async def pages(self, method: str, *, most: int, **arguments: Any) -> AsyncIterator[Any]:
        """The messages of conversations.history, newest first, or of conversations.replies, oldest
        first; at most `most` pages, of 200 where no `limit` is given.
        """
        arguments = {"limit": 200, **arguments}
        cursor = ""
        for _ in range(most):
            await self.tempo.turn(method)
            more = {"cursor": cursor} if cursor else {}
            page = await self.call(method, **arguments, **more)
            for message in page["messages"]:
                yield message
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return
        logger.warning("slack: a conversation is longer than what is read of it at once")

    def way(self, to: IncomingMessage, answer: Answer) -> Way:
        """How an answer that begins now can be shown without taking the calls of others."""
        if answer.refs or answer.unsure:
            return "edits"  # it goes on in a message
        can_stream = bool(to.thread.thread) and self._has_streams
        if can_stream and self.tempo.may("stream", "chat_startStream", spare=0):
            return "stream"
        return "edits" if self.tempo.may("edits", spare=0) else "post"

    @property
    def takes_blocks(self) -> bool:
        return self._refusals < MOST_REFUSALS

    def took_buttons(self) -> None:
        self._refusals = 0

    def refused_blocks(self, error: str) -> None:
        """Of one answer: it may be its text that Slack does not like, or all blocks."""
        self._refusals += 1
        if not self.takes_blocks:
            logger.warning("slack: no voting buttons here (%s)", error)

    def lost_streams(self, error: str) -> None:
        if error in NO_STREAMS and self._has_streams:
            self._has_streams = False
            logger.info("slack: no native streams here (%s); answers are posted and edited", error)


class ApiError(AdapterError):
    """Slack answered, and said no: nothing was done."""

    def __init__(self, error: str, message: str) -> None:
        super().__init__(message)
        self.error = error


async def tell(api: Api, channel: ChannelRef, user: str, **body: Any) -> None:
    """Say something to one person alone: in the channel, or where we are not in it, directly."""
    await api.tempo.turn("chat_postEphemeral")
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


def posts(channel: str) -> str:
    """The key under which messages to a channel are paced."""
    return f"posts:{channel}"


def retry_after_s(headers: Any) -> float:
    try:
        return float(headers.get("Retry-After", 1))
    except ValueError:
        return 1.0


def open_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30, sock_connect=10))


async def new_ticket(api: Api, app_token: str) -> str:
    """The address of a socket, good for one connection. Raises AdapterError, Refused where the
    token is not accepted, and RateLimited: also without a call, while Slack wants none.
    """
    wait_s = api.tempo.held_s("apps_connections_open")
    if wait_s > 0:
        raise RateLimited("Slack: apps_connections_open is limited", retry_after_s=wait_s)
    try:
        opened = await api.call("apps_connections_open", app_token=app_token)
    except (ApiError, Refused) as error:
        raise Refused(
            f"Slack does not accept the app token ({error}): put one that begins with xapp- and has"
            " the scope connections:write into the variable that platforms.slack.app_token_env"
            " names."
        ) from error
    return str(opened["url"])
