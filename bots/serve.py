"""python -m bots.serve: start vLLM from config.yaml, with what tunes need, until interrupted.

What follows `--` goes to vLLM as it stands: `python -m bots.serve -- --gpu-memory-utilization 0.8`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from pathlib import Path
from typing import TYPE_CHECKING

from bots import program

if TYPE_CHECKING:  # heavy: `--help` does without
    from bots.launch import Launch

ROOT = Path(__file__).resolve().parent.parent
LOG = "vllm-{port}.log"  # there may be several
BEFORE = ".before.log"  # of the life before: why it ended
SHOW_EVERY_S = 0.25
SAY_EVERY_S = 10.0  # where no terminal shows how it goes
END_WITHIN_S = 30.0  # vLLM lets go of its GPU; then it is killed


def main(argv: list[str] | None = None) -> int:
    """vLLM's end is ours: 0 after a signal, 1 where it ended by itself, 2 where nothing starts."""
    arguments = parser().parse_args(argv)
    from bots.config import load
    from bots.launch import launch
    from bots.wiring import LOG_FOLDER
    from core.errors import BotError

    try:
        config = load(arguments.config, ["console"])  # no platform is served: no secrets needed
        what = launch(config, arguments.host, arguments.vllm)
        return asyncio.run(serve(what, LOG_FOLDER / LOG.format(port=what.port)))
    except BotError as error:
        print(f"mynah: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # before anything was started
        return 130


def parser() -> argparse.ArgumentParser:
    out = program.parser("bots.serve", __doc__)
    out.add_argument(
        "--host",
        default="127.0.0.1",
        help="where to listen; anything but loopback wants generation.key_env",
    )
    out.add_argument("vllm", nargs="*", metavar="-- FLAG", help="flags for vLLM itself")
    return out


async def serve(what: Launch, log: Path) -> int:
    """Run it to its end: ours by a signal, or its own. Raises BotError where it cannot begin."""
    from core.errors import BotError

    if problem := closed(what.host, what.port):
        raise BotError(
            f"Nobody can listen on port {what.port} of {what.host} ({problem}). Stop what does, or"
            " write another port into generation.url."
        )
    try:
        what.tunes.mkdir(parents=True, exist_ok=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # where a supervisor starts us anew
            log.replace(log.with_suffix(BEFORE))
        written = log.open("wb")
    except OSError as error:
        raise BotError(f"{error.filename} cannot be written: {error.strerror}.") from error
    with written:
        child = await asyncio.create_subprocess_exec(
            *what.command,
            stdin=asyncio.subprocess.PIPE,  # never written to: its closing ends the child
            stdout=written,
            stderr=written,
            cwd=ROOT,
            env={**os.environ, **what.environment},
            start_new_session=True,  # Ctrl-C comes to us, and goes on from here
        )
    told = asyncio.Event()
    for number in program.ending_signals(signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, pass_on, child, number, told)
    try:
        if await ready(child, what, log):
            place = f"http://{what.host}:{what.port}/v1"
            print(f"vLLM is ready at {place} (its log: {log}).", flush=True)
        await child.wait()
        if told.is_set():
            print("vLLM has ended.")
            return 0
        ended = f"vLLM ended by itself, with exit code {child.returncode}"
        print(f"mynah: {ended}: {reason(log)}", file=sys.stderr)
        return 1
    finally:
        kill(child)
        await child.wait()


def pass_on(child: Process, number: signal.Signals, told: asyncio.Event) -> None:
    """The signal, to vLLM; a second one, or half a minute, ends it at once."""
    if told.is_set():
        kill(child)
        return
    told.set()
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGTERM if number == signal.SIGHUP else number)
    asyncio.get_running_loop().call_later(END_WITHIN_S, kill, child)


def kill(child: Process) -> None:
    """It and all that it started, at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def closed(host: str, port: int) -> str | None:
    """Why nobody can listen there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or str(error)
    return None


async def ready(child: Process, what: Launch, log: Path) -> bool:
    """Wait until it answers, and show how far it is; False: it has ended."""
    import aiohttp

    from core.embedded import healthy

    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(what.host, what.host)
    url = f"http://{f'[{host}]' if ':' in host else host}:{what.port}"
    no_hurry = aiohttp.ClientTimeout(total=None)  # large weights take their time
    async with aiohttp.ClientSession(timeout=no_hurry) as session, asyncio.TaskGroup() as group:
        showing = group.create_task(show(log))
        try:
            await healthy(session, child, url)
        except ChildProcessError:
            return False
        finally:
            showing.cancel()
    return True


async def show(log: Path) -> None:
    """Where it is, on one line of a terminal, else in a line now and then; until cancelled."""
    from rich.console import Console
    from rich.markup import escape

    began, console = time.monotonic(), Console(stderr=True)
    with console.status("") as status:  # draws nothing where no terminal is
        while True:
            line = f"vLLM is starting, {time.monotonic() - began:.0f} s: {last_line(log)}"
            status.update(escape(line))
            if not console.is_terminal:
                print(line, file=sys.stderr, flush=True)
            await asyncio.sleep(SHOW_EVERY_S if console.is_terminal else SAY_EVERY_S)


def last_line(log: Path) -> str:
    """What vLLM said last, without its prefix of process, level, time and file."""
    lines = tail(log)
    return lines[-1].rsplit("] ", 1)[-1][:100] if lines else "..."


def reason(log: Path) -> str:
    """Its last error, and where the rest is."""
    errors = [line for line in tail(log) if "Error" in line]
    said = f"{errors[-1].rsplit('] ', 1)[-1].strip()[:300]} " if errors else ""
    return f"{said}(its log: {log})"


def tail(log: Path) -> list[str]:
    text = log.read_bytes()[-20_000:].decode(errors="replace")
    return [line for line in text.splitlines() if line.strip()]


if __name__ == "__main__":
    sys.exit(main())
