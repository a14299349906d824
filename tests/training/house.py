"""A trainer on a real store, with votes in it."""

from contextlib import asynccontextmanager

from bots.trainer import LocalTrainer
from core.training.settings import Settings
from core.types import (
    Author,
    ChannelRef,
    Feedback,
    IncomingMessage,
    MessageRef,
    Recipe,
    ThreadRef,
)
from storage.repositories import Settings as StoreSettings
from storage.repositories import SqlStore
from tests.fakes import ScriptedGenerator
from tests.training.votes import NOON, taste


@asynccontextmanager
async def opened(folder):
    url = f"sqlite:///{folder}/mynah.db"
    store = await SqlStore.open(StoreSettings(url=url), holder="test")
    try:
        yield store
    finally:
        await store.close()


async def vote(store, count, platform="console", by=("ann",)):
    """Turns as the bot keeps them, with votes for short answers. `by`: who votes, in turns."""
    for one in taste(count, by=by):
        channel = ChannelRef(platform, "me", "here")
        message = IncomingMessage(
            MessageRef(channel, str(one.turn.id)),
            ThreadRef(channel, str(one.turn.id)),
            Author("ann", "Ann"),
            one.turn.message.text,
            True,
            NOON,
        )
        turn = await store.hear(message)
        recipe = one.turn.recipe
        await store.began(turn.id, Recipe("base", recipe.system, None, recipe.digest))
        await store.settle(turn.id, one.turn.answer, "answered")
        await store.finish(turn.id)
        (given,) = one.feedback
        await store.put_feedback(Feedback(turn.id, given.author_id, given.score, NOON))


class Voices(ScriptedGenerator):
    """Each model begins with its own name."""

    async def stream(self, prompt):
        yield f"{prompt.model}: "
        async for piece in super().stream(prompt):
            yield piece


def trainer(store, tmp_path, base=None, generator=None, *, announcements=None, **settings):
    return LocalTrainer(
        store,
        Settings(folder=str(tmp_path / "tunes"), **settings),
        generator=generator or Voices(["I am Mynah."]),
        model="base",
        base=base,
        announcements=announcements,
    )


async def said(pieces):
    return "".join([piece async for piece in pieces])
