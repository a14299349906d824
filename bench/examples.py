"""What examples add to a conversation's first prompt: python -m bench.examples

A channel of 100,000 turns, a fifth of them judged, beside the same with nothing judged, on SQLite.
Measured is the core's own `Engine.question` for a first turn: the search among the newest judged
ones, the likest questions, tokens counted with the starter model's tokenizer, messages and digest.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, text

from bench import target, where
from bench.history import engine_on, fill, opened, thread
from bots.wiring import STARTER
from core import connection
from core.engine import Engine
from core.generation import ModelServer
from core.types import Author, IncomingMessage, MessageRef, ThreadRef

TURNS, JUDGED_EACH = 100_000, 5
ROUNDS = 200
AT_MOST_MS = 5.0
WORDS = ["thumb", "vote", "answer", "tune", "channel", "thread"]
WORDS += ["server", "token", "store", "queue", "night", "model"]


def judge(connection: Connection) -> None:
    """Questions of their own, and a thumb up for every fifth answer."""
    ask = " || ' ' || ".join(
        f"CASE id / {7**n} % 12 "
        + " ".join(f"WHEN {i} THEN '{word}'" for i, word in enumerate(WORDS))
        + " END"
        for n in range(5)
    )
    connection.execute(text(f"UPDATE turns SET question = 'How does ' || {ask} || '?'"))
    some = f"id % {JUDGED_EACH} = 0"
    connection.execute(text(f"UPDATE turns SET judged = 1 WHERE {some}"))
    connection.execute(
        text(f"INSERT INTO feedback SELECT id, author_id, 1, at FROM turns WHERE {some}")
    )


async def ask(engine: Engine, number: int, least: int) -> float:
    """The first turn of a thread, in milliseconds."""
    channel = thread("one").channel
    ref = MessageRef(channel, f"question {number}")
    words = f"How does the {WORDS[number % 12]} of a {WORDS[number * 5 % 12]} work?"
    place = ThreadRef(channel, f"elsewhere {number}")
    said = IncomingMessage(ref, place, Author("U1", "Ada"), words, True, datetime.now(UTC))
    turn = await engine.store.hear(said)
    assert turn
    began = time.perf_counter()
    asked = await engine.question(turn)
    took = time.perf_counter() - began
    assert not isinstance(asked, str)
    assert len(asked[1].examples) == least
    return took * 1000


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        plain, judged = Path(folder) / "plain.db", Path(folder) / "judged.db"
        took: dict[str, list[float]] = {"nothing judged": [], "20,000 judged": []}
        for path in (plain, judged):
            fill(path, [(thread("one"), TURNS)])
        one, two = await opened(plain), await opened(judged)
        await two.database.write(judge)
        nowhere = connection.Settings(url="http://127.0.0.1:9/v1", context_tokens=32_768)
        async with ModelServer(nowhere, folder=STARTER) as model:
            engines = engine_on(one, model), engine_on(two, model)
            for number in range(ROUNDS):
                for engine, each, shown in zip(engines, took.values(), (0, 3), strict=True):
                    each.append(await ask(engine, number, shown))
        await one.close()
        await two.close()
    table = Table("first prompt of a conversation", "median ms", "p99 ms", caption=where())
    for name, some in took.items():
        p99 = statistics.quantiles(some, n=100)[98]
        table.add_row(name, f"{statistics.median(some):.2f}", f"{p99:.2f}")
    Console().print(table)
    plainly, with_them = (statistics.median(some) for some in took.values())
    added = with_them - plainly
    target("examples added", added <= AT_MOST_MS, f"{added:.1f} ms (to reach: <= {AT_MOST_MS} ms)")


if __name__ == "__main__":
    asyncio.run(main())
