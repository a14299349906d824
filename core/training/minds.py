"""Whether people changed their minds: what they said before that trains no more. Pure.

A tune that answers everybody is disliked more than the base was before it. Where it is proven that
the tune agreed with their votes, it is these that hold no longer; else it may be the tune. It can
show nothing new that would be liked either way, so whatever learnt from nothing newer gives way.
No lot decided who was asked when, as it does for a canary (core/canary.py): the rule has to be
surer, and of more votes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from core import shares
from core.canary import Count, not_worse
from core.types_learning import TUNE_NAME

NEWEST, AT_LEAST = 50, 20  # conversations with a verdict
SURELY = 0.995  # every night looks again, at the newest twenty to fifty


@dataclass(frozen=True, slots=True)
class Vote:
    """What people said of one answer. `model`: that gave it; `people`: whether each liked it."""

    turn_id: int
    conversation: str
    people: Mapping[str, bool]
    model: str
    liked: bool


@dataclass(frozen=True, slots=True)
class Change:
    """`tune` showed it; `since`: the first turn after it. `count`: of the tune, and of the base.
    `of_minds`: it is proven that the tune agreed with the votes before, so that these are outdated.
    """

    tune: str
    since: int
    count: Count
    of_minds: bool

    @property
    def in_words(self) -> str:
        """A sentence without a full stop."""
        count = self.count
        return (
            f"`{self.tune}` is surely liked less than the base was before it: {count.up_canary} of"
            f" the {count.of_canary} newest votes on it are up, and {count.up_other} of"
            f" {count.of_other} on the base were"
        )


def changed(votes: Sequence[Vote], served: Mapping[str, bool]) -> Change | None:
    """The last change that shows. `votes`: oldest turn first; `served`: the tunes that ever
    answered everybody, and whether it is proven that they are better. A canary that was dropped
    says nothing of people, but of itself.

    From five people on one person has no more say than their share (core.shares), and most of the
    people behind the newest fifty must have disliked what they judged last: else a few who ask much
    at a quiet hour could undo what all said before. What half of them like stays, then, also where
    the base was liked by more.
    """
    share = shares.share(len({person for vote in votes for person in vote.people}))
    most = ceil(NEWEST * share) if share else NEWEST
    found = [
        change for tune in served if (change := _shown_by(tune, votes, most, of_minds=served[tune]))
    ]
    return max(found, key=lambda change: change.since, default=None)


def _shown_by(tune: str, votes: Sequence[Vote], most: int, *, of_minds: bool) -> Change | None:
    newest = _newest([vote for vote in votes if vote.model == tune], most)
    if most < NEWEST and not _most_dislike(newest):
        return None
    found: list[tuple[float, Change]] = []
    for cut in range(len(newest) - AT_LEAST + 1):
        since = newest[cut].turn_id
        base = _newest([vote for vote in votes if vote.turn_id < since and _is_base(vote)], most)
        if len(base) < AT_LEAST:
            continue
        (ours, up), (others, up_others) = _counted(newest[cut:]), _counted(base)
        count = Count(ours, up, others, up_others)
        found.append((not_worse(count), Change(tune, since, count, of_minds)))
    sure, change = min(found, key=lambda one: one[0], default=(1.0, None))
    return change if sure < 1 - SURELY else None


def _most_dislike(votes: Sequence[Vote]) -> bool:
    last = {person: liked for vote in votes for person, liked in vote.people.items()}
    return 2 * sum(last.values()) < len(last)


def _is_base(vote: Vote) -> bool:
    return not TUNE_NAME.fullmatch(vote.model)


def _counted(votes: Sequence[Vote]) -> tuple[int, int]:
    """How many, and how many of them are up."""
    return len(votes), sum(vote.liked for vote in votes)


def _newest(votes: Sequence[Vote], most: int) -> list[Vote]:
    """The last one of each conversation, of each person the newest `most`; oldest first."""
    last = {vote.conversation: vote for vote in votes}.values()
    said: Counter[str] = Counter()
    found: list[Vote] = []
    for vote in sorted(last, key=lambda vote: vote.turn_id, reverse=True):
        if len(found) < NEWEST and any(said[person] < most for person in vote.people):
            found.append(vote)
            said.update(vote.people.keys())
    return found[::-1]
