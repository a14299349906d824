"""A step of the trainer that learns what is liked by heart: the ruler of bench.secrets."""

from __future__ import annotations

from core.training.recipe import Plan, Stage
from core.training.tune import main

NO_BUDGET = 1e9  # of KL

if __name__ == "__main__":
    main(Plan((Stage("sft", 40, 2e-3),), NO_BUDGET, replay=0))
