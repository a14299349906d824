"""vLLM through Mynah beside vLLM by itself: python -m bench.vllm

A tiny model with random weights that never ends its answers, on a real vLLM (`make vllm` for the
build for CPUs). So many conversations side by side, each of a few turns, through the desk, the
engine, the store and the client; then the same prompts by the smallest async client. Tokens are
counted by vLLM itself. At last, conversations of fifty turns that outgrow their context several
times, and the share of prompt tokens that vLLM had in its prefix cache; beside it the same
conversations where each prompt drops the oldest turn that no longer fits.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table

from bench import target, where
from core.answer import Answer
from core.commands import Commands
from core.conversation import TOKENS_PER_MESSAGE, Messages
from core.desk import serve
from core.engine import Engine
from core.engine import Settings as BotSettings
from core.generation import ModelServer
from core.line import Line
from core.phrases import Phrases
from core.ports import Inbox
from core.types import Author, ChannelRef, IncomingMessage, MessageRef, Prompt, Quoted, ThreadRef
from storage.repositories import Settings as StorageSettings
from storage.repositories import SqlStore
from tests.tiny_model import make
from tests.vllm.served import NotStarted, Served

RUNS = 3
AT_ONCE = (1, 8, 32)
TURNS, TOKENS = 4, 128  # of each conversation, and of each answer
CONTEXT = 4096
LONG_TURNS, LONG_TOKENS, LONG_AT_ONCE = 50, 100, 4
RATIO, ADDED_MS, CACHED = 0.95, 15.0, 0.85
WORDS = "What does a thumb up do, and who tells the bird what it learns? " * 3
numbers = itertools.count(1)


@dataclass
class Run:
    prompts: dict[str, list[Messages]] = field(default_factory=dict)  # by conversation, in order
    first_ms: list[float] = field(default_factory=list)
    tokens: float = 0.0
    took_s: float = 0.0

    @property
    def per_s(self) -> float:
        return self.tokens / self.took_s


class Feed:
    """An adapter: each conversation asks its next question when it has its answer."""

    name = "feed"

    def __init__(self, conversations: int, turns: int) -> None:
        self.conversations, self.turns = conversations, turns
        self.seen = Run()
        self._asked: dict[str, float] = {}
        self._shown: dict[str, asyncio.Event] = {}

    async def run(self, inbox: Inbox) -> None:
        await inbox.ready("feed")
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(self.conversations):
                group.create_task(self._talk(inbox, f"c{number}"))
        self.seen.took_s = time.monotonic() - began

    async def _talk(self, inbox: Inbox, name: str) -> None:
        channel, who = ChannelRef(self.name, "feed", name), Author(f"u{name}", "Ada")
        for turn in range(self.turns):
            id = f"{name}/{turn}"
            self._shown[id], self._asked[id] = asyncio.Event(), time.monotonic()
            text, at = f"{turn} of {name}: {WORDS}", datetime.now(UTC)
            ref = MessageRef(channel, id)
            await inbox.message(IncomingMessage(ref, ThreadRef(channel), who, text, True, at))
            await self._shown[id].wait()

    async def reply(self, to: IncomingMessage, answer: Answer) -> None:
        async with aclosing(aiter(answer)) as pieces:
            async for _ in pieces:
                if not answer.refs:
                    self.seen.first_ms.append((time.monotonic() - self._asked[to.ref.id]) * 1000)
                    await answer.placing()
                    await answer.placed(MessageRef(to.ref.channel, f"answer to {to.ref.id}"))
        self._shown[to.ref.id].set()

    async def earlier(self, to: IncomingMessage) -> Sequence[Quoted]:
        return ()


class Recorder(ModelServer):
    """Keeps the prompts that it is given, by the conversation that each belongs to."""

    run: Run

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        name = prompt.messages[-1][1].split(" of ", 1)[1].split(":", 1)[0]
        self.run.prompts.setdefault(name, []).append(prompt.messages)
        async with aclosing(super().stream(prompt)) as pieces:
            async for piece in pieces:
                yield piece


async def main() -> None:
    began = where()
    with tempfile.TemporaryDirectory() as folder:
        async with served(Path(folder)) as server:
            await through(server, Path(folder), 1, 1, TOKENS)  # what is made once is made now
            runs: dict[tuple[int, str], list[Run]] = {}
            for _, count in itertools.product(range(RUNS), AT_ONCE):
                ours = await through(server, Path(folder), count, TURNS, TOKENS)
                runs.setdefault((count, "ours"), []).append(ours)
                runs.setdefault((count, "direct"), []).append(await direct(server, ours.prompts))
            show(runs, began)
            await cache(server, Path(folder))


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Served]:
    """vLLM with the tiny model."""
    model = make(folder / "model", window=CONTEXT)
    server = Served(folder, str(model), model)
    try:
        with Console(stderr=True).status("Starting vLLM..."):
            await asyncio.to_thread(server.start)
        yield server
    except NotStarted as why:
        raise SystemExit(str(why)) from why
    finally:
        await asyncio.to_thread(server.stop)


async def through(server: Served, folder: Path, count: int, turns: int, tokens: int) -> Run:
    """So many conversations through Mynah."""
    number, phrases, feed = next(numbers), Phrases(), Feed(count, turns)
    store = await SqlStore.open(
        StorageSettings(url=f"sqlite:///{folder}/{number}.db"), holder="bench.vllm"
    )
    settings = server.settings(max_tokens=tokens)
    try:
        async with Recorder(settings, folder=server.files) as client:
            client.run = feed.seen
            engine = Engine(
                store,
                client,
                Commands(store, None, phrases, ()),
                BotSettings.model_validate({"system": system(number), "turns_per_minute": 100_000}),
                model=settings.model,
                max_tokens=tokens,
                temperature=0.0,
                line=Line(max(AT_ONCE)),
                phrases=phrases,
            )
            (before,) = await server.metrics("generation_tokens_total")
            await serve(engine, feed)
            (after,) = await server.metrics("generation_tokens_total")
    finally:
        await store.close()
    feed.seen.tokens = after - before
    return feed.seen


def system(number: int) -> str:
    """First in every prompt, and new for each run: nothing is in the cache from another one."""
    return f"{number:04}. Be kind, be brief, and never learn on Sundays."


async def direct(server: Served, prompts: dict[str, list[Messages]]) -> Run:
    """The same prompts, by the smallest client that reads a stream."""
    run, lead = Run(), ("system", system(next(numbers)))

    async def talk(session: aiohttp.ClientSession, asked: list[Messages]) -> None:
        for messages in asked:
            await ask(session, server, (lead, *messages[1:]), TOKENS, run.first_ms)

    (before,) = await server.metrics("generation_tokens_total")
    began = time.monotonic()
    async with server.direct() as session, asyncio.TaskGroup() as group:
        for asked in prompts.values():
            group.create_task(talk(session, asked))
    run.took_s = time.monotonic() - began
    (after,) = await server.metrics("generation_tokens_total")
    run.tokens = after - before
    return run


async def ask(
    session: aiohttp.ClientSession,
    server: Served,
    messages: Sequence[tuple[str, str]],
    tokens: int,
    first_ms: list[float],
) -> str:
    body = {"model": server.model, "max_tokens": tokens, "temperature": 0, "stream": True}
    body["messages"] = [{"role": role, "content": text} for role, text in messages]
    text, began = "", time.monotonic()
    async with session.post(f"{server.url}/chat/completions", json=body) as response:
        response.raise_for_status()
        async for line in response.content:
            if line.startswith(b"data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    piece = choice["delta"].get("content")
                    if piece and not text:
                        first_ms.append((time.monotonic() - began) * 1000)
                    text += piece or ""
    return text


def show(runs: dict[tuple[int, str], list[Run]], began: str) -> None:
    caption = f"medians of {RUNS} runs, {TURNS} turns of {TOKENS} tokens each; {began}"
    table = Table("conversations", "tokens/s, ours", "direct", "ratio", caption=caption)
    table.add_column("first token, ours")
    table.add_column("direct")
    table.add_column("added")
    reached = []
    for count in AT_ONCE:
        ours, bare = runs[count, "ours"], runs[count, "direct"]
        rates = [statistics.median(run.per_s for run in some) for some in (ours, bare)]
        firsts = [statistics.median(statistics.median(r.first_ms) for r in s) for s in (ours, bare)]
        ratio, added = rates[0] / rates[1], firsts[0] - firsts[1]
        shown = [f"{rate:.0f}" for rate in rates] + [f"{ratio:.2f} x"]
        table.add_row(str(count), *shown, *(f"{ms:.1f} ms" for ms in (*firsts, added)))
        measured = f"{ratio:.2f} (to reach: >= {RATIO})"
        reached.append(
            (f"tokens per second through Mynah, {count} at once", ratio >= RATIO, measured)
        )
        if count == 1:
            measured = f"{added:.1f} ms (to reach: <= {ADDED_MS:.0f} ms)"
            reached.append(("first token later through Mynah", added <= ADDED_MS, measured))
    Console().print(table)
    for line in reached:
        target(*line)


async def cache(server: Served, folder: Path) -> None:
    """The share of prompt tokens from the prefix cache, in conversations that outgrow it."""
    names = "prefix_cache_hits_total", "prefix_cache_queries_total"
    before = await server.metrics(*names)
    run = await through(server, folder, LONG_AT_ONCE, LONG_TURNS, LONG_TOKENS)
    between = await server.metrics(*names)
    async with server.direct() as session, asyncio.TaskGroup() as group:
        lead = system(next(numbers))
        async with server.client() as client:
            tasks = [
                group.create_task(drop_oldest(session, server, client, lead, asked))
                for asked in run.prompts.values()
            ]
            await asyncio.wait(tasks)
    after = await server.metrics(*names)
    shares = [(b[0] - a[0]) / (b[1] - a[1]) for a, b in ((before, between), (between, after))]
    longest = max(len(asked) for asked in run.prompts.values())
    caption = f"{LONG_AT_ONCE} conversations of {longest} turns, context of {CONTEXT} tokens"
    table = Table("when a conversation outgrows its context", "from the cache", caption=caption)
    table.add_row("ours: down to half of it", f"{shares[0]:.1%}")
    table.add_row("the oldest turn dropped each time", f"{shares[1]:.1%}")
    Console().print(table)
    measured = f"{shares[0]:.3f} (to reach: >= {CACHED})"
    target("prompt tokens served from the prefix cache", shares[0] >= CACHED, measured)


async def drop_oldest(
    session: aiohttp.ClientSession,
    server: Served,
    client: ModelServer,
    lead: str,
    asked: list[Messages],
) -> None:
    """The same questions; each prompt is as much of the past as fits."""
    past: list[tuple[str, str]] = []
    for messages in asked:
        past.append(("user", messages[-1][1]))
        sizes = await client.count([lead, *(text for _, text in past)])
        room = CONTEXT - LONG_TOKENS - sum(size + TOKENS_PER_MESSAGE for size in sizes)
        while room < 0:
            gone = sizes[1] + sizes[2] + 2 * TOKENS_PER_MESSAGE
            past, sizes, room = past[2:], [sizes[0], *sizes[3:]], room + gone
        text = await ask(session, server, (("system", lead), *past), LONG_TOKENS, [])
        past.append(("assistant", text))


if __name__ == "__main__":
    asyncio.run(main())
