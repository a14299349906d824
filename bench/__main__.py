"""All measurements, one after the other: python -m bench [NAME...]

Each is a program of its own (`python -m bench.latency`). At the end every target has its line.
Exit code 0 also where a target was missed: that is a result. 1: a program failed.
"""

from __future__ import annotations

import os
import subprocess
import sys

from bench import MISSED, REACHED, where

ALL = (
    "startup",
    "memory",
    "latency",
    "hearing",
    "history",
    "examples",
    "client_libraries",
    "fast_server",
    "beside",
    "back",
    "platforms",
)


def main() -> int:
    print(where(), flush=True)
    lines: list[str] = []
    failed: list[str] = []
    for name in sys.argv[1:] or ALL:
        print(f"\n== bench.{name}", flush=True)
        command = [sys.executable, "-u", "-m", f"bench.{name}"]
        width = {"COLUMNS": os.environ.get("COLUMNS", "110")}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, **width}
        ) as program:
            assert program.stdout
            for line in program.stdout:
                print(line, end="", flush=True)
                if line.startswith((REACHED, MISSED)):
                    lines.append(line.rstrip())
        if program.returncode:
            failed.append(f"FAILED: bench.{name} ended with exit code {program.returncode}")
    print("\n== targets")
    print("\n".join([*lines, *failed]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
