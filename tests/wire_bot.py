"""The bot as a real process on the small test platform, and a handle on such a process.

python -m tests.wire_bot --config FILE
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import yaml

from adapters import PLATFORMS, Platform
from bots.run import main
from tests.fake_model import FakeModel
from tests.wire_platform import WirePlatform

TOP = Path(__file__).resolve().parent.parent

PLATFORMS["wire"] = Platform("tests.wire", "WireAdapter")


def write_config(folder: Path, platform: WirePlatform, model: FakeModel, **generation: Any) -> Path:
    """Settings for a bot whose store and log are in `folder`."""
    settings = {
        "bot": {"turns_per_minute": 100_000},
        "generation": {"url": model.url, "model": "fake", "temperature": 0, **generation},
        "storage": {"url": f"sqlite+aiosqlite:///{folder}/mynah.db"},
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


if __name__ == "__main__":
    sys.exit(main())
