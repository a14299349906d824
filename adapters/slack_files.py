"""Files that come with a Slack message: what is text is read, the rest goes by name."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp

LARGEST = 100_000  # bytes of one file
MOST = 5
WITHIN_S = 2.0  # for all of them: Slack wants its acknowledgement after three seconds

TEXT_TYPES = ("text/", "application/json", "application/xml", "application/x-sh")
TEXT_NAMES = re.compile(
    r"\.(?:txt|md|rst|csv|tsv|log|json|jsonl|ya?ml|toml|ini|cfg|conf|xml|html?|css|sql|sh|bash|py"
    r"|js|mjs|jsx|ts|tsx|c|h|cc|cpp|hpp|cs|java|kt|go|rs|rb|php|pl|lua|r|swift|scala|diff|patch"
    r"|tex|env|properties|gradle|dockerfile|makefile)\Z",
    re.IGNORECASE,
)


async def read(
    session: aiohttp.ClientSession, files: Sequence[Mapping[str, Any]], token: str, base_url: str
) -> tuple[str, tuple[str, ...]]:
    """What is to stand behind the message's words, and the names of what could not be read.

    The token goes to Slack alone: an address elsewhere, such as a file's on another drive, is not
    asked.
    """
    if not files:
        return "", ()
    named = [(str(file.get("name") or file.get("title") or "a file"), file) for file in files]
    reading = [
        asyncio.ensure_future(_text(session, file, token, base_url))
        for name, file in named[:MOST]
        if _is_text(name, file)
    ]
    try:
        if reading:
            await asyncio.wait(reading, timeout=WITHIN_S)
    finally:
        for task in reading:
            task.cancel()
    text, unread, texts = "", [], iter(reading)
    for place, (name, file) in enumerate(named):
        content = None
        if place < MOST and _is_text(name, file):
            task = next(texts)
            content = task.result() if task.done() else None
        if content is None:
            unread.append(name)
        else:
            text += f"\n\n{name}:\n{fenced(content)}"
    return text, tuple(unread)


def _is_text(name: str, file: Mapping[str, Any]) -> bool:
    kind = str(file.get("mimetype") or "")
    return (kind.startswith(TEXT_TYPES) or bool(TEXT_NAMES.search(name))) and (
        int(file.get("size") or 0) <= LARGEST
    )


async def _text(
    session: aiohttp.ClientSession, file: Mapping[str, Any], token: str, base_url: str
) -> str | None:
    """None: it could not be read."""
    url, home = str(file.get("url_private") or ""), urlsplit(base_url)
    at = urlsplit(url)
    is_slack = at.scheme == "https" and (at.hostname or "").endswith(".slack.com")
    if not is_slack and (at.scheme, at.netloc) != (home.scheme, home.netloc):
        return None
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with session.get(url, headers=headers, allow_redirects=False) as response:
            # Without the scope files:read, Slack answers with its page for signing in.
            is_page = response.content_type == "text/html" and file.get("mimetype") != "text/html"
            if response.status != 200 or is_page:
                return None
            content = await response.content.read(LARGEST + 1)
            while len(content) <= LARGEST and (more := await response.content.read(LARGEST)):
                content += more
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None
    if len(content) > LARGEST:
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def fenced(text: str) -> str:
    """A code block around it, whose fence is longer than any inside."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}\n{text.rstrip()}\n{fence}"
