"""For adapters: files that come with a message. What is text is read, the rest goes by name."""

from __future__ import annotations

import asyncio
import codecs
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from core.errors import AdapterError
from core.markup import fenced

MOST_FILES, LARGEST_BYTES = 5, 100_000
WITHIN_S = 2.0  # for all of them: platforms wait for their acknowledgement
_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/x-yaml")
_TEXT_NAMES = re.compile(
    r"(^|[./])(txt|md|rst|tex|log|csv|tsv|json|jsonl|ya?ml|toml|ini|cfg|conf|properties|xml|html?"
    r"|css|sql|diff|patch|pyi?|mjs|jsx?|tsx?|sh|bash|c|h|cc|cpp|hpp|cs|java|kt|go|rs|rb|php|pl|lua"
    r"|r|swift|scala|gradle|dockerfile|makefile)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Attached:
    """A file as a platform names it. `fetch` gives its bytes, at most LARGEST_BYTES and one more.

    It raises AdapterError where that fails.
    """

    name: str
    kind: str  # its MIME type; "": not said
    size: int  # bytes; 0: not said
    fetch: Callable[[], Awaitable[bytes]]

    @property
    def is_text(self) -> bool:
        is_named_so = self.kind.startswith(_TEXT_TYPES) or _TEXT_NAMES.search(self.name)
        return bool(is_named_so) and self.size <= LARGEST_BYTES


async def read(
    files: Sequence[Attached], *, within_s: float = WITHIN_S
) -> tuple[str, tuple[str, ...]]:
    """What is to stand behind the message's words, and the names of what could not be read."""
    texts: dict[int, str] = {}

    async def fetch(place: int, file: Attached) -> None:
        with suppress(AdapterError, UnicodeDecodeError):
            content = await file.fetch()
            if len(content) <= LARGEST_BYTES:
                texts[place] = _decoded(content)

    worth = [(place, file) for place, file in enumerate(files) if file.is_text][:MOST_FILES]
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s), asyncio.TaskGroup() as group:
            for place, file in worth:
                group.create_task(fetch(place, file))
    words = [
        f"\n\n{file.name}:\n{fenced(texts[place])}"
        for place, file in enumerate(files)
        if place in texts
    ]
    unread = tuple(file.name for place, file in enumerate(files) if place not in texts)
    return "".join(words), unread


def _decoded(content: bytes) -> str:
    """UTF-8, or UTF-16 that says so, as Windows saves it. Raises UnicodeDecodeError."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    if b"\0" in content:
        raise UnicodeDecodeError("utf-8", content, 0, 1, "this is no text")
    return content.decode("utf-8-sig")
