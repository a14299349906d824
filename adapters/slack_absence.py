"""What happened on Slack while we were away, told to the inbox; before what is new, if it can be.

What was said is read in slack_history.py. It knows nothing of connections.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.slack_calls import Api, ApiError
from adapters.slack_events import Ears, ts_of
from adapters.slack_hearing import VOTES, Hearing
from adapters.slack_history import AFTER_START, Talks, since
from adapters.slack_votes import Votes
from core.errors import AdapterError, Closing, Refused, StoreError
from core.lanes import Lanes
from core.ports import Inbox
from core.types import ChannelRef, MessageRef, ThreadRef

logger = logging.getLogger(__name__)

FIRST_AGAIN_S, LONGEST_AGAIN_S = 0.5, 30.0  # where it cannot be read
RECENT = timedelta(days=7)


@dataclass
class Absence:
    api: Api
    ears: Ears
    inbox: Inbox
    hearing: Hearing
    votes: Votes
    lanes: Lanes  # one for each channel
    talks: Talks

    async def catch_up(self, seen: dict[ThreadRef, str], again: timedelta = AFTER_START) -> None:
        """`seen`: the conversations with us, and what was heard last in each. `again`: how much of
        what came before the newest is read anew.
        """
        oldest = ts_of(datetime.now(UTC) - RECENT)
        newest = max(seen.values(), default="")
        channels: dict[ChannelRef, dict[str, str]] = {}
        for thread, last in seen.items():
            if last > oldest:
                channels.setdefault(thread.channel, {})[thread.thread] = last
        self.talks.forget(oldest)
        waiting, wait_s = deque(channels.items()), FIRST_AGAIN_S
        while waiting:
            channel, threads = waiting.popleft()
            try:
                async with self.lanes.enter(ThreadRef(channel)):
                    missed = await since(self.api, channel.id, threads, oldest, again)
                    for ts in missed.gone:
                        await self.inbox.changed(MessageRef(channel, ts), None)
                    for message, is_new in missed.messages:
                        with suppress(KeyError, TypeError, ValueError):
                            if is_new:
                                await self._hear_late(message, channel)
                            await self._look_again(message, channel, newest)
            except (ApiError, Refused, Closing) as error:
                logger.warning("slack: what was said in a channel is not read: %s", error)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                why = type(error).__name__
                logger.warning("slack: what was said in a channel is not understood: %s", why)
            except (AdapterError, StoreError) as error:
                logger.warning("slack: what was said in a channel is read later: %s", error)
                waiting.append((channel, threads))
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_AGAIN_S)

    async def _hear_late(self, message: dict[str, Any], channel: ChannelRef) -> None:
        event = {**message, "type": "message", "channel": channel.id}
        if deed := self.hearing.said_or_changed(event):
            await deed()

    async def _look_again(self, message: dict[str, Any], channel: ChannelRef, newest: str) -> None:
        """What became of a message since `newest`, the last that we heard anywhere.

        Thumbs are not told by their time. Those on older answers may be of somebody who asked us
        since to forget their votes.
        """
        ts, is_ours = message["ts"], message.get("user") == self.ears.me
        if message.get("subtype") == "tombstone":
            await self.inbox.changed(MessageRef(channel, ts), None)
        elif not is_ours and (message.get("edited") or {}).get("ts", "") > newest:
            await self.hearing.edited(message, channel)
        elif is_ours and ts > newest and self.votes.by_reaction:
            for reaction in self.ears.thumbs(message, channel):
                async with self.lanes.enter(ThreadRef(channel, VOTES)):
                    await self.votes.found(reaction, message.get("thread_ts") or "")
