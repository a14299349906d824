"""What an admin is shown of verdicts that are set aside, and what is made of an answer.

Who, how many, when and why; never what somebody wrote: an admin need not be able to read the place
where it was said.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import NamedTuple

from core.errors import BotError
from core.store_learning import Reviews
from core.training.bursts import Burst
from core.training.dataset import Gathered
from core.types_learning import Review

logger = logging.getLogger(__name__)

LISTED = 10  # bursts
NAMED = 5  # people


class NotThere(BotError):
    """No burst of that name waits: what it was made of changed, or somebody decided on it."""


class Asking(NamedTuple):
    """How an admin asks, where they are."""

    what: str
    let_in: str
    leave_out: str


IN_CHAT = Asking("/review", "/review in ID", "/review out ID")
AT_A_SHELL = Asking("--review", "--let-in ID", "--leave-out ID")  # of python -m bots.train


def listed(gathered: Gathered, asking: Asking = IN_CHAT) -> str:
    """The bursts that wait, oldest first, in CommonMark."""
    if not gathered.bursts:
        return "Nothing is set aside.\n"
    told = "These votes came in bursts and are set aside: nothing learns from them.\n\n"
    told += "".join(f"- `{burst.id}`: {_words(burst)}\n" for burst in gathered.bursts[:LISTED])
    if more := gathered.bursts[LISTED:]:
        told += f"- and {len(more)} more, once these are decided on\n"
    let_in, leave_out = asking.let_in, asking.leave_out
    return f"{told}\n`{let_in}` lets one in, `{leave_out}` leaves it out for good.\n"


async def decide(
    store: Reviews, gathered: Gathered, words: str, at: datetime, asking: Asking = IN_CHAT
) -> str:
    """Keep a decision. `words`: "in ID" or "out ID". Raises NotThere, and nothing is decided."""
    how, _, id = words.partition(" ")
    found = [burst for burst in gathered.bursts if burst.id == id]
    if not found:
        raise NotThere(
            f"Nothing of the name `{id}` is set aside any more. `{asking.what}` shows what is."
        )
    (burst,) = found
    let_in = how == "in"
    at = max(at, burst.ended)  # a platform's clock may be ahead of ours
    await store.put_reviews([Review(*verdict, let_in, at) for verdict in burst.verdicts])
    logger.info("the burst %s of %d verdicts goes %s", burst.id, len(burst.verdicts), how)
    if let_in:
        return (
            f"Let in: {_words(burst)}. The next run learns from what they are then, within what one"
            " person may give.\n"
        )
    return f"Left out for good: {_words(burst)}.\n"


def _words(burst: Burst) -> str:
    count = len(burst.verdicts)
    people = ", ".join(f"`{person}`" for person in burst.people[:NAMED])
    if more := burst.people[NAMED:]:
        people += f" and {len(more)} more"
    began, ended = (f"{at:%Y-%m-%d %H:%M}" for at in (burst.began, burst.ended))
    if ended[:10] == began[:10]:
        ended = ended[11:]
    when = f"at {began}" if burst.began == burst.ended else f"from {began} to {ended}"
    return f"{count} {'vote' if count == 1 else 'votes'} of {people}, {when} UTC, {burst.why}"
