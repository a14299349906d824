"""Runs one step of the trainer as a child process, from the bot's side. No heavy import.

The child gets a folder, a deadline, bounds on memory and disk, and an environment without the bot's
secrets. However this ends (done, late, cancelled), the child and all that it started are gone
afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from core.errors import BotError
from core.training.limits import Limits, end_all, folder_bytes, in_gb, limits, members, memory_of

ROOT = Path(__file__).resolve().parents[2]
TICK_S = 1.0
LONGEST_LOG = 10_000_000  # bytes
LATE = "it was not done in the time that training.minutes allows"
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "PYTHONPATH")


class StepFailed(BotError):
    """A step ended without its result. The text is one sentence, without a full stop."""


@dataclass(frozen=True, slots=True)
class Progress:
    step: int
    of: int
    what: str


async def run_step(
    module: str, run: Path, *, deadline: float, log: Path
) -> AsyncGenerator[Progress]:
    """Yield the step's progress until it is done. `deadline` is of `time.monotonic`.

    Raises StepFailed when the child fails, dies, takes too much, or is not done in time; OSError
    and ValueError when it could not even begin. Close it to stop the step.
    """
    allowed = await asyncio.to_thread(limits, run)
    out = await asyncio.to_thread(log.open, "ab")
    with out:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            str(run),
            stdin=asyncio.subprocess.PIPE,  # its end is the child's end
            stdout=asyncio.subprocess.PIPE,
            stderr=out,
            cwd=ROOT,
            env=environment(run),
            start_new_session=True,
        )
    try:
        async for line in _lines(process, deadline, Watch(run, log, allowed)):
            words = _parsed(line, log)
            if "failed" in words:
                raise StepFailed(str(words["failed"]))
            yield Progress(int(words["step"]), int(words["of"]), str(words["what"]))
        if status := process.returncode:
            raise StepFailed(f"it {_how(status)} (its log: {log})")
    finally:
        _kill(process.pid)
        await process.wait()
        await asyncio.to_thread(end_all, run)
        await asyncio.to_thread(_shorten, log)


@dataclass
class Watch:
    """Looks now and then whether the run takes more than it may."""

    run: Path
    log: Path
    allowed: Limits
    due: float = 0.0

    async def look(self) -> None:
        """Raises StepFailed. Costs little when nothing is due."""
        if time.monotonic() < self.due:
            return
        await asyncio.to_thread(self._look)
        self.due = time.monotonic() + TICK_S

    def _look(self) -> None:
        if self.log.stat().st_size > LONGEST_LOG:
            raise StepFailed(f"it filled its log (see {self.log})")
        if memory_of(members(self.run)) > self.allowed.memory:
            raise StepFailed(
                f"it needed more memory than a run may take ({in_gb(self.allowed.memory)})"
            )
        if folder_bytes(self.run) > self.allowed.folder:
            raise StepFailed(f"it wrote more than a run may write ({in_gb(self.allowed.folder)})")


def environment(run: Path) -> dict[str, str]:
    """Nothing but what Python and the libraries need; whatever they keep stays in the run."""
    kept = {k: v for k, v in os.environ.items() if k in PASSED_ON or k.startswith("CUDA_")}
    # Over several GPUs one process would spread a model in the way that TRL refuses (DataParallel).
    kept["CUDA_VISIBLE_DEVICES"] = kept.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    return kept | {
        "HF_HOME": str(run / "scratch"),
        "TMPDIR": str(run / "scratch"),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        # More threads fight with the model's server over the same cores: measured tenfold slower.
        "OMP_NUM_THREADS": "1",
    }


async def _lines(
    process: asyncio.subprocess.Process, deadline: float, watch: Watch
) -> AsyncGenerator[bytes]:
    """What the child says, until it ended. Ends also when only its own children hold the pipe."""
    assert process.stdout
    while True:
        if (left := deadline - time.monotonic()) <= 0:
            raise StepFailed(LATE)
        await watch.look()
        try:
            async with asyncio.timeout(min(left, TICK_S)):
                line = await process.stdout.readline()
        except TimeoutError:
            if process.returncode is not None:
                return
        except ValueError as error:
            raise StepFailed(f"it spoke nonsense (its log: {watch.log})") from error
        else:
            if not line:
                break
            yield line
    # Its stdout is closed; it may live on.
    while process.returncode is None:
        if (left := deadline - time.monotonic()) <= 0:
            raise StepFailed(LATE)
        await watch.look()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(left, TICK_S)):
                await process.wait()


def _parsed(line: bytes, log: Path) -> dict[str, str | int]:
    try:
        words = json.loads(line)
        if not words.keys() & {"failed", "step"}:
            raise ValueError
    except (ValueError, AttributeError) as error:
        raise StepFailed(f"it spoke nonsense (its log: {log})") from error
    found: dict[str, str | int] = words
    return found


def _how(status: int) -> str:
    if status == -signal.SIGKILL:
        return "was killed, most likely because memory ended"
    return f"ended with signal {-status}" if status < 0 else f"ended with status {status}"


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # all of it had ended
        os.killpg(group, signal.SIGKILL)


def _shorten(log: Path) -> None:
    if log.stat().st_size > LONGEST_LOG:
        os.truncate(log, LONGEST_LOG)
