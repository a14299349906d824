"""Deliberate defects, to see that the adapters' tests would notice them.

    python -m tests.defects [slack|discord|telegram ...] [--only NAME]

Each is applied alone, to a copy of the tree; then that adapter's tests run until the first that
fails. A defect that survives is a test that is missing. The lists are in tests/defects_*.py.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.defects_discord_hearing import DISCORD_HEARING
from tests.defects_discord_speaking import DISCORD_SPEAKING
from tests.defects_discord_votes import DISCORD_VOTES
from tests.defects_first import FIRST
from tests.defects_slack_hearing import SLACK_HEARING
from tests.defects_slack_line import SLACK_LINE
from tests.defects_slack_speaking import SLACK_SPEAKING
from tests.defects_slack_votes import SLACK_VOTES
from tests.defects_telegram_hearing import TELEGRAM_HEARING
from tests.defects_telegram_speaking import TELEGRAM_SPEAKING
from tests.defects_telegram_votes import TELEGRAM_VOTES

TREE = Path(__file__).resolve().parent.parent
# What the adapters' tests need of it.
COPIED = [
    *("adapters", "bots", "core", "starter", "storage", "tests"),
    *("config.yaml", "pyproject.toml"),
]
WITHIN_S = 400.0
GREEN, NO_SUCH_TEST = 0, 4  # what pytest ends with
DEADLINE = "(the deadline)"

Row = tuple[str, str, str, str]  # its name, its file, what stands there, what is to
PLATFORMS: dict[str, Sequence[Row]] = {
    "slack": [*SLACK_HEARING, *SLACK_LINE, *SLACK_VOTES, *SLACK_SPEAKING],
    "discord": [*DISCORD_HEARING, *DISCORD_VOTES, *DISCORD_SPEAKING],
    "telegram": [*TELEGRAM_HEARING, *TELEGRAM_VOTES, *TELEGRAM_SPEAKING],
}


class Result(NamedTuple):
    defect: str
    caught_by: str  # "": it survived
    seconds: float


def applied(text: str, defect: Row) -> str:
    """Raises ValueError where the defect does not fit exactly once."""
    name, file, old, new = defect
    if text.count(old) != 1 or old == new:
        raise ValueError(f"{name!r} applies {text.count(old)} times to {file}: adjust the defect")
    return text.replace(old, new)


def copy_to(place: Path) -> None:
    skipped = shutil.ignore_patterns("__pycache__", ".*_cache", "*.part")
    for name in COPIED:
        if (TREE / name).is_dir():
            shutil.copytree(TREE / name, place / name, ignore=skipped)
        else:
            shutil.copy(TREE / name, place / name)


def in_order(tests: Path, platform: str, file: str) -> list[str]:
    """The files of tests, those first whose subject the defect's file has."""
    words = set(Path(file).stem.split("_")[1:])
    files = sorted(tests.glob(f"test_{platform}*.py"))
    return [str(path) for path in sorted(files, key=lambda one: not words & _words(one))]


def _words(path: Path) -> set[str]:
    alike = {"hearing": {"heard", "ears", "events", "files", "twins"}, "absence": {"history"}}
    alike |= {
        "speaking": {"sheet", "surface", "paper", "text", "calls", "status"},
        "faults": {"line"},
    }
    alike |= {"mentions": {"twins", "hearing"}, "lines": {"socket"}, "votes": {"whisper"}}
    own = set(path.stem.split("_")[2:])
    return own.union(*(alike.get(word, set()) for word in own))


def tested(place: Path, tests: Sequence[str]) -> tuple[str, float]:
    """The first test that fails, "" where none does; and how long that took."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not long", "--tb=no"]
    command += ["-p", "no:cacheprovider", "-o", "addopts=--strict-markers -rfE", *tests]
    began = time.monotonic()
    run = subprocess.Popen(
        command,
        cwd=place,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(place)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = run.communicate(timeout=WITHIN_S)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        return DEADLINE, time.monotonic() - began
    failed = [line for line in said.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    by = f"(exit status {run.returncode})"
    if failed:
        by = failed[0].partition(" - ")[0].partition("tests/adapters/")[2]
    return "" if run.returncode in (GREEN, NO_SUCH_TEST) else by, time.monotonic() - began


def hunted(place: Path, platform: str, defect: Row) -> Result:
    name, file, *_ = defect
    path = place / file
    whole = path.read_text()
    path.write_text(applied(whole, defect))
    tests, first = place / "tests" / "adapters", FIRST[platform].get(name, "")
    began = time.monotonic()
    try:
        caught_by = tested(place, [str(tests / first)])[0] if first else ""
        caught_by = caught_by or tested(place, in_order(tests, platform, file))[0]
        return Result(name, caught_by, time.monotonic() - began)
    finally:
        path.write_text(whole)


def survivors_of(platform: str, only: str) -> int:
    """Print the table; return how many survived."""
    results = []
    with tempfile.TemporaryDirectory(prefix="defects-") as folder:
        place = Path(folder)
        copy_to(place)
        tests = in_order(place / "tests" / "adapters", platform, "")
        caught_by, seconds = tested(place, tests)
        if caught_by:
            sys.exit(f"{platform}: {caught_by} fails without a defect")
        print(f"{platform}: the tests pass without a defect, in {seconds:.0f} s", flush=True)
        for defect in PLATFORMS[platform]:
            if only in defect[0]:
                try:
                    results.append(hunted(place, platform, defect))
                except ValueError as error:
                    print(error, flush=True)
                    continue
                print(f"  {results[-1].defect}: {results[-1].caught_by or 'SURVIVED'}", flush=True)
    print(f"\n| {platform}: defect | caught by | seconds |\n|---|---|---:|")
    for result in sorted(results, key=lambda one: not one.caught_by):
        print(f"| {result.defect} | {result.caught_by or 'NOTHING'} | {result.seconds:.0f} |")
    survived = sum(not result.caught_by for result in results)
    print(f"\n{platform}: {len(results)} defects, {survived} survived\n", flush=True)
    return survived


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("platforms", nargs="*", choices=[*PLATFORMS, []], metavar="PLATFORM")
    parser.add_argument("--only", default="", metavar="NAME", help="those whose name has this")
    asked = parser.parse_args()
    platforms = asked.platforms or list(PLATFORMS)
    return 1 if sum(survivors_of(platform, asked.only) for platform in platforms) else 0


if __name__ == "__main__":
    sys.exit(main())
