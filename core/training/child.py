"""What a step of the trainer does first and last in its own process, so that it hurts nobody.

Its stdout speaks JSON, one object a line: {"step", "of", "what"} while it works, {"failed": why}
when it gives up. Whatever libraries print goes to stderr. It lives as long as its stdin is open.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
from pathlib import Path
from typing import NoReturn, TextIO

GIB = 1 << 30


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class Reporter:
    """The way to the parent."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def step(self, step: int, of: int, what: str) -> None:
        self._say({"step": step, "of": of, "what": what})

    def fail(self, why: str) -> NoReturn:
        self._say({"failed": why})
        sys.exit(1)

    def _say(self, words: dict[str, str | int]) -> None:
        self._out.write(json.dumps(words) + "\n")
        self._out.flush()


def settle_in(run: Path) -> Reporter:
    """Step back behind everybody else, end with the parent, and open the way to it.

    Memory and the size of any one file are bounded by the size of the base that `run` names.
    """
    os.nice(19)
    oom = Path("/proc/self/oom_score_adj")
    if oom.exists():
        oom.write_text("1000")  # when memory ends, this process goes first
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    size = folder_bytes(Path(json.loads((run / "recipe.json").read_text())["base"]))
    _lower(resource.RLIMIT_FSIZE, 2 * size + GIB)
    # CUDA reserves far more addresses than it uses, so that this bound is for processors only.
    if not Path("/dev/nvidiactl").exists():
        _lower(resource.RLIMIT_AS, 16 * size + 12 * GIB)
    return Reporter(out)


def _lower(what: int, value: int) -> None:
    hard = resource.getrlimit(what)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (value, value))


def _end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)  # the parent is gone, however it went
