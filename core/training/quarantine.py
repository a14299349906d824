"""Verdicts that do not count, or not yet: bursts, newcomers, and one person's too many. Pure.

What comes in a burst (core.training.bursts) is set aside, not thrown away: an admin lets it in or
leaves it out for good. What does not depend on who voted (a prompt that changed, a tie) is
core.training.dataset's.

A console, or a team on its first day, is left alone. With fewer than five people who came back
24 hours later or more nobody can say who is new, and with fewer than ten not what is unusual: one
colleague who goes through yesterday's answers would be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from core import shares
from core.regulars import DAY, ENOUGH, Who, by_who, regulars
from core.training.bursts import Burst, Key, Verdict, bursts
from core.types_learning import Judged, Review, Voter

BURSTS_FROM = 10  # people who came back

Unheard = Literal[
    "in a burst, set aside: /review",
    "left out by an admin",
    "from people who are new",
    "more than one person's share",
]


@dataclass(frozen=True, slots=True)
class Sifted:
    """`judged`: with the verdicts that count, and only turns that have some."""

    judged: tuple[Judged, ...]
    bursts: tuple[Burst, ...]
    unheard: dict[Unheard, tuple[Key, ...]]


def sift(judged: Sequence[Judged], voters: Sequence[Voter], reviews: Sequence[Review]) -> Sifted:
    """What counts of what people said, and what does not. `judged`: oldest turn first."""
    # 1. Who is known, and are they many enough for anything to be unusual?
    known = by_who(voters)
    came_back = regulars(voters)
    verdicts = list(_verdicts(judged, known, _settled(came_back.values())))
    here = len({verdict.who for verdict in verdicts} & came_back.keys())

    # 2. What an admin decided stands.
    decided = {(one.turn_id, one.author_id): one for one in reviews}
    let_in = {v.key for v in verdicts if _is_let_in(v, decided.get(v.key))}
    left_out = {key for key, review in decided.items() if not review.let_in}

    # 3. The rest, each verdict under the first reason that holds.
    found = bursts(verdicts, let_in | left_out) if here >= BURSTS_FROM else []
    aside = {key for burst in found for key in burst.verdicts}
    new = {verdict.key for verdict in verdicts if verdict.who not in came_back} - let_in
    refused: dict[Unheard, set[Key]] = {
        "left out by an admin": left_out,
        "in a burst, set aside: /review": aside,
        "from people who are new": new if here >= ENOUGH else set(),
    }
    unheard: dict[Unheard, tuple[Key, ...]] = {}
    rest = verdicts
    for why, keys in refused.items():
        unheard[why] = tuple(verdict.key for verdict in rest if verdict.key in keys)
        rest = [verdict for verdict in rest if verdict.key not in keys]
    unheard["more than one person's share"] = tuple(_beyond(rest))
    gone = {key for keys in unheard.values() for key in keys}
    return Sifted(
        tuple(_kept(judged, gone)),
        tuple(found),
        {why: keys for why, keys in unheard.items() if keys},
    )


def _settled(came_back: Iterable[Voter]) -> datetime | None:
    """From when on somebody can be new: before, the house was."""
    firsts = sorted(one.first for one in came_back)
    return firsts[BURSTS_FROM - 1] + DAY if len(firsts) >= BURSTS_FROM else None


def _verdicts(
    judged: Sequence[Judged],
    known: Mapping[Who, Voter],
    settled: datetime | None,
) -> Iterator[Verdict]:
    for one in judged:
        channel, question = one.turn.message.ref.channel, one.turn.message.text
        corrected = {correction.author_id: correction for correction in one.corrections}
        given = {f.author_id: f.at for f in sorted(one.feedback, key=lambda f: f.at)}
        for author_id in sorted({*given, *corrected}):
            who = (channel.platform, channel.account, author_id)
            at, text, correction = given.get(author_id), "", corrected.get(author_id)
            if correction:
                at, text = max(at or correction.at, correction.at), f"\n{correction.text}"
            assert at
            first = known[who].first if who in known else None
            is_new = bool(first and settled and at > settled and at - first < DAY)
            cost = 1 + bool(correction)
            yield Verdict((one.turn.id, author_id), who, at, is_new, question, text, cost)


def _is_let_in(verdict: Verdict, review: Review | None) -> bool:
    """As it stood when the admin decided: who changes it later is judged anew."""
    return review is not None and review.let_in and verdict.at <= review.at


def _beyond(verdicts: Sequence[Verdict]) -> Iterator[Key]:
    """What a person gave before their newest turns, of which each may give so many rows."""
    most = shares.rows(len({verdict.who for verdict in verdicts}))
    if most is None:
        return
    cost: Counter[object] = Counter()
    for verdict in sorted(verdicts, key=lambda verdict: verdict.key, reverse=True):
        cost[verdict.who] += verdict.cost
        if cost[verdict.who] > most:
            yield verdict.key


def _kept(judged: Iterable[Judged], gone: set[Key]) -> Iterator[Judged]:
    for one in judged:
        feedback = tuple(f for f in one.feedback if (f.turn_id, f.author_id) not in gone)
        said = tuple(c for c in one.corrections if (c.turn_id, c.author_id) not in gone)
        if feedback or said:
            yield replace(one, feedback=feedback, corrections=said)
