"""Measurements beside their targets: `python -m bench` runs all of them. None of them is a test."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from pathlib import Path

REACHED, MISSED = "reached:", "NOT reached:"


def target(what: str, reached: bool, measured: str) -> None:
    """The line that `python -m bench` repeats at its end."""
    print(f"{REACHED if reached else MISSED} {what}: {measured}", flush=True)


def where() -> str:
    """On which commit and machine the figures were taken, and how busy it was."""
    load = f"load {os.getloadavg()[0]:.1f} at the start"
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return f"commit {commit()}; {os.cpu_count()} x {processor()}, {load}; {versions}"


def commit() -> str:
    git = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        out = subprocess.run(git, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return out.stdout.strip()


def processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
