"""From a base and a data set to a tune: LoRA by SFT on what was liked, then KTO on every verdict.

`python -m core.training.tune RUN`: reads RUN/recipe.json and RUN/dataset, leaves RUN/candidate
(adapter, merged checkpoint, manifest), which appears whole or not at all. It knows neither the
store nor the server. Always from the base: a tune never stands on another tune.

TRL's trainers do the training; ours is the KL budget. Dislikes go on paying after all that people
wanted is learnt: the model is pushed into nonsense while the loss still falls. On-policy KL to the
base sees it every time (LOG.md), so training ends there and the last good weights come back.
"""

from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from core.training import dataset
from core.training.child import Reporter, settle_in
from core.training.measure import kl_per_token, longest, probing_prompts, row_ids
from core.training.models import (
    ADAPTER_FILES,
    base_hash,
    is_tiny,
    load_base,
    merge,
    save_adapter,
    sha256,
)
from core.training.recipe import ALPHA, RANK, STOP_AT_KL, Stage, stages, weights

SEED = 17
CHECKS_AT_LEAST = 6  # of the KL budget in one stage


def tune(run: Path, reporter: Reporter) -> None:
    """One story from top to bottom. Ends the process with a reason where a person can mend it."""
    recipe = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    base = Path(recipe["base"])

    # 1. What there is to learn.
    try:
        manifest = json.loads((run / "dataset" / "manifest.json").read_text(encoding="utf-8"))
        counts = manifest["counts"]
        rows = dataset.read(run / "dataset", "train.jsonl")
    except (OSError, ValueError, KeyError, TypeError):
        reporter.fail("the data set is damaged: its files are not what its manifest says")

    # 2. The base. Rows that do not fit its window are left out here, not silently by the trainer.
    reporter.step(0, 1, "loading the model")
    model, tokenizer = load_base(base)
    fitting = [row for row in rows if len(row_ids(tokenizer, row)[0]) <= longest(model)]
    too_long = len(rows) - len(fitting)
    tiny = is_tiny(model)
    plan = stages(counts, model.num_parameters())

    # 3. Stage by stage, on one adapter. The budget is over all of them: KL is to the base.
    budget = Budget(tokenizer, fitting, reporter)
    random.Random(SEED).shuffle(fitting)
    losses: list[dict[str, float]] = []
    for stage in plan:
        budget.begin(stage)
        trainer = _trainer(stage, model, tokenizer, fitting, run / "scratch", budget, tiny=tiny)
        trainer.train()
        model = trainer.model
        losses += [entry for entry in trainer.state.log_history if "loss" in entry]
        if budget.spent:
            break
    if budget.broken:
        reporter.fail("the model's numbers are none any more (NaN): is the base damaged?")
    if not budget.kept:
        reporter.fail(
            "the very first step went past what the model may change at once;"
            " more varied votes will help"
        )

    # 4. Onto the disk: under another name first, the manifest last.
    reporter.step(1, 1, "writing the tune")
    making = run / "candidate.making"
    save_adapter(model, base, making)
    if recipe["merge"]:
        merge(base, making, making / "merged")
    manifest = {
        "base": str(base),
        "base_sha256": base_hash(base),
        "dataset_sha256": sha256(run / "dataset" / "manifest.json"),
        "counts": counts,
        "too_long": too_long,
        "rank": RANK,
        "alpha": ALPHA,
        "seed": SEED,
        "stages": [f"{s.method}, {s.epochs} epochs, rate {s.rate}" for s in plan],
        "kl": budget.trace,
        "stopped_by_kl": budget.spent,
        "losses": losses,
        "versions": {name: version(name) for name in ("torch", "transformers", "trl", "peft")},
        "files": {
            str(file.relative_to(making)): sha256(file)
            for file in sorted(making.rglob("*"))
            if file.is_file()
        },
    }
    if any(name not in manifest["files"] for name in ADAPTER_FILES):
        reporter.fail("the trainer wrote no adapter")
    (making / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    making.rename(run / "candidate")


class Budget:
    """Measures how far the model has moved, keeps the last weights within bounds, says stop."""

    def __init__(self, tokenizer: Any, rows: Sequence[dict[str, Any]], reporter: Reporter) -> None:
        self.tokenizer = tokenizer
        self.prompts = probing_prompts(rows)
        self.reporter = reporter
        self.trace: list[dict[str, Any]] = []
        self.spent = False
        self.broken = False  # NaN
        self.kept = False  # some step stayed within the budget
        self.good: dict[str, Any] = {}
        self.method, self.next, self.stride, self.last = "", 1, 1, 0.0

    def begin(self, stage: Stage) -> None:
        self.method = stage.method
        self.next, self.stride = 1, 1  # the step after which to measure

    def after_step(self, model: Any, step: int, of: int) -> bool:
        """Whether to go on. Where not, the last good weights are back in `model`."""
        what = "learning from what was liked" if self.method == "sft" else "weighing all votes"
        self.reporter.step(step, of, what)
        if step < self.next and step != of:
            return True
        finite = all(bool(p.isfinite().all()) for _, p in _trained(model))
        kl = kl_per_token(model, self.tokenizer, self.prompts) if finite else math.nan
        self.trace.append({"stage": self.method, "step": step, "kl": round(kl, 4)})
        if kl <= STOP_AT_KL:  # not so for NaN
            self.good = {name: p.detach().clone() for name, p in _trained(model)}
            self.kept = True
            self.next = step + self._stride(kl, max(1, of // CHECKS_AT_LEAST))
            return True
        self.spent, self.broken = True, math.isnan(kl)
        for name, parameter in _trained(model):
            if name in self.good:
                parameter.data.copy_(self.good[name])
        return False

    def _stride(self, kl: float, most: int) -> int:
        """Steps to the next measurement: a third of the way to the limit as fast as of late.

        KL grows faster than in a line, hence a third, and never more than twice the last stride.
        """
        slope = (kl - self.last) / self.stride
        left = int((STOP_AT_KL - kl) / slope / 3) if slope > 0 else most
        self.last = kl
        self.stride = max(1, min(left, 2 * self.stride, most))
        return self.stride


def _trained(model: Any) -> list[tuple[str, Any]]:
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad]


def _trainer(
    stage: Stage,
    model: Any,
    tokenizer: Any,
    rows: Sequence[dict[str, Any]],
    scratch: Path,
    budget: Budget,
    *,
    tiny: bool,
) -> Any:
    import torch
    from datasets import Dataset
    from peft import LoraConfig, PeftModel
    from transformers import PrinterCallback, ProgressCallback
    from trl import KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

    gpu = torch.cuda.is_available()
    per_step = stage.batch if tiny else 1
    common: dict[str, Any] = {
        "output_dir": str(scratch),
        "num_train_epochs": stage.epochs,
        "learning_rate": stage.rate,
        "lr_scheduler_type": "constant_with_warmup",
        "warmup_steps": 2,
        "per_device_train_batch_size": per_step,
        "gradient_accumulation_steps": stage.batch // per_step,
        "gradient_checkpointing": not tiny,
        "max_length": longest(model),
        "bf16": gpu,
        "use_cpu": not gpu,
        "save_strategy": "no",
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "seed": SEED,
        "dataloader_pin_memory": gpu,
    }
    lora = LoraConfig(
        r=RANK,
        lora_alpha=ALPHA,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    shared: dict[str, Any] = {
        "model": model,
        "processing_class": tokenizer,
        "peft_config": None if isinstance(model, PeftModel) else lora,
    }
    trainer: Any
    if stage.method == "sft":
        liked = [{k: row[k] for k in ("prompt", "completion")} for row in rows if row["label"]]
        trainer = SFTTrainer(
            args=SFTConfig(**common), train_dataset=Dataset.from_list(liked), **shared
        )
    else:
        # Without a KL term of its own, so without rules for how rows lie in a batch; on small
        # data sets as good as "kto" (LOG.md). The budget below is the brake either way.
        good = sum(row["label"] for row in rows)
        desirable, undesirable = weights(good, len(rows) - good)
        arguments = KTOConfig(
            loss_type="apo_zero_unpaired",
            beta=0.1,
            desirable_weight=desirable,
            undesirable_weight=undesirable,
            train_sampling_strategy="random",
            **common,
        )
        trainer = KTOTrainer(args=arguments, train_dataset=Dataset.from_list(list(rows)), **shared)
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    trainer.add_callback(_watch(budget.after_step))
    return trainer


def _watch(after_step: Callable[[Any, int, int], bool]) -> Any:
    """The trainers' way to be asked after each step, for `after_step`."""
    from transformers import TrainerCallback

    class Watch(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if not after_step(more["model"], state.global_step, state.max_steps):
                control.should_training_stop = True

    return Watch()


def main() -> None:
    run = Path(sys.argv[1])
    reporter = settle_in(run)
    with reporter.explaining():
        tune(run, reporter)


if __name__ == "__main__":
    main()
