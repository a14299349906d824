"""The trainer as it runs for a base of any size, with the plan of real models on a tiny one."""

from core.training.recipe import STOP_AT_KL_TINY, Plan, Stage
from core.training.tune import main

PLAN = Plan((Stage("sft", 2, 5e-4), Stage("kto", 6, 2e-4, beta=1.0)), STOP_AT_KL_TINY)

if __name__ == "__main__":
    main(PLAN)
