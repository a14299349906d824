"""What building a prompt costs when the store is full: python -m bench.history

The same question is put to stores with 10,000 and with 1,000,000 turns, in turns; in the large one
also in a conversation of 100,000. Each prompt before it showed the last 20 to 40 turns. Measured is
the core's own `Engine.question`: history from the store, tokens counted with the starter model's
tokenizer, the cut, the messages and their digest.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import URL

from bench import target, where
from bots.wiring import STARTER
from core import connection, engine
from core.commands import Commands
from core.engine import Engine
from core.generation import ModelServer
from core.line import Line
from core.phrases import Phrases
from core.types import Author, ChannelRef, IncomingMessage, MessageRef, ThreadRef
from storage.migrate import migrate
from storage.repositories import Settings, SqlStore

RUNS, ROUNDS = 5, 100
BLOCK = 20  # prompts are cut in blocks
AT_MOST = 1.5
SHORT, LONG = 100, 100_000  # turns in a conversation
SYSTEM = "You are Mynah. " * 60
ANSWER = "A thumbs up is kept with the answer. " * 8
QUESTION = "How do I give you a thumbs up, and what happens with it then?"


@dataclass
class Case:
    name: str
    engine: Engine
    conversations: list[ThreadRef]
    took: list[list[float]] = field(default_factory=list)  # a list of seconds for each run
    shown: int = 0

    @property
    def medians(self) -> list[float]:
        return [statistics.median(run) for run in self.took]


def thread(name: str) -> ThreadRef:
    return ThreadRef(ChannelRef("slack", "T024BE7LD/U0LAN0Z89", f"C-{name}"), "")


def fill(path: Path, conversations: list[tuple[ThreadRef, int]]) -> float:
    """Turns of all conversations, shuffled as they come in life. Returns the seconds it took."""
    began = time.perf_counter()
    migrate(URL.create("sqlite", database=str(path)))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-400000"):
            connection.execute(f"PRAGMA {pragma}")
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'turns'"
        indexes = [(name, sql) for name, sql in connection.execute(query) if sql]
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        connection.execute("BEGIN")
        connection.execute("INSERT INTO texts VALUES (1, 'hash', ?)", [SYSTEM])
        columns = (
            "platform, account, channel, thread, message, author_id, author_name, question, at, "
            "private, status, outcome, answer, model, system_id, first, digest, tries"
        )
        holes = ", ".join("?" * len(columns.split(",")))
        connection.executemany(
            f"INSERT INTO turns ({columns}) VALUES ({holes})", rows(conversations)
        )
        for _, sql in indexes:
            connection.execute(sql)
        connection.execute("COMMIT")
    return time.perf_counter() - began


def rows(conversations: list[tuple[ThreadRef, int]]) -> Iterator[tuple[Any, ...]]:
    order = [place for place, length in conversations for _ in range(length)]
    random.Random(7).shuffle(order)
    ids: dict[ThreadRef, list[int]] = {place: [] for place, _ in conversations}
    for turn_id, place in enumerate(order, start=1):
        before = ids[place]
        first = before[max(0, len(before) // BLOCK * BLOCK - BLOCK)] if before else None
        before.append(turn_id)
        channel = place.channel
        key = channel.platform, channel.account, channel.id, place.thread, f"{turn_id:010}"
        said = f"U{turn_id % 997:08}", "Ada Lovelace", QUESTION, "2026-05-04 08:00:00.000000", 0
        yield *key, *said, "done", "answered", ANSWER, "starter", 1, first, f"{turn_id:064x}", 1


async def opened(path: Path) -> SqlStore:
    return await SqlStore.open(Settings(url=f"sqlite:///{path}"), holder="bench.history")


def engine_on(store: SqlStore, model: ModelServer) -> Engine:
    return Engine(
        store,
        model,
        Commands(store, None, Phrases(), ()),
        engine.Settings(system=SYSTEM, turns_per_minute=1_000_000),
        model="starter",
        max_tokens=512,
        temperature=0,
        line=Line(1),
    )


async def ask(case: Case, number: int) -> None:
    place = case.conversations[number % len(case.conversations)]
    ref = MessageRef(place.channel, f"question {number} {case.name}")
    said = IncomingMessage(ref, place, Author("U1", "Ada"), QUESTION, True, datetime.now(UTC))
    turn = await case.engine.store.hear(said)
    assert turn
    began = time.perf_counter()
    asked = await case.engine.question(turn)
    case.took[-1].append(time.perf_counter() - began)
    assert not isinstance(asked, str)
    shown = len(asked[0].messages) // 2 - 1
    case.shown += shown
    assert BLOCK <= shown <= 2 * BLOCK


async def main() -> None:
    console = Console()
    few = [(thread(f"few-{n}"), SHORT) for n in range(100)]
    many = [(thread(f"many-{n}"), SHORT) for n in range(5_000)]
    long = [(thread(f"long-{n}"), LONG) for n in range(5)]
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small.db", Path(folder) / "large.db"
        fill(small, few)
        took = fill(large, many + long)
        console.print(f"1,000,000 turns made in {took:.0f} s, {large.stat().st_size >> 20} MiB")
        one, two = await opened(small), await opened(large)
        nowhere = connection.Settings(url="http://127.0.0.1:9/v1", context_tokens=32_768)
        async with ModelServer(nowhere, folder=STARTER) as model:
            cases = [
                Case("10,000 turns", engine_on(one, model), [place for place, _ in few]),
                Case("1,000,000 turns", engine_on(two, model), [place for place, _ in many]),
                Case(
                    "1,000,000, a conversation of 100,000",
                    engine_on(two, model),
                    [place for place, _ in long],
                ),
            ]
            for number in range(RUNS * ROUNDS):
                for case in cases:
                    if number % ROUNDS == 0:
                        case.took.append([])
                    await ask(case, number)
        await one.close()
        await two.close()
    table = Table(
        "building the prompt",
        "turns shown",
        "median ms",
        "p99 ms",
        "× 10,000 turns",
        caption=f"medians of {RUNS} runs of {ROUNDS} questions each; {where()}",
    )
    base = cases[0].medians
    worst = 0.0
    for case in cases:
        p99 = statistics.quantiles([took for run in case.took for took in run], n=100)[98]
        ratio = statistics.median(a / b for a, b in zip(case.medians, base, strict=True))
        worst = max(worst, ratio)
        table.add_row(
            case.name,
            f"{case.shown / RUNS / ROUNDS:.0f}",
            f"{statistics.median(case.medians) * 1000:.2f}",
            f"{p99 * 1000:.2f}",
            f"{ratio:.2f}",
        )
    console.print(table)
    reached = f"{worst:.2f} x with 10,000 (to reach: <= {AT_MOST} x)"
    target("building the prompt with 1,000,000 turns", worst <= AT_MOST, reached)


if __name__ == "__main__":
    asyncio.run(main())
