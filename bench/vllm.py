"""vLLM through Mynah beside vLLM by itself: python -m bench.vllm

A tiny model with random weights that never ends its answers, on a real vLLM (`make vllm` for the
build for CPUs), which has the first core for itself; the clients have the second. So many
conversations side by side, each of a few turns, through the desk, the engine, the store and the
client; then the same prompts by the smallest async client. Tokens are counted by vLLM itself. On
the same server then: how many generations at once it takes well, and what its prefix cache saves.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import target, vllm_at_once, vllm_cache, where
from bench.talks import Run, bare, talked
from tests.tiny_model import make
from tests.vllm.served import NotStarted, Served

RUNS = 5
AT_ONCE = (1, 8, 32)
TURNS, TOKENS = 4, 128  # of each conversation, and of each answer
CONTEXT = 4096
WORDS = "What does a thumb up do, and who tells the bird what it learns? " * 3
RATIO, ADDED_MS, PROCESSOR = 0.95, 15.0, 3.0
SERVERS, CLIENTS = {0}, {1}  # cores


def main() -> None:
    began = where()
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as server:
        asyncio.run(measure(server, Path(name), began))


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """vLLM with the tiny model on cores of its own; on return we have ours."""
    model = make(folder / "model", window=CONTEXT, says_ascii=True)
    server = Served(folder, str(model), model)
    os.sched_setaffinity(0, SERVERS)  # a child takes it over
    try:
        with Console(stderr=True).status("Starting vLLM..."):
            server.start()
        os.sched_setaffinity(0, CLIENTS)
        yield server
    except NotStarted as why:
        raise SystemExit(str(why)) from why
    finally:
        server.stop()


async def measure(server: Served, folder: Path, began: str) -> None:
    await through(server, folder, 1)  # what is made once is made now
    runs: dict[tuple[int, str], list[Run]] = {}
    for _, count in itertools.product(range(RUNS), AT_ONCE):
        ours = await through(server, folder, count)
        runs.setdefault((count, "ours"), []).append(ours)
        runs.setdefault((count, "direct"), []).append(await direct(server, ours))
    show(runs, began)
    await vllm_at_once.measure(server, WORDS, TOKENS)
    await vllm_cache.measure(server, folder, CONTEXT)


async def through(server: Served, folder: Path, count: int) -> Run:
    """So many conversations through Mynah."""
    (before,) = await server.metrics("generation_tokens_total")
    settings = server.settings(max_tokens=TOKENS)
    run = await talked(settings, folder, server.files, count, TURNS, WORDS)
    (after,) = await server.metrics("generation_tokens_total")
    run.tokens = after - before
    return run


async def direct(server: Served, ours: Run) -> Run:
    """The same questions, by the smallest client, with the answers that it gets itself."""
    run = Run()
    questions = [[messages[-1][1] for messages in asked] for asked in ours.prompts.values()]
    (before,) = await server.metrics("generation_tokens_total")
    async with server.direct() as session:
        began, spent_s = time.monotonic(), time.process_time()
        first_ms = await bare(session, server.url, server.model, questions, TOKENS)
        run.took_s, run.processor_s = time.monotonic() - began, time.process_time() - spent_s
    (after,) = await server.metrics("generation_tokens_total")
    run.first_ms, run.tokens = first_ms, after - before
    return run


def show(runs: dict[tuple[int, str], list[Run]], began: str) -> None:
    caption = f"medians of {RUNS} runs, {TURNS} turns of {TOKENS} tokens each, ours / direct"
    table = Table("talks", "tokens/s", "ratio", caption=f"{caption}; {began}")
    for column in ("first token, ms", "added", "processor, ms per 1,000", "ratio"):
        table.add_column(column)
    reached = []
    for count in AT_ONCE:
        pair = runs[count, "ours"], runs[count, "direct"]
        rates = [statistics.median(run.per_s for run in some) for some in pair]
        firsts = [statistics.median(statistics.median(r.first_ms) for r in s) for s in pair]
        spent = [statistics.median(run.processor_ms for run in some) for some in pair]
        ratio, added, times = rates[0] / rates[1], firsts[0] - firsts[1], spent[0] / spent[1]
        table.add_row(
            str(count),
            f"{rates[0]:.0f} / {rates[1]:.0f}",
            f"{ratio:.2f} x",
            f"{firsts[0]:.1f} / {firsts[1]:.1f}",
            f"{added:.1f} ms",
            f"{spent[0]:.0f} / {spent[1]:.0f}",
            f"{times:.2f} x",
        )
        measured = f"{ratio:.2f} (to reach: >= {RATIO})"
        what = f"tokens per second through Mynah, {count} at once"
        reached.append((what, ratio >= RATIO, measured))
        measured = f"{times:.2f} x (to reach: <= {PROCESSOR:.0f} x)"
        reached.append((f"processor per token, {count} at once", times <= PROCESSOR, measured))
        if count == 1:
            measured = f"{added:.1f} ms (to reach: <= {ADDED_MS:.0f} ms)"
            reached.append(("first token later through Mynah", added <= ADDED_MS, measured))
    Console().print(table)
    for line in reached:
        target(*line)


if __name__ == "__main__":
    main()
