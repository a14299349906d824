"""Which room may import which, and what must never be in the bot's process."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
ROOMS = {
    "core": {"core"},
    "adapters": {"adapters", "core"},
    "storage": {"storage", "core"},
    "bots": {"bots", "core", "adapters", "storage"},
}
OURS = {*ROOMS, "starter", "bench", "tests"}
HEAVY = {"torch", "transformers", "trl", "peft", "datasets", "accelerate", "apscheduler"}


def imports(file: Path, *, top_level_only: bool = False) -> Iterator[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files(room: str) -> list[Path]:
    return sorted((TOP / room).rglob("*.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_imports_go_inwards(room):
    assert files(room)
    for file in files(room):
        for name in imports(file):
            top = name.split(".")[0]
            assert top not in OURS or top in ROOMS[room], f"{file}: {name}"


def test_storage_knows_only_the_types_and_the_errors_of_the_core():
    for file in files("storage"):
        for name in imports(file):
            if name.startswith("core"):
                assert name.startswith(("core.types", "core.errors")), f"{file}: {name}"


def test_an_adapter_knows_no_other_adapter():
    for file in files("adapters"):
        if file.name != "__init__.py":
            own = file.stem.split("_")[0]  # discord.py may have a discord_client.py beside it
            for name in imports(file):
                if name.startswith("adapters"):
                    assert name.startswith(f"adapters.{own}"), f"{file}: {name}"


def test_the_core_knows_nothing_of_training():
    for file in files("core"):
        if "training" not in file.parts:
            for name in imports(file):
                assert not name.startswith("core.training"), f"{file}: {name}"


def test_heavy_libraries_are_imported_inside_functions_only():
    for room in ROOMS:
        for file in files(room):
            for name in imports(file, top_level_only=True):
                assert name.split(".")[0] not in HEAVY, f"{file}: {name}"


def test_no_heavy_library_is_in_the_bots_process():
    code = (
        "import sys, bots.run, bots.wiring, bots.check, bots.train, adapters.console;"
        f"print(sorted(set(sys.modules) & {HEAVY!r}))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"
