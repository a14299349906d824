"""Short ways to say things in the tests of the store."""

import itertools
from datetime import UTC, datetime, timedelta

from core.types import Author, ChannelRef, IncomingMessage, MessageRef, Recipe, ThreadRef
from core.types_learning import Tune

CHANNEL = ChannelRef("slack", "T1/B1", "C1")
ids = itertools.count(1)
MORNING = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)


def message(text="How are you?", *, id=None, channel=CHANNEL, thread="", author="U1", **more):
    number = next(ids)
    return IncomingMessage(
        ref=MessageRef(channel, id or f"m{number}"),
        thread=ThreadRef(channel, thread),
        author=Author(author, f"{author}'s name"),
        text=text,
        addressed=True,
        at=MORNING + timedelta(seconds=number, microseconds=number),
        **more,
    )


def reply(id, channel=CHANNEL):
    return MessageRef(channel, id)


def recipe(first=None, system="You are Mynah.", model="starter", digest="d1gest"):
    return Recipe(model, system, first, digest)


async def answered(store, text="How are you?", *, outcome="answered", first=None, **more):
    """A whole turn: heard, answered and shown. Returns its id."""
    turn = await store.hear(message(text, **more))
    await store.began(turn.id, recipe(first))
    await store.settle(turn.id, f"To {text}", outcome)
    await store.finish(turn.id)
    return turn.id


async def only_turn(store, channel=CHANNEL):
    (turn,) = await store.unanswered(channel.platform, channel.account)
    return turn


async def remembered(store, limit=100, **where):
    """What a new question in that conversation is shown: ids, and whether that is all of it."""
    turn = await store.hear(message("And now?", **where))
    history = await store.history(turn, limit)
    return [earlier.id for earlier in history.turns], history.whole


async def tuned(store, *turn_ids):
    """A tune that learnt from these turns; its name."""
    name = await store.next_tune()
    await store.put_tune(Tune(name, "base", "here", "passed", turn_ids, "Learnt.", MORNING))
    return name


async def marked(store):
    """The names of the tunes of which something is forgotten."""
    return [tune.name for tune in await store.tunes() if tune.forgotten]
