"""The line under a Slack thread that says what we do there, while no message of the answer does.

Nothing waits for it. https://docs.slack.dev/reference/methods/assistant.threads.setStatus
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from adapters.slack_calls import Api
from core.answer import Answer
from core.errors import AdapterError
from core.types import IncomingMessage

logger = logging.getLogger(__name__)

THINKING_S = 0.4  # an answer that comes sooner needs no sign of it
AGAIN_S = 90.0  # Slack takes a status away after two minutes

THINKING = "is thinking…"  # Slack puts our name before it
WAITING = "is busy. {words}"


@dataclass
class Status:
    """Of one answer. Slack takes it away itself when a message is posted."""

    api: Api
    to: IncomingMessage
    answer: Answer
    later: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[None] | None]
    _staying: asyncio.Task[None] | None = None

    def think(self) -> None:
        self._staying = self.later(self._stay(THINKING, THINKING_S))

    def wait(self, aside: str) -> None:
        """Where no message stands yet: a stream could not take the words back."""
        self.end()
        self._staying = self.later(self._stay(WAITING.format(words=aside.strip(" \n_*")), 0.0))

    def end(self) -> None:
        if self._staying:
            self._staying.cancel()

    def clear(self) -> None:
        """Nothing was said: no message took it away."""
        self.end()
        self.later(self._say(""))

    async def _stay(self, words: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        while not self.answer.refs and self.answer.outcome is None:
            await self._say(words)
            await asyncio.sleep(AGAIN_S)

    async def _say(self, words: str) -> None:
        try:
            await self.api.call(
                "assistant_threads_setStatus",
                channel_id=self.to.ref.channel.id,
                thread_ts=self.to.thread.thread,
                status=words,
            )
        except AdapterError as error:  # the next may be shown
            logger.info("slack: %s", error)
