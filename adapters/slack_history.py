"""What was said on Slack: what was heard last, what nobody heard, and what stood there before."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.slack_calls import Api, ApiError
from adapters.slack_events import ts_of, when
from core.types import ThreadRef

AFTER_START = timedelta(days=1)  # in case the newest was heard before all of an absence was read
AFTER_LINE = timedelta(minutes=10)  # where the line was lost: what Slack was trying to deliver
LISTED_AFTER = timedelta(minutes=1)  # what Slack does not list by then was deleted, perhaps
MOST_PAGES = 20  # of one channel or thread
LARGEST_PAGE = 1_000  # of a thread that is read to its end
SAID = (None, "file_share", "thread_broadcast", "bot_message")
MOST_TALKS = 20_000  # that are remembered in case the line is lost

Message = dict[str, Any]


class Talks(dict[ThreadRef, str]):
    """The conversations with us, and what was heard last in each."""

    def hear(self, thread: ThreadRef, ts: str) -> None:
        self[thread] = max(ts, self.get(thread, ""))
        if len(self) > MOST_TALKS:
            self.forget(sorted(self.values())[-MOST_TALKS // 2])

    def forget(self, before: str) -> None:
        for thread in [thread for thread, last in self.items() if last < before]:
            del self[thread]


@dataclass(frozen=True, slots=True)
class Missed:
    messages: list[tuple[Message, bool]]  # oldest first, and whether it was never heard, if for us
    gone: list[str]  # of what was heard last somewhere, what stands there no more


async def since(
    api: Api, channel: str, threads: Mapping[str, str], oldest: str, again: timedelta
) -> Missed:
    """What came after the newest that was heard, and what of it Slack tells beside that.

    `threads`: what was heard last in each conversation there, by its root; "" where the channel
    itself is one. Nothing before `oldest` is read. The channel's history names the threads that
    have news; those that began before it are asked one by one. Raises AdapterError.

    Whoever heard the newest was there until then. Of what came before it, `again` is read anew, and
    no more: each thread is a call, and all the channel waits.
    """
    newest = when(max(threads.values()))
    floor, day_before = ts_of(newest - again), ts_of(newest - AFTER_START)
    begin = max(oldest, min([day_before, threads.get("", day_before), *filter(None, threads)]))
    after = {root: max(last, floor) if root else last for root, last in threads.items()}
    found: dict[str, Message] = {}
    about = {"channel": channel, "inclusive": True}
    async for message in api.pages("conversations_history", most=MOST_PAGES, oldest=begin, **about):
        found[message["ts"]] = message
    news = [root for root in threads if root and root not in found and root <= begin]
    news += [
        ts for ts, root in found.items() if root.get("latest_reply", "") > after.get(ts, floor)
    ]
    for root in news:
        about |= {"ts": root, "oldest": after.get(root, floor)}
        async for message in api.pages("conversations_replies", most=MOST_PAGES, **about):
            found.setdefault(message["ts"], message)
    messages = [
        (message, ts > after.get(conversation(message, after), floor))
        for ts, message in sorted(found.items())
    ]
    a_minute_ago = ts_of(datetime.now(UTC) - LISTED_AFTER)
    missing = [
        last
        for root, last in threads.items()
        if last not in found and last < a_minute_ago
        if (after[root] == last if root in news else _would_stand(found, root, last, begin))
    ]
    return Missed(messages, [ts for ts in missing if await _is_gone(api, channel, ts)])


def conversation(message: Message, known: Container[str]) -> str:
    """The root of the conversation that a message stands in, of those that are known."""
    root = message.get("thread_ts") or message["ts"]
    return "" if root == message["ts"] and "" in known else root


def _would_stand(found: Mapping[str, Message], root: str, last: str, begin: str) -> bool:
    """Whether a message would have been found or told of, if it were there still."""
    if root in found:
        return str(found[root].get("latest_reply", "")) < last
    return begin <= (root or last)


async def _is_gone(api: Api, channel: str, ts: str) -> bool:
    try:
        async for _ in api.pages("conversations_replies", most=1, channel=channel, ts=ts):
            return False
    except ApiError as error:
        return error.error in ("thread_not_found", "message_not_found")
    return False


async def before(api: Api, channel: str, root: str, ts: str, *, most: int) -> list[Message]:
    """The newest of what was said in a thread before the message `ts`. Raises AdapterError.

    Slack lists a thread from its beginning, so that it is read to its end. No stretch of time would
    do: somebody may ask for the gist of a thread a year after its last word.
    """
    about = {"channel": channel, "ts": root, "latest": ts, "limit": LARGEST_PAGE}
    newest = deque[Message](maxlen=most)
    async for message in api.pages("conversations_replies", most=MOST_PAGES, **about):
        is_said = message.get("subtype") in SAID and bool((message.get("text") or "").strip())
        if is_said and message["ts"] < ts:
            newest.append(message)
    return list(newest)


async def message_at(api: Api, channel: str, root: str, ts: str) -> Message:
    """What stands at `ts` in a thread, or begins it; {} where nothing does. Raises AdapterError."""
    about = {"channel": channel, "ts": root, "oldest": ts, "inclusive": True}
    pages = api.pages("conversations_replies", most=1, **about)
    async for message in pages:
        if message["ts"] == ts:
            return dict(message)
    return {}


async def thread_of(api: Api, channel: str, ts: str) -> str:
    """The thread that a message stands in, "" for none: a reaction does not say."""
    pages = api.pages("conversations_replies", most=1, channel=channel, ts=ts)
    return max([message.get("thread_ts", "") async for message in pages], default="")
