"""Figures of the model's side, and how they are read from what vLLM tells of itself.

vLLM has them at /metrics, as Prometheus reads them: of all whom it serves, counted since its start.
The difference between two readings is what happened in between. Knows no connection, no clock and
no display.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from core.errors import Broken

# As vLLM 0.32 names them (vllm/v1/metrics/loggers.py): its counters, each with the label that tells
# its parts apart; all others (model_name, engine) are summed.
FIRST_TOKEN = "vllm:time_to_first_token_seconds_bucket"
TOKENS = "vllm:generation_tokens_total"
CACHE_ASKED, CACHE_HIT = "vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total"
ENDED, TURNED_AWAY = "vllm:request_success_total", "vllm:admission_rejections_total"
COUNTERS = {
    FIRST_TOKEN: "le",
    TOKENS: "",
    CACHE_ASKED: "",
    CACHE_HIT: "",
    ENDED: "finished_reason",
    TURNED_AWAY: "reason",
}
RUNNING, WAITING = "vllm:num_requests_running", "vllm:num_requests_waiting"
STARTED = "process_start_time_seconds"
GAUGES = (RUNNING, WAITING, STARTED)


@dataclass(frozen=True, slots=True)
class ModelMetrics:
    """What is known now; None: nobody knows."""

    over_s: float | None = None  # the time that the figures are of; None: since the server's start
    first_token_median_s: float | None = None
    first_token_p95_s: float | None = None
    tokens: int | None = None  # generated
    tokens_per_s: float | None = None
    running: int | None = None  # requests under way
    waiting: int | None = None  # inside the server
    in_line: int | None = None  # people in our own line before it
    cache_hit_share: float | None = None  # of the prompts' tokens, from the prefix cache
    errors: Mapping[str, int] | None = None  # ours by class, the server's by its own words

    def or_else(self, other: ModelMetrics) -> ModelMetrics:
        """What is not known here, as `other` has it."""
        known = {name: value for name, value in asdict(self).items() if value is not None}
        return ModelMetrics(**{**asdict(other), **known})


@dataclass(frozen=True, slots=True)
class Reading:
    """What a server's page said at a moment of our clock."""

    at: float
    counted: Mapping[tuple[str, str], float] = field(default_factory=dict)  # by name and label
    level: Mapping[str, float] = field(default_factory=dict)

    def restarted_since(self, before: Reading) -> bool:
        """Whether the server began anew in between: it says so, or has counted less."""
        started = before.level.get(STARTED), self.level.get(STARTED)
        return (None not in started and started[0] != started[1]) or any(
            self.counted.get(key, 0) < count for key, count in before.counted.items()
        )


def reading(page: str, at: float) -> Reading:
    """Raises Broken for what is no such page. It imports and parses: call it in a thread."""
    # Takes 3 MB and 50 ms: only where a server has such a page.
    from prometheus_client.parser import text_string_to_metric_families

    counted: defaultdict[tuple[str, str], float] = defaultdict(float)
    level: defaultdict[str, float] = defaultdict(float)
    try:
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                name, value = sample.name, float(sample.value)
                if not math.isfinite(value):
                    continue
                if name in COUNTERS:
                    label = sample.labels.get(COUNTERS[name], "")
                    if name == FIRST_TOKEN and math.isnan(float(label)):
                        raise ValueError(label)
                    counted[name, label] += value
                elif name in GAUGES:
                    level[name] += value
    except (ValueError, OverflowError) as error:
        raise Broken("The model's server tells figures that cannot be read.") from error
    return Reading(at, counted, level)


def since(before: Reading | None, now: Reading) -> ModelMetrics:
    """What the server tells of the time between two readings of one life; None: since its start.

    Where both are the same one, it tells only what is true at the moment.
    """
    running, waiting = _whole(now.level.get(RUNNING)), _whole(now.level.get(WAITING))
    if before is now:
        return ModelMetrics(running=running, waiting=waiting)
    earlier = before.counted if before else {}
    counted = {key: count - earlier.get(key, 0.0) for key, count in now.counted.items()}
    over_s, tokens = now.at - before.at if before else None, counted.get((TOKENS, ""))
    return ModelMetrics(
        over_s=over_s,
        first_token_median_s=quantile(0.5, _buckets(counted)),
        first_token_p95_s=quantile(0.95, _buckets(counted)),
        tokens=_whole(tokens),
        tokens_per_s=tokens / over_s if over_s and tokens is not None else None,
        running=running,
        waiting=waiting,
        cache_hit_share=_share(counted),
        errors=_errors(counted),
    )


def quantile(part: float, buckets: Sequence[tuple[float, float]]) -> float | None:
    """As PromQL's histogram_quantile: even within a bucket; beyond the last bound, that bound.

    `buckets`: bounds in order, the last infinite, each with how many were not above it.
    """
    if not buckets or buckets[-1][1] <= 0:
        return None
    rank = part * buckets[-1][1]
    below, lower = 0.0, 0.0
    for bound, count in buckets:
        if count >= rank and count > below:
            if math.isinf(bound):
                break
            return lower + (bound - lower) * (rank - below) / (count - below)
        below, lower = count, bound
    return lower


def _buckets(counted: Mapping[tuple[str, str], float]) -> list[tuple[float, float]]:
    return sorted(
        (float(bound), count) for (name, bound), count in counted.items() if name == FIRST_TOKEN
    )


def _share(counted: Mapping[tuple[str, str], float]) -> float | None:
    asked, hit = counted.get((CACHE_ASKED, "")), counted.get((CACHE_HIT, ""))
    return hit / asked if asked and hit is not None else None


def _errors(counted: Mapping[tuple[str, str], float]) -> dict[str, int] | None:
    """What vLLM itself calls an error, and whom it turned away."""
    if not any(name == ENDED for name, _ in counted):
        return None
    return {
        kind: round(count)
        for (name, kind), count in counted.items()
        if count > 0 and (name == TURNED_AWAY or (name == ENDED and kind == "error"))
    }


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
