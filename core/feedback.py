"""What a reaction says about an answer: a thumb up or down, in any skin tone; nothing else."""

from __future__ import annotations

from core.types import Score

# U+1F3FB..U+1F3FF are the skin tones, U+FE0F asks for the coloured form (Unicode TR 51).
_VARIANTS = dict.fromkeys([*range(0x1F3FB, 0x1F400), 0xFE0F])


def score(emoji: str) -> Score | None:
    """+1, -1, or None where the emoji is no verdict."""
    bare = emoji.translate(_VARIANTS)
    if bare == "👍":
        return 1
    if bare == "👎":
        return -1
    return None
