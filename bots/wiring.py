"""The house: the one file that knows every class, opens all of it, and closes it in reverse."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from adapters import PLATFORMS
from bots.canary import CanaryKeeper
from bots.config import Config
from bots.door import door
from bots.keeper import Keeper
from bots.loading import Loading
from bots.looking import looking
from bots.night import TICK_EVERY_S, Nightly
from bots.trainer import LocalTrainer
from core.announcements import Announcements
from core.commands import Commands
from core.embedded import EmbeddedServer
from core.engine import Engine, utc_now
from core.errors import BotError, ConfigError
from core.examples import MOST
from core.generation import ModelServer
from core.jury import Jury
from core.line import AfterPeople, Line
from core.meter import Meter
from core.phrases import Phrases
from core.ports import Speaker
from storage.repositories import Settings as StoreSettings
from storage.repositories import SqlStore

logger = logging.getLogger(__name__)

STARTER = Path(__file__).resolve().parent.parent / "starter" / "model"
CONSOLE = "console"  # no canary there: it is one person, who may go on with what serves
OPERATOR = f"{CONSOLE}:you"  # runs the bot
AT_ONCE_EMBEDDED = 1  # transformers serve answers one request at a time
AT_ONCE_SERVER = 32  # vLLM on one core: more only make each slower (bench/README.md)
LOG_FOLDER = Path("data")
# Returns when the embedded server has loaded its model, however late. Raises Unreachable.
Ready = Callable[[], Coroutine[None, None, object]]


@dataclass(frozen=True)
class House:
    store: SqlStore
    engine: Engine
    trainer: LocalTrainer
    ready: Ready


@asynccontextmanager
async def house(
    config: Config,
    *,
    holder: str,
    on_status: Callable[[str], None],
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[House]:
    """Everything but the adapters, running. Raises ConfigError and StoreError.

    `holder`: what a second process is told of this one. `on_status`: hears how far the embedded
    server is. `now`: by which tunes are dated, and a canary ages.
    """
    async with AsyncExitStack() as stack:
        store = await SqlStore.open(config.storage, holder=holder)
        stack.push_async_callback(store.close)
        generator, ready = await stack.enter_async_context(model_server(config, on_status))
        at_once = AT_ONCE_SERVER if config.generation.url else AT_ONCE_EMBEDDED
        line = Line(config.generation.at_once or at_once)
        phrases = Phrases()
        announcements = await stack.enter_async_context(
            Announcements(config.bot.announce_in, store)
        )
        after_people = AfterPeople(generator, line)
        trainer = trainer_of(
            config,
            store,
            after_people,
            announcements=announcements,
            share=canary_share(config),
            now=now,
        )
        commands = Commands(
            store,
            trainer,
            phrases,
            {OPERATOR, *config.bot.admins},
            name=config.bot.name,
            trained=config.training.platforms,
            announcements=announcements,
            jury=trainer.jury,
        )
        engine = Engine(
            store,
            generator,
            commands,
            config.bot,
            model=config.generation.model,
            max_tokens=config.generation.max_tokens,
            temperature=config.generation.temperature,
            line=line,
            phrases=phrases,
            examples=examples_for(config),
            announcements=announcements,
            without_canary=[CONSOLE],
        )
        await trainer.clear_up()
        # Past the line: what serves must be known in seconds, and it asks for one token.
        keeper = Keeper(
            store,
            generator,
            lambda: engine.failures,
            base=config.generation.model,
            shelf=trainer.shelf,
            merged=trainer.merge,
            folder=trainer.base,
            announcements=announcements,
        )
        canary = CanaryKeeper(
            store,
            engine.health,
            Loading(
                generator,
                lambda: engine.failures,
                base=config.generation.model,
                shelf=trainer.shelf,
                merged=trainer.merge,
                folder=trainer.base,
            ),
            trainer.jury,
            base=config.generation.model,
            shelf=trainer.shelf,
            announcements=announcements,
            now=now,
        )
        look = partial(looking, watching_for_damage=engine.watching_for_damage)
        problem = "whether the tune loads could not be checked"
        await stack.enter_async_context(look(keeper.look, name="the tune", problem=problem))
        problem = "how the canary does could not be looked at"
        await stack.enter_async_context(look(canary.look, name="the canary", problem=problem))
        meter = Meter(generator.metrics_page, generator.tally, lambda: line.waiting)
        await stack.enter_async_context(meter)
        path = await asyncio.to_thread(socket_of, config.storage)
        verbs = {**trainer.verbs(), "metrics": lambda asked: metrics(meter)}
        try:
            await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
            await stack.enter_async_context(door(path, verbs))
        except (OSError, BotError) as error:
            if await asyncio.to_thread(lambda: config.storage.path):
                raise
            logger.warning("other commands cannot ask this bot: %s", error)  # it needs no file
        yield House(store, engine, trainer, ready)


def examples_for(config: Config) -> int:
    """How many examples suit the base.

    The starter model does better without: one liked answer makes it say everything in that manner,
    so that there is nothing left to vote against and learn from, and it knows two to seven facts in
    a hundred less (core/training/LOG.md).
    """
    return 0 if base_of(config) == STARTER else MOST


def nights(
    config: Config,
    here: House,
    *,
    now: Callable[[], datetime] = utc_now,
    every_s: float = TICK_EVERY_S,
) -> AbstractAsyncContextManager[object]:
    """Inside, the nights begin at their time; where night.at is null, none does. Raises
    ConfigError.
    """
    clock = config.night.clock()
    if clock is None:
        return nullcontext()
    at, zone = clock
    return Nightly(
        here.store,
        lambda: here.trainer.retrain(dry=False, by=None, every_s=math.inf, by_night=True),
        here.engine.announcements.tell,
        at=at,
        zone=zone,
        longest=timedelta(minutes=config.training.minutes),
        now=now,
        every_s=every_s,
        watching_for_damage=here.engine.watching_for_damage,
        is_ending=here.engine.closing.is_set,
    )


async def metrics(meter: Meter) -> AsyncGenerator[str]:
    """The figures of the model's side, as one object in JSON."""
    yield json.dumps(asdict(await meter.metrics()))


@asynccontextmanager
async def only_store(config: Config, *, holder: str) -> AsyncIterator[LocalTrainer]:
    """The store with a trainer that does not train, and no model's server. Raises StoreError."""
    store = await SqlStore.open(config.storage, holder=holder)
    try:
        async with Announcements(config.bot.announce_in, store) as announcements:
            yield trainer_of(config, store, None, announcements=announcements)
    finally:
        await store.close()


def canary_share(config: Config) -> float:
    """Of new conversations. None where there is only the console.

    A platform that the file names, or whose votes train, counts though it is not served now: its
    people are answered from the same store at the next start.
    """
    there = {*config.platforms, *config.named, *config.training.platforms} - {CONSOLE}
    return config.training.canary if there else 0.0


def trainer_of(
    config: Config,
    store: SqlStore,
    generator: Speaker | None,
    *,
    announcements: Announcements | None = None,
    share: float = 0.0,
    now: Callable[[], datetime] = utc_now,
) -> LocalTrainer:
    return LocalTrainer(
        store,
        config.training,
        generator=generator,
        model=config.generation.model,
        base=base_of(config),
        merge=config.generation.url is None,
        announcements=announcements,
        share=share,
        jury=Jury(store, PLATFORMS.keys() - {CONSOLE}, now=now),
        now=now,
    )


@asynccontextmanager
async def model_server(
    config: Config, on_status: Callable[[str], None], *, log: str = "embedded.log"
) -> AsyncIterator[tuple[ModelServer, Ready]]:
    """The client of the model's server; without a URL, also the server itself as a child, which
    empties `log` and writes there.

    A question waits as long as its own deadline allows; a start waits with what comes beside.
    """
    settings, base = config.generation, base_of(config)
    if settings.url is not None:
        async with ModelServer(settings, folder=base) as client:
            yield client, nothing_to_wait_for
        return
    if base is None:
        raise ConfigError(
            f"generation.model: {settings.model!r} is no folder with a model. Write `starter` or"
            " such a folder, or set generation.url to a server."
        )
    shelf = Path(config.training.folder)
    async with EmbeddedServer(base, log=LOG_FOLDER / log, on_status=on_status) as server:

        def wire_name(name: str) -> str:
            return str(base if name == settings.model else shelf.resolve() / name / "merged")

        async with ModelServer(
            settings, wire_name=wire_name, folder=base, address=server.address
        ) as client:
            yield client, server.address


async def nothing_to_wait_for() -> None: ...


def base_of(config: Config) -> Path | None:
    """The folder of the base model, where its files are at hand."""
    folder = STARTER if config.generation.model == "starter" else Path(config.generation.model)
    return folder.resolve() if (folder / "config.json").is_file() else None


def socket_of(storage: StoreSettings) -> Path:
    """Where the process that has this store listens. Looks at the disk. Raises StoreError."""
    if path := storage.path:
        return path.with_name(path.name + ".sock")
    told = hashlib.sha256(storage.url.encode()).hexdigest()[:8]  # several may run in this folder
    return LOG_FOLDER / f"postgres-{told}.sock"
