"""Whether people changed their minds: what they said before that trains no more. Pure.

A tune that serves everybody is disliked more than the base was before it, though it learnt from
their votes and the gate found that it agrees with them: then these votes hold no longer. It can
show nothing new that would be liked either, so whatever learnt from nothing newer gives way, too.
The rule of the canary (core/canary.py) does not fit here: no lot decided who was asked when, so it
has to be surer, and of more votes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from core.canary import Count, not_worse
from core.types import TUNE_NAME

NEWEST, AT_LEAST = 50, 20  # conversations with a verdict
SURELY = 0.99  # every night looks again


@dataclass(frozen=True, slots=True)
class Vote:
    """What the people who count said of one answer."""

    turn_id: int
    conversation: str
    model: str  # that answered
    liked: bool


@dataclass(frozen=True, slots=True)
class Change:
    """`tune` showed it; `since`: the first turn after it. `count`: of the tune, and of the base."""

    tune: str
    since: int
    count: Count

    @property
    def in_words(self) -> str:
        count = self.count
        return (
            f"People changed their minds: {count.up_canary} of the {count.of_canary} newest votes"
            f" on `{self.tune}` are up, and {count.up_other} of {count.of_other} on the base were"
        )


def changed(votes: Sequence[Vote], served: Collection[str]) -> Change | None:
    """The last change of minds that shows. `votes`: oldest turn first; `served`: the tunes that
    ever answered everybody. A canary that was dropped says nothing of people, but of itself.
    """
    found = [change for tune in served if (change := _shown_by(tune, votes))]
    return max(found, key=lambda change: change.since, default=None)


def _shown_by(tune: str, votes: Sequence[Vote]) -> Change | None:
    newest = _one_each([vote for vote in votes if vote.model == tune])[-NEWEST:]
    if len(newest) < AT_LEAST:
        return None
    since = newest[0].turn_id
    base = _one_each(
        [vote for vote in votes if vote.turn_id < since and not TUNE_NAME.fullmatch(vote.model)]
    )
    count = Count(
        len(newest),
        sum(vote.liked for vote in newest),
        len(base),
        sum(vote.liked for vote in base),
    )
    is_worse = len(base) >= AT_LEAST and not_worse(count) < 1 - SURELY
    return Change(tune, since, count) if is_worse else None


def _one_each(votes: Sequence[Vote]) -> list[Vote]:
    """The last one of each conversation."""
    return sorted(
        {vote.conversation: vote for vote in votes}.values(), key=lambda vote: vote.turn_id
    )
