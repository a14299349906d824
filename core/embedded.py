"""The embedded server: `transformers serve` as a supervised child, where no server is configured.

It knows processes and folders, not prompts; core.generation talks to it like to any other server.

Measured with a model of 0.1 M parameters on two CPU cores (`transformers` 5.19.0), default against
`--continuous-batching --cb-num-blocks 64 --cb-block-size 32`:

    tokens per second, 1 at once          310-540       440
    tokens per second, 8 at once          500-600       1,970
    the first of the 8 waits at most      2.4 s         0.07 s
    first token after a change of model   0.01-0.04 s   0.7 s
    8 at once on two models in turn       2.7 s         8.1 s
    memory                                396 MB        721 MB

The default is used. With continuous batching every change of model tears the batch down and builds
a new one, on the event loop that serves everybody, while base and tune answer side by side whenever
a tune is tried on a share of the conversations; the temperature of its first request holds for all
others; and the blocks bound all conversations together. In turn the default answers one request at
a time per model: `generation.at_once` 1 is right, and who needs more has outgrown this server.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import logging
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Callable
from pathlib import Path
from typing import IO, Self

import aiohttp

from core.errors import Unreachable

logger = logging.getLogger(__name__)

NEEDED = ("torch", "transformers", "accelerate", "fastapi", "uvicorn", "openai")
READY_WITHIN_S = 300.0  # a large folder on a slow disk
LIVED_S = 60.0  # after so long a life, the next restart is the first again
LOOK_EVERY_S = 0.2
STATUS_EVERY_S = 1.0
ROOT = Path(__file__).resolve().parent.parent
STDERR = 2


class EmbeddedServer:
    """`async with` it: the child lives as long as the block, and dies with this process.

    A request names a model by its folder's absolute path. `folder` is loaded before the server
    counts as ready, any other when it is first asked for. The child writes to `log` alone, and to
    our stderr where that cannot be made.
    `on_status` is called about once a second with a line for a person while the server is not
    ready, and with "" when it is.
    """

    def __init__(
        self,
        folder: Path,
        *,
        log: Path,
        on_status: Callable[[str], None] = lambda status: None,
        backoff_s: tuple[float, float] = (0.5, 60.0),
    ) -> None:
        self._folder = folder.absolute()
        self._wanted_log = log
        self._log: Path | None = None  # set where it can be written
        self._on_status = on_status
        self._backoff_s = backoff_s
        self._changed = asyncio.Condition()
        self._url: str | None = None
        self._problem: str | None = None  # why the last start failed

    async def __aenter__(self) -> Self:
        self._log = await asyncio.to_thread(_emptied, self._wanted_log)
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        self._tasks = [self._group.create_task(work()) for work in (self._supervise, self._show)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await self._group.__aexit__(None, None, None)

    async def address(self) -> str:
        """The base URL, when the server is healthy and the model loaded.

        Waits while a start is under way. Raises Unreachable when the last one failed: its sentence
        says why and what to do. Starts go on in the background, so that a later call may succeed.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._url or self._problem)
        if self._url is None:
            raise Unreachable(self._problem)
        return self._url

    async def _supervise(self) -> None:
        """Start the child, and again when it dies: soon at first, later when that repeats."""
        pause_s, longest_s = self._backoff_s
        while True:
            try:
                lived_s = await self._live()
                logger.warning("the embedded model server ended after %.0f s; restarting", lived_s)
            except Unreachable as error:
                lived_s = 0.0
                logger.error("%s", error)
                await self._tell(problem=str(error))
            if lived_s >= LIVED_S:
                pause_s = self._backoff_s[0]
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, longest_s)

    async def _live(self) -> float:
        """One life of the child: how long it was ready. Raises Unreachable if it never was."""
        await asyncio.to_thread(_check, self._folder)
        port = _free_port()
        url = f"http://127.0.0.1:{port}"
        try:
            with await asyncio.to_thread(_opened, self._log) as log:
                child = await _start(port, log)
        except OSError as error:
            raise Unreachable(f"No model server can be started: {error.strerror}.") from error
        try:
            await self._ready(child, url)
            ready_at = time.monotonic()
            await self._tell(url=f"{url}/v1")
            logger.info("the embedded model server is ready (process %d)", child.pid)
            await child.wait()
            return time.monotonic() - ready_at
        finally:
            await self._tell()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()

    async def _ready(self, child: Process, url: str) -> None:
        """Return when the model is loaded. Raises Unreachable with a sentence for a person."""
        try:
            async with asyncio.timeout(READY_WITHIN_S), aiohttp.ClientSession() as session:
                await healthy(session, child, url)
                loaded = await _load(session, url, self._folder)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable(f"The embedded model server did not start: {self._see()}.") from error
        if not loaded:
            raise Unreachable(f"The model in {self._folder} cannot be loaded: {self._see()}.")

    def _see(self) -> str:
        return f"see {self._log or 'what it said above'}"

    async def _tell(self, *, url: str | None = None, problem: str | None = None) -> None:
        """A problem stands until the server is ready: nobody waits through further starts."""
        async with self._changed:
            self._url = url
            self._problem = None if url else problem or self._problem
            if url:
                self._on_status("")  # here, so that nobody is answered before it is said
            self._changed.notify_all()

    async def _show(self) -> None:
        """Tell `on_status` how things stand while the server is not ready, until cancelled."""
        while True:
            began = time.monotonic()
            while self._url is None:
                waited_s = time.monotonic() - began
                self._on_status(self._problem or f"loading the model, {waited_s:.0f} s")
                await asyncio.sleep(STATUS_EVERY_S)
            async with self._changed:
                await self._changed.wait_for(lambda: self._url is None)


def _emptied(log: Path) -> Path | None:
    """The log, empty; None: it cannot be written."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
    except OSError as error:
        logger.warning("%s cannot be written: %s", log, error.strerror)
        return None
    return log


def _opened(log: Path | None) -> IO[bytes]:
    return log.open("ab") if log else os.fdopen(os.dup(STDERR), "ab")


def _check(folder: Path) -> None:
    """Raise Unreachable where a start cannot succeed. Imports none of the libraries."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise Unreachable(
            f"{missing[0]} is not installed: {sys.executable} -m pip install -e '.[local]'"
            " -c constraints.txt, or set generation.url to a model's server."
        )
    if not (folder / "config.json").is_file():
        raise Unreachable(
            f"There is no model in {folder}: set generation.model to a model's folder, "
            "or generation.url to a model's server."
        )


async def _start(port: int, log: IO[bytes]) -> Process:
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    # Half of the logical processors: the bot and the trainer want some, and on small models a
    # second thread costs more than it brings.
    threads = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // 2))}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "core.embedded_child",
        str(port),
        stdin=asyncio.subprocess.PIPE,  # never written to: its closing ends the child
        stdout=log,
        stderr=log,
        cwd=ROOT,
        env={**threads, **os.environ, **offline},
        start_new_session=True,  # Ctrl-C in the terminal is for the bot
    )


def _free_port() -> int:
    """Free now; should another take it meanwhile, the child ends and the next start asks anew."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def healthy(session: aiohttp.ClientSession, child: Process, url: str) -> None:
    """Return when `url`/health answers. Raises ChildProcessError when the child ends before."""
    while child.returncode is None:
        with contextlib.suppress(aiohttp.ClientConnectionError):
            async with session.get(f"{url}/health") as response:
                if response.status == 200 and child.returncode is None:
                    return
        await asyncio.sleep(LOOK_EVERY_S)
    raise ChildProcessError(child.returncode)


async def _load(session: aiohttp.ClientSession, url: str, folder: Path) -> bool:
    """Have the model read now rather than at the first question. False: it cannot be."""
    async with session.post(f"{url}/load_model", json={"model": str(folder)}) as response:
        async for line in response.content:
            if line.startswith(b"data:"):
                match json.loads(line.removeprefix(b"data:")):
                    case {"status": "ready"}:
                        return True
    return False
