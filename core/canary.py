"""A canary: whose questions it answers, and whether it goes on to answer everybody.

Pure: no clock, no dice, no store. The lot falls by conversation: by thread, and where the channel
itself is the conversation by the message that began it. Verdicts from conversations that it fell on
are compared as two shares of thumbs up, each with a Beta(1,1) prior; how often the rule is right
was simulated (`python -m bench.canary`).
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import Literal, Self

from core import shares
from core.conversation import key
from core.regulars import DAY, Who, of_regulars, regulars, who_gave
from core.types import SILENCE, IncomingMessage, ThreadRef, Turn, person
from core.types_learning import TUNE_NAME, Canary, Label, Voter

MARGIN = 0.05  # so few thumbs up less are no reason to drop it
SURELY_WORSE, WELL_ENOUGH = 0.95, 0.90  # how sure of either is sure
LOOKS_EVERY = 10  # labels: who looks more often finds by luck what is not there
FIRST_LOOK, FIRST_PROMOTION = 10, 40  # labels of its own that it takes
MOST_LABELS, LONGEST = 300, timedelta(days=14)
SHORTEST = timedelta(hours=24)  # before it is promoted: other hours have other people and questions

STEPS = 400  # of the grid that stands for all shares from 0 to 1; the margin is a multiple


def chosen(canary: Canary, message: IncomingMessage, before: Sequence[Turn], serving: str) -> str:
    """The model that answers a question. `before`: the turns in its thread or channel, oldest
    first; `serving`: the name of what serves beside the canary.

    Whoever started the run hears the canary at once, which moves no conversation: for everybody
    else it keeps the model of the last turn that was not theirs, and one without is drawn.
    """
    if _is_starters(canary, message):
        return canary.tune
    opening = later = message
    for turn in reversed(before):
        if not message.thread.thread and later.at - turn.message.at > SILENCE:
            break  # another conversation
        if not _is_starters(canary, turn.message):
            kept = turn.recipe and turn.recipe.model
            return canary.tune if kept == canary.tune else serving
        later = turn.message
        if opening.at >= canary.at:  # labels look no further back, either
            opening = later
    return canary.tune if is_drawn(canary, message.thread, opening.ref.id) else serving


def _is_starters(canary: Canary, message: IncomingMessage) -> bool:
    return canary.by == person(message.ref.channel, message.author.id)


def is_drawn(canary: Canary, thread: ThreadRef, opening: str = "") -> bool:
    """Whether the lot falls on this conversation. Each canary draws anew. `opening`: the id of the
    message that began it, without which a channel or a chat would draw the same for ever.
    """
    began = "" if thread.thread else f" {opening}"
    drawn = hashlib.sha256(f"{key(thread)} {canary.tune}{began}".encode()).digest()
    return int.from_bytes(drawn[:8], "big") < canary.share * 2**64


@dataclass(frozen=True, slots=True)
class Count:
    """How many labels, and how many of them are thumbs up: of the canary, of what serves."""

    of_canary: int = 0
    up_canary: int = 0
    of_other: int = 0
    up_other: int = 0

    @classmethod
    def of(cls, labels: Iterable[tuple[bool, bool]]) -> Self:
        """`labels`: of each whether it is the canary's, and whether it is a thumb up."""
        found = list(labels)
        ours = [up for is_canary, up in found if is_canary]
        others = [up for is_canary, up in found if not is_canary]
        return cls(len(ours), sum(ours), len(others), sum(others))

    @property
    def in_words(self) -> str:
        return (
            f"{self.up_canary} of {self.of_canary} votes on it are up,"
            f" {self.up_other} of {self.of_other} on what serves"
        )


def counted(
    canary: Canary, labels: Sequence[Label], serving: str | None, voters: Sequence[Voter] = ()
) -> list[tuple[bool, bool]]:
    """What `Count.of` takes, in the order of the labels. `serving`: a tune; None: the base.
    `voters`: everybody who ever voted where the labels are from.

    One for each person and conversation, and only where the lot decided what answered: not where
    the person asked who started the run, nor where a conversation went on as it began before. Where
    enough people are known, new ones wait (core.regulars), and of a day one person alone is not the
    ten labels that drop it: each has their share of them (core.shares).
    """
    found: list[tuple[bool, bool]] = []
    last: dict[tuple[ThreadRef, str, str], datetime] = {}
    known = regulars(voters)
    share = shares.share(len(known))
    given: Counter[tuple[Who, bool, int]] = Counter()
    for label in of_regulars(labels, known):
        is_canary = label.model == canary.tune
        if not is_canary and serving != (label.model if TUNE_NAME.fullmatch(label.model) else None):
            continue  # of neither
        if canary.by == person(label.thread.channel, label.asked_by):
            continue
        if label.is_older or is_drawn(canary, label.thread, label.opening) != is_canary:
            continue
        whose = label.thread, label.opening, label.voter
        before = last.get(whose)
        if before and (label.thread.thread or abs(label.asked_at - before) <= SILENCE):
            continue
        last[whose] = label.asked_at
        own = who_gave(label), is_canary, (label.asked_at - canary.at) // DAY
        if share and given[own] >= math.ceil(FIRST_LOOK * share):
            continue
        given[own] += 1
        found.append((is_canary, label.score > 0))
    return found


Decision = Literal["promoted", "dropped"]


def by_votes(labels: Sequence[tuple[bool, bool]], age: timedelta) -> Decision | None:
    """What becomes of it, where they say so surely; None: it goes on. `labels`: as `counted` gives
    them. Only whole tens are looked at, so that asking again adds no look, but where somebody new
    comes back. It may be dropped at any `age`.
    """
    count = Count.of(labels[: len(labels) - len(labels) % LOOKS_EVERY])
    if count.of_canary < FIRST_LOOK:
        return None
    sure = not_worse(count)
    if sure < 1 - SURELY_WORSE:
        return "dropped"
    is_heard = age >= SHORTEST and count.of_canary >= FIRST_PROMOTION
    return "promoted" if is_heard and sure > WELL_ENOUGH else None


def is_over(labels: Sequence[tuple[bool, bool]], age: timedelta) -> bool:
    """Whether what they did not decide is to be decided now."""
    return age >= LONGEST or (age >= SHORTEST and len(labels) >= MOST_LABELS)


def at_last(labels: Sequence[tuple[bool, bool]], *, is_clean: bool, is_proven: bool) -> Decision:
    """By the means of both posteriors. `is_clean`: the gate found nothing against it; `is_proven`:
    it found that the tune agrees with the votes. Where hardly anybody voted on it, a mean is the
    prior's, or one person's: then one that is proven goes on, unless most of these disliked it.
    """
    count = Count.of(labels)
    if is_unheard(count):
        is_liked = is_proven and 2 * count.up_canary >= count.of_canary
    else:
        ours = (count.up_canary + 1) / (count.of_canary + 2)
        is_liked = ours >= (count.up_other + 1) / (count.of_other + 2)
    return "promoted" if is_liked and is_clean else "dropped"


def is_unheard(count: Count) -> bool:
    """Whether too few voted on it to say anything of it."""
    return count.of_canary < FIRST_LOOK


def not_worse(count: Count) -> float:
    """The probability that the canary's share of thumbs up is more than the other's less MARGIN."""
    ours = _posterior(count.up_canary, count.of_canary - count.up_canary)
    others = _posterior(count.up_other, count.of_other - count.up_other)
    below = list(accumulate(others, initial=0.0))
    more = round(MARGIN * STEPS)
    found = 0.0
    for step, weight in enumerate(ours):
        other = step + more
        found += weight * (1.0 if other >= STEPS else below[other] + others[other] / 2)
    return found


@lru_cache(maxsize=64)
def _posterior(up: int, down: int) -> tuple[float, ...]:
    """Beta(1 + up, 1 + down) in the middle of each step, together 1."""
    scale = math.lgamma(up + down + 2) - math.lgamma(up + 1) - math.lgamma(down + 1)
    weights = [
        math.exp(scale + up * math.log(x) + down * math.log1p(-x))
        for x in ((step + 0.5) / STEPS for step in range(STEPS))
    ]
    whole = sum(weights)
    return tuple(weight / whole for weight in weights)
