"""From an event to the request for its answer, durably: python -m bench.latency [--profile]

50 messages per second in 50 channels, each stored before it is acknowledged, go through the real
desk, engine, store and client to the fake model's server. Measured from the adapter's call of
`inbox.message` until that server has read the request, while the answers before are stored and
shown. Beside it, in the same process: one bare commit on the same disk. Once more with 4 ms added
to each fdatasync by strace, as on a slow disk.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import pstats
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import target, where
from core.answer import Answer
from core.commands import Commands
from core.connection import Settings
from core.desk import serve
from core.engine import Engine
from core.engine import Settings as BotSettings
from core.generation import ModelServer
from core.line import Line
from core.notice import Notice
from core.phrases import Phrases
from core.ports import Inbox
from core.types import Author, ChannelRef, IncomingMessage, MessageRef, Quoted, ThreadRef
from storage.repositories import Settings as StorageSettings
from storage.repositories import SqlStore
from tests.fake_model import FakeModel

RUNS = 5
PER_SECOND, MESSAGES, CHANNELS = 50, 250, 50
WARM_UP = 20  # messages before those that count
COMMITS = 60
MEDIAN_MS, P99_MS = 6.0, 40.0
SLOW: tuple[str, ...] = ("--seccomp-bpf", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync")
SLOW += ("-e", "inject=fdatasync:delay_exit=4000")


@dataclass
class Figures:
    took_ms: list[list[float]] = field(default_factory=list)  # by run
    commit_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)  # of the bot's process, per message

    @property
    def median_ms(self) -> float:
        return statistics.median(statistics.median(run) for run in self.took_ms)

    @property
    def p99_ms(self) -> float:
        return statistics.median(statistics.quantiles(run, n=100)[98] for run in self.took_ms)

    @property
    def one_commit_ms(self) -> float:
        return statistics.median(self.commit_ms)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child", metavar="URL", help="used by this program itself")
    parser.add_argument("--profile", action="store_true", help="one run; where the time goes")
    arguments = parser.parse_args()
    if arguments.child:
        await child(arguments.child, profiled=arguments.profile)
        return
    plain, slow = Figures(), Figures()
    strace = shutil.which("strace")
    for _ in range(1 if arguments.profile else RUNS):
        await run(plain, [], profiled=arguments.profile)
        if strace and not arguments.profile:
            await run(slow, [strace, *SLOW], profiled=False)
    show(plain, slow if slow.took_ms else None)


def show(plain: Figures, slow: Figures | None) -> None:
    cases = {"this disk": (plain, 1)} | ({"fdatasync + 4 ms": (slow, 2)} if slow else {})
    caption = f"medians of {len(plain.took_ms)} runs of {MESSAGES} messages; {where()}"
    table = Table("event in to request out", "median", "p99", "bare commit", caption=caption)
    table.add_column("to reach (median)")
    table.add_column("median beside it")
    table.add_column("processor per message")
    for name, (figures, commits) in cases.items():
        limit = MEDIAN_MS + commits * figures.one_commit_ms
        shown = (figures.median_ms, figures.p99_ms, figures.one_commit_ms, limit)
        ratio = f"{figures.median_ms / limit:.2f} x"
        cpu = f"{statistics.median(figures.cpu_ms):.1f} ms"
        table.add_row(name, *(f"{ms:.1f} ms" for ms in shown), ratio, cpu)
    Console().print(table)
    for name, (figures, commits) in cases.items():
        limit = MEDIAN_MS + commits * figures.one_commit_ms
        what = f"event in to request out, {name}, median"
        measured = f"{figures.median_ms:.1f} ms (to reach: <= {limit:.1f} ms)"
        target(what, figures.median_ms <= limit, measured)
    p99 = f"{plain.p99_ms:.1f} ms (to reach: <= {P99_MS:.0f} ms)"
    target("event in to request out, this disk, p99", plain.p99_ms <= P99_MS, p99)
    if slow is None and not shutil.which("strace"):
        print("strace is not installed: nothing was measured with a slow disk")


async def run(figures: Figures, under: list[str], *, profiled: bool) -> None:
    """One run: the model's server here, the bot in a process of its own."""
    async with FakeModel(max_model_len=32_768) as model:
        command = [*under, sys.executable, "-m", "bench.latency", "--child", model.url]
        process = await asyncio.create_subprocess_exec(
            *command, *(["--profile"] if profiled else []), stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        if process.returncode:
            raise SystemExit(f"the measured process ended with exit code {process.returncode}")
        said = json.loads(out)
        asked = zip(model.requests, model.times, strict=True)
        came = {body["messages"][-1]["content"]: at for body, at in asked}
        took = [(came[text] - began) * 1000 for text, began in said["began"]]
        figures.took_ms.append(took[WARM_UP:])
        figures.commit_ms.append(said["commit_ms"])
        figures.cpu_ms.append(said["cpu_ms"])


# In the process that is measured.


class Feed:
    """An adapter whose platform speaks at a fixed average rate, at random moments."""

    name = "feed"

    def __init__(self) -> None:
        self.began: list[tuple[str, float]] = []
        self.cpu_ms = 0.0
        self._shown = asyncio.Semaphore(0)

    async def run(self, inbox: Inbox) -> None:
        await inbox.ready("feed")
        rng = random.Random(7)
        due = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(MESSAGES):
                due += rng.expovariate(PER_SECOND)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                group.create_task(self._event(inbox, number))
        for _ in range(MESSAGES):
            await self._shown.acquire()

    async def reply(self, to: IncomingMessage, answer: Answer) -> None:
        async with aclosing(aiter(answer)) as pieces:
            async for _ in pieces:
                if not answer.refs:
                    await answer.placing()
                    await answer.placed(MessageRef(to.ref.channel, f"answer to {to.ref.id}"))
        self._shown.release()

    async def earlier(self, to: IncomingMessage) -> Sequence[Quoted]:
        return ()

    async def tell(self, channel: str, notice: Notice) -> None:
        raise AssertionError("nothing is announced here")

    async def _event(self, inbox: Inbox, number: int) -> None:
        channel = ChannelRef(self.name, "feed", f"c{number % CHANNELS}")
        text = f"question {number}: how do I give a thumb up, and what happens with it then?"
        who, at = Author(f"u{number % CHANNELS}", "Ada"), datetime.now(UTC)
        ref = MessageRef(channel, str(number))
        message = IncomingMessage(ref, ThreadRef(channel), who, text, addressed=True, at=at)
        self.began.append((text, time.monotonic()))
        await inbox.message(message)


async def child(url: str, *, profiled: bool) -> None:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        before = commit_ms(Path(folder) / "before.db")
        profile = cProfile.Profile(time.thread_time)
        feed = await answered(url, Path(folder), profile if profiled else None)
        after = commit_ms(Path(folder) / "after.db")
    commit = (before + after) / 2
    print(json.dumps({"began": feed.began, "commit_ms": commit, "cpu_ms": feed.cpu_ms}))
    if profiled:
        by_package(pstats.Stats(profile))


def by_package(stats: pstats.Stats) -> None:
    """Processor time of the event loop's thread, per message, by whose code ran."""
    spent: Counter[str] = Counter()
    for (file, _, name), (*_, own_s, _, _) in stats.stats.items():  # type: ignore[attr-defined]
        parts = Path(file).parts
        if file == "~":
            package = f"built in: {name}"
        elif "site-packages" in parts:
            package = parts[parts.index("site-packages") + 1]
        else:
            package = "/".join(parts[-2:]) if "asyncio" not in parts else "asyncio"
        spent[package] += own_s
    table = Table("whose code", "ms per message")
    for package, seconds in spent.most_common(25):
        table.add_row(package, f"{seconds * 1000 / MESSAGES:.2f}")
    table.add_row("in all", f"{sum(spent.values()) * 1000 / MESSAGES:.2f}")
    Console(stderr=True).print(table)


async def answered(url: str, folder: Path, profile: cProfile.Profile | None) -> Feed:
    """Serve the feed to its end."""
    settings, phrases, feed = Settings(url=url, model="fake"), Phrases(), Feed()
    at = f"sqlite:///{folder}/mynah.db"
    store = await SqlStore.open(StorageSettings(url=at), holder="bench.latency")
    try:
        async with ModelServer(settings) as server:
            engine = Engine(
                store,
                server,
                Commands(store, None, phrases, ()),
                BotSettings.model_validate({"turns_per_minute": 100_000}),
                model=settings.model,
                max_tokens=settings.max_tokens,
                temperature=settings.temperature,
                line=Line(32),
                phrases=phrases,
            )
            began = time.process_time()
            if profile:
                profile.enable()
            await serve(engine, feed)
            if profile:
                profile.disable()
            feed.cpu_ms = (time.process_time() - began) * 1000 / MESSAGES
    finally:
        await store.close()
    return feed


def commit_ms(path: Path) -> float:
    """The median of bare commits of one row, as durable as the store's."""
    took = []
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE heard (id INTEGER PRIMARY KEY, text TEXT)")
        for number in range(COMMITS):
            began = time.perf_counter()
            connection.execute("INSERT INTO heard (text) VALUES (?)", [f"question {number}" * 5])
            took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


if __name__ == "__main__":
    asyncio.run(main())
