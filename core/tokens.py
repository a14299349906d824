"""How many tokens a text takes, as far as that can be known without the server.

A model's folder holds its tokenizer (tokenizer.json) and its window (config.json). The `tokenizers`
library reads the first without torch; it is imported when the first folder is read.
"""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

logger = logging.getLogger(__name__)

Counter = Callable[[str], int]


def estimate(text: str) -> int:
    """UTF-8 bytes / 3, rounded up: rather too many, so that a prompt is rather too short."""
    return -(-len(text.encode("utf-8", "replace")) // 3)


def folder_counter(folder: Path) -> Counter | None:
    """The folder's own tokenizer; None where none can be read. Blocks: it reads a file."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        return None
    from tokenizers import Tokenizer

    try:
        # Of bytes that are no tokenizer it says ValueError; from_file would say a bare Exception.
        tokenizer = Tokenizer.from_buffer(path.read_bytes())
    except (OSError, ValueError) as error:
        logger.warning("%s cannot be read (%s): tokens are estimated", path, type(error).__name__)
        return None
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def folder_context(folder: Path) -> int | None:
    """`max_position_embeddings` of the folder's config.json. Blocks: it reads a file."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        return None
    match config:
        case {"max_position_embeddings": int(tokens)} if tokens > 0:
            return tokens
    return None


class Counts:
    """The counts of the newest texts. It keeps digests, not the texts."""

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._counts: OrderedDict[bytes, int] = OrderedDict()

    def get(self, text: str) -> int | None:
        key = _digest(text)
        if key in self._counts:
            self._counts.move_to_end(key)
        return self._counts.get(key)

    def put(self, text: str, count: int) -> None:
        self._counts[_digest(text)] = count
        if len(self._counts) > self._size:
            self._counts.popitem(last=False)


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
