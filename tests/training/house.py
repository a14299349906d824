"""A trainer on a real store, with votes in it."""

from contextlib import asynccontextmanager
from dataclasses import replace

from bots.trainer import LocalTrainer
from core.training.settings import Settings
from core.types import (
    Author,
    Feedback,
    IncomingMessage,
    MessageRef,
    Recipe,
    ThreadRef,
)
from storage.repositories import Settings as StoreSettings
from storage.repositories import SqlStore
from tests.fakes import ScriptedGenerator
from tests.training.votes import ANN, HERE, NOON, taste


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
    channel = replace(HERE, platform=platform)
    for one in taste(count, by=by):
        await put(store, one, one.feedback[0].author_id, NOON, ANN, channel=channel)


async def put(store, judged, voter, at, author=None, *, channel=HERE, place="public", model="base"):
    """That turn as the bot keeps it, in a thread of its own; with its vote, as this person's."""
    id = str(judged.turn.id)
    ref, thread = MessageRef(channel, id), ThreadRef(channel, id)
    text, recipe = judged.turn.message.text, judged.turn.recipe
    author = author or Author(voter, voter)
    turn = await store.hear(IncomingMessage(ref, thread, author, text, True, at, place=place))
    await store.began(turn.id, Recipe(model, recipe.system, None, recipe.digest))
    await store.settle(turn.id, judged.turn.answer, "answered")
    await store.finish(turn.id)
    await store.put_feedback(Feedback(turn.id, voter, judged.feedback[0].score, at))
    return turn


def hollow(base):
    """A base that is enough for what ends before a model is loaded."""
    base.mkdir()
    (base / "config.json").write_text("{}")
    return base


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
