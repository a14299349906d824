"""The nice value of a process's session (proc(5), autogroup)."""

from pathlib import Path

import pytest


def session_nice(pid: int) -> int:
    """Skips the test where the kernel has no such groups."""
    file = Path(f"/proc/{pid}/autogroup")
    words = file.read_text().split() if file.exists() else []
    if not words:  # empty: of the group that all begin in
        pytest.skip(
            "this kernel does not schedule by session: it takes one with CONFIG_SCHED_AUTOGROUP,"
            " started without `noautogroup`"
        )
    return int(words[-1])
