"""The lock file beside a SQLite database: one process at a time, and did the last one end well.

The lock is an flock on a file of its own, so that nothing but SQLite ever opens the database:
closing any descriptor of that file would drop SQLite's locks (https://sqlite.org/howtocorrupt.html,
2.2). The file stays; it is empty while nobody holds the lock.
"""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path
from typing import Self

from core.errors import StoreError, StoreLocked


class LockFile:
    def __init__(self, file: int, clean: bool) -> None:
        self.file = file
        self.clean = clean  # False: the last holder ended without a word

    @classmethod
    def take(cls, path: Path, holder: str) -> Self:
        """Raises StoreLocked, which names the process that holds it. Blocks for a few writes."""
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise unusable(path, error) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            before = os.pread(file, 1000, 0)
            length = os.pwrite(file, f"{os.getpid()}\n{holder}\n".encode(), 0)
            os.ftruncate(file, length)  # after it: an empty file would say that all ended well
            os.fsync(file)
        except BlockingIOError:
            message = locked(path, os.pread(file, 1000, 0).decode(errors="replace"), holder)
            os.close(file)
            raise StoreLocked(message) from None
        except OSError as error:
            os.close(file)
            raise unusable(path, error) from error
        return cls(file, clean=not before)

    def give_back(self, *, clean: bool = True) -> None:
        """`clean`: the database was closed well, so the next start need not check it."""
        if clean:
            os.ftruncate(self.file, 0)
        os.close(self.file)


def locked(path: Path, content: str, ours: str) -> str:
    pid, _, holder = content.strip().partition("\n")
    who = f"Process {pid} ({holder})" if pid.isdigit() else "Another process"
    return f"{who} has {path.with_suffix('')} open. {what_to_do(holder, ours)}"


def what_to_do(theirs: str, ours: str) -> str:
    """Two different platforms can be served by one process; anything else has to wait its turn."""
    named = re.findall(r"--platform[ =](\S+)", f"{theirs} {ours}")
    platforms = list(dict.fromkeys(named))
    if len(platforms) < 2:
        return "Stop it first."
    flags = " ".join(f"--platform {name}" for name in platforms)
    return f"Stop it, or serve both from one process: python -m bots.run {flags}"


def unusable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path} cannot be written ({error.strerror}). "
        "Make room or give this user the right to write there."
    )
