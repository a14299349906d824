"""Slack, Discord and Telegram beside the bare SDKs: python -m bench.platforms [--runs N]

So many people ask at once, each in a conversation of their own (Slack: a channel each, answered in
a thread; Discord: a channel; Telegram: a private chat). Measured where they see it, on the tests'
own servers: from the event to the first words of the answer and to its last, and the calls to the
platform. In turn ours and the SDK's simplest handler, which posts the whole answer once; both take
the words from the same model in their process. Then with the vendors' published limits on, and a
model that speaks for two seconds. At last, the memory of a process with all three SDKs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import target, where
from bench.memory import IMPORTED, of_python
from bench.platform_bots import ANSWER, GRACE_S, PIECES
from bench.platform_houses import HOUSES, House

RUNS = 3
AT_ONCE = (1, 20, 100)
KINDS = ("bare", "ours")
LATER_MS, WITHIN_S, WITHIN_MB = 30.0, 90.0, 150.0
PAUSE_S = 2.0 / len(PIECES)  # of a model that takes its time
READY_WITHIN_S, ALL_WITHIN_S = 60.0, 300.0
# After so long without anything new nothing more will come: ours may wait for a minute's window.
STILL_S = {"bare": 15.0, "ours": 70.0}
SDKS = "slack_bolt.async_app, discord, telegram"
CONSTRUCTED = f"""{IMPORTED}
from adapters import load, settings_of
TOKENS = {{"bot_token": "1:x"}}
adapters = [
    load(name, settings_of(name).model_validate(TOKENS | more))
    for name, more in {{"slack": {{"app_token": "y"}}, "discord": {{}}, "telegram": {{}}}}.items()
]"""


@dataclass
class Run:
    first_ms: list[float] = field(default_factory=list)  # one for each conversation that saw it
    last_ms: list[float] = field(default_factory=list)
    calls: float = 0.0  # per conversation
    cpu_ms: float = 0.0  # of the bot's process, per conversation
    whole: int = 0  # conversations that saw the whole answer, once
    took_s: float = 0.0  # until the last of them saw the end
    refused: int = 0  # calls answered "too many"


@dataclass
class Figures:
    runs: list[Run] = field(default_factory=list)

    @property
    def first_ms(self) -> float:
        return statistics.median(statistics.median(run.first_ms) for run in self.runs)

    @property
    def last_ms(self) -> float:
        return statistics.median(statistics.median(run.last_ms) for run in self.runs)

    @property
    def all_ms(self) -> float:
        """Until everybody has seen the end."""
        return statistics.median(max(run.last_ms) for run in self.runs)

    @property
    def calls(self) -> float:
        return statistics.median(run.calls for run in self.runs)

    @property
    def cpu_ms(self) -> float:
        return statistics.median(run.cpu_ms for run in self.runs)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=RUNS)
    runs = parser.parse_args().runs
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]  # the SDKs would take it for loopback too
    began = where()
    figures = {
        (name, count, kind): Figures() for name in HOUSES for count in AT_ONCE for kind in KINDS
    }
    for _ in range(runs):
        for (name, count, kind), of_it in figures.items():
            of_it.runs.append(await run(name, count, kind))
    show(figures, runs, began)
    limited = {}
    for name in HOUSES:
        for kind in KINDS:
            limited[name, kind] = await run(name, max(AT_ONCE), kind, limits=True)
    show_limited(limited)
    show_memory()


async def run(name: str, count: int, kind: str, *, limits: bool = False) -> Run:
    """So many conversations at once, in a new process."""
    out, began = Run(), dict[str, float]()
    async with HOUSES[name](count, limits=limits) as house:
        async with bot(name, kind, house, limits) as process:
            await house.until(house.is_connected, READY_WITHIN_S, READY_WITHIN_S)
            await house.say(house.warm_up)
            await house.until(lambda: house.is_whole(house.warm_up), READY_WITHIN_S, READY_WITHIN_S)
            await house.rests(0.5)
            calls, house.refused, cpu_s = house.calls, 0, used_s(process)
            for place in house.places:
                began[place] = time.monotonic()
                await house.say(place)
            await house.until(house.are_whole, ALL_WITHIN_S, STILL_S[kind])
            await house.rests(0.5)
            out.cpu_ms = (used_s(process) - cpu_s) * 1000 / count
        # Only now: ours still had buttons to put under its answers.
        out.calls, out.refused = (house.calls - calls) / count, house.refused
    for place, at in began.items():
        first, last = house.first(place), house.last(place)
        out.first_ms += [(first - at) * 1000] if first else []
        out.last_ms += [(last - at) * 1000] if last else []
        out.whole += house.texts(place).count(ANSWER) == 1
    ends = [last for place in began if (last := house.last(place))]
    out.took_s = max(ends) - min(began.values()) if ends else 0.0
    return out


@asynccontextmanager
async def bot(name: str, kind: str, house: House, limits: bool) -> AsyncIterator[int]:
    pause: dict[str, Any] = {"pause_s": PAUSE_S if limits else 0.0, "limits": limits}
    settings = json.dumps({**house.settings, **pause})
    command = [sys.executable, "-m", "bench.platform_bots", kind, name, settings]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,  # Bolt says there that it runs
    )
    try:
        yield process.pid
    finally:
        assert process.stdin
        if kind == "ours":
            process.stdin.close()  # it finishes what it has begun
            with suppress(TimeoutError):
                async with asyncio.timeout(GRACE_S + 10):
                    await process.wait()
        if process.returncode is None:
            process.kill()
        await process.wait()


def used_s(pid: int) -> float:
    """The processor's time that all threads of a process took; Linux only."""
    said = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(said[11]) + int(said[12])) / os.sysconf("SC_CLK_TCK")


def show(figures: dict[tuple[str, int, str], Figures], runs: int, began: str) -> None:
    how = f"medians of {runs} runs, no limits, and ours paced on Slack only"
    caption = f"{how}; ms from the event; {began}"
    table = Table("at once", "bot", "first words", "last words", "all have them", caption=caption)
    table.add_column("calls per answer")
    table.add_column("processor per answer")
    for (name, count, kind), of_it in figures.items():
        ms = (f"{one:.0f}" for one in (of_it.first_ms, of_it.last_ms, of_it.all_ms))
        is_last = kind == KINDS[-1]
        table.add_row(
            f"{name}, {count}",
            kind,
            *ms,
            f"{of_it.calls:.1f}",
            f"{of_it.cpu_ms:.1f} ms",
            end_section=is_last,
        )
    Console().print(table)
    for name in HOUSES:
        bare, ours = (figures[name, 20, kind].first_ms for kind in KINDS)
        measured = f"{ours - bare:.0f} ms ({ours:.0f} and {bare:.0f}; to reach: <= {LATER_MS:.0f})"
        what = f"{name}: first words later than the bare SDK's, 20 at once"
        target(what, ours - bare <= LATER_MS, measured)


def show_limited(limited: dict[tuple[str, str], Run]) -> None:
    most = max(AT_ONCE)
    caption = f"one run, {most} conversations at once, a model that speaks for 2 s; {where()}"
    table = Table("published limits on", "bot", "whole", "within", caption=caption)
    for head in ("first words, median", "calls per answer", "calls refused (429)"):
        table.add_column(head)
    for (name, kind), of_it in limited.items():
        first = f"{statistics.median(of_it.first_ms) / 1000:.1f} s" if of_it.first_ms else "never"
        row = (f"{of_it.whole} of {most}", f"{of_it.took_s:.1f} s", first, f"{of_it.calls:.1f}")
        table.add_row(name, kind, *row, str(of_it.refused), end_section=kind == KINDS[-1])
    Console().print(table)
    for name in HOUSES:
        ours = limited[name, "ours"]
        is_reached = ours.whole == most and ours.took_s <= WITHIN_S
        measured = f"{ours.whole} within {ours.took_s:.0f} s (to reach: all within {WITHIN_S:.0f})"
        target(f"{name}: {most} at once answered whole, limits on", is_reached, measured)


def show_memory() -> None:
    ways = {
        "Python with the bot's modules": IMPORTED,
        "Python with the three SDKs": f"import {SDKS}",
        "the bot's modules, the SDKs, the adapters constructed": CONSTRUCTED,
    }
    table = Table("resident memory", "median MB", caption=where())
    figure = 0.0
    for name, code in ways.items():
        figure = statistics.median(of_python(code) for _ in range(RUNS))
        table.add_row(name, f"{figure:.1f}")
    Console().print(table)
    measured = f"{figure:.0f} MB (to reach: <= {WITHIN_MB:.0f} MB)"
    target("memory with all three SDKs and adapters", figure <= WITHIN_MB, measured)


if __name__ == "__main__":
    asyncio.run(main())
