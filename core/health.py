"""How answers went lately, model by model, and whether a canary's went worse. No votes in it.

It remembers the last thousand answers of this process and nothing of what was said; a restart
begins anew. Both models are compared over the same stretch, from the canary's first answer on, so
that a bad hour of the server's is neither's fault.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import dropwhile

from core.errors import CutShort, GenerationError

MOST_KEPT = 1_000  # of a share of .05 some fifty are the canary's
FEWEST = 10  # answers of each, before anything is said of them
WORSE_BY = 0.10  # of all answers: ten in a hundred more that failed, or were cut
# In standard deviations: luck gets there too seldom to matter, also with few answers.
SURELY = 3.0
FEWEST_FIRST_TOKENS, TIMES_SLOWER = 40, 2.0  # of fewer, the slowest in twenty is one or two
NOTICED_S = 0.25  # a fast server's hiccups are twice its usual too, and nobody waits for them


class Went:
    """One answer, as it went."""

    __slots__ = ("cut", "failed", "first_s", "model")

    def __init__(self, model: str) -> None:
        self.model = model
        self.first_s: float | None = None  # until its first words
        self.failed = self.cut = False  # failed: an error, or nothing was said


class Health:
    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._kept: deque[Went] = deque(maxlen=MOST_KEPT)

    @contextmanager
    def asking(self, model: str) -> Iterator[Callable[[], None]]:
        """Around one answer; call what it gives at each piece. One that its reader left counts as
        far as it came.
        """
        went, began = Went(model), self._now()

        def spoke() -> None:
            if went.first_s is None:
                went.first_s = self._now() - began

        try:
            yield spoke
        except CutShort:
            went.cut = True
            raise
        except GenerationError:
            went.failed = True
            raise
        finally:
            self._kept.append(went)

    def ailment(self, canary: str, serving: str) -> str | None:
        """A sentence on what is wrong with the canary beside what serves; None: nothing is."""
        both = list(dropwhile(lambda went: went.model != canary, self._kept))
        ours = [went for went in both if went.model == canary]
        others = [went for went in both if went.model == serving]
        if min(len(ours), len(others)) < FEWEST:
            return None
        for what, count in (("failed", _failed), ("were cut at their length limit", _cut)):
            bad, other = count(ours), count(others)
            if is_more(bad, len(ours), other, len(others)):
                return (
                    f"{bad} of its last {len(ours)} answers {what}, of what serves"
                    f" {other} of {len(others)}."
                )
        slow, usual = _first_tokens(ours), _first_tokens(others)
        if min(len(slow), len(usual)) >= FEWEST_FIRST_TOKENS:
            late, as_usual = slow_one(slow), slow_one(usual)
            if late > TIMES_SLOWER * as_usual and late > as_usual + NOTICED_S:
                return (
                    f"One in twenty of its answers began after {late:.2f} s or later, of what"
                    f" serves after {as_usual:.2f} s."
                )
        return None


def is_more(bad: int, of: int, other: int, of_other: int) -> bool:
    """Whether ten points more are bad, and surely so."""
    more = bad / of - other / of_other
    both = (bad + other) / (of + of_other)
    deviation = math.sqrt(both * (1 - both) * (1 / of + 1 / of_other))
    return more >= WORSE_BY and more >= SURELY * deviation


def slow_one(seconds: Sequence[float]) -> float:
    """So long, or longer, one in twenty took."""
    return sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1]


def _failed(answers: Sequence[Went]) -> int:
    return sum(went.failed for went in answers)


def _cut(answers: Sequence[Went]) -> int:
    return sum(went.cut for went in answers)


def _first_tokens(answers: Sequence[Went]) -> list[float]:
    return [went.first_s for went in answers if went.first_s is not None]
