"""What a step of the trainer does first and last in its own process, so that it hurts nobody.

Its stdout speaks JSON, one object a line: {"step", "of", "what"} while it works, {"failed": why}
when it gives up. Whatever libraries print goes to stderr, the log, and each line of ours too. It
lives as long as its stdin is open.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TextIO

from core.priority import session_behind
from core.training.limits import in_gb, limits

FULL_DISK = "the disk is full: make room under training.folder"


class Reporter:
    """The way to the parent. `log` gets each line for the person who looks later. `always`: what
    every step is told as, instead of what it is.
    """

    def __init__(self, out: TextIO, log: TextIO | None = None, always: str | None = None) -> None:
        self._out, self._log, self._always = out, log, always

    def always(self, what: str) -> Reporter:
        return Reporter(self._out, self._log, what)

    def step(self, step: int, of: int, what: str) -> None:
        self.note(f"{what}: {step} of {of}")
        self._say({"step": step, "of": of, "what": self._always or what})

    def note(self, words: str) -> None:
        """A line for the log alone."""
        if self._log:
            print(words, file=self._log, flush=True)

    def fail(self, why: str) -> NoReturn:
        """End the process; `why` is a sentence for a person, without a full stop."""
        self.note(f"failed: {why}")
        self._say({"failed": why})
        sys.exit(1)

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Inside it, an error whose reason a person can mend becomes that reason."""
        try:
            yield
        except Exception as error:  # each library has its own for a full disk; no reason: raised
            why = _reason(error)
            if why is None:
                raise
            self.note(f"{type(error).__name__}: {error}")
            self.fail(why)

    def _say(self, words: dict[str, str | int]) -> None:
        self._out.write(json.dumps(words) + "\n")
        self._out.flush()


def _reason(error: Exception) -> str | None:
    """What a person can do something about; libraries wrap it in errors of their own."""
    text = str(error)
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return "it wrote a larger file than any tune has"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FULL_DISK
    if "No space left on device" in text:  # safetensors
        return FULL_DISK
    if type(error).__name__ == "OutOfMemoryError":  # torch's, on a GPU
        return (
            "the GPU's memory ended: give the model's server less of it"
            " (--gpu-memory-utilization) or stop it while this runs"
        )
    out = isinstance(error, OSError) and error.errno == errno.ENOMEM
    if out or isinstance(error, MemoryError) or "allocate memory" in text:
        return "it needed more memory than a run may take"
    return None


def settle_in(run: Path) -> Reporter:
    """Step back behind everybody else, end with the parent, and open the way to it.

    Memory and the size of any one file are bounded by the size of the base that `run` names; the
    runner watches over what several processes take together.
    """
    os.nice(19)
    session_behind(19)
    oom = Path("/proc/self/oom_score_adj")
    if oom.exists():
        oom.write_text("1000")  # when memory ends, this process goes first
    _end_with_stdin()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    allowed = limits(run)
    _lower(resource.RLIMIT_FSIZE, allowed.file)
    # What it may write to, not what it reserves (RLIMIT_AS): torch reserves many times what it
    # uses. CUDA's driver maps the GPU's memory too, so that this bound is for processors only.
    if not Path("/dev/nvidiactl").exists():
        _lower(resource.RLIMIT_DATA, allowed.memory)
    reporter = Reporter(out, sys.stderr)
    reporter.note(f"pid {os.getpid()}: at most {in_gb(allowed.memory)} of memory")
    return reporter


def write_whole(path: Path, text: str) -> None:
    """Leave a file, or, where it is killed, what was there before."""
    making = path.with_suffix(".making")
    making.write_text(text, encoding="utf-8")
    making.rename(path)


def _lower(what: int, value: int) -> None:
    hard = resource.getrlimit(what)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (value, value))


def _end_with_stdin() -> None:
    """End with the parent, however it goes. A terminal or /dev/null is no parent."""
    mode = os.fstat(0).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        threading.Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    while os.read(0, 4096):
        pass
    if os.getpgrp() == os.getpid():  # as the runner starts it: the group is ours alone
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
