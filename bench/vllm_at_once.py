"""How many generations at once a vLLM takes well: part of `python -m bench.vllm`.

So many questions in the same moment, straight to the server. What is looked for is where more at
once make only the answers slower, not the server faster.
"""

from __future__ import annotations

import statistics
import time

from rich.console import Console
from rich.table import Table

from bench.talks import bare
from tests.vllm.served import Served

AT_ONCE = (4, 8, 16, 32, 64, 128)
RUNS = 3


async def measure(server: Served, words: str, tokens: int) -> None:
    table = Table("at once", "tokens/s", "of each", "first token, ms")
    table.caption = f"medians of {RUNS} runs, answers of {tokens} tokens"
    for count in AT_ONCE:
        rates, firsts = [], []
        for _ in range(RUNS):
            asked = [[f"{n}: {words}"] for n in range(count)]
            (before,) = await server.metrics("generation_tokens_total")
            async with server.direct() as session:
                began = time.monotonic()
                first_ms = await bare(session, server.url, server.model, asked, tokens)
                took_s = time.monotonic() - began
            (after,) = await server.metrics("generation_tokens_total")
            rates.append((after - before) / took_s)
            firsts.append(statistics.median(first_ms))
        rate, first = statistics.median(rates), statistics.median(firsts)
        table.add_row(str(count), f"{rate:.0f}", f"{rate / count:.0f}", f"{first:.0f}")
    Console().print(table)
