"""The smallest async client that reads streamed answers: what Mynah is measured against."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Sequence

import aiohttp

Messages = Sequence[tuple[str, str]]  # roles and texts
Talks = Iterable[Sequence[Messages]]


async def ask(
    session: aiohttp.ClientSession, url: str, model: str, messages: Messages, tokens: int
) -> tuple[str, float]:
    """The answer, and the milliseconds until its first piece."""
    body = {"model": model, "max_tokens": tokens, "temperature": 0, "stream": True}
    body["messages"] = [{"role": role, "content": text} for role, text in messages]
    text, first_ms, began = "", 0.0, time.monotonic()
    async with session.post(f"{url}/chat/completions", json=body) as response:
        async for line in response.content:
            if line.startswith(b"data: {"):
                text += json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
                first_ms = first_ms or (time.monotonic() - began) * 1000 * bool(text)
    return text, first_ms


async def talks(
    session: aiohttp.ClientSession, url: str, model: str, all_: Talks, most: int
) -> list[float]:
    """Conversations side by side, each a question at a time; the times of all first pieces."""

    async def talk(one: Sequence[Messages]) -> list[float]:
        return [(await ask(session, url, model, messages, most))[1] for messages in one]

    return [first_ms for some in await asyncio.gather(*map(talk, all_)) for first_ms in some]
