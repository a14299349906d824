"""How long vLLM keeps others from the processors: python -m bench.waits

A tiny model that never ends its answers, on a real vLLM (`make vllm`), one after the other, and
a timer in this process, which is in another session: how much later than asked it comes, the worst
of each answer. In turn with vLLM's session as bots.serve leaves it, and at nice 0 as the kernel
makes it. Linux with autogroups only.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from contextlib import aclosing, suppress
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from bench import where
from core.embedded_child import BEHIND
from core.errors import CutShort
from core.priority import SESSION
from core.types import Prompt
from tests.tiny_model import make
from tests.vllm.served import NotStarted, Served

ROUNDS, TOKENS, CONTEXT = 8, 1800, 2048
TIMER_S = 0.02


def main() -> None:
    began = where()
    if not SESSION.exists():
        raise SystemExit(f"This kernel does not schedule by session: {SESSION} is not there.")
    with tempfile.TemporaryDirectory() as name:
        model = make(Path(name) / "model", window=CONTEXT, says_ascii=True)
        server = Served(Path(name), str(model), model)
        try:
            with Console(stderr=True).status("Starting vLLM..."):
                server.start()
            worst_s = asyncio.run(measure(server))
        except NotStarted as why:
            raise SystemExit(str(why)) from why
        finally:
            server.stop()
    show(worst_s, began)


async def measure(server: Served) -> dict[int, list[float]]:
    """The worst of each answer, by the nice value of vLLM's session."""
    [vllm] = psutil.Process(server.process.pid).children()
    session = Path(f"/proc/{vllm.pid}/autogroup")
    worst_s: dict[int, list[float]] = {BEHIND: [], 0: []}
    await late_s(server)  # what is made once is made now
    for _ in range(ROUNDS):
        for nice, seen in worst_s.items():
            await asyncio.to_thread(session.write_text, str(nice))
            seen.append(await late_s(server))
    return worst_s


async def late_s(server: Served) -> float:
    """How late the timer came at the worst while one answer was streamed."""
    answer = asyncio.create_task(streamed(server))
    worst = 0.0
    while not answer.done():
        began = time.monotonic()
        await asyncio.sleep(TIMER_S)
        worst = max(worst, time.monotonic() - began - TIMER_S)
    await answer
    return worst


async def streamed(server: Served) -> None:
    prompt = Prompt((("user", "What is a thumb?"),), server.model, TOKENS, 0.0)
    async with server.client() as client, aclosing(client.stream(prompt)) as pieces:
        with suppress(CutShort):
            async for _ in pieces:
                pass


def show(worst_s: dict[int, list[float]], began: str) -> None:
    table = Table("vLLM's session", "answers", "late, ms: median", "worst", caption=began)
    for nice, seen in worst_s.items():
        figures = [f"{1000 * s:.0f}" for s in (statistics.median(seen), max(seen))]
        table.add_row(f"nice {nice}", str(len(seen)), *figures)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
