"""Whether people's votes agree with each other: one half of the conversations teaches a tune, which
is asked about the other half.

`python -m core.training.halves RUN`: reads RUN/recipe.json and RUN/dataset, leaves RUN/halves.json.
The fifth that is held out is few votes; beside all but one half it is seen that votes are no coins'
although a quarter of them is turned round. And with ten people it is seen who likes what the others
do not: each half teaches, and is asked, so that nobody is judged by what their own votes on that
conversation taught. Such people are outvoted: nothing is learnt from them, and the gate hears them.
"""

from __future__ import annotations

import gc
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

from core.training import checks, jsonl, luck
from core.training.child import Reporter, settle_in, write_whole
from core.training.learn import learn
from core.training.measure import log_probs_per_token, longest, row_ids, shortened, speaking
from core.training.recipe import OF_EACH, PEOPLE_FROM

NAME = "halves.json"
AGREED_BELOW = 0.05  # of luck: where there is no common taste, nobody is outvoted
JUDGED_FROM, SURELY = 2, -1.0  # votes of a person; standard errors (one of six by tossed coins)
TWO_CAMPS = 1 / 3  # of the people: so many are no outsiders
WHAT = "comparing one half of the votes with the other"


@dataclass(frozen=True, slots=True)
class Asked:
    """A vote on an answer, and how much likelier the other half's tune finds that answer."""

    group: str
    people: tuple[str, ...]
    liked: bool
    ratio: float
    held_out: bool = False


def told(run: Path) -> dict[str, Any] | None:
    """What was found, where it was asked for. `luck`: how likely coins agree so, None: too few
    votes to say; `people`: who is outvoted, as the data set's manifest names them; `votes`: of
    theirs nothing is learnt from so many.
    """
    try:
        found: dict[str, Any] = json.loads((run / NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found


def outvoted(run: Path) -> frozenset[str]:
    return frozenset((told(run) or {"people": ()})["people"])


def is_theirs(by: Collection[str], people: Collection[str]) -> bool:
    """Whether a row is to go with these people: others than they are not half of who is behind."""
    return 0 < len(by) <= 2 * len(set(by) & set(people))


def halves(run: Path, reporter: Reporter) -> None:
    """Leave RUN/halves.json, whatever it says."""
    base = Path(json.loads((run / "recipe.json").read_text(encoding="utf-8"))["base"])
    manifest = json.loads((run / "dataset" / "manifest.json").read_text(encoding="utf-8"))
    by_conversation = manifest["split"]["by"] == "conversation"
    rows = []
    for name in ("train.jsonl", "holdout.jsonl"):
        entries = [entry for entry in manifest["rows"] if entry["file"] == name]
        for entry, row in zip(entries, jsonl.read(run / "dataset", name), strict=True):
            group = entry["conversation"] if by_conversation else str(entry["turn"])
            rows.append((group, entry, row))
    counts = manifest["counts"]
    sides = (0, 1) if counts["people"] >= PEOPLE_FROM else (0,)
    found = [_side(side, rows, counts, base, run, reporter.always(WHAT)) for side in sides]
    people: list[str] = []
    if len(found) == 2:  # the held-out votes neither choose whom to leave out, nor whether to
        trained = [[one for one in side if not one.held_out] for side in found]
        chance = by_luck(trained[0])
        if chance is not None and chance < AGREED_BELOW:
            people = against_the_rest(trained, of=counts["people"])
    votes = sum(not e["held_out"] and is_theirs(e["by"], people) for _, e, _ in rows)
    answer = {"luck": by_luck(found[0]), "people": people, "votes": votes}
    write_whole(run / NAME, json.dumps(answer))


def _side(
    side: int,
    rows: Sequence[tuple[str, Mapping[str, Any], dict[str, Any]]],
    counts: Mapping[str, int],
    base: Path,
    run: Path,
    reporter: Reporter,
) -> list[Asked]:
    """What the tune of this half's votes makes of all others; nothing where it cannot learn."""
    taught = [row for group, entry, row in rows if not entry["held_out"] and half(group) == side]
    others = [
        (group, entry, row)
        for group, entry, row in rows
        if (entry["held_out"] or half(group) != side) and not entry["corrected"]
    ]
    known = {_words(row) for row in taught}
    others = [one for one in others if _words(one[2]) not in known]  # of these it says what it saw
    liked = sum(row["label"] for row in taught)
    if min(liked, len(taught) - liked) < OF_EACH:
        return []
    learnt = learn(base, taught, [], counts, run / "scratch", reporter)
    if not learnt.budget.kept:
        return []
    short = (shortened(learnt.model, learnt.tokenizer, row) for _, _, row in others)
    tokens = [row_ids(learnt.tokenizer, row) for row in short]
    fit = [n for n, (ids, _) in enumerate(tokens) if len(ids) <= longest(learnt.model)]
    fitting = [tokens[n] for n in fit]
    ours = log_probs_per_token(learnt.model, learnt.tokenizer, fitting)
    with speaking(learnt.model, "base"):
        before = log_probs_per_token(learnt.model, learnt.tokenizer, fitting)
    del learnt
    _free()
    found = []
    for n, new, old in zip(fit, ours, before, strict=True):
        group, entry, row = others[n]
        ratio = checks.clipped(new - old, True)
        found.append(Asked(group, tuple(entry["by"]), row["label"], ratio, entry["held_out"]))
    return found


def _free() -> None:
    """Give the GPU back what this half took: the next one asks how much is free."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def half(group: str) -> int:
    """Which half a conversation (or turn) teaches, for ever."""
    return hashlib.blake2b(f"half {group}".encode()).digest()[0] % 2


def _words(row: Mapping[str, Any]) -> str:
    said = (turn["content"] for turn in (*row["prompt"], *row["completion"]))
    return "\0".join(" ".join(text.casefold().split()) for text in said)


def by_luck(asked: Sequence[Asked]) -> float | None:
    """How likely votes by coins fit as well; None: of too few conversations."""
    groups: dict[str, list[Asked]] = defaultdict(list)
    for one in asked:
        groups[one.group].append(one)
    if len(groups) < checks.LUCK_FROM:
        return None
    return luck.by_shuffling(
        [fmean(1 if one.liked else -1 for one in group) for group in groups.values()],
        [fmean(one.ratio for one in group) for group in groups.values()],
    )


def against_the_rest(found: Sequence[Sequence[Asked]], *, of: int) -> list[str]:
    """Who likes, with some certainty, what the tune of the others' votes finds less likely than
    what others dislike. `found`: of each half; `of`: how many people voted. Where that is every
    third of them it is another taste, and nobody is against the rest.
    """
    scores: dict[str, list[float]] = defaultdict(list)
    for side in found:
        some = [one for one in side if len(one.people) == 1]
        up, down = ([one.ratio for one in some if one.liked is liked] for liked in (True, False))
        wide = pstdev(up + down) if up and down else 0.0
        if not wide:
            continue
        middle = (fmean(up) + fmean(down)) / 2  # so that who likes everything is no outsider
        for one in some:
            score = (one.ratio - middle) / wide
            scores[one.people[0]].append(score if one.liked else -score)
    people = sorted(
        who
        for who, own in scores.items()
        if len(own) >= JUDGED_FROM and fmean(own) * sqrt(len(own)) < SURELY
    )
    return people if len(people) < TWO_CAMPS * of else []


def main() -> None:
    run = Path(sys.argv[1])
    reporter = settle_in(run)
    with reporter.explaining():
        halves(run, reporter)


if __name__ == "__main__":
    main()
