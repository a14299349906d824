"""The bot on the small test platform: as a process that can be killed, or in the test's own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import yaml

from core.breaker import Breaker
from core.commands import Commands
from core.connection import Settings as ModelSettings
from core.desk import serve
from core.engine import Engine
from core.engine import Settings as BotSettings
from core.generation import ModelServer
from core.line import Line
from core.phrases import Phrases
from storage.repositories import Settings as StorageSettings
from storage.repositories import SqlStore
from tests.fake_model import FakeModel
from tests.fakes import until
from tests.wire import Settings as WireSettings
from tests.wire import WireAdapter
from tests.wire_platform import WirePlatform

TOP = Path(__file__).resolve().parent.parent


def write_config(
    folder: Path, platform: WirePlatform, model: FakeModel | None = None, **generation: Any
) -> Path:
    """Settings for a bot whose store, log and tunes are in `folder`.

    `model`: what answers; None: a server of its own with the starter model.
    """
    if model:
        generation = {"url": model.url, "model": "fake", "temperature": 0, **generation}
    settings = {
        "bot": {"turns_per_minute": 100_000},
        "generation": generation,
        "storage": {"url": f"sqlite:///{folder}/mynah.db"},
        "training": {"folder": str(folder / "tunes")},
        "platforms": {"wire": {"address": platform.address}},
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


class BotProcess:
    """`async with BotProcess(config) as bot:` runs it; at the end of the block it is gone."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self.log = config.with_name("bot.log")

    async def __aenter__(self) -> BotProcess:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.wire_bot", "--config", str(self._config)),
                cwd=TOP,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    async def ending(self) -> None:
        """SIGTERM, and return when the bot has noticed it."""

        def said() -> int:
            return self.log.read_text().count("ending: ")

        before = said()
        self.terminate()
        await until(lambda: said() > before, within_s=5)

    async def exit_code(self, within_s: float) -> int:
        async with asyncio.timeout(within_s):
            return await self._process.wait()

    async def connected(self, platform: WirePlatform, within_s: float = 15.0) -> None:
        """Return when it listens to the platform; says what its log says when it does not."""
        greeted = asyncio.ensure_future(platform.greeted.wait())
        ended = asyncio.ensure_future(self._process.wait())
        done, late = await asyncio.wait(
            {greeted, ended}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED
        )
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        assert greeted in done, f"the bot does not listen:\n{self.log.read_text()[-4000:]}"


@contextlib.asynccontextmanager
async def bot_here(
    folder: Path,
    platform: WirePlatform,
    model: FakeModel,
    *,
    grace_s: float = 20.0,
    breaker: Breaker | None = None,
    **generation: Any,
) -> AsyncIterator[SqlStore]:
    """The bot without a process of its own; yields its store. Retries come sooner than in real."""
    settings = ModelSettings(url=model.url, model="fake", **generation)
    url = f"sqlite:///{folder}/mynah.db"
    store = await SqlStore.open(StorageSettings(url=url), holder="test")
    try:
        async with (
            ModelServer(
                settings, breaker=breaker or Breaker(every_s=0.1), backoff_s=(0.02, 0.2)
            ) as server,
            asyncio.TaskGroup() as group,
        ):
            phrases = Phrases()
            engine = Engine(
                store,
                server,
                Commands(store, None, phrases, ()),
                BotSettings.model_validate({"turns_per_minute": 100_000}),
                model=settings.model,
                max_tokens=settings.max_tokens,
                temperature=0,
                line=Line(settings.at_once or 32),
                phrases=phrases,
            )
            adapter = WireAdapter(WireSettings(address=platform.address))
            group.create_task(serve(engine, adapter, grace_s=grace_s))
            try:
                yield store
            finally:
                engine.close()
    finally:
        await store.close()
