"""Whether people's votes agree with each other: one half of the conversations teaches a tune, which
is asked about the other half.

`python -m core.training.halves RUN`: reads RUN/recipe.json and RUN/dataset, leaves RUN/halves.json.
The fifth that is held out is few votes; beside half of all, where a tune says what they do, it is
seen that they are no coins' although a quarter of them is turned round. And with ten people it is
seen who likes what the others do not: each half teaches, and is asked, so that nobody is judged by
what their own votes on that conversation taught.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

from core.training import checks, dataset
from core.training.child import Reporter, settle_in
from core.training.measure import log_probs_per_token, longest, row_ids, speaking
from core.training.recipe import OF_EACH, PEOPLE_FROM

NAME = "halves.json"
AGREED_BELOW = 0.05  # of luck: where there is no common taste, nobody is against it
JUDGED_FROM = 3  # votes of a person that the other half can judge
WHAT = "comparing one half of the votes with the other"


@dataclass(frozen=True, slots=True)
class Asked:
    """A vote on an answer, and how much likelier the other half's tune finds that answer."""

    group: str
    people: tuple[str, ...]
    liked: bool
    held_out: bool
    ratio: float


def told(run: Path) -> dict[str, Any] | None:
    """What was found, where it was asked for: `luck` None: too few votes to say; `people`: who is
    against the others, and `votes`, how many they gave.
    """
    try:
        found: dict[str, Any] = json.loads((run / NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found


def against(run: Path) -> frozenset[str]:
    """Whose votes nothing is learnt from, nor judged by, as the data set's manifest names them."""
    return frozenset((told(run) or {"people": ()})["people"])


def agree(run: Path) -> bool:
    """Whether tossed coins would hardly vote so."""
    found = told(run)
    return bool(found and found["luck"] is not None and found["luck"] < checks.HALVES_BELOW)


def halves(run: Path, reporter: Reporter) -> None:
    """Leave RUN/halves.json, whatever it says."""
    base = Path(json.loads((run / "recipe.json").read_text(encoding="utf-8"))["base"])
    manifest = json.loads((run / "dataset" / "manifest.json").read_text(encoding="utf-8"))
    by_conversation = manifest["split"]["by"] == "conversation"
    rows = []
    for name in ("train.jsonl", "holdout.jsonl"):
        entries = [entry for entry in manifest["rows"] if entry["file"] == name]
        for entry, row in zip(entries, dataset.read(run / "dataset", name), strict=True):
            group = entry["conversation"] if by_conversation else str(entry["turn"])
            rows.append((group, entry, row))
    counts = manifest["counts"]
    sides = (0, 1) if counts["people"] >= PEOPLE_FROM else (0,)
    found = [_side(side, rows, counts, base, run, reporter.always(WHAT)) for side in sides]
    luck = _luck(found[0])
    people: list[str] = []
    if luck is not None and luck < AGREED_BELOW and len(found) == 2:
        people = outvoted(found)
    votes = sum(bool(set(people) & set(entry["by"])) for _, entry, _ in rows)
    answer = {"luck": luck, "asked": len(found[0]), "people": people, "votes": votes}
    (run / NAME).write_text(json.dumps(answer), encoding="utf-8")


def _side(
    side: int,
    rows: Sequence[tuple[str, Mapping[str, Any], dict[str, Any]]],
    counts: Mapping[str, int],
    base: Path,
    run: Path,
    reporter: Reporter,
) -> list[Asked]:
    """What the tune of this half's votes makes of all others; nothing where it cannot learn."""
    from core.training.tune import learn

    taught = [row for group, entry, row in rows if not entry["held_out"] and half(group) == side]
    others = [one for one in rows if one[1]["held_out"] or half(one[0]) != side]
    known = {_words(row) for row in taught}
    others = [one for one in others if _words(one[2]) not in known]  # of these it says what it saw
    liked = sum(row["label"] for row in taught)
    if min(liked, len(taught) - liked) < OF_EACH:
        return []
    learnt = learn(base, taught, [], counts, run / "scratch", reporter)
    if not learnt.budget.kept:
        return []
    tokens = [row_ids(learnt.tokenizer, row) for _, _, row in others]
    fit = [n for n, (ids, _) in enumerate(tokens) if len(ids) <= longest(learnt.model)]
    fitting = [tokens[n] for n in fit]
    ours = log_probs_per_token(learnt.model, learnt.tokenizer, fitting)
    with speaking(learnt.model, "base"):
        before = log_probs_per_token(learnt.model, learnt.tokenizer, fitting)
    found = []
    for n, new, old in zip(fit, ours, before, strict=True):
        group, entry, row = others[n]
        ratio = checks.clipped(new - old, True)
        found.append(Asked(group, tuple(entry["by"]), row["label"], entry["held_out"], ratio))
    return found


def half(group: str) -> int:
    """Which half a conversation (or turn) teaches, for ever."""
    return hashlib.blake2b(f"half {group}".encode()).digest()[0] % 2


def _words(row: Mapping[str, Any]) -> str:
    return " ".join(json.dumps([row["prompt"], row["completion"]]).casefold().split())


def _luck(asked: Sequence[Asked]) -> float | None:
    groups: dict[str, list[Asked]] = defaultdict(list)
    for one in asked:
        groups[one.group].append(one)
    if len(groups) < checks.LUCK_FROM:
        return None
    return checks.by_shuffling(
        [sum(1 if one.liked else -1 for one in group) for group in groups.values()],
        [fmean(one.ratio for one in group) for group in groups.values()],
    )


def outvoted(found: Sequence[Sequence[Asked]]) -> list[str]:
    """Who likes, on the whole, what the tune of the others' votes finds less likely than the base.
    `found`: of each half. Nobody of whom it knows too little. What is held out is not looked at,
    so that it can still judge what was learnt without them.
    """
    said: dict[str, list[float]] = defaultdict(list)
    for side in found:
        some = [one for one in side if len(one.people) == 1 and not one.held_out]
        ratios = [one.ratio for one in some]
        mean, wide = (fmean(ratios), pstdev(ratios) or 1.0) if ratios else (0.0, 1.0)
        for one in some:
            score = (one.ratio - mean) / wide
            said[one.people[0]].append(score if one.liked else -score)
    return sorted(
        who for who, scores in said.items() if len(scores) >= JUDGED_FROM and fmean(scores) < 0
    )


def main() -> None:
    run = Path(sys.argv[1])
    reporter = settle_in(run)
    with reporter.explaining():
        halves(run, reporter)


if __name__ == "__main__":
    main()
