"""A room in which a canary answers: people, the bot and its store, a model's server over a socket.

What serves and the canary are there from the beginning; people ask and vote by the hundred.
"""

import asyncio
import itertools
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bots.canary import CanaryKeeper
from bots.loading import Loading
from bots.looking import looking
from bots.trainer import LocalTrainer
from core.announcements import Announcements
from core.breaker import Breaker
from core.canary import is_drawn
from core.connection import Settings
from core.desk import serve
from core.engine import Engine
from core.generation import ModelServer
from core.jury import Jury
from core.training.publish import publish
from core.training.settings import Settings as LearningSettings
from core.types import ThreadRef, person
from core.types_learning import Tune
from storage.repositories import SqlStore
from storage.rows import batched
from tests.core.room import ANN, BOB, NOW, ROOM, ListAdapter, asked, engine_on, reacted
from tests.fake_model import FakeModel
from tests.fakes import until
from tests.training.house import opened
from tests.training.test_publish import candidate_of

SERVING, CANARY, NEXT = "mynah@000001", "mynah@000002", "mynah@000003"
BY = person(ROOM, "ann")
ids = itertools.count(1)


class Prepared(LocalTrainer):
    """Its steps take no minutes: what they would leave lies ready."""

    async def _steps(self, run, log, every_s, people):
        yield "- learning\n"
        await asyncio.to_thread(candidate_of, self.shelf, run.name)


@dataclass
class Room:
    """People, the bot and a model's server."""

    folder: Path
    store: SqlStore
    engine: Engine
    model: ModelServer
    server: FakeModel
    adapter: ListAdapter
    trainer: LocalTrainer
    told: list[tuple[str, str]]

    async def ask(self, thread="", author=BOB, text="", opens=False, **how):
        """The id of a question, once it is answered. `opens`: a thread, of its own id."""
        id = str(next(ids))
        message = asked(text or f"question {id}", id, id if opens else thread, author, **how)
        await self.adapter.deliver(message)
        async with asyncio.timeout(5):
            while not (turn := await self.store.heard(message.ref)) or turn.status != "done":
                await asyncio.sleep(0.005)
        if not text:
            assert turn.recipe
            assert turn.recipe.model == self.asked_of(id)
        return id

    async def ask_all(self, threads):
        """Questions side by side, some at a time; their ids in the same order."""
        few_at_a_time = batched([*threads], 4)
        return [
            id
            for few in few_at_a_time
            for id in await asyncio.gather(*(self.ask(thread) for thread in few))
        ]

    def asked_of(self, id):
        """The model that this question was put to, as the server saw it."""
        said = f"question {id}"
        [model] = {
            one["model"] for one in self.server.requests if one["messages"][-1]["content"] == said
        }
        return model

    async def model_of(self, thread="", author=BOB, **how):
        return self.asked_of(await self.ask(thread, author, **how))

    async def models_of(self, name):
        """What answers in twenty conversations."""
        return {self.asked_of(id) for id in await self.ask_all([f"{name}{n}" for n in range(20)])}

    async def command(self, text, author=ANN):
        id = await self.ask(text=text, author=author, thread="commands")
        await until(lambda: id in self.adapter.shown)
        return self.adapter.shown[id]

    async def vote(self, id, emoji, voter=BOB):
        await self.adapter.deliver(reacted(emoji, f"answer to {id}", author=voter))

    async def publish(self, name, share=0.5, **how):
        shelf = self.folder / "tunes"
        tune = Tune(name, "base", "", "refused", (), "Learnt.", NOW)
        made = candidate_of(shelf, name)
        await publish(
            self.store, self.model, made, shelf, tune, base="base", at=NOW, share=share, **how
        )

    async def summary(self, name=CANARY):
        return next(one.summary for one in await self.store.tunes() if one.name == name)

    async def ends(self):
        async with asyncio.timeout(10):
            while (await self.store.answering())[1]:
                await asyncio.sleep(0.005)


class Clock:
    """Passed in, and moved by hand. The keeper asks it once at each look at a canary."""

    def __init__(self, at):
        self.at, self._asked = at, 0

    def __call__(self):
        self._asked += 1
        return self.at

    async def sees_some_looks(self):
        """Two whole ones at the least, from now on."""
        enough = self._asked + 3
        await until(lambda: self._asked >= enough)


@asynccontextmanager
async def room(folder, server, *, now=lambda: NOW):
    """Two tunes of which the first serves and the second is the canary, unless they are there."""
    settings = Settings(url=server.url, model="base", first_token_within_s=0.5)
    async with (
        opened(folder) as store,
        ModelServer(settings, breaker=Breaker(every_s=0.1), backoff_s=(0.01, 0.1)) as model,
        Announcements("list:ops") as announcements,
        asyncio.TaskGroup() as group,
    ):
        shelf = folder / "tunes"
        learns = LearningSettings(folder=str(shelf), platforms=("list",))
        prepared = Prepared(
            store,
            learns,
            generator=model,
            model="base",
            base=folder,
            share=0.5,
            announcements=announcements,
            now=now,
        )
        jury = Jury(store, ["list"], now=now)
        engine = engine_on(
            store,
            model,
            admins=("list:ann",),
            trainer=prepared,
            announcements=announcements,
            jury=jury,
        )
        adapter = ListAdapter(stays=True)
        group.create_task(serve(engine, adapter))
        await until(lambda: adapter.seen is not None)
        here = Room(folder, store, engine, model, server, adapter, prepared, adapter.told)
        if not await store.tunes():
            await here.publish(SERVING, share=0)
            await here.publish(CANARY, by=BY)
        loading = Loading(
            model, lambda: engine.failures, base="base", shelf=shelf, merged=False, folder=None
        )
        keeper = CanaryKeeper(
            store,
            engine.health,
            loading,
            jury,
            base="base",
            shelf=shelf,
            announcements=announcements,
            now=now,
        )
        async with looking(keeper.look, name="keeper", problem="no look", every_s=0.01):
            yield here
        adapter.stays.set()


async def threads_of(here, drawn):
    """Names of threads on which the lot falls, or does not, without end."""
    _, canary = await here.store.answering()
    for number in itertools.count():
        if is_drawn(canary, ThreadRef(ROOM, f"t{number}")) == drawn:
            yield f"t{number}"


async def first_threads(here, many, *, drawn):
    names = threads_of(here, drawn)
    return [await anext(names) for _ in range(many)]


async def voted(here, many, emoji, *, drawn):
    """So many questions, each in a thread of its own, each voted on."""
    for id in await here.ask_all(await first_threads(here, many, drawn=drawn)):
        await here.vote(id, emoji)
