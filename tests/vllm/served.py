"""A real vLLM for tests and measurements, started by bots.serve as an operator would."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import SecretStr

from core.connection import Settings
from core.generation import ModelServer
from tests.fakes import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
KEY = "a key for the tests"


class NotStarted(Exception):
    """What bots.serve said instead of starting."""


class Served:
    """One vLLM that can be killed and started anew, in a folder of its own. Must be stopped."""

    def __init__(
        self,
        folder: Path,
        model: str,
        files: Path,
        flags: Sequence[str] = (),
        shelf: Path | None = None,
    ) -> None:
        """`model`: as config.yaml names it; `files`: where its tokenizer lies; `shelf`: of the
        tunes, where several servers share one.
        """
        self.folder, self.shelf, self.model = folder, shelf or folder / "tunes", model
        self.files, self.flags = files, flags
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/v1"
        (folder / "config.yaml").write_text(
            f"generation: {{url: '{self.url}', model: '{model}', key_env: VLLM_TEST_KEY}}\n"
            f"training: {{folder: '{self.shelf}'}}\n"
        )
        if (ROOT / ".venv-vllm").is_dir():
            (folder / ".venv-vllm").symlink_to(ROOT / ".venv-vllm")
        self.process: Any = None

    def start(self) -> None:
        """Return when it answers, a minute or more later. Raises NotStarted."""
        environment = {"PYTHONPATH": str(ROOT), "VLLM_TEST_KEY": KEY, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bots.serve", "--", *self.flags],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if "ready" not in self.process.stdout.readline():
            raise NotStarted(self.process.communicate()[1])

    def kill(self) -> None:
        """As the kernel does when memory runs out: at once, all of it."""
        self.process.kill()
        self.process.communicate()
        until = time.monotonic() + 20
        while self.answers():
            assert time.monotonic() < until, "vLLM outlived bots.serve"
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.communicate(timeout=60)

    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def settings(self, **more: Any) -> Settings:
        return Settings(url=self.url, model=self.model, key=SecretStr(KEY), **more)

    @asynccontextmanager
    async def client(self, **settings: Any) -> AsyncIterator[ModelServer]:
        async with ModelServer(self.settings(**settings), folder=self.files) as client:
            yield client

    @asynccontextmanager
    async def direct(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Straight to vLLM, without us."""
        headers = {"Authorization": f"Bearer {KEY}"}
        no_limit = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(headers=headers, connector=no_limit) as session:
            yield session

    async def metrics(self, *names: str) -> list[float]:
        """Of vLLM's own figures the sums."""
        async with (
            self.direct() as session,
            session.get(self.url.removesuffix("/v1") + "/metrics") as response,
        ):
            lines = (await response.text()).splitlines()
        found = [[line for line in lines if line.startswith(f"vllm:{name}{{")] for name in names]
        assert all(found), names
        return [sum(float(line.rsplit(" ", 1)[1]) for line in some) for some in found]
