"""A candidate that goes too far comes back a part of the way.

`python -m core.training.nearer RUN`: reads RUN/recipe.json, leaves another RUN/candidate, whole or
not at all. What a LoRA adds is scaled down, so that all that it changes lies between the base and
where the training ended: a manner is mostly kept there, and what the gate found lost comes back.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from core.training.child import Reporter, settle_in
from core.training.models import merge, sha256

SHARE, AT_LEAST = 0.88, 0.6  # of the way: at each call, and of all that is left


def may_go(manifest: dict[str, float]) -> bool:
    """Whether there is a way to go back, by the candidate's manifest."""
    return manifest.get("way", 1.0) * SHARE >= AT_LEAST


def nearer(run: Path, reporter: Reporter) -> None:
    from safetensors.torch import load_file, save_file

    reporter.step(0, 1, "going back a part of the way")
    candidate, making = run / "candidate", run / "candidate.making"
    recipe = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    base = Path(recipe["base"])
    shutil.copytree(candidate, making, ignore=shutil.ignore_patterns("merged", "manifest.json"))
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
