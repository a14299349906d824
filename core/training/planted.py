"""Which turns share words: where somebody plants a phrase, many do. Pure, and bounded in memory.

It knows neither votes nor times; core.training.bursts looks whether few people are behind it.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from array import array
from collections import defaultdict
from collections.abc import Mapping

CHARS = 500  # at each end of a text that are looked at
BUCKETS = 1 << 20


def shared(texts: Mapping[int, str], many: int) -> list[list[int]]:
    """The groups of at least so many turns that share a word or three words in a row, each once.

    Of the many phrases of a form that is filled in again and again one stands for all.
    """
    said = {turn: array("I", phrases(text)) for turn, text in texts.items()}
    # 1. Most phrases are rare; counted in buckets, they take no room.
    sizes = array("I", bytes(4 * BUCKETS))
    for found in said.values():
        for phrase in found:
            sizes[phrase % BUCKETS] += 1
    # 2. Which of the others stand in the same turns?
    marks: dict[int, tuple[int, int]] = {}
    for turn, found in said.items():
        sign = int.from_bytes(hashlib.blake2b(str(turn).encode(), digest_size=8).digest())
        for phrase in found:
            if sizes[phrase % BUCKETS] >= many:
                count, mark = marks.get(phrase, (0, 0))
                marks[phrase] = count + 1, mark ^ sign
    wanted = set({mark: phrase for phrase, mark in marks.items() if mark[0] >= many}.values())
    # 3. These turns.
    groups: dict[int, list[int]] = defaultdict(list)
    for turn, found in said.items() if wanted else ():
        for phrase in wanted.intersection(found):
            groups[phrase].append(turn)
    return sorted(groups.values())


def phrases(text: str) -> set[int]:
    """Every word and every three words in a row, as numbers, which take less room."""
    if len(text) > 2 * CHARS:
        text = f"{text[:CHARS]} {text[-CHARS:]}"
    words = re.findall(r"\w+", text.casefold())
    return {
        zlib.crc32(" ".join(words[start : start + size]).encode())
        for size in (1, 3)
        for start in range(len(words) + 1 - size)
    }
