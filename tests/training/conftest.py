"""One tune of a tiny model, made once by the real trainer. The base speaks two styles."""

import asyncio
import json
import shutil
import time
from pathlib import Path

import pytest

from core.training import dataset, jsonl
from core.training.runner import run_step
from tests.training import speaking
from tests.training.votes import taste

GOLDEN = Path(__file__).with_name("golden.yaml")


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    return speaking.make(tmp_path_factory.mktemp("base") / "model")


def prepare(run, base, votes):
    (run / "scratch").mkdir(parents=True)
    jsonl.write(dataset.gather(votes), run / "dataset")
    recipe = {"base": str(base), "merge": True, "golden": [str(GOLDEN)]}
    (run / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")


async def steps(module, run, within_s=120.0):
    """Run one step as the bot does; returns what it said on its way."""
    deadline = time.monotonic() + within_s
    return [one async for one in run_step(module, run, deadline=deadline, log=run / "log")]


@pytest.fixture(scope="session")
def tuned(base, tmp_path_factory):
    """A run's folder with a candidate in it, and the progress that was told."""
    run = tmp_path_factory.mktemp("tuned") / "run"
    prepare(run, base, taste(24))
    return run, asyncio.run(steps("core.training.tune", run))


@pytest.fixture
def run(tuned, tmp_path):
    """A copy of the run, to be broken, where the bot would have it."""
    return shutil.copytree(tuned[0], tmp_path / "tunes" / ".run" / "mynah@000001")
