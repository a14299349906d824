"""What our client asks of the model's server is counted: of this bot alone, and no words."""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence

from core.errors import (
    Broken,
    CutShort,
    Empty,
    GenerationError,
    Overloaded,
    Rejected,
    TimedOut,
    Unreachable,
)
from core.model_metrics import ModelMetrics

MOST_KEPT = 4_000  # answers; more in five minutes are 13 a second
KINDS = (Unreachable, Overloaded, Rejected, TimedOut, Broken, Empty)  # of core.errors


class Asked:
    """One call of our client as it goes on."""

    __slots__ = ("began", "ended", "error", "first_token_s", "now", "tokens")

    def __init__(self, now: Callable[[], float]) -> None:
        self.now, self.began = now, now()
        self.first_token_s: float | None = None
        self.tokens = 0
        self.ended = self.began
        self.error: str | None = None

    def spoke(self) -> None:
        """A token came; only the first counts."""
        if self.first_token_s is None:
            self.first_token_s = self.now() - self.began


class Tally:
    """Counts what our client asks for. It costs little: nothing happens per token."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self._began = now()
        self._running = 0
        self._kept: deque[Asked] = deque(maxlen=MOST_KEPT)

    @contextlib.contextmanager
    def counting(self) -> Iterator[Asked]:
        """What is noted in the Asked counts when the block is left, in whichever way.

        An answer that reached its length limit is no error, nor is one that its reader closed.
        """
        asked = Asked(self.now)
        self._running += 1
        try:
            yield asked
        except CutShort:
            raise
        except GenerationError as error:
            asked.error = _kind(error)
            raise
        finally:
            self._running -= 1
            asked.ended = self.now()
            self._kept.append(asked)

    def metrics(self, since_at: float) -> ModelMetrics:
        """Of what ended after this moment of the same clock."""
        full = len(self._kept) == MOST_KEPT
        began = max(since_at, self._kept[0].ended if full else self._began)
        ended = [asked for asked in self._kept if asked.ended >= began]
        waits = sorted(asked.first_token_s for asked in ended if asked.first_token_s is not None)
        tokens = sum(asked.tokens for asked in ended)
        over_s = self.now() - began
        return ModelMetrics(
            over_s=over_s,
            first_token_median_s=_of_rank(0.5, waits),
            first_token_p95_s=_of_rank(0.95, waits),
            tokens=tokens,
            tokens_per_s=tokens / over_s if over_s > 0 else None,
            running=self._running,
            errors=dict(Counter(asked.error for asked in ended if asked.error is not None)),
        )


def _kind(error: GenerationError) -> str:
    """The name of its class in core.errors: what is finer than that is of no use to a reader."""
    return next((kind for kind in KINDS if isinstance(error, kind)), type(error)).__name__


def _of_rank(part: float, ordered: Sequence[float]) -> float | None:
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)] if ordered else None
