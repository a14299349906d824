"""How many tokens per second one bot takes on one core: python -m bench.fast_server

256 conversations, each of a few turns, through the desk, the engine, the store and the client, from
a fake server on the other core that has all tokens of an answer ready and streams them as fast as
they are read, each an event of its own, as vLLM writes them; so a read has many. What a token costs
that comes alone is in bench.vllm. Beside it the smallest async client.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
from aiohttp import web
from rich.console import Console
from rich.table import Table

from bench import target, where
from bench.talks import Run, bare, talked
from core.connection import Settings

CONVERSATIONS, TURNS, TOKENS, RUNS = 256, 3, 256, 3
PER_SECOND = 20_000
SERVER, CLIENT = {0}, {1}  # cores
WORDS = "What does a thumb up do, and who tells the bird what it learns?"
MODEL = "fast"


def main() -> None:
    began = where()
    with tempfile.TemporaryDirectory() as folder, served() as url:
        asyncio.run(measure(url, Path(folder), began))


@contextmanager
def served() -> Iterator[str]:
    os.sched_setaffinity(0, SERVER)  # a child takes it over
    command = [sys.executable, "-m", "bench.fast_server", "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        os.sched_setaffinity(0, CLIENT)
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        finally:
            process.kill()


async def measure(url: str, folder: Path, began: str) -> None:
    settings = Settings(url=url, model=MODEL, max_tokens=TOKENS, context_tokens=8192)
    await talked(settings, folder, None, 1, 1, WORDS)  # what is made once is made now
    ours, bare = [], []
    for _ in range(RUNS):
        run = await talked(settings, folder, None, CONVERSATIONS, TURNS, WORDS)
        assert len(run.answers) == CONVERSATIONS * TURNS
        assert all(answer.count("word") == TOKENS for answer in run.answers)
        run.tokens = CONVERSATIONS * TURNS * TOKENS
        ours.append(run)
        bare.append(await direct(url, run))
    table = Table("client", "tokens/s", "processor, ms per 1,000 tokens")
    table.caption = (
        f"medians of {RUNS} runs, {CONVERSATIONS} conversations of {TURNS} answers of {TOKENS}"
        f" tokens; {began}"
    )
    rates = []
    for name, runs in (("Mynah", ours), ("the smallest", bare)):
        rates.append(statistics.median(run.per_s for run in runs))
        spent = statistics.median(run.processor_ms for run in runs)
        table.add_row(name, f"{rates[-1]:,.0f}", f"{spent:.1f}")
    Console().print(table)
    measured = f"{rates[0]:,.0f} (to reach: >= {PER_SECOND:,})"
    target("tokens per second through one bot on one core", rates[0] >= PER_SECOND, measured)


async def direct(url: str, ours: Run) -> Run:
    run = Run(tokens=ours.tokens)
    questions = [[messages[-1][1] for messages in asked] for asked in ours.prompts.values()]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        began, spent_s = time.monotonic(), time.process_time()
        await bare(session, url, MODEL, questions, TOKENS)
        run.took_s, run.processor_s = time.monotonic() - began, time.process_time() - spent_s
    return run


async def serve() -> None:
    """The server: on loopback, at the port that it prints, until it is killed."""
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/chat/completions", chat)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


async def chat(request: web.Request) -> web.StreamResponse:
    await request.read()
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(ANSWER)
    return response


def event(delta: dict[str, str], finish: str | None = None) -> bytes:
    """As vLLM 0.32 writes it."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    choice |= {"token_ids": None}
    head = {"id": "chatcmpl-8d0a6f1c2b3e4d5f", "object": "chat.completion.chunk"}
    body = head | {"created": 1780000000, "model": MODEL, "choices": [choice]}
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


ANSWER = event({"role": "assistant", "content": ""}) + b"".join(
    [*(event({"content": "word "}) for _ in range(TOKENS)), event({"content": ""}, "stop")]
)
ANSWER += b"data: [DONE]\n\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        asyncio.run(serve())
    else:
        main()
