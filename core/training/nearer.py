"""A candidate that goes too far comes back a part of the way.

`python -m core.training.nearer RUN`: reads RUN/recipe.json, leaves another RUN/candidate, or, where
it is killed, none that passes the gate. What a LoRA adds is scaled down, so that all that it
changes lies between the base and where the training ended: a manner is mostly kept there, and what
the gate found lost comes back.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.training.child import Reporter, settle_in
from core.training.models import merge, sha256

SHARE, AT_LEAST = 0.88, 0.65  # what is left of the way at each call, and of all of it at last


def may_go(manifest: Mapping[str, Any]) -> bool:
    """Whether it may go back once more, by the candidate's manifest: three times in all."""
    return bool(manifest.get("way", 1.0) * SHARE >= AT_LEAST)


def nearer(run: Path, reporter: Reporter) -> None:
    from safetensors.torch import load_file, save_file

    reporter.step(0, 1, "going back a part of the way")
    candidate, making = run / "candidate", run / "candidate.making"
    recipe = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    base = Path(recipe["base"])
    shutil.rmtree(candidate / "merged", ignore_errors=True)  # no room is reckoned with for two
    shutil.copytree(candidate, making, ignore=shutil.ignore_patterns("manifest.json"))
    weights = making / "adapter_model.safetensors"
    tensors = load_file(weights)
    scaled = {name: SHARE * one if ".lora_B." in name else one for name, one in tensors.items()}
    save_file(scaled, weights, metadata={"format": "pt"})
    if recipe["merge"]:
        merge(base, making, making / "merged")
    made = json.loads((candidate / "manifest.json").read_text(encoding="utf-8"))
    made["way"] = made.get("way", 1.0) * SHARE
    made["files"] = {name: sha256(making / name) for name in made["files"]}
    (making / "manifest.json").write_text(json.dumps(made, indent=1), encoding="utf-8")
    shutil.rmtree(candidate)
    making.rename(candidate)


def main() -> None:
    run = Path(sys.argv[1])
    reporter = settle_in(run)
    with reporter.explaining():
        nearer(run, reporter)


if __name__ == "__main__":
    main()
