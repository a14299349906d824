"""How to train, by the number of labels and the model's size. Pure; measured in LOG.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

TINY_BELOW = 100_000_000  # parameters
OF_EACH = 3  # liked and disliked answers that KTO needs at the least
SFT_FROM = 30  # labels

RANK, ALPHA = 16, 32

# On-policy KL(candidate‖base) per token, in nats. Training stops below the gate's limit, because
# the gate measures on other samples.
STOP_AT_KL = 0.12
GATE_KL = 0.15


@dataclass(frozen=True, slots=True)
class Stage:
    method: Literal["sft", "kto"]
    epochs: int
    rate: float
    batch: int = 8


def why_not(counts: Mapping[str, int], at_least: int) -> str | None:
    """The reason why these labels cannot train, for the person who asked; None: they can."""
    if counts["labels"] < at_least:
        return f"{counts['labels']} of {at_least} votes are there"
    good = counts["liked"] + counts["corrections"]
    if good < OF_EACH:
        return (
            f"only {good} of {OF_EACH} liked or corrected answers are there, and from dislikes"
            " alone nobody learns what to say instead"
        )
    return None


def stages(counts: Mapping[str, int], parameters: int) -> tuple[Stage, ...]:
    """What to run, in order, on labels that may train.

    Dislikes pay on after everything wanted is learnt, and push the model into nonsense while the
    loss still falls; hence few epochs, liked answers first, and the KL budget over all.
    """
    tiny = parameters < TINY_BELOW
    good = counts["liked"] + counts["corrections"]
    both = min(good, counts["disliked"]) >= OF_EACH
    if not both:
        return (Stage("sft", 3, 5e-4 if tiny else 1e-4),)
    if counts["labels"] < SFT_FROM:
        return (Stage("kto", 4, 1e-3 if tiny else 5e-5),)
    return (
        Stage("sft", 2, 5e-4 if tiny else 1e-4),
        Stage("kto", 4, 5e-4 if tiny else 2e-5),
    )


def weights(good: int, bad: int) -> tuple[float, float]:
    """How much liked and disliked rows count: equally in sum, and no row more than fourfold."""
    if good < bad:
        return min(4.0, bad / good), 1.0
    return 1.0, min(4.0, good / bad)
