"""The smallest async client that reads streamed answers: what Mynah is measured against."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import aiohttp

Messages = Sequence[tuple[str, str]]  # roles and texts


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


async def talk(
    session: aiohttp.ClientSession, url: str, model: str, lead: str, asked: list[str], tokens: int
) -> list[float]:
    """A conversation, with the answers that it gets; the times of the first pieces."""
    past, times = [("system", lead)], []
    for question in asked:
        past.append(("user", question))
        text, first_ms = await ask(session, url, model, past, tokens)
        past.append(("assistant", text))
        times.append(first_ms)
    return times
