"""The tables, the plot and the verdict of bench.learn_long."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import target
from bench.learn import Figure
from bench.learn_plot import plot

NOISE = 0.2
TEAM, MALICIOUS = 40, 10
APPROVAL, NOISY_APPROVAL, CHANGED_APPROVAL = 0.90, 0.85, 0.80
HARM_POINTS = 2.0
WORSE_POINTS, LOSS_POINTS = 3.0, 1.0


@dataclass(frozen=True, slots=True)
class Part:
    """`arms`: a figure for each model. `told`: a line for each night. `took_s`: wall time."""

    name: str
    arms: dict[str, Figure]
    told: list[str]
    took_s: float


def named(taste: str, noise: float) -> str:
    return f"{taste}, {noise:.0%} at random" if noise else taste


def show(done: Mapping[str, Part], tastes: Sequence[str], picture: Path, began: str) -> None:
    """Print what was found, and draw it. `began`: the commit and the machine, for the caption."""
    hours = sum(part.took_s for part in done.values()) / 3600
    nights = [part for key, part in done.items() if key.startswith("random")]
    weeks = [part for part in done.values() if part not in nights]
    table = Table("votes", "model", "approval", "correct", "KL per token")
    for part in weeks:
        for arm, one in part.arms.items():
            approval, correct = f"{one.approval:.1%}", f"{one.correct:.1%}"
            table.add_row(part.name, arm, approval, correct, f"{one.kl:.3f}" if one.kl else "")
        table.add_section()
    counts = sorted({one.asked for part in weeks for one in part.arms.values()})
    errors = [
        f"{2 * _error(share, counts[-1]):.1f} to {2 * _error(share, counts[0]):.1f} at {share:.0%}"
        for share in (0.5, 0.8, 0.95)
    ]
    table.caption = (
        f"one draw each; shares of {' or '.join(f'{count:,}' for count in counts)} answers (the"
        " most: the base and Mynah), two standard errors are points:"
        f" {', '.join(errors)}; {began}; {hours:.1f} hours of one core"
    )
    Console().print(table)
    _show_random(nights, tastes)
    for part in weeks:
        print(f"{part.name}:", *(f"\n  night {n}: {told}" for n, told in enumerate(part.told, 1)))
    reach = {named(taste, 0): APPROVAL for taste in tastes}
    reach |= {named(taste, NOISE): NOISY_APPROVAL for taste in tastes}
    reach |= {done["change"].name: CHANGED_APPROVAL, done["malicious, 0"].name: APPROVAL}
    for part in weeks:
        if part.name in reach:
            _reached(part, reach[part.name])
    honest, mixed = (done[f"malicious, {n}"].arms["Mynah"].approval for n in (0, MALICIOUS))
    harm = 100 * (honest - mixed)
    wanted = f"{MALICIOUS} malicious of {TEAM}: harm <= {HARM_POINTS:.0f} points"
    target(wanted, harm <= HARM_POINTS, f"{honest:.1%} without, {mixed:.1%} with them")
    worse = [part.name for part in nights if is_worse(part, tastes)]
    words = f"{len(worse)} worse {', '.join(worse)}".strip()
    target(f"{len(nights)} nights of random verdicts: promoted and worse 0", not worse, words)
    bars = {
        part.name: {arm: one.approval for arm, one in part.arms.items() if arm != "nothing learnt"}
        for part in weeks
    }
    picture.write_text(plot(bars, reach=reach), encoding="utf-8")


def _error(share: float, asked: int) -> float:
    """The standard error of a share, in points."""
    return 100 * math.sqrt(share * (1 - share) / asked)


def _show_random(nights: Sequence[Part], tastes: Sequence[str]) -> None:
    """Of the nights of random verdicts, those after which something else answered."""
    table = Table("random verdicts", "taste", "approval", "correct", "KL per token")
    served = [part for part in nights if part.arms]
    for part in served:
        for taste in tastes:
            before, after = part.arms[f"the base, {taste}"], part.arms[taste]
            approval = f"{before.approval:.1%} -> {after.approval:.1%}"
            correct = f"{before.correct:.1%} -> {after.correct:.1%}"
            table.add_row(part.name, taste, approval, correct, f"{after.kl:.3f}")
        table.add_section()
    table.caption = f"a tune served after {len(served)} of {len(nights)} nights"
    Console().print(table)


def _reached(part: Part, approval: float) -> None:
    before, after = part.arms["the base"], part.arms["Mynah"]
    starts = 0.25 <= before.approval <= 0.75
    words = f"{before.approval:.1%} -> {after.approval:.1%}"
    target(f"{part.name}: start between 25 % and 75 %", starts, f"{before.approval:.1%}")
    target(f"{part.name}: approval >= {approval:.0%}", after.approval >= approval, words)
    lost = 100 * (before.correct - after.correct)
    is_small = lost <= LOSS_POINTS
    target(f"{part.name}: correctness lost <= {LOSS_POINTS:.0f} point", is_small, f"{lost:.1f}")


def is_worse(part: Part, tastes: Sequence[str]) -> bool:
    """For people of any taste: a coin has none that could be asked for."""
    for taste in tastes if part.arms else ():
        before, after = part.arms[f"the base, {taste}"], part.arms[taste]
        if 100 * (before.approval - after.approval) > WORSE_POINTS:
            return True
        if 100 * (before.correct - after.correct) > LOSS_POINTS:
            return True
    return False
