"""Real processes for the tests of the store."""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


@contextmanager
def child(url, what, *, holder="--platform slack", under=()):
    """A process that has the store open; killed at the end if it still runs."""
    command = [*under, sys.executable, "-m", "tests.storage.child", url, holder, what]
    process = subprocess.Popen(
        command, cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    try:
        assert process.stdout.readline() == "open\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def kill_while_writing(url, lines):
    """Kill -9 after so many messages; returns the numbers that the store had said it heard."""
    with child(url, "write") as process:
        said = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        said += process.stdout.readlines()
    return [int(line.split()[1]) for line in said if line.endswith("\n")]
