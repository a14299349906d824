"""What shaped an answer, in words: which model said it, whose votes made that, and its checks.

Of what people said: counts, examples that this channel showed already, and here what those votes
of the person who asks are about that were given here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from core.phrases import Phrases
from core.store import Store
from core.types import IncomingMessage, Turn
from core.types_learning import Tune

LONGEST_SHOWN = 80  # characters of a question

Report = Mapping[str, Any]


async def why(
    store: Store,
    report_of: Callable[[Tune], Awaitable[Report | None]],
    words: Phrases,
    answered: Turn,
    by: IncomingMessage,
) -> str:
    """About the answer to `answered`, for whoever asks in `by`. `report_of`: what the gate found,
    as far as that is kept.
    """
    model = answered.recipe.model if answered.recipe else ""
    tune = next((one for one in await store.tunes() if one.name == model), None)
    if tune is None:
        shown = [one.question for one in answered.recipe.examples] if answered.recipe else []
        return words.why_examples.format(asked=listed(shown)) if shown else words.why_base
    shaped = await store.shaped(tune.name, by.ref.channel, by.author)
    told = words.why_tune.format(
        tune=tune.name,
        at=f"{tune.at:%Y-%m-%d %H:%M} UTC",
        votes=of(shaped.votes, "vote or correction", "votes and corrections"),
        people=of(shaped.people, "person", "people"),
        own=words.why_own.format(own=shaped.own) if shaped.own else "",
    )
    if shaped.not_learnt:
        own = words.why_own.format(own=shaped.own_not_learnt) if shaped.own_not_learnt else ""
        told += f" {words.why_not_learnt.format(votes=shaped.not_learnt, own=own)}"
    if shaped.asked:
        told += f" {words.why_asked.format(asked=listed(shaped.asked))}"
    return f"{told} {checked(await report_of(tune), words)}{forgotten(tune, words)}"


def listed(questions: Sequence[str]) -> str:
    """As code: nothing in it is markup, or names anybody."""
    asked = (" ".join(text.replace("`", "'").split()) for text in questions)
    return ", ".join(f"`{text[:LONGEST_SHOWN]}`" for text in asked)


def checked(report: Report | None, words: Phrases) -> str:
    """What the gate said of a tune that passed, in a sentence or two."""
    if report is None:
        return words.why_no_report
    hard = [check for check in report["checks"] if check["hard"]]
    unsure = [check["words"] for check in hard if check["passed"] is None]
    told = words.why_checked.format(checks=of(len(hard), "check", "checks"))
    return told if not unsure else f"{told} {words.why_unsure.format(unsure='; '.join(unsure))}"


def forgotten(tune: Tune, words: Phrases) -> str:
    if not tune.forgotten:
        return ""
    return f" {words.why_forgotten if tune.path else words.why_gone}"


def of(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
