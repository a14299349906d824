"""Where an answer is shown on Slack to one person alone: a command's, mostly."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from adapters.slack_calls import BREATH_S, Api, tell
from adapters.slack_text import LIMIT, size, written
from core.answer import Answer
from core.errors import RateLimited, Refused
from core.types import IncomingMessage, MessageRef

RESPONSE_S = 1_700.0  # how long a response_url is good for, nearly


@dataclass
class Whisper:
    """An answer for one person's eyes. Slack lets a command's response_url be used five times in
    half an hour; without one, or behind it, the person is told in a new message.
    """

    api: Api
    to: IncomingMessage
    answer: Answer
    response_url: str = ""
    limit: int = LIMIT
    most_pages: int = 100
    pauses_s: tuple[float, ...] = (0.0, 3.0, 15.0, 60.0)  # before each use while it grows
    _uses: int = 0
    _due: float = 0.0
    _said: dict[str, str] = field(default_factory=dict)  # by message

    MOST_USES = 5  # the last one is the end's

    def size(self, text: str) -> int:
        return size(text)

    async def find(self, part: int) -> MessageRef | None:
        return None  # nobody can look for what one person saw: they are told again

    async def post(self, part: int, text: str, *, last: bool) -> MessageRef:
        ref = self._ref(part)
        await self._say(text, ref)
        return ref

    def _ref(self, part: int) -> MessageRef:
        return MessageRef(self.to.thread.channel, f"{self.to.ref.id}.{part}")

    async def edit(self, ref: MessageRef, text: str, *, last: bool) -> None:
        if self._said.get(ref.id) == text:
            return
        if self.answer.outcome is None:
            is_fixed = not self.response_url or ref != self._ref(0)
            is_used_up = is_fixed or self._uses >= len(self.pauses_s)
            if is_used_up or time.monotonic() < self._due:
                raise RateLimited("Slack: left out for now", retry_after_s=BREATH_S)
        await self._say(text, ref)

    async def remove(self, ref: MessageRef) -> None:
        """What one person saw is gone from their sight soon enough."""

    async def attach(self, part: int, text: str) -> MessageRef:
        raise Refused("This answer is too long to be shown to one person.")

    async def _say(self, text: str, ref: MessageRef) -> None:
        body = written(text)
        self._said.pop(ref.id, None)
        if ref == self._ref(0) and self.response_url and self._uses < self.MOST_USES:
            self._uses += 1
            self._due = time.monotonic() + self.pauses_s[min(self._uses, len(self.pauses_s) - 1)]
            if await self._responded(body):
                self._said[ref.id] = text
                return
        await tell(self.api, self.to.thread.channel, self.to.author.id, **body)
        self._said[ref.id] = text

    async def _responded(self, body: dict[str, Any]) -> bool:
        more = {"response_type": "ephemeral", "replace_original": self._uses > 1}
        return await self.api.post(self.response_url, "response_url", json=body | more) == 200


class ResponseUrls:
    """Those of the commands of the last half hour, by the id of the command's message."""

    def __init__(self) -> None:
        self._urls: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def keep(self, id: str, url: str) -> None:
        now = time.monotonic()
        self._urls[id] = (url, now)
        while next(iter(self._urls.values()))[1] < now - RESPONSE_S:
            self._urls.popitem(last=False)

    def take(self, id: str) -> str:
        """It is given out once; "" where there is none, or none that is good any more."""
        url, since = self._urls.pop(id, ("", 0.0))
        return url if time.monotonic() - since < RESPONSE_S else ""
