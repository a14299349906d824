"""How soon what the store says answers again after a kill -9: python -m bench.back

A bot in a process of its own, on the small test platform, with the embedded server, the starter
model and a tune that serves. In turn the embedded server and the bot are killed (the server does
not outlive the bot), and a person asks at once. Measured until the tune's whole answer is there:
other words, the base's among them, end the program after a minute.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import target, where
from bots.wiring import STARTER
from core.training.models import ADAPTER_FILES
from core.types_learning import Tune
from storage.repositories import Settings, SqlStore
from tests.embedded_servers import embedded_servers
from tests.wire_house import BotProcess, write_config
from tests.wire_platform import Question, WirePlatform

KILLS = 10
WITHIN_S = 10.0
TUNE, TOKENS, STILL_S = "mynah@000001", 20, 3.0


async def main() -> None:
    took: dict[str, list[float]] = {"the embedded server": [], "the bot": []}
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name).resolve()
        async with WirePlatform() as platform:
            config = write_config(folder, platform, temperature=0, max_tokens=TOKENS)
            async with BotProcess(config) as bot:
                await bot.connected(platform, within_s=60)
                base = await whole(platform)
            make_tune(folder / "tunes" / TUNE)
            await serve(f"sqlite:///{folder}/mynah.db")
            async with BotProcess(config) as bot:
                await bot.connected(platform, within_s=60)
                tuned = await whole(platform)
            assert tuned != base
            for _ in range(KILLS):  # a bot each, as the pauses between restarts grow
                async with AsyncExitStack() as bots:
                    bot = await bots.enter_async_context(BotProcess(config))
                    await bot.connected(platform, within_s=60)
                    await until_said(platform, tuned)
                    began = time.monotonic()
                    kill_server()
                    await until_said(platform, tuned)
                    took["the embedded server"].append(time.monotonic() - began)
                    began = time.monotonic()
                    await bot.kill()
                    await bots.enter_async_context(BotProcess(config))
                    await until_said(platform, tuned)
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


async def whole(platform: WirePlatform) -> str:
    """Ask in a new conversation, and return what was said when nothing was added for a while."""
    question, before = ask(platform), ""
    while not before or platform.shown(question) != before:
        before = platform.shown(question)
        await asyncio.sleep(STILL_S)
    return before


async def until_said(platform: WirePlatform, expected: str) -> None:
    question = ask(platform)
    await platform.until(lambda: platform.shown(question) == expected, within_s=60)


def ask(platform: WirePlatform) -> Question:
    return platform.say(f"c{len(platform.questions)}", "How do I give a thumb up?")


def kill_server() -> None:
    [child] = embedded_servers()
    child.kill()
    child.wait(5)


if __name__ == "__main__":
    asyncio.run(main())
