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
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from starter.facts import FACTS, OFFTOPIC_KEY, REFUSAL_KEY, Fact, holds
from starter.programs import SHELL_FILES, CodeTask
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


def right_follow_up(said: Sequence[Said], id_: str | None, keys: tuple[str, ...]) -> bool:
    """The keys stand in the last answer as whole words, and it is without fault; what was to be
    said shorter is not longer than it was.
    """
    last = said[-1]
    if fault(last) or (id_ == "shorter" and len(last.text) > len(said[-2].text)):
        return False
    return all(any(_stands(part, last.text) for part in key.split("|")) for key in keys)


def _stands(words: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words.lower())}(?!\w)", text.lower()) is not None


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
                encoding="utf-8",
                errors="replace",
                timeout=_SECONDS,
                preexec_fn=_limit,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "took too long"
        except ValueError:  # a zero byte
            return "failed: cannot be run"
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
    prose = " ".join(said.text.split("```")[::2]).lower()
    return "repeats" if _repeats(prose) else ""


def _repeats(prose: str) -> bool:
    """Four words three times, a sentence or a word twice running, or a word that is one twice."""
    words = prose.split()
    fours = Counter(zip(words, words[1:], words[2:], words[3:], strict=False))
    sentences = [one for one in re.split(r"[.!?]\s+", prose.rstrip(".!? ")) if " " in one]
    return (
        any(count > 2 for count in fours.values())
        or len({*sentences}) < len(sentences)
        or any(one == other for one, other in pairwise(words))
        or re.search(r"([a-z]{4,})\1", prose) is not None
    )
