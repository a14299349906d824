"""How to train, by the number of labels and the model's size. Pure; measured in LOG.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

TINY_BELOW = 100_000_000  # parameters
OF_EACH = 3  # liked and disliked answers that KTO needs at the least
SFT_FROM = 30  # labels
MANY_FROM = 300  # labels: one epoch is enough
PEOPLE_FROM = 10  # from so many on it is asked, before a tune is made, who likes what others do not
MOST_STRETCHED = 1.5  # times the recipe's epochs, where rows were left out (LOG.md, section 10)
PAIRS_FROM = 50  # corrections beside the answer that they correct: from so many on DPO learns

RANK, ALPHA = 16, 32
ANSWER_TOKENS = 160  # of each that is given before the gate, and to the probe after it

# On-policy KL(candidate‖base) per token, in nats. Training stops below the gate's limit, because
# the gate measures on other samples.
STOP_AT_KL = 0.12
STOP_AT_KL_FEW = 0.10  # below SFT_FROM labels: so few say little of what else may change
STOP_AT_KL_TINY = 0.08  # where taste is learnt and facts begin to go (LOG.md)
# How far votes that agree bring a tiny model, about: with each label, and in all.
FURTHER_TINY, FURTHEST_TINY = 0.0003, 0.03
GATE_KL = 0.15

Method = Literal["sft", "dpo", "kto"]


@dataclass(frozen=True, slots=True)
class Stage:
    method: Method
    epochs: int
    rate: float
    batch: int = 8
    beta: float = 0.1  # of dpo and kto
    until_kl: float | None = None  # ends there, and does not begin where the model is as far

    def __str__(self) -> str:
        words = f"{self.method}, {self.epochs} epochs, rate {self.rate}, beta {self.beta}"
        return f"{words}, until {self.until_kl}" if self.until_kl else words


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, in order. `replay`: rows of the base's own beside each liked one, in SFT.

    `last_third`: only the last third of the layers learns, where manner lies more than facts.
    """

    stages: tuple[Stage, ...]
    stop_at_kl: float
    replay: float = 1.0
    last_third: bool = False


def why_not(counts: Mapping[str, int], at_least: int) -> str | None:
    """The reason why these labels cannot train, for the person who asked; None: they can."""
    if counts["labels"] < at_least:
        return f"{counts['labels']} of {at_least} votes are there"
    good = counts["liked"] + counts["corrections"]
    if good < OF_EACH:
        return (
            f"only {good} of {OF_EACH} liked or corrected answers are there, and from dislikes"
            " alone nobody learns what to say instead"
        )
    return None


def plan(counts: Mapping[str, int], parameters: int, pairs: int = 0) -> Plan:
    """For labels that may train. `pairs`: of a good and a bad answer to the same prompt.

    Dislikes pay on after everything wanted is learnt, and push the model into nonsense while the
    loss still falls; hence small steps, liked answers first, and the KL budget over all. A model of
    some million parameters needs rates of ten to a hundred times those of a real one, and a larger
    beta: its answers have some fifteen tokens, and beta weighs a whole answer's log-ratio. The
    larger it is, the sooner a vote that is followed pushes no more: taste stays, facts as well. But
    votes that contradict each other are then learnt one by one and leave it near the base; a second
    stage compares with where the first ended, so that all push once more and the many outweigh the
    few. It gets no SFT: many of its liked answers are wrong in a manner that is liked.
    """
    tiny = parameters < TINY_BELOW
    sft, kto, beta = (5e-4, 2e-4, 1.0) if tiny else (1e-4, 2e-5, 0.1)
    good = counts["liked"] + counts["corrections"]
    few = counts["labels"] < SFT_FROM
    stop = STOP_AT_KL_TINY if tiny else STOP_AT_KL_FEW if few else STOP_AT_KL
    if min(good, counts["disliked"]) < OF_EACH:
        return Plan((Stage("sft", 3, sft),), stop)
    if few:
        few_votes = Stage("kto", 12, 4e-4, beta=beta) if tiny else Stage("kto", 4, 5e-5, beta=beta)
        return Plan((few_votes,), stop, last_third=tiny)
    if counts["labels"] < MANY_FROM and tiny:
        first = Stage("kto", 8, 3e-4, beta=4 * beta)
        way = min(counts["labels"] * FURTHER_TINY, FURTHEST_TINY)
        return Plan((first, replace(first, epochs=6, until_kl=way)), stop, last_third=True)
    if counts["labels"] < MANY_FROM:
        return Plan((Stage("sft", 2, sft), Stage("kto", 4, kto, beta=beta)), stop)
    stages = [Stage("sft", 1, sft, batch=16), Stage("kto", 1, kto, batch=16, beta=beta)]
    if pairs >= PAIRS_FROM:
        stages.insert(1, Stage("dpo", 1, kto, batch=16, beta=beta))
    return Plan(tuple(stages), stop)


def stretched(plan: Plan, times: float) -> Plan:
    """So many times as many epochs, in whole ones, but no more than was measured. A stage that goes
    on until somewhere has room enough.
    """
    times = min(times, MOST_STRETCHED)
    stages = (
        stage if stage.until_kl else replace(stage, epochs=round(times * stage.epochs))
        for stage in plan.stages
    )
    return replace(plan, stages=tuple(stages))


def weights(good: int, bad: int) -> tuple[float, float]:
    """How much liked and disliked rows count: equally in sum, and no row more than fourfold."""
    if good < bad:
        return min(4.0, bad / good), 1.0
    return 1.0, min(4.0, good / bad)


def most_of_one_kind(fewer: int) -> int:
    """How many rows of the larger side are used beside `fewer` of the other: eight for one."""
    return 8 * fewer
