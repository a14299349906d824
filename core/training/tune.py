"""From a base and a data set to a tune: LoRA by SFT on what was liked, then KTO on every verdict.

`python -m core.training.tune RUN`: reads RUN/recipe.json and RUN/dataset, leaves RUN/candidate
(adapter, merged checkpoint, manifest), which appears whole or not at all. It knows neither the
store nor the server. Always from the base: a tune never stands on another tune.

On several GPUs the same under `accelerate launch -m core.training.tune RUN`: each process takes its
share of every batch, the first one measures, reports and writes.

The training itself is core/training/learn.py's.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

from core.training import halves, jsonl
from core.training.budget import FIRST, PROCESSES
from core.training.child import Reporter, settle_in
from core.training.learn import SEED, Rows, learn
from core.training.models import (
    ADAPTER_FILES,
    base_hash,
    merge,
    missing_on_gpu,
    save_adapter,
    sha256,
)
from core.training.recipe import ALPHA, RANK, Plan


def tune(run: Path, reporter: Reporter, wanted: Plan | None = None) -> None:
    """One story from top to bottom. Ends the process with a reason where a person can mend it.

    `wanted`: another plan than the recipe's, to compare with.
    """
    recipe = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    base = Path(recipe["base"])

    # 0. Whether the gate will have room, before the work.
    if missing := missing_on_gpu(base, merge=recipe["merge"]):
        reporter.fail(missing)

    # 1. What there is to learn, without whom the others outvote.
    outvoted = halves.outvoted(run)
    try:
        dataset_sha256 = sha256(run / "dataset" / "manifest.json")  # should it change meanwhile
        manifest = json.loads((run / "dataset" / "manifest.json").read_text(encoding="utf-8"))
        counts = manifest["counts"]
        entries = [entry for entry in manifest["rows"] if not entry["held_out"]]
        rows, pairs = (jsonl.read(run / "dataset", name) for name in ("train.jsonl", "pairs.jsonl"))
        heard = [
            (entry["turn"], entry["line"], row)
            for entry, row in zip(entries, rows, strict=True)
            if not halves.is_theirs(entry["by"], outvoted)
        ]
    except (OSError, ValueError, KeyError, TypeError):
        reporter.fail("the data set is damaged: its files are not what its manifest says")
    if len(heard) < len(rows):
        pairs = _pairs_of([row for _, _, row in heard], pairs)

    # 2. The adapter, in about as many steps as all rows would take.
    some, longer = [row for _, _, row in heard], len(rows) / max(1, len(heard))
    learnt = learn(base, some, pairs, counts, run / "scratch", reporter, wanted, longer)
    model, budget = learnt.model, learnt.budget
    if budget.broken:
        reporter.fail("the model's numbers are none any more (NaN): is the base damaged?")
    if not budget.kept:
        reporter.fail(
            "the very first step went past what the model may change at once;"
            " more varied votes will help"
        )
    if not FIRST:
        return

    # 3. Onto the disk: under another name first, the manifest last.
    reporter.step(1, 1, "writing the tune")
    making = run / "candidate.making"
    save_adapter(model, base, making)
    if recipe["merge"]:
        merge(base, making, making / "merged")
    made = {
        "base": str(base),
        "base_sha256": base_hash(base),
        "dataset_sha256": dataset_sha256,
        "counts": counts,
        "turns": sorted({turn for turn, _, _ in heard}),
        "learnt": sorted(heard[number][1] for number in learnt.taught),
        "too_long": learnt.too_long,
        "outvoted": len(rows) - len(heard),
        "replayed": learnt.replayed,
        "rank": RANK,
        "alpha": ALPHA,
        "seed": SEED,
        "processes": PROCESSES,
        "stages": list(map(str, budget.stages)),
        "kl": budget.trace,
        "kl_limit": budget.whole,
        "stopped_by_kl": budget.spent,
        "losses": learnt.losses,
        "versions": {name: version(name) for name in ("torch", "transformers", "trl", "peft")},
        "files": {
            str(file.relative_to(making)): sha256(file)
            for file in sorted(making.rglob("*"))
            if file.is_file()
        },
    }
    if any(name not in made["files"] for name in ADAPTER_FILES):
        reporter.fail("the trainer wrote no adapter")
    (making / "manifest.json").write_text(json.dumps(made, indent=1), encoding="utf-8")
    making.rename(run / "candidate")


def _pairs_of(rows: Rows, pairs: Rows) -> Rows:
    """Of the pairs those of which both sides are among the rows."""
    heard = [(row["prompt"], row["completion"]) for row in rows]
    return [
        pair
        for pair in pairs
        if all((pair["prompt"], pair[side]) in heard for side in ("chosen", "rejected"))
    ]


def main(wanted: Plan | None = None) -> None:
    run = Path(sys.argv[1])
    reporter = settle_in(run)
    if not FIRST:
        reporter = Reporter(sys.stderr)
    with reporter.explaining():
        tune(run, reporter, wanted)


if __name__ == "__main__":
    main()
