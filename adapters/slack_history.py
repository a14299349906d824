"""What was said on Slack while nobody listened, or before we were asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.slack_calls import Api

MOST_PAGES = 20  # of 200 messages, of one channel or thread
QUOTED_PAGES = 5

Message = dict[str, Any]


async def since(api: Api, channel: str, threads: Mapping[str, str], oldest: str) -> list[Message]:
    """What came after the newest that was heard, oldest first; some of it was heard before.

    `threads`: what was heard last in each conversation there, by its root; "" where the channel
    itself is one. Nothing before `oldest` is read. The channel's history names the threads that
    have news; those that began before it are asked one by one. Raises AdapterError.
    """
    last = min(threads.values())
    begin = max(oldest, min([last, *filter(None, threads)]))
    found: dict[str, Message] = {}
    history = api.pages("conversations_history", most=MOST_PAGES, channel=channel, oldest=begin)
    async for message in history:
        found[message["ts"]] = message
    # Slack leaves out the message that `oldest` names.
    with_news = [root for root in threads if root and root not in found and root <= begin]
    with_news += [
        ts for ts, root in found.items() if root.get("latest_reply", "") > threads.get(ts, last)
    ]
    for root in with_news:
        about = {"channel": channel, "ts": root, "oldest": threads.get(root, last)}
        async for message in api.pages("conversations_replies", most=MOST_PAGES, **about):
            found.setdefault(message["ts"], message)
    return [found[ts] for ts in sorted(found) if ts > last]


async def before(api: Api, channel: str, root: str, ts: str, *, most: int) -> list[Message]:
    """The newest of what was said in a thread before the message `ts`. Raises AdapterError."""
    about = {"channel": channel, "ts": root, "latest": ts}
    pages = api.pages("conversations_replies", most=QUOTED_PAGES, **about)
    return [
        message
        async for message in pages
        if message["ts"] < ts
        and message.get("subtype") in (None, "file_share", "thread_broadcast", "bot_message")
        and (message.get("text") or "").strip()
    ][-most:]


async def thread_of(api: Api, channel: str, ts: str) -> str:
    """The thread that a message stands in, "" for none: a reaction does not say."""
    pages = api.pages("conversations_replies", most=1, channel=channel, ts=ts)
    return max([message.get("thread_ts", "") async for message in pages], default="")
