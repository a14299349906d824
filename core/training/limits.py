"""What a step of the trainer may take of the machine, and which processes belong to it.

Plain files and numbers: both the bot's side (core.training.runner) and the step itself
(core.training.child) use it. Processes are told by their environment, which a child inherits
whatever it does: leaving the process group or the session does not hide it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

GIB = 1 << 30
GONE_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Limits:
    """In bytes: of memory, of all processes together; of the run's folder; of any one file."""

    memory: int
    folder: int
    file: int


def limits(run: Path) -> Limits:
    """What the base that `run` names justifies. Raises OSError and ValueError.

    On a processor the base is held twice in full precision (the gate compares it with the merged
    checkpoint), which is four times its bfloat16 file; the rest is for libraries and activations.
    """
    recipe = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    size = base_bytes(Path(recipe["base"]))
    return Limits(memory=6 * size + 6 * GIB, folder=3 * size + GIB, file=2 * size + GIB)


def folder_bytes(folder: Path) -> int:
    """The size of all files under it, also while somebody writes and deletes there."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            total += 0 if path.is_dir() else status.st_size
    return total


def base_bytes(folder: Path) -> int:
    """The size of a model's files; in a snapshot of Hugging Face's cache each is a link. What lies
    in folders of its own beside them, such as another format's, is none.
    """
    return sum(path.stat().st_size for path in folder.glob("*") if path.is_file())


def room_for(shelf: Path, base: Path, *, merge: bool) -> str | None:
    """Why a run cannot begin on this disk, for a person; None: it can."""
    # The weights of a merged checkpoint, the adapter, the log, and what libraries keep meanwhile.
    needed = merge * base_bytes(base) + GIB // 4
    free = shutil.disk_usage(shelf).free
    if free >= needed:
        return None
    return (
        f"the disk under {shelf} has {in_gb(free)} free and a run needs {in_gb(needed)}:"
        " make room there"
    )


def in_gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


def members(run: Path) -> list[int]:
    """The processes that were started for this run or for one under it, and theirs.

    Found by TMPDIR in their environment. Empty where there is no /proc (macOS).
    """
    mark = b"\0TMPDIR=" + os.fsencode(run) + b"/"
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended, or is another person's
            ours = process.stat().st_uid == os.getuid()
            if ours and mark in b"\0" + (process / "environ").read_bytes():
                found.append(int(process.name))
    return found


def memory_of(pids: list[int]) -> int:
    """What they hold in memory together, in bytes; pages that several share count for each."""
    page = os.sysconf("SC_PAGE_SIZE")
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, IndexError, ValueError):
            total += page * int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return total


def end_all(run: Path) -> None:
    """Kill every process of the run, also those that are born meanwhile. Returns when none is."""
    until = time.monotonic() + GONE_WITHIN_S
    while (pids := members(run)) and time.monotonic() < until:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
