"""What becomes of canaries by the rule of core/canary.py: python -m bench.canary

Simulated people vote on both models with known shares of thumbs up, and the lot decides which of
them answers. Beside each figure stands that of an earlier simulation of the same rule, with dice
and a program of its own. What the votes do not decide within 300 labels (or 14 days), the posterior
mean does; each vote is another known person's. There is no clock: that a canary is not promoted on
its first day is left out.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass

from bench import target, where
from core.canary import LOOKS_EVERY, MOST_LABELS, SHORTEST, at_last, by_votes

RUNS = 1_000
NEAR = 0.06  # two simulations of some hundred runs may differ by that
SHARES = (0.2, 0.5)
# True shares of thumbs up of what serves and of the canary; then, for each share of conversations,
# how many were promoted and dropped by votes, and not decided.
EARLIER = {
    (0.6, 0.6): ((0.36, 0.07, 0.57), (0.53, 0.08, 0.38)),
    (0.6, 0.7): ((0.87, 0.01, 0.12), (0.95, 0.02, 0.04)),
    (0.6, 0.5): ((0.05, 0.33, 0.62), (0.08, 0.45, 0.47)),
    (0.6, 0.3): ((0.00, 1.00, 0.00), (0.00, 1.00, 0.00)),
    (0.8, 0.6): ((0.00, 0.88, 0.12), (0.00, 0.93, 0.07)),
}


@dataclass(frozen=True, slots=True)
class Fates:
    """Shares of all canaries of a kind; `labels`: the median until votes decided."""

    promoted: float
    dropped: float
    labels: int | None
    promoted_at_last: float  # with those that the posterior mean promoted

    @property
    def three(self) -> tuple[float, float, float]:
        return self.promoted, self.dropped, 1 - self.promoted - self.dropped


def fates(serving: float, canary: float, share: float, *, runs: int, seed: int = 1) -> Fates:
    """`serving`, `canary`: their true shares of thumbs up."""
    dice = random.Random(f"{serving} {canary} {share} {seed}")
    found = [fate(serving, canary, share, dice) for _ in range(runs)]
    took = sorted(labels for outcome, labels, _ in found if outcome)
    return Fates(
        sum(outcome == "promoted" for outcome, _, _ in found) / runs,
        sum(outcome == "dropped" for outcome, _, _ in found) / runs,
        took[len(took) // 2] if took else None,
        sum(last == "promoted" for _, _, last in found) / runs,
    )


def fate(
    serving: float, canary: float, share: float, dice: random.Random
) -> tuple[str | None, int, str]:
    """What votes decided, after how many labels, and what it came to in the end."""
    labels: list[tuple[bool, bool]] = []
    outcome = None
    while outcome is None and len(labels) < MOST_LABELS:
        for _ in range(LOOKS_EVERY):
            is_canary = dice.random() < share
            labels.append((is_canary, dice.random() < (canary if is_canary else serving)))
        outcome = by_votes(labels, SHORTEST)
    return outcome, len(labels), outcome or at_last(labels, is_clean=True, is_proven=False)


def shown(shares: tuple[float, ...]) -> str:
    return " / ".join(f"{share:.2f}" for share in shares)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=RUNS, help="canaries of each kind")
    runs = parser.parse_args().runs
    print(where())
    print("thumbs up    of talks   promoted / dropped / undecided   earlier              ", end="")
    print("labels   promoted in the end")
    furthest = 0.0
    for (serving, canary), earlier in EARLIER.items():
        for share, before in zip(SHARES, earlier, strict=True):
            found = fates(serving, canary, share, runs=runs)
            pairs = zip(found.three, before, strict=True)
            furthest = max(furthest, *(abs(ours - theirs) for ours, theirs in pairs))
            print(f".{serving * 10:.0f} and .{canary * 10:.0f}    {share:.1f}        ", end="")
            print(f"{shown(found.three)}               {shown(before)}   ", end="")
            print(f"{found.labels or '-':>6}   {found.promoted_at_last:.2f}", flush=True)
    what = f"every share as in the earlier simulation, within {NEAR}"
    target(what, furthest <= NEAR, f"at most {furthest:.3f} apart")


if __name__ == "__main__":
    main()
