"""How soon what the store says answers again after a kill -9: python -m bench.back

A bot in a process of its own, on the small test platform, with the embedded server, the starter
model and a tune that serves. In turn the embedded server and the bot (whose end the server does not
outlive) are killed, and a person asks at once. Measured until the tune's whole answer is there; an
answer in the base's words would end the program.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import yaml
from rich.console import Console
from rich.table import Table

from bench import target, where
from bots.wiring import STARTER
from core.training.models import ADAPTER_FILES
from core.types import Tune
from storage.repositories import Settings, SqlStore
from tests.wire_house import BotProcess
from tests.wire_platform import WirePlatform

KILLS = 10
WITHIN_S = 10.0
TUNE, TOKENS = "mynah@000001", 20


async def main() -> None:
    took: dict[str, list[float]] = {"the embedded server": [], "the bot": []}
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name).resolve()
        async with WirePlatform() as platform:
            config = settings(folder, platform)
            async with BotProcess(config) as bot:
                await bot.connected(platform, within_s=60)
                base = await answered(platform)
            make_tune(folder / "tunes" / TUNE)
            await serve(f"sqlite:///{folder}/mynah.db")
            async with BotProcess(config) as bot:
                await bot.connected(platform, within_s=60)
                tuned = await answered(platform)
                assert tuned != base
                for _ in range(KILLS):
                    kill_server()
                    took["the embedded server"].append(await timed(platform, tuned))
                for _ in range(KILLS):
                    await bot.kill()
                    began = time.monotonic()
                    async with BotProcess(config) as bot:
                        await timed(platform, tuned)
                        took["the bot"].append(time.monotonic() - began)
    table = Table(
        "killed",
        "times",
        "median, s",
        "longest, s",
        title="until the tune answers",
        caption=where(),
    )
    for what, some in took.items():
        table.add_row(what, str(len(some)), f"{statistics.median(some):.1f}", f"{max(some):.1f}")
    Console().print(table)
    for what, some in took.items():
        words = f"what serves is what the store says, after {what} was killed, <= {WITHIN_S:.0f} s"
        target(words, max(some) <= WITHIN_S, f"{max(some):.1f} s")


def settings(folder: Path, platform: WirePlatform) -> Path:
    found = {
        "bot": {"turns_per_minute": 100_000},
        "generation": {"temperature": 0, "max_tokens": TOKENS},
        "storage": {"url": f"sqlite:///{folder}/mynah.db"},
        "training": {"folder": str(folder / "tunes")},
        "platforms": {"wire": {"address": platform.address}},
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(found), encoding="utf-8")
    return path


def make_tune(folder: Path) -> None:
    """What the embedded server reads of a tune: the starter model with its last norm turned round,
    which says something else.
    """
    from safetensors.torch import load_file, save_file

    shutil.copytree(STARTER, folder / "merged")
    weights = folder / "merged" / "model.safetensors"
    tensors = load_file(weights)
    tensors["model.norm.weight"] = -tensors["model.norm.weight"]
    save_file(tensors, weights, metadata={"format": "pt"})
    for name in (*ADAPTER_FILES, "manifest.json"):
        (folder / name).write_text(json.dumps({}), encoding="utf-8")


async def serve(url: str) -> None:
    store = await SqlStore.open(Settings(url=url), holder="bench")
    try:
        at = datetime.now(UTC)
        await store.put_tune(Tune(TUNE, str(STARTER), TUNE, "passed", (), "Learnt.", at))
        await store.serve(TUNE, at)
    finally:
        await store.close()


async def answered(platform: WirePlatform) -> str:
    """Ask in a new conversation, and return the whole answer."""
    question = platform.say(f"c{len(platform.questions)}", "How do I give a thumb up?")
    await platform.until(lambda: platform.shown(question).strip(), within_s=60)
    await platform.until(lambda: not platform.unacknowledged, within_s=60)
    return platform.shown(question)


async def timed(platform: WirePlatform, expected: str) -> float:
    began = time.monotonic()
    said = await answered(platform)
    assert said == expected, f"not the tune's words: {said!r}"
    return time.monotonic() - began


def kill_server() -> None:
    [child] = [
        process
        for process in psutil.Process().children(recursive=True)
        if "core.embedded_child" in process.cmdline()
    ]
    child.kill()
    child.wait(5)


if __name__ == "__main__":
    asyncio.run(main())
