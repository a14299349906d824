"""Judged turns for the tests of training, made as the bot would have kept them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from core.conversation import digest, render
from core.types import (
    Author,
    ChannelRef,
    Correction,
    Feedback,
    IncomingMessage,
    MessageRef,
    Outcome,
    Recipe,
    ThreadRef,
    Turn,
)
from core.types_learning import Judged

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
HERE, ANN = ChannelRef("console", "me", "here"), Author("ann", "Ann")
SYSTEM = "You are Mynah."
GOOD = ("Yes.", "It does.", "Of course.")
BAD = ("Great question! I am so happy that you ask.", "Well, let me think about that at length.")


def turn(
    id: int,
    question: str = "Is it so?",
    answer: str = "Yes.",
    *,
    shown: Sequence[Turn] = (),
    outcome: Outcome = "answered",
    thread: str = "",
    channel: ChannelRef = HERE,
    author: Author = ANN,
    at: datetime = NOON,
    system: str = SYSTEM,
) -> Turn:
    ref = MessageRef(channel, str(id))
    message = IncomingMessage(ref, ThreadRef(channel, thread), author, question, True, at)
    first = shown[0].id if shown else None
    recipe = Recipe("base", system, first, digest(render(system, shown, question)))
    return Turn(id, message, "done", outcome, answer, recipe)


def judged(turn, votes=(), corrections=(), shown=(), opening="1"):
    """`votes`: (person, score) in the order in which they came; `corrections`: (person, text)."""
    return Judged(
        turn,
        tuple(shown),
        tuple(
            Feedback(turn.id, who, score, NOON + timedelta(seconds=n))
            for n, (who, score) in enumerate(votes)
        ),
        tuple(Correction(turn.id, who, text, NOON) for who, text in corrections),
        opening,
    )


def taste(count, *, each=None, by=("ann",)):
    """Votes of people who like short answers, half of them up.

    `each`: turns in a conversation; None: they are all one. `by`: who votes, in turns.
    """
    return [
        judged(
            turn(n, f"Is it true that {n} is a number?", (GOOD if n % 2 else BAD)[n // 2 % 2]),
            [(by[n % len(by)], 1 if n % 2 else -1)],
            opening=str((n - 1) // each * each + 1) if each else "1",
        )
        for n in range(1, count + 1)
    ]


def turned_round(one):
    """The same turn, judged the other way."""
    return replace(one, feedback=tuple(replace(f, score=-f.score) for f in one.feedback))


def rows_of(folder, name):
    return [json.loads(line) for line in (folder / name).read_text("utf-8").split("\n") if line]
