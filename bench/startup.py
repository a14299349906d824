"""How long a person waits for `--help`: python -m bench.startup"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from rich.console import Console
from rich.table import Table

from bench import target, where

RUNS = 15
WITHIN_S = 0.5
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "python -m bots.run --help": ["-m", "bots.run", "--help"],
    "everything that the bot imports": ["-c", "import bots.config, bots.wiring, adapters.console"],
}


def main() -> None:
    took: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS):
        for name, arguments in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            took[name].append(time.perf_counter() - began)
    base, *_ = medians = {name: statistics.median(times) for name, times in took.items()}
    table = Table(
        "start-up",
        "median s",
        "lowest",
        "highest",
        "beside pass",
        caption=f"{RUNS} runs; {where()}",
    )
    for name, times in took.items():
        figures = [f"{s:.3f}" for s in (medians[name], min(times), max(times))]
        table.add_row(name, *figures, f"{medians[name] / medians[base]:.1f} x")
    Console().print(table)
    helped = medians["python -m bots.run --help"]
    target("`--help`", helped <= WITHIN_S, f"{helped:.2f} s (to reach: <= {WITHIN_S} s)")


if __name__ == "__main__":
    main()
