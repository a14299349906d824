"""The trainer with every method after another, and two stages that go on only part of the way."""

from core.training.recipe import Plan, Stage
from core.training.tune import main

PLAN = Plan(
    (
        Stage("sft", 1, 1e-4),
        Stage("dpo", 1, 1e-4),
        Stage("kto", 2, 1e-4, beta=1.0),
        Stage("kto", 1, 1e-4, beta=1.0, until_kl=1e-9),
        Stage("kto", 4, 1e-3, beta=1.0, until_kl=0.03),
    ),
    stop_at_kl=0.5,
)

if __name__ == "__main__":
    main(PLAN)
