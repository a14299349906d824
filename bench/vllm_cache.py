"""What vLLM's prefix cache saves: part of `python -m bench.vllm`.

Conversations of fifty turns that outgrow their context several times, through Mynah, which then
drops half of the past at once; beside them the same questions where each prompt drops only the
oldest turn that no longer fits.
"""

from __future__ import annotations

import asyncio
import statistics
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table

from bench import smallest, target
from bench.talks import numbers, system, talked
from core.conversation import TOKENS_PER_MESSAGE, Messages
from core.generation import ModelServer
from tests.vllm.served import Served

TURNS, TOKENS, AT_ONCE = 50, 80, 4
WORDS = "What does a thumb up do, and who tells the bird? " * 3
SHARE = 0.85
NAMES = "prefix_cache_hits_total", "prefix_cache_queries_total"


async def measure(server: Served, folder: Path, context: int) -> None:
    before = await server.metrics(*NAMES)
    settings = server.settings(max_tokens=TOKENS)
    run = await talked(settings, folder, server.files, AT_ONCE, TURNS, WORDS)
    between = await server.metrics(*NAMES)
    async with server.direct() as session, server.client() as client:
        lead = system(next(numbers))
        await asyncio.gather(
            *(
                drop_oldest(session, server, client, lead, asked, context)
                for asked in run.prompts.values()
            )
        )
        after = await server.metrics(*NAMES)
        asked_size, said_size = [
            statistics.mean(await client.count(texts))
            for texts in ([asked[-1][-1][1] for asked in run.prompts.values()], run.answers)
        ]
    shares = [(b[0] - a[0]) / (b[1] - a[1]) for a, b in ((before, between), (between, after))]
    table = Table("when a conversation outgrows its context", "from the cache")
    table.caption = (
        f"{AT_ONCE} conversations of {TURNS} turns of {asked_size:.0f} + {said_size:.0f} tokens,"
        f" context of {context}"
    )
    table.add_row("ours: down to half of it", f"{shares[0]:.1%}")
    table.add_row("the oldest turn dropped each time", f"{shares[1]:.1%}")
    Console().print(table)
    measured = f"{shares[0]:.3f} (to reach: >= {SHARE})"
    target("prompt tokens served from the prefix cache", shares[0] >= SHARE, measured)


async def drop_oldest(
    session: aiohttp.ClientSession,
    server: Served,
    client: ModelServer,
    lead: str,
    asked: list[Messages],
    context: int,
) -> None:
    """The same questions; each prompt is as much of the past as fits."""
    past: list[tuple[str, str]] = []
    for messages in asked:
        past.append(("user", messages[-1][1]))
        sizes = await client.count([lead, *(text for _, text in past)])
        room = context - TOKENS - sum(size + TOKENS_PER_MESSAGE for size in sizes)
        while room < 0:
            gone = sizes[1] + sizes[2] + 2 * TOKENS_PER_MESSAGE
            past, sizes, room = past[2:], [sizes[0], *sizes[3:]], room + gone
        whole = (("system", lead), *past)
        text, _ = await smallest.ask(session, server.url, server.model, whole, TOKENS)
        past.append(("assistant", text))
