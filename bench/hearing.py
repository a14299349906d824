"""How many messages per second are heard, durably: python -m bench.hearing

Three ways on the same disk, in turns: one commit per message on a bare connection, the store with
one caller, and the store with 64 callers at once, each told whether its message was new.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import URL

from bench import target, where
from core.types import Author, ChannelRef, IncomingMessage, MessageRef, ThreadRef
from storage.migrate import migrate
from storage.repositories import Settings, SqlStore
from storage.rows import heard_row

RUNS = 7
CALLERS = 64
EACH = 40
AT_LEAST = 5
CHANNEL = ChannelRef("slack", "T024BE7LD/U0LAN0Z89", "C061EG9SL")
Way = Callable[[Path], Awaitable[list[float]]]


def messages(count: int) -> list[IncomingMessage]:
    return [
        IncomingMessage(
            MessageRef(CHANNEL, f"1700000000.{number:06}"),
            ThreadRef(CHANNEL, f"1700000000.{number % 50:06}"),
            Author(f"U{number % 100:08}", "Ada Lovelace"),
            "How do I give you a thumbs up, and what happens with it then?",
            True,
            datetime.now(UTC),
        )
        for number in range(count)
    ]


async def bare(folder: Path) -> list[float]:
    """The same table with the same indexes; one statement and one fsynced commit per message."""
    path = folder / "bare.db"
    migrate(URL.create("sqlite", database=str(path)))
    rows = [{**heard_row(m), "at": m.at.isoformat(" ")} for m in messages(400)]
    names = ", ".join(rows[0])
    holes = ", ".join(f":{name}" for name in rows[0])
    insert = f"INSERT INTO turns ({names}) VALUES ({holes}) ON CONFLICT DO NOTHING"
    took = []
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        for row in rows:
            began = time.perf_counter()
            assert connection.execute(insert, row).rowcount == 1
            took.append(time.perf_counter() - began)
    return took


async def one_caller(folder: Path) -> list[float]:
    return await heard(folder, callers=1, each=200)


async def many_callers(folder: Path) -> list[float]:
    return await heard(folder, callers=CALLERS, each=EACH)


async def heard(folder: Path, *, callers: int, each: int) -> list[float]:
    """Seconds for each message, as if they had come one after the other."""
    url = f"sqlite:///{folder / 'store.db'}"
    store = await SqlStore.open(Settings(url=url), holder="bench.hearing")
    said = messages(callers * each)

    async def caller(number: int) -> None:
        for message in said[number::callers]:
            assert await store.hear(message)

    try:
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number in range(callers):
                tasks.create_task(caller(number))
        return [(time.perf_counter() - began) / len(said)] * len(said)
    finally:
        await store.close()


async def main() -> None:
    ways: dict[str, Way] = {
        "one commit per message, bare": bare,
        "the store, one caller": one_caller,
        f"the store, {CALLERS} callers at once": many_callers,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(RUNS):
        for name, way in ways.items():
            with tempfile.TemporaryDirectory(dir=".") as folder:
                seconds[name].append(statistics.mean(await way(Path(folder))))
    table = Table(
        "messages heard, durably",
        "per second",
        "ms each",
        "× bare",
        caption=f"medians of {RUNS} runs; {where()}",
    )
    base = seconds["one commit per message, bare"]
    for name, took in seconds.items():
        ratio = statistics.median(b / t for b, t in zip(base, took, strict=True))
        median = statistics.median(took)
        table.add_row(name, f"{1 / median:,.0f}", f"{median * 1000:.3f}", f"{ratio:.2f}")
    Console().print(table)
    reached = f"{ratio:.1f} x one commit per message (to reach: >= {AT_LEAST} x)"
    target(f"messages heard per second, {CALLERS} at once", ratio >= AT_LEAST, reached)


if __name__ == "__main__":
    asyncio.run(main())
