"""The embedded servers that run, as processes: to be looked at, or killed."""

from __future__ import annotations

import psutil


def embedded_servers(below: int | None = None) -> list[psutil.Process]:
    """Those below a process; `below`: its id, None for our own."""
    found = []
    for process in psutil.Process(below).children(recursive=True):
        try:
            if "core.embedded_child" in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found
