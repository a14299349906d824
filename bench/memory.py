"""Resident memory of the bot's process after a short conversation: python -m bench.memory

The console in a real terminal and in a pipe, against the fake server; with the starter model's own
tokenizer where the model is there, as the bot is shipped. The model's server is another process.
Beside it: Python with the same modules imported, and with none.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import yaml
from rich.console import Console
from rich.table import Table

from bench import target, where

RUNS = 3
WITHIN_MB = 100
TOP = Path(__file__).resolve().parent.parent
STARTER = TOP / "starter" / "model"
QUESTIONS = [f"question {n}: what does a thumb up do?" for n in range(6)]
CODE = "some code\n```python\ndef add(a, b):\n    return a + b\n```\n"  # is shown in colours
IMPORTED = "import bots.run, bots.config, bots.wiring, adapters.console, rich.console"
WAIT = "import sys; print(flush=True); sys.stdin.read()"


def main() -> None:
    ways: dict[str, Callable[[], float]] = {
        "Python and nothing else": lambda: of_python("pass"),
        "Python with the bot's modules": lambda: of_python(IMPORTED),
        "... and the terminal's": lambda: of_python(f"{IMPORTED}, adapters.console_terminal"),
        "the bot, in a pipe": lambda: in_a_pipe("fake"),
        "the bot, in a terminal": lambda: in_a_terminal("fake"),
    }
    as_shipped = (STARTER / "tokenizer.json").is_file()
    if as_shipped:
        ways["the bot, in a terminal, as shipped"] = lambda: in_a_terminal("starter")
    taken = {name: [way() for _ in range(RUNS)] for name, way in ways.items()}
    medians = {name: statistics.median(figures) for name, figures in taken.items()}
    base = medians["Python with the bot's modules"]
    table = Table("resident memory", "median MB", "beside the modules", caption=where())
    for name, figure in medians.items():
        table.add_row(name, f"{figure:.1f}", f"{figure / base:.2f} x")
    Console().print(table)
    if not as_shipped:
        print("starter/model is not there: the starter model's tokenizer is not in these figures")
    *_, (name, last) = medians.items()
    target(f"memory of {name}", last <= WITHIN_MB, f"{last:.0f} MB (to reach: <= {WITHIN_MB} MB)")


def of_python(code: str) -> float:
    command = [sys.executable, "-c", f"{code}\n{WAIT}"]
    with subprocess.Popen(
        command, cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        process.stdout.readline()
        return resident_mb(process.pid)


def in_a_pipe(model: str) -> float:
    with settings(model) as config:
        command = [sys.executable, "-m", "bots.run", "--platform", "console", "--config", config]
        with subprocess.Popen(
            command, cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as bot:
            assert bot.stdin
            assert bot.stdout
            for question in QUESTIONS:
                bot.stdin.write(f"{question}\n")
                bot.stdin.flush()
                assert bot.stdout.readline() == f"You said: {question}\n"
            return resident_mb(bot.pid)


def in_a_terminal(model: str) -> float:
    with settings(model) as config:
        arguments = ["-m", "bots.run", "--platform", "console", "--config", config]
        bot = pexpect.spawn(
            sys.executable,
            arguments,
            cwd=TOP,
            timeout=30,
            dimensions=(40, 100),
            env={**os.environ, "TERM": "xterm-256color"},
        )
        try:
            bot.expect("\x1b\\[\\?2004h")  # bracketed paste: the prompt is there
            for question in QUESTIONS:
                bot.send(f"{question}\r")
                bot.expect("You said: " + question.split(":")[0])
                bot.expect("\x1b\\[\\?2004h")
            bot.send(f"\x1b[200~{CODE}\x1b[201~\r")  # pasted, so that its lines stay together
            bot.expect("You said")
            bot.expect("\x1b\\[\\?2004h")
            assert bot.pid
            figure = resident_mb(bot.pid)
            bot.sendeof()
            bot.expect(pexpect.EOF)
            return figure
        finally:
            bot.close(force=True)


@contextmanager
def settings(model: str) -> Iterator[str]:
    """A config.yaml for a bot with the fake server and a store of its own."""
    command = [sys.executable, "-m", "tests.fake_model", "--model", model]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, text=True) as server,
    ):
        try:
            assert server.stdout
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
            values = {
                "generation": {"url": url, "model": model, "max_tokens": 100},
                "storage": {"url": f"sqlite:///{folder}/mynah.db"},
                "platforms": {"console": {"history": f"{folder}/history"}},
            }
            config = Path(folder) / "config.yaml"
            config.write_text(yaml.safe_dump(values), encoding="utf-8")
            yield str(config)
        finally:
            server.kill()


def resident_mb(pid: int) -> float:
    """From Linux's own file; elsewhere this measurement fails."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ProcessLookupError(pid)


if __name__ == "__main__":
    main()
