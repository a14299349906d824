"""What counts as right: facts by their key words, code by running it, form by rules.

It asks no model. Code runs in a child process with limits on time, memory and file size, in an
empty folder of its own; it is code that our own small model wrote, not code of strangers.
"""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from starter.facts import FACTS, OFFTOPIC_KEY, REFUSAL_KEY, SHELL_FILES, CodeTask, Fact, holds
from starter.speak import Said
from starter.tokens import SPECIAL

_BLOCK = re.compile(r"```(\w+)\n(.*?)\n?```", re.DOTALL)
_SECONDS = 5
_BYTES = 512 * 2**20
_SQL = (
    "import sqlite3, sys; d = sqlite3.connect(':memory:'); d.executescript(sys.argv[1]);"
    "[print('|'.join(map(str, r))) for r in d.execute(sys.argv[2])]"
)


def right_fact(text: str, fact: Fact) -> bool:
    """The fact's keys are there, no other fact's are, and it is neither fallback nor refusal."""
    if not holds(text, fact.keys) or unknown(text) or refused(text):
        return False
    return not any(holds(text, other.keys) for other in FACTS if other is not fact)


def unknown(text: str) -> bool:
    """Whether it is the honest sentence that the model does not know."""
    return OFFTOPIC_KEY in text.lower()


def refused(text: str) -> bool:
    """Whether it is a refusal."""
    return REFUSAL_KEY in text.lower()


def right_code(text: str, task: CodeTask) -> bool:
    """Runs the answer's first block of code; right when it prints what it must."""
    block = _BLOCK.search(text)
    if block is None or block[1] != task.language:
        return False
    return run(task, block[2]) == task.prints


def run(task: CodeTask, code: str) -> str:
    """Gives what the code prints, stripped; or why it did not."""
    command = {
        "python": [sys.executable, "-I", "-c", code],
        "sh": ["/bin/sh", "-c", code],
        "sql": [sys.executable, "-I", "-c", _SQL, task.setup, code],
    }[task.language]
    with tempfile.TemporaryDirectory() as folder:
        if task.language == "sh":
            for name, content in SHELL_FILES.items():
                (Path(folder) / name).write_text(content)
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                preexec_fn=_limit,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "took too long"
    return done.stdout.strip() if done.returncode == 0 else f"failed: {done.returncode}"


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))


def fault(said: Said) -> str:
    """Names what is wrong with an answer's form (no end, leak, repeats, nothing), or gives ""."""
    if not said.ended:
        return "does not end"
    if not said.text.strip():
        return "empty"
    if any(mark in said.text for mark in SPECIAL) or "<|" in said.text or "\ufffd" in said.text:
        return "leak"
    prose = "".join(said.text.split("```")[::2]).lower().split()
    fours = Counter(zip(prose, prose[1:], prose[2:], prose[3:], strict=False))
    if fours and max(fours.values()) > 2:
        return "repeats"
    return ""
