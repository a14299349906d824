"""How much chance explains. Pure; always by the same dice."""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import comb


def by_flips(sums: Sequence[float], times: int = 10_000) -> float:
    """How likely the total is so high if each sign is a coin's: a sign-flip permutation test.

    It is exact for votes that a fair coin decides, not for one that mostly says yes (Fisher 1935,
    The Design of Experiments, section 21). A bootstrap of so few is too sure of itself.
    """
    dice, total = random.Random(0), sum(sums)
    as_high = sum(
        sum(value if dice.random() < 0.5 else -value for value in sums) >= total
        for _ in range(times)
    )
    return (1 + as_high) / (1 + times)


def by_shuffling(said: Sequence[float], thought: Sequence[float], times: int = 10_000) -> float:
    """How likely what was said of conversations and what a tune thinks of their answers fit so well
    if who said what was dealt anew: a permutation test, exact also for a coin that mostly says yes
    (where conversations have about as many votes each).
    """
    dice, dealt = random.Random(0), list(said)
    fit = sum(a * b for a, b in zip(said, thought, strict=True)) - 1e-12  # sums round
    as_well = 0
    for _ in range(times):
        dice.shuffle(dealt)
        as_well += sum(a * b for a, b in zip(dealt, thought, strict=True)) >= fit
    return (1 + as_well) / (1 + times)


def bounds(groups: Sequence[Sequence[float]], times: int = 2000) -> tuple[float, float]:
    """Above and below which the mean lies with 90 % confidence each: bootstrap over the groups."""
    dice = random.Random(0)
    sums = [(sum(group), len(group)) for group in groups]
    means = []
    for _ in range(times):
        drawn = dice.choices(sums, k=len(sums))
        means.append(sum(total for total, _ in drawn) / sum(count for _, count in drawn))
    means.sort()
    return means[times // 10], means[-(times // 10)]


def of_tosses(worse: int, better: int) -> float:
    """How likely so many more got worse than better if each is a fair coin's throw (McNemar)."""
    n = worse + better
    return float(sum(comb(n, k) for k in range(worse, n + 1)) / 2**n) if n else 1.0
