"""The nice value of a process's session (proc(5), autogroup)."""

from pathlib import Path

import pytest


def session_nice(pid: int) -> int:
    """Skips the test where the kernel has no such groups."""
    try:
        _, nice = Path(f"/proc/{pid}/autogroup").read_text().rsplit(maxsplit=1)
    except FileNotFoundError:
        pytest.skip("This kernel does not schedule by session (CONFIG_SCHED_AUTOGROUP).")
    return int(nice)
