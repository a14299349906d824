"""What a reaction says about an answer, a thumb up or down in any skin tone; and what all say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from core.types import Correction, Score

SIGNS: Mapping[Score, str] = {1: "👍", -1: "👎"}

# U+1F3FB..U+1F3FF are the skin tones, U+FE0F asks for the coloured form (Unicode TR 51).
_VARIANTS = dict.fromkeys([*range(0x1F3FB, 0x1F400), 0xFE0F])


def score(emoji: str) -> Score | None:
    """+1, -1, or None where the emoji is no verdict."""
    bare = emoji.translate(_VARIANTS)
    return next((score for score, thumb in SIGNS.items() if thumb == bare), None)


def votes(
    answer: str, scores: Mapping[str, int], corrections: Iterable[Correction]
) -> tuple[dict[str, int], list[Correction]]:
    """Each person's verdict on an answer, and what should be in its place, oldest first.

    A correction that changes something is its author's "no". The store gives none whose author
    gave a thumb up since.
    """
    changing = [c for c in corrections if c.text.strip() != answer.strip()]
    changing.sort(key=lambda c: c.at)
    return {**scores, **{c.author_id: -1 for c in changing}}, changing
