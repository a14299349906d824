"""A room to test the core in: a platform that is a list, a scripted model, a real store.

The fixture `store` is in conftest.py.
"""

import asyncio
from datetime import UTC, datetime

from core.commands import Commands
from core.desk import serve
from core.engine import Engine, Settings
from core.errors import AdapterError
from core.line import Line
from core.phrases import Phrases
from core.types import (
    Aside,
    Author,
    ChannelRef,
    IncomingMessage,
    IncomingReaction,
    MessageRef,
    Quoted,
    ThreadRef,
)
from core.types_learning import Tune
from tests.fakes import ScriptedGenerator

ROOM = ChannelRef("list", "me", "room")
ANN, BOB = Author("ann", "Ann"), Author("bob", "Bob")
NOW = datetime.now(UTC)
WORDS = Phrases()


class ListAdapter:
    """Delivers `events`, then stays connected while `stays`, else until every answer is out."""

    name = "list"

    def __init__(self, *events, stays=False, fails=0, error=None, before=()):
        """`before`: what was said in the threads before, or the error instead."""
        self.events, self.fails, self.before = events, fails, before
        self.seen, self.noted, self.asked_for = None, [], []
        self.error = error or AdapterError("the platform is down")
        self.shown, self.replied, self.told = {}, [], []
        self.stays = asyncio.Event()
        if not stays:
            self.stays.set()

    async def run(self, inbox):
        self.inbox = inbox
        self.seen = await inbox.ready("me")
        for event in self.events:
            await self.deliver(event)
        await self.stays.wait()

    async def deliver(self, event):
        if isinstance(event, IncomingMessage):
            await self.inbox.message(event)
        else:
            self.noted.append(await self.inbox.reaction(event))

    async def reply(self, to, answer):
        self.replied.append(to.ref.id)
        if not answer.refs:
            await answer.placing()
            await answer.placed(MessageRef(ROOM, f"answer to {to.ref.id}"))
        text = ""
        async for piece in answer:
            if isinstance(piece, Aside):
                self.shown[to.ref.id] = text + piece
                continue
            text += piece
            self.shown[to.ref.id] = text
            if self.fails:
                self.fails -= 1
                raise self.error
        self.shown[to.ref.id] = text

    async def tell(self, channel, notice):
        self.told.append((channel, notice.text))

    async def earlier(self, to):
        self.asked_for.append(to.ref.id)
        if isinstance(self.before, Exception):
            raise self.before
        return self.before


def asked(text="hi", id="1", thread="", author=ANN, at=NOW, **how):
    how = {"addressed": True} | how
    return IncomingMessage(
        MessageRef(ROOM, id), ThreadRef(ROOM, thread), author, text, at=at, **how
    )


def reacted(emoji, target="answer to 1", *, added=True, author=ANN):
    return IncomingReaction(MessageRef(ROOM, target), author, emoji, added, NOW)


def quote(id, text, author=BOB):
    return Quoted(MessageRef(ROOM, id), author, text, NOW)


def engine_on(
    store,
    generator,
    *,
    admins=(),
    trained=(),
    trainer=None,
    at_once=4,
    announcements=None,
    suit=3,
    jury=None,
    **settings,
):
    commands = Commands(
        store, trainer, WORDS, admins, trained=trained, announcements=announcements, jury=jury
    )
    chosen = Settings.model_validate({"system": "Be kind.", "turns_per_minute": 10_000, **settings})
    return Engine(
        store,
        generator,
        commands,
        chosen,
        model="base",
        max_tokens=100,
        temperature=0,
        line=Line(at_once),
        announcements=announcements,
        examples=suit,
    )


async def held(store, *pieces, adapter, **settings):
    """A whole run of one adapter; the model says `pieces`."""
    generator = ScriptedGenerator(list(pieces))
    await serve(engine_on(store, generator, **settings), adapter)
    return generator


async def serve_tune(store, turns=()):
    name = await store.next_tune()
    await store.put_tune(Tune(name, "base", "somewhere", "passed", turns, "Learnt.", NOW))
    await store.serve(name, NOW)


async def judged(store):
    found = await store.judged(["list"])
    return [(f.author_id, f.score) for turn in found for f in turn.feedback]
