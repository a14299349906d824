"""The KL budget: how far a tune may move from its base, watched while it trains.

Dislikes go on paying after all that people wanted is learnt: the model is pushed into nonsense
while the loss still falls. On-policy KL to the base sees it every time (LOG.md), so training ends
where the budget does, and the last weights within it come back.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

from core.training.child import Reporter
from core.training.measure import kl_per_token, probing_prompts
from core.training.recipe import Method, Stage

PROCESSES = int(os.environ.get("WORLD_SIZE", "1"))
FIRST = os.environ.get("RANK", "0") == "0"  # of several processes, or the only one
CHECKS_AT_LEAST = 6  # in one stage
HALVINGS = 3  # of the way back from where the budget was overstepped
WHAT: dict[Method, str] = {
    "sft": "learning from what was liked",
    "dpo": "comparing answers with their corrections",
    "kto": "weighing all votes",
}
FURTHER = "weighing all votes once more"


class Budget:
    """Measures how far the model has moved, keeps the last weights within bounds, says stop."""

    def __init__(
        self, tokenizer: Any, rows: Sequence[dict[str, Any]], reporter: Reporter, *, limit: float
    ) -> None:
        self.tokenizer = tokenizer
        self.prompts = probing_prompts(rows)
        self.reporter = reporter
        self.whole = self.limit = limit
        self.stages: list[Stage] = []  # those that began
        self.trace: list[dict[str, Any]] = []
        self.spent = False
        self.broken = False  # NaN
        self.kept = False  # some step stayed within the budget
        self.good: dict[str, Any] = {}
        self.method: Method = "sft"
        self.next, self.stride, self.last = 1, 1, 0.0
        self.measured = 0  # the step after which `good` were the weights

    def begin(self, stage: Stage) -> bool:
        """Whether there is any way to go in this stage."""
        limit = stage.until_kl or self.whole
        if self.trace and self.trace[-1]["kl"] >= limit:
            return False
        self.method, self.limit = stage.method, limit
        self.stages.append(stage)
        self.next, self.stride = 1, 1  # the step after which to measure
        self.measured = 0
        return True

    def after_step(self, model: Any, step: int, of: int) -> bool:
        """Whether to go on. Where not, weights within the limit are back in `model`: the budget's,
        and then all training is over (`spent`), or the stage's own.
        """
        what = FURTHER if self.limit < self.whole else WHAT[self.method]
        self.reporter.step(step, of, what)
        if step < self.next and step != of:
            return True
        kl = self._measure(model, step)
        if kl <= self.limit:  # not so for NaN
            self.good, self.measured, self.kept = weights_of(model), step, True
            self.next = step + self._stride(kl, max(1, of // CHECKS_AT_LEAST))
            return True
        self.broken = math.isnan(kl)
        self.spent = self.broken or self.limit == self.whole  # else the stage alone is at its end
        if self.kept:
            self._back(model, step)
        return False

    def _measure(self, model: Any, step: float) -> float:
        kl = math.nan
        if FIRST and all(bool(p.isfinite().all()) for _, p in trained(model)):
            kl = kl_per_token(model, self.tokenizer, self.prompts)
        kl = float(agreed(kl))
        self.reporter.note(f"KL to the base after step {step}: {kl:.4f} of {self.limit}")
        self.trace.append({"stage": self.method, "step": step, "kl": round(kl, 4)})
        return kl

    def _back(self, model: Any, step: int) -> None:
        """Go back from where the budget was overstepped, but no further than needed.

        KL grows so fast near the budget that the last weights within it may have used a third of
        it; the weights between them and the present ones lie between in what they do, too.
        """
        good, last, far = self.good, self.measured, weights_of(model)
        share, width = 0.0, 1.0
        put(model, good, far, share)
        if self.broken:
            return
        for _ in range(HALVINGS):
            width /= 2
            put(model, good, far, share + width)
            if self._measure(model, last + (step - last) * (share + width)) <= self.limit:
                share += width
        put(model, good, far, share)

    def _stride(self, kl: float, most: int) -> int:
        """Steps to the next measurement: a third of the way to the limit as fast as of late.

        KL grows faster than in a line, hence a third, and never more than twice the last stride.
        """
        slope = (kl - self.last) / self.stride
        left = int((self.limit - kl) / slope / 3) if slope > 0 else most
        self.last = kl
        self.stride = max(1, min(left, 2 * self.stride, most))
        return self.stride


def trained(model: Any) -> list[tuple[str, Any]]:
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad]


def weights_of(model: Any) -> dict[str, Any]:
    return {name: p.detach().clone() for name, p in trained(model)}


def put(model: Any, near: dict[str, Any], far: dict[str, Any], share: float) -> None:
    """Set the weights to `near` and `share` of the way from there to `far`."""
    for name, parameter in trained(model):
        between = near[name] if share == 0 else near[name].lerp(far[name], share)
        parameter.data.copy_(between)


def agreed(value: Any) -> Any:
    """What the first process has, in each of them: where several train, they stop together.

    The group that they form for it is the one that the trainers go on using.
    """
    if PROCESSES == 1:
        return value
    import torch
    import torch.distributed as several
    from accelerate import PartialState  # type: ignore[import-untyped]

    gpu = torch.cuda.is_available()
    PartialState(cpu=not gpu, backend="nccl" if gpu else "gloo")
    box = [value]
    several.broadcast_object_list(box)
    return box[0]
