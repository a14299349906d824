"""Why core.connection uses aiohttp: processor time of a client per 1,000 streamed tokens.

    python -m bench.client_libraries [--tokens 2000] [--runs 5]

One stream from the fake server, in a process of its own: once with a token every millisecond, so
that each comes alone, as they do from a model; once as fast as it is read, so that the event loop's
own work is shared by many. The arms take turns; the tables have the medians.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager

import aiohttp
import httpx
from rich.console import Console
from rich.table import Table

from core.connection import Settings
from core.generation import ModelServer
from core.types import Prompt

Arm = Callable[[str, str], Coroutine[None, None, str]]


def body(text: str) -> dict[str, object]:
    messages = [{"role": "user", "content": text}]
    return {"model": "fake", "messages": messages, "max_tokens": 9999, "stream": True}


def piece(line: str | bytes) -> str:
    """The smallest reading of a line: no care for what a careless server may send."""
    data = line.removeprefix("data: ") if isinstance(line, str) else line.removeprefix(b"data: ")
    if data.strip() in ("", b"", "[DONE]", b"[DONE]"):
        return ""
    delta: dict[str, str] = json.loads(data)["choices"][0]["delta"]
    return delta.get("content", "")


async def by_httpx(url: str, text: str) -> str:
    async with (
        httpx.AsyncClient(timeout=60) as client,
        client.stream("POST", f"{url}/chat/completions", json=body(text)) as response,
    ):
        return "".join([piece(line) async for line in response.aiter_lines()])


async def by_aiohttp(url: str, text: str) -> str:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/chat/completions", json=body(text)) as response,
    ):
        return "".join([piece(line) async for line in response.content])


async def by_mynah(url: str, text: str) -> str:
    prompt = Prompt((("user", text),), "fake", max_tokens=9999, temperature=0.7)
    async with ModelServer(Settings(url=url, model="fake")) as model:
        return "".join([piece async for piece in model.stream(prompt)])


ARMS: dict[str, Arm] = {
    "httpx": by_httpx,
    "aiohttp": by_aiohttp,
    "core.generation": by_mynah,
}


@contextmanager
def server(delay_s: float) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.fake_model", "--delay-s", str(delay_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        finally:
            process.kill()


def measure(arm: Arm, url: str, tokens: int) -> float:
    """Milliseconds of processor time per 1,000 tokens."""
    text = "abc " * tokens
    began = time.process_time()
    answer = asyncio.run(arm(url, text))
    spent_s = time.process_time() - began
    assert answer == f"You said: {text}"
    return 1000 * spent_s / tokens * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    for title, delay_s in (("one by one", 0.001), ("as fast as they are read", 0.0)):
        with server(delay_s) as url:
            taken = take(url, arguments.tokens, arguments.runs)
        show(f"Processor time of the client per 1,000 streamed tokens, {title}", taken)


def take(url: str, tokens: int, runs: int) -> dict[str, list[float]]:
    for arm in ARMS.values():
        measure(arm, url, 50)  # imports, caches
    taken: dict[str, list[float]] = {name: [] for name in ARMS}
    for _ in range(runs):
        for name, arm in ARMS.items():
            taken[name].append(measure(arm, url, tokens))
    return taken


def show(title: str, taken: dict[str, list[float]]) -> None:
    table = Table(title=title)
    for column in ("client", "median", "lowest", "highest", "beside aiohttp"):
        table.add_column(column, justify="left" if column == "client" else "right")
    base = statistics.median(taken["aiohttp"])
    for name, times in taken.items():
        median = statistics.median(times)
        shown = [f"{ms:.1f} ms" for ms in (median, min(times), max(times))]
        table.add_row(name, *shown, f"{median / base:.2f} x")
    Console().print(table)


if __name__ == "__main__":
    main()
