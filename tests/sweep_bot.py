"""The bot on Slack, Discord or Telegram as a real process, `bots.run`, that can be killed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.fake_discord import TOKEN as DISCORD_TOKEN
from tests.fake_model import FakeModel
from tests.fake_slack import APP_TOKEN, BOT_TOKEN
from tests.fake_telegram_chats import TOKEN as TELEGRAM_TOKEN
from tests.sweep_houses import House
from tests.wire_house import TOP, BotProcess

TOKENS = {
    "SLACK_BOT_TOKEN": BOT_TOKEN,
    "SLACK_APP_TOKEN": APP_TOKEN,
    "DISCORD_BOT_TOKEN": DISCORD_TOKEN,
    "TELEGRAM_BOT_TOKEN": TELEGRAM_TOKEN,
}


def write_config(folder: Path, house: House, model: FakeModel) -> Path:
    settings = {
        "bot": {"turns_per_minute": 100_000},
        "generation": {"url": model.url, "model": "fake", "temperature": 0},
        "storage": {"url": f"sqlite:///{folder}/mynah.db"},
        "platforms": {house.name: house.settings},
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


class PlatformBot(BotProcess):
    """`async with PlatformBot(config, "slack") as bot:` runs it; then it is gone."""

    def __init__(self, config: Path, platform: str) -> None:
        super().__init__(config)
        self._platform = platform

    async def __aenter__(self) -> PlatformBot:
        free = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bots.run", "--platform", self._platform),
                *("--config", str(self._config)),
                cwd=self._config.parent,
                env={**free, **TOKENS, "PYTHONPATH": str(TOP), "PYTHONUNBUFFERED": "1"},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    async def listens(self, is_connected: Callable[[], bool], within_s: float = 40.0) -> None:
        """Return when it is connected; says what its log says when it is not."""
        try:
            async with asyncio.timeout(within_s):
                while not is_connected():
                    assert self._process.returncode is None
                    await asyncio.sleep(0.02)
        except (TimeoutError, AssertionError):
            raise AssertionError(f"it does not listen:\n{self.log.read_text()[-4000:]}") from None
