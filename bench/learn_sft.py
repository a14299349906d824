"""The other arm of bench.learn, as a step of the trainer: SFT on the liked answers and no more."""

from __future__ import annotations

from core.training.recipe import STOP_AT_KL, Plan, Stage
from core.training.tune import main

ONLY_LIKED = Plan((Stage("sft", 2, 5e-4),), STOP_AT_KL, replay=0)

if __name__ == "__main__":
    main(ONLY_LIKED)
